//! Points in time, and parsing and writing of the formats that S3 uses.
//!
//! There are four formats: `x-amz-date` and the date of the credential scope (both in ISO 8601
//! basic format), HTTP dates in headers (RFC 9110 section 5.6.7), and RFC 3339 in documents. All
//! dates use the proleptic Gregorian calendar. The crate `httpdate` parses and writes HTTP dates;
//! this module handles the other formats.
use std::error::Error;
use std::fmt::{self, Write};
use std::ops::Range;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// The positions of the year in `Sun, 06 Nov 1994 08:49:37 GMT` and in `Sun Nov  6 08:49:37 1994`.
const YEAR_OF_FIXDATE: Range<usize> = 12..16;
const YEAR_OF_ASCTIME: Range<usize> = 20..24;
/// The length of the longest HTTP date, `Wednesday, 06-Nov-94 08:49:37 +0000`.
const MAX_HTTP_DATE: usize = 35;
const NANOS_PER_SECOND: u32 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// The days in 400 years.
const DAYS_PER_ERA: i64 = 146_097;
const SECONDS_PER_ERA: i64 = DAYS_PER_ERA * SECONDS_PER_DAY;
/// The days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

/// A point in time in UTC, as seconds and nanoseconds since 1970-01-01T00:00:00Z. The type never
/// reads a clock.
///
/// Every value can be formatted, although S3 accepts only four-digit years. Other years are written
/// with more digits or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// Creates a timestamp from seconds since the epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Returns the whole seconds since the epoch.
    pub const fn unix(self) -> i64 {
        self.seconds
    }

    /// Formats the time for `x-amz-date`: `20130524T000000Z`.
    pub fn amz_date(self) -> String {
        let mut out = String::with_capacity(16);
        self.push_amz_date(&mut out);
        out
    }

    /// Formats the date for the credential scope: `20130524`.
    pub fn date(self) -> String {
        let mut out = String::with_capacity(8);
        self.push_date(&mut out);
        out
    }

    /// Formats an HTTP date (RFC 9110 section 5.6.7): `Fri, 24 May 2013 00:00:00 GMT`.
    pub fn http_date(self) -> String {
        // The calendar, including the days of the week, repeats after an era, so that only the year
        // differs.
        let within = Self::from_unix(self.seconds.rem_euclid(SECONDS_PER_ERA));
        let mut out = httpdate::fmt_http_date(within.into());
        let year = self.civil().year;
        if year != within.civil().year {
            let mut text = String::new();
            push_year(&mut text, year);
            out.replace_range(YEAR_OF_FIXDATE, &text);
        }
        out
    }

    /// Formats the time by RFC 3339, with milliseconds only if there are any:
    /// `2013-05-24T00:00:00Z`.
    pub fn iso8601(self) -> String {
        let c = self.civil();
        let mut out = String::with_capacity(24);
        push_year(&mut out, c.year);
        let Civil { month, day, hour, minute, second, .. } = c;
        // Writing to a `String` cannot fail.
        let _ = write!(out, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        let millis = self.nanos / 1_000_000;
        if millis > 0 {
            let _ = write!(out, ".{millis:03}");
        }
        out.push('Z');
        out
    }

    /// Parses the format of `x-amz-date`: `20130524T000000Z`.
    pub fn parse_amz_date(text: &str) -> Option<Self> {
        let mut s = Scanner(text.as_bytes());
        let date = (s.digits::<4>()?, s.digits::<2>()?, s.digits::<2>()?);
        s.one_of(b"T")?;
        let time = (s.digits::<2>()?, s.digits::<2>()?, s.digits::<2>()?);
        s.one_of(b"Z")?;
        s.end()?;
        from_parts(date, time)
    }

    /// Parses RFC 3339 and ISO 8601 in the variants that S3 servers write: `2013-05-24T00:00:00Z`,
    /// fractions of any length (truncated to nanoseconds), `+00:00` and other offsets, with or
    /// without the colon. A time zone is required. A leap second is parsed as the second before it.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let mut s = Scanner(text.as_bytes());
        let year = s.digits::<4>()?;
        s.one_of(b"-")?;
        let month = s.digits::<2>()?;
        s.one_of(b"-")?;
        let day = s.digits::<2>()?;
        s.one_of(b"Tt ")?;
        let time = s.time()?;
        let nanos = s.fraction()?;
        let offset = s.offset()?;
        s.end()?;
        let local = from_parts((year, month, day), time)?;
        Some(Self { seconds: local.seconds - offset, nanos })
    }

    /// Parses the three formats of an HTTP date (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994
    /// 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. The zone may
    /// also be `UTC` or `+0000`, which S3's own examples use. Two-digit years lie between 1970 and
    /// 2069. The name of the day must be valid, but is not compared with the date. A leap second is
    /// parsed as the second before it.
    pub fn parse_http_date(text: &str) -> Option<Self> {
        if text.trim() != text || text.len() > MAX_HTTP_DATE {
            return None;
        }
        match httpdate::parse_http_date(text) {
            Ok(time) => Some(time.into()),
            Err(_) => parse_unusual_http_date(text),
        }
    }

    /// Returns the time `by` later, saturating at the latest possible time.
    pub fn plus(self, by: Duration) -> Self {
        let nanos = self.nanos + by.subsec_nanos();
        let (carry, nanos) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
        let later = self
            .seconds
            .checked_add_unsigned(by.as_secs())
            .and_then(|s| s.checked_add_unsigned(carry.into()));
        match later {
            Some(seconds) => Self { seconds, nanos },
            None => Self { seconds: i64::MAX, nanos: NANOS_PER_SECOND - 1 },
        }
    }

    /// Returns the number of days since the epoch. A SigV4 signing key is valid for one such day.
    pub(crate) const fn day_number(self) -> i64 {
        self.seconds.div_euclid(SECONDS_PER_DAY)
    }

    /// Returns `x-amz-date` without an allocation. If the year has more than four digits, the
    /// result is truncated.
    pub(crate) fn short_amz_date(self) -> AmzDate {
        let mut date = AmzDate::default();
        self.push_amz_date(&mut date);
        date
    }

    // Writing to a `String` cannot fail, and an `AmzDate` omits what exceeds its capacity.
    pub(crate) fn push_amz_date(self, out: &mut impl Write) {
        let c = self.civil();
        c.push_date(out);
        let _ = out.write_char('T');
        push_two(out, c.hour);
        push_two(out, c.minute);
        push_two(out, c.second);
        let _ = out.write_char('Z');
    }

    pub(crate) fn push_date(self, out: &mut String) {
        self.civil().push_date(out);
    }

    fn civil(self) -> Civil {
        let days = self.day_number();
        let second_of_day = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }
}

