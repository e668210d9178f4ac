//! Tests of the explanations of signatures, and of their differences from a server's signature.
use s3driver::sign::explain::{Cause, Comparison, Explanation, ServerSide, SignedText, compare};
use s3driver::sign::{Credentials, PathRule, Request, Signed, v2, v4};
use s3driver::time::Timestamp;
use std::time::Duration;

const TIME: Timestamp = Timestamp::from_unix(1_369_353_600);
const MINUTE: Duration = Duration::from_secs(60);
const SCOPE: v4::Scope<'static> = v4::Scope { region: "us-east-1", service: "s3" };
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "T0KEN/of+a=session";

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET).with_session_token(TOKEN)
}

const REQUEST: Request<'static> = Request::new("PUT", "/bucket/a%20b//c")
    .query(&[("partNumber", "7"), ("uploadId", "x y")])
    .headers(&[
        ("host", "storage.example:9000"),
        ("content-type", "text/plain"),
        ("x-amz-meta-note", "one two"),
    ]);

fn signed() -> Signed {
    v4::sign(&REQUEST, v4::Payload::Bytes(b"body"), &credentials(), SCOPE, TIME).unwrap()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn prints_numbered_and_named_lines() {
    let text = signed().explain().to_string();
    let expected = "\
Task 1: canonical request
  1  HTTPMethod           PUT
  2  CanonicalURI         /bucket/a%20b//c
  3  CanonicalQueryString partNumber=7&uploadId=x%20y
  4  CanonicalHeaders     content-type:text/plain
  5  CanonicalHeaders     host:storage.example:9000
  6  CanonicalHeaders     x-amz-content-sha256:230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5
  7  CanonicalHeaders     x-amz-date:20130524T000000Z
  8  CanonicalHeaders     x-amz-meta-note:one two
  9  CanonicalHeaders     x-amz-security-token:<redacted>
 10  end of the headers   
 11  SignedHeaders        content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-note;x-amz-security-token
 12  HashedPayload        230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5
Task 2: string to sign
  1  algorithm            AWS4-HMAC-SHA256
  2  time                 20130524T000000Z
  3  scope                20130524/us-east-1/s3/aws4_request
  4  hash of task 1       ";
    assert!(text.starts_with(expected), "{text}");
    for line in [
        "DateKey              = HMAC-SHA256(\"AWS4\" + secret access key, \"20130524\")",
        "DateRegionKey        = HMAC-SHA256(DateKey, \"us-east-1\")",
        "DateRegionServiceKey = HMAC-SHA256(DateRegionKey, \"s3\")",
        "SigningKey           = HMAC-SHA256(DateRegionServiceKey, \"aws4_request\")",
        &format!("begins with {}\n", &signed().steps.signature[..8]),
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn version_2_has_its_own_names() {
    let signed = v2::sign(&REQUEST, None, &credentials(), TIME).unwrap();
    let text = signed.explain().to_string();
    let expected = "\
Step 1: string to sign
  1  HTTP-Verb            PUT
  2  Content-MD5          
  3  Content-Type         text/plain
  4  Date or Expires      Fri, 24 May 2013 00:00:00 GMT
  5  amz header           x-amz-meta-note:one two
  6  amz header           x-amz-security-token:<redacted>
  7  resource             /bucket/a%20b//c?partNumber=7&uploadId=x y
Step 2: signature
";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn control_characters_are_escaped_everywhere() {
    let nasty = "a\rb\u{1b}[31m\na\rb\na\u{202e}\r/b\r/c\r/d\r\na\r";
    for explanation in [
        Explanation::v4(nasty, nasty, "\r\r\r\r\r\r\r\r"),
        Explanation::v2(nasty, "\r\r\r\r\r\r\r\r"),
    ] {
        let text = explanation.to_string();
        assert!(!text.contains(['\r', '\u{1b}', '\u{202e}']) && text.contains("\\r"), "{text}");
    }
}

#[test]
fn no_secret_is_printed() {
    let hour = Duration::from_secs(3600);
    let presigned =
        v4::presign(&REQUEST, v4::Payload::Unsigned, &credentials(), SCOPE, TIME, hour).unwrap();
    let old = v2::presign(&REQUEST, None, &credentials(), TIME).unwrap();
    let (new, older) = (signed(), v2::sign(&REQUEST, None, &credentials(), TIME).unwrap());
    for (explanation, signature) in [
        (new.explain(), &new.steps.signature),
        (presigned.explain(), &presigned.steps.signature),
        (older.explain(), &older.steps.signature),
        (old.explain(), &old.steps.signature),
    ] {
        assert_eq!(format!("{explanation:?}"), format!("Explanation(\n{explanation})"));
        // The token is not printed even if a server repeats it in the wrong place.
        let repeats = format!("PUT\n/{TOKEN}");
        let server = ServerSide {
            canonical_request: Some(&repeats),
            string_to_sign: Some(&repeats),
            ..ServerSide::default()
        };
        for text in [
            explanation.to_string(),
            format!("{explanation:?}"),
            format!("{:?}", compare(&explanation, &server)),
            compare(&explanation, &server).to_string(),
            format!("{server:?}"),
        ] {
            assert!(text.len() > 20, "{text}");
            for secret in [SECRET, TOKEN, "T0KEN%2Fof", signature] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

/// Compares with a server that sends its canonical request, as text or as bytes.
fn against(canonical_request: &str) -> Comparison {
    let signed = signed();
    let server = ServerSide { canonical_request: Some(canonical_request), ..ServerSide::default() };
    let by_text = compare(&signed.explain(), &server);
    let bytes = hex(canonical_request);
    let server = ServerSide {
        canonical_request: Some("suffered"),
        canonical_request_bytes: Some(&bytes),
        ..ServerSide::default()
    };
    assert_eq!(compare(&signed.explain(), &server), by_text);
    by_text
}

#[test]
fn names_the_cause_line_and_byte() {
    let ours = signed().steps.canonical_request;
    let swap = |from: &str, to: &str| {
        assert!(ours.contains(from), "{from}");
        ours.replacen(from, to, 1)
    };
    for (theirs, cause, line, byte) in [
        (swap("PUT", "GET"), Cause::MethodChanged, 1, 1),
        (swap("a%20b", "a%2520b"), Cause::EncodedTwice, 2, 12),
        (swap("a%20b", "a+b"), Cause::EncodedOtherwise, 2, 10),
        (swap("b//c", "b/c"), Cause::PathNormalised, 2, 15),
        (swap("/bucket/", "/"), Cause::PathPrefix, 2, 2),
        (swap("/bucket/", "/other/"), Cause::PathChanged, 2, 2),
        (swap("x%20y", "x%2520y"), Cause::EncodedTwice, 3, 26),
        (swap("x%20y", "x+y"), Cause::EncodedOtherwise, 3, 24),
        (swap("uploadId=x%20y", "uploadId=z"), Cause::ParameterChanged, 3, 23),
        (swap("partNumber=7&", ""), Cause::ParameterRemoved, 3, 1),
        (swap("partNumber=7&", "partNumber=7&proxy=1&"), Cause::ParameterAdded, 3, 14),
        (
            swap("partNumber=7&uploadId=x%20y", "uploadId=x%20y&partNumber=7"),
            Cause::ParametersReordered,
            3,
            1,
        ),
        (swap("uploadId=", "upload%49d="), Cause::EncodedOtherwise, 3, 20),
        (swap("partNumber=7&", "other=1&third=2&"), Cause::ParameterAdded, 3, 1),
        (swap("partNumber=7&uploadId=x%20y", "other=1"), Cause::ParameterRemoved, 3, 1),
        (swap("partNumber=7", "other=7"), Cause::ParameterChanged, 3, 1),
        (swap("host:storage.example:9000", "host:storage.example"), Cause::HostRewritten, 5, 21),
        (
            swap(
                "content-type:text/plain\nhost:storage.example:9000\n",
                "host:storage.example:9000\ncontent-type:text/plain\n",
            ),
            Cause::HeadersReordered,
            4,
            1,
        ),
        (swap("host:", "forwarded:for=10.0.0.1\nhost:"), Cause::HeaderAdded, 5, 1),
        (swap("x-amz-meta-note:one two\n", ""), Cause::HeaderRemoved, 8, 7),
        (swap("x-amz-meta-note:one two\n", "x-amz-meta-note:\n"), Cause::HeaderRemoved, 8, 17),
        (swap("one two", "one  two"), Cause::HeaderSpaces, 8, 21),
        (swap("one two", "one three"), Cause::HeaderChanged, 8, 22),
        (swap("x-amz-date:20130524T000000Z", "x-amz-date:20130524T001500Z"), Cause::Clock, 7, 23),
        (swap(TOKEN, "another"), Cause::TokenChanged, 9, 22),
        (swap("content-sha256:230d", "content-sha256:0000"), Cause::PayloadChanged, 6, 22),
        (swap("\n230d", "\n0000"), Cause::PayloadChanged, 12, 1),
        (swap("content-type;host", "host;content-type"), Cause::HeadersReordered, 11, 1),
    ] {
        let found = against(&theirs);
        let difference = found.difference().unwrap();
        assert_eq!(
            (found.cause(), difference.text, difference.line, difference.byte),
            (cause, SignedText::CanonicalRequest, line, byte),
            "{found}"
        );
        let text = found.to_string();
        let place = format!(
            "the canonical request differs from the server's in line {line} at byte {byte}: "
        );
        assert!(text.starts_with(&place) && cause.to_string().len() > 20, "{text}");
        assert!(
            text.ends_with(&cause.to_string()) && !text.contains('\n') && !text.contains(TOKEN),
            "{text}"
        );
    }
}

#[test]
fn recognizes_a_normalized_path() {
    for (ours, theirs, cause) in [
        ("/bucket/a/../c", "/bucket/c", Cause::PathNormalised),
        ("/bucket/c", "/bucket/a/../c", Cause::PathNormalised),
        ("/bucket/./c", "/bucket/c", Cause::PathNormalised),
        ("/bucket/a//", "/bucket/a/", Cause::PathNormalised),
        ("/bucket/a/b/..", "/bucket/a/", Cause::PathNormalised),
        ("/bucket/..", "/", Cause::PathNormalised),
        ("/bucket/a/../c", "/bucket/a/c", Cause::PathChanged),
        ("/bucket/a//", "/bucket/a", Cause::PathChanged),
    ] {
        let request = Request::new("PUT", ours).headers(&[("host", "h")]);
        let signed =
            v4::sign(&request, v4::Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap();
        let text = signed.steps.canonical_request.replacen(
            &format!("\n{ours}\n"),
            &format!("\n{theirs}\n"),
            1,
        );
        let server = ServerSide { canonical_request: Some(&text), ..ServerSide::default() };
        assert_eq!(compare(&signed.explain(), &server).cause(), cause, "{ours} {theirs}");
    }
}

#[test]
fn shows_both_sides_around_the_place() {
    let ours = signed().steps.canonical_request;
    for (from, to, our_line, their_line) in [
        ("PUT", "GET", "PUT", "GET"),
        (
            "storage.example:9000",
            "storage.example",
            "host:storage.example:9000",
            "host:storage.example",
        ),
        (TOKEN, "another", "x-amz-security-token:<redacted>", "x-amz-security-token:<redacted>"),
        // A token that is a whole value is not shown either.
        ("one two", TOKEN, "x-amz-meta-note:one two", "<redacted>"),
    ] {
        let found = against(&ours.replacen(from, to, 1));
        let difference = found.difference().unwrap();
        assert_eq!((&*difference.ours, &*difference.theirs), (our_line, their_line));
    }
    // 40 characters before the place and 80 from there on.
    let noted = |note: &str| {
        let headers = [("host", "h"), ("x-amz-meta-note", note)];
        let request = Request::new("GET", "/").headers(&headers);
        let scope = v4::Scope { region: "us-east-1", service: "s3" };
        v4::sign(
            &request,
            v4::Payload::Unsigned,
            &Credentials::new("AKIDEXAMPLE", SECRET),
            scope,
            TIME,
        )
        .unwrap()
    };
    let name = "x-amz-meta-note:";
    let digits = |from: usize, to: usize| {
        (from..to).map(|at| char::from(b'0' + (at % 10) as u8)).collect::<String>()
    };
    for (place, length, our_line) in [
        (10, 30, format!("{name}{}", digits(0, 30))),
        (24, 104, format!("{name}{}", digits(0, 104))),
        (24, 105, format!("{name}{}...", digits(0, 104))),
        (25, 105, format!("...{}{}", &name[1..], digits(0, 105))),
        (200, 280, format!("...{}", digits(160, 280))),
        (200, 281, format!("...{}...", digits(160, 280))),
    ] {
        let note = digits(0, length);
        let theirs = format!("{}#{}", &note[..place], &note[place + 1..]);
        let (signed, theirs) = (noted(&note), noted(&theirs).steps.canonical_request);
        let server = ServerSide { canonical_request: Some(&theirs), ..ServerSide::default() };
        let found = compare(&signed.explain(), &server);
        let difference = found.difference().unwrap();
        assert_eq!((difference.byte, &*difference.ours), (name.len() + place + 1, &*our_line));
        let at = if our_line.starts_with("...") { "...".len() + 40 } else { name.len() + place };
        assert_eq!(difference.theirs, format!("{}#{}", &our_line[..at], &our_line[at + 1..]));
    }
}

#[test]
fn malformed_bytes_are_ignored() {
    let (signed, text) = (signed(), signed().steps.canonical_request.replacen(":9000", "", 1));
    for bytes in ["", "  ", "not hex", "4"] {
        let server = ServerSide {
            canonical_request: Some(&text),
            canonical_request_bytes: Some(bytes),
            ..ServerSide::default()
        };
        assert_eq!(compare(&signed.explain(), &server).cause(), Cause::HostRewritten, "{bytes:?}");
    }
}

#[test]
fn names_the_cause_in_the_string_to_sign() {
    let signed = signed();
    let of = |string_to_sign: &str| {
        let server = ServerSide {
            canonical_request: Some(&signed.steps.canonical_request),
            string_to_sign: Some(string_to_sign),
            ..ServerSide::default()
        };
        compare(&signed.explain(), &server)
    };
    let ours = &signed.steps.string_to_sign;
    assert_eq!(of(ours).cause(), Cause::WrongSecret);
    assert_eq!(of(ours).difference(), None);
    assert_eq!(
        of(&ours.replace('\n', "\r\n")).cause(),
        Cause::WrongSecret,
        "line breaks are changed by XML, not by the signer"
    );
    for (from, to, cause, line) in [
        ("AWS4-HMAC-SHA256", "AWS", Cause::WrongCredential, 1),
        ("20130524T000000Z", "20130524T000001Z", Cause::Clock, 2),
        ("20130524/", "20130523/", Cause::Clock, 3),
        ("us-east-1", "eu-central-1", Cause::WrongRegion, 3),
        ("/s3/", "/sts/", Cause::WrongService, 3),
    ] {
        let found = of(&ours.replacen(from, to, 1));
        assert_eq!((found.cause(), found.difference().unwrap().line), (cause, line), "{found}");
    }
    let (start, _) = ours.rsplit_once('\n').unwrap();
    assert_eq!(of(&format!("{start}\n0000")).cause(), Cause::CanonicalRequestDiffers);
    assert_eq!(compare(&signed.explain(), &ServerSide::default()).cause(), Cause::NotShown);
}

#[test]
fn names_the_cause_for_version_2() {
    let signed = v2::sign(&REQUEST, None, &credentials(), TIME).unwrap();
    let ours = &signed.steps.string_to_sign;
    let of = |theirs: &str| {
        compare(
            &signed.explain(),
            &ServerSide { string_to_sign: Some(theirs), ..ServerSide::default() },
        )
        .cause()
    };
    assert_eq!(of(ours), Cause::WrongSecret);
    for (from, to, cause) in [
        ("PUT", "POST", Cause::MethodChanged),
        ("PUT", "AWS4-HMAC-SHA256", Cause::WrongCredential),
        ("text/plain", "", Cause::HeaderRemoved),
        ("text/plain", "text/html", Cause::HeaderChanged),
        ("PUT\n\n", "PUT\nmd5\n", Cause::HeaderAdded),
        ("00:00:00", "00:15:00", Cause::Clock),
        ("x-amz-meta-note:", "x-amz-meta-extra:1\nx-amz-meta-note:", Cause::HeaderAdded),
        ("x-amz-meta-note:one two\n", "", Cause::HeaderRemoved),
        ("\n/bucket", "\nx-amz-tagging-count:1\n/bucket", Cause::HeaderAdded),
        ("/bucket", "", Cause::PathPrefix),
        ("a%20b", "a%2520b", Cause::EncodedTwice),
        ("partNumber=7&", "", Cause::ParameterRemoved),
        ("uploadId=x y", "uploadId=x%20y", Cause::EncodedOtherwise),
    ] {
        assert!(ours.contains(from));
        assert_eq!(of(&ours.replacen(from, to, 1)), cause, "{from} {to}");
    }
}

#[test]
fn presigned_parameters_are_distinguished() {
    let presigned = v4::presign(
        &REQUEST,
        v4::Payload::Unsigned,
        &credentials(),
        SCOPE,
        TIME,
        Duration::from_secs(60),
    )
    .unwrap();
    let of = |from: &str, to: &str| {
        assert!(presigned.steps.canonical_request.contains(from), "{from}");
        let theirs = presigned.steps.canonical_request.replacen(from, to, 1);
        let server = ServerSide { canonical_request: Some(&theirs), ..ServerSide::default() };
        compare(&presigned.explain(), &server).cause()
    };
    assert_eq!(of("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524T000001Z"), Cause::Clock);
    assert_eq!(of("X-Amz-Security-Token=T0KEN", "X-Amz-Security-Token=OTHER"), Cause::TokenChanged);
    assert_eq!(of("us-east-1", "eu-west-1"), Cause::WrongCredential);
    assert_eq!(of("X-Amz-Expires=60", "X-Amz-Expires=61"), Cause::ParameterChanged);
}

#[test]
fn accepts_any_response_of_a_server() {
    let signed = signed();
    let long = "x".repeat(1 << 20);
    for theirs in [
        "",
        "\n",
        "\0\u{1b}[31m",
        "\u{202e}",
        "GET",
        &"\n".repeat(100_000),
        &long,
        "%",
        "PUT\n/%\n%=%&&==\n::\n",
    ] {
        for bytes in [None, Some("zz"), Some("4"), Some("ff fe"), Some("")] {
            let server = ServerSide {
                canonical_request: Some(theirs),
                canonical_request_bytes: bytes,
                string_to_sign: Some(theirs),
                string_to_sign_bytes: bytes,
            };
            let text = compare(&signed.explain(), &server).to_string();
            assert!(
                text.len() < 1000 && !text.contains(['\n', '\0', '\u{1b}', '\u{202e}']),
                "{text}"
            );
        }
    }
}

/// A request as sent names its version, region, service and time; an unsigned one is signed with
/// the server's values.
#[test]
fn diagnoses_requests_and_urls() {
    use s3driver::sign::explain::{Diagnosis, diagnose, scope_of_host};
    use s3driver::sign::verify::Content;
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET);
    let scope = v4::Scope { region: "ap-south-2", service: "s3" };
    let later = TIME.plus(Duration::from_secs(40 * 86_400));
    let ask = |request: &Request<'_>, server: &ServerSide<'_>| -> Diagnosis {
        diagnose(request, Content::Bytes(b""), &credentials, None, server, later).unwrap()
    };
    let steps_of = |diagnosis: &Diagnosis| diagnosis.steps.clone().unwrap();
    let nothing = ServerSide::default();
    let host = [("host", "h")];
    let plain = Request::new("GET", "/k").headers(&host);

    // A request to another service is verified by the rules of that service.
    let sts = v4::Scope { region: "us-east-1", service: "sts" };
    let signed = v4::sign(&plain, v4::Payload::Bytes(b""), &credentials, sts, TIME).unwrap();
    let sent: Vec<_> = host
        .iter()
        .copied()
        .chain(signed.headers.iter().map(|(name, value)| (*name, value.as_str())))
        .collect();
    let diagnosis = ask(&Request::new("GET", "/k").headers(&sent), &nothing);
    assert_eq!(diagnosis.signature_sent, Some(true));

    // A header of version 4.
    let signed = v4::sign(&plain, v4::Payload::Bytes(b""), &credentials, scope, TIME).unwrap();
    let sent: Vec<_> = host
        .iter()
        .copied()
        .chain(signed.headers.iter().map(|(name, value)| (*name, value.as_str())))
        .collect();
    let request = Request::new("GET", "/k").headers(&sent);
    let diagnosis = ask(&request, &nothing);
    assert_eq!(
        (diagnosis.signature_sent, &steps_of(&diagnosis).string_to_sign),
        (Some(true), &signed.steps.string_to_sign)
    );
    assert!(diagnosis.comparison.is_none());
    let theirs = signed.steps.canonical_request.replace("host:h", "host:proxy");
    let server = ServerSide { canonical_request: Some(&theirs), ..nothing };
    let diagnosis = ask(&request, &server);
    assert_eq!(diagnosis.comparison.as_ref().map(Comparison::cause), Some(Cause::HostRewritten));
    assert!(
        diagnosis.to_string().contains("ap-south-2")
            && diagnosis.to_string().contains("host:proxy")
    );
    let diagnosis = ask(&request.method("PUT"), &nothing);
    assert_eq!(diagnosis.signature_sent, Some(false));

    // URLs of both versions.
    let url =
        v4::presign(&plain, v4::Payload::Unsigned, &credentials, scope, TIME, MINUTE).unwrap();
    let text = format!("http://h/k?{}", url.query);
    let diagnosis = ask(&Request::from_url("GET", &text).unwrap(), &nothing);
    assert_eq!(
        (diagnosis.signature_sent, &steps_of(&diagnosis).signature),
        (Some(true), &url.steps.signature)
    );
    let url = v2::presign(&plain, None, &credentials, TIME).unwrap();
    let text = format!("http://h/k?{}", url.query);
    let diagnosis = ask(&Request::from_url("GET", &text).unwrap(), &nothing);
    assert_eq!(
        (diagnosis.signature_sent, &steps_of(&diagnosis).signature),
        (Some(true), &url.steps.signature)
    );

    // Unsigned: the values are taken from the server's response, or from the host.
    let server = ServerSide { string_to_sign: Some(&signed.steps.string_to_sign), ..nothing };
    let diagnosis = ask(&plain, &server);
    assert_eq!(
        (diagnosis.signature_sent, &steps_of(&diagnosis).signature),
        (None, &signed.steps.signature)
    );
    assert_eq!(diagnosis.comparison.as_ref().map(Comparison::cause), Some(Cause::WrongSecret));
    let server = ServerSide {
        string_to_sign: Some("GET\n\n\nTue, 27 Mar 2007 19:36:42 GMT\n/k"),
        ..nothing
    };
    assert_eq!(ask(&plain, &server).comparison.as_ref().map(Comparison::cause), Some(Cause::Clock));
    let request = Request::from_url("GET", "https://b.s3.eu-west-3.amazonaws.com/k").unwrap();
    assert!(
        steps_of(&ask(&request, &nothing)).string_to_sign.contains("/eu-west-3/s3/aws4_request")
    );

    for (host, region, service) in [
        ("s3.amazonaws.com", "us-east-1", "s3"),
        ("b.s3.dualstack.eu-west-1.amazonaws.com:443", "eu-west-1", "s3"),
        ("b.s3-eu-west-1.amazonaws.com", "eu-west-1", "s3"),
        ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1", "s3"),
        ("b--euw1-az1--x-s3.s3express-euw1-az1.eu-west-1.amazonaws.com", "eu-west-1", "s3express"),
        (
            "a-123456789012.s3-object-lambda-fips.us-east-2.amazonaws.com",
            "us-east-2",
            "s3-object-lambda",
        ),
        ("sts.us-gov-west-1.amazonaws.com", "us-gov-west-1", "sts"),
        ("abc.execute-api.us-east-2.amazonaws.com", "us-east-2", "execute-api"),
        ("sts.s3.eu-west-1.amazonaws.com", "eu-west-1", "s3"),
        ("execute-api.s3-eu-west-1.amazonaws.com", "eu-west-1", "s3"),
        ("s3express-data.s3.us-east-1.amazonaws.com", "us-east-1", "s3"),
        ("us-west-2.s3.amazonaws.com", "us-east-1", "s3"),
        ("b.s3.dualstack.eu-west-3.amazonaws.com", "eu-west-3", "s3"),
        ("sts.amazonaws.com", "us-east-1", "sts"),
        ("storage.example:9000", "us-east-1", "s3"),
    ] {
        assert_eq!(scope_of_host(host), v4::Scope { region, service }, "{host}");
    }
}

/// A request with a correct signature can be refused for another reason, and a signature can be
/// incomplete.
#[test]
fn a_refusal_for_another_reason_is_explained() {
    use s3driver::sign::explain::{Diagnosis, diagnose};
    use s3driver::sign::verify::{Content, Refusal};
    let long_term = Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET);
    let temporary = long_term.clone().with_session_token("s3cret");
    let scope = v4::Scope { region: "eu-west-1", service: "s3" };
    let ask = |request: &Request<'_>, body: &[u8], credentials: &Credentials| -> Diagnosis {
        let nothing = ServerSide::default();
        diagnose(request, Content::Bytes(body), credentials, None, &nothing, TIME).unwrap()
    };
    let host = [("host", "h")];
    let plain = Request::new("PUT", "/k").headers(&host);
    let sent = |request: &Request<'_>, credentials: &Credentials| -> Vec<(String, String)> {
        let signed =
            v4::sign(request, v4::Payload::Bytes(b"body"), credentials, scope, TIME).unwrap();
        let added = signed.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        [("host".to_owned(), "h".to_owned())].into_iter().chain(added).collect()
    };
    let temporary_headers = sent(&plain, &temporary);
    let longterm_headers = sent(&plain, &long_term);
    let without = |headers: &[(String, String)], name: &str| -> Vec<(String, String)> {
        headers.iter().filter(|(given, _)| given != name).cloned().collect()
    };
    let added = [longterm_headers.clone(), vec![("x-amz-acl".to_owned(), "private".to_owned())]];
    for (headers, body, credentials, sent_as, cause, place) in [
        (&longterm_headers, &b"body"[..], &long_term, Some(true), None, None),
        (
            &longterm_headers,
            b"changed",
            &long_term,
            Some(true),
            Some(Cause::PayloadChanged),
            Some("x-amz-content-sha256"),
        ),
        (&temporary_headers, b"body", &long_term, Some(true), Some(Cause::TokenChanged), None),
        (&longterm_headers, b"body", &temporary, Some(true), Some(Cause::TokenChanged), None),
        (&added.concat(), b"body", &long_term, None, Some(Cause::HeaderAdded), Some("x-amz-acl")),
        (
            &without(&longterm_headers, "x-amz-date"),
            b"body",
            &long_term,
            None,
            Some(Cause::HeaderRemoved),
            Some("x-amz-date"),
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let diagnosis = ask(&plain.headers(&headers), body, credentials);
        assert_eq!(diagnosis.signature_sent, sent_as, "{headers:?}");
        let refusal = diagnosis.refusal.as_ref();
        assert_eq!(refusal.map(Refusal::cause), cause, "{headers:?}");
        assert_eq!(refusal.and_then(|refusal| refusal.place()), place, "{headers:?}");
        let text = diagnosis.to_string();
        let sentence = cause.map_or(String::new(), |cause| cause.to_string());
        assert!(text.contains(&sentence) && !text.contains("s3cret"), "{text}");
    }

    // A chunked request without the size of its data, and another service's request with another
    // token: their signatures are correct.
    let chunked = v4::sign(&plain, v4::Payload::StreamingSigned, &long_term, scope, TIME).unwrap();
    let sts = v4::Scope { service: "sts", ..scope };
    let other = v4::sign(&plain, v4::Payload::Bytes(b"body"), &temporary, sts, TIME).unwrap();
    for (signed, cause) in [(chunked, Cause::HeaderRemoved), (other, Cause::TokenChanged)] {
        let signed: Vec<_> = signed.headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let diagnosis = ask(&plain.headers(&[&host[..], &signed].concat()), b"body", &long_term);
        assert_eq!(diagnosis.refusal.as_ref().map(Refusal::cause), Some(cause));
        let expected = (cause == Cause::TokenChanged).then_some(true);
        assert_eq!(diagnosis.signature_sent, expected, "{diagnosis}");
    }

    // A path with a plus sign, which servers read in different ways, is compared as it was sent.
    let plus = Request::from_url("PUT", "https://h/a+b").unwrap();
    let signed = v4::sign(
        &plus.path_rule(PathRule::AsSent),
        v4::Payload::Bytes(b"body"),
        &long_term,
        scope,
        TIME,
    )
    .unwrap();
    let headers: Vec<_> = signed.headers.iter().map(|(name, value)| (*name, &**value)).collect();
    let theirs = signed.steps.canonical_request.replace("/a+b", "/a%20b");
    let server = ServerSide { canonical_request: Some(&theirs), ..ServerSide::default() };
    let content = Content::Bytes(b"body");
    let diagnosis =
        diagnose(&plus.headers(&headers), content, &long_term, None, &server, TIME).unwrap();
    assert_eq!(diagnosis.signature_sent, Some(true));
    assert_eq!(diagnosis.refusal.unwrap().cause(), Cause::EncodedOtherwise);
    assert_eq!(diagnosis.comparison.unwrap().cause(), Cause::EncodedOtherwise);

    // A presigned URL with a date in a header as well has expired, and its signature is correct.
    let url = v2::presign(&plain, None, &long_term, TIME).unwrap();
    let target = format!("/k?{}", url.query);
    let dated = [("host", "h"), ("date", "Sat, 25 May 2013 00:00:00 GMT")];
    let request = Request::from_target("PUT", &target).unwrap();
    let nothing = ServerSide::default();
    for headers in [&host[..], &dated] {
        let diagnosis = diagnose(
            &request.headers(headers),
            content,
            &long_term,
            None,
            &nothing,
            TIME.plus(MINUTE),
        )
        .unwrap();
        assert_eq!(diagnosis.signature_sent, Some(true), "{headers:?}");
        assert_eq!(diagnosis.refusal.unwrap().cause(), Cause::Expired, "{headers:?}");
    }

    // Version 2 permits dates in other formats.
    let dated = [("host", "h"), ("x-amz-date", "2013-05-24T00:00:00Z")];
    let sent = [dated[0], dated[1], ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl")];
    let diagnosis = ask(&Request::new("GET", "/k").headers(&sent), b"", &long_term);
    assert_eq!(diagnosis.refusal.unwrap().cause(), Cause::SignatureDiffers);
    assert!(diagnosis.steps.unwrap().string_to_sign.contains("x-amz-date:2013-05-24T00:00:00Z"));

    // An unsigned request is signed with the body and the time that it states.
    let hash = hex::encode([7; 32]);
    for stated in ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", &hash] {
        let headers =
            [("host", "h"), ("x-amz-content-sha256", stated), ("x-amz-date", "20130525T000000Z")];
        let diagnosis = ask(&plain.headers(&headers), b"body", &long_term);
        let steps = diagnosis.steps.unwrap();
        assert!(steps.canonical_request.ends_with(stated), "{}", steps.canonical_request);
        assert!(steps.string_to_sign.contains("20130525T000000Z"), "{}", steps.string_to_sign);
    }
}

/// The length of texts that depend on the server is limited.
#[test]
fn many_lines_are_counted_instead_of_printed() {
    let text = "\n".repeat(100_000);
    let shown = Explanation::v4(&text, "", "").to_string();
    assert!(shown.len() < 20_000 && shown.contains(" 99801 more lines"), "{}", shown.len());
    // Each of these is a secret, and the server's line is longer than all of them.
    let ours = format!("GET\n{}", "signature=abc&".repeat(20_000));
    let theirs = "x".repeat(200_000);
    let server = ServerSide { string_to_sign: Some(&theirs), ..ServerSide::default() };
    let comparison = compare(&Explanation::v2(&ours, ""), &server);
    assert_eq!(comparison.difference().unwrap().theirs, "<redacted>");
}
