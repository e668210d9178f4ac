//! The values of a registry's `config.yml`, and sections that accept only the names they know.
use s3driver::duration::parse_with_days;
use serde_json::{Map, Value};
use std::time::Duration;

/// Converts the short form of a section that only names its driver, such as `storage: inmemory`.
pub(super) fn expand_name(section: &mut Value) {
    if let Value::String(name) = section {
        let name = std::mem::take(name);
        *section = Value::Object(Map::from_iter([(name, Value::Null)]));
    }
}

/// A map of options and its place in the configuration, such as `storage.delete`.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    place: String,
    /// `None` for an empty section.
    options: Option<&'a Map<String, Value>>,
}

impl<'a> Section<'a> {
    /// Returns the outermost section, whose names must be among `known`.
    pub(super) fn root(document: &'a Value, known: &[&str]) -> Result<Self, String> {
        Self::new(String::new(), document)?.check(known)
    }

    /// Returns the section `name`, whose names must be among `known`. A misspelt option would be
    /// ignored otherwise.
    pub(super) fn section(&self, name: &str, known: &[&str]) -> Result<Self, String> {
        Self::new(self.place(name), self.get(name))?.check(known)
    }

    fn new(place: String, value: &'a Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self { place, options: None }),
            Value::Object(options) => Ok(Self { place, options: Some(options) }),
            _ if place.is_empty() => Err("the configuration is not a map of sections".to_owned()),
            _ => Err(format!("{place} is not a map of options")),
        }
    }

    fn check(self, known: &[&str]) -> Result<Self, String> {
        match self.options().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(self),
            Some((name, _)) => Err(self.unsupported(name)),
        }
    }

    fn options(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.options.into_iter().flatten()
    }

    /// Returns the error for an option that this registry does not implement.
    pub(super) fn unsupported(&self, name: &str) -> String {
        let place = self.place(name);
        format!("{place} is not supported by this registry: remove it from the configuration")
    }

    pub(super) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.options.is_some_and(|options| options.contains_key(name))
    }

    fn get(&self, name: &str) -> &'a Value {
        self.options.and_then(|options| options.get(name)).unwrap_or(&Value::Null)
    }

    /// Returns the text of an option, or `None` if it is not given.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.get(name) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(format!("{} is not a value", self.place(name))),
        }
    }

    /// Returns a boolean, in any of the forms of YAML 1.1, which Docker's registry accepts.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.text(name)?.map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "yes" | "on" | "y") => Ok(true),
            Some("false" | "no" | "off" | "n") => Ok(false),
            Some(_) => Err(format!("{} is neither true nor false", self.place(name))),
        }
    }

    /// Returns a duration, for which `default` is used if it is not given.
    pub(super) fn duration(&self, name: &str, default: &str) -> Result<Duration, String> {
        let text = self.text(name)?.unwrap_or(default);
        parse_with_days(text)
            .map_err(|why| format!("{} is not a duration such as 168h: {why}", self.place(name)))
    }

    /// Returns the entries of a list of sections, whose names must be among `known`.
    pub(super) fn sections(&self, name: &str, known: &[&str]) -> Result<Vec<Self>, String> {
        let entries = match self.get(name) {
            Value::Null => &[][..],
            Value::Array(entries) => entries,
            _ => return Err(format!("{} is not a list", self.place(name))),
        };
        entries.iter().map(|entry| Self::new(self.place(name), entry)?.check(known)).collect()
    }

    /// Returns the values of a list. One value counts as a list.
    pub(super) fn values(&self, name: &str) -> Result<Vec<&'a str>, String> {
        match self.get(name) {
            Value::Array(list) => texts(list),
            _ => Some(self.text(name)?.into_iter().collect()),
        }
        .ok_or_else(|| format!("{} is not a list of values", self.place(name)))
    }

    /// Returns the options of a driver or a middleware, whose place for errors is `place`. Lists
    /// are joined with commas, and null values are omitted.
    pub(super) fn pairs(&self, name: &str, place: &str) -> Result<Vec<(String, String)>, String> {
        let mut options = Vec::new();
        for (name, value) in Self::new(place.to_owned(), self.get(name))?.options() {
            match value {
                Value::Null => {}
                Value::String(text) => options.push((name.clone(), text.clone())),
                Value::Array(list) => {
                    let parts = texts(list)
                        .ok_or_else(|| format!("{place}.{name} is not a list of values"))?;
                    options.push((name.clone(), parts.join(",")));
                }
                _ => return Err(format!("{place}.{name} is not a value")),
            }
        }
        Ok(options)
    }
}

fn texts(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(Value::as_str).collect()
}
