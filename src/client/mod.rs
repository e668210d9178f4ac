//! Stub: the S3 client.
