//! Plants a secret in every option, one at a time and in swapped pairs: no error, `Debug` text or
//! cause shows any part of it.

use crate::Rig;
use crate::planting::{assert_hidden, secrets, texts};
use s3driver::client::{Client, Config, Endpoint, Proxy, Scheme};
use s3driver::credentials::Environment;
use s3driver::driver::{MemoryDriver, Parameters, S3Driver, StorageDriver};
use s3driver::middleware;
use s3driver::sign::Credentials;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The driver's options as listed in a registry's documentation, each with a valid value.
const OPTIONS: &[(&str, &str)] = &[
    ("accesskey", "AKIDEXAMPLE"),
    ("secretkey", "p1antedRight/K7MDENG+bPxRfiCYEXAMPLEKEYS"),
    ("sessiontoken", "IQoJb3JpZ2luX2VjEPLANTEDRIGHTtok3nAb1xYzAb1xYzQQ7fAb1xYzAb1xYzQQ7f9Zk=="),
    ("region", "us-east-1"),
    ("regionendpoint", "http://127.0.0.1:1"),
    ("redirectendpoint", "http://127.0.0.1:2"),
    ("forcepathstyle", "true"),
    ("usedualstack", "false"),
    ("usefipsendpoint", "false"),
    ("accelerate", "false"),
    ("bucket", "registry"),
    ("requestpayer", "bucketowner"),
    ("rootdirectory", "root"),
    ("encrypt", "true"),
    ("keyid", "key-1"),
    ("storageclass", "STANDARD"),
    ("objectacl", "private"),
    ("secure", "true"),
    ("skipverify", "false"),
    ("truststore", "mozilla"),
    ("cacert", "/nonexistent/ca.pem"),
    ("proxy", "http://user:p1antedRightPassw0rd@127.0.0.1:3"),
    ("v4auth", "true"),
    ("payload", "signed"),
    ("checksum", "auto"),
    ("chunksize", "5242880"),
    ("multipartcopychunksize", "5242880"),
    ("multipartcopymaxconcurrency", "10"),
    ("multipartcopythresholdsize", "5242880"),
    ("concurrency", "4"),
    ("readahead", "4"),
    ("maxmemory", "104857600"),
    ("maxrequests", "16"),
    ("maxretries", "1"),
    ("walkconcurrency", "4"),
    ("uniformparts", "false"),
    ("uploadpurgeage", "168h"),
    ("useragent", "registry/3"),
    ("loglevel", "off"),
];

/// Options for secrets: their values are never shown, and are accepted if possible.
const SECRET: &[&str] = &["accesskey", "secretkey", "sessiontoken", "proxy"];

/// Options with free text, where a hexadecimal key or a URL cannot be distinguished from a valid
/// value.
const FREE: &[&str] = &[
    "rootdirectory",
    "keyid",
    "useragent",
    "bucket",
    "cacert",
    "redirectendpoint",
    "regionendpoint",
];

/// Asserts that no text produced with the options in `pairs` shows `secret`.
fn assert_driver_hides(pairs: &[(&str, String)], secret: &str, what: &str) {
    let parameters = match Parameters::from_pairs(pairs.iter().map(|(name, value)| (*name, value)))
    {
        Ok(parameters) => parameters,
        Err(error) => {
            return texts(error).iter().for_each(|text| assert_hidden(text, secret, what));
        }
    };
    let holder = pairs.iter().find(|(_, value)| value.contains(secret)).map(|(name, _)| *name);
    if holder.is_some_and(|name| !SECRET.contains(&name)) {
        return;
    }
    assert_hidden(&format!("{parameters:?}"), secret, what);
    match S3Driver::new(&parameters) {
        Err(error) => texts(error).iter().for_each(|text| assert_hidden(text, secret, what)),
        Ok(driver) => {
            assert_hidden(&format!("{driver:?}"), secret, what);
            // Nothing listens at this address, so a retry would only take time.
            let never = |config: Config| config.retry(s3driver::client::RetryPolicy::never());
            let Ok(driver) = S3Driver::with_config(&parameters, never) else { return };
            let error = driver.put_content("/a", b"x").unwrap_err();
            texts(error).iter().for_each(|text| assert_hidden(text, secret, what));
        }
    }
}

