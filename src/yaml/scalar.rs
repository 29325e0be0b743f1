//! What an unquoted scalar means: YAML 1.1, as PyYAML reads it.
//!
//! Recipes were written for the Python framework, so `no` is false and `0o17` is text here, although
//! YAML 1.2 says otherwise. One rule of YAML 1.1 is left out on purpose: an unquoted date stays text,
//! since nothing in a recipe is a date and a filter could never match one.

use serde_json::Number;

use super::node::Content;

/// The meaning of an unquoted scalar; `None` for a number that no JSON can hold (`.inf`, `.nan`).
pub(super) fn plain(text: &str) -> Option<Content> {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Some(Content::Null);
    }
    if let Some(flag) = boolean(text) {
        return Some(Content::Bool(flag));
    }
    if let Some(integer) = integer(text) {
        return number(integer);
    }
    if let Some(float) = float(text) {
        return Number::from_f64(float).map(Content::Number);
    }
    Some(Content::Text(text.to_owned()))
}

/// The meaning of an unquoted scalar in a JSON file.
pub(super) fn json(text: &str) -> Content {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Null) => Content::Null,
        Ok(serde_json::Value::Bool(flag)) => Content::Bool(flag),
        Ok(serde_json::Value::Number(number)) => Content::Number(number),
        _ => Content::Text(text.to_owned()),
    }
}

/// `yes`, `On`, `FALSE` and the like; not `yEs`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn number(integer: i128) -> Option<Content> {
    let number = i64::try_from(integer)
        .map(Number::from)
        .or_else(|_| u64::try_from(integer).map(Number::from))
        .ok()
        // Beyond 64 bits JSON keeps the magnitude only, and so do we.
        .or_else(|| Number::from_f64(integer as f64))?;
    Some(Content::Number(number))
}

fn signed(text: &str) -> (i128, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = signed(text);
    let radix = |digits: &str, radix: u32| {
        let allowed = |c: char| c == '_' || c.is_digit(radix);
        if digits.is_empty() || !digits.chars().all(allowed) {
            return None;
        }
        i128::from_str_radix(&digits.replace('_', ""), radix).ok()
    };
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        radix(hexadecimal, 16)
    } else if digits == "0" {
        Some(0)
    } else if let Some(octal) = digits.strip_prefix('0') {
        radix(octal, 8)
    } else if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        None
    } else if digits.contains(':') {
        base_sixty(digits)
    } else {
        radix(digits, 10)
    }?;
    Some(sign * magnitude)
}

/// `1:30` is 90: hours, minutes and seconds.
fn base_sixty(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next()?.replace('_', "").parse::<i128>().ok()?;
    parts.try_fold(first, |total, part| {
        let below_sixty = part.parse::<u8>().ok().filter(|value| *value < 60 && part.len() <= 2)?;
        total.checked_mul(60)?.checked_add(i128::from(below_sixty))
    })
}

fn float(text: &str) -> Option<f64> {
    let (sign, magnitude) = signed(text);
    match magnitude {
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY * sign as f64),
        ".nan" | ".NaN" | ".NAN" if magnitude.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match magnitude.find(['e', 'E']) {
        Some(at) => (&magnitude[..at], Some(&magnitude[at + 1..])),
        None => (magnitude, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_');
    let starts_with_digit = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    // `.5` takes no sign in YAML 1.1, and an exponent needs one: `1.0e+3`.
    let well_formed = digits(whole)
        && digits(fraction)
        && (starts_with_digit(whole)
            || (whole.is_empty() && starts_with_digit(fraction) && magnitude.len() == text.len()))
        && exponent.is_none_or(|power| {
            power
                .strip_prefix(['+', '-'])
                .is_some_and(|power| !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit()))
        });
    if !well_formed {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(text: &str) -> String {
        match plain(text) {
            None => "refused".to_owned(),
            Some(Content::Null) => "null".to_owned(),
            Some(Content::Bool(flag)) => flag.to_string(),
            Some(Content::Number(number)) => number.to_string(),
            Some(Content::Text(text)) => format!("{text:?}"),
            Some(_) => unreachable!("a scalar is never a list or a map"),
        }
    }

    /// What `yaml.safe_load` of PyYAML 6 answers for the same text, the date apart.
    #[test]
    fn a_plain_scalar_means_what_pyyaml_takes_it_for() {
        let cases = [
            ("", "null"),
            ("~", "null"),
            ("Null", "null"),
            ("nULL", "\"nULL\""),
            ("yes", "true"),
            ("Off", "false"),
            ("y", "\"y\""),
            ("oN", "\"oN\""),
            ("TRUE", "true"),
            ("0", "0"),
            ("-0", "0"),
            ("017", "15"),
            ("08", "\"08\""),
            ("0o17", "\"0o17\""),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("+12", "12"),
            ("-12", "-12"),
            ("1:30", "90"),
            ("1:60", "\"1:60\""),
            ("22:33:44", "81224"),
            ("12a", "\"12a\""),
            ("1.5", "1.5"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "\"-.5\""),
            ("1e3", "\"1e3\""),
            ("1.0e3", "\"1.0e3\""),
            ("1.0e+3", "1000.0"),
            ("-1.5", "-1.5"),
            ("1.2.3", "\"1.2.3\""),
            (".inf", "refused"),
            ("-.INF", "refused"),
            (".nan", "refused"),
            ("-.nan", "\"-.nan\""),
            ("18446744073709551615", "18446744073709551615"),
            ("2024-01-01", "\"2024-01-01\""),
            (".", "\".\""),
            ("0x", "\"0x\""),
            ("_1", "\"_1\""),
        ];
        for (text, expected) in cases {
            assert_eq!(json_of(text), expected, "{text}");
        }
        for (words, expected) in [("yes true on", "true"), ("no false off", "false")] {
            for word in words.split(' ') {
                let capital = word[..1].to_uppercase() + &word[1..];
                for spelling in [word.to_owned(), capital, word.to_uppercase()] {
                    assert_eq!(json_of(&spelling), expected, "{spelling}");
                }
            }
        }
    }
}
