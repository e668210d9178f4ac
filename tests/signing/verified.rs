//! Tests that signed requests verify, and that requests altered in one place are rejected with an
//! error that names the place.

use s3driver::sign::chunked::{ChunkSigner, Layout, Trailer, TrailerChecksum};
use s3driver::sign::explain::{Cause, ServerSide, compare};
use s3driver::sign::verify::{
    Carrier, Content, Form, MAX_SKEW, Refusal, SignedBody, SignedBy, Verifier,
};
use s3driver::sign::{
    Credentials, PostPolicy, Request, Steps, Version, encode_path, query_string, v2, v4,
};
use s3driver::time::Timestamp;
use sha2::Digest as _;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_767_286_800);
const SCOPE: v4::Scope<'static> = v4::Scope { region: "eu-central-1", service: "s3" };
const ID: &str = "AKIAIOSFODNN7/EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A generator of random-looking numbers that are the same in every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    V4,
    V4Chunks,
    V4Query,
    V4Form,
    V2,
    V2Query,
    V2Form,
}

const MODES: [Mode; 7] =
    [Mode::V4, Mode::V4Chunks, Mode::V4Query, Mode::V4Form, Mode::V2, Mode::V2Query, Mode::V2Form];

impl Mode {
    const fn is_v4(self) -> bool {
        matches!(self, Self::V4 | Self::V4Chunks | Self::V4Query | Self::V4Form)
    }

    const fn is_form(self) -> bool {
        matches!(self, Self::V4Form | Self::V2Form)
    }

    const fn is_query(self) -> bool {
        matches!(self, Self::V4Query | Self::V2Query)
    }
}

/// The request as sent. The fields of a form are among the headers.
#[derive(Clone, Debug)]
struct Wire {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Wire {
    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(given, _)| given.eq_ignore_ascii_case(name)).unwrap().1
    }
}

struct Sum(u32);

impl TrailerChecksum for Sum {
    fn update(&mut self, data: &[u8]) {
        self.0 = data
            .iter()
            .fold(self.0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    }
    fn finish(&mut self) -> String {
        format!("{:08x}", self.0)
    }
}

struct Signed {
    mode: Mode,
    wire: Wire,
    steps: Option<Steps>,
    token: Option<String>,
    bucket: Option<&'static str>,
}

impl Signed {
    fn verify(&self, wire: &Wire, secret: &str) -> Result<SignedBy, Refusal> {
        let keys = |id: &str| {
            let credentials = Credentials::new(id, secret);
            (id == ID).then(|| match &self.token {
                Some(token) => credentials.with_session_token(token),
                None => credentials,
            })
        };
        let headers: Vec<_> =
            wire.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let verifier =
            Verifier::new(&keys, NOW.plus(Duration::from_secs(60))).host_bucket(self.bucket);
        if self.mode.is_form() {
            let form = Form::new(&wire.path[1..], &headers).file_size(wire.body.len() as u64);
            return verifier.verify_form(&form);
        }
        let target = if wire.query.is_empty() {
            wire.path.clone()
        } else {
            format!("{}?{}", wire.path, wire.query)
        };
        let request = Request::from_target(&wire.method, &target).unwrap().headers(&headers);
        verifier.verify(&request, Content::Bytes(&wire.body))
    }