fn all_but(names: &[&str]) -> Vec<(&'static str, String)> {
    // A missing certificate file would be the first error and hide all later ones.
    let kept = OPTIONS.iter().filter(|(name, _)| *name != "cacert" && !names.contains(name));
    kept.map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn the_list_of_options_is_complete() {
    let own: BTreeSet<_> = OPTIONS.iter().map(|(name, _)| *name).collect();
    let table: BTreeSet<_> = Parameters::options().iter().map(|option| option.name).collect();
    assert_eq!(own, table);
    Parameters::from_pairs(OPTIONS.iter().copied()).unwrap();
}

#[test]
fn p03_a_secret_in_any_option_of_the_driver_is_not_shown() {
    for (name, _) in OPTIONS {
        for (form, secret) in secrets() {
            let what = format!("{form} as {name}");
            // An access key is not secret in its own option.
            if (*name, form) == ("accesskey", "an access key") {
                continue;
            }
            for value in [secret.clone(), format!(" {secret}"), format!("x{secret}")] {
                let mut pairs = all_but(&[name]);
                pairs.push((*name, value));
                assert_driver_hides(&pairs, &secret, &what);
            }
            // Without the other options, a different check may fail first.
            let mut pairs =
                vec![("bucket", "registry".to_owned()), ("region", "us-east-1".to_owned())];
            pairs.retain(|(given, _)| given != name);
            pairs.push((*name, secret.clone()));
            assert_driver_hides(&pairs, &secret, &what);
        }
    }
}

#[test]
fn p03_a_recognizable_secret_is_rejected_in_every_other_option() {
    for (name, _) in OPTIONS.iter().filter(|(name, _)| !SECRET.contains(name)) {
        for (form, secret) in secrets() {
            let doubtful = ["in hexadecimal", "with a password", "with a signature", "like a path"];
            if FREE.contains(name) && doubtful.iter().any(|end| form.ends_with(end)) {
                continue;
            }
            let mut pairs = all_but(&[name]);
            pairs.push((name, secret));
            let error = Parameters::from_pairs(pairs.iter().map(|(name, value)| (*name, value)));
            let error = error.map(drop).unwrap_err();
            assert!(error.message().contains(name), "{form} as {name}: {error}");
        }
    }
}

#[test]
fn p03_swapped_options_show_no_secret() {
    for (first, right) in OPTIONS {
        for (second, wrong) in OPTIONS.iter().filter(|(second, _)| second != first) {
            let mut pairs = all_but(&[first, second]);
            pairs.extend([(*first, (*wrong).to_owned()), (*second, (*right).to_owned())]);
            let what = format!("{first} swapped with {second}");
            for (name, secret) in OPTIONS.iter().filter(|(name, _)| SECRET[1..].contains(name)) {
                assert_driver_hides(&pairs, secret, &format!("{what}: {name}"));
            }
        }
    }
}

#[test]
fn p03_swapped_keys_are_recognized() {
    let secret = "p1antedS3cret/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let base = [("region", "us-east-1"), ("bucket", "registry")];
    for (id, key) in [
        ("AKIAQ3EGVZ7PLANTED42", secret),
        ("minio", secret),
        ("AKIAQ3EGVZ7PLANTED42", "minio-secret"),
    ] {
        let given = |id, key| {
            Parameters::from_pairs(base.into_iter().chain([("accesskey", id), ("secretkey", key)]))
        };
        given(id, key).unwrap();
        let error = given(key, id).map(drop).unwrap_err();
        assert_eq!(error.message(), "accesskey and secretkey are swapped: exchange their values");
    }
    let shared = Credentials::new(secret, "AKIAQ3EGVZ7PLANTED42");
    assert_hidden(&format!("{shared:?}"), secret, "Debug of swapped credentials");
}

#[test]
fn p03_a_secret_as_the_name_of_an_option_is_not_shown() {
    let inner = || Arc::new(MemoryDriver::new());
    for (form, secret) in secrets() {
        let error = Parameters::from_pairs([(secret.as_str(), "x")]).map(drop).unwrap_err();
        texts(error).iter().for_each(|text| assert_hidden(text, &secret, form));
        for name in ["cloudfront", "redirect", "rewrite", &secret] {
            let error =
                middleware::wrap(name, inner(), [(secret.as_str(), "x")]).map(drop).unwrap_err();
            texts(error).iter().for_each(|text| assert_hidden(text, &secret, form));
        }
    }
}

/// The options of each middleware as listed in a registry's documentation.
const MIDDLEWARE: &[(&str, &[(&str, &str)])] = &[
    ("redirect", &[("baseurl", "https://mirror.example.org"), ("key", "object")]),
    (
        "rewrite",
        &[
            ("scheme", "https"),
            ("host", "mirror.example.org"),
            ("trimpathprefix", "/a"),
            ("signedurls", "refuse"),
        ],
    ),
    #[cfg(feature = "cloudfront")]
    (
        "cloudfront",
        &[
            ("baseurl", "https://d111111abcdef8.cloudfront.net"),
            (
                "privatekey",
                concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/data/cloudfront/test_rsa2048_pkcs8.pem"
                ),
            ),
            ("keypairid", "K2JCJMDEHXQW5F"),
            ("duration", "20m"),
            ("hashalgorithm", "sha1"),
            ("originpath", ""),
            ("ipfilteredby", "none"),
            ("awsregion", "us-east-1"),
            ("updatefrequency", "12h"),
            ("updatefrenquency", "12h"),
            ("iprangesurl", "http://127.0.0.1:1/"),
        ],
    ),
];

