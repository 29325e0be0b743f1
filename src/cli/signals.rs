//! SIGTERM and SIGINT: the first one stops in order, the second one at once.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::kafka::ConsumerSettings;
use crate::recipe::PrivateFiles;

/// The same signal again within so long is the first one, sent twice: GNU `timeout` signals its child and then
/// the child's group, and so do init programs and wrapper scripts. A process that ended at once would leave a
/// dead member in its group.
const SENT_TWICE: Duration = Duration::from_secs(1);

/// The signals that stop the program.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// The signal that began the stop.
struct First {
    number: i32,
    heard: Instant,
}

impl StopSignals {
    /// Begins to listen: from now on the signals do not end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Cancels `stop` at the first signal, and ends the process at the second with 128 and its number,
    /// as a shell shows a process that a signal ended. `private_files` do not outlive it.
    pub(super) async fn stop(mut self, stop: CancellationToken, private_files: PrivateFiles) {
        let (name, number) = self.next().await;
        let first = First { number, heard: Instant::now() };
        tracing::info!(
            "{name}: finishing what runs, committing, leaving the group (a second signal ends at once)"
        );
        stop.cancel();
        let (name, number) = loop {
            let (name, number) = self.next().await;
            if !first.is_sent_twice(number, Instant::now()) {
                break (name, number);
            }
            tracing::debug!("{name}: the same signal within a second, which is the first one sent twice");
        };
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

impl First {
    /// Whether a signal that is heard `now` is this one once more, and not a second one.
    fn is_sent_twice(&self, number: i32, now: Instant) -> bool {
        number == self.number && now.duration_since(self.heard) < SENT_TWICE
    }
}

/// What a command says that was stopped before it had anything to show.
pub(super) fn stopped_waiting(settings: &ConsumerSettings) -> String {
    let brokers = settings.properties.get("bootstrap.servers").map_or("its brokers", String::as_str);
    format!("stopped while waiting for Kafka at {brokers}; nothing was read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_signal_within_a_second_is_the_first_one_and_any_other_is_a_second_one() {
        let (term, int) = (15, 2);
        let first = First { number: term, heard: Instant::now() };
        let after = |ms| first.heard + Duration::from_millis(ms);
        for ms in [0, 1, 50, 999] {
            assert!(first.is_sent_twice(term, after(ms)), "{ms}");
            assert!(!first.is_sent_twice(int, after(ms)), "{ms}");
        }
        for ms in [1000, 1500, 60_000] {
            assert!(!first.is_sent_twice(term, after(ms)), "{ms}");
        }
    }
}
