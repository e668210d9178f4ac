//! Storage drivers that wrap another driver and change the URLs it returns.
//!
//! | name | URLs |
//! |---|---|
//! | `cloudfront` | signed for a CloudFront distribution: `s3driver::middleware::CloudFront`, with the feature `cloudfront` |
//! | `redirect` | below a fixed base URL, never signed: [`Redirect`] |
//! | `rewrite` | those of the wrapped driver with another scheme, host or path: [`Rewrite`] |
#[cfg(feature = "cloudfront")]
mod cloudfront;
mod redirect;
mod rewrite;

#[cfg(all(feature = "cloudfront", feature = "client"))]
pub use cloudfront::HttpFetch;
#[cfg(feature = "cloudfront")]
pub use cloudfront::{CloudFront, CloudFrontOptions, Fetch, IpFilter, IpRanges};
pub use redirect::{Redirect, RedirectKey};
pub use rewrite::{Rewrite, SignedUrls};

#[cfg(feature = "client")]
use crate::client::Client;
use crate::driver::StorageDriver;
#[cfg(all(feature = "client", feature = "serde"))]
use crate::driver::{Backend, RegistryConfig, S3Driver};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{Form, shown_value};
use std::sync::Arc;

/// Wraps `inner` in the middleware called `name`, with the options of a registry's configuration.
///
/// # Errors
/// [`ErrorKind::Configuration`] if there is no middleware with this name, or if its options are
/// invalid.
pub fn wrap<'a>(
    name: &str,
    inner: Arc<dyn StorageDriver>,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Arc<dyn StorageDriver>> {
    match name {
        #[cfg(feature = "cloudfront")]
        "cloudfront" => {
            Ok(Arc::new(CloudFront::new(inner, CloudFrontOptions::from_pairs(options)?)?))
        }
        #[cfg(not(feature = "cloudfront"))]
        "cloudfront" => Err(config_error(
            "the middleware cloudfront is not available: build s3driver with its feature \
             `cloudfront`",
        )),
        "redirect" => Ok(Arc::new(Redirect::from_pairs(inner, options)?)),
        "rewrite" => Ok(Arc::new(Rewrite::from_pairs(inner, options)?)),
        _ => Err(config_error(format!(
            "no storage middleware registered with name: {}",
            shown_value(name, Form::Name)
        ))),
    }
}

/// Like [`wrap`], for storage that `client` accesses: the `cloudfront` middleware fetches the IP
/// ranges through the client's proxy and with its certificate authorities, and reports a failure to
/// its observers (see [`HttpFetch::with_client`]).
///
/// # Errors
/// The errors of [`wrap`].
#[cfg(all(feature = "client", feature = "cloudfront"))]
pub fn wrap_with_client<'a>(
    name: &str,
    inner: Arc<dyn StorageDriver>,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
    client: &Client,
) -> Result<Arc<dyn StorageDriver>> {
    if name != "cloudfront" {
        return wrap(name, inner, options);
    }
    let fetch = Arc::new(HttpFetch::with_client(client)?);
    let options = CloudFrontOptions::from_pairs(options)?.fetch(fetch);
    Ok(Arc::new(CloudFront::new(inner, options)?))
}

/// Like [`wrap`]. Without the feature `cloudfront`, no middleware uses the client.
///
/// # Errors
/// The errors of [`wrap`].
#[cfg(all(feature = "client", not(feature = "cloudfront")))]
pub fn wrap_with_client<'a>(
    name: &str,
    inner: Arc<dyn StorageDriver>,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
    _: &Client,
) -> Result<Arc<dyn StorageDriver>> {
    wrap(name, inner, options)
}

/// Opens the storage of a registry's configuration, wrapped in its middlewares, without connecting
/// to it. The middlewares use the proxy and the certificates of the S3 driver (see
/// [`wrap_with_client`]).
///
/// # Errors
/// The errors of [`Backend::open`](crate::driver::Backend::open) and [`wrap`].
#[cfg(all(feature = "client", feature = "serde"))]
pub fn open(config: &RegistryConfig) -> Result<Arc<dyn StorageDriver>> {
    let (driver, client) = match &config.storage.backend {
        Backend::S3(parameters) => {
            let driver = S3Driver::new(parameters)?;
            let client = driver.client().clone();
            (Arc::new(driver) as Arc<dyn StorageDriver>, Some(client))
        }
        backend => (backend.open()?, None),
    };
    config.middleware.iter().try_fold(driver, |driver, middleware| {
        let options =
            middleware.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        match &client {
            Some(client) => wrap_with_client(&middleware.name, driver, options, client),
            None => wrap(&middleware.name, driver, options),
        }
    })
}

fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// Implements every method of [`StorageDriver`] except `url_for` by calling the field `inner`. This
/// includes `name`, because errors name the driver that failed, and these methods of a wrapper
/// cannot fail by themselves.
macro_rules! delegate_to_inner {
    () => {
        fn name(&self) -> &str {
            self.inner.name()
        }

        fn get_content(&self, path: &str) -> $crate::error::Result<Vec<u8>> {
            self.inner.get_content(path)
        }

        fn put_content(&self, path: &str, content: &[u8]) -> $crate::error::Result<()> {
            self.inner.put_content(path, content)
        }

        fn reader(
            &self,
            path: &str,
            offset: i64,
        ) -> $crate::error::Result<Box<dyn std::io::Read + Send>> {
            self.inner.reader(path, offset)
        }

        fn writer(
            &self,
            path: &str,
            mode: $crate::driver::WriteMode,
        ) -> $crate::error::Result<Box<dyn $crate::driver::FileWriter>> {
            self.inner.writer(path, mode)
        }

        fn write_stream(
            &self,
            path: &str,
            offset: i64,
            reader: &mut dyn std::io::Read,
        ) -> $crate::error::Result<u64> {
            self.inner.write_stream(path, offset, reader)
        }

        fn stat(&self, path: &str) -> $crate::error::Result<$crate::driver::FileInfo> {
            self.inner.stat(path)
        }

        fn list(&self, path: &str) -> $crate::error::Result<Vec<String>> {
            self.inner.list(path)
        }

        fn rename(&self, from: &str, to: &str) -> $crate::error::Result<()> {
            self.inner.rename(from, to)
        }

        fn delete(&self, path: &str) -> $crate::error::Result<()> {
            self.inner.delete(path)
        }

        fn walk(
            &self,
            from: &str,
            options: &$crate::driver::WalkOptions,
            visit: &mut dyn FnMut(
                &$crate::driver::FileInfo,
            ) -> $crate::error::Result<$crate::driver::WalkStep>,
        ) -> $crate::error::Result<()> {
            self.inner.walk(from, options, visit)
        }

        fn pending_uploads(
            &self,
            path: &str,
        ) -> $crate::error::Result<$crate::driver::PendingUploads> {
            self.inner.pending_uploads(path)
        }

        fn purge_uploads(
            &self,
            path: &str,
            age: std::time::Duration,
        ) -> $crate::error::Result<$crate::driver::Purged> {
            self.inner.purge_uploads(path, age)
        }

        fn object_key(&self, path: &str) -> Option<String> {
            self.inner.object_key(path)
        }
    };
}
pub(crate) use delegate_to_inner;