#[test]
fn p03_a_secret_in_any_option_of_a_middleware_is_not_shown() {
    for (middleware, options) in MIDDLEWARE {
        middleware::wrap(middleware, Arc::new(MemoryDriver::new()), options.iter().copied())
            .unwrap();
        for (name, _) in *options {
            for (form, secret) in secrets() {
                let what = format!("{form} as {name} of {middleware}");
                let given = options.iter().copied().filter(|(given, _)| given != name);
                let given = given.chain([(*name, secret.as_str())]);
                match middleware::wrap(middleware, Arc::new(MemoryDriver::new()), given) {
                    Err(error) => {
                        texts(error).iter().for_each(|text| assert_hidden(text, &secret, &what));
                    }
                    // Accepted values are free text, or a key in an option for keys.
                    Ok(_) => assert!(
                        [
                            "awsregion",
                            "updatefrenquency",
                            "baseurl",
                            "host",
                            "trimpathprefix",
                            "originpath",
                            "iprangesurl",
                            "keypairid",
                            "privatekey"
                        ]
                        .contains(name),
                        "{what}"
                    ),
                }
            }
        }
    }
}

#[cfg(feature = "cloudfront")]
#[test]
fn case_58_a_private_key_in_place_of_a_path_is_not_shown() {
    use s3driver::middleware::CloudFrontOptions;
    // If it is truncated or has a prefix, it is neither a key nor a path.
    for (form, secret) in secrets() {
        for text in [
            secret.clone(),
            secret[..secret.len() - 3].to_owned(),
            format!("x{secret}"),
            format!("./{secret}"),
        ] {
            let pairs = [
                ("baseurl", "https://d111.cloudfront.net"),
                ("keypairid", "K2JCJMDEHXQW5F"),
                ("privatekey", text.as_str()),
            ];
            match CloudFrontOptions::from_pairs(pairs) {
                Ok(options) => assert_hidden(&format!("{options:?}"), &secret, form),
                Err(error) => {
                    texts(error).iter().for_each(|text| assert_hidden(text, &secret, form));
                }
            }
        }
    }
    let missing = [
        ("baseurl", "https://d111.cloudfront.net"),
        ("keypairid", "K2JCJMDEHXQW5F"),
        ("privatekey", "/run/secrets/cloudfront.pem"),
    ];
    let error = CloudFrontOptions::from_pairs(missing).unwrap_err();
    assert!(error.to_string().contains("/run/secrets/cloudfront.pem"), "a path is shown: {error}");
}

#[test]
fn p03_secrets_in_arguments_of_the_client_are_not_shown() {
    for (form, secret) in secrets() {
        let given = [
            Endpoint::aws(&secret, Scheme::Https, Default::default()).map(|_| ()),
            Endpoint::custom(&secret, Some(&secret), Scheme::Https).map(|_| ()),
            Endpoint::redirect(&secret, "us-east-1").map(|_| ()),
            Proxy::parse(&secret).map(|_| ()),
            Proxy::parse(&format!("http://{secret}")).map(|_| ()),
            s3driver::client::endpoint::check_bucket(&format!("{secret} ")),
        ];
        for error in given.into_iter().filter_map(Result::err) {
            texts(error).iter().for_each(|text| assert_hidden(text, &secret, form));
        }
    }
}

#[test]
fn p09_debug_of_a_clients_configuration_shows_no_password() {
    let rig = Rig::new();
    let endpoint = Endpoint::custom(&rig.faulty.url(), Some("us-east-1"), Scheme::Http).unwrap();
    for (form, secret) in [
        ("a word", "p1antedPassw0rd"),
        ("escaped", "p1anted%2FPassw0rd"),
        ("a key", "AKIAQ3EGVZ7PLANTED42"),
    ] {
        let url = format!("http://user:{secret}@127.0.0.1:9");
        let variables = Environment::from_pairs([("http_proxy", &url), ("HTTPS_PROXY", &url)]);
        let keys = Credentials::new("AKID", secret).with_session_token(secret);
        let base = Config::new(endpoint.clone()).static_credentials(keys);
        for config in [
            base.clone().proxy(Proxy::parse(&url).unwrap()),
            base.proxy_from_env(&variables).unwrap(),
        ] {
            let context = config.credential_context();
            let client = Client::new(config.clone()).unwrap();
            for text in [
                format!("{config:?}"),
                format!("{config:#?}"),
                format!("{client:?}"),
                format!("{context:?}"),
            ] {
                assert_hidden(&text, secret, form);
                assert!(!text.contains(&secret[..7]), "{text}");
            }
        }
    }
}
