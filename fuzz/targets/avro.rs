#![no_main]

#[path = "../../tests/fuzzing/avro.rs"]
mod avro;

libfuzzer_sys::fuzz_target!(|data: &[u8]| avro::check(data));
