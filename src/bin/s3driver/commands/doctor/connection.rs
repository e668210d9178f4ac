//! Checks on the way to the bucket: keys, name, connection, and everything that the first signed
//! request reveals.
use super::certificate::{Certificate, WARNING_DAYS};
use super::finding::{Verdict, what};
use super::patient::Patient;
use crate::listing::time;
use s3driver::client::{Scheme, SignatureVersion, TlsVerification};
use s3driver::credentials::{
    Container, EnvironmentKeys, Lease, Metadata, SharedFiles, Source, Unavailable, WebIdentity,
    caller_identity,
};
use s3driver::time::Timestamp;
use s3driver::{Error, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

/// The longest time for a name resolution, and for a connection.
const DEADLINE: Duration = Duration::from_secs(10);

/// Finds the keys that requests are signed with, and the source of the keys.
pub(super) fn credentials(patient: &Patient) -> Verdict {
    if let Some(keys) = &patient.bucket.parameters.credentials {
        *patient.keys.borrow_mut() = Some(keys.clone());
        return Verdict::passed(format!("{} from the configuration", keys.access_key_id()));
    }
    let context = &patient.bucket.context;
    let sources: [Box<dyn Source>; 5] = [
        Box::new(EnvironmentKeys::new(context)),
        Box::new(WebIdentity::new(context)),
        Box::new(SharedFiles::new(context)),
        Box::new(Container::new(context)),
        Box::new(Metadata::new(context)),
    ];
    for source in sources {
        match source.fetch() {
            Ok(lease) => {
                let verdict = found(source.name(), &lease);
                *patient.keys.borrow_mut() = lease.credentials;
                return verdict;
            }
            Err(Unavailable::NotConfigured(_)) => {}
            Err(error) => {
                return Verdict::fault(
                    format!("{}: {error}", source.name()),
                    "correct this source, or remove it so that the next one is used",
                );
            }
        }
    }
    Verdict::fault(
        "no source has credentials: variables, web identity, files, container, EC2",
        "set accesskey and secretkey in the configuration, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or give this \
         machine a role",
    )
}

fn found(source: &str, lease: &Lease) -> Verdict {
    let id = lease.credentials.as_ref().map_or("none", |keys| keys.access_key_id());
    let ends = match lease.expires.map(Timestamp::from) {
        None => "they do not expire".to_owned(),
        Some(end) => format!("they expire at {}", time(Some(end))),
    };
    Verdict::passed(format!("{id} from {source}; {ends}"))
}

/// Returns the host and the port that connections are made to, and whose they are. With a proxy,
/// they are the proxy's.
fn peer(patient: &Patient) -> Result<(String, u16, &'static str), Error> {
    let bucket = &patient.bucket;
    let located = bucket.parameters.endpoint.locate(&bucket.name)?;
    if let Some(proxy) = bucket.client.proxy_of(&located) {
        return Ok((proxy.host().to_owned(), proxy.port(), "the proxy"));
    }
    Ok((located.host().to_owned(), located.port(), "the endpoint"))
}

/// Resolves the name of the endpoint or, if there is one, of the proxy.
pub(super) fn host_name(patient: &Patient) -> Verdict {
    let (host, port, whose) = match peer(patient) {
        Ok(peer) => peer,
        Err(error) => return Verdict::failed(&error),
    };
    match resolve(&host, port) {
        Ok(addresses) => {
            let shown: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Verdict::passed(format!("{host} is {}", shown.join(", ")))
        }
        Err(why) => Verdict::fault(
            format!("the name {host} of {whose} cannot be resolved: {why}"),
            "check the region and the endpoint for mistakes, and this machine's name servers",
        ),
    }
}

/// Resolves a name on a separate thread, because the system does not set a deadline.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    let lookup = move || {
        let found = (&*name, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // After the deadline the receiver no longer exists.
        let _ = sender.send(found.map_err(|error| error.to_string()));
    };
    thread::Builder::new().spawn(lookup).map_err(|error| error.to_string())?;
    match receiver.recv_timeout(DEADLINE) {
        Ok(Ok(addresses)) if addresses.is_empty() => Err("it has no address".to_owned()),
        Ok(found) => found,
        Err(_) => Err(format!("no response for {} s", DEADLINE.as_secs())),
    }
}

