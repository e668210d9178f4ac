//! Hints about a refusal: one sentence for each known situation, and none for others. A hint that
//! blames the wrong cause does more harm than good.
use super::endpoint::BucketKind;
use super::request::Call;
use super::retry::names_unknown_key;
use crate::error::{Error, ErrorKind};
use crate::net::aws::Partition;
use crate::time::Timestamp;
use crate::transport::Response;

/// When a request is refused and the clocks differ by more than this many seconds, the error says
/// so. Servers refuse beyond 900 seconds; no response of a small operation takes as long as this.
const SKEW: u64 = 300;

/// A request that was refused.
pub(super) struct Situation<'a> {
    pub(super) error: &'a Error,
    pub(super) call: &'a Call<'a>,
    /// The region named by the server.
    pub(super) region: Option<&'a str>,
    /// The region that the request was signed for, if any.
    pub(super) own_region: Option<&'a str>,
    pub(super) body: BodySignature,
}

/// The role of the body in the signature of a refused request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodySignature {
    Covered,
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
}

/// Returns a hint for a key or a version that is a delete marker.
pub(super) fn of_delete_marker(response: &Response) -> Option<String> {
    response.header("x-amz-delete-marker").filter(|is| is.eq_ignore_ascii_case("true"))?;
    let hint = "the object was deleted and left a delete marker: list its versions to find the \
                earlier ones";
    Some(hint.to_owned())
}

/// The hint for a response that is not one of S3's, such as a page of a proxy or a web server.
pub(super) const NOT_S3: &str =
    "check the endpoint: at this address, a server or a proxy responds that does not speak S3";

/// Returns a hint that says what to do about a refusal, if that is known.
pub(super) fn of_refusal(situation: &Situation<'_>) -> Option<String> {
    let Situation { error, call, .. } = situation;
    let code = error.code().unwrap_or("");
    if situation.body == BodySignature::Unsigned && speaks_of_unsigned_bodies(error) {
        return Some("the server accepts signed bodies only: set payload to signed".to_owned());
    }
    let hint = match (error.kind(), code) {
        (ErrorKind::WrongRegion, _) => return Some(of_wrong_region(situation)),
        (ErrorKind::SignatureRejected, code)
            if names_unknown_key(code) || code == "NotSignedUp" =>
        {
            "the server does not know the access key: check it and the endpoint"
        }
        (ErrorKind::SignatureRejected, _) => {
            "check the secret key, and that no proxy changes the host, the path or the headers"
        }
        (ErrorKind::ClockSkew, _) => "set this machine's clock",
        (ErrorKind::NoSuchBucket, _) => {
            "check the bucket's name and the endpoint; the bucket must exist before the driver \
             starts"
        }
        // The page of something else.
        (ErrorKind::Refused, "") if error.status() == Some(404) => NOT_S3,
        (ErrorKind::NoSuchKey, "NoSuchKey") if call.key.is_empty() => {
            "the server looked for an object where the bucket should be: check the path and the \
             host of the endpoint"
        }
        // The codes of Alibaba Cloud and Tencent Cloud, where buckets are only named in the host.
        (_, "SecondLevelDomainForbidden" | "PathStyleDomainForbidden") => {
            "the server requires the bucket's name in the host: set forcepathstyle to false"
        }
        (_, "InvalidObjectState") => {
            "the object is archived: restore it before it is read, or keep archiving rules away \
             from these keys"
        }
        // AWS, s3s and rclone use these words, with a code that is also used for policies.
        (ErrorKind::AccessDenied, _) if error.message().contains("were not signed") => {
            "a proxy added these headers after signing: configure it not to add x-amz- headers"
        }
        (ErrorKind::AccessDenied, _) if is_access_point(call) => {
            "check the policies of these credentials, of the access point and of the bucket: all \
             of them must allow the request"
        }
        (ErrorKind::AccessDenied, _) if reads_object(call) => {
            "check the policies of these credentials and of the bucket; without the permission \
             s3:ListBucket, S3 denies access to objects that do not exist"
        }
        (ErrorKind::AccessDenied, _) if situation.body == BodySignature::Unsigned => {
            "check the policies of these credentials and of the bucket; if one of them denies \
             unsigned bodies, set payload to signed"
        }
        (ErrorKind::AccessDenied, _) => "check the policies of these credentials and of the bucket",
        (ErrorKind::Conflict, "ConditionalRequestConflict") => {
            "another request changed the object in the meantime: read it and begin again"
        }
        (ErrorKind::Refused, "AccessControlListNotSupported") => {
            "the bucket has ACLs disabled: send none (objectacl: none)"
        }
        (ErrorKind::ExpiredCredentials, _) => "fetch new temporary credentials",
        (ErrorKind::Throttled, _) => {
            "send fewer requests at once (maxrequests), or try again later: the server is at its \
             limit"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Returns a hint that the clocks differ, if that can be the reason for a refusal: not every server
/// reports this with its code.
pub(super) fn of_clocks(error: &Error, now: Timestamp, server: Timestamp) -> Option<String> {
    let signed = matches!(
        error.kind(),
        ErrorKind::SignatureRejected | ErrorKind::AccessDenied | ErrorKind::ClockSkew
    );
    let seconds = now.unix().abs_diff(server.unix());
    let side = if now.unix() < server.unix() { "behind" } else { "ahead of" };
    (signed && seconds > SKEW).then(|| {
        format!(
            "this machine's clock is {seconds} s {side} the server's: set it, or contact the \
             server's administrator"
        )
    })
}

/// Returns the statement about TLS at the beginning of a response, if a request without TLS reached
/// a port that requires it. The words are those of Go's net/http, nginx, Apache and Tomcat.
pub(super) fn of_plain_request(body: &[u8]) -> Option<&'static str> {
    const WORDS: &[&str] = &[
        "client sent an http request to an https server",
        "plain http request was sent to https port",
        "speaking plain http to an ssl-enabled server port",
        "combination of host and port requires tls",
    ];
    /// The number of bytes of the page that are searched: the sentence is at the beginning of a
    /// short page.
    const LOOKED_AT: usize = 4096;
    let text = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body)).to_ascii_lowercase();
    WORDS.iter().any(|words| text.contains(words)).then_some(WRITE_HTTPS)
}

