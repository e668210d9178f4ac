//! Booleans in configuration files and in variables.

/// Returns the boolean that a word stands for, in any case: the words of Go's `strconv.ParseBool`,
/// and those of YAML 1.1 (<https://yaml.org/type/bool.html>), which are booleans for Go's YAML
/// reader but text for readers of YAML 1.2 and in variables of the environment.
pub(crate) fn boolean_word(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "y" | "yes" | "on" => Some(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}
