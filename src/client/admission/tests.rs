use super::*;
use crate::clock::SystemClock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Instant, SystemTime};

const LONG: Duration = Duration::from_secs(3600);

fn admission(most: usize) -> Admission {
    Admission::new(NonZeroUsize::new(most).expect("not zero"))
}

fn enter(admission: &Admission) -> Place<'_> {
    admission.enter(LONG, &SystemClock, None).expect("a place")
}

/// Returns the number of places, and how many are taken.
fn counts(admission: &Admission) -> (usize, usize) {
    let state = admission.lock();
    (state.allowed, state.taken)
}

fn await_waiting(admission: &Admission, threads: usize) {
    while admission.lock().queue.len() != threads {
        thread::sleep(Duration::from_millis(1));
    }
}

/// A clock that advances by a second whenever it is read.
#[derive(Debug)]
struct Ticking(Instant, AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
    fn instant(&self) -> Instant {
        self.0 + Duration::from_secs(self.1.fetch_add(1, Ordering::Relaxed))
    }
    fn sleep(&self, _: Duration) {}
    fn random(&self) -> u64 {
        0
    }
}

#[test]
fn places_are_given_in_the_order_of_arrival() {
    let admission = admission(1);
    let first = enter(&admission);
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..5 {
            let (admission, order) = (&admission, &order);
            scope.spawn(move || {
                let place = enter(admission);
                order.lock().expect("no panic").push(number);
                place.record_response();
            });
            await_waiting(admission, number + 1);
        }
        drop(first);
    });
    assert_eq!(*order.lock().expect("no panic"), [0, 1, 2, 3, 4]);
    assert_eq!(counts(&admission), (1, 0));
}

#[test]
fn a_burst_of_throttled_replies_counts_once() {
    let admission = admission(100);
    let mut places: Vec<_> = (0..20).map(|_| enter(&admission)).collect();
    places.iter_mut().for_each(Place::record_throttling);
    // Seven tenths of the twenty that were in flight, not of the hundred that never were.
    assert_eq!(counts(&admission), (14, 20));
    // Requests sent after that count again; while too many places are taken, the surplus is given
    // up.
    let mut again: Vec<_> = places.into_iter().filter_map(Place::again).collect();
    assert_eq!((again.len(), counts(&admission)), (14, (14, 14)));
    again.iter_mut().for_each(Place::record_throttling);
    assert_eq!(counts(&admission), (9, 14));
    drop(again);
    for _ in 0..20 {
        enter(&admission).record_throttling();
    }
    assert_eq!(counts(&admission), (1, 0));
}

#[test]
fn one_place_more_for_every_round_of_answers() {
    let admission = admission(4);
    enter(&admission).record_throttling();
    let mut allowed = Vec::new();
    for _ in 0..12 {
        let mut places: Vec<_> = (0..counts(&admission).0).map(|_| enter(&admission)).collect();
        // All places are taken when the last response arrives.
        places.pop().expect("at least one").record_response();
        drop(places);
        allowed.push(counts(&admission).0);
    }
    assert_eq!(allowed, [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
    // Places that are not used prove nothing.
    let mut place = enter(&admission);
    place.record_throttling();
    place.record_response();
    assert_eq!(counts(&admission).0, 2);
    (0..100).for_each(|_| enter(&admission).record_response());
    assert_eq!(counts(&admission), (2, 0));
}

#[test]
fn a_place_gained_lets_in_two() {
    let admission = admission(2);
    let mut first = enter(&admission);
    first.record_throttling();
    assert_eq!(counts(&admission), (1, 1));
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _place = enter(&admission);
                inside.fetch_add(1, Ordering::SeqCst);
                // Ends only when both have a place.
                while inside.load(Ordering::SeqCst) < 2 {
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        await_waiting(&admission, 2);
        first.record_response();
    });
    assert_eq!(counts(&admission), (2, 0));
}

#[test]
fn a_place_given_back_lets_another_in_and_is_not_kept() {
    let admission = admission(1);
    let mut stream = enter(&admission);
    stream.give_back();
    let other = enter(&admission);
    // Such a response says nothing about the number of places.
    stream.record_throttling();
    assert_eq!(counts(&admission), (1, 1));
    assert!(stream.again().is_none());
    drop(other);
    assert_eq!(counts(&admission), (1, 0));
}

#[test]
fn who_waits_too_long_is_told_why() {
    let admission = admission(10);
    let clock = Ticking(Instant::now(), AtomicU64::new(0));
    let mut places: Vec<_> = (0..10).map(|_| enter(&admission)).collect();
    let error = admission.enter(Duration::from_secs(3), &clock, None).err().expect("no place");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.message(),
        "the request was not sent: its turn did not come within 3s (10 may be in flight)"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("maxrequests")));
    places[0].record_throttling();
    let error = admission.enter(Duration::from_secs(3), &clock, None).err().expect("no place");
    assert!(
        error.message().contains(
            "7 may be in flight at the moment, because the server throttles, and 10 otherwise"
        ),
        "{error}"
    );
    drop(places);
    assert_eq!((counts(&admission), admission.lock().queue.len()), ((7, 0), 0));
}

