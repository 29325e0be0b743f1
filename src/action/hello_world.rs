//! The action that prints each event, as the Python framework's does.

use std::io::{self, Write};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::{Action, ActionError};
use crate::event::Envelope;

const GREETING: &str = "Hello world! Received event:\n";
const INDENT: &[u8] = b"    ";

/// Prints `Hello world! Received event:` and the event's JSON to standard output, byte for byte
/// what the Python framework prints: indented by four, and everything beyond ASCII escaped.
#[derive(Debug, Clone, Copy)]
pub struct HelloWorld {
    to_upper: bool,
}

impl HelloWorld {
    /// With `to_upper` the JSON, not the greeting, is printed in upper case.
    pub fn new(to_upper: bool) -> Self {
        Self { to_upper }
    }

    fn text_for(self, event: &Envelope) -> serde_json::Result<Vec<u8>> {
        let mut text = GREETING.as_bytes().to_vec();
        let json_start = text.len();
        let formatter = AsciiFormatter(PrettyFormatter::with_indent(INDENT));
        event.serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
        if self.to_upper {
            text[json_start..].make_ascii_uppercase();
        }
        text.push(b'\n');
        Ok(text)
    }
}

#[async_trait]
impl Action for HelloWorld {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        let text = self.text_for(event).map_err(|error| {
            ActionError::permanent(format!("the event cannot be written as JSON: {error}"))
        })?;
        // A terminal that was stopped with Ctrl-S, or a pipe that nobody reads, blocks for as long as
        // it likes: on a thread that may wait. One write under one lock, so that lanes do not mix.
        let printed = tokio::task::spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&text).and_then(|()| stdout.flush())
        });
        match printed.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(ActionError::Broken { message: "nobody reads standard output any more".to_owned() })
            }
            Ok(Err(error)) => Err(cannot_print(&error)),
            Err(stopped) => Err(cannot_print(&stopped)),
        }
    }
}

fn cannot_print(error: &dyn std::fmt::Display) -> ActionError {
    ActionError::retryable(format!("cannot print to standard output: {error}"))
}

/// Indents, and writes what is not printable ASCII as `\uXXXX`, as Python's `json.dumps` does.
struct AsciiFormatter<'a>(PrettyFormatter<'a>);

impl Formatter for AsciiFormatter<'_> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(index) = rest.find(|character: char| !matches!(character, ' '..='~')) {
            let (plain, special) = rest.split_at(index);
            writer.write_all(plain.as_bytes())?;
            let mut characters = special.chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::event::{Event, EventType, Position, TopicPartition};

    fn event() -> Envelope {
        let serde_json::Value::Object(payload) =
            json!({"name": "Büro \u{1f680}\u{7f}", "none": [], "empty": {}, "n": [1, "a\"\n"]})
        else {
            unreachable!("the literal above is an object")
        };
        let source = TopicPartition { topic: Arc::from("PlatformEvent_v1"), partition: 2 };
        Envelope::new(EventType::EntityChange, Event::Object(payload), Position { source, offset: 7 })
    }

    /// The expected text is what Python's `json.dumps(…, indent=4)` prints for the same event.
    const PYTHON: &str = r#"{
    "event_type": "EntityChangeEvent_v1",
    "event": {
        "name": "B\u00fcro \ud83d\ude80\u007f",
        "none": [],
        "empty": {},
        "n": [
            1,
            "a\"\n"
        ]
    },
    "meta": {
        "kafka": {
            "topic": "PlatformEvent_v1",
            "partition": 2,
            "offset": 7
        }
    }
}
"#;

    #[test]
    fn an_event_is_printed_as_the_python_framework_prints_it() {
        let text = String::from_utf8(HelloWorld::new(false).text_for(&event()).unwrap()).unwrap();
        assert_eq!(text, format!("Hello world! Received event:\n{PYTHON}"));
    }

    #[test]
    fn to_upper_spares_the_greeting_as_in_the_python_framework() {
        let text = String::from_utf8(HelloWorld::new(true).text_for(&event()).unwrap()).unwrap();
        assert_eq!(text, format!("Hello world! Received event:\n{}", PYTHON.to_ascii_uppercase()));
    }
}
