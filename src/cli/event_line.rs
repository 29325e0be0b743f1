//! One line for one record: for a person, or for a program.

use std::io::{self, Write};

use serde_json::json;

use super::colour::Colours;
use super::moment::time_of_record;
use super::wording::Words;
use crate::event::{Envelope, Position, Record};
use crate::telemetry;

/// Writes a line for each record that is shown.
pub(super) struct EventLines<'a> {
    output: &'a mut dyn Write,
    colours: Colours,
    json: bool,
}

impl<'a> EventLines<'a> {
    /// Lines of JSON, or for a person, in colour or not.
    pub(super) fn new(output: &'a mut dyn Write, colours: Colours, json: bool) -> Self {
        Self { output, colours, json }
    }

    /// An event: the JSON that actions see, or when, what, about which entity, and what changed.
    pub(super) fn event(&mut self, record: &Record, envelope: &Envelope) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.output, envelope)?;
            return writeln!(self.output);
        }
        let Words { kind, entity, change } = Words::of(envelope);
        let kind = self.colours.cyan(format!("{kind:<13}"));
        self.line(record, &format!("{kind}  {entity}  {}", self.colours.bold(change)))
    }

    /// A record that is no event, and why; without secrets.
    pub(super) fn no_event(&mut self, record: &Record, stage: &str, why: &str) -> io::Result<()> {
        let why = telemetry::redacted(why);
        if self.json {
            let Position { source, offset } = &record.position;
            let meta =
                json!({"kafka": {"topic": &*source.topic, "partition": source.partition, "offset": offset}});
            let line = json!({"event_type": null, "event": null, "meta": meta,
                "error": {"stage": stage, "message": why}});
            return writeln!(self.output, "{line}");
        }
        self.line(record, &self.colours.red(format!("{:<13}  {stage}: {why}", "NOT AN EVENT")))
    }

    /// A record without a value.
    pub(super) fn tombstone(&mut self, record: &Record) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        self.line(record, &self.colours.dim(format!("{:<13}  {key}", "tombstone")))
    }

    /// Where the lines go.
    pub(super) fn output(&mut self) -> &mut dyn Write {
        self.output
    }

    fn line(&mut self, record: &Record, text: &str) -> io::Result<()> {
        let time = self.colours.dim(time_of(record));
        let place = self.colours.dim(&record.position);
        writeln!(self.output, "{time}  {text}  {place}")
    }
}

fn time_of(record: &Record) -> String {
    let time = record.timestamp_ms.and_then(time_of_record);
    time.unwrap_or_else(|| format!("{:<24}", "-"))
}
