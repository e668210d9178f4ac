//! Compares keys, policies, signed URLs and signed cookies with CloudFront's documentation and with
//! `openssl`.
use proptest::prelude::*;
use s3driver::cloudfront::{
    CookieScope, HashAlgorithm, Ipv4Range, LAST_END, Policy, PrivateKey, PublicKey, RsaMinimum,
    Signer, decode_base64,
};
use s3driver::time::Timestamp;
use s3driver::{Error, ErrorKind};
use std::process::Command;

const RSA: &str = include_str!("../data/cloudfront/test_rsa2048_pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("../data/cloudfront/test_rsa2048_public.pem");
#[cfg(feature = "ecdsa")]
const P256_PUBLIC: &str = include_str!("../data/cloudfront/test_p256_public.pem");
const ID: &str = "K2JCJMDEHXQW5F";
const NOW: Timestamp = Timestamp::from_unix(1_357_000_000);
const ENDS: Timestamp = Timestamp::from_unix(1_357_034_400);

fn key_file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/cloudfront/{name}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

fn signer(hash: HashAlgorithm) -> Signer {
    Signer::new(PrivateKey::from_pem(RSA).unwrap(), ID).unwrap().hash_algorithm(hash)
}

/// Returns the value of a query parameter.
fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

fn refusal<T: std::fmt::Debug>(result: s3driver::Result<T>) -> String {
    let error: Error = result.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::Configuration),
        "{error:?}"
    );
    error.message().to_owned()
}

mod policies {
    use super::*;

