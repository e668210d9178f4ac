//! Roles that are assumed at AWS's Security Token Service (STS).

use super::document::keys;
use super::endpoints::{DEFAULT_REGION, STS, not_a_region};
use super::http::{Attempt, Call, Endpoint, Http};
use super::secret_file::{read_token, shown_path};
use super::{Context, Credentials, Lease, Source, Unavailable};
use crate::clock::is_skewed;
use crate::sign::{self, encode_component, v4};
use crate::text::{Form, Secrets, may_be_secret, shown_value};
use crate::time::Timestamp;
use crate::xml;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest web identity token that STS accepts
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>).
const TOKEN_LIMIT: usize = 20_000;

/// The error codes after which the same request may succeed later, regardless of the status.
/// `IDPCommunicationError` has status 400: STS could not reach the identity provider.
/// `InvalidIdentityToken` has status 400 too, and STS also returns it when it could not fetch the
/// provider's keys ("Couldn't retrieve verification key"): AWS's SDKs repeat such requests.
const RETRYABLE_CODES: [&str; 5] = [
    "IDPCommunicationError",
    "InvalidIdentityToken",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
];

pub(super) const VERSION: &str = "2011-06-15";
/// The last field of the form, which contains the token.
const TOKEN_FIELD: &str = "&WebIdentityToken=";
const FORM_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A role to assume, with the parameters of its session
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Role {
    /// The ARN of the role, such as `arn:aws:iam::123456789012:role/registry`.
    pub arn: String,
    /// The name of the session in AWS's logs. With `None`, a random name is used.
    pub session_name: Option<String>,
    /// The external id that the role's owner requires of third parties. It is not sent with a web
    /// identity.
    pub external_id: Option<String>,
    /// The lifetime of the keys, from 15 minutes to the maximum of the role. With `None`, it is one
    /// hour.
    pub duration: Option<Duration>,
}

impl Role {
    /// Creates a role with default parameters.
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into(), session_name: None, external_id: None, duration: None }
    }
}

/// Omits the external id, which is agreed upon like a password.
impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arn, session_name, duration, .. } = self;
        let arn = shown_value(arn, Form::Arn).to_string();
        f.debug_struct("Role")
            .field("arn", &arn)
            .field("session_name", session_name)
            .field("duration", duration)
            .finish_non_exhaustive()
    }
}

/// Keys of a role that is assumed with the token of an identity provider, such as that of EKS
/// (IRSA). The default settings are `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN` and
/// `AWS_ROLE_SESSION_NAME`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>). The
/// file is read for every request to STS.
///
/// STS is called at the URL of `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL` or the profile
/// ([AWS](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)), if there is
/// one. Otherwise the endpoint is that of the region in `AWS_REGION`, `AWS_DEFAULT_REGION`, the
/// profile or the context, or the global endpoint if there is no region; `AWS_USE_FIPS_ENDPOINT`
/// and `AWS_USE_DUALSTACK_ENDPOINT`, the profile, or else the client's own endpoint select its
/// variant.
pub struct WebIdentity {
    context: Context,
    sts: Sts,
    given: Option<(Role, PathBuf)>,
}

impl WebIdentity {
    /// Creates a source that reads the variables of `context`.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), sts: Sts::new(context), given: None }
    }

    /// Creates a source that assumes `role` with the token in `token_file`.
    pub fn with_role(context: &Context, role: Role, token_file: impl Into<PathBuf>) -> Self {
        Self { given: Some((role, token_file.into())), ..Self::new(context) }
    }

    fn configured(&self) -> Result<(Role, PathBuf), Unavailable> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }

        let environment = self.context.environment();
        // A role without a token file is not a web identity: the variable may name the role for
        // other tools.
        let Some(file) = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") else {
            return Err(Unavailable::not_configured("AWS_WEB_IDENTITY_TOKEN_FILE is not set"));
        };

        let Some(arn) = environment.get("AWS_ROLE_ARN") else {
            return Err(Unavailable::failed(
                "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not",
            ));
        };

        Ok((
            Role { session_name: environment.get("AWS_ROLE_SESSION_NAME"), ..Role::new(arn) },
            PathBuf::from(file),
        ))
    }
}

