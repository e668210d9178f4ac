//! IAM Identity Center: keys for the login that `aws sso login` left in its cache.

use super::document::{Document, Members, Presence, shown};
use super::http::{Attempt, Call, DOCUMENT_LIMIT, Endpoint, Fault, Http, with_retries};
use super::{Context, Lease, Source, Unavailable, shared_files, sts};
use crate::sign::encode_component;
use sha1::{Digest, Sha1};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(25);

const MEMBERS: Members = Members {
    access_key_id: "accessKeyId",
    secret_access_key: "secretAccessKey",
    session_token: "sessionToken",
    expiration: "expiration",
    temporary: Presence::Required,
};

/// What a profile says of its login
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// What the cache file is named after: the session's name or, in older profiles, the start URL.
    pub(super) cached_as: String,
    pub(super) region: String,
    pub(super) account_id: String,
    pub(super) role_name: String,
}

/// Keys of a role for a login. An ended login is not renewed.
#[derive(Debug)]
pub(super) struct Sso {
    context: Context,
    http: Http,
    login: Login,
}

impl Sso {
    pub(super) fn new(context: &Context, login: Login) -> Self {
        Self { context: context.clone(), http: Http::remote(context, CONNECT_TIMEOUT), login }
    }

    /// The access token of the login.
    fn token(&self) -> Result<Zeroizing<String>, String> {
        const LOG_IN: &str = "run `aws sso login`";
        let path = self.cache_file()?;
        let at = |reason: &str| format!("{}: {reason}: {LOG_IN}", path.display());
        let text = shared_files::read_bounded(&path, DOCUMENT_LIMIT).map_err(|reason| at(&reason))?;
        self.context.check_permissions(&path);
        let mut document = Document::parse(text.as_bytes()).map_err(|reason| at(&reason))?;
        let ends = document.time("expiresAt").map_err(|reason| at(&reason))?;
        if SystemTime::from(ends) <= self.context.clock().now() {
            return Err(at("the login has ended"));
        }
        document.secret("accessToken").map_err(|reason| at(&reason))
    }

    fn cache_file(&self) -> Result<PathBuf, String> {
        let home = self.context.environment().home().ok_or("HOME is not set")?;
        let name = hex::encode(Sha1::digest(self.login.cached_as.as_bytes()));
        Ok(home.join(".aws/sso/cache").join(format!("{name}.json")))
    }

    fn endpoint(&self) -> Result<Endpoint, String> {
        let region = &self.login.region;
        match self.context.environment().get("AWS_ENDPOINT_URL_SSO") {
            Some(url) => Endpoint::parse(&url),
            None => Endpoint::parse(&format!("https://portal.sso.{region}.{}", sts::domain(region)?)),
        }
    }
}

impl Source for Sso {
    fn name(&self) -> &'static str {
        "IAM Identity Center"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let token = self.token().map_err(Unavailable::Failed)?;
        let endpoint = self.endpoint().map_err(Unavailable::Failed)?;
        let target = endpoint.join(&format!(
            "/federation/credentials?account_id={}&role_name={}",
            encode_component(&self.login.account_id),
            encode_component(&self.login.role_name)
        ));
        let clock = &**self.context.clock();
        let deadline = clock.instant() + TOTAL_TIMEOUT;
        with_retries(clock, deadline, || {
            let sent = self.http.send(&Call {
                endpoint: &endpoint,
                method: "GET",
                target: &target,
                headers: &[("x-amz-sso_bearer_token", &token)],
                body: &[],
                deadline: deadline.min(clock.instant() + ATTEMPT_TIMEOUT),
            });
            let at = |reason: String| Unavailable::Failed(format!("{endpoint}: {reason}"));
            let reply = sent.map_err(|fault| match fault {
                Fault::Final(reason) => Attempt::Stop(at(reason)),
                fault => Attempt::Again(at(fault.to_string())),
            })?;
            match reply.status {
                200 => Document::parse(&reply.body)
                    .and_then(|mut document| document.object("roleCredentials"))
                    .and_then(|mut keys| keys.lease(&MEMBERS))
                    .map_err(|reason| Attempt::Stop(at(reason))),
                status => {
                    let document = Document::parse(&reply.body).ok();
                    let message = document.as_ref().and_then(|document| document.text("message")).map(shown);
                    let told = format!("answered {status}: {}", message.as_deref().unwrap_or("no reason given"));
                    match status {
                        429 | 500.. => Err(Attempt::Again(at(told))),
                        401 => Err(Attempt::Stop(at(format!("{told}: run `aws sso login`")))),
                        _ => Err(Attempt::Stop(at(told))),
                    }
                }
            }
        })
    }
}