    /// The developer guide's examples, with white space removed as it requires.
    #[test]
    fn equal_the_documented_ones_byte_for_byte() {
        let one_day = Timestamp::from_unix(1_357_120_800);
        let range: Ipv4Range = "192.0.2.0/24".parse().unwrap();
        let cases = [
            (
                Policy::new(
                    "http://d111111abcdef8.cloudfront.net/horizon.jpg?size=large&license=yes",
                    ENDS,
                )
                .unwrap(),
                r#"{
                   "Statement":[
                      {
                         "Resource":"http://d111111abcdef8.cloudfront.net/horizon.jpg?size=large&license=yes",
                         "Condition":{
                            "DateLessThan":{
                               "AWS:EpochTime":1357034400
                            }
                         }
                      }
                   ]
                }"#,
            ),
            (
                Policy::new("http://d111111abcdef8.cloudfront.net/game_download.zip", ENDS)
                    .unwrap()
                    .source(range),
                r#"{
                   "Statement": [
                      {
                         "Resource":"http://d111111abcdef8.cloudfront.net/game_download.zip",
                         "Condition":{
                            "IpAddress":{"AWS:SourceIp":"192.0.2.0/24"},
                            "DateLessThan":{"AWS:EpochTime":1357034400}
                         }
                      }
                   ]
                }"#,
            ),
            (
                Policy::new("http://d111111abcdef8.cloudfront.net/training/*", ENDS)
                    .unwrap()
                    .source(range),
                r#"{
                   "Statement": [
                      {
                         "Resource":"http://d111111abcdef8.cloudfront.net/training/*",
                         "Condition":{
                            "IpAddress":{"AWS:SourceIp":"192.0.2.0/24"},
                            "DateLessThan":{"AWS:EpochTime":1357034400}
                         }
                      }
                   ]
                }"#,
            ),
            (
                Policy::new("http://*", one_day)
                    .unwrap()
                    .starts(ENDS)
                    .unwrap()
                    .source("192.0.2.10".parse().unwrap()),
                r#"{
                   "Statement": [
                      {
                         "Resource":"http://*",
                         "Condition":{
                            "IpAddress":{"AWS:SourceIp":"192.0.2.10/32"},
                            "DateGreaterThan":{"AWS:EpochTime":1357034400},
                            "DateLessThan":{"AWS:EpochTime":1357120800}
                         }
                      }
                   ]
                }"#,
            ),
        ];
        for (policy, documented) in cases {
            let documented: String = documented.split_ascii_whitespace().collect();
            assert_eq!(policy.to_json(), documented);
            assert!(serde_json::from_str::<serde_json::Value>(&policy.to_json()).is_ok());
        }
    }

    /// The `CloudFront-Policy` of the developer guide's example cookies.
    #[test]
    fn the_documented_cookie_contains_our_policy() {
        const DOCUMENTED: &str = "eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlIjoiaHR0cDovL2QxMTExMTFhYmNkZWY4LmNsb3VkZnJvbnQubmV0L2dhbWVf\
            ZG93bmxvYWQuemlwIiwiQ29uZGl0aW9uIjp7IklwQWRkcmVzcyI6eyJBV1M6U291cmNlSXAiOiIxOTIuMC4yLjAvMjQifSwiRGF0ZUxlc3NUaGFuIj\
            p7IkFXUzpFcG9jaFRpbWUiOjE0MjY1MDAwMDB9fX1dfQ__";
        let ends = Timestamp::from_unix(1_426_500_000);
        let policy = Policy::new("http://d111111abcdef8.cloudfront.net/game_download.zip", ends)
            .unwrap()
            .source("192.0.2.0/24".parse().unwrap());
        let cookies = signer(HashAlgorithm::Sha256).cookies_with_policy(&policy, NOW).unwrap();
        let scope =
            CookieScope::new().domain("d111111abcdef8.cloudfront.net").unwrap().path("/").unwrap();
        let headers = cookies.set_cookie_headers(&scope);
        let attributes = "; Domain=d111111abcdef8.cloudfront.net; Path=/; Secure; HttpOnly";
        assert_eq!(headers[0], format!("CloudFront-Policy={DOCUMENTED}{attributes}"));
        assert!(
            headers[1].starts_with("CloudFront-Signature=") && headers[1].ends_with(attributes),
            "{}",
            headers[1]
        );
        assert_eq!(headers[2], format!("CloudFront-Key-Pair-Id={ID}{attributes}"));
        assert_eq!(headers[3], format!("CloudFront-Hash-Algorithm=SHA256{attributes}"));
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn resources_and_sources_cannot_inject_conditions() {
        for resource in [
            "https://h/\",\"Condition\":{}}]}",
            "https://h/\\",
            "https://h/a b",
            "https://h/\n",
            "https://h/\u{e9}",
            "https://h/<a>",
            "https://h/%4",
            "https://h/#a",
            "ftp://h/",
            "h/a",
            "",
        ] {
            assert!(
                refusal(Policy::new(resource, ENDS)).starts_with("the policy's resource"),
                "{resource:?}"
            );
        }
        for (range, why) in [
            ("192.0.2.0/24\"", "write it like 192.0.2.0/24"),
            ("192.0.2.0/33", "write it like 192.0.2.0/24"),
            ("192.0.2.0/+4", "write it like 192.0.2.0/24"),
            ("192.0.2.0/024", "write it like 192.0.2.0/24"),
            ("192.0.2/24", "write it like 192.0.2.0/24"),
            ("", "write it like 192.0.2.0/24"),
            ("192.0.2.5/24", "begins at 192.0.2.0: write 192.0.2.0/24"),
            ("2001:db8::/32", "IPv4 addresses only"),
        ] {
            assert!(refusal(range.parse::<Ipv4Range>()).contains(why), "{range}");
        }
        assert_eq!("0.0.0.0/0".parse::<Ipv4Range>().unwrap().to_string(), "0.0.0.0/0");
    }

    #[test]
    fn times_are_checked() {
        let policy = |ends| Policy::new("https://h/*", Timestamp::from_unix(ends));
        for ends in [0, -1, LAST_END.unix() + 1, i64::MAX] {
            assert!(refusal(policy(ends)).contains("must end between"), "{ends}");
        }
        let policy = policy(LAST_END.unix()).unwrap();
        assert!(refusal(policy.clone().starts(LAST_END)).contains("start before it ends"));
        assert!(
            refusal(policy.clone().starts(Timestamp::from_unix(0)))
                .contains("start before it ends")
        );
        assert!(policy.starts(Timestamp::from_unix(1)).is_ok());
    }
}

mod urls {
    use super::*;

