//! The Python framework itself, as its users run it: its console script, its Kafka source, its client
//! of the schema registry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::wait_for;

/// From a signal to the end. It closes its consumers one after the other.
const END: Duration = Duration::from_secs(30);

/// A running `datahub-actions actions`.
pub(crate) struct Framework {
    process: Child,
    log: PathBuf,
}

impl Framework {
    /// Runs recipe files as they are, with these environment variables beside the test's own. Its log
    /// goes into `directory`.
    pub(crate) fn run(directory: &Path, files: &[PathBuf], variables: &[(&str, String)]) -> Self {
        fs::create_dir_all(directory).expect("the test's directory can be written");
        let log = directory.join("framework.log");
        let output = File::create(&log).expect("the test's directory can be written");
        let mut command = Command::new(console_script());
        command.arg("actions");
        for file in files {
            command.arg("-c").arg(file);
        }
        command
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // It would ask a server on the internet before it does anything.
            .env("DATAHUB_TELEMETRY_ENABLED", "false")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("an open file"))
            .stderr(output);
        let process = command.spawn().expect("DATAHUB_RELAY_PYTHON has the framework beside it");
        Self { process, log }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process's id");
        kill_process(pid, Signal::TERM).expect("the framework still runs");
        let status = wait_for("the framework's end", END, || self.process.try_wait().expect("our child"));
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Fails the test if the framework has ended.
    pub(crate) fn assert_runs(&mut self) {
        if let Some(status) = self.process.try_wait().expect("our child") {
            panic!("the framework ended ({status}):\n{}", self.log());
        }
    }
}

impl Drop for Framework {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn console_script() -> PathBuf {
    let python = std::env::var("DATAHUB_RELAY_PYTHON")
        .expect("DATAHUB_RELAY_PYTHON must name a Python that has acryl-datahub-actions[kafka]");
    Path::new(&python).with_file_name("datahub-actions")
}
