//! What the sources need from outside: variables, a clock, somebody to warn, and how to reach AWS.

use super::Environment;
use super::secret_file::shown_path;
use super::shared_files::{Files, Profile};
use crate::clock::{Clock, SystemClock};
use crate::sync;
use crate::transport::TransportOptions;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The surroundings of the sources. The default reads the process's variables and clock and warns nobody.
#[derive(Clone)]
pub struct Context {
    environment: Environment,
    region: Option<String>,
    clock: Arc<dyn Clock>,
    observer: Observer,
    /// For STS and IAM Identity Center; local endpoints are reached without its proxy.
    transport: TransportOptions,
    /// The files warned about already: as many as the configuration names, so it cannot grow without end.
    #[cfg_attr(not(unix), expect(dead_code, reason = "permissions are checked on Unix alone"))]
    open_files: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            region: None,
            clock: Arc::new(SystemClock),
            observer: Observer::default(),
            transport: TransportOptions::default(),
            open_files: Arc::default(),
        }
    }
}

impl Context {
    /// The same with other variables (and so another home directory).
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The same with the region in which STS is asked when neither the variables nor the profile name one.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The same with another clock. Requests are bounded by its [`Clock::instant`], which must not lag behind
    /// [`Instant::now`](std::time::Instant::now).
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same with somebody who hears the warnings.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The same with the client's proxy and certificates, which STS and IAM Identity Center are reached with.
    #[must_use]
    pub(crate) fn with_transport(mut self, options: TransportOptions) -> Self {
        self.transport = options;
        self
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn observer(&self) -> &Observer {
        &self.observer
    }

    pub(super) fn transport(&self) -> &TransportOptions {
        &self.transport
    }

    /// A setting by its variable or, failing that, by its name in the selected profile. Files that cannot be read count
    /// as empty here: the source that takes keys from them is the one to complain.
    pub(crate) fn setting(&self, variable: &str, key: &str) -> Option<String> {
        self.environment.get(variable).or_else(|| {
            let files = self.shared_files().ok()?;
            files
                .profile(&self.profile_name())
                .and_then(|profile| profile.get(key))
                .map(str::to_owned)
        })
    }

    /// Reads the shared files, and warns when others may read one that holds a secret.
    pub(super) fn shared_files(&self) -> Result<Files, String> {
        Files::load(&self.environment, |path| self.check_permissions(path))
    }

    /// Returns the region that the variables or the selected profile name.
    pub(crate) fn region(&self) -> Option<String> {
        self.region_of(None)
    }

    /// The region of STS: the variables, then the profile, then the one given.
    pub(super) fn region_of(&self, profile: Option<&Profile>) -> Option<String> {
        let variables = || {
            self.environment
                .get("AWS_REGION")
                .or_else(|| self.environment.get("AWS_DEFAULT_REGION"))
        };
        let file = || match profile {
            Some(profile) => profile.get("region").map(str::to_owned),
            None => self.setting("AWS_REGION", "region"),
        };
        variables().or_else(file).or_else(|| self.region.clone())
    }

    /// The selected profile's name.
    pub(super) fn profile_name(&self) -> String {
        self.environment.get("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
    }

    /// Warns once when others than the owner may read `path`, which holds a secret.
    #[cfg(unix)]
    pub(super) fn check_permissions(&self, path: &Path) {
        use std::os::unix::fs::PermissionsExt;
        const GROUP_AND_OTHERS: u32 = 0o077;
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & GROUP_AND_OTHERS != 0 && sync::lock(&self.open_files).insert(path.to_owned()) {
            self.observer.warn(&Warning::OpenPermissions { path: path.to_owned(), mode });
        }
    }

    /// Does nothing: access lists of other systems are not inspected.
    #[cfg(not(unix))]
    pub(super) fn check_permissions(&self, _: &Path) {}
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// Something to look at although requests still succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A refresh failed; the keys held are still used.
    RefreshFailed {
        /// Why.
        reason: String,
        /// When the keys held end.
        expires: Option<SystemTime>,
    },
    /// The source gave keys that have ended already; they are used all the same, as a metadata service in trouble hands
    /// out keys that AWS still accepts.
    ExpiredOnArrival {
        /// When they ended.
        expires: SystemTime,
    },
    /// Others than its owner may read a file with a secret. Said once for each file.
    OpenPermissions {
        /// The file.
        path: PathBuf,
        /// Its mode bits: at least one of `0o077` is set.
        mode: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RefreshFailed { reason, .. } => {
                write!(f, "the credentials held are used on, a refresh failed: {reason}")
            }
            Self::ExpiredOnArrival { .. } => f.write_str(
                "the source gave credentials that have ended already, they are used all the same",
            ),
            Self::OpenPermissions { path, mode } => {
                write!(
                    f,
                    "{} holds a secret and has mode {mode:o}, set it to 600",
                    shown_path(path)
                )
            }
        }
    }
}

/// Somebody who hears the warnings. The default hears none.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Hear>>);

type Hear = dyn Fn(&Warning) + Send + Sync;

impl Observer {
    /// Calls `hear` for each warning, from the thread that met it. No lock is held meanwhile.
    pub fn new(hear: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    pub(super) fn warn(&self, warning: &Warning) {
        if let Some(hear) = &self.0 {
            hear(warning);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
