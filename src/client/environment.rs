//! Creates a client from AWS's environment variables and shared configuration files.
use super::Client;
use super::config::Config;
use super::endpoint::{Endpoint, Fips, Scheme, Stack, Variant};
use super::roots::read_roots;
use crate::credentials::{Cache, Chain, Context, Environment};
use crate::error::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

impl Client {
    /// Creates a client from the environment, as AWS's command line and SDKs do: see
    /// [`Config::from_env`].
    ///
    /// ```no_run
    /// use s3driver::client::{Client, GetObject};
    ///
    /// let client = Client::from_env()?;
    /// let content = client.get_object("bucket", "key", &GetObject::default())?.read_all(1 << 20)?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`Config::from_env`] and [`Client::new`].
    pub fn from_env() -> Result<Self> {
        Self::new(Config::from_env(&Environment::default())?)
    }
}

impl Config {
    /// Creates a configuration from environment variables. If a variable is not set, the profile
    /// that `AWS_PROFILE` selects in `~/.aws/config` is used.
    ///
    /// | variable | in the profile | meaning |
    /// |---|---|---|
    /// | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | `endpoint_url` | a server other than AWS |
    /// | `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` | `ignore_configured_endpoint_urls` | `true` ignores them |
    /// | `AWS_REGION`, `AWS_DEFAULT_REGION` | `region` | required for AWS |
    /// | `AWS_USE_FIPS_ENDPOINT` | `use_fips_endpoint` | `true` selects this endpoint |
    /// | `AWS_USE_DUALSTACK_ENDPOINT` | `use_dualstack_endpoint` | `true` selects this endpoint |
    /// | `AWS_CA_BUNDLE` | `ca_bundle` | a PEM file of certificates to trust |
    ///
    /// An endpoint without a scheme uses `https`. FIPS and dual-stack endpoints are those of AWS.
    /// The certificates in the file are trusted in addition to the built-in ones.
    ///
    /// Credentials come from AWS's chain of sources, in the same environment. Sections
    /// `[services ...]` of the shared files are not read. Unlike the driver, whose endpoint is one
    /// of its parameters, this function takes the server from the environment: anyone who can set
    /// the variables decides where signed requests are sent.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] with the name of the variable, if there is neither a region nor
    /// an endpoint, if the endpoint cannot be used, or if a file of certificates cannot be read.
    pub fn from_env(environment: &Environment) -> Result<Self> {
        let context = Context::default().with_environment(environment.clone());
        let setting = |variable: &str, key: &str| context.setting(variable, key);
        let is_on = |variable: &str, key: &str| {
            setting(variable, key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        let region = context.region();
        let ignored =
            is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
        let url = environment
            .get("AWS_ENDPOINT_URL_S3")
            .or_else(|| setting("AWS_ENDPOINT_URL", "endpoint_url"))
            .filter(|_| !ignored);

        let endpoint = match (url, region) {
            (Some(url), region) => Endpoint::custom(&url, region.as_deref(), Scheme::Https)
                .map_err(|error| {
                    error.with_hint("AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL are such URLs")
                })?,
            (None, Some(region)) => {
                let mut variant = Variant::default();
                if is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint") {
                    variant = variant.fips(Fips::Required);
                }
                if is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint") {
                    variant = variant.stack(Stack::Dual);
                }
                Endpoint::aws(&region, Scheme::Https, variant).map_err(|error| {
                    error.with_hint("for a server other than AWS set AWS_ENDPOINT_URL_S3 as well")
                })?
            }
            (None, None) => {
                let text = "the environment names neither a region nor an endpoint";
                return Err(Error::new(ErrorKind::Configuration, text)
                    .with_hint("set AWS_REGION, or AWS_ENDPOINT_URL_S3 for another server"));
            }
        };

        let mut config = Self::new(endpoint);
        if let Some(path) = setting("AWS_CA_BUNDLE", "ca_bundle") {
            config = config.extra_roots_pem(&**read_roots("AWS_CA_BUNDLE", Path::new(&path))?);
        }
        // The context has the region, the clock and the certificates from above.
        let context = config.credential_context().with_environment(environment.clone());
        Ok(config.credentials(Arc::new(Cache::new(Chain::new(&context), &context))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config> {
        // There is no home directory, because the files of this machine must not be read.
        let files =
            [("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")];
        Config::from_env(&Environment::from_pairs(files.iter().chain(pairs).copied()))
    }

    fn endpoint(pairs: &[(&str, &str)]) -> (String, String) {
        let endpoint = config(pairs).expect("a configuration").endpoint;
        (endpoint.host(), endpoint.signing_region().to_owned())
    }

    fn pair(host: &str, region: &str) -> (String, String) {
        (host.to_owned(), region.to_owned())
    }

    #[test]
    fn variables_choose_the_endpoint() {
        let region = ("AWS_REGION", "eu-central-1");
        let aws = pair("s3.eu-central-1.amazonaws.com", "eu-central-1");
        assert_eq!(endpoint(&[region]), aws);
        assert_eq!(endpoint(&[("AWS_DEFAULT_REGION", "eu-central-1")]), aws);
        let first = ("AWS_ENDPOINT_URL_S3", "http://first.example:9000");
        let second = ("AWS_ENDPOINT_URL", "second.example");
        assert_eq!(endpoint(&[first, second]), pair("first.example", "us-east-1"));
        assert_eq!(endpoint(&[second, region]), pair("second.example", "eu-central-1"));
        let ignored = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        assert_eq!(endpoint(&[first, region, ignored]), aws);
        assert_eq!(
            endpoint(&[region, ("AWS_USE_DUALSTACK_ENDPOINT", "true")]).0,
            "s3.dualstack.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            endpoint(&[("AWS_REGION", "us-east-1"), ("AWS_USE_FIPS_ENDPOINT", "TRUE")]).0,
            "s3-fips.us-east-1.amazonaws.com"
        );
    }

    #[test]
    fn the_profile_gives_what_no_variable_sets() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config");
        let text = "[profile here]\nregion = eu-west-1\nendpoint_url = http://store.example\n";
        std::fs::write(&path, text).expect("a file");
        let path = path.to_str().expect("a path of text");
        let found = |more: &[(&str, &str)]| {
            let pairs = [&[("AWS_CONFIG_FILE", path), ("AWS_PROFILE", "here")], more].concat();
            endpoint(&pairs)
        };
        assert_eq!(found(&[]), pair("store.example", "eu-west-1"));
        assert_eq!(found(&[("AWS_REGION", "here")]), pair("store.example", "here"));
        assert_eq!(
            found(&[("AWS_ENDPOINT_URL", "http://other.example")]),
            pair("other.example", "eu-west-1")
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (pairs, name) in [
            (&[][..], "set AWS_REGION"),
            (&[("AWS_ENDPOINT_URL", "ftp://store.example")], "AWS_ENDPOINT_URL"),
            (&[("AWS_REGION", "Frankfurt")], "AWS_ENDPOINT_URL_S3"),
            (&[("AWS_REGION", "eu-west-1"), ("AWS_CA_BUNDLE", "/nowhere.pem")], "AWS_CA_BUNDLE"),
        ] {
            let error = config(pairs).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
