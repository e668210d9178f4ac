//! The configuration. It consists of a registry's file and of the command line's options, which
//! replace the options of the file. AWS's environment variables and profile supply settings that
//! neither of them contains.
use crate::common::Common;
use crate::failure::{Exit, Failure, Outcome};
use crate::text::{shown, shown_path};
use crate::usage::pair;
use crate::yaml;
use s3driver::credentials::{
    Cache, Chain, Container, Context, Credentials, Environment, Metadata, SharedFiles, Source as _,
};
use s3driver::driver::{Backend, MiddlewareConfig, Parameters, RegistryConfig, S3Driver};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// The largest size of a configuration file, in bytes. The longest files in use have some hundred
/// lines.
const LONGEST_FILE: u64 = 1 << 20;

/// The names of the S3 driver in the section `storage`, and the name of the section for zot's
/// driver.
const SECTIONS: [&str; 5] = ["s3", "s3aws", "s3_v1", "s3_v2", "storagedriver"];

/// The beginnings of the names of environment variables that replace options in the sections of the
/// file that are read here.
const VARIABLES: [&str; 2] = ["REGISTRY_STORAGE", "REGISTRY_MIDDLEWARE"];

/// The remedy for [`Settings::unapplied_variables`].
pub(crate) const UNAPPLIED_REMEDY: &str =
    "write their values into the file, or give them with --option";

/// All settings of the storage from the command line, the configuration file and the environment.
pub(crate) struct Settings {
    /// The contents of the configuration file, unchanged.
    file: Option<Value>,
    /// The options of the command line, in the order given.
    options: Vec<(String, String)>,
    /// The environment variables and the profile that supply the remaining settings.
    environment: Environment,
    keys: KeySources,
}

/// The sources of credentials that apply if neither the file nor an option gives them.
#[derive(Clone, Copy, Debug)]
enum KeySources {
    /// AWS's chain.
    All,
    /// AWS's chain from the profile on, which `--profile` has chosen: keys and roles in variables
    /// come before the profile otherwise.
    FromProfile,
}

