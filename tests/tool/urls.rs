//! Tests of `presign`, `url` and `completions`.

use crate::checks;
use crate::rig::Rig;
use crate::support::fetch;
use crate::support::target::Target;

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