/// Connects to the first address that accepts a connection.
pub(super) fn tcp(patient: &Patient) -> Verdict {
    let Ok((host, port, whose)) = peer(patient) else {
        return Verdict::NotReached("host name");
    };
    let addresses = resolve(&host, port).unwrap_or_default();
    let mut reasons = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(&address, DEADLINE) {
            Ok(_) => return Verdict::passed(format!("{address} accepts connections")),
            Err(error) => reasons.push(format!("{address}: {error}")),
        }
    }
    let reason = match reasons.is_empty() {
        true => "it has no address".to_owned(),
        false => reasons.join("; "),
    };
    let remedy = if whose == "the proxy" {
        "check the option proxy or the variable that names it, and that the proxy runs"
    } else {
        "check the host and the port of the endpoint, that the server runs, and that no firewall \
         is in the way"
    };
    Verdict::fault(format!("{whose} does not accept connections: {reason}"), remedy)
}

/// Returns the name of the check that reports this failure of the first request.
fn blamed(error: &Error) -> &'static str {
    use ErrorKind::*;
    let hint = error.hint().unwrap_or_default();
    match error.kind() {
        _ if hint.contains("requires TLS") => "tls",
        Tls => "tls",
        Credentials | ExpiredCredentials => "access key",
        ClockSkew => "clock",
        SignatureRejected | AccessDenied if hint.contains("clock is") => "clock",
        SignatureRejected => match error.code() {
            Some("InvalidAccessKeyId" | "InvalidClientTokenId" | "NotSignedUp") => "access key",
            _ => "signature",
        },
        WrongRegion => "region",
        NoSuchBucket => "bucket",
        NoSuchKey => "addressing",
        AccessDenied => "list",
        _ => "response",
    }
}

/// Returns the verdict of a check for which the first request is sufficient.
fn by_first_request(patient: &Patient, name: &str, passed: impl FnOnce() -> String) -> Verdict {
    match &patient.first {
        Err(error) if blamed(error) == name => Verdict::failed(error),
        _ => Verdict::passed(passed()),
    }
}

/// Checks that both sides agree on TLS and that the certificate is trusted.
pub(super) fn tls(patient: &Patient) -> Verdict {
    let encrypted = scheme(patient) == Scheme::Https;
    match &patient.first {
        Err(error) if blamed(error) == "tls" => Verdict::fault(
            with_certificate(patient, error),
            error.hint().unwrap_or(
                "check the name in the endpoint, give the authority of the certificate in the \
                 option cacert, or use \
                 http:// where the server has no TLS",
            ),
        ),
        _ if patient.bucket.parameters.verification == TlsVerification::Skip && encrypted => {
            Verdict::notice(
                "the certificate is not verified, because skipverify is set",
                "give the authority of the certificate in the option cacert, and remove skipverify",
            )
        }
        _ if encrypted => Verdict::passed("the certificate is trusted and has the endpoint's name"),
        _ => Verdict::passed("not used: the endpoint begins with http://"),
    }
}

/// Describes a failed handshake together with the names and the dates of the certificate, if the
/// server presents one, and with this machine's clock, which the dates are compared with.
fn with_certificate(patient: &Patient, error: &Error) -> String {
    let clock = Timestamp::from(SystemTime::now()).iso8601();
    match presented(patient) {
        Some(certificate) => {
            let (text, certificate) = (what(error), certificate.describe());
            format!("{text}; {certificate}, and this machine's clock shows {clock}")
        }
        None => what(error),
    }
}

/// Returns the certificate that the server presents, whether it is trusted or not.
fn presented(patient: &Patient) -> Option<Certificate> {
    let found = patient.bucket.client.server_certificate(&patient.bucket.name);
    Certificate::read(&found.ok()??)
}

/// Checks how long the server's certificate is still valid.
pub(super) fn certificate(patient: &Patient) -> Verdict {
    if scheme(patient) == Scheme::Http {
        return Verdict::NotUsed("the endpoint begins with http://");
    }
    let Some(certificate) = presented(patient) else {
        return Verdict::notice(
            "the names and the dates of the certificate cannot be read",
            "nothing, if the check tls has passed: the certificate itself was verified",
        );
    };
    let now = Timestamp::from(SystemTime::now());
    let (days, ends) = (certificate.days_left(now), certificate.ends.iso8601());
    // Only a certificate that is not verified can be outside of its dates here.
    if now < certificate.begins || days < 0 {
        return Verdict::notice(
            format!("{}, and this machine's clock shows {}", certificate.describe(), now.iso8601()),
            "renew the certificate, or set this machine's clock",
        );
    }
    if days < WARNING_DAYS {
        return Verdict::notice(
            format!("the certificate expires in {days} days, at {ends}"),
            "renew the certificate before then",
        );
    }
    Verdict::passed(format!("{}, for {days} more days, until {ends}", certificate.names()))
}

