//! A token that cancels long operations from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A token that cancels every operation to which a clone of it was passed. A cancelled token stays
/// cancelled.
///
/// An operation that waits (for a connection, for a response, or until it can send) checks its
/// token several times per second, so that it ends within a second of [`Cancel::cancel`],
/// regardless of what the server does.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    cancelled: AtomicBool,
    parent: Option<Cancel>,
}

impl Cancel {
    /// Creates a token that has not been cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the operations, including those that are blocked in a read or a write.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
    }

    /// Reports whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
            || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// Creates a token for a part of the work. It is cancelled together with this one, but
    /// cancelling it does not cancel this one.
    pub(crate) fn child(&self) -> Self {
        Self(Arc::new(Token { cancelled: AtomicBool::new(false), parent: Some(self.clone()) }))
    }
}
