//! Creates a client from AWS's environment variables and shared configuration files.
use super::Client;
use super::config::Config;
use super::endpoint::{ArnRegions, Endpoint, Fips, Scheme, Stack, Variant};
use super::roots::read_roots;
use super::values::SessionAuth;
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
    /// that `AWS_PROFILE` or `AWS_DEFAULT_PROFILE` selects in `~/.aws/config` is used.
    ///
    /// | variable | in the profile | meaning |
    /// |---|---|---|
    /// | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | `endpoint_url` of `s3` in the section that `services` names, `endpoint_url` | a server other than AWS |
    /// | `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` | `ignore_configured_endpoint_urls` | `true` ignores them |
    /// | `AWS_REGION`, `AWS_DEFAULT_REGION` | `region` | required for AWS |
    /// | `AWS_USE_FIPS_ENDPOINT` | `use_fips_endpoint` | `true` selects this endpoint |
    /// | `AWS_USE_DUALSTACK_ENDPOINT` | `use_dualstack_endpoint` | `true` selects this endpoint |
    /// | `AWS_S3_DISABLE_EXPRESS_SESSION_AUTH` | `s3_disable_express_session_auth` | `true`: [`SessionAuth::Disabled`] |
    /// | `AWS_S3_USE_ARN_REGION` | `s3_use_arn_region` | `false`: [`ArnRegions::Own`] |
    /// | `AWS_CA_BUNDLE` | `ca_bundle` | a PEM file of certificates to trust |
    ///
    /// Of several endpoints, the first one in this order is used: `AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`, the section of services, the profile
    /// ([AWS](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)). An
    /// endpoint without a scheme uses `https`. FIPS and dual-stack endpoints are those of AWS, and
    /// cannot be combined with a URL. The certificates in the file are trusted in addition to the
    /// built-in ones.
    ///
    /// Credentials come from AWS's chain of sources, in the same environment. Unlike the driver,
    /// whose endpoint is one of its parameters, this function takes the server from the
    /// environment: anyone who can set the variables decides where signed requests are sent.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] with the name of the variable, if there is neither a region nor
    /// an endpoint, if the endpoint cannot be used, if a switch is neither `true` nor `false`, or
    /// if a file of certificates cannot be read.
    pub fn from_env(environment: &Environment) -> Result<Self> {
        let context = Context::default().with_environment(environment.clone());
        let switch = |variable, key| context.switch(variable, key).map_err(configuration);
        let url = context.s3_endpoint_url()?;
        let choice = context.endpoint_choice().map_err(configuration)?;
        let mut variant = Variant::default();
        if choice.fips {
            variant = variant.fips(Fips::Required);
        }
        if choice.dual_stack {
            variant = variant.stack(Stack::Dual);
        }
        let sessions =
            switch("AWS_S3_DISABLE_EXPRESS_SESSION_AUTH", "s3_disable_express_session_auth")?;

        choice.check(url.as_deref()).map_err(|text| {
            configuration(text)
                .with_hint("set it to false, or AWS_IGNORE_CONFIGURED_ENDPOINT_URLS to true")
        })?;
        let mut endpoint = endpoint(url.as_deref(), context.region().as_deref(), variant)?;
        if switch("AWS_S3_USE_ARN_REGION", "s3_use_arn_region")? == Some(false) {
            endpoint = endpoint.with_arn_regions(ArnRegions::Own);
        }
        let mut config = Self::new(endpoint);
        if sessions == Some(true) {
            config = config.session_auth(SessionAuth::Disabled);
        }
        if let Some(path) = context.setting("AWS_CA_BUNDLE", "ca_bundle") {
            config = config.extra_roots_pem(&**read_roots("AWS_CA_BUNDLE", Path::new(&path))?);
        }
        // The context has the region, the clock and the certificates from above.
        let context = config.credential_context().with_environment(environment.clone());
        Ok(config.credentials(Arc::new(Cache::new(Chain::new(&context), &context))))
    }
}

impl Context {
    /// Returns the URL of S3 that the variables or the selected profile state, by the rules of
    /// [`Config::from_env`]; `None` for AWS's own endpoint.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is neither `true` nor
    /// `false`, or if the profile names a section of services that does not exist.
    pub fn s3_endpoint_url(&self) -> Result<Option<String>> {
        let url = self.endpoint_url("AWS_ENDPOINT_URL_S3", "s3").map_err(configuration)?;
        Ok(url.map(|configured| configured.url))
    }
}

fn configuration(text: String) -> Error {
    Error::new(ErrorKind::Configuration, text)
}

