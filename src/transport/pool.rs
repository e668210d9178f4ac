//! Connections that wait for their next request.
//!
//! Before a reuse one check, without waiting, finds out whether the server has closed the
//! connection or sent something unasked: a `408`, or bytes after the end of the last response,
//! which the next request would take for its own response. A body after the head of a response that
//! has none (to HEAD, `204`, `304`) is the usual case. The check costs three system calls, so it is
//! left out where the connection has rested for less than [`LOOK_AFTER`] since a response whose end
//! was read: bytes after that end were noticed when it was read. What arrives later than this check cannot be
//! recognised, because HTTP/1.1 has no request numbers: a second response that is still on its way,
//! or held back by the server's Nagle algorithm until it sees the next request, answers that
//! request. Only what the response itself offers for verification (lengths, ranges, ETags,
//! checksums) protects a caller from such a server.

use super::connection::Connection;
use crate::net::origin::Origin;
use crate::sync;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A connection that rested for less than this after a response with a body is used without a look.
const LOOK_AFTER: Duration = Duration::from_millis(1);

/// IdleConnections connections by origin, the freshest last. Nothing is connected, read or closed under the lock.
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

    /// The freshest usable connection: servers close the stalest first.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        loop {
            let mut connection = sync::lock(&self.idle).by_origin.get_mut(origin)?.pop_back()?;
            let rested = connection.idle_since.elapsed();
            if rested >= self.lifetime {
                // All others are older still; they go with the next sweep.
                return None;
            }
            let looks = connection.had_no_body || rested >= LOOK_AFTER;
            if !looks || !connection.has_news() {
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
                    // The oldest stand in front.
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
