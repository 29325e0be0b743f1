//! What the fuzz targets check, on the inputs that fuzzing has brought together in `fuzz/corpus`.
//!
//! The targets themselves, in `fuzz/targets`, hand libFuzzer's inputs to the same functions.

use std::fs;
use std::path::Path;

mod avro;
mod dead_letter;
mod payload;
mod recipe;
mod wire;

#[test]
fn every_wire_header_of_the_corpus_is_taken_apart_or_refused_for_a_reason() {
    replay("wire", wire::check);
}

#[test]
fn every_avro_body_of_the_corpus_reads_as_apache_avro_reads_it_or_is_refused_whole() {
    replay("avro", avro::check);
}

#[test]
fn every_payload_of_the_corpus_is_read_unchanged_or_refused_for_a_reason() {
    replay("payload", payload::check);
}

#[test]
fn every_recipe_of_the_corpus_is_loaded_or_refused_with_the_place_of_its_errors() {
    replay("recipe", recipe::check);
}

#[test]
fn every_dead_letter_of_the_corpus_can_be_replayed_or_is_refused_for_a_reason() {
    replay("dead_letter", dead_letter::check);
}

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&directory).expect("the corpus is committed") {
        let path = entry.expect("the corpus can be read").path();
        let input = fs::read(&path).expect("the corpus can be read");
        // A failed check does not know which input it was given.
        let failed = std::panic::catch_unwind(|| check(&input));
        assert!(failed.is_ok(), "{} fails; see above", path.display());
        inputs += 1;
    }
    assert!(inputs >= 5, "{} holds {inputs} inputs", directory.display());
}
