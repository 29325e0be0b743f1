//! datahub-relay: consumes DataHub's change streams from Kafka, decodes them through a schema
//! registry, filters them, hands them to an action, and commits what has been acknowledged.
//!
//! The modules stand in the order in which an event meets them. Data flows one way; an event's
//! *outcome* flows back to the partition it came from:
//!
//! ```text
//! Kafka ── kafka ──▶ avro ──▶ filter ──▶ transform ──▶ action
//!            ▲         │         │           │            │
//!            │         └─────────┴───────────┴────────────┴──▶ delivery (outcome, watermark)
//!            └─────────────────── commit ◀─────────────────────────┘
//! ```
//!
//! `event` and what stands around it are the ground that everybody may know. The stages do not know each
//! other's insides; `module_map` lists, and tests, the few that name another one at all. `recipe` gathers
//! what the stages let a user configure, `pipeline` turns that into running components, and `cli` is what
//! a person calls.

// The process's environment variables, read once.
pub mod environment;
// What is found wrong in configuration, at the path of the key it concerns.
pub mod findings;
// Keeping secrets out of texts that leave the program.
pub mod redaction;
// YAML files read with the place of every key, and checked against the structs they are meant for.
pub mod yaml;
// A file of whole lines, whatever happened to its writer: what the `file` action and the dead
// letters are written to.
pub mod line_file;
// How this program speaks HTTP to others.
pub mod http_client;
// How DataHub's own API is reached, as a recipe or the environment says.
pub mod datahub;
// Defects on purpose, for the tests of the fault suite; nothing in any other build.
mod mutant;
// What flows: a record as it came from Kafka, and the event that was read from it.
pub mod event;
// What can be seen from outside: metric names, logs, health, and the HTTP endpoint.
pub mod telemetry;

// Records from Kafka: client configuration, the polling thread, rebalances, commits.
pub mod kafka;
// Bytes to events: wire header, schema registry client, projection scan, full decode.
pub mod avro;
// Predicates, compiled once from the recipe; some are decided on a scan of the bytes alone.
pub mod filter;
// What is changed about an event before it is acted on.
pub mod transform;
// What is done with an event: the `Action` trait and the actions that come with the program.
pub mod action;
// Order, retries and acknowledgement: outcomes go in, a watermark per partition comes out.
pub mod delivery;
// Where an event goes that could not be processed, so that nothing is lost.
pub mod dead_letter;

// What a user writes: a YAML file that names source, filters, action and options.
pub mod recipe;
// What the process as a whole is told: monitoring, logging.
pub mod settings;
// One recipe, running: the only place that turns configuration into components.
pub mod pipeline;
// Broker and registry inside this process, for the quickstart and for tests.
pub mod embedded;
// The command line: one file per command.
pub mod cli;

#[cfg(test)]
mod module_map;
