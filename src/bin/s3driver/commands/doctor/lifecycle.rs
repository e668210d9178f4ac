//! Checks of the bucket's lifecycle rules: one that removes leftovers, and none that removes
//! images.
use super::finding::{Verdict, what};
use super::patient::Patient;
use s3driver::client::lacks_operation;
use s3driver::xml::LifecycleRule;
use s3driver::{Error, ErrorKind};

/// The storage classes whose objects cannot be read before they are restored.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The age, in days, that is suggested for a new rule. The registry's own purge takes a week as
/// well.
const SUGGESTED_DAYS: u64 = 7;

/// Looks for a rule that aborts unfinished uploads, and for rules that would remove blobs.
pub(super) fn rule(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let rules = match bucket.client.get_bucket_lifecycle_configuration(&bucket.name) {
        Ok(rules) => rules,
        Err(error) => return unreadable(patient, &error),
    };
    let root = match &*bucket.parameters.root_directory {
        "" => String::new(),
        root => format!("{root}/"),
    };
    let enabled = || rules.iter().filter(|rule| rule.is_enabled);
    if let Some(rule) = enabled().find(|rule| removes(rule) && touches(rule, &root)) {
        let found =
            format!("{} removes or archives objects that images may still refer to", named(rule));
        let remedy = "disable the rule, or limit it to keys outside of the registry: nothing in the \
                      bucket shows which blobs are referenced";
        let is_whole = root.starts_with(&*rule.prefix) && !rule.has_other_filters;
        return if is_whole {
            Verdict::fault(found, remedy)
        } else {
            Verdict::notice(found, remedy)
        };
    }
    let aborting = enabled().find_map(|rule| {
        let covers = root.starts_with(&*rule.prefix) && !rule.has_other_filters;
        rule.abort_uploads_after_days.filter(|_| covers).map(|days| (rule, days))
    });
    match aborting {
        Some((rule, days)) => {
            Verdict::passed(format!("{} aborts unfinished uploads after {days} days", named(rule)))
        }
        None => {
            let keys = if root.is_empty() {
                "for all keys".to_owned()
            } else {
                format!("with the prefix \"{root}\"")
            };
            Verdict::notice(
                "no rule of the bucket aborts all unfinished uploads of the registry, whose parts are charged for",
                format!(
                    "add a rule {keys} and AbortIncompleteMultipartUpload after {SUGGESTED_DAYS} \
                     days, or abort them regularly (s3driver uploads abort)"
                ),
            )
        }
    }
}

/// Returns the verdict when the rules cannot be read. A registry works without them.
fn unreadable(patient: &Patient, error: &Error) -> Verdict {
    if error.kind() == ErrorKind::AccessDenied {
        let remedy = format!(
            "allow s3:GetLifecycleConfiguration on {} to have the rules checked; a registry does \
             not need it",
            patient.bucket_arn()
        );
        return Verdict::notice(what(error), remedy);
    }
    // A server that ignores the name of the operation responds with another document.
    if lacks_operation(error) || error.kind() == ErrorKind::Protocol {
        return Verdict::NotOffered(
            "the server has no lifecycle rules: abort unfinished uploads regularly (s3driver uploads \
             abort)",
        );
    }
    Verdict::notice(what(error), "nothing for a registry, which does not read the rules")
}

/// Returns whether a rule makes current objects unreadable.
fn removes(rule: &LifecycleRule) -> bool {
    rule.expires_objects || rule.storage_classes.iter().any(|class| ARCHIVES.contains(&&**class))
}

/// Returns whether a rule applies to any object of the registry.
fn touches(rule: &LifecycleRule, root: &str) -> bool {
    root.starts_with(&*rule.prefix) || rule.prefix.starts_with(root)
}

fn named(rule: &LifecycleRule) -> String {
    match &rule.id {
        Some(id) => format!("the rule {id}"),
        None => "an unnamed rule".to_owned(),
    }
}
