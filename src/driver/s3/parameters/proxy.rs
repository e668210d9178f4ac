//! The option `proxy`.
use crate::client::{Config, Proxy};
use crate::credentials::Environment;
use crate::error::Result;

/// The word that stands for the environment's variables.
const ENVIRONMENT: &str = "environment";

/// The source of the proxy through which requests are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxySource {
    /// Requests are sent directly.
    Direct,
    /// Requests are sent through this proxy.
    Given(Proxy),
    /// The environment's variables decide, for each server: see [`Config::proxy_from_env`]. They
    /// are read when the driver is created.
    Environment,
}

impl ProxySource {
    pub(super) fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Direct),
            Some(word) if word.eq_ignore_ascii_case(ENVIRONMENT) => Ok(Self::Environment),
            Some(url) => Proxy::parse(url).map(Self::Given),
        }
    }

    pub(crate) fn apply_to(&self, config: Config, environment: &Environment) -> Result<Config> {
        match self {
            Self::Direct => Ok(config),
            Self::Given(proxy) => Ok(config.proxy(proxy.clone())),
            Self::Environment => config.proxy_from_env(environment),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::client::{Client, Endpoint};
    use crate::error::ErrorKind;

    fn apply(option: Option<&str>, pairs: &[(&str, &str)]) -> Result<Option<String>> {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let config = Config::new(Endpoint::region("eu-central-1").unwrap());
        let client = Client::new(ProxySource::parse(option)?.apply_to(config, &environment)?)?;
        let located = client.endpoint().locate("registry")?;
        Ok(client.proxy_of(&located).map(ToString::to_string))
    }

    #[test]
    fn the_environment_is_read_only_when_the_option_says_so() {
        const VARIABLES: &[(&str, &str)] = &[("HTTPS_PROXY", "http://user:pass@one:1")];
        let excepted = [VARIABLES[0], ("no_proxy", ".amazonaws.com")];
        assert_eq!(apply(None, VARIABLES).unwrap(), None);
        let given = apply(Some("http://two:2"), VARIABLES).unwrap();
        assert_eq!(given.as_deref(), Some("http://two:2"));
        let found = apply(Some("environment"), VARIABLES).unwrap();
        assert_eq!(found.as_deref(), Some("http://one:1"));
        assert_eq!(apply(Some("environment"), &excepted).unwrap(), None);
        assert_eq!(apply(Some("environment"), &[]).unwrap(), None);
        let refused = apply(Some("environment"), &[("HTTPS_PROXY", "socks5://one:1")]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Configuration);
        assert!(refused.to_string().contains("the variable HTTPS_PROXY"), "{refused}");
    }
}
