//! Shared code of the writer tests: drivers, content, and direct access to the server's state.
#![allow(dead_code, unreachable_pub, reason = "every test file uses only a part of this module")]

use crate::support::Server;
pub use crate::support::content::{bytes, fill};
use s3driver::driver::{Parameters, ParametersBuilder, S3Driver};
use s3driver::sign::Credentials;
use std::io::{self, Read};

pub const MIB: usize = 1 << 20;
/// The smallest part that S3 accepts, and the chunk size of these tests.
pub const PART: usize = 5 * MIB;

/// Returns parameters for `server` with chunks of [`PART`] bytes.
pub fn parameters(server: &Server) -> ParametersBuilder {
    parameters_for(&server.endpoint(), server.access_key(), server.secret_key(), server.bucket())
}

pub fn parameters_for(
    endpoint: &str,
    access_key: &str,
    secret_key: &str,
    bucket: &str,
) -> ParametersBuilder {
    Parameters::builder(bucket)
        .region("us-east-1")
        .endpoint(endpoint)
        .addressing(s3driver::client::Addressing::Path)
        .credentials(&Credentials::new(access_key, secret_key))
        .chunk_size(PART as u64)
        .multipart_copy_chunk_size(PART as u64)
}

pub fn driver(server: &Server) -> S3Driver {
    S3Driver::new(&parameters(server).build().expect("parameters")).expect("a driver")
}

/// A reader of `length` bytes of a content that are generated on the fly.
pub struct Source {
    pub seed: u64,
    pub position: u64,
    pub end: u64,
}

impl Source {
    pub fn new(seed: u64, length: u64) -> Self {
        Self { seed, position: 0, end: length }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
        fill(self.seed, self.position, &mut buffer[..n]);
        self.position += n as u64;
        Ok(n)
    }
}

/// Asserts that `server` stores nothing but committed objects.
#[track_caller]
pub fn assert_nothing_pending(server: &Server) {
    assert_eq!(
        server.open_uploads(server.bucket()).len(),
        0,
        "unfinished uploads are left: {:?}",
        server.open_uploads(server.bucket())
    );
    let kept: Vec<String> =
        server.keys(server.bucket()).into_iter().filter(|key| key.contains(".s3driver-")).collect();
    assert_eq!(kept, [""; 0], "checkpoints are left");
}
