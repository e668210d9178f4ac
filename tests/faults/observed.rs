//! Compares the events that observers receive with the requests that the server saw.

use crate::planting::assert_hidden;
use crate::secrets;
use crate::server::{Answer, End, Fault, error_document};
use crate::support::{self, ServerOptions};
use crate::{ATTEMPTS, BUCKET, Rig, content, retry, timeouts, upload};
use s3driver::client::{
    ByteRange, Client, Condition, Config, CopySource, CreateBucket, DeleteObject, Endpoint,
    GetObject, GetObjectAttributes, GovernanceMode, HELD_BODY, LegalHold, ListBuckets, ListObjects,
    ObjectLock, ObjectLockConfiguration, ObjectSettings, Part, Proxy, Retention, RetentionMode,
    Scheme, SignatureVersion, Tag, Timeouts, Variant, VersionSelector, Versioning,
};
use s3driver::clock::{Clock, SystemClock};
use s3driver::credentials::{Cache, Lease, Source, Unavailable};
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use s3driver::observe::{
    Attempt, AttemptRole, ConnectionUse, CredentialsEvent, Decision, Detail, Event, Metrics,
    Notice, Observer,
};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;
use s3driver::transfer::Transfer;
use s3driver::{ErrorKind, Result};
use s3s::dto::{AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleRule};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A bucket with Object Lock, and one that stores versions.
const LOCKED: &str = "locked";
const VERSIONED: &str = "versioned";

/// A copy of an attempt's data.
#[derive(Clone, Debug)]
struct Sent {
    operation: &'static str,
    key: String,
    number: u32,
    role: AttemptRole,
    method: &'static str,
    host: String,
    status: Option<u16>,
    code: Option<String>,
    ids: [Option<String>; 2],
    kind: Option<ErrorKind>,
    connection: Option<ConnectionUse>,
    bytes: (u64, u64),
    decision: Decision,
    times: [Option<Duration>; 4],
}

impl Sent {
    fn of(attempt: &Attempt<'_>) -> Self {
        assert!([BUCKET, LOCKED, VERSIONED, ""].contains(&attempt.bucket), "{attempt:?}");
        let timings = attempt.timings;
        Self {
            operation: attempt.operation,
            key: attempt.key.to_owned(),
            number: attempt.attempt,
            role: attempt.role,
            method: attempt.method,
            host: attempt.host.to_owned(),
            status: attempt.status,
            code: attempt.code().map(str::to_owned),
            ids: [attempt.request_id, attempt.host_id].map(|id| id.map(str::to_owned)),
            kind: attempt.error.map(s3driver::Error::kind),
            connection: attempt.connection,
            bytes: (attempt.bytes_sent, attempt.bytes_received),
            decision: attempt.decision,
            times: [timings.connect, timings.tls, timings.first_byte, Some(timings.total)],
        }
    }

    fn retries(&self) -> bool {
        matches!(self.decision, Decision::Retry { .. })
    }
}

