//! The states that are acceptable after an operation was interrupted by a kill or an error.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// Checks that `found` lies between `before` and `after`: each path is in its old or in its new
/// state, there is no other path, and content that existed before and should remain exists at some
/// path.
///
/// # Errors
/// A description of the first violation.
pub fn old_or_new<T: PartialEq + Debug>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
) -> Result<(), String> {
    for path in before.keys().chain(after.keys()).chain(found.keys()) {
        let is = found.get(path);
        if is != before.get(path) && is != after.get(path) {
            return Err(format!("{path} is neither in its old nor in its new state"));
        }
    }
    for (path, content) in after {
        let was_there = before.values().any(|old| old == content);
        if was_there && !found.values().any(|is| is == content) {
            return Err(format!("the content that {path} should have existed before and is lost"));
        }
    }
    Ok(())
}