    /// The developer guide's example with our own signature.
    #[test]
    fn have_the_documented_form() {
        let ends = Timestamp::from_unix(1_767_290_400);
        let url = "https://d111111abcdef8.cloudfront.net/image.jpg?color=red&size=medium";
        let signed = signer(HashAlgorithm::Sha256).sign_url(url, ends, NOW).unwrap();
        let signature = parameter(&signed, "Signature").unwrap();
        assert_eq!(
            signed,
            format!(
                "{url}&Expires=1767290400&Signature={signature}&Key-Pair-Id={ID}&Hash-Algorithm=SHA256"
            )
        );
        let signed = signer(HashAlgorithm::Sha1).sign_url(url, ends, NOW).unwrap();
        let signature = parameter(&signed, "Signature").unwrap();
        assert_eq!(
            signed,
            format!("{url}&Expires=1767290400&Signature={signature}&Key-Pair-Id={ID}")
        );
        // 256 bytes of RSA in base64, consisting only of CloudFront's characters.
        assert_eq!(signature.len(), 344);
        assert!(
            signature.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b)),
            "{signature}"
        );

        let policy = Policy::new("https://d111111abcdef8.cloudfront.net/*", ends).unwrap();
        let signed = signer(HashAlgorithm::Sha1).sign_url_with_policy(url, &policy, NOW).unwrap();
        let (sent, signature) =
            (parameter(&signed, "Policy").unwrap(), parameter(&signed, "Signature").unwrap());
        assert_eq!(signed, format!("{url}&Policy={sent}&Signature={signature}&Key-Pair-Id={ID}"));
        assert_eq!(decode_base64(sent).unwrap(), policy.to_json().into_bytes());
    }

    /// The cache of signatures does not outlive the algorithm that they were made with.
    #[test]
    fn are_signed_with_the_algorithm_chosen_last() {
        let url = "https://d111111abcdef8.cloudfront.net/a";
        let first = signer(HashAlgorithm::Sha1);
        let with_sha1 = first.sign_url(url, ENDS, NOW).unwrap();
        let with_sha256 = first.hash_algorithm(HashAlgorithm::Sha256).sign_url(url, ENDS, NOW);
        let expected = signer(HashAlgorithm::Sha256).sign_url(url, ENDS, NOW).unwrap();
        assert_eq!(with_sha256.unwrap(), expected);
        assert_ne!(parameter(&with_sha1, "Signature"), parameter(&expected, "Signature"));
    }

    #[test]
    fn are_signed_as_they_are_returned() {
        for (given, resource) in [
            ("https://h/a", "https://h/a"),
            ("HTTPS://H:443", "https://h/"),
            ("http://h:8080/a%20b//c?", "http://h:8080/a%20b//c"),
            ("https://h/a?x=%2F&y", "https://h/a?x=%2F&y"),
            ("https://h/a?x='();:@!$,~", "https://h/a?x='();:@!$,~"),
            (
                "https://h/a?expires=1&Expire=2&xPolicy=3&=Signature",
                "https://h/a?expires=1&Expire=2&xPolicy=3&=Signature",
            ),
        ] {
            let signed = signer(HashAlgorithm::Sha1).sign_url(given, ENDS, NOW).unwrap();
            let rest = signed.strip_prefix(resource).unwrap_or_else(|| panic!("{signed}"));
            assert!(
                rest.starts_with(if resource.contains('?') { "&Expires=" } else { "?Expires=" }),
                "{signed}"
            );
            let policy = format!(
                r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{}}}}}}}]}}"#,
                ENDS.unix()
            );
            let signature = decode_base64(parameter(&signed, "Signature").unwrap()).unwrap();
            PublicKey::from_pem(RSA_PUBLIC)
                .unwrap()
                .verify(policy.as_bytes(), &signature, HashAlgorithm::Sha1)
                .unwrap();
        }
    }

    #[test]
    fn that_cannot_be_signed_are_errors() {
        let signer = signer(HashAlgorithm::Sha1);
        for (url, why) in [
            ("/a", "has no scheme"),
            ("ftp://h/a", "a scheme other than"),
            ("https:///a", "has no host"),
            ("https://u:p@h/a", "contains a user name"),
            ("https://h/a#b", "has a fragment"),
            ("https://h/a b", "must be percent-encoded"),
            ("https://h/é", "must be percent-encoded"),
            ("https://h/\"", "must be percent-encoded"),
            ("https://h/%2", "two hexadecimal digits"),
            ("https://h/a/../b", "component . or .."),
            ("https://h/a/%2e%2E", "component . or .."),
            ("https://h/*", "write it as %2A"),
            ("https://h/a?b&", "ends with &"),
            ("https://h/a?Expires=1", "has CloudFront's parameter Expires"),
            ("https://h/a?x&Policy", "has CloudFront's parameter Policy"),
            ("https://h/a?x&Signature=", "has CloudFront's parameter Signature"),
            ("https://h/a?Key-Pair-Id=1&x", "has CloudFront's parameter Key-Pair-Id"),
            ("https://h/a?Hash-Algorithm=SHA1", "has CloudFront's parameter Hash-Algorithm"),
            ("https://h/a?%45xpire%73=1", "has CloudFront's parameter Expires"),
        ] {
            let message = refusal(signer.sign_url(url, ENDS, NOW));
            assert!(message.contains(why), "{url}: {message}");
            assert_eq!(refusal(signer.cookies(url, ENDS, NOW)), message, "{url}");
        }
        for ends in [NOW, Timestamp::from_unix(NOW.unix() - 1), Timestamp::from_unix(1)] {
            assert_eq!(
                refusal(signer.sign_url("https://h/a", ends, NOW)),
                "the expiry is in the past"
            );
        }
        assert!(
            refusal(signer.sign_url("https://h/a", Timestamp::from_unix(1 << 31), NOW))
                .contains("2038-01-19")
        );
        let policy = Policy::new("https://h/a/*", ENDS).unwrap();
        assert!(
            refusal(signer.sign_url_with_policy("https://h/b", &policy, NOW))
                .contains("does not cover")
        );
        assert!(signer.sign_url_with_policy("https://h/a/*?b=*", &policy, NOW).is_ok());
        assert!(refusal(signer.cookies_with_policy(&policy, ENDS)).contains("in the past"));
    }

    #[test]
    fn of_any_text_are_signed_or_refused() {
        let signer = signer(HashAlgorithm::Sha1);
        proptest!(|(text in "(https?://[a-zA-Z0-9.]{1,5}/?)?[ -~é]{0,40}")| {
            if let Ok(signed) = signer.sign_url(&text, ENDS, NOW) {
                let (before, rest) = signed.rsplit_once("Expires=").unwrap();
                let resource = before.strip_suffix(['?', '&']).unwrap();
                let signature = rest.split_once("&Signature=").unwrap().1.split_once('&').unwrap().0;
                let policy = serde_json::json!({"Statement": [{
                    "Condition": {"DateLessThan": {"AWS:EpochTime": ENDS.unix()}}, "Resource": resource,
                }]});
                let json = Policy::new(resource, ENDS).unwrap().to_json();
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), policy);
                let signature = decode_base64(signature).unwrap();
                signer.public_key().verify(json.as_bytes(), &signature, HashAlgorithm::Sha1).unwrap();
                // Signing changes at most the scheme and the host, and only to what a user agent
                // would send anyway.
                let tail = |url: &str| {
                    let rest = url.split_once("://").unwrap().1;
                    let tail = rest[rest.find(['/', '?']).unwrap_or(rest.len())..].to_owned();
                    let tail = if tail.starts_with('/') { tail } else { format!("/{tail}") };
                    // Only a `?` without a query is dropped.
                    if tail.find('?') == Some(tail.len() - 1) { tail.replace('?', "") } else { tail }
                };
                prop_assert_eq!(tail(resource), tail(&text));
            }
        });
    }

    #[test]
    fn canned_cookies_carry_the_expiry() {
        let signer = signer(HashAlgorithm::Sha1);
        let cookies = signer.cookies("https://h/a", ENDS, NOW).unwrap();
        let names: Vec<_> = cookies.pairs().map(|(name, _)| name).collect();
        assert_eq!(names, ["CloudFront-Expires", "CloudFront-Signature", "CloudFront-Key-Pair-Id"]);
        let url = signer.sign_url("https://h/a", ENDS, NOW).unwrap();
        let values: Vec<_> = cookies.pairs().map(|(_, value)| value).collect();
        assert_eq!(values, ["1357034400", parameter(&url, "Signature").unwrap(), ID]);
        assert_eq!(
            cookies.set_cookie_headers(&CookieScope::new())[0],
            "CloudFront-Expires=1357034400; Secure; HttpOnly"
        );
        assert!(
            CookieScope::new().domain("h; Path=/").is_err()
                && CookieScope::new().domain("").is_err()
        );
        for path in ["", "a", "/a;b", "/a b", "/\r\nX: y", "/é"] {
            assert!(CookieScope::new().path(path).is_err(), "{path:?}");
        }
    }
}

