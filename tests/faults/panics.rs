//! Tests for panics in the caller's code, such as providers, clocks, callbacks and readers. The
//! call always ends, and no unfinished upload remains.

use crate::driver::parameters;
use crate::server::Fault;
use crate::support::ServerOptions;
use crate::{BUCKET, Rig, content, quickly};
use s3driver::client::{
    Client, Config, CopySource, GetObject, ObjectSettings, Presign, PresignMethod, RetryPolicy,
    SignatureVersion, Timeouts,
};
use s3driver::clock::{Clock, SystemClock};
use s3driver::credentials::{Credentials, Lease, Provider};
use s3driver::driver::{S3Driver, StorageDriver, WalkOptions, WriteMode};
use s3driver::observe::{Detail, Event, Observer};
use s3driver::transfer::{Progress, Transfer};
use s3driver::{Cancel, Error, ErrorKind, Result};
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

const PART: usize = 5 << 20;

/// A counter of calls that panics at one of them.
#[derive(Debug)]
struct Once {
    calls: AtomicUsize,
    at: AtomicUsize,
}

impl Once {
    fn new() -> Self {
        Self { calls: AtomicUsize::new(0), at: AtomicUsize::new(usize::MAX) }
    }
    /// Makes the call with number `at`, counted from now, panic.
    fn arm(&self, at: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.at.store(at, Ordering::SeqCst);
    }
    fn call(&self) {
        assert!(
            self.calls.fetch_add(1, Ordering::SeqCst) != self.at.load(Ordering::SeqCst),
            "planted"
        );
    }
    /// Reports whether the armed call has happened.
    fn has_panicked(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.at.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct PanickingProvider(Once, Arc<Lease>);

impl Provider for PanickingProvider {
    fn credentials(&self) -> Result<Arc<Lease>> {
        self.0.call();
        Ok(Arc::clone(&self.1))
    }
}

#[derive(Debug)]
struct PanickingClock(Once);

impl Clock for PanickingClock {
    fn now(&self) -> SystemTime {
        self.0.call();
        SystemClock.now()
    }
    fn instant(&self) -> Instant {
        self.0.call();
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

struct PanickingReader {
    left: usize,
}

impl Read for PanickingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(self.left > 0, "planted");
        let count = buffer.len().min(self.left);
        buffer[..count].fill(7);
        self.left -= count;
        Ok(count)
    }
}

/// The driver and the client under test.
struct Tried<'a> {
    rig: &'a Rig,
    driver: S3Driver,
    directory: tempfile::TempDir,
}

impl<'a> Tried<'a> {
    fn new(
        rig: &'a Rig,
        provider: Option<Arc<dyn Provider>>,
        clock: Option<Arc<dyn Clock>>,
    ) -> Self {
        Self::with(rig, |config| {
            let config = clock.into_iter().fold(config, Config::clock);
            provider.into_iter().fold(config, Config::credentials)
        })
    }

    fn with(rig: &'a Rig, adjust: impl FnOnce(Config) -> Config) -> Self {
        let small_parts = [
            ("chunksize", "5242880"),
            ("multipartcopythresholdsize", "5242880"),
            ("multipartcopychunksize", "5242880"),
        ];
        let driver = S3Driver::with_config(&parameters(rig, &small_parts), |config| {
            adjust(config.timeouts(crate::timeouts()).retry(crate::retry()))
        });
        Self { rig, driver: driver.unwrap(), directory: tempfile::tempdir().unwrap() }
    }

    fn client(&self) -> &Client {
        self.driver.client()
    }

    fn transfer(&self) -> Transfer<'_> {
        Transfer::new(self.client())
            .part_size(PART as u64)
            .concurrency(NonZeroUsize::new(3).unwrap())
    }

    /// Creates what an operation needs: a large object, and a directory that has two pages for
    /// operations that split a listing.
    fn prepare(&self, operation: &str) {
        self.rig.store("large", &content(2 * PART + 1));
        let split = ["delete", "walk", "parallel walk", "shards"].contains(&operation);
        for index in 0..if split { 1100 } else { 3 } {
            self.rig.store(&format!("directory/{}/{index:04}", index % 3), b"x");
        }
        std::fs::write(self.directory.path().join("file"), content(2 * PART + 1)).unwrap();
    }
}