/// The hint for a server that requires TLS.
pub(super) const WRITE_HTTPS: &str =
    "the server requires TLS: write https:// in the endpoint, or set secure to true";

fn of_wrong_region(Situation { region, own_region, .. }: &Situation<'_>) -> String {
    let partition = |region: &str| Partition::of_region(region);
    match (region, own_region) {
        (Some(region), Some(own)) if partition(region) != partition(own) => {
            format!(
                "the bucket is in the region {region} of the partition {}: set that region, and \
                 use credentials of that partition",
                partition(region).id()
            )
        }
        (Some(region), _) => format!("the bucket is in the region {region}: set that region"),
        (None, _) => "the bucket is elsewhere: check the region and the endpoint".to_owned(),
    }
}

/// Returns whether a refusal names the hash of the body, which a request with an unsigned body does
/// not have.
fn speaks_of_unsigned_bodies(error: &Error) -> bool {
    let message = error.message().to_ascii_lowercase();
    ["unsigned-payload", "unsigned payload", "x-amz-content-sha256"]
        .iter()
        .any(|words| message.contains(words))
}

/// Returns whether the call reads an object or its metadata.
fn reads_object(call: &Call<'_>) -> bool {
    matches!(call.method, "GET" | "HEAD") && !call.key.is_empty() && call.query.is_empty()
}

/// Returns whether the call addresses an access point by its ARN.
fn is_access_point(call: &Call<'_>) -> bool {
    use BucketKind::{AccessPoint, MultiRegion, ObjectLambda, Outpost};
    BucketKind::of(call.bucket)
        .is_ok_and(|kind| matches!(kind, AccessPoint | MultiRegion | ObjectLambda | Outpost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_at_an_access_point_names_both_policies() {
        let error = Error::new(ErrorKind::AccessDenied, "AccessDenied");
        let hint = |bucket: &str| {
            let call = Call::new("PutObject", "PUT", bucket, "key");
            let body = BodySignature::Covered;
            of_refusal(&Situation {
                error: &error,
                call: &call,
                region: None,
                own_region: None,
                body,
            })
        };
        let point = hint("arn:aws:s3:us-west-2:123456789012:accesspoint/reports");
        assert!(point.is_some_and(|hint| hint.contains("of the access point and of the bucket")));
        assert!(hint("registry").is_some_and(|hint| !hint.contains("access point")));
    }

    #[test]
    fn a_wrong_region_is_named_with_its_partition_where_that_differs() {
        let call = Call::new("GetObject", "GET", "registry", "key");
        let error = Error::new(ErrorKind::WrongRegion, "elsewhere");
        for (region, own, hint) in [
            (
                Some("eu-west-3"),
                Some("us-east-1"),
                "the bucket is in the region eu-west-3: set that region",
            ),
            (
                Some("garage"),
                Some("us-east-1"),
                "the bucket is in the region garage: set that region",
            ),
            (Some("eu-west-3"), None, "the bucket is in the region eu-west-3: set that region"),
            (
                Some("cn-north-1"),
                Some("us-east-1"),
                "the bucket is in the region cn-north-1 of the partition aws-cn: set that region, \
                 and use credentials of that partition",
            ),
            (None, Some("us-east-1"), "the bucket is elsewhere: check the region and the endpoint"),
        ] {
            let body = BodySignature::Covered;
            let situation = Situation { error: &error, call: &call, region, own_region: own, body };
            assert_eq!(of_refusal(&situation).as_deref(), Some(hint));
        }
    }
}
