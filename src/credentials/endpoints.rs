//! Which endpoint the environment selects for a service of AWS.

use super::Context;
use super::endpoint_choice::{DUAL_STACK, EndpointChoice, FIPS};
use super::http::Endpoint;
use crate::net::aws::{Partition, is_region_name};
use crate::text::{Form, may_be_secret, shown_value};

/// The region of AWS's global endpoints.
pub(super) const DEFAULT_REGION: &str = "us-east-1";

/// The Security Token Service.
pub(super) const STS: Service =
    Service { label: "sts", variable: "AWS_ENDPOINT_URL_STS", section: "sts" };

/// The portal of IAM Identity Center, which issues the keys of a login.
pub(super) const SSO: Service =
    Service { label: "portal.sso", variable: "AWS_ENDPOINT_URL_SSO", section: "sso" };

/// The URL that replaces the endpoint of a service.
pub(crate) struct ConfiguredUrl {
    pub(crate) url: String,
    /// The variable, or the setting in a file, that contains it.
    pub(crate) origin: String,
}

/// A service that issues keys.
pub(super) struct Service {
    /// The beginning of its host names.
    label: &'static str,
    /// The environment variable that names the endpoint of this service alone.
    variable: &'static str,
    /// Its name in a section of services.
    section: &'static str,
}

impl Service {
    /// Returns the endpoint in this region. Without a region it is the global one, or that of
    /// [`DEFAULT_REGION`] if a variant is required.
    ///
    /// # Errors
    /// The reason, if the URL or the name of the region cannot be used.
    pub(super) fn endpoint(
        &self,
        context: &Context,
        region: Option<&str>,
    ) -> Result<Endpoint, String> {
        let url = context.endpoint_url(self.variable, self.section)?;
        context.endpoint_choice()?.check(url.as_ref().map(|url| &*url.url))?;
        match url {
            Some(ConfiguredUrl { url, origin }) if url.contains('?') => {
                Err(format!("the URL of {origin} has a query: remove it"))
            }
            // A secret that was passed by mistake would be looked up as a name.
            Some(ConfiguredUrl { url, .. }) if url.contains("://") || may_be_secret(&url) => {
                Endpoint::parse(&url)
            }
            Some(ConfiguredUrl { url: host, .. }) => Endpoint::parse(&format!("https://{host}")),
            None => {
                let choice = context.endpoint_choice_or(context.default_choice())?;
                Endpoint::parse(&format!("https://{}", self.host(region, choice)?))
            }
        }
    }

    /// Returns the host at AWS, by the rules of AWS's SDKs.
    fn host(&self, region: Option<&str>, choice: EndpointChoice) -> Result<String, String> {
        let EndpointChoice { fips, dual_stack } = choice;
        let default = (fips || dual_stack).then_some(DEFAULT_REGION);
        let Some(region) = region.or(default) else {
            return Ok(format!("{}.{}", self.label, Partition::Aws.dns_suffix()));
        };
        if !is_region_name(region) {
            return Err(not_a_region(region));
        }

        let partition = Partition::of_region(region);
        let suffix =
            if dual_stack { partition.dual_stack_suffix() } else { partition.dns_suffix() };
        // In GovCloud, the endpoints without a suffix are the validated ones.
        let is_marked = fips && (dual_stack || partition != Partition::GovCloud);
        let marked = if is_marked { "-fips" } else { "" };
        Ok(format!("{}{marked}.{region}.{suffix}", self.label))
    }
}

/// Describes text that is not the name of a region.
pub(super) fn not_a_region(text: &str) -> String {
    format!("`{}` is not the name of a region", shown_value(text, Form::Region))
}

impl Context {
    /// Returns the URL that replaces the endpoint of a service, in the order of AWS's SDKs: the
    /// service's own variable, `AWS_ENDPOINT_URL`, the section of services, the profile
    /// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
    ///
    /// # Errors
    /// The reason, if a switch is neither `true` nor `false`, or if the profile names a section
    /// that does not exist.
    pub(crate) fn endpoint_url(
        &self,
        variable: &str,
        section: &str,
    ) -> Result<Option<ConfiguredUrl>, String> {
        const ALL: &str = "AWS_ENDPOINT_URL";
        const KEY: &str = "endpoint_url";
        let of = |url, origin: &str| ConfiguredUrl { url, origin: origin.to_owned() };
        let ignored =
            self.switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")?;
        if ignored == Some(true) {
            return Ok(None);
        }
        let from_variable = |variable: &&str| Some(of(self.environment().get(variable)?, variable));
        if let Some(url) = [variable, ALL].iter().find_map(from_variable) {
            return Ok(Some(url));
        }
        if let Some(url) = self.service_setting(section, KEY)? {
            return Ok(Some(of(url, &format!("{KEY} of {section} in the section of services"))));
        }
        Ok(self.setting(ALL, KEY).map(|url| of(url, "endpoint_url in the profile")))
    }

