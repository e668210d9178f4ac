//! Tests of `doctor`: healthy servers pass, and every prepared fault is reported by exactly one
//! check.

use crate::checks;
use crate::rig::{Rig, Run};
use crate::support;
use crate::support::target::Target;
use crate::support::{Server, ServerOptions};
use serde_json::Value;
use std::net::TcpListener;
use std::process::Command;

const FAULTS: usize = 1_000;

/// Runs a `doctor` command with `--json` and these arguments. Returns its JSON and its exit code.
pub(crate) fn examine(mut command: Command, arguments: &[&str]) -> (Value, Option<i32>) {
    command.arg("--json").args(arguments);
    let run = Run::of(command.output().expect("a process"));
    let document = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    (document, run.code)
}

fn with_result<'a>(document: &'a Value, result: &str) -> Vec<&'a str> {
    let checks = document["checks"].as_array().expect("checks");
    let found = checks.iter().filter(|check| check["result"] == result);
    found.map(|check| check["check"].as_str().expect("a name")).collect()
}

/// Asserts that only the named check failed, that its text contains these words, and that every
/// check that was not reached names it as the reason.
#[track_caller]
pub(crate) fn assert_only_fault(
    (document, code): &(Value, Option<i32>),
    check: &str,
    words: &[&str],
) {
    assert_eq!(with_result(document, "fault"), [check], "{document:#}");
    assert_eq!(*code, Some(5));
    assert_eq!(document["healthy"], false);
    for found in document["checks"].as_array().expect("checks") {
        if found["result"] == "not_reached" {
            assert_eq!(found["because"], check, "{document:#}");
        }
        if found["check"] == check {
            let text = format!("{} {}", found["found"], found["remedy"]);
            for word in words {
                assert!(text.contains(word), "{word:?} is not in {text}");
            }
        }
    }
}

fn location(target: &Target) -> String {
    format!("s3://{}", target.bucket)
}

checks! {
    fn a_healthy_server_passes_and_nothing_is_left(target) {
        let rig = Rig::new(target, "doctor");
        let root = format!("rootdirectory={}", rig.root);
        let arguments = [&*location(target), "-o", &root];
        let (document, code) = examine(rig.command(&["doctor"]), &arguments);
        assert_eq!((code, &document["healthy"]), (Some(0), &Value::Bool(true)), "{document:#}");
        assert_eq!(with_result(&document, "not_reached"), [""; 0]);
        assert!(with_result(&document, "ok").len() > 25, "{document:#}");
        assert_eq!(rig.names(), [""; 0]);
        assert_eq!(rig.uploads(), 0);
        let table = rig.ok(&[&["doctor"][..], &arguments].concat());
        assert!(table.contains("ok          put "), "{table}");
        assert!(table.lines().last().is_some_and(|line| line.contains(" 0 faults, ")), "{table}");
    }
}

/// Permissions that the server removes one by one: the operation that it refuses, the check that
/// reports it, and the IAM action.
const PERMISSIONS: &[(&str, &str, &str)] = &[
    ("ListObjectsV2", "list", "s3:ListBucket"),
    ("PutObject", "put", "s3:PutObject"),
    ("HeadObject", "head", "s3:GetObject"),
    ("DeleteObject", "delete", "s3:DeleteObject"),
    ("DeleteObjects", "batch delete", "s3:DeleteObject"),
    ("CopyObject", "copy", "s3:PutObject"),
    ("CreateMultipartUpload", "create multipart upload", "s3:PutObject"),
    ("UploadPart", "upload part", "s3:PutObject"),
    ("UploadPartCopy", "copy part", "s3:GetObject"),
    ("CompleteMultipartUpload", "complete multipart upload", "s3:PutObject"),
    ("AbortMultipartUpload", "abort multipart upload", "s3:AbortMultipartUpload"),
    ("ListParts", "list parts", "s3:ListMultipartUploadParts"),
    ("ListMultipartUploads", "list uploads", "s3:ListBucketMultipartUploads"),
];

/// Returns the embedded server as a target, for faults that only this server can simulate. Returns
/// `None` when the tests run against another server.
fn embedded() -> Option<Target> {
    Some(Target::all().remove(0)).filter(|target| target.embedded.is_some())
}