mod keys {
    use super::*;

    #[test]
    fn are_read_in_every_supported_encoding() {
        let reference = PrivateKey::from_pem(RSA).unwrap().sign(b"x", HashAlgorithm::Sha1).unwrap();
        let one_line = RSA.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in [
            key_file("test_rsa2048_pkcs8.pem"),
            key_file("test_rsa2048_bag.pem"),
            RSA.replace('\n', "\r\n"),
            RSA.trim_end().to_owned(),
            RSA.replace('\n', "\n        "),
            format!("-----BEGIN RSA PRIVATE KEY-----\n{one_line}\n-----END RSA PRIVATE KEY-----"),
            RSA.replace('\n', " "),
            format!("{certificate}{RSA}{certificate}{RSA_PUBLIC}"),
        ] {
            let key = PrivateKey::from_pem(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(key.sign(b"x", HashAlgorithm::Sha1).unwrap(), reference);
        }
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront/test_rsa2048_pkcs8.pem");
        assert_eq!(
            PrivateKey::from_file(path).unwrap().sign(b"x", HashAlgorithm::Sha1).unwrap(),
            reference
        );
    }

    #[test]
    fn that_cannot_sign_are_reported_with_a_remedy() {
        let mut damaged = RSA.to_owned();
        damaged.replace_range(100..104, "AAAA");
        for (text, why) in [
            (
                key_file("test_rsa2048_encrypted_pkcs8.pem"),
                "encrypted: remove the passphrase with `openssl pkey -in FILE",
            ),
            (
                key_file("test_rsa2048_encrypted_pkcs1.pem"),
                "encrypted: remove the passphrase with `openssl pkey -in FILE",
            ),
            (key_file("test_rsa2048_public.pem"), "a public key, which cannot sign"),
            (key_file("test_rsa2048_public_pkcs1.pem"), "a public key, which cannot sign"),
            (
                key_file("test_rsa1024_pkcs1.pem"),
                "has 1024 bits, but CloudFront accepts only 2048 bits",
            ),
            (
                key_file("test_rsa3072_pkcs1.pem"),
                "has 3072 bits, but CloudFront accepts only 2048 bits",
            ),
            (key_file("test_rsa512_pkcs1.pem"), "512"),
            (key_file("test_ed25519_pkcs8.pem"), "a key of the algorithm 1.3.101.112 cannot sign"),
            (key_file("test_openssh.pem"), "convert a copy with `ssh-keygen -p -m PEM"),
            (
                RSA.replace("RSA PRIVATE", "DSA PRIVATE"),
                "does not accept a key of the type `DSA PRIVATE KEY`",
            ),
            (format!("{RSA}{RSA}"), "more than one private key"),
            (damaged, "damaged"),
            (RSA.replace("MII", "M!I"), "damaged"),
            (RSA.replace("RSA PRIVATE", "PRIVATE"), "not a PKCS#8 document"),
            (RSA.replace("-----END", "-----ENDE"), "has no END line"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n".to_owned(),
                "cannot be",
            ),
            (
                String::new(),
                "does not contain a PEM private key (to convert a DER file, use `openssl pkey -inform DER",
            ),
            ("hello".to_owned(), "does not contain a PEM private key"),
        ] {
            let message = refusal(PrivateKey::from_pem(&text));
            assert!(message.contains(why), "{message}\n{text}");
            assert!(!message.contains("MII"), "{message}");
        }
    }

    #[test]
    fn of_1024_bits_need_an_option_and_512_are_rejected() {
        let weak = key_file("test_rsa1024_pkcs1.pem");
        let key = PrivateKey::from_pem_with_minimum(&weak, RsaMinimum::Bits1024ForTests).unwrap();
        let signature = key.sign(b"x", HashAlgorithm::Sha256).unwrap();
        assert_eq!(signature.len(), 128);
        key.public_key().verify(b"x", &signature, HashAlgorithm::Sha256).unwrap();
        let weaker = key_file("test_rsa512_pkcs1.pem");
        refusal(PrivateKey::from_pem_with_minimum(&weaker, RsaMinimum::Bits1024ForTests));
    }

    #[test]
    fn files_that_cannot_be_read_are_reported() {
        let directory = tempfile::tempdir().unwrap();
        let missing = PrivateKey::from_file(directory.path().join("none.pem")).unwrap_err();
        assert!(
            missing.to_string().starts_with("failed to read privatekey file: ")
                && missing.to_string().ends_with("none.pem")
        );
        assert!(std::error::Error::source(&missing).is_some());
        let large = directory.path().join("large.pem");
        std::fs::write(&large, vec![b'a'; 64 * 1024 + 1]).unwrap();
        assert!(refusal(PrivateKey::from_file(&large)).contains("larger than 64 KiB"));
        let der = directory.path().join("key.der");
        std::fs::write(&der, [0x30, 0x82, 0xff]).unwrap();
        assert!(refusal(PrivateKey::from_file(&der)).contains("-inform DER"));
    }

    /// Reading any file ends with a key or an error, and a key either signs or reports that it
    /// cannot.
    #[test]
    fn that_are_damaged_never_panic() {
        let names = [
            "test_rsa1024_pkcs1.pem",
            "test_rsa2048_pkcs8.pem",
            "test_p256_sec1.pem",
            "test_p256_pkcs8.pem",
        ];
        let texts = names.map(|name| key_file(name).into_bytes());
        let damage = prop::collection::vec((0usize..4096, "[A-Za-z0-9+/= -]"), 1..4);
        proptest!(|(text in prop::sample::select(texts.to_vec()), damage in damage)| {
            let mut text = text;
            for (at, with) in damage {
                let at = at % text.len();
                text[at] = with.as_bytes()[0];
            }
            let text = String::from_utf8(text).unwrap();
            if let Ok(key) = PrivateKey::from_pem_with_minimum(&text, RsaMinimum::Bits1024ForTests) {
                let _ = key.sign(b"x", HashAlgorithm::Sha1);
            }
            let _ = PublicKey::from_pem(&text.replace("RSA PRIVATE", "PUBLIC").replace("EC PRIVATE", "PUBLIC"));
        });
        proptest!(|(text in any::<String>(), inside in "[ -~\n]{0,80}")| {
            let _ = PrivateKey::from_pem(&text);
            let _ = PrivateKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----{inside}-----END PRIVATE KEY-----"));
        });
    }

    #[test]
    fn are_redacted_in_debug_output() {
        let signer = signer(HashAlgorithm::Sha1);
        assert_eq!(
            format!("{signer:?}"),
            "Signer { key: PrivateKey(RSA, redacted), key_pair_id: \"K2JCJMDEHXQW5F\", hash: Sha1, .. }"
        );
        let cookies = signer.cookies("https://h/a", ENDS, NOW).unwrap();
        let shown = format!("{cookies:?}");
        assert!(
            cookies.pairs().all(|(name, value)| shown.contains(name) && !shown.contains(value)),
            "{shown}"
        );
    }

    #[test]
    fn and_signers_can_be_shared_by_threads() {
        let signer = signer(HashAlgorithm::Sha256);
        let expected = signer.sign_url("https://h/a", ENDS, NOW).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(signer.sign_url("https://h/a", ENDS, NOW).unwrap(), expected);
                });
            }
        });
    }

    #[test]
    fn ids_are_checked() {
        for id in ["", "K 1", "K1&x=y", "K1\r\n", "K1;"] {
            let key = PrivateKey::from_pem(RSA).unwrap();
            assert!(refusal(Signer::new(key, id)).contains("letters and digits"), "{id:?}");
        }
    }

    #[test]
    fn reject_another_message_signature_or_hash() {
        let key = PrivateKey::from_pem(RSA).unwrap();
        let public = PublicKey::from_pem(&key_file("test_rsa2048_public_pkcs1.pem")).unwrap();
        let mut signature = key.sign(b"message", HashAlgorithm::Sha1).unwrap();
        public.verify(b"message", &signature, HashAlgorithm::Sha1).unwrap();
        let rejected = |result: s3driver::Result<()>| {
            result.unwrap_err().kind() == ErrorKind::SignatureRejected
        };
        assert!(rejected(public.verify(b"massage", &signature, HashAlgorithm::Sha1)));
        assert!(rejected(public.verify(b"message", &signature, HashAlgorithm::Sha256)));
        signature[10] ^= 1;
        assert!(rejected(public.verify(b"message", &signature, HashAlgorithm::Sha1)));
        assert!(rejected(public.verify(b"message", b"", HashAlgorithm::Sha1)));
    }

    #[cfg(not(feature = "ecdsa"))]
    #[test]
    fn on_elliptic_curves_name_the_feature() {
        for name in ["test_p256_sec1.pem", "test_p256_pkcs8.pem"] {
            assert!(
                refusal(PrivateKey::from_pem(&key_file(name))).contains("feature `ecdsa`"),
                "{name}"
            );
        }
        assert!(
            refusal(PublicKey::from_pem(&key_file("test_p256_public.pem")))
                .contains("feature `ecdsa`")
        );
    }

    #[cfg(feature = "ecdsa")]
    #[test]
    fn on_the_curve_p256_sign_too() {
        let public = PublicKey::from_pem(P256_PUBLIC).unwrap();
        for name in ["test_p256_sec1.pem", "test_p256_pkcs8.pem"] {
            let key = PrivateKey::from_pem(&key_file(name)).unwrap();
            assert_eq!(format!("{key:?}"), "PrivateKey(P-256, redacted)");
            for (hash, other) in [
                (HashAlgorithm::Sha1, HashAlgorithm::Sha256),
                (HashAlgorithm::Sha256, HashAlgorithm::Sha1),
            ] {
                let signature = key.sign(b"message", hash).unwrap();
                // DER: a SEQUENCE of two INTEGERs, as written by openssl.
                assert!(
                    signature[0] == 0x30 && (68..=72).contains(&signature.len()),
                    "{signature:02x?}"
                );
                public.verify(b"message", &signature, hash).unwrap();
                key.public_key().verify(b"message", &signature, hash).unwrap();
                assert!(public.verify(b"massage", &signature, hash).is_err());
                assert!(public.verify(b"message", &signature, other).is_err());
                assert!(public.verify(b"message", &signature[1..], hash).is_err());
            }
        }
        for name in ["test_p384_sec1.pem", "test_p384_pkcs8.pem"] {
            assert!(
                refusal(PrivateKey::from_pem(&key_file(name))).contains("only the curve P-256"),
                "{name}"
            );
        }
    }
}

