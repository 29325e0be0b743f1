//! Whether this process is alone in its group: asked before offsets are reset.

use rdkafka::consumer::Consumer;
use rdkafka::groups::GroupMemberInfo;

use super::start::{LOOK_UP_TIMEOUT, LookUps, StartError};

impl LookUps<'_> {
    /// Makes sure that this process, which has just been assigned partitions, is the group's only member:
    /// otherwise one replica would take back what another one has done. A member that joins later changes
    /// nothing, since it gets no partition before this assignment has been answered and given up again.
    pub(super) fn require_sole_member(&self, group: &str) -> Result<(), StartError> {
        let members: Vec<String> = self.retry("the group's members", || {
            let groups = self.consumer.fetch_group_list(Some(group), LOOK_UP_TIMEOUT)?;
            let found = groups.groups().iter().find(|found| found.name() == group);
            Ok(found.map(|found| found.members().iter().map(name_of).collect()).unwrap_or_default())
        })?;
        match members.as_slice() {
            // This process is one.
            [] => Err(StartError::MembersUnseen { group: group.to_owned() }),
            [_] => Ok(()),
            several => Err(StartError::OtherMembers { group: group.to_owned(), members: several.join(", ") }),
        }
    }
}

fn name_of(member: &GroupMemberInfo) -> String {
    format!("{} on {}", member.id(), member.client_host().trim_start_matches('/'))
}
