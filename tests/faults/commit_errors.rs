//! Row 8: commits that the broker refuses, with every error code that can be injected.
//!
//! The codes that librdkafka makes up itself (waiting for the coordinator, assignment lost, fatal, no
//! offset) cannot be: the table of `kafka/consumer/commit_error.rs` and its test have those too.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{Ended, Mix, Recipe, Relay};
use crate::protocol::Protocol;
use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL};
use crate::scale::Scale;

const MAX_UNCOMMITTED: usize = 100;
/// Under the classic protocol; the embedded broker takes no shorter one.
const SESSION: Duration = Duration::from_secs(6);

/// A record that reaches the action.
const LAST: Mix = Mix { dropped: 0, bad: 0, schema_id: None };

/// What has to come of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The program sees it and tries again, at once or after the rebalance; nothing comes again.
    TriedAgain,
    /// librdkafka looks for the coordinator again, most of the time by itself; nothing comes again.
    LookedForAgain,
    /// The group takes this member for a stranger: it joins again, and what it had not committed comes
    /// again.
    JoinedAgain,
    /// The same, but only a heartbeat that is refused makes the member join again: the refused commit comes
    /// to the program, and a later one makes up for it.
    RefusedOnce,
    /// The pipeline ends with exit code 1; the next process goes on.
    Ended,
}

/// A row's refusals, one like the other.
struct Refusals<'a> {
    broker: &'a EmbeddedBroker,
    error: RDKafkaRespErr,
    outcome: Outcome,
    recipe: Recipe,
}

/// Refuses commits with `error` at moments of the schedule, and once more where nothing follows.
pub(crate) fn row(error: RDKafkaRespErr, protocol: Protocol, outcome: Outcome) -> Verdict {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let stage = Stage { broker: &broker, real: false, scale: Scale::asked_for(), mutant: None };
    let mut run = Run::begin(&stage, 8, &format!("commit-error-{}", error as i32));
    let mut recipe = protocol.spoken_by(run.recipe()).option("max_uncommitted", MAX_UNCOMMITTED);
    if protocol != Protocol::Broker {
        recipe = recipe.consumer("session.timeout.ms", SESSION.as_millis() as u64);
    }
    let refusals = Refusals { broker: &broker, error, outcome, recipe };
    let mut relay = run.scene.run_until_ready(&[&refusals.recipe]);
    let portion = run.size.records / (run.size.faults + 1);
    run.feed_now(portion, USUAL);
    for _ in 0..run.size.faults {
        let at = run.rng.usize(..portion);
        run.until_finished(run.fed() - portion + at)?;
        refusals.meet(&mut run, &mut relay, (portion, USUAL))?;
    }
    run.until_all_committed(&mut [&mut relay])?;
    let failed_before = failed_commits(&relay);
    // No later progress can cover what is refused now: it is committed for its own sake, or not at all.
    refusals.meet(&mut run, &mut relay, (1, LAST))?;
    run.until_all_committed(&mut [&mut relay])?;
    let failed = failed_commits(&relay);
    let joined = assignments(&relay);
    relay.stop();
    run.note(format!("{failed} failed commits came to the program; expected of the error: {outcome:?}"));
    let as_expected = match outcome {
        Outcome::TriedAgain | Outcome::LookedForAgain | Outcome::RefusedOnce => {
            failed_before > 0.0 && failed > failed_before
        }
        Outcome::JoinedAgain => joined > 1.0,
        // It was seen to end.
        Outcome::Ended => true,
    };
    if !as_expected {
        let what = format!(
            "{error:?} was not met: {failed_before} failed commits, {failed} with the last one, {joined} assignments"
        );
        return Err(run.break_off(what));
    }
    if matches!(outcome, Outcome::JoinedAgain | Outcome::Ended) {
        let (times, partitions) = (run.struck(), run.size.partitions as usize);
        run.allow_repeated(
            times * MAX_UNCOMMITTED,
            partitions,
            format!("{times} errors, {partitions} partitions with at most {MAX_UNCOMMITTED} uncommitted events each"),
        );
    }
    run.conclude()
}

impl Refusals<'_> {
    /// Lets commits meet the error, those of so many records of such a mix, and waits for what is seen of it at once.
    fn meet(&self, run: &mut Run<'_>, relay: &mut Relay, (records, mix): (usize, Mix)) -> Verdict {
        // How many commits in a row meet the error. librdkafka itself tries twice more where it may; each look-up of
        // a coordinator takes it seconds, so that a single record waits for one.
        let in_a_row = match self.outcome {
            Outcome::TriedAgain => 3,
            Outcome::LookedForAgain if records > 1 => 3,
            _ => 1,
        };
        let what = format!("{in_a_row} commits refused with {:?}", self.error);
        match self.outcome {
            Outcome::JoinedAgain => run.strike_that_repeats(&what, MAX_UNCOMMITTED),
            _ => run.strike(&what),
        }
        let joined = assignments(relay);
        let mut errors = vec![self.error; in_a_row];
        if self.outcome == Outcome::LookedForAgain {
            // librdkafka deals with the others by itself. This one it hands on: who sees it knows that those
            // before it were met.
            errors.push(RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
        }
        self.broker.cluster().request_errors(RDKafkaApiKey::OffsetCommit, &errors);
        // Behind the errors, so that there is something to commit for all of them.
        run.feed_now(records, mix);
        match self.outcome {
            Outcome::Ended => {
                let mut ended = None;
                run.wait("the pipeline to end", || {
                    ended = relay.ended();
                    ended.is_some()
                })?;
                if ended != Some(Ended::Code(1)) {
                    return Err(run.break_off(format!("it ended with {ended:?}:\n{}", relay.log())));
                }
                run.nobody_is_left(&what, MAX_UNCOMMITTED);
                *relay = run.scene.run_until_ready(&[&self.recipe]);
            }
            // Else the next error could meet what comes again for this one.
            Outcome::JoinedAgain => {
                run.wait("the member to have joined again", || assignments(relay) > joined)?;
            }
            Outcome::TriedAgain | Outcome::LookedForAgain | Outcome::RefusedOnce => {}
        }
        run.over();
        Ok(())
    }
}

fn assignments(relay: &Relay) -> f64 {
    relay.metric("datahub_relay_rebalances_total", &["kind=\"assigned\""]).unwrap_or(0.0)
}

fn failed_commits(relay: &Relay) -> f64 {
    relay.metric("datahub_relay_commits_total", &["result=\"failed\""]).unwrap_or(0.0)
}
