//! Where redirects lead, for the fuzz targets.
use super::endpoint::Located;

/// The place that a `Location` sends a request for `bucket` to, when it may be followed.
pub fn redirected(from: &Located, location: &str, bucket: &str) -> Option<Located> {
    from.redirected(location, bucket)
}