type Operation = (&'static str, fn(&Tried<'_>) -> Result<()>);

/// All operations that consist of several requests.
const OPERATIONS: &[Operation] = &[
    ("writer", |tried| {
        let mut writer = tried.driver.writer("/written", WriteMode::Create)?;
        writer.write_all(&content(2 * PART + 1)).map_err(|error| {
            error
                .downcast::<Error>()
                .unwrap_or_else(|error| Error::new(ErrorKind::LocalIo, error.to_string()))
        })?;
        writer.commit()
    }),
    ("write_stream", |tried| {
        tried.driver.write_stream("/large", PART as i64, &mut &*content(2 * PART)).map(drop)
    }),
    ("put_content", |tried| tried.driver.put_content("/small", b"x")),
    ("get_content", |tried| tried.driver.get_content("/large").map(drop)),
    ("reader", |tried| {
        let mut reader = tried.driver.reader("/large", 1)?;
        let read = io::copy(&mut reader, &mut io::sink());
        read.map(drop).map_err(|error| Error::new(ErrorKind::LocalIo, error.to_string()))
    }),
    ("stat", |tried| tried.driver.stat("/directory").map(drop)),
    ("list", |tried| tried.driver.list("/directory").map(drop)),
    ("walk", |tried| {
        let mut options = WalkOptions::default();
        options.concurrency = NonZeroUsize::new(4);
        tried.driver.walk("/", &options, &mut |_| Ok(s3driver::driver::WalkStep::Continue))
    }),
    ("rename", |tried| tried.driver.rename("/large", "/moved")),
    ("delete", |tried| tried.driver.delete("/directory")),
    ("pending_uploads", |tried| {
        tried.driver.pending_uploads("/")?.try_for_each(|upload| upload.map(drop))
    }),
    ("purge_uploads", |tried| tried.driver.purge_uploads("/", Duration::ZERO).map(drop)),
    ("upload_file", |tried| {
        let file = tried.directory.path().join("file");
        tried.transfer().upload_file(file, BUCKET, "uploaded", &ObjectSettings::default()).map(drop)
    }),
    ("download_to_file", |tried| {
        tried
            .transfer()
            .download_to_file(BUCKET, "large", tried.directory.path().join("arrived"))
            .map(drop)
    }),
    ("copy", |tried| {
        let source = CopySource::new(BUCKET, "large");
        tried.transfer().copy(source, BUCKET, "copied", &ObjectSettings::default()).map(drop)
    }),
    ("each", |tried| {
        let read = |client: &Client, key: &&str| {
            client.get_object(BUCKET, key, &GetObject::default()).map(drop)
        };
        tried.transfer().each(&["large", "large", "large"], read).map(drop)
    }),
    ("shards", |tried| {
        tried.transfer().list(BUCKET, "directory/", &mut |_| Ok(ControlFlow::Continue(())))
    }),
];

#[test]
fn p07_a_panicking_provider_fails_the_call_and_leaves_no_upload() {
    for (name, operation) in OPERATIONS {
        let mut reached = 0;
        for at in [0, 1, 3] {
            let rig = Rig::new();
            let keys =
                Credentials::new(rig.faulty.backend.access_key(), rig.faulty.backend.secret_key());
            let lease = Arc::new(Lease { credentials: Some(keys), expires: None });
            let provider = Arc::new(PanickingProvider(Once::new(), lease));
            let tried = Tried::new(&rig, Some(provider.clone()), None);
            tried.prepare(name);
            provider.0.arm(at);
            let result = quickly(|| operation(&tried));
            if !provider.0.has_panicked() {
                result.unwrap_or_else(|error| panic!("{name} {at}: {error}"));
                break;
            }
            reached += 1;
            // An operation may succeed without the request that failed.
            if let Err(error) = result {
                assert!(error.to_string().contains("panicked"), "{name} {at}: {error}");
            }
            drop(tried);
            assert_eq!(rig.faulty.backend.open_uploads(BUCKET), [], "{name} {at}");
        }
        assert!(reached > 0, "{name} never requested credentials");
    }
}

