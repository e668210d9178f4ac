//! An S3 server inside the test process.
//!
//! The `s3s` crate speaks the protocol and checks every signature (versions 2 and 4, in headers, URLs and chunks), and
//! this project's own verifier checks it a second time: where the two disagree, the request fails. The buckets live in memory, in code of this project. Test files include it with `mod support;`, examples with
//! `#[path = "../tests/support/mod.rs"] mod support;`.
//!
//! ```ignore
//! let server = Server::start(ServerOptions::default());
//! // ... talk to server.endpoint() with server.access_key() and server.secret_key() ...
//! assert_eq!(server.keys(server.bucket()), ["a", "b"]);
//! assert_eq!(server.open_uploads(server.bucket()), []);
//! ```

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses a part of this, and none is a library"
)]

pub mod api;
pub mod backend;
pub mod body;
pub mod conditions;
pub mod fetch;
pub mod gate;
pub mod listing;
pub mod multipart;
pub mod outcome;
pub mod process;
pub mod relay;
pub mod second;
pub mod serve;
pub mod target;
pub mod tls;
pub mod traffic;
pub mod transport;

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

/// How a server is to behave. The default is S3's behaviour over plain HTTP, with one bucket.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub access_key: String,
    pub secret_key: String,
    /// The `x-amz-security-token` that every request must carry.
    pub session_token: Option<String>,
    /// The region of every bucket.
    pub region: String,
    /// Whether a version 4 signature for another region is refused (`AuthorizationHeaderMalformed`).
    pub check_region: bool,
    /// The bucket there is from the start, and the one that TLS serves as `BUCKET.localhost`.
    pub bucket: String,
    /// Whether the server speaks TLS, with a certificate of its own authority ([`Server::ca_pem`]).
    pub tls: bool,
    /// Whether bodies are digested and thrown away; reading them back is refused (`InvalidObjectState`).
    pub discard_bodies: bool,
    /// The most entries that any page of any listing has, 1 to 1000.
    pub page_size: usize,
    /// The least size of every part but the last, in bytes.
    pub min_part_size: u64,
    /// The largest source of one copy without a range, in bytes.
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
    /// Starts a server on a free port of 127.0.0.1; it accepts connections when this returns.
    ///
    /// # Panics
    /// When a page size is not 1 to 1000, or the machine has no port or thread left.
    pub fn start(options: ServerOptions) -> Self {
        assert!((1..=MAX_PAGE).contains(&options.page_size), "a page has 1 to {MAX_PAGE} entries");
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on 127.0.0.1");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("the listener's address");
        let (tls, ca_pem) =
            options.tls.then(|| tls::acceptor(&options.bucket).expect("a certificate")).unzip();

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

    /// `http://127.0.0.1:PORT`, or `https://`.
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

    /// The bucket there is from the start.
    pub fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// The certificate of the authority that signed the server's, when it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Makes one more bucket.
    ///
    /// # Panics
    /// When it exists.
    pub fn create_bucket(&self, bucket: &str) {
        self.store.create_bucket(bucket).expect("a new bucket");
    }

    /// Stores an object without a request.
    ///
    /// # Panics
    /// When the bucket does not exist.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        let body = Received::from_bytes(bytes.into());
        self.store
            .put(bucket, key, body, Attributes::default(), &Default::default())
            .expect("a stored object");
    }

    /// Begins a multipart upload as of `initiated`, without a request, and returns its id.
    ///
    /// # Panics
    /// When the bucket does not exist.
    pub fn begin_upload(&self, bucket: &str, key: &str, initiated: SystemTime) -> String {
        self.store
            .begin_upload(bucket, key, Attributes::default(), None, initiated)
            .expect("a new upload")
    }

    /// Stores a part without a request and returns its ETag, without quotes. Any size is taken.
    ///
    /// # Panics
    /// When there is no such upload, or the number is not 1 to 10,000.
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

    /// All keys of a bucket in byte order; none when there is no such bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.store.keys(bucket)
    }

    /// An object's bytes; none when there is no such object or its body was discarded.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.object_info(bucket, key)?.content.to_bytes()
    }

    /// An object with all it carries: ETag, attributes (also the ACL that was sent), checksum, part sizes.
    pub fn object_info(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.store.get(bucket, key, &Default::default()).ok()
    }

    /// All uploads of a bucket that are neither completed nor aborted, by key and time.
    pub fn open_uploads(&self, bucket: &str) -> Vec<OpenUpload> {
        self.store.open_uploads(bucket)
    }

    /// Answers the next `times` rightly signed requests of `operation` (`"UploadPart"`, as s3s and AWS name it) with an
    /// error document, before anything is stored. Orders for one operation are served in turn.
    ///
    /// # Panics
    /// When `status` is no HTTP status.
    pub fn fail_next(&self, operation: &str, status: u16, code: &str, times: usize) {
        assert!((400..600).contains(&status), "{status} is no status of an error");
        self.traffic.fail_next(operation, status, code, times);
    }

    /// Makes every answer wait this long before its first byte.
    pub fn delay(&self, first_byte: Duration) {
        self.traffic.set_delay(first_byte);
    }

    /// HTTP requests so far, whatever became of them.
    pub fn requests(&self) -> u64 {
        Traffic::read(&self.traffic.requests)
    }

    /// Rightly signed requests so far by operation.
    pub fn operations(&self) -> BTreeMap<String, u64> {
        self.traffic.operations()
    }

    /// Rightly signed requests of one operation so far.
    pub fn count(&self, operation: &str) -> u64 {
        self.operations().get(operation).copied().unwrap_or(0)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        Traffic::read(&self.traffic.connections)
    }

    /// Bytes of request bodies so far, chunk framing included.
    pub fn bytes_in(&self) -> u64 {
        Traffic::read(&self.traffic.bytes_in)
    }

    /// Bytes of answers' bodies so far.
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
