//! Stub: the S3 client.
pub mod endpoint;
