//! The documents of Object Lock: the configuration of a bucket, and the retention and the legal
//! hold of an object.
use super::reader::Document;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::time::Timestamp;

/// How strictly a version of an object is retained
/// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetentionMode {
    /// `GOVERNANCE`: requests with a special permission can delete the version and shorten its
    /// retention.
    Governance,
    /// `COMPLIANCE`: no request can delete the version or shorten its retention.
    Compliance,
}

impl RetentionMode {
    /// Returns the word that represents this mode.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

/// The retention of a version of an object, which cannot be deleted before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// How strictly the version is retained.
    pub mode: RetentionMode,
    /// The time until which it is retained.
    pub retain_until: Timestamp,
}

impl Retention {
    /// Creates a retention.
    pub const fn new(mode: RetentionMode, retain_until: Timestamp) -> Self {
        Self { mode, retain_until }
    }
}

/// Whether a version of an object is kept until the hold is removed, regardless of its retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LegalHold {
    /// `ON`: the version cannot be deleted.
    On,
    /// `OFF`: the version can be deleted after its retention.
    Off,
}

impl LegalHold {
    /// Returns the word that represents this state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
        }
    }
}

/// The Object Lock configuration of a bucket, in which it is enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectLockConfiguration {
    /// The retention of new objects that are stored without one.
    pub default_retention: Option<DefaultRetention>,
}

impl ObjectLockConfiguration {
    /// Sets the retention of new objects that are stored without one.
    #[must_use]
    pub const fn default_retention(mut self, retention: DefaultRetention) -> Self {
        self.default_retention = Some(retention);
        self
    }
}

/// The retention of new objects in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefaultRetention {
    /// How strictly objects are retained.
    pub mode: RetentionMode,
    /// For how long objects are retained after they were stored.
    pub period: RetentionPeriod,
}

impl DefaultRetention {
    /// Creates a default retention.
    pub const fn new(mode: RetentionMode, period: RetentionPeriod) -> Self {
        Self { mode, period }
    }
}

/// The length of a default retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetentionPeriod {
    /// A number of days, at least 1.
    Days(u32),
    /// A number of years, at least 1.
    Years(u32),
}

/// Reads the response to
/// [GetObjectLockConfiguration](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html),
/// at most [`MAX_REPLY_BYTES`] of it. Returns `None` if Object Lock is not enabled.
///
/// - Required: the root `ObjectLockConfiguration`, and, in a `DefaultRetention`, a `Mode` and
///   either `Days` or `Years`. A 0 counts as absent, because moto sends both.
/// - Optional: `ObjectLockEnabled` and `Rule`.
/// - Refused: another mode than `GOVERNANCE` and `COMPLIANCE`, a period that is not a whole number,
///   a word other than `Enabled`, and a repeated element.
///
/// ```
/// use s3driver::xml::{self, RetentionMode, RetentionPeriod};
///
/// let configuration = xml::object_lock_configuration(
///     b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>
///       <Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>30</Days></DefaultRetention></Rule>
///       </ObjectLockConfiguration>",
/// )?;
/// let retention = configuration.and_then(|found| found.default_retention).expect("a default");
/// assert_eq!(retention.mode, RetentionMode::Governance);
/// assert_eq!(retention.period, RetentionPeriod::Days(30));
///
/// assert_eq!(xml::object_lock_configuration(b"<ObjectLockConfiguration/>")?, None);
/// # Ok::<(), xml::Error>(())
/// ```
pub fn object_lock_configuration(body: &[u8]) -> Result<Option<ObjectLockConfiguration>, Error> {
    const ROOTS: [&str; 2] = ["ObjectLockConfiguration", "GetObjectLockConfigurationResult"];
    parse(body, MAX_REPLY_BYTES, &ROOTS, |document, _| {
        let (mut enabled, mut rule) = (None, None);
        document.children(|document, child| match child {
            "ObjectLockEnabled" => document.field(child, &mut enabled, is_enabled),
            "Rule" if rule.is_some() => Err(document.fail("<Rule> comes twice in one element")),
            "Rule" => {
                let retention = rule.insert(None);
                document.children(|document, child| match child {
                    "DefaultRetention" if retention.is_some() => {
                        Err(document.fail("<DefaultRetention> comes twice in one element"))
                    }
                    "DefaultRetention" => {
                        default_retention(document).map(|found| *retention = Some(found))
                    }
                    _ => document.unknown(child),
                })
            }
            _ => document.unknown(child),
        })?;

        let configuration = ObjectLockConfiguration { default_retention: rule.flatten() };
        Ok(enabled.flatten().map(|()| configuration))
    })
}

