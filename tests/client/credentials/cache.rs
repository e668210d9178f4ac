//! Tests of the credential cache, with a clock and a source that the test controls: there is one
//! refresh at a time, early enough that no caller has to wait.

use super::{keys, no_observer, recording_observer};
use s3driver::client::{Config, Endpoint, Scheme, Variant};
use s3driver::clock::Clock;
use s3driver::credentials::{Cache, Context, Credentials, Lease, Provider, Source, Unavailable};
use s3driver::observe::{CredentialsEvent, Event, Observer, Warning};
use s3driver::{Cancel, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A clock that stops until the test advances it.
#[derive(Debug)]
struct Stopped {
    wall: SystemTime,
    instant: Instant,
    elapsed: Mutex<Duration>,
}

impl Stopped {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            wall: SystemTime::now(),
            instant: Instant::now(),
            elapsed: Mutex::default(),
        })
    }

    fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap() += by;
    }
}

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        self.wall + *self.elapsed.lock().unwrap()
    }
    fn instant(&self) -> Instant {
        self.instant + *self.elapsed.lock().unwrap()
    }
    fn sleep(&self, wait: Duration) {
        self.advance(wait);
    }
    fn random(&self) -> u64 {
        0
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A source that numbers its credentials, can be held in the middle of a fetch, and fails on
/// request.
#[derive(Clone, Debug)]
struct Numbered {
    clock: Arc<Stopped>,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug)]
struct State {
    begun: u32,
    /// The number of fetches that may finish.
    passes: u32,
    ended: u32,
    at_once: u32,
    most_at_once: u32,
    failing: bool,
    lifetime: Option<Duration>,
}

impl Numbered {
    fn new(clock: &Arc<Stopped>, lifetime: Option<Duration>) -> Self {
        let state = State {
            begun: 0,
            passes: u32::MAX,
            ended: 0,
            at_once: 0,
            most_at_once: 0,
            failing: false,
            lifetime,
        };
        Self { clock: Arc::clone(clock), state: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.0.lock().unwrap());
        self.state.1.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) {
        let guard = self.state.0.lock().unwrap();
        let limit = Duration::from_secs(20);
        let (guard, waited) =
            self.state.1.wait_timeout_while(guard, limit, |state| !until(state)).unwrap();
        assert!(!waited.timed_out(), "{guard:?}");
    }

    fn begun(&self) -> u32 {
        self.state.0.lock().unwrap().begun
    }
}

impl Source for Numbered {
    fn name(&self) -> &'static str {
        "numbered"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        self.change(|state| {
            state.begun += 1;
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
        });
        self.wait(|state| state.passes > state.ended);
        let mut outcome = Err(Unavailable::Failed("set to fail".to_owned()));
        self.change(|state| {
            state.ended += 1;
            state.at_once -= 1;
            if !state.failing {
                let credentials = Credentials::new(format!("K{}", state.ended), "hunter2");
                let expires = state.lifetime.map(|lifetime| self.clock.now() + lifetime);
                outcome = Ok(Lease { credentials: Some(credentials), expires });
            }
        });
        outcome
    }
}

/// A barrier with a timeout, in case another thread has failed.
struct Barrier {
    size: usize,
    arrived: Mutex<usize>,
    complete: Condvar,
}

impl Barrier {
    fn of(size: usize) -> Self {
        Self { size, arrived: Mutex::default(), complete: Condvar::new() }
    }

    fn wait(&self) {
        let mut arrived = self.arrived.lock().unwrap();
        *arrived += 1;
        let all = arrived.div_ceil(self.size) * self.size;
        self.complete.notify_all();
        let limit = Duration::from_secs(30);
        let (arrived, waited) =
            self.complete.wait_timeout_while(arrived, limit, |arrived| *arrived < all).unwrap();
        assert!(!waited.timed_out(), "only {arrived} of {all} threads arrived");
    }
}

fn cache(source: &Numbered, observer: Arc<dyn Observer>) -> Cache {
    let clock: Arc<Stopped> = Arc::clone(&source.clock);
    Cache::new(source.clone(), &Context::default().with_clock(clock).with_observer(observer))
}

fn id(cache: &Cache) -> String {
    keys(&cache.credentials().unwrap()).0.to_owned()
}

