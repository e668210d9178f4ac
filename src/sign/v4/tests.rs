use super::*;
use proptest::prelude::*;

const TIME: Timestamp = Timestamp::from_unix(1_369_353_600);
const SCOPE: Scope<'static> = Scope { region: "us-east-1", service: "s3" };

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

fn signed(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Signed {
    let request = Request::new("GET", "/key").query(query).headers(headers);
    sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap()
}

fn error(headers: &[(&str, &str)]) -> Error {
    let request = Request::new("GET", "/key").headers(headers);
    sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap_err()
}

#[test]
fn the_order_and_case_of_headers_do_not_matter_and_all_else_does() {
    let base = signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[])
        .steps
        .signature;
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
fn white_space_is_folded_and_repeated_names_are_joined_in_order() {
    let one = signed(&[("host", "h"), ("a", "x  y \t z"), ("b", "1"), ("B", "2")], &[]);
    assert_eq!(
        one.steps.signature,
        signed(&[("b", "1"), ("host", "h"), ("b", "2"), ("a", "x y z")], &[]).steps.signature
    );
    assert!(
        one.steps.canonical_request.contains("\na:x y z\nb:1,2\nhost:h\n"),
        "{}",
        one.steps.canonical_request
    );
    assert_ne!(
        one.steps.signature,
        signed(&[("b", "2"), ("host", "h"), ("b", "1"), ("a", "x y z")], &[]).steps.signature
    );
}

#[test]
fn adds_what_is_missing() {
    let names = |signed: &Signed| signed.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let request = Request::new("GET", "/").headers(&[("host", "h")]);
    let temporary = credentials().with_session_token("token");
    let s3 = sign(&request, Payload::Bytes(b""), &temporary, SCOPE, TIME).unwrap();
    assert_eq!(
        names(&s3),
        ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "authorization"]
    );
    assert!(s3.steps.canonical_request.contains(
        "\nhost:h\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\nx-amz-security-token:token\n"
    ));
    let sts = Scope { service: "sts", ..SCOPE };
    let sts = sign(&request, Payload::Bytes(b"body"), &temporary, sts, TIME).unwrap();
    assert_eq!(names(&sts), ["x-amz-date", "x-amz-security-token", "authorization"]);

    let given = [
        ("host", "h"),
        ("X-Amz-Date", "20130524T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    assert_eq!(names(&signed(&given, &[])), ["authorization"]);
    assert_eq!(signed(&given, &[]).steps.signature, signed(&[("host", "h")], &[]).steps.signature);
}

#[test]
fn refuses_contradictions() {
    assert_eq!(error(&[]), Error::MissingHeader { name: "host" });
    assert_eq!(error(&[("host", " ")]), Error::MissingHeader { name: "host" });
    for (header, refused) in [
        (("x-amz-date", "20130524T000001Z"), Error::ConflictingHeader { name: "x-amz-date" }),
        (("x-amz-date", "20130524t000000z"), Error::ConflictingHeader { name: "x-amz-date" }),
        (
            ("x-amz-content-sha256", EMPTY_SHA256),
            Error::ConflictingHeader { name: "x-amz-content-sha256" },
        ),
        (
            ("x-amz-content-sha256", "unsigned-payload"),
            Error::ConflictingHeader { name: "x-amz-content-sha256" },
        ),
        (
            ("authorization", "AWS4-HMAC-SHA256"),
            Error::ReservedHeader { name: "authorization".into() },
        ),
        (("a", "b\nc"), Error::HeaderValue { name: "a".into() }),
        (("a", "b\u{7f}c"), Error::HeaderValue { name: "a".into() }),
        (("a/b", "c"), Error::HeaderName { name: "a/b".into() }),
        (("Host", "h"), Error::RepeatedHeader { name: "host".into() }),
    ] {
        assert_eq!(error(&[("host", "h"), header]), refused);
    }
    let key = SigningKey::derive(&credentials(), TIME, SCOPE).unwrap();
    let tomorrow = TIME.plus(Duration::from_secs(86_400));
    let request = Request::new("GET", "/").headers(&[("host", "h")]);
    assert_eq!(
        key.sign(&request, Payload::Unsigned, tomorrow).unwrap_err(),
        Error::SigningKeyDay { time: tomorrow }
    );
}

#[test]
fn keys_are_only_derived_from_values_that_can_be_sent() {
    let derive = |credentials: &Credentials, region, service, time| {
        SigningKey::derive(credentials, time, Scope { region, service }).map(|key| key.scope)
    };
    assert_eq!(derive(&credentials(), "r", "s3", TIME).unwrap(), "20130524/r/s3/aws4_request");
    // Some servers issue access keys that contain a slash.
    assert!(derive(&Credentials::new("a/b", "s"), "r", "s3", TIME).is_ok());
    for id in ["", "a,b", "a b", "a\n", "\u{e9}"] {
        let error = derive(&Credentials::new(id, "s"), "r", "s3", TIME).unwrap_err();
        assert_eq!(error, Error::AccessKey { access_key_id: id.into() });
    }
    assert_eq!(derive(&Credentials::new("a", ""), "r", "s3", TIME), Err(Error::EmptySecret));
    for token in ["", " ", "to\r\nken", "\u{7f}"] {
        assert_eq!(
            derive(&credentials().with_session_token(token), "r", "s3", TIME),
            Err(Error::SessionToken)
        );
    }
    for region in ["", "r\n", "a/b", "a,b", "a b", "\u{e9}"] {
        assert_eq!(
            derive(&credentials(), region, "s3", TIME),
            Err(Error::Region { region: region.into() })
        );
    }
    for service in ["", "s3,x", "s/3", "s 3"] {
        assert_eq!(
            derive(&credentials(), "r", service, TIME),
            Err(Error::Service { service: service.into() })
        );
    }
    for (seconds, good) in [
        (-62_167_219_201, false),
        (-62_167_219_200, true),
        (253_402_300_799, true),
        (253_402_300_800, false),
    ] {
        assert_eq!(
            derive(&credentials(), "r", "s3", Timestamp::from_unix(seconds)).is_ok(),
            good,
            "{seconds}"
        );
    }
    let express = credentials().with_s3_session_token("t");
    assert!(derive(&express, "r", "s3express", TIME).is_ok());
    assert_eq!(
        derive(&express, "r", "s3", TIME),
        Err(Error::SessionTokenService { service: "s3".into() })
    );
}

/// S3 Express, Outposts and Object Lambda follow the rules of S3; S3 Tables and Vectors do not.
#[test]
fn the_services_of_s3_send_the_hash_and_do_not_normalize_the_path() {
    let request = Request::new("GET", "/a//%20/..").headers(&[("host", "h")]);
    for (service, is_s3) in [
        ("s3", true),
        ("s3express", true),
        ("s3-outposts", true),
        ("s3-object-lambda", true),
        ("s3tables", false),
        ("s3vectors", false),
        ("sts", false),
        ("execute-api", false),
        ("S3", false),
    ] {
        let signed =
            sign(&request, Payload::Unsigned, &credentials(), Scope { service, ..SCOPE }, TIME)
                .unwrap();
        assert_eq!(
            signed.headers.iter().any(|(name, _)| *name == "x-amz-content-sha256"),
            is_s3,
            "{service}"
        );
        let path = if is_s3 { "/a//%20/.." } else { "/a/" };
        assert_eq!(signed.steps.canonical_request.lines().nth(1), Some(path), "{service}");
    }
}

#[test]
fn a_plus_sign_in_a_path_of_s3_is_refused() {
    let request = Request::new("GET", "/a%2B+b").headers(&[("host", "h")]);
    let refused = Error::AmbiguousPlus { path: "/a%2B+b".into(), byte: 5 };
    let (unsigned, own) = (Payload::Unsigned, credentials());
    assert_eq!(sign(&request, unsigned, &own, SCOPE, TIME).unwrap_err(), refused);
    assert_eq!(presign(&request, unsigned, &own, SCOPE, TIME, MIN_EXPIRY).unwrap_err(), refused);
    let other = Scope { service: "execute-api", ..SCOPE };
    let signed = sign(&request, unsigned, &own, other, TIME).unwrap();
    assert_eq!(signed.steps.canonical_request.lines().nth(1), Some("/a%252B%2Bb"));
    let as_sent = request.path_rule(PathRule::AsSent);
    let signed = sign(&as_sent, unsigned, &own, SCOPE, TIME).unwrap();
    assert_eq!(signed.steps.canonical_request.lines().nth(1), Some("/a%2B+b"));
}

#[test]
fn the_session_token_of_s3_express_has_its_own_header() {
    let scope = Scope { service: "s3express", ..SCOPE };
    let express = credentials().with_s3_session_token("to/ken");
    let request = Request::new("GET", "/").headers(&[("host", "h")]);
    let signed = sign(&request, Payload::Unsigned, &express, scope, TIME).unwrap();
    assert!(signed.headers.contains(&("x-amz-s3session-token", "to/ken".to_owned())));
    assert_eq!(
        signed.steps.signed_headers(),
        "host;x-amz-content-sha256;x-amz-date;x-amz-s3session-token"
    );
    assert_eq!(signed.steps.scope(), "20130524/us-east-1/s3express/aws4_request");
    let presigned =
        presign(&request, Payload::Unsigned, &express, scope, TIME, MIN_EXPIRY).unwrap();
    assert!(
        presigned
            .query
            .contains("&X-Amz-S3session-Token=to%2Fken&X-Amz-SignedHeaders=host&X-Amz-Signature=")
    );
}

#[test]
fn headers_can_be_excluded_unless_servers_require_them() {
    let headers =
        [("host", "h"), ("User-Agent", "u"), ("x-amz-acl", "private"), ("content-type", "t")];
    let request = Request::new("GET", "/").headers(&headers);
    let sign =
        |request: &Request<'_>| sign(request, Payload::Unsigned, &credentials(), SCOPE, TIME);
    let signed = sign(&request.without_signing(&["user-agent"])).unwrap();
    assert_eq!(
        signed.steps.signed_headers(),
        "content-type;host;x-amz-acl;x-amz-content-sha256;x-amz-date"
    );
    for name in ["host", "X-Amz-ACL", "Content-Type"] {
        let error = sign(&request.without_signing(&[name])).unwrap_err();
        assert_eq!(error, Error::RequiredHeader { name: name.to_ascii_lowercase() });
    }
}

#[test]
fn steps_name_their_parts() {
    let steps = signed(&[("host", "h"), ("range", "bytes=0-9")], &[]).steps;
    assert_eq!(steps.signed_headers(), "host;range;x-amz-content-sha256;x-amz-date");
    assert_eq!(steps.scope(), "20130524/us-east-1/s3/aws4_request");
    assert_eq!(
        steps.canonical_request_hash(),
        hex::encode(sha256(steps.canonical_request.as_bytes()))
    );
    let text = &steps.string_to_sign;
    assert_eq!(text.capacity(), text.len(), "its memory is reserved at once");
}

#[test]
fn redacted_steps_keep_everything_except_secrets() {
    let token = credentials().with_session_token("s3cret");
    let request = Request::new("GET", "/k").headers(&[("host", "h")]);
    let steps = sign(&request, Payload::Unsigned, &token, SCOPE, TIME).unwrap().steps;
    let (canonical_request, string_to_sign) = steps.redacted();
    assert!(steps.canonical_request.contains("s3cret") && !canonical_request.contains("s3cret"));
    assert!(canonical_request.starts_with("GET\n/k\n\nhost:h\n"), "{canonical_request}");
    assert_eq!(string_to_sign, steps.string_to_sign);
}

#[test]
fn a_signing_key_signs_like_the_functions_for_a_single_request() {
    let token = credentials().with_session_token("token");
    let key = SigningKey::derive(&token, TIME, SCOPE).unwrap();
    let request = Request::new("PUT", "/k").query(&[("partNumber", "1")]).headers(&[("host", "h")]);
    let once = sign(&request, Payload::Bytes(b"x"), &token, SCOPE, TIME).unwrap();
    let kept = key.sign(&request, Payload::Bytes(b"x"), TIME).unwrap();
    assert_eq!((once.headers, once.steps.signature), (kept.headers, kept.steps.signature));
    let once = presign(&request, Payload::Unsigned, &token, SCOPE, TIME, MAX_EXPIRY).unwrap();
    assert_eq!(
        once.query,
        key.presign(&request, Payload::Unsigned, TIME, MAX_EXPIRY).unwrap().query
    );
    let policy = PostPolicy::new(TIME).equals("bucket", "b");
    let once = post_policy(&policy, &token, SCOPE, TIME).unwrap();
    assert_eq!(once.fields, key.post_policy(&policy, TIME).unwrap().fields);
}

#[test]
fn a_signing_key_matches_only_its_credentials_day_and_scope() {
    let key = SigningKey::derive(&credentials(), TIME, SCOPE).unwrap();
    assert!(key.is_for(&credentials(), TIME.plus(Duration::from_secs(86_399)), SCOPE));
    assert!(!key.is_for(&credentials(), TIME.plus(Duration::from_secs(86_400)), SCOPE));
    assert!(
        !key.is_for(&credentials().with_session_token("new"), TIME, SCOPE),
        "the key holds the token"
    );
    assert!(!key.is_for(&credentials(), TIME, Scope { region: "us-east-2", ..SCOPE }));
    assert!(!key.is_for(&credentials(), TIME, Scope { service: "sts", ..SCOPE }));
    assert!(!key.is_for(&Credentials::new("AKIAIOSFODNN7EXAMPLE", "other"), TIME, SCOPE));
    assert!(!key.is_for(
        &Credentials::new("other", credentials().secret_access_key()),
        TIME,
        SCOPE
    ));
}

#[test]
fn presigned_urls_are_valid_for_one_second_to_seven_days() {
    let request = Request::new("GET", "/").headers(&[("host", "h")]);
    let presign =
        |expires| presign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME, expires);
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
    let request = Request::new("PUT", "/a")
        .query(&[("uploadId", "x/y"), ("partNumber", "1")])
        .headers(&headers);
    let hour = Duration::from_secs(3600);
    let token = credentials().with_session_token("to/ken=");
    let presigned = presign(&request, Payload::Unsigned, &token, SCOPE, TIME, hour).unwrap();
    assert!(presigned.query.starts_with("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="));
    assert!(
        presigned
            .query
            .contains("&X-Amz-Security-Token=to%2Fken%3D&X-Amz-SignedHeaders=content-type%3Bhost&")
    );
    assert!(presigned.query.contains("&partNumber=1&uploadId=x%2Fy&X-Amz-Signature="));
    assert!(presigned.steps.canonical_request.ends_with("\ncontent-type;host\nUNSIGNED-PAYLOAD"));
    let refused = |request: Request<'_>, payload| {
        presign(&request, payload, &token, SCOPE, TIME, hour).unwrap_err()
    };
    assert_eq!(
        refused(request.headers(&[]), Payload::Unsigned),
        Error::MissingHeader { name: "host" }
    );
    for name in ["x-amz-signature", "X-Amz-Expires", "X-AMZ-DATE", "Signature"] {
        assert_eq!(
            refused(request.query(&[(name, "0")]), Payload::Unsigned),
            Error::ReservedParameter { name: name.into() }
        );
    }
    for name in ["x-amz-security-token", "X-Amz-S3session-Token"] {
        assert_eq!(
            refused(request.headers(&[("host", "h"), (name, "token")]), Payload::Unsigned),
            Error::ReservedHeader { name: name.to_ascii_lowercase() }
        );
    }
    // If the signature covers the body, its hash has to be sent, and no other hash.
    let body = Payload::Bytes(b"");
    assert_eq!(refused(request, body), Error::MissingHeader { name: "x-amz-content-sha256" });
    let hashed = [("host", "h"), ("x-amz-content-sha256", EMPTY_SHA256)];
    assert!(presign(&request.headers(&hashed), body, &token, SCOPE, TIME, hour).is_ok());
    assert_eq!(
        refused(request.headers(&hashed), Payload::Unsigned),
        Error::ConflictingHeader { name: "x-amz-content-sha256" }
    );
    let dated = [("host", "h"), ("x-amz-date", "20130524T000001Z")];
    assert_eq!(
        refused(request.headers(&dated), Payload::Unsigned),
        Error::ConflictingHeader { name: "x-amz-date" }
    );
}

