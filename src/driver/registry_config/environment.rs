//! Variables of the environment that set options of the configuration file, as in Distribution.
//!
//! Distribution splits a variable's name at its underscores, and follows the parts through the
//! configuration in any case. A name that does not exist is added in lower case. Variables are
//! applied in the order of their names, so that `REGISTRY_STORAGE=s3` precedes
//! `REGISTRY_STORAGE_S3_BUCKET`.
use super::section::config_error;
use crate::driver::s3::Value;
use crate::error::Result;
use crate::text::{Form, shown_value};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const PREFIX: &str = "REGISTRY_";

/// The maximum number of parts of a name. Options of a registry have at most six.
const MAX_PARTS: usize = 16;

/// The variables of a registry: the names without `REGISTRY_`, in their order, and the values.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, Zeroizing<String>>);

impl Variables {
    pub(super) fn new(
        variables: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Self {
        let own = variables.into_iter().filter_map(|(name, value)| {
            let name = name.as_ref().strip_prefix(PREFIX)?.to_owned();
            Some((name, Zeroizing::new(value.as_ref().to_owned())))
        });
        Self(own.collect())
    }

    /// Sets the options of the section `name` that the variables name. `None` is a section that
    /// does not exist.
    pub(super) fn apply_to(&self, name: &str, section: Option<Value>) -> Result<Option<Value>> {
        let mut section = section;
        for (variable, text) in &self.0 {
            let mut parts = variable.split('_');
            if !parts.next().is_some_and(|first| first.eq_ignore_ascii_case(name)) {
                continue;
            }
            let parts: Vec<&str> = parts.collect();
            if parts.len() > MAX_PARTS || parts.contains(&"") {
                return Err(refused(variable, "does not name an option"));
            }
            let place = section.get_or_insert(Value::Null);
            set(place, &parts, text).map_err(|why| refused(variable, why))?;
        }
        Ok(section)
    }
}

/// Sets the value at the end of a path of names. The error completes a sentence about the variable.
fn set(place: &mut Value, path: &[&str], text: &str) -> std::result::Result<(), &'static str> {
    let Some((first, rest)) = path.split_first() else {
        *place = Value::Text(Zeroizing::new(text.to_owned()));
        return Ok(());
    };
    match place {
        Value::Null => *place = Value::Map(Vec::new()),
        // `storage: s3` names the driver, whose options follow.
        Value::Text(name) => *place = Value::Map(vec![(name.to_string(), Value::Null)]),
        _ => {}
    }
    match place {
        Value::Map(entries) => {
            let found = entries.iter().position(|(name, _)| name.eq_ignore_ascii_case(first));
            let at = found.unwrap_or(entries.len());
            if found.is_none() {
                entries.push((first.to_ascii_lowercase(), Value::Null));
            }
            entries.get_mut(at).map_or(Ok(()), |(_, value)| set(value, rest, text))
        }
        Value::List(list) => {
            let at: usize =
                first.parse().map_err(|_| "names an entry of a list without a number")?;
            if at == list.len() {
                list.push(Value::Null);
            }
            let entry = list.get_mut(at).ok_or("names an entry that the list does not have")?;
            set(entry, rest, text)
        }
        _ => Err("names an option inside a single value"),
    }
}

fn refused(variable: &str, why: &str) -> crate::error::Error {
    let name = format!("{PREFIX}{variable}");
    config_error(format!("the variable {} {why}", shown_value(&name, Form::Name)))
        .with_hint("remove the variable, or write the option into the configuration file")
}
