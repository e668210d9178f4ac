//! An S3 server inside the test process.
//!
//! The `s3s` crate implements the protocol and verifies every signature (versions 2 and 4, in
//! headers, URLs and chunks), and this project's own verifier verifies it a second time: if the two
//! disagree, the request fails. The buckets are kept in memory by this project's code. The main
//! file of a test program includes it with `#[path = "../support/mod.rs"] mod support;`, and those
//! of examples and benchmarks with their path to this file.
//!
//! ```ignore
//! let server = Server::start(ServerOptions::default());
//! // ... talk to server.endpoint() with server.access_key() and server.secret_key() ...
//! assert_eq!(server.keys(server.bucket()), ["a", "b"]);
//! assert_eq!(server.open_uploads(server.bucket()), []);
//! ```

#![allow(dead_code, unreachable_pub, reason = "every test file uses only a part of this module")]

pub mod api;
pub mod backend;
pub mod body;
pub mod clock;
pub mod closed;
pub mod conditions;
pub mod content;
pub mod fetch;
pub mod form;
pub mod gate;
pub mod listing;
pub mod lock;
pub mod multipart;
pub mod outcome;
pub mod process;
pub mod relay;
pub mod second;
pub mod serve;
pub mod tags;
pub mod target;
pub mod tls;
pub mod traffic;
pub mod transport;
pub mod versions;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::sync::oneshot;

use api::Api;
pub use backend::{Attributes, Object, Store};
pub use multipart::OpenUpload;

use backend::{MAX_PAGE, Rules};
use body::{Received, Retention};
use gate::{Gate, Localhost};
use multipart::UploadName;
use second::Second;
use serve::Connections;
use traffic::Traffic;

/// The behaviour of a server. The default is S3's behaviour over plain HTTP, with one bucket.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub access_key: String,
    pub secret_key: String,
    /// The `x-amz-security-token` that every request must carry.
    pub session_token: Option<String>,
    /// The region of every bucket.
    pub region: String,
    /// Whether a version 4 signature for another region is rejected
    /// (`AuthorizationHeaderMalformed`).
    pub check_region: bool,
    /// The bucket that exists from the start, which TLS also serves as `BUCKET.localhost` and as an
    /// access point of AWS.
    pub bucket: String,
    /// Whether the server uses TLS, with a certificate of a private authority ([`Server::ca_pem`]).
    pub tls: bool,
    /// How that certificate differs from the usual one.
    pub certificate: tls::Leaf,
    /// Whether bodies are digested and discarded; reading them back is an error
    /// (`InvalidObjectState`).
    pub discard_bodies: bool,
    /// The maximum number of entries in a page of any listing, 1 to 1000.
    pub page_size: usize,
    /// The minimum size of every part except the last, in bytes.
    pub min_part_size: u64,
    /// The maximum size of the source of a copy without a range, in bytes.
    pub copy_limit: u64,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            access_key: "AKIDEMBEDDED".to_owned(),
            secret_key: "embedded/secret+key".to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
            check_region: true,
            bucket: "registry".to_owned(),
            tls: false,
            certificate: tls::Leaf::default(),
            discard_bodies: false,
            page_size: MAX_PAGE,
            min_part_size: 5 << 20,
            copy_limit: backend::MAX_PUT,
        }
    }
}