    /// Returns which of AWS's endpoints the variables or the profile choose.
    ///
    /// # Errors
    /// The reason, if a switch is neither `true` nor `false`.
    pub(crate) fn endpoint_choice(&self) -> Result<EndpointChoice, String> {
        self.endpoint_choice_or(EndpointChoice::default())
    }

    /// Like [`Context::endpoint_choice`], with the choice that applies where neither a variable nor
    /// the profile states one.
    fn endpoint_choice_or(&self, default: EndpointChoice) -> Result<EndpointChoice, String> {
        let EndpointChoice { fips, dual_stack } = default;
        Ok(EndpointChoice {
            fips: self.switch(FIPS, "use_fips_endpoint")?.unwrap_or(fips),
            dual_stack: self.switch(DUAL_STACK, "use_dualstack_endpoint")?.unwrap_or(dual_stack),
        })
    }

    /// Reads a switch. A word other than `true` and `false` is an error: a switch that was meant to
    /// be on would be off.
    pub(crate) fn switch(&self, variable: &str, key: &str) -> Result<Option<bool>, String> {
        match self.setting(variable, key) {
            None => Ok(None),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(word) => Err(format!(
                "{variable} ({key} in the profile) must be true or false: {} is not valid",
                shown_value(&word, Form::Word)
            )),
        }
    }

