//! The configuration of a client.
use super::endpoint::{Endpoint, Fips, Stack, Variant};
use super::retry::RetryPolicy;
use super::values::{Checksum, PayloadSigning, RequestPayer, SessionAuth, SignatureVersion};
use crate::clock::{Clock, SystemClock};
use crate::credentials::{
    Cache, Chain, Context, Credentials, EndpointChoice, Environment, Provider, Static,
};
use crate::error::Result;
use crate::net::proxy::Proxy;
use crate::net::proxy_choice::ProxyChoice;
use crate::observe::{Observer, Observers};
use crate::transport::{self, TlsVerification, TrustStore};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The time limits of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// The time for name lookup, TCP and TLS together.
    pub connect: Duration,
    /// The longest silence, in either direction, while bytes should be transferred.
    pub idle: Duration,
    /// The period over which the bytes of an object must be transferred at an average of 1 KiB/s,
    /// in either direction. It only counts time spent waiting for the network, and is at least
    /// `idle`. A slower transfer has stalled, however steadily bytes arrive; a faster one is never
    /// ended. The caller's time between reads, or for producing the bytes to send, does not count.
    pub stall: Duration,
    /// The time for one attempt of an operation whose request and response are small, which applies
    /// to all operations except the transfer of object bodies. Also the maximum time that a request
    /// waits for its turn while no other request gets one, see [`Config::max_requests`].
    pub operation: Duration,
    /// The time for one attempt of an operation on which the server may work for minutes: a copy,
    /// or the completion of an upload. Some servers are silent all that time, so `idle` does not
    /// limit the wait for the head of the response.
    pub server_work: Duration,
}

impl Default for Timeouts {
    /// Returns the default time limits: 10 s to connect; 60 s of silence, because a server may take
    /// that long before the first byte of a response; 120 s for the pace, so that it tolerates one
    /// such silence; 120 s for a small operation; 15 minutes for the server's work, because AWS
    /// states several minutes for the largest objects.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(120),
            operation: Duration::from_secs(120),
            server_work: Duration::from_secs(15 * 60),
        }
    }
}

impl Timeouts {
    /// Limits name lookup, TCP and TLS together.
    #[must_use]
    pub const fn connect(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// Limits the silence while bytes should be transferred.
    #[must_use]
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the period over which the bytes of an object must show a pace.
    #[must_use]
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Limits one attempt of a small operation.
    #[must_use]
    pub const fn operation(mut self, operation: Duration) -> Self {
        self.operation = operation;
        self
    }

    /// Limits one attempt of a copy or of the completion of an upload.
    #[must_use]
    pub const fn server_work(mut self, server_work: Duration) -> Self {
        self.server_work = server_work;
        self
    }
}

/// The configuration of a [`Client`](super::Client). It starts with an endpoint and credentials;
/// everything else has a default.
///
/// ```
/// use s3driver::client::{Config, Endpoint};
/// use s3driver::sign::Credentials;
///
/// let config = Config::new(Endpoint::region("eu-central-1")?)
///     .static_credentials(Credentials::new("AKIDEXAMPLE", "secret"));
/// # Ok::<(), s3driver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) endpoint: Endpoint,
    pub(super) credentials: Arc<dyn Provider>,
    key_source: KeySource,
    pub(super) signature: SignatureVersion,
    pub(super) payload: PayloadSigning,
    pub(super) checksum: Checksum,
    pub(super) request_payer: RequestPayer,
    pub(super) expected_bucket_owner: Option<String>,
    pub(super) session_auth: SessionAuth,
    pub(super) verification: TlsVerification,
    pub(super) trust_store: TrustStore,
    pub(super) extra_roots_pem: Vec<u8>,
    pub(super) client_certificate: Option<transport::ClientCertificate>,
    pub(super) proxy: ProxyChoice,
    pub(super) user_agent: String,
    pub(super) timeouts: Timeouts,
    pub(super) retry: RetryPolicy,
    pub(super) max_requests: NonZeroUsize,
    pub(super) idle_connections: usize,
    pub(super) idle_lifetime: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observers: Observers,
    #[cfg(feature = "ureq")]
    pub(super) agent: Option<transport::Agent>,
}

/// The source of a configuration's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeySource {
    /// The provider that was passed to `Config::credentials`.
    Provider,
    /// AWS's chain, which is created when the rest of the configuration is known.
    Chain,
}

/// The number of idle connections kept for one server. If more threads than this send requests,
/// they reconnect now and then.
const IDLE_CONNECTIONS: usize = 64;

/// The number of requests in flight. AWS expects one for every 85 to 90 MB/s
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html>),
/// so these saturate a link of 150 Gbit/s. Each has a connection, and a process on Linux can have
/// 1,024 of them unless its limit of open files is raised.
pub(crate) const MAX_REQUESTS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

