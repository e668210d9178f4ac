//! Replies that are no success: from status, headers and error document to an [`Error`] that says what to do.
use super::range::{ContentRange, number};
use super::request::Call;
use super::retry::kind_of_response;
use super::signing::Signing;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::explain::{ServerSide, compare};
use crate::text::shown_to;
use crate::time::Timestamp;
use crate::transport::{Failure, Response, TransportError};
use crate::xml;
use std::time::{Duration, Instant};

/// Error documents are read up to this size: S3's have a few hundred bytes, those with a canonical request some KiB.
const ERROR_BODY_LIMIT: usize = 1 << 20;

/// Clocks that differ by more than this, in seconds, are told of when a request is refused. Servers refuse beyond 900; no
/// reply of a small operation takes as long as this.
const SKEW: u64 = 300;

/// A reply of another class than 2xx.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) status: u16,
    /// `Retry-After`, as a wait.
    pub(super) retry_after: Option<Duration>,
    /// The region the server would have us use.
    pub(super) region: Option<String>,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// The server's clock.
    pub(super) server_time: Option<Timestamp>,
}

impl Failed {
    /// Reads the error document, if there is one. Whatever goes wrong with it, the status stays the error. `now` is this
    /// machine's time.
    pub(super) fn read(
        response: Response,
        call: &Call<'_>,
        (signing, now): (&Signing, Timestamp),
        deadline: Option<Instant>,
    ) -> Self {
        let status = response.status;
        let header = |name: &str| response.header(name).map(str::to_owned);
        let date = header("date").and_then(|text| Timestamp::parse_http_date(&text));
        let retry_after = header("retry-after").and_then(|text| retry_after(&text, date));
        let region = header("x-amz-bucket-region");
        let location = header("location");
        let ids = Ids::of(&response);
        let size = response.header("content-range").and_then(ContentRange::unsatisfied);
        let body = if call.method == "HEAD" {
            Vec::new()
        } else {
            response.read_to_end(ERROR_BODY_LIMIT, deadline).unwrap_or_default()
        };
        let document = xml::error_document(&body).unwrap_or_default();
        let mut error = ids.attach_to(error_of(status, &document, call, &body), &document);
        let region = region.or_else(|| document.region.clone()).filter(|region| !region.is_empty());
        if error.kind() == ErrorKind::InvalidRange
            && let Some(size) = size.or_else(|| document.actual_object_size.as_deref().and_then(number))
        {
            error = error.with_object_size(size);
        }
        // A HEAD has no body: S3 answers 301 or 400 and names the region in a header alone.
        if matches!(status, 301 | 400) && document.code.is_empty() && region.is_some() {
            error = error.with_kind(ErrorKind::WrongRegion);
        }
        let clock = || date.and_then(|date| clock_hint(&error, now, date));
        if let Some(hint) =
            explain_refusal(&document, signing).or_else(clock).or_else(|| hint(&error, region.as_deref()))
        {
            error = error.with_hint(hint);
        }
        if let Some(region) = &region {
            error = error.with_region(region);
        }
        let server_time = document.server_time.as_deref().and_then(Timestamp::parse_iso8601).or(date);
        Self { error, status, retry_after, region, location, server_time }
    }
}

/// What a support desk asks for: from the headers, or else from the document.
pub(super) struct Ids {
    request_id: Option<String>,
    host_id: Option<String>,
}

impl Ids {
    pub(super) fn of(response: &Response) -> Self {
        let header = |name: &str| response.header(name).map(str::to_owned);
        Self { request_id: header("x-amz-request-id"), host_id: header("x-amz-id-2") }
    }

    pub(super) fn attach_to(self, mut error: Error, document: &xml::ErrorDocument) -> Error {
        if let Some(id) = self.request_id.or_else(|| document.request_id.clone()) {
            error = error.with_request_id(id);
        }
        if let Some(id) = self.host_id.or_else(|| document.host_id.clone()) {
            error = error.with_host_id(id);
        }
        error
    }
}

