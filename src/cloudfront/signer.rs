//! Signed URLs and signed cookies.
use super::base64::encode_base64;
use super::key::{HashAlgorithm, PrivateKey, PublicKey};
use super::pem::broken;
use super::policy::{Policy, refused};
use crate::error::Result;
use crate::net::percent;
use crate::net::url::Url;
use crate::time::Timestamp;
use std::fmt;

/// What CloudFront adds to a URL, which a URL to be signed must therefore not hold.
const RESERVED: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];

/// Signs for one key pair. Cheap to share: the key was parsed once, and signing asks for `&self`.
///
/// It has no clock: `now` is an argument, and what would already have ended is refused.
#[derive(Debug)]
pub struct Signer {
    key: PrivateKey,
    key_pair_id: String,
    hash: HashAlgorithm,
}

impl Signer {
    /// Signs with `key`, which CloudFront knows as `key_pair_id` (such as `K2JCJMDEHXQW5F`), hashing with SHA-1.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) when the id is not made of letters and digits.
    pub fn new(key: PrivateKey, key_pair_id: &str) -> Result<Self> {
        if key_pair_id.is_empty() || !key_pair_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(broken(
                "the key pair id must be made of letters and digits, like K2JCJMDEHXQW5F",
            ));
        }
        Ok(Self { key, key_pair_id: key_pair_id.to_owned(), hash: HashAlgorithm::Sha1 })
    }

    /// The same with another hash.
    #[must_use]
    pub const fn hash_algorithm(mut self, hash: HashAlgorithm) -> Self {
        self.hash = hash;
        self
    }

    /// The public half of the key, to check signatures.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// A URL that is good until `ends`, by a canned policy.
    ///
    /// What is signed is byte for byte what is returned before `Expires`: `url` must be ASCII and percent-encoded. Scheme
    /// and host are made lower-case, a default port and an empty query are left out, as user agents do; path and query
    /// stay as they are.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for what is no http(s) URL, holds a user name, a
    /// fragment, a `*`, a component `.` or `..`, or one of CloudFront's own parameters; for an end that is not after
    /// `now`, or later than [`LAST_END`](super::LAST_END). As [`PrivateKey::sign`] otherwise.
    pub fn sign_url(&self, url: &str, ends: Timestamp, now: Timestamp) -> Result<String> {
        let url = signable(url)?;
        let policy = Policy::exact(&url, ends)?;
        self.signed(&url, &format!("Expires={}", ends.unix()), &policy, now)
    }

    /// A URL that is good as far as `policy` says, by a custom policy.
    ///
    /// # Errors
    /// As [`Signer::sign_url`], but a `*` is welcome; and when the policy's resource does not cover the URL.
    pub fn sign_url_with_policy(
        &self,
        url: &str,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<String> {
        let url = signable(url)?;
        if !policy.covers(&url.to_string()) {
            return Err(refused("the policy's resource does not cover the URL"));
        }
        self.signed(
            &url,
            &format!("Policy={}", encode_base64(policy.to_json().as_bytes())),
            policy,
            now,
        )
    }

    /// Cookies that open one URL until `ends`, by a canned policy.
    ///
    /// # Errors
    /// As [`Signer::sign_url`].
    pub fn cookies(&self, url: &str, ends: Timestamp, now: Timestamp) -> Result<SignedCookies> {
        let policy = Policy::exact(&signable(url)?, ends)?;
        self.cookies_of(("CloudFront-Expires", ends.unix().to_string()), &policy, now)
    }

    /// Cookies that open what `policy` says, by a custom policy.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when the policy ends before `now`. As
    /// [`PrivateKey::sign`] otherwise.
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
            return Err(refused("the expiry is in the past"));
        }
        Ok(encode_base64(&self.key.sign(policy.to_json().as_bytes(), self.hash)?))
    }
}

/// Three cookies, or four with SHA-256. `Debug` shows their names alone: the values let everybody in.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCookies(Vec<(&'static str, String)>);

impl SignedCookies {
    /// Names and values, in the documentation's order.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The values of the `Set-Cookie` headers to send, one for each cookie. All are `Secure` and `HttpOnly`; none has an
    /// end, so that browsers forget them when they are closed
    /// ([developer guide](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html)).
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

/// Where a browser sends the cookies. Without a domain: to the host that set them; without a path: below the URL that did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieScope {
    domain: Option<String>,
    path: Option<String>,
}

impl CookieScope {
    /// To the host that sets them, below the URL that does.
    pub const fn new() -> Self {
        Self { domain: None, path: None }
    }

    /// To this domain and its subdomains, such as `d111111abcdef8.cloudfront.net`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) unless it is made of letters, digits, `.`, `-`.
    pub fn domain(mut self, domain: &str) -> Result<Self> {
        if domain.is_empty()
            || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        {
            return Err(refused("a cookie's domain is made of letters, digits, dots and hyphens"));
        }
        self.domain = Some(domain.to_owned());
        Ok(self)
    }

    /// Below this path, such as `/images`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) unless it begins with `/` and is printable ASCII
    /// without `;`.
    pub fn path(mut self, path: &str) -> Result<Self> {
        if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic() && b != b';') {
            return Err(refused(
                "a cookie's path begins with / and is printable ASCII without a semicolon",
            ));
        }
        self.path = Some(path.to_owned());
        Ok(self)
    }
}

/// A URL of which CloudFront will see exactly the bytes that are signed.
fn signable(url: &str) -> Result<Url> {
    let url = Url::parse(url).map_err(|e| refused(format!("the URL {e}")))?;
    if url.has_dot_segment() {
        return Err(refused(
            "the URL has a component . or .., which user agents remove: resolve it first",
        ));
    }
    let query = url.query.as_deref().unwrap_or_default();
    if query.ends_with('&') {
        return Err(refused("the URL's query ends with &"));
    }
    if let Some(name) = query.split('&').find_map(reserved) {
        return Err(refused(format!(
            "the URL already carries the parameter {name}: give it unsigned"
        )));
    }
    Ok(url)
}

/// CloudFront's name of a query parameter, if it is one of its own, also when letters of it are percent-encoded.
fn reserved(parameter: &str) -> Option<&'static str> {
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    let decoded = percent::decode(name)?;
    RESERVED.into_iter().find(|own| own.as_bytes() == decoded)
}
