#![no_main]

#[path = "../../tests/fuzzing/dead_letter.rs"]
mod dead_letter;

libfuzzer_sys::fuzz_target!(|data: &[u8]| dead_letter::check(data));
