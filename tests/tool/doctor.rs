//! Tests of `doctor`: healthy servers pass, and every prepared fault is reported by exactly one
//! check.

use crate::checks;
use crate::rig::{Rig, Run};
use crate::support;
use crate::support::target::Target;
use crate::support::tls::Leaf;
use crate::support::{Server, ServerOptions};
use s3s::dto::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter,
};
use serde_json::Value;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

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
        if *operation != "DeleteObject" {
            assert_eq!(server.keys(&target.bucket), [""; 0], "without {operation}");
        }
        if *operation != "AbortMultipartUpload" {
            assert_eq!(server.open_uploads(&target.bucket), [], "without {operation}");
        }
    }
}

#[test]
fn keys_that_may_only_read_are_named_with_both_actions() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "read-only");
    let server = target.embedded.as_ref().expect("the embedded server");
    for operation in ["PutObject", "DeleteObject"] {
        server.fail_next(operation, 403, "AccessDenied", FAULTS);
    }
    let (document, code) = examine(rig.command(&["doctor"]), &[&location(&target)]);
    assert_eq!(code, Some(5), "{document:#}");
    for (check, action) in [("put", "s3:PutObject"), ("delete", "s3:DeleteObject")] {
        let (result, text) = text_of(&document, check);
        assert!(result == "fault" && text.contains(action), "{text}");
    }
    assert_eq!(text_of(&document, "clean-up").0, "ok", "nothing was stored");
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
        (
            &["--endpoint", &closed],
            &[],
            "tcp",
            &["the endpoint does not accept", "127.0.0.1:", "firewall"],
        ),
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
        support::tls::acceptor("other", "us-east-1", &Leaf::default())
            .expect("a certificate")
            .1
            .as_bytes(),
    );
    let cacert = format!("cacert={other}");
    let own = rig.file("own.pem", tls.ca_pem().expect("a certificate").as_bytes());
    let own = format!("cacert={own}");
    let at = |server: &Server, scheme: &str| format!("{scheme}://127.0.0.1:{}", server.port());
    for (endpoint, options, words) in [
        (at(&plain, "https"), &[][..], &["http://"][..]),
        (at(&tls, "http"), &[], &["https://"]),
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
        ("test_rsa3072_pkcs1.pem", "accepts only 2048 bits"),
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
fn ip_ranges_that_cannot_be_fetched_are_named() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "ranges");
    let options: Vec<_> = target.pairs("").into_iter().collect();
    let options: String =
        options.iter().map(|(name, value)| format!("    {name}: \"{value}\"\n")).collect();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront/test_rsa2048_pkcs8.pem");
    let file = format!(
        "storage:\n  s3:\n{options}middleware:\n  storage:\n    - name: cloudfront\n      options:\n        \
         {{ baseurl: 'http://127.0.0.1:1', privatekey: '{key}', keypairid: K1, ipfilteredby: aws, \
         iprangesurl: 'http://127.0.0.1:1/ranges' }}\n"
    );
    let file = rig.file("config.yml", file.as_bytes());
    let mut command = rig.bare();
    command.arg("doctor");
    let found = examine(command, &["--config", &file]);
    assert_only_fault(&found, "cloudfront ip ranges", &["iprangesurl", "proxy"]);
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
    assert_only_fault(&found, "response", &["a server or a proxy responds that does not speak S3"]);
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Returns what a check found, with its remedy.
#[track_caller]
fn text_of(document: &Value, check: &str) -> (String, String) {
    let checks = document["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["check"] == check).expect("the check");
    let result = found["result"].as_str().expect("a result").to_owned();
    (result, format!("{} {}", found["found"], found["remedy"]))
}

/// Runs `doctor` against a TLS server with this certificate, whose authority is trusted.
fn examine_certificate(certificate: Leaf, options: &[&str]) -> (Value, Option<i32>) {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "certificate");
    let options_of_server = ServerOptions { tls: true, certificate, ..ServerOptions::default() };
    let server = Server::start(options_of_server);
    let authority = rig.file("ca.pem", server.ca_pem().expect("a certificate").as_bytes());
    let mut command = rig.bare();
    command.env("AWS_ACCESS_KEY_ID", server.access_key());
    command.env("AWS_SECRET_ACCESS_KEY", server.secret_key());
    let endpoint = format!("https://127.0.0.1:{}", server.port());
    command.args(["doctor", "--endpoint", &endpoint, "--region", "us-east-1"]);
    let cacert = format!("cacert={authority}");
    let trust = if options.is_empty() { vec!["-o", &*cacert] } else { options.to_vec() };
    examine(command, &[&["s3://registry", "-o", "maxretries=0"][..], &trust].concat())
}