    /// Returns the cause, either directly or after comparison with the signed texts.
    fn cause(&self, refusal: &Refusal) -> Cause {
        match (refusal.cause(), &self.steps) {
            (Cause::SignatureDiffers, Some(steps)) => {
                refusal.compare_with(&steps.explain()).cause()
            }
            (cause, _) => cause,
        }
    }
}

fn generate(numbers: &mut Numbers, mode: Mode) -> Signed {
    let key: String = (0..numbers.below(6))
        .map(|_| {
            numbers.one_of(&[
                "a", "..", "/", "//", "%2F", "+", " ", "~", "é", "🦀", "&=?#", ".", "\"<>",
            ])
        })
        .collect();
    let path = encode_path(&format!("/b/{key}k"));
    let method = numbers.one_of(&["GET", "PUT", "HEAD"]);
    let (value, note) =
        (numbers.one_of(&["x", "a/b", "é ~+"]), numbers.one_of(&["one two", "é", "\"x\"  y", "n"]));
    let mut query = vec![("versionId", value), ("uploads", "")];
    if numbers.below(2) == 0 {
        query.insert(numbers.below(3), ("prefix", "p/q r"));
    }
    let host = numbers.one_of(&["bucket.example:9000", "storage.example", "[::1]:8080"]);
    let body: Vec<u8> = (0..numbers.below(20_000)).map(|place| (place * 7 % 251) as u8).collect();
    let mut credentials = Credentials::new(ID, SECRET);
    let token = (numbers.below(2) == 0).then(|| format!("to/ken+={}", numbers.below(1000)));
    if let Some(token) = &token {
        credentials = credentials.with_session_token(token);
    }
    let bucket = (numbers.below(2) == 0).then_some("bucket");
    let layout = match numbers.below(3) {
        0 => Layout::signed(body.len() as u64),
        1 => Layout::signed_with_trailer(
            body.len() as u64,
            Trailer::new("x-amz-checksum-crc32", 8).unwrap(),
        ),
        _ => Layout::unsigned_with_trailer(
            body.len() as u64,
            Trailer::new("x-amz-checksum-crc32", 8).unwrap(),
        ),
    }
    .with_chunk_size(8192)
    .unwrap();
    let framing = layout.headers();
    let mut headers =
        vec![("Host", host), ("X-Amz-Meta-Note", note), ("Content-Type", "text/plain")];
    if mode == Mode::V4Chunks {
        headers.extend(framing.iter().map(|(name, value)| (*name, value.as_str())));
    }
    let request = Request::new(method, &path).query(&query).headers(&headers);
    let mut wire = Wire {
        method: method.to_owned(),
        path: path.clone(),
        query: query_string(&query),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body,
    };
    let send = |wire: &mut Wire, headers: Vec<(&'static str, String)>| {
        wire.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
    };
    let key = v4::SigningKey::derive(&credentials, NOW, SCOPE).unwrap();
    let hour = Duration::from_secs(3600);
    let steps = match mode {
        Mode::V4 => {
            let signed = key.sign(&request, v4::Payload::Bytes(&wire.body), NOW).unwrap();
            send(&mut wire, signed.headers);
            Some(signed.steps)
        }
        Mode::V4Chunks => {
            let signed = key.sign(&request, layout.payload(), NOW).unwrap();
            send(&mut wire, signed.headers);
            let checksum = (!matches!(layout.payload(), v4::Payload::StreamingSigned))
                .then(|| Box::new(Sum(7)) as Box<dyn TrailerChecksum>);
            let signer = ChunkSigner::new(&key, NOW, &signed.steps.signature).unwrap();
            let mut framed = Vec::new();
            match layout.payload() {
                v4::Payload::StreamingUnsignedTrailer => {
                    layout.unsigned_body(&wire.body[..], checksum)
                }
                _ => layout.signed_body(&wire.body[..], signer, checksum),
            }
            .unwrap()
            .read_to_end(&mut framed)
            .unwrap();
            wire.body = framed;
            Some(signed.steps)
        }
        Mode::V4Query => {
            let signed = key.presign(&request, v4::Payload::Unsigned, NOW, hour).unwrap();
            wire.query = signed.query;
            Some(signed.steps)
        }
        Mode::V2 => {
            let signed = v2::sign(&request, bucket, &credentials, NOW).unwrap();
            send(&mut wire, signed.headers);
            Some(signed.steps)
        }
        Mode::V2Query => {
            let signed = v2::presign(&request, bucket, &credentials, NOW.plus(hour)).unwrap();
            wire.query = signed.query;
            Some(signed.steps)
        }
        Mode::V4Form | Mode::V2Form => {
            let size = wire.body.len() as u64;
            let policy = PostPolicy::new(NOW.plus(hour))
                .equals("bucket", "uploads")
                .starts_with("key", note)
                .starts_with("content-type", "image/")
                .equals("x-amz-meta-note", note)
                .content_length(size..=size)
                .unwrap();
            let form = match mode {
                Mode::V4Form => key.post_policy(&policy, NOW),
                _ => v2::post_policy(&policy, &credentials),
            };
            wire.path = "/uploads".to_owned();
            wire.headers = [
                ("key", &*format!("{note}/k")),
                ("Content-Type", "image/png, image/gif"),
                ("X-Amz-Meta-Note", note),
                ("X-Ignore-Me", "anything"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
            send(&mut wire, form.unwrap().fields);
            None
        }
    };
    Signed { mode, wire, steps, token, bucket }
}

/// Replaces one character with another of the same class.
fn flip(text: &mut String, at: usize) {
    let old = text.as_bytes()[at];
    let new = if old == b'0' { '1' } else { '0' };
    text.replace_range(at..=at, &new.to_string());
}

/// Returns the range of a parameter's value in the query.
fn parameter(query: &str, name: &str) -> std::ops::Range<usize> {
    let start = query.find(&format!("{name}=")).unwrap() + name.len() + 1;
    start..query[start..].find('&').map_or(query.len(), |end| start + end)
}

type Alteration = (&'static str, fn(&mut Wire), fn(Mode) -> &'static [Cause]);

/// The alterations: the name, the function, and the causes that the refusal may name. There are
/// none if the alteration does not apply to the mode.
const ALTERATIONS: &[Alteration] = &[
    (
        "method",
        |wire| wire.method = "DELETE".to_owned(),
        |mode| match mode.is_form() {
            true => &[],
            false => &[Cause::MethodChanged],
        },
    ),
    (
        "path",
        |wire| wire.path.push('x'),
        |mode| match mode.is_form() {
            true => &[Cause::PolicyCondition],
            false => &[Cause::PathChanged],
        },
    ),
    (
        "slashes",
        |wire| wire.path = wire.path.replacen("/b/", "/b//", 1),
        |mode| match mode.is_form() {
            true => &[],
            false => &[Cause::PathNormalised, Cause::PathChanged],
        },
    ),
    (
        "parameter",
        |wire| {
            let place = parameter(&wire.query, "versionId");
            wire.query.insert(place.start, 'z');
        },
        |mode| if mode.is_form() { &[] } else { &[Cause::ParameterChanged] },
    ),
    (
        "parameter added",
        |wire| wire.query.insert_str(0, "acl&"),
        |mode| match mode.is_form() {
            true => &[],
            false => &[Cause::ParameterAdded],
        },
    ),
    (
        "parameter removed",
        |wire| {
            wire.query = wire
                .query
                .replacen("uploads=&", "", 1)
                .replacen("uploads&", "", 1)
                .replacen("&uploads", "", 1);
        },
        |mode| if mode.is_form() { &[] } else { &[Cause::ParameterRemoved] },
    ),
    (
        "host",
        |wire| *wire.header("host") = "other.example".to_owned(),
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks | Mode::V4Query => &[Cause::HostRewritten],
            _ => &[],
        },
    ),
    (
        "header",
        |wire| wire.header("x-amz-meta-note").insert(0, 'z'),
        |mode| match mode.is_form() {
            true => &[Cause::PolicyCondition],
            false => &[Cause::HeaderChanged],
        },
    ),
    (
        "header added",
        |wire| wire.headers.push(("x-amz-acl".into(), "private".into())),
        |mode| match mode.is_form() {
            true => &[Cause::FieldNotInPolicy],
            false => &[Cause::HeaderAdded],
        },
    ),
    (
        "header removed",
        |wire| wire.headers.retain(|(name, _)| name != "X-Amz-Meta-Note"),
        |mode| match mode.is_form() {
            true => &[Cause::PolicyCondition],
            false => &[Cause::HeaderRemoved],
        },
    ),
    (
        "content type",
        |wire| *wire.header("content-type") = "text/html".to_owned(),
        |mode| match mode.is_form() {
            true => &[Cause::PolicyCondition],
            false => &[Cause::HeaderChanged],
        },
    ),
    (
        "time",
        |wire| {
            let name = if wire.headers.iter().any(|(name, _)| name == "x-amz-date") {
                "x-amz-date"
            } else {
                "date"
            };
            let date = wire.header(name);
            // The time becomes a minute earlier: 17:00 becomes 16:59, in both formats.
            *date = match name {
                "date" => date.replace("17:00:00", "16:59:00"),
                _ => date.replace("T170000Z", "T165900Z"),
            };
        },
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks | Mode::V2 => &[Cause::Clock],
            _ => &[],
        },
    ),
    (
        "day",
        |wire| {
            let date = wire.header("x-amz-date");
            *date = date.replace("20260101T", "20260102T");
        },
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks | Mode::V4Form => &[Cause::Clock],
            _ => &[],
        },
    ),
    (
        "hash",
        |wire| flip(wire.header("x-amz-content-sha256"), 3),
        |mode| match mode {
            Mode::V4 => &[Cause::PayloadChanged],
            _ => &[],
        },
    ),
    (
        "body",
        |wire| wire.body.push(b'x'),
        |mode| match mode {
            Mode::V4 => &[Cause::PayloadChanged],
            Mode::V4Chunks => &[Cause::TrailerChanged],
            _ => &[],
        },
    ),
    (
        "signature",
        |wire| {
            let text = wire.header("authorization");
            let at = text.rfind('=').unwrap().max(text.rfind(':').unwrap_or(0));
            let at = if text.starts_with("AWS ") { text.rfind(':').unwrap() } else { at };
            flip(text, at + 5);
        },
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks | Mode::V2 => &[Cause::WrongSecret],
            _ => &[],
        },
    ),
    (
        "signature in the query",
        |wire| {
            let place = parameter(&wire.query, "Signature");
            flip(&mut wire.query, place.start + 5);
        },
        |mode| if mode.is_query() { &[Cause::WrongSecret] } else { &[] },
    ),
    (
        "expiry",
        |wire| {
            let name =
                if wire.query.contains("X-Amz-Expires") { "X-Amz-Expires" } else { "Expires" };
            let place = parameter(&wire.query, name);
            flip(&mut wire.query, place.end - 1);
        },
        |mode| match mode {
            Mode::V4Query => &[Cause::ParameterChanged],
            Mode::V2Query => &[Cause::Clock],
            _ => &[],
        },
    ),
    (
        "region",
        |wire| {
            let text = wire.header("authorization");
            *text = text.replace("eu-central-1", "eu-central-2");
        },
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks => &[Cause::WrongRegion],
            _ => &[],
        },
    ),
    (
        "region in the query",
        |wire| wire.query = wire.query.replace("eu-central-1", "eu-central-2"),
        |mode| match mode {
            Mode::V4Query => &[Cause::WrongCredential],
            _ => &[],
        },
    ),
    (
        "service",
        |wire| {
            let text = wire.header("authorization");
            *text = text.replace("/s3/", "/sts/");
        },
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks => &[Cause::WrongService],
            _ => &[],
        },
    ),
    (
        "access key",
        |wire| {
            wire.query = wire.query.replace("EXAMPLE", "EXAMPL0");
            wire.headers
                .iter_mut()
                .for_each(|(_, value)| *value = value.replace("/EXAMPLE", "/EXAMPL0"));
        },
        |_| &[Cause::UnknownAccessKey],
    ),
    (
        "key",
        |wire| wire.header("key").insert(0, 'z'),
        |mode| if mode.is_form() { &[Cause::PolicyCondition] } else { &[] },
    ),
    (
        "file",
        |wire| wire.body.push(0),
        |mode| if mode.is_form() { &[Cause::FileSize] } else { &[] },
    ),
    (
        "field twice",
        |wire| {
            let key = wire.header("key").clone();
            wire.headers.push(("Key".to_owned(), key));
        },
        |mode| if mode.is_form() { &[Cause::Malformed] } else { &[] },
    ),
    (
        "policy",
        |wire| flip(wire.header("policy"), 8),
        |mode| match mode.is_form() {
            true => &[Cause::SignatureDiffers],
            false => &[],
        },
    ),
    (
        "signature of the form",
        |wire| {
            let name = if wire.headers.iter().any(|(name, _)| name == "signature") {
                "signature"
            } else {
                "x-amz-signature"
            };
            flip(wire.header(name), 5);
        },
        |mode| if mode.is_form() { &[Cause::SignatureDiffers] } else { &[] },
    ),
    (
        "no signature",
        |wire| {
            wire.headers.retain(|(name, _)| {
                !["authorization", "signature", "x-amz-signature"].contains(&name.as_str())
            });
            let kept = |pair: &&str| {
                !pair.starts_with("X-Amz-Signature=") && !pair.starts_with("Signature=")
            };
            wire.query = wire.query.split('&').filter(kept).collect::<Vec<_>>().join("&");
        },
        |mode| match mode {
            Mode::V4 | Mode::V4Chunks | Mode::V2 => &[Cause::NotSigned],
            _ => &[Cause::Malformed],
        },
    ),
];

