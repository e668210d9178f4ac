use super::*;
use proptest::prelude::*;

const TIME: Timestamp = Timestamp::from_unix(1_369_353_600);
const SCOPE: Scope<'static> = Scope { region: "us-east-1", service: "s3" };

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

fn signed(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Signed {
    let request = Request { method: "GET", path: "/key", query, headers };
    sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap()
}

fn error(headers: &[(&str, &str)]) -> Error {
    let request = Request { method: "GET", path: "/key", query: &[], headers };
    sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap_err()
}

#[test]
fn the_order_and_case_of_headers_do_not_matter_and_all_else_does() {
    let base = signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[]).steps.signature;
    let same = [
        signed(&[("range", "bytes=0-9"), ("X-AMZ-Acl", "private"), ("Host", "h")], &[]),
        signed(&[("host", " h\t"), ("x-amz-acl", "private"), ("range", "bytes=0-9 ")], &[]),
    ];
    assert!(same.iter().all(|other| other.steps.signature == base));
    let others = [
        signed(&[("host", "H"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[]),
        signed(&[("host", "h"), ("x-amz-acl", "Private"), ("range", "bytes=0-9")], &[]),
        signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes= 0-9")], &[]),
        signed(&[("host", "h"), ("x-amz-acl", "private")], &[]),
        signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[("acl", "")]),
    ];
    assert!(others.iter().all(|other| other.steps.signature != base));
}

#[test]
fn runs_of_blanks_and_repeated_names_are_folded_in_order() {
    let one = signed(&[("host", "h"), ("a", "x  y \t z"), ("b", "1"), ("B", "2")], &[]);
    assert_eq!(
        one.steps.signature,
        signed(&[("b", "1"), ("host", "h"), ("b", "2"), ("a", "x y z")], &[]).steps.signature
    );
    assert!(one.steps.canonical_request.contains("\na:x y z\nb:1,2\nhost:h\n"), "{}", one.steps.canonical_request);
    assert_ne!(
        one.steps.signature,
        signed(&[("b", "2"), ("host", "h"), ("b", "1"), ("a", "x y z")], &[]).steps.signature
    );
}

#[test]
fn adds_what_is_missing() {
    let names = |signed: &Signed| signed.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "h")] };
    let temporary = credentials().with_session_token("token");
    let s3 = sign(&request, Payload::Bytes(b""), &temporary, SCOPE, TIME).unwrap();
    assert_eq!(names(&s3), ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "authorization"]);
    assert!(s3.steps.canonical_request.contains(
        "\nhost:h\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\nx-amz-security-token:token\n"
    ));
    let sts = Scope { service: "sts", ..SCOPE };
    let sts = sign(&request, Payload::Bytes(b"body"), &temporary, sts, TIME).unwrap();
    assert_eq!(names(&sts), ["x-amz-date", "x-amz-security-token", "authorization"]);

    let given = [("host", "h"), ("X-Amz-Date", "20130524T000000Z"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    assert_eq!(names(&signed(&given, &[])), ["authorization"]);
    assert_eq!(signed(&given, &[]).steps.signature, signed(&[("host", "h")], &[]).steps.signature);
}

#[test]
fn refuses_contradictions() {
    assert_eq!(error(&[]), Error::MissingHost);
    for header in [
        ("x-amz-date", "20130524T000001Z"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("authorization", "AWS4-HMAC-SHA256"),
        ("a", "b\nc"),
    ] {
        let error = error(&[("host", "h"), header]);
        assert!(matches!(&error, Error::Invalid(text) if text.contains("header")), "{error:?}");
    }
    let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "h")] };
    let bad = |credentials: &Credentials, region, service, time| {
        sign(&request, Payload::Unsigned, credentials, Scope { region, service }, time).is_err()
    };
    assert!(bad(&Credentials::new("", "s"), "r", "s3", TIME));
    assert!(bad(&Credentials::new("a/b", "s"), "r", "s3", TIME));
    assert!(bad(&credentials(), "", "s3", TIME));
    assert!(bad(&credentials(), "r\n", "s3", TIME));
    assert!(bad(&credentials(), "r", "s3,x", TIME));
    assert!(bad(&credentials(), "r", "s3", Timestamp::from_unix(i64::MAX)));
    assert!(!bad(&credentials(), "r", "s3", TIME));
    assert!(bad(&credentials().with_session_token("to\r\nken"), "r", "s3", TIME));
    let key = SigningKey::derive(&credentials(), TIME, SCOPE);
    for (scope, time) in [
        (SCOPE, TIME.plus(Duration::from_secs(86_400))),
        (Scope { region: "eu-west-1", ..SCOPE }, TIME),
        (Scope { service: "sts", ..SCOPE }, TIME),
    ] {
        assert!(sign_with_key(&request, Payload::Unsigned, &credentials(), scope, time, &key).is_err());
    }
}

#[test]
fn a_signing_key_knows_what_it_is_for() {
    let key = SigningKey::derive(&credentials(), TIME, SCOPE);
    assert!(key.is_for(&credentials(), TIME.plus(Duration::from_secs(86_399)), SCOPE));
    assert!(key.is_for(&credentials().with_session_token("new"), TIME, SCOPE), "tokens are not part of the key");
    assert!(!key.is_for(&credentials(), TIME.plus(Duration::from_secs(86_400)), SCOPE));
    assert!(!key.is_for(&credentials(), TIME, Scope { region: "us-east-2", ..SCOPE }));
    assert!(!key.is_for(&credentials(), TIME, Scope { service: "sts", ..SCOPE }));
    assert!(!key.is_for(&Credentials::new("AKIAIOSFODNN7EXAMPLE", "other"), TIME, SCOPE));
    assert!(!key.is_for(&Credentials::new("other", credentials().secret_access_key()), TIME, SCOPE));
}

