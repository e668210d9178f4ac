//! The server to use, which is the one that the environment names, or an embedded one.
use crate::Outcome;
use crate::support::{Server, ServerOptions};
use s3driver::clock::{Clock, SystemClock};
use s3driver::driver::{Parameters, S3Driver};
use std::env;

/// A server, its credentials, and a separate directory in a bucket.
pub(crate) struct Target {
    pub(crate) description: String,
    pub(crate) bucket: String,
    pub(crate) root: String,
    pub(crate) ca_file: Option<String>,
    options: Vec<(&'static str, String)>,
    /// Whether signature version 2 can be tried. On AWS, only the oldest regions support it.
    supports_v2: bool,
    embedded: Option<Server>,
}

impl Target {
    pub(crate) fn from_environment() -> Outcome<Self> {
        let root = format!("quickstart-{:016x}", SystemClock.random());
        let Some(bucket) = variable(&["S3_BUCKET"]) else {
            if variable(&["S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]).is_some() {
                return Err("an endpoint is set, but S3_BUCKET is not".into());
            }
            return Ok(Self::embedded(root));
        };
        let endpoint = variable(&["S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let region = variable(&["S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"]);
        let mut options = vec![("bucket", bucket.clone()), ("rootdirectory", root.clone())];
        let mut add =
            |name, value: Option<String>| options.extend(value.map(|value| (name, value)));
        add("regionendpoint", endpoint.clone());
        add("region", region.clone());
        if let Some(access_key) = variable(&["S3_ACCESS_KEY"]) {
            add("accesskey", Some(access_key));
            add("secretkey", variable(&["S3_SECRET_KEY"]));
            add("sessiontoken", variable(&["S3_SESSION_TOKEN"]));
        }
        let ca_file = variable(&["S3_TLS_CA"])
            .filter(|_| endpoint.as_ref().is_some_and(|url| url.starts_with("https")));
        add("cacert", ca_file.clone());
        let signatures = variable(&["S3_SIGNATURES"]).unwrap_or_else(|| "v4".to_owned());
        Ok(Self {
            description: endpoint.unwrap_or_else(|| {
                format!("Amazon S3 in {}", region.as_deref().unwrap_or("no region"))
            }),
            bucket,
            root,
            ca_file,
            options,
            supports_v2: signatures.contains("v2"),
            embedded: None,
        })
    }

    fn embedded(root: String) -> Self {
        let server = Server::start(ServerOptions::default());
        let options = vec![
            ("regionendpoint", server.endpoint()),
            ("region", server.region().to_owned()),
            ("accesskey", server.access_key().to_owned()),
            ("secretkey", server.secret_key().to_owned()),
            ("bucket", server.bucket().to_owned()),
            ("rootdirectory", root.clone()),
        ];
        Self {
            description: format!("{} (embedded, in memory)", server.endpoint()),
            bucket: server.bucket().to_owned(),
            root,
            ca_file: None,
            options,
            supports_v2: true,
            embedded: Some(server),
        }
    }

    pub(crate) fn driver(&self) -> Outcome<S3Driver> {
        Ok(S3Driver::new(&Parameters::from_pairs(self.options.iter().cloned())?)?)
    }

    /// Returns a driver for each signature version that the server supports, with the version's
    /// name.
    pub(crate) fn drivers_by_signature(&self) -> Outcome<Vec<(&'static str, S3Driver)>> {
        let mut drivers = vec![("version 4", self.driver()?)];
        if self.supports_v2 {
            let v2 = self.options.iter().cloned().chain([("v4auth", "false".to_owned())]);
            drivers.push(("version 2", S3Driver::new(&Parameters::from_pairs(v2)?)?));
        }
        Ok(drivers)
    }

    /// Checks directly in the embedded server that no object and no unfinished upload is left.
    pub(crate) fn nothing_is_left(&self) -> Outcome {
        let Some(server) = &self.embedded else { return Ok(()) };
        let (keys, uploads) = (server.keys(&self.bucket), server.open_uploads(&self.bucket));
        if keys.is_empty() && uploads.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "{} objects and {} uploads were left in the bucket",
                keys.len(),
                uploads.len()
            )
            .into())
        }
    }
}

/// Serves until the process is killed, and prints the settings to standard output as shell
/// variables.
pub(crate) fn serve() -> Outcome {
    let server = Server::start(ServerOptions::default());
    println!("S3_ENDPOINT={}", server.endpoint());
    println!("S3_ACCESS_KEY={}", server.access_key());
    println!("S3_SECRET_KEY={}", server.secret_key());
    println!("S3_REGION={}", server.region());
    println!("S3_BUCKET={}", server.bucket());
    loop {
        std::thread::park();
    }
}

/// Returns the first of these variables that is set and not empty.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}
