//! Turns failures below HTTP into errors that name the party, the origin of its name, and the
//! remedy.
use super::endpoint::{BucketKind, Endpoint, Located};
use super::hint::WRITE_HTTPS;
use crate::error::{Error, ErrorKind};
use crate::net::aws::is_known_area;
use crate::net::proxy::Proxy;
use crate::transport::{Failure, NoConnection, Obstacle, Party, Phase, TlsProblem, TransportError};

/// The route of a request: its destination, and the configuration that determines it.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) located: &'a Located,
    pub(super) proxy: Option<&'a Proxy>,
}

/// The signatures and key exchanges that the TLS provider supports, for operators of servers with
/// different ones.
const ALGORITHMS: &str = "this client has TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20, and \
                          verifies RSA, P-256, P-384 and Ed25519 keys, but not P-521 keys, P-256 \
                          with SHA-512, SHA-1 or static RSA";

/// Returns a failure below HTTP as an error, which names the `way` unless it is known to be
/// correct.
pub(super) fn transport_error(failure: TransportError, way: Option<Way<'_>>) -> Error {
    let text = match way {
        Some(way) => format!("{}: {failure}", name(way, &failure)),
        None => failure.to_string(),
    };
    let permanent = failure.is_permanent();
    let kind = match &failure.failure {
        Failure::Connect(_) if failure.is_timeout() => ErrorKind::Timeout,
        Failure::Connect(_) => ErrorKind::Connect,
        Failure::Tls(..) if permanent => ErrorKind::Tls,
        Failure::Tls(..) => ErrorKind::Connect,
        Failure::Timeout => ErrorKind::Timeout,
        Failure::Io(_) => ErrorKind::Interrupted,
        Failure::Protocol(_) => ErrorKind::Protocol,
        Failure::InvalidRequest(_) => ErrorKind::InvalidArgument,
        Failure::Source(_) => ErrorKind::LocalIo,
        Failure::Cancelled => ErrorKind::Cancelled,
    };
    let (hint, misspelt) = match (&failure.failure, way) {
        (Failure::Connect(failure), Some(way)) => {
            (of_connection(failure, way), is_misspelt_region(failure, way))
        }
        (Failure::Tls(problem, _), Some(way)) => (of_tls(*problem, way), false),
        _ => (None, false),
    };
    let error = Error::new(kind, text).with_source(failure);
    let error = if permanent || misspelt { error.into_permanent() } else { error };
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Names the proxy in the error of a response with status 407, which comes from the proxy itself.
pub(super) fn named_proxy(error: Error, proxy: &Proxy) -> Error {
    let text = format!("the proxy {proxy} refused the request with status 407");
    error.with_message(text).with_hint(of_proxy_login(proxy))
}

/// Returns the remedy for a proxy that requires other credentials.
fn of_proxy_login(proxy: &Proxy) -> String {
    let setting = proxy.setting();
    if proxy.has_credentials() {
        format!("the proxy refuses the user or the password in {setting}")
    } else {
        format!(
            "the proxy requires a user and a password: write http://user:password@host:port in \
             {setting}"
        )
    }
}

/// Returns the host that a request goes to, and the proxy if that may have failed.
fn name(way: Way<'_>, failure: &TransportError) -> String {
    let host = way.located.host_header().to_owned();
    match (way.proxy, &failure.failure) {
        // The failure names the proxy itself.
        (None, _) | (_, Failure::Connect(_)) => host,
        (Some(proxy), _) if failure.phase == Phase::Body => {
            format!("{host} (through the proxy {proxy})")
        }
        (Some(proxy), _) => format!("{host}, through the proxy {proxy}"),
    }
}

/// Returns whether the host name contains the region. The host of Transfer Acceleration does not.
fn is_made_from_region(Way { endpoint, located, .. }: Way<'_>) -> bool {
    endpoint.host_is_amazons() && located.host().contains(located.signing_region())
}

/// Returns whether a host name that cannot be looked up was made from a region that AWS is not
/// known to have.
fn is_misspelt_region(failure: &NoConnection, way: Way<'_>) -> bool {
    let name = (failure.party, failure.obstacle) == (Party::Server, Obstacle::Name);
    name && is_made_from_region(way) && !is_known_area(way.located.signing_region())
}

fn of_connection(failure: &NoConnection, way: Way<'_>) -> Option<String> {
    let Way { endpoint, proxy, located } = way;
    let region = located.signing_region();
    let amazons = endpoint.host_is_amazons();
    let setting = proxy.map_or("proxy", Proxy::setting);
    let hint = match (failure.party, failure.obstacle) {
        (_, Obstacle::Local) => "raise this process's limits of threads and open files".to_owned(),
        (Party::Proxy, Obstacle::Name) => format!("check the host name in {setting}"),
        (Party::Proxy, Obstacle::Tcp) => {
            format!("check the host and the port in {setting}, and that the proxy runs")
        }
        (_, Obstacle::Tunnel(407)) => proxy.map(of_proxy_login)?,
        (_, Obstacle::Tunnel(500..)) => {
            "the proxy cannot reach the server: check the endpoint, and the proxy's own log"
                .to_owned()
        }
        (_, Obstacle::Tunnel(_)) => {
            format!(
                "check that {setting} is a proxy which allows tunnels to {}",
                way.located.origin().authority()
            )
        }
        (Party::Server, Obstacle::Name) if is_misspelt_region(failure, way) => {
            format!(
                "the host name is made from the region {region}, which is not a known region of \
                 AWS: check region"
            )
        }
        (Party::Server, Obstacle::Name) if amazons && located.kind() == BucketKind::Directory => {
            format!(
                "the host name is made from the zone in the bucket's name and the region {region}: \
                 check both, and that this machine can look up names on the Internet"
            )
        }
        (Party::Server, Obstacle::Name) if is_made_from_region(way) => format!(
            "the host name is made from the region {region}: check that this machine can look up \
             names on the Internet"
        ),
        (Party::Server, Obstacle::Name) if amazons => {
            "check that this machine can look up names on the Internet".to_owned()
        }
        (Party::Server, Obstacle::Name) => of_bucket_in_host(way).unwrap_or_else(|| {
            "the host name is that of the endpoint (regionendpoint): check its spelling, and this \
             machine's name servers"
                .to_owned()
        }),
        (Party::Server, Obstacle::Tcp) if amazons => {
            "check that this machine may open connections to the Internet, or set proxy".to_owned()
        }
        (Party::Server, Obstacle::Tcp) => {
            "check the host and the port of the endpoint (regionendpoint), and that the server runs"
                .to_owned()
        }
    };
    Some(hint)
}

fn of_tls(problem: TlsProblem, way: Way<'_>) -> Option<String> {
    let host = way.located.host();
    let amazons = way.endpoint.host_is_amazons();
    Some(match problem {
        TlsProblem::PlainServer if amazons => {
            "this is not the endpoint of AWS: something between this machine and AWS responds in \
             its place"
                .to_owned()
        }
        TlsProblem::PlainServer => {
            "this server does not speak TLS: write http:// in the endpoint, or set secure: false"
                .to_owned()
        }
        TlsProblem::TlsServer => WRITE_HTTPS.to_owned(),
        TlsProblem::Version => {
            "the server needs TLS 1.2 or 1.3: update it, or put a proxy with TLS 1.2 in front of it"
                .to_owned()
        }
        TlsProblem::Algorithms | TlsProblem::CertificateAlgorithm => ALGORITHMS.to_owned(),
        TlsProblem::ClientCertificate => {
            "give the client a certificate that the server accepts (Config::client_certificate), \
             or let the server accept clients without one"
                .to_owned()
        }
        TlsProblem::UnrecognisedName | TlsProblem::WrongName => of_bucket_in_host(way)
            .unwrap_or_else(|| {
                format!(
                    "check that {host} is the server's name, or give it a certificate for that name"
                )
            }),
        TlsProblem::UnknownAuthority if amazons => {
            "there may be a proxy that inspects TLS: trust the certificate of its authority \
             (cacert)"
                .to_owned()
        }
        TlsProblem::UnknownAuthority => {
            "trust the certificate of the server's authority (cacert)".to_owned()
        }
        TlsProblem::Expired(now) => {
            format!(
                "renew the server's certificate, or set this machine's clock, which shows {}",
                now.iso8601()
            )
        }
        TlsProblem::NotYetValid(now) => {
            format!("set this machine's clock, which shows {}", now.iso8601())
        }
        TlsProblem::AuthorityAsServer => {
            "give the server a certificate that an authority has signed, or trust exactly this \
             certificate (cacert)"
                .to_owned()
        }
        TlsProblem::Alert | TlsProblem::Certificate | TlsProblem::HostName | TlsProblem::Broken => {
            return None;
        }
    })
}

/// Returns the remedy for a host that begins with the bucket's name and is unknown to the server.
fn of_bucket_in_host(Way { endpoint, located, .. }: Way<'_>) -> Option<String> {
    let bucket = located.host_bucket().filter(|_| !endpoint.is_aws())?;
    Some(format!(
        "the host name is made of the bucket {bucket} and the endpoint (regionendpoint): check \
         both; if the server expects the bucket in the path, set forcepathstyle to true"
    ))
}

/// Extracts the transport's failure from an `io::Error` as this crate's error.
pub(super) fn read_error(error: std::io::Error) -> Error {
    match error.downcast::<TransportError>() {
        Ok(failure) => transport_error(failure, None),
        Err(error) => Error::new(ErrorKind::Interrupted, error.to_string()).with_source(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::client::{Addressing, Scheme, Variant};
    use crate::time::Timestamp;

    /// Returns the hint about a problem with an endpoint of AWS, one given by its URL, and one
    /// whose hosts begin with bucket names.
    fn hints(problem: TlsProblem) -> [Option<String>; 3] {
        let aws = Endpoint::aws("eu-west-1", Scheme::Https, Variant::default()).unwrap();
        let custom = Endpoint::custom("https://s3.example.com", None, Scheme::Https).unwrap();
        let in_host = custom.clone().with_addressing(Addressing::VirtualHost).unwrap();
        [aws, custom, in_host].map(|endpoint| {
            let located = endpoint.locate("registry").unwrap();
            of_tls(problem, Way { endpoint: &endpoint, located: &located, proxy: None })
        })
    }

    /// The body comes after the host, so the proxy is in parentheses.
    #[test]
    fn a_failure_after_the_connection_names_the_host_and_the_proxy() {
        let endpoint = Endpoint::custom("https://s3.example.com", None, Scheme::Https).unwrap();
        let located = endpoint.locate("registry").unwrap();
        let proxy = Proxy::parse("http://127.0.0.1:3128").unwrap();
        for (phase, proxy, expected) in [
            (Phase::Await, None, "s3.example.com"),
            (Phase::Body, None, "s3.example.com"),
            (Phase::Await, Some(&proxy), "s3.example.com, through the proxy http://127.0.0.1:3128"),
            (Phase::Body, Some(&proxy), "s3.example.com (through the proxy http://127.0.0.1:3128)"),
        ] {
            let failure = TransportError { phase, stale: false, failure: Failure::Timeout };
            let way = Way { endpoint: &endpoint, located: &located, proxy };
            assert_eq!(name(way, &failure), expected);
        }
    }

    #[test]
    fn each_problem_of_tls_has_its_hint() {
        let now = Timestamp::from_unix(1_000_000_000);
        let both =
            |hint: &str| [Some(hint.to_owned()), Some(hint.to_owned()), Some(hint.to_owned())];
        let on_aws = |aws: &str, other: &str| {
            [Some(aws.to_owned()), Some(other.to_owned()), Some(other.to_owned())]
        };
        for (problem, expected) in [
            (
                TlsProblem::UnknownAuthority,
                on_aws(
                    "there may be a proxy that inspects TLS: trust the certificate of its \
                     authority (cacert)",
                    "trust the certificate of the server's authority (cacert)",
                ),
            ),
            (
                TlsProblem::PlainServer,
                on_aws(
                    "this is not the endpoint of AWS: something between this machine and AWS \
                     responds in its place",
                    "this server does not speak TLS: write http:// in the endpoint, or set \
                     secure: false",
                ),
            ),
            (
                TlsProblem::NotYetValid(now),
                both("set this machine's clock, which shows 2001-09-09T01:46:40Z"),
            ),
            (
                TlsProblem::Expired(now),
                both(
                    "renew the server's certificate, or set this machine's clock, which shows \
                     2001-09-09T01:46:40Z",
                ),
            ),
            (
                TlsProblem::AuthorityAsServer,
                both(
                    "give the server a certificate that an authority has signed, or trust exactly \
                     this certificate (cacert)",
                ),
            ),
            (TlsProblem::Algorithms, both(ALGORITHMS)),
            (TlsProblem::CertificateAlgorithm, both(ALGORITHMS)),
            (TlsProblem::Certificate, [None, None, None]),
            (TlsProblem::Alert, [None, None, None]),
            (TlsProblem::Broken, [None, None, None]),
        ] {
            assert_eq!(hints(problem), expected, "{problem:?}");
        }
        let [aws, custom, in_host] = hints(TlsProblem::WrongName).map(Option::unwrap);
        assert!(
            aws.starts_with("check that registry.s3.eu-west-1.amazonaws.com is the server's name"),
            "{aws}"
        );
        assert!(custom.starts_with("check that s3.example.com is the server's name"), "{custom}");
        assert!(in_host.contains("set forcepathstyle to true"), "{in_host}");
    }
}
