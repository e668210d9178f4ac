//! `Deserialize` for [`Parameters`](super::Parameters): a map of the option names.
//!
//! No message shows a value that could be a secret.

use super::Parameters;
use super::kind::{Kind, refused};
use super::options::GivenOptions;
use super::table::lookup;
use super::value::Value;
use crate::error::Result;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use zeroize::Zeroizing;

impl<'de> Deserialize<'de> for Parameters {
    /// From a map of option names to text, booleans, integers or null (not given); everything else is as in
    /// [`Parameters::from_pairs`]. `loglevel` may also be a list.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_map`: formats respond to that with a quotation when they find text.
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Parameters {
    /// Reads the options from a map; null is an empty one.
    pub(crate) fn from_value(value: Value) -> Result<Self> {
        let entries = match value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            Value::Text(_) => return Err(refused("the S3 parameters must be a map, not text")),
            _ => return Err(refused("the S3 parameters must be a map")),
        };
        let mut options = GivenOptions::default();
        for (name, value) in entries {
            let named = lookup(&name)?;
            let (name, kind) = (named.name(), named.kind());
            if let Some(text) = value.into_text(name, kind)? {
                options.set(named, text)?;
            }
        }
        Self::resolve(&options)
    }
}

impl Value {
    /// Returns the text of an option's value; `None` when it is not given.
    fn into_text(self, name: &str, kind: Kind) -> Result<Option<Zeroizing<String>>> {
        let text = match (self, kind) {
            (Self::Null, _) => return Ok(None),
            (Self::Text(text), _) => Ok(text),
            // YAML's `off` and `no` are booleans: for text they are most likely not what was meant.
            (Self::Boolean(_), Kind::Text | Kind::Secret | Kind::Duration) => {
                Err("must be text, not a boolean; write it in quotes")
            }
            (Self::Boolean(value), _) => Ok(Zeroizing::new(value.to_string())),
            // What the format read as a number may not be written as it was: hexadecimal, or with zeros before it.
            (Self::Integer(_), Kind::Secret) => {
                Err("must be text, not a number; write it in quotes")
            }
            (Self::Integer(value), _) => Ok(value),
            (Self::Float, Kind::Integer) => {
                let message = format!(
                    "{name} parameter must be an integer, a floating-point number is invalid"
                );
                return Err(refused(message));
            }
            (Self::Float, _) => Err("must not be a number; write it in quotes"),
            (Self::List(list), Kind::Words) => {
                let mut words = Vec::new();
                for value in list {
                    words.extend(value.into_text(name, Kind::Word)?);
                }
                Ok(Zeroizing::new(
                    words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(","),
                ))
            }
            (Self::List(_) | Self::Map(_) | Self::Bytes, _) => {
                Err("must be a single value, not a list or a map")
            }
        };
        text.map(Some).map_err(|reason| refused(format!("the {name} parameter {reason}")))
    }
}
