//! Tests of the container endpoints.

use super::server::{Answer, Server, reply};
use super::{context, document, failed, iso8601, keys, not_configured};
use s3driver::credentials::{Container, Source};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

fn source(server: &Server, more: &[(&str, &str)]) -> Container {
    let url = format!("{}/v1/credentials?id=1", server.url());
    let mut variables = vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
    variables.extend(more);
    Container::new(&context(&variables))
}

fn healthy() -> Server {
    Server::start(|_| reply(200, document("AKID", 3600)))
}

#[test]
fn container_without_authorization_sends_no_header() {
    let server = healthy();
    assert_eq!(
        keys(&source(&server, &[]).fetch().unwrap()),
        ("AKID", "secret-AKID", Some("token-AKID"))
    );
    assert_eq!(server.log(), ["GET /v1/credentials?id=1"]);
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[test]
fn container_authorization() {
    let server = healthy();
    source(&server, &[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc")]).fetch().unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic abc"));
}

#[test]
fn container_token_file_is_read_again_at_every_refresh() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.to_str().unwrap());
    let server = healthy();
    let source = source(&server, &[file, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "unused")]);
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        source.fetch().unwrap();
    }
    let seen: Vec<_> =
        server.requests().iter().map(|r| r.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(seen, ["first", "second"]);

    std::fs::write(&path, " \n").unwrap();
    assert!(failed(&source).contains("is empty"));
    std::fs::remove_file(&path).unwrap();
    assert!(failed(&source).contains("token"));
    std::fs::write(&path, "a\r\nx-other: b").unwrap();
    let reason = failed(&source);
    assert!(reason.contains("control characters") && !reason.contains("x-other"), "{reason}");
    assert_eq!(server.log().len(), 2, "nothing was sent without a usable token");
}

#[test]
fn container_full_uri_over_http_is_accepted_only_for_local_hosts() {
    for url in [
        "http://example.com/x",
        "http://10.1.2.3/x",
        "http://169.254.169.254/x",
        "http://localhost.example.com/",
    ] {
        let reason =
            failed(&Container::new(&context(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)])));
        assert!(reason.contains("use https"), "{reason}");
    }
    not_configured(&Container::new(&context(&[])));
}

#[test]
fn container_redirect_is_not_followed() {
    let elsewhere = healthy();
    let location = elsewhere.url();
    let server = Server::start(move |_| Answer::Reply {
        status: 307,
        headers: vec![("location".to_owned(), location.clone())],
        body: String::new(),
    });
    let source = source(&server, &[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2")]);
    let reason = failed(&source);
    assert!(reason.contains("307") && reason.contains("not followed"), "{reason}");
    assert!(!format!("{source:?}{reason}").contains("hunter2"));
    assert!(elsewhere.log().is_empty());
}

#[test]
fn container_errors_are_reported_and_temporary_ones_retried() {
    let server =
        Server::start(|_| reply(403, r#"{"code":"AccessDenied","message":"not this task"}"#));
    assert!(failed(&source(&server, &[])).ends_with("returned 403 (AccessDenied: not this task)"));
    assert_eq!(server.log().len(), 1);

    let count = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match *count {
            1 => Answer::Close,
            2 => reply(500, ""),
            _ => reply(200, document("AKID", 3600)),
        }
    });
    source(&server, &[]).fetch().unwrap();

    let server = Server::start(|_| reply(503, "busy"));
    assert!(failed(&source(&server, &[])).ends_with("returned 503"));
    assert_eq!(server.log().len(), 4);
}

#[test]
fn a_container_response_that_breaks_in_its_body_is_requested_again() {
    let first = AtomicBool::new(true);
    let server = Server::start(move |_| match first.swap(false, Ordering::SeqCst) {
        true => Answer::Truncated(document("AKID", 3600)),
        false => reply(200, document("AKID", 3600)),
    });
    assert_eq!(keys(&source(&server, &[]).fetch().unwrap()).0, "AKID");
    assert_eq!(server.log().len(), 2);

    let server = Server::start(|_| Answer::Truncated(document("AKID", 3600)));
    let reason = failed(&source(&server, &[]));
    assert!(reason.contains("reading the response's body: the connection broke"), "{reason}");
    assert!(!reason.contains("secret-AKID"), "{reason}");
    assert_eq!(server.log().len(), 4);
}

/// Endpoints for local tests return such documents (aws-sdk-js#1142,
/// amazon-ecs-local-container-endpoints#23).
#[test]
fn container_keys_without_a_token_or_an_expiration_are_used_for_a_quarter_of_an_hour() {
    let token = Some("token-AKID");
    for (members, token, minutes) in [
        ("", None, 15),
        (r#","Token":"","Expiration":"""#, None, 15),
        (r#","Token":null,"Expiration":null"#, None, 15),
        (r#","Token":"token-AKID""#, token, 15),
        (r#","Token":"token-AKID","Expiration":"""#, token, 15),
        (&format!(r#","Expiration":"{}""#, iso8601(3600)), None, 60),
    ] {
        let body = format!(r#"{{"AccessKeyId":"AKID","SecretAccessKey":"secret-AKID"{members}}}"#);
        let server = Server::start(move |_| reply(200, body.clone()));
        let lease = source(&server, &[]).fetch().unwrap();
        assert_eq!(keys(&lease), ("AKID", "secret-AKID", token), "{members}");
        let left = lease.expires.unwrap().duration_since(SystemTime::now()).unwrap();
        let limit = Duration::from_secs(minutes * 60);
        assert!(left <= limit && left > limit - Duration::from_secs(60), "{members} {left:?}");
    }
    let body = document("AKID", 3600).replace("Expiration\":\"", "Expiration\":\"x");
    let server = Server::start(move |_| reply(200, body.clone()));
    assert!(failed(&source(&server, &[])).contains("Expiration is not a time"));
}

#[test]
fn container_documents_are_read_strictly() {
    for (body, expected) in [
        (document("AKID", 3600).replace("secret-AKID", ""), "SecretAccessKey is empty"),
        (document("AKID", 3600).replace("AccessKeyId", "x"), "AccessKeyId is missing"),
        ("<html>".to_owned(), "not JSON"),
    ] {
        let server = Server::start(move |_| reply(200, body.clone()));
        assert!(failed(&source(&server, &[])).contains(expected));
    }
    let server = Server::start(|_| Answer::Endless);
    assert!(failed(&source(&server, &[])).contains("longer"));
    assert_eq!(server.log().len(), 1, "a body that is too long is not requested again");
}
