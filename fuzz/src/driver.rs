//! Options, endpoints, redirects and paths of the driver.
use s3driver::client::endpoint::{Located, Stack};
use s3driver::client::{Addressing, Endpoint, Scheme, Variant};
use s3driver::driver::{Parameters, S3Driver, StorageDriver as _, check_path};
use s3driver::fuzzing::{path_of_key, redirected};
use s3driver::sign::encode_path;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Options are either accepted or rejected with an error; neither shows the secret.
pub fn parameters(data: &[u8]) {
    const SECRET: &str = "s3cretKeyThatIsNeverShown";
    let lines = crate::lines(data);
    let mut pairs: Vec<(String, String)> =
        lines.iter().flat_map(|line| crate::pairs(line, '\0')).collect();
    let _ = Parameters::from_pairs(borrowed(&pairs));
    // A secret that also appears in another option's value, or in an option's name, cannot be kept
    // out of the output.
    if lines.iter().any(|line| line.contains(SECRET)) {
        return;
    }
    pairs.retain(|(name, _)| name != "secretkey");
    pairs.push(("secretkey".to_owned(), SECRET.to_owned()));
    let text = match Parameters::from_pairs(borrowed(&pairs)) {
        Ok(parameters) => format!("{parameters:?}"),
        Err(error) => error.to_string(),
    };
    assert!(!text.contains(SECRET), "{text}");
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Returns one driver for each form of root directory.
fn drivers() -> &'static [S3Driver] {
    static DRIVERS: OnceLock<Vec<S3Driver>> = OnceLock::new();
    DRIVERS.get_or_init(|| {
        let driver = |root| {
            let pairs = [
                ("accesskey", "AKIAIOSFODNN7EXAMPLE"),
                ("secretkey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                ("region", "us-east-1"),
                ("regionendpoint", "http://127.0.0.1:1"),
                ("bucket", "bucket"),
                ("rootdirectory", root),
            ];
            S3Driver::new(&Parameters::from_pairs(pairs).expect("good options")).expect("a driver")
        };
        ["", "/a root/.", "a/.."].map(driver).into()
    })
}

/// A path is either rejected, or mapped to a key that consists of the root and the path itself and
/// maps back to that path. Different paths have different keys. A key from a listing maps either to
/// no path or to the path that has this key. The input lines are two paths and a key.
pub fn driver_paths(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).map_or("", String::as_str);
    let paths = [line(0), line(1)].map(|path| [path.to_owned(), format!("/{path}")]).concat();
    for driver in drivers() {
        let root = driver.object_key("/x").expect("a key");
        let root = root.strip_suffix('x').expect("the key ends with the path");
        let mut keys = BTreeMap::new();
        for path in &paths {
            let key = driver.object_key(path);
            assert_eq!(check_path(path).is_ok(), key.is_some(), "{path:?}");
            let Some(key) = key else { continue };
            assert_eq!(key.strip_prefix(root), path.strip_prefix('/'), "{path:?} {key:?}");
            assert!(
                path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
                    && !path.contains("//")
            );
            assert_eq!(path_of_key(driver, &key).as_ref(), Some(path));
            assert_eq!(
                sent(driver, &key),
                format!("/bucket/{key}"),
                "the key is sent without normalisation"
            );
            let other = keys.insert(key, path);
            assert!(other.is_none_or(|other| other == path), "{path:?} {other:?}");
        }
        for key in [line(2).to_owned(), format!("{root}{}", line(2))] {
            if let Some(path) = path_of_key(driver, &key) {
                assert_eq!(driver.object_key(&path), Some(key));
            }
        }
    }
}

/// Returns the decoded path of the request line for an object.
fn sent(driver: &S3Driver, key: &str) -> String {
    let endpoint = driver.client().endpoint();
    let located = endpoint.locate(driver.bucket()).expect("a place");
    let path = located.object_path(&encode_path(key)).expect("a path");
    // The encoder leaves these characters unchanged; the only other character in these keys is a
    // space.
    assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-%".contains(&b)), "{path:?}");
    path.replace("%20", " ")
}

