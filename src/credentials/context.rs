//! The environment of the sources: variables, a clock, an observer of warnings, and a way to reach
//! AWS.

use super::Environment;
use super::endpoint_choice::EndpointChoice;
use super::shared_files::Files;
use crate::clock::{Clock, SystemClock};
use crate::observe::{CredentialsEvent, Event, Observer, Observers, Warning};
use crate::transport::TransportOptions;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The environment in which sources work. The default reads the variables and the clock of the
/// process, and ignores warnings.
#[derive(Clone)]
pub struct Context {
    environment: Environment,
    /// The selected profile, if it is not the one of the variables.
    profile: Option<String>,
    region: Option<String>,
    /// Which of AWS's endpoints of STS and IAM Identity Center are called where neither the
    /// variables nor the profile state it.
    endpoints: EndpointChoice,
    clock: Arc<dyn Clock>,
    observers: Observers,
    /// Used for STS and IAM Identity Center. Local endpoints are reached without its proxy.
    transport: TransportOptions,
    /// The files that were already reported. Their number is bounded by the number of files that
    /// the configuration names.
    #[cfg_attr(not(unix), expect(dead_code, reason = "permissions are checked only on Unix"))]
    open_files: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            profile: None,
            region: None,
            endpoints: EndpointChoice::default(),
            clock: Arc::new(SystemClock),
            observers: Observers::default(),
            transport: TransportOptions::default(),
            open_files: Arc::default(),
        }
    }
}

impl Context {
    /// Replaces the environment variables, and with them the home directory.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Selects a profile, regardless of the variables.
    #[must_use]
    pub(super) fn with_profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Sets the region of STS for the case that neither the variables nor the profile name one.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Replaces the clock. Requests are bounded by its [`Clock::instant`], which must not lag
    /// behind [`Instant::now`](std::time::Instant::now).
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds an observer, which receives refreshes and warnings as
    /// [`Event::Credentials`](crate::observe::Event::Credentials).
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Reports to the observers of a client.
    #[must_use]
    pub(crate) fn with_observers(mut self, observers: Observers) -> Self {
        self.observers = observers;
        self
    }

    /// Sets the proxy and the certificates of the client, which are used to reach STS and IAM
    /// Identity Center.
    #[must_use]
    pub(crate) fn with_transport(mut self, options: TransportOptions) -> Self {
        self.transport = options;
        self
    }

    /// Sets which of AWS's endpoints are called where neither the variables nor the profile state
    /// it.
    #[must_use]
    pub(crate) fn with_default_choice(mut self, choice: EndpointChoice) -> Self {
        self.endpoints = choice;
        self
    }

    pub(super) fn default_choice(&self) -> EndpointChoice {
        self.endpoints
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn observers(&self) -> &Observers {
        &self.observers
    }

    pub(super) fn transport(&self) -> &TransportOptions {
        &self.transport
    }

    /// Returns a setting from its variable or, if that is not set, from the selected profile. Files
    /// that cannot be read count as empty here: the source that reads keys from them reports the
    /// error.
    pub fn setting(&self, variable: &str, key: &str) -> Option<String> {
        self.environment.get(variable).or_else(|| {
            let files = self.shared_files().ok()?;
            files
                .profile(&self.profile_name())
                .and_then(|profile| profile.get(key))
                .map(str::to_owned)
        })
    }

    /// Reads the shared files, and warns if users other than the owner may read a file that
    /// contains a secret.
    pub(super) fn shared_files(&self) -> Result<Files, String> {
        Files::load(&self.environment, |path| self.check_permissions(path))
    }

    /// Returns the region of the variables, else of the selected profile, else of the context.
    pub(crate) fn region(&self) -> Option<String> {
        self.environment
            .get("AWS_REGION")
            .or_else(|| self.setting("AWS_DEFAULT_REGION", "region"))
            .or_else(|| self.region.clone())
    }

    /// Returns the name of the selected profile.
    pub(super) fn profile_name(&self) -> String {
        let chosen = self.profile.clone().or_else(|| self.environment.profile());
        chosen.unwrap_or_else(|| "default".to_owned())
    }

    /// Reports a problem that does not fail requests yet.
    pub(super) fn warn(&self, warning: &Warning) {
        self.observers.emit(&Event::Credentials(&CredentialsEvent::Warning(warning)));
    }

    /// Warns once if users other than the owner may read `path`, which contains a secret.
    #[cfg(unix)]
    pub(super) fn check_permissions(&self, path: &Path) {
        use crate::sync;
        use std::os::unix::fs::PermissionsExt;

        const GROUP_AND_OTHERS: u32 = 0o077;
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & GROUP_AND_OTHERS != 0 && sync::lock(&self.open_files).insert(path.to_owned()) {
            let warning = Warning::OpenPermissions { path: path.to_owned(), mode };
            self.warn(&warning);
        }
    }

    /// Does nothing: the access control lists of other systems are not examined.
    #[cfg(not(unix))]
    pub(super) fn check_permissions(&self, _: &Path) {}
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("environment", &self.environment).finish_non_exhaustive()
    }
}
