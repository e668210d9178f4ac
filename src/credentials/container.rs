//! The local credential endpoint of ECS, EKS Pod Identity and services with the same protocol.

use super::document::{CONTAINER, Document};
use super::http::{Call, Endpoint, Http, Timeouts};
use super::{Context, Lease, Source, Unavailable, secret_file};
use crate::net::host::Scheme;
use crate::text::{Form, shown_value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// The base of `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
const ECS: &str = "http://169.254.170.2";

/// The endpoint is on this machine, so a connection is established quickly or never. The agent
/// itself may have to send a request to AWS.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(2),
    attempt: Duration::from_secs(5),
    total: Duration::from_secs(12),
};

/// The lifetime of keys without an expiration. The endpoint may have other keys afterwards, and a
/// request every few minutes is not a burden for it.
const LIFETIME_WITHOUT_EXPIRATION: Duration = Duration::from_secs(15 * 60);

/// The longest authorization token; that of EKS is a JWT of about 1 KiB.
const TOKEN_LIMIT: usize = 32 * 1024;

/// A source that requests keys from the endpoint in `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or, if
/// that is not set, in `AWS_CONTAINER_CREDENTIALS_FULL_URI`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>).
///
/// A full URI is either an `https` URL, or an `http` URL of this machine (`localhost` or a loopback
/// address), of ECS (169.254.170.2) or of EKS (169.254.170.23, fd00:ec2::23). The authorization
/// token is read from `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` at every refresh, because EKS
/// replaces the file, or taken from `AWS_CONTAINER_AUTHORIZATION_TOKEN`. Requests do not use a
/// proxy or follow redirects.
///
/// The response may lack a session token and an expiration, or contain empty ones. Keys without an
/// expiration count as valid for 15 minutes, and are requested again before that time is over.
#[derive(Debug)]
pub struct Container {
    context: Context,
    http: Http,
}

impl Container {
    /// Creates a source that reads the variables of `context`.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), http: Http::local(context, TIMEOUTS) }
    }

    fn endpoint(&self) -> Result<Endpoint, Unavailable> {
        let environment = self.context.environment();
        if let Some(path) = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            if !path.starts_with('/') {
                return Err(Unavailable::failed(
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with `/`",
                ));
            }
            return Endpoint::parse(&format!("{ECS}{path}")).map_err(Unavailable::Failed);
        }

        let Some(url) = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
            return Err(Unavailable::not_configured(
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI \
                 are not set",
            ));
        };

        let endpoint = Endpoint::parse(&url).map_err(|reason| {
            Unavailable::Failed(format!("AWS_CONTAINER_CREDENTIALS_FULL_URI: {reason}"))
        })?;

        if endpoint.origin.scheme == Scheme::Http && !is_local(&endpoint.origin.host) {
            return Err(Unavailable::Failed(format!(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI names {} over http, which is allowed only for \
                 this machine and the addresses of ECS and EKS: use https",
                shown_value(&endpoint.origin.host, Form::Url)
            )));
        }

        Ok(endpoint)
    }

    fn authorization(&self) -> Result<Option<Zeroizing<String>>, Unavailable> {
        let environment = self.context.environment();
        let token = match environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(path) => Some(secret_file::read_token(Path::new(&path), TOKEN_LIMIT)?),
            None => environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        match token {
            // A control character in a header value could add a second header.
            Some(token) if token.bytes().any(|b| b.is_ascii_control()) => Err(Unavailable::failed(
                "the authorization token contains control characters, such as a line break",
            )),
            token => Ok(token),
        }
    }
}

impl Source for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let endpoint = self.endpoint()?;
        let authorization = self.authorization()?;
        let mut headers = vec![("accept", "application/json")];
        headers.extend(authorization.as_deref().map(|token| ("authorization", token.as_str())));
        let target = &endpoint.target;
        let call =
            Call { endpoint: &endpoint, method: "GET", target, headers: &headers, body: &[] };
        let read = |body: &[u8]| Document::parse(body)?.lease(&CONTAINER);
        let lease =
            self.http.fetch(&call, read, |response| response.attempt(response.json_summary()))?;
        let assumed_end = || self.context.clock().now().checked_add(LIFETIME_WITHOUT_EXPIRATION);
        Ok(Lease { expires: lease.expires.or_else(assumed_end), ..lease })
    }
}

/// Reports whether a plain http request to `host` stays on this machine or on the link to its
/// container agent. Names other than `localhost` are not looked up, because the address to which a
/// name resolves may change between the check and the request.
fn is_local(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback()
                || ip == Ipv4Addr::new(169, 254, 170, 2)
                || ip == Ipv4Addr::new(169, 254, 170, 23)
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)
        }
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    fn endpoint(variables: &[(&str, &str)]) -> Result<String, Unavailable> {
        let environment = Environment::from_pairs(variables.iter().copied());
        let endpoint =
            Container::new(&Context::default().with_environment(environment)).endpoint()?;
        Ok(format!("{endpoint}{}", endpoint.target))
    }

    #[test]
    fn the_relative_uri_is_relative_to_ecs_and_comes_first() {
        let relative = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1?x=2");
        let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://example.com/keys");
        assert_eq!(endpoint(&[relative]).unwrap(), "http://169.254.170.2/v2/credentials/1?x=2");
        assert_eq!(
            endpoint(&[relative, full]).unwrap(),
            "http://169.254.170.2/v2/credentials/1?x=2"
        );
        assert_eq!(endpoint(&[full]).unwrap(), "https://example.com/keys");
        assert!(matches!(endpoint(&[]), Err(Unavailable::NotConfigured(_))));
        // Text that does not begin with a slash would change the host.
        let evil = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.com/");
        assert!(matches!(endpoint(&[evil]), Err(Unavailable::Failed(_))));
    }

    #[test]
    fn plain_http_is_for_local_hosts() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "169.254.170.2",
            "169.254.170.23",
            "fd00:ec2::23",
        ] {
            assert!(is_local(host), "{host}");
        }

        for host in [
            "localhost.example.com",
            "169.254.170.3",
            "10.0.0.1",
            "fd00:ec2::254",
            "example.com",
            "0x7f.1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