#[test]
fn policies_have_a_condition_for_every_field_of_the_signature() {
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
    assert_eq!(
        form.signature,
        sign_post_policy(&form.string_to_sign, &credentials(), SCOPE, TIME).unwrap().signature
    );
    assert!(sign_post_policy("{}", &credentials(), SCOPE, TIME).is_err());
}

#[test]
fn debug_hides_signatures_and_tokens() {
    let token = credentials().with_session_token("s3cret");
    let request = Request::new("GET", "/").headers(&[("host", "shown")]);
    let signed = sign(&request, Payload::Bytes(b"body"), &token, SCOPE, TIME).unwrap();
    let presigned = presign(&request, Payload::Unsigned, &token, SCOPE, TIME, MIN_EXPIRY).unwrap();
    let key = SigningKey::derive(&token, TIME, SCOPE).unwrap();
    for text in [format!("{signed:?}"), format!("{presigned:?}")] {
        for secret in ["s3cret", &*signed.steps.signature, &*presigned.steps.signature] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("shown") && text.contains("redacted"), "{text}");
    }
    let text = format!("{key:?} {:?} {:?}", Payload::Bytes(b"body"), Payload::Unsigned);
    assert!(
        text.contains("20130524") && text.contains("4 bytes") && !text.contains("wJalr"),
        "{text}"
    );
}

