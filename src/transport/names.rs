//! The addresses of host names: looked up, cached, and in the order in which they are tried.
//!
//! Addresses that failed are remembered beyond one lookup. A connection attempt to them costs a
//! head start, a thread and a socket, and an address that accepts connections and then fails would
//! otherwise win every race again.

use crate::sync;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long the addresses of a name are cached. S3 changes them every few seconds to spread load;
/// the cache saves lookups when threads start at about the same time.
const NAME_LIFETIME: Duration = Duration::from_secs(5);

/// How long a failed address, or an address family that had to be avoided, is tried last. After
/// that, the resolver's order applies again: a repaired network is used again within minutes, and
/// one that is still broken costs one head start in that time.
const MEMORY: Duration = Duration::from_secs(10 * 60);

/// The maximum number of cached names; a client uses a handful.
const MAX_NAMES: usize = 64;

/// The maximum number of addresses tried per name, from both families if the name has both.
const MAX_ADDRESSES: usize = 8;

/// The maximum number of addresses considered per name. Amazon's dual-stack names have eight of
/// each family.
const MAX_LOOKED_AT: usize = 64;

/// The maximum number of failed addresses that are remembered per name: those of the last two
/// lookups.
const MAX_FAILED: usize = 2 * MAX_ADDRESSES;

/// A host name and a port.
pub(super) type Key = (String, u16);

/// The known names. The lock is never held during a lookup.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<Key, Known>>);

impl Names {
    /// Returns the addresses of a name in the order in which they should be tried.
    pub(super) fn lookup(&self, key: &Key) -> io::Result<Vec<SocketAddr>> {
        if let Some(known) = sync::lock(&self.0).get(key)
            && known.looked_up.is_some_and(|at| at.elapsed() < NAME_LIFETIME)
        {
            return Ok(known.addresses.clone());
        }
        let (host, port) = key;
        let found: Vec<_> = (host.as_str(), *port).to_socket_addrs()?.take(MAX_LOOKED_AT).collect();
        Ok(self.found(key, &found))
    }

    /// Caches the addresses that a lookup found, and returns them in the order in which they should
    /// be tried.
    pub(super) fn found(&self, key: &Key, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut names = sync::lock(&self.0);
        if names.len() >= MAX_NAMES && !names.contains_key(key) {
            names.clear();
        }
        let known = names.entry(key.clone()).or_default();
        known.learn(found, Instant::now());
        known.addresses.clone()
    }

    /// Records that `winner` was connected to, after the addresses before it in `tried` had failed
    /// or had not responded for at least a head start.
    pub(super) fn won(&self, key: &Key, tried: &[SocketAddr], winner: SocketAddr) {
        if tried.first() == Some(&winner) {
            return;
        }
        if let Some(known) = sync::lock(&self.0).get_mut(key) {
            known.won(tried, winner, Instant::now());
        }
    }

    /// Records that the server at `address` accepted a connection and then failed, so that the next
    /// connection is made to another address.
    pub(super) fn failed(&self, key: &Key, address: SocketAddr) {
        if let Some(known) = sync::lock(&self.0).get_mut(key) {
            known.failed(address, Instant::now());
        }
    }

    /// Records that no connection could be made to the addresses in `tried`. The next connection
    /// looks the name up again, and begins with the others: within a short connect timeout, not all
    /// of them are tried.
    pub(super) fn none_won(&self, key: &Key, tried: &[SocketAddr]) {
        if let Some(known) = sync::lock(&self.0).get_mut(key) {
            known.none_won(tried, Instant::now());
        }
    }
}

#[cfg(test)]
impl Names {
    pub(super) fn count(&self) -> usize {
        sync::lock(&self.0).len()
    }

    pub(super) fn forget_all(&self) {
        sync::lock(&self.0).clear();
    }

    /// Makes the next connection to any name look it up again.
    pub(super) fn expire(&self) {
        sync::lock(&self.0).values_mut().for_each(|known| known.looked_up = None);
    }
}

