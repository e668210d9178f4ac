use super::*;
use proptest::prelude::*;

const TIME: Timestamp = Timestamp::from_unix(1_175_024_202);

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

fn signed(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Signed {
    let request = Request::new("GET", "/b/k").query(query).headers(headers);
    sign(&request, None, &credentials(), TIME).unwrap()
}

/// The third and fourth line of this string to sign are the content type and the date.
#[test]
fn steps_have_neither_a_scope_nor_a_canonical_request() {
    let steps = signed(&[("content-type", "text/plain"), ("date", "D")], &[]).steps;
    assert_eq!(steps.string_to_sign, "GET\n\ntext/plain\nD\n/b/k");
    assert_eq!(
        (steps.scope(), steps.canonical_request_hash(), steps.signed_headers()),
        ("", "", "")
    );
}

#[test]
fn only_sub_resources_are_signed_sorted_and_decoded() {
    let query = [
        ("uploadId", "a/b+c"),
        ("prefix", "p"),
        ("acl", ""),
        ("partNumber", "7"),
        ("response-content-type", "image/svg+xml"),
        ("versionid", "no"),
    ];
    let text = signed(&[("date", "D")], &query).steps.string_to_sign;
    assert_eq!(
        text,
        "GET\n\n\nD\n/b/k?acl&partNumber=7&response-content-type=image/svg+xml&uploadId=a/b+c"
    );
}

#[test]
fn date_is_sent_unless_the_request_has_one() {
    let own = signed(&[], &[]);
    assert_eq!(own.headers[0], ("date", "Tue, 27 Mar 2007 19:36:42 GMT".to_owned()));
    assert_eq!(own.steps.string_to_sign, "GET\n\n\nTue, 27 Mar 2007 19:36:42 GMT\n/b/k");
    let given = signed(&[("Date", "D")], &[]);
    assert_eq!(given.headers.len(), 1);
    assert_eq!(given.steps.string_to_sign, "GET\n\n\nD\n/b/k");
    let amz = signed(&[("Date", "D"), ("X-Amz-Date", "A")], &[]);
    assert_eq!(amz.headers.len(), 1);
    assert_eq!(amz.steps.string_to_sign, "GET\n\n\n\nx-amz-date:A\n/b/k");
}

#[test]
fn amz_headers_are_lowered_sorted_and_joined() {
    let headers = [
        ("Date", "D"),
        ("X-Amz-Meta-B", " 2  2 "),
        ("Content-Type", " text/plain"),
        ("x-amz-meta-b", "1"),
        ("X-AMZ-ACL", "private"),
        ("range", "bytes=0-1"),
        ("content-md5", "m"),
    ];
    assert_eq!(
        signed(&headers, &[]).steps.string_to_sign,
        "GET\nm\ntext/plain\nD\nx-amz-acl:private\nx-amz-meta-b:2  2,1\n/b/k"
    );
}

#[test]
fn a_virtual_host_puts_the_bucket_before_the_path() {
    let request = Request::new("GET", "/").headers(&[("date", "D")]);
    let signed = sign(&request, Some("bucket"), &credentials(), TIME).unwrap();
    assert_eq!(signed.steps.string_to_sign, "GET\n\n\nD\n/bucket/");
}

#[test]
fn the_token_is_signed_as_a_header_wherever_it_is_sent() {
    let token = credentials().with_session_token("to/ken");
    let request = Request::new("GET", "/b/k").query(&[("acl", "")]).headers(&[("x-amz-acl", "a")]);
    let signed = sign(&request, None, &token, TIME).unwrap();
    assert!(
        signed
            .steps
            .string_to_sign
            .ends_with("\nx-amz-acl:a\nx-amz-security-token:to/ken\n/b/k?acl")
    );
    assert!(signed.headers.contains(&("x-amz-security-token", "to/ken".to_owned())));
    let presigned = presign(&request, None, &token, TIME).unwrap();
    assert_eq!(
        presigned.steps.string_to_sign,
        "GET\n\n\n1175024202\nx-amz-acl:a\nx-amz-security-token:to/ken\n/b/k?acl"
    );
    assert!(presigned.query.starts_with(
        "acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175024202&x-amz-security-token=to%2Fken&Signature="
    ));
    let other = request.headers(&[("x-amz-security-token", "other")]);
    assert!(sign(&other, None, &token, TIME).is_err());
    let form = post_policy(&PostPolicy::new(TIME), &token).unwrap();
    assert!(form.fields.contains(&("x-amz-security-token", "to/ken".to_owned())));
    let named = PostPolicy::new(TIME).equals("x-amz-security-token", "to/ken");
    assert_eq!(form.string_to_sign, named.to_base64());
}

#[test]
fn refuses_contradictions() {
    let request = Request::new("GET", "/");
    let refused = |expires| {
        presign(&request, None, &credentials(), Timestamp::from_unix(expires)).unwrap_err()
    };
    assert_eq!(refused(-1), Error::ExpiresBeforeEpoch(Timestamp::from_unix(-1)));
    assert_eq!(
        refused(253_402_300_800),
        Error::Year { time: Timestamp::from_unix(253_402_300_800) }
    );
    assert!(presign(&request, None, &credentials(), Timestamp::from_unix(0)).is_ok());
    let refused = |credentials: &Credentials| sign(&request, None, credentials, TIME).unwrap_err();
    for id in ["", "a:b", "a\nb"] {
        assert_eq!(
            refused(&Credentials::new(id, "s")),
            Error::AccessKey { access_key_id: id.into() }
        );
    }
    assert_eq!(refused(&Credentials::new("a", "")), Error::EmptySecret);
    assert_eq!(refused(&credentials().with_session_token("to\r\nken")), Error::SessionToken);
    assert_eq!(refused(&credentials().with_session_token("")), Error::SessionToken);
    assert_eq!(
        refused(&credentials().with_s3_session_token("t")),
        Error::SessionTokenService { service: "s3".into() }
    );
    let refused = |request: Request<'_>| sign(&request, None, &credentials(), TIME).unwrap_err();
    assert_eq!(refused(Request::new("GET", "key")), Error::Path { path: "key".into(), byte: 0 });
    assert_eq!(
        refused(request.headers(&[("authorization", "x")])),
        Error::ReservedHeader { name: "authorization".into() }
    );
    for name in ["content-md5", "Content-Type", "date", "x-amz-date"] {
        let headers = [(name, "x")];
        assert_eq!(
            refused(request.headers(&headers).without_signing(&[name])),
            Error::RequiredHeader { name: name.to_ascii_lowercase() }
        );
    }
    for bucket in ["", "a\nb", "a/b", "a?b", "\u{e9}"] {
        let error = sign(&request, Some(bucket), &credentials(), TIME).unwrap_err();
        assert_eq!(error, Error::Bucket { bucket: bucket.into() });
        assert_eq!(presign(&request, Some(bucket), &credentials(), TIME).unwrap_err(), error);
    }
    let year = Timestamp::from_unix(253_402_300_800);
    assert_eq!(sign(&request, None, &credentials(), year).unwrap_err(), Error::Year { time: year });
    assert_eq!(sign_post_policy("{}", &credentials()).unwrap_err(), Error::PolicyEncoding);
    assert_eq!(
        post_policy(&PostPolicy::new(year), &credentials()).unwrap_err(),
        Error::Year { time: year }
    );
    let latin = Request::from_target("GET", "/b/k?versionId=%ff").unwrap();
    assert_eq!(refused(latin), Error::QueryEncoding { parameter: "versionId".into() });
}

#[test]
fn a_query_given_as_text_is_signed_decoded_and_sent_unchanged() {
    let request = Request::from_target("GET", "/b/k?uploadId=a%2fb&prefix=x&acl").unwrap();
    let presigned = presign(&request, None, &credentials(), TIME).unwrap();
    assert!(presigned.steps.string_to_sign.ends_with("\n/b/k?acl&uploadId=a/b"));
    assert!(presigned.query.starts_with("uploadId=a%2fb&prefix=x&acl&AWSAccessKeyId="));
}

#[test]
fn debug_hides_signatures_and_tokens() {
    let token = credentials().with_session_token("s3cret");
    let request = Request::new("GET", "/shown");
    let signed = sign(&request, None, &token, TIME).unwrap();
    let presigned = presign(&request, None, &token, TIME).unwrap();
    for text in [format!("{signed:?}"), format!("{presigned:?}")] {
        for secret in [
            "s3cret",
            &*signed.steps.signature,
            &*presigned.steps.signature,
            &*super::super::encode_component(&presigned.steps.signature),
        ] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("shown") && text.contains("redacted"), "{text}");
    }
}

proptest! {
    #[test]
    fn order_and_case_do_not_matter(
        mut query in prop::sample::subsequence(SUB_RESOURCES.to_vec(), 0..6).prop_shuffle(),
        mut headers in prop::sample::subsequence(vec!["x-amz-a", "x-amz-b", "range", "content-type"], 0..4).prop_shuffle(),
    ) {
        let with = |names: &[&'static str]| names.iter().map(|name| (*name, "v")).collect::<Vec<_>>();
        let first = signed(&with(&headers), &with(&query));
        query.sort_unstable();
        headers.sort_unstable();
        let loud: Vec<_> = headers.iter().map(|name| name.to_ascii_uppercase()).collect();
        let loud: Vec<_> = loud.iter().map(|name| (name.as_str(), " v ")).collect();
        prop_assert_eq!(first.steps.string_to_sign, signed(&loud, &with(&query)).steps.string_to_sign);
    }
}
