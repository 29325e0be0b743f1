#![no_main]

#[path = "../../tests/fuzzing/payload.rs"]
mod payload;

libfuzzer_sys::fuzz_target!(|data: &[u8]| payload::check(data));
