//! Tests of `presign`, `url` and `completions`.

use crate::checks;
use crate::rig::{Rig, Run};
use crate::support::fetch;
use crate::support::target::Target;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::time::SystemTime;

const KEY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront/test_rsa2048_pkcs8.pem");

checks! {
    fn a_presigned_url_allows_one_request(target) {
        let rig = Rig::new(target, "presign");
        rig.put("x y", b"content");
        if target.ca_file.is_some() {
            return;
        }
        let url = rig.ok(&["presign", &rig.url("x y"), "--expires", "5m"]);
        let reply = fetch::fetch(target, "GET", url.trim_end()).unwrap();
        assert_eq!((reply.status, &*reply.body), (200, &b"content"[..]));
        let shown = rig.json(&["presign", &rig.url("x y"), "--method", "delete"]).remove(0);
        assert!(shown["expires"].as_str().is_some_and(|time| time.ends_with('Z')), "{shown}");
        let reply = fetch::fetch(target, "DELETE", shown["url"].as_str().unwrap()).unwrap();
        assert_eq!(reply.status, 204);
        assert_eq!(rig.names(), [""; 0]);
        let refused = rig.run(&["presign", &rig.url("x"), "--expires", "8d8"]);
        assert_eq!(refused.code, Some(2));
        rig.fails(2, &["presign", &rig.url("x"), "--expires", "8d", "-o", "v4auth=true"]);
    }
}

#[test]
fn urls_and_cookies_of_cloudfront_are_signed() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "url");
    let distribution = ["--private-key", KEY, "--key-pair-id", "K2JCJMDEHXQW5F"];
    let run = |arguments: &[&str]| rig.ok(&[arguments, &distribution[..]].concat());
    let url = run(&["url", "https://d1.cloudfront.net/image.jpg", "--expires", "1h"]);
    assert!(url.starts_with("https://d1.cloudfront.net/image.jpg?Expires="), "{url}");
    assert!(url.contains("&Signature=") && url.contains("&Key-Pair-Id=K2JCJMDEHXQW5F"), "{url}");

    let base = ["--base-url", "https://d1.cloudfront.net", "--bucket", &target.bucket];
    let path = ["url", "/docker/registry/v2/blobs/x", "-o", "rootdirectory=/root"];
    let url = run(&[&path[..], &base[..]].concat());
    assert!(url.starts_with("https://d1.cloudfront.net/root/docker/registry/v2/blobs/x?"), "{url}");
    let origin = run(&[&path[..], &base[..], &["--origin-path", "/root"]].concat());
    assert!(
        origin.starts_with("https://d1.cloudfront.net/docker/registry/v2/blobs/x?"),
        "{origin}"
    );

    let cookies = run(&["url", "--cookies", "https://d1.cloudfront.net/*"]);
    let names: Vec<_> = cookies.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(names, ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"]);
    let error = rig.fails(2, &["url", "https://d1.cloudfront.net/x"]);
    assert!(error.contains("the privatekey of the distribution is missing"), "{error}");
}

/// Returns the policy among cookies.
fn policy(cookies: &str) -> Value {
    let value = cookies.lines().find_map(|line| line.strip_prefix("CloudFront-Policy=")).unwrap();
    let text = value.replace('-', "+").replace('_', "=").replace('~', "/");
    serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn cookies_of_a_path_allow_the_url_that_the_registry_signs() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "cookies");
    let pem = std::fs::read_to_string(KEY).unwrap().replace('\n', "\\n");
    let config = |key: &str| {
        let config = format!(
            "storage:\n  s3:\n    bucket: bbb\n    region: eu-west-1\n    rootdirectory: /r/s\n\
             middleware:\n  storage:\n    - name: cloudfront\n      options:\n        baseurl: \
             d1.cloudfront.net/base\n        keypairid: K2JCJMDEHXQW5F\n        duration: 1h\n        \
             originpath: /r\n        ipfilteredby: aws\n        privatekey: \"{key}\"\n"
        );
        rig.file("config.yml", config.as_bytes())
    };
    for key in [KEY, &pem.replace('\\', "\\\\")] {
        let file = config(key);
        let run = |arguments: &[&str]| {
            let mut command = rig.bare();
            let run = Run::of(command.arg("url").args(arguments).output().unwrap());
            assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{arguments:?}");
            run.stdout
        };
        for (path, expected) in [
            (
                "/docker/registry/v2/blobs/x",
                "https://d1.cloudfront.net/base/s/docker/registry/v2/blobs/x",
            ),
            ("/docker/blobs/*", "https://d1.cloudfront.net/base/s/docker/blobs/*"),
            ("/docker/x*", "https://d1.cloudfront.net/base/s/docker/x*"),
            ("/*", "https://d1.cloudfront.net/base/s/*"),
        ] {
            let policy = policy(&run(&[path, "--cookies", "--config", &file]));
            let statement = &policy["Statement"][0];
            assert_eq!(statement["Resource"], expected, "{path}");
            // The file's lifetime applies.
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let ends = &statement["Condition"]["DateLessThan"]["AWS:EpochTime"];
            let left = ends.as_u64().unwrap() - now;
            assert!((3500..=3600).contains(&left), "{left}");
        }
        let path = "/docker/registry/v2/blobs/x";
        let url = run(&[path, "--config", &file]);
        assert!(url.starts_with("https://d1.cloudfront.net/base/s/docker/"), "{url}");
        let lone = run(&["https://d2.cloudfront.net/*", "--cookies", "--config", &file]);
        assert_eq!(policy(&lone)["Statement"][0]["Resource"], "https://d2.cloudfront.net/*");
    }
    let mut command = rig.bare();
    let config = config(KEY);
    command.args(["url", "/docker/../x*", "--cookies", "--config", &config]);
    let run = Run::of(command.output().unwrap());
    assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{}", run.stderr);
}

#[test]
fn completions_help_and_version_are_printed() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "help");
    for shell in ["bash", "zsh", "fish"] {
        assert!(rig.ok(&["completions", shell]).contains("s3driver"), "{shell}");
    }
    let help = rig.ok(&["--help"]);
    assert!(help.contains("Exit codes:") && help.contains("  130  interrupted"), "{help}");
    assert!(rig.ok(&["--version"]).starts_with("s3driver 0."));
}

#[test]
fn explain_names_the_step_that_differs() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "explain");
    let url = "https://bucket.s3.eu-west-1.amazonaws.com/key";
    let shown = rig.ok(&["explain", "GET", url, "-H", "range: bytes=0-9"]);
    assert!(shown.starts_with("Task 1: canonical request\n"), "{shown}");
    assert!(shown.contains("/eu-west-1/s3/aws4_request"), "{shown}");
    assert!(!shown.contains(&target.secret_key), "{shown}");

    let document = "<Error><Code>SignatureDoesNotMatch</Code><Message>No match.</Message>\
        <StringToSign>AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu-west-1/s3/aws4_request\n0123</StringToSign></Error>";
    let file = rig.file("error.xml", document.as_bytes());
    let shown = rig.json(&["explain", "GET", url, "--error", &file]).remove(0);
    assert_eq!(shown["cause"], "CanonicalRequestDiffers");
    assert_eq!(shown["server"], "SignatureDoesNotMatch No match.");
    rig.fails(2, &["explain", "GET", "no URL"]);
    let text = rig.file("text", b"not XML");
    rig.fails(2, &["explain", "GET", url, "--error", &text]);
}
