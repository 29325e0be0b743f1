use super::*;

fn epoch() -> PartitionEpoch {
    PartitionEpoch::new(TopicPartition { topic: "t".into(), partition: 0 }, 0, Some(0))
}

fn hand(epoch: &PartitionEpoch, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        epoch.hand(offset);
        epoch.received(offset);
    }
}

#[test]
fn what_finishes_after_the_partition_was_given_up_is_not_committed() {
    let epoch = epoch();
    hand(&epoch, 0..1);
    assert!(epoch.try_start(0));
    epoch.close();
    assert!(!epoch.finish(0));
    assert_eq!(epoch.uncommitted_watermark(), None);
}

#[test]
fn nothing_above_the_highest_started_event_begins_during_a_drain() {
    let epoch = epoch();
    hand(&epoch, 0..4);
    assert!(epoch.try_start(2));
    epoch.drain();
    assert!(!epoch.try_start(3));
    assert!(epoch.try_start(0));
    assert!(!epoch.is_drained());
}

#[test]
fn a_fresh_group_owes_a_commit_of_its_starting_position() {
    let epoch = PartitionEpoch::new(TopicPartition { topic: "t".into(), partition: 0 }, 40, None);
    assert_eq!(epoch.uncommitted_watermark(), Some(40));
    epoch.committed(40);
    assert_eq!(epoch.uncommitted_watermark(), None);
}

#[test]
fn what_may_have_been_forgotten_is_committed_once_more() {
    let epoch = epoch();
    assert_eq!(epoch.uncommitted_watermark(), None);
    epoch.commit_again();
    assert_eq!(epoch.uncommitted_watermark(), Some(0));
    epoch.committed(0);
    assert_eq!(epoch.uncommitted_watermark(), None);
}

#[tokio::test]
async fn what_finishes_of_a_log_that_is_gone_is_not_committed_and_nobody_waits_for_it() {
    let epoch = epoch();
    hand(&epoch, 0..2);
    assert!(epoch.try_start(0) && epoch.finish(0));
    assert_eq!(epoch.uncommitted_watermark(), Some(1));
    epoch.log_is_deleted();
    assert_eq!(epoch.uncommitted_watermark(), None);
    assert_eq!(epoch.last_confirmed(), Some(0), "what shows the next assignment that the topic was deleted");
    assert!(epoch.try_start(1) && epoch.finish(1), "what was received is finished");
    assert!(epoch.is_idle());
    assert_eq!(epoch.uncommitted_watermark(), None);
    assert!(epoch.committed_from(2).await, "a commit for each event does not come any more");
}

#[test]
fn where_another_log_is_in_the_place_of_the_one_that_was_read_its_first_record_is_committed() {
    let epoch = epoch();
    hand(&epoch, 0..2);
    epoch.log_is_replaced(0);
    assert_eq!(epoch.uncommitted_watermark(), Some(0), "Kafka has forgotten what was committed");
    assert!(epoch.try_start(0) && epoch.finish(0));
    epoch.committed(1);
    assert_eq!(epoch.uncommitted_watermark(), Some(0), "a commit was under way");
    epoch.committed(0);
    assert_eq!(epoch.uncommitted_watermark(), None);
    assert!(!epoch.is_idle());
}

#[tokio::test]
async fn an_event_of_a_fresh_group_waits_until_its_starting_position_is_committed() {
    let epoch = std::sync::Arc::new(PartitionEpoch::new(
        TopicPartition { topic: "t".into(), partition: 0 },
        40,
        None,
    ));
    let waiter = tokio::spawn({
        let epoch = std::sync::Arc::clone(&epoch);
        async move { epoch.anchored().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished());
    epoch.committed(40);
    assert!(waiter.await.unwrap());
}
