//! Tests of the EC2 metadata service.

use super::server::{Answer, Request, Server, reply};
use super::{context, document, failed, keys, not_configured, timed};
use s3driver::credentials::{Cache, Chain, Context, Metadata, Provider, Source, Static};
use s3driver::observe::Warning;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

type Make = Box<dyn Fn() -> Answer + Send + Sync>;

/// The behaviour of the service.
struct Imds {
    /// The response to a request for a token; `None` returns a token.
    token_put: Option<Make>,
    /// The number of GETs for which a token is valid.
    token_uses: usize,
    /// The status of a GET without a token; `None` returns the document.
    v1_status: Option<u16>,
    /// The response to a request for the list of roles.
    role: Make,
    /// The response to a request for the credentials.
    creds: Make,
}

impl Default for Imds {
    fn default() -> Self {
        Self {
            token_put: None,
            token_uses: usize::MAX,
            v1_status: None,
            role: Box::new(|| reply(200, "registry-role\n")),
            creds: Box::new(|| reply(200, document("AKID", 3600))),
        }
    }
}

impl Imds {
    fn start(self) -> Server {
        // The number of tokens that were issued, and the remaining uses of the last one.
        let tokens = Mutex::new((0, 0));
        Server::start(move |request| self.answer(request, &tokens))
    }

    fn answer(&self, request: &Request, tokens: &Mutex<(u32, usize)>) -> Answer {
        let mut tokens = tokens.lock().unwrap();
        if request.target == TOKEN {
            if let Some(token_put) = &self.token_put {
                return token_put();
            }
            if request.method != "PUT"
                || request.header("x-aws-ec2-metadata-token-ttl-seconds").is_none()
            {
                return reply(400, "");
            }
            *tokens = (tokens.0 + 1, self.token_uses);
            return reply(200, format!("token{}==", tokens.0));
        }
        match (request.header("x-aws-ec2-metadata-token"), self.v1_status) {
            (Some(token), _) if token == format!("token{}==", tokens.0) && tokens.1 > 0 => {
                tokens.1 -= 1;
            }
            (Some(_), _) => return reply(401, ""),
            (None, Some(status)) => return reply(status, ""),
            (None, None) => {}
        }
        match request.target.strip_prefix(ROLES) {
            Some("") => (self.role)(),
            Some("registry-role") => (self.creds)(),
            _ => reply(404, ""),
        }
    }
}

fn at(server: &Server, more: &[(&str, &str)]) -> Context {
    let url = server.url();
    let mut variables = vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    variables.extend(more);
    context(&variables)
}

fn source(server: &Server) -> Metadata {
    Metadata::new(&at(server, &[]))
}

fn assert_found(source: &Metadata) {
    let lease = source.fetch().unwrap();
    assert_eq!(keys(&lease), ("AKID", "secret-AKID", Some("token-AKID")));
    assert!(lease.expires.is_some());
}

#[test]
fn mode_v2_only() {
    let server = Imds { v1_status: Some(401), ..Imds::default() }.start();
    assert_found(&source(&server));
    assert_eq!(
        server.log(),
        [format!("PUT {TOKEN}"), format!("GET {ROLES}"), format!("GET {ROLES}registry-role")]
    );
    let requests = server.requests();
    assert_eq!(requests[0].header("x-aws-ec2-metadata-token-ttl-seconds"), Some("21600"));
    assert!(requests[1..].iter().all(|r| r.header("x-aws-ec2-metadata-token") == Some("token1==")));
}

#[test]
fn mode_v1_only_falls_back() {
    let server = Imds { token_put: Some(Box::new(|| reply(404, ""))), ..Imds::default() }.start();
    assert_found(&source(&server));
    assert!(server.requests()[1..].iter().all(|r| r.header("x-aws-ec2-metadata-token").is_none()));
}

#[test]
fn token_put_403_404_405_hang_reset_html_empty_falls_back_to_v1() {
    let cases: Vec<(&str, usize, Make)> = vec![
        ("403", 1, Box::new(|| reply(403, ""))),
        ("404", 1, Box::new(|| reply(404, ""))),
        ("405", 1, Box::new(|| reply(405, ""))),
        ("hang", 1, Box::new(|| Answer::Hang)),
        ("reset", 2, Box::new(|| Answer::Close)),
        ("html", 1, Box::new(|| reply(200, "<html>log in</html>"))),
        ("empty", 1, Box::new(|| reply(200, ""))),
        ("500", 2, Box::new(|| reply(500, ""))),
    ];
    for (name, puts, token_put) in cases {
        let server = Imds { token_put: Some(token_put), ..Imds::default() }.start();
        let ((), took) = timed(|| assert_found(&source(&server)));
        assert!(took < Duration::from_millis(2500), "{name}: {took:?}");
        let asked = server.log().iter().filter(|line| line.starts_with("PUT")).count();
        assert_eq!(asked, puts, "{name}: at most one retry");
    }
}

