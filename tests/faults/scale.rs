//! How large each run is: one table, one line a row of the suite.

use std::time::Duration;

/// The environment variable that says so: `full`, or nothing for the scale that fits CI.
const VARIABLE: &str = "DATAHUB_RELAY_FAULTS";
/// How long the soak takes, in seconds, whatever the scale.
const SOAK: &str = "DATAHUB_RELAY_SOAK_SECONDS";

/// How large one run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// How many records are fed.
    pub(crate) records: usize,
    /// Over how many partitions.
    pub(crate) partitions: i32,
    /// How many faults strike.
    pub(crate) faults: usize,
    /// How long the longest of them lasts, where time is part of it.
    pub(crate) outage: Duration,
}

/// At which scale the suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As `faults.md` of the documentation says.
    Full,
    /// So small that the rows of CI take a few minutes together.
    Ci,
}

const fn size(records: usize, partitions: i32, faults: usize, outage_seconds: u64) -> Size {
    Size { records, partitions, faults, outage: Duration::from_secs(outage_seconds) }
}

/// The rows: number, at full scale, in CI. Rows 7, 10, 13 and 14 are small here too, to be tried; CI
/// leaves them out.
const TABLE: [(u32, Size, Size); 14] = [
    (1, size(1_000_000, 12, 0, 0), size(20_000, 12, 0, 0)),
    (2, size(200_000, 6, 20, 0), size(8_000, 4, 3, 0)),
    (3, size(500_000, 6, 50, 0), size(10_000, 4, 4, 0)),
    (4, size(500_000, 6, 30, 0), size(10_000, 6, 4, 0)),
    (5, size(200_000, 6, 10, 120), size(10_000, 3, 2, 8)),
    (6, size(100_000, 6, 5, 0), size(8_000, 6, 1, 0)),
    (7, size(1_000, 4, 4, 15), size(40, 2, 2, 15)),
    (8, size(10_000, 2, 20, 0), size(1_000, 2, 2, 0)),
    (9, size(200_000, 12, 0, 0), size(4_000, 4, 0, 0)),
    (10, size(100_000, 6, 1, 180), size(5_000, 4, 1, 15)),
    (11, size(50_000, 4, 12, 10), size(2_000, 2, 3, 1)),
    (12, size(10_000, 4, 4, 5), size(2_000, 2, 2, 1)),
    (13, size(100_000, 4, 3, 0), size(4_000, 2, 2, 0)),
    (14, size(usize::MAX, 6, usize::MAX, 3_600), size(usize::MAX, 6, usize::MAX, 60)),
];

impl Scale {
    /// What the environment asks for.
    pub(crate) fn asked_for() -> Self {
        match std::env::var(VARIABLE).as_deref() {
            Ok("full") => Self::Full,
            Err(_) | Ok("" | "ci") => Self::Ci,
            Ok(other) => panic!("{VARIABLE} is `full` or `ci`, not `{other}`"),
        }
    }

    /// How long a run may wait for something to happen.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_secs(if self == Self::Full { 900 } else { 90 })
    }

    /// The size of a row.
    pub(crate) fn of(self, row: u32) -> Size {
        let (_, full, ci) = TABLE.iter().find(|(number, ..)| *number == row).expect("a row of the table");
        let mut size = if self == Self::Full { *full } else { *ci };
        if row == 14
            && let Ok(seconds) = std::env::var(SOAK)
        {
            size.outage = Duration::from_secs(seconds.parse().expect("a whole number of seconds"));
        }
        size
    }
}
