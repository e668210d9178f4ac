//! The observers of a client, called so that none can do harm.
use super::{Detail, Event, Observer};
use crate::error::catch_panic;
use std::fmt;
use std::sync::Arc;

/// The observers of a client. Without any, nothing is called and no event is made.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn push(&mut self, observer: Arc<dyn Observer>) {
        self.0.push(observer);
    }

    pub(crate) const fn are_absent(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether any observer asks for events of this kind.
    pub(crate) fn want(&self, detail: Detail) -> bool {
        self.0.iter().any(|observer| wants(&**observer, detail))
    }

    /// Sends an event to every observer that receives its kind.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        for observer in &self.0 {
            let asked = event.detail().is_none_or(|detail| wants(&**observer, detail));
            if asked {
                // The operation must not fail because of the one who watches it.
                drop(catch_panic("the observer", || {
                    observer.event(event);
                    Ok(())
                }));
            }
        }
    }
}

fn wants(observer: &dyn Observer, detail: Detail) -> bool {
    catch_panic("the observer", || Ok(observer.wants(detail))).unwrap_or(false)
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.0.len())
    }
}