#[test]
fn token_put_refused_and_v1_disabled_is_an_error() {
    let server = Imds { token_put: Some(Box::new(|| reply(403, ""))), ..Imds::default() }.start();
    let source = Metadata::new(&at(&server, &[("AWS_EC2_METADATA_V1_DISABLED", "True")]));
    let reason = failed(&source);
    assert!(reason.contains("403") && reason.contains("version 1 is disabled"), "{reason}");
    assert_eq!(server.log().len(), 1, "no request without a token");
}

#[test]
fn v1_is_disabled_by_the_profile_too() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(&config, "[profile p]\nec2_metadata_v1_disabled = true").unwrap();
    let server = Imds { token_put: Some(Box::new(|| reply(403, ""))), ..Imds::default() }.start();
    let variables = [("AWS_PROFILE", "p"), ("AWS_CONFIG_FILE", config.to_str().unwrap())];
    assert!(failed(&Metadata::new(&at(&server, &variables))).contains("version 1 is disabled"));
}

#[test]
fn token_put_400_surfaces() {
    let server = Imds { token_put: Some(Box::new(|| reply(400, ""))), ..Imds::default() }.start();
    assert!(failed(&source(&server)).contains("400"));
    assert_eq!(server.log().len(), 1);
}

#[test]
fn token_ttl_1_gets_a_new_token_once() {
    let server = Imds { token_uses: 1, v1_status: Some(401), ..Imds::default() }.start();
    assert_found(&source(&server));
    assert_eq!(server.log().iter().filter(|line| line.starts_with("PUT")).count(), 2);

    // The client does not try forever if the service refuses every token.
    let server = Imds { token_uses: 0, v1_status: Some(401), ..Imds::default() }.start();
    assert!(failed(&source(&server)).contains("401"));
    assert_eq!(server.log().len(), 4);
}

#[test]
fn v1_status_403_is_not_used_and_the_chain_continues() {
    let refusing = || Imds {
        token_put: Some(Box::new(|| reply(403, ""))),
        v1_status: Some(403),
        ..Imds::default()
    };
    let server = refusing().start();
    let reason = not_configured(&source(&server));
    assert!(reason.contains("refuses access to metadata (403)"), "{reason}");

    let chain =
        Chain::of(vec![Box::new(source(&refusing().start())), Box::new(Static::anonymous())]);
    assert!(chain.fetch().unwrap().credentials.is_none());
}

#[test]
fn role_null_and_role_empty_mean_that_there_is_no_role() {
    for (role, status) in [("", 404), ("", 200), ("\n", 200)] {
        let server =
            Imds { role: Box::new(move || reply(status, role)), ..Imds::default() }.start();
        let (reason, took) = timed(|| not_configured(&source(&server)));
        assert!(reason.contains("role"), "{reason}");
        assert!(took < Duration::from_millis(900), "{took:?}");
    }
}

#[test]
fn a_role_with_an_invalid_name_is_not_requested() {
    for role in ["<html>", "../../x", "a b"] {
        let server = Imds { role: Box::new(move || reply(200, role)), ..Imds::default() }.start();
        failed(&source(&server));
        assert_eq!(server.log().len(), 2, "{role}");
    }
}

#[test]
fn creds_500_first_2_is_retried() {
    let count = Mutex::new(0);
    let creds = move || {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count <= 2 { reply(500, "") } else { reply(200, document("AKID", 3600)) }
    };
    let server = Imds { creds: Box::new(creds), ..Imds::default() }.start();
    assert_found(&source(&server));
}

#[test]
fn a_metadata_response_that_breaks_in_its_body_is_requested_again() {
    // The first token, then the first document.
    let broken: [fn() -> Answer; 2] =
        [|| Answer::Truncated("tok".into()), || Answer::Stalled("tok".into())];
    for broken in broken {
        let is_first = AtomicBool::new(true);
        let once = move || match is_first.swap(false, Ordering::SeqCst) {
            true => broken(),
            false => reply(200, "token"),
        };
        let server = Imds { token_put: Some(Box::new(once)), ..Imds::default() }.start();
        assert!(failed(&source(&server)).contains("401"), "the test's token is not accepted");
        assert_eq!(server.log()[..2], [format!("PUT {TOKEN}"), format!("PUT {TOKEN}")]);

        let is_first = AtomicBool::new(true);
        let once = move || match is_first.swap(false, Ordering::SeqCst) {
            true => broken(),
            false => reply(200, document("AKID", 3600)),
        };
        let server = Imds { creds: Box::new(once), ..Imds::default() }.start();
        assert_found(&source(&server));
        assert_eq!(server.log().len(), 4);
    }
}

