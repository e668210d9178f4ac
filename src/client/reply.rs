//! Responses that are not a success: turns status, headers and error document into an [`Error`]
//! with a remedy.
use super::endpoint::{Located, Redirect};
use super::hint::{self, BodySignature, Situation};
use super::range::{ContentRange, number};
use super::request::Call;
use super::retry::kind_of_response;
use super::signing::Signing;
use super::transport_failure::transport_error;
use crate::clock::is_skewed;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::explain::{ServerSide, compare};
use crate::text::shown_to;
use crate::time::Timestamp;
use crate::transport::Response;
use crate::xml;
use std::time::{Duration, Instant};

/// The maximum size of an error document: S3's have a few hundred bytes, and those with a canonical
/// request a few KiB.
const ERROR_BODY_LIMIT: usize = 1 << 20;

/// The request that a response belongs to.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) located: &'a Located,
    pub(super) signing: &'a Signing,
    /// The time that it was signed with.
    pub(super) now: Timestamp,
}

/// A response with a status other than 2xx.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) status: u16,
    /// `Retry-After`, as a wait.
    pub(super) retry_after: Option<Duration>,
    /// The region that the server expects.
    pub(super) region: Option<String>,
    /// The destination of a redirect that may be followed.
    pub(super) redirect: Option<Located>,
    /// The server's clock.
    pub(super) server_time: Option<Timestamp>,
}

impl Failed {
    /// Reads the error document, if there is one. If that fails, the status is the error, except
    /// for a 404: a deletion takes it for a success, and only a complete response shows that the
    /// object, and not the bucket, is missing.
    pub(super) fn read(response: Response, sent: &Sent<'_>, deadline: Option<Instant>) -> Self {
        let Sent { call, located, signing, now } = *sent;
        let status = response.status;
        let header = |name: &str| response.header(name).map(str::to_owned);
        let date = header("date").and_then(|text| Timestamp::parse_http_date(&text));
        let retry_after = header("retry-after").and_then(|text| retry_after(&text, date));
        let region = header("x-amz-bucket-region");
        let location = header("location");
        let (code, words) = reason_in_headers(&response);
        let (ids, marker) = (Ids::of(&response), hint::of_delete_marker(&response));
        let size = response.header("content-range").and_then(ContentRange::unsatisfied);
        let (body, unread) = read_body(response, call, deadline);
        let mut document = xml::error_document(&body).unwrap_or_default();
        if document.code.is_empty() {
            (document.code, document.message) = (code, words);
        }
        let region = region.or_else(|| region_in(&document)).filter(|region| !region.is_empty());
        let unread = unread.filter(|_| status == 404 && document.code.is_empty());
        let error = unread.unwrap_or_else(|| error_of(status, &document, call, &body));
        let mut error = ids.attach_to(error.with_status(status), &document);
        error = with_object_size(error, size, &document);
        let mut hint = explain_refusal(&document, signing);
        let bare = document.code.is_empty() && region.is_none();
        let mut redirect = None;
        match location.filter(|_| matches!(status, 300..=399) && status != 304) {
            Some(location) => match located.redirect(&location, call.bucket) {
                Redirect::Same(located) => redirect = Some(located).filter(|_| status == 307),
                Redirect::Amazon => {}
                to if bare => {
                    (error, hint) = redirected(error, &to);
                }
                _ => {}
            },
            // A HEAD has no body: S3 responds with 301 or 400 and names the region only in a
            // header.
            None if matches!(status, 301 | 400) && document.code.is_empty() && !bare => {
                error = error.with_kind(ErrorKind::WrongRegion);
            }
            None => {}
        }
        let server_time =
            document.server_time.as_deref().and_then(Timestamp::parse_iso8601).or(date);
        // A refusal without a code is attributed to the clocks if they differ too much.
        let skewed = date.is_some_and(|date| is_skewed(now, date));
        if bare && signing.is_signed() && matches!(status, 400 | 403) && skewed {
            error = error.with_kind(ErrorKind::ClockSkew);
        }
        let hint = hint
            .or(marker)
            .or_else(|| server_time.and_then(|time| hint::of_clocks(&error, now, time)))
            .or_else(|| {
                hint::of_plain_request(&body).filter(|_| bare && status == 400).map(str::to_owned)
            })
            .or_else(|| {
                let (region, own_region) = (region.as_deref(), signing.region());
                let body = signing.body();
                hint::of_refusal(&Situation { error: &error, call, region, own_region, body })
            });
        if let Some(hint) = hint {
            error = error.with_hint(hint);
        }
        if let Some(region) = &region {
            error = error.with_region(region);
        }
        Self { error, status, retry_after, region, redirect, server_time }
    }

