//! `datahub-relay quickstart`: the whole way of an event, with everything that it needs inside this
//! process.

mod course;
mod fate;
mod folder;
mod offsets;
mod story;
mod witness;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::embedded::{DatahubError, FeedError};
use crate::environment::Environment;
use crate::kafka::{ConsumerError, StartError};
use crate::pipeline::{BuildError, PipelineError};
use crate::settings::MonitoringSettings;
use crate::telemetry::MonitoringError;

const EXAMPLES: &str = "\
Examples:
  datahub-relay quickstart          tell the story, then an event now and then
  datahub-relay quickstart --once   tell the story and end
  datahub-relay quickstart --once --events 100000

What it leaves for a look lies in a directory of its own where temporary files go (TMPDIR, or /tmp); its last \
words name it.

Exit codes: 0 everything that was fed in came to its end and is committed; 1 it did not; 2 wrong usage.";

/// See it work: a broker and a registry inside this process, sample events, an example recipe.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QuickstartArgs {
    /// End once everything that was fed in has come to its end and is committed.
    #[arg(long)]
    once: bool,

    /// Feed so many random events, too.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    events: u64,

    /// Give up when nothing was committed for so long while something should be.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
}

/// Why a quickstart did not come to a good end.
#[derive(Debug, thiserror::Error)]
enum QuickstartError {
    #[error("cannot make {path}: {source}; name a directory that takes temporary files in TMPDIR")]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}")]
    Recipe { path: PathBuf, source: io::Error },
    #[error("the example recipe does not load: {0}")]
    Loading(String),
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    #[error("cannot read the dead letters in {path}: {source}")]
    DeadLetters { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Datahub(#[from] DatahubError),
    #[error(transparent)]
    Monitoring(#[from] MonitoringError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Connect(#[from] ConsumerError),
    #[error(transparent)]
    Offsets(#[from] StartError),
    #[error("the look-up of the group's offsets ended without an answer; the lines above say why")]
    LookUpEnded,
    #[error("the pipeline failed: {0}")]
    Pipeline(#[from] PipelineError),
    #[error("the pipeline ended although nobody stopped it")]
    Ended,
    #[error("nothing was committed for {seconds} s, although this is missing: {missing}")]
    Unfinished { seconds: u64, missing: String },
    #[error("{0} of the records that were fed in did not come to their end; see above")]
    Missing(usize),
    #[error("{fed} records were fed in, and {ended} came to their end")]
    Miscounted { fed: u64, ended: u64 },
    #[error("stopped before everything had come to its end")]
    Stopped,
}

/// Runs the quickstart. `monitoring` is where metrics and the status page are shown; if the address is
/// in use a free port takes its place, unless the port was `given` on the command line.
pub(super) fn quickstart(
    args: &QuickstartArgs,
    monitoring: MonitoringSettings,
    given: bool,
    environment: &Environment,
) -> ExitCode {
    let address = SocketAddr::new(monitoring.address, monitoring.port);
    let plan = course::Plan {
        once: args.once,
        events: args.events,
        patience: Duration::from_secs(args.patience),
        monitoring: address,
        another_port_will_do: !given,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("relay").build()
    {
        Ok(runtime) => runtime,
        Err(error) => return super::failed(&QuickstartError::Runtime(error).to_string()),
    };
    let result = runtime.block_on(course::run(&plan, environment, runtime.handle()));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closes the pipe behind it has seen enough.
        Err(QuickstartError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => super::failed(&error.to_string()),
    }
}