impl Config {
    /// Starts the configuration for an endpoint, without credentials: requests are not signed until
    /// some are set.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            credentials: Arc::new(Static::anonymous()),
            key_source: KeySource::Provider,
            signature: SignatureVersion::V4,
            payload: PayloadSigning::Auto,
            checksum: Checksum::Auto,
            request_payer: RequestPayer::BucketOwner,
            expected_bucket_owner: None,
            session_auth: SessionAuth::Enabled,
            verification: TlsVerification::Full,
            trust_store: TrustStore::Mozilla,
            extra_roots_pem: Vec::new(),
            client_certificate: None,
            proxy: ProxyChoice::Direct,
            user_agent: concat!("s3driver/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            max_requests: MAX_REQUESTS,
            idle_connections: IDLE_CONNECTIONS,
            idle_lifetime: transport::IDLE_LIFETIME,
            clock: Arc::new(SystemClock),
            observers: Observers::default(),
            #[cfg(feature = "ureq")]
            agent: None,
        }
    }
    /// Signs with credentials from `provider`.
    #[must_use]
    pub fn credentials(mut self, provider: Arc<dyn Provider>) -> Self {
        self.credentials = provider;
        self.key_source = KeySource::Provider;
        self
    }
    /// Signs with static credentials.
    #[must_use]
    pub fn static_credentials(self, credentials: Credentials) -> Self {
        self.credentials(Arc::new(Static::new(credentials)))
    }
    /// Signs with the credentials that AWS's chain of sources finds on this machine: environment,
    /// web identity, files, container, EC2. Requests to STS use this configuration's proxy and
    /// certificates, and the observers receive the refreshes.
    #[must_use]
    pub const fn chain_credentials(mut self) -> Self {
        self.key_source = KeySource::Chain;
        self
    }
    /// Creates the chain of credential sources, if it was chosen.
    pub(super) fn with_chain(self) -> Self {
        if self.key_source == KeySource::Provider {
            return self;
        }
        let context = self.credential_context();
        self.credentials(Arc::new(Cache::new(Chain::new(&context), &context)))
    }
    /// Returns the context that the sources of [`credentials`](crate::credentials) need, with this
    /// configuration's region, clock, proxy, certificates and observers: for a custom chain. STS
    /// and IAM Identity Center are called at their FIPS or dual-stack endpoint if that of S3 is
    /// one, unless the variables or the profile state otherwise.
    pub fn credential_context(&self) -> Context {
        let Variant { stack, fips, .. } = self.endpoint.variant();
        let choice =
            EndpointChoice { fips: fips == Fips::Required, dual_stack: stack == Stack::Dual };
        Context::default()
            .with_default_choice(choice)
            .with_region(self.endpoint.signing_region())
            .with_clock(Arc::clone(&self.clock))
            .with_observers(self.observers.clone())
            .with_transport(self.transport_options())
    }
    /// Chooses the signature version; the default is version 4.
    #[must_use]
    pub const fn signature(mut self, version: SignatureVersion) -> Self {
        self.signature = version;
        self
    }
    /// Chooses whether bodies are signed.
    #[must_use]
    pub const fn payload_signing(mut self, payload: PayloadSigning) -> Self {
        self.payload = payload;
        self
    }
    /// Chooses the checksum of uploads and downloads.
    #[must_use]
    pub const fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = checksum;
        self
    }
    /// Chooses which account pays for requests.
    #[must_use]
    pub const fn request_payer(mut self, payer: RequestPayer) -> Self {
        self.request_payer = payer;
        self
    }
    /// Names the account that should own every bucket, by its 12 digits
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)).
    /// S3 refuses requests to buckets of other accounts with
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied). Presigned URLs do not contain
    /// the condition.
    #[must_use]
    pub fn expected_bucket_owner(mut self, account: impl Into<String>) -> Self {
        self.expected_bucket_owner = Some(account.into());
        self
    }
    /// Chooses how requests to directory buckets are authorized.
    #[must_use]
    pub const fn session_auth(mut self, auth: SessionAuth) -> Self {
        self.session_auth = auth;
        self
    }
    /// Chooses whether certificates are verified.
    #[must_use]
    pub const fn tls_verification(mut self, verification: TlsVerification) -> Self {
        self.verification = verification;
        self
    }
    /// Chooses the certificate authorities that are trusted. If the store cannot be used,
    /// [`Client::new`](super::Client::new) fails.
    #[must_use]
    pub const fn trust_store(mut self, store: TrustStore) -> Self {
        self.trust_store = store;
        self
    }
    /// Trusts the certificates in this PEM text in addition to those of the trust store.
    #[must_use]
    pub fn extra_roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_roots_pem = pem.into();
        self
    }
    /// Sets the certificate that the client presents to servers that request one: its chain, the
    /// client's own certificate first, and its private key (PKCS#8, PKCS#1 or SEC 1, without a
    /// passphrase), both as PEM text. If they cannot be used, [`Client::new`](super::Client::new)
    /// fails.
    #[must_use]
    pub fn client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_certificate = Some(transport::ClientCertificate {
            chain_pem: chain_pem.into(),
            key_pem: key_pem.into().into(),
        });
        self
    }
    /// Sends requests through a proxy. The environment's variables are read only by
    /// [`proxy_from_env`](Self::proxy_from_env).
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = ProxyChoice::Always(proxy);
        self
    }
    /// Sends requests through the proxies that the environment's variables name: `http_proxy` for
    /// servers with plain http, `https_proxy` or `HTTPS_PROXY` for those with TLS, and `all_proxy`
    /// or `ALL_PROXY` for both if the other variable is not set. If a variable is set in lower case
    /// and in upper case, the lower-case one counts, and an empty variable counts as not set. A
    /// value is `[http://][user:password@]host:port`, and a proxy is reached over plain http.
    ///
    /// `HTTP_PROXY` is not read, because a CGI program's client can set it with a header. The
    /// exceptions in `no_proxy` or `NO_PROXY` are separated by commas or spaces: `example.com` for
    /// a domain and its subdomains, `.example.com` or `*.example.com` for the subdomains alone, an
    /// IP address, a network (`10.0.0.0/8`, `2001:db8::/32`), or `*` for every server. A domain or
    /// an address may be followed by `:port`.
    ///
    /// Never reached through these proxies: `localhost`, loopback and link-local addresses, the
    /// metadata and container services that issue keys, and STS or IAM Identity Center without TLS.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) with the name of a variable
    /// that does not have that form. The error does not quote the value.
    pub fn proxy_from_env(mut self, environment: &Environment) -> Result<Self> {
        self.proxy = ProxyChoice::from_variables(|name| environment.secret(name))?;
        Ok(self)
    }
    /// Sends every request through `agent`, with its proxy, TLS, resolver and pool of connections.
    ///
    /// Signing, retries, validation, redirects and time limits remain the client's. Proxy,
    /// certificates and verification are the agent's: if they are also set here,
    /// [`Client::new`](super::Client::new) fails. It also fails if ureq is built with `gzip`,
    /// `brotli` or `charset`, which would change the bodies of objects. Requests to metadata and
    /// container services of the same machine never use the agent.
    ///
    /// An agent from `ureq::agent()` takes a proxy from the environment, and keeps 3 idle
    /// connections for each server: set `max_idle_connections_per_host` to the number of threads.
    /// `docs/transports.md` lists the differences from the client's own transport.
    #[cfg(feature = "ureq")]
    #[must_use]
    pub fn agent(mut self, agent: ureq::Agent) -> Self {
        self.agent = Some(transport::Agent(agent));
        self
    }
    /// Appends to `User-Agent`. Only visible ASCII characters and spaces are allowed; anything else
    /// fails in [`Client::new`](super::Client::new).
    #[must_use]
    pub fn user_agent(mut self, agent: &str) -> Self {
        if !agent.is_empty() {
            self.user_agent.push(' ');
            self.user_agent.push_str(agent);
        }
        self
    }
    /// Sets the time limits.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
    /// Sets the retry policy.
    #[must_use]
    pub const fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }
    /// Limits the number of requests in flight, over all clones of the client; the default is 256.
    /// Further requests wait for their turn, and fail if no request gets one for
    /// [`Timeouts::operation`].
    ///
    /// A request is in flight until its response is known. An object's body does not count while it
    /// is read, and neither does a [`put_object_from`](super::Client::put_object_from) of more than
    /// [`HELD_BODY`](super::HELD_BODY), whose reader may itself wait for other requests.
    #[must_use]
    pub const fn max_requests(mut self, requests: NonZeroUsize) -> Self {
        self.max_requests = requests;
        self
    }
    /// Sets how many idle connections to keep for a server; the default is 64.
    #[must_use]
    pub const fn idle_connections(mut self, connections: usize) -> Self {
        self.idle_connections = connections;
        self
    }
    /// Adds an observer, which receives every request, outcome and notice: see
    /// [`observe`](crate::observe). Several can be added.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }
    /// Sets the time that an idle connection is kept; the default is 5 seconds, after which S3
    /// closes it. A longer time saves handshakes with servers that keep connections longer.
    #[must_use]
    pub const fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.idle_lifetime = lifetime;
        self
    }
    /// Takes time and jitter from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the passwords and the authorizations that the proxies receive.
    pub(super) fn proxy_secrets(&self) -> Vec<Zeroizing<String>> {
        let of_proxies = self.proxy.all().flat_map(Proxy::secrets);
        #[cfg(feature = "ureq")]
        let of_proxies = of_proxies.chain(self.agent.iter().flat_map(transport::Agent::secrets));
        of_proxies.collect()
    }

    pub(super) fn transport_options(&self) -> transport::TransportOptions {
        transport::TransportOptions {
            verification: self.verification,
            trust_store: self.trust_store,
            extra_roots_pem: self.extra_roots_pem.clone(),
            client_certificate: self.client_certificate.clone(),
            proxy: self.proxy.clone(),
            connect_timeout: self.timeouts.connect,
            idle_timeout: self.timeouts.idle,
            stall_timeout: self.timeouts.stall,
            idle_connections: self.idle_connections,
            idle_lifetime: self.idle_lifetime,
            #[cfg(feature = "ureq")]
            agent: self.agent.clone(),
        }
    }
}
