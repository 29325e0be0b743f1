//! The first thing that a person runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::command;

/// A `quickstart` whose temporary files go to `directory`; what else the environment says of Kafka must
/// not matter to it.
fn quickstart(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datahub-relay"));
    command.arg("quickstart").args(arguments).env_clear().env("TMPDIR", directory);
    command.env("KAFKA_BOOTSTRAP_SERVER", "localhost:1").env("KAFKA_PROPERTIES_AUTO_OFFSET_RESET", "latest");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the run left in `directory`.
fn left_behind(directory: &Path, name: &str) -> Vec<String> {
    let run: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the test's directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(run.len(), 1, "one run makes one directory: {run:?}");
    let lines = fs::read_to_string(run[0].join(name)).expect("the run wrote it");
    lines.lines().map(str::to_owned).collect()
}

fn lines_with(story: &str, part: &str) -> usize {
    story.lines().filter(|line| line.contains(part)).count()
}

#[test]
fn once_tells_the_story_of_every_sample_and_ends_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = quickstart(directory.path(), &["--once"]).output().expect("the program was built");
    let (story, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{story}\n{log}");

    let acted = left_behind(directory.path(), "events.jsonl");
    let letters = left_behind(directory.path(), "quickstart/failed_events.log");
    assert_eq!(lines_with(&story, " acted on "), acted.len(), "{story}");
    assert_eq!((acted.len(), letters.len()), (5, 2), "{story}");
    assert_eq!(lines_with(&story, "DEAD LETTER "), 2, "{story}");
    assert_eq!(lines_with(&story, " dropped      tombstone "), 1, "{story}");
    for part in [
        "25 records were fed in",
        "TAG ADD tag:PII",
        "stage avro: the Avro body is cut",
        "failed_events.log",
        "PlatformEvent_v1                  [0] 2 of 2  [1] 2 of 2  [2] 8 of 8",
        "25 received, 5 acted on, 18 dropped, 2 dead-lettered",
        "datahub-relay run -c ",
        "for a look; rm -r ",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(!story.contains("MISSING"), "{story}");

    // As the story says, and it lists them.
    let look =
        story.lines().find_map(|line| line.trim().strip_prefix("datahub-relay dead-letters list --file "));
    let file = look.expect("how to look at the dead letters");
    let listed = command(&["dead-letters", "list", "--json", "--file", file], &[]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 2), "{listed:?}");
}

#[test]
fn who_reads_no_further_has_seen_enough() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut process = quickstart(directory.path(), &["--once"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    // As `head -3` does.
    let stdout = process.stdout.take().expect("it is piped");
    assert_eq!(BufReader::new(stdout).lines().take(3).count(), 3);
    let output = process.wait_with_output().expect("it ends by itself");
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(!log.contains("error:") && !log.contains("Broken pipe"), "{log}");
}

#[test]
fn random_events_are_fed_in_when_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = quickstart(directory.path(), &["--once", "--events", "6000"])
        .output()
        .expect("the program was built");
    let (story, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{story}\n{log}");
    assert!(story.contains("6000 random events were fed in, processed and committed"), "{story}");
    assert!(story.contains("6025 received"), "{story}");
}

#[test]
fn a_port_in_use_gives_way_to_a_free_one_unless_it_was_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound address").port().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let by_settings = quickstart(directory.path(), &["--once"])
        .env("DATAHUB_RELAY_MONITORING__PORT", &port)
        .output()
        .expect("the program was built");
    assert_eq!(by_settings.status.code(), Some(0), "{}", text(&by_settings.stderr));
    assert!(!text(&by_settings.stdout).contains(&format!("127.0.0.1:{port}/")));
    let asked_for = quickstart(directory.path(), &["--once", "--monitoring-port", &port]);
    assert_fails_naming(asked_for, &port);
}

#[test]
fn events_that_cannot_be_stored_anywhere_are_missing_and_the_exit_code_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = env!("CARGO_BIN_EXE_datahub-relay");
    let mut shell = Command::new("sh");
    // Files may hold 3 KiB: enough for the tour, and neither for 300 events more nor for their dead letters.
    let script = "trap '' XFSZ; ulimit -f 6; exec \"$0\" quickstart --once --events 300 --patience 2";
    shell.args(["-c", script, program]).env_clear().env("TMPDIR", directory.path());
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let error = assert_fails_naming(shell, "nothing was committed for 2 s");
    assert!(error.contains("is committed up to"), "{error}");
}

#[test]
fn a_place_for_temporary_files_that_is_none_is_named() {
    assert_fails_naming(quickstart(Path::new("/dev/null"), &["--once"]), "TMPDIR");
}

#[test]
fn without_once_it_goes_on_until_it_is_interrupted() {
    let directory = tempfile::tempdir().expect("a directory");
    let process = quickstart(directory.path(), &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    let mut process = EndedOnDrop(process);
    let stdout = process.0.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines().map(|line| line.expect("text"));
    lines.by_ref().find(|line| line.contains("until Ctrl-C")).expect("the story's end");
    let is_event = |line: &String| line.contains("acted on ") || line.contains("dropped ");
    lines.by_ref().find(is_event).expect("an event comes now and then");

    let pid =
        i32::try_from(process.0.id()).ok().and_then(Pid::from_raw).expect("the system gave this number");
    kill_process(pid, Signal::INT).expect("the process is ours and was not waited for");
    assert!(lines.any(|line| line.contains("The pipeline's own summary")));
    let begun = Instant::now();
    loop {
        if let Some(status) = process.0.try_wait().expect("the process is our child") {
            assert_eq!(status.code(), Some(0));
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_fails_naming(mut command: Command, part: &str) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program was built");
    let error = text(&stderr);
    assert_eq!(status.code(), Some(1), "{}\n{error}", text(&stdout));
    assert!(error.contains(part), "{error}");
    error
}

/// A process that does not outlive its test.
struct EndedOnDrop(Child);

impl Drop for EndedOnDrop {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
