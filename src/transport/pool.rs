//! Connections that wait for their next request.

use super::connection::Connection;
use crate::net::origin::Origin;
use crate::sync;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A connection idle for less than this is taken as it is. After a longer rest one look, without waiting, tells
/// whether the server has closed it or sent what nobody asked for (a late surplus, a 408): next to that much idle time
/// its three system calls do not count, and a busy connection never pays them.
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
            if rested < LOOK_AFTER || !connection.has_news() {
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
                    let old = list.iter().take_while(|one| now.duration_since(one.idle_since) >= self.lifetime).count();
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
