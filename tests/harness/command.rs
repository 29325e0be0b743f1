//! The program's commands that end by themselves.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

/// Longer than any command takes that waits for a broker in vain.
const END: Duration = Duration::from_secs(60);

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs the program with `arguments` to its end, without a terminal and with an environment of its own.
///
/// # Panics
/// If it does not end.
pub(crate) fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    Running(start(arguments, environment, Stdio::piped())).end()
}

/// A command under way, without a terminal. It does not outlive its test.
pub(crate) struct Running(Child);

impl Running {
    /// Starts the program with `arguments` and with an environment of its own.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self(start(arguments, &[], Stdio::piped()))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it is our child and was not waited for");
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn end(mut self) -> Said {
        let stderr = self.0.stderr.take().expect("the pipe was asked for");
        until_its_end(&mut self.0, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The same, with standard error at a terminal: [`Said::stderr`] is what a person would see there, with the
/// sequences that move the cursor.
///
/// # Panics
/// If it does not end.
pub(crate) fn command_at_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).expect("a pseudo-terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("the terminal is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let name = OsStr::from_bytes(name.as_bytes());
    // It must not become the terminal that this process belongs to.
    let not_ours = OFlags::NOCTTY.bits().cast_signed();
    let theirs = File::options().read(true).write(true).custom_flags(not_ours).open(name);
    let theirs = theirs.expect("the terminal can be opened");
    // Reading ends with an error once nobody has the terminal open any more: the process has it alone.
    until_its_end(&mut start(arguments, environment, theirs.into()), File::from(ours))
}

fn start(arguments: &[&str], environment: &[(&str, &str)], stderr: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .expect("the program was built")
}

fn until_its_end(process: &mut Child, stderr: impl Read + Send + 'static) -> Said {
    let stdout = read(process.stdout.take().expect("the pipe was asked for"));
    let stderr = read(stderr);
    let mut waited = 0;
    let status = loop {
        // The deadline panics; the process must not be left behind.
        match process.try_wait().expect("the process is our child") {
            Some(status) => break status,
            None if waited > END.as_millis() / 20 => {
                let _ = process.kill();
                break process.wait().expect("the process is our child");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
        waited += 1;
    };
    let text = |thread: JoinHandle<String>| thread.join().expect("reading does not panic");
    let said = Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(said.code.is_some(), "it did not end: {said:?}");
    said
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // What cannot be read is missing in what the test then looks at.
        let _ = from.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}