#[test]
fn each_missing_permission_is_named_with_its_action() {
    for (operation, check, action) in PERMISSIONS {
        let Some(target) = embedded() else { return };
        let rig = Rig::new(&target, "permission");
        let server = target.embedded.as_ref().expect("the embedded server");
        server.fail_next(operation, 403, "AccessDenied", FAULTS);
        let found = examine(rig.command(&["doctor"]), &[&location(&target)]);
        assert_only_fault(&found, check, &[action, "arn:aws:s3:::registry"]);
    }
}

#[test]
fn a_refused_get_is_not_blamed_on_what_follows() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "get");
    let server = target.embedded.as_ref().expect("the embedded server");
    server.fail_next("GetObject", 403, "AccessDenied", FAULTS);
    let found = examine(rig.command(&["doctor"]), &[&location(&target)]);
    assert_only_fault(&found, "get", &["s3:GetObject", "arn:aws:s3:::registry/*"]);
}

/// Arguments, environment variables, the check that reports the fault, and words that its text
/// contains.
type WrongConfiguration<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

#[test]
fn each_wrong_configuration_is_named() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "wrong");
    let bucket = location(&target);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let proxy = format!("proxy={closed}");
    let doubled = format!("{}/{}", target.endpoint, target.bucket);
    let cases: &[WrongConfiguration<'_>] = &[
        (&["-o", &proxy], &[], "tcp", &["the proxy does not accept connections", "option proxy"]),
        (&["--endpoint", &closed], &[], "tcp", &["the endpoint does not accept", "firewall"]),
        (
            &["--endpoint", "http://no-such-host.invalid"],
            &[],
            "host name",
            &["no-such-host.invalid"],
        ),
        (
            &["--endpoint", &doubled],
            &[],
            "configuration",
            &["give the endpoint without the bucket"],
        ),
        (
            &[
                "-o",
                "accesskey=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "-o",
                "secretkey=AKIAIOSFODNN7EXAMPLE",
            ],
            &[],
            "configuration",
            &["swapped"],
        ),
        (&["-o", "regoin=x"], &[], "configuration", &["did you mean region?"]),
        (
            &[],
            &[("AWS_SECRET_ACCESS_KEY", "another/secret")],
            "signature",
            &["check the secret key"],
        ),
        (&[], &[("AWS_ACCESS_KEY_ID", "AKIDNOBODY")], "access key", &["check it and the endpoint"]),
    ];
    for (options, variables, check, words) in cases {
        let mut command = rig.bare();
        command.arg("doctor");
        if !options.contains(&"--endpoint") {
            command.args(["--endpoint", &target.endpoint]);
        }
        command.args(["--region", &target.region, "-o", "maxretries=0"]);
        command.envs(variables.iter().copied());
        let found = examine(command, &[&[&*bucket][..], options].concat());
        assert_only_fault(&found, check, words);
        let text = found.0.to_string();
        assert!(!text.contains(&target.secret_key) && !text.contains("another"), "{text}");
    }
    let found = examine(rig.command(&["doctor"]), &["s3://no-such-bucket-here"]);
    assert_only_fault(&found, "bucket", &["check the bucket's name"]);
    let mut command = rig.command(&["doctor"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true");
    let found = examine(command, &[&bucket]);
    assert_only_fault(&found, "credentials", &["AWS_ACCESS_KEY_ID"]);
}

#[test]
fn a_wrong_region_is_named() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "region");
    let mut command = rig.bare();
    command.args(["doctor", "--endpoint", &target.endpoint, "--region", "eu-west-3"]);
    let found = examine(command, &[&location(&target)]);
    assert_only_fault(&found, "region", &["us-east-1", "eu-west-3"]);
}

#[test]
fn a_clock_that_the_server_refuses_is_named() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "clock");
    let server = target.embedded.as_ref().expect("the embedded server");
    server.fail_next("ListObjectsV2", 403, "RequestTimeTooSkewed", FAULTS);
    let found = examine(rig.command(&["doctor"]), &[&location(&target)]);
    assert_only_fault(&found, "clock", &["clock"]);
}

