//! Signs one request in all four ways and shows each step, or explains why a server computed a
//! different signature.
//!
//! ```text
//! cargo run --example explain_signature -- GET https://bucket.s3.eu-west-1.amazonaws.com/key?acl \
//!     [header=range:bytes=0-9 ...] [payload=unsigned|empty|sha256:HEX|streaming|text:...] \
//!     [region=eu-west-1] [time=20130524T000000Z] [expires=3600] [bucket=NAME] \
//!     [access=AKIA...] [secret=...] [token=...] [< error.xml]
//! ```
//!
//! Keys that are not given are taken from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
//! `AWS_SESSION_TOKEN`. The URL is signed by the rules of its service; without `region`, the region
//! is taken from its host. `bucket` is the bucket that the host names, which version 2 puts before
//! the path. If the standard input contains an error document, it is compared with all four
//! signatures; pass the time at which the failed request was signed.
use s3driver::sign::explain::{Explanation, ServerSide, compare, scope_of_host};
use s3driver::sign::{Credentials, Request, v2, v4};
use s3driver::time::Timestamp;
use s3driver::xml;
use std::error::Error;
use std::io::{IsTerminal as _, Read as _};
use std::time::{Duration, SystemTime};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [method, url, options @ ..] = &arguments[..] else {
        return Err("pass a method, a URL and options as name=value; the first lines of this example list the options".into());
    };
    let given = |name: &str| {
        options.iter().rev().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let known =
        ["header", "payload", "region", "time", "expires", "bucket", "access", "secret", "token"];
    if let Some(wrong) = options
        .iter()
        .find(|option| !option.split_once('=').is_some_and(|(n, _)| known.contains(&n)))
    {
        let name = wrong.split('=').next().unwrap_or_default();
        return Err(format!("unknown option {name}: use one of {}", known.join(", ")).into());
    }

    let mut headers = Vec::new();
    for header in options.iter().filter_map(|option| option.strip_prefix("header=")) {
        headers.push(
            header
                .split_once(':')
                .ok_or_else(|| format!("a header is written name:value, not {header}"))?,
        );
    }
    // The exact spelling of the URL is signed, and a URL type could change it.
    let request = Request::from_url(method, url)?.headers(&headers);

    let variable = |name: &str, variable: &str| {
        given(name).map(str::to_owned).or_else(|| std::env::var(variable).ok())
    };
    let access =
        variable("access", "AWS_ACCESS_KEY_ID").ok_or("no access key: set AWS_ACCESS_KEY_ID")?;
    let secret = variable("secret", "AWS_SECRET_ACCESS_KEY")
        .ok_or("no secret: set AWS_SECRET_ACCESS_KEY")?;
    let mut credentials = Credentials::new(access, secret);
    if let Some(token) = variable("token", "AWS_SESSION_TOKEN").filter(|token| !token.is_empty()) {
        credentials = credentials.with_session_token(token);
    }
    let time = match given("time") {
        Some(text) => Timestamp::parse_amz_date(text)
            .or_else(|| Timestamp::parse_iso8601(text))
            .ok_or("the time is not valid: write it as 20130524T000000Z")?,
        None => Timestamp::from(SystemTime::now()),
    };
    let expires = Duration::from_secs(given("expires").unwrap_or("3600").parse()?);
    let host = url.split('/').nth(2).unwrap_or("");
    let scope = scope_of_host(host);
    let scope = v4::Scope { region: given("region").unwrap_or(scope.region), ..scope };
    let hash: [u8; 32];
    let payload = match given("payload").unwrap_or("empty") {
        "unsigned" => v4::Payload::Unsigned,
        "empty" => v4::Payload::Bytes(b""),
        "streaming" => v4::Payload::StreamingSigned,
        other => match (other.strip_prefix("text:"), other.strip_prefix("sha256:")) {
            (Some(text), _) => v4::Payload::Bytes(text.as_bytes()),
            (_, Some(digits)) => {
                hash = sha256(digits).ok_or("a SHA-256 consists of 64 hexadecimal digits")?;
                v4::Payload::Hash(&hash)
            }
            _ => return Err(format!("unknown payload {other}").into()),
        },
    };

    let ends = Timestamp::from_unix(time.unix().saturating_add(i64::try_from(expires.as_secs())?));
    let in_header = v4::sign(&request, payload, &credentials, scope, time)?;
    let in_query =
        v4::presign(&request, v4::Payload::Unsigned, &credentials, scope, time, expires)?;
    let old_in_header = v2::sign(&request, given("bucket"), &credentials, time)?;
    let old_in_query = v2::presign(&request, given("bucket"), &credentials, ends)?;
    let explanations: [(&str, Explanation<'_>); 4] = [
        ("Signature version 4, Authorization header", in_header.explain()),
        ("Signature version 4, presigned URL", in_query.explain()),
        ("Signature version 2, Authorization header", old_in_header.explain()),
        ("Signature version 2, presigned URL", old_in_query.explain()),
    ];
    for (name, explanation) in &explanations {
        println!("{name}\n\n{explanation}");
    }

    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let mut body = Vec::new();
    std::io::stdin().take(xml::MAX_REPLY_BYTES as u64).read_to_end(&mut body)?;
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let document = xml::error_document(&body)?;
    println!("The server says: {} {}\n", document.code, document.message);
    let server = ServerSide {
        canonical_request: document.steps.canonical_request.as_deref(),
        canonical_request_bytes: document.steps.canonical_request_bytes.as_deref(),
        string_to_sign: document.steps.string_to_sign.as_deref(),
        string_to_sign_bytes: document.steps.string_to_sign_bytes.as_deref(),
    };
    for (name, explanation) in &explanations {
        println!("{name}: {}", compare(explanation, &server));
    }
    Ok(())
}

fn sha256(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (number, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * number..2 * number + 2], 16).ok()?;
    }
    Some(hash)
}
