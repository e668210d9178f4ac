//! A driver whose download URLs point to CloudFront.
mod document;
mod fetch;
mod options;
mod ranges;
mod refresh;

pub use fetch::Fetch;
#[cfg(feature = "client")]
pub use fetch::HttpFetch;
pub use options::{CloudFrontOptions, IpFilter};
pub use ranges::IpRanges;

use crate::driver::path::below;
use crate::driver::{Method, StorageDriver, UrlOptions, check_path};
use crate::error::{Error, ErrorKind, Result};
use crate::middleware::delegate_to_inner;
use crate::sign::encode_path;
use crate::time::Timestamp;
use options::config_error;
use refresh::{Refresher, fetch_ranges};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The expiry of a URL is rounded up to a multiple of its duration divided by this number, or of
/// one second if that is longer.
const SLICES: u64 = 60;

/// A driver that returns CloudFront URLs for downloads, signed with a canned policy. Everything
/// else is passed on to the wrapped driver.
///
/// The wrapped driver also creates the URLs in these cases: the method is neither GET nor HEAD; the
/// IP filter excludes the client from CloudFront; the wrapped driver has no object key for the
/// path; the key is not below the Origin Path; or the key has a component `.` or `..`, which user
/// agents would resolve, so that they would request a different object than the one that was
/// signed. An invalid path is an error of the kind [`ErrorKind::InvalidPath`].
///
/// The key comes from [`StorageDriver::object_key`], which wrappers pass on. The middleware
/// therefore works at any position among several wrappers.
///
/// The IP filter uses only [`UrlOptions::client`]. The caller decides which address that is: the
/// address of the connection's peer cannot be forged, but a header such as `X-Forwarded-For` can,
/// unless your own proxy has set it. A client without an address is sent to CloudFront, and so is
/// every client before the ranges have been fetched. The address affects only speed and cost: both
/// URLs are signed, so forging it does not grant access.
pub struct CloudFront {
    inner: Arc<dyn StorageDriver>,
    options: CloudFrontOptions,
    refresher: Option<Refresher>,
}

impl CloudFront {
    /// Wraps `inner`. With an IP filter, this starts a thread, which ends when the middleware is
    /// dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the driver stores its objects outside of the Origin Path, if
    /// there is an IP filter but no way to fetch the ranges, or if the thread cannot be started.
    pub fn new(inner: Arc<dyn StorageDriver>, options: CloudFrontOptions) -> Result<Self> {
        // The path does not matter, because every key begins with the driver's root directory.
        if inner.object_key("/a").is_some_and(|key| below(&key, &options.origin_path).is_none()) {
            return Err(config_error(format!(
                "originpath {:?} must be the driver's rootdirectory or a directory above it: \
                 CloudFront inserts it in front of every key",
                options.origin_path
            )));
        }

        let refresher = match &options.ip_filter {
            IpFilter::None => None,
            filter => {
                let fetch = options.fetch.clone().map_or_else(default_fetch, Ok)?;
                let url = options.ip_ranges_url.clone();
                Some(Refresher::start(fetch, url, filter.clone(), options.update_frequency)?)
            }
        };

        Ok(Self { inner, options, refresher })
    }

    /// Returns the ranges in use, or `None` if there is no filter or the ranges have not been
    /// fetched yet.
    pub fn ip_ranges(&self) -> Option<Arc<IpRanges>> {
        self.refresher.as_ref().and_then(Refresher::ranges)
    }

    /// Returns the error of the last attempt to fetch the ranges, or `None` if that attempt
    /// succeeded.
    pub fn last_refresh_error(&self) -> Option<Arc<Error>> {
        self.refresher.as_ref().and_then(Refresher::last_error)
    }

    /// Returns the URL to sign, or `None` if the wrapped driver must create the URL.
    fn cloudfront_url(&self, path: &str, options: &UrlOptions) -> Option<String> {
        if !matches!(options.method, Method::Get | Method::Head) {
            return None;
        }

        let near = |refresher: &Refresher| {
            options.client.is_some_and(|address| refresher.contains(address))
        };

        if self.refresher.as_ref().is_some_and(near) {
            return None;
        }

        let key = self.inner.object_key(path)?;
        let key = below(&key, &self.options.origin_path)?;
        if key.split('/').any(|part| part == "." || part == "..") {
            return None;
        }

        Some(format!("{}{}", self.options.base_url, encode_path(key)))
    }

    fn ends(&self, now: SystemTime, requested: Option<Duration>) -> Result<Timestamp> {
        let too_far = || {
            Error::new(
                ErrorKind::InvalidArgument,
                "the URL would expire later than 2038-01-19T03:14:07Z",
            )
        };

        let ends =
            now.checked_add(requested.unwrap_or(self.options.duration)).ok_or_else(too_far)?;
        let since = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
        // An expiry that the caller requests is only rounded up to a whole second. Otherwise, the
        // URLs of a path expire at the same time for a while, so that they share a signature.
        let slice = if requested.is_none() { self.options.duration.as_secs() / SLICES } else { 1 };
        let seconds = seconds.checked_next_multiple_of(slice.max(1)).unwrap_or(u64::MAX);
        i32::try_from(seconds)
            .map(|seconds| Timestamp::from_unix(seconds.into()))
            .map_err(|_| too_far())
    }
}

impl CloudFrontOptions {
    /// Fetches the IP ranges once, for a check of the options. Returns `None` without a filter.
    ///
    /// # Errors
    /// The errors of `fetch` and of [`IpRanges::parse`].
    pub fn fetch_ip_ranges(&self, fetch: &dyn Fetch) -> Result<Option<IpRanges>> {
        match &self.ip_filter {
            IpFilter::None => Ok(None),
            filter => fetch_ranges(fetch, &self.ip_ranges_url, filter).map(Some),
        }
    }
}

impl StorageDriver for CloudFront {
    delegate_to_inner!();

    fn signs_urls(&self) -> bool {
        true
    }

    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        check_path(path)?;
        let Some(url) = self.cloudfront_url(path, options) else {
            return self.inner.url_for(path, options);
        };

        let now = self.options.clock.now();
        let unix = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let signed = self.options.signer.sign_url(
            &url,
            self.ends(now, options.expires_in)?,
            Timestamp::from_unix(unix.try_into().unwrap_or(i64::MAX)),
        );
        signed.map_err(|e| e.with_path(path))
    }
}

impl fmt::Debug for CloudFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudFront")
            .field("inner", &self.inner.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "client")]
fn default_fetch() -> Result<Arc<dyn Fetch>> {
    Ok(Arc::new(HttpFetch::new()?))
}

#[cfg(not(feature = "client"))]
fn default_fetch() -> Result<Arc<dyn Fetch>> {
    Err(config_error(
        "ipfilteredby needs a way to fetch the IP ranges: build s3driver with its feature \
         `client`, or provide a Fetch",
    ))
}
