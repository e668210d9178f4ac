//! Signed URLs and signed cookies.
use super::base64::encode_base64;
use super::hash::HashAlgorithm;
use super::key::{PrivateKey, PublicKey};
use super::pem::invalid_key;
use super::policy::{Policy, invalid_argument};
use super::reuse::Signatures;
use crate::error::Result;
use crate::net::percent;
use crate::net::url::Url;
use crate::time::Timestamp;
use std::fmt;

/// The query parameters that CloudFront adds to a signed URL; a URL to be signed must not contain
/// them.
const RESERVED: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];

/// Signs URLs and cookies with one key pair. The key is parsed only once, and signing takes
/// `&self`, so a signer can be shared between threads.
///
/// A signer does not have a clock: every method takes the current time as `now` and rejects
/// policies that have expired.
pub struct Signer {
    key: PrivateKey,
    key_pair_id: String,
    hash: HashAlgorithm,
    signatures: Signatures,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key", &self.key)
            .field("key_pair_id", &self.key_pair_id)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Creates a signer for `key`, whose public half is registered with CloudFront as `key_pair_id`
    /// (such as `K2JCJMDEHXQW5F`). Policies are hashed with SHA-1.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if `key_pair_id` is empty or
    /// contains characters other than letters and digits.
    pub fn new(key: PrivateKey, key_pair_id: &str) -> Result<Self> {
        if key_pair_id.is_empty() || !key_pair_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(invalid_key(
                "the key pair id must consist of letters and digits, like K2JCJMDEHXQW5F",
            ));
        }

        Ok(Self {
            key,
            key_pair_id: key_pair_id.to_owned(),
            hash: HashAlgorithm::Sha1,
            signatures: Signatures::default(),
        })
    }

    /// Hashes policies with `hash`.
    #[must_use]
    pub fn hash_algorithm(mut self, hash: HashAlgorithm) -> Self {
        self.hash = hash;
        self.signatures.clear();
        self
    }

    /// Returns the public key, which verifies the signatures.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Returns a URL that is valid until `ends`, signed with a canned policy.
    ///
    /// The signature covers exactly the bytes of the returned URL up to `Expires`. `url` must be
    /// ASCII and percent-encoded. Scheme and host are converted to lower case, and a default port
    /// and an empty query are removed, as user agents do; path and query are left unchanged.
    /// Browsers send an apostrophe in a query as `%27`, so it should be passed in that form.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if `url` is not an http(s)
    /// URL or contains a user name, a fragment, a `*`, a component `.` or `..`, or one of
    /// CloudFront's own parameters; if `ends` is not after `now`; or if it is later than
    /// [`LAST_END`](super::LAST_END). In addition, the errors of [`PrivateKey::sign`].
    pub fn sign_url(&self, url: &str, ends: Timestamp, now: Timestamp) -> Result<String> {
        let url = signable(url)?;
        let policy = Policy::exact(&url, ends)?;
        self.signed(&url, &format!("Expires={}", ends.unix()), &policy, now)
    }

    /// Returns a URL that is valid within the limits of `policy`, signed with that custom policy.
    ///
    /// # Errors
    /// The errors of [`Signer::sign_url`], except that `url` may contain a `*`. In addition,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the policy's resource
    /// does not cover the URL.
    pub fn sign_url_with_policy(
        &self,
        url: &str,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<String> {
        let url = signable(url)?;
        if !policy.covers(&url.to_string()) {
            return Err(invalid_argument("the policy's resource does not cover the URL"));
        }

        self.signed(
            &url,
            &format!("Policy={}", encode_base64(policy.to_json().as_bytes())),
            policy,
            now,
        )
    }

    /// Returns cookies that grant access to one URL until `ends`, signed with a canned policy.
    ///
    /// # Errors
    /// The errors of [`Signer::sign_url`].
    pub fn cookies(&self, url: &str, ends: Timestamp, now: Timestamp) -> Result<SignedCookies> {
        let policy = Policy::exact(&signable(url)?, ends)?;
        self.cookies_of(("CloudFront-Expires", ends.unix().to_string()), &policy, now)
    }

    /// Returns cookies that grant the access that `policy` describes, signed with that custom
    /// policy.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the policy expires at
    /// or before `now`, and the errors of [`PrivateKey::sign`].
    pub fn cookies_with_policy(&self, policy: &Policy, now: Timestamp) -> Result<SignedCookies> {
        self.cookies_of(
            ("CloudFront-Policy", encode_base64(policy.to_json().as_bytes())),
            policy,
            now,
        )
    }

    fn signed(&self, url: &Url, first: &str, policy: &Policy, now: Timestamp) -> Result<String> {
        let signature = self.signature(policy, now)?;
        let joint = if url.query.is_some() { '&' } else { '?' };
        let mut signed =
            format!("{url}{joint}{first}&Signature={signature}&Key-Pair-Id={}", self.key_pair_id);
        if self.hash != HashAlgorithm::Sha1 {
            signed.push_str("&Hash-Algorithm=");
            signed.push_str(self.hash.name());
        }

        Ok(signed)
    }

    fn cookies_of(
        &self,
        first: (&'static str, String),
        policy: &Policy,
        now: Timestamp,
    ) -> Result<SignedCookies> {
        let mut pairs = vec![
            first,
            ("CloudFront-Signature", self.signature(policy, now)?),
            ("CloudFront-Key-Pair-Id", self.key_pair_id.clone()),
        ];
        if self.hash != HashAlgorithm::Sha1 {
            pairs.push(("CloudFront-Hash-Algorithm", self.hash.name().to_owned()));
        }

        Ok(SignedCookies(pairs))
    }

    fn signature(&self, policy: &Policy, now: Timestamp) -> Result<String> {
        if policy.ends().unix() <= now.unix() {
            return Err(invalid_argument("the expiry is in the past"));
        }

        self.signatures.of(policy.to_json(), |policy| {
            Ok(encode_base64(&self.key.sign(policy.as_bytes(), self.hash)?))
        })
    }
}

/// Three signed cookies, or four with SHA-256. `Debug` shows only their names because the values
/// grant access.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCookies(Vec<(&'static str, String)>);

impl SignedCookies {
    /// Returns the names and values, in the order of the documentation.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Returns the values of the `Set-Cookie` headers to send, one for each cookie. All of them are
    /// `Secure` and `HttpOnly`. They do not have an expiry date, so browsers discard them when they
    /// are closed ([developer
    /// guide](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html)).
    pub fn set_cookie_headers(&self, scope: &CookieScope) -> Vec<String> {
        let CookieScope { domain, path } = scope;
        let attribute = |name, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |v| format!("; {name}={v}"))
        };

        let (domain, path) = (attribute("Domain", domain), attribute("Path", path));
        self.pairs()
            .map(|(name, value)| format!("{name}={value}{domain}{path}; Secure; HttpOnly"))
            .collect()
    }
}

