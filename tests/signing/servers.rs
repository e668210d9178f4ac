//! Tests which cause an error names for a wrong secret, a wrong clock, a rewritten host and an
//! added header, on servers that verify signatures. Unlike AWS (see `refused.rs`), none of these
//! servers shows what it signed. The error therefore names the cause if it follows from the
//! server's message and `Date` (the clocks, added headers), and otherwise the likely causes.

use crate::support::clock::Slow;
use crate::support::relay::{Meddling, Relay};
use crate::support::target::Target;
use s3driver::client::{Client, Config, Endpoint, GetObject, Scheme, SignatureVersion};
use s3driver::sign::Credentials;
use s3driver::{Error, ErrorKind};
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// The hint if the server only states that the signature is wrong.
const LIKELY: &str =
    "check the secret key, and that no proxy changes the host, the path or the headers";

fn get(target: &Target, config: Config) -> Error {
    let error = Client::new(config)
        .unwrap()
        .get_object(&target.bucket, "no such key", &GetObject::default())
        .unwrap_err();
    let text = error.to_string();
    assert!(!text.contains(&target.secret_key) && !text.contains('\n'), "{text}");
    error
}

/// Sends the request through a proxy. Returns `None` with TLS, where a proxy cannot change
/// anything.
fn through(target: &Target, meddling: Meddling) -> Option<Error> {
    let address =
        target.endpoint.strip_prefix("http://")?.to_socket_addrs().unwrap().next().unwrap();
    let relay = Relay::meddling(address, meddling);
    let endpoint = Endpoint::custom(&relay.url(), Some(&target.region), Scheme::Http).unwrap();
    let credentials = Credentials::new(&target.access_key, &target.secret_key);
    Some(get(
        target,
        Config::new(endpoint).static_credentials(credentials).signature(target.signature),
    ))
}

fn rejected(error: &Error) {
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::SignatureRejected, Some("SignatureDoesNotMatch")),
        "{error}"
    );
    assert_eq!((error.hint(), error.attempts()), (Some(LIKELY), 1), "{error}");
}

/// Asserts that the signature was accepted: the key does not exist.
fn accepted(error: &Error, attempts: u32) {
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::NoSuchKey, attempts), "{error}");
}

crate::checks! {
    fn a_wrong_secret_is_named(target) {
        rejected(&get(
            target,
            target.config().static_credentials(Credentials::new(&target.access_key, "another")),
        ));
    }

    fn a_wrong_clock_is_corrected_or_named(target) {
        let error = get(target, target.config().clock(Arc::new(Slow(HOUR))));
        match (target.server, target.signature) {
            // A 400 whose text alone distinguishes it from a refusal by policy: it is not
            // corrected, but its cause is named.
            ("rclone", _) => {
                assert_eq!(
                    (error.kind(), error.status()),
                    (ErrorKind::AccessDenied, Some(400)),
                    "{error}"
                );
                let hint = error.hint().unwrap();
                assert!(
                    hint.starts_with("this machine's clock is 36")
                        && hint.contains(" s behind the server's"),
                    "{hint}"
                );
            }
            // Neither server checks the clock with version 2.
            ("embedded" | "seaweedfs", SignatureVersion::V2) => accepted(&error, 1),
            _ => {
                accepted(&error, 2);
                assert!(error.to_string().contains("earlier attempts: 403 RequestTimeTooSkewed"), "{error}");
            }
        }
    }

    fn a_rewritten_host_is_named_as_likely(target) {
        let Some(error) = through(target, |_| {}) else { return };
        accepted(&error, 1);
        let error = through(target, |lines| {
            let host =
                lines.iter_mut().find(|line| line.to_lowercase().starts_with("host:")).unwrap();
            *host = "host: backend.internal".to_owned();
        });
        match (target.server, target.signature) {
            // Version 2 signs only the bucket in the host, and only Ceph takes this name for a
            // bucket.
            ("embedded" | "seaweedfs", SignatureVersion::V2) => accepted(&error.unwrap(), 1),
            _ => rejected(&error.unwrap()),
        }
    }

    fn an_added_header_is_named_or_named_as_likely(target) {
        let Some(error) = through(target, |lines| lines.push("x-amz-meta-proxy: 1".to_owned()))
        else {
            return;
        };
        match (target.server, target.signature) {
            // Ceph accepts a version 4 header that is not signed.
            ("ceph", SignatureVersion::V4) => accepted(&error, 1),
            ("seaweedfs", _) | (_, SignatureVersion::V2) => rejected(&error),
            // The hint uses AWS's terms.
            _ => {
                assert_eq!(
                    (error.kind(), error.code()),
                    (ErrorKind::AccessDenied, Some("AccessDenied")),
                    "{error}"
                );
                assert!(
                    error.hint().unwrap().starts_with("a proxy added these headers"),
                    "{error}"
                );
            }
        }
    }
}
