//! The grammar of `~/.aws/config` and `~/.aws/credentials`
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>), as AWS's SDKs read them.
//!
//! ```text
//! # a comment; a line that begins with ; is one too
//! [default]                      ; in both files
//! [profile name]                 ; in the config file
//! [name]                         ; in the credentials file
//! [sso-session name]             ; in the config file
//! [services name]                ; in the config file
//! Key = value # a comment needs white space before it
//!   continued
//!
//! [profile "two words"]          ; in the config file, quoted by the rules of a shell
//!   indented = as a block
//!   name: value                  ; a colon works too
//! s3 =
//!   nested = value
//! ```
//!
//! Keys are case-insensitive, names of sections are not. If a key or a section occurs again, its
//! settings are added and replace earlier ones. The credentials file takes precedence over the
//! config file. Sections and keys with invalid names are skipped. A section's name ends at the
//! first `]`, and the rest of the line is ignored.

use super::{Environment, secret_file};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file that is read. The file of an organisation with a thousand accounts has about
/// 100 KiB.
const FILE_LIMIT: usize = 1024 * 1024;

/// The settings of one section. Their values are wiped on drop.
#[derive(Debug, Default)]
pub(super) struct Profile(BTreeMap<String, Value>);

impl Profile {
    /// Returns a setting. An empty one counts as missing.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.0.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns a setting that is nested in another one. An empty one counts as missing.
    pub(super) fn nested(&self, key: &str, name: &str) -> Option<&str> {
        let lines = self.get(key)?.strip_prefix('\n')?.lines();
        let settings = lines.filter_map(|line| line.split_once(['=', ':']));
        let found = settings.rev().find(|(own, _)| own.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| without_comment(value).trim()).filter(|value| !value.is_empty())
    }

    /// Returns a setting in memory that is wiped. An empty one counts as missing.
    pub(super) fn secret(&self, key: &str) -> Option<Zeroizing<String>> {
        self.get(key).map(|value| Zeroizing::new(value.to_owned()))
    }
}

/// A value whose `Debug` output does not show it.
#[derive(Default)]
struct Value(Zeroizing<String>);

/// The settings of both files, merged.
#[derive(Debug, Default)]
pub(super) struct Files {
    profiles: BTreeMap<String, Profile>,
    sso_sessions: BTreeMap<String, Profile>,
    services: BTreeMap<String, Profile>,
    /// The paths at which the files were expected, for error messages.
    pub(super) paths: Vec<PathBuf>,
    /// Why files at the default paths could not be read, for error messages.
    pub(super) unreadable: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Config,
    Credentials,
}

