//! Compares signatures with those of the naive signer, and checks chunked bodies and servers'
//! statements about signatures.
use crate::naive::{Body, Case, Mistake, Naive, Time, real};
use s3driver::sign::chunked::{
    self, ChunkSigner, Layout, MIN_CHUNK_SIZE, Trailer, TrailerChecksum,
};
use s3driver::sign::explain::{Explanation, ServerSide, compare};
use s3driver::sign::verify::{Content, Form, Verifier};
use s3driver::sign::{Credentials, Request, Version, v2, v4};
use s3driver::time::Timestamp;
use std::io::Read;

/// The naive signer computes the same signature for every request that can be signed: versions 4
/// and 2, in headers and in the query. The input lines are method, path, query, access key, secret,
/// token, region, time, body (`=bytes`, `N:bytes` in chunks, or nothing), then headers.
pub fn canonical(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).cloned().unwrap_or_default();
    let headers = lines.iter().skip(9).filter_map(|line| line.split_once(':'));
    let case = Case {
        method: line(0),
        key: line(1),
        query: crate::pairs(&line(2), '&'),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        access_key: line(3),
        secret: line(4),
        token: Some(line(5)).filter(|token| !token.is_empty()),
        region: line(6),
        // The naive signer counts days from 1970.
        time: Time::of(
            line(7)
                .parse()
                .ok()
                .filter(|time| (0..=4_102_444_800).contains(time))
                .unwrap_or(1_369_353_600),
        ),
        body: match line(8).split_once([':', '=']) {
            Some(("", bytes)) => Body::Bytes(bytes.as_bytes().to_vec()),
            Some((size, bytes)) => match size.parse() {
                Ok(size @ 1..=100_000) => Body::Chunks(bytes.as_bytes().to_vec(), size),
                _ => Body::Unsigned,
            },
            None => Body::Unsigned,
        },
    };
    let honest = Naive(Mistake::None);
    let has = |name: &str| case.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    // If the request already contains the headers that the signer adds, and they agree, the signer
    // reuses them; the naive signer would duplicate them.
    if !["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"].into_iter().any(has) {
        if let Ok(signed) = real::v4(&case) {
            assert_eq!(signed, honest.v4(&case));
        }
        if let Ok(signed) = real::v4_presigned(&case, 604_800) {
            assert_eq!(signed, honest.v4_presigned(&case, 604_800));
        }
    }
    if !has("x-amz-security-token") {
        for bucket in [None, Some("bucket")] {
            if let Ok(signed) = real::v2(&case, bucket) {
                assert_eq!(signed, honest.v2(&case, bucket));
            }
            if let Ok(signed) = real::v2_presigned(&case, bucket) {
                assert_eq!(signed, honest.v2_presigned(&case, bucket));
            }
        }
    }
}

/// The verifier either rejects a request, or the naive signer computes the same signature. The
/// input lines are method, target and body, then headers, which also serve as the fields of a form.
pub fn verify(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).map_or("", String::as_str);
    let headers: Vec<(&str, &str)> =
        lines.iter().skip(3).filter_map(|line| line.split_once(':')).collect();
    let Ok(request) = Request::from_target(line(0), line(1)) else { return };
    let request = request.headers(&headers);
    let keys = |id: &str| (id == ID).then(|| Credentials::new(ID, SECRET));
    let verifier = Verifier::new(&keys, Timestamp::from_unix(1_369_353_600));
    for verified in [
        verifier.verify(&request, Content::Bytes(line(2).as_bytes())),
        verifier.verify(&request, Content::NotRead),
        verifier.verify_form(&Form::new("bucket", &headers)),
    ] {
        match verified {
            Ok(signed_by) => {
                let steps = &signed_by.steps;
                let scope: Vec<&str> = steps.scope().split('/').collect();
                let expected = match (signed_by.version, &scope[..]) {
                    (Version::V4, [day, region, service, _]) => crate::naive::v4_signature(
                        SECRET,
                        day,
                        region,
                        service,
                        &steps.string_to_sign,
                    ),
                    // The string to sign of a form is its policy, which does not name a scope.
                    (Version::V4, _) => continue,
                    _ => crate::naive::v2_signature(SECRET, &steps.string_to_sign),
                };
                assert_eq!(steps.signature, expected);
            }
            Err(refusal) => assert!(!format!("{refusal} {refusal:?}").contains(SECRET)),
        }
    }
}

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn trailer() -> Trailer {
    Trailer::new("x-amz-checksum-crc32", 8).expect("a name in lower case")
}

/// A checksum of eight digits that depends on every byte and its position.
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

