//! Redirects downloads to a fixed URL, such as that of a mirror or of a proxy that does not need
//! signatures.
use super::{config_error, delegate_to_inner};
use crate::driver::{Method, StorageDriver, UrlOptions, check_path};
use crate::error::Result;
use crate::net::url::{Url, UrlError};
use crate::sign::encode_path;
use crate::text::{Form, shown_value};
use std::fmt;
use std::sync::Arc;

/// The part of a URL that follows the base URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectKey {
    /// The object's key, including the root directory, for a server that serves the whole bucket.
    /// For drivers without keys, this is the path.
    #[default]
    Object,
    /// The driver's path, for a server that serves the contents of the driver's root directory.
    Path,
}

/// A driver that returns the base URL followed by the key, for GET and HEAD. For every other
/// method, it returns the URL of the wrapped driver.
///
/// The URLs are not signed and never expire: everyone who has such a URL can download the file, as
/// long as the server allows it.
pub struct Redirect {
    inner: Arc<dyn StorageDriver>,
    base: String,
    key: RedirectKey,
}

impl Redirect {
    /// Wraps `inner`. URLs begin with `base_url`, whose path must contain the bucket if the server
    /// requires it.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if `base_url` is not an
    /// http(s) URL, or has a query, a fragment, a user name or a component `.` or `..`.
    pub fn new(inner: Arc<dyn StorageDriver>, base_url: &str, key: RedirectKey) -> Result<Self> {
        let url = Url::parse(base_url).map_err(|e| match e {
            UrlError::NoScheme => config_error("no scheme specified for redirect baseurl"),
            UrlError::NoHost => config_error("no host specified for redirect baseurl"),
            e => config_error(format!("unable to parse redirect baseurl: it {e}")),
        })?;
        if url.query.is_some() || url.has_dot_segment() {
            return Err(config_error(
                "unable to parse redirect baseurl: it has a query, or a component . or ..",
            ));
        }

        Ok(Self { inner, base: url.to_string().trim_end_matches('/').to_owned(), key })
    }

    /// Wraps `inner` with the options of the registry's `redirect` middleware: `baseurl` (required)
    /// and `key`, which is `object` (the default) or `path` (see [`RedirectKey`]).
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for an option that is missing,
    /// unknown or invalid.
    pub fn from_pairs<'a>(
        inner: Arc<dyn StorageDriver>,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let (mut base_url, mut key) = ("", RedirectKey::Object);
        for (name, value) in pairs {
            match (name, value) {
                ("baseurl", url) => base_url = url,
                ("key", "" | "object") => key = RedirectKey::Object,
                ("key", "path") => key = RedirectKey::Path,
                ("key", _) => {
                    return Err(config_error("key only allows the following values: object|path"));
                }
                _ => {
                    return Err(config_error(format!(
                        "unknown option of the redirect middleware: {}",
                        shown_value(name, Form::Name)
                    )));
                }
            }
        }

        if base_url.is_empty() {
            return Err(config_error("no baseurl provided"));
        }

        Self::new(inner, base_url, key)
    }
}

impl StorageDriver for Redirect {
    delegate_to_inner!();

    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        check_path(path)?;
        let key = match self.key {
            RedirectKey::Object => self.inner.object_key(path),
            RedirectKey::Path => None,
        };

        let key = key.as_deref().unwrap_or(path);
        // User agents would resolve `.` and `..`, and request a different object.
        let servable = !key.split('/').any(|part| part == "." || part == "..");
        if !servable || !matches!(options.method, Method::Get | Method::Head) {
            return self.inner.url_for(path, options);
        }

        Ok(format!("{}/{}", self.base, encode_path(key.strip_prefix('/').unwrap_or(key))))
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, base, key } = self;
        f.debug_struct("Redirect")
            .field("inner", &inner.name())
            .field("base", base)
            .field("key", key)
            .finish()
    }
}
