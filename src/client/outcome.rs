//! Determines whether a write took effect, for all operations, if the responses do not show it.
//!
//! A response can be lost, or it can be a success without evidence: an empty 200 to a copy or a
//! completion, or a result with another root element or without the decisive field. The client then
//! looks at the object once, and compares it with the [intended result](Wanted) of the write.
//! Conditional puts, copies, completions and deletions all use this module.
use super::Client;
use super::body::Payload;
use super::call::Retry;
use super::meta::{ObjectMeta, parts_of, same_etag};
use super::reply::Said;
use super::request::{Call, object_call};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::net::percent;
use crate::time::Timestamp;
use crate::transport::Response;
use crate::xml;
use std::time::{Duration, Instant, SystemTime};

/// The tolerance for ages: `Date` and `Last-Modified` have whole seconds, and the object may have
/// been stored before the response was begun.
const SLACK: Duration = Duration::from_secs(5);

/// The object that a write should produce, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) size: Option<u64>,
    /// The MD5 of the object's bytes, if the object's ETag may be that MD5.
    pub(super) md5: Option<[u8; 16]>,
    /// An ETag that proves that the object is the intended one.
    pub(super) etag: Option<String>,
    /// The number of the object's parts.
    pub(super) parts: Option<u64>,
}

/// The result of looking at the object.
#[derive(Debug)]
pub(super) enum Found {
    /// The object that the write should produce. If it is older than the write, another write has
    /// produced it.
    Wanted(ObjectMeta, Age),
    /// An object of the right size whose ETag does not prove anything.
    Similar(ObjectMeta, Age),
    /// Another object.
    Other,
    /// No object.
    Nothing,
    /// The object cannot be inspected.
    Unknown(Error),
}

/// The age of an object relative to the beginning of the write, according to the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Since,
    Before,
    Unknown,
}

/// The beginning of a write, on both clocks: that of deadlines does not advance while the machine
/// is suspended, and the time of day may be set back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    instant: Instant,
    time: SystemTime,
}

impl Begun {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { instant: clock.instant(), time: clock.now() }
    }

    fn elapsed(self, clock: &dyn Clock) -> Duration {
        let by_day = clock.now().duration_since(self.time).unwrap_or_default();
        clock.instant().saturating_duration_since(self.instant).max(by_day)
    }
}

/// The evidence for the success of a write.
#[derive(Debug)]
pub(super) enum Ended<T> {
    /// The response shows the result.
    Said(T),
    /// The object shows the result.
    Seen(Box<ObjectMeta>),
}

impl Wanted {
    /// Compares the existing object with the wanted one.
    fn compare(&self, meta: ObjectMeta, age: Age) -> Found {
        if self.size.is_some_and(|size| size != meta.size) {
            return Found::Other;
        }
        let wanted = |meta| {
            // AWS gives an object of several parts the date of the beginning of its upload.
            Found::Wanted(meta, if self.parts.is_some() { Age::Unknown } else { age })
        };
        let etag = meta.etag.as_deref();
        if etag.zip(self.etag.as_deref()).is_some_and(|(found, wanted)| same_etag(found, wanted)) {
            return wanted(meta);
        }
        let parts = etag.and_then(parts_of);
        match (meta.md5(), self.md5) {
            (Some(found), Some(md5)) if found == md5 => wanted(meta),
            (Some(_), Some(_)) => Found::Other,
            _ if parts.is_some() && self.parts.is_some() && parts != self.parts => Found::Other,
            _ if parts.is_some() && self.parts.is_some() => Found::Similar(meta, Age::Unknown),
            _ => Found::Similar(meta, age),
        }
    }
}

impl Client {
    /// Looks at the object at `key`, which a write that began at `begun` may have stored.
    pub(super) fn look(&self, bucket: &str, key: &str, wanted: &Wanted, begun: Begun) -> Found {
        let head = object_call("HeadObject", "HEAD", bucket, key).and_then(|call| {
            self.head(&call, |response, meta| {
                let date = response.header("date").and_then(Timestamp::parse_http_date);
                age(date, meta.last_modified, begun.elapsed(&**self.clock()))
            })
        });
        match head {
            Ok((age, meta)) => wanted.compare(meta, age),
            Err(look) if look.kind() == ErrorKind::NoSuchKey => Found::Nothing,
            Err(look) => Found::Unknown(look),
        }
    }

