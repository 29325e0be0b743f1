//! How a process's memory goes over time.

use std::time::{Duration, Instant};

use super::relay::Relay;

const MIB: f64 = 1_048_576.0;
/// Fewer say nothing about a slope.
const FEWEST: usize = 10;

/// Samples of a process's resident memory, at most one in so much time.
pub(crate) struct MemoryCurve {
    begun: Instant,
    every: Duration,
    last: Option<Instant>,
    /// Seconds since the beginning, MiB.
    samples: Vec<(f64, f64)>,
}

impl MemoryCurve {
    /// A curve that takes a sample each time that `every` has passed.
    pub(crate) fn every(every: Duration) -> Self {
        Self { begun: Instant::now(), every, last: None, samples: Vec::new() }
    }

    /// Takes a sample, if it is time for one.
    pub(crate) fn look(&mut self, relay: &Relay) {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            return;
        }
        if let Some(bytes) = relay.resident_bytes() {
            self.last = Some(Instant::now());
            self.samples.push((self.begun.elapsed().as_secs_f64(), bytes as f64 / MIB));
        }
    }

    /// The highest sample in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.samples.iter().map(|(_, mib)| *mib).fold(0.0, f64::max)
    }

    /// The slope of the straight line that fits best, in MiB a minute; `None` for too few
    /// samples.
    pub(crate) fn slope_mib_per_minute(&self) -> Option<f64> {
        if self.samples.len() < FEWEST {
            return None;
        }
        let count = self.samples.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.samples.iter().map(of).sum::<f64>() / count;
        let (at, mib) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let (mut both, mut square) = (0.0, 0.0);
        for sample in &self.samples {
            both += (sample.0 - at) * (sample.1 - mib);
            square += (sample.0 - at).powi(2);
        }
        (square > 0.0).then(|| both / square * 60.0)
    }
}

#[test]
fn the_slope_is_that_of_the_line_that_fits_best() {
    let mut curve = MemoryCurve::every(Duration::ZERO);
    curve.samples = (0..100).map(|second| (f64::from(second), 50.0 + f64::from(second) / 30.0)).collect();
    let slope = curve.slope_mib_per_minute().expect("enough samples");
    assert!((slope - 2.0).abs() < 1e-6);
    curve.samples.truncate(FEWEST - 1);
    assert_eq!(curve.slope_mib_per_minute(), None);
}
