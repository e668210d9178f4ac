//! Profiles: from their settings to a source of keys.

use super::keys::pair;
use super::secret_file::shown_path;
use super::shared_files::{Files, Profile};
use super::sso::{Login, Sso};
use super::{
    AssumeRole, Container, Context, Credentials, EnvironmentKeys, Lease, Metadata, Process, Role,
    Source, Static, Unavailable, WebIdentity,
};
use crate::text::{Form, ShownValue, shown_value};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Keys of a profile in `AWS_CONFIG_FILE` (`~/.aws/config`) and `AWS_SHARED_CREDENTIALS_FILE`
/// (`~/.aws/credentials`). The profile is the one named by `AWS_PROFILE` or `AWS_DEFAULT_PROFILE`,
/// or else `default`. The files are read at every refresh. Without an account and a role, a login
/// (`sso_session`, `sso_start_url`) does not replace the profile's keys.
///
/// The supported settings are `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`;
/// `role_arn` with `source_profile`, `credential_source` or `web_identity_token_file`, and
/// `role_session_name`, `external_id`, `duration_seconds`; `credential_process`; `sso_session`,
/// `sso_start_url`, `sso_region`, `sso_account_id`, `sso_role_name`; and `region` for STS
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>).
pub struct SharedFiles {
    context: Context,
    profile: Option<String>,
}

impl fmt::Debug for SharedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.profile.as_deref().map(|name| shown_name(name).to_string());
        f.debug_struct("SharedFiles")
            .field("context", &self.context)
            .field("profile", &profile)
            .finish()
    }
}

impl SharedFiles {
    /// Creates a source for the profile that the variables of `context` select.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), profile: None }
    }

    /// Creates a source for the profile with this name.
    pub fn with_profile(context: &Context, profile: impl Into<String>) -> Self {
        Self { context: context.clone(), profile: Some(profile.into()) }
    }
}

impl Source for SharedFiles {
    fn name(&self) -> &'static str {
        "shared files"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let files = self.context.shared_files().map_err(Unavailable::Failed)?;
        let chosen = self.profile.clone().or_else(|| self.context.environment().profile());
        let name = chosen.as_deref().unwrap_or("default");
        if files.profile(name).is_none() {
            let paths: Vec<_> = files.paths.iter().map(|path| shown_path(path)).collect();
            let mut reason = if paths.is_empty() {
                "HOME is not set, so there are no shared files".to_owned()
            } else {
                format!("there is no profile `{}` in {}", shown_name(name), paths.join(" or "))
            };
            for unreadable in &files.unreadable {
                reason.push_str("; ");
                reason.push_str(unreadable);
            }
            return Err(match chosen {
                Some(_) => Unavailable::Failed(reason),
                None => Unavailable::NotConfigured(reason),
            });
        }

        // The settings of the other file could select a different identity.
        if let Some(unreadable) = files.unreadable.first() {
            return Err(Unavailable::Failed(unreadable.clone()));
        }

        let plan = Plan::of(&files, name)?;
        // STS is called in the region and at the endpoint of this profile.
        let source = plan.into_source(&self.context.clone().with_profile(name));
        // The profile selected this source, so there is no alternative.
        source.fetch().map_err(|reason| {
            Unavailable::Failed(format!(
                "profile `{}`: {}: {}",
                shown_name(name),
                source.name(),
                reason.into_failed()
            ))
        })
    }
}

/// The steps from a profile to its keys: the initial keys, then the roles that are assumed one
/// after another.
struct Plan {
    base: Base,
    roles: Vec<Role>,
}

enum Base {
    Keys(Credentials),
    Process(String),
    WebIdentity(Role, PathBuf),
    Sso(Login),
    Environment,
    Metadata,
    Container,
}

