//! A streaming parser for `ip-ranges.json`, which passes on each range as soon as its entry has
//! been parsed and does not store anything.
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The maximum number of ranges that are used from one document, which is ten times the number in
/// today's document.
const MAX_RANGES: usize = 100_000;

/// The two lists of the document, and the member that contains the range in their entries.
const LISTS: [(&str, &str); 2] = [("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")];

/// A range of addresses, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    /// Parses a range such as `192.0.2.0/24`. Any address in a network stands for the whole
    /// network.
    fn parse(cidr: &str) -> Option<Self> {
        let (address, bits) = cidr.split_once('/')?;
        let bits =
            bits.parse::<u32>().ok().filter(|_| bits.bytes().all(|byte| byte.is_ascii_digit()))?;
        if let Ok(address) = address.parse::<Ipv4Addr>() {
            let hosts = u32::MAX.checked_shr((bits <= 32).then_some(bits)?).unwrap_or(0);
            let first = u32::from(address) & !hosts;
            return Some(Self::V4(first, first | hosts));
        }

        let address = address.parse::<Ipv6Addr>().ok()?;
        let hosts = u128::MAX.checked_shr((bits <= 128).then_some(bits)?).unwrap_or(0);
        let first = u128::from(address) & !hosts;
        Some(Self::V6(first, first | hosts))
    }
}

/// Parses the document. Calls `add` with the range of every entry whose region `includes` accepts,
/// or with `None` if the range is invalid.
///
/// # Errors
/// Fails if the document has a different structure, or more than [`MAX_RANGES`] of these ranges.
pub(super) fn read(
    document: &[u8],
    includes: &dyn Fn(&str) -> bool,
    add: &mut dyn FnMut(Option<Range>),
) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(document);
    serde::Deserializer::deserialize_map(&mut json, Reader { includes, add, left: MAX_RANGES })?;
    json.end()
}

struct Reader<'a> {
    includes: &'a dyn Fn(&str) -> bool,
    add: &'a mut dyn FnMut(Option<Range>),
    /// The number of ranges that may still be added.
    left: usize,
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the lists `prefixes` and `ipv6_prefixes`")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut lists: Vec<_> = LISTS.to_vec();
        while let Some(name) = map.next_key_seed(OneOf(LISTS.map(|(name, _)| name)))? {
            let Some(name) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };

            let Some(at) = lists.iter().position(|(list, _)| *list == name) else {
                return Err(A::Error::custom(format!("the list `{name}` occurs twice")));
            };

            let (_, member) = lists.swap_remove(at);
            map.next_value_seed(Entries { reader: &mut self, member })?;
        }

        // A document of one's own may have only one of them.
        match lists[..] {
            [(name, _), _] => Err(A::Error::custom(format!("the list `{name}` is missing"))),
            _ => Ok(()),
        }
    }
}

/// Deserializes a name; returns `None` if it is not one of these.
struct OneOf([&'static str; 2]);

impl<'de> DeserializeSeed<'de> for OneOf {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OneOf {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.into_iter().find(|name| *name == text))
    }
}

/// Deserializes the entries of a list.
struct Entries<'a, 'r> {
    reader: &'a mut Reader<'r>,
    member: &'static str,
}

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ranges")
    }

    /// Go writes a list without entries as `null`.
    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Reader { includes, add, left } = self.reader;
        while let Some(range) =
            entries.next_element_seed(Entry { member: self.member, includes: *includes })?
        {
            let Some(range) = range else { continue };
            *left = left
                .checked_sub(1)
                .ok_or_else(|| A::Error::custom(format!("it has more than {MAX_RANGES} ranges")))?;
            add(range);
        }

        Ok(())
    }
}

/// Accepts values of all other types with the given result, so that one unexpected entry does not
/// invalidate the document.
macro_rules! ignore_others {
    ($($visit:ident: $type:ty),*; $result:expr) => {$(
        fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok($result(&self))
        }
    )*
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($result(&self))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
            while values.next_element::<IgnoredAny>()?.is_some() {}
            Ok($result(&self))
        }
    };
}

