//! The transport that tests send through: the client's own or, with `S3DRIVER_TEST_TRANSPORT=ureq`
//! and the feature `ureq`, an agent.

use s3driver::Result;
use s3driver::client::Config;
use s3driver::driver::{Parameters, S3Driver};

/// Whether an agent sends the requests.
///
/// # Panics
/// When the variable names anything but a transport that is built in.
pub fn is_agent() -> bool {
    match std::env::var("S3DRIVER_TEST_TRANSPORT").as_deref() {
        Err(_) | Ok("" | "own") => false,
        Ok("ureq") if cfg!(feature = "ureq") => true,
        Ok(other) => panic!("S3DRIVER_TEST_TRANSPORT: {other:?} is not built in"),
    }
}

/// Returns the configuration with the chosen transport, for a server whose certificate is
/// `authority`.
pub fn choose(config: Config, authority: Option<&[u8]>) -> Config {
    #[cfg(feature = "ureq")]
    if is_agent() {
        return config.agent(agent(authority.is_none(), None));
    }
    match authority {
        Some(pem) => config.extra_roots_pem(pem),
        None => config,
    }
}

/// Returns the configuration with the chosen transport and a proxy, for servers without TLS.
pub fn choose_proxy(config: Config, url: &str) -> Config {
    #[cfg(feature = "ureq")]
    if is_agent() {
        return config.agent(agent(true, Some(ureq::Proxy::new(url).expect("the proxy"))));
    }
    config.proxy(s3driver::client::Proxy::parse(url).expect("the proxy"))
}

/// Returns the driver for options that may name a `cacert` and a `proxy`.
pub fn driver(pairs: Vec<(&'static str, String)>) -> Result<S3Driver> {
    #[cfg(feature = "ureq")]
    if is_agent() {
        let (of_agent, pairs): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| matches!(*name, "cacert" | "proxy"));
        let value = |wanted| of_agent.iter().find(|(name, _)| *name == wanted).map(|(_, v)| v);
        let proxy = value("proxy").map(|url| ureq::Proxy::new(url).expect("the proxy"));
        let agent = agent(value("cacert").is_none(), proxy);
        return S3Driver::with_agent(&Parameters::from_pairs(pairs)?, agent);
    }
    S3Driver::new(&Parameters::from_pairs(pairs)?)
}

/// An agent with room in its pool for every thread of a test. The servers named in the environment
/// have certificates that sign themselves, which ureq refuses: they are not verified here. What an
/// agent trusts is tested in `src/transport/tests`.
#[cfg(feature = "ureq")]
fn agent(is_verified: bool, proxy: Option<ureq::Proxy>) -> ureq::Agent {
    ureq::Agent::config_builder()
        .proxy(proxy)
        .max_idle_connections(100)
        .max_idle_connections_per_host(100)
        .tls_config(ureq::tls::TlsConfig::builder().disable_verification(!is_verified).build())
        .build()
        .new_agent()
}
