//! Compares every list and limit of the signer with one that was written independently from its
//! source, and checks that each error message says what to do.
use super::check::{SIGNATURE_PARAMETERS, SINGLE_HEADERS};
use super::syntax::is_token;
use super::*;
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

const TIME: Timestamp = Timestamp::from_unix(1_369_353_600);
const SCOPE: v4::Scope<'static> = v4::Scope { region: "us-east-1", service: "s3" };

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.into_iter().collect()
}

/// Checks that `ours` contains exactly the names in `source`, each of them once.
fn assert_same_names(ours: &[&str], source: &str) {
    assert_eq!(set(ours.iter().copied()), set(source.split_ascii_whitespace()));
    assert_eq!(ours.len(), set(ours.iter().copied()).len());
}

/// The sources are RESTAuthentication.html, "Constructing the CanonicalizedResource Element" (with
/// `torrent` from older editions), `QSAOfInterest` in botocore/auth.py, and `signed_subresources`
/// in Ceph's rgw_auth_s3.cc.
#[test]
fn sub_resources_are_those_of_aws_boto_and_ceph() {
    assert_same_names(
        &v2::SUB_RESOURCES,
        "acl lifecycle location logging notification partNumber policy requestPayment uploadId uploads versionId \
         versioning versions website torrent delete \
         response-content-type response-content-language response-expires response-cache-control \
         response-content-disposition response-content-encoding \
         accelerate cors defaultObjectAcl tagging restore storageClass object-lock replication analytics inventory \
         metrics select select-type \
         encryption policyStatus publicAccessBlock",
    );
    let request = Request::new("GET", "/b/k");
    for name in v2::SUB_RESOURCES {
        let query = [(name, "v"), ("prefix", "p")];
        let signed = v2::sign(&request.query(&query), None, &credentials(), TIME).unwrap();
        assert!(signed.steps.string_to_sign.ends_with(&format!("\n/b/k?{name}=v")), "{name}");
    }
}

/// The sources are sigv4-query-string-auth.html, CreateSession (`X-Amz-S3session-Token`), SigV4A
/// (`X-Amz-Region-Set`), and RESTAuthentication.html, "Query String Request Authentication
/// Alternative".
#[test]
fn parameters_of_a_signature_are_refused() {
    assert_same_names(
        &SIGNATURE_PARAMETERS,
        "X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders X-Amz-Signature \
         X-Amz-Security-Token X-Amz-S3session-Token X-Amz-Region-Set AWSAccessKeyId Signature Expires",
    );
    let hour = Duration::from_secs(3600);
    for name in SIGNATURE_PARAMETERS {
        let query = [(name, "")];
        let text = format!("https://h/?{name}=");
        let refused = Error::ReservedParameter { name: name.to_owned() };
        for request in [
            Request::new("GET", "/").query(&query).headers(&[("host", "h")]),
            Request::from_url("GET", &text).unwrap(),
        ] {
            let payload = v4::Payload::Unsigned;
            assert_eq!(
                v4::sign(&request, payload, &credentials(), SCOPE, TIME).unwrap_err(),
                refused
            );
            assert_eq!(
                v4::presign(&request, payload, &credentials(), SCOPE, TIME, hour).unwrap_err(),
                refused
            );
            assert_eq!(v2::sign(&request, None, &credentials(), TIME).unwrap_err(), refused);
            assert_eq!(v2::presign(&request, None, &credentials(), TIME).unwrap_err(), refused);
        }
    }
    assert!(
        !check::is_signature_parameter(b"expires")
            && check::is_signature_parameter(b"x-amz-expires")
    );
}

