//! Who is in a group, as its coordinator says.

use rdkafka::consumer::Consumer;
use rdkafka::groups::{GroupInfo, GroupMemberInfo};
use rdkafka::types::RDKafkaErrorCode;

use super::questions::LookUps;
use crate::event::TopicPartition;
use crate::kafka::client::StartError;

/// What the coordinator says of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// It has no members: its offsets can be reset.
    Empty,
    /// It has these.
    Members(Vec<Member>),
    /// The group uses Kafka 4's own group protocol, whose members cannot be listed from here. Whether
    /// it has any, Kafka says when its offsets are to be reset.
    Unknown,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name that the client gave itself (`client.id`).
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// The id that the coordinator gave it.
    pub id: String,
    /// The partitions that it has.
    pub partitions: Vec<TopicPartition>,
}

impl LookUps<'_> {
    /// Who is in the group; librdkafka asks every broker. [`StartError::NoMembers`] on the embedded one.
    pub(in crate::kafka) fn members(&self, group: &str) -> Result<Membership, StartError> {
        let answer = self.retry("the group's members", |timeout| {
            let groups = self.consumer.fetch_group_list(Some(group), timeout)?;
            let found = groups.groups().iter().find(|found| found.name() == group);
            Ok(found.map_or(Membership::Empty, membership))
        });
        match answer {
            // Every Kafka knows the question.
            Err(StartError::LookUp { source, .. })
                if source.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) =>
            {
                Err(StartError::NoMembers)
            }
            answer => answer,
        }
    }

    /// Makes sure, before offsets are reset, that this process is alone in its group. It has just been
    /// assigned partitions: with another member, one replica would take back what another one has done. A
    /// member that joins later changes nothing, since it gets no partition before this assignment has been
    /// answered and given up again.
    pub(super) fn require_sole_member(&self, group: &str) -> Result<(), StartError> {
        let group = || group.to_owned();
        match self.members(&group())? {
            // This process is one.
            Membership::Empty | Membership::Unknown => Err(StartError::MembersUnseen { group: group() }),
            Membership::Members(members) if members.len() == 1 => Ok(()),
            Membership::Members(members) => {
                let members: Vec<String> =
                    members.iter().map(|member| format!("{} on {}", member.id, member.host)).collect();
                Err(StartError::OtherMembers { group: group(), members: members.join(", ") })
            }
        }
    }
}

fn membership(group: &GroupInfo) -> Membership {
    let members = group.members();
    if !members.is_empty() {
        return Membership::Members(members.iter().map(member).collect());
    }
    // The old question about a group of the new protocol is answered as if there were none: `Dead`.
    // So is the question about a group that does not exist, which then has no members either.
    if group.state() == "Dead" { Membership::Unknown } else { Membership::Empty }
}

fn member(member: &GroupMemberInfo) -> Member {
    Member {
        client_id: member.client_id().to_owned(),
        host: member.client_host().trim_start_matches('/').to_owned(),
        id: member.id().to_owned(),
        partitions: member.assignment().and_then(assigned).unwrap_or_default(),
    }
}

/// Reads an assignment of Kafka's consumer protocol: a version, topics with their partitions, and what
/// the assignor adds; `None` if it is something else.
fn assigned(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut bytes = Bytes(bytes);
    let _version = bytes.take(2)?;
    let mut partitions = Vec::new();
    for _ in 0..bytes.number()? {
        let length = bytes.take(2)?.try_into().map(i16::from_be_bytes).ok()?;
        let topic: std::sync::Arc<str> =
            std::str::from_utf8(bytes.take(usize::try_from(length).ok()?)?).ok()?.into();
        for _ in 0..bytes.number()? {
            partitions.push(TopicPartition { topic: topic.clone(), partition: bytes.number()? });
        }
    }
    partitions.sort();
    Some(partitions)
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<i32> {
        self.take(4)?.try_into().map(i32::from_be_bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_names_its_partitions() {
        let bytes =
            [&[0, 1, 0, 0, 0, 1, 0, 2][..], b"ab", &[0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 3, 255, 255, 255, 255]]
                .concat();
        let names: Vec<String> = assigned(&bytes).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["ab[3]", "ab[7]"]);
        assert!((0..bytes.len() - 4).all(|cut| assigned(&bytes[..cut]).is_none()), "a cut is no assignment");
        assert_eq!(assigned(&[0, 1, 0, 0, 0, 1, 255, 255]), None);
    }
}
