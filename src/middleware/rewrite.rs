//! Rewrites the URLs of the wrapped driver: replaces the scheme or the host, or shortens the path.
use super::{config_error, delegate_to_inner};
use crate::driver::{StorageDriver, UrlOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::net::host::{Host, Scheme};
use crate::net::url::{Url, split_authority};
use crate::text::{Form, shown_value};
use std::fmt;
use std::sync::Arc;

const BROKEN_SIGNATURE: &str = "rewriting a signed URL breaks its signature: let the driver sign \
     for the new host (redirectendpoint), or set signedurls to rewrite if a proxy restores the \
     original";

/// How to treat a signed URL whose signature covers a part that would be rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedUrls {
    /// Returns an error because the server would refuse the rewritten URL.
    #[default]
    Refuse,
    /// Rewrites the URL anyway, for a proxy that restores the original URL before it sends the
    /// request to the server.
    Rewrite,
}

/// A driver that rewrites the URLs of the wrapped driver. It returns no URL if the wrapped driver
/// returns none.
///
/// Most signatures cover the parts that are rewritten here: AWS's version 4 signs the host and the
/// path, version 2 signs the path, and CloudFront signs the whole URL. The server refuses a
/// rewritten URL unless a proxy restores the original. By default, rewriting a signed URL is
/// therefore an error. To return presigned URLs for a different host, let the driver sign for that
/// host (`redirectendpoint`).
pub struct Rewrite {
    inner: Arc<dyn StorageDriver>,
    rules: Rules,
}

impl Rewrite {
    /// Wraps `inner` without any rules.
    pub fn new(inner: Arc<dyn StorageDriver>) -> Self {
        Self { inner, rules: Rules::default() }
    }

    /// Sets the scheme: `http` or `https`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for any other scheme.
    pub fn scheme(mut self, scheme: &str) -> Result<Self> {
        self.rules.scheme = Some(
            Scheme::parse(scheme).ok_or_else(|| config_error("scheme must be http or https"))?,
        );
        Ok(self)
    }

    /// Sets the host and, if needed, the port: `mirror.example.com`, `10.0.0.1:5000`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the host is neither a name nor an address.
    pub fn host(mut self, host: &str) -> Result<Self> {
        let authority = split_authority(host)
            .map_err(|e| config_error(format!("host \"{}\" {e}", shown_value(host, Form::Url))))?;
        self.rules.host = Some(authority);
        Ok(self)
    }

    /// Removes `prefix` from the beginning of the path if the path has it. `prefix` is compared
    /// with the percent-encoded path of the URL.
    #[must_use]
    pub fn trim_path_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.rules.trim_path_prefix);
        self
    }

    /// Sets the treatment of signed URLs.
    #[must_use]
    pub const fn signed_urls(mut self, signed: SignedUrls) -> Self {
        self.rules.signed_urls = signed;
        self
    }

    /// Wraps `inner` with the options of the registry's `rewrite` middleware, all of which are
    /// optional: `scheme`, `host`, `trimpathprefix`, and `signedurls`, which is `refuse` (the
    /// default) or `rewrite` (see [`SignedUrls`]).
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for an option that is unknown or invalid. So are `host` and
    /// `trimpathprefix` without `signedurls: rewrite` if `inner` signs its URLs, because every
    /// download would fail.
    pub fn from_pairs<'a>(
        inner: Arc<dyn StorageDriver>,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let set = |rewrite: Self, (name, value)| match (name, value) {
            ("scheme" | "host" | "trimpathprefix" | "signedurls", "") => Ok(rewrite),
            ("scheme", scheme) => rewrite.scheme(scheme),
            ("host", host) => rewrite.host(host),
            ("trimpathprefix", prefix) => Ok(rewrite.trim_path_prefix(prefix)),
            ("signedurls", "refuse") => Ok(rewrite.signed_urls(SignedUrls::Refuse)),
            ("signedurls", "rewrite") => Ok(rewrite.signed_urls(SignedUrls::Rewrite)),
            ("signedurls", _) => {
                Err(config_error("signedurls only allows the following values: refuse|rewrite"))
            }
            _ => Err(config_error(format!(
                "unknown option of the rewrite middleware: {}",
                shown_value(name, Form::Name)
            ))),
        };
        let rewrite = pairs.into_iter().try_fold(Self::new(inner), set)?;
        let rules = &rewrite.rules;
        let changes = rules.host.is_some() || !rules.trim_path_prefix.trim_matches('/').is_empty();
        if changes && rules.signed_urls == SignedUrls::Refuse && rewrite.inner.signs_urls() {
            return Err(config_error(BROKEN_SIGNATURE));
        }
        Ok(rewrite)
    }
}

impl StorageDriver for Rewrite {
    delegate_to_inner!();

    fn signs_urls(&self) -> bool {
        self.inner.signs_urls()
    }

    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        let original = self.inner.url_for(path, options)?;
        self.rules.apply(&original).map_err(|e| e.with_path(path))
    }
}

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite")
            .field("inner", &self.inner.name())
            .field("rules", &self.rules)
            .finish()
    }
}

#[derive(Debug, Default)]
struct Rules {
    scheme: Option<Scheme>,
    /// The host, and its port if one is given.
    host: Option<(Host, Option<u16>)>,
    trim_path_prefix: String,
    signed_urls: SignedUrls,
}

impl Rules {
    fn apply(&self, original: &str) -> Result<String> {
        let before = Url::parse(original)
            .map_err(|e| Error::new(ErrorKind::Configuration, format!("the URL to rewrite {e}")))?;
        let mut after = before.clone();
        if let Some(scheme) = self.scheme {
            after.set_scheme(scheme);
        }

        if let Some((host, port)) = &self.host {
            (after.host, after.port) = (host.clone(), *port);
        }

        if let Some(rest) = after.path.strip_prefix(&self.trim_path_prefix) {
            after.path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        }

        let rewritten = after.to_string();
        if rewritten == before.to_string() {
            return Ok(original.to_owned());
        }

        if self.signed_urls == SignedUrls::Refuse
            && Signature::of(&before).is_some_and(|s| s.breaks(&before, &after))
        {
            return Err(config_error(BROKEN_SIGNATURE));
        }

        Ok(rewritten)
    }
}

/// The kind of signature that a URL has.
#[derive(Clone, Copy)]
enum Signature {
    AwsV4,
    AwsV2,
    CloudFront,
}

impl Signature {
    fn of(url: &Url) -> Option<Self> {
        let query = url.query.as_deref()?;
        let has = |name: &str| {
            query.split('&').any(|part| part.split_once('=').map_or(part, |(n, _)| n) == name)
        };

        match () {
            () if has("X-Amz-Signature") => Some(Self::AwsV4),
            () if has("Signature") && has("Key-Pair-Id") => Some(Self::CloudFront),
            () if has("Signature") && has("AWSAccessKeyId") => Some(Self::AwsV2),
            () => None,
        }
    }

    fn breaks(self, before: &Url, after: &Url) -> bool {
        let path = before.path != after.path;
        let host = before.authority() != after.authority();
        match self {
            // In version 4, `host` is always a signed header. Version 2 signs the bucket, which may
            // be part of the host.
            Self::AwsV4 | Self::AwsV2 => path || host,
            Self::CloudFront => path || host || before.scheme != after.scheme,
        }
    }
}