#[test]
fn ten_thousand_altered_requests_are_rejected_with_the_place() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut number) = (0, 0);
    while refused < 10_000 {
        let mode = MODES[number % MODES.len()];
        number += 1;
        let signed = generate(&mut numbers, mode);
        let verified = signed
            .verify(&signed.wire, SECRET)
            .unwrap_or_else(|refusal| panic!("{mode:?}: {refusal}"));
        assert_eq!(verified.access_key_id, ID);
        assert_eq!(verified.version, if mode.is_v4() { Version::V4 } else { Version::V2 });
        let (name, alter, causes) = ALTERATIONS[numbers.below(ALTERATIONS.len())];
        let expected = causes(mode);
        if expected.is_empty() {
            continue;
        }
        let mut altered = signed.wire.clone();
        alter(&mut altered);
        let Err(refusal) = signed.verify(&altered, SECRET) else {
            panic!("{mode:?}, {name}: {altered:?} verifies");
        };
        let cause = signed.cause(&refusal);
        assert!(expected.contains(&cause), "{mode:?}, {name}: {cause:?} ({refusal})\n{altered:?}");
        let text = format!("{refusal} {refusal:?}");
        assert!(
            !text.contains(SECRET)
                && !signed.token.as_ref().is_some_and(|token| text.contains(token)),
            "{text}"
        );
        refused += 1;
    }
    assert_eq!(refused, 10_000);
}

#[test]
fn every_alteration_is_tried_in_every_applicable_mode() {
    let mut numbers = Numbers(7);
    for mode in MODES {
        for (name, alter, causes) in ALTERATIONS {
            let signed = generate(&mut numbers, mode);
            let mut altered = signed.wire.clone();
            if causes(mode).is_empty() {
                continue;
            }
            alter(&mut altered);
            let refusal = signed.verify(&altered, SECRET).expect_err(name);
            assert!(causes(mode).contains(&signed.cause(&refusal)), "{mode:?}, {name}: {refusal}");
        }
    }
}

#[test]
fn another_secret_or_token_is_rejected() {
    let mut numbers = Numbers(11);
    for mode in MODES {
        for _ in 0..20 {
            let mut signed = generate(&mut numbers, mode);
            let refusal = signed.verify(&signed.wire, "another").unwrap_err();
            assert_eq!(refusal.cause(), Cause::SignatureDiffers);
            signed.token = match signed.token {
                Some(_) => None,
                None => Some("unexpected".to_owned()),
            };
            assert_eq!(
                signed.verify(&signed.wire, SECRET).unwrap_err().cause(),
                Cause::TokenChanged,
                "{mode:?}"
            );
        }
    }
}

/// The token of a session has its own parameter. CreateSession itself accepts tokens of STS.
#[test]
fn a_presigned_url_for_s3_express_has_the_token_of_a_session_or_of_sts() {
    let plain = || keys("id").unwrap();
    let hour = Duration::from_secs(3600);
    for (service, token, name) in [
        ("s3express", plain().with_s3_session_token("token"), "X-Amz-S3session-Token"),
        ("s3express", plain().with_session_token("token"), "X-Amz-Security-Token"),
        ("s3", plain().with_session_token("token"), "X-Amz-Security-Token"),
    ] {
        let known = |_: &str| Some(token.clone());
        let scope = v4::Scope { service, ..SCOPE };
        let request = Request::new("GET", "/k").headers(&[("host", "h")]);
        let presigned =
            v4::presign(&request, v4::Payload::Unsigned, &token, scope, NOW, hour).unwrap();
        assert!(presigned.query.contains(&format!("{name}=token")), "{}", presigned.query);

        let url = format!("https://h/k?{}", presigned.query);
        let request = Request::from_url("GET", &url).unwrap();
        Verifier::new(&known, NOW).verify(&request, Content::NotRead).unwrap();
        let changed = url.replace("=token", "=other");
        let request = Request::from_url("GET", &changed).unwrap();
        let refusal = Verifier::new(&known, NOW).verify(&request, Content::NotRead).unwrap_err();
        assert_eq!(refusal.cause(), Cause::TokenChanged, "{service}");
    }
}

