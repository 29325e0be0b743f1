//! One process at a time, on whatever machine: the only member of a group made for that.
//!
//! A lock on a file holds on one machine. The coordinator of a group knows its members on all of them, and
//! notices by itself when one is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{
    ConsumerError, RebalanceRequest, RelayConsumer, RelayContext, StartError, onlooker_config,
};
use super::look_ups::{Member, Membership};
use super::onlookers::Onlooker;
use super::source::ConsumerSettings;

/// For so long a process that was killed still counts as a member. Brokers allow no less than 6 s, unless
/// they are told to.
const SESSION: Duration = Duration::from_secs(10);

/// How long joining may take: a member that was killed is waited for, and Kafka lets a new group wait for
/// more members.
const JOIN: Duration = Duration::from_secs(60);

/// How long leaving may take. Who does not leave in time counts until its session is over.
const LEAVE: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(100);

/// Why this process is not the only member.
#[derive(Debug, thiserror::Error)]
pub enum SoleMemberError {
    /// Another process is a member.
    #[error("the group {group} has other members: {members}, this process among them")]
    Taken {
        /// The group.
        group: String,
        /// All of its members.
        members: String,
    },
    /// It was told to stop before it was a member.
    #[error("stopped while joining the group {group}")]
    Stopped {
        /// The group.
        group: String,
    },
    /// Kafka does not let this user join the group, or does not say who is in it.
    #[error("cannot join the group {group}, or see who is in it: {why}")]
    Unseen {
        /// The group.
        group: String,
        /// What Kafka said.
        why: String,
    },
    /// The client could not be made, or the brokers did not answer.
    #[error(transparent)]
    Client(#[from] ConsumerError),
}

/// The only member of a group, until it is dropped.
pub struct SoleMember {
    lost: Arc<AtomicBool>,
    /// Dropping it ends the membership.
    alive: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl SoleMember {
    /// Joins `group`, reads nothing, and makes sure that nobody else is in it: of two processes that try at
    /// the same time at most one succeeds. `settings` name the topics that the group is about. Blocks, for a
    /// few seconds where Kafka lets new groups wait; once `stopped` says so, the group is left again.
    ///
    /// # Errors
    /// If there is another member, or Kafka does not let this user find out, or it was stopped.
    pub fn join(
        settings: &ConsumerSettings,
        group: &str,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, SoleMemberError> {
        let settings = ConsumerSettings { group_id: group.to_owned(), ..settings.clone() };
        let unseen = |why: String| SoleMemberError::Unseen { group: group.to_owned(), why };
        let consumer = member_of(&settings)?;
        let (alive, until) = bounded(0);
        let ((joined, has_joined), (end, ended)) = (bounded(1), bounded(0));
        let member = Self { lost: Arc::default(), alive: Some(alive), ended };
        let keeper = Keeper { consumer, until, joined, lost: Arc::clone(&member.lost), _end: end };
        let thread = thread::Builder::new().name("sole member".to_owned());
        thread.spawn(move || keeper.keep()).map_err(ConsumerError::Thread)?;
        let deadline = Instant::now() + JOIN;
        loop {
            match has_joined.recv_timeout(POLL) {
                Ok(Ok(())) => break,
                Ok(Err(error)) => return Err(unseen(error.to_string())),
                Err(_) if stopped() => return Err(SoleMemberError::Stopped { group: group.to_owned() }),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(_) => return Err(unseen(format!("no answer in {} s", JOIN.as_secs()))),
            }
        }
        // After joining: of two who try at once, the later one finds the other.
        match Onlooker::connect(group, &settings, JOIN)?.members() {
            Ok(Membership::Members(members)) if members.len() == 1 => Ok(member),
            Ok(Membership::Members(members)) => {
                let members: Vec<String> = members.iter().map(described).collect();
                Err(SoleMemberError::Taken { group: group.to_owned(), members: members.join(", ") })
            }
            Ok(Membership::Empty | Membership::Unknown) => Err(unseen("no members are listed".to_owned())),
            Err(StartError::LookUp { source, .. }) => Err(unseen(source.to_string())),
            Err(error) => Err(unseen(error.to_string())),
        }
    }

    /// Whether the group has given this member up, so that another process may have taken its place.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

impl Drop for SoleMember {
    fn drop(&mut self) {
        self.alive = None;
        if self.ended.recv_timeout(LEAVE) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("the group could not be left in time");
        }
    }
}

fn described(member: &Member) -> String {
    format!("{} at {}", member.client_id, member.host)
}

/// A member that gives way to nobody and whose end is noticed soon, whatever the pipeline's own are like.
fn member_of(settings: &ConsumerSettings) -> Result<RelayConsumer, ConsumerError> {
    let mut config = onlooker_config(settings);
    config.set("group.id", &settings.group_id).set("partition.assignment.strategy", "range");
    config.set("session.timeout.ms", SESSION.as_millis().to_string()).set("heartbeat.interval.ms", "2000");
    config.set("max.poll.interval.ms", "300000");
    let context = RelayContext::new(&settings.group_id, settings)?;
    let consumer: RelayConsumer = config.create_with_context(context).map_err(ConsumerError::Create)?;
    let topics: Vec<&str> = settings.topics.iter().map(|(topic, _)| topic.as_str()).collect();
    consumer.subscribe(&topics).map_err(ConsumerError::Subscribe)?;
    Ok(consumer)
}

/// Polls for as long as the membership lasts.
struct Keeper {
    consumer: RelayConsumer,
    until: Receiver<()>,
    joined: Sender<KafkaResult<()>>,
    lost: Arc<AtomicBool>,
    /// Dropped at the end.
    _end: Sender<()>,
}

impl Keeper {
    fn keep(self) {
        while self.until.try_recv() == Err(TryRecvError::Empty) {
            let told = match self.consumer.poll(POLL) {
                Some(Err(error)) if is_final(&error) => Some(Err(error)),
                _ => self.answer().transpose(),
            };
            // Only the first is waited for.
            told.map(|told| self.joined.try_send(told));
        }
        // From here on the callback answers by itself: dropping the consumer polls.
        self.consumer.context().close();
        self.consumer.unsubscribe();
    }

    /// Answers what the group asks; `Some` once this process is a member. Nothing of what it is assigned is
    /// read.
    fn answer(&self) -> KafkaResult<Option<()>> {
        let mut is_member = None;
        while let Some(request) = self.consumer.context().take_request() {
            match request {
                RebalanceRequest::Assign(_) => {
                    self.consumer.assign(&TopicPartitionList::new())?;
                    is_member = Some(());
                }
                RebalanceRequest::Revoke(_) => {
                    if self.consumer.assignment_lost() {
                        self.lost.store(true, Ordering::Release);
                    }
                    self.consumer.unassign()?;
                }
            }
        }
        Ok(is_member)
    }
}

/// Waiting does not help.
fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Fatal
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::InvalidSessionTimeout
            )
        )
}
