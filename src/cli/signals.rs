//! SIGTERM and SIGINT: the first one stops in order, the second one at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::recipe::PrivateFiles;

/// The signals that stop the program.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to listen: from now on the signals do not end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Cancels `stop` at the first signal, and ends the process at the second with 128 and its number,
    /// as a shell shows a process that a signal ended. `private_files` do not outlive it.
    pub(super) async fn stop(mut self, stop: CancellationToken, private_files: PrivateFiles) {
        let (name, _) = self.next().await;
        tracing::info!(
            "{name}: finishing what runs, committing, leaving the group (a second signal ends at once)"
        );
        stop.cancel();
        let (name, number) = self.next().await;
        tracing::warn!("a second signal, {name}: ending at once; what was not committed comes again");
        private_files.remove();
        std::process::exit(128 + number);
    }

    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        }
    }
}
