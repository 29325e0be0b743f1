//! Which letter is which: an event keeps its id through every round of replay.

use crate::event::{Header, Position, Record, TopicPartition};

/// What the names of this program's own headers begin with.
pub(super) const OURS: &str = "datahub_relay.";

/// The header that holds a letter's id.
pub(super) const ID: &str = "datahub_relay.id";

/// The header that holds a letter's round.
pub(super) const ROUND: &str = "datahub_relay.round";

/// A longer id is not ours: Kafka's longest group and topic are far shorter together.
const LONGEST_ID_BYTES: usize = 4096;

/// Who an event is among the dead letters, and how often it has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// `group/topic/partition/offset` of the record that failed first.
    pub id: String,
    /// 1 for an event that failed for the first time, one more after each replay.
    pub round: u32,
}

impl Lineage {
    /// The lineage of a record that fails now in the consumer group `group`. A record that was replayed
    /// says by its headers which letter it was.
    pub fn of(group: &str, record: &Record) -> Self {
        let earlier_round = header(record, ROUND).and_then(|round| round.parse::<u32>().ok());
        // Another group's replay reaches every group that reads the topic: the id is that group's, but
        // the rounds count all the same, so that no record goes round without end.
        let kept = header(record, ID)
            .filter(|id| earlier_round.is_some() && position_of(id).is_some_and(|(found, _)| found == group));
        let Position { source, offset } = &record.position;
        Self {
            id: kept.map_or_else(
                || format!("{group}/{}/{}/{offset}", source.topic, source.partition),
                str::to_owned,
            ),
            round: earlier_round.map_or(1, |round| round.saturating_add(1)),
        }
    }

    /// The headers that carry a lineage through a replay: what fails again has one round more.
    pub fn headers(&self) -> [Header; 2] {
        [
            (ID.to_owned(), Some(self.id.clone().into_bytes())),
            (ROUND.to_owned(), Some(self.round.to_string().into_bytes())),
        ]
    }

    /// The record with this lineage in its headers, and its other headers as they are.
    pub fn carried_by(&self, record: &Record) -> Record {
        let mut record = record.clone();
        record.headers.retain(|(key, _)| key != ID && key != ROUND);
        record.headers.extend(self.headers());
        record
    }

    /// Where the record stood that failed first, if the id says so.
    pub fn position(&self) -> Option<Position> {
        position_of(&self.id).map(|(_, position)| position)
    }
}

/// Whether a header is one of this program's own, which a new round replaces.
pub(super) fn is_ours((key, _): &Header) -> bool {
    key.starts_with(OURS)
}

/// The last value of a header, if it is text.
pub(super) fn header<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let (_, value) = record.headers.iter().rev().find(|(key, _)| key == name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

/// The group and the position in an id. A group's name may hold slashes, a topic's may not.
fn position_of(id: &str) -> Option<(&str, Position)> {
    if id.len() > LONGEST_ID_BYTES {
        return None;
    }
    let mut parts = id.rsplitn(4, '/');
    let offset = parts.next()?.parse().ok()?;
    let partition = parts.next()?.parse().ok()?;
    let topic = parts.next()?.into();
    Some((parts.next()?, Position { source: TopicPartition { topic, partition }, offset }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[(&str, &str)]) -> Record {
        Record {
            position: Position { source: TopicPartition { topic: "t".into(), partition: 2 }, offset: 7 },
            timestamp_ms: None,
            key: None,
            value: None,
            headers: headers
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Some(value.as_bytes().to_vec())))
                .collect(),
        }
    }

    fn lineage(id: &str, round: u32) -> Lineage {
        Lineage { id: id.to_owned(), round }
    }

    #[test]
    fn a_record_that_fails_first_is_named_by_its_place() {
        let first = Lineage::of("team/a", &record(&[("trace", "x")]));
        assert_eq!(first, lineage("team/a/t/2/7", 1));
        assert_eq!(first.position().unwrap(), record(&[]).position);
    }

    #[test]
    fn a_replayed_record_keeps_its_id_and_has_one_round_more() {
        let replayed = |id, round| Lineage::of("g", &record(&[(ID, id), (ROUND, round)]));
        assert_eq!(replayed("g/t/0/1", "2"), lineage("g/t/0/1", 3));
        assert_eq!(replayed("another/t/0/1", "2"), lineage("g/t/2/7", 3), "another group's letter");
        assert_eq!(replayed("g/nonsense", "4294967295"), lineage("g/t/2/7", u32::MAX));
        assert_eq!(replayed("g/t/0/1", "many"), lineage("g/t/2/7", 1), "not a header of ours");
    }
}
