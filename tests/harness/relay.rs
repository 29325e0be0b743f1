//! The program itself: a process, its signals, its words and its end.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::http;
use super::recipe::Recipe;
use super::wait::{wait_for, wait_until};

/// From the start of the process until its pipelines have their partitions. A group whose earlier
/// member was killed waits for that member's session first.
const READY: Duration = Duration::from_secs(60);
/// From a signal to the end, where nothing hangs.
pub(crate) const END: Duration = Duration::from_secs(30);

/// What a process says that has stopped and may still be a member of its group.
const NOT_LEFT: [&str; 3] = [
    "a rebalance during the stop was not answered",
    "a rebalance while closing was not answered",
    "the consumer does not close",
];

/// Whether a process with this log, which has stopped, has left its group.
pub(crate) fn has_left(log: &str) -> bool {
    NOT_LEFT.iter().all(|words| !log.contains(words))
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A running `datahub-relay run`.
pub(crate) struct Relay {
    process: Child,
    monitoring_port: u16,
    stderr: PathBuf,
}

/// What the process finds around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// Nothing special; its standard output goes nowhere.
    Plain,
    /// Its standard output goes into a pipe that the test reads, or leaves to fill up.
    PipedOutput,
    /// Writing beyond the limit of [`Relay::limit_file_size`] is an error instead of the end.
    LimitedFiles,
}

impl Relay {
    /// Runs `recipes` in one process; a new directory inside `directory` takes the recipes as they
    /// were for this run, and the log.
    pub(crate) fn run(
        directory: &Path,
        recipes: &[&Recipe],
        surroundings: Surroundings,
        environment: &[(String, String)],
    ) -> Self {
        let monitoring_port = free_port();
        let directory = new_directory(directory);
        let program = env!("CARGO_BIN_EXE_datahub-relay");
        let mut command = match surroundings {
            Surroundings::Plain | Surroundings::PipedOutput => Command::new(program),
            Surroundings::LimitedFiles => {
                let mut shell = Command::new("sh");
                // What a shell ignores stays ignored in the program that takes its place.
                shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", program]);
                shell
            }
        };
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("run").arg("--monitoring-port").arg(monitoring_port.to_string());
        for recipe in recipes {
            command.arg("-c").arg(recipe.write(&directory));
        }
        let piped = surroundings == Surroundings::PipedOutput;
        command.stdout(if piped { Stdio::piped() } else { Stdio::null() });
        Self::start(command, monitoring_port, &directory)
    }

    /// Runs recipe files as they are, by the Python framework's command line, with these environment
    /// variables beside the test's own; a new directory inside `directory` takes the log.
    pub(crate) fn run_files(directory: &Path, files: &[PathBuf], variables: &[(&str, String)]) -> Self {
        let monitoring_port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_datahub-relay"));
        command.args(["--enable-monitoring", "--monitoring-port", &monitoring_port.to_string(), "actions"]);
        for file in files {
            command.arg("-c").arg(file);
        }
        command.envs(variables.iter().map(|(name, value)| (name, value))).stdout(Stdio::null());
        Self::start(command, monitoring_port, &new_directory(directory))
    }

    fn start(mut command: Command, monitoring_port: u16, directory: &Path) -> Self {
        let stderr = directory.join("stderr.log");
        command
            .stdin(Stdio::null())
            .stderr(File::create(&stderr).expect("the test's directory can be written"));
        Self { process: command.spawn().expect("the program was built"), monitoring_port, stderr }
    }

    /// From now on the process cannot write beyond this length of any file, as if the disk were
    /// full; `None` lifts the limit.
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("the process is ours");
    }

    /// Waits until `/readyz` says yes.
    pub(crate) fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        wait_until("the program to be ready", 2 * READY, || {
            if let Some(ended) = self.ended() {
                panic!("the program ended instead of getting ready: {ended:?}\n{}", self.log());
            }
            let answer = self.get("/readyz");
            // What is missing says more than that something is.
            assert!(begun.elapsed() < READY, "not ready after {READY:?}: {answer:?}");
            answer.is_some_and(|(status, _)| status == 200)
        });
    }

    /// What `/readyz` says; `None` if nobody answers.
    pub(crate) fn ready(&self) -> Option<bool> {
        self.get("/readyz").map(|(status, _)| status == 200)
    }

    /// Whether `/readyz` says no, and in its body all of these texts.
    pub(crate) fn says_no(&self, texts: &[&str]) -> bool {
        self.get("/readyz")
            .is_some_and(|(status, body)| status == 503 && texts.iter().all(|text| body.contains(text)))
    }

    /// Status and body of a page of the monitoring port.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        http::get(self.monitoring_port, path)
    }

    /// The sum of a metric's samples whose labels contain every one of `labels` (`name="value"`).
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let (_, page) = self.get("/metrics")?;
        let of_metric = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        };
        let samples =
            page.lines().filter(of_metric).filter(|line| labels.iter().all(|label| line.contains(label)));
        let values: Vec<f64> = samples.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Sends a signal to this process, and no other.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is ours and was not waited for");
    }

    /// Waits until the process has ended, and says how.
    pub(crate) fn wait_for_end(&mut self, within: Duration) -> Ended {
        wait_for("the program's end", within, || self.ended())
    }

    /// Sends SIGTERM and expects a clean end.
    pub(crate) fn stop(self) {
        self.stop_and_tell();
    }

    /// The same, and returns what the process wrote to standard error.
    pub(crate) fn stop_and_tell(self) -> String {
        self.signal(Signal::TERM);
        self.has_stopped()
    }

    /// Expects that a signal sent before stops the process, that it exits with 0 and leaves its group. Returns what
    /// it wrote to standard error.
    pub(crate) fn has_stopped(mut self) -> String {
        let ended = self.wait_for_end(END);
        let log = self.log();
        assert_eq!(ended, Ended::Code(0), "a clean stop; the log:\n{log}");
        assert!(has_left(&log), "a dead member holds its partitions for a session; the log:\n{log}");
        log
    }

    /// How many partitions the process has; `None` if it does not say.
    pub(crate) fn assigned(&self) -> Option<usize> {
        let assigned = self.metric("datahub_relay_assigned_partitions", &[])?;
        Some(assigned as usize)
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.wait_for_end(END), Ended::Signal(9));
    }

    /// How the process ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        let status = self.process.try_wait().expect("the process is our child")?;
        Some(ended(status))
    }

    /// How much memory the process has, in bytes; `None` once it has ended.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    }

    /// The pipe with the process's standard output.
    pub(crate) fn take_stdout(&mut self) -> ChildStdout {
        self.process.stdout.take().expect("the test asked for a pipe, and took it once")
    }

    /// What the process wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        let mut text = Vec::new();
        // A log that cannot be read must not hide the failure that it was wanted for.
        let _ = File::open(&self.stderr).and_then(|mut file| file.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("the system gave this number")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => unreachable!("a process ends with a code or by a signal"),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// A directory for each run, so that a test's several processes can be told apart.
fn new_directory(parent: &Path) -> PathBuf {
    let runs = parent.join("runs");
    fs::create_dir_all(&runs).expect("the test's directory can be written");
    let earlier = fs::read_dir(&runs).expect("it was just created").count();
    let directory = runs.join(format!("{earlier:03}"));
    fs::create_dir(&directory).expect("one test starts its processes one after the other");
    directory
}