/// An observer that requests every detail and panics at every event.
struct PanickingObserver(AtomicUsize);

impl Observer for PanickingObserver {
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("planted");
    }
    fn wants(&self, _: Detail) -> bool {
        true
    }
}

#[test]
fn p07_an_observer_that_panics_at_every_event_changes_no_outcome() {
    for (name, operation) in OPERATIONS {
        let rig = Rig::new();
        let observer = Arc::new(PanickingObserver(AtomicUsize::new(0)));
        let tried = Tried::with(&rig, |config| config.observer(observer.clone()));
        tried.prepare(name);
        quickly(|| operation(&tried)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(observer.0.load(Ordering::SeqCst) > 1, "{name} was not observed");
        drop(tried);
        rig.finish();
    }
}

#[test]
fn p07_a_panicking_clock_does_not_block_any_call() {
    for (name, operation) in OPERATIONS {
        for at in [0, 1, 2, 5, 9] {
            let rig = Rig::new();
            let clock = Arc::new(PanickingClock(Once::new()));
            let tried = Tried::new(&rig, None, Some(clock.clone()));
            tried.prepare(name);
            clock.0.arm(at);
            // A panic in the caller's own thread is passed on to the caller.
            let result = quickly(|| catch_unwind(AssertUnwindSafe(|| operation(&tried))));
            if !clock.0.has_panicked() {
                result.unwrap().unwrap_or_else(|error| panic!("{name} {at}: {error}"));
                break;
            }
            // The client can still be used.
            quickly(|| tried.driver.put_content("/after", b"x"))
                .unwrap_or_else(|error| panic!("{name} {at}: {error}"));
        }
    }
}

#[test]
fn p07_a_panicking_progress_callback_leaves_no_upload() {
    for (name, operation) in OPERATIONS {
        let progress = |tried: &Tried<'_>, tell: &(dyn Fn(Progress) + Sync)| {
            let transfer = tried.transfer().progress(tell);
            let directory = tried.directory.path();
            let source = CopySource::new(BUCKET, "large");
            match *name {
                "upload_file" => transfer
                    .upload_file(
                        directory.join("file"),
                        BUCKET,
                        "uploaded",
                        &ObjectSettings::default(),
                    )
                    .map(drop),
                "copy" => {
                    transfer.copy(source, BUCKET, "copied", &ObjectSettings::default()).map(drop)
                }
                "download_to_file" => {
                    transfer.download_to_file(BUCKET, "large", directory.join("arrived")).map(drop)
                }
                _ => operation(tried),
            }
        };
        if !["upload_file", "copy", "download_to_file"].contains(name) {
            continue;
        }
        for at in [0, 1, 2] {
            let rig = Rig::new();
            let tried = Tried::new(&rig, None, None);
            tried.prepare(name);
            let once = Once::new();
            once.arm(at);
            let error = quickly(|| progress(&tried, &|_| once.call())).unwrap_err();
            assert!(error.to_string().contains("panicked"), "{name}: {error}");
            assert_eq!(rig.faulty.backend.open_uploads(BUCKET), [], "{name}");
            let left: Vec<_> = std::fs::read_dir(tried.directory.path())
                .unwrap()
                .map(|f| f.unwrap().file_name())
                .collect();
            assert_eq!(left, ["file"], "{name}");
        }
    }
}