/// A framed body has the announced length, and decoding returns the data and the checksum, for any
/// sequence of read sizes. The first input bytes are the chunk size, the read size, and how often
/// the rest is repeated.
pub fn aws_chunked(data: &[u8]) {
    let [chunk, read, repeat, rest @ ..] = data else { return };
    let data = rest.repeat(usize::from(*repeat) % 64 + 1);
    let chunk_size = MIN_CHUNK_SIZE + 37 * usize::from(*chunk);
    let read_size = 1 + 97 * usize::from(*read);
    let length = data.len() as u64;
    for layout in [
        Layout::signed(length),
        Layout::signed_with_trailer(length, trailer()),
        Layout::unsigned_with_trailer(length, trailer()),
    ] {
        let layout = layout.with_chunk_size(chunk_size).expect("a size in range");
        let signed = !matches!(layout.payload(), v4::Payload::StreamingUnsignedTrailer);
        let has_trailer = !matches!(layout.payload(), v4::Payload::StreamingSigned);
        let checksum = has_trailer.then(|| Box::new(Sum(7)) as Box<dyn TrailerChecksum>);
        let mut body = match (signed, checksum) {
            (false, checksum) => layout.unsigned_body(&data[..], checksum),
            (true, checksum) => layout.signed_body(&data[..], signer(), checksum),
        }
        .expect("layout and parts go together");
        let mut wire = Vec::new();
        let mut buffer = vec![0; read_size];
        loop {
            match body.read(&mut buffer).expect("data of the announced length") {
                0 => break,
                count => wire.extend_from_slice(&buffer[..count]),
            }
        }
        assert_eq!(wire.len() as u64, layout.encoded_length());
        let (decoded, tail) = decode(&wire, chunk_size, signed);
        assert_eq!(decoded, data);
        let mut sum = Sum(7);
        sum.update(&data);
        let line = format!("{}:{}\r\n", trailer().name(), sum.finish());
        match (has_trailer, signed) {
            (false, _) => assert_eq!(tail, b"\r\n"),
            (true, false) => assert_eq!(tail, format!("{line}\r\n").as_bytes()),
            (true, true) => {
                assert!(tail.starts_with(format!("{line}x-amz-trailer-signature:").as_bytes()))
            }
        }
    }
}

fn signer() -> ChunkSigner {
    let credentials =
        Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let time = Timestamp::from_unix(1_369_353_600);
    let key = v4::SigningKey::derive(
        &credentials,
        time,
        v4::Scope { region: "us-east-1", service: "s3" },
    )
    .unwrap();
    chunked::ChunkSigner::new(&key, time, &"0".repeat(64)).expect("a seed of 64 digits")
}

/// Returns the data, and the bytes after the empty chunk.
fn decode(mut wire: &[u8], chunk_size: usize, signed: bool) -> (Vec<u8>, &[u8]) {
    let mut data = Vec::new();
    let mut last = chunk_size;
    loop {
        let end = wire.windows(2).position(|pair| pair == b"\r\n").expect("a head ends");
        let head = std::str::from_utf8(&wire[..end]).expect("a head is text");
        let (length, signature) = head.split_once(';').unwrap_or((head, ""));
        assert_eq!(
            signed,
            signature.strip_prefix("chunk-signature=").is_some_and(|digits| digits.len() == 64)
        );
        let length = usize::from_str_radix(length, 16).expect("a length in hex");
        wire = &wire[end + 2..];
        if length == 0 {
            return (data, wire);
        }
        assert!(length <= chunk_size && last == chunk_size, "only the last chunk is smaller");
        last = length;
        data.extend_from_slice(&wire[..length]);
        assert_eq!(&wire[length..length + 2], b"\r\n");
        wire = &wire[length + 2..];
    }
}

/// For any claim by a server about what it signed, the explanation is one line of bounded length
/// without the token, and it names the first difference. A NUL separates the canonical request from
/// the string to sign.
pub fn explain(data: &[u8]) {
    const TOKEN: &str = "T0KEN/of+a=session";
    let text = String::from_utf8_lossy(data);
    let (canonical_request, string_to_sign) = text.split_once('\0').unwrap_or((&text, ""));
    let request = Request::new("PUT", "/bucket/a%20b//c")
        .query(&[("partNumber", "7"), ("uploadId", "x y")])
        .headers(&[("host", "storage.example:9000"), ("x-amz-meta-note", "one two")]);
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret").with_session_token(TOKEN);
    let time = Timestamp::from_unix(1_369_353_600);
    let scope = v4::Scope { region: "us-east-1", service: "s3" };
    let new = v4::sign(&request, v4::Payload::Unsigned, &credentials, scope, time)
        .expect("can be signed");
    let old = v2::sign(&request, None, &credentials, time).expect("can be signed");
    let server = ServerSide {
        canonical_request: Some(canonical_request),
        string_to_sign: Some(string_to_sign),
        ..ServerSide::default()
    };
    let bytes = ServerSide {
        canonical_request_bytes: Some(canonical_request),
        string_to_sign_bytes: Some(string_to_sign),
        ..server
    };
    for explanation in [new.explain(), old.explain()] {
        for server in [&server, &bytes] {
            let comparison = compare(&explanation, server);
            let shown = comparison.to_string();
            assert!(
                shown.len() < 4_000
                    && !shown.contains(['\n', '\r', '\0'])
                    && !shown.contains(TOKEN),
                "{shown}"
            );
        }
    }
    if let Some(difference) = compare(&new.explain(), &server).difference()
        && difference.text == s3driver::sign::explain::SignedText::CanonicalRequest
    {
        let theirs = canonical_request.replace("\r\n", "\n");
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (new.steps.canonical_request.split('\n').collect(), theirs.split('\n').collect());
        let before = difference.line - 1;
        assert_eq!(ours.get(..before), theirs.get(..before));
        let (ours, theirs) =
            (ours.get(before).copied().unwrap_or(""), theirs.get(before).copied().unwrap_or(""));
        let before = difference.byte - 1;
        assert_eq!(ours.as_bytes()[..before], theirs.as_bytes()[..before]);
        let (ours, theirs) = (ours.as_bytes().get(before), theirs.as_bytes().get(before));
        assert!(ours != theirs || (ours.is_none() && theirs.is_none()));
    }
    // Explanations of unrelated texts can be printed too.
    let anything = Explanation::v4(canonical_request, string_to_sign, "").to_string();
    let older = Explanation::v2(canonical_request, string_to_sign).to_string();
    assert!(!anything.contains(['\r', '\0']) && !older.contains(['\r', '\0']));
}
