//! IAM Identity Center: obtains keys with the login that `aws sso login` stored in its cache.

use super::document::{Document, Members, Presence};
use super::endpoints::SSO;
use super::http::{Call, DOCUMENT_LIMIT, Http};
use super::{Context, Lease, Source, Unavailable, secret_file};
use crate::sign::encode_component;
use sha1::{Digest, Sha1};
use std::path::PathBuf;
use std::time::SystemTime;
use zeroize::Zeroizing;

const MEMBERS: Members = Members {
    access_key_id: "accessKeyId",
    secret_access_key: "secretAccessKey",
    session_token: "sessionToken",
    expiration: "expiration",
    session_members: Presence::Required,
};

/// The settings of a profile that describe its login
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// The text from which the name of the cache file is derived: the name of the session or, in
    /// older profiles, the start URL.
    pub(super) cached_as: String,
    pub(super) region: String,
    pub(super) account_id: String,
    pub(super) role_name: String,
}

/// A source that returns the keys of a role that a login may use. An expired login is not renewed.
#[derive(Debug)]
pub(super) struct Sso {
    context: Context,
    http: Http,
    login: Login,
}

impl Sso {
    pub(super) fn new(context: &Context, login: Login) -> Self {
        Self { context: context.clone(), http: Http::remote(context), login }
    }

    /// Returns the access token of the login.
    fn token(&self) -> Result<Zeroizing<String>, String> {
        const LOG_IN: &str = "run `aws sso login`";
        let path = self.cache_file()?;
        let at = |reason: &str| format!("{}: {reason}: {LOG_IN}", secret_file::shown_path(&path));
        let text =
            secret_file::read(&path, DOCUMENT_LIMIT).map_err(|error| at(&error.to_string()))?;
        self.context.check_permissions(&path);
        let mut document = Document::parse(text.as_bytes()).map_err(|reason| at(&reason))?;
        let ends = document.time("expiresAt").map_err(|reason| at(&reason))?;
        if SystemTime::from(ends) <= self.context.clock().now() {
            return Err(at("the login has expired"));
        }
        document.secret("accessToken").map_err(|reason| at(&reason))
    }

    fn cache_file(&self) -> Result<PathBuf, String> {
        let home = self.context.environment().home().ok_or("HOME is not set")?;
        let name = hex::encode(Sha1::digest(self.login.cached_as.as_bytes()));
        Ok(home.join(".aws/sso/cache").join(format!("{name}.json")))
    }
}

impl Source for Sso {
    fn name(&self) -> &'static str {
        "IAM Identity Center"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let token = self.token().map_err(Unavailable::Failed)?;
        let region = Some(self.login.region.as_str());
        let endpoint = SSO.endpoint(&self.context, region).map_err(Unavailable::Failed)?;
        let target = endpoint.join(&format!(
            "/federation/credentials?account_id={}&role_name={}",
            encode_component(&self.login.account_id),
            encode_component(&self.login.role_name)
        ));
        let headers = [("x-amz-sso_bearer_token", token.as_str())];
        let call = Call {
            endpoint: &endpoint,
            method: "GET",
            target: &target,
            headers: &headers,
            body: &[],
        };

        let read = |body: &[u8]| Document::parse(body)?.object("roleCredentials")?.lease(&MEMBERS);
        self.http.fetch(&call, read, |response| {
            let hint = if response.status == 401 { ": run `aws sso login`" } else { "" };
            response.attempt(format!("{}{hint}", response.json_summary()))
        })
    }
}
