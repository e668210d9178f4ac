//! The S3 client: one method per operation, blocking, safe to share between threads.
//!
//! The client can be used on its own, without the driver. A [`Client`] is cheap to clone; clones
//! share connections, learned regions and counters. Every operation signs each attempt again,
//! retries where that is safe ([`RetryPolicy`]), and accepts a response only if it is complete.
//!
//! All clones together have at most [`Config::max_requests`] requests in flight, in the order in
//! which they were made. While the server asks to slow down there are fewer: each `503 SlowDown`,
//! `429` or similar response reduces the number by three tenths, and further responses raise it
//! again.
//!
//! ```no_run
//! use s3driver::client::{Client, Config, Endpoint, GetObject, ObjectSettings};
//! use s3driver::sign::Credentials;
//!
//! let config = Config::new(Endpoint::region("eu-central-1")?)
//!     .static_credentials(Credentials::new("AKIDEXAMPLE", "secret"));
//! let client = Client::new(config)?;
//! client.put_object("registry", "hello.txt", b"hello", &ObjectSettings::default())?;
//! let content = client.get_object("registry", "hello.txt", &GetObject::default())?.read_all(1 << 20)?;
//! assert_eq!(content, b"hello");
//! # Ok::<(), s3driver::Error>(())
//! ```

mod admission;
mod attributes;
mod body;
mod bucket;
mod buckets;
mod call;
mod certificate;
mod checksum;
mod condition;
mod config;
mod customer_key;
mod delete;
pub mod endpoint;
mod entries;
mod environment;
mod fallback;
mod framing;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod hint;
mod history;
mod inquiry;
mod kept_key;
mod keyed;
mod learnt;
mod listing;
mod lock;
mod meta;
mod multipart;
mod object;
mod observed;
mod opened;
mod outcome;
mod outgoing;
mod pages;
mod places;
mod presign;
mod put_from;
mod range;
mod read;
mod redaction;
mod reply;
mod request;
mod retry;
mod roots;
mod send;
mod session;
mod sessions;
mod settings;
mod signing;
mod step;
mod store;
mod tags;
mod transport_failure;
pub(crate) mod values;
mod versions;

pub use crate::net::proxy::Proxy;
pub use crate::transport::{TlsVerification, TrustStore};
pub use crate::xml::{
    ChecksumAlgorithm, ChecksumType, DefaultRetention, DeletedObject, LegalHold, ObjectAttributes,
    ObjectIdentifier, ObjectLockConfiguration, ObjectPart, ObjectParts, ObjectVersion, Part,
    Retention, RetentionMode, RetentionPeriod, StoredChecksum, Tag, VersionKind, Versioning,
};
pub use attributes::GetObjectAttributes;
pub(crate) use body::BodyUse;
pub use bucket::{BucketInfo, BucketName, CreateBucket, ObjectLock};
pub use buckets::ListBuckets;
pub(crate) use checksum::Expected;
pub use condition::Condition;
#[cfg(test)]
pub(crate) use config::MAX_REQUESTS;
pub use config::{Config, Timeouts};
pub use customer_key::CustomerKey;
pub use delete::{DELETE_OBJECTS_KEYS, DeleteObject};
pub use endpoint::{Addressing, ArnRegions, BucketKind, Endpoint, Scheme, Variant};
pub use entries::Entries;
pub use fallback::lacks_operation;
pub(crate) use learnt::ConditionalRequest;
pub use listing::ListObjects;
pub(crate) use listing::has_prefix;
pub use lock::GovernanceMode;
pub use meta::ObjectMeta;
pub(crate) use meta::{SameContent, md5_of_etag};
pub use multipart::{CompletedUpload, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, UploadRef};
pub use object::CopySource;
pub use pages::Pages;
pub use presign::{Presign, PresignMethod, PresignedUrl, SessionEnd};
pub use put_from::HELD_BODY;
pub use range::ByteRange;
pub use read::{GetObject, ObjectReader, ResponseHeaders};
pub use retry::RetryPolicy;
pub(crate) use roots::read_roots;
pub use settings::ObjectSettings;
pub use store::PutResult;
pub use values::{
    BucketKey, CannedAcl, Checksum, ChecksumMode, Encryption, PayloadSigning, RequestPayer,
    SessionAuth, SignatureVersion, StorageClass,
};
pub use versions::VersionSelector;

use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::observe::{Notice, Notices};
use crate::time::Timestamp;
use crate::transport::Transport;
#[cfg(feature = "cloudfront")]
use crate::transport::TransportOptions;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A client for one endpoint and one source of credentials.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    cancel: Option<Cancel>,
    /// The key that objects are stored and read with, if it is the caller's.
    customer_key: Option<CustomerKey>,
    /// The checksum of uploads and downloads.
    checksum: Checksum,
}

