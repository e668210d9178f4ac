//! Tests that the client adapts to a server with limited capacity.

use crate::server::{Answer, Fault, error_document};
use crate::support::ServerOptions;
use crate::{BUCKET, Rig, quickly, timeouts};
use s3driver::client::{
    Client, Config, Endpoint, GetObject, HELD_BODY, ObjectSettings, RetryPolicy, Scheme,
};
use s3driver::{Cancel, Error, ErrorKind};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

fn places(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// A server that responds after a delay, and throttles requests beyond its capacity.
struct Narrow {
    client: Client,
    load: Arc<Load>,
}

struct Load {
    room: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    served: AtomicUsize,
    refused: AtomicUsize,
}

/// The time that the server takes to serve a request.
const WORK: Duration = Duration::from_millis(4);

impl Narrow {
    fn start(room: usize, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let load = Arc::new(Load {
            room: AtomicUsize::new(room),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let own = load.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let load = own.clone();
                // Ends with an error when the client has disconnected.
                thread::spawn(move || load.serve(stream.unwrap()));
            }
        });
        let retry = RetryPolicy::default()
            .max_attempts(20)
            .base(Duration::from_millis(1))
            .throttled_base(Duration::from_millis(4))
            .longest_wait(Duration::from_millis(30));
        let config = Config::new(Endpoint::custom(&url, None, Scheme::Http).unwrap());
        let client = Client::new(config.retry(retry).max_requests(places(most))).unwrap();
        Self { client, load }
    }

    /// Sends requests from several threads. Returns how many were served and refused, and the
    /// maximum number in flight.
    fn work(&self, threads: usize, each: usize) -> (usize, usize, usize) {
        let load = &*self.load;
        for counter in [&load.most, &load.served, &load.refused] {
            counter.store(0, Ordering::SeqCst);
        }
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..each {
                        self.client.head_object(BUCKET, "key", &Default::default()).unwrap();
                    }
                });
            }
        });
        let read = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (read(&load.served), read(&load.refused), read(&load.most))
    }
}

impl Load {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut stream = stream;
        loop {
            loop {
                match lines.next().transpose()? {
                    None => return Ok(()),
                    Some(line) if line.is_empty() => break,
                    Some(_) => {}
                }
            }
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let reply = if now > self.room.load(Ordering::SeqCst) {
                self.refused.fetch_add(1, Ordering::SeqCst);
                "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n"
            } else {
                thread::sleep(WORK);
                self.served.fetch_add(1, Ordering::SeqCst);
                "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"
            };
            self.now.fetch_sub(1, Ordering::SeqCst);
            stream.write_all(reply.as_bytes())?;
        }
    }
}

#[test]
fn requests_in_flight_never_exceed_the_configured_limit() {
    let narrow = Narrow::start(1000, 3);
    let (served, refused, most) = narrow.work(12, 20);
    assert_eq!((served, refused), (240, 0));
    assert_eq!(most, 3);
}

/// With a capacity of 4, requests of 24 threads are often refused at first, but rarely later. When
/// the capacity increases, the client uses it.
#[test]
fn the_client_slows_down_and_speeds_up_again() {
    let narrow = Narrow::start(4, 24);
    assert_eq!(narrow.client.stats().allowed_requests, 24);
    narrow.work(24, 10);
    let allowed = narrow.client.stats().allowed_requests;
    assert!((1..=10).contains(&allowed), "{allowed} allowed");
    // The remaining refusals are the price of probing for more capacity.
    let (served, refused, most) = narrow.work(24, 20);
    assert_eq!(served, 480, "every request succeeds in the end");
    assert!(refused * 3 < served, "{refused} requests were refused, {served} served");
    assert!(most < 16, "{most} requests were in flight");
    assert!(narrow.client.stats().throttled >= refused as u64);
    narrow.load.room.store(1000, Ordering::SeqCst);
    let (_, refused, most) = narrow.work(24, 60);
    assert_eq!(refused, 0);
    assert!(most > 16, "{most} requests were in flight");
    assert_eq!(narrow.client.stats().allowed_requests, 24);
}

/// A throttled request is repeated before others are sent: if only one request is allowed at a
/// time, all requests wait as long as it does.
#[test]
fn with_one_place_left_all_requests_wait_for_retry_after() {
    let rig = Rig::with(ServerOptions::default(), |config| config.max_requests(places(1)));
    rig.store("key", b"content");
    rig.faulty.once("HeadObject", Fault::reply_with(503, &[("retry-after", "1")], ""));
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| rig.client.head_object(BUCKET, "key", &Default::default()).unwrap());
        while rig.client.stats().throttled == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        scope.spawn(|| rig.get("key").unwrap());
        thread::sleep(Duration::from_millis(300));
        assert_eq!(rig.count("GetObject"), 0);
    });
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((rig.count("HeadObject"), rig.count("GetObject")), (2, 1));
    rig.finish();
}

