//! The program as a process, on the broker that comes with it: needs nothing but Rust.
//!
//! What only real Kafka can show is in `tests/kafka`; here are the main road, the command line, and
//! the faults that have to be injected into the protocol itself.

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the harness serves another suite too")]
mod harness;

mod command_line;
mod commit_faults;
mod main_job;
mod quickstart;
mod stop;