#[test]
fn presigned_urls_live_one_second_to_seven_days() {
    let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "h")] };
    let presign = |expires| presign(&request, &credentials(), SCOPE, TIME, expires);
    for expires in [MIN_EXPIRY, MAX_EXPIRY] {
        assert!(presign(expires).is_ok());
    }
    for expires in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_millis(1_500),
        MAX_EXPIRY + Duration::from_nanos(1),
        MAX_EXPIRY + Duration::from_secs(1),
        Duration::MAX,
    ] {
        assert_eq!(presign(expires).unwrap_err(), Error::ExpiryOutOfRange(expires));
    }
}

#[test]
fn presigning_covers_token_query_and_headers() {
    let headers = [("Host", "h"), ("content-type", "text/plain")];
    let request =
        Request { method: "PUT", path: "/a", query: &[("uploadId", "x/y"), ("partNumber", "1")], headers: &headers };
    let hour = Duration::from_secs(3600);
    let token = credentials().with_session_token("to/ken=");
    let presigned = presign(&request, &token, SCOPE, TIME, hour).unwrap();
    assert!(presigned.query.starts_with("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="));
    assert!(presigned.query.contains("&X-Amz-Security-Token=to%2Fken%3D&X-Amz-SignedHeaders=content-type%3Bhost&"));
    assert!(presigned.query.contains("&partNumber=1&uploadId=x%2Fy&X-Amz-Signature="));
    assert!(presigned.steps.canonical_request.ends_with("\ncontent-type;host\nUNSIGNED-PAYLOAD"));
    assert!(presign(&Request { headers: &[], ..request }, &token, SCOPE, TIME, hour).is_err());
    let twice = Request { query: &[("x-amz-signature", "0")], ..request };
    assert!(presign(&twice, &token, SCOPE, TIME, hour).is_err());
    // S3 has to be told the hash of a body that is covered.
    let body = Payload::Bytes(b"");
    assert!(presign_with_payload(&request, body, &token, SCOPE, TIME, hour).is_err());
    let told = [("host", "h"), ("x-amz-content-sha256", EMPTY_SHA256)];
    assert!(presign_with_payload(&Request { headers: &told, ..request }, body, &token, SCOPE, TIME, hour).is_ok());
}

#[test]
fn forms_name_every_field_of_the_signature() {
    let form = post_policy(
        &PostPolicy::new(TIME).equals("bucket", "b"),
        &credentials().with_session_token("s3cret"),
        SCOPE,
        TIME,
    )
    .unwrap();
    let policy = {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(&form.string_to_sign).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    for (name, value) in &form.fields {
        if !["policy", "x-amz-signature"].contains(name) {
            assert!(policy.contains(&format!("{{\"{name}\":\"{value}\"}}")), "{policy}");
        }
    }
    assert_eq!(form.fields.len(), 6);
    assert_eq!(form.signature, sign_post_policy(&form.string_to_sign, &credentials(), SCOPE, TIME).unwrap().signature);
    assert!(sign_post_policy("{}", &credentials(), SCOPE, TIME).is_err());
}

#[test]
fn debug_hides_signatures_and_tokens() {
    let token = credentials().with_session_token("s3cret");
    let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "shown")] };
    let signed = sign(&request, Payload::Bytes(b"body"), &token, SCOPE, TIME).unwrap();
    let presigned = presign(&request, &token, SCOPE, TIME, MIN_EXPIRY).unwrap();
    let key = SigningKey::derive(&token, TIME, SCOPE);
    for text in [format!("{signed:?}"), format!("{presigned:?}")] {
        for secret in ["s3cret", &*signed.steps.signature, &*presigned.steps.signature] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("shown") && text.contains("redacted"), "{text}");
    }
    let text = format!("{key:?} {:?} {:?}", Payload::Bytes(b"body"), Payload::Unsigned);
    assert!(text.contains("20130524") && text.contains("4 bytes") && !text.contains("wJalr"), "{text}");
}

proptest! {
    #[test]
    fn shuffled_requests_sign_alike(
        mut headers in prop::collection::btree_map("[a-z]{1,6}-h", "[!-~]{0,8}", 0..6)
            .prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle(),
        mut query in prop::collection::vec(("[a-c=&\\-0]{1,2}", "[a-b \\-0]{0,2}"), 0..6).prop_shuffle(),
    ) {
        headers.push(("host".into(), "h".into()));
        fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
        }
        let first = signed(&borrowed(&headers), &borrowed(&query));
        headers.sort();
        query.sort();
        let loud: Vec<_> =
            headers.iter().map(|(n, v)| (n.to_ascii_uppercase(), format!("\t{v}  "))).collect();
        let second = signed(&borrowed(&loud), &borrowed(&query));
        prop_assert_eq!(first.steps.canonical_request, second.steps.canonical_request);
        prop_assert_eq!(first.steps.signature, second.steps.signature);
    }

    #[test]
    fn no_request_panics(
        method in any::<String>(), path in any::<String>(), name in any::<String>(), value in any::<String>(),
    ) {
        let headers = [("host", "h"), (&*name, &*value)];
        let request = Request { method: &method, path: &path, query: &[(&name, &value)], headers: &headers };
        let _ = sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME);
        let request = Request { method: "GET", path: "/", ..request };
        let _ = presign(&request, &credentials(), SCOPE, TIME, MIN_EXPIRY);
    }
}
