//! Topics that a recipe reads by choice.

use datahub_relay::embedded::EmbeddedBroker;

use crate::harness::check_topics_read_by_choice;

#[test]
fn proposals_strange_platform_events_and_any_avro_topic_reach_the_action_transformed_and_with_full_meta() {
    check_topics_read_by_choice(&EmbeddedBroker::start(&[]).expect("a broker"));
}
