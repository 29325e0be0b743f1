use std::cell::Cell;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use proptest::prelude::*;

use super::{Durability, LineFile, LineFileOptions, Rotation};

std::thread_local! {
    static SYNCS: Cell<usize> = const { Cell::new(0) };
    static DISK_IS_BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Called for each sync of appended lines, on the thread that appends.
pub(super) fn about_to_sync() -> io::Result<()> {
    SYNCS.set(SYNCS.get() + 1);
    if DISK_IS_BROKEN.get() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

const DURABLE: LineFileOptions =
    LineFileOptions { durability: Durability::Machine, private: true, rotation: None, owner: None };

fn rotating(after_bytes: u64, keep: Option<u32>) -> LineFileOptions {
    let rotation = Rotation { after_bytes: NonZeroU64::new(after_bytes).unwrap(), keep };
    LineFileOptions { rotation: Some(rotation), ..LineFileOptions::default() }
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn lines_are_appended_behind_those_of_an_earlier_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    LineFile::open(&path, LineFileOptions::default()).unwrap().append(b"{\"a\":1}\n").unwrap();
    LineFile::open(&path, LineFileOptions::default()).unwrap().append(b"{\"a\":2}\n").unwrap();
    assert_eq!(text(&path), "{\"a\":1}\n{\"a\":2}\n");
}

#[test]
fn a_line_that_must_outlive_the_machine_is_synced_before_its_append_returns() {
    let directory = tempfile::tempdir().unwrap();
    let mut plain =
        LineFile::open(directory.path().join("events.jsonl"), LineFileOptions::default()).unwrap();
    plain.append(b"{}\n").unwrap();
    assert_eq!(SYNCS.get(), 0, "the process is all that it has to outlive");
    let mut durable = LineFile::open(directory.path().join("letters.log"), DURABLE).unwrap();
    for appended in 1..=3 {
        durable.append(b"{}\n").unwrap();
        assert_eq!(SYNCS.get(), appended);
    }
}

#[test]
fn a_line_that_the_disk_did_not_take_is_not_there_and_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letters.log");
    let mut durable = LineFile::open(&path, DURABLE).unwrap();
    durable.append(b"{\"a\":1}\n").unwrap();
    DISK_IS_BROKEN.set(true);
    assert!(durable.append(b"{\"a\":2}\n").is_err());
    assert_eq!(text(&path), "{\"a\":1}\n");
    DISK_IS_BROKEN.set(false);
    durable.append(b"{\"a\":2}\n").unwrap();
    assert_eq!(text(&path), "{\"a\":1}\n{\"a\":2}\n");
}

#[test]
fn half_a_line_of_a_killed_writer_never_stands_before_a_later_one() {
    for torn in ["{\"a\":", "{", "\0\0\0", "{\"a\":1}\0\0", "{\"a\":1}{"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        fs::write(&path, format!("{{\"a\":1}}\n{torn}")).unwrap();
        LineFile::open(&path, LineFileOptions::default()).unwrap().append(b"{\"a\":2}\n").unwrap();
        assert_eq!(text(&path), "{\"a\":1}\n{\"a\":2}\n", "after {torn:?}");
    }
}

#[test]
fn a_whole_line_without_its_line_feed_and_foreign_text_are_kept() {
    for tail in ["{\"a\":1}", "{\"a\": [1, 2]} ", "some notes"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        fs::write(&path, tail).unwrap();
        LineFile::open(&path, LineFileOptions::default()).unwrap().append(b"{\"a\":2}\n").unwrap();
        assert_eq!(text(&path), format!("{tail}\n{{\"a\":2}}\n"));
    }
}

#[test]
fn a_torn_line_longer_than_a_chunk_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let torn = format!("{{\"a\":\"{}", "x".repeat(300_000));
    fs::write(&path, format!("{{\"a\":1}}\n{torn}")).unwrap();
    LineFile::open(&path, LineFileOptions::default()).unwrap();
    assert_eq!(text(&path), "{\"a\":1}\n");
}

#[test]
fn half_a_line_left_by_another_writer_while_we_run_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut ours = LineFile::open(&path, LineFileOptions::default()).unwrap();
    ours.append(b"{\"a\":1}\n").unwrap();
    fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
    ours.append(b"{\"a\":2}\n").unwrap();
    assert_eq!(text(&path), "{\"a\":1}\n{\"a\":2}\n");
}