#[test]
fn who_is_cancelled_leaves_the_queue_to_the_others() {
    let admission = admission(1);
    let place = enter(&admission);
    let cancel = Cancel::new();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| admission.enter(LONG, &SystemClock, Some(&cancel)).map(drop));
        await_waiting(&admission, 1);
        let behind = scope.spawn(|| drop(enter(&admission)));
        await_waiting(&admission, 2);
        let begun = Instant::now();
        cancel.cancel();
        let error = waiting.join().expect("no panic").expect_err("cancelled");
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        drop(place);
        behind.join().expect("no panic");
    });
    assert_eq!(counts(&admission), (1, 0));
}

/// Regardless of concurrent events, no place is lost and none is granted twice.
#[test]
fn no_place_is_lost() {
    let admission = admission(3);
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..8_u32 {
            let (admission, inside) = (&admission, &inside);
            scope.spawn(move || {
                for round in 0..500_u32 {
                    let cancel = Cancel::new();
                    if (thread + round) % 13 == 0 {
                        cancel.cancel();
                    }
                    let Ok(mut place) = admission.enter(LONG, &SystemClock, Some(&cancel)) else {
                        continue;
                    };
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    match (thread * 7 + round) % 11 {
                        0 => place.record_throttling(),
                        1 => drop(place.again()),
                        2 => place.give_back(),
                        _ => place.record_response(),
                    }
                }
            });
        }
    });
    let state = admission.lock();
    assert_eq!((state.taken, state.queue.len()), (0, 0));
}

#[test]
fn up_to_where_it_fell_each_answer_brings_a_place() {
    let admission = admission(100);
    let mut places: Vec<_> = (0..20).map(|_| enter(&admission)).collect();
    // By chance hardly any request is in flight when the server throttles: the earlier maximum
    // counts.
    places.truncate(2);
    places.pop().expect("one of two").record_throttling();
    assert_eq!(counts(&admission), (14, 1));
    let mut allowed = Vec::new();
    for _ in 0..24 {
        places.resize_with(counts(&admission).0, || enter(&admission));
        places.pop().expect("at least one").record_response();
        allowed.push(counts(&admission).0);
    }
    assert_eq!(allowed[..6], [15, 16, 17, 18, 19, 19]);
    assert_eq!(allowed[22..], [19, 20]);
}

#[test]
fn only_the_last_place_is_kept_by_a_throttled_request() {
    let admission = admission(2);
    let mut place = enter(&admission);
    assert!(!place.is_last());
    place.record_throttling();
    assert!(place.is_last());
    place.give_back();
    assert!(!place.is_last());
}

/// P16: a queue that moves has not stalled, however long its last request waits.
#[test]
fn p16_a_wait_begins_again_whenever_a_place_is_given() {
    const LIMIT: Duration = Duration::from_secs(20);
    // Reading the clock takes a second, and happens ten times a second: twenty grants take far
    // longer than `LIMIT`.
    let clock = Ticking(Instant::now(), AtomicU64::new(0));
    let admission = admission(1);
    let first = enter(&admission);
    thread::scope(|scope| {
        let mut before: Vec<_> = (0..20)
            .map(|number| {
                let (release, released) = std::sync::mpsc::channel::<()>();
                let admission = &admission;
                scope.spawn(move || {
                    let place = enter(admission);
                    let _ = released.recv();
                    drop(place);
                });
                await_waiting(admission, number + 1);
                release
            })
            .collect();
        let last = scope.spawn(|| admission.enter(LIMIT, &clock, None).map(drop));
        await_waiting(&admission, 21);
        drop(first);
        // Each of the others keeps its place for a part of the limit, according to the clock of the
        // last one.
        for release in before.drain(..) {
            let since = clock.1.load(Ordering::Relaxed);
            while clock.1.load(Ordering::Relaxed) < since + 5 {
                thread::sleep(Duration::from_millis(5));
            }
            drop(release);
        }
        last.join().expect("no panic").expect("the queue moved all the time");
    });
    assert!(
        clock.1.load(Ordering::Relaxed) > 3 * LIMIT.as_secs(),
        "the wait was longer than the limit"
    );
    assert_eq!(counts(&admission), (1, 0));
}
