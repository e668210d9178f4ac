//! The failures of a request's earlier attempts.
use crate::error::{Error, ErrorKind};

/// The failures of earlier attempts, in a few words.
#[derive(Default)]
pub(super) struct History(Vec<(String, u32)>);

impl History {
    /// Further kinds of failure of one request are only counted.
    const KINDS: usize = 4;

    pub(super) fn add(&mut self, error: &Error) {
        let label = match (error.status(), error.code()) {
            (Some(status), Some(code)) => format!("{status} {code}"),
            (Some(status), None) => format!("status {status}"),
            (None, _) => match error.kind() {
                ErrorKind::Connect => "no connection",
                ErrorKind::Timeout => "timeout",
                ErrorKind::Interrupted => "broken connection",
                _ => "no valid reply",
            }
            .to_owned(),
        };
        if let Some((_, times)) = self.0.iter_mut().find(|(seen, _)| *seen == label) {
            *times += 1;
        } else if self.0.len() < Self::KINDS {
            self.0.push((label, 1));
        } else if let Some((last, times)) = self.0.last_mut() {
            "others".clone_into(last);
            *times += 1;
        }
    }

    pub(super) fn attach_to(self, error: Error) -> Error {
        if self.0.is_empty() {
            return error;
        }
        let words = self.0.into_iter().map(|(label, times)| match times {
            1 => label,
            _ => format!("{label} ({times} times)"),
        });
        error.with_history(words.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_failures_are_counted_and_those_after_the_fourth_together() {
        let mut history = History::default();
        let failed = |kind| Error::new(kind, "failed");
        let status = |status| failed(ErrorKind::Server).with_status(status);
        for error in [
            status(500).with_code("InternalError".to_owned()),
            status(502),
            failed(ErrorKind::Timeout),
            status(502),
            failed(ErrorKind::Connect),
            failed(ErrorKind::Interrupted),
            status(503),
        ] {
            history.add(&error);
        }

        let error = history.attach_to(failed(ErrorKind::Server));
        assert_eq!(
            error.history(),
            Some("500 InternalError, status 502 (2 times), timeout, others (3 times)")
        );
    }
}