struct Inner {
    transport: Transport,
    config: Config,
    budget: retry::Budget,
    admission: admission::Admission,
    /// The number of seconds by which the server's clock is ahead of the local one, learned only
    /// from `RequestTimeTooSkewed`.
    clock_offset: AtomicI64,
    /// The locations of buckets, including those that differ from the configuration.
    places: places::Places,
    /// The buckets whose server does not support version 2 of listings.
    listing_versions: learnt::LearntBuckets,
    signing_keys: kept_key::KeptKeys,
    /// The sessions with directory buckets.
    sessions: sessions::Sessions,
    /// The buckets whose server does not store anything without `Content-MD5`.
    wants_digest: learnt::LearntBuckets,
    /// The buckets whose ETags are not MD5s because of an encryption.
    has_opaque_etags: learnt::LearntBuckets,
    /// The buckets whose server does not support conditional requests of a kind.
    lacks_conditions: learnt::LearntConditions,
    counters: Counters,
    notices: Notices,
    /// The secrets that observers must not see.
    redaction: redaction::Redaction,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    stale: AtomicU64,
    throttled: AtomicU64,
}

/// Counts of a client's requests and connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Requests sent, including retries.
    pub requests: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Those retries whose pooled connection was found dead before anything happened.
    pub stale_connections: u64,
    /// Connections opened.
    pub connections: u64,
    /// Responses that asked to slow down.
    pub throttled: u64,
    /// The number of requests that may be in flight at the moment: [`Config::max_requests`], or
    /// fewer after the server throttled requests.
    pub allowed_requests: usize,
}

/// The maximum number of buckets whose regions and peculiarities are remembered. A program uses a
/// handful, and this limits the effect of a hostile one.
const REMEMBERED_BUCKETS: usize = 1024;

impl Client {
    /// Creates a client. It does not open connections or request credentials yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the certificates, the user agent or the expected owner of
    /// the buckets are not valid.
    pub fn new(config: Config) -> Result<Self> {
        let config = config.with_chain();
        let transport = Transport::new(config.transport_options())
            .map_err(|error| Error::new(ErrorKind::Configuration, error.0))?;
        if !config.user_agent.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            let text = "the user agent may contain only visible ASCII characters and spaces";
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        if let Some(account) = &config.expected_bucket_owner
            && !(account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
        {
            let text =
                "the expected owner of the buckets is not an account id: use the 12 digits of one";
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        let checksum = config.checksum;
        let inner = Inner {
            transport,
            budget: retry::Budget::new(),
            admission: admission::Admission::new(config.max_requests),
            clock_offset: AtomicI64::new(0),
            places: places::Places::default(),
            listing_versions: learnt::LearntBuckets::default(),
            signing_keys: kept_key::KeptKeys::default(),
            sessions: sessions::Sessions::default(),
            wants_digest: learnt::LearntBuckets::default(),
            has_opaque_etags: learnt::LearntBuckets::default(),
            lacks_conditions: learnt::LearntConditions::default(),
            counters: Counters::default(),
            notices: Notices::default(),
            redaction: redaction::Redaction::default(),
            config,
        };
        Ok(Self { inner: Arc::new(inner), cancel: None, customer_key: None, checksum })
    }

    /// Returns a clone whose operations end when `cancel` is cancelled, even while they are blocked
    /// in a read or a write.
    #[must_use]
    pub fn with_cancel(&self, cancel: &Cancel) -> Self {
        Self { cancel: Some(cancel.clone()), ..self.clone() }
    }

    /// Returns a clone that stores and reads objects with this checksum in place of
    /// [`Config::checksum`]. An upload in parts is begun, sent and completed by clients with the
    /// same checksum.
    ///
    /// ```no_run
    /// use s3driver::client::{Checksum, Client, ObjectSettings};
    /// use std::io::Write;
    ///
    /// let client = Client::from_env()?.with_checksum(Checksum::Sha256);
    /// let stored = client.put_object("bucket", "small", b"content", &ObjectSettings::default())?;
    /// println!("{:?}", stored.checksum.map(|checksum| checksum.value));
    ///
    /// let mut writer = client.writer("bucket", "large", &ObjectSettings::default());
    /// writer.write_all(b"more content")?;
    /// writer.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_checksum(&self, checksum: Checksum) -> Self {
        Self { checksum, ..self.clone() }
    }

    /// Returns the algorithm of the checksum for a bucket of this client's endpoint.
    fn checksum_algorithm(&self, bucket: &str) -> Option<checksum::Algorithm> {
        checksum::Algorithm::of(self.checksum, &self.inner.config.endpoint, bucket)
    }

    /// Returns a clone with its own token, which is also cancelled with the client's, for work on
    /// several threads that should end as soon as one of them fails.
    pub(crate) fn with_child_cancel(&self) -> (Self, Cancel) {
        let child = self.cancel.as_ref().map_or_else(Cancel::new, Cancel::child);
        (self.with_cancel(&child), child)
    }

    /// Returns the counts of this client and its clones.
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.counters;
        Stats {
            requests: counters.requests.load(Ordering::Relaxed),
            retries: counters.retries.load(Ordering::Relaxed),
            stale_connections: counters.stale.load(Ordering::Relaxed),
            connections: self.inner.transport.connections_opened(),
            throttled: counters.throttled.load(Ordering::Relaxed),
            allowed_requests: self.inner.admission.allowed(),
        }
    }