    /// Reports whether this is the response to a HEAD without the reason of the refusal.
    pub(super) fn lacks_reason(&self, call: &Call<'_>) -> bool {
        let bare = self.error.code().is_none() && self.region.is_none() && self.redirect.is_none();
        let unclear = match self.error.kind() {
            ErrorKind::AccessDenied | ErrorKind::WrongRegion => true,
            ErrorKind::Refused => matches!(self.status, 400 | 401 | 404),
            _ => false,
        };
        call.method == "HEAD" && bare && unclear
    }
}

/// Adds the size of the object to the refusal of a range, from a header or from the document.
fn with_object_size(error: Error, size: Option<u64>, document: &xml::ErrorDocument) -> Error {
    let size = size.or_else(|| document.actual_object_size.as_deref().and_then(number));
    match size.filter(|_| error.kind() == ErrorKind::InvalidRange) {
        Some(size) => error.with_object_size(size),
        None => error,
    }
}

/// Reads the body of a refusal, or returns why it cannot be read completely. The body of a response
/// to a HEAD does not arrive.
fn read_body(
    response: Response,
    call: &Call<'_>,
    deadline: Option<Instant>,
) -> (Vec<u8>, Option<Error>) {
    if call.method == "HEAD" {
        return (Vec::new(), announced_page(&response));
    }
    match response.read_to_end(ERROR_BODY_LIMIT, deadline) {
        Ok(body) => (body, None),
        Err(failure) => (Vec::new(), Some(transport_error(failure, None))),
    }
}

/// Returns the error of a response to a HEAD that announces a page, like that of a router between
/// this client and the server. S3 announces XML, and AWS, MinIO, Ceph and SeaweedFS add an id;
/// moto announces a page of zero bytes.
fn announced_page(response: &Response) -> Option<Error> {
    // CloudFront adds its own headers to the responses of every server.
    let is_of_s3 = |name: &str| name.starts_with("x-amz-") && !name.starts_with("x-amz-cf-");
    if response.headers().any(|(name, _)| is_of_s3(name)) {
        return None;
    }
    let media_type = response.header("content-type")?.split(';').next()?.trim();
    let is_page = ["text/html", "text/plain"].iter().any(|it| media_type.eq_ignore_ascii_case(it));
    let is_empty = response.header("content-length").is_some_and(|length| length.trim() == "0");
    (is_page && !is_empty).then(|| {
        let text =
            format!("the server sent no error document, but a page of the type {media_type}");
        Error::new(ErrorKind::Refused, text)
    })
}

/// Returns the code and the message in the headers, which some servers send if there is no body;
/// empty otherwise.
fn reason_in_headers(response: &Response) -> (String, String) {
    /// The headers with a code and with a message: those of S3's own website endpoints, of MinIO,
    /// and of AWS's gateways.
    const HEADERS: &[(&str, &str)] = &[
        ("x-amz-error-code", "x-amz-error-message"),
        ("x-minio-error-code", "x-minio-error-desc"),
        ("x-rgw-error-code", "x-rgw-error-message"),
        ("x-amzn-errortype", "x-amzn-errormessage"),
    ];
    /// The maximum length of a code; S3's longest has half as many letters.
    const LONGEST: usize = 80;
    let found = HEADERS.iter().find_map(|(code, message)| {
        // `x-amzn-errortype` may be followed by a colon and a URL.
        let code = response.header(code)?.split(':').next()?.trim().trim_matches('"');
        let valid = (1..=LONGEST).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        let words = response.header(message).unwrap_or_default().trim().trim_matches('"');
        valid.then(|| (code.to_owned(), words.to_owned()))
    });
    found.unwrap_or_default()
}

