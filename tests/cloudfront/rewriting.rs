//! Tests of the middlewares `redirect` and `rewrite`.

use crate::memory::Memory;
use s3driver::driver::{MemoryDriver, Method, StorageDriver, UrlOptions, WriteMode};
use s3driver::middleware::{self, Redirect, Rewrite};
use s3driver::{Error, ErrorKind, Result};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

fn url(driver: &dyn StorageDriver, path: &str, method: Method) -> Result<String> {
    driver.url_for(path, &UrlOptions::new(method))
}

fn message<T>(result: Result<T>) -> String {
    let error: Error = result.err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.message().to_owned()
}

#[test]
fn unfinished_uploads_are_reachable_through_any_wrapper() {
    let plain = MemoryDriver::new();
    for (path, bytes) in [("/a/x", 3), ("/a/y", 0), ("/ab", 5)] {
        let mut writer = plain.writer(path, WriteMode::Create).unwrap();
        writer.write_all(&vec![7; bytes]).unwrap();
        writer.close().unwrap();
    }
    let redirected =
        middleware::wrap("redirect", Arc::new(plain), [("baseurl", "https://h/x")]).unwrap();
    let driver: Arc<dyn StorageDriver> = middleware::wrap("rewrite", redirected, []).unwrap();
    let pending = |path: &str| -> Vec<(String, u64)> {
        let uploads = driver.pending_uploads(path).unwrap();
        uploads.map(|upload| upload.map(|upload| (upload.path, upload.bytes)).unwrap()).collect()
    };
    assert_eq!(pending("/a"), [("/a/x".to_owned(), 3), ("/a/y".to_owned(), 0)]);
    assert_eq!(pending("/").len(), 3);
    assert_eq!(driver.purge_uploads("/", Duration::from_secs(3600)).unwrap().uploads, 0);
    assert_eq!(driver.purge_uploads("/a", Duration::ZERO).unwrap().uploads, 2);
    assert_eq!(pending("/"), [("/ab".to_owned(), 5)]);
    assert_eq!(
        driver.purge_uploads("a", Duration::ZERO).unwrap_err().kind(),
        ErrorKind::InvalidPath
    );
}

mod redirect {
    use super::*;

    #[test]
    fn keeps_base_path_root_directory_and_port() {
        for (base, root, expected) in [
            ("https://example.com", "", "https://example.com/a/b"),
            ("https://example.com:5443/", "root", "https://example.com:5443/root/a/b"),
            ("http://example.com/bucket", "/ro ot/", "http://example.com/bucket/ro%20ot/a/b"),
            ("HTTPS://EXAMPLE.com/bucket/", "", "https://example.com/bucket/a/b"),
        ] {
            let driver = Redirect::from_pairs(Memory::new(root), [("baseurl", base)]).unwrap();
            for method in [Method::Get, Method::Head] {
                assert_eq!(url(&driver, "/a/b", method).unwrap(), expected);
            }
        }
        let by_path = Redirect::from_pairs(
            Memory::new("root"),
            [("baseurl", "https://h/x"), ("key", "path")],
        )
        .unwrap();
        assert_eq!(url(&by_path, "/a", Method::Get).unwrap(), "https://h/x/a");
        let no_keys =
            Redirect::from_pairs(Memory::without_keys(), [("baseurl", "https://h/x")]).unwrap();
        assert_eq!(url(&no_keys, "/a", Method::Get).unwrap(), "https://h/x/a");
        assert_eq!(
            by_path.object_key("/a").as_deref(),
            Some("root/a"),
            "the driver's own URL, for a middleware that wraps this one"
        );
    }

    #[test]
    fn leaves_everything_but_downloads_to_the_driver() {
        let driver =
            middleware::wrap("redirect", Memory::new(""), [("baseurl", "https://h")]).unwrap();
        assert_eq!(url(&*driver, "/a", Method::Put).unwrap(), "https://s3.example/bucket/a?Put");
        assert_eq!(
            url(&*driver, "/a", Method::Delete).unwrap_err().kind(),
            ErrorKind::UnsupportedMethod
        );
        assert_eq!(
            url(&*driver, "/a/../b", Method::Get).unwrap(),
            "https://s3.example/bucket/a/../b?Get"
        );
        let dots = Redirect::from_pairs(Memory::new("r/../s"), [("baseurl", "https://h")]).unwrap();
        assert_eq!(
            url(&dots, "/a", Method::Get).unwrap(),
            "https://s3.example/bucket/r/../s/a?Get",
            "the root directory is a part of the URL"
        );
        for path in ["/", "a", "/a b", "/a?b"] {
            assert_eq!(
                url(&*driver, path, Method::Get).unwrap_err().kind(),
                ErrorKind::InvalidPath,
                "{path}"
            );
        }
        driver.put_content("/a", b"x").unwrap();
        assert_eq!(driver.get_content("/a").unwrap(), b"x");
    }

