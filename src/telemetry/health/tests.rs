use super::*;

const NEVER: Duration = Duration::from_secs(3600);

fn board() -> (HealthBoard, Arc<PipelineHealth>) {
    let board = HealthBoard::new(NEVER);
    let health = board.pipeline("tags");
    (board, health)
}

fn make_ready(health: &PipelineHealth) {
    health.enter(PipelineState::Running);
    for (condition, _) in Condition::NOT_YET {
        health.holds(condition);
    }
}

fn ready_body(board: &HealthBoard) -> String {
    serde_json::to_string(&board.readiness()).unwrap()
}

#[test]
fn a_process_without_pipelines_is_not_ready() {
    assert!(!HealthBoard::new(NEVER).readiness().ready);
}

#[test]
fn a_pipeline_is_ready_once_it_runs_and_lacks_nothing() {
    let (board, health) = board();
    assert!(!board.readiness().ready);
    make_ready(&health);
    let expected =
        r#"{"ready":true,"pipelines":[{"name":"tags","state":"running","ready":true,"missing":{}}]}"#;
    assert_eq!(ready_body(&board), expected);
    health.enter(PipelineState::Draining);
    assert!(!board.readiness().ready);
}

#[test]
fn readiness_says_per_pipeline_what_is_missing() {
    let (board, health) = board();
    make_ready(&health);
    health.lacks(Condition::Registry, "503 from the registry");
    let second = board.pipeline("owners");
    let body = ready_body(&board);
    assert!(body.starts_with(r#"{"ready":false,"#), "{body}");
    assert!(body.contains(
        r#"{"name":"tags","state":"running","ready":false,"missing":{"registry":"503 from the registry"}}"#
    ));
    assert!(
        body.contains(r#""name":"owners","state":"starting","ready":false,"missing":{"brokers":"#),
        "{body}"
    );
    make_ready(&second);
    health.holds(Condition::Registry);
    assert!(board.readiness().ready);
}

#[test]
fn the_reason_for_what_is_missing_can_become_clear_later() {
    let (board, health) = board();
    health.still_lacks(Condition::Assignment, "the group is not ours");
    assert!(ready_body(&board).contains(r#""assignment":"the group is not ours""#));
    health.holds(Condition::Assignment);
    health.still_lacks(Condition::Assignment, "the group is not ours");
    assert!(!ready_body(&board).contains("assignment"));
}

#[test]
fn a_pipeline_that_failed_stays_failed_and_says_why_and_does_not_fail_liveness() {
    let (board, health) = board();
    make_ready(&board.pipeline("other"));
    health.heartbeat();
    health.is_stuck("no progress");
    health.enter(PipelineState::Failed { reason: "line 3: unknown key".to_owned() });
    health.enter(PipelineState::Ended);
    let body = ready_body(&board);
    assert!(
        body.contains(
            r#"{"name":"tags","state":"failed","ready":false,"failure":"line 3: unknown key","missing":{}}"#
        ),
        "{body}"
    );
    assert!(!board.readiness().ready);
    assert!(board.liveness().live);
}

#[test]
fn a_pipeline_that_ended_does_not_keep_the_others_from_being_ready() {
    let (board, health) = board();
    make_ready(&board.pipeline("other"));
    health.enter(PipelineState::Ended);
    assert!(board.readiness().ready);
}

#[test]
fn the_newest_warnings_are_told_and_leave_a_pipeline_ready() {
    let (board, health) = board();
    make_ready(&health);
    for gap in 1..=12 {
        health.warn(format!("gap {gap}"));
    }
    let readiness = board.readiness();
    assert!(readiness.ready);
    let warnings = &readiness.pipelines[0].warnings;
    assert_eq!(warnings.len(), MOST_WARNINGS);
    assert!(warnings[0].ends_with("Z: gap 3") && warnings[9].ends_with("Z: gap 12"), "{warnings:?}");
}

#[test]
fn an_event_that_is_in_its_action_for_long_is_told_until_it_is_over_and_leaves_a_pipeline_ready() {
    let (board, health) = board();
    make_ready(&health);
    let source = crate::event::TopicPartition { topic: "t".into(), partition: 2 };
    let began = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
    let stay = health.in_action().enter(crate::event::Position { source, offset: 17 }, began, 4);
    let readiness = board.readiness();
    assert!(readiness.ready && readiness.pipelines[0].longest_in_action >= Duration::from_secs(61));
    let says = r#""slow":"t[2]@17 has been in its action for 61 s, 0 of 4 attempts failed""#;
    assert!(ready_body(&board).contains(says), "{}", ready_body(&board));
    drop(stay);
    assert!(!ready_body(&board).contains("slow"), "{}", ready_body(&board));
}

#[test]
fn no_text_shows_what_is_to_be_hidden() {
    let (board, health) = board();
    let mut secrets = Secrets::default();
    secrets.add("c4n4ry");
    health.hide(secrets);
    make_ready(&health);
    health.lacks(Condition::Registry, "GET http://registry/c4n4ry: refused");
    health.warn("a gap in c4n4ry");
    health.is_stuck("c4n4ry stands still");
    let told = ready_body(&board);
    health.enter(PipelineState::Failed { reason: "/c4n4ry: permission denied".to_owned() });
    let told = told + &ready_body(&board);
    assert!(!told.contains("c4n4ry"), "{told}");
    for rest in ["http://registry/…: refused", "a gap in …", "… stands still", "/…: permission denied"]
    {
        assert!(told.contains(rest), "{rest}: {told}");
    }
}

#[test]
fn a_silent_polling_thread_fails_liveness_until_it_is_seen_again() {
    let health = PipelineHealth::new("tags");
    assert_eq!(health.why_stuck(Duration::ZERO), None, "it has not begun to poll");
    health.heartbeat();
    while health.elapsed_ms() < 3 {
        std::hint::spin_loop();
    }
    assert!(health.why_stuck(Duration::ZERO).unwrap().contains("polling thread"));
    assert_eq!(health.why_stuck(NEVER), None);
}

#[test]
fn the_watchdog_can_fail_liveness_of_a_thread_that_polls() {
    let (board, health) = board();
    health.heartbeat();
    health.is_stuck("MetadataChangeLog_Versioned_v1[2] stands still at 17");
    let liveness = board.liveness();
    assert!(!liveness.live);
    assert_eq!(liveness.stuck[0].reason, "MetadataChangeLog_Versioned_v1[2] stands still at 17");
    make_ready(&health);
    assert!(!board.readiness().ready, "it lacks nothing, and does nothing");
    assert!(ready_body(&board).contains(r#""stuck":"MetadataChangeLog_Versioned_v1[2] stands"#));
    health.moves_again();
    assert!(board.liveness().live);
}
