//! What may be found when an operation was cut off, by a kill or by an error.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// Whether `found` lies between `before` and `after`: each path is as it was or as it was to become, there is no other
/// one, and what was there before and was to stay is there, wherever it is.
///
/// # Errors
/// What does not fit, in words.
pub fn old_or_new<T: PartialEq + Debug>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
) -> Result<(), String> {
    for path in before.keys().chain(after.keys()).chain(found.keys()) {
        let is = found.get(path);
        if is != before.get(path) && is != after.get(path) {
            return Err(format!("{path} is neither what it was nor what it was to become"));
        }
    }
    for (path, content) in after {
        let was_there = before.values().any(|old| old == content);
        if was_there && !found.values().any(|is| is == content) {
            return Err(format!("what {path} was to hold was there before and is lost"));
        }
    }
    Ok(())
}