/// The host of an accepted endpoint contains no path, user information or white space, and object
/// paths keep every byte of the key.
pub fn endpoints(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).map_or("", String::as_str);
    let (url, bucket, key) = (line(0), line(1), line(2));
    for endpoint in [
        Endpoint::custom(url, Some("us-east-1"), Scheme::Https),
        Endpoint::redirect(url, "us-east-1"),
        Endpoint::region("us-west-2"),
    ] {
        let Ok(endpoint) = endpoint else { continue };
        let is_derived = endpoint.host() == "s3.us-west-2.amazonaws.com";
        for addressing in [Addressing::Path, Addressing::VirtualHost] {
            let Ok(endpoint) = endpoint.clone().with_addressing(addressing) else { continue };
            let Ok(located) = endpoint.locate(bucket) else { continue };
            let host = located.host_header();
            assert!(
                !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#', '\r', '\n', '\0']),
                "{host:?}"
            );
            assert!(!is_derived || host.ends_with(".amazonaws.com"), "{host:?}");
            let encoded = encode_path(key);
            if let Ok(path) = located.object_path(&encoded) {
                assert!(path.starts_with('/') && path.ends_with(&encoded), "{path:?} {encoded:?}");
            }
        }
    }
}

/// The domains of the AWS partitions.
const AWS: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

/// A redirect is followed to the same host and port, or to another S3 host in the same partition:
/// never to another scheme, port or bucket, and never with user information. The part of the URL
/// after the host does not influence the decision. The input lines are an endpoint or a region, a
/// bucket, and the value of `Location`.
pub fn redirects(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).map_or("", String::as_str);
    let (url, bucket, location) = (line(0), line(1), line(2));
    let endpoints = [
        Endpoint::custom(url, Some("us-east-1"), Scheme::Http),
        Endpoint::aws(url, Scheme::Https, Variant::default()),
        Endpoint::aws(url, Scheme::Http, Variant::default().stack(Stack::Dual)),
    ];
    for endpoint in endpoints.into_iter().flatten() {
        for addressing in [Addressing::Auto, Addressing::Path, Addressing::VirtualHost] {
            let Ok(endpoint) = endpoint.clone().with_addressing(addressing) else { continue };
            let Ok(from) = endpoint.locate(bucket) else { continue };
            let Some(to) = redirected(&from, location, bucket) else { continue };
            follow(&from, &to, location, bucket);
        }
    }
}

fn follow(from: &Located, to: &Located, location: &str, bucket: &str) {
    let (scheme, rest) = location.split_once("://").expect("a whole URL");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    assert!(
        scheme.eq_ignore_ascii_case(from.scheme().as_str()) && to.scheme() == from.scheme(),
        "{location:?}"
    );
    assert!(!authority.contains('@'), "{location:?}");
    let header = to.host_header();
    assert!(!header.contains(['/', '@', ' ', '?', '#', '\r', '\n', '\0']), "{header:?}");

    if (to.host(), to.port()) == (from.host(), from.port()) {
        assert_eq!(to, from, "the bucket moved within the same host");
    } else {
        assert_eq!([to.port(), from.port()], [to.scheme().default_port(); 2]);
        let domain = s3_domain(to.host(), bucket);
        assert!(domain.is_some() && domain == s3_domain(from.host(), bucket), "{from:?} {to:?}");
        assert!(authority.to_ascii_lowercase().starts_with(to.host()), "{location:?} {to:?}");
        // The bucket is named exactly once.
        let in_host = to.host().strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'));
        assert_eq!(to.host_bucket(), in_host.then_some(bucket));
        assert_eq!(to.bucket_path().ends_with(&format!("/{bucket}")), !in_host, "{to:?}");
    }
    assert_eq!(redirected(from, &format!("{scheme}://{authority}"), bucket).as_ref(), Some(to));
    assert_eq!(
        redirected(to, location, bucket).as_ref(),
        Some(to),
        "the new location accepts the same redirect"
    );
}

/// Returns the domain of a host that may belong to S3: `[bucket.]s3*[.word[.word]].domain`.
fn s3_domain(host: &str, bucket: &str) -> Option<&'static str> {
    let host = host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')).unwrap_or(host);
    AWS.iter().copied().find(|domain| {
        let labels = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
        let labels: Vec<&str> = labels.map_or(Vec::new(), |labels| labels.split('.').collect());
        let s3 = labels.first().is_some_and(|label| *label == "s3" || label.starts_with("s3-"));
        s3 && labels.len() <= 3
    })
}
