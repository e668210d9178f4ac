//! Secrets for planting in wrong places, and the search for them.

#![allow(dead_code, reason = "each test program uses only a part of this module")]

use std::error::Error;

/// Returns secrets in every form that a configuration may contain, each with a description.
pub(crate) fn secrets() -> Vec<(&'static str, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront/test_p256_pkcs8.pem");
    let pem = std::fs::read_to_string(path).expect("a key");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    vec![
        ("a secret key", "p1antedS3cret/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        (
            "a secret key that looks like a path",
            "/p1antedS3cret+K7MDENG/bPxRfiCYEXAMPLEKE".to_owned(),
        ),
        ("an access key", "AKIAQ3EGVZ7PLANTED42".to_owned()),
        ("a session token", format!("IQoJb3JpZ2luX2VjEPLANTED{}==", "Ab1/+xYz".repeat(40))),
        ("a web token", format!("eyJhbGciOiJSUzI1NiJ9.{0}.{0}", "eyJQTEFOVEVEIjoxMjM0NTY3ODkwfQ")),
        (
            "a key in hexadecimal",
            "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835".to_owned(),
        ),
        ("a URL with a password", "http://admin:p1antedPassw0rd@proxy.example.org:3128".to_owned()),
        (
            "a URL with a signature",
            "https://s3.example.org/a?X-Amz-Signature=p1antedS1gnature0123456789abcdef".to_owned(),
        ),
        ("a private key in PEM", pem.clone()),
        ("a private key with escaped line breaks", pem.replace('\n', "\\n")),
        ("a private key in one line", pem.replace('\n', " ")),
        ("a private key as DER in base64", der),
        (
            "a private key as PEM in base64",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &pem),
        ),
    ]
}

/// How many consecutive letters and digits of a secret no text may show.
const SHARED: usize = 12;

fn core(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Asserts that `text` shows no part of `secret`, however its letters are spelled.
pub(crate) fn assert_hidden(text: &str, secret: &str, what: &str) {
    // The text around the secret in a URL or a PEM block is public.
    let known =
        ["http://", "https://", "proxy.example.org:3128", "s3.example.org/a", "X-Amz-Signature"];
    let known = known.iter().chain(&["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"]);
    let secret = known.fold(secret.to_owned(), |secret, known| secret.replace(known, "\n"));
    let shown = core(text);
    for part in secret.lines().map(core) {
        for run in part.as_bytes().windows(SHARED) {
            let run = std::str::from_utf8(run).expect("ASCII");
            assert!(!shown.contains(run), "{what}: `{run}` appears in: {text}");
        }
    }
}

/// Returns every text of an error: its own, those of its causes, and those of the `io::Error` that
/// it becomes.
pub(crate) fn texts(error: s3driver::Error) -> Vec<String> {
    let mut texts = vec![error.to_string(), format!("{error:?}"), error.message().to_owned()];
    let parts = [
        error.code(),
        error.hint(),
        error.history(),
        error.request_id(),
        error.path(),
        error.region(),
    ];
    texts.extend(parts.into_iter().flatten().map(str::to_owned));
    let mut source = error.source();
    while let Some(cause) = source {
        texts.extend([cause.to_string(), format!("{cause:?}")]);
        source = cause.source();
    }
    let wrapped = std::io::Error::from(error);
    texts.extend([wrapped.to_string(), format!("{wrapped:?}")]);
    texts
}