impl Files {
    /// Reads both files. A missing file counts as empty. One at its default path that this user may
    /// not read is left out, and listed in `unreadable`: a service often has the `HOME` of another
    /// user. `found_keys` is called with each file that may contain a long-term secret.
    pub(super) fn load(
        environment: &Environment,
        found_keys: impl Fn(&Path),
    ) -> Result<Self, String> {
        let mut files = Self::default();
        for (kind, variable, name) in [
            (Kind::Config, "AWS_CONFIG_FILE", "config"),
            (Kind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ] {
            let home = environment.home();
            let chosen = environment.get(variable);
            let is_default = chosen.is_none();
            let path = match (chosen, home) {
                (Some(path), home) => expand(&path, home),
                (None, Some(home)) => home.join(".aws").join(name),
                (None, None) => continue,
            };
            match secret_file::read(&path, FILE_LIMIT) {
                Ok(text) => {
                    let keys = files.parse(kind, &text).map_err(|reason| {
                        format!("{}: {reason}", secret_file::shown_path(&path))
                    })?;
                    if keys == LongTermKeys::Present || kind == Kind::Credentials {
                        found_keys(&path);
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => {
                    let reason = format!("{}: {error}", secret_file::shown_path(&path));
                    if !may_be_unreadable(error.kind(), is_default) {
                        return Err(reason);
                    }
                    files.unreadable.push(reason);
                }
            }
            files.paths.push(path);
        }

        Ok(files)
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    pub(super) fn sso_session(&self, name: &str) -> Option<&Profile> {
        self.sso_sessions.get(name)
    }

    /// Returns the section `[services name]`, whose settings are the names of services.
    pub(super) fn services(&self, name: &str) -> Option<&Profile> {
        self.services.get(name)
    }

    /// Adds the settings of one file. Errors contain the number of the line and never quote it,
    /// because it may contain a secret.
    pub(super) fn parse(&mut self, kind: Kind, text: &str) -> Result<LongTermKeys, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut parsed = Parsed::default();
        let mut keys = LongTermKeys::Absent;
        let mut section = Section::Missing;
        let mut property = Property::Missing;
        // The indentation of the current setting. Lines that are indented further continue it, as
        // in Python's `configparser`.
        let mut indent = 0;
        for (index, line) in text.lines().enumerate() {
            let at = |reason: &str| format!("line {}: {reason}", index + 1);
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let indentation = line.chars().take_while(|c| c.is_whitespace()).count();
            if indentation > indent && !matches!(property, Property::Missing) {
                let settings = parsed.settings(&section);
                if let (Property::Named(name), Some(settings)) = (&property, settings)
                    && let Some(value) = settings.0.get_mut(name)
                {
                    value.append_line(content).map_err(at)?;
                }
                continue;
            }
            indent = indentation;
            if content.starts_with('[') {
                section = Section::parse(kind, content).map_err(at)?;
                property = Property::Missing;
                parsed.settings(&section);
                continue;
            }
            if let Section::Missing = section {
                return Err(at("a `[section]` must come first"));
            }
            let Some((name, value)) = line.split_once(['=', ':']) else {
                return Err(at("a setting needs `=` or `:`"));
            };
            let name = name.trim().to_ascii_lowercase();
            if name.is_empty() {
                return Err(at("a setting needs a name"));
            }
            if !is_name(&name) {
                property = Property::Skipped;
                continue;
            }
            property = Property::Named(name.clone());
            if let Some(settings) = parsed.settings(&section) {
                if name == "aws_secret_access_key" {
                    keys = LongTermKeys::Present;
                }
                settings
                    .0
                    .insert(name, Value(Zeroizing::new(without_comment(value).trim().to_owned())));
            }
        }

        self.merge(parsed);
        Ok(keys)
    }

    fn merge(&mut self, mut parsed: Parsed) {
        // If one config file has both `[profile default]` and `[default]`, only the former counts.
        if let Some(profile) = parsed.prefixed_default {
            parsed.profiles.insert("default".to_owned(), profile);
        }
        for (name, profile) in parsed.profiles {
            self.profiles.entry(name).or_default().0.extend(profile.0);
        }
        for (name, session) in parsed.sso_sessions {
            self.sso_sessions.entry(name).or_default().0.extend(session.0);
        }
        for (name, services) in parsed.services {
            self.services.entry(name).or_default().0.extend(services.0);
        }
    }
}

impl Value {
    /// Appends an indented line. A setting without a value contains nested settings, each of which
    /// must have a name and a value.
    fn append_line(&mut self, line: &str) -> Result<(), &'static str> {
        if self.0.is_empty() || self.0.starts_with('\n') {
            let (name, _) =
                line.split_once(['=', ':']).ok_or("a nested setting needs `=` or `:`")?;
            if name.trim().is_empty() {
                return Err("a nested setting needs a name");
            }
        }
        self.0.push('\n');
        self.0.push_str(line);
        Ok(())
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

/// The settings of one file.
#[derive(Default)]
struct Parsed {
    profiles: BTreeMap<String, Profile>,
    prefixed_default: Option<Profile>,
    sso_sessions: BTreeMap<String, Profile>,
    services: BTreeMap<String, Profile>,
}

impl Parsed {
    /// Returns the profile to which the settings of a section belong, or `None` if the section is
    /// skipped.
    fn settings(&mut self, section: &Section) -> Option<&mut Profile> {
        match section {
            Section::Profile(name) => Some(self.profiles.entry(name.clone()).or_default()),
            Section::PrefixedDefault => Some(self.prefixed_default.get_or_insert_default()),
            Section::SsoSession(name) => Some(self.sso_sessions.entry(name.clone()).or_default()),
            Section::Services(name) => Some(self.services.entry(name.clone()).or_default()),
            Section::Missing | Section::Skipped => None,
        }
    }
}

/// The presence of a long-term secret in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LongTermKeys {
    Absent,
    Present,
}

enum Section {
    Missing,
    Skipped,
    Profile(String),
    PrefixedDefault,
    SsoSession(String),
    Services(String),
}

impl Section {
    fn parse(kind: Kind, line: &str) -> Result<Self, &'static str> {
        // Text after the first bracket is ignored, so that one odd header does not make the whole
        // file unreadable.
        let (inside, _) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once(']'))
            .ok_or("a section must end in `]`")?;
        let inside = inside.trim();
        let (word, name) = inside
            .split_once(char::is_whitespace)
            .map_or((inside, ""), |(word, rest)| (word, rest.trim()));
        let quoted = name.contains(['"', '\'', '\\']).then(|| unquote(name));
        let is_name = |name: &str| is_name(name) || quoted.is_some() && !name.is_empty();
        let name = match &quoted {
            Some(Some(name)) => name,
            Some(None) => return Ok(Self::Skipped),
            None => name,
        };
        Ok(match (kind, word, name) {
            (Kind::Config, "default", "") => Self::Profile("default".to_owned()),
            (Kind::Config, "profile", "default") => Self::PrefixedDefault,
            (Kind::Config, "profile", name) if is_name(name) => Self::Profile(name.to_owned()),
            (Kind::Config, "sso-session", name) if is_name(name) => {
                Self::SsoSession(name.to_owned())
            }
            (Kind::Config, "services", name) if is_name(name) => Self::Services(name.to_owned()),
            (Kind::Credentials, name, "") if is_name(name) => Self::Profile(name.to_owned()),
            _ => Self::Skipped,
        })
    }
}

enum Property {
    Missing,
    Skipped,
    Named(String),
}

/// Reports whether `text` is a valid name of a section or setting.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.%@:+".contains(&b))
}

/// Returns the one word that `text` is by the quoting rules of a POSIX shell, like Python's
/// `shlex`, or `None` if it is not one word.
fn unquote(text: &str) -> Option<String> {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '\\') => word.push(rest.next()?),
            (Some('"'), '\\') => {
                word.push(rest.next_if(|next| matches!(next, '"' | '\\')).unwrap_or(c));
            }
            (None, _) if c.is_whitespace() => return None,
            _ => word.push(c),
        }
    }

    quote.is_none().then_some(word)
}

/// Removes a comment, which begins at a `#` or `;` after white space.
fn without_comment(value: &str) -> &str {
    let mut after_space = false;
    for (place, c) in value.char_indices() {
        if after_space && matches!(c, '#' | ';') {
            return &value[..place];
        }
        after_space = c.is_whitespace();
    }
    value
}

/// Returns whether a file that exists but cannot be read is left out.
fn may_be_unreadable(kind: ErrorKind, is_default: bool) -> bool {
    is_default && kind == ErrorKind::PermissionDenied
}

/// Replaces a leading `~/` by the home directory, as AWS's documentation describes. Nothing else is
/// expanded.
fn expand(path: &str, home: Option<PathBuf>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests;