/// Compares signatures with those of an independent implementation.
mod openssl {
    use super::*;

    /// Returns `openssl`'s exit status and output, or `None` with a printed line if it is not
    /// installed.
    fn openssl(arguments: &[&str]) -> Option<(bool, Vec<u8>)> {
        match Command::new("openssl").args(arguments).output() {
            Ok(output) => Some((output.status.success(), output.stdout)),
            Err(e) => {
                println!("skipped: openssl cannot be run here: {e}");
                None
            }
        }
    }

    fn data(name: &str) -> String {
        format!("{}/tests/data/cloudfront/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn verifies_our_signatures_and_produces_equal_ones() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        let (policy_file, signature_file) = (file("policy"), file("signature"));
        let keys = [
            ("test_rsa2048_pkcs1.pem", "test_rsa2048_public.pem"),
            #[cfg(feature = "ecdsa")]
            ("test_p256_sec1.pem", "test_p256_public.pem"),
        ];
        for (private, public) in keys {
            for (hash, flag) in [(HashAlgorithm::Sha1, "-sha1"), (HashAlgorithm::Sha256, "-sha256")]
            {
                let key = PrivateKey::from_pem(&key_file(private)).unwrap();
                let signer = Signer::new(key, ID).unwrap().hash_algorithm(hash);
                let policy = Policy::new("https://d111111abcdef8.cloudfront.net/*", ENDS).unwrap();
                let url = signer
                    .sign_url_with_policy("https://d111111abcdef8.cloudfront.net/a?b", &policy, NOW)
                    .unwrap();
                let decoded = |name| decode_base64(parameter(&url, name).unwrap()).unwrap();
                std::fs::write(&policy_file, decoded("Policy")).unwrap();
                std::fs::write(&signature_file, decoded("Signature")).unwrap();
                let public = data(public);
                let verify =
                    ["dgst", flag, "-verify", &public, "-signature", &signature_file, &policy_file];
                let Some((verified, _)) = openssl(&verify) else { return };
                assert!(verified, "{private} {flag}");
                std::fs::write(&policy_file, decoded("Policy").to_ascii_lowercase()).unwrap();
                assert!(
                    !openssl(&verify).unwrap().0,
                    "{private} {flag}: the signature must not fit another policy"
                );
                if private.contains("rsa") {
                    std::fs::write(&policy_file, decoded("Policy")).unwrap();
                    let (_, theirs) =
                        openssl(&["dgst", flag, "-sign", &data(private), &policy_file]).unwrap();
                    assert_eq!(theirs, decoded("Signature"), "RSASSA-PKCS1-v1_5 leaves no choice");
                }
                // In the other direction, our public key accepts signatures made by openssl.
                std::fs::write(&policy_file, b"{}").unwrap();
                let (_, theirs) =
                    openssl(&["dgst", flag, "-sign", &data(private), &policy_file]).unwrap();
                signer.public_key().verify(b"{}", &theirs, hash).unwrap();
            }
        }
    }
}

/// Reads keys in the forms that environment variables, parameter stores, JSON and manual copying
/// produce.
mod unusual_keys {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    const FILES: &[&str] = &[
        "test_rsa2048_pkcs1.pem",
        "test_rsa2048_pkcs8.pem",
        #[cfg(feature = "ecdsa")]
        "test_p256_pkcs8.pem",
        #[cfg(feature = "ecdsa")]
        "test_p256_sec1.pem",
    ];