    /// Returns a setting of one service in the section `[services NAME]` that the selected profile
    /// names.
    fn service_setting(&self, service: &str, key: &str) -> Result<Option<String>, String> {
        let Ok(files) = self.shared_files() else { return Ok(None) };
        let profile = self.profile_name();
        let Some(name) = files.profile(&profile).and_then(|profile| profile.get("services")) else {
            return Ok(None);
        };
        match files.services(name) {
            Some(services) => Ok(services.nested(service, key).map(str::to_owned)),
            None => Err(format!(
                "the profile {} names the section [services {}], which does not exist",
                shown_value(&profile, Form::Profile),
                shown_value(name, Form::Profile)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    const NO_FILES: [(&str, &str); 2] =
        [("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")];

    fn endpoint(
        service: &Service,
        region: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<String, String> {
        let environment = Environment::from_pairs(NO_FILES.iter().chain(variables).copied());
        let context = Context::default().with_environment(environment);
        service.endpoint(&context, region).map(|endpoint| endpoint.to_string())
    }

    const FIPS_ON: (&str, &str) = (FIPS, "true");
    const DUAL_ON: (&str, &str) = (DUAL_STACK, "true");

    #[test]
    fn aws_has_an_endpoint_in_each_region_and_variant() {
        for (service, region, variables, host) in [
            (STS, None, &[][..], "sts.amazonaws.com"),
            (STS, None, &[FIPS_ON], "sts-fips.us-east-1.amazonaws.com"),
            (STS, None, &[DUAL_ON], "sts.us-east-1.api.aws"),
            (STS, Some("eu-central-1"), &[], "sts.eu-central-1.amazonaws.com"),
            (STS, Some("us-west-2"), &[FIPS_ON], "sts-fips.us-west-2.amazonaws.com"),
            (STS, Some("us-west-2"), &[DUAL_ON], "sts.us-west-2.api.aws"),
            (STS, Some("us-west-2"), &[FIPS_ON, DUAL_ON], "sts-fips.us-west-2.api.aws"),
            (STS, Some("us-gov-west-1"), &[FIPS_ON], "sts.us-gov-west-1.amazonaws.com"),
            (STS, Some("us-gov-west-1"), &[FIPS_ON, DUAL_ON], "sts-fips.us-gov-west-1.api.aws"),
            (STS, Some("cn-north-1"), &[], "sts.cn-north-1.amazonaws.com.cn"),
            (STS, Some("cn-north-1"), &[DUAL_ON], "sts.cn-north-1.api.amazonwebservices.com.cn"),
            (STS, Some("us-iso-east-1"), &[], "sts.us-iso-east-1.c2s.ic.gov"),
            (STS, Some("us-isob-east-1"), &[], "sts.us-isob-east-1.sc2s.sgov.gov"),
            (STS, Some("eusc-de-east-1"), &[], "sts.eusc-de-east-1.amazonaws.eu"),
            (SSO, Some("eu-west-1"), &[], "portal.sso.eu-west-1.amazonaws.com"),
            (SSO, Some("us-east-2"), &[FIPS_ON], "portal.sso-fips.us-east-2.amazonaws.com"),
            (SSO, Some("us-gov-east-1"), &[FIPS_ON], "portal.sso.us-gov-east-1.amazonaws.com"),
            (SSO, Some("eu-west-1"), &[DUAL_ON], "portal.sso.eu-west-1.api.aws"),
        ] {
            let found = endpoint(&service, region, variables);
            assert_eq!(found, Ok(format!("https://{host}")), "{region:?} {variables:?}");
        }
        for region in ["", "example.com/", "EU"] {
            let reason = endpoint(&STS, Some(region), &[]).expect_err(region);
            assert!(reason.contains("is not the name of a region"), "{reason}");
        }
    }

    #[test]
    fn the_choice_of_the_client_applies_unless_a_variable_states_another() {
        let (off, dual_off) = ((FIPS, "false"), (DUAL_STACK, "false"));
        let url = ("AWS_ENDPOINT_URL", "https://aws.example");
        for (fips, dual_stack, variables, host) in [
            (true, false, &[][..], "sts-fips.us-west-2.amazonaws.com"),
            (false, true, &[], "sts.us-west-2.api.aws"),
            (true, true, &[], "sts-fips.us-west-2.api.aws"),
            (true, false, &[DUAL_ON], "sts-fips.us-west-2.api.aws"),
            (false, true, &[FIPS_ON, dual_off], "sts-fips.us-west-2.amazonaws.com"),
            (true, true, &[off], "sts.us-west-2.api.aws"),
            // The URL is of all services, and the choice was made for S3.
            (true, true, &[url], "aws.example"),
        ] {
            let environment = Environment::from_pairs(NO_FILES.iter().chain(variables).copied());
            let context = Context::default()
                .with_environment(environment)
                .with_default_choice(EndpointChoice { fips, dual_stack });
            let found = STS.endpoint(&context, Some("us-west-2")).map(|found| found.to_string());
            assert_eq!(found, Ok(format!("https://{host}")), "{fips} {dual_stack} {variables:?}");
        }
    }

    #[test]
    fn the_error_of_a_url_names_the_setting_in_a_file() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("config");
        for (settings, origin) in [
            ("endpoint_url = https://a/?b", "endpoint_url in the profile"),
            (
                "services = own\n[services own]\nsts =\n  endpoint_url = https://a/?b",
                "endpoint_url of sts in the section of services",
            ),
        ] {
            std::fs::write(&file, format!("[default]\n{settings}\n")).expect("written");
            let path = file.to_str().expect("UTF-8");
            let reason = endpoint(&STS, None, &[("AWS_CONFIG_FILE", path)]).expect_err(origin);
            assert_eq!(reason, format!("the URL of {origin} has a query: remove it"));
        }
    }

    #[test]
    fn a_url_replaces_the_endpoint_of_aws() {
        let own = ("AWS_ENDPOINT_URL_STS", "https://sts.example:8443");
        let general = ("AWS_ENDPOINT_URL", "aws.example");
        for (service, variables, expected) in [
            (STS, &[own, general][..], "https://sts.example:8443"),
            (SSO, &[own, general], "https://aws.example"),
            (STS, &[("AWS_ENDPOINT_URL_S3", "http://s3.example")], "https://sts.amazonaws.com"),
            (
                STS,
                &[own, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")],
                "https://sts.amazonaws.com",
            ),
        ] {
            let found = endpoint(&service, None, variables);
            assert_eq!(found.as_deref(), Ok(expected), "{variables:?}");
        }
        for (variables, text) in [
            (&[own, FIPS_ON][..], "AWS_USE_FIPS_ENDPOINT cannot be used with an endpoint URL"),
            (&[general, DUAL_ON], "AWS_USE_DUALSTACK_ENDPOINT cannot be used"),
            (&[(FIPS, "yes")], "must be true or false"),
            (
                &[("AWS_ENDPOINT_URL_STS", "https://sts.example/?a")],
                "the URL of AWS_ENDPOINT_URL_STS has a query",
            ),
            (
                &[("AWS_ENDPOINT_URL", "https://aws.example/?a")],
                "the URL of AWS_ENDPOINT_URL has a query",
            ),
            (&[("AWS_ENDPOINT_URL_STS", "ftp://sts.example")], "not a usable URL"),
        ] {
            let reason = endpoint(&STS, None, variables).expect_err(text);
            assert!(reason.contains(text), "{reason}");
        }
    }
}