/// The error that a status and a document tell of; also used for the document inside a reply that began with 200.
pub(super) fn error_of(status: u16, document: &xml::ErrorDocument, call: &Call<'_>, body: &[u8]) -> Error {
    let mut kind = kind_of_response(status, &document.code);
    if status == 404 && document.code.is_empty() && call.key.is_empty() {
        kind = ErrorKind::NoSuchBucket;
    }
    let mut message = match (document.code.as_str(), document.message.as_str()) {
        ("", _) => String::from("the server refused without saying why"),
        (code, "") => code.to_owned(),
        (code, words) => format!("{code}: {}", words.trim().trim_end_matches('.')),
    };
    if document.code.is_empty() && !body.is_empty() {
        message = format!("the server answered with no error document but \u{201c}{}\u{201d}", excerpt(body));
    }
    let mut error = Error::new(kind, message).with_status(status);
    if !document.code.is_empty() {
        error = error.with_code(document.code.clone());
    }
    error
}

/// The first words of a body that is not XML, with runs of white space as one space.
fn excerpt(body: &[u8]) -> String {
    /// Enough to recognise a proxy's error page.
    const LIMIT: usize = 120;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LIMIT)]);
    let words: Vec<_> = text.split_whitespace().collect();
    shown_to(&words.join(" "), LIMIT).to_string()
}

/// Where the server's steps to the signature leave ours, when it shows them (AWS does).
fn explain_refusal(document: &xml::ErrorDocument, signing: &Signing) -> Option<String> {
    let steps = &document.steps;
    let server = ServerSide {
        canonical_request: steps.canonical_request.as_deref(),
        canonical_request_bytes: steps.canonical_request_bytes.as_deref(),
        string_to_sign: steps.string_to_sign.as_deref(),
        string_to_sign_bytes: steps.string_to_sign_bytes.as_deref(),
    };
    let shown = steps.canonical_request.is_some() || steps.string_to_sign.is_some();
    let refused = document.code == "SignatureDoesNotMatch" && shown;
    signing.explain().filter(|_| refused).map(|ours| compare(&ours, &server).to_string())
}

/// That the clocks differ, when that can be why a request was refused: not every server says so by its code.
fn clock_hint(error: &Error, now: Timestamp, server: Timestamp) -> Option<String> {
    let signed = matches!(error.kind(), ErrorKind::SignatureRejected | ErrorKind::AccessDenied | ErrorKind::ClockSkew);
    let seconds = now.unix().abs_diff(server.unix());
    let side = if now.unix() < server.unix() { "behind" } else { "ahead of" };
    (signed && seconds > SKEW)
        .then(|| format!("this machine's clock is {seconds} s {side} the server's: set it, or ask the server's keeper"))
}

/// What to do about it, when it is known.
fn hint(error: &Error, region: Option<&str>) -> Option<String> {
    Some(match (error.kind(), error.code().unwrap_or("")) {
        (ErrorKind::WrongRegion, _) => match region {
            Some(region) => format!("the bucket is in the region {region}: set that region"),
            None => "the bucket is elsewhere: check the region and the endpoint".to_owned(),
        },
        (ErrorKind::SignatureRejected, "InvalidAccessKeyId" | "NotSignedUp") => {
            "the server does not know the access key: check it and the endpoint".to_owned()
        }
        (ErrorKind::SignatureRejected, _) => {
            "check the secret key, and that no proxy changes the host, the path or the headers".to_owned()
        }
        (ErrorKind::ClockSkew, _) => "set this machine's clock".to_owned(),
        (ErrorKind::NoSuchBucket, _) => {
            "check the bucket's name and the endpoint; the bucket must exist before the driver starts".to_owned()
        }
        // Alibaba Cloud's and Tencent Cloud's, whose buckets are named in the host only.
        (_, "SecondLevelDomainForbidden" | "PathStyleDomainForbidden") => {
            "the server wants the bucket's name in the host: set forcepathstyle to false".to_owned()
        }
        // AWS, s3s and rclone say so in these words, under a code that policies have too.
        (ErrorKind::AccessDenied, _) if error.message().contains("were not signed") => {
            "something on the way added these headers after signing: let it leave x-amz- headers alone".to_owned()
        }
        (ErrorKind::AccessDenied, _) => "check the policies of these credentials and of the bucket".to_owned(),
        (ErrorKind::Conflict, "ConditionalRequestConflict") => {
            "somebody else changed the object meanwhile: read it and begin again".to_owned()
        }
        (ErrorKind::Refused, "AccessControlListNotSupported") => {
            "the bucket has ACLs disabled: send none (objectacl: none)".to_owned()
        }
        (ErrorKind::ExpiredCredentials, _) => "fetch new temporary credentials".to_owned(),
        (ErrorKind::Throttled, _) => {
            "send fewer requests at once (maxrequests), or try again later: the server is at its limit".to_owned()
        }
        _ => return None,
    })
}