fn endpoint(url: Option<&str>, region: Option<&str>, variant: Variant) -> Result<Endpoint> {
    match (url, region) {
        (Some(url), region) => Endpoint::custom(url, region, Scheme::Https).map_err(|error| {
            error.with_hint(
                "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and endpoint_url in the profile are such URLs",
            )
        }),
        (None, Some(region)) => Endpoint::aws(region, Scheme::Https, variant).map_err(|error| {
            error.with_hint("for a server other than AWS set AWS_ENDPOINT_URL_S3 as well")
        }),
        (None, None) => {
            let text = "the environment names neither a region nor an endpoint";
            Err(Error::new(ErrorKind::Configuration, text)
                .with_hint("set AWS_REGION, or AWS_ENDPOINT_URL_S3 for another server"))
        }
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

    /// Returns the endpoint that a config file and variables give, or the error.
    fn in_file(text: &str, more: &[(&str, &str)]) -> Result<(String, String)> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config");
        std::fs::write(&path, text).expect("a file");
        let path = path.to_str().expect("a path of text");
        let endpoint = config(&[&[("AWS_CONFIG_FILE", path)], more].concat())?.endpoint;
        Ok((endpoint.host(), endpoint.signing_region().to_owned()))
    }

    /// The order in which AWS's SDKs look for an endpoint.
    #[test]
    fn the_most_specific_endpoint_is_used() {
        const FILE: &str = "[profile all]\nregion = eu-west-1\nendpoint_url = http://profile.example\n\
             services = local\n[profile plain]\nregion = eu-west-2\nendpoint_url = http://plain.example\n\
             [profile ignoring]\nregion = eu-west-3\nendpoint_url = http://plain.example\n\
             ignore_configured_endpoint_urls = true\n[profile dual]\nregion = eu-west-3\n\
             use_dualstack_endpoint = true\n[profile other]\nregion = eu-west-1\nservices = other\n\
             [services local]\nsts =\n  endpoint_url = http://sts.example\n\
             s3 =\n  endpoint_url = http://service.example # here\n  max = 1\n\
             [services other]\nsts =\n  endpoint_url = http://sts.example\n";
        let specific = ("AWS_ENDPOINT_URL_S3", "http://specific.example");
        let global = ("AWS_ENDPOINT_URL", "http://global.example");
        let region = ("AWS_REGION", "us-west-2");
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
        for (profile, variables, host, signed_for) in [
            ("all", &[specific, global][..], "specific.example", "eu-west-1"),
            ("all", &[global], "global.example", "eu-west-1"),
            ("all", &[], "service.example", "eu-west-1"),
            ("all", &[region], "service.example", "us-west-2"),
            ("all", &[specific, ignore], "s3.eu-west-1.amazonaws.com", "eu-west-1"),
            ("all", &[("AWS_ENDPOINT_URL_S3", " ")], "service.example", "eu-west-1"),
            ("all", &[("AWS_ENDPOINT_URL_STS", "http://x")], "service.example", "eu-west-1"),
            ("plain", &[], "plain.example", "eu-west-2"),
            ("plain", &[specific], "specific.example", "eu-west-2"),
            ("plain", &[("AWS_DEFAULT_REGION", "here")], "plain.example", "here"),
            ("plain", &[region, ("AWS_DEFAULT_REGION", "x")], "plain.example", "us-west-2"),
            ("ignoring", &[], "s3.eu-west-3.amazonaws.com", "eu-west-3"),
            ("ignoring", &[specific], "s3.eu-west-3.amazonaws.com", "eu-west-3"),
            (
                "ignoring",
                &[specific, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")],
                "specific.example",
                "eu-west-3",
            ),
            ("dual", &[], "s3.dualstack.eu-west-3.amazonaws.com", "eu-west-3"),
            (
                "dual",
                &[("AWS_USE_DUALSTACK_ENDPOINT", "false"), ("AWS_USE_FIPS_ENDPOINT", "true")],
                "s3-fips.eu-west-3.amazonaws.com",
                "eu-west-3",
            ),
            ("other", &[], "s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ] {
            let variables = [&[("AWS_PROFILE", profile)], variables].concat();
            let found = in_file(FILE, &variables).expect("an endpoint");
            assert_eq!(found, pair(host, signed_for), "{variables:?}");
        }
        for (profile, variables, text) in [
            (
                "dual",
                &[specific][..],
                "AWS_USE_DUALSTACK_ENDPOINT cannot be used with an endpoint URL",
            ),
            ("all", &[("AWS_USE_FIPS_ENDPOINT", "true")], "AWS_USE_FIPS_ENDPOINT cannot be used"),
            ("dual", &[("AWS_USE_FIPS_ENDPOINT", "1")], "must be true or false"),
        ] {
            let variables = [&[("AWS_PROFILE", profile)], variables].concat();
            let error = in_file(FILE, &variables).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
        let error = in_file("[default]\nregion = x\nservices = gone\n", &[]).expect_err("refused");
        assert!(error.to_string().contains("[services gone], which does not exist"), "{error}");
    }

    #[test]
    fn sessions_and_certificates_are_settings_too() {
        let sessions =
            |pairs: &[(&str, &str)]| config(pairs).expect("a configuration").session_auth;
        let region = ("AWS_REGION", "eu-central-1");
        assert_eq!(sessions(&[region]), SessionAuth::Enabled);
        let disabled = ("AWS_S3_DISABLE_EXPRESS_SESSION_AUTH", "true");
        assert_eq!(sessions(&[region, disabled]), SessionAuth::Disabled);
        let point = "arn:aws:s3:us-west-2:123456789012:accesspoint/reports";
        let allows = |pairs: &[(&str, &str)]| {
            config(pairs).expect("a configuration").endpoint.locate(point).is_ok()
        };
        assert!(allows(&[region]) && allows(&[region, ("AWS_S3_USE_ARN_REGION", "true")]));
        assert!(!allows(&[region, ("AWS_S3_USE_ARN_REGION", "false")]));
        let text = "[default]\nregion = eu-west-1\nca_bundle = /nowhere.pem\n";
        let error = in_file(text, &[]).expect_err("refused");
        assert!(error.to_string().contains("AWS_CA_BUNDLE"), "{error}");
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
