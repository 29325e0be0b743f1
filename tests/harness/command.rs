//! The program's commands that end by themselves.

use std::process::{Command, Stdio};
use std::time::Duration;

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
    let mut process = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is missing in what the test then looks at.
            let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = read(process.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(process.stderr.take().map(|pipe| Box::new(pipe) as _));
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
    let text = |thread: std::thread::JoinHandle<String>| thread.join().expect("reading does not panic");
    let said = Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(said.code.is_some(), "{arguments:?} did not end: {said:?}");
    said
}
