//! Tests of roles that are assumed with STS.

use super::server::{Answer, Request, Server, reply};
use super::{context, failed, iso8601, keys, not_configured};
use s3driver::client::endpoint::{Acceleration, Fips, Stack, Variant};
use s3driver::client::{Config, Endpoint, Proxy, Scheme};
use s3driver::credentials::{
    AssumeRole, Container, Context, Credentials, Environment, EnvironmentKeys, Role, Source,
    Static, WebIdentity, caller_identity,
};
use s3driver::time::Timestamp;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const ARN: &str = "arn:aws:iam::123456789012:role/registry";

fn answer(action: &str, id: &str) -> Answer {
    let expiration = iso8601(3600);
    reply(
        200,
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret-{id}</SecretAccessKey>\
             <SessionToken>token-{id}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             </{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

fn refusal(status: u16, code: &str) -> Answer {
    let error = format!(
        "<Error><Type>Sender</Type><Code>{code}</Code><Message>returned by STS</Message></Error>"
    );
    reply(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{error}<RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn field(request: &Request, name: &str) -> Option<String> {
    request
        .body
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .map(str::to_owned)
}

/// A token file, and a context that refers to it.
struct Pod {
    _directory: tempfile::TempDir,
    file: PathBuf,
    context: Context,
}

impl Pod {
    fn at(server: &Server) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "one+/=\n").unwrap();
        let context = context(&[
            ("AWS_ENDPOINT_URL_STS", &server.url()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
            ("AWS_ROLE_ARN", ARN),
            ("AWS_REGION", "eu-central-1"),
            // These credentials must not be used to sign the request.
            ("AWS_ACCESS_KEY_ID", "UNUSED"),
            ("AWS_SECRET_ACCESS_KEY", "unused"),
        ]);
        Self { _directory: directory, file, context }
    }
}

#[test]
fn sts_request_is_an_unsigned_form_with_the_token_percent_encoded() {
    let server = Server::start(|_| answer("AssumeRoleWithWebIdentity", "AKID"));
    let pod = Pod::at(&server);
    let lease = WebIdentity::new(&pod.context).fetch().unwrap();
    assert_eq!(keys(&lease), ("AKID", "secret-AKID", Some("token-AKID")));
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(field(request, "Action").as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!(field(request, "Version").as_deref(), Some("2011-06-15"));
    assert_eq!(
        field(request, "RoleArn").as_deref(),
        Some("arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fregistry")
    );
    assert_eq!(field(request, "WebIdentityToken").as_deref(), Some("one%2B%2F%3D"));
    assert!(field(request, "RoleSessionName").unwrap().starts_with("s3driver-"));
}

#[test]
fn sts_expired_token_exception_reads_the_file_again_then_surfaces() {
    // The file is replaced between the first request and the second.
    let file = std::sync::Arc::new(Mutex::new(PathBuf::new()));
    let replaced = std::sync::Arc::clone(&file);
    let server = Server::start(move |request| {
        if field(request, "WebIdentityToken").as_deref() == Some("two") {
            return answer("AssumeRoleWithWebIdentity", "AKID");
        }
        std::fs::write(&*replaced.lock().unwrap(), "two").unwrap();
        refusal(400, "ExpiredTokenException")
    });
    let pod = Pod::at(&server);
    file.lock().unwrap().clone_from(&pod.file);
    assert_eq!(keys(&WebIdentity::new(&pod.context).fetch().unwrap()).0, "AKID");
    assert_eq!(server.log().len(), 2);

    let server = Server::start(|_| refusal(400, "ExpiredTokenException"));
    let pod = Pod::at(&server);
    let reason = failed(&WebIdentity::new(&pod.context));
    assert!(
        reason.contains("ExpiredTokenException: returned by STS")
            && reason.contains("still contains"),
        "{reason}"
    );
    assert!(!reason.contains("one+"), "{reason}");
    assert_eq!(server.log().len(), 1, "the same token is not sent twice");
}

#[test]
fn sts_idp_communication_error_and_5xx_are_retried() {
    let count = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match *count {
            1 => refusal(400, "IDPCommunicationError"),
            2 => reply(503, "busy"),
            _ => answer("AssumeRoleWithWebIdentity", "AKID"),
        }
    });
    WebIdentity::new(&Pod::at(&server).context).fetch().unwrap();
    assert_eq!(server.log().len(), 3);

    let server = Server::start(|_| refusal(400, "IDPCommunicationError"));
    assert!(failed(&WebIdentity::new(&Pod::at(&server).context)).contains("IDPCommunicationError"));
    assert_eq!(server.log().len(), 4);
}

/// STS also refuses a valid token in this way, while it cannot fetch the identity provider's keys
/// (aws/aws-cli#7194).
#[test]
fn sts_invalid_identity_token_is_retried_with_the_token_that_the_file_contains_then() {
    let file = std::sync::Arc::new(Mutex::new(PathBuf::new()));
    let replaced = std::sync::Arc::clone(&file);
    let server =
        Server::start(move |request| match field(request, "WebIdentityToken").as_deref() {
            Some("two") => answer("AssumeRoleWithWebIdentity", "AKID"),
            _ => {
                std::fs::write(&*replaced.lock().unwrap(), "two").unwrap();
                refusal(400, "InvalidIdentityToken")
            }
        });
    let pod = Pod::at(&server);
    file.lock().unwrap().clone_from(&pod.file);
    assert_eq!(keys(&WebIdentity::new(&pod.context).fetch().unwrap()).0, "AKID");
    assert_eq!(server.log().len(), 2);

    let server = Server::start(|_| refusal(400, "InvalidIdentityToken"));
    let reason = failed(&WebIdentity::new(&Pod::at(&server).context));
    assert!(reason.contains("(InvalidIdentityToken: returned by STS)"), "{reason}");
    assert!(!reason.contains("one+"), "{reason}");
    assert_eq!(server.log().len(), 4);
}

#[test]
fn an_sts_response_that_breaks_in_its_body_is_requested_again() {
    let is_first = AtomicBool::new(true);
    let server = Server::start(move |_| {
        match (answer("AssumeRole", "ASSUMED"), is_first.swap(false, Ordering::SeqCst)) {
            (Answer::Reply { body, .. }, true) => Answer::Truncated(body),
            (whole, _) => whole,
        }
    });
    let context = context(&[("AWS_ENDPOINT_URL_STS", &server.url())]);
    let base = Static::new(Credentials::new("FIXED", "s"));
    let lease = AssumeRole::new(&context, Box::new(base), Role::new(ARN)).fetch().unwrap();
    assert_eq!(keys(&lease).0, "ASSUMED");
    assert_eq!(server.log().len(), 2);
}

/// The proxy shows which host is called: it is asked for a tunnel to it.
#[test]
fn sts_is_called_at_the_variant_of_the_endpoint_of_s3() {
    let plain = Variant::default();
    let fips = plain.fips(Fips::Required);
    for (variant, variables, host) in [
        (plain, &[][..], "sts.us-west-2.amazonaws.com"),
        (fips, &[], "sts-fips.us-west-2.amazonaws.com"),
        (plain.stack(Stack::Dual), &[], "sts.us-west-2.api.aws"),
        (fips.stack(Stack::Dual), &[], "sts-fips.us-west-2.api.aws"),
        (fips, &[("AWS_USE_FIPS_ENDPOINT", "false")], "sts.us-west-2.amazonaws.com"),
        (plain.acceleration(Acceleration::On), &[], "sts.us-west-2.amazonaws.com"),
        // The URL of S3 does not say anything about STS.
        (fips, &[("AWS_ENDPOINT_URL", "https://aws.example")], "aws.example"),
    ] {
        let proxy = Server::start(|_| reply(403, ""));
        let endpoint = Endpoint::aws("us-west-2", Scheme::Https, variant).unwrap();
        let config = Config::new(endpoint).proxy(Proxy::parse(&proxy.url()).unwrap());
        let files =
            [("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")];
        let environment = Environment::from_pairs(files.iter().chain(variables).copied());
        let context = config.credential_context().with_environment(environment);
        let base = Static::new(Credentials::new("FIXED", "s"));
        failed(&AssumeRole::new(&context, Box::new(base), Role::new(ARN)));
        assert_eq!(proxy.log(), [format!("CONNECT {host}:443")], "{variant:?} {variables:?}");
    }
}

#[test]
fn sts_other_errors_are_not_retried() {
    for code in ["AccessDenied", "PackedPolicyTooLarge", "RegionDisabledException"] {
        let server = Server::start(move |_| refusal(403, code));
        let reason = failed(&WebIdentity::new(&Pod::at(&server).context));
        assert!(
            reason.contains(ARN) && reason.contains(&format!("({code}: returned by STS)")),
            "{reason}"
        );
        assert_eq!(server.log().len(), 1);
    }
}

#[test]
fn sts_responses_are_read_strictly() {
    for (name, body) in [
        ("empty", String::new()),
        ("html", "<html></html>".to_owned()),
        ("cut", "<AssumeRoleWithWebIdentityResponse><AssumeRole".to_owned()),
        (
            "no secret",
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A\
             </AccessKeyId><SecretAccessKey></SecretAccessKey><SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z\
             </Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
                .to_owned(),
        ),
    ] {
        let server = Server::start(move |_| reply(200, body.clone()));
        assert!(failed(&WebIdentity::new(&Pod::at(&server).context)).contains("no usable keys"), "{name}");
    }
    let server = Server::start(|_| Answer::Endless);
    failed(&WebIdentity::new(&Pod::at(&server).context));
}

#[test]
fn web_identity_needs_both_variables() {
    assert_eq!(
        not_configured(&WebIdentity::new(&context(&[("AWS_ROLE_ARN", ARN)]))),
        "AWS_WEB_IDENTITY_TOKEN_FILE is not set"
    );
    let half = context(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent")]);
    assert!(failed(&WebIdentity::new(&half)).contains("AWS_ROLE_ARN is not"));
    let missing =
        context(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent"), ("AWS_ROLE_ARN", ARN)]);
    assert!(failed(&WebIdentity::new(&missing)).starts_with("/nonexistent: "));
}

#[test]
fn an_invalid_region_is_not_used_in_a_host_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "t").unwrap();
    let context = context(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", ARN),
        ("AWS_REGION", "example.com/"),
    ]);
    assert!(failed(&WebIdentity::new(&context)).contains("is not the name of a region"));
}

#[test]
fn assume_role_is_signed_with_the_keys_of_its_base() {
    let server = Server::start(|_| answer("AssumeRole", "ASSUMED"));
    let context = context(&[
        ("AWS_ENDPOINT_URL_STS", &server.url()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "BASE"),
        ("AWS_SECRET_ACCESS_KEY", "base-secret"),
        ("AWS_SESSION_TOKEN", "base-token"),
    ]);
    let mut role = Role::new(ARN);
    role.session_name = Some("pushes".to_owned());
    role.external_id = Some("a b".to_owned());
    role.duration = Some(Duration::from_secs(900));
    let source = AssumeRole::new(&context, Box::new(EnvironmentKeys::new(&context)), role);
    assert_eq!(keys(&source.fetch().unwrap()).0, "ASSUMED");
    let request = &server.requests()[0];
    let authorization = request.header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=BASE/"), "{authorization}");
    assert!(authorization.contains("/eu-central-1/sts/aws4_request"), "{authorization}");
    assert!(
        authorization.contains("host") && authorization.contains("content-type"),
        "{authorization}"
    );
    assert_eq!(request.header("x-amz-security-token"), Some("base-token"));
    for (name, value) in [
        ("Action", "AssumeRole"),
        ("RoleSessionName", "pushes"),
        ("ExternalId", "a%20b"),
        ("DurationSeconds", "900"),
    ] {
        assert_eq!(field(request, name).as_deref(), Some(value));
    }
}

#[test]
fn the_identity_of_a_caller_is_that_of_the_keys_it_signs_with() {
    let body = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                <Arn>arn:aws:sts::123456789012:assumed-role/registry/i-1</Arn>\
                <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let server = Server::start(move |_| reply(200, body));
    let context = context(&[("AWS_ENDPOINT_URL_STS", &server.url()), ("AWS_REGION", "eu-west-3")]);
    let keys = Credentials::new("AKIDCALLER", "s");
    let identity = caller_identity(&context, &keys).unwrap();
    assert_eq!(identity.account, "123456789012");
    assert_eq!(identity.arn, "arn:aws:sts::123456789012:assumed-role/registry/i-1");
    let request = &server.requests()[0];
    assert_eq!(request.body, "Action=GetCallerIdentity&Version=2011-06-15");
    let authorization = request.header("authorization").unwrap();
    assert!(authorization.contains("=AKIDCALLER/"), "{authorization}");
    assert!(authorization.contains("/eu-west-3/sts/aws4_request"), "{authorization}");
}

#[test]
fn an_identity_that_is_refused_or_unreadable_is_a_reason() {
    let refused =
        |code: &str| format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
    for (status, body, expected) in [
        (403, refused("InvalidClientTokenId"), "InvalidClientTokenId"),
        (403, refused("ExpiredTokenException"), "ExpiredTokenException"),
        (200, "<html></html>".to_owned(), "the response of STS cannot be read"),
    ] {
        let server = Server::start(move |_| reply(status, body.clone()));
        let context = context(&[("AWS_ENDPOINT_URL_STS", &server.url())]);
        let keys = Credentials::new("AKIDCALLER", "secret-of-the-caller");
        let reason = caller_identity(&context, &keys).unwrap_err().to_string();
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("secret-of-the-caller"), "{reason}");
    }
}

#[test]
fn assume_role_works_with_static_keys() {
    let server = Server::start(|_| answer("AssumeRole", "ASSUMED"));
    let context = context(&[("AWS_ENDPOINT_URL_STS", &server.url())]).with_region("eu-west-3");
    let keys_of = |base: Static| AssumeRole::new(&context, Box::new(base), Role::new(ARN));
    keys_of(Static::new(Credentials::new("FIXED", "s"))).fetch().unwrap();
    let authorization = server.requests()[0].header("authorization").unwrap().to_owned();
    assert!(
        authorization.contains("=FIXED/") && authorization.contains("/eu-west-3/sts/"),
        "{authorization}"
    );
    assert!(failed(&keys_of(Static::anonymous())).contains("anonymously"));
}

/// STS does not have a separate code for requests that were signed at another time.
#[test]
fn a_wrong_clock_of_this_machine_is_corrected_for_sts() {
    const AHEAD: u64 = 3 * 3600;
    let signed_at = |request: &Request| {
        let time = request.header("x-amz-date").unwrap();
        Timestamp::parse_amz_date(time).unwrap().unix()
    };
    for (answers_later, expected) in [(true, Ok("ASSUMED")), (false, Err("SignatureDoesNotMatch"))]
    {
        let refused = AtomicBool::new(false);
        let server = Server::start(move |_| {
            let server_time = SystemTime::now() + Duration::from_secs(AHEAD);
            let is_first = !refused.swap(true, Ordering::Relaxed);
            let reply = if is_first || !answers_later {
                refusal(403, "SignatureDoesNotMatch")
            } else {
                answer("AssumeRole", "ASSUMED")
            };
            reply.with_header("date", &Timestamp::from(server_time).http_date())
        });
        let context = context(&[("AWS_ENDPOINT_URL_STS", &server.url())]);
        let base = Static::new(Credentials::new("FIXED", "s"));
        let source = AssumeRole::new(&context, Box::new(base), Role::new(ARN));
        let outcome = source.fetch().map(|lease| keys(&lease).0.to_owned());
        match (outcome, expected) {
            (Ok(id), Ok(wanted)) => assert_eq!(id, wanted),
            (Err(reason), Err(text)) => assert!(reason.to_string().contains(text), "{reason}"),
            (outcome, _) => panic!("{outcome:?}"),
        }
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "one correction");
        let moved = signed_at(&requests[1]) - signed_at(&requests[0]);
        assert!(moved.abs_diff(AHEAD as i64) <= 60, "{moved}");
    }
}

#[test]
fn assume_role_reports_why_its_base_has_no_keys() {
    let context = context(&[]);
    let source = AssumeRole::new(&context, Box::new(Container::new(&context)), Role::new(ARN));
    assert!(not_configured(&source).starts_with("container: "));
}
