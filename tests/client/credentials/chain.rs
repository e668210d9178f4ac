//! Tests of the default chain.

use super::server::{Answer, Server, reply};
use super::{context, document, keys, timed};
use crate::support::closed::ClosedPort;
use s3driver::ErrorKind;
use s3driver::credentials::{Cache, Chain, Context, Provider, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn exhausted(imds: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let context = context(&[
        ("HOME", directory.path().to_str().unwrap()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds),
    ]);
    let cache = Cache::new(Chain::new(&context), &context);
    let (error, took) = timed(|| cache.credentials().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(took < Duration::from_secs(3), "{took:?}");
    error.to_string()
}

#[test]
fn outside_aws_the_chain_fails_within_three_seconds_with_a_remedy() {
    // Tries a port that refuses connections, one that accepts them and stays silent, and an address
    // that never responds (TEST-NET-1, RFC 5737).
    let (closed, silent) = (ClosedPort::new(), Server::start(|_| Answer::Hang));
    for imds in [closed.url(), silent.url(), "http://192.0.2.1".to_owned()] {
        let message = exhausted(&imds);
        for part in [
            "environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
            "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set",
            "shared files: there is no profile `default` in ",
            "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and \
             AWS_CONTAINER_CREDENTIALS_FULL_URI are not set",
            "EC2 metadata: http://",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!message.contains('\n'), "the message should be one line");
    }
}

/// Returns the result of a chain in which every source is configured, except for the variables in
/// `without`.
fn full(without: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let imds = Server::start(|request| match request.target.rsplit('/').next() {
        Some("token") => reply(200, "t"),
        Some("") => reply(200, "r"),
        _ => reply(200, document("METADATA", 3600)),
    });
    let ecs = Server::start(|_| reply(200, document("CONTAINER", 3600)));
    let sts = Server::start(|_| {
        reply(
            200,
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEB\
             </AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>\
             2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
             </AssumeRoleWithWebIdentityResponse>",
        )
    });
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pairs = [
        ("AWS_ACCESS_KEY_ID", "ENVIRONMENT".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file("token", "t")),
        ("AWS_ROLE_ARN", "arn".to_owned()),
        ("AWS_ENDPOINT_URL_STS", sts.url()),
        (
            "AWS_SHARED_CREDENTIALS_FILE",
            file("credentials", "[default]\naws_access_key_id=FILES\naws_secret_access_key=s"),
        ),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", ecs.url()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url()),
    ];
    let pairs: Vec<_> = pairs
        .iter()
        .filter(|(name, _)| !without.contains(name))
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let lease = Chain::new(&context(&pairs)).fetch().unwrap();
    keys(&lease).0.to_owned()
}

#[test]
fn sources_are_tried_in_the_order_of_aws() {
    let mut without = vec![];
    assert_eq!(full(&without), "ENVIRONMENT");
    without.extend(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(full(&without), "WEB");
    without.push("AWS_WEB_IDENTITY_TOKEN_FILE");
    assert_eq!(full(&without), "FILES");
    without.push("AWS_SHARED_CREDENTIALS_FILE");
    assert_eq!(full(&without), "CONTAINER");
    without.push("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_eq!(full(&without), "METADATA");
}

#[test]
fn a_configured_source_that_fails_ends_the_search() {
    let imds = Server::start(|_| reply(200, document("METADATA", 3600)));
    let context = context(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent"),
        ("AWS_ROLE_ARN", "arn"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.url()),
    ]);
    let error = Cache::new(Chain::new(&context), &context).credentials().unwrap_err().to_string();
    assert!(
        error.starts_with("no credentials from the chain: web identity: /nonexistent: "),
        "{error}"
    );
    assert!(error.contains("environment: "), "{error}");
    assert!(imds.log().is_empty());
}

#[test]
fn half_a_key_pair_in_the_environment_is_reported() {
    let context = context(&[("AWS_ACCESS_KEY_ID", "A")]);
    let error = Cache::new(Chain::new(&context), &context).credentials().unwrap_err().to_string();
    assert!(
        error.contains("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        "{error}"
    );
}

#[test]
fn a_refresh_never_changes_the_source() {
    let up = Arc::new(AtomicBool::new(true));
    let answering = Arc::clone(&up);
    let ecs = Server::start(move |_| match answering.load(Ordering::SeqCst) {
        true => reply(200, document("CONTAINER", 3600)),
        false => reply(403, ""),
    });
    let imds = Server::start(|_| reply(200, document("METADATA", 3600)));
    let context = context(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &ecs.url()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.url()),
    ]);
    let chain = Chain::new(&context);
    chain.fetch().unwrap();
    up.store(false, Ordering::SeqCst);
    assert!(chain.fetch().unwrap_err().reason().starts_with("container: "));
    assert!(imds.log().is_empty());
}

#[test]
fn secrets_are_absent_from_debug_output() {
    let context = context(&[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]);
    let cache = Cache::new(Chain::new(&context), &context);
    let lease = cache.credentials().unwrap();
    assert!(!format!("{context:?} {cache:?} {lease:?}").contains("hunter2"));
    let _ = Context::default();
}