/// Writes the time in RFC 3339 format, like [`Timestamp::iso8601`].
///
/// ```
/// use s3driver::time::Timestamp;
///
/// let time: Timestamp = "2013-05-24T00:00:00Z".parse()?;
/// assert_eq!(time.to_string(), "2013-05-24T00:00:00Z");
/// # Ok::<(), s3driver::time::NotATimestamp>(())
/// ```
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.iso8601())
    }
}

/// Parses any of the formats that S3 uses: RFC 3339, HTTP dates and `x-amz-date`.
impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        Self::parse_iso8601(text)
            .or_else(|| Self::parse_http_date(text))
            .or_else(|| Self::parse_amz_date(text))
            .ok_or(NotATimestamp)
    }
}

/// The error for a text that is not a time in any of S3's formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATimestamp;

impl fmt::Display for NotATimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not a time such as 2013-05-24T00:00:00Z")
    }
}

impl Error for NotATimestamp {}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self::from_unix(0).plus(after),
            Err(error) => {
                let before = error.duration();
                let seconds = 0i64.saturating_sub_unsigned(before.as_secs());
                match before.subsec_nanos() {
                    0 => Self { seconds, nanos: 0 },
                    nanos => {
                        Self { seconds: seconds.saturating_sub(1), nanos: NANOS_PER_SECOND - nanos }
                    }
                }
            }
        }
    }
}

/// Converts a time. A time that the platform cannot represent (there is none on Unix) becomes the
/// epoch, so that an expiry counts as past.
impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let whole = Duration::from_secs(time.seconds.unsigned_abs());
        let second = match time.seconds {
            0.. => Self::UNIX_EPOCH.checked_add(whole),
            _ => Self::UNIX_EPOCH.checked_sub(whole),
        };
        second
            .and_then(|s| s.checked_add(Duration::from_nanos(time.nanos.into())))
            .unwrap_or(Self::UNIX_EPOCH)
    }
}

