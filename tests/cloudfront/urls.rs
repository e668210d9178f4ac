//! Tests that all functions of the public interface that parse a URL accept it in the same forms.

use crate::forms::Place;
use crate::memory::Memory;
use s3driver::client::{Endpoint, Proxy, Scheme};
use s3driver::cloudfront::{PrivateKey, Signer};
use s3driver::driver::{Method, Parameters, S3Driver, StorageDriver, UrlOptions};
use s3driver::middleware::{CloudFrontOptions, Redirect, RedirectKey, Rewrite};

const RSA: &str = include_str!("../data/cloudfront/test_rsa2048_pkcs8.pem");

fn cloudfront(base_url: &str) -> s3driver::Result<CloudFrontOptions> {
    CloudFrontOptions::new(
        base_url,
        Signer::new(PrivateKey::from_pem(RSA).unwrap(), "K2JCJMDEHXQW5F").unwrap(),
    )
}

fn get(driver: &dyn StorageDriver) -> s3driver::Result<String> {
    driver.url_for("/a", &UrlOptions::new(Method::Get))
}

/// Returns whether the place accepts the text, or `None` for places that the public interface does
/// not reach.
fn accepts(place: Place, text: &'static str) -> Option<bool> {
    let with = |name: &str| {
        let pairs = [("bucket", "registry"), ("region", "us-east-1"), (name, text)];
        pairs
            .iter()
            .all(|(_, value)| !value.is_empty())
            .then(|| Parameters::from_pairs(pairs).is_ok())
    };
    let (direct, option) = match place {
        Place::Endpoint => {
            (Endpoint::custom(text, None, Scheme::Http).is_ok(), with("regionendpoint"))
        }
        Place::RedirectEndpoint => {
            (Endpoint::redirect(text, "us-east-1").is_ok(), with("redirectendpoint"))
        }
        Place::Proxy => (Proxy::parse(text).is_ok(), with("proxy")),
        Place::RedirectBase => {
            let option = Redirect::from_pairs(Memory::new(""), [("baseurl", text)]);
            (Redirect::new(Memory::new(""), text, RedirectKey::Path).is_ok(), Some(option.is_ok()))
        }
        Place::Rewritten => {
            let scheme =
                if text.to_ascii_lowercase().starts_with("https") { "http" } else { "https" };
            (get(&Rewrite::new(Memory::with_url(text)).scheme(scheme).unwrap()).is_ok(), None)
        }
        Place::CloudFrontBase => (cloudfront(text).is_ok(), None),
        Place::IpRanges => (cloudfront("https://h").unwrap().ip_ranges_url(text).is_ok(), None),
        Place::Credentials | Place::Location => return None,
    };
    // An empty option counts as not given.
    assert_eq!(direct, option.unwrap_or(direct), "{place:?} {text:?}");
    Some(direct)
}

#[test]
fn each_place_accepts_the_forms_that_it_can_use() {
    for (text, accepted, why) in crate::forms::URLS {
        for place in crate::forms::ALL {
            if let Some(accepts) = accepts(*place, text) {
                assert_eq!(accepts, accepted.contains(place), "{place:?} {text:?}: {why}");
            }
        }
    }
}

#[test]
fn hosts_and_ports_have_one_rule() {
    for (authority, kept, why) in crate::forms::AUTHORITIES {
        let url: &'static str = format!("http://{authority}/").leak();
        for place in crate::forms::ALL {
            if let Some(accepts) = accepts(*place, url) {
                assert_eq!(accepts, kept.is_some(), "{place:?} {url:?}: {why}");
            }
        }
        let rewrite = Rewrite::new(Memory::with_url("http://h/a")).host(authority);
        assert_eq!(rewrite.is_ok(), kept.is_some(), "{authority:?}: {why}");
        let Some(kept) = kept else { continue };
        assert_eq!(get(&rewrite.unwrap()).unwrap(), format!("http://{kept}/a"));
        let redirect = Redirect::new(Memory::new(""), url, RedirectKey::Path).unwrap();
        assert_eq!(get(&redirect).unwrap(), format!("http://{kept}/a"));
        assert_eq!(Proxy::parse(url).unwrap().to_string(), format!("http://{kept}"));
        for endpoint in
            [Endpoint::custom(url, None, Scheme::Https), Endpoint::redirect(url, "us-east-1")]
        {
            assert_eq!(
                endpoint.unwrap().locate("registry").unwrap().root_url(),
                format!("http://{kept}")
            );
        }
    }
}

#[test]
fn the_driver_accepts_what_the_parameters_accept() {
    for (proxy, accepted, why) in crate::forms::URLS {
        let keys = [("accesskey", "AKIDEXAMPLE"), ("secretkey", "secret")];
        let pairs = [("bucket", "registry"), ("region", "us-east-1"), ("proxy", *proxy)];
        let driver =
            Parameters::from_pairs(pairs.into_iter().chain(keys)).and_then(|p| S3Driver::new(&p));
        let accepted = proxy.is_empty() || accepted.contains(&Place::Proxy);
        assert_eq!(driver.is_ok(), accepted, "{proxy:?}: {why}");
    }
}
