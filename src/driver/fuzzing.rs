//! The conversion of keys to paths, for the fuzz targets.
use super::S3Driver;

/// Returns the driver path that a key of a listing represents, if there is one.
pub fn path_of_key(driver: &S3Driver, key: &str) -> Option<String> {
    driver.path_of_key(key)
}