/// Waits until the cache contains the credentials `expected`, because a background refresh is
/// recorded shortly after it has ended.
fn wait_for(cache: &Cache, expected: &str) {
    for _ in 0..2000 {
        if id(cache) == expected {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the cache never contained {expected}");
}

#[test]
fn rotate_every_and_lifetime_64_threads_across_ten_rotations() {
    const THREADS: usize = 64;
    const ROTATIONS: u32 = 10;
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let (observer, warnings) = recording_observer();
    let cache = cache(&source, observer);
    assert_eq!(id(&cache), "K1");
    let barrier = Barrier::of(THREADS + 1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for rotation in 1..=ROTATIONS {
                    barrier.wait();
                    // The refresh is held, so a thread that waited for it would never reach the
                    // next barrier.
                    for _ in 0..50 {
                        assert_eq!(
                            id(&cache),
                            format!("K{rotation}"),
                            "the old credentials are still valid"
                        );
                    }
                    barrier.wait();
                    wait_for(&cache, &format!("K{}", rotation + 1));
                    barrier.wait();
                }
            });
        }
        for rotation in 1..=ROTATIONS {
            source.change(|state| state.passes = rotation);
            clock.advance(HOUR - 5 * MINUTE);
            barrier.wait();
            barrier.wait();
            source.wait(|state| state.begun == rotation + 1);
            source.change(|state| state.passes = u32::MAX);
            barrier.wait();
        }
    });
    let state = source.state.0.lock().unwrap();
    assert_eq!(
        (state.begun, state.most_at_once),
        (ROTATIONS + 1, 1),
        "one refresh for each rotation"
    );
    assert!(warnings.lock().unwrap().is_empty());
}

#[test]
fn threads_without_valid_keys_wait_for_one_refresh() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let cache = cache(&source, no_observer());
    for round in 1..=3 {
        let arrived = AtomicU32::new(0);
        source.change(|state| state.passes = round - 1);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(id(&cache), format!("K{round}"));
                });
            }
            while arrived.load(Ordering::SeqCst) < 16 {
                thread::yield_now();
            }
            source.change(|state| state.passes = u32::MAX);
        });
        assert_eq!(source.begun(), round);
        clock.advance(HOUR);
    }
}

#[test]
fn keys_are_renewed_some_minutes_or_a_quarter_of_their_life_before_the_end() {
    for (lifetime, before, after) in [
        (HOUR, 54 * MINUTE, 56 * MINUTE),
        (6 * HOUR, 354 * MINUTE, 356 * MINUTE),
        (8 * MINUTE, 5 * MINUTE, 7 * MINUTE),
        (Duration::from_secs(20), Duration::from_secs(14), Duration::from_secs(16)),
    ] {
        let clock = Stopped::new();
        let source = Numbered::new(&clock, Some(lifetime));
        let cache = cache(&source, no_observer());
        assert_eq!(id(&cache), "K1");
        clock.advance(before);
        assert_eq!((id(&cache).as_str(), source.begun()), ("K1", 1), "{lifetime:?}");
        clock.advance(after - before);
        assert_eq!(id(&cache), "K1", "the thread that starts the refresh does not wait either");
        wait_for(&cache, "K2");
    }
}

#[test]
fn keys_without_an_expiration_are_fetched_once() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, None);
    let cache = cache(&source, no_observer());
    for _ in 0..3 {
        assert_eq!(id(&cache), "K1");
        clock.advance(1000 * HOUR);
    }
    assert_eq!(source.begun(), 1);
}

#[test]
fn short_lifetimes_and_expired_keys_do_not_cause_a_tight_loop() {
    for lifetime in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(900)] {
        let clock = Stopped::new();
        let source = Numbered::new(&clock, Some(lifetime));
        let (observer, warnings) = recording_observer();
        let cache = cache(&source, observer);
        for _ in 0..1000 {
            id(&cache);
            clock.advance(Duration::from_millis(10));
        }
        assert_eq!(source.begun(), 1, "{lifetime:?}: one fetch in ten seconds");
        assert!(matches!(warnings.lock().unwrap()[..], [Warning::ExpiredOnArrival { .. }]));
        clock.advance(MINUTE);
        id(&cache);
        wait_for(&cache, "K2");
    }
    // Credentials that are valid for two seconds are renewed at most every one and a half seconds.
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(Duration::from_secs(2)));
    let cache = cache(&source, no_observer());
    for _ in 0..100 {
        id(&cache);
        clock.advance(Duration::from_millis(100));
    }
    assert!(source.begun() <= 8, "{}", source.begun());
}

