//! The EC2 instance metadata service (IMDS).

use super::document::{Document, METADATA, shown};
use super::http::{Attempt, Call, Endpoint, Fault, Http, Response, Timeouts};
use super::{Context, Lease, Source, Unavailable};
use crate::observe::Warning;
use crate::sync;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The service's addresses.
const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";

const TOKEN_PATH: &str = "/latest/api/token";
const ROLES_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// The lifetime of a session token, in seconds. A token is fetched for each refresh, so any
/// lifetime would do, but some compatible services accept only this value.
const TOKEN_TTL: &str = "21600";

/// On EC2 the service responds within milliseconds; elsewhere it never responds. All requests of
/// one refresh together take so little time that a chain outside AWS ends within three seconds.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(1),
    total: Duration::from_millis(2500),
};

/// The time for all requests of one refresh once the service has issued a token and is therefore
/// known to exist. This allows for a service that is slow, or unavailable for some seconds.
const TOTAL_ONCE_FOUND: Duration = Duration::from_secs(10);

/// The number of attempts to get a session token.
const TOKEN_ATTEMPTS: u32 = 2;

/// A source that returns the keys of the role that is attached to this EC2 instance
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>).
///
/// The source uses version 2 of the service, with a session token. If it does not get a token, it
/// uses version 1, unless `AWS_EC2_METADATA_V1_DISABLED` (`ec2_metadata_v1_disabled` in the
/// profile) is `true`. It also supports `AWS_EC2_METADATA_DISABLED`,
/// `AWS_EC2_METADATA_SERVICE_ENDPOINT` (`ec2_metadata_service_endpoint`) and
/// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` (`ec2_metadata_service_endpoint_mode`), which is `IPv4`
/// or `IPv6`. Requests do not use a proxy or follow redirects.
///
/// While the service fails, the last keys are used beyond their expiry, because AWS may extend it
/// without saying so during an outage.
#[derive(Debug)]
pub struct Metadata {
    context: Context,
    http: Http,
    last: Mutex<Option<Lease>>,
}

impl Metadata {
    /// Creates a source with the settings of `context`.
    pub fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            http: Http::local(context, TIMEOUTS),
            last: Mutex::default(),
        }
    }

    fn endpoint(&self) -> Result<Endpoint, Unavailable> {
        let setting = |variable, key| self.context.setting(variable, key);
        let url = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
        let mode =
            setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
        let url = match (url, mode.map(|mode| mode.to_ascii_lowercase()).as_deref()) {
            (Some(url), _) => url,
            (None, None | Some("ipv4")) => IPV4.to_owned(),
            (None, Some("ipv6")) => IPV6.to_owned(),
            (None, Some(_)) => {
                return Err(Unavailable::failed(
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6",
                ));
            }
        };

        Endpoint::parse(&url).map_err(Unavailable::Failed)
    }
}

impl Source for Metadata {
    fn name(&self) -> &'static str {
        "EC2 metadata"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let fetched = self.fetch_new();
        let now = self.context.clock().now();
        let mut last = sync::lock(&self.last);
        match fetched {
            Ok(lease) => Ok(last.insert(lease).clone()),
            Err(Unavailable::Failed(reason)) => {
                // Until they expire, the cache keeps the keys and reports the failure.
                let expired = |lease: &Lease| lease.expires.is_some_and(|expires| expires <= now);
                let Some(lease) = last.clone().filter(expired) else {
                    return Err(Unavailable::Failed(reason));
                };
                drop(last);
                self.context.warn(&Warning::RefreshFailed { reason, expires: lease.expires });
                Ok(lease)
            }
            // The keys of a role that is no longer attached must not be used.
            Err(not_configured) => {
                *last = None;
                Err(not_configured)
            }
        }
    }
}

impl Metadata {
    /// Returns the reason why there is no service, or why it fails if it has returned keys before.
    fn absent(&self, reason: String) -> Unavailable {
        match *sync::lock(&self.last) {
            None => Unavailable::NotConfigured(reason),
            Some(_) => Unavailable::Failed(reason),
        }
    }

    fn fetch_new(&self) -> Result<Lease, Unavailable> {
        if self.context.environment().is_true("AWS_EC2_METADATA_DISABLED") {
            return Err(Unavailable::not_configured("AWS_EC2_METADATA_DISABLED is true"));
        }

        let mut session = Session {
            source: self,
            endpoint: self.endpoint()?,
            deadline: self.http.deadline(),
            protocol: Protocol::V1 { because: String::new() },
        };

        session.protocol = session.fetch_token()?;
        if let Protocol::V2(_) = session.protocol {
            session.deadline = self.context.clock().instant() + TOTAL_ONCE_FOUND;
        }

        let roles = session.get(ROLES_PATH)?;
        let Some(role) = first_role(&roles.body)? else {
            return Err(Unavailable::not_configured("no role is attached to this instance"));
        };

        let response = session.get(&format!("{ROLES_PATH}{role}"))?;
        read_keys(&response.body)
            .map_err(|reason| Unavailable::Failed(format!("the keys of role {role}: {reason}")))
    }
}

/// The state of one refresh.
struct Session<'a> {
    source: &'a Metadata,
    endpoint: Endpoint,
    deadline: Instant,
    protocol: Protocol,
}

/// The version of the service that is used.
enum Protocol {
    /// Version 2, which requires this token with each request.
    V2(Zeroizing<String>),
    /// Version 1, with the reason why there is no token for version 2.
    V1 { because: String },
}

