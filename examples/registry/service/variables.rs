//! The environment variables that replace options of `config.yml`, as in Docker's registry:
//! `REGISTRY_HTTP_ADDR` replaces `http.addr`.
use super::document::expand_name;
use super::yaml;
use serde_json::{Map, Value};

const PREFIX: &str = "REGISTRY_";
/// The path of the configuration file. Docker's registry reads it before the configuration; this
/// registry has an argument for it.
const FILE: &str = "REGISTRY_CONFIGURATION_PATH";
/// The sections that may consist of only a name: `REGISTRY_STORAGE=s3`.
const NAMED: [&str; 2] = ["storage", "auth"];

/// Returns the variables of this process that start with `REGISTRY_`.
///
/// # Errors
/// Fails for a value that is not UTF-8.
pub(crate) fn environment() -> Result<Vec<(String, String)>, String> {
    let named = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX));
    named
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(format!("the environment variable {name} is not UTF-8")),
        })
        .collect()
}

/// Replaces the options that `variables` name, and returns the names of those that were applied. As
/// in Docker's registry, a variable is applied after those whose names sort before it.
///
/// # Errors
/// Fails, with the name of the variable, if the configuration does not have a place for it. It may
/// be meant to require a password, so it must not be ignored.
pub(super) fn apply(
    document: &mut Value,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<String>, String> {
    let mut variables: Vec<_> =
        variables.into_iter().filter(|(name, value)| is_option(name, value)).collect();
    variables.sort();
    for (name, text) in &variables {
        let failed =
            |why: &str| format!("the environment variable {name} cannot be applied: {why}");
        let value = if text.is_empty() {
            Value::Null
        } else {
            yaml::read(text).map_err(|why| failed(&why))?
        };
        let path = name.get(PREFIX.len()..).unwrap_or_default().to_ascii_lowercase();
        let path: Vec<&str> = path.split('_').collect();
        if path.contains(&"") || path.len() > yaml::DEPTH {
            return Err(failed("its name is not that of an option"));
        }
        set(document, &path, value).map_err(|why| failed(&why))?;
    }
    Ok(variables.into_iter().map(|(name, _)| name).collect())
}

/// Reports whether the variable is meant for the registry. Kubernetes and Docker's links set
/// variables with the same prefix if a service is called `registry`, such as `REGISTRY_PORT` with
/// an address.
fn is_option(name: &str, value: &str) -> bool {
    let link = || {
        let port = name.split_once("_PORT").map(|(_, rest)| rest);
        name.ends_with("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || port == Some("") && value.contains("://")
            || port.is_some_and(|rest| {
                let rest = rest.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
                rest.starts_with("TCP") || rest.starts_with("UDP") || rest.starts_with("SCTP")
            })
    };
    name.starts_with(PREFIX) && name != FILE && !link()
}

/// Sets the value at a path, and creates the maps that lead to it.
fn set(document: &mut Value, path: &[&str], value: Value) -> Result<(), String> {
    let mut place = document;
    for (depth, part) in path.iter().enumerate() {
        if depth == 1 && path.first().is_some_and(|first| NAMED.contains(first)) {
            expand_name(place);
        }
        if matches!(place, Value::Null) {
            // No option has a name that is a number, so this is a position in a list.
            let is_position = part.bytes().all(|byte| byte.is_ascii_digit());
            *place = if is_position { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        place = match place {
            Value::Object(options) => {
                let known = options.keys().find(|name| name.eq_ignore_ascii_case(part)).cloned();
                let name = known.unwrap_or_else(|| (*part).to_owned());
                Some(options.entry(name).or_insert(Value::Null))
            }
            Value::Array(list) => {
                let at: usize =
                    part.parse().map_err(|_| format!("{part} is not a position in a list"))?;
                if at == list.len() {
                    list.push(Value::Null);
                }
                list.get_mut(at)
            }
            _ => {
                return Err(format!("the option {} has a value", path[..depth].join(".")));
            }
        }
        .ok_or_else(|| format!("the list does not have an entry {part}"))?;
    }
    *place = value;
    Ok(())
}
