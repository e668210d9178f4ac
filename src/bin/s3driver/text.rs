//! Text from outside in the output: on one line, and without characters that control a terminal or
//! deceive the reader.
use crate::escape;
use serde_json::Value;
use std::path::Path;

/// Formats a key or another text from outside for one line of output: characters that could break
/// the line, control a terminal or deceive the reader are escaped.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(escape::Escaped).map(|c| c.to_string()).collect()
}

/// Formats a path for one line of output, like [`shown`].
pub(crate) fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// Formats several lines: everything that [`shown`] escapes, except the ends of lines.
pub(crate) fn lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Formats a value as JSON on one line. Characters that [`shown`] escapes occur only in strings,
/// where JSON has an escape for each of them, so that programs read the same text.
pub(crate) fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        if escape::is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_neither_controls_the_terminal_nor_deceives_the_reader() {
        let text = "a\u{1b}[2Jb\n\u{9b}\u{202e}\u{2028}\u{200b}\u{e0041}\u{e9}";
        let plain = shown(text);
        assert_eq!(plain, "a\\u{1b}[2Jb\\n\\u{9b}\\u{202e}\\u{2028}\\u{200b}\\u{e0041}\u{e9}");
        assert_eq!(shown(&plain), plain, "escaped text is not escaped again");
        assert_eq!(lines("a\nb\r"), "a\nb\\r");

        let line = json_line(&Value::from(text));
        assert!(line.chars().all(|c| !escape::is_escaped(c)), "{line}");
        assert!(line.contains("\\u202e") && line.contains("\\udb40\\udc41"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), Value::from(text));
    }
}
