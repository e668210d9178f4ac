//! A token that ends long operations from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends every operation that was given a clone of it. A cancelled token stays cancelled.
///
/// An operation that waits (for a connection, a reply, room to write) looks at its token several times a second, so
/// that it ends within a second of [`Cancel::cancel`], whatever the other side does.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A token nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the operations, also those blocked in a read or a write.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
