//! Sends downloads to a fixed place, such as a mirror or a proxy that needs no signature.
use super::{bad, delegate_to_inner};
use crate::driver::{Method, StorageDriver, UrlOptions, check_path};
use crate::error::Result;
use crate::net::url::{Url, UrlError};
use crate::sign::encode_path;
use crate::text::{Form, shown_value};
use std::fmt;
use std::sync::Arc;

/// What comes after the base URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedirectKey {
    /// The object's key, root directory included: the place shows the bucket. For drivers without keys, the path.
    #[default]
    Object,
    /// The driver's path: the place shows what lies below the driver's root directory.
    Path,
}

/// Hands out `baseurl` + key for GET and HEAD; every other method is the wrapped driver's.
///
/// The URLs are not signed and never expire: whoever has one can download as long as the place lets them.
pub struct Redirect {
    inner: Arc<dyn StorageDriver>,
    base: String,
    key: RedirectKey,
}

impl Redirect {
    /// Hands out URLs below `base_url` (with the bucket in its path, where the place needs one).
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) when it is no http(s) URL, or has a query, a
    /// fragment, a user name or components `.` or `..`.
    pub fn new(inner: Arc<dyn StorageDriver>, base_url: &str, key: RedirectKey) -> Result<Self> {
        let url = Url::parse(base_url).map_err(|e| match e {
            UrlError::NoScheme => bad("no scheme specified for redirect baseurl"),
            UrlError::NoHost => bad("no host specified for redirect baseurl"),
            e => bad(format!("unable to parse redirect baseurl: it {e}")),
        })?;
        if url.query.is_some() || url.has_dot_segment() {
            return Err(bad(
                "unable to parse redirect baseurl: it has a query, or a component . or ..",
            ));
        }
        Ok(Self { inner, base: url.to_string().trim_end_matches('/').to_owned(), key })
    }

    /// Reads the options of the registry's `redirect` middleware: `baseurl` (required) and `key`, which is `object` (the
    /// default) or `path`, see [`RedirectKey`].
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for an option that is missing, unknown or cannot be
    /// read.
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
                ("key", _) => return Err(bad("key only allows the following values: object|path")),
                _ => {
                    return Err(bad(format!(
                        "unknown option of the redirect middleware: {}",
                        shown_value(name, Form::Name)
                    )));
                }
            }
        }
        if base_url.is_empty() {
            return Err(bad("no baseurl provided"));
        }
        Self::new(inner, base_url, key)
    }
}

impl StorageDriver for Redirect {
    delegate_to_inner!();

    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        check_path(path)?;
        // User agents resolve `.` and `..`, and would ask for another object.
        let servable = !path.split('/').any(|part| part == "." || part == "..");
        if !servable || !matches!(options.method, Method::Get | Method::Head) {
            return self.inner.url_for(path, options);
        }
        let key = match self.key {
            RedirectKey::Object => self.inner.object_key(path),
            RedirectKey::Path => None,
        };
        let key = key.as_deref().unwrap_or(path);
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
