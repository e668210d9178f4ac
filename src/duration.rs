//! Parsing of durations in registry configurations: in Go's notation (`1h30m`, `1.5h`, `300ms`) or
//! as a plain number of seconds. All options use this parser, and check their own limits. So does
//! the command line, which also has days.
use crate::text::{Form, shown_value};
use std::time::Duration;

/// The longest duration that is accepted, about 292 years, because Go stores durations as
/// nanoseconds in 64 bits.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Parses a duration. The error completes the sentence "invalid duration: ...".
///
/// The grammar is that of [Go's `time.ParseDuration`](https://pkg.go.dev/time#ParseDuration),
/// without a sign.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    parse_units(text, UNITS)
}

/// Parses a duration as people write it on a command line: a number of seconds, or numbers with the
/// units of Go's [`time.ParseDuration`](https://pkg.go.dev/time#ParseDuration) and with `d` for days
/// of 24 hours, such as `90s`, `1h30m` or `7d`.
///
/// ```
/// use s3driver::duration::parse_with_days;
///
/// assert_eq!(parse_with_days("1d12h")?.as_secs(), 36 * 3600);
/// assert!(parse_with_days("1w").is_err());
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The reason, which completes the sentence "invalid duration: ...".
pub fn parse_with_days(text: &str) -> Result<Duration, String> {
    parse_units(text, &[UNITS, &[("d", 24 * 3_600_000_000_000)]].concat())
}

/// The units of Go's durations, in nanoseconds.
const UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

fn parse_units(text: &str, units: &[(&str, u128)]) -> Result<Duration, String> {
    let bad = |why: &str| format!("\"{}\" {why}", shown_value(text, Form::Duration));
    if text.starts_with(['-', '+']) {
        return Err(bad("has a sign"));
    }

    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return nanos(text, "", 1_000_000_000)
            .map(to_duration)
            .ok_or_else(|| bad("contains a number that is too large"));
    }

    let mut rest = text;
    let mut total = 0u128;
    while !rest.is_empty() || total == 0 && rest.len() == text.len() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(bad("lacks a number"));
        }

        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(bad("lacks a unit after a number"));
        }
        let Some((_, unit)) = units.iter().find(|(name, _)| *name == unit) else {
            let day = if units.len() > UNITS.len() { ", h and d" } else { " and h" };
            return Err(bad(&format!("has a unit other than ns, us, ms, s, m{day}")));
        };

        total = nanos(whole, fraction, *unit)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAX_NANOS)
            .ok_or_else(|| bad("contains a number that is too large"))?;
        rest = after;
    }

    Ok(to_duration(total))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn nanos(whole: &str, fraction: &str, unit: u128) -> Option<u128> {
    let number =
        |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
    // An hour has 3.6e12 nanoseconds, so digits after the 18th decimal place do not matter.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let part = number(fraction)? * unit / 10u128.pow(fraction.len() as u32);
    number(whole)?.checked_mul(unit)?.checked_add(part).filter(|total| *total <= MAX_NANOS)
}

fn to_duration(nanos: u128) -> Duration {
    // The number is at most `MAX_NANOS`, which fits.
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_and_seconds() {
        for (text, nanos) in [
            ("0", 0),
            ("3000", 3_000_000_000_000),
            ("20m", 1_200_000_000_000),
            ("20m0s", 1_200_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("0.3ms", 300_000),
            ("300ms", 300_000_000),
            ("1us", 1_000),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("1ns", 1),
            ("0.5ns", 0),
            ("1h1h", 7_200_000_000_000),
            ("0.100000000000000000001h", 360_000_000_000),
            ("9223372036854775807ns", i64::MAX as u64),
            ("00020m", 1_200_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn a_command_line_has_days_as_well() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("1h30m", 5400), ("7d", 604_800), ("1.5d1h", 133_200)]
        {
            assert_eq!(parse_with_days(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "d", "1w", "-1d", "1d1", " 1d", "1D", "106752d"] {
            assert!(parse_with_days(text).is_err(), "{text:?}");
        }
        assert!(parse_with_days("1w").unwrap_err().contains("m, h and d"));
    }

    #[test]
    fn other_texts_are_refused_with_a_reason() {
        for (text, why) in [
            ("", "lacks a number"),
            (" ", "lacks a number"),
            ("m", "lacks a number"),
            (".s", "lacks a number"),
            ("-1s", "has a sign"),
            ("+1s", "has a sign"),
            ("-5", "has a sign"),
            ("1.5", "lacks a unit"),
            ("1h5", "lacks a unit"),
            ("1d", "has a unit other"),
            ("1 h", "has a unit other"),
            ("1h 1m", "has a unit other"),
            ("1h-1m", "has a unit other"),
            ("1H", "has a unit other"),
            ("9223372036854775808ns", "is too large"),
            ("9223372037", "is too large"),
            ("2562048h", "is too large"),
            ("2562047h2562047h", "is too large"),
            ("99999999999999999999999999999999999999999999h", "is too large"),
            ("99999999999999999999999999999999999999999999", "is too large"),
            ("1ß", "has a unit other"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }

        let long = parse(&"9".repeat(10_000)).unwrap_err();
        assert!(long.len() < 200, "{long}");
    }
}