impl Source for WebIdentity {
    fn name(&self) -> &'static str {
        "web identity"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let (role, file) = self.configured()?;
        let deadline = self.sts.http.deadline();
        let read = || read_token(&file, TOKEN_LIMIT).map_err(Attempt::Stop);
        let request = |token: &str| {
            let form = self.sts.form("AssumeRoleWithWebIdentity", &role, Some(token));
            self.sts.request_once(&form, None, read_keys, deadline, &mut None)
        };

        let reason = |refused: Attempt<Refused>| refused.map(|refused| refused.for_role(&role));
        // The file may be replaced at any time, so each attempt reads it again.
        self.sts.http.with_retries(deadline, || {
            let token = read()?;
            let refused = match request(&token) {
                Err(Attempt::Stop(Refused::Expired(reason))) => reason,
                outcome => return outcome.map_err(reason),
            };

            // The file may have been replaced after it was read.
            let newer = read()?;
            if newer == token {
                let text = format!("{refused}; {} still contains that token", shown_path(&file));
                return Err(reason(Attempt::Stop(Refused::Expired(text))));
            }

            request(&newer).map_err(reason)
        })
    }
}

/// Omits the path, which may be a token that was passed in place of a path.
impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.given.as_ref().map(|(role, _)| role);
        f.debug_struct("WebIdentity")
            .field("context", &self.context)
            .field("role", &role)
            .finish_non_exhaustive()
    }
}

/// Keys of a role that is assumed with the keys of another source. The endpoint of STS is chosen as
/// for [`WebIdentity`].
#[derive(Debug)]
pub struct AssumeRole {
    sts: Sts,
    base: Box<dyn Source>,
    role: Role,
}

impl AssumeRole {
    /// Creates a source that assumes `role` with the keys of `base`, which is called at each
    /// refresh.
    pub fn new(context: &Context, base: Box<dyn Source>, role: Role) -> Self {
        Self { sts: Sts::new(context), base, role }
    }
}

impl Source for AssumeRole {
    fn name(&self) -> &'static str {
        "assume role"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let base = self.base.fetch().map_err(|reason| match reason {
            Unavailable::NotConfigured(reason) => {
                Unavailable::NotConfigured(format!("{}: {reason}", self.base.name()))
            }
            Unavailable::Failed(reason) => {
                Unavailable::Failed(format!("{}: {reason}", self.base.name()))
            }
        })?;

        let Some(keys) = &base.credentials else {
            return Err(Unavailable::failed("a role cannot be assumed anonymously"));
        };

        let form = self.sts.form("AssumeRole", &self.role, None);
        self.sts.request_keys(&form, Some(keys)).map_err(|refused| refused.for_role(&self.role))
    }
}

/// The reason why STS did not do what was requested.
pub(super) enum Refused {
    /// The web identity token has expired.
    Expired(String),
    Other(String),
}

impl Refused {
    fn for_role(self, role: &Role) -> Unavailable {
        let (Self::Expired(reason) | Self::Other(reason)) = self;
        Unavailable::Failed(format!("assuming {}: {reason}", shown_value(&role.arn, Form::Arn)))
    }
}

/// The client of STS.
#[derive(Debug)]
pub(super) struct Sts {
    context: Context,
    http: Http,
}

impl Sts {
    pub(super) fn new(context: &Context) -> Self {
        Self { context: context.clone(), http: Http::remote(context) }
    }