impl Session<'_> {
    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, Fault> {
        let target = &self.endpoint.join(target);
        let call = Call { endpoint: &self.endpoint, method, target, headers, body: &[] };
        self.source.http.send(&call, self.deadline)
    }

    fn fetch_token(&self) -> Result<Protocol, Unavailable> {
        let mut remaining = TOKEN_ATTEMPTS;
        let reason = loop {
            remaining -= 1;
            let sent = self.send(
                "PUT",
                TOKEN_PATH,
                &[("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL)],
            );
            match sent {
                Ok(Response { status: 200, body, .. }) => match token_text(&body) {
                    Some(token) => return Ok(Protocol::V2(token)),
                    None => {
                        break "the service responded to the token request with something else"
                            .to_owned();
                    }
                },
                Ok(Response { status: 400, .. }) => {
                    return Err(Unavailable::Failed(format!(
                        "{} rejected the token request as malformed (400)",
                        self.endpoint
                    )));
                }
                Ok(Response { status: 500.., .. }) | Err(Fault::Broken(_)) if remaining > 0 => {}
                Ok(Response { status, .. }) => {
                    break format!("the service responded to the token request with {status}");
                }
                // Packets of the response that cross more hops than allowed are dropped. There is
                // no error, only silence.
                Err(Fault::Silent) => {
                    break "no token arrived within 1 s (in a container, raise the instance's \
                           metadata hop limit to 2)"
                        .to_owned();
                }
                Err(Fault::Unreachable(_)) if remaining > 0 => {}
                Err(Fault::Unreachable(reason)) => {
                    let reason = format!("{} does not respond: {reason}", self.endpoint);
                    return Err(self.source.absent(reason));
                }
                Err(Fault::Broken(reason) | Fault::Final(reason)) => {
                    break format!("the token request failed: {reason}");
                }
            }
        };

        let disabled =
            self.source.context.setting("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(Unavailable::Failed(format!("{reason}, and version 1 is disabled")));
        }

        Ok(Protocol::V1 { because: reason })
    }

    /// Fetches a document, with a new token if the current one is refused.
    fn get(&mut self, path: &str) -> Result<Response, Unavailable> {
        let http = &self.source.http;
        let mut renewed = false;
        http.with_retries(self.deadline, || {
            loop {
                let sent = match &self.protocol {
                    Protocol::V2(token) => {
                        self.send("GET", path, &[("x-aws-ec2-metadata-token", token)])
                    }
                    Protocol::V1 { .. } => self.send("GET", path, &[]),
                };
                match (sent, &self.protocol) {
                    (Ok(response @ Response { status: 200, .. }), _) => return Ok(response),
                    (Ok(Response { status: 401, .. }), Protocol::V2(_)) if !renewed => {
                        renewed = true;
                        self.protocol = self.fetch_token().map_err(Attempt::Stop)?;
                    }
                    (outcome, _) => return Err(self.refused(outcome)),
                }
            }
        })
    }

    /// Describes any outcome other than status 200.
    fn refused(&self, outcome: Result<Response, Fault>) -> Attempt<Unavailable> {
        let because = match &self.protocol {
            Protocol::V1 { because } => format!("; version 1 was tried because {because}"),
            Protocol::V2(_) => String::new(),
        };

        let at = |text: &str| format!("{} {text}{because}", self.endpoint);
        let elsewhere = |text| Attempt::Stop(Unavailable::NotConfigured(at(text)));
        let attempt = match (outcome, &self.protocol) {
            (Ok(Response { status: 404, .. }), _) => {
                return elsewhere("has no role for this instance (404)");
            }
            (Ok(Response { status: 403, .. }), _) => {
                return elsewhere("refuses access to metadata (403)");
            }
            // Neither the token request nor this one received a response, so the server that
            // accepts connections there is not EC2.
            (Err(Fault::Silent), Protocol::V1 { .. }) => {
                return Attempt::Stop(self.source.absent(at("does not respond")));
            }
            (Ok(response), _) => response.attempt(response.summary("", "")),
            (Err(fault), _) => fault.attempt(),
        };

        attempt.map(|text| Unavailable::Failed(at(&text)))
    }
}

/// Returns the token in a response, or `None` if the response is empty or a web page.
fn token_text(body: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(body.trim_ascii()).ok()?;
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'<'))
        .then(|| Zeroizing::new(text.to_owned()))
}

/// Returns the first line of the list of roles, which has at most one. IAM names consist of
/// `[A-Za-z0-9_+=,.@-]`.
fn first_role(body: &[u8]) -> Result<Option<&str>, Unavailable> {
    let named = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    let strange = || Unavailable::failed("the service returned an invalid list of roles");
    let text = std::str::from_utf8(body).map_err(|_| strange())?;
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(role) if !role.bytes().all(named) => Err(strange()),
        role => Ok(role),
    }
}

fn read_keys(body: &[u8]) -> Result<Lease, String> {
    let mut document = Document::parse(body)?;
    match document.text("Code") {
        None | Some("Success") => document.lease(&METADATA),
        Some(code) => {
            let message = document.text("Message").map(|message| format!(": {}", shown(message)));
            Err(format!("{}{}", shown(code), message.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    #[test]
    fn the_endpoint_depends_on_the_mode_unless_it_is_given() {
        const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
        let given = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://[::1]:1338");
        for (variables, expected) in [
            (vec![], "http://169.254.169.254"),
            (vec![(MODE, "IPv4")], "http://169.254.169.254"),
            (vec![(MODE, "IPv6")], "http://[fd00:ec2::254]"),
            (vec![(MODE, "ipv6"), given], "http://[::1]:1338"),
        ] {
            let context = Context::default().with_environment(Environment::from_pairs(variables));
            assert_eq!(Metadata::new(&context).endpoint().unwrap().to_string(), expected);
        }
    }
}
