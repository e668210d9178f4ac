//! A registry's `config.yml` as a JSON value, for serde and for the example registry. Scalars stay
//! the text that they are written as: an access key of digits is not a number, and the registry's
//! readers of options also take text.
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The greatest depth of a configuration. No known configuration has more than seven levels.
pub(crate) const DEPTH: usize = 32;

/// Reads a single document.
pub(crate) fn read(text: &str) -> Result<Value, String> {
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
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
            event => events.push(event),
        }
    }
    let mut events = events.into_iter();
    let document = value(&mut events, DEPTH)?;
    match (document, events.next(), events.next()) {
        (Some(document), Some(Event::DocumentEnd), None) => Ok(document),
        _ => Err("the text is not one document".to_owned()),
    }
}

/// Reads the next value. Returns `None` at the end of a list or a map.
fn value<'a>(
    events: &mut impl Iterator<Item = Event<'a>>,
    depth: usize,
) -> Result<Option<Value>, String> {
    let depth = depth.checked_sub(1).ok_or("the text is nested too deeply")?;
    match events.next() {
        Some(Event::Scalar(text, ScalarStyle::Plain, ..))
            if matches!(&*text, "" | "~" | "null") =>
        {
            Ok(Some(Value::Null))
        }
        Some(Event::Scalar(text, ..)) => Ok(Some(Value::from(&*text))),
        Some(Event::SequenceStart(..)) => {
            let mut list = Vec::new();
            while let Some(item) = value(events, depth)? {
                list.push(item);
            }
            Ok(Some(Value::Array(list)))
        }
        Some(Event::MappingStart(..)) => {
            let mut map = Map::new();
            while let Some(name) = value(events, depth)? {
                let Value::String(name) = name else {
                    return Err("the text has a name that is not text".to_owned());
                };
                let member = value(events, depth)?.ok_or("the text has a name without a value")?;
                if map.contains_key(&name) {
                    return Err(format!("{name} is given twice"));
                }
                map.insert(name, member);
            }
            Ok(Some(Value::Object(map)))
        }
        _ => Ok(None),
    }
}
