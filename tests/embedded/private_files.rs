//! Private files, which hold what a recipe keeps secret, and every way in which a process ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::harness::{Recipe, Scene, wait_until};
use crate::signals::{send, wait_until_asked};

/// What no file may hold once a process has ended. It comes from the environment: the recipe does not hold it.
const SECRET: &str = "pl4nted-and-kept-to-itself";

const SEEN: Duration = Duration::from_secs(60);

/// Commands that have nothing to finish, as they are before `-c`, and which of them wait for Kafka.
const AT_ONCE: [(&[&str], bool); 9] = [
    (&["validate"], false),
    (&["test"], false),
    (&["validate", "--connect", "--connect-timeout", "60"], true),
    (&["offsets", "show"], true),
    (&["offsets", "reset", "--to", "earliest", "--yes"], true),
    (&["offsets", "acknowledge"], true),
    (&["dead-letters", "list"], true),
    (&["dead-letters", "show", "any"], true),
    (&["dead-letters", "replay", "--dry-run"], true),
];

/// Commands that stop in order once they have loaded recipes, and the code that they end with if they have
/// waited for Kafka until then.
const IN_ORDER: [(&[&str], i32); 4] = [
    (&["run", "--monitoring-port", "0"], 0),
    (&["run", "--dry-run"], 1),
    (&["tail"], 1),
    (&["dead-letters", "replay"], 1),
];

/// A process, and the directory in which it alone may write private files.
struct Process {
    words: &'static [&'static str],
    child: Child,
    temporary: PathBuf,
}

impl Process {
    fn start(words: &'static [&'static str], recipe: &Path, temporary: PathBuf) -> Self {
        fs::create_dir_all(&temporary).expect("the test's directory can be written");
        let child = command(words, recipe, &temporary).spawn().expect("the program was built");
        Self { words, child, temporary }
    }

    fn wait_until_it_has_a_private_file(&self) {
        wait_until("a private file", SEEN, || holding_the_secret(&self.temporary).len() == 1);
    }

    /// Sends the signal and expects this end, without a private file.
    fn ends_by(mut self, signal: Signal, code: i32) {
        let Self { words, .. } = self;
        send(&self.child, signal);
        let mut status = None;
        wait_until("the process to end", SEEN, || {
            status = self.child.try_wait().expect("the process is our child");
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{words:?}, {signal:?}");
        assert_eq!(names_in(&self.temporary), [""; 0], "{words:?}, {signal:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(words: &[&str], recipe: &Path, temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datahub-relay"));
    command.args(words).arg("-c").arg(recipe).env("TMPDIR", temporary).env("CA", SECRET);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A recipe with a private file, which also has dead letters in a topic.
fn recipe(scene: &Scene<'_>) -> Recipe {
    scene.recipe().change_logs("any").consumer("__DATAHUB_TO_FILE_ssl.ca.location", "${CA}")
}

/// The same, and whoever reads it comes to a file that does not end, after the private file was written.
fn recipe_that_is_never_read(scene: &Scene<'_>) -> PathBuf {
    let pipe = scene.directory().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a named pipe");
    recipe(scene).consumer("sasl.password_file", pipe.to_string_lossy().into_owned()).write(scene.directory())
}

/// The files below a directory that hold the secret.
fn holding_the_secret(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(holding_the_secret(&path));
        } else if path.is_file() && fs::read_to_string(&path).is_ok_and(|text| text.contains(SECRET)) {
            found.push(path);
        }
    }
    found
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_signal_ends_any_command_at_once_while_it_loads_recipes_and_leaves_no_private_file() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "private-loading");
    let recipe = recipe_that_is_never_read(&scene);
    let commands = AT_ONCE.iter().map(|(words, _)| *words).chain(IN_ORDER.iter().map(|(words, _)| *words));
    let all: Vec<(Process, Signal)> = commands
        .flat_map(|words| [Signal::INT, Signal::TERM, Signal::HUP].map(|signal| (words, signal)))
        .enumerate()
        .map(|(number, (words, signal))| {
            (Process::start(words, &recipe, scene.directory().join(number.to_string())), signal)
        })
        .collect();
    for (process, _) in &all {
        process.wait_until_it_has_a_private_file();
    }
    for (process, signal) in all {
        process.ends_by(signal, 128 + signal.as_raw());
    }
}