#[test]
fn headers_with_one_value_cannot_be_repeated() {
    assert_same_names(
        &SINGLE_HEADERS,
        "host date expires range content-type content-length content-md5 x-amz-date x-amz-content-sha256 \
         x-amz-security-token x-amz-s3session-token x-amz-region-set x-amz-decoded-content-length",
    );
    for name in SINGLE_HEADERS {
        let headers = [("host", "h"), (name, "1"), (name, "1")];
        let headers = if name == "host" { &headers[1..] } else { &headers[..] };
        let request = Request::new("GET", "/").headers(headers);
        let refused = Error::RepeatedHeader { name: name.to_owned() };
        assert_eq!(v2::sign(&request, None, &credentials(), TIME).unwrap_err(), refused);
        // The headers that the signer adds are compared with its values before duplicates are
        // looked for.
        if !["x-amz-date", "x-amz-content-sha256"].contains(&name) {
            let payload = v4::Payload::Unsigned;
            assert_eq!(
                v4::sign(&request, payload, &credentials(), SCOPE, TIME).unwrap_err(),
                refused
            );
        }
    }
}

#[test]
fn secret_headers_are_redacted() {
    assert_same_names(
        &crate::text::SECRETS,
        "authorization proxy-authorization cookie set-cookie x-amz-mfa \
         x-amz-security-token x-amz-s3session-token x-amz-signature signature \
         x-amz-server-side-encryption-customer-key x-amz-copy-source-server-side-encryption-customer-key",
    );
    for name in crate::text::SECRETS {
        let headers = [("host", "h"), (name, "s3cret")];
        let request = Request::new("GET", "/").headers(&headers);
        assert!(!format!("{request:?}").contains("s3cret"), "{name}");
        if let Ok(signed) = v4::sign(&request, v4::Payload::Unsigned, &credentials(), SCOPE, TIME) {
            assert!(signed.steps.canonical_request.contains(&format!("\n{name}:s3cret\n")));
            assert!(!format!("{signed:?} {}", signed.explain()).contains("s3cret"), "{name}");
        }
    }
}

/// The sources are RFC 9110 section 5.6.2 (`tchar`) and RFC 3986 sections 2.3 (`unreserved`) and
/// 3.3 (`pchar`).
#[test]
fn allowed_characters_are_those_of_the_rfcs() {
    for byte in 0..=u8::MAX {
        let text = String::from(char::from(byte));
        let alphanumeric = byte.is_ascii_alphanumeric();
        assert_eq!(is_token(&text), alphanumeric || "!#$%&'*+-.^_`|~".contains(&text), "{text:?}");
        let unreserved = alphanumeric || "-._~".contains(&text);
        assert_eq!(encode_component(&text) == text, unreserved, "{text:?}");
        assert_eq!(encode_path(&text) == text, unreserved || byte == b'/', "{text:?}");
        let in_path = unreserved || "!$&'()*+,;=:@/".contains(&text);
        let path = format!("/{text}");
        assert_eq!(Request::from_target("GET", &path).is_ok(), in_path || byte == b'?', "{text:?}");
        let target = format!("/?a={text}");
        let in_query = (in_path || byte == b'?') && byte != b'+' && byte != b'&';
        assert_eq!(Request::from_target("GET", &target).is_ok(), in_query, "{text:?}");
        // RFC 9110 section 5.5 allows no control character except the tab.
        let value = format!("a{text}b");
        let headers = [("host", "h"), ("x-other", &*value)];
        let request = Request::new("GET", "/").headers(&headers);
        let signed = v4::sign(&request, v4::Payload::Unsigned, &credentials(), SCOPE, TIME);
        assert_eq!(signed.is_ok(), byte == b'\t' || !(byte < 0x20 || byte == 0x7f), "{text:?}");
    }
}