    fn der(pem: &str) -> Vec<u8> {
        // A SEC 1 key may follow its parameters.
        let (_, rest) = pem.rsplit_once("-----BEGIN ").unwrap();
        let (_, rest) = rest.split_once("-----\n").unwrap();
        let (body, _) = rest.split_once("\n-----END").unwrap();
        STANDARD.decode(body.replace('\n', "")).unwrap()
    }

    fn forms(pem: &str) -> Vec<(&'static str, String)> {
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let wrapped = |text: &str, width: usize| {
            let lines: Vec<_> =
                text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
            lines.join("\n")
        };
        let encoded = STANDARD.encode(pem);
        vec![
            ("unchanged", pem.to_owned()),
            ("escaped line breaks", pem.replace('\n', "\\n")),
            ("escaped line breaks of Windows", pem.replace('\n', "\\r\\n")),
            ("escaped twice", pem.replace('\n', "\\\\n")),
            ("escaped and real line breaks", pem.replace('\n', "\\n\n")),
            ("in JSON of PHP", pem.replace('/', "\\/").replace('\n', "\\n")),
            ("in double quotes", format!("\"{}\"", pem.replace('\n', "\\n"))),
            ("in single quotes", format!("'{}'", pem.replace('\n', "\\n"))),
            ("quoted and real", format!("\"{pem}\"")),
            ("one line with blanks", pem.replace('\n', " ")),
            ("one line without anything", pem.replace('\n', "")),
            ("lines of Windows", pem.replace('\n', "\r\n")),
            ("lines of old Macs", pem.replace('\n', "\r")),
            ("indented", pem.replace('\n', "\n      ")),
            ("with a mark", format!("\u{feff}{pem}")),
            ("with a certificate first", format!("{certificate}{pem}")),
            (
                "with a certificate first, escaped",
                format!("{certificate}{pem}").replace('\n', "\\n"),
            ),
            ("PEM in base64", encoded.clone()),
            ("PEM in base64, in lines", wrapped(&encoded, 76)),
            ("PEM in base64, with escaped line breaks", wrapped(&encoded, 76).replace('\n', "\\n")),
            ("PEM in base64, in quotes", format!("\"{encoded}\"\n")),
            ("PEM with lines of Windows in base64", STANDARD.encode(pem.replace('\n', "\r\n"))),
            ("PEM in base64 for URLs", URL_SAFE_NO_PAD.encode(pem)),
            ("DER in base64", STANDARD.encode(der(pem))),
            ("DER in base64, in lines", wrapped(&STANDARD.encode(der(pem)), 64)),
            ("DER in base64 for URLs", URL_SAFE_NO_PAD.encode(der(pem))),
        ]
    }