/// A refusal may be sent to the client, so it must not contain the correct signature.
#[test]
fn a_refusal_does_not_contain_the_correct_signature() {
    let mut numbers = Numbers(13);
    let signed = generate(&mut numbers, Mode::V4);
    let mut altered = signed.wire.clone();
    altered.method = "DELETE".to_owned();
    let refusal = signed.verify(&altered, SECRET).unwrap_err();
    let server = refusal.server_side();
    assert!(server.canonical_request.unwrap().starts_with("DELETE\n"));
    let request_that_was_sent = signed.wire.clone();
    let right = signed.verify(&request_that_was_sent, SECRET).unwrap().steps.signature;
    for text in
        [server.canonical_request.unwrap(), server.string_to_sign.unwrap(), &format!("{refusal:?}")]
    {
        assert!(!text.contains(&right));
    }
}

fn keys(id: &str) -> Option<Credentials> {
    (id == "id").then(|| Credentials::new(id, "secret"))
}

/// Checks times at the limits of the accepted range.
#[test]
fn times_are_checked_to_the_second() {
    let headers = [("host", "h")];
    let request = Request::new("GET", "/").headers(&headers);
    let credentials = keys("id").unwrap();
    let signed = v4::sign(&request, v4::Payload::Bytes(b""), &credentials, SCOPE, NOW).unwrap();
    let sent: Vec<_> = headers
        .iter()
        .copied()
        .chain(signed.headers.iter().map(|(name, value)| (*name, value.as_str())))
        .collect();
    let at = |seconds: i64| {
        let verifier = Verifier::new(&keys, Timestamp::from_unix(NOW.unix() + seconds));
        verifier
            .verify(&Request::new("GET", "/").headers(&sent), Content::Bytes(b""))
            .map_err(|refusal| refusal.cause())
    };
    let skew = MAX_SKEW.as_secs() as i64;
    assert!(at(skew).is_ok() && at(-skew).is_ok());
    assert_eq!(
        (at(skew + 1).unwrap_err(), at(-skew - 1).unwrap_err()),
        (Cause::Clock, Cause::Clock)
    );

    let url = v4::presign(
        &request,
        v4::Payload::Unsigned,
        &credentials,
        SCOPE,
        NOW,
        Duration::from_secs(60),
    )
    .unwrap();
    let target = format!("/?{}", url.query);
    let request = Request::from_target("GET", &target).unwrap().headers(&headers);
    let at = |seconds: i64| {
        let verifier = Verifier::new(&keys, Timestamp::from_unix(NOW.unix() + seconds));
        verifier.verify(&request, Content::NotRead).map_err(|refusal| refusal.cause())
    };
    assert!(at(60).is_ok() && at(-skew).is_ok());
    assert_eq!((at(61).unwrap_err(), at(-skew - 1).unwrap_err()), (Cause::Expired, Cause::Clock));
    assert_eq!(at(0).unwrap().carrier, Carrier::Query);
    assert!(matches!(at(0).unwrap().body, SignedBody::Unsigned));

    let url = v2::presign(&Request::new("GET", "/b/"), None, &credentials, NOW).unwrap();
    let target = format!("/b/?{}", url.query);
    let request = Request::from_target("GET", &target).unwrap();
    let at = |seconds: i64| {
        let verifier = Verifier::new(&keys, Timestamp::from_unix(NOW.unix() + seconds));
        verifier.verify(&request, Content::NotRead).map_err(|refusal| refusal.cause())
    };
    assert!(at(0).is_ok());
    assert_eq!(at(1).unwrap_err(), Cause::Expired);
}

