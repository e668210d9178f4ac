//! Stub: aws-chunked.