/// The sources are the descriptions of `x-amz-content-sha256` in sig-v4-header-based-auth.html,
/// sigv4-streaming.html and sigv4-streaming-trailers.html.
#[test]
fn payloads_have_the_names_that_aws_defines() {
    for (payload, name) in [
        (v4::Payload::Unsigned, "UNSIGNED-PAYLOAD"),
        (v4::Payload::StreamingSigned, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        (v4::Payload::StreamingSignedTrailer, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        (v4::Payload::StreamingUnsignedTrailer, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        (
            v4::Payload::Bytes(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            v4::Payload::Hash(&[0xab; 32]),
            "abababababababababababababababababababababababababababababababab",
        ),
    ] {
        assert_eq!(&*payload.hash(), name);
    }
}

/// The sources are sigv4-query-string-auth.html ("minimum 1, maximum 604800 (seven days)") and
/// sigv4-streaming.html ("at least 8 KB" and "we recommend a chunk size of at least 64 KB").
#[test]
fn limits_are_those_of_aws() {
    assert_eq!((v4::MIN_EXPIRY.as_secs(), v4::MAX_EXPIRY.as_secs()), (1, 604_800));
    assert_eq!((chunked::MIN_CHUNK_SIZE, chunked::DEFAULT_CHUNK_SIZE), (8_192, 65_536));
    assert_eq!(chunked::MAX_CHUNK_SIZE, 16_777_216);
}

#[test]
fn every_error_says_what_to_do() {
    let refusals = [
        Error::Method { method: "G T".into() },
        Error::Path { path: "/ ".into(), byte: 1 },
        Error::Url { part: UrlPart::Scheme },
        Error::Url { part: UrlPart::UserInformation },
        Error::Url { part: UrlPart::Host },
        Error::Url { part: UrlPart::Port },
        Error::Url { part: UrlPart::Fragment },
        Error::UnnamedParameter,
        Error::QueryEncoding { parameter: "a b".into() },
        Error::ReservedParameter { name: "Expires".into() },
        Error::HeaderName { name: "a b".into() },
        Error::HeaderValue { name: "a".into() },
        Error::RepeatedHeader { name: "host".into() },
        Error::ConflictingHeader { name: "x-amz-date" },
        Error::ReservedHeader { name: "authorization".into() },
        Error::MissingHeader { name: "host" },
        Error::RequiredHeader { name: "host".into() },
        Error::AccessKey { access_key_id: "a,b".into() },
        Error::EmptySecret,
        Error::SessionToken,
        Error::SessionTokenService { service: "s3".into() },
        Error::Region { region: "a/b".into() },
        Error::Service { service: "a/b".into() },
        Error::Year { time: Timestamp::from_unix(i64::MAX) },
        Error::ExpiryOutOfRange(Duration::from_millis(500)),
        Error::ExpiresBeforeEpoch(Timestamp::from_unix(-1)),
        Error::SigningKeyDay { time: TIME },
        Error::Bucket { bucket: "a/b".into() },
        Error::PolicyEncoding,
        Error::ContentLengthRange { least: 2, most: 1 },
        Error::ChunkSize { bytes: 1 },
        Error::Trailer { name: "A".into() },
        Error::Seed,
        Error::Framing,
        Error::Checksums { trailers: 1, checksums: 0 },
        Error::Payload { payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" },
        Error::KeyDerivation,
    ];
    let mut texts = BTreeSet::new();
    for refusal in &refusals {
        let text = refusal.to_string();
        assert!(
            text.contains([':']) && text.len() > 30 && !text.contains('\n'),
            "{refusal:?}: {text}"
        );
        assert!(texts.insert(text), "{refusal:?} has the same message as another error");
    }
    assert_eq!(
        Error::ExpiryOutOfRange(Duration::from_millis(500)).to_string(),
        "a presigned URL cannot be valid for 0.5 s: choose a whole number of seconds from 1 to \
         604800 (7 days)"
    );
}

/// A parameter without a name would be signed as `=`, but not sent at all.
#[test]
fn a_query_parameter_needs_a_name() {
    let credentials = Credentials::new("id", "secret");
    let scope = v4::Scope { region: "r", service: "s3" };
    for query in [&[("", "value")][..], &[("acl", ""), ("", "")]] {
        let request = Request::new("GET", "/").query(query).headers(&[("host", "h")]);
        let payload = v4::Payload::Unsigned;
        let refusals = [
            v4::sign(&request, payload, &credentials, scope, TIME).unwrap_err(),
            v4::presign(&request, payload, &credentials, scope, TIME, v4::MIN_EXPIRY).unwrap_err(),
            v2::sign(&request, None, &credentials, TIME).unwrap_err(),
            v2::presign(&request, None, &credentials, TIME).unwrap_err(),
        ];
        assert!(refusals.iter().all(|refusal| *refusal == Error::UnnamedParameter), "{refusals:?}");
    }
}
