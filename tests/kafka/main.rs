//! The program against real Apache Kafka: a real process, real signals, one module per behaviour.
//! That nothing is lost whatever happens is proved in `tests/faults`.
//!
//! Needs Java and the jars that `./test.sh` fetches, so plain `cargo test` leaves these tests out.

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the harness serves the fault suite too")]
mod harness;

mod all_topics;
mod backpressure;
mod bad_input;
mod chosen_topics;
mod commit_modes;
mod dead_letter_topic;
mod dead_letters;
mod deadline;
mod failure_mode;
mod framework;
mod frozen_broker;
mod gaps;
mod gaps_while_running;
mod group_members;
mod idle_timeout;
mod infinite_retry;
mod kafka_itself;
mod lookback;
mod looking;
mod monitoring;
mod offsets;
mod oauth;
mod ordering;
mod permissions;
mod registry_outage;
mod replay;
mod replay_elsewhere;
mod replay_stopped;
mod reset_offsets;
mod routes;
mod start_position;
mod static_membership;
mod stop_and_resume;
mod tls;
mod topics_created_again;
mod validate_connect;

use harness::{KafkaBroker, Scene};

/// A scene on the broker that all tests of this suite share.
fn scene(test: &str) -> Scene<'static> {
    Scene::on(KafkaBroker::shared(), test)
}