#[test]
fn a_full_file_gets_the_next_number_and_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut file = LineFile::open(&path, rotating(16, None)).unwrap();
    for number in 1..=5 {
        file.append(format!("{{\"a\":{number}}}\n").as_bytes()).unwrap();
    }
    assert_eq!(text(directory.path().join("events.jsonl.1")), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(text(directory.path().join("events.jsonl.2")), "{\"a\":3}\n{\"a\":4}\n");
    assert_eq!(text(&path), "{\"a\":5}\n");
}

#[test]
fn only_the_newest_files_are_kept_and_numbers_go_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    for name in ["events.jsonl.gz", "events.jsonl.07", "events.jsonl.9", "other.jsonl.3"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    for number in 1..=5 {
        let mut file = LineFile::open(&path, rotating(1, Some(2))).unwrap();
        file.append(format!("{{\"a\":{number}}}\n").as_bytes()).unwrap();
    }
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "events.jsonl",
        "events.jsonl.07",
        "events.jsonl.12",
        "events.jsonl.13",
        "events.jsonl.gz",
        "other.jsonl.3",
    ];
    assert_eq!(names, expected);
    assert_eq!(text(directory.path().join("events.jsonl.13")), "{\"a\":4}\n");
}

#[test]
fn a_file_renamed_by_somebody_else_is_opened_anew_at_once_where_it_matters() {
    for options in [DURABLE, rotating(1_000_000, None)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let mut file = LineFile::open(&path, options).unwrap();
        file.append(b"{\"a\":1}\n").unwrap();
        fs::rename(&path, directory.path().join("away")).unwrap();
        file.append(b"{\"a\":2}\n").unwrap();
        assert_eq!(text(&path), "{\"a\":2}\n");
        assert_eq!(text(directory.path().join("away")), "{\"a\":1}\n");
    }
}

#[test]
fn a_file_renamed_by_somebody_else_is_left_after_a_moment_and_no_line_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let away = directory.path().join("away");
    let mut file = LineFile::open(&path, LineFileOptions::default()).unwrap();
    fs::rename(&path, &away).unwrap();
    let mut appended = 0;
    while !path.exists() {
        file.append(b"{}\n").unwrap();
        appended += 1;
    }
    assert_eq!(text(&away).lines().count() + text(&path).lines().count(), appended);
}

#[test]
fn a_directory_that_was_removed_is_made_again_with_the_rights_that_it_had() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/failed_events.log");
    let mut file = LineFile::open(&path, DURABLE).unwrap();
    for _ in 0..2 {
        file.append(b"{\"a\":1}\n").unwrap();
        fs::remove_dir_all(directory.path().join("a")).unwrap();
        file.append(b"{\"a\":2}\n").unwrap();
        assert_eq!(text(&path), "{\"a\":2}\n");
        assert_eq!(mode(&path), 0o600);
        assert_eq!((mode(&directory.path().join("a/b")), mode(&directory.path().join("a"))), (0o700, 0o700));
    }
}

#[test]
fn lines_wait_while_another_file_system_stands_where_the_directory_was() {
    let on = |place: &str| {
        tempfile::tempdir_in(place).ok().map(|made| (made.path().metadata().unwrap().dev(), made))
    };
    let (Some((device, volume)), Some((other, below))) = (on("."), on("/dev/shm")) else { return };
    if device == other {
        println!("one file system is all that there is: not tested");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount_point = directory.path().join("letters");
    let mount = |what: &Path| {
        let _ = fs::remove_file(&mount_point);
        std::os::unix::fs::symlink(what, &mount_point).unwrap();
    };
    mount(volume.path());
    let mut file = LineFile::open(mount_point.join("failed_events.log"), DURABLE).unwrap();
    mount(below.path());
    for _ in 0..2 {
        let error = file.append(b"{\"a\":1}\n").unwrap_err().to_string();
        assert!(error.ends_with("If another one is meant to be there, restart"), "{error}");
    }
    assert_eq!(fs::read_dir(below.path()).unwrap().count(), 0, "nothing is left where the volume was");
    mount(volume.path());
    file.append(b"{\"a\":1}\n").unwrap();
    assert_eq!(text(volume.path().join("failed_events.log")), "{\"a\":1}\n");
}

#[test]
fn a_directory_that_cannot_be_made_again_is_an_error_until_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().join("volume");
    let path = volume.join("lines/events.jsonl");
    let mut file = LineFile::open(&path, DURABLE).unwrap();
    fs::remove_dir_all(&volume).unwrap();
    fs::write(&volume, "in the way").unwrap();
    for _ in 0..2 {
        assert!(file.append(b"{\"a\":1}\n").is_err());
    }
    fs::remove_file(&volume).unwrap();
    file.append(b"{\"a\":1}\n").unwrap();
    assert_eq!(text(&path), "{\"a\":1}\n");
}

