#![no_main]

#[path = "../../tests/fuzzing/recipe.rs"]
mod recipe;

libfuzzer_sys::fuzz_target!(|data: &[u8]| recipe::check(data));