/// Compares requests that already have the headers, requests with a session token, and requests to
/// another service.
#[test]
fn authorize_returns_the_headers_and_the_signature_of_sign() {
    let token = credentials().with_session_token("s3cret-token");
    let given = [("host", "h"), ("x-amz-date", "20130524T000000Z"), ("range", "bytes=0-9")];
    let query = [("uploadId", "a/b"), ("partNumber", "1")];
    for credentials in [credentials(), token] {
        for service in ["s3", "sts"] {
            let key = SigningKey::derive(&credentials, TIME, Scope { service, ..SCOPE }).unwrap();
            for headers in [&given[..], &given[..1]] {
                let request = Request::new("PUT", "/b/k").query(&query).headers(headers);
                for payload in [Payload::Unsigned, Payload::Bytes(b"body"), Payload::Bytes(b"")] {
                    let signed = key.sign(&request, payload, TIME).unwrap();
                    let lean = key.authorize(&request, payload, TIME).unwrap();
                    assert_eq!(lean.signature(), signed.steps.signature);
                    let mut sent: Vec<_> = lean.headers().collect();
                    let mut wanted: Vec<_> =
                        signed.headers.iter().map(|(name, value)| (*name, &**value)).collect();
                    sent.sort_unstable();
                    wanted.sort_unstable();
                    assert_eq!(sent, wanted);
                    let shown = format!("{lean:?}");
                    assert!(shown.contains("authorization"), "{shown}");
                    assert!(
                        !shown.contains("s3cret") && !shown.contains(lean.signature()),
                        "{shown}"
                    );
                }
            }
        }
    }
    let key = SigningKey::derive(&credentials(), TIME, SCOPE).unwrap();
    let request = Request::new("GET", "/");
    assert_eq!(
        key.authorize(&request, Payload::Unsigned, TIME).unwrap_err(),
        key.sign(&request, Payload::Unsigned, TIME).unwrap_err()
    );
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
        let pairs = [(&*name, &*value)];
        let request = Request::new(&method, &path).query(&pairs).headers(&headers);
        let _ = sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME);
        let _ = Request::from_url(&method, &path).map(|request| sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME));
        let request = Request::new("GET", "/").query(&pairs).headers(&headers);
        let _ = presign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME, MIN_EXPIRY);
    }
}