impl Base {
    /// Returns the source of keys of a profile without a role, in the order of AWS's SDKs.
    fn of(files: &Files, name: &str, profile: &Profile) -> Result<Self, Unavailable> {
        let at =
            |reason: &str| Unavailable::Failed(format!("profile `{}`: {reason}", shown_name(name)));
        if profile.get("web_identity_token_file").is_some() {
            return Err(at("web_identity_token_file needs role_arn"));
        }

        let has = |name| profile.get(name).is_some();
        let has_login = has("sso_session") || has("sso_start_url");
        let log_in = || login(files, profile).map(Self::Sso).map_err(|reason| at(&reason));
        // Without an account and a role, the login only serves tools that need no keys.
        if has_login && (has("sso_account_id") || has("sso_role_name")) {
            return log_in();
        }

        if let Some(keys) = static_keys(profile) {
            return keys.map(Self::Keys).map_err(|reason| at(&reason));
        }

        match profile.get("credential_process") {
            Some(command) => Ok(Self::Process(command.to_owned())),
            None if has_login => log_in(),
            None => Err(Unavailable::NotConfigured(format!(
                "profile `{}` has no keys and no way to get them",
                shown_name(name)
            ))),
        }
    }
}

impl Plan {
    /// Follows `source_profile` from `name` to a profile with keys.
    fn of(files: &Files, name: &str) -> Result<Self, Unavailable> {
        let mut visited: Vec<&str> = Vec::new();
        let mut roles = Vec::new();
        let mut name = name;
        let base = loop {
            let at = |reason: &str| {
                Unavailable::Failed(format!("profile `{}`: {reason}", shown_name(name)))
            };
            let Some(profile) = files.profile(name) else {
                return Err(at(
                    "there is no such profile, but another one names it as its source_profile",
                ));
            };
            if visited.contains(&name) {
                let path: Vec<_> = visited
                    .iter()
                    .chain([&name])
                    .map(|name| shown_name(name).to_string())
                    .collect();
                return Err(at(&format!("source_profile forms a cycle: {}", path.join(" -> "))));
            }
            // A profile to which another one refers contributes its keys, if it has any, rather
            // than its role.
            if let Some(keys) = static_keys(profile).filter(|_| !visited.is_empty()) {
                break Base::Keys(keys.map_err(|reason| at(&reason))?);
            }
            visited.push(name);
            let Some(arn) = profile.get("role_arn") else {
                let base = Base::of(files, name, profile);
                // A role needs keys, so having none is a failure.
                break if roles.is_empty() {
                    base?
                } else {
                    base.map_err(Unavailable::into_failed)?
                };
            };
            let role = Role {
                session_name: profile.get("role_session_name").map(str::to_owned),
                external_id: profile.get("external_id").map(str::to_owned),
                duration: duration(profile).map_err(|reason| at(&reason))?,
                ..Role::new(arn)
            };
            if let Some(file) = profile.get("web_identity_token_file") {
                break Base::WebIdentity(role, PathBuf::from(file));
            }
            if profile.get("mfa_serial").is_some() {
                return Err(at(
                    "mfa_serial is not supported: use credential_process or IAM Identity Center",
                ));
            }
            roles.push(role);
            match KeysOfRole::of(profile, name).map_err(|reason| at(&reason))? {
                KeysOfRole::Profile(source) => name = source,
                KeysOfRole::Base(base) => break base,
            }
        };

        // The role next to the keys is assumed first.
        roles.reverse();
        Ok(Self { base, roles })
    }

    fn into_source(self, context: &Context) -> Box<dyn Source> {
        let base: Box<dyn Source> = match self.base {
            Base::Keys(keys) => Box::new(Static::new(keys)),
            Base::Process(command) => Box::new(Process::new(command, context)),
            Base::WebIdentity(role, file) => Box::new(WebIdentity::with_role(context, role, file)),
            Base::Sso(login) => Box::new(Sso::new(context, login)),
            Base::Environment => Box::new(EnvironmentKeys::new(context)),
            Base::Metadata => Box::new(Metadata::new(context)),
            Base::Container => Box::new(Container::new(context)),
        };

        self.roles
            .into_iter()
            .fold(base, |base, role| Box::new(AssumeRole::new(context, base, role)))
    }
}

