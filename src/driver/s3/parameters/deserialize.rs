//! `Deserialize` for [`Parameters`](super::Parameters): a map of the option names.
//!
//! No message shows a value that could be a secret: scalars of every type are taken as text here, so that serde's own
//! "invalid type" messages, which quote what they found, never come up.

use super::Parameters;
use super::options::GivenOptions;
use super::table::{Kind, ParameterOption, known, refused};
use crate::error::Result;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

impl<'de> Deserialize<'de> for Parameters {
    /// From a map of option names to text, booleans, integers or null (not given); everything else is as in
    /// [`Parameters::from_pairs`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_map`: formats answer that with a quotation when they find text.
        deserializer.deserialize_any(OptionsVisitor)
    }
}

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of S3 parameters")
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Parameters, E> {
        Err(E::custom("the S3 parameters must be a map, not text"))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut options = GivenOptions::default();
        while let Some(name) = map.next_key::<String>()? {
            // An unknown name is reported before its value is read.
            let option = known(&name).map_err(A::Error::custom)?;
            let value = map.next_value::<Scalar>()?;
            value.add_to(&mut options, *option).map_err(A::Error::custom)?;
        }
        Parameters::resolve(&options).map_err(A::Error::custom)
    }
}

/// A value as the format has it.
enum Scalar {
    Null,
    Text(Zeroizing<String>),
    Boolean(bool),
    Integer(Zeroizing<String>),
    Float,
    Other,
}

impl Scalar {
    fn add_to(self, options: &mut GivenOptions, option: ParameterOption) -> Result<()> {
        let ParameterOption { name, kind, .. } = option;
        let text = match (self, kind) {
            (Self::Null, _) => return Ok(()),
            (Self::Text(text), _) => Ok(text),
            // YAML's `off` and `no` are booleans: for text they are most likely not what was meant.
            (Self::Boolean(_), Kind::Text | Kind::Secret | Kind::Duration) => {
                Err("must be text, not a boolean; write it in quotes")
            }
            (Self::Boolean(value), _) => Ok(Zeroizing::new(value.to_string())),
            // What the format read as a number may not be written as it was: hexadecimal, or with zeros before it.
            (Self::Integer(_), Kind::Secret) => Err("must be text, not a number; write it in quotes"),
            (Self::Integer(value), _) => Ok(value),
            (Self::Float, Kind::Integer) => {
                let message = format!("{name} parameter must be an integer, a floating-point number is invalid");
                return Err(refused(message));
            }
            (Self::Float, _) => Err("must not be a number; write it in quotes"),
            (Self::Other, _) => Err("must be a single value, not a list or a map"),
        };
        options.add(name, text.map_err(|reason| refused(format!("the {name} parameter {reason}")))?)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl ScalarVisitor {
    fn integer(value: &impl ToString) -> Scalar {
        Scalar::Integer(Zeroizing::new(value.to_string()))
    }
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a boolean, an integer or null")
    }
    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }
    fn visit_none<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        Scalar::deserialize(deserializer)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        Scalar::deserialize(deserializer)
    }
    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(Zeroizing::new(value.to_owned())))
    }
    fn visit_string<E>(self, value: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(Zeroizing::new(value)))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Boolean(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Self::integer(&value))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Scalar, E> {
        Ok(Self::integer(&value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Self::integer(&value))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Scalar, E> {
        Ok(Self::integer(&value))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float)
    }
    fn visit_bytes<E>(self, _: &[u8]) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
