//! Options, endpoints and paths of the driver.
use s3driver::client::{Addressing, Endpoint, Scheme};
use s3driver::driver::{Parameters, S3Driver, StorageDriver as _, check_path};
use std::sync::OnceLock;

/// Options are accepted or refused in one line that shows no secret.
pub fn parameters(data: &[u8]) {
    const SECRET: &str = "s3cretKeyThatNobodyShows";
    let lines = crate::lines(data);
    let mut pairs: Vec<(String, String)> = lines.iter().flat_map(|line| crate::pairs(line, '\0')).collect();
    let _ = Parameters::from_pairs(borrowed(&pairs));
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

fn driver() -> &'static S3Driver {
    static DRIVER: OnceLock<S3Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let pairs = [
            ("accesskey", "AKIAIOSFODNN7EXAMPLE"),
            ("secretkey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("region", "us-east-1"),
            ("regionendpoint", "http://127.0.0.1:1"),
            ("bucket", "bucket"),
            ("rootdirectory", "/a root/."),
        ];
        S3Driver::new(&Parameters::from_pairs(pairs).expect("good options")).expect("a driver")
    })
}

/// A path is refused, or has a key below the root that is the path itself.
pub fn driver_paths(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for path in [text.clone(), format!("/{text}").into()] {
        let good = check_path(&path).is_ok();
        let key = driver().object_key(&path);
        assert_eq!(good, key.is_some(), "{path:?}");
        let Some(key) = key else { continue };
        let root = driver().object_key("/x").and_then(|key| key.strip_suffix("/x").map(str::to_owned));
        assert_eq!(key.strip_prefix(&root.expect("a root")), Some(&*path));
        assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)) && !path.contains("//"));
    }
}

/// Endpoints and where redirects lead: a host has no path, user or blank in it, and object paths keep every byte.
pub fn endpoints(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).map_or("", String::as_str);
    let (url, bucket, key) = (line(0), line(1), line(2));
    for endpoint in [Endpoint::custom(url, Some("us-east-1"), Scheme::Https), Endpoint::redirect(url, "us-east-1")] {
        let Ok(endpoint) = endpoint else { continue };
        for addressing in [Addressing::Path, Addressing::VirtualHost] {
            let Ok(endpoint) = endpoint.clone().with_addressing(addressing) else { continue };
            let Ok(located) = endpoint.locate(bucket) else { continue };
            let host = located.host_header();
            assert!(!host.is_empty() && !host.contains(['/', '@', ' ', '?', '#', '\r', '\n', '\0']), "{host:?}");
            let encoded = s3driver::sign::encode_path(key);
            if let Ok(path) = located.object_path(&encoded) {
                assert!(path.starts_with('/') && path.ends_with(&encoded), "{path:?} {encoded:?}");
            }
        }
    }
}
