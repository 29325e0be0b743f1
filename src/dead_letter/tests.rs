use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{DeadLetter, DeadLetterStore, Failure, FileStore, Lineage};
use crate::event::{Envelope, Event, EventType, Position, Record, Stage, TopicPartition};

pub(super) fn record(offset: i64) -> Record {
    let source = TopicPartition { topic: Arc::from("PlatformEvent_v1"), partition: 3 };
    Record {
        position: Position { source, offset },
        timestamp_ms: Some(1_700_000_000_123),
        key: None,
        value: Some(vec![0, 0xff, b'\n']),
        headers: vec![("trace".to_owned(), Some(b"a".to_vec())), ("trace".to_owned(), None)],
    }
}

pub(super) fn failure(message: &str) -> Failure {
    let first_at = UNIX_EPOCH + Duration::from_millis(1_700_000_001_000);
    let last_at = first_at + Duration::from_millis(2_500);
    Failure {
        stage: Stage::Avro,
        class: "truncated",
        message: message.to_owned(),
        http_status: None,
        attempts: 2,
        first_at,
        last_at,
    }
}

fn envelope(record: &Record) -> Envelope {
    let payload = Map::from_iter([("entityUrn".to_owned(), Value::from("urn:li:corpuser:é"))]);
    Envelope::new(EventType::EntityChange, Event::Object(payload), record.position.clone())
}

async fn store(store: &FileStore, offset: i64) -> Result<(), super::StoreError> {
    let (record, failure) = (record(offset), failure("it broke"));
    let lineage = Lineage::of("g", &record);
    let letter =
        DeadLetter { pipeline: "p", lineage: &lineage, record: &record, envelope: None, failure: &failure };
    store.store(&letter).await
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn offsets(path: &Path) -> Vec<i64> {
    let mut offsets: Vec<i64> =
        lines(path).iter().map(|line| line["record"]["offset"].as_i64().unwrap()).collect();
    offsets.sort_unstable();
    offsets
}

#[tokio::test]
async fn a_letter_holds_the_event_as_the_framework_writes_it_and_the_original_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p/failed_events.log");
    let letters = FileStore::open(&path).unwrap();
    let (record, failure) = (record(9), failure("two\nlines"));
    let envelope = envelope(&record);
    let lineage = Lineage::of("g", &record);
    let letter = DeadLetter {
        pipeline: "p",
        lineage: &lineage,
        record: &record,
        envelope: Some(&envelope),
        failure: &failure,
    };
    letters.store(&letter).await.unwrap();

    let expected = json!({
        "event_type": "EntityChangeEvent_v1",
        "event": {"entityUrn": "urn:li:corpuser:é"},
        "meta": {"kafka": {"topic": "PlatformEvent_v1", "partition": 3, "offset": 9}},
        "pipeline": "p",
        "id": "g/PlatformEvent_v1/3/9",
        "round": 1,
        "error": {
            "stage": "avro", "class": "truncated", "message": "two\nlines", "attempts": 2,
            "first_at": "2023-11-14T22:13:21.000Z", "last_at": "2023-11-14T22:13:23.500Z",
        },
        "record": {
            "topic": "PlatformEvent_v1", "partition": 3, "offset": 9, "timestamp": 1_700_000_000_123_i64,
            "key": null, "value": "AP8K",
            "headers": [{"key": "trace", "value": "YQ=="}, {"key": "trace", "value": null}],
        },
    });
    let stored = lines(&path);
    assert_eq!(stored, std::slice::from_ref(&expected));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&stored[0]), keys(&expected), "the framework's keys come first");
}

#[tokio::test]
async fn a_record_that_could_not_be_decoded_has_null_for_the_event() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed_events.log");
    let letters = FileStore::open(&path).unwrap();
    store(&letters, 1).await.unwrap();
    let line = &lines(&path)[0];
    for key in ["event_type", "event", "meta"] {
        assert_eq!(line.get(key), Some(&Value::Null), "{key}");
    }
}

