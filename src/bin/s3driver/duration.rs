//! Durations on the command line.
use std::time::Duration;

/// The longest duration, in seconds: ten years. A longer one is taken for a mistake.
const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// Reads a duration such as `90s`, `20m`, `1h30m` or `7d`, or a number of seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unreadable = || format!("{text:?} is not a duration such as 90s, 20m, 1h30m or 7d");
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits).ok_or_else(unreadable)?;
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        let mut letters = after.chars();
        let unit = match letters.next() {
            None if rest.len() == text.len() => 1,
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 24 * 3600,
            _ => return Err(unreadable()),
        };
        total = number
            .checked_mul(unit)
            .and_then(|seconds| total.checked_add(seconds))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| format!("{text} is longer than ten years"))?;
        rest = letters.as_str();
    }
    if text.is_empty() { Err(unreadable()) } else { Ok(Duration::from_secs(total)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("1h30m", 5400), ("7d", 604_800)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "h", "1w", "-1s", "1.5s", "1h30", " 1s", "1s ", "99999d", "18446744073709551616"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
