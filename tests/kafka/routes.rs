//! Topics that a recipe reads by choice.

use crate::harness::{KafkaBroker, check_topics_read_by_choice};

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn proposals_strange_platform_events_and_any_avro_topic_reach_the_action_transformed_and_with_full_meta() {
    check_topics_read_by_choice(KafkaBroker::shared());
}
