//! The program against real Apache Kafka: a real process, real signals, one module per behaviour.
//!
//! Needs Java and the jars that `./test.sh` fetches, so plain `cargo test` leaves these tests out.

#[path = "../harness/mod.rs"]
mod harness;

mod broker;