#[test]
fn the_names_and_the_dates_of_the_certificate_are_shown() {
    let (document, code) = examine_certificate(Leaf::default(), &[]);
    assert_eq!(code, Some(0), "{document:#}");
    let (result, text) = text_of(&document, "certificate");
    assert_eq!(result, "ok");
    assert!(text.contains("127.0.0.1, localhost, registry.localhost"), "{text}");

    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    for (days, expected) in [(10, "notice"), (21, "notice"), (23, "ok")] {
        let leaf = Leaf { ends: Some(now + DAY * days - hour), ..Leaf::default() };
        let (document, code) = examine_certificate(leaf, &[]);
        assert_eq!(code, Some(0), "{document:#}");
        let (result, text) = text_of(&document, "certificate");
        assert_eq!(result, expected, "{text}");
        assert!(text.contains(&format!("{} ", days - 1)), "{text}");
    }

    // Without verification, a certificate that has expired is a notice.
    let expired = Leaf { ends: Some(now - DAY), ..Leaf::default() };
    let (document, code) = examine_certificate(expired, &["-o", "skipverify=true"]);
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(text_of(&document, "certificate").0, "notice");
    let (result, text) = text_of(&document, "tls");
    assert!(result == "notice" && text.contains("skipverify"), "{text}");
}

#[test]
fn a_certificate_outside_of_its_dates_is_named_with_the_clock() {
    let now = SystemTime::now();
    let year = |time: SystemTime| s3driver::time::Timestamp::from(time).iso8601()[..4].to_owned();
    let clock = format!("this machine's clock shows {}-", year(now));
    let cases = [
        (Leaf { ends: Some(now - DAY), ..Leaf::default() }, "has expired"),
        (Leaf { begins: Some(now + DAY), ..Leaf::default() }, "is not valid yet"),
    ];
    for (leaf, word) in cases {
        let found = examine_certificate(leaf, &[]);
        assert_only_fault(&found, "tls", &[word, &clock, "from ", " until "]);
    }
}

#[test]
fn a_certificate_for_other_names_is_named_with_them() {
    let names = Some(vec!["s3.example.org".to_owned(), "10.1.2.3".to_owned()]);
    let found = examine_certificate(Leaf { names, ..Leaf::default() }, &[]);
    assert_only_fault(&found, "tls", &["other names", "s3.example.org, 10.1.2.3"]);
}

/// Returns an enabled rule for a prefix.
fn lifecycle_rule(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: None,
        filter: Some(LifecycleRuleFilter {
            prefix: Some(prefix.to_owned()),
            ..LifecycleRuleFilter::default()
        }),
        id: Some(id.to_owned()),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
        transitions: None,
    }
}

