//! The program as a process, on the broker that comes with it: needs nothing but Rust.
//!
//! What only real Kafka can show is in `tests/kafka`, and what faults do in `tests/faults`; here are the
//! main road and the command line.

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the harness serves another suite too")]
mod harness;

mod bad_input;
mod canaries;
mod command_line;
mod commits;
mod failure_limits;
mod letter_commands;
mod letter_ids;
mod letters;
mod liveness;
mod looking;
mod main_job;
mod monitoring;
mod outage;
mod output;
mod private_files;
mod progress;
mod quickstart;
mod readiness;
mod rehearsal;
mod routes;
mod several_recipes;
mod signals;
mod stop;