/// The addresses of one name.
#[derive(Default)]
struct Known {
    /// The addresses in the order in which they should be tried.
    addresses: Vec<SocketAddr>,
    /// When they were looked up; `None` if the next connection should look them up again.
    looked_up: Option<Instant>,
    /// The last address that was connected to after one of the other family could not be.
    winner: Option<(SocketAddr, Instant)>,
    /// The addresses that failed, the last one last.
    failed: Vec<(SocketAddr, Instant)>,
}

impl Known {
    fn learn(&mut self, found: &[SocketAddr], now: Instant) {
        let is_remembered = |at: &Instant| now.saturating_duration_since(*at) < MEMORY;
        self.failed.retain(|(_, at)| is_remembered(at));
        self.winner = self.winner.filter(|(_, at)| is_remembered(at));
        let first = self.winner.as_ref().map(|(winner, _)| winner).or_else(|| found.first());
        // Only some of many addresses are tried, so those that failed come last before the choice.
        let mut preferred = found.to_vec();
        preferred.sort_by_key(|address| self.failure_of(address));
        self.addresses = in_turns(&preferred, first);
        self.sort();
        self.looked_up = Some(now);
    }

    fn won(&mut self, tried: &[SocketAddr], winner: SocketAddr, now: Instant) {
        let before = tried.iter().take_while(|address| **address != winner);
        before.for_each(|address| self.record(*address, now));
        if tried.first().is_some_and(|first| first.is_ipv6() != winner.is_ipv6()) {
            self.winner = Some((winner, now));
        }
        self.sort();
    }

    fn none_won(&mut self, tried: &[SocketAddr], now: Instant) {
        tried.iter().for_each(|address| self.record(*address, now));
        self.sort();
        self.looked_up = None;
    }

    fn failed(&mut self, address: SocketAddr, now: Instant) {
        self.record(address, now);
        self.sort();
        // The server may have moved to an address that is not known yet.
        if self.addresses.iter().all(|address| self.failure_of(address).is_some()) {
            self.looked_up = None;
        }
    }

    fn record(&mut self, address: SocketAddr, now: Instant) {
        self.failed.retain(|(other, _)| *other != address);
        if self.failed.len() >= MAX_FAILED {
            self.failed.remove(0);
        }
        self.failed.push((address, now));
    }

    /// Moves the failed addresses to the end, the one that failed last to the very end.
    fn sort(&mut self) {
        let mut addresses = std::mem::take(&mut self.addresses);
        addresses.sort_by_key(|address| self.failure_of(address));
        self.addresses = addresses;
    }

    /// Returns the place of an address in the order of the failures.
    fn failure_of(&self, address: &SocketAddr) -> Option<usize> {
        self.failed.iter().position(|(failed, _)| failed == address)
    }
}