    /// Runs a write whose responses may lack evidence. A success without evidence is settled by
    /// looking at the object; if that is not the intended result, the write is sent again.
    pub(super) fn run_and_look<'p, T>(
        &self,
        call: &Call<'_>,
        payload: impl Fn() -> Payload<'p>,
        accept: impl Fn(Response, Option<Instant>) -> Result<Said<T>>,
        wanted: impl Fn() -> Result<Wanted>,
    ) -> Result<Ended<T>> {
        let begun = Begun::now(&**self.clock());
        let mut rounds = 0;
        loop {
            rounds += 1;
            // An earlier round may have taken effect.
            let said = self.run(call, payload(), &accept).map_err(|error| {
                let unsettled = rounds > 1 || error.is_unsettled();
                error.with_unsettled(unsettled)
            });
            let silence = match said? {
                Said::Result(result) => return Ok(Ended::Said(result)),
                Said::Nothing(silence) => self
                    .without_secrets(call, call.place(silence))
                    .with_attempts(rounds)
                    .with_unsettled(true),
            };
            let wanted = wanted();
            let is_upload = wanted.as_ref().is_ok_and(|wanted| wanted.parts.is_some());
            match wanted.map_or_else(Found::Unknown, |wanted| {
                self.look(call.bucket, call.key, &wanted, begun)
            }) {
                Found::Wanted(meta, Age::Since) | Found::Similar(meta, Age::Since) => {
                    return Ok(Ended::Seen(Box::new(meta)));
                }
                // The age of an object of several parts is never known.
                Found::Wanted(meta, Age::Unknown) | Found::Similar(meta, Age::Unknown)
                    if is_upload =>
                {
                    return Ok(Ended::Seen(Box::new(meta)));
                }
                // The object may be older than the write.
                Found::Wanted(_, Age::Unknown) | Found::Similar(_, Age::Unknown) => {
                    return Err(outcome_unknown(silence, "it took effect"));
                }
                Found::Unknown(look) => {
                    return Err(outcome_unknown(silence.with_source(look), "it took effect"));
                }
                Found::Wanted(_, Age::Before)
                | Found::Similar(_, Age::Before)
                | Found::Other
                | Found::Nothing => {}
            }
            if rounds >= self.inner.config.retry.max_attempts
                || self.pause(rounds, &silence)? != Retry::Due
            {
                return Err(silence);
            }
        }
    }
}

/// Returns whether an object was stored within the time since a write began.
fn age(date: Option<Timestamp>, last_modified: Option<Timestamp>, elapsed: Duration) -> Age {
    let Some((date, last_modified)) = date.zip(last_modified) else { return Age::Unknown };
    if last_modified.plus(elapsed).plus(SLACK) >= date { Age::Since } else { Age::Before }
}

/// Returns the error of a request that may have taken effect, if looking at the object could not
/// settle that.
pub(super) fn outcome_unknown(error: Error, effect: &str) -> Error {
    let text = format!("it is not known whether {effect}: {}", error.message());
    error.with_message(text).with_kind(ErrorKind::OutcomeUnknown)
}

/// Returns whether to look at the object after a write that failed with `error`: it may have taken
/// effect, and the caller is still waiting.
pub(super) fn may_have_happened(error: &Error) -> bool {
    error.is_unsettled()
        && !matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::OutcomeUnknown)
}

/// Checks that a response names the bucket and the key of its request, if it names any.
pub(super) fn check_names(call: &Call<'_>, bucket: Option<&str>, key: Option<&str>) -> Result<()> {
    let text = if bucket.is_some_and(|named| !names_bucket(named, call.bucket)) {
        format!("the response names another bucket, {}", bucket.unwrap_or_default())
    } else if key.is_some_and(|named| !names_key(named, call.key)) {
        format!("the response names another key, {}", key.unwrap_or_default())
    } else {
        return Ok(());
    };
    let hint = "check what is between this client and the server: a proxy may mix up responses";
    Err(call.place(Error::new(ErrorKind::Integrity, text)).with_hint(hint))
}

/// Returns whether `named` may be another spelling of `bucket`.
///
/// AWS returns the bucket's own name if an access point was given, by its ARN or its alias, and
/// Ceph leaves out the tenant.
fn names_bucket(named: &str, bucket: &str) -> bool {
    let access_point = bucket.starts_with("arn:")
        || ["-s3alias", "--ol-s3", "--op-s3", "--xa-s3", ".mrap"]
            .iter()
            .any(|ending| bucket.ends_with(ending));
    let last = |name: &str| name.rsplit([':', '/']).next().map(str::to_ascii_lowercase);
    access_point || last(named) == last(bucket)
}