/// Sends requests that a careless verifier would accept.
#[test]
fn untrustworthy_claims_are_rejected() {
    let headers = [("host", "h"), ("x-amz-acl", "private")];
    let request = Request::new("GET", "/").headers(&headers);
    let signed =
        v4::sign(&request, v4::Payload::Bytes(b""), &keys("id").unwrap(), SCOPE, NOW).unwrap();
    let verify = |change: &dyn Fn(&str, &str) -> String, more: &[(&str, &str)], target: &str| {
        let sent: Vec<(String, String)> = headers
            .iter()
            .copied()
            .chain(signed.headers.iter().map(|(name, value)| (*name, value.as_str())))
            .map(|(name, value)| (name.to_owned(), change(name, value)))
            .chain(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .collect();
        let sent: Vec<_> =
            sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let verifier = Verifier::new(&keys, NOW).region("eu-central-1");
        verifier
            .verify(
                &Request::from_target("GET", target).unwrap().headers(&sent),
                Content::Bytes(b""),
            )
            .map_err(|refusal| (refusal.cause(), refusal.place().unwrap_or("").to_owned()))
    };
    let keep = |_: &str, value: &str| value.to_owned();
    assert!(verify(&keep, &[], "/").is_ok());
    // This header is not signed and is irrelevant.
    assert!(verify(&keep, &[("user-agent", "u")], "/").is_ok());
    let replace =
        |from: &'static str, to: &'static str| move |_: &str, value: &str| value.replace(from, to);
    for (from, to, cause, place) in [
        ("host;x-amz-acl;", "host;", Cause::HeaderAdded, "x-amz-acl"),
        ("SignedHeaders=host;", "SignedHeaders=", Cause::HeaderAdded, "host"),
        ("host;x-amz-acl", "x-amz-acl;host", Cause::Malformed, "SignedHeaders"),
        ("host;x-amz-acl", "Host;x-amz-acl", Cause::Malformed, "SignedHeaders"),
        ("host;x-amz-acl", "host;host;x-amz-acl", Cause::Malformed, "SignedHeaders"),
        ("host;", "host;missing;", Cause::HeaderRemoved, "missing"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512", Cause::WrongCredential, "AWS4-HMAC-SHA512"),
        ("aws4_request", "aws4_requesT", Cause::Malformed, "Credential"),
        ("Credential=id", "Credential=", Cause::UnknownAccessKey, ""),
        ("eu-central-1", "us-east-1", Cause::WrongRegion, "us-east-1"),
        ("Signature=", "Signature=0", Cause::Malformed, "Signature"),
        ("Signature=", "Signature=,Signature=", Cause::Malformed, "Signature"),
        ("20260101T170000Z", "20260101t170000z", Cause::Malformed, "x-amz-date"),
    ] {
        let refused = verify(&replace(from, to), &[], "/").unwrap_err();
        assert_eq!(refused, (cause, place.to_owned()), "{from} {to}");
    }
    let upper = |name: &str, value: &str| match name {
        "authorization" => {
            let at = value.rfind('=').unwrap();
            format!("{}{}", &value[..at], value[at..].to_uppercase())
        }
        _ => value.to_owned(),
    };
    assert_eq!(
        verify(&upper, &[], "/").unwrap_err().0,
        Cause::Malformed,
        "a signature has only one spelling"
    );
    let twice = verify(&keep, &[("Authorization", "AWS id:x")], "/").unwrap_err();
    assert_eq!(twice.0, Cause::SignedTwice);
    assert_eq!(verify(&keep, &[], "/?X-Amz-Signature=0").unwrap_err().0, Cause::SignedTwice);
    assert_eq!(verify(&keep, &[], "/?AWSAccessKeyId=id").unwrap_err().0, Cause::SignedTwice);
    assert_eq!(
        verify(&keep, &[("x-amz-acl", "public-read")], "/").unwrap_err().0,
        Cause::SignatureDiffers
    );
    assert_eq!(verify(&keep, &[("Host", "h")], "/").unwrap_err().0, Cause::Malformed);
    assert_eq!(
        verify(&keep, &[("x-amz-date", "20260101T170000Z")], "/").unwrap_err().0,
        Cause::Malformed
    );
}

/// Browsers and proxies encode paths in different ways. S3 reads them all as the same key, so they
/// have the same signature.
#[test]
fn every_spelling_of_a_key_has_the_same_signature() {
    let headers = [("host", "h")];
    let sign = |path: &str| {
        let request = Request::new("GET", path).headers(&headers);
        let hour = Duration::from_secs(3600);
        v4::presign(&request, v4::Payload::Unsigned, &keys("id").unwrap(), SCOPE, NOW, hour)
            .unwrap()
            .query
    };
    let spellings = ["/b/a(1)=%2520~", "/b/a%281%29%3D%2520~", "/b/%61%281)=%2520%7e"];
    let query = sign(spellings[0]);
    for path in spellings {
        assert_eq!(sign(path), query, "{path}");
        let target = format!("{path}?{query}");
        let request = Request::from_target("GET", &target).unwrap().headers(&headers);
        assert!(Verifier::new(&keys, NOW).verify(&request, Content::NotRead).is_ok(), "{path}");
    }
    let target = format!("/b/a+b?{}", sign("/b/a%2Bb"));
    let request = Request::from_target("GET", &target).unwrap().headers(&headers);
    let refusal = Verifier::new(&keys, NOW).verify(&request, Content::NotRead).unwrap_err();
    assert_eq!(refusal.cause(), Cause::EncodedOtherwise, "a plus sign may mean a space");
}

/// Some SDKs state the hash of the body in the query of a presigned URL.
#[test]
fn a_presigned_url_states_the_hash_of_the_body_in_a_parameter() {
    let headers = [("host", "h")];
    let body = b"body";
    let hash: [u8; 32] = sha2::Sha256::digest(body).into();
    let stated = hex::encode(hash);
    let own = keys("id").unwrap();
    let presign = |stated: &str, payload: v4::Payload<'_>, service: &str| {
        let query = [("X-Amz-Content-Sha256", stated)];
        let request = Request::new("PUT", "/k").query(&query).headers(&headers);
        let scope = v4::Scope { service, ..SCOPE };
        let hour = Duration::from_secs(3600);
        v4::presign(&request, payload, &own, scope, NOW, hour).unwrap().query
    };
    let verify = |query: &str, more: &[(&str, &str)], service: &str, content: Content<'_>| {
        let target = format!("/k?{query}");
        let all = [&headers[..], more].concat();
        let request = Request::from_target("PUT", &target).unwrap().headers(&all);
        Verifier::new(&keys, NOW)
            .service(service)
            .verify(&request, content)
            .map(|signed_by| signed_by.access_key_id)
            .map_err(|refusal| refusal.cause())
    };

    let unsigned = presign("UNSIGNED-PAYLOAD", v4::Payload::Unsigned, "s3");
    assert!(verify(&unsigned, &[], "s3", Content::Bytes(body)).is_ok());
    let hashed = presign(&stated, v4::Payload::Hash(&hash), "execute-api");
    assert!(verify(&hashed, &[], "execute-api", Content::NotRead).is_ok());
    assert!(verify(&hashed, &[], "execute-api", Content::Bytes(body)).is_ok());
    let changed = verify(&hashed, &[], "execute-api", Content::Bytes(b"other"));
    assert_eq!(changed, Err(Cause::PayloadChanged));
    let hashed_for_s3 = presign(&stated, v4::Payload::Hash(&hash), "s3");
    assert!(verify(&hashed_for_s3, &[], "s3", Content::Bytes(body)).is_ok());
    let query = [("X-Amz-Content-Sha256", &*stated)];
    let request = Request::new("PUT", "/k").query(&query).headers(&headers);
    let hour = Duration::from_secs(3600);
    let contradiction = v4::presign(&request, v4::Payload::Unsigned, &own, SCOPE, NOW, hour);
    assert_eq!(
        contradiction.unwrap_err(),
        s3driver::sign::Error::ConflictingHeader { name: "x-amz-content-sha256" }
    );
    let both = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    assert_eq!(verify(&hashed, &both, "execute-api", Content::NotRead), Err(Cause::Malformed));
}

/// A session token in a place from which the service does not take it would not take effect.
#[test]
fn a_token_in_the_wrong_place_is_refused() {
    let own = keys("id").unwrap();
    let verify = |target: &str, headers: &[(&str, &str)]| {
        let request = Request::from_target("GET", target).unwrap().headers(headers);
        let verified = Verifier::new(&keys, NOW).verify(&request, Content::NotRead);
        verified.map(drop).map_err(|refusal| refusal.cause())
    };
    let hour = Duration::from_secs(3600);
    for token in [("x-amz-security-token", "t"), ("x-amz-s3session-token", "t")] {
        let (name, value) = token;
        let plain = [("host", "h")];
        let request = Request::new("GET", "/k").headers(&plain);
        let url = v4::presign(&request, v4::Payload::Unsigned, &own, SCOPE, NOW, hour).unwrap();
        let target = format!("/k?{}", url.query);
        assert_eq!(verify(&target, &plain), Ok(()));
        assert_eq!(verify(&target, &[plain[0], token]), Err(Cause::TokenChanged), "{name}");

        let signed = v4::sign(&request, v4::Payload::Unsigned, &own, SCOPE, NOW).unwrap();
        let added = signed.headers.iter().map(|(name, value)| (*name, &**value));
        let headers: Vec<_> = plain.iter().copied().chain(added).collect();
        assert_eq!(verify("/k", &headers), Ok(()));
        let target = format!("/k?{name}={value}");
        assert_eq!(verify(&target, &headers), Err(Cause::TokenChanged), "{name}");
    }

    let hour_later = NOW.plus(hour);
    let policy = PostPolicy::new(hour_later).equals("bucket", "b").equals("key", "k");
    let signed = v4::post_policy(&policy, &own, SCOPE, NOW).unwrap();
    let fields = signed.fields.iter().map(|(name, value)| (*name, value.as_str()));
    let mut fields: Vec<_> = fields.chain([("key", "k")]).collect();
    let verify = |fields: &[(&str, &str)]| {
        Verifier::new(&keys, NOW).verify_form(&Form::new("b", fields)).map(drop)
    };
    assert!(verify(&fields).is_ok());
    fields.push(("x-amz-s3session-token", "t"));
    let refusal = verify(&fields).unwrap_err();
    assert_eq!(
        (refusal.cause(), refusal.place()),
        (Cause::TokenChanged, Some("x-amz-s3session-token"))
    );
}

