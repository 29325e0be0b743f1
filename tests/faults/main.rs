//! The fault suite: a real process, real signals, real Kafka, and six invariants that hold whatever
//! happens. `docs/faults.md` says what each row does, how to run it and how to read what it prints.
//!
//! One module a row or family of rows; `scale` says how large each is, `run` feeds, watches and judges.
//! Behaviours are in `tests/kafka`; here it is proved that nothing is lost.

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the harness serves other suites too")]
mod harness;

mod feeding;
mod ordering;
mod protocol;
mod report;
mod run;
mod scale;

mod broker;
mod commit_errors;
mod dead_letters;
mod frozen;
mod lost_records;
mod members;
#[cfg(feature = "mutants")]
mod mutants;
mod no_fault;
mod registry;
mod sigkill;
mod sigterm;
mod soak;
mod webhook;

use commit_errors::Outcome;
use harness::KafkaBroker;
use ordering::Ordering;
use protocol::Protocol;
use rdkafka::types::RDKafkaRespErr as Code;
use report::Verdict;
use run::{Stage, USUAL};
use scale::Scale;

/// The program as it is, on the broker that all rows share.
fn stage() -> Stage<'static> {
    Stage { broker: KafkaBroker::shared(), real: true, scale: Scale::asked_for(), mutant: None }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_01_without_a_fault_nothing_is_lost_and_nothing_comes_again() -> Verdict {
    no_fault::row(&stage(), USUAL)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_02_after_sigterm_the_next_run_goes_on_without_loss_or_repetition() -> Verdict {
    sigterm::row(&stage(), Ordering::Partition)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_02_after_sigterm_nothing_comes_again_where_order_is_that_of_each_entity() -> Verdict {
    sigterm::row(&stage(), Ordering::Key)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_02_after_sigterm_nothing_comes_again_where_there_is_no_order() -> Verdict {
    sigterm::row(&stage(), Ordering::Unordered)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_03_sigkill_loses_nothing_and_repeats_at_most_what_was_uncommitted() -> Verdict {
    sigkill::row(&stage(), sigkill::Commits::InGroups, Ordering::Partition)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_03_sigkill_repeats_at_most_what_was_uncommitted_where_order_is_that_of_each_entity() -> Verdict {
    sigkill::row(&stage(), sigkill::Commits::Seldom, Ordering::Key)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_03_sigkill_repeats_at_most_what_was_uncommitted_where_there_is_no_order() -> Verdict {
    sigkill::row(&stage(), sigkill::Commits::Seldom, Ordering::Unordered)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_03_with_a_commit_per_event_sigkill_repeats_at_most_one_event_a_partition() -> Verdict {
    sigkill::row(&stage(), sigkill::Commits::PerEvent, Ordering::Partition)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_04_members_come_and_go_with_the_cooperative_assignor() -> Verdict {
    members::row(&stage(), Protocol::Cooperative, Ordering::Partition)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_04_members_come_and_go_where_order_is_that_of_each_entity() -> Verdict {
    members::row(&stage(), Protocol::Cooperative, Ordering::Key)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_04_members_come_and_go_where_there_is_no_order() -> Verdict {
    members::row(&stage(), Protocol::Cooperative, Ordering::Unordered)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_04_members_come_and_go_with_an_eager_assignor() -> Verdict {
    members::row(&stage(), Protocol::Eager, Ordering::Partition)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_04_members_come_and_go_with_the_brokers_own_protocol() -> Verdict {
    members::row(&stage(), Protocol::Broker, Ordering::Partition)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_05_a_broker_that_is_killed_and_comes_back_is_waited_for() -> Verdict {
    let broker = KafkaBroker::start();
    broker::row(&Stage { broker: &broker, real: true, scale: Scale::asked_for(), mutant: None }, &broker)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_06_a_member_that_was_frozen_beyond_its_session_commits_nothing_that_is_not_its_own() -> Verdict {
    frozen::row(&stage(), Protocol::Cooperative)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_06_a_frozen_member_commits_nothing_that_is_not_its_own_with_the_brokers_own_protocol() -> Verdict {
    frozen::row(&stage(), Protocol::Broker)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_07_an_action_slower_than_the_poll_interval_costs_no_membership() -> Verdict {
    webhook::slow(&stage())
}

/// On the embedded broker, as all of row 8: so it needs no more than Rust.
#[test]
fn row_08_a_commit_that_timed_out_or_came_too_early_is_tried_again() -> Verdict {
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, Protocol::Broker, Outcome::TriedAgain)?;
    commit_errors::row(
        Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        Protocol::Broker,
        Outcome::TriedAgain,
    )
}

#[test]
fn row_08_a_commit_that_a_topic_does_not_allow_is_tried_again_and_ends_nothing() -> Verdict {
    commit_errors::row(
        Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Protocol::Broker,
        Outcome::TriedAgain,
    )
}

#[test]
fn row_08_a_coordinator_that_moved_or_hung_up_is_looked_for_again() -> Verdict {
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, Protocol::Broker, Outcome::LookedForAgain)?;
    commit_errors::row(
        Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        Protocol::Broker,
        Outcome::LookedForAgain,
    )?;
    commit_errors::row(Code::RD_KAFKA_RESP_ERR__TRANSPORT, Protocol::Broker, Outcome::LookedForAgain)
}

#[test]
fn row_08_a_commit_refused_for_a_rebalance_is_made_later_since_the_partition_stayed() -> Verdict {
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, Protocol::Broker, Outcome::TriedAgain)?;
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH, Protocol::Broker, Outcome::TriedAgain)
}

#[test]
fn row_08_a_member_that_the_group_does_not_know_any_more_joins_again() -> Verdict {
    commit_errors::row(
        Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        Protocol::Cooperative,
        Outcome::JoinedAgain,
    )?;
    commit_errors::row(
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
        Protocol::Cooperative,
        Outcome::JoinedAgain,
    )?;
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, Protocol::Broker, Outcome::RefusedOnce)?;
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH, Protocol::Broker, Outcome::RefusedOnce)
}

#[test]
fn row_08_a_commit_that_nobody_may_make_ends_the_pipeline_and_is_not_lost() -> Verdict {
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, Protocol::Broker, Outcome::Ended)?;
    commit_errors::row(Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, Protocol::Broker, Outcome::Ended)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_09_what_an_unreliable_webhook_does_not_take_is_exactly_what_is_dead_lettered() -> Verdict {
    webhook::unreliable(&stage())
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_10_a_webhook_that_is_away_costs_no_memory_and_is_caught_up_with() -> Verdict {
    webhook::away(&stage())
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_11_an_outage_of_the_registry_is_waited_out_and_dead_letters_nothing() -> Verdict {
    registry::row(&stage())
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_12_no_commit_passes_a_record_whose_dead_letter_is_not_stored() -> Verdict {
    dead_letters::row(&stage())
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_12_no_commit_passes_a_record_whose_dead_letter_the_topic_does_not_take() -> Verdict {
    let broker = KafkaBroker::start();
    let stage = Stage { broker: &broker, real: true, scale: Scale::asked_for(), mutant: None };
    dead_letters::row_with_a_topic(&stage, &broker)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn row_13_records_that_vanish_are_told_exactly_and_new_partitions_are_read_from_their_first_record() -> Verdict
{
    lost_records::row(&stage(), KafkaBroker::shared())
}

#[test]
#[ignore = "needs Java and Maven, and takes an hour at full scale: see docs/faults.md"]
fn row_14_a_soak_of_everything_in_random_order() -> Verdict {
    let broker = KafkaBroker::start_for_hours();
    soak::row(&Stage { broker: &broker, real: true, scale: Scale::asked_for(), mutant: None }, &broker)
}