    #[test]
    fn rejects_invalid_options() {
        for (pairs, expected) in [
            (vec![], "no baseurl provided"),
            (vec![("baseurl", "")], "no baseurl provided"),
            (vec![("baseurl", "example.com")], "no scheme specified for redirect baseurl"),
            (vec![("baseurl", "https:///a")], "no host specified for redirect baseurl"),
            (
                vec![("baseurl", "ftp://h")],
                "unable to parse redirect baseurl: it has a scheme other than http and https",
            ),
            (
                vec![("baseurl", "https://h/?q")],
                "unable to parse redirect baseurl: it has a query, or a component . or ..",
            ),
            (
                vec![("baseurl", "https://h"), ("key", "both")],
                "key only allows the following values: object|path",
            ),
            (
                vec![("baseurl", "https://h"), ("x", "y")],
                "unknown option of the redirect middleware: x",
            ),
        ] {
            assert_eq!(message(Redirect::from_pairs(Memory::new(""), pairs)), expected);
        }
    }
}

mod rewrite {
    use super::*;

    fn rewritten(original: &'static str, pairs: &[(&'static str, &'static str)]) -> Result<String> {
        let inner = Memory::with_url(original);
        url(&Rewrite::from_pairs(inner, pairs.iter().copied()).unwrap(), "/a", Method::Get)
    }

    #[test]
    fn changes_the_configured_parts() {
        for (original, pairs, expected) in [
            ("https://h/a?b=%2F", &[][..], "https://h/a?b=%2F"),
            ("HTTPS://H:443/a?", &[("scheme", ""), ("host", "")], "HTTPS://H:443/a?"),
            ("https://h/a?b", &[("scheme", "http")], "http://h/a?b"),
            ("https://h:80/a", &[("scheme", "http")], "http://h/a"),
            (
                "https://h:8443/a?b",
                &[("host", "Mirror.example.com")],
                "https://mirror.example.com/a?b",
            ),
            ("https://h/a", &[("host", "m:5000")], "https://m:5000/a"),
            ("https://h/a", &[("host", "[::1]:443")], "https://[::1]/a"),
            ("https://h/bucket/key", &[("trimpathprefix", "/bucket")], "https://h/key"),
            ("https://h/bucket/key", &[("trimpathprefix", "/bucket/")], "https://h/key"),
            ("https://h/bucket", &[("trimpathprefix", "/bucket")], "https://h/"),
            ("https://h/other/key", &[("trimpathprefix", "/bucket")], "https://h/other/key"),
            ("https://h/b%20c/%2F", &[("trimpathprefix", "/b%20c")], "https://h/%2F"),
            (
                "https://h/x/a?b",
                &[("scheme", "http"), ("host", "m"), ("trimpathprefix", "/x")],
                "http://m/a?b",
            ),
        ] {
            assert_eq!(rewritten(original, pairs).unwrap(), expected, "{original} {pairs:?}");
        }
    }

    #[test]
    fn does_not_make_up_a_url() {
        let driver =
            Rewrite::from_pairs(Memory::new(""), [("host", "m"), ("scheme", "https")]).unwrap();
        assert_eq!(
            url(&driver, "/a", Method::Delete).unwrap_err().kind(),
            ErrorKind::UnsupportedMethod
        );
        for original in ["", "/a", "file:///a", "https:///a"] {
            let error = rewritten(original, &[("host", "m")]).unwrap_err();
            assert!(
                error.to_string().starts_with("the URL to rewrite has "),
                "{original}: {error}"
            );
        }
    }

