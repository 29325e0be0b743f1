//! Bytes to events, seen from outside: samples, several writers' schemas, arbitrary and broken bodies,
//! and the Python framework on the same bytes.

#![allow(clippy::unwrap_used, reason = "a helper that can't go on fails its test there and then")]

mod against_python;
mod reading;
mod records;