/// Returns the addresses to try, alternating between both families and starting with the one of
/// `first` (RFC 8305, section 4), so that an unreachable family does not use up all attempts.
fn in_turns(found: &[SocketAddr], first: Option<&SocketAddr>) -> Vec<SocketAddr> {
    let six_first = first.is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        found.iter().copied().partition(|address| address.is_ipv6() == six_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::with_capacity(MAX_ADDRESSES);
    while turns.len() < MAX_ADDRESSES {
        let before = turns.len();
        turns.extend(first.next());
        turns.extend(second.next());
        if turns.len() == before {
            break;
        }
    }
    turns.truncate(MAX_ADDRESSES);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().expect("an address"), 443)
    }

    /// Case 39: with eight unreachable addresses and one that works, only one attempt can succeed.
    #[test]
    fn case_39_addresses_of_both_families_take_turns() {
        let six: Vec<_> = (1..=8).map(|n| address(&format!("2001:db8::{n}"))).collect();
        let four: Vec<_> = (1..=8).map(|n| address(&format!("192.0.2.{n}"))).collect();
        let found = [&six[..], &four[..1]].concat();
        let in_turns = |found: &[SocketAddr]| in_turns(found, found.first());
        let tried = in_turns(&found);
        assert_eq!(tried[..3], [six[0], four[0], six[1]]);
        assert_eq!((tried.len(), &tried[3..]), (MAX_ADDRESSES, &six[2..7]));
        let tried = in_turns(&[&four[..], &six[..]].concat());
        assert_eq!(tried, [four[0], six[0], four[1], six[1], four[2], six[2], four[3], six[3]]);
        assert_eq!(in_turns(&six), six);
        assert_eq!(in_turns(&four[..2]), four[..2]);
        assert_eq!(in_turns(&[]), []);
    }

    #[test]
    fn failed_addresses_are_tried_last_and_the_oldest_failure_first() {
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
        let (mut known, begun) = (Known::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        known.learn(&[a, b, c], at(0));
        known.failed(a, at(1));
        assert_eq!(known.addresses, [b, c, a]);
        known.failed(b, at(2));
        assert_eq!(known.addresses, [c, a, b]);
        assert!(known.looked_up.is_some(), "one address has not failed");
        known.failed(c, at(3));
        assert_eq!((known.looked_up, &*known.addresses), (None, &[a, b, c][..]));
        known.failed(a, at(4));
        assert_eq!(known.addresses, [b, c, a]);

        // Lookups keep the order until the failures are forgotten.
        known.learn(&[a, b, c], at(5));
        assert_eq!(known.addresses, [b, c, a]);
        let new = address("192.0.2.4");
        known.learn(&[a, b, new, c], at(6));
        assert_eq!(known.addresses, [new, b, c, a]);
        known.learn(&[a, b, c], at(3) + MEMORY);
        assert_eq!(known.addresses, [b, c, a]);
        known.learn(&[a, b, c], at(4) + MEMORY);
        assert_eq!(known.addresses, [a, b, c]);
    }

    /// Only some of the addresses are tried, and the resolver returns them in the same order.
    #[test]
    fn many_failed_addresses_give_way_to_the_others() {
        let found: Vec<_> = (1..=10).map(|n| address(&format!("192.0.2.{n}"))).collect();
        let (mut known, now) = (Known::default(), Instant::now());
        known.learn(&found, now);
        assert_eq!(known.addresses, found[..MAX_ADDRESSES]);
        known.none_won(&found[..MAX_ADDRESSES], now);
        known.learn(&found, now);
        assert_eq!(known.addresses[..2], found[8..]);
    }

    #[test]
    fn the_family_of_a_winner_is_tried_first_after_every_lookup() {
        let six = |n: u32| address(&format!("2001:db8::{n}"));
        let four = |n: u32| address(&format!("192.0.2.{n}"));
        let (mut known, begun) = (Known::default(), Instant::now());
        known.learn(&[six(1), six(2), four(1), four(2)], begun);
        assert_eq!(known.addresses, [six(1), four(1), six(2), four(2)]);
        let tried = known.addresses.clone();
        known.won(&tried, four(1), begun);
        assert_eq!(known.addresses, [four(1), six(2), four(2), six(1)]);

        // S3 returns other addresses for every lookup.
        known.learn(&[six(3), six(4), four(3), four(4)], begun);
        assert_eq!(known.addresses, [four(3), six(3), four(4), six(4)]);
        let tried = known.addresses.clone();
        known.won(&tried, six(3), begun);
        known.learn(&[six(5), four(5)], begun);
        assert_eq!(known.addresses, [six(5), four(5)]);
        let tried = known.addresses.clone();
        known.won(&tried, four(5), begun);
        known.learn(&[six(6), four(6)], begun + MEMORY);
        assert_eq!(known.addresses, [six(6), four(6)]);
    }

    #[test]
    fn the_memory_of_names_and_failures_is_bounded() {
        let (mut known, now) = (Known::default(), Instant::now());
        for n in 0..200 {
            known.failed(address(&format!("192.0.2.{n}")), now);
        }
        assert_eq!(known.failed.len(), MAX_FAILED);
        assert_eq!(known.failed.last(), Some(&(address("192.0.2.199"), now)));

        let names = Names::default();
        for n in 0..200 {
            let key = (format!("{n}.test"), 443);
            assert_eq!(names.found(&key, &[address("192.0.2.1")]).len(), 1);
            assert!(names.count() <= MAX_NAMES);
            names.failed(&("other.test".to_owned(), 443), address("192.0.2.1"));
        }
    }
}
