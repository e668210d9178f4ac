//! The values of a registry's `config.yml`, and sections that accept only the names they know.
use s3driver::duration::parse_with_days;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::time::Duration;

/// The maximum nesting depth of a configuration. Real configurations have at most five levels.
pub(super) const DEPTH: usize = 16;

/// A value of the configuration. Scalars are kept as text, because an access key that consists of
/// digits is not a number.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Nothing,
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Value {
    /// Parses a text that is one YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut events = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| error.to_string())?;
            match event {
                // An alias of aliases can stand for more values than fit into memory.
                Event::Alias(_) => {
                    let line = span.start.line();
                    return Err(format!(
                        "line {line} uses an alias (*), which is not supported: repeat the value"
                    ));
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_) => {}
                event => events.push(event),
            }
        }
        let mut events = events.into_iter();
        let document = Self::next(&mut events, DEPTH)?;
        match (document, events.next(), events.next()) {
            (Some(document), Some(Event::DocumentEnd), None) => Ok(document),
            _ => Err("the configuration is not one document".to_owned()),
        }
    }

    /// Parses the next value. Returns `None` at the end of a list or a map.
    fn next<'a>(
        events: &mut impl Iterator<Item = Event<'a>>,
        depth: usize,
    ) -> Result<Option<Self>, String> {
        let depth = depth.checked_sub(1).ok_or("the configuration is nested too deeply")?;
        match events.next() {
            Some(Event::Scalar(text, ScalarStyle::Plain, ..))
                if matches!(&*text, "" | "~" | "null") =>
            {
                Ok(Some(Self::Nothing))
            }
            Some(Event::Scalar(text, ..)) => Ok(Some(Self::Text(text.into_owned()))),
            Some(Event::SequenceStart(..)) => {
                let mut list = Vec::new();
                while let Some(value) = Self::next(events, depth)? {
                    list.push(value);
                }
                Ok(Some(Self::List(list)))
            }
            Some(Event::MappingStart(..)) => {
                let mut pairs: Vec<(String, Self)> = Vec::new();
                while let Some(key) = Self::next(events, depth)? {
                    let Self::Text(key) = key else {
                        return Err("the configuration has a name that is not text".to_owned());
                    };
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(format!("{key} is given twice"));
                    }
                    let value = Self::next(events, depth)?
                        .ok_or("the configuration has a name without a value")?;
                    pairs.push((key, value));
                }
                Ok(Some(Self::Map(pairs)))
            }
            _ => Ok(None),
        }
    }

    /// Converts the short form of a section that only names its driver, such as
    /// `storage: inmemory`.
    pub(super) fn expand_name(&mut self) {
        if let Self::Text(name) = self {
            *self = Self::Map(vec![(std::mem::take(name), Self::Nothing)]);
        }
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the value of a name, if this is a map that has it.
    pub(super) fn member(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// A map of options and its place in the configuration, such as `storage.delete`.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    place: String,
    pairs: &'a [(String, Value)],
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
            Value::Nothing => Ok(Self { place, pairs: &[] }),
            Value::Map(pairs) => Ok(Self { place, pairs }),
            _ if place.is_empty() => Err("the configuration is not a map of sections".to_owned()),
            _ => Err(format!("{place} is not a map of options")),
        }
    }

    fn check(self, known: &[&str]) -> Result<Self, String> {
        match self.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(self),
            Some((name, _)) => Err(self.unsupported(name)),
        }
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
        self.pairs.iter().any(|(key, _)| key == name)
    }

    fn get(&self, name: &str) -> &'a Value {
        self.pairs.iter().find(|(key, _)| key == name).map_or(&Value::Nothing, |(_, value)| value)
    }

    /// Returns the text of an option, or `None` if it is not given.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.get(name) {
            Value::Nothing => Ok(None),
            Value::Text(text) => Ok(Some(text)),
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
            Value::Nothing => &[][..],
            Value::List(entries) => entries,
            _ => return Err(format!("{} is not a list", self.place(name))),
        };
        entries.iter().map(|entry| Self::new(self.place(name), entry)?.check(known)).collect()
    }

    /// Returns the values of a list. One value counts as a list.
    pub(super) fn values(&self, name: &str) -> Result<Vec<&'a str>, String> {
        match self.get(name) {
            Value::List(list) => texts(list),
            _ => Some(self.text(name)?.into_iter().collect()),
        }
        .ok_or_else(|| format!("{} is not a list of values", self.place(name)))
    }

    /// Returns the options of a driver or a middleware, whose place for errors is `place`. Lists
    /// are joined with commas, and null values are omitted.
    pub(super) fn pairs(&self, name: &str, place: &str) -> Result<Vec<(String, String)>, String> {
        let mut options = Vec::new();
        for (name, value) in Self::new(place.to_owned(), self.get(name))?.pairs {
            match value {
                Value::Nothing => {}
                Value::Text(text) => options.push((name.clone(), text.clone())),
                Value::List(list) => {
                    let parts = texts(list)
                        .ok_or_else(|| format!("{place}.{name} is not a list of values"))?;
                    options.push((name.clone(), parts.join(",")));
                }
                Value::Map(_) => return Err(format!("{place}.{name} is not a value")),
            }
        }
        Ok(options)
    }
}

fn texts(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(Value::text).collect()
}
