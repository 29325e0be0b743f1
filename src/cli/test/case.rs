//! One case: its events in, and what became of them.

use serde_json::{Map, Value};

use super::difference;
use super::written::{Writers, comparable, lost, with_texts};
use crate::avro::{Body, read_body, wire};
use crate::cli::colour::Colours;
use crate::event::{Envelope, Event, EventType, Position, Record, Route, Stage, TopicPartition};
use crate::pipeline::{DroppedBy, Judgement, Trial};
use crate::recipe::{Case, EventConfig, Expected, Recipe};

/// How a case did not come out as expected.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// The place of the event in the case, if there are several.
    event: Option<usize>,
    expected: String,
    found: String,
    /// The event that was expected, and the one found, where both are known.
    events: Option<Box<(Value, Value)>>,
}

impl Mismatch {
    /// For a person.
    pub(super) fn lines(&self, colours: Colours) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(index) = self.event {
            lines.push(format!("events[{index}]"));
        }
        lines.push(format!("expected: {}", self.expected));
        lines.push(format!("found:    {}", self.found));
        if let Some(events) = &self.events {
            let (expected, found) = &**events;
            lines.extend(difference::lines(expected, found, colours));
        }
        lines
    }
}

/// Takes a case's events through everything that stands before the action.
pub(super) fn check_case(
    case: &Case,
    recipe: &Recipe,
    trial: &Trial,
    writers: &Writers,
) -> Result<(), Mismatch> {
    for (index, event) in case.events.iter().enumerate() {
        let outcome = match judge(event, recipe, trial, writers) {
            Ok(judgement) => compare(&case.expected, &judgement, &event.event_type),
            Err(text) => Err(Mismatch {
                event: None,
                expected: words(&case.expected),
                found: format!("this event cannot be written: {text}"),
                events: None,
            }),
        };
        let several = case.events.len() > 1;
        outcome.map_err(|mismatch| Mismatch { event: several.then_some(index), ..mismatch })?;
    }
    Ok(())
}

/// What becomes of an event, on the first topic of the recipe that may carry it.
fn judge(
    config: &EventConfig,
    recipe: &Recipe,
    trial: &Trial,
    writers: &Writers,
) -> Result<Judgement, String> {
    let name = config.event_type.as_str();
    let event_type = EventType::standard(name).unwrap_or_else(|| EventType::Other(name.into()));
    let topics = &recipe.consumer.topics;
    let Some((topic, route)) = topics.iter().find(|(_, route)| route.event_types().contains(&event_type))
    else {
        return Ok(Judgement::Dropped { by: DroppedBy::Source, on_scan: false });
    };
    let source = TopicPartition { topic: topic.as_str().into(), partition: 0 };
    let position = Position { source, offset: 0 };
    let event = with_texts(&config.event);
    let Some((schema, value)) = writers.write(&event_type, &event).map_err(|error| error.to_string())? else {
        return Ok(trial.judge_event(Envelope::new(event_type, Event::Object(event), position)));
    };
    check_nothing_is_lost(route, schema, &value, &event)?;
    let record = Record { position, timestamp_ms: None, key: None, value: Some(value), headers: Vec::new() };
    Ok(trial.judge(route, schema, &record))
}

/// A key that the schema does not have would be left out in silence, and the case would show nothing.
fn check_nothing_is_lost(
    route: &Route,
    schema: &crate::avro::CompiledSchema,
    value: &[u8],
    event: &Map<String, Value>,
) -> Result<(), String> {
    let Ok((_, body)) = wire::split(value) else { return Ok(()) };
    // What cannot be read back is what the case is about.
    let Ok(Body::Event(event_type, read)) = read_body(route, schema, body) else { return Ok(()) };
    if matches!(event_type, EventType::EntityChange | EventType::RelationshipChange) {
        return Ok(());
    }
    match lost(&Value::Object(event.clone()), &Value::Object(read.to_object())) {
        Some(path) => Err(format!("{event_type} has no field `{path}`; remove it, or see how it is spelt")),
        None => Ok(()),
    }
}

fn compare(expected: &Expected, judgement: &Judgement, event_type: &str) -> Result<(), Mismatch> {
    let mismatch = |events| {
        Err(Mismatch {
            event: None,
            expected: words(expected),
            found: judgement_words(judgement, event_type),
            events,
        })
    };
    match (expected, judgement) {
        (Expected::Dropped, Judgement::Dropped { .. } | Judgement::UnknownPlatformEvent(_)) => Ok(()),
        (Expected::DroppedBy(path), Judgement::Dropped { by, .. }) if by.to_string() == *path => Ok(()),
        (Expected::DeadLetter(stage), Judgement::Undecodable(error))
            if error.stage().is_some_and(|found| found.as_str() == stage) =>
        {
            Ok(())
        }
        (Expected::DeadLetter(stage), Judgement::Untransformable(_))
            if stage == Stage::Transform.as_str() =>
        {
            Ok(())
        }
        (Expected::Unchanged, Judgement::Reaches { envelope, decoded }) => {
            let Some(decoded) = decoded else { return Ok(()) };
            let (expected, found) = (of_event(&decoded.event), of_event(&envelope.event));
            if expected == found { Ok(()) } else { mismatch(Some(Box::new((expected, found)))) }
        }
        (Expected::Event(event), Judgement::Reaches { envelope, .. }) => {
            let (expected, found) = (comparable(event), of_event(&envelope.event));
            if expected == found { Ok(()) } else { mismatch(Some(Box::new((expected, found)))) }
        }
        (Expected::Contains(event), Judgement::Reaches { envelope, .. }) => {
            let expected = comparable(event);
            let found = difference::projected(&of_event(&envelope.event), &expected);
            if expected == found { Ok(()) } else { mismatch(Some(Box::new((expected, found)))) }
        }
        _ => mismatch(None),
    }
}

fn of_event(event: &Event) -> Value {
    comparable(&event.to_object())
}

fn words(expected: &Expected) -> String {
    match expected {
        Expected::Unchanged => "it reaches the action unchanged".to_owned(),
        Expected::Dropped => "it is dropped".to_owned(),
        Expected::DroppedBy(path) => format!("it is dropped by {path}"),
        Expected::Event(_) => "it reaches the action as written".to_owned(),
        Expected::Contains(_) => "it reaches the action with what is written in it".to_owned(),
        Expected::DeadLetter(stage) => format!("it becomes a dead letter of the stage {stage}"),
    }
}

fn judgement_words(judgement: &Judgement, event_type: &str) -> String {
    match judgement {
        Judgement::Reaches { decoded: None, .. } => "it reaches the action".to_owned(),
        Judgement::Reaches { .. } => "it reaches the action changed".to_owned(),
        Judgement::Dropped { by: DroppedBy::Source, .. } => {
            format!("it is dropped by source: the recipe reads no topic that carries {event_type}")
        }
        Judgement::Dropped { by, .. } => format!("it is dropped by {by}"),
        Judgement::Tombstone => "it is dropped: there is no value".to_owned(),
        Judgement::UnknownPlatformEvent(name) => {
            format!(
                "it is dropped: a platform event of the name \"{name}\", which `platform_events: all` would let in"
            )
        }
        Judgement::Undecodable(error) => {
            let stage = error.stage().map_or("schema", |stage| stage.as_str());
            format!("it becomes a dead letter of the stage {stage}: {error}")
        }
        Judgement::Untransformable(error) => {
            format!("it becomes a dead letter of the stage {}: {error}", Stage::Transform.as_str())
        }
        Judgement::Contradiction(place) => {
            format!("{place} drops the record's bytes but not the event: please report this case as a bug")
        }
    }
}
