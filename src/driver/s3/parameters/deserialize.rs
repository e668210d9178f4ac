//! `Deserialize` for [`Parameters`](super::Parameters): a map of option names.
//!
//! Error messages never show a value that could be a secret.

use super::Parameters;
use super::kind::{Kind, config_error};
use super::options::GivenOptions;
use super::table::lookup;
use super::value::Value;
use crate::error::Result;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use zeroize::Zeroizing;

impl<'de> Deserialize<'de> for Parameters {
    /// Deserializes a map from option names to text, booleans, integers or null (not given).
    /// Otherwise the rules of [`Parameters::from_pairs`] apply. `loglevel` may also be a list.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `deserialize_map` is not used, because formats quote the text that they find instead of a
        // map.
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Parameters {
    /// Reads the options from a map. Null counts as an empty map.
    pub(crate) fn from_value(value: Value) -> Result<Self> {
        let entries = match value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            Value::Text(_) => {
                return Err(config_error("the S3 parameters must be a map, not text"));
            }
            _ => return Err(config_error("the S3 parameters must be a map")),
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
    /// Returns the text of an option's value, or `None` if it is not given.
    fn into_text(self, name: &str, kind: Kind) -> Result<Option<Zeroizing<String>>> {
        let text = match (self, kind) {
            (Self::Null, _) => return Ok(None),
            (Self::Text(text), _) => Ok(text),
            // YAML's `off` and `no` are booleans. If an option takes text, a boolean is most likely
            // a mistake.
            (Self::Boolean(_), Kind::Text | Kind::Secret | Kind::Duration) => {
                Err("must be text, not a boolean; write it in quotes")
            }
            (Self::Boolean(value), _) => Ok(Zeroizing::new(value.to_string())),
            // A number may have been written in another form, such as hexadecimal or with leading
            // zeros, which the format does not preserve.
            (Self::Integer(_), Kind::Secret) => {
                Err("must be text, not a number; write it in quotes")
            }
            (Self::Integer(value), _) => Ok(value),
            (Self::Float, Kind::Integer) => {
                let message =
                    format!("{name} parameter must be an integer, not a floating-point number");
                return Err(config_error(message));
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

        text.map(Some).map_err(|reason| config_error(format!("the {name} parameter {reason}")))
    }
}
