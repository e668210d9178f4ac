//! Points in time as S3 writes them.
use std::time::{Duration, SystemTime};

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z, in UTC. Pure: never asks a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// From seconds since the epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }
    /// Whole seconds since the epoch.
    pub const fn unix(self) -> i64 {
        self.seconds
    }
    /// `20130524T000000Z`, as `x-amz-date` has it.
    pub fn amz_date(self) -> String {
        todo!()
    }
    /// `20130524`, as the credential scope has it.
    pub fn date(self) -> String {
        todo!()
    }
    /// `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110 section 5.6.7).
    pub fn http_date(self) -> String {
        todo!()
    }
    /// `2013-05-24T00:00:00Z` (RFC 3339), with milliseconds only if there are any.
    pub fn iso8601(self) -> String {
        todo!()
    }
    /// Reads RFC 3339 / ISO-8601 as S3 servers write it: `2013-05-24T00:00:00Z`, fractions of any length, `+00:00` and other offsets.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        todo!("{text}")
    }
    /// Reads the three forms of an HTTP date (RFC 9110 section 5.6.7).
    pub fn parse_http_date(text: &str) -> Option<Self> {
        todo!("{text}")
    }
    /// Later by `by`, saturating.
    pub fn plus(self, by: Duration) -> Self {
        todo!("{by:?}")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(_: SystemTime) -> Self {
        todo!()
    }
}

impl From<Timestamp> for SystemTime {
    fn from(_: Timestamp) -> Self {
        todo!()
    }
}