#[test]
fn p07_panics_of_visitors_and_readers_reach_the_caller_after_cleanup() {
    let panicking: &[Operation] = &[
        ("walk", |tried| {
            tried.driver.walk("/", &WalkOptions::default(), &mut |_| panic!("planted"))
        }),
        ("parallel walk", |tried| {
            let mut options = WalkOptions::default();
            options.concurrency = NonZeroUsize::new(4);
            tried.driver.walk("/", &options, &mut |_| panic!("planted"))
        }),
        ("shards", |tried| tried.transfer().list(BUCKET, "directory/", &mut |_| panic!("planted"))),
        ("each", |tried| {
            let result =
                tried.transfer().each(&[1, 2, 3], |_, _| -> Result<()> { panic!("planted") });
            assert!(result.unwrap_err().to_string().contains("panicked"));
            panic!("as expected")
        }),
        ("write_stream", |tried| {
            tried
                .driver
                .write_stream("/written", 0, &mut PanickingReader { left: 2 * PART + 1 })
                .map(drop)
        }),
        ("write_stream in the middle", |tried| {
            let mut reader = PanickingReader { left: PART + 1 };
            tried.driver.write_stream("/large", PART as i64, &mut reader).map(drop)
        }),
        ("put_object_from", |tried| {
            let mut reader = PanickingReader { left: 1 << 20 };
            let length = 20 << 20;
            tried
                .client()
                .put_object_from(BUCKET, "put", &mut reader, length, &ObjectSettings::default())
                .map(drop)
        }),
    ];
    for (name, operation) in panicking {
        let rig = Rig::new();
        let tried = Tried::new(&rig, None, None);
        tried.prepare(name);
        let result = quickly(|| catch_unwind(AssertUnwindSafe(|| operation(&tried))));
        assert!(result.is_err(), "{name}");
        assert_eq!(rig.faulty.backend.open_uploads(BUCKET), [], "{name}");
        assert_eq!((rig.stored("written"), rig.stored("put")), (None, None), "{name}");
        quickly(|| tried.driver.put_content("/after", b"x")).unwrap();
        drop(tried);
        rig.finish();
    }
}

#[test]
fn p28_unlimited_retry_policies_and_timeouts_do_not_panic() {
    let endless = RetryPolicy::default()
        .max_attempts(u32::MAX)
        .base(Duration::MAX)
        .throttled_base(Duration::MAX)
        .longest_wait(Duration::MAX)
        .total(Duration::MAX);
    let timeouts = Timeouts::default()
        .connect(Duration::MAX)
        .idle(Duration::MAX)
        .stall(Duration::MAX)
        .operation(Duration::MAX);
    let rig =
        Rig::with(ServerOptions::default(), |config| config.retry(endless).timeouts(timeouts));
    quickly(|| rig.put("a", &content(1 << 20))).unwrap();
    assert_eq!(quickly(|| rig.get("a")).unwrap(), content(1 << 20));
    for headers in [&[][..], &[("retry-after", "18446744073709551615")]] {
        for status in [500, 503] {
            rig.faulty.heal();
            rig.faulty.always("PutObject", Fault::reply_with(status, headers, ""));
            let cancel = Cancel::new();
            let client = rig.client.with_cancel(&cancel);
            let error = quickly(|| {
                std::thread::scope(|scope| {
                    let put = scope
                        .spawn(|| client.put_object(BUCKET, "b", b"x", &ObjectSettings::default()));
                    while rig.count("PutObject") < 2 {
                        std::thread::yield_now();
                    }
                    cancel.cancel();
                    put.join().expect("the thread does not panic")
                })
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
        }
    }
}

#[test]
fn p28_presigned_urls_are_valid_from_a_second_to_a_week() {
    const WEEK: u64 = 7 * 24 * 3600;
    for version in [SignatureVersion::V4, SignatureVersion::V2] {
        let rig = Rig::with(ServerOptions::default(), |config| config.signature(version));
        let presign = |expiry| {
            rig.client
                .presign(BUCKET, "k", &Presign::exactly(PresignMethod::Get, expiry))
                .map(|url| url.url)
        };
        for expiry in
            [Duration::ZERO, Duration::from_nanos(1), Duration::MAX, Duration::from_secs(u64::MAX)]
        {
            let error = presign(expiry).expect_err(&format!("{version:?} {expiry:?}"));
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{version:?} {expiry:?}: {error}");
        }
        for expiry in [Duration::from_secs(1), Duration::from_secs(WEEK)] {
            presign(expiry).unwrap_or_else(|error| panic!("{version:?} {expiry:?}: {error}"));
        }
    }
}