/// Returns the region that an error document names, in a separate element or in words: AWS and
/// MinIO write `expecting 'eu-west-1'`, Garage `expected: 20261129/garage/s3/aws4_request`.
fn region_in(document: &xml::ErrorDocument) -> Option<String> {
    if document.region.is_some() || document.code != "AuthorizationHeaderMalformed" {
        return document.region.clone();
    }
    let message = document.message.as_str();
    let quoted = || message.split_once("expecting '")?.1.split_once('\'').map(|(region, _)| region);
    let scope = || message.split_once("expected: ")?.1.split('/').nth(1);
    quoted().or_else(scope).map(str::to_owned)
}

/// Returns the error of a redirect that is not S3's, and its remedy.
fn redirected(error: Error, to: &Redirect) -> (Error, Option<String>) {
    match to {
        Redirect::ToTls { host, .. } => {
            let error =
                error.with_message(format!("the server redirects from http to https://{host}"));
            (error.with_kind(ErrorKind::Refused), Some(hint::WRITE_HTTPS.to_owned()))
        }
        Redirect::Elsewhere(place) => {
            let text = format!(
                "the server redirects to {place}, and redirects to other places are not followed"
            );
            let hint =
                "check the endpoint: it may be that of a web page, or of a login before the server";
            (error.with_message(text).with_kind(ErrorKind::Refused), Some(hint.to_owned()))
        }
        Redirect::Same(_) | Redirect::Amazon => (error, None),
    }
}

/// The ids that a support desk asks for, from the headers or otherwise from the document.
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

/// Returns the error that a status and a document report. It is also used for the document in a
/// response that began with 200.
pub(super) fn error_of(
    status: u16,
    document: &xml::ErrorDocument,
    call: &Call<'_>,
    body: &[u8],
) -> Error {
    let mut kind = kind_of_response(status, &document.code);
    if status == 404 && document.code.is_empty() {
        if !body.is_empty() {
            // A page of something between this client and the server does not say that an object
            // does not exist.
            kind = ErrorKind::Refused;
        } else if call.key.is_empty() {
            kind = ErrorKind::NoSuchBucket;
        }
    }
    let mut message = match (document.code.as_str(), document.message.as_str()) {
        ("", _) => String::from("the server refused without a reason"),
        (code, "") => code.to_owned(),
        (code, words) => format!("{code}: {}", words.trim().trim_end_matches('.')),
    };
    if document.code.is_empty() && !body.is_empty() {
        message =
            format!("the server sent no error document, but \u{201c}{}\u{201d}", excerpt(body));
    }
    let mut error = Error::new(kind, message).with_status(status);
    if !document.code.is_empty() {
        error = error.with_code(document.code.clone());
    }
    error
}

/// Returns the first words of a body that is not XML, with runs of white space reduced to one
/// space.
fn excerpt(body: &[u8]) -> String {
    /// The length of the excerpt, which is enough to recognize a proxy's error page.
    const LIMIT: usize = 120;
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LIMIT)]);
    let words: Vec<_> = text.split_whitespace().collect();
    shown_to(&words.join(" "), LIMIT).to_string()
}

/// Returns where the server's steps to the signature differ from ours, if it shows them (AWS does).
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

/// Parses `Retry-After` in seconds or as a date, which is compared with the response's own `Date`
/// so that the clocks need not agree.
fn retry_after(text: &str, date: Option<Timestamp>) -> Option<Duration> {
    if let Some(seconds) = number(text.trim_ascii()) {
        return Some(Duration::from_secs(seconds));
    }
    let until = Timestamp::parse_http_date(text)?.unix();
    u64::try_from(until.saturating_sub(date?.unix())).ok().map(Duration::from_secs)
}

/// Reads a response that is a document, completely and up to a limit. An error document becomes
/// that error.
pub(super) fn read_document<T>(
    response: Response,
    deadline: Option<Instant>,
    call: &Call<'_>,
    reader: Reader<T>,
) -> Result<T> {
    match read_what_is_said(response, deadline, call, reader)? {
        Said::Result(result) => Ok(result),
        Said::Nothing(error) => Err(error),
    }
}