/// Every thread gets its turn, even if many others send requests without pause.
#[test]
fn every_thread_gets_its_turn() {
    let narrow = Narrow::start(1000, 2);
    let turns = thread::scope(|scope| {
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        let busy: Vec<_> = (0..10)
            .map(|_| {
                let (client, ended) = (&narrow.client, ended.clone());
                scope.spawn(move || {
                    let mut turns = 0;
                    while ended.lock().unwrap().try_recv() != Err(mpsc::TryRecvError::Disconnected)
                    {
                        client.head_object(BUCKET, "key", &Default::default()).unwrap();
                        turns += 1;
                    }
                    turns
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        drop(end);
        busy.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
    assert!(*least > 0 && most - least <= 10, "{turns:?}");
}

/// Neither an open reader nor an upload whose reader uses the same client counts towards the limit.
#[test]
fn one_place_is_enough_for_a_thread_that_reads_while_it_writes() {
    let rig = Rig::with(ServerOptions::default(), |config| config.max_requests(places(1)));
    let length = HELD_BODY + 1;
    let content = vec![7; length as usize];
    rig.store("from", &content);
    let settings = ObjectSettings::default();
    quickly(|| {
        let open: Vec<_> = (0..3)
            .map(|_| rig.client.get_object(BUCKET, "from", &GetObject::default()).unwrap())
            .collect();
        rig.put("second", b"content").unwrap();
        for mut reader in open {
            rig.client.put_object_from(BUCKET, "to", &mut reader, length, &settings).unwrap();
            rig.client.delete_object(BUCKET, "second", &Default::default()).unwrap();
        }
        // The reader's connection breaks during the upload, and the reader requests the rest.
        rig.faulty.once("GetObject", Fault::cut(1000, crate::server::End::Close));
        let mut reader = rig.client.get_object(BUCKET, "from", &GetObject::default()).unwrap();
        rig.client.put_object_from(BUCKET, "again", &mut reader, length, &settings).unwrap();
    });
    for key in ["to", "again"] {
        assert!(rig.stored(key).unwrap() == content);
    }
    rig.finish();
}

/// A pipe of one block connects two threads: one thread downloads the data that the other uploads.
#[test]
fn an_upload_can_wait_for_another_request() {
    struct Pipe(mpsc::Receiver<Vec<u8>>, io::Cursor<Vec<u8>>);
    impl Read for Pipe {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.1.position() == self.1.get_ref().len() as u64 {
                self.1 = io::Cursor::new(self.0.recv().unwrap_or_default());
            }
            self.1.read(into)
        }
    }
    let rig = Rig::with(ServerOptions::default(), |config| config.max_requests(places(1)));
    let length = HELD_BODY + 1;
    let content = crate::support::content::bytes(1, 0, length as usize);
    rig.store("from", &content);
    quickly(|| {
        thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel(0);
            let rig = &rig;
            scope.spawn(move || {
                let mut pipe = Pipe(receive, io::Cursor::default());
                let settings = ObjectSettings::default();
                rig.client.put_object_from(BUCKET, "to", &mut pipe, length, &settings).unwrap();
            });
            thread::sleep(Duration::from_millis(100));
            let mut reader = rig.client.get_object(BUCKET, "from", &GetObject::default()).unwrap();
            let mut block = vec![0; 64 << 10];
            loop {
                let count = reader.pull(&mut block).unwrap();
                if count == 0 {
                    break;
                }
                send.send(block[..count].to_vec()).unwrap();
            }
        });
    });
    assert!(rig.stored("to").unwrap() == content);
    rig.finish();
}

/// Returns the error of a request that waits for another one that never ends.
fn while_another_request_hangs(end: impl FnOnce(&Rig, Cancel) -> Error) -> Error {
    let rig = Rig::with(ServerOptions::default(), |config| {
        let idle = Duration::from_secs(60);
        let operation = Duration::from_millis(1500);
        config
            .max_requests(places(1))
            .timeouts(timeouts().idle(idle).operation(operation))
            .retry(RetryPolicy::never())
    });
    rig.faulty.always("PutObject", Fault::silent(crate::server::End::Hang));
    let (first, second) = (Cancel::new(), Cancel::new());
    let error = thread::scope(|scope| {
        let client = rig.client.with_cancel(&first);
        let hanging = scope.spawn(move || {
            client.put_object(BUCKET, "key", b"", &ObjectSettings::default()).map(drop)
        });
        while rig.count("PutObject") == 0 && rig.client.stats().requests == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let error = end(&rig, second);
        first.cancel();
        hanging.join().unwrap().unwrap_err();
        error
    });
    assert_eq!(
        (error.operation(), error.bucket(), error.attempts()),
        (Some("HeadObject"), Some(BUCKET), 0),
        "{error}"
    );
    assert_eq!(rig.count("HeadObject"), 0);
    rig.finish();
    error
}

#[test]
fn a_request_that_waits_for_its_turn_can_be_cancelled() {
    let error = while_another_request_hangs(|rig, cancel| {
        let client = rig.client.with_cancel(&cancel);
        let waiting = thread::spawn(move || {
            client.head_object(BUCKET, "key", &Default::default()).unwrap_err()
        });
        thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        cancel.cancel();
        let error = waiting.join().unwrap();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        error
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn a_request_that_is_never_sent_reports_the_limit() {
    let error = while_another_request_hangs(|rig, _| {
        let begun = Instant::now();
        let error = rig.client.head_object(BUCKET, "key", &Default::default()).unwrap_err();
        assert!((1500..2500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        error
    });
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "HeadObject: the request was not sent: its turn did not come within 1.5s (1 may be in flight) \
         (bucket registry, key key); allow more requests at once (maxrequests), or send them from fewer threads"
    );
}

/// A completion can be throttled in a response with status 200, which counts as throttled.
#[test]
fn a_throttled_response_counts_regardless_of_its_status() {
    let rig = Rig::new();
    rig.store("from", b"content");
    rig.faulty.once(
        "CopyObject",
        Fault::changed(|_| Answer::default().status(200).body(error_document("SlowDown"))),
    );
    let source = s3driver::client::CopySource::new(BUCKET, "from");
    rig.client.copy_object(source, BUCKET, "to", &ObjectSettings::default()).unwrap();
    let stats = rig.client.stats();
    assert_eq!((stats.throttled, stats.retries), (1, 1));
    assert!(stats.allowed_requests < 256);
    rig.finish();
}