#[test]
fn lifecycle_rules_are_examined() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "lifecycle");
    let server = target.embedded.as_ref().expect("the embedded server");
    let abort = |prefix: &str, days| LifecycleRule {
        abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload {
            days_after_initiation: Some(days),
        }),
        ..lifecycle_rule("leftovers", prefix)
    };
    let expire = |prefix: &str| LifecycleRule {
        expiration: Some(LifecycleExpiration { days: Some(30), ..LifecycleExpiration::default() }),
        ..lifecycle_rule("old images", prefix)
    };
    let disabled = |rule: LifecycleRule| LifecycleRule {
        status: ExpirationStatus::from_static(ExpirationStatus::DISABLED),
        ..rule
    };
    let missing: &[&str] = &["no rule", "prefix \\\"root/\\\"", "AbortIncompleteMultipartUpload"];
    let cases: &[(Vec<LifecycleRule>, &str, &[&str])] = &[
        (vec![], "notice", missing),
        (vec![abort("", 3)], "ok", &["leftovers", "after 3 days"]),
        (vec![abort("root/", 7)], "ok", &["after 7 days"]),
        (vec![abort("ro", 7), expire("other/")], "ok", &["after 7 days"]),
        (vec![abort("other/", 7)], "notice", missing),
        (vec![abort("root/docker/", 7)], "notice", missing),
        (vec![disabled(abort("", 7))], "notice", missing),
        (vec![abort("", 7), expire("")], "fault", &["old images", "disable the rule"]),
        (vec![abort("", 7), expire("root/docker/")], "notice", &["old images"]),
        (vec![abort("", 7), disabled(expire(""))], "ok", &["after 7 days"]),
    ];
    let arguments = [&*location(&target), "-o", "rootdirectory=root"];
    for (rules, expected, words) in cases {
        server.set_lifecycle_rules(&target.bucket, rules.clone());
        let (document, _) = examine(rig.command(&["doctor"]), &arguments);
        let (result, text) = text_of(&document, "lifecycle rule");
        assert_eq!(result, *expected, "{text}");
        for word in *words {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }
    for (status, code, expected, words) in [
        (403, "AccessDenied", "notice", "s3:GetLifecycleConfiguration"),
        (501, "NotImplemented", "not_offered", "the server has no lifecycle rules"),
        (405, "MethodNotAllowed", "not_offered", "the server has no lifecycle rules"),
    ] {
        server.fail_next("GetBucketLifecycleConfiguration", status, code, 1);
        server.set_lifecycle_rules(&target.bucket, vec![]);
        let (document, exit) = examine(rig.command(&["doctor"]), &arguments);
        assert_eq!(exit, Some(0), "{document:#}");
        let (result, text) = text_of(&document, "lifecycle rule");
        assert_eq!(result, expected, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn tags_are_tried_and_not_required() {
    let Some(target) = embedded() else { return };
    let Some(server) = target.embedded.as_ref() else { return };
    let rig = Rig::new(&target, "tags");
    for (fault, expected, words) in [
        (None, "ok", "stored and read"),
        (Some((403, "AccessDenied")), "not_used", "s3:PutObjectTagging"),
        (Some((501, "NotImplemented")), "not_offered", "has no tags"),
        (Some((404, "NoSuchKey")), "notice", "NoSuchKey"),
    ] {
        if let Some((status, code)) = fault {
            server.fail_next("PutObjectTagging", status, code, 1);
        }
        let (document, exit) = examine(rig.command(&["doctor"]), &[&*location(&target)]);
        assert_eq!(exit, Some(0), "{document:#}");
        let (result, text) = text_of(&document, "tags");
        assert_eq!(result, expected, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_identity_is_that_of_sts() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "identity");
    let examined = |url: Option<&str>| {
        let mut command = rig.command(&["doctor"]);
        command.envs(url.map(|url| ("AWS_ENDPOINT_URL_STS", url)));
        let (document, code) = examine(command, &[&location(&target)]);
        assert_eq!(code, Some(0), "{document:#}");
        text_of(&document, "identity")
    };
    let body = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                <Account>123456789012</Account>\
                <Arn>arn:aws:iam::123456789012:user/registry</Arn>\
                </GetCallerIdentityResult></GetCallerIdentityResponse>";
    let response = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let sts = crate::stalling::page(response("200 OK", body));
    let (result, text) = examined(Some(&sts));
    assert_eq!(result, "ok", "{text}");
    let named = "arn:aws:iam::123456789012:user/registry of account 123456789012";
    assert!(text.contains(named), "{text}");

    let refusal = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code>\
                   <Message>The security token is invalid</Message></Error></ErrorResponse>";
    let sts = crate::stalling::page(response("403 Forbidden", refusal));
    let (result, text) = examined(Some(&sts));
    assert_eq!(result, "notice", "{text}");
    assert!(text.contains("InvalidClientTokenId"), "{text}");
    let sts = crate::stalling::page(response("200 OK", "<html></html>"));
    assert_eq!(examined(Some(&sts)).0, "notice");

    let (result, text) = examined(None);
    assert!(result == "not_used" && text.contains("is not AWS"), "{text}");
}

#[test]
fn checksums_and_the_acl_header_are_reported() {
    let Some(target) = embedded() else { return };
    let rig = Rig::new(&target, "checksums");
    let arguments = [&*location(&target), "-o", "objectacl=private"];
    let (document, code) = examine(rig.command(&["doctor"]), &arguments);
    assert_eq!(code, Some(0), "{document:#}");
    let (result, text) = text_of(&document, "checksums");
    assert!(result == "ok" && text.contains("verified with"), "{text}");
    let (result, text) = text_of(&document, "acl header");
    assert!(result == "ok" && text.contains("private"), "{text}");
    let (document, _) = examine(rig.command(&["doctor"]), &[&location(&target)]);
    assert_eq!(text_of(&document, "acl header").0, "not_used");
}