/// Sends chunks that are truncated, swapped or changed, and trailers that were not announced.
#[test]
fn chunks_are_verified_one_by_one() {
    let data: Vec<u8> = (0..20_000).map(|place| (place * 7 % 251) as u8).collect();
    let layout =
        Layout::signed_with_trailer(20_000, Trailer::new("x-amz-checksum-crc32", 8).unwrap())
            .with_chunk_size(8192)
            .unwrap();
    let framing = layout.headers();
    let mut headers = vec![("host", "h")];
    headers.extend(framing.iter().map(|(name, value)| (*name, value.as_str())));
    let key = v4::SigningKey::derive(&keys("id").unwrap(), NOW, SCOPE).unwrap();
    let signed =
        key.sign(&Request::new("PUT", "/k").headers(&headers), layout.payload(), NOW).unwrap();
    headers.extend(signed.headers.iter().map(|(name, value)| (*name, value.as_str())));
    let signer = ChunkSigner::new(&key, NOW, &signed.steps.signature).unwrap();
    let mut body = Vec::new();
    let checksum: Box<dyn TrailerChecksum> = Box::new(Sum(7));
    layout
        .signed_body(&data[..], signer.clone(), [checksum])
        .unwrap()
        .read_to_end(&mut body)
        .unwrap();
    let request = Request::new("PUT", "/k").headers(&headers);
    let verify = |content: Content<'_>| Verifier::new(&keys, NOW).verify(&request, content);
    let decoded = verify(Content::Bytes(&body)).unwrap().decoded.unwrap();
    assert!(decoded.data == data);
    let mut sum = Sum(7);
    sum.update(&data);
    assert_eq!(decoded.trailers, [("x-amz-checksum-crc32".to_owned(), sum.finish())]);

    let refused = |body: &[u8]| {
        let refusal = verify(Content::Bytes(body)).unwrap_err();
        (refusal.cause(), refusal.place().unwrap_or("").to_owned())
    };
    for (at, chunk) in [(200, 1), (8192 + 300, 2), (body.len() - 1000, 3)] {
        let mut changed = body.clone();
        changed[at] ^= 1;
        assert_eq!(refused(&changed), (Cause::ChunkChanged, format!("chunk {chunk}")));
    }
    assert_eq!(refused(&body[..body.len() - 1]).0, Cause::Malformed);
    assert_eq!(refused(&[&body[..], b"x"].concat()).0, Cause::TrailerChanged);
    assert_eq!(refused(b"").0, Cause::Malformed);
    assert_eq!(refused(b"zz\r\n").0, Cause::Malformed);
    assert_eq!(refused(b"\r\n").0, Cause::Malformed);
    assert_eq!(refused(&[b"+", &body[..]].concat()).0, Cause::Malformed);
    assert_eq!(refused(b"ffffffffffffffffff;chunk-signature=0\r\n").0, Cause::Malformed);
    let text = String::from_utf8_lossy(&body).into_owned();
    let at = text.rfind("x-amz-checksum-crc32:").unwrap() - (text.len() - body.len());
    let mut changed = body.clone();
    changed[at + 22] ^= 1;
    assert_eq!(refused(&changed), (Cause::TrailerChanged, "x-amz-trailer-signature".to_owned()));

    // The size of the data has to be stated, because the length of the body includes the framing.
    let unstated = v4::sign(
        &Request::new("PUT", "/k").headers(&[("host", "h")]),
        layout.payload(),
        &keys("id").unwrap(),
        SCOPE,
        NOW,
    )
    .unwrap();
    let mut headers = vec![("host", "h")];
    headers.extend(unstated.headers.iter().map(|(name, value)| (*name, value.as_str())));
    for content in [Content::NotRead, Content::Bytes(&body)] {
        let request = Request::new("PUT", "/k").headers(&headers);
        let refusal = Verifier::new(&keys, NOW).verify(&request, content).unwrap_err();
        assert_eq!(
            (refusal.cause(), refusal.place()),
            (Cause::HeaderRemoved, Some("x-amz-decoded-content-length"))
        );
    }
    let wrong = [("host", "h"), ("x-amz-decoded-content-length", "20k")];
    let request = Request::new("PUT", "/k").headers(&wrong);
    let own = keys("id").unwrap();
    let signed = v4::sign(&request, layout.payload(), &own, SCOPE, NOW).unwrap();
    let added = signed.headers.iter().map(|(name, value)| (*name, &**value));
    let headers: Vec<_> = wrong.iter().copied().chain(added).collect();
    let request = Request::new("PUT", "/k").headers(&headers);
    let refusal = Verifier::new(&keys, NOW).verify(&request, Content::NotRead).unwrap_err();
    assert_eq!(refusal.cause(), Cause::Malformed);

    // The chunks are verified one by one, as a server reads them.
    let SignedBody::Chunks(mut chunks) = verify(Content::NotRead).unwrap().body else {
        panic!("chunks")
    };
    let mut chain = signer;
    for piece in data.chunks(8192).chain([&b""[..]]) {
        chunks.chunk(piece, &chain.chunk(piece).signature).unwrap();
    }
    let line = "x-amz-checksum-crc32:00000000\n";
    chunks.trailer(line, &chain.trailer(line).signature).unwrap();
    assert_eq!(chunks.chunk(b"", "").unwrap_err().cause(), Cause::ChunkChanged);
}