/// A service that responds with half a document exists, so the chain does not continue without it.
#[test]
fn a_metadata_service_that_stalls_in_a_body_is_not_absent() {
    let stalled: Make = Box::new(|| Answer::Stalled("registry".into()));
    let server =
        Imds { token_put: Some(Box::new(|| reply(403, ""))), role: stalled, ..Imds::default() };
    assert!(failed(&source(&server.start())).contains("reading the response's body"));
}

#[test]
fn creds_failed_badjson_empty_html_missing_field_endless() {
    let without = |field: &str| document("AKID", 3600).replace(field, "Other");
    let cases: Vec<(&str, &str, Make)> = vec![
        (
            "failed",
            "AssumeRoleUnauthorizedAccess: EC2 cannot assume the role",
            Box::new(|| {
                reply(
                    200,
                    r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}"#,
                )
            }),
        ),
        ("badjson", "not JSON", Box::new(|| reply(200, "{\"Code\": "))),
        ("empty", "empty", Box::new(|| reply(200, ""))),
        ("html", "not JSON", Box::new(|| reply(200, "<html></html>"))),
        ("array", "not a JSON object", Box::new(|| reply(200, "[\"secret-AKID\"]"))),
        ("no id", "AccessKeyId is missing", Box::new(move || reply(200, without("AccessKeyId")))),
        (
            "no secret",
            "SecretAccessKey is missing",
            Box::new(move || reply(200, without("SecretAccessKey"))),
        ),
        (
            "empty secret",
            "SecretAccessKey is empty",
            Box::new(|| reply(200, document("AKID", 3600).replace("secret-AKID", ""))),
        ),
        (
            "null secret",
            "SecretAccessKey is missing",
            Box::new(|| reply(200, document("AKID", 3600).replace("\"secret-AKID\"", "null"))),
        ),
        (
            "no token",
            "Token is missing",
            Box::new(move || reply(200, without("\"Token\"").replace("Other", "\"O\""))),
        ),
        (
            "no expiration",
            "Expiration is missing",
            Box::new(move || reply(200, without("Expiration"))),
        ),
        (
            "bad expiration",
            "Expiration is not a time",
            Box::new(|| reply(200, document("AKID", 0).replace("20", "x"))),
        ),
        ("endless", "longer", Box::new(|| Answer::Endless)),
        ("deep", "not JSON", Box::new(|| reply(200, "[".repeat(50_000)))),
    ];
    for (name, expected, creds) in cases {
        let server = Imds { creds, ..Imds::default() }.start();
        let source = source(&server);
        let (reason, took) = timed(|| failed(&source));
        assert!(reason.contains(expected), "{name}: {reason}");
        assert!(
            !reason.contains("secret-AKID") && !reason.contains("token-AKID"),
            "{name}: {reason}"
        );
        assert!(took < Duration::from_secs(3), "{name}: {took:?}");
        // The final error names the failed step.
        let error = Cache::new(source, &Context::default()).credentials().unwrap_err();
        assert!(error.to_string().contains("EC2 metadata"), "{error}");
    }
}

#[test]
fn creds_expired_are_used_without_an_immediate_retry() {
    let server =
        Imds { creds: Box::new(|| reply(200, document("AKID", -60))), ..Imds::default() }.start();
    let (observer, warnings) = super::recording_observer();
    let cache = Cache::new(source(&server), &Context::default().with_observer(observer));
    for _ in 0..100 {
        assert_eq!(keys(&cache.credentials().unwrap()).0, "AKID");
    }
    assert_eq!(server.log().len(), 3, "one fetch");
    assert_eq!(warnings.lock().unwrap().len(), 1);
}

/// During an outage, AWS may extend the lifetime of keys without saying so.
#[test]
fn keys_outlive_their_expiry_while_the_service_fails() {
    let step = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&step);
    let creds = move || match seen.load(Ordering::SeqCst) {
        0 => reply(200, document("LAST", -1)),
        1 => reply(200, "not JSON"),
        2 => reply(200, document("NEW", 3600)),
        _ => reply(500, ""),
    };
    let server = Imds { creds: Box::new(creds), ..Imds::default() }.start();
    let source = source(&server);
    for (at, expected) in ["LAST", "LAST", "NEW"].into_iter().enumerate() {
        step.store(at, Ordering::SeqCst);
        assert_eq!(keys(&source.fetch().unwrap()).0, expected);
    }
    step.store(3, Ordering::SeqCst);
    // While the keys are valid, the cache keeps them and reports the failure.
    assert!(failed(&source).contains("500"));
}