/// Returns whether `named` may be another spelling of `key`: with a leading slash, or
/// percent-encoded. The effect of XML on control characters is not compared.
fn names_key(named: &str, key: &str) -> bool {
    let same = |named: &str| named == key || named.strip_prefix('/') == Some(key);
    let decoded =
        |named: &str| percent::decode(named).and_then(|bytes| String::from_utf8(bytes).ok());
    same(named)
        || [decoded(named), decoded(&named.replace('+', " "))]
            .iter()
            .flatten()
            .any(|named| same(named))
        || !xml::can_carry(key)
        || key.contains(|c: char| c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p13_names_are_compared_as_servers_write_them() {
        for (named, bucket, same) in [
            ("registry", "registry", true),
            ("tenant:registry", "registry", true),
            ("registry", "tenant:registry", true),
            ("real-bucket", "my-point-abcdefgh-s3alias", true),
            ("other", "registry", false),
            ("registry2", "registry", false),
        ] {
            assert_eq!(names_bucket(named, bucket), same, "{named} {bucket}");
        }
        for (named, key, same) in [
            ("a/b c+d", "a/b c+d", true),
            ("/a/b", "a/b", true),
            ("a%2Fb%20c", "a/b c", true),
            ("a/b+c", "a/b c", true),
            ("100%", "100%", true),
            ("a/c", "a/b", false),
            ("a/b/", "a/b", false),
            ("a//b", "a/b", false),
        ] {
            assert_eq!(names_key(named, key), same, "{named} {key}");
        }
    }

    #[test]
    fn p18_an_object_is_compared_with_what_the_write_makes() {
        const MD5: [u8; 16] = [0xab; 16];
        let digits = "ab".repeat(16);
        let meta = |etag: &str| ObjectMeta {
            size: 5,
            etag: Some(etag.to_owned()),
            ..ObjectMeta::default()
        };
        let sized = Wanted { size: Some(5), ..Wanted::default() };
        let whole = Wanted { md5: Some(MD5), ..sized.clone() };
        let parts = Wanted { etag: Some(format!("{digits}-3")), parts: Some(3), ..sized };
        let found = |wanted: &Wanted, etag: &str| match wanted.compare(meta(etag), Age::Unknown) {
            Found::Wanted(..) => "wanted",
            Found::Similar(..) => "similar",
            _ => "other",
        };
        assert_eq!(found(&whole, &digits), "wanted");
        assert_eq!(found(&whole, &digits.to_uppercase()), "wanted", "case_33");
        assert_eq!(found(&whole, &"cd".repeat(16)), "other");
        assert_eq!(found(&whole, "opaque"), "similar");
        assert_eq!(found(&whole, &format!("W/\"{digits}\"")), "similar");
        assert_eq!(found(&parts, &format!("{}-3", digits.to_uppercase())), "wanted", "case_33");
        assert_eq!(found(&parts, &format!("{digits}-2")), "other");
        assert_eq!(found(&parts, &format!("{}-3", "cd".repeat(16))), "similar");
        assert_eq!(found(&parts, "00"), "similar");
        assert!(matches!(
            Wanted { size: Some(6), ..whole.clone() }.compare(meta(&digits), Age::Unknown),
            Found::Other
        ));
        // With encryption under another key, ETags are not MD5s.
        let encrypted = ObjectMeta { has_opaque_etag: true, ..meta(&"cd".repeat(16)) };
        assert!(matches!(whole.compare(encrypted, Age::Since), Found::Similar(_, Age::Since)));
    }

    /// On Linux, the clock of deadlines stands still while a machine is suspended.
    #[test]
    fn p18_the_time_of_a_suspension_counts() {
        #[derive(Debug)]
        struct At(Instant, SystemTime);
        impl Clock for At {
            fn now(&self) -> SystemTime {
                self.1
            }
            fn instant(&self) -> Instant {
                self.0
            }
            fn sleep(&self, _: Duration) {}
            fn random(&self) -> u64 {
                0
            }
        }
        let (instant, time) = (Instant::now(), SystemTime::now());
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let begun = Begun::now(&At(instant, time));
        assert_eq!(begun.elapsed(&At(instant + second, time + hour)), hour);
        assert_eq!(begun.elapsed(&At(instant + hour, time)), hour);
        assert_eq!(begun.elapsed(&At(instant + second, time - hour)), second);
    }

    #[test]
    fn p18_the_age_of_an_object_is_the_servers() {
        let at = |second: i64| Some(Timestamp::from_unix(1_000_000_000 + second));
        let elapsed = Duration::from_secs(10);
        assert_eq!(age(at(100), at(100), elapsed), Age::Since);
        assert_eq!(age(at(100), at(85), elapsed), Age::Since);
        assert_eq!(age(at(100), at(84), elapsed), Age::Before);
        assert_eq!(age(None, at(84), elapsed), Age::Unknown);
        assert_eq!(age(at(100), None, elapsed), Age::Unknown);
    }
}