/// The statement of a 2xx response about a write.
pub(super) enum Said<T> {
    /// The result.
    Result(T),
    /// Neither success nor failure; the error is for a caller that cannot find out.
    Nothing(Error),
}

/// Reads a document like [`read_document`], but a response without a statement is not a failure
/// yet.
pub(super) fn read_what_is_said<T>(
    response: Response,
    deadline: Option<Instant>,
    call: &Call<'_>,
    (read, limit): Reader<T>,
) -> Result<Said<T>> {
    let (status, ids) = (response.status, Ids::of(&response));
    let body =
        response.read_to_end(limit, deadline).map_err(|failure| transport_error(failure, None))?;
    let error = match read(&body) {
        Ok(result) => return Ok(Said::Result(result)),
        Err(error) => error,
    };
    if let Some(document) = &error.document {
        return Err(failure_within(status, document, call, &body, ids));
    }
    let text = format!("the response is not a document of this operation: {error}");
    let refused = Error::new(ErrorKind::Protocol, text).with_status(status).with_source(error);
    let refused = ids.attach_to(refused, &xml::ErrorDocument::default());
    match body.trim_ascii() {
        _ if xml::says_nothing(&body) => Ok(Said::Nothing(refused)),
        text if is_web_page(text) => Err(refused.with_hint(hint::NOT_S3)),
        _ => Err(refused),
    }
}

/// The parser of a document, and the maximum size of the document.
pub(super) type Reader<T> = (fn(&[u8]) -> std::result::Result<T, xml::Error>, usize);

/// Reads a response without a document. Content that some servers send anyway (white space, other
/// documents, a word such as `OK`) is ignored; an error document becomes that error, and a page of
/// a proxy is not a response of S3.
pub(super) fn expect_nothing(
    response: Response,
    deadline: Option<Instant>,
    call: &Call<'_>,
) -> Result<()> {
    if response.content_length() == Some(0) {
        return Ok(());
    }
    let (status, ids) = (response.status, Ids::of(&response));
    let of_storage = ids.request_id.is_some() || response.header("etag").is_some();
    let body = response
        .read_to_end(xml::MAX_REPLY_BYTES, deadline)
        .map_err(|failure| transport_error(failure, None))?;
    let text = body.trim_ascii();
    if text.is_empty() {
        return Ok(());
    }
    if let Ok(document) = xml::error_document(text) {
        return Err(failure_within(status, &document, call, &body, ids));
    }
    if of_storage && is_remark(text) {
        return Ok(());
    }
    if is_web_page(text) || !text.starts_with(b"<") {
        let text = format!(
            "the server sent \u{201c}{}\u{201d}, which is not a response of S3",
            excerpt(text)
        );
        let error =
            Error::new(ErrorKind::Protocol, text).with_status(status).with_hint(hint::NOT_S3);
        return Err(ids.attach_to(error, &xml::ErrorDocument::default()));
    }
    Ok(())
}

/// Returns whether a body is a short text without markup. userver sends `OK` after a put, and
/// localstack `True` after a deletion (<https://github.com/localstack/localstack/issues/382>).
fn is_remark(text: &[u8]) -> bool {
    /// More than any known word; an explanation of a failure is usually longer.
    const LIMIT: usize = 32;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'!');
    text.len() <= LIMIT && text.iter().all(is_plain)
}

fn is_web_page(text: &[u8]) -> bool {
    ["<!doctype html", "<html"].iter().any(|start| {
        text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes()))
    })
}

/// Returns the error in a response that began as a success.
fn failure_within(
    status: u16,
    document: &xml::ErrorDocument,
    call: &Call<'_>,
    body: &[u8],
    ids: Ids,
) -> Error {
    let error = ids.attach_to(error_of(status, document, call, body), document);
    let region = document.region.as_deref();
    let situation =
        Situation { error: &error, call, region, own_region: None, body: BodySignature::Covered };
    match hint::of_refusal(&situation) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