impl Settings {
    pub(crate) fn new(common: &Common) -> Outcome<Self> {
        let file = common.config.as_deref().map(read_file).transpose()?;
        let named = [
            ("bucket", &common.bucket),
            ("region", &common.region),
            ("regionendpoint", &common.endpoint),
        ];
        let named =
            named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let given = common.options.iter().zip(1..).map(|(text, number)| pair(number, text));
        let mut options = given.collect::<Outcome<Vec<_>>>()?;
        options.extend(named);
        for (number, (name, _)) in options.iter().enumerate() {
            if options.iter().skip(number + 1).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                // A text that is not the name of an option may be a secret.
                let mut known = Parameters::options().iter().map(|option| option.name);
                let known = known.find(|known| known.eq_ignore_ascii_case(name));
                let name = known.unwrap_or("with an unknown name");
                return Err(Failure::usage(format!("the option {name} is given twice")));
            }
        }
        let profile = common.profile.as_deref();
        let keys = profile.map_or(KeySources::All, |_| KeySources::FromProfile);
        Ok(Self { file, options, environment: environment(profile), keys })
    }

    /// Returns the driver's parameters. If `bucket` names a bucket, it replaces the configured one.
    pub(crate) fn parameters(&self, bucket: Option<&str>) -> Outcome<Parameters> {
        let mut options = self.options.clone();
        if let Some(bucket) = bucket {
            options.retain(|(name, _)| !name.eq_ignore_ascii_case("bucket"));
            options.push(("bucket".to_owned(), bucket.to_owned()));
        }
        if self.file.is_none() {
            self.add_surroundings(&mut options)?;
            if !has(&options, "bucket") {
                return Err(Failure::usage(
                    "no bucket is named: use a location s3://bucket/key, --bucket or --config",
                ));
            }
        }
        self.parameters_of(options)
    }

    /// Returns the driver's parameters with these options, which replace those of the file.
    fn parameters_of(&self, options: Vec<(String, String)>) -> Outcome<Parameters> {
        let Some(file) = &self.file else { return Ok(Parameters::from_pairs(options)?) };
        let mut file = file.clone();
        replace(&mut file, &options)?;
        match registry_config(file)?.storage.backend {
            Backend::S3(parameters) => Ok(*parameters),
            _ => Err(Failure::usage("the storage of the configuration is not S3")),
        }
    }

    /// Returns a description of the environment variables with which a registry replaces options of
    /// its configuration file, and which this tool does not apply. Returns `None` without any.
    pub(crate) fn unapplied_variables(&self) -> Option<String> {
        self.file.as_ref()?;
        let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut names: Vec<_> = names
            .filter(|name| VARIABLES.iter().any(|section| name.starts_with(section)))
            .map(|name| shown(&name))
            .collect();
        names.sort();
        let names = names.join(", ");
        let text =
            format!("the registry also applies these variables, and s3driver does not: {names}");
        Some(text).filter(|_| !names.is_empty())
    }

    /// Returns the storage middlewares of the configuration file.
    pub(crate) fn middlewares(&self) -> Outcome<Vec<MiddlewareConfig>> {
        match &self.file {
            Some(file) => Ok(registry_config(file.clone())?.middleware),
            None => Ok(Vec::new()),
        }
    }

    /// Opens the driver. If the parameters do not contain keys, the driver uses AWS's chain of
    /// credential sources with the chosen profile.
    /// Also returns the context in which its credentials are looked up, with its proxy and its
    /// certificates.
    pub(crate) fn open(&self, parameters: &Parameters) -> Outcome<(S3Driver, Context)> {
        let mut context = self.context();
        let driver = S3Driver::with_config(parameters, |config| {
            context = config.credential_context().with_environment(self.environment.clone());
            if parameters.credentials.is_some() {
                return config;
            }
            config.credentials(Arc::new(Cache::new(self.chain(&context), &context)))
        })?;
        Ok((driver, context))
    }

    /// Returns the keys of the file or of the options, or otherwise those of AWS's chain. Neither a
    /// bucket nor a region is needed for them.
    ///
    /// # Errors
    /// Fails if the file or the options cannot be used, because other keys would be taken then.
    pub(crate) fn keys(&self) -> Outcome<Credentials> {
        let mut names = ["accesskey", "secretkey", "sessiontoken"].into_iter();
        if self.file.is_some() || names.any(|name| has(&self.options, name)) {
            let mut options = self.options.clone();
            // They are required, but do not affect the keys.
            for (name, value) in [("bucket", "unused"), ("region", "us-east-1")] {
                if self.file.is_none() && !has(&options, name) {
                    options.push((name.to_owned(), value.to_owned()));
                }
            }
            if let Some(keys) = &self.parameters_of(options)?.credentials {
                return Ok(keys.clone());
            }
        }
        let missing = |why: String| Failure::new(Exit::Refused, format!("no credentials: {why}"));
        let lease = self.chain(&self.context()).fetch();
        let lease = lease.map_err(|error| missing(error.to_string()))?;
        lease.credentials.ok_or_else(|| missing("the source has none".to_owned()))
    }

    fn chain(&self, context: &Context) -> Chain {
        match self.keys {
            KeySources::All => Chain::new(context),
            KeySources::FromProfile => Chain::of(vec![
                Box::new(SharedFiles::new(context)),
                Box::new(Container::new(context)),
                Box::new(Metadata::new(context)),
            ]),
        }
    }

    /// Returns the context in which credentials are looked up.
    pub(crate) fn context(&self) -> Context {
        Context::default().with_environment(self.environment.clone())
    }

    /// Adds settings from AWS's variables and from the profile, unless an option gives them.
    ///
    /// # Errors
    /// Fails if the endpoint is needed and cannot be determined.
    fn add_surroundings(&self, options: &mut Vec<(String, String)>) -> Outcome {
        let context = self.context();
        let setting = |variables: &[&str], key: &str| {
            variables.iter().find_map(|variable| context.setting(variable, key))
        };
        let is_endpoint_given = has(options, "regionendpoint");
        let endpoint = if is_endpoint_given { None } else { context.s3_endpoint_url()? };
        let found = [
            ("regionendpoint", &["regionendpoint"][..], endpoint),
            ("region", &["region"], setting(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region")),
            ("cacert", &["cacert", "skipverify"], setting(&["AWS_CA_BUNDLE"], "ca_bundle")),
        ];
        for (name, given, value) in found {
            if let Some(value) = value.filter(|_| !given.iter().any(|name| has(options, name))) {
                options.push((name.to_owned(), value));
            }
        }
        Ok(())
    }
}

fn has(options: &[(String, String)], name: &str) -> bool {
    options.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
}

/// Returns the process's environment variables. If a profile is chosen, it takes the place of the
/// profile in the variables.
fn environment(profile: Option<&str>) -> Environment {
    let Some(profile) = profile else { return Environment::default() };
    let variables = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variables = variables.filter(|(name, _)| name != "AWS_PROFILE");
    let chosen = [("AWS_PROFILE".to_owned(), profile.to_owned())];
    // Given variables are not completed from the user database.
    let home = env::home_dir().and_then(|home| home.into_os_string().into_string().ok());
    let home = home.map(|home| ("HOME".to_owned(), home));
    Environment::from_pairs(home.into_iter().chain(variables).chain(chosen))
}

fn read_file(path: &Path) -> Outcome<Value> {
    let failed = |error| Failure::local(format_args!("reading {}", shown_path(path)), &error);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    let refused = |why: &str| Failure::usage(format!("{}: {why}", shown_path(path)));
    if text.len() as u64 > LONGEST_FILE {
        return Err(refused("the file is too large for a configuration"));
    }
    yaml::read(&text).map_err(|why| refused(&why))
}

fn registry_config(file: Value) -> Outcome<RegistryConfig> {
    RegistryConfig::deserialize(file)
        .map_err(|error| Failure::usage(format!("the configuration cannot be used: {error}")))
}

/// Sets options of the driver in the file, in place of the options with these names.
fn replace(file: &mut Value, options: &[(String, String)]) -> Outcome {
    let section = member(file, |name| name == "storage")
        .and_then(|storage| member(storage, |name| SECTIONS.contains(&name)));
    let Some(section) = section else {
        return Err(Failure::usage("the configuration has no S3 driver in its section storage"));
    };
    if section.is_null() {
        *section = Value::Object(Map::new());
    }
    let Value::Object(section) = section else {
        return Err(Failure::usage("the S3 driver of the configuration is not a map of options"));
    };
    for (name, value) in options {
        section.retain(|given, _| !given.eq_ignore_ascii_case(name));
        section.insert(name.clone(), value.as_str().into());
    }
    Ok(())
}

/// Returns the first member whose name, in lower case, is a wanted one.
fn member(value: &mut Value, is_wanted: impl Fn(&str) -> bool) -> Option<&mut Value> {
    let Value::Object(members) = value else { return None };
    members
        .iter_mut()
        .find(|(name, _)| is_wanted(&name.to_ascii_lowercase()))
        .map(|(_, member)| member)
}