/// An `x-amz-date` with a four-digit year, stored without an allocation.
#[derive(Clone, Copy, Default)]
pub(crate) struct AmzDate {
    bytes: [u8; 16],
    length: usize,
}

impl Write for AmzDate {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.saturating_add(text.len());
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl std::ops::Deref for AmzDate {
    type Target = str;

    fn deref(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        // Only complete texts are copied, so this is valid UTF-8.
        std::str::from_utf8(written).unwrap_or_default()
    }
}

/// The components of a timestamp. All of them except the year are small and not negative.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    fn push_date(&self, out: &mut impl Write) {
        push_year(out, self.year);
        push_two(out, self.month);
        push_two(out, self.day);
    }
}

fn push_two(out: &mut impl Write, value: i64) {
    let _ = out.write_char(char::from(b'0' + (value / 10 % 10) as u8));
    let _ = out.write_char(char::from(b'0' + (value % 10) as u8));
}

fn push_year(out: &mut impl Write, year: i64) {
    if (0..=9999).contains(&year) {
        push_two(out, year / 100);
        push_two(out, year % 100);
    } else {
        // This is the expanded representation of years in ISO 8601.
        let _ = write!(out, "{year:+05}");
    }
}

/// Year, month and day, or hour, minute and second.
type Triple = (i64, i64, i64);

/// Returns the year, month and day of a day that is counted from the epoch. In this computation,
/// years begin in March, so that the leap day is the last day of the year and the first day of each
/// month is a linear function of its number. An era is the period of 400 years after which the
/// calendar repeats.
fn civil_from_days(days: i64) -> Triple {
    let days = days + DAYS_TO_EPOCH;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Returns the number of days from the epoch to a valid date with a four-digit year. This is the
/// inverse of [`civil_from_days`].
fn days_from_civil((year, month, day): Triple) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
        - DAYS_TO_EPOCH
}

