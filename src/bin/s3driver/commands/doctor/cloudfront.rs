//! Checks of the ways in which clients download without the registry: CloudFront and the redirect
//! endpoint.
use super::finding::{Verdict, what};
use super::patient::{CONTENT, Patient};
use s3driver::client::{Presign, PresignMethod};
use s3driver::driver::{Method, UrlOptions};
use s3driver::middleware::{CloudFront, CloudFrontOptions, Fetch as _, HttpFetch, IpFilter};
use s3driver::{Error, ErrorKind, StorageDriver as _};
use std::sync::Arc;
use std::time::Duration;

/// How long the URLs of the examination are valid.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Reads the options of the distribution: the private key, its type, the base URL and the Origin
/// Path.
pub(super) fn key(patient: &Patient) -> Verdict {
    if patient.distribution.is_empty() {
        return Verdict::NotUsed("no distribution is configured");
    }
    match signed_url(patient) {
        Ok(_) => Verdict::passed("the key signs URLs"),
        Err(error) => Verdict::fault(
            what(&error),
            error.hint().unwrap_or(
                "give the private key of the pair whose public key is in the distribution's key \
                 group: a PEM file with an \
                 RSA key of 2048 bits",
            ),
        ),
    }
}

/// Fetches the IP ranges of AWS, as the middleware does.
pub(super) fn ip_ranges(patient: &Patient) -> Verdict {
    let fetched = HttpFetch::with_client(&patient.bucket.client)
        .and_then(|fetch| options(patient)?.fetch_ip_ranges(&fetch));
    match fetched {
        Ok(None) => Verdict::NotUsed("the option ipfilteredby is not set"),
        Ok(Some(ranges)) => Verdict::passed(format!("{} ranges", ranges.len())),
        Err(error) => Verdict::fault(
            what(&error),
            "check iprangesurl, awsregion, proxy and cacert: without the ranges, all clients are \
             sent to CloudFront",
        ),
    }
}

fn options(patient: &Patient) -> Result<CloudFrontOptions, Error> {
    let pairs = patient.distribution.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    CloudFrontOptions::from_pairs(pairs)
}

/// Returns a signed URL on the distribution for the object of the examination.
fn signed_url(patient: &Patient) -> Result<String, Error> {
    // Clients' addresses do not matter here, so the ranges of addresses are not fetched.
    let options = options(patient)?.ip_filter(IpFilter::None);
    let root = &patient.bucket.parameters.root_directory;
    let key = patient.key("object");
    let path = key.strip_prefix(&**root).unwrap_or(&key).trim_start_matches('/');
    let middleware = CloudFront::new(Arc::new(patient.bucket.driver.clone()), options)?;
    let mut request = UrlOptions::new(Method::Get);
    request.expires_in = Some(LIFETIME);
    middleware.url_for(&format!("/{path}"), &request)
}

/// Downloads the object of the examination through the distribution.
pub(super) fn download(patient: &Patient) -> Verdict {
    let url = match signed_url(patient) {
        Ok(url) => url,
        Err(error) => return Verdict::failed(&error),
    };
    match fetch(&url) {
        Ok(content) if content == CONTENT => {
            Verdict::passed("the distribution serves the object of the bucket")
        }
        Ok(_) => Verdict::fault(
            "the distribution serves another content than that of the bucket",
            "check that the distribution's origin is this bucket",
        ),
        Err(error) if error.status() == Some(403) => Verdict::fault(
            what(&error),
            "check the key pair id and the key group of the distribution, and that its Origin \
             Path is the option originpath",
        ),
        Err(error) if error.status() == Some(404) => Verdict::fault(
            what(&error),
            "check that the Origin Path of the distribution is the option originpath",
        ),
        Err(error) => unreachable(
            &error,
            "check baseurl, unless this machine is not meant to reach the distribution",
        ),
    }
}

/// Downloads the object of the examination through the redirect endpoint.
pub(super) fn redirect_endpoint(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let Some(endpoint) = &bucket.parameters.redirect_endpoint else {
        return Verdict::NotUsed("the option redirectendpoint is not set");
    };
    let request = Presign::at_most(PresignMethod::Get, LIFETIME).endpoint(endpoint);
    let url = match bucket.client.presign(&bucket.name, &patient.key("object"), &request) {
        Ok(url) => url.url,
        Err(error) => return Verdict::failed(&error),
    };
    match fetch(&url) {
        Ok(content) if content == CONTENT => Verdict::passed("presigned URLs are accepted there"),
        Ok(_) => Verdict::fault(
            "the redirect endpoint serves another content than that of the bucket",
            "check that redirectendpoint leads to the same server",
        ),
        Err(error) if error.status().is_some() => Verdict::fault(
            what(&error),
            "check that redirectendpoint leads to the same server, and that no proxy changes the \
             host",
        ),
        Err(error) => unreachable(
            &error,
            "check redirectendpoint, unless this machine is not meant to reach it",
        ),
    }
}

fn fetch(url: &str) -> Result<Vec<u8>, Error> {
    HttpFetch::new()?.get(url, 2 * CONTENT.len())
}

/// Returns the verdict on an address that could not be reached from this machine. Such an address
/// is not necessarily wrong.
fn unreachable(error: &Error, remedy: &str) -> Verdict {
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::Protocol => {
            Verdict::fault("it serves something else than the object", remedy)
        }
        _ => Verdict::notice(format!("not reached from here: {}", what(error)), remedy),
    }
}