/// The pause after a failure ends with the keys: then the source may have a better answer.
#[test]
fn keys_that_expire_during_a_pause_are_fetched_at_once() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let (observer, warnings) = recording_observer();
    let cache = cache(&source, observer);
    id(&cache);
    source.change(|state| state.failing = true);
    clock.advance(HOUR - Duration::from_secs(32));
    for (count, pause) in [0, 500, 1000, 2000, 4000, 8000, 16_000].into_iter().enumerate() {
        clock.advance(Duration::from_millis(pause));
        assert_eq!(id(&cache), "K1");
        let waited = Instant::now();
        while warnings.lock().unwrap().len() <= count {
            assert!(waited.elapsed() < Duration::from_secs(20), "{count}");
            thread::sleep(Duration::from_millis(1));
        }
    }
    source.change(|state| state.failing = false);
    clock.advance(Duration::from_millis(500));
    assert_ne!(id(&cache), "K1");
}

#[test]
fn a_failed_refresh_with_valid_keys_is_a_warning_and_repeated_after_a_pause() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let (observer, warnings) = recording_observer();
    let cache = cache(&source, observer);
    let expires = cache.credentials().unwrap().expires;
    source.change(|state| state.failing = true);
    clock.advance(56 * MINUTE);
    let ended = |count: u32| source.wait(move |state| state.ended == count);
    let warned = |count: usize| {
        for _ in 0..2000 {
            if warnings.lock().unwrap().len() == count {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{:?}", warnings.lock().unwrap());
    };
    id(&cache);
    ended(2);
    warned(1);
    assert_eq!(
        warnings.lock().unwrap()[0],
        Warning::RefreshFailed { reason: "set to fail".to_owned(), expires }
    );
    assert_eq!(cache.last_failure().as_deref(), Some("set to fail"));
    for _ in 0..1000 {
        assert_eq!(id(&cache), "K1");
    }
    assert_eq!(source.begun(), 2, "no second attempt before the pause has passed");
    // The pauses grow: they are half of 1 s, 2 s and 4 s because the clock's random number is 0.
    for (count, pause) in [(3, 500), (4, 1000), (5, 2000)] {
        clock.advance(Duration::from_millis(pause - 1));
        id(&cache);
        assert_eq!(source.begun(), count - 1);
        clock.advance(Duration::from_millis(1));
        id(&cache);
        ended(count);
        warned(count as usize - 1);
    }
    source.change(|state| state.failing = false);
    clock.advance(MINUTE);
    id(&cache);
    wait_for(&cache, "K6");
    assert_eq!(cache.last_failure(), None);
}

/// The observers of a client's configuration receive the events of its credential cache.
#[test]
fn refreshes_and_failures_are_events_of_the_configurations_observers() {
    let endpoint = Endpoint::aws("eu-central-1", Scheme::Https, Variant::default()).unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&received);
    let observer = move |event: &Event<'_>| {
        let Event::Credentials(event) = event else { panic!("{event:?}") };
        sink.lock().unwrap().push(match event {
            CredentialsEvent::Refreshed { source, expires, .. } => {
                format!("{source} refreshed, expires: {}", expires.is_some())
            }
            CredentialsEvent::Failed { source, reason, .. } => format!("{source} failed: {reason}"),
            CredentialsEvent::Warning(warning) => warning.to_string(),
            _ => panic!("{event:?}"),
        });
    };
    let clock = Stopped::new();
    let config = Config::new(endpoint).clock(clock.clone()).observer(Arc::new(observer));
    let source = Numbered::new(&clock, Some(HOUR));
    let cache = Cache::new(source.clone(), &config.credential_context());
    assert_eq!((id(&cache), id(&cache)), ("K1".to_owned(), "K1".to_owned()));
    source.change(|state| state.failing = true);
    clock.advance(2 * HOUR);
    cache.credentials().unwrap_err();
    assert_eq!(
        *received.lock().unwrap(),
        ["numbered refreshed, expires: true", "numbered failed: set to fail"]
    );
}

