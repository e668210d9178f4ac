//! Connections that wait for their next request.
//!
//! Before a connection is reused, a check that does not wait detects whether the server has closed
//! it or sent unexpected bytes: a `408`, or bytes after the end of the last response, which the
//! next request would mistake for its own response. The usual case is a body after the head of a
//! response that must not have one (to HEAD, `204`, `304`). With TLS, a part of a record counts as
//! such bytes: the rest of it may arrive before the next response. The check costs three system
//! calls. It is skipped if the connection has been idle for less than [`LOOK_AFTER`] since a
//! response whose end was read with room to spare, because any bytes after that end were noticed
//! then. Bytes that arrive after the check cannot be recognized, because HTTP/1.1 does not number
//! requests: a second response that is still in transit, or held back by the server's Nagle
//! algorithm until it receives the next request, is taken for the response to that request. Only
//! the properties of the response that can be verified (lengths, ranges, ETags, checksums) protect
//! a caller from such a server.

use super::connection::Connection;
use crate::net::origin::Origin;
use crate::sync;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A connection that was idle for less than this after a response with a body is reused without a
/// check.
const LOOK_AFTER: Duration = Duration::from_millis(1);

/// A set of idle connections by origin, the most recently used last. The lock is never held while
/// connecting, reading or closing.
pub(super) struct Pool {
    per_origin: usize,
    lifetime: Duration,
    idle: Mutex<IdleConnections>,
}

struct IdleConnections {
    by_origin: HashMap<Origin, VecDeque<Box<Connection>>>,
    swept: Instant,
}

impl Pool {
    pub(super) fn new(per_origin: usize, lifetime: Duration) -> Self {
        Self {
            per_origin,
            lifetime,
            idle: Mutex::new(IdleConnections { by_origin: HashMap::new(), swept: Instant::now() }),
        }
    }

    /// Returns the most recently used connection that is usable. Servers close the least recently
    /// used first.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            let mut connection = sync::lock(&self.idle).by_origin.get_mut(origin)?.pop_back()?;
            let rested = connection.idle_since.elapsed();
            if rested >= self.lifetime {
                // All others have been idle for longer; the next sweep removes them.
                return None;
            }
            let looks =
                connection.had_no_body || connection.stream.may_hold_more() || rested >= LOOK_AFTER;
            if !looks || connection.is_quiet() {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    pub(super) fn put(&self, mut connection: Box<Connection>) {
        let now = Instant::now();
        connection.idle_since = now;
        let mut dropped = Vec::new();
        {
            let mut idle = sync::lock(&self.idle);
            if now.duration_since(idle.swept) >= self.lifetime {
                idle.swept = now;
                idle.by_origin.retain(|_, list| {
                    // The oldest are at the front.
                    let old = list
                        .iter()
                        .take_while(|one| now.duration_since(one.idle_since) >= self.lifetime)
                        .count();
                    dropped.extend(list.drain(..old));
                    !list.is_empty()
                });
            }
            let list = match idle.by_origin.get_mut(&connection.origin) {
                Some(list) => list,
                None => idle.by_origin.entry(connection.origin.clone()).or_default(),
            };
            list.push_back(connection);
            if list.len() > self.per_origin {
                dropped.extend(list.pop_front());
            }
        }
        drop(dropped);
    }

    /// Closes every idle connection.
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut sync::lock(&self.idle).by_origin);
        drop(all);
    }
}