/// Reads the response to
/// [GetObjectRetention](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html),
/// at most [`MAX_REPLY_BYTES`] of it. Returns `None` if the object does not have a retention.
///
/// - Required: the root `Retention`; a `Mode` and a `RetainUntilDate`, or neither of them.
/// - Refused: another mode than `GOVERNANCE` and `COMPLIANCE`, a date that is not a time, and a
///   repeated element.
///
/// ```
/// use s3driver::xml::{self, RetentionMode};
///
/// let retention = xml::object_retention(
///     b"<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2031-05-01T00:00:00.000Z</RetainUntilDate>
///       </Retention>",
/// )?;
/// assert_eq!(retention.expect("a retention").mode, RetentionMode::Compliance);
///
/// assert!(xml::object_retention(b"<Retention><Mode>COMPLIANCE</Mode></Retention>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn object_retention(body: &[u8]) -> Result<Option<Retention>, Error> {
    const ROOTS: [&str; 2] = ["Retention", "GetObjectRetentionResult"];
    parse(body, MAX_REPLY_BYTES, &ROOTS, |document, _| {
        let (mut mode, mut retain_until) = (None, None);
        document.children(|document, child| match child {
            "Mode" => document.field(child, &mut mode, optional_mode),
            "RetainUntilDate" => document.field(child, &mut retain_until, value::exact_time),
            _ => document.unknown(child),
        })?;

        match (mode.flatten(), retain_until.flatten()) {
            (None, None) => Ok(None),
            (Some(mode), Some(retain_until)) => Ok(Some(Retention { mode, retain_until })),
            (Some(_), None) => Err(document.fail("<Retention> has no <RetainUntilDate>")),
            (None, Some(_)) => Err(document.fail("<Retention> has no <Mode>")),
        }
    })
}

/// Reads the response to
/// [GetObjectLegalHold](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html),
/// at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: the root `LegalHold`.
/// - Optional: `Status`, without which there is no hold.
/// - Refused: another status than `ON` and `OFF`, and a second one.
///
/// ```
/// use s3driver::xml::{self, LegalHold};
///
/// let document = b"<LegalHold><Status>ON</Status></LegalHold>";
/// assert_eq!(xml::object_legal_hold(document)?, LegalHold::On);
/// assert_eq!(xml::object_legal_hold(b"<LegalHold/>")?, LegalHold::Off);
/// # Ok::<(), xml::Error>(())
/// ```
pub fn object_legal_hold(body: &[u8]) -> Result<LegalHold, Error> {
    const ROOTS: [&str; 2] = ["LegalHold", "GetObjectLegalHoldResult"];
    parse(body, MAX_REPLY_BYTES, &ROOTS, |document, _| {
        let mut status = None;
        document.children(|document, child| match child {
            "Status" => document.field(child, &mut status, legal_hold),
            _ => document.unknown(child),
        })?;
        Ok(status.unwrap_or(LegalHold::Off))
    })
}

fn default_retention(document: &mut Document<'_>) -> Result<DefaultRetention, Error> {
    let (mut mode_found, mut days, mut years) = (None, None, None);
    document.children(|document, child| match child {
        "Mode" => document.field(child, &mut mode_found, mode),
        "Days" => document.field(child, &mut days, period),
        "Years" => document.field(child, &mut years, period),
        _ => document.unknown(child),
    })?;

    let mode = document.require(mode_found, "DefaultRetention", "Mode")?;
    let period = match (days.flatten(), years.flatten()) {
        (Some(days), None) => RetentionPeriod::Days(days),
        (None, Some(years)) => RetentionPeriod::Years(years),
        (None, None) => return Err(document.fail("<DefaultRetention> has no <Days> or <Years>")),
        (Some(_), Some(_)) => {
            return Err(document.fail("<DefaultRetention> has both <Days> and <Years>"));
        }
    };
    Ok(DefaultRetention { mode, period })
}

fn is_enabled(text: &str) -> Result<Option<()>, &'static str> {
    match value::word(text)?.as_deref() {
        None => Ok(None),
        Some("Enabled") => Ok(Some(())),
        Some(_) => Err("is not Enabled"),
    }
}

fn optional_mode(text: &str) -> Result<Option<RetentionMode>, &'static str> {
    if text.trim_ascii().is_empty() { Ok(None) } else { mode(text).map(Some) }
}

fn mode(text: &str) -> Result<RetentionMode, &'static str> {
    match text.trim_ascii() {
        "GOVERNANCE" => Ok(RetentionMode::Governance),
        "COMPLIANCE" => Ok(RetentionMode::Compliance),
        _ => Err("is neither GOVERNANCE nor COMPLIANCE"),
    }
}

fn period(text: &str) -> Result<Option<u32>, &'static str> {
    let period = u32::try_from(value::number(text)?).map_err(|_| "is larger than 32 bits")?;
    Ok(Some(period).filter(|period| *period > 0))
}

fn legal_hold(text: &str) -> Result<LegalHold, &'static str> {
    match text.trim_ascii() {
        "ON" => Ok(LegalHold::On),
        "OFF" => Ok(LegalHold::Off),
        _ => Err("is neither ON nor OFF"),
    }
}
