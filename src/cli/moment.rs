//! A place in a topic as a person names it: `earliest`, `latest`, a time, an offset; and a time that is past.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// A place in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The first record that the log holds.
    Earliest,
    /// Behind the last one.
    Latest,
    /// The first record that is not older.
    Time(Timestamp),
    /// The record with this offset.
    Offset(i64),
}

/// What is wrong with the text of a [`Moment`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MomentError {
    #[error(
        "expected earliest, latest, an offset, a time such as 2026-01-31T08:00:00Z, or how long ago such as -1h or -2d (s, m, h, d, w)"
    )]
    Unknown,
    #[error("lies in the future, where no record is; `latest` is behind the last one")]
    Future,
    #[error("lies too long ago to be a time")]
    TooLongAgo,
}

/// What is wrong with the text of a time that is to lie behind us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PastTimeError {
    #[error(
        "expected a time such as 2026-01-31T08:00:00Z, or how long ago such as 1h, 30m or 2d (s, m, h, d, w)"
    )]
    Unknown,
    #[error("lies in the future; expected a time that is past, or how long ago such as 1h")]
    Future,
    #[error("lies too long ago to be a time")]
    TooLongAgo,
}

/// A time that lies behind us: RFC 3339, or how long ago. `1h` is the same as `-1h` here, where nothing else
/// can be meant by it.
pub(super) fn past_time(text: &str) -> Result<Timestamp, PastTimeError> {
    past_time_at(text.trim(), Timestamp::now())
}

fn past_time_at(text: &str, now: Timestamp) -> Result<Timestamp, PastTimeError> {
    match seconds(text.strip_prefix('-').unwrap_or(text)) {
        Ok(ago) => now.checked_sub(SignedDuration::from_secs(ago)).map_err(|_| PastTimeError::TooLongAgo),
        Err(MomentError::TooLongAgo) => Err(PastTimeError::TooLongAgo),
        Err(_) => match text.parse::<Timestamp>() {
            Ok(time) if time > now => Err(PastTimeError::Future),
            Ok(time) => Ok(time),
            Err(_) => Err(PastTimeError::Unknown),
        },
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        Self::at(text.trim(), Timestamp::now())
    }
}

impl Moment {
    fn at(text: &str, now: Timestamp) -> Result<Self, MomentError> {
        match text {
            "earliest" => return Ok(Self::Earliest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        if let Some(ago) = text.strip_prefix('-') {
            let ago = SignedDuration::from_secs(seconds(ago)?);
            return now.checked_sub(ago).map(Self::Time).map_err(|_| MomentError::TooLongAgo);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Offset).map_err(|_| MomentError::Unknown);
        }
        let time: Timestamp = text.parse().map_err(|_| MomentError::Unknown)?;
        if time > now { Err(MomentError::Future) } else { Ok(Self::Time(time)) }
    }
}

/// The time of a record as [`Moment`] takes it back: to the millisecond, which is as exactly as Kafka knows
/// it, so that it leads to that record and not behind it. `None` for a time that no calendar has.
pub(super) fn time_of_record(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

/// `90m`: a whole number and its unit.
fn seconds(text: &str) -> Result<i64, MomentError> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err(MomentError::Unknown),
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MomentError::Unknown);
    }
    number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit)).ok_or(MomentError::TooLongAgo)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<Moment, MomentError> {
        Moment::at(text, "2026-01-31T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_moment_is_a_name_a_time_how_long_ago_or_an_offset() {
        let time = |text: &str| Ok(Moment::Time(text.parse().unwrap()));
        assert_eq!(at("earliest"), Ok(Moment::Earliest));
        assert_eq!(at("latest"), Ok(Moment::Latest));
        assert_eq!(at("0"), Ok(Moment::Offset(0)));
        assert_eq!(at("1700000000000"), Ok(Moment::Offset(1_700_000_000_000)));
        assert_eq!(at("2026-01-31T08:00:00+01:00"), time("2026-01-31T07:00:00Z"));
        assert_eq!(at("-1h"), time("2026-01-31T07:00:00Z"));
        assert_eq!(at("-90m"), time("2026-01-31T06:30:00Z"));
        assert_eq!(at("-2d"), time("2026-01-29T08:00:00Z"));
        assert_eq!(at("-1w"), time("2026-01-24T08:00:00Z"));
    }

    #[test]
    fn the_time_that_is_shown_of_a_record_leads_back_to_it() {
        for ms in [0, 1, 999, 1_769_846_400_000, 1_769_846_347_971, 1_769_846_347_500] {
            let shown = time_of_record(ms).unwrap();
            assert_eq!(at(&shown), Ok(Moment::Time(Timestamp::from_millisecond(ms).unwrap())), "{shown}");
        }
        assert_eq!(time_of_record(1_769_846_347_971).unwrap(), "2026-01-31T07:59:07.971Z");
        assert_eq!(time_of_record(i64::MAX), None);
    }

    #[test]
    fn what_is_none_says_what_would_be_one() {
        for wrong in ["", "-", "-h", "-1", "-1y", "--1h", "-1.5h", "yesterday", "2026-01-31", "1h", "-1h "] {
            assert_eq!(at(wrong), Err(MomentError::Unknown), "{wrong}");
        }
        assert_eq!(at("2026-02-01T00:00:00Z"), Err(MomentError::Future));
        assert_eq!(at("-9999999w"), Err(MomentError::TooLongAgo));
        assert_eq!(at("-99999999999999999999s"), Err(MomentError::TooLongAgo));
    }

    #[test]
    fn a_past_time_is_a_time_or_how_long_ago_with_a_dash_or_without() {
        let at = |text: &str| past_time_at(text, "2026-01-31T08:00:00Z".parse().unwrap());
        let time = |text: &str| Ok(text.parse().unwrap());
        assert_eq!(at("2026-01-31T08:00:00+01:00"), time("2026-01-31T07:00:00Z"));
        for ago in ["1h", "-1h", "60m", "3600s"] {
            assert_eq!(at(ago), time("2026-01-31T07:00:00Z"), "{ago}");
        }
        assert_eq!(at("30m"), time("2026-01-31T07:30:00Z"));
        assert_eq!(at("2d"), time("2026-01-29T08:00:00Z"));
        assert_eq!(at("2026-02-01T00:00:00Z"), Err(PastTimeError::Future));
        assert_eq!(at("9999999w"), Err(PastTimeError::TooLongAgo));
        for wrong in ["", "-", "17", "h", "+1h", "--1h", "1.5h", "1y", "1h30m", "latest", "2026-01-31"] {
            assert_eq!(at(wrong), Err(PastTimeError::Unknown), "{wrong}");
        }
        let told = PastTimeError::Unknown.to_string();
        assert!(told.contains("2026-01-31T08:00:00Z") && told.contains("30m"), "{told}");
    }
}