    /// Returns the notices of what this client and its clones learned or corrected, the oldest
    /// first: regions other than the configured one, a clock, operations that the server lacks. An
    /// [observer](Config::observer) receives each notice as it is learned.
    pub fn notices(&self) -> Vec<Notice> {
        self.inner.notices.list()
    }

    /// Returns the proxy, the certificates and the timeouts of the client, for requests to servers
    /// other than S3.
    #[cfg(feature = "cloudfront")]
    pub(crate) fn transport_options(&self) -> TransportOptions {
        self.inner.config.transport_options()
    }

    /// Stores and reports a notice.
    pub(crate) fn notice(&self, notice: &Notice) {
        self.inner.notice(notice);
    }

    /// Stores and reports a notice that the bucket's server lacks an operation, and what is used in
    /// its place.
    pub(crate) fn notice_fallback(
        &self,
        bucket: &str,
        missing: &'static str,
        instead: &'static str,
    ) {
        self.notice(&Notice::Fallback { bucket: bucket.to_owned(), missing, instead });
    }

    /// Returns whether the bucket's server may support these conditional requests.
    pub(crate) fn may_support(&self, request: ConditionalRequest, bucket: &str) -> bool {
        !self.inner.lacks_conditions.of(request).contains(bucket)
    }

    /// Records, for all later operations, that the bucket's server does not support these
    /// conditional requests, and reports what is used in their place.
    pub(crate) fn remember_unsupported(&self, request: ConditionalRequest, bucket: &str) {
        if self.inner.lacks_conditions.of(request).insert(bucket) {
            let (missing, instead) = match request {
                ConditionalRequest::Delete => {
                    ("DeleteObject with If-Match", "HeadObject with DeleteObject")
                }
                ConditionalRequest::Put => {
                    ("PutObject with a condition", "HeadObject with PutObject")
                }
            };
            self.notice_fallback(bucket, missing, instead);
        }
    }

    /// Returns whether an upload is older than `age`. An upload whose server does not state a time
    /// is not.
    pub(crate) fn is_older(&self, initiated: Option<Timestamp>, age: Duration) -> bool {
        let now = Timestamp::from(self.clock().now());
        initiated.is_some_and(|initiated| initiated.plus(age) < now)
    }

    /// Closes idle connections, for example before a long pause.
    pub fn close_idle_connections(&self) {
        self.inner.transport.close_idle();
    }

    /// Returns the endpoint that requests go to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.config.endpoint
    }

    /// Returns the proxy through which requests to this server are sent.
    pub fn proxy_of(&self, located: &endpoint::Located) -> Option<&Proxy> {
        self.inner.config.proxy.of(located.origin())
    }

    /// Returns the clock this client uses.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.config.clock
    }

    /// Reports whether the keys of a bucket are known to be listed in the order of their bytes, as
    /// AWS promises
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ListingKeysUsingAPIs.html>). Other
    /// servers may list them in the order of a tree.
    pub(crate) fn lists_in_order_of_bytes(&self, bucket: &str) -> bool {
        self.inner.config.endpoint.is_aws()
            && BucketKind::of(bucket).is_ok_and(BucketKind::lists_in_order)
    }
}

impl Inner {
    /// Returns the location of the bucket, as far as it is known.
    fn place_of(&self, bucket: &str) -> Result<Arc<endpoint::Located>> {
        if bucket.is_empty() {
            return self.config.endpoint.locate_service().map(Arc::new);
        }
        let place = self.places.of(&self.config.endpoint, bucket)?;
        let kind = place.kind();
        if kind != BucketKind::GeneralPurpose && self.config.signature == SignatureVersion::V2 {
            let text = format!("signature version 2 cannot be used with {}", kind.plural());
            return Err(
                Error::new(ErrorKind::InvalidArgument, text).with_hint("use signature version 4")
            );
        }
        Ok(place)
    }

    /// Returns whether the ETags of the bucket are not MD5s, as far as it is known.
    fn has_opaque_etags(&self, bucket: &str) -> bool {
        self.has_opaque_etags.contains(bucket)
            || BucketKind::of(bucket).is_ok_and(BucketKind::has_opaque_etags)
    }

    /// Returns the location that the endpoint gives to the bucket in `region`.
    fn locate(&self, bucket: &str, region: &str) -> Result<endpoint::Located> {
        if region == self.config.endpoint.signing_region() {
            return self.config.endpoint.locate(bucket);
        }
        self.config.endpoint.for_region(region)?.locate(bucket)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.inner.config.endpoint)
            .field("credentials", &self.inner.config.credentials)
            .field("signature", &self.inner.config.signature)
            .finish_non_exhaustive()
    }
}