impl fmt::Debug for SignedCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "redacted"))).finish()
    }
}

/// The URLs for which a browser sends the cookies. Without a domain, these are the URLs of the host
/// that set the cookies. Without a path, they are the URLs below the one that set the cookies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieScope {
    domain: Option<String>,
    path: Option<String>,
}

impl CookieScope {
    /// Creates a scope without a domain and without a path.
    pub const fn new() -> Self {
        Self { domain: None, path: None }
    }

    /// Sends the cookies to this domain and its subdomains, such as
    /// `d111111abcdef8.cloudfront.net`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) unless the domain consists
    /// of letters, digits, `.` and `-`.
    pub fn domain(mut self, domain: &str) -> Result<Self> {
        if domain.is_empty()
            || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        {
            return Err(invalid_argument(
                "a cookie's domain must consist of letters, digits, dots and hyphens",
            ));
        }

        self.domain = Some(domain.to_owned());
        Ok(self)
    }

    /// Sends the cookies for URLs below this path, such as `/images`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) unless the path begins
    /// with `/` and is printable ASCII without `;`.
    pub fn path(mut self, path: &str) -> Result<Self> {
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
            return Err(invalid_argument(
                "a cookie's path must begin with / and be printable ASCII without a semicolon",
            ));
        }

        self.path = Some(path.to_owned());
        Ok(self)
    }
}

/// Parses a URL, and checks that user agents will send it to CloudFront exactly as it is signed.
fn signable(url: &str) -> Result<Url> {
    let url = Url::parse(url).map_err(|e| invalid_argument(format!("the URL {e}")))?;
    if url.has_dot_segment() {
        return Err(invalid_argument(
            "the URL has a component . or .., which user agents remove: resolve it first",
        ));
    }

    let query = url.query.as_deref().unwrap_or_default();
    if query.ends_with('&') {
        return Err(invalid_argument("the URL's query ends with &: remove it"));
    }

    if let Some(name) = query.split('&').find_map(reserved) {
        return Err(invalid_argument(format!(
            "the URL already has CloudFront's parameter {name}: pass the URL without it"
        )));
    }

    Ok(url)
}

/// Returns CloudFront's name for a query parameter, if the parameter is one that CloudFront adds,
/// even when some letters of the name are percent-encoded.
fn reserved(parameter: &str) -> Option<&'static str> {
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    let decoded = percent::decode(name)?;
    RESERVED.into_iter().find(|own| own.as_bytes() == decoded)
}
