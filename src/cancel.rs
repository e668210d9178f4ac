//! A token that ends long operations from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends every operation that was given a clone of it. A cancelled token stays cancelled.
///
/// An operation that waits (for a connection, a reply, room to write) looks at its token several times a second, so
/// that it ends within a second of [`Cancel::cancel`], whatever the other side does.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    cancelled: AtomicBool,
    parent: Option<Cancel>,
}

impl Cancel {
    /// A token nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the operations, also those blocked in a read or a write.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
            || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// A token for a part of the work: cancelled with this one, and alone.
    pub(crate) fn child(&self) -> Self {
        Self(Arc::new(Token { cancelled: AtomicBool::new(false), parent: Some(self.clone()) }))
    }
}
