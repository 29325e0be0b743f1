//! The program against real Apache Kafka: a real process, real signals, one module per behaviour.
//!
//! Needs Java and the jars that `./test.sh` fetches, so plain `cargo test` leaves these tests out.

#[path = "../harness/mod.rs"]
mod harness;

mod all_topics;
mod broker;
mod broker_restart;
mod commit_modes;
mod dead_letters;
mod failure_mode;
mod group_members;
mod monitoring;
mod ordering;
mod registry_outage;
mod sigkill;
mod start_position;
mod stop_and_resume;
