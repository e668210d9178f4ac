//! A wrong secret, a wrong clock, a rewritten host and an added header against servers that check signatures, and what
//! the error says of the cause. None of these servers shows what it signed, as AWS does (see `signing_refused`), so that
//! the error names what the server's words and `Date` tell (the clocks, added headers), and else what is likely.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]
mod support;

use s3driver::client::{Client, Config, Endpoint, GetObject, Scheme, SignatureVersion};
use s3driver::clock::{Clock, SystemClock};
use s3driver::sign::Credentials;
use s3driver::{Error, ErrorKind};
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use support::relay::{Meddling, Relay};
use support::target::Target;

/// What the error says when the server only says that the signature is wrong.
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

/// The same through a proxy; none over TLS, where there is nothing to change.
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

/// Nothing is wrong with the signature: there is no such key.
fn accepted(error: &Error, attempts: u32) {
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::NoSuchKey, attempts), "{error}");
}

/// A clock that is an hour slow.
#[derive(Debug)]
struct Slow;

impl Clock for Slow {
    fn now(&self) -> SystemTime {
        SystemClock.now() - Duration::from_secs(3600)
    }
    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

checks! {
    fn a_wrong_secret_is_named(target) {
        rejected(&get(target, target.config().static_credentials(Credentials::new(&target.access_key, "another"))));
    }

    fn a_wrong_clock_is_mended_or_named(target) {
        let error = get(target, target.config().clock(Arc::new(Slow)));
        match (target.server, target.signature) {
            // A 400 that only its words tell from a refusal by policy: not mended, but its cause is named.
            ("rclone", _) => {
                assert_eq!((error.kind(), error.status()), (ErrorKind::AccessDenied, Some(400)), "{error}");
                let hint = error.hint().unwrap();
                assert!(hint.starts_with("this machine's clock is 36") && hint.contains(" s behind the server's"), "{hint}");
            }
            // Neither looks at the clock of version 2.
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
            let host = lines.iter_mut().find(|line| line.to_lowercase().starts_with("host:")).unwrap();
            *host = "host: backend.internal".to_owned();
        });
        match (target.server, target.signature) {
            // Version 2 signs no more of the host than the bucket in it, and Ceph alone takes this name for a bucket.
            ("embedded" | "seaweedfs", SignatureVersion::V2) => accepted(&error.unwrap(), 1),
            _ => rejected(&error.unwrap()),
        }
    }

    fn an_added_header_is_named_or_named_as_likely(target) {
        let Some(error) = through(target, |lines| lines.push("x-amz-meta-proxy: 1".to_owned())) else { return };
        match (target.server, target.signature) {
            // Takes a header of version 4 that is not signed.
            ("ceph", SignatureVersion::V4) => accepted(&error, 1),
            ("seaweedfs", _) | (_, SignatureVersion::V2) => rejected(&error),
            // In AWS's words.
            _ => {
                assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("AccessDenied")), "{error}");
                assert!(error.hint().unwrap().starts_with("something on the way added these headers"), "{error}");
            }
        }
    }
}