/// The end of an operation: its name, the number of attempts, and the kind of its error.
type Ended = (&'static str, u32, Option<ErrorKind>);

/// An observer that records all events.
#[derive(Default)]
struct Recorder {
    sent: Mutex<Vec<Sent>>,
    ended: Mutex<Vec<Ended>>,
    /// The number of body bytes that were read after the attempt, and whether the body was read to
    /// its end.
    downloads: Mutex<Vec<(u64, bool)>>,
    notices: Mutex<Vec<Notice>>,
    redirects: Mutex<Vec<String>>,
    admissions: Mutex<Vec<(&'static str, Duration, usize)>>,
    texts: Mutex<Vec<String>>,
}

impl Recorder {
    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
    fn ended(&self) -> Vec<Ended> {
        self.ended.lock().unwrap().clone()
    }
    fn texts(&self) -> Vec<String> {
        std::mem::take(&mut self.texts.lock().unwrap())
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        self.texts.lock().unwrap().push(format!("{event:?}"));
        match event {
            Event::Attempt(attempt) => self.sent.lock().unwrap().push(Sent::of(attempt)),
            Event::Outcome(outcome) => {
                let kind = outcome.error.map(s3driver::Error::kind);
                self.ended.lock().unwrap().push((outcome.operation, outcome.attempts, kind));
            }
            Event::Download(download) => {
                let bytes = download.bytes_received - download.bytes_reported;
                self.downloads.lock().unwrap().push((bytes, download.is_complete));
            }
            Event::Notice(notice) => self.notices.lock().unwrap().push((*notice).clone()),
            Event::Redirect(redirect) => {
                self.redirects.lock().unwrap().push(redirect.host.to_owned());
            }
            Event::Admission(wait) => {
                self.admissions.lock().unwrap().push((wait.operation, wait.waited, wait.allowed));
            }
            _ => {}
        }
    }

    fn wants(&self, _: Detail) -> bool {
        true
    }
}

fn observed(adjust: impl FnOnce(Config) -> Config) -> (Rig, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let observer = Arc::clone(&recorder);
    let options = ServerOptions { min_part_size: 1, ..ServerOptions::default() };
    (Rig::with(options, |config| adjust(config.observer(observer))), recorder)
}

/// Calls every operation of the client at least once.
fn call_every_operation(client: &Client) -> Result<()> {
    let settings = ObjectSettings::default();
    client.head_bucket(BUCKET)?;
    client.get_bucket_location(BUCKET)?;
    client.put_object(BUCKET, "a", &content(5000), &settings)?;
    let absent = ObjectSettings::default().condition(Condition::IfAbsent);
    client.put_object(BUCKET, "b", b"", &absent)?;
    client.put_object_from(BUCKET, "small", &mut &*content(70_000), 70_000, &settings)?;
    let length = HELD_BODY + 1;
    client.put_object_from(BUCKET, "large", &mut std::io::repeat(7), length, &settings)?;
    client.head_object(BUCKET, "a", &GetObject::default())?;
    assert_eq!(
        client.get_object(BUCKET, "a", &GetObject::default())?.read_all(5000)?,
        content(5000)
    );
    let range = GetObject::range(ByteRange::Part { offset: 10, length: 100 });
    assert_eq!(client.get_object(BUCKET, "a", &range)?.read_all(100)?, content(110)[10..]);
    let source = CopySource::new(BUCKET, "a");
    client.copy_object(source, BUCKET, "c", &settings)?;
    client.list_objects(BUCKET, &ListObjects::prefix(""), None)?;
    client.list_objects_v1(BUCKET, &ListObjects::prefix(""), None)?;
    let id = client.create_multipart_upload(BUCKET, "m", &settings)?;
    let mut parts: Vec<Part> = vec![client.upload_part(upload("m", &id), 1, &content(999))?];
    parts.push(client.upload_part_copy(source, 0..5000, upload("m", &id), 2)?);
    client.list_parts(upload("m", &id), None)?;
    client.list_multipart_uploads(BUCKET, "", None)?;
    client.complete_multipart_upload(upload("m", &id), &parts, &Condition::Always)?;
    client.get_object_attributes(BUCKET, "m", &GetObjectAttributes::default())?;
    lock_an_object(client)?;
    client.list_buckets(&ListBuckets::default(), None)?;
    let id = client.create_multipart_upload(BUCKET, "n", &settings)?;
    client.abort_multipart_upload(upload("n", &id))?;
    client.delete_object(BUCKET, "a", &DeleteObject::default())?;
    client.delete_objects(BUCKET, &["b", "c", "large", "small"])?;
    tag_a_version(client)?;
    let missing = client.get_object(BUCKET, "a", &GetObject::default()).map(drop).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NoSuchKey);
    Ok(())
}

/// Calls the operations of Object Lock, in another bucket.
fn lock_an_object(client: &Client) -> Result<()> {
    let request = CreateBucket::default().object_lock(ObjectLock::Enabled);
    client.create_bucket(LOCKED, &request)?;
    client.put_object_lock_configuration(LOCKED, &ObjectLockConfiguration::default())?;
    client.get_object_lock_configuration(LOCKED)?;
    let version = client.put_object(LOCKED, "l", b"l", &ObjectSettings::default())?.version_id;
    let (current, mode) = (VersionSelector::default(), GovernanceMode::Bypassed);
    let until = Timestamp::from(SystemTime::now()).plus(Duration::from_secs(3600));
    let retention = Retention::new(RetentionMode::Governance, until);
    client.put_object_retention(LOCKED, "l", Some(&retention), mode, &current)?;
    client.get_object_retention(LOCKED, "l", &current)?;
    client.put_object_legal_hold(LOCKED, "l", LegalHold::Off, &current)?;
    client.get_object_legal_hold(LOCKED, "l", &current)?;
    let request = DeleteObject::default().version_id(version.unwrap()).governance(mode);
    client.delete_object(LOCKED, "l", &request)?;
    client.delete_bucket(LOCKED)
}

/// Calls the operations on tags and versions, in another bucket.
fn tag_a_version(client: &Client) -> Result<()> {
    let current = VersionSelector::default();
    client.create_bucket(VERSIONED, &CreateBucket::default())?;
    client.put_bucket_versioning(VERSIONED, Versioning::Enabled)?;
    client.get_bucket_versioning(VERSIONED)?;
    client.get_bucket_lifecycle_configuration(BUCKET)?;
    let stored = client.put_object(VERSIONED, "t", b"t", &ObjectSettings::default())?;
    client.put_object_tagging(VERSIONED, "t", &[Tag::new("a", "b")], &current)?;
    client.get_object_tagging(VERSIONED, "t", &current)?;
    client.delete_object_tagging(VERSIONED, "t", &current)?;
    client.list_object_versions(VERSIONED, &ListObjects::default(), None)?;
    let request = DeleteObject::default().version_id(stored.version_id.unwrap());
    client.delete_object(VERSIONED, "t", &request)?;
    client.delete_bucket(VERSIONED)
}

/// Returns the names of all operations in the client's sources.
fn operations_of_the_client() -> BTreeSet<String> {
    const VERBS: [&str; 10] =
        ["Abort", "Complete", "Copy", "Create", "Delete", "Get", "Head", "List", "Put", "Upload"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let mut names = BTreeSet::new();
    for path in paths.filter(is_source) {
        let source = std::fs::read_to_string(path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for word in lines.flat_map(|line| line.split('"').skip(1).step_by(2)) {
            let noun = VERBS.iter().find_map(|verb| word.strip_prefix(verb)).unwrap_or_default();
            if noun.starts_with(|c: char| c.is_ascii_uppercase())
                && noun.chars().all(|c| c.is_ascii_alphanumeric())
            {
                names.insert(word.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_operation_is_reported_as_the_server_saw_it() {
    for version in [SignatureVersion::V4, SignatureVersion::V2] {
        let metrics = Arc::new(Metrics::new());
        let counter = Arc::clone(&metrics);
        let (rig, recorder) = observed(|config| config.signature(version).observer(counter));
        let aborts = AbortIncompleteMultipartUpload { days_after_initiation: Some(7) };
        let rule = LifecycleRule {
            abort_incomplete_multipart_upload: Some(aborts),
            expiration: None,
            filter: None,
            id: Some("leftovers".to_owned()),
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: Some(String::new()),
            status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
            transitions: None,
        };
        rig.faulty.backend.set_lifecycle_rules(BUCKET, vec![rule]);
        call_every_operation(&rig.client).unwrap();

        let seen = rig.faulty.seen();
        let sent = recorder.sent();
        let mut called: BTreeSet<String> =
            seen.iter().map(|seen| seen.operation.to_owned()).collect();
        // Only directory buckets have sessions: `addressing` tests them.
        called.insert("CreateSession".to_owned());
        assert_eq!(called, operations_of_the_client());
        let expected: Vec<_> = seen
            .iter()
            .map(|seen| {
                let method = seen.head.split(' ').next().unwrap().to_owned();
                (seen.operation, seen.key.clone(), method, seen.body.len() as u64)
            })
            .collect();
        let reported: Vec<_> = sent
            .iter()
            .map(|sent| (sent.operation, sent.key.clone(), sent.method.to_owned(), sent.bytes.0))
            .collect();
        assert_eq!(reported, expected, "{version:?}");
        let host = rig.faulty.url().replace("http://", "");
        for sent in &sent {
            let missing =
                (sent.operation, &*sent.key, sent.status) == ("GetObject", "a", Some(404));
            let allowed = if missing { &[404][..] } else { &[200, 204, 206] };
            assert!(sent.status.is_some_and(|status| allowed.contains(&status)), "{sent:?}");
            assert_eq!((sent.number, sent.role), (1, AttemptRole::Operation), "{sent:?}");
            assert_eq!(sent.host, host);
            let decision = if missing { Decision::GiveUp } else { Decision::Finish };
            assert_eq!((sent.decision, sent.kind.is_some()), (decision, missing), "{sent:?}");
            let [connect, tls, first_byte, total] = sent.times;
            assert_eq!(connect.is_some(), sent.connection == Some(ConnectionUse::New), "{sent:?}");
            assert!(tls.is_none() && first_byte <= total && connect <= first_byte, "{sent:?}");
        }
        let new = sent.iter().filter(|sent| sent.connection == Some(ConnectionUse::New)).count();
        assert_eq!(new as u64, rig.client.stats().connections);
        assert_eq!(new == 0, support::transport::is_agent());

        let later: u64 = recorder.downloads.lock().unwrap().iter().map(|(bytes, _)| bytes).sum();
        let received = later + sent.iter().map(|sent| sent.bytes.1).sum::<u64>();
        // The embedded server also counts the body that it omits from its response to HEAD.
        assert_eq!(received, rig.faulty.backend.bytes_out() - 5000, "{version:?}");
        // After a chunked upload, the client compares its beginning with what the server has
        // stored.
        let compared = (version == SignatureVersion::V4).then_some((64, true));
        let downloads: Vec<_> = compared.into_iter().chain([(5000, true), (100, true)]).collect();
        assert_eq!(*recorder.downloads.lock().unwrap(), downloads);
        let ended: Vec<_> = recorder.ended();
        assert_eq!(ended.len(), sent.len());
        assert_eq!(ended.iter().filter(|(_, _, kind)| kind.is_some()).count(), 1);
        assert_eq!(recorder.notices.lock().unwrap().len(), 0);

        assert_counts(&metrics, &sent, received, downloads.len() as f64);
        rig.finish();
    }
}

/// Parses a text in the Prometheus format into samples: the name with its labels, and the value.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

fn assert_counts(metrics: &Metrics, sent: &[Sent], received: u64, downloads: f64) {
    let text = metrics.render();
    let samples = samples(&text);
    let sum = |name: &str| -> f64 {
        let of = |(sample, _): &(&&str, &f64)| sample.split('{').next() == Some(name);
        samples.iter().filter(of).map(|(_, value)| value).sum()
    };
    let count = sent.len() as f64;
    assert_eq!(sum("s3driver_requests_total"), count, "{text}");
    assert_eq!(sum("s3driver_operations_total"), count);
    assert_eq!(sum("s3driver_request_seconds_count"), count);
    // An agent does not say whether a connection is new.
    let known = if support::transport::is_agent() { 0.0 } else { count };
    assert_eq!(sum("s3driver_connection_uses_total"), known);
    let bytes_sent: u64 = sent.iter().map(|sent| sent.bytes.0).sum();
    assert_eq!(sum("s3driver_sent_bytes_total"), bytes_sent as f64);
    assert_eq!(sum("s3driver_received_bytes_total"), received as f64);
    for (sample, value) in [
        ("s3driver_requests_total{operation=\"HeadObject\",method=\"HEAD\",status=\"2xx\"}", 1.0),
        ("s3driver_requests_total{operation=\"GetObject\",method=\"GET\",status=\"4xx\"}", 1.0),
        ("s3driver_request_errors_total{operation=\"GetObject\",kind=\"no_such_key\"}", 1.0),
        ("s3driver_operations_total{operation=\"GetObject\",result=\"ok\"}", downloads),
        ("s3driver_downloads_total{end=\"complete\"}", downloads),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}\n{text}");
    }
}

#[test]
fn retries_are_reported_with_their_reason_and_their_wait() {
    let (rig, recorder) = observed(|config| config);
    rig.faulty.times("PutObject", 0, 2, Fault::error(503, "SlowDown"));
    rig.put("key", b"content").unwrap();
    let sent = recorder.sent();
    assert_eq!(sent.iter().map(|sent| sent.number).collect::<Vec<_>>(), [1, 2, 3]);
    for failed in &sent[..2] {
        assert!(failed.retries(), "{failed:?}");
        assert_eq!((failed.status, failed.code.as_deref()), (Some(503), Some("SlowDown")));
        assert_eq!(failed.kind, Some(ErrorKind::Throttled));
        assert_eq!(failed.ids, [Some("REQ123".to_owned()), Some("HOST456".to_owned())]);
        assert_eq!(failed.bytes.1, error_document("SlowDown").len() as u64);
    }
    assert_eq!((sent[2].status, sent[2].decision), (Some(200), Decision::Finish));
    assert_eq!(recorder.ended(), [("PutObject", 3, None)]);

    rig.faulty.always("GetObject", Fault::error(500, "InternalError"));
    rig.get("key").unwrap_err();
    let sent = recorder.sent().split_off(3);
    let expected = [true, true, true, false];
    assert_eq!(sent.iter().map(Sent::retries).collect::<Vec<_>>(), expected);
    assert_eq!(sent[3].decision, Decision::GiveUp);
    assert_eq!(recorder.ended()[1], ("GetObject", ATTEMPTS, Some(ErrorKind::Server)));
    rig.finish();
}

#[test]
fn a_dead_connection_and_a_broken_one_are_reported() {
    let (rig, recorder) = observed(|config| config);
    rig.put("key", b"content").unwrap();
    rig.faulty.once("PutObject", Fault::silent(End::Reset));
    rig.put("key", b"content").unwrap();
    let sent = recorder.sent();
    assert_eq!((sent[1].status, sent[1].decision), (None, Decision::Resend), "{sent:?}");
    assert_eq!(sent[1].connection, Some(ConnectionUse::Reused));
    assert_eq!((sent[2].connection, sent[2].number), (Some(ConnectionUse::New), 2));
    rig.faulty.once("PutObject", Fault::silent(End::Hang));
    rig.put("key", b"content").unwrap();
    let sent = recorder.sent().split_off(3);
    assert_eq!((sent[0].status, sent[0].kind), (None, Some(ErrorKind::Timeout)), "{sent:?}");
    assert!(sent[0].retries() && sent[0].times[2].is_none(), "{sent:?}");
    rig.finish();
}

#[test]
fn a_body_that_breaks_is_reported_for_each_of_its_responses() {
    let (rig, recorder) = observed(|config| config);
    let bytes = content(300_000);
    rig.store("key", &bytes);
    rig.faulty.once("GetObject", Fault::cut(100_000, End::Reset));
    assert_eq!(rig.get("key").unwrap(), bytes);
    let downloads = recorder.downloads.lock().unwrap().clone();
    assert_eq!(downloads.len(), 2, "{downloads:?}");
    assert_eq!((downloads[0].1, downloads[1].1), (false, true));
    assert_eq!(downloads[0].0 + downloads[1].0, 300_000, "{downloads:?}");
    // A reader that is dropped early was not read to the end.
    let mut reader = rig.client.get_object(BUCKET, "key", &GetObject::default()).unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    let last = recorder.downloads.lock().unwrap()[2];
    assert!((10..300_000).contains(&last.0) && !last.1, "{last:?}");
    rig.finish();
}

#[test]
fn the_request_that_asks_why_a_head_failed_is_reported_as_an_inquiry() {
    let (rig, recorder) = observed(|config| config);
    rig.faulty.once("HeadObject", Fault::reply(403, ""));
    rig.faulty.once("GetObject", Fault::error(403, "AccessDenied"));
    rig.client.head_object(BUCKET, "key", &GetObject::default()).unwrap_err();
    let sent = recorder.sent();
    let seen = rig.faulty.seen();
    assert_eq!(
        seen.iter().map(|seen| seen.operation).collect::<Vec<_>>(),
        ["HeadObject", "GetObject"]
    );
    let reported: Vec<_> =
        sent.iter().map(|sent| (sent.method, sent.number, sent.role, sent.status)).collect();
    let expected = [
        ("GET", 2, AttemptRole::Inquiry, Some(403)),
        ("HEAD", 1, AttemptRole::Operation, Some(403)),
    ];
    assert_eq!(reported, expected);
    assert_eq!(recorder.ended(), [("HeadObject", 2, Some(ErrorKind::AccessDenied))]);
    rig.finish();
}

/// The object can be read, so the inquiry succeeded and explains nothing.
#[test]
fn an_inquiry_that_succeeds_is_reported_without_an_error() {
    let (rig, recorder) = observed(|config| config);
    rig.faulty.once("HeadObject", Fault::reply(403, ""));
    rig.faulty.once("GetObject", Fault::reply(200, "content"));
    rig.client.head_object(BUCKET, "key", &GetObject::default()).unwrap_err();
    let reported: Vec<_> =
        recorder.sent().iter().map(|sent| (sent.role, sent.status, sent.kind)).collect();
    let expected = [
        (AttemptRole::Inquiry, Some(200), None),
        (AttemptRole::Operation, Some(403), Some(ErrorKind::AccessDenied)),
    ];
    assert_eq!(reported, expected);
    rig.finish();
}

#[test]
fn the_first_2048_characters_of_a_body_are_shown() {
    let (rig, recorder) = observed(|config| config);
    let text = |length: u8| -> String {
        (0..length).flat_map(|line| format!("{line:015}.").into_bytes()).map(char::from).collect()
    };
    for (lines, is_cut) in [(128, false), (129, true)] {
        let body = text(lines);
        rig.client.put_object(BUCKET, "key", body.as_bytes(), &Default::default()).unwrap();
        assert_eq!(rig.get("key").unwrap(), body.as_bytes());
        let shown = format!("{}{}", text(128), if is_cut { "...\"" } else { "\"" });
        let bodies = recorder.texts().into_iter().filter(|text| text.starts_with("Bodies"));
        assert_eq!(bodies.filter(|text| text.contains(&shown)).count(), 2, "{lines}");
    }
    rig.finish();
}

/// Returns a client for AWS's endpoints whose requests all go to the scripted server, which acts as
/// its proxy.
fn aws(rig: &Rig, adjust: impl FnOnce(Config) -> Config) -> Client {
    let endpoint = Endpoint::aws("us-east-1", Scheme::Http, Variant::default()).unwrap();
    let config = Config::new(endpoint)
        .static_credentials(Credentials::new("AKIDEXAMPLE", "secret"))
        .proxy(Proxy::parse(&rig.faulty.url()).unwrap())
        .retry(retry())
        .timeouts(timeouts());
    Client::new(adjust(config)).unwrap()
}

#[test]
fn regions_and_redirects_are_reported_once_and_kept() {
    let rig = Rig::new();
    let recorder = Arc::new(Recorder::default());
    let client = aws(&rig, |config| config.observer(recorder.clone()));
    let location = [("location", "http://registry.s3.ap-south-1.amazonaws.com/a/key")];
    rig.faulty.once("*", Fault::reply_with(307, &location, error_document("TemporaryRedirect")));
    let region = [("x-amz-bucket-region", "eu-west-3")];
    rig.faulty.once("*", Fault::reply_with(301, &region, error_document("PermanentRedirect")));
    rig.faulty.always("*", Fault::reply_with(200, &[("etag", "\"e\"")], ""));
    for _ in 0..2 {
        client.put_object(BUCKET, "a/key", b"content", &Default::default()).unwrap();
    }
    let hosts: Vec<_> =
        recorder.sent().into_iter().map(|sent| (sent.host, sent.decision)).collect();
    let west = "registry.s3.eu-west-3.amazonaws.com".to_owned();
    let expected = [
        ("registry.s3.us-east-1.amazonaws.com".to_owned(), Decision::Resend),
        ("registry.s3.ap-south-1.amazonaws.com".to_owned(), Decision::Resend),
        (west.clone(), Decision::Finish),
        (west, Decision::Finish),
    ];
    assert_eq!(hosts, expected);
    assert_eq!(*recorder.redirects.lock().unwrap(), ["registry.s3.ap-south-1.amazonaws.com"]);
    let notices = [Notice::Region {
        bucket: BUCKET.to_owned(),
        configured: "us-east-1".to_owned(),
        region: "eu-west-3".to_owned(),
    }];
    assert_eq!(*recorder.notices.lock().unwrap(), notices);
    let clone = client.clone();
    drop(client);
    assert_eq!(clone.notices(), notices);
    drop(clone);
    rig.finish();
}

/// A clock that is slow by this many seconds.
#[derive(Debug)]
struct Slow(u64);

impl Clock for Slow {
    fn now(&self) -> SystemTime {
        SystemClock.now() - Duration::from_secs(self.0)
    }
    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

#[test]
fn a_corrected_clock_is_a_notice() {
    let (rig, recorder) = observed(|config| config.clock(Arc::new(Slow(7200))));
    rig.faulty.once("PutObject", {
        let time = s3driver::time::Timestamp::from(SystemTime::now()).iso8601();
        let code = "<Code>RequestTimeTooSkewed</Code>";
        Fault::reply(403, format!("<Error>{code}<ServerTime>{time}</ServerTime></Error>"))
    });
    rig.put("key", b"content").unwrap();
    let notices = rig.client.notices();
    assert!(
        matches!(notices[..], [Notice::Clock { ahead }] if (7190..=7210).contains(&ahead)),
        "{notices:?}"
    );
    assert_eq!(*recorder.notices.lock().unwrap(), notices);
    assert_eq!(recorder.sent()[0].decision, Decision::Resend);
    rig.finish();
}

#[test]
fn fallbacks_are_notices() {
    let (rig, recorder) = observed(|config| config);
    let fallback =
        |missing, instead| Notice::Fallback { bucket: BUCKET.to_owned(), missing, instead };
    let mut expected = Vec::new();
    rig.store("key", b"content");
    let missing = Fault::error(501, "NotImplemented");

    rig.faulty.always("ListObjectsV2", missing.clone());
    for _ in 0..2 {
        for page in rig.client.objects(BUCKET, ListObjects::prefix("")).pages() {
            drop(page.unwrap());
        }
    }
    expected.push(fallback("ListObjectsV2", "ListObjects"));
    assert_eq!(rig.client.notices(), expected);

    rig.faulty.always("DeleteObjects", missing);
    for _ in 0..2 {
        rig.client.delete_objects(BUCKET, &["a", "b"]).unwrap();
    }
    expected.push(fallback("DeleteObjects", "DeleteObject"));
    assert_eq!(rig.client.notices(), expected);

    let missing = Fault::error(501, "NotImplemented");
    rig.faulty.always("CopyObject", missing.clone());
    let transfer = Transfer::new(&rig.client).part_size(5 << 20);
    for _ in 0..2 {
        let source = CopySource::new(BUCKET, "key");
        transfer.copy(source, BUCKET, "copy", &Default::default()).unwrap();
    }
    expected.push(fallback("CopyObject", "GetObject with PutObject"));
    assert_eq!(rig.client.notices(), expected);

    rig.store("large", &content((5 << 20) + 1));
    rig.faulty.always("UploadPartCopy", missing);
    for _ in 0..2 {
        let source = CopySource::new(BUCKET, "large");
        transfer.copy(source, BUCKET, "copy", &Default::default()).unwrap();
    }
    expected.push(fallback("UploadPartCopy", "GetObject with UploadPart"));
    assert_eq!(rig.client.notices(), expected);
    drop(transfer);

    rig.faulty.by_digest(Fault::error(400, "MissingContentMD5"));
    for _ in 0..2 {
        rig.put("digest", b"content").unwrap();
    }
    expected.push(Notice::DigestRequired { bucket: BUCKET.to_owned() });
    assert_eq!(rig.client.notices(), expected);
    rig.faulty.heal();

    let encrypted =
        |answer: Answer| answer.with("x-amz-server-side-encryption", "aws:kms").without("etag");
    rig.faulty.always("PutObject", Fault::changed(encrypted));
    for _ in 0..2 {
        rig.put("encrypted", b"content").unwrap();
    }
    expected.push(Notice::OpaqueEtags { bucket: BUCKET.to_owned() });
    assert_eq!(rig.client.notices(), expected);
    assert_eq!(*recorder.notices.lock().unwrap(), expected, "each is reported once");
    rig.finish();
}

/// A clock that sends a message whenever the thread `second` reads the time.
#[derive(Debug)]
struct Asked {
    count: AtomicUsize,
    asked: Mutex<mpsc::Sender<usize>>,
}

impl Clock for Asked {
    fn now(&self) -> SystemTime {
        SystemClock.now()
    }
    fn instant(&self) -> Instant {
        if thread::current().name() == Some("second") {
            let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
            // The test may be over.
            let _ = self.asked.lock().unwrap().send(count);
        }
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

#[test]
fn waits_for_admission_are_reported() {
    let (asked, asks) = mpsc::channel();
    let clock = Asked { count: AtomicUsize::new(0), asked: Mutex::new(asked) };
    let one = NonZeroUsize::new(1).unwrap();
    // The first response arrives late, regardless of when the second thread starts.
    let patient = Timeouts::default();
    let (rig, recorder) =
        observed(|config| config.max_requests(one).clock(Arc::new(clock)).timeouts(patient));
    let (begin, begun) = mpsc::channel();
    let (begin, asks) = (Mutex::new(begin), Mutex::new(asks));
    // The first request ends once the second one waits, which begins when the second thread reads
    // the time for the third time.
    rig.faulty.once(
        "PutObject",
        Fault::changed(move |answer| {
            begin.lock().unwrap().send(()).unwrap();
            let asks = asks.lock().unwrap();
            while asks.recv_timeout(Duration::from_secs(30)).unwrap() < 3 {}
            // Nothing shows the moment between this reading and the wait.
            thread::sleep(Duration::from_millis(300));
            answer
        }),
    );
    let (first, last) = (rig.client.clone(), rig.client.clone());
    let first = thread::spawn(move || first.put_object(BUCKET, "a", b"1", &Default::default()));
    begun.recv().unwrap();
    let second = thread::Builder::new().name("second".to_owned());
    let second = second.spawn(move || last.put_object(BUCKET, "b", b"2", &Default::default()));
    first.join().unwrap().unwrap();
    second.unwrap().join().unwrap().unwrap();
    let admissions = recorder.admissions.lock().unwrap().clone();
    assert!(
        matches!(admissions[..], [("PutObject", waited, 1)] if !waited.is_zero()),
        "{admissions:?}"
    );
    rig.finish();
}

#[test]
fn planted_secrets_are_in_no_event_and_no_metric() {
    for version in [SignatureVersion::V4, SignatureVersion::V2] {
        let recorder = Arc::new(Recorder::default());
        let metrics = Arc::new(Metrics::new());
        let rig = Rig::with(ServerOptions::default(), |given| {
            let observed = given.observer(recorder.clone()).observer(metrics.clone());
            secrets::config(observed).signature(version)
        });
        for (place, answer) in secrets::PLACES {
            for secret in [secrets::TOKEN, secrets::SECRET, secrets::ID] {
                rig.faulty.heal();
                rig.faulty.always("*", Fault::raw(answer(secret).bytes()));
                secrets::call_all(&rig.client);
                let reader = rig.client.get_object(BUCKET, "k", &GetObject::default());
                if let Ok(reader) = reader {
                    drop(reader.read_all(1 << 20));
                }
                let texts = recorder.texts();
                let signed = texts.iter().filter(|text| text.starts_with("Signing(")).count();
                assert!(signed > 10, "{signed}");
                for text in &texts {
                    // Of the credentials, the canonical request and the URL contain only the access
                    // key and the scope.
                    assert_hidden(text, secret, &format!("{version:?}, {place}"));
                }
            }
        }
        assert_hidden(&metrics.render(), secrets::TOKEN, "metrics");
        rig.faulty.heal();
        assert_signatures_hidden(&rig, &recorder, version);
    }
}

/// Makes the server repeat each request's signature in a successful response.
fn assert_signatures_hidden(rig: &Rig, recorder: &Recorder, version: SignatureVersion) {
    let signatures = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&signatures);
    rig.faulty.by_chance(move |seen| {
        let authorization = seen.header("authorization").unwrap_or_default();
        let mark = if version == SignatureVersion::V4 { "Signature=" } else { ":" };
        let signature = authorization.rsplit_once(mark).unwrap().1.to_owned();
        let ids = [("x-amz-request-id", &*signature), ("x-amz-id-2", &signature)];
        let fault = Fault::reply_with(200, &ids, "");
        sink.lock().unwrap().push(signature);
        Some(fault)
    });
    recorder.texts();
    rig.put("k", b"x").unwrap();
    rig.client.delete_object(BUCKET, "k", &DeleteObject::default()).unwrap();
    let signatures = signatures.lock().unwrap();
    assert_eq!(signatures.len(), 2);
    for text in recorder.texts() {
        for signature in signatures.iter() {
            assert_hidden(&text, signature, "a signature that is repeated");
        }
        assert!(!text.starts_with("Attempt(") || text.contains("<redacted>"), "{text}");
    }
}

/// Returns a driver with an option, whose client reports to `recorder`.
fn driver(rig: &Rig, option: (&str, &str), recorder: &Arc<Recorder>) -> S3Driver {
    let url = rig.faulty.url();
    let pairs = [
        ("accesskey", rig.faulty.backend.access_key()),
        ("secretkey", rig.faulty.backend.secret_key()),
        ("region", "us-east-1"),
        ("regionendpoint", &url),
        ("bucket", BUCKET),
        option,
    ];
    let parameters = Parameters::from_pairs(pairs).unwrap();
    S3Driver::with_config(&parameters, |config| config.observer(recorder.clone())).unwrap()
}

#[test]
fn a_server_without_conditional_deletions_is_a_notice() {
    let rig = Rig::new();
    let recorder = Arc::new(Recorder::default());
    let driver = driver(&rig, ("maxretries", "0"), &recorder);
    rig.faulty.once("DeleteObject", Fault::error(501, "NotImplemented"));
    for _ in 0..2 {
        driver.put_content("/a", b"content").unwrap();
        driver.rename("/a", "/b").unwrap();
    }
    let expected = [Notice::Fallback {
        bucket: BUCKET.to_owned(),
        missing: "DeleteObject with If-Match",
        instead: "HeadObject with DeleteObject",
    }];
    assert_eq!(driver.client().notices(), expected);
    assert_eq!(*recorder.notices.lock().unwrap(), expected);
    drop(driver);
    rig.finish();
}

/// A source whose keys are those of the server and end soon, so that they are refreshed.
#[derive(Debug)]
struct Brief(Credentials);

impl Source for Brief {
    fn name(&self) -> &'static str {
        "brief"
    }
    fn fetch(&self) -> std::result::Result<Lease, Unavailable> {
        let expires = SystemTime::now() + Duration::from_secs(3600);
        Ok(Lease { credentials: Some(self.0.clone()), expires: Some(expires) })
    }
}

#[test]
fn refreshed_credentials_are_reported_to_the_clients_observer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let observer = move |event: &Event<'_>| {
        if let Event::Credentials(CredentialsEvent::Refreshed { source, expires, .. }) = event {
            sink.lock().unwrap().push(((*source).to_owned(), expires.is_some()));
        }
    };
    let rig = Rig::with(ServerOptions::default(), |config| {
        let server = ServerOptions::default();
        let keys = Credentials::new(&server.access_key, &server.secret_key);
        let config = config.observer(Arc::new(observer));
        let context = config.credential_context();
        config.credentials(Arc::new(Cache::new(Brief(keys), &context)))
    });
    for _ in 0..2 {
        rig.put("key", b"content").unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [("brief".to_owned(), true)]);
    rig.finish();
}

/// A clock that counts how often it is read.
#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl Clock for Counted {
    fn now(&self) -> SystemTime {
        self.0.fetch_add(1, Ordering::Relaxed);
        SystemClock.now()
    }
    fn instant(&self) -> Instant {
        self.0.fetch_add(1, Ordering::Relaxed);
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

/// Without an observer, an operation reads the clock for its retries, its deadline and its
/// signature only, and PutObject also for the case that its response is lost. `scripts/guards` also
/// counts allocations and the readings of the transport.
#[test]
fn no_clock_is_read_for_events_without_an_observer() {
    let readings = |is_observed: bool| {
        let clock = Arc::new(Counted::default());
        let count = || clock.0.load(Ordering::Relaxed);
        let rig = Rig::with(ServerOptions::default(), |config| {
            let config = config.clock(clock.clone());
            if is_observed { config.observer(Arc::new(|_: &Event<'_>| {})) } else { config }
        });
        rig.put("key", b"content").unwrap();
        let before = count();
        rig.put("key", b"content").unwrap();
        let put = count() - before;
        rig.client.get_object(BUCKET, "key", &GetObject::default()).unwrap().read_all(7).unwrap();
        let get = count() - before - put;
        rig.finish();
        (put, get)
    };
    assert_eq!(readings(false), (3, 3));
    // With an observer: the beginning of the operation, its admission, its request and its end; for
    // an object also the beginning and the end of its body.
    assert_eq!(readings(true), (3 + 4, 3 + 6));
}

#[test]
fn the_manual_has_every_notice() {
    let bucket = BUCKET.to_owned();
    let region = "eu-west-1".to_owned();
    let notices = [
        Notice::Region { bucket: bucket.clone(), configured: region.clone(), region },
        Notice::Clock { ahead: 1 },
        Notice::Fallback { bucket: bucket.clone(), missing: "a", instead: "b" },
        Notice::DigestRequired { bucket: bucket.clone() },
        Notice::OpaqueEtags { bucket },
        Notice::OptionWithoutEffect { option: "a", needs: "b" },
        Notice::IpRangesUnavailable { reason: "a".to_owned() },
    ];
    let manual = include_str!("../../docs/observability.md");
    let (_, section) = manual.split_once("\n## Notices\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next section");
    let rows: Vec<_> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, notices.each_ref().map(Notice::name));
}

#[test]
fn the_driver_reports_to_the_observers_of_its_configuration() {
    let rig = Rig::new();
    let recorder = Arc::new(Recorder::default());
    let driver = driver(&rig, ("loglevel", "debug"), &recorder);
    driver.put_content("/a", b"content").unwrap();
    assert_eq!(recorder.ended(), [("PutObject", 1, None)]);
    // The option `loglevel` needs the feature `log`, and says so once without it.
    let silent = Notice::OptionWithoutEffect {
        option: "loglevel",
        needs: "the feature log of the crate s3driver",
    };
    let expected = if cfg!(feature = "log") { vec![] } else { vec![silent] };
    assert_eq!(driver.client().notices(), expected);
    assert_eq!(*recorder.notices.lock().unwrap(), expected);
    drop(driver);
    rig.finish();
}