/// The source of the keys with which the role of a profile is assumed.
enum KeysOfRole<'a> {
    Base(Base),
    Profile(&'a str),
}

impl<'a> KeysOfRole<'a> {
    fn of(profile: &'a Profile, name: &str) -> Result<Self, String> {
        match (profile.get("source_profile"), profile.get("credential_source")) {
            (Some(_), Some(_)) => {
                Err("source_profile and credential_source exclude each other: remove one of them"
                    .to_owned())
            }
            (None, None) => {
                Err("role_arn needs source_profile, credential_source or web_identity_token_file"
                    .to_owned())
            }
            // A profile that names itself as its source assumes its role with its own keys.
            (Some(source), None) if source == name => static_keys(profile)
                .ok_or("it is its own source_profile, but has no keys")?
                .map(|keys| Self::Base(Base::Keys(keys))),
            (Some(source), None) => Ok(Self::Profile(source)),
            (None, Some("Environment")) => Ok(Self::Base(Base::Environment)),
            (None, Some("Ec2InstanceMetadata")) => Ok(Self::Base(Base::Metadata)),
            (None, Some("EcsContainer")) => Ok(Self::Base(Base::Container)),
            (None, Some(_)) => {
                Err("credential_source must be Environment, Ec2InstanceMetadata or EcsContainer"
                    .to_owned())
            }
        }
    }
}

/// Prepares the name of a profile for a message.
fn shown_name(name: &str) -> ShownValue<'_> {
    shown_value(name, Form::Profile)
}

/// Returns the keys in a profile. It is an error if only one of the two is present, or if one is
/// quoted.
fn static_keys(profile: &Profile) -> Option<Result<Credentials, String>> {
    let names = ("aws_access_key_id", "aws_secret_access_key");
    let token =
        profile.secret("aws_session_token").or_else(|| profile.secret("aws_security_token"));
    let is_quoted = |name: &str| {
        let ends = ['"', '\'']
            .map(|quote| profile.get(name).is_some_and(|value| value.starts_with(quote)));
        ends.contains(&true)
    };

    if let Some(name) =
        [names.0, names.1, "aws_session_token"].into_iter().find(|name| is_quoted(name))
    {
        return Some(Err(format!(
            "{name} is in quotes, which would become part of the value: remove them"
        )));
    }

    pair(names, (profile.secret(names.0), profile.secret(names.1)), token)
}

fn duration(profile: &Profile) -> Result<Option<Duration>, String> {
    const RANGE: std::ops::RangeInclusive<u64> = 900..=43_200;
    match profile.get("duration_seconds").map(str::parse) {
        None => Ok(None),
        Some(Ok(seconds)) if RANGE.contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err("duration_seconds must be a number from 900 to 43200".to_owned()),
    }
}

fn login(files: &Files, profile: &Profile) -> Result<Login, String> {
    let session = match profile.get("sso_session") {
        None => None,
        Some(name) => Some((
            name,
            files
                .sso_session(name)
                .ok_or_else(|| format!("there is no [sso-session {}]", shown_name(name)))?,
        )),
    };

    let holder = session.map_or(profile, |(_, session)| session);
    let wanted = |holder: &Profile, key: &str| {
        holder.get(key).map(str::to_owned).ok_or_else(|| format!("{key} is missing"))
    };

    Ok(Login {
        cached_as: match session {
            Some((name, _)) => name.to_owned(),
            None => wanted(profile, "sso_start_url")?,
        },
        region: wanted(holder, "sso_region")?,
        account_id: wanted(profile, "sso_account_id")?,
        role_name: wanted(profile, "sso_role_name")?,
    })
}

#[cfg(test)]
mod tests;
