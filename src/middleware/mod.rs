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

#[cfg(all(feature = "client", feature = "serde"))]
use crate::driver::RegistryConfig;
use crate::driver::StorageDriver;
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

/// Opens the storage of a registry's configuration, wrapped in its middlewares, without connecting
/// to it.
///
/// # Errors
/// The errors of [`Backend::open`](crate::driver::Backend::open) and [`wrap`].
#[cfg(all(feature = "client", feature = "serde"))]
pub fn open(config: &RegistryConfig) -> Result<Arc<dyn StorageDriver>> {
    config.middleware.iter().try_fold(config.storage.backend.open()?, |driver, middleware| {
        let options =
            middleware.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        wrap(&middleware.name, driver, options)
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