/// The observer learns why; without keys, the service does not exist.
#[test]
fn keys_outlive_their_expiry_while_the_service_does_not_respond() {
    let imds = Imds { creds: Box::new(|| reply(200, document("LAST", -1))), ..Imds::default() };
    let tokens = Mutex::new((0, 0));
    let is_silent = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_silent);
    let server = Server::start(move |request| match seen.load(Ordering::SeqCst) {
        true => Answer::Hang,
        false => imds.answer(request, &tokens),
    });
    let (observer, warnings) = super::recording_observer();
    let context = at(&server, &[]).with_observer(observer);
    let [source, other] = [(), ()].map(|()| Metadata::new(&context));
    assert_eq!(keys(&source.fetch().unwrap()).0, "LAST");
    is_silent.store(true, Ordering::SeqCst);
    assert_eq!(keys(&source.fetch().unwrap()).0, "LAST");
    let warnings = warnings.lock().unwrap();
    let [Warning::RefreshFailed { reason, expires: Some(_) }] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(reason.contains("does not respond"), "{reason}");
    assert!(not_configured(&other).contains("does not respond"));
}

#[test]
fn the_keys_of_a_detached_role_are_not_used() {
    let step = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&step);
    let role = move || match seen.load(Ordering::SeqCst) {
        0 => reply(200, "registry-role\n"),
        1 => reply(404, ""),
        _ => reply(500, ""),
    };
    let creds = || reply(200, document("LAST", -1));
    let server = Imds { role: Box::new(role), creds: Box::new(creds), ..Imds::default() }.start();
    let source = source(&server);
    assert_eq!(keys(&source.fetch().unwrap()).0, "LAST");
    step.store(1, Ordering::SeqCst);
    assert!(not_configured(&source).contains("no role"));
    step.store(2, Ordering::SeqCst);
    assert!(failed(&source).contains("500"));
}

/// This is like the cache's test with a stopped clock, but uses a real clock and the real protocol.
#[test]
fn rotate_every_and_lifetime_are_followed_before_the_end() {
    let count = Mutex::new(0);
    let creds = move || {
        let mut count = count.lock().unwrap();
        *count += 1;
        reply(200, document(&format!("K{count}"), 4))
    };
    let server = Imds { creds: Box::new(creds), ..Imds::default() }.start();
    let cache = Cache::new(source(&server), &Context::default());
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let lease = cache.credentials().unwrap();
                    assert!(
                        SystemTime::now() < lease.expires.unwrap(),
                        "credentials are renewed before they expire"
                    );
                    if keys(&lease).0 == "K3" {
                        return;
                    }
                    assert!(begin.elapsed() < Duration::from_secs(15));
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    let fetched = server.log().iter().filter(|line| line.ends_with("registry-role")).count();
    assert_eq!(fetched, 3, "one refresh for each rotation");
}

#[test]
fn redirects_are_refused() {
    let elsewhere = Imds::default().start();
    let target = format!("{}{ROLES}registry-role", elsewhere.url());
    let creds = move || Answer::Reply {
        status: 302,
        headers: vec![("location".to_owned(), target.clone())],
        body: String::new(),
    };
    let server = Imds { creds: Box::new(creds), ..Imds::default() }.start();
    assert!(failed(&source(&server)).contains("302"));
    assert!(elsewhere.log().is_empty());
}

#[test]
fn a_service_that_never_responds_fails_quickly() {
    let server = Server::start(|_| Answer::Hang);
    let (reason, took) = timed(|| not_configured(&source(&server)));
    assert!(reason.contains("hop limit"), "{reason}");
    assert!(took < Duration::from_millis(2600), "{took:?}");
}

#[test]
fn the_service_can_be_disabled() {
    let server = Imds::default().start();
    let source = Metadata::new(&at(&server, &[("AWS_EC2_METADATA_DISABLED", "true")]));
    assert_eq!(not_configured(&source), "AWS_EC2_METADATA_DISABLED is true");
    assert!(server.log().is_empty());
}

#[test]
fn the_endpoint_can_have_a_path_and_the_mode_is_checked() {
    let server = Server::start(|request| match request.target.as_str() {
        "/imds/latest/api/token" => reply(200, "t"),
        "/imds/latest/meta-data/iam/security-credentials/" => reply(200, "r"),
        "/imds/latest/meta-data/iam/security-credentials/r" => reply(200, document("AKID", 3600)),
        _ => reply(404, ""),
    });
    let url = format!("{}/imds/", server.url());
    assert_found(&Metadata::new(&context(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)])));
    let wrong = Metadata::new(&context(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv5")]));
    assert!(failed(&wrong).contains("neither IPv4 nor IPv6"));
}