#[test]
fn without_valid_keys_a_failure_is_an_error_and_is_repeated_without_a_fetch() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let cache = cache(&source, no_observer());
    source.change(|state| state.failing = true);
    for _ in 0..100 {
        let error = cache.credentials().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(error.to_string(), "no credentials from numbered: set to fail");
    }
    assert_eq!(source.begun(), 1);
    source.change(|state| state.failing = false);
    clock.advance(Duration::from_secs(1));
    assert_eq!(id(&cache), "K2");
}

#[test]
fn expired_token_forces_one_refresh() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let cache = cache(&source, no_observer());
    let used = cache.credentials().unwrap();
    assert!(!cache.refresh(&used).unwrap(), "they were fetched just now");
    clock.advance(MINUTE);
    let barrier = Barrier::of(16);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                assert!(cache.refresh(&used).unwrap());
                assert_eq!(id(&cache), "K2");
            });
        }
    });
    assert_eq!(source.begun(), 2, "one refresh for all calls that met the error");
    clock.advance(MINUTE);
    source.change(|state| state.failing = true);
    let used = cache.credentials().unwrap();
    assert!(cache.refresh(&used).is_err());
    assert!(cache.refresh(&used).is_err());
    assert_eq!(source.begun(), 3);
    assert_eq!(id(&cache), "K2", "they are valid according to the clock");
}

#[test]
fn a_refresh_with_unchanged_keys_does_not_justify_a_retry() {
    #[derive(Debug)]
    struct Same(Arc<AtomicU32>);
    impl Source for Same {
        fn name(&self) -> &'static str {
            "same"
        }
        fn fetch(&self) -> Result<Lease, Unavailable> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Lease {
                credentials: Some(Credentials::new("K", "s").with_session_token("t")),
                expires: None,
            })
        }
    }
    let (clock, count) = (Stopped::new(), Arc::new(AtomicU32::new(0)));
    let cache = Cache::new(
        Same(Arc::clone(&count)),
        &Context::default().with_clock(Arc::clone(&clock) as Arc<dyn Clock>),
    );
    let used = cache.credentials().unwrap();
    clock.advance(MINUTE);
    for _ in 0..10 {
        assert!(!cache.refresh(&used).unwrap());
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_source_that_panics_does_not_block_the_others() {
    #[derive(Debug)]
    struct Panics;
    impl Source for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }
        fn fetch(&self) -> Result<Lease, Unavailable> {
            panic!("requested by the test")
        }
    }
    let cache = Cache::new(Panics, &Context::default());
    let other = cache.clone();
    assert!(thread::spawn(move || other.credentials().map(drop)).join().unwrap().is_err());
    let error = cache.credentials().unwrap_err();
    assert_eq!(error.to_string(), "no credentials from panics: the source panicked");
}

/// A source cannot be interrupted, but every thread that waits for it can be, including the one
/// that started the refresh.
#[test]
fn cancelling_ends_a_wait_for_keys_and_the_refresh_continues() {
    let clock = Stopped::new();
    let source = Numbered::new(&clock, Some(HOUR));
    let cache = cache(&source, no_observer());
    source.change(|state| state.passes = 0);
    let cancelled = |wait: &(dyn Fn(&Cancel) -> s3driver::Result<()> + Sync)| {
        let cancel = Cancel::new();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(&cancel).unwrap_err());
            thread::sleep(Duration::from_millis(300));
            assert!(!waiting.is_finished());
            let begun = Instant::now();
            cancel.cancel();
            let error = waiting.join().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        });
    };
    // The first thread starts the refresh, the second waits for it.
    for _ in 0..2 {
        cancelled(&|cancel| cache.credentials_until(cancel).map(drop));
    }
    source.change(|state| state.passes = 1);
    let used = cache.credentials().unwrap();
    assert_eq!((keys(&used).0, source.begun()), ("K1", 1));
    // A refresh after the server has reported expired credentials is shared in the same way.
    clock.advance(MINUTE);
    for _ in 0..2 {
        cancelled(&|cancel| cache.refresh_until(&used, cancel).map(drop));
    }
    source.change(|state| state.passes = 2);
    assert!(cache.refresh_until(&used, &Cancel::new()).unwrap());
    assert_eq!((id(&cache).as_str(), source.begun()), ("K2", 2));
}