/// Deserializes an entry. Returns its range if its region is included, with `None` in place of an
/// invalid range.
#[derive(Clone, Copy)]
struct Entry<'a> {
    member: &'static str,
    includes: &'a dyn Fn(&str) -> bool,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Option<Option<Range>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Option<Option<Range>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut range, mut is_included) = (None, None);
        while let Some(name) = members.next_key_seed(OneOf([self.member, "region"]))? {
            match name {
                None => drop(members.next_value::<IgnoredAny>()?),
                Some("region") => is_included = members.next_value_seed(Text(self.includes))?,
                Some(_) => range = members.next_value_seed(Text(Range::parse))?.flatten(),
            }
        }

        Ok(is_included.unwrap_or_else(|| (self.includes)("")).then_some(range))
    }

    ignore_others!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str;
        |entry: &Self| (entry.includes)("").then_some(None));
}

/// Deserializes a text and applies a function to it; returns `None` for a value that is not a text.
struct Text<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Text<F> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F: FnOnce(&str) -> T> Visitor<'de> for Text<F> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some((self.0)(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    ignore_others!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64; |_: &Self| None);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the ranges that are added for a document, and the error with which parsing ends.
    fn added(document: &str) -> (Vec<Option<Range>>, Option<String>) {
        let mut found = Vec::new();
        let read =
            read(document.as_bytes(), &|region| region != "other", &mut |range| found.push(range));
        (found, read.err().map(|error| error.to_string()))
    }

    #[test]
    fn values_of_other_types_are_ignored() {
        let odd = ["1", "-1", "1.5", "true", "null", "\"x\"", "[[{}]]", "{\"a\":[1]}"];
        for odd in odd {
            let document = format!(
                "{{\"x\":{odd},\"ipv6_prefixes\":[],\"prefixes\":[{odd},{{\"ip_prefix\":{odd},\"region\":\"r\"}},\
                 {{\"x\":{odd},\"ip_prefix\":\"10.0.0.0/8\",\"region\":{odd}}},{{\"region\":\"other\",\"ip_prefix\":{odd}}}]}}"
            );
            let whole = Range::V4(0x0a00_0000, 0x0aff_ffff);
            assert_eq!(added(&document), (vec![None, None, Some(whole)], None), "{document}");
        }
    }

    #[test]
    fn documents_of_another_form_are_refused() {
        for (document, reason) in [
            ("", "EOF"),
            ("[]", "expected a map with the lists"),
            ("{}", "the list `prefixes` is missing"),
            ("{\"prefixes\":[],\"ipv6_prefixes\":{}}", "expected a list of ranges"),
            (
                "{\"prefixes\":[],\"prefixes\":[],\"ipv6_prefixes\":[]}",
                "the list `prefixes` occurs twice",
            ),
            ("{\"prefixes\":[],\"ipv6_prefixes\":[]} x", "trailing characters"),
        ] {
            let (found, error) = added(document);
            assert!(
                found.is_empty() && error.as_deref().is_some_and(|error| error.contains(reason)),
                "{error:?}"
            );
        }
    }

    #[test]
    fn p11_more_ranges_than_the_limit_are_refused() {
        let document = |count: usize| {
            let entries = vec!["{\"ip_prefix\":\"10.0.0.0/8\"}"; count].join(",");
            format!(
                "{{\"prefixes\":[{entries}],\"ipv6_prefixes\":[{{\"ipv6_prefix\":\"::/0\",\"region\":\"other\"}}]}}"
            )
        };

        assert_eq!(added(&document(MAX_RANGES)).1, None);
        let (found, error) = added(&document(MAX_RANGES + 1));
        assert_eq!(found.len(), MAX_RANGES);
        assert!(error.is_some_and(|error| error.contains("more than 100000 ranges")));
    }
}