/// Returns how many days the month of a date has, or `None` if there is no such month.
fn days_in_month((year, month, _): Triple) -> Option<i64> {
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => Some(28 + i64::from(is_leap_year)),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

fn from_parts(date: Triple, (hour, minute, second): Triple) -> Option<Timestamp> {
    let (_, _, day) = date;
    if !(1..=days_in_month(date)?).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(date);
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second.min(59);
    Some(Timestamp::from_unix(seconds))
}

/// Parses dates that servers write but `httpdate` refuses: those with other names of the zone, a
/// leap second, the wrong day of the week, or a year before 1970 (Go's zero time is in year 1).
fn parse_unusual_http_date(text: &str) -> Option<Timestamp> {
    let text = ["UTC", "+0000"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .map_or_else(|| text.to_owned(), |rest| format!("{rest}GMT"));
    let mut text = text.replacen(":60 ", ":59 ", 1);

    let mut eras = 0;
    for at in [YEAR_OF_FIXDATE, YEAR_OF_ASCTIME] {
        let digits = text.get(at.clone()).filter(|y| y.bytes().all(|b| b.is_ascii_digit()));
        if let Some(year) = digits.and_then(|digits| digits.parse::<i64>().ok()) {
            // 2369 is the last year of the 400 years that begin with the epoch.
            eras = (2369 - year).max(0) / 400;
            text.replace_range(at, &format!("{:04}", year + 400 * eras));
        }
    }

    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let day = text.strip_suffix(rest)?;
    let names = WEEKDAYS.map(|name| if day.len() == 3 { name.get(..3) } else { Some(name) });
    names.contains(&Some(day)).then_some(())?;
    let time = names
        .iter()
        .flatten()
        .find_map(|name| httpdate::parse_http_date(&format!("{name}{rest}")).ok())?;
    Some(Timestamp::from_unix(Timestamp::from(time).seconds - eras * SECONDS_PER_ERA))
}

/// The part of a date that has not been parsed yet.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn digits<const COUNT: usize>(&mut self) -> Option<i64> {
        let (digits, rest) = self.0.split_first_chunk::<COUNT>()?;
        let mut value = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        self.0 = rest;
        Some(value)
    }

    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        allowed.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    fn time(&mut self) -> Option<Triple> {
        let hour = self.digits::<2>()?;
        self.one_of(b":")?;
        let minute = self.digits::<2>()?;
        self.one_of(b":")?;
        Some((hour, minute, self.digits::<2>()?))
    }

    fn fraction(&mut self) -> Option<u32> {
        if self.one_of(b".,").is_none() {
            return Some(0);
        }
        let (mut nanos, mut unit) = (0, NANOS_PER_SECOND / 10);
        self.digits::<1>().map(|digit| nanos += digit as u32 * unit)?;
        while let Some(digit) = self.digits::<1>() {
            unit /= 10;
            nanos += digit as u32 * unit;
        }
        Some(nanos)
    }

    /// Parses a time zone and returns its offset in seconds east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.digits::<2>()?;
        let _ = self.one_of(b":");
        let minutes = self.digits::<2>()?;
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEFORE_YEAR_0: i64 = -62_167_219_201;
    const YEAR_10000: i64 = 253_402_300_800;

    #[test]
    fn every_form_is_parsed_and_shown_in_one() {
        for text in ["2013-05-24T00:00:00Z", "Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), "2013-05-24T00:00:00Z");
        }
        for text in ["", "2013-05-24", "yesterday"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATimestamp));
        }
    }

    #[test]
    fn writes_the_four_forms() {
        let t = Timestamp::from_unix(1_369_353_600);
        assert_eq!(t.amz_date(), "20130524T000000Z");
        assert_eq!(t.date(), "20130524");
        assert_eq!(t.http_date(), "Fri, 24 May 2013 00:00:00 GMT");
        assert_eq!(t.iso8601(), "2013-05-24T00:00:00Z");
        assert_eq!(t.plus(Duration::from_millis(1_250)).iso8601(), "2013-05-24T00:00:01.250Z");
        assert_eq!(t.plus(Duration::from_micros(999)).iso8601(), "2013-05-24T00:00:00Z");
    }

    #[test]
    fn the_calendar_has_leap_years() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (-2_203_891_201, "1900-02-28T23:59:59Z"),
            (-2_203_891_200, "1900-03-01T00:00:00Z"),
            (BEFORE_YEAR_0 + 1, "0000-01-01T00:00:00Z"),
            (YEAR_10000 - 1, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_unix(unix).iso8601(), text);
            assert_eq!(Timestamp::parse_iso8601(text), Some(Timestamp::from_unix(unix)));
        }
        assert_eq!(Timestamp::from_unix(YEAR_10000).iso8601(), "+10000-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_unix(BEFORE_YEAR_0).iso8601(), "-0001-12-31T23:59:59Z");
    }

    #[test]
    fn the_formats_of_servers_are_parsed() {
        let t = |seconds, nanos| Some(Timestamp { seconds, nanos });
        let parse = Timestamp::parse_iso8601;
        assert_eq!(parse("2013-05-24T00:00:00.000Z"), t(1_369_353_600, 0));
        assert_eq!(parse("2013-05-24T00:00:00.123456789987Z"), t(1_369_353_600, 123_456_789));
        assert_eq!(parse("2013-05-24T02:00:00.5+02:00"), t(1_369_353_600, 500_000_000));
        assert_eq!(parse("2013-05-23T19:30:00-0430"), t(1_369_353_600, 0));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2016-12-31T23:59:59Z"));
        for form in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(Timestamp::parse_http_date(form), t(784_111_777, 0), "{form}");
        }
        assert_eq!(
            Timestamp::parse_http_date("Tue, 27 Mar 2007 19:36:42 +0000"),
            t(1_175_024_202, 0)
        );
        assert_eq!(Timestamp::parse_http_date("Wed Nov 16 08:49:37 1994"), t(784_975_777, 0));
        assert_eq!(
            Timestamp::parse_http_date("Monday, 01-Jul-69 00:00:00 GMT"),
            parse("2069-07-01T00:00:00Z"),
            "two digits up to 69 belong to this century"
        );
        for (text, seconds) in [
            ("Mon, 01 Jan 0001 00:00:00 GMT", -62_135_596_800),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Sat Jan  1 00:00:00 0000", BEFORE_YEAR_0 + 1),
            ("Fri, 31 Dec 9999 23:59:59 UTC", YEAR_10000 - 1),
            ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Wednesday, 06-Nov-94 08:49:37 +0000", 784_111_777),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
        ] {
            assert_eq!(Timestamp::parse_http_date(text), t(seconds, 0), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2013-05-24",
            "2013-05-24T00:00:00",
            "2013-02-30T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2013-04-31T00:00:00Z",
            "2013-00-10T00:00:00Z",
            "2013-13-10T00:00:00Z",
            "2013-05-00T00:00:00Z",
            "2013-05-24T24:00:00Z",
            "2013-05-24T00:60:00Z",
            "2013-05-24T00:00:61Z",
            "2013-05-24T00:00:00.Z",
            "2013-05-24T00:00:00+24:00",
            "2013-05-24T00:00:00+00:60",
            "2013-05-24T00:00:00+1",
            "2013-05-24T00:00:00Zz",
            " 2013-05-24T00:00:00Z",
            "+013-05-24T00:00:00Z",
            "2013-05-24T00:00:00\u{0661}Z",
        ] {
            assert_eq!(Timestamp::parse_iso8601(text), None, "{text}");
        }
        for text in [
            "",
            "Sun",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 30 Feb 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMTUTC",
            "Sunda, 06-Nov-94 08:49:37 GMT",
            "Sun\u{e9}, 06 Nov 1994 08:49:37 GMT",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 1994 GMT",
        ] {
            assert_eq!(Timestamp::parse_http_date(text), None, "{text}");
        }
        for text in [
            "20130524",
            "20130524T000000",
            "20130230T000000Z",
            "2013-05-24T00:00:00Z",
            "20130524T000000ZZ",
        ] {
            assert_eq!(Timestamp::parse_amz_date(text), None, "{text}");
        }
    }

    #[test]
    fn adds_with_carry_and_saturates() {
        let t = Timestamp { seconds: 1, nanos: 600_000_000 };
        assert_eq!(
            t.plus(Duration::new(2, 500_000_000)),
            Timestamp { seconds: 4, nanos: 100_000_000 }
        );
        let end = Timestamp { seconds: i64::MAX, nanos: 999_999_999 };
        assert_eq!(t.plus(Duration::MAX), end);
        assert_eq!(end.plus(Duration::from_nanos(1)), end);
        assert_eq!(
            Timestamp::from_unix(i64::MIN).plus(Duration::from_secs(u64::MAX)).seconds,
            i64::MAX
        );
    }

    #[test]
    fn conversion_to_system_time_is_reversible() {
        for t in [
            Timestamp::from_unix(0),
            Timestamp { seconds: -1, nanos: 999_999_900 },
            Timestamp { seconds: -7, nanos: 0 },
            Timestamp { seconds: 1_369_353_600, nanos: 100 },
        ] {
            assert_eq!(Timestamp::from(SystemTime::from(t)), t);
        }
        assert_eq!(
            SystemTime::from(Timestamp::from_unix(1)),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1)
        );
    }

    proptest! {
        #[test]
        fn every_four_digit_year_survives_each_form(
            seconds in BEFORE_YEAR_0 + 1..YEAR_10000,
            millis in 0u32..1000,
        ) {
            let t = Timestamp { seconds, nanos: millis * 1_000_000 };
            let whole = Timestamp::from_unix(seconds);
            prop_assert_eq!(Timestamp::parse_iso8601(&t.iso8601()), Some(t));
            prop_assert_eq!(Timestamp::parse_http_date(&t.http_date()), Some(whole));
            prop_assert_eq!(Timestamp::parse_amz_date(&t.amz_date()), Some(whole));
            prop_assert!(t.amz_date().starts_with(&t.date()));
        }

        #[test]
        fn every_second_can_be_written(seconds: i64, nanos in 0u32..1_000_000_000) {
            let t = Timestamp { seconds, nanos };
            prop_assert!(t.amz_date().len() >= 16 && t.http_date().len() >= 29 && t.iso8601().len() >= 20);
            let _ = SystemTime::from(t);
        }

        #[test]
        fn days_and_dates_are_inverse(days in -4_000_000i64..4_000_000) {
            prop_assert_eq!(days_from_civil(civil_from_days(days)), days);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}", dated in "[0-9TZ:., +-]{0,40}") {
            for text in [text, dated] {
                let _ = Timestamp::parse_iso8601(&text);
                let _ = Timestamp::parse_http_date(&text);
                let _ = Timestamp::parse_amz_date(&text);
            }
        }
    }
}