#[test]
fn tls_on_one_side_only_is_named() {
    let plain = Server::start(ServerOptions::default());
    let tls = Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "tls");
    let other = rig.file(
        "other.pem",
        support::tls::acceptor("other", "us-east-1").expect("a certificate").1.as_bytes(),
    );
    let cacert = format!("cacert={other}");
    let own = rig.file("own.pem", tls.ca_pem().expect("a certificate").as_bytes());
    let own = format!("cacert={own}");
    let at = |server: &Server, scheme: &str| format!("{scheme}://127.0.0.1:{}", server.port());
    for (endpoint, options, words) in [
        (at(&plain, "https"), &[][..], &["http://"][..]),
        (at(&tls, "https"), &[], &["cacert"]),
        (at(&tls, "https"), &["-o", &*cacert], &["cacert"]),
    ] {
        let mut command = rig.bare();
        command.args([
            "doctor",
            "--endpoint",
            &endpoint,
            "--region",
            "us-east-1",
            "-o",
            "maxretries=0",
        ]);
        let found = examine(command, &[&["s3://registry"][..], options].concat());
        assert_only_fault(&found, "tls", words);
    }
    let mut command = rig.bare();
    command.args(["doctor", "--endpoint", &at(&tls, "https"), "--region", "us-east-1", "-o", &own]);
    let (document, code) = examine(command, &["s3://registry"]);
    assert_eq!(code, Some(0), "{document:#}");
}

#[test]
fn a_wrong_cloudfront_key_is_named() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "cloudfront");
    let bucket = location(&target);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront");
    let base =
        ["--base-url", "http://127.0.0.1:1", "--key-pair-id", "K2JCJMDEHXQW5F", "--private-key"];
    for (key, words) in [
        ("test_rsa2048_public.pem", "public"),
        ("test_rsa1024_pkcs1.pem", "1024"),
        ("test_rsa2048_encrypted_pkcs8.pem", "encrypted"),
        ("missing.pem", "read privatekey file"),
    ] {
        let file = format!("{data}/{key}");
        let arguments = [&[&*bucket][..], &base, &[&*file]].concat();
        let found = examine(rig.command(&["doctor"]), &arguments);
        assert_only_fault(&found, "cloudfront key", &[words]);
    }
    // A valid key signs. The distribution cannot be reached from here, which is not reported as a
    // fault.
    let file = format!("{data}/test_rsa2048_pkcs8.pem");
    let arguments = [&[&*bucket][..], &base, &[&*file]].concat();
    let (document, code) = examine(rig.command(&["doctor"]), &arguments);
    assert_eq!(code, Some(0), "{document:#}");
    assert!(with_result(&document, "notice").contains(&"cloudfront download"), "{document:#}");
}

#[test]
fn a_redirect_endpoint_that_leads_elsewhere_is_named() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "redirect");
    let other =
        Server::start(ServerOptions { secret_key: "other".to_owned(), ..ServerOptions::default() });
    for (endpoint, code) in [(target.endpoint.clone(), 0), (other.endpoint(), 5)] {
        let option = format!("redirectendpoint={endpoint}");
        let found = examine(rig.command(&["doctor"]), &[&location(&target), "-o", &option]);
        assert_eq!(found.1, Some(code), "{:#}", found.0);
        if code == 5 {
            assert_only_fault(&found, "redirect endpoint", &["leads to the same server"]);
        }
    }
}

#[test]
fn an_interrupted_examination_cleans_up() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "stop");
    let server = target.embedded.as_ref().expect("the embedded server");
    server.delay(std::time::Duration::from_millis(50));
    let root = format!("rootdirectory={}", rig.root);
    let child = rig.start(&["doctor", &location(&target), "-o", &root]);
    crate::ending::wait_until("an object is stored", || !server.keys(&target.bucket).is_empty());
    crate::ending::signal(&child, "INT");
    let run = Run::of(child.wait_with_output().expect("a process"));
    assert_eq!((run.code, &*run.stderr), (Some(130), "s3driver: interrupted\n"));
    assert_eq!(
        (server.keys(&target.bucket), server.open_uploads(&target.bucket).len()),
        (vec![], 0)
    );
}

#[test]
fn a_server_that_does_not_speak_s3_is_named() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "other");
    let web = crate::stalling::page("HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>");
    let mut command = rig.bare();
    command.args(["doctor", "--endpoint", &web, "--region", "us-east-1", "-o", "maxretries=0"]);
    let found = examine(command, &[&location(&target)]);
    assert_only_fault(&found, "response", &[]);
}