    /// Returns the body of a request.
    fn form(&self, action: &str, role: &Role, token: Option<&str>) -> Zeroizing<String> {
        let random_name = || format!("s3driver-{:016x}", self.context.clock().random());
        let session_name = role.session_name.clone().unwrap_or_else(random_name);
        let duration = role.duration.map(|duration| duration.as_secs().to_string());
        let pairs = [
            ("Action", Some(action)),
            ("Version", Some(VERSION)),
            ("RoleArn", Some(&role.arn)),
            ("RoleSessionName", Some(&session_name)),
            ("DurationSeconds", duration.as_deref()),
            ("ExternalId", role.external_id.as_deref().filter(|_| token.is_none())),
        ];
        let pairs = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode_component(value?))));
        let mut form = pairs.collect::<Vec<_>>().join("&");
        match token {
            None => Zeroizing::new(form),
            Some(token) => {
                let token = Zeroizing::new(encode_component(token));
                // One allocation of the right size, so that no part of the token remains in a
                // smaller one.
                form.reserve_exact(TOKEN_FIELD.len() + token.len());
                form.push_str(TOKEN_FIELD);
                form.push_str(&token);
                Zeroizing::new(form)
            }
        }
    }

    /// Sends the form, signed if there are keys, and returns the keys in the response.
    fn request_keys(&self, form: &str, keys: Option<&Credentials>) -> Result<Lease, Refused> {
        self.request(form, keys, read_keys)
    }

    /// Sends the form, signed if there are keys, and returns what `read` finds in the response.
    pub(super) fn request<T>(
        &self,
        form: &str,
        keys: Option<&Credentials>,
        read: fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, Refused> {
        let deadline = self.http.deadline();
        let mut ahead = None;
        self.http
            .with_retries(deadline, || self.request_once(form, keys, read, deadline, &mut ahead))
    }

    /// Makes one attempt of [`Sts::request`]. `ahead` are the seconds by which the clock of STS is
    /// ahead, once a refusal has shown that.
    fn request_once<T>(
        &self,
        form: &str,
        keys: Option<&Credentials>,
        read: fn(&[u8]) -> Result<T, String>,
        deadline: Instant,
        ahead: &mut Option<i64>,
    ) -> Result<T, Attempt<Refused>> {
        let (endpoint, region) =
            self.endpoint().map_err(|reason| Attempt::Stop(Refused::Other(reason)))?;
        let now = Timestamp::from(self.context.clock().now());
        let time = Timestamp::from_unix(now.unix().saturating_add(ahead.unwrap_or(0)));
        let signed = match keys {
            None => Vec::new(),
            Some(keys) => signature(&endpoint, &region, form, keys, time).map_err(|error| {
                let reason = format!("the request cannot be signed: {error}");
                Attempt::Stop(Refused::Other(
                    secrets_of(form, Some(keys)).redact(&reason).into_owned(),
                ))
            })?,
        };

        let signed = signed.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<_> = [FORM_TYPE].into_iter().chain(signed).collect();
        let (target, body) = (&endpoint.target, form.as_bytes());
        let call = Call { endpoint: &endpoint, method: "POST", target, headers: &headers, body };
        let mut refused: fn(String) -> Refused = Refused::Other;
        let outcome = self.http.fetch_once(&call, deadline, read, |response| {
            let document = xml::error_document(&response.body).unwrap_or_default();
            if document.code == "ExpiredTokenException" {
                refused = Refused::Expired;
            }
            let text = response.summary(&document.code, &document.message);
            // STS refuses a signature of another time as one that does not match.
            let skewed = response.date.filter(|date| {
                keys.is_some() && matches!(response.status, 400 | 403) && is_skewed(now, *date)
            });
            if let (Some(date), None) = (skewed, *ahead) {
                *ahead = Some(date.unix().saturating_sub(now.unix()));
                Attempt::Again(text)
            } else if RETRYABLE_CODES.contains(&document.code.as_str()) {
                Attempt::Again(text)
            } else {
                response.attempt(text)
            }
        });
        outcome.map_err(|attempt| {
            let secrets = secrets_of(form, keys);
            attempt.map(|reason| refused(secrets.redact(reason.reason()).into_owned()))
        })
    }

    /// Returns the endpoint of STS, and the region for which requests are signed.
    fn endpoint(&self) -> Result<(Endpoint, String), String> {
        let region = self.context.region();
        let region = region.as_deref().filter(|region| *region != "aws-global");
        // The regions of other servers may have names of any form, but text that cannot be signed
        // may be anything, even a secret.
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if let Some(region) =
            region.filter(|region| may_be_secret(region) || !region.bytes().all(is_name))
        {
            return Err(not_a_region(region));
        }

        let endpoint = STS.endpoint(&self.context, region)?;
        Ok((endpoint, region.unwrap_or(DEFAULT_REGION).to_owned()))
    }
}