#[tokio::test]
async fn letters_are_private_and_the_probe_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/p/failed_events.log");
    let _letters = FileStore::open(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&directory.path().join("a/p"))), (0o600, 0o700));
    assert_eq!(fs::read_dir(directory.path().join("a/p")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file");
    fs::write(&blocked, "").unwrap();
    let error = FileStore::open(blocked.join("failed_events.log")).unwrap_err().to_string();
    assert!(error.contains(&blocked.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_half_letter_of_a_killed_process_is_gone_and_the_framework_letters_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed_events.log");
    let of_the_framework = r#"{ "event_type": "EntityChangeEvent_v1", "event": {}, "meta": {} }"#;
    fs::write(&path, format!("{of_the_framework}\n{{\"event_type\":null,\"ev")).unwrap();
    let letters = FileStore::open(&path).unwrap();
    store(&letters, 5).await.unwrap();
    let stored = lines(&path);
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0]["event_type"], "EntityChangeEvent_v1");
    assert_eq!(stored[1]["record"]["offset"], 5);
}

#[tokio::test]
async fn a_store_that_failed_goes_on_by_itself_and_has_each_letter_once() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().join("volume");
    let path = volume.join("p/failed_events.log");
    let letters = FileStore::open(&path).unwrap();
    fs::remove_dir_all(&volume).unwrap();
    fs::write(&volume, "in the way").unwrap();
    let error = store(&letters, 1).await.unwrap_err();
    assert!(error.while_waiting().contains("permissions; the pipeline goes on by itself"), "{error}");
    assert!(!error.to_string().contains("by itself"), "one that ends the start does not: {error}");
    fs::remove_file(&volume).unwrap();
    store(&letters, 1).await.unwrap();
    store(&letters, 2).await.unwrap();
    assert_eq!(offsets(&path), [1, 2]);
}

#[tokio::test]
async fn a_store_that_root_makes_belongs_to_whom_its_directory_does() {
    if !rustix::process::geteuid().is_root() {
        println!("only root may give files away: not tested");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let theirs = directory.path().join("letters");
    for mode in [0o700, 0o755] {
        for made in ["failed_events.log", "a/b/failed_events.log"] {
            fs::create_dir(&theirs).unwrap();
            std::os::unix::fs::chown(&theirs, Some(12_345), Some(23_456)).unwrap();
            fs::set_permissions(&theirs, fs::Permissions::from_mode(mode)).unwrap();
            drop(FileStore::open(theirs.join(made)).unwrap());
            for made in Path::new(made).ancestors() {
                let found = fs::metadata(theirs.join(made)).unwrap();
                assert_eq!((found.uid(), found.gid()), (12_345, 23_456), "{} {mode:o}", made.display());
            }
            fs::remove_dir_all(&theirs).unwrap();
        }
    }
    let of_root = directory.path().join("p/failed_events.log");
    drop(FileStore::open(&of_root).unwrap());
    assert_eq!(fs::metadata(&of_root).unwrap().uid(), 0);
}

#[tokio::test]
async fn a_file_that_is_full_is_put_aside_and_none_is_ever_removed() {
    const FULL_BYTES: u64 = 64 * 1024 * 1024;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed_events.log");
    for round in 1..=6 {
        // Nothing but its length matters.
        let full = fs::File::create(&path).unwrap();
        full.set_len(FULL_BYTES - 1).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&full, b"\n", FULL_BYTES - 1).unwrap();
        let letters = FileStore::open(&path).unwrap();
        store(&letters, round).await.unwrap();
        assert_eq!(offsets(&path), [round]);
        for aside in 1..=round {
            let aside = path.with_extension(format!("log.{aside}"));
            assert_eq!(fs::metadata(&aside).unwrap().len(), FULL_BYTES, "{}", aside.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_store_at_once_and_every_letter_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed_events.log");
    let letters = Arc::new(FileStore::open(&path).unwrap());
    let lanes: Vec<_> = (0..50)
        .map(|offset| {
            let letters = Arc::clone(&letters);
            tokio::spawn(async move { store(&letters, offset).await })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap().unwrap();
    }
    assert_eq!(offsets(&path), (0..50).collect::<Vec<_>>());
}