/// `Retry-After` in seconds or as a date, which is held against the reply's own `Date` so that no clock need agree.
fn retry_after(text: &str, date: Option<Timestamp>) -> Option<Duration> {
    if let Some(seconds) = number(text.trim_ascii()) {
        return Some(Duration::from_secs(seconds));
    }
    let until = Timestamp::parse_http_date(text)?.unix();
    u64::try_from(until.saturating_sub(date?.unix())).ok().map(Duration::from_secs)
}

/// A reply that is a document: read whole, within bounds, and an error document in it is that error.
pub(super) fn read_document<T>(
    response: Response,
    deadline: Option<Instant>,
    call: &Call<'_>,
    (read, limit): Reader<T>,
) -> Result<T> {
    let (status, ids) = (response.status, Ids::of(&response));
    let body = response.read_to_end(limit, deadline).map_err(|failure| transport_error(failure, None))?;
    read(&body).map_err(|error| match &error.document {
        Some(document) => failure_within(status, document, call, &body, ids),
        None => {
            let text = format!("the reply is no document of this operation: {error}");
            let told = Error::new(ErrorKind::Protocol, text).with_status(status).with_source(error);
            ids.attach_to(told, &xml::ErrorDocument::default())
        }
    })
}

/// How a document is read, and how long it may be.
pub(super) type Reader<T> = (fn(&[u8]) -> std::result::Result<T, xml::Error>, usize);

/// A reply without a document. What some servers send all the same (white space, a document of their own) is passed
/// over; an error document is that error, and a page of a proxy no answer of S3.
pub(super) fn expect_nothing(response: Response, deadline: Option<Instant>, call: &Call<'_>) -> Result<()> {
    if response.content_length() == Some(0) {
        return Ok(());
    }
    let (status, ids) = (response.status, Ids::of(&response));
    let body =
        response.read_to_end(xml::MAX_REPLY_BYTES, deadline).map_err(|failure| transport_error(failure, None))?;
    let text = body.trim_ascii();
    if text.is_empty() {
        return Ok(());
    }
    if let Ok(document) = xml::error_document(text) {
        return Err(failure_within(status, &document, call, &body, ids));
    }
    let html = ["<!doctype", "<html"]
        .iter()
        .any(|start| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes())));
    if html || !text.starts_with(b"<") {
        let text = format!("the server answered with \u{201c}{}\u{201d}, which is not S3's", excerpt(text));
        let error = Error::new(ErrorKind::Protocol, text).with_status(status);
        return Err(ids.attach_to(error, &xml::ErrorDocument::default()));
    }
    Ok(())
}

/// The error in a reply that began as a success.
fn failure_within(status: u16, document: &xml::ErrorDocument, call: &Call<'_>, body: &[u8], ids: Ids) -> Error {
    let error = ids.attach_to(error_of(status, document, call, body), document);
    match hint(&error, document.region.as_deref()) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// A failure below HTTP as an error; `host` is named while it is not known to be the right one.
pub(super) fn transport_error(failure: TransportError, host: Option<&str>) -> Error {
    let text = match host {
        Some(host) => format!("{host}: {failure}"),
        None => failure.to_string(),
    };
    let kind = match &failure.failure {
        Failure::Connect(_) => ErrorKind::Connect,
        Failure::Tls { fatal: true, .. } => ErrorKind::Tls,
        Failure::Tls { fatal: false, .. } => ErrorKind::Connect,
        Failure::Timeout => ErrorKind::Timeout,
        Failure::Io(_) => ErrorKind::Interrupted,
        Failure::Protocol(_) => ErrorKind::Protocol,
        Failure::InvalidRequest(_) => ErrorKind::InvalidArgument,
        Failure::Source(_) => ErrorKind::LocalIo,
        Failure::Cancelled => ErrorKind::Cancelled,
    };
    let error = Error::new(kind, text).with_source(failure);
    match kind {
        ErrorKind::Connect => error.with_hint("check the endpoint and that the server runs"),
        ErrorKind::Tls => error.with_hint("trust the server's CA (cacert), or check the host name"),
        _ => error,
    }
}