/// Returns the texts that no error about a form may show: the token, the secret key, and any secret
/// that was passed by mistake as a role or a name.
fn secrets_of(form: &str, keys: Option<&Credentials>) -> Secrets {
    let fields = form.split('&').filter_map(|field| field.split_once('=')).map(|(_, value)| value);
    let secret = keys.map(Credentials::secret_access_key);
    let token = form.split_once(TOKEN_FIELD).map(|(_, token)| token);
    let secrets = fields.filter(|value| may_be_secret(value)).chain(secret);
    token.into_iter().chain(secrets).fold(Secrets::new(), Secrets::with)
}

fn signature(
    endpoint: &Endpoint,
    region: &str,
    form: &str,
    keys: &Credentials,
    time: Timestamp,
) -> Result<Vec<(&'static str, String)>, sign::Error> {
    let host = endpoint.origin.host_header();
    let (path, _) = endpoint.target.split_once('?').unwrap_or((&endpoint.target, ""));
    let headers = [("host", &*host), FORM_TYPE];
    let request = sign::Request::new("POST", path).headers(&headers);
    let scope = v4::Scope { region, service: "sts" };
    Ok(v4::sign(&request, v4::Payload::Bytes(form.as_bytes()), keys, scope, time)?.headers)
}

fn read_keys(body: &[u8]) -> Result<Lease, String> {
    let found = xml::sts_credentials(body).map_err(|error| error.to_string())?;
    if found.access_key_id.is_empty()
        || found.secret_access_key.is_empty()
        || found.session_token.is_empty()
    {
        return Err("the access key, the secret key or the token is empty".to_owned());
    }

    let expires = found.expiration.into();
    let id = Zeroizing::new(found.access_key_id);
    Ok(Lease {
        credentials: Some(keys(id, found.secret_access_key, Some(found.session_token))),
        expires: Some(expires),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    #[test]
    fn sts_is_asked_in_the_region_and_globally_without_one() {
        for (variables, given, expected, signed_for) in [
            (vec![], None, "https://sts.amazonaws.com", "us-east-1"),
            (vec![("AWS_REGION", "aws-global")], None, "https://sts.amazonaws.com", "us-east-1"),
            (
                vec![("AWS_REGION", "eu-west-1")],
                Some("x"),
                "https://sts.eu-west-1.amazonaws.com",
                "eu-west-1",
            ),
            (
                vec![("AWS_DEFAULT_REGION", "cn-north-1")],
                None,
                "https://sts.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (vec![], Some("us-east-2"), "https://sts.us-east-2.amazonaws.com", "us-east-2"),
            (
                vec![("AWS_ENDPOINT_URL_STS", "https://sts.local:8443")],
                None,
                "https://sts.local:8443",
                "us-east-1",
            ),
        ] {
            let mut context =
                Context::default().with_environment(Environment::from_pairs(variables));
            if let Some(region) = given {
                context = context.with_region(region);
            }
            let (endpoint, region) = Sts::new(&context).endpoint().unwrap();
            assert_eq!((&*endpoint.to_string(), &*region), (expected, signed_for));
        }
    }
}
