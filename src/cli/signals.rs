//! SIGTERM and SIGINT: the first one ends the process at once, or where a command stops in order, the second one.
//! SIGHUP ends it at once.

use std::io;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::kafka::ConsumerSettings;
use crate::recipe::exit_without_private_files;

/// The same signal again within so long is the first one, sent twice: GNU `timeout` signals its child and then
/// the child's group, and so do init programs and wrapper scripts. A process that ended at once would leave a
/// dead member in its group.
const SENT_TWICE: Duration = Duration::from_secs(1);

/// What the first signal cancels, once the command stops in order.
static STOP: OnceLock<CancellationToken> = OnceLock::new();

/// From now on the first signal ends the process at once, with 128 and its number, as a shell shows a process
/// that a signal ended. Private files do not outlive it.
///
/// # Errors
/// If the system does not let it listen.
pub(super) fn listen() -> io::Result<()> {
    // A runtime and a thread of its own: most commands have no runtime while they load recipes, or block it.
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let signals = {
        let _context = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: (!is_ignored(SignalKind::hangup())).then(|| signal(SignalKind::hangup())).transpose()?,
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(signals.heed()))?;
    Ok(())
}

/// From now on the first signal cancels this token, for the command to stop in order, and the second one ends
/// the process at once.
pub(super) fn stop_in_order() -> CancellationToken {
    STOP.get_or_init(CancellationToken::new).clone()
}

/// The signals that stop the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Of a terminal that closes; `None` where `nohup` lets the process outlive that.
    hang_up: Option<Signal>,
}

/// The signal that began the stop.
struct First {
    number: i32,
    heard: Instant,
}

impl Signals {
    async fn heed(mut self) {
        let (name, number) = self.next().await;
        let in_order = STOP.get().filter(|_| number != SignalKind::hangup().as_raw_value());
        let Some(stop) = in_order else { exit_without_private_files(128 + number) };
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
        exit_without_private_files(128 + number)
    }

    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            Some(()) = async { self.hang_up.as_mut()?.recv().await } => {
                ("SIGHUP", SignalKind::hangup().as_raw_value())
            }
        }
    }
}

impl First {
    /// Whether a signal that is heard `now` is this one once more, and not a second one.
    fn is_sent_twice(&self, number: i32, now: Instant) -> bool {
        number == self.number && now.duration_since(self.heard) < SENT_TWICE
    }
}

/// Whether whoever started this process had the signal ignored. Where that cannot be known it counts as ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & (1 << (kind.as_raw_value() - 1)) != 0)
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