    #[test]
    fn case_42_keys_with_escaped_line_breaks_and_in_base64_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        for name in FILES {
            let pem = key_file(name);
            let public = PrivateKey::from_pem(&pem).unwrap().public_key();
            for (form, text) in forms(&pem) {
                std::fs::write(&path, &text).unwrap();
                let pairs = [
                    ("baseurl", "https://d111111abcdef8.cloudfront.net"),
                    ("keypairid", ID),
                    ("privatekey", text.as_str()),
                ];
                let inner = std::sync::Arc::new(s3driver::driver::MemoryDriver::new());
                s3driver::middleware::wrap("cloudfront", inner, pairs)
                    .unwrap_or_else(|e| panic!("{name} {form}: {e}"));
                for key in [PrivateKey::from_pem(&text), PrivateKey::from_file(&path)] {
                    let key = key.unwrap_or_else(|error| panic!("{name} {form}: {error}"));
                    let signature = key.sign(b"message", HashAlgorithm::Sha256).unwrap();
                    public.verify(b"message", &signature, HashAlgorithm::Sha256).unwrap();
                }
            }
        }
    }

    #[test]
    fn case_42_a_file_written_by_powershell_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let text = format!("\u{feff}{}", RSA.replace('\n', "\r\n"));
            let units: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
            std::fs::write(&path, units).unwrap();
            PrivateKey::from_file(&path).unwrap();
        }
    }

    #[test]
    fn text_of_any_encoding_can_precede_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let latin = [b"friendlyName: M\xfcller\n", RSA.as_bytes()].concat();
        std::fs::write(&path, latin).unwrap();
        PrivateKey::from_file(&path).unwrap();
    }

    #[test]
    fn case_42_damaged_keys_are_rejected() {
        for text in [
            RSA.replacen('\n', "\\x", 3),
            RSA.replace('A', "!"),
            RSA.replacen("MII", "MIJ", 1),
            STANDARD.encode(&der(RSA)[..600]),
            STANDARD.encode("-----BEGIN PRIVATE KEY-----"),
        ] {
            let reason = refusal(PrivateKey::from_pem(&text));
            assert!(!reason.is_empty() && !reason.contains("EC key"), "{reason}");
        }
    }
}
