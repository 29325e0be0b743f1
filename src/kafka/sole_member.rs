//! One process at a time, on whatever machine: the only member of a group made for that.
//!
//! A lock on a file holds on one machine. The coordinator of a group knows its members on all of them, and
//! notices by itself when one is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// How often Kafka hears of the member.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A process that stood still for so long, by SIGSTOP say, may have been given up: its last heartbeat is older
/// than that, and the session counts from there. It may not have been, too; but it cannot know.
const STANDSTILL: Duration = Duration::from_secs(7);

/// How long joining may take: a member that was killed is waited for, and Kafka lets a new group wait for
/// more members.
const JOIN: Duration = Duration::from_secs(60);

/// How long asking for the members may take: longer than whoever asks tries, whose own error says more.
const ASK: Duration = Duration::from_secs(120);

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
    pulse: Arc<Pulse>,
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
        let member = Self { pulse: Arc::default(), alive: Some(alive), ended };
        let keeper = Keeper { consumer, until, joined, pulse: Arc::clone(&member.pulse), _end: end };
        let thread = thread::Builder::new().name("sole member".to_owned());
        thread.spawn(move || keeper.keep()).map_err(ConsumerError::Thread)?;
        heard(&has_joined, group, JOIN, stopped)?.map_err(|error| unseen(error.to_string()))?;
        // After joining: of two who try at once, the later one finds the other. On a thread of its own, since
        // brokers that do not answer are waited for, and a stop is not to be.
        let (asked, answer) = bounded(1);
        let ask = move || {
            let onlooker = Onlooker::connect(&settings.group_id, &settings, JOIN);
            // Where this fails it was stopped meanwhile.
            let _ = asked.send(onlooker.map(|onlooker| onlooker.members()));
        };
        thread::Builder::new().name("members".to_owned()).spawn(ask).map_err(ConsumerError::Thread)?;
        match heard(&answer, group, ASK, stopped)?? {
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

    /// Whether the group has given this member up, or may have while this process stood still, so that another
    /// process may have taken its place.
    pub fn is_lost(&self) -> bool {
        self.pulse.is_lost(Instant::now())
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

/// What comes within `patience`, unless `stopped` says so first.
fn heard<T>(
    from: &Receiver<T>,
    group: &str,
    patience: Duration,
    stopped: &dyn Fn() -> bool,
) -> Result<T, SoleMemberError> {
    let (group, deadline) = (group.to_owned(), Instant::now() + patience);
    loop {
        match from.recv_timeout(POLL) {
            Ok(told) => return Ok(told),
            Err(_) if stopped() => return Err(SoleMemberError::Stopped { group }),
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
            Err(_) => {
                let why = format!("no answer in {} s", patience.as_secs());
                return Err(SoleMemberError::Unseen { group, why });
            }
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
    config.set("session.timeout.ms", SESSION.as_millis().to_string());
    config.set("heartbeat.interval.ms", HEARTBEAT.as_millis().to_string());
    config.set("max.poll.interval.ms", "300000");
    let context = RelayContext::new(&settings.group_id, settings)?;
    let consumer: RelayConsumer = config.create_with_context(context).map_err(ConsumerError::Create)?;
    let topics: Vec<&str> = settings.topics.iter().map(|(topic, _)| topic.as_str()).collect();
    consumer.subscribe(&topics).map_err(ConsumerError::Subscribe)?;
    Ok(consumer)
}

/// Whether a membership can still be relied on.
struct Pulse {
    began: Instant,
    /// When the member last polled, in ms since `began`; [`Pulse::NEVER`] until it is one.
    polled_ms: AtomicU64,
    lost: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { began: Instant::now(), polled_ms: AtomicU64::new(Self::NEVER), lost: AtomicBool::default() }
    }
}

impl Pulse {
    const NEVER: u64 = u64::MAX;

    /// Notes that the member polls, and whether it has not for too long.
    fn beat(&self, now: Instant) {
        self.is_lost(now);
        self.polled_ms.store(self.ms(now), Ordering::Release);
    }

    /// The group has told that it gave the member up.
    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Also right before the member's own thread has noticed: after a standstill any thread may be the first.
    fn is_lost(&self, now: Instant) -> bool {
        let polled = self.polled_ms.load(Ordering::Acquire);
        let silent = self.ms(now).saturating_sub(polled);
        if polled != Self::NEVER && u128::from(silent) > STANDSTILL.as_millis() {
            self.lose();
        }
        self.lost.load(Ordering::Acquire)
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(Self::NEVER)
    }
}

/// Polls for as long as the membership lasts.
struct Keeper {
    consumer: RelayConsumer,
    until: Receiver<()>,
    joined: Sender<KafkaResult<()>>,
    pulse: Arc<Pulse>,
    /// Dropped at the end.
    _end: Sender<()>,
}

impl Keeper {
    fn keep(self) {
        let mut is_member = false;
        while self.until.try_recv() == Err(TryRecvError::Empty) {
            let told = match self.consumer.poll(POLL) {
                Some(Err(error)) if is_final(&error) => Some(Err(error)),
                _ => self.answer().transpose(),
            };
            // Joining may take as long as it likes.
            is_member |= matches!(told, Some(Ok(())));
            if is_member {
                self.pulse.beat(Instant::now());
            }
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
                        self.pulse.lose();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stood_still_for_too_long_counts_as_lost_from_then_on() {
        let pulse = Pulse::default();
        let at = |ms| pulse.began + Duration::from_millis(ms);
        assert!(!pulse.is_lost(at(60_000)), "it has not joined yet");
        for ms in [60_000, 60_100, 67_100] {
            pulse.beat(at(ms));
            assert!(!pulse.is_lost(at(ms + 7_000)), "{ms}");
        }
        assert!(pulse.is_lost(at(67_100 + 7_001)), "whoever asks first notices");
        pulse.beat(at(75_000));
        assert!(pulse.is_lost(at(75_000)), "what was lost does not come back");
    }

    #[test]
    fn the_members_own_thread_notices_a_standstill_that_nobody_asked_about() {
        let pulse = Pulse::default();
        let at = |ms| pulse.began + Duration::from_millis(ms);
        pulse.beat(at(0));
        pulse.beat(at(7_001));
        assert!(pulse.is_lost(at(7_001)));
    }

    #[test]
    fn a_standstill_is_noticed_before_the_session_is_over() {
        assert!(STANDSTILL + HEARTBEAT < SESSION);
    }
}
