//! Notices that nothing comes any more: `kill_after_idle_timeout`.

use std::time::{Duration, Instant};

/// How long the group is given for its first answer at the least: a member that was killed is waited for
/// until its session is over, which takes 45 s unless a recipe says otherwise. A short idle time must not
/// end a pipeline that has not been let in yet.
const FIRST_ANSWER: Duration = Duration::from_secs(60);

/// For how long nothing has come.
///
/// Every record counts, also one that a filter drops, and so does whatever keeps records from coming: a
/// change of the group, a paused partition, brokers that cannot be reached. Where the group has no
/// partition for this process, or a topic does not exist, nothing comes.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Option<Duration>,
    since: Instant,
    /// Something came since `since` was last set.
    came: bool,
    /// The group has answered.
    answered: bool,
}

impl Idle {
    /// Begins to count `now`. Without a limit it never ends.
    pub(super) fn new(limit: Option<Duration>, now: Instant) -> Self {
        Self { limit, since: now, came: false, answered: false }
    }

    /// A record came, or none could. Called once per record.
    pub(super) fn came(&mut self) {
        self.came = true;
    }

    /// The group has said which partitions are ours, be it none.
    pub(super) fn assigned(&mut self) {
        self.came = true;
        self.answered = true;
    }

    /// Whether nothing has come for the whole limit.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let Some(limit) = self.limit else { return false };
        if std::mem::take(&mut self.came) {
            self.since = now;
        }
        let limit = if self.answered { limit } else { limit.max(FIRST_ANSWER) };
        now.duration_since(self.since) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn idle() -> (Idle, Instant) {
        let now = Instant::now();
        let mut idle = Idle::new(Some(LIMIT), now);
        idle.assigned();
        assert!(!idle.is_over(now));
        (idle, now)
    }

    #[test]
    fn it_is_over_once_nothing_has_come_for_the_limit() {
        let (mut idle, now) = idle();
        assert!(!idle.is_over(now + LIMIT / 2));
        assert!(idle.is_over(now + LIMIT));
    }

    #[test]
    fn a_record_starts_the_count_again() {
        let (mut idle, now) = idle();
        idle.came();
        assert!(!idle.is_over(now + LIMIT));
        assert!(!idle.is_over(now + LIMIT * 3 / 2));
        assert!(idle.is_over(now + LIMIT * 2));
    }

    #[test]
    fn a_group_that_does_not_answer_is_waited_for_longer_but_not_for_ever() {
        let now = Instant::now();
        let mut idle = Idle::new(Some(LIMIT), now);
        assert!(!idle.is_over(now + LIMIT));
        assert!(idle.is_over(now + FIRST_ANSWER));
    }

    #[test]
    fn without_a_limit_it_is_never_over() {
        let now = Instant::now();
        assert!(!Idle::new(None, now).is_over(now + Duration::from_secs(1 << 30)));
    }
}
