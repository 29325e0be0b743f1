//! Each row of the table of bad records, on real Kafka. `tests/embedded` has the same on the broker that
//! comes with the program.

use std::process::Command;
use std::time::Duration;

use crate::harness::{Broker, KafkaBroker, bad_input, command, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

fn check(row: &str, cases: Vec<bad_input::Case>) {
    bad_input::check(KafkaBroker::shared(), row, cases);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_empty_value_fewer_than_5_bytes_or_a_first_byte_other_than_0_is_a_dead_letter_envelope() {
    check("no-wire-header", bad_input::no_wire_header());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_body_cut_at_any_byte_is_a_dead_letter_avro() {
    check("a-body-cut-at-any-byte", bad_input::a_body_cut_at_any_byte());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn bytes_after_the_records_end_are_a_dead_letter_avro() {
    check("bytes-after-the-end", bad_input::bytes_after_the_end());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn invalid_utf8_indexes_out_of_range_absurd_lengths_and_a_nesting_bomb_are_dead_letters_avro_in_bounded_memory()
 {
    check("a-body-that-is-no-avro", bad_input::a_body_that_is_no_avro());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_record_of_another_type_than_the_topics_is_a_dead_letter_type() {
    check("a-record-of-another-type", bad_input::a_record_of_another_type());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_null_value_is_counted_and_acknowledged() {
    check("a-tombstone", bad_input::a_tombstone());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_payload_that_is_not_json_lacks_a_field_or_has_another_content_type_is_a_dead_letter_payload() {
    check("a-payload-that-cannot-be-used", bad_input::a_payload_that_cannot_be_used());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_platform_event_without_version_is_valid() {
    check("a-platform-event-without-a-version", bad_input::a_platform_event_without_a_version());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_platform_event_of_an_unknown_name_is_counted_and_acknowledged() {
    check("a-platform-event-of-an-unknown-name", bad_input::a_platform_event_of_an_unknown_name());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_change_log_whose_aspect_is_not_json_or_has_another_content_type_is_valid() {
    check("an-aspect-that-is-not-json", bad_input::an_aspect_that_is_not_json());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_unknown_change_type_aspect_or_field_is_valid() {
    check("what-a-newer-writer-knows", bad_input::what_a_newer_writer_knows());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_record_of_1_mib_and_more_is_valid() {
    check("a-record-of-more-than-a-mebibyte", bad_input::a_record_of_more_than_a_mebibyte());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn duplicate_headers_null_headers_and_no_key_are_valid() {
    check("strange-headers-and-no-key", bad_input::strange_headers_and_no_key());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_cut_record_whose_whole_fields_fail_the_filter_is_dropped_as_any_other() {
    bad_input::check_a_cut_record_that_no_filter_wants(KafkaBroker::shared());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn predicates_that_look_inside_an_aspect_do_not_match_where_it_is_not_json() {
    bad_input::check_predicates_on_an_aspect_that_is_not_json(KafkaBroker::shared());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_unknown_schema_id_is_retried_to_a_deadline_once_and_then_a_dead_letter_schema() {
    bad_input::check_an_unknown_schema_id(KafkaBroker::shared());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_registry_that_answers_404_to_every_id_is_an_outage_that_readiness_explains() {
    bad_input::check_a_registry_that_knows_no_id(KafkaBroker::shared());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_registry_that_answers_401_403_5xx_nonsense_or_nothing_makes_the_partition_wait_and_recovers_by_itself() {
    bad_input::check_a_registry_that_is_out(KafkaBroker::shared());
}

/// Kafka takes any bytes for a header's name, and other clients send them.
#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_header_whose_name_is_not_utf8_leaves_its_record_and_those_around_it_as_they_are() {
    let scene = scene("header-name");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 5);
    send_with_header(&topic, "no wire header", "c3");
    feeder.change_logs(&topic, 1, 5);
    let recipe = scene.recipe().change_logs(&topic);
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(11));
    relay.stop();
    assert_eq!(scene.action_log().read().len(), 10);
    let mut letters = scene.dead_letters();
    let values: Vec<_> = letters.read().iter().map(|letter| letter.record.value()).collect();
    assert_eq!(values, [Some(b"no wire header".to_vec())]);

    // Whoever only reads the topic comes to the events behind it, too. `--limit` does not count what is none.
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    let tail = command(&["tail", "-c", &file, "--from", "earliest", "--limit", "10", "--json"], &[]);
    assert_eq!((tail.code, tail.stdout.lines().count()), (Some(0), 11), "{tail:?}");
}

fn send_with_header(topic: &str, value: &str, name_in_hex: &str) {
    let python = std::env::var("DATAHUB_RELAY_PYTHON")
        .expect("DATAHUB_RELAY_PYTHON must name a Python that has acryl-datahub-actions[kafka]");
    let sent = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/send_header.py"))
        .args([KafkaBroker::shared().bootstrap(), topic, value, name_in_hex])
        .output()
        .expect("Python was installed");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
}