/// A running server. Dropping it closes every connection and ends its thread.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    options: ServerOptions,
    ca_pem: Option<String>,
    store: Arc<Store>,
    traffic: Arc<Traffic>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1. It accepts connections when this function
    /// returns.
    ///
    /// # Panics
    /// If the page size is not 1 to 1000, or if no port or thread is available.
    pub fn start(options: ServerOptions) -> Self {
        assert!((1..=MAX_PAGE).contains(&options.page_size), "a page has 1 to {MAX_PAGE} entries");
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on 127.0.0.1");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("the listener's address");
        let tls = options
            .tls
            .then(|| tls::acceptor(&options.bucket, &options.region, &options.certificate));
        let (tls, ca_pem) = tls.map(|made| made.expect("a certificate")).unzip();

        let store = Arc::new(Store::new(Rules {
            region: options.region.clone(),
            min_part_size: options.min_part_size,
            copy_limit: options.copy_limit,
            page_size: options.page_size,
            retention: if options.discard_bodies { Retention::Discard } else { Retention::Keep },
        }));
        store.create_bucket(&options.bucket).expect("a new store has no buckets");

        let traffic = Arc::new(Traffic::default());
        let mut builder = S3ServiceBuilder::new(Api(store.clone()));
        builder.set_auth(SimpleAuth::from_single(&*options.access_key, &*options.secret_key));
        builder.set_access(Gate {
            traffic: traffic.clone(),
            region: options.check_region.then(|| options.region.clone()),
            session_token: options.session_token.clone(),
        });
        builder.set_host(Localhost);

        let second = Second {
            access_key: options.access_key.clone(),
            secret_key: options.secret_key.clone(),
            session_token: options.session_token.clone(),
        };
        let connections =
            Connections { service: builder.build(), second, traffic: traffic.clone(), tls };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("s3-server".to_owned())
            .spawn(move || serve::run(listener, connections, stopped))
            .expect("a thread for the server");
        Self { address, options, ca_pem, store, traffic, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns `http://127.0.0.1:PORT`, or `https://`.
    pub fn endpoint(&self) -> String {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn access_key(&self) -> &str {
        &self.options.access_key
    }

    pub fn secret_key(&self) -> &str {
        &self.options.secret_key
    }

    pub fn session_token(&self) -> Option<&str> {
        self.options.session_token.as_deref()
    }

    pub fn region(&self) -> &str {
        &self.options.region
    }

    /// Returns the bucket that exists from the start.
    pub fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// Returns the certificate of the authority that signed the server's certificate, if it uses
    /// TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Creates another bucket.
    ///
    /// # Panics
    /// If the bucket exists.
    pub fn create_bucket(&self, bucket: &str) {
        self.store.create_bucket(bucket).expect("a new bucket");
    }

    /// Replaces the lifecycle rules of a bucket, which the server returns and does not apply.
    ///
    /// # Panics
    /// If the bucket does not exist.
    pub fn set_lifecycle_rules(&self, bucket: &str, rules: Vec<s3s::dto::LifecycleRule>) {
        self.store.set_lifecycle_rules(bucket, rules).expect("a bucket");
    }

    /// Stores an object without a request.
    ///
    /// # Panics
    /// If the bucket does not exist.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        let body = Received::from_bytes(bytes.into());
        self.store
            .put(bucket, key, body, Attributes::default(), &Default::default())
            .expect("a stored object");
    }

    /// Begins a multipart upload as of `initiated`, without a request, and returns its id.
    ///
    /// # Panics
    /// If the bucket does not exist.
    pub fn begin_upload(&self, bucket: &str, key: &str, initiated: SystemTime) -> String {
        self.store
            .begin_upload(bucket, key, Attributes::default(), None, initiated)
            .expect("a new upload")
    }

    /// Stores a part of any size without a request, and returns its ETag without quotes.
    ///
    /// # Panics
    /// If the upload does not exist, or the number is not 1 to 10,000.
    pub fn put_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        bytes: impl Into<Bytes>,
    ) -> String {
        let body = Received::from_bytes(bytes.into());
        self.store
            .put_part(UploadName { bucket, key, id }, number, body)
            .expect("a stored part")
            .etag
    }

    /// Returns all keys of a bucket in byte order, or none if the bucket does not exist.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.store.keys(bucket)
    }

    /// Returns an object's bytes, or `None` if the object does not exist or its body was discarded.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.object_info(bucket, key)?.content.to_bytes()
    }

    /// Returns an object with all its metadata: ETag, attributes (including the ACL that was sent),
    /// checksum, part sizes.
    pub fn object_info(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.store.get(bucket, key, None, &Default::default()).ok()
    }

    /// Returns all uploads of a bucket that are neither completed nor aborted, by key and time.
    pub fn open_uploads(&self, bucket: &str) -> Vec<OpenUpload> {
        self.store.open_uploads(bucket)
    }

    /// Makes the next `times` correctly signed requests of `operation` (`"UploadPart"`, as s3s and
    /// AWS name it) fail with an error document, before anything is stored. Several calls for one
    /// operation take effect one after the other.
    ///
    /// # Panics
    /// If `status` is not the status of an error.
    pub fn fail_next(&self, operation: &str, status: u16, code: &str, times: usize) {
        assert!((400..600).contains(&status), "{status} is not the status of an error");
        self.traffic.fail_next(operation, status, code, times);
    }

    /// Delays the first byte of every response by this long.
    pub fn delay(&self, first_byte: Duration) {
        self.traffic.set_delay(first_byte);
    }

    /// Returns the number of HTTP requests so far, regardless of their outcome.
    pub fn requests(&self) -> u64 {
        Traffic::read(&self.traffic.requests)
    }

    /// Returns the number of correctly signed requests so far, by operation.
    pub fn operations(&self) -> BTreeMap<String, u64> {
        self.traffic.operations()
    }

    /// Returns the number of correctly signed requests of one operation so far.
    pub fn count(&self, operation: &str) -> u64 {
        self.operations().get(operation).copied().unwrap_or(0)
    }

    /// Returns the number of accepted connections so far.
    pub fn connections(&self) -> u64 {
        Traffic::read(&self.traffic.connections)
    }

    /// Returns the number of bytes in request bodies so far, including chunk framing.
    pub fn bytes_in(&self) -> u64 {
        Traffic::read(&self.traffic.bytes_in)
    }

    /// Returns the number of bytes in response bodies so far.
    pub fn bytes_out(&self) -> u64 {
        Traffic::read(&self.traffic.bytes_out)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender stops the server.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the embedded server's thread panicked");
        }
    }
}
