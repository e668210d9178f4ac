//! Stub: CloudFront.