#[test]
fn a_signal_ends_what_only_looks_at_once_and_the_rest_in_order_and_none_leaves_a_private_file() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "private-waiting");
    let looking = AT_ONCE.iter().filter(|(_, waits)| *waits).flat_map(|(words, _)| {
        [Signal::INT, Signal::TERM].map(|signal| (*words, signal, 128 + signal.as_raw()))
    });
    let acting = IN_ORDER.iter().flat_map(|(words, code)| {
        [(*words, Signal::INT, *code), (*words, Signal::TERM, *code), (*words, Signal::HUP, 128 + 1)]
    });
    for (number, (words, signal, code)) in looking.chain(acting).enumerate() {
        // Takes connections and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("a bound address").to_string();
        let connection = serde_json::json!({
            "bootstrap": address, "schema_registry_url": scene.registry.url(),
            "consumer_config": {"__DATAHUB_TO_FILE_ssl.ca.location": "${CA}"},
        });
        let recipe = recipe(&scene).source("connection", connection).source("dead_letter_topic", "letters");
        let temporary = scene.directory().join(number.to_string());
        let process = Process::start(words, &recipe.write(scene.directory()), temporary);
        let _asked = wait_until_asked(&silent);
        process.wait_until_it_has_a_private_file();
        process.ends_by(signal, code);
    }
}

#[test]
fn a_command_that_ends_by_itself_leaves_no_private_file_even_if_nobody_reads_what_it_says() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "private-ended");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 5);
    let good = recipe(&scene).change_logs(&topic);
    let broken = scene.directory().join("broken");
    fs::create_dir(&broken).expect("a directory");
    let broken = good.clone().source("nonsense", 1).write(&broken);
    let good = good.write(scene.directory());
    let temporary = scene.directory().join("temporary");
    fs::create_dir(&temporary).expect("a directory");
    let end = |words: &[&str], recipe: &Path, code: Option<i32>| {
        // Several of each: what is left may depend on which thread ends first.
        for closed in [false, false, false, true] {
            let mut command = command(words, recipe, &temporary);
            if closed {
                command.stdout(Stdio::piped());
            }
            let mut child = command.spawn().expect("the program was built");
            drop(child.stdout.take());
            let status = child.wait().expect("the process is our child");
            assert!(closed || code.is_none_or(|code| status.code() == Some(code)), "{words:?}: {status}");
            assert_eq!(names_in(&temporary), [""; 0], "{words:?}");
        }
    };
    for (words, _) in AT_ONCE {
        end(words, &good, None);
        end(words, &broken, Some(1));
    }
    for words in [
        &["run", "--dry-run"][..],
        &["tail", "--from", "earliest", "--until-end"],
        &["dead-letters", "replay"],
    ] {
        end(words, &good, Some(0));
        end(words, &broken, Some(1));
    }
}

#[test]
fn a_process_that_needs_private_files_removes_those_of_a_killed_one_and_no_others() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "private-killed");
    let recipe = recipe_that_is_never_read(&scene);
    let temporary = scene.directory().join("temporary");
    let start = || Process::start(&["validate"], &recipe, temporary.clone());
    let killed = start();
    killed.wait_until_it_has_a_private_file();
    let file = holding_the_secret(&temporary).remove(0);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let directory = file.parent().expect("a file is in a directory");
    assert_eq!((mode(&file), mode(directory)), (0o600, 0o700));
    drop(killed);
    assert_eq!(
        holding_the_secret(&temporary),
        std::slice::from_ref(&file),
        "nobody can do anything about SIGKILL"
    );

    let next = start();
    wait_until("its file instead", SEEN, || {
        holding_the_secret(&temporary).first().is_some_and(|found| *found != file)
    });
    assert_eq!(names_in(&temporary).len(), 1, "the killed one's is gone");
    let another = start();
    wait_until("a file of each", SEEN, || holding_the_secret(&temporary).len() == 2);
    drop((next, another));
}

#[test]
fn a_terminal_that_closes_does_not_end_a_command_under_nohup() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "private-nohup");
    let recipe = recipe_that_is_never_read(&scene);
    let temporary = scene.directory().join("temporary");
    fs::create_dir(&temporary).expect("a directory");
    let child = Command::new("nohup")
        .arg(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(["validate", "-c"])
        .arg(&recipe)
        .env("TMPDIR", &temporary)
        .env("CA", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("nohup comes with every system");
    let process = Process { words: &["validate"], child, temporary };
    process.wait_until_it_has_a_private_file();
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("it lives");
    let ignored =
        status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a line of every process");
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a mask");
    assert_eq!(ignored & 1, 1, "it does not listen for the first of all signals, which is SIGHUP");
    send(&process.child, Signal::HUP);
    process.ends_by(Signal::TERM, 128 + 15);
}