#[test]
fn a_file_that_takes_the_place_of_another_belongs_to_whom_that_one_did() {
    if !rustix::process::geteuid().is_root() {
        println!("only root may give files away: not tested");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed_events.log");
    let owner = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o777)
    };
    fs::write(&path, "{}\n").unwrap();
    std::os::unix::fs::chown(&path, Some(12_345), Some(23_456)).unwrap();
    let rotation = rotating(1, None).rotation;
    let mut file = LineFile::open(&path, LineFileOptions { rotation, ..DURABLE }).unwrap();
    file.append(b"{\"a\":1}\n").unwrap();
    assert_eq!(text(&path), "{\"a\":1}\n", "the other was put aside");
    assert_eq!(owner(&path), (12_345, 23_456, 0o600));
    fs::remove_file(&path).unwrap();
    file.append(b"{\"a\":2}\n").unwrap();
    assert_eq!(owner(&path), (12_345, 23_456, 0o600));
}

#[test]
fn a_private_file_and_its_new_directories_are_the_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/failed_events.log");
    LineFile::open(&path, DURABLE).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&directory.path().join("a/b")), 0o700);
    assert_eq!(mode(&directory.path().join("a")), 0o700);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    LineFile::open(&path, DURABLE).unwrap();
    assert_eq!(mode(&path), 0o600, "a file of the Python framework becomes private");
}

#[test]
fn several_writers_of_one_file_neither_mix_nor_lose_lines_across_rotations() {
    const WRITERS: usize = 4;
    const LINES: usize = 300;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let together = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (path, together) = (&path, &together);
            scope.spawn(move || {
                // Every line fills a file, so that the writers meet in a rotation again and again.
                let mut file = LineFile::open(path, rotating(1, None)).unwrap();
                for number in 0..LINES {
                    if number % 10 == 0 {
                        together.wait();
                    }
                    file.append(format!("{{\"writer\":{writer},\"number\":{number}}}\n").as_bytes()).unwrap();
                }
            });
        }
    });
    let mut lines: Vec<String> = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let content = text(entry.unwrap().path());
        assert!(content.ends_with('\n') && content.lines().count() == 1, "{content}");
        lines.push(content);
    }
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), WRITERS * LINES);
}

/// The parent runs this test in a process that may not write files above 2 KiB, where the write that
/// crosses the limit is cut short by the kernel as it is on a full disk.
#[test]
fn a_write_cut_short_by_a_full_disk_leaves_no_half_line() {
    const PATH_VARIABLE: &str = "LINE_FILE_UNDER_LIMIT";
    if let Some(path) = std::env::var_os(PATH_VARIABLE) {
        let mut file = LineFile::open(Path::new(&path), DURABLE).unwrap();
        let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(300));
        let failed = std::iter::repeat_with(|| file.append(line.as_bytes())).take(20).find(Result::is_err);
        assert!(failed.is_some(), "the limit was reached");
        file.append(b"{}\n").expect("what still fits is stored after a failure");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failed_events.log");
    let status = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "line_file::tests::a_write_cut_short_by_a_full_disk_leaves_no_half_line"])
        .env(PATH_VARIABLE, &path)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let content = text(&path);
    assert!(content.ends_with("\"}\n{}\n"), "{content}");
    assert!(content.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

proptest! {
    #[test]
    fn a_file_cut_at_any_byte_still_ends_with_whole_lines(lines in 1..6_usize, cut in 0..400_usize) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let whole: String =
            (0..lines).map(|number| format!("{{\"number\":{number},\"text\":\"}}\\n é\"}}\n")).collect();
        fs::write(&path, &whole.as_bytes()[..cut.min(whole.len())]).unwrap();

        LineFile::open(&path, LineFileOptions::default()).unwrap().append(b"{\"last\":true}\n").unwrap();

        let content = text(&path);
        let (before, last) = content.split_at(content.len() - "{\"last\":true}\n".len());
        prop_assert_eq!(last, "{\"last\":true}\n");
        prop_assert!(whole.starts_with(before));
        prop_assert!(before.is_empty() || before.ends_with('\n'));
    }
}
