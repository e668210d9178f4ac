//! Tests the client's errors if a server responds to a wrong signature as AWS does, with the texts
//! that it signed.
//!
//! The server verifies with the naive signer. Each test plants a fault: a different secret, or a
//! proxy that rewrites the head of the request.
#![allow(
    clippy::unwrap_used,
    clippy::ptr_arg,
    reason = "a failure in a helper fails the test; proxies share one type"
)]

use crate::naive::{Body, Case, Mistake, Naive, Pairs, Time};
use s3driver::client::{Client, Config, Endpoint, GetObject, Scheme, SignatureVersion};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;
use s3driver::{Error, ErrorKind};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "T0KEN/of+a=session";

/// Modifies the head of a request in transit: its lines without line breaks.
type Proxy = fn(&mut Vec<String>);

/// Sends one request through `proxy` to a server with `secret` and `region`.
fn refused(version: SignatureVersion, proxy: Proxy, secret: &str, region: &str) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (secret, region) = (secret.to_owned(), region.to_owned());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        respond(stream, version, proxy, &secret, &region);
    });
    let endpoint =
        Endpoint::custom(&format!("http://127.0.0.1:{port}"), Some("us-east-1"), Scheme::Http)
            .unwrap();
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", SECRET).with_session_token(TOKEN);
    let client =
        Client::new(Config::new(endpoint).static_credentials(credentials).signature(version))
            .unwrap();
    let error = client.get_object("bucket", "a b/c", &GetObject::default()).unwrap_err();
    server.join().unwrap();
    error
}

fn respond(
    mut stream: TcpStream,
    version: SignatureVersion,
    proxy: Proxy,
    secret: &str,
    region: &str,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let mut lines: Vec<String> =
        String::from_utf8(head).unwrap().trim_end().split("\r\n").map(str::to_owned).collect();
    proxy(&mut lines);

    let (method, rest) = lines[0].split_once(' ').unwrap();
    let path = rest.strip_suffix(" HTTP/1.1").unwrap();
    let headers: Pairs = lines[1..]
        .iter()
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| {
        headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .unwrap_or("")
    };
    let authorization = header("authorization");
    let signed_headers = authorization
        .split_once("SignedHeaders=")
        .and_then(|(_, rest)| rest.split_once(','))
        .unwrap_or_default()
        .0;
    let signers = ["authorization", "x-amz-content-sha256", "x-amz-security-token"];
    let case = Case {
        method: method.to_owned(),
        // The tests only need these two escapes.
        key: path.strip_prefix('/').unwrap().replace("%20", " ").replace("%25", "%"),
        query: Vec::new(),
        headers: headers
            .iter()
            .filter(|(name, _)| match version {
                SignatureVersion::V4 => {
                    signed_headers.split(';').any(|signed| signed == name)
                        && name != "x-amz-date"
                        && !signers.contains(&&**name)
                }
                _ => !signers.contains(&&**name),
            })
            .cloned()
            .collect(),
        body: Body::Bytes(Vec::new()),
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: secret.to_owned(),
        token: Some(header("x-amz-security-token").to_owned()),
        region: region.to_owned(),
        time: Time::of(Timestamp::parse_amz_date(header("x-amz-date")).map_or(0, Timestamp::unix)),
    };
    let unchanged = Naive(Mistake::None);
    let (canonical_request, string_to_sign, expected) = match version {
        SignatureVersion::V4 => {
            let signed = unchanged.v4(&case);
            (signed.canonical_request, signed.string_to_sign, signed.sent)
        }
        _ => {
            let signed = unchanged.v2(&case, None);
            (String::new(), signed.string_to_sign, signed.sent)
        }
    };
    assert_ne!(authorization, expected, "the planted fault should change the signature");
    let mut body = String::from("<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message>");
    for (name, text) in
        [("CanonicalRequest", &canonical_request), ("StringToSign", &string_to_sign)]
    {
        if !text.is_empty() {
            let bytes: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            let _ = write!(
                body,
                "<{name}>{text}</{name}><{name}Bytes>{}</{name}Bytes>",
                bytes.join(" ")
            );
        }
    }
    body.push_str("</Error>");
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

/// Asserts that the error names the cause and contains no secret.
fn cause(error: &Error, cause: &str) {
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::SignatureRejected, 1));
    let text = error.to_string();
    assert!(text.contains(cause), "expected \"{cause}\" in \"{text}\"");
    assert!(!text.contains(TOKEN) && !text.contains(SECRET) && !text.contains('\n'), "{text}");
}

fn unchanged(_: &mut Vec<String>) {}

fn rewrites_host(lines: &mut Vec<String>) {
    let host = lines.iter_mut().find(|line| line.to_lowercase().starts_with("host:")).unwrap();
    *host = "host: backend.internal".to_owned();
}

fn adds_header(lines: &mut Vec<String>) {
    lines.push("x-amz-meta-proxy: 1".to_owned());
}

fn encodes_again(lines: &mut Vec<String>) {
    lines[0] = lines[0].replace("%20", "%2520");
}

fn strips_the_bucket(lines: &mut Vec<String>) {
    lines[0] = lines[0].replace("/bucket/", "/");
}

fn replaces_the_date(lines: &mut Vec<String>) {
    let date = lines.iter_mut().find(|line| line.to_lowercase().starts_with("date:")).unwrap();
    *date = "date: Fri, 24 May 2013 00:00:00 GMT".to_owned();
}

#[test]
fn a_wrong_secret_is_distinguished_from_other_causes() {
    for version in [SignatureVersion::V4, SignatureVersion::V2] {
        cause(&refused(version, unchanged, "another", "us-east-1"), "so their secret keys differ");
    }
}

#[test]
fn version_4_names_the_change_by_the_proxy() {
    let with = |proxy| refused(SignatureVersion::V4, proxy, SECRET, "us-east-1");
    let error = with(rewrites_host);
    cause(&error, "rewrote the host header");
    cause(&error, "in line 4 at byte 6: the client signed \"host:127.0.0.1:");
    cause(&error, "the server \"host:backend.internal\"");
    cause(&with(encodes_again), "encoded the text twice");
    cause(&with(strips_the_bucket), "path-style or virtual-host");
    cause(
        &refused(SignatureVersion::V4, unchanged, SECRET, "eu-west-1"),
        "the server expects a different region",
    );
}

#[test]
fn version_2_names_the_change_by_the_proxy() {
    let with = |proxy| refused(SignatureVersion::V2, proxy, SECRET, "us-east-1");
    cause(&with(adds_header), "a header was added after signing");
    cause(&with(replaces_the_date), "check the clock");
    cause(&with(strips_the_bucket), "path-style or virtual-host");
}
