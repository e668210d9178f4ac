//! A value of a configuration file, of any type, before it becomes an option.
//!
//! Values are first deserialized without a type, because serde's "invalid type" messages quote the
//! value, which could be a secret.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

/// The limit for nested lists and maps in one value. The configurations of registries have at most
/// five levels.
const DEPTH: usize = 32;

/// An untyped value. The text of scalars is wiped on drop.
pub(crate) enum Value {
    Null,
    Text(Zeroizing<String>),
    Boolean(bool),
    Integer(Zeroizing<String>),
    Float,
    /// Bytes, which do not occur in text formats.
    Bytes,
    List(Vec<Self>),
    /// Names and values in their original order. A name can occur twice.
    Map(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Level(DEPTH).deserialize(deserializer)
    }
}

/// The number of levels that may still follow.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn next<E: Error>(self) -> Result<Self, E> {
        self.0
            .checked_sub(1)
            .map(Self)
            .ok_or_else(|| E::custom("the configuration is nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn integer(value: &impl ToString) -> Value {
    Value::Integer(Zeroizing::new(value.to_string()))
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a configuration")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.next()?.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        self.next()?.deserialize(deserializer)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(value)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(integer(&value))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(integer(&value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(integer(&value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(integer(&value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let level = self.next()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(level)? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let level = self.next()?;
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            entries.push((name, map.next_value_seed(level)?));
        }
        Ok(Value::Map(entries))
    }
}