/// Finds the account and the user or role to which the keys belong. That is AWS's service; a server
/// with its own is named in the variable of AWS's SDKs.
pub(super) fn identity(patient: &Patient) -> Verdict {
    let context = &patient.bucket.context;
    let ignored =
        context.setting("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
    let is_ignored = ignored.is_some_and(|word| word.eq_ignore_ascii_case("true"));
    // The variable alone: a server that AWS_ENDPOINT_URL names for S3 rarely has this service.
    let is_named = context.setting("AWS_ENDPOINT_URL_STS", "").is_some() && !is_ignored;
    let has_service = patient.bucket.parameters.endpoint.is_aws() || is_named;
    if !has_service {
        return Verdict::NotUsed("the endpoint is not AWS, so no STS is known");
    }
    let keys = patient.keys.borrow();
    let Some(keys) = keys.as_ref() else {
        return Verdict::NotUsed("requests are anonymous");
    };
    match caller_identity(context, keys) {
        Ok(identity) => {
            Verdict::passed(format!("{} of account {}", identity.arn, identity.account))
        }
        Err(error) => Verdict::notice(
            format!("GetCallerIdentity: {error}"),
            "nothing for a registry, which does not use STS: the other checks show what these keys \
             are permitted",
        ),
    }
}

fn scheme(patient: &Patient) -> Scheme {
    let located = patient.bucket.parameters.endpoint.locate(&patient.bucket.name);
    located.map_or(Scheme::Https, |located| located.scheme())
}

/// Checks that the responding server speaks S3.
pub(super) fn response(patient: &Patient) -> Verdict {
    by_first_request(patient, "response", || "the server speaks S3".to_owned())
}

/// Checks that the bucket's name stands where the server expects it.
pub(super) fn addressing(patient: &Patient) -> Verdict {
    let located = match patient.bucket.parameters.endpoint.locate(&patient.bucket.name) {
        Ok(located) => located,
        Err(error) => return Verdict::failed(&error),
    };
    by_first_request(patient, "addressing", || match located.host_bucket() {
        Some(_) => "the bucket is in the host".to_owned(),
        None => "the bucket is in the path".to_owned(),
    })
}

/// Checks that the server accepts this machine's clock.
pub(super) fn clock(patient: &Patient) -> Verdict {
    by_first_request(patient, "clock", || "the server accepts the time of the requests".to_owned())
}

/// Checks that the server knows the access key.
pub(super) fn access_key(patient: &Patient) -> Verdict {
    by_first_request(patient, "access key", || "the server knows the access key".to_owned())
}

/// Checks that the server computes an equal signature.
pub(super) fn signature(patient: &Patient) -> Verdict {
    let version = patient.bucket.parameters.signature_version;
    match by_first_request(patient, "signature", String::new) {
        Verdict::Passed(_) if version == SignatureVersion::V2 => Verdict::notice(
            "the server accepts signature version 2",
            "use version 4 (v4auth: true) if the server supports it: version 2 is no longer \
             accepted by AWS for new buckets",
        ),
        Verdict::Passed(_) => Verdict::passed("the server accepts signature version 4"),
        verdict => verdict,
    }
}

/// Checks that the bucket exists.
pub(super) fn bucket(patient: &Patient) -> Verdict {
    by_first_request(patient, "bucket", || format!("{} exists", patient.bucket.name))
}

/// Checks that the bucket is in the configured region.
pub(super) fn region(patient: &Patient) -> Verdict {
    if let Err(error) = &patient.first
        && blamed(error) == "region"
    {
        return Verdict::failed(error);
    }
    let configured = patient.bucket.parameters.endpoint.signing_region();
    let head = patient.bucket.client.head_bucket(&patient.bucket.name);
    match head.ok().and_then(|info| info.region) {
        Some(region) if region != configured => Verdict::fault(
            format!("the bucket is in {region}, and the configuration says {configured}"),
            format!("set region to {region}: until then requests are sent twice"),
        ),
        Some(region) => Verdict::passed(region),
        None => Verdict::passed(format!("{configured}; the server does not name its region")),
    }
}