/// Verifies a form that contains `fields` and a policy with these conditions, signed with version
/// 2. Returns the allowed sizes of the file, or the cause of the refusal and its place. A condition
/// for the bucket is added if the conditions do not mention it.
fn form(
    conditions: &str,
    fields: &[(&str, &str)],
    size: Option<u64>,
) -> Result<RangeInclusive<u64>, (Cause, String)> {
    let conditions = match conditions.contains("bucket") {
        true => conditions.to_owned(),
        false => conditions.replacen('[', r#"[{"bucket":"b"},"#, 1),
    };
    let document = format!(r#"{{"expiration":"{}","conditions":{conditions}}}"#, NOW.iso8601());
    let policy = base64(document.as_bytes());
    let signed = v2::sign_post_policy(&policy, &keys("id").unwrap()).unwrap().fields;
    let signed = signed.iter().map(|(name, value)| (*name, value.as_str()));
    let fields: Vec<_> = fields.iter().copied().chain(signed).collect();
    let form = Form::new("b", &fields);
    let form = size.map_or(form, |size| form.file_size(size));
    match Verifier::new(&keys, NOW).verify_form(&form) {
        Ok(SignedBy { body: SignedBody::Policy { document: read, file_size }, .. }) => {
            assert_eq!(read, document.as_bytes());
            Ok(file_size)
        }
        Ok(other) => panic!("{:?}", other.body),
        Err(refusal) => Err((refusal.cause(), refusal.place().unwrap_or_default().to_owned())),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Tests every kind of condition on AWS's page, met and not met. The refusal names the field.
#[test]
fn the_conditions_of_a_policy_are_enforced() {
    use Cause::{FieldNotInPolicy, FileSize, Malformed, PolicyCondition};
    let key = ("key", "user/a");
    let any_key = r#"["starts-with","$key",""]"#;
    for (conditions, fields, refused) in [
        // Exact matches, in both notations.
        (r#"[{"key":"user/a"}]"#, &[key][..], None),
        (r#"[["eq","$key","user/a"]]"#, &[key], None),
        (r#"[{"key":"user/A"}]"#, &[key], Some((PolicyCondition, "key"))),
        (r#"[["eq","$key","user/"]]"#, &[key], Some((PolicyCondition, "key"))),
        (r#"[{"key":"user/a","acl":"private"}]"#, &[key, ("acl", "private")], None),
        (
            r#"[{"key":"user/a","acl":"private"}]"#,
            &[key, ("acl", "public-read")],
            Some((PolicyCondition, "acl")),
        ),
        // Prefixes, and the empty prefix, which matches everything.
        (r#"[["starts-with","$key","user/"]]"#, &[key], None),
        (r#"[["starts-with","$key","users/"]]"#, &[key], Some((PolicyCondition, "key"))),
        (&*format!("[{any_key}]"), &[key], None),
        // A field without a condition, a condition without a field, and names in another case.
        (&*format!("[{any_key}]"), &[key, ("acl", "private")], Some((FieldNotInPolicy, "acl"))),
        (&*format!(r#"[{any_key},{{"acl":"private"}}]"#), &[key], Some((PolicyCondition, "acl"))),
        (
            &*format!(r#"[{any_key},["starts-with","$acl",""]]"#),
            &[key],
            Some((PolicyCondition, "acl")),
        ),
        (
            &*format!(r#"[{any_key},{{"ACL":"private"}}]"#),
            &[("Key", "k"), ("Acl", "private")],
            None,
        ),
        (
            &*format!("[{any_key}]"),
            &[key, ("x-ignore-a", "1"), ("X-Ignore-B", "2"), ("file", "3")],
            None,
        ),
        (
            &*format!("[{any_key}]"),
            &[key, ("x-amz-signature", "0")],
            Some((FieldNotInPolicy, "x-amz-signature")),
        ),
        // Two conditions for one field must both hold, and a field may occur only once.
        (r#"[["starts-with","$key","user/"],{"key":"user/a"}]"#, &[key], None),
        (
            r#"[["starts-with","$key","user/"],{"key":"user/b"}]"#,
            &[key],
            Some((PolicyCondition, "key")),
        ),
        (&*format!("[{any_key}]"), &[key, ("KEY", "user/a")], Some((Malformed, "key"))),
        // The bucket is that of the URL, regardless of the fields.
        (&*format!(r#"[{any_key},{{"bucket":"b"}}]"#), &[key], None),
        (&*format!(r#"[{any_key},{{"bucket":"b"}}]"#), &[key, ("bucket", "b")], None),
        (&*format!(r#"[{any_key},{{"bucket":"c"}}]"#), &[key], Some((PolicyCondition, "bucket"))),
        (
            &*format!(r#"[{any_key},{{"bucket":"c"}}]"#),
            &[key, ("bucket", "c")],
            Some((PolicyCondition, "bucket")),
        ),
        // S3 refuses a policy without a condition for the bucket.
        (
            &*format!(r#"[{any_key},{{"x-amz-meta-bucket":"b"}}]"#),
            &[key, ("x-amz-meta-bucket", "b")],
            Some((FieldNotInPolicy, "bucket")),
        ),
        // Lists of content types.
        (
            r#"[["starts-with","$Content-Type","image/"]]"#,
            &[("Content-Type", "image/png,image/gif, image/x")],
            None,
        ),
        (
            r#"[["starts-with","$Content-Type","image/"]]"#,
            &[("Content-Type", "image/png,text/html")],
            Some((PolicyCondition, "Content-Type")),
        ),
        (
            r#"[["starts-with","$x-amz-meta-a","image/"]]"#,
            &[("x-amz-meta-a", "image/png,text/html")],
            None,
        ),
        // Escapes.
        (r#"[{"key":"\u0024\$\\\u00e9"}]"#, &[("key", "$$\\é")], None),
        // Unknown operators and notations.
        (r#"[["ends-with","$key","a"]]"#, &[key], Some((Malformed, "policy"))),
        (r#"[["eq","key","user/a"]]"#, &[key], Some((Malformed, "policy"))),
    ] {
        let outcome = form(conditions, fields, None).map(|_| ());
        let expected = refused.map_or(Ok(()), |(cause, place)| Err((cause, place.to_owned())));
        assert_eq!(outcome, expected, "{conditions} {fields:?}");
    }

    let sized = |size| form(r#"[{"key":"user/a"},["content-length-range",10,20]]"#, &[key], size);
    assert_eq!(
        [sized(None), sized(Some(10)), sized(Some(20))],
        [Ok(10..=20), Ok(10..=20), Ok(10..=20)]
    );
    for size in [0, 9, 21, u64::MAX] {
        assert_eq!(sized(Some(size)), Err((FileSize, "file".to_owned())), "{size}");
    }
    let empty =
        r#"[{"key":"user/a"},["content-length-range",10,20],["content-length-range",21,30]]"#;
    assert_eq!(form(empty, &[key], Some(20)), Err((FileSize, "file".to_owned())));
    assert_eq!(form(r#"[{"key":"user/a"}]"#, &[key], Some(u64::MAX)), Ok(0..=u64::MAX));
}

/// The signature is checked first, so that an unsigned policy is not parsed.
#[test]
fn a_policy_expires_to_the_second() {
    let policy = PostPolicy::new(NOW).equals("bucket", "b").equals("key", "k");
    let signed = v4::post_policy(&policy, &keys("id").unwrap(), SCOPE, NOW).unwrap().fields;
    let signed = signed.iter().map(|(name, value)| (*name, value.as_str()));
    let fields: Vec<_> = [("key", "k")].into_iter().chain(signed).collect();
    let at = |seconds: i64, fields: &[(&str, &str)]| {
        let now = Timestamp::from_unix(NOW.unix() + seconds);
        let verified = Verifier::new(&keys, now).verify_form(&Form::new("b", fields));
        verified
            .map(|_| ())
            .map_err(|refusal| (refusal.cause(), refusal.place().map(str::to_owned)))
    };
    assert_eq!([at(0, &fields), at(-3600, &fields)], [Ok(()), Ok(())]);
    assert_eq!(at(1, &fields), Err((Cause::Expired, Some("expiration".to_owned()))));
    let other: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, if *name == "x-amz-signature" { "0" } else { value }))
        .collect();
    assert_eq!(at(1, &other), Err((Cause::SignatureDiffers, Some("policy".to_owned()))));
}

/// Alters each part of a form that names its signer. The refusal names the cause and the field.
#[test]
fn the_claims_of_a_form_are_checked() {
    let policy = PostPolicy::new(NOW).equals("bucket", "b").equals("key", "k");
    let signed = v4::post_policy(&policy, &keys("id").unwrap(), SCOPE, NOW).unwrap().fields;
    let verify = |name: &str, value: &str| {
        let changed = signed.iter().map(|(field, old)| match *field == name {
            true => (*field, value),
            false => (*field, old.as_str()),
        });
        let added = [("key", "k"), (name, value)];
        let is_new = signed.iter().all(|(field, _)| *field != name);
        let fields: Vec<_> =
            added[..if is_new { 2 } else { 1 }].iter().copied().chain(changed).collect();
        let verifier = Verifier::new(&keys, NOW).region(SCOPE.region);
        let verified = verifier.verify_form(&Form::new("b", &fields));
        verified
            .map_err(|refusal| (refusal.cause(), refusal.place().unwrap_or_default().to_owned()))
    };
    let scope = |region: &str, service: &str| {
        format!("id/{}/{region}/{service}/aws4_request", &NOW.amz_date()[..8])
    };
    let right = scope(SCOPE.region, SCOPE.service);
    assert!(verify("x-amz-credential", &right).is_ok());
    for (name, value, cause, place) in [
        ("x-amz-algorithm", "AWS4-HMAC-SHA1", Cause::WrongCredential, "AWS4-HMAC-SHA1"),
        ("x-amz-credential", "id", Cause::Malformed, "x-amz-credential"),
        (
            "x-amz-credential",
            &right.replace("aws4_", "aws5_"),
            Cause::Malformed,
            "x-amz-credential",
        ),
        ("x-amz-credential", &scope("other", "s3"), Cause::WrongRegion, "other"),
        ("x-amz-credential", &scope(SCOPE.region, "sts"), Cause::WrongService, "sts"),
        ("x-amz-credential", &right.replace("id/", "di/"), Cause::UnknownAccessKey, "di"),
        ("x-amz-date", "yesterday", Cause::Malformed, "x-amz-date"),
        ("x-amz-date", "20200101T000000Z", Cause::Clock, "x-amz-date"),
        ("x-amz-signature", "0", Cause::SignatureDiffers, "policy"),
        ("policy", "%", Cause::Malformed, ""),
        ("policy", "e30", Cause::Malformed, "policy"),
        ("AWSAccessKeyId", "id", Cause::SignedTwice, "AWSAccessKeyId"),
        ("x-amz-security-token", "t", Cause::TokenChanged, ""),
        ("x-amz-s3session-token", "t", Cause::TokenChanged, ""),
    ] {
        let (found, at) = verify(name, value).unwrap_err();
        assert_eq!(found, cause, "{name}: {value}");
        assert!(place.is_empty() || at == place, "{name}: {value}: {at}");
    }
}

/// Omits each part of a request that a signature needs.
#[test]
fn a_request_without_a_required_part_names_it() {
    let host = [("host", "h")];
    let request = Request::new("GET", "/").headers(&host);
    let credentials = keys("id").unwrap();
    let sts = v4::Scope { region: "r", service: "sts" };
    let newer = v4::sign(&request, v4::Payload::Bytes(b""), &credentials, SCOPE, NOW).unwrap();
    let other = v4::sign(&request, v4::Payload::Bytes(b""), &credentials, sts, NOW).unwrap();
    let older = v2::sign(&request, None, &credentials, NOW).unwrap();
    let hash: [u8; 32] = *b"thirty-two bytes that are a hash";
    let verify = |signed: &[(&'static str, String)], without: &str, content, service| {
        let sent = signed.iter().map(|(name, value)| (*name, value.as_str()));
        let sent: Vec<_> =
            host.into_iter().chain(sent).filter(|(name, _)| *name != without).collect();
        let request = Request::new("GET", "/").headers(&sent);
        let verified = Verifier::new(&keys, NOW).service(service).verify(&request, content);
        verified
            .map_err(|refusal| (refusal.cause(), refusal.place().unwrap_or_default().to_owned()))
    };
    let empty = Content::Bytes(b"");
    for (signed, without, content, service, expected) in [
        (&newer, "x-amz-date", empty, "s3", (Cause::HeaderRemoved, "x-amz-date")),
        (
            &newer,
            "x-amz-content-sha256",
            empty,
            "s3",
            (Cause::HeaderRemoved, "x-amz-content-sha256"),
        ),
        (&newer, "", Content::Hash(&hash), "s3", (Cause::PayloadChanged, "x-amz-content-sha256")),
        (&other, "", Content::NotRead, "sts", (Cause::PayloadChanged, "the body was not read")),
        (&other, "", Content::Hash(&hash), "sts", (Cause::SignatureDiffers, "")),
        (&older, "date", empty, "s3", (Cause::HeaderRemoved, "date")),
    ] {
        let (cause, place) = verify(&signed.headers, without, content, service).unwrap_err();
        assert_eq!(cause, expected.0, "{without} {service}");
        assert!(expected.1.is_empty() || place == expected.1, "{without} {service}: {place}");
    }
    assert!(verify(&newer.headers, "", Content::NotRead, "s3").is_ok());
    assert!(verify(&other.headers, "", empty, "sts").is_ok());
}

#[test]
fn debug_shows_no_secret() {
    let fields = [("key", "k"), ("x-amz-security-token", "s3cret"), ("policy", "s3cret")];
    let signed = generate(&mut Numbers(3), Mode::V4);
    let verified = signed.verify(&signed.wire, SECRET).unwrap();
    let verifier = Verifier::new(&keys, NOW).region("r").host_bucket(Some("b"));
    let text = format!(
        "{:?} {verifier:?} {verified:?} {:?} {:?} {:?}",
        Form::new("b", &fields).file_size(7),
        Content::Bytes(b"s3cret"),
        Content::Hash(&[0xab; 32]),
        Content::NotRead,
    );
    for shown in [
        "\"x-amz-security-token\"",
        "file_size: Some(7)",
        "Bytes(6 bytes)",
        "Hash(abab",
        "NotRead",
        "region: Some(\"r\")",
        "host_bucket: Some(\"b\")",
        "carrier: Header",
        "version: V4",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("s3cret") && !text.contains(&verified.steps.signature), "{text}");
}

/// The policy of a form contains the session token, and its base64 is the string to sign.
#[test]
fn debug_of_a_form_shows_no_policy() {
    let with_token =
        |id: &str| keys(id).map(|credentials| credentials.with_session_token("s3cret-token"));
    let own = with_token("id").unwrap();
    let policy = PostPolicy::new(NOW).equals("bucket", "b").equals("key", "k");
    let newer = v4::post_policy(&policy, &own, SCOPE, NOW).unwrap();
    let older = v2::post_policy(&policy, &own).unwrap();
    for signed in [newer, older] {
        let added = signed.fields.iter().map(|(name, value)| (*name, value.as_str()));
        let fields: Vec<_> = [("key", "k")].into_iter().chain(added).collect();
        let verified =
            Verifier::new(&with_token, NOW).verify_form(&Form::new("b", &fields)).unwrap();
        let SignedBody::Policy { document, .. } = &verified.body else { panic!("no policy") };
        assert!(String::from_utf8_lossy(document).contains("s3cret-token"));
        let expected =
            format!("Policy {{ document: {}, file_size: 0..={} }}", document.len(), u64::MAX);
        assert_eq!(format!("{:?}", verified.body), expected);

        let steps = &verified.steps;
        assert_eq!(steps.string_to_sign, signed.string_to_sign);
        let theirs = signed.string_to_sign.replacen('e', "X", 1);
        let server = ServerSide { string_to_sign: Some(&theirs), ..ServerSide::default() };
        let comparison = compare(&steps.explain(), &server);
        assert_eq!(comparison.difference().map(|found| found.byte), Some(1));
        for text in [
            format!("{steps:?}"),
            format!("{:?}", steps.redacted()),
            steps.explain().to_string(),
            format!("{comparison:?} {comparison}"),
        ] {
            assert!(text.contains("<redacted>"), "{text}");
            assert!(!text.contains(&signed.string_to_sign[8..24]), "{text}");
        }
    }
}
