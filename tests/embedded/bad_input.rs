//! Each row of the table of bad records, on the broker that comes with the program. `tests/kafka` has the
//! same on real Kafka.

use datahub_relay::embedded::EmbeddedBroker;

use crate::harness::bad_input;

fn check(row: &str, cases: Vec<bad_input::Case>) {
    bad_input::check(&broker(), row, cases);
}

fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start(&[]).expect("a broker")
}

#[test]
fn an_empty_value_fewer_than_5_bytes_or_a_first_byte_other_than_0_is_a_dead_letter_envelope() {
    check("no-wire-header", bad_input::no_wire_header());
}

#[test]
fn a_body_cut_at_any_byte_is_a_dead_letter_avro() {
    check("a-body-cut-at-any-byte", bad_input::a_body_cut_at_any_byte());
}

#[test]
fn bytes_after_the_records_end_are_a_dead_letter_avro() {
    check("bytes-after-the-end", bad_input::bytes_after_the_end());
}

#[test]
fn invalid_utf8_indexes_out_of_range_absurd_lengths_and_a_nesting_bomb_are_dead_letters_avro_in_bounded_memory()
 {
    check("a-body-that-is-no-avro", bad_input::a_body_that_is_no_avro());
}

#[test]
fn a_record_of_another_type_than_the_topics_is_a_dead_letter_type() {
    check("a-record-of-another-type", bad_input::a_record_of_another_type());
}

#[test]
fn a_null_value_is_counted_and_acknowledged() {
    check("a-tombstone", bad_input::a_tombstone());
}

#[test]
fn a_payload_that_is_not_json_lacks_a_field_or_has_another_content_type_is_a_dead_letter_payload() {
    check("a-payload-that-cannot-be-used", bad_input::a_payload_that_cannot_be_used());
}

#[test]
fn a_platform_event_without_version_is_valid() {
    check("a-platform-event-without-a-version", bad_input::a_platform_event_without_a_version());
}

#[test]
fn a_platform_event_of_an_unknown_name_is_counted_and_acknowledged() {
    check("a-platform-event-of-an-unknown-name", bad_input::a_platform_event_of_an_unknown_name());
}

#[test]
fn a_change_log_whose_aspect_is_not_json_or_has_another_content_type_is_valid() {
    check("an-aspect-that-is-not-json", bad_input::an_aspect_that_is_not_json());
}

#[test]
fn an_unknown_change_type_aspect_or_field_is_valid() {
    check("what-a-newer-writer-knows", bad_input::what_a_newer_writer_knows());
}

#[test]
fn a_record_of_1_mib_and_more_is_valid() {
    check("a-record-of-more-than-a-mebibyte", bad_input::a_record_of_more_than_a_mebibyte());
}

#[test]
fn duplicate_headers_null_headers_and_no_key_are_valid() {
    check("strange-headers-and-no-key", bad_input::strange_headers_and_no_key());
}

#[test]
fn a_cut_record_whose_whole_fields_fail_the_filter_is_dropped_as_any_other() {
    bad_input::check_a_cut_record_that_no_filter_wants(&broker());
}

#[test]
fn predicates_that_look_inside_an_aspect_do_not_match_where_it_is_not_json() {
    bad_input::check_predicates_on_an_aspect_that_is_not_json(&broker());
}

#[test]
fn an_unknown_schema_id_is_retried_to_a_deadline_once_and_then_a_dead_letter_schema() {
    bad_input::check_an_unknown_schema_id(&broker());
}

#[test]
fn a_registry_that_answers_404_to_every_id_is_an_outage_that_readiness_explains() {
    bad_input::check_a_registry_that_knows_no_id(&broker());
}

#[test]
fn a_registry_that_answers_401_403_5xx_nonsense_or_nothing_makes_the_partition_wait_and_recovers_by_itself() {
    bad_input::check_a_registry_that_is_out(&broker());
}
