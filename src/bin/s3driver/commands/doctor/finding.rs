//! The findings of the checks.
use s3driver::{Error, ErrorKind};

/// The result of a check.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The check passed. Contains what was found.
    Passed(String),
    /// The check passed, but there is something that the user should know.
    Notice(Advice),
    /// The check failed.
    Fault(Advice),
    /// The configuration does not use what the check examines. Contains the reason.
    NotUsed(&'static str),
    /// The server does not have what the check examines, and a registry works without it. Contains
    /// the consequence.
    NotOffered(&'static str),
    /// A check that this one needs has failed. Contains the name of that check.
    NotReached(&'static str),
}

/// A description of what is wrong, and of how to correct it.
#[derive(Debug)]
pub(super) struct Advice {
    pub(super) found: String,
    pub(super) remedy: String,
}

/// A completed check.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) action: Option<&'static str>,
    pub(super) verdict: Verdict,
}

impl Finding {
    pub(super) const fn is_fault(&self) -> bool {
        matches!(self.verdict, Verdict::Fault(_))
    }
}

impl Verdict {
    pub(super) fn passed(found: impl Into<String>) -> Self {
        Self::Passed(found.into())
    }

    pub(super) fn notice(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Notice(Advice { found: found.into(), remedy: remedy.into() })
    }

    pub(super) fn fault(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Fault(Advice { found: found.into(), remedy: remedy.into() })
    }

    /// Returns a fault that an operation reported, with the operation's advice.
    pub(super) fn failed(error: &Error) -> Self {
        let remedy = error.hint().unwrap_or("see the server's log for the reason").to_owned();
        Self::fault(what(error), remedy)
    }

    /// Returns the fault of an operation that needs a permission. If the server refused access, the
    /// fault names the permission.
    pub(super) fn refused(error: &Error, action: &str, resource: &str) -> Self {
        if error.kind() == ErrorKind::AccessDenied {
            let remedy =
                format!("allow {action} on {resource}, and look for a policy that denies it");
            return Self::fault(what(error), remedy);
        }
        Self::failed(error)
    }
}

/// Describes an error without its hint: what failed and what the server said.
pub(super) fn what(error: &Error) -> String {
    let mut text = error.message().to_owned();
    if let Some(operation) = error.operation() {
        text = format!("{operation}: {text}");
    }
    match (error.status(), error.code()) {
        (Some(status), Some(code)) => format!("{text} ({status} {code})"),
        (Some(status), None) => format!("{text} ({status})"),
        _ => text,
    }
}
