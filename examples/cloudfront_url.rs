//! Signs a URL and cookies for CloudFront, verifies the signatures with the public key, and prints
//! when they expire.
//!
//! ```text
//! cargo run --example cloudfront_url -- url=https://d111111abcdef8.cloudfront.net/image.jpg \
//!     privatekey=key.pem keypairid=K2JCJMDEHXQW5F [seconds=1200] [hash=sha1|sha256] [resource=https://.../*] [source=192.0.2.0/24]
//! ```
//!
//! The policy is a custom one if `resource` or `source` is given, and a canned one otherwise.
use s3driver::cloudfront::{CookieScope, HashAlgorithm, Policy, PrivateKey, Signer, decode_base64};
use s3driver::time::Timestamp;
use std::collections::HashMap;
use std::error::Error;
use std::time::SystemTime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: HashMap<&str, &str> =
        arguments.iter().filter_map(|argument| argument.split_once('=')).collect();
    let required = |name: &str| {
        given.get(name).copied().ok_or_else(|| format!("missing argument: {name}=..."))
    };

    let hash = match given.get("hash").copied().unwrap_or("sha1") {
        "sha1" => HashAlgorithm::Sha1,
        "sha256" => HashAlgorithm::Sha256,
        other => return Err(format!("hash is sha1 or sha256, not {other}").into()),
    };
    let key = PrivateKey::from_file(required("privatekey")?)?;
    let signer = Signer::new(key, required("keypairid")?)?.hash_algorithm(hash);
    let url = required("url")?;
    let now = Timestamp::from(SystemTime::now());
    let seconds: i64 = given.get("seconds").copied().unwrap_or("1200").parse()?;
    let ends = Timestamp::from_unix(now.unix().saturating_add(seconds));

    let mut policy = Policy::new(given.get("resource").copied().unwrap_or(url), ends)?;
    if let Some(source) = given.get("source") {
        policy = policy.source(source.parse()?);
    }
    let custom = given.contains_key("resource") || given.contains_key("source");
    let (signed, cookies) = if custom {
        (signer.sign_url_with_policy(url, &policy, now)?, signer.cookies_with_policy(&policy, now)?)
    } else {
        (signer.sign_url(url, ends, now)?, signer.cookies(url, ends, now)?)
    };

    println!("signed URL:\n{signed}\n\ncookies:");
    for header in cookies.set_cookie_headers(&CookieScope::new().path("/")?) {
        println!("Set-Cookie: {header}");
    }

    // A canned policy is not sent: the verifier reconstructs it from the URL, here from the part
    // before `Expires`.
    let sent = signed
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("Signature="))
        .unwrap_or_default();
    let resource = signed
        .rsplit_once("Expires=")
        .and_then(|(before, _)| before.strip_suffix(['?', '&']))
        .unwrap_or_default();
    let policy = if custom { policy } else { Policy::new(resource, ends)? };
    let in_cookies = cookies
        .pairs()
        .find(|(name, _)| *name == "CloudFront-Signature")
        .map_or("", |(_, value)| value);
    for signature in [sent, in_cookies] {
        let signature =
            decode_base64(signature).ok_or("the signature is not CloudFront's base64")?;
        signer.public_key().verify(policy.to_json().as_bytes(), &signature, hash)?;
    }
    println!("\npolicy:\n{}\n\nboth signatures are verified by the public key", policy.to_json());
    println!("valid until {} ({seconds} seconds from now)", ends.iso8601());
    Ok(())
}