    #[test]
    fn breaks_no_signature_unless_configured() {
        const V4: &str = "https://h/b/a?X-Amz-SignedHeaders=host&X-Amz-Signature=abcdef";
        const V2: &str = "https://h/b/a?AWSAccessKeyId=AK&Expires=1&Signature=abcdef";
        const CLOUDFRONT: &str = "https://h/b/a?Expires=1&Signature=abcdef&Key-Pair-Id=K1";
        for (original, pairs, breaks) in [
            (V4, [("host", "m")], true),
            (V4, [("host", "H:443")], false),
            (V4, [("host", "h:444")], true),
            (V4, [("trimpathprefix", "/b")], true),
            (V4, [("trimpathprefix", "/c")], false),
            (V4, [("scheme", "http")], false),
            (V2, [("host", "m")], true),
            (V2, [("trimpathprefix", "/b")], true),
            (V2, [("scheme", "http")], false),
            (CLOUDFRONT, [("scheme", "http")], true),
            (CLOUDFRONT, [("host", "m")], true),
            ("https://h/b/a?Signature=1", [("host", "m")], false),
        ] {
            match rewritten(original, &pairs) {
                Ok(_) => assert!(!breaks, "{original} {pairs:?}"),
                Err(error) => {
                    assert!(
                        breaks && error.message().contains("redirectendpoint"),
                        "{original} {pairs:?}: {error}"
                    );
                    assert!(!format!("{error:?}").contains("abcdef"), "{error:?}");
                }
            }
            let told = [pairs[0], ("signedurls", "rewrite")];
            assert!(rewritten(original, &told).is_ok(), "{original} {pairs:?}");
        }
        let told = rewritten(V4, &[("signedurls", "rewrite"), ("host", "m")]).unwrap();
        assert_eq!(told, V4.replace("//h/", "//m/"));
    }

    #[test]
    fn rejects_invalid_options() {
        for (pair, expected) in [
            (("scheme", "ftp"), "scheme must be http or https"),
            (
                ("host", "a b"),
                "host \"a b\" has a host that is neither a name nor an address (IPv6 in brackets)",
            ),
            (
                ("host", "u@h"),
                "host \"(not shown)\" contains a user name, which is allowed only for a proxy",
            ),
            (
                ("host", "h/path"),
                "host \"h/path\" has a host that is neither a name nor an address (IPv6 in brackets)",
            ),
            (("host", "h:x"), "host \"h:x\" has a port that is not a number from 1 to 65535"),
            (("signedurls", "yes"), "signedurls only allows the following values: refuse|rewrite"),
            (("port", "1"), "unknown option of the rewrite middleware: port"),
        ] {
            assert_eq!(message(middleware::wrap("rewrite", Memory::new(""), [pair])), expected);
        }
    }

    #[test]
    fn the_url_of_a_redirect_can_be_rewritten() {
        let redirect =
            middleware::wrap("redirect", Memory::new("r"), [("baseurl", "https://h/x")]).unwrap();
        let driver =
            middleware::wrap("rewrite", redirect, [("trimpathprefix", "/x"), ("host", "m")])
                .unwrap();
        assert_eq!(url(&*driver, "/a", Method::Get).unwrap(), "https://m/r/a");
    }

    #[test]
    #[cfg(feature = "client")]
    fn rules_that_would_break_every_signature_are_refused_when_the_driver_is_wrapped() {
        use s3driver::driver::{Parameters, S3Driver};
        let options = [("region", "us-east-1"), ("bucket", "registry")];
        let parameters = Parameters::from_pairs(options).unwrap();
        let s3: Arc<dyn StorageDriver> = Arc::new(S3Driver::new(&parameters).unwrap());
        let key = include_str!("../data/cloudfront/test_rsa2048_pkcs1.pem");
        let options = [("baseurl", "https://h"), ("privatekey", key), ("keypairid", "K1")];
        let signed = middleware::wrap("cloudfront", Arc::clone(&s3), options).unwrap();
        let nested = middleware::wrap("rewrite", Arc::clone(&s3), [("scheme", "http")]).unwrap();
        for inner in [&s3, &signed, &nested] {
            let wrap = |pairs: &[(&'static str, &'static str)]| {
                middleware::wrap("rewrite", Arc::clone(inner), pairs.iter().copied()).map(drop)
            };
            for pair in [("host", "m"), ("trimpathprefix", "/registry")] {
                assert!(message(wrap(&[pair])).contains("signedurls"), "{pair:?}");
                wrap(&[pair, ("signedurls", "rewrite")]).unwrap();
            }
            wrap(&[("scheme", "https"), ("host", ""), ("trimpathprefix", "/")]).unwrap();
        }
        // The URLs of a redirect are not signed.
        let base = [("baseurl", "https://mirror")];
        let redirected = middleware::wrap("redirect", s3, base).unwrap();
        middleware::wrap("rewrite", redirected, [("host", "m")]).unwrap();
    }
}
