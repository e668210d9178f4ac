//! Runs an operation in processes that are killed at each of its requests.

use crate::server::{Answer, End, Fault, Faulty};
use crate::support::outcome::old_or_new;
use crate::support::{Server, ServerOptions, process};
use crate::writing::{PART, parameters_for};
use s3driver::driver::{S3Driver, StorageDriver, WalkOptions, WalkStep};
use s3driver::{ErrorKind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Files, as a map from paths to contents.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The time limit for a process, and for a purge that has to wait until the uploads are old enough.
const LIMIT: Duration = Duration::from_secs(60);

/// If there are more files than this, only some of them are inspected individually.
const LOOKED_AT: usize = 16;

/// An operation, and the expected files before and after it.
pub(crate) struct Trial<'a> {
    test: &'static str,
    before: Files,
    after: Files,
    prepare: Box<dyn Fn(&S3Driver) + 'a>,
    look: Box<dyn Fn(&Path) + 'a>,
    leaves: usize,
    changes: Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    Something,
    /// The operation only reads, so it is killed only during responses.
    Nothing,
}

/// The moment at which the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The request has arrived but is not carried out.
    Before,
    /// The request was carried out, but no response was sent.
    Done,
    /// Half of the response was sent.
    Midway,
}

impl Moment {
    fn fault(self) -> Fault {
        match self {
            Self::Before => Fault::silent(End::Hang),
            Self::Done => Fault::silent(End::Hang).after_commit(),
            Self::Midway => Fault::scripted(|answer: Answer| {
                let mut bytes = answer.bytes();
                bytes.truncate(bytes.len() / 2);
                bytes
            })
            .end(End::Hang),
        }
    }
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Killed,
    ByItself,
}

impl<'a> Trial<'a> {
    /// Creates a trial for the test called `test`. The process to be killed runs only that test.
    pub(crate) fn new(test: &'static str) -> Self {
        Self {
            test,
            before: Files::new(),
            after: Files::new(),
            prepare: Box::new(|_| {}),
            look: Box::new(|_| {}),
            leaves: 0,
            changes: Changes::Something,
        }
    }

    /// Sets the files that exist before the operation.
    pub(crate) fn before<const N: usize>(mut self, files: [(&str, &[u8]); N]) -> Self {
        self.before.extend(files.map(|(path, content)| (path.to_owned(), content.to_vec())));
        self
    }

    /// Sets the files that exist after the operation.
    pub(crate) fn after<const N: usize>(mut self, files: [(&str, &[u8]); N]) -> Self {
        self.after.extend(files.map(|(path, content)| (path.to_owned(), content.to_vec())));
        self
    }

    /// Sets the files that exist before the operation and remain.
    pub(crate) fn kept<const N: usize>(self, files: [(&str, &[u8]); N]) -> Self {
        self.before(files).after(files)
    }

    /// Declares that the operation only reads.
    pub(crate) fn reads(mut self) -> Self {
        self.changes = Changes::Nothing;
        self
    }

    /// Sets further preparations in addition to storing files.
    pub(crate) fn prepared(mut self, prepare: impl Fn(&S3Driver) + 'a) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Sets a check of the local folder after each kill.
    pub(crate) fn looking(mut self, look: impl Fn(&Path) + 'a) -> Self {
        self.look = Box::new(look);
        self
    }

    /// Sets the number of uploads that are open after the operation has succeeded.
    pub(crate) fn leaves(mut self, uploads: usize) -> Self {
        self.leaves = uploads;
        self
    }

    /// Runs the operation in processes that are killed at each of its requests, and then in this
    /// one.
    ///
    /// `act` receives a driver and a local folder. It must also succeed if a killed process has
    /// already done everything.
    pub(crate) fn run(self, act: impl Fn(&S3Driver, &Path) -> Result<()>) {
        if let Some(words) = process::order() {
            let [endpoint, access_key, secret_key, bucket, folder] = &words[..] else {
                panic!("{words:?}")
            };
            return act(&driver_for(endpoint, access_key, secret_key, bucket), Path::new(folder))
                .unwrap();
        }
        let last = match self.changes {
            Changes::Something => Moment::Done,
            Changes::Nothing => Moment::Midway,
        };
        let mut requests = 0;
        while self.round(Moment::Before, requests, &act) == Ended::Killed {
            requests += 1;
        }
        assert!(requests > 0, "{} sent no request, or is not the name of a test", self.test);
        let again =
            (0..requests).filter(|at| self.round(last, *at, &act) == Ended::Killed).count() as u64;
        println!("{}: {requests} requests, {} processes killed", self.test, requests + again);
        assert!(again > 0);
    }

    /// Kills one process at request number `at`, and checks the state afterwards.
    fn round(
        &self,
        moment: Moment,
        at: u64,
        act: &impl Fn(&S3Driver, &Path) -> Result<()>,
    ) -> Ended {
        let place = format!("{} killed at request {at}, {moment:?}", self.test);
        let faulty = Faulty::start(ServerOptions::default());
        let server = &faulty.backend;
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in &self.before {
            server.put_object(server.bucket(), &path[1..], content.clone());
        }
        let next = driver_for(
            &server.endpoint(),
            server.access_key(),
            server.secret_key(),
            server.bucket(),
        );
        (self.prepare)(&next);

        let ended = self.kill(&faulty, folder.path(), moment, at);
        let found = visible(&next, server);
        old_or_new(&self.before, &self.after, &found)
            .unwrap_or_else(|wrong| panic!("{place}: {wrong}"));
        assert_open_uploads_are_reported(&next, server, &place);
        (self.look)(folder.path());
        if ended == Ended::ByItself {
            assert!(
                found == self.after,
                "{}: the result differs from the expected files",
                self.test
            );
            assert_eq!(
                server.open_uploads(server.bucket()).len(),
                self.leaves,
                "{}: uploads are still open",
                self.test
            );
        }
        // The state after one request is the state before the next one, so a purge and a repetition
        // are tested in every state.
        if moment != Moment::Before {
            purge(&next, server, &place);
            assert!(stored(server) == found, "{place}: the purge changed a file");
        }
        act(&next, folder.path()).unwrap_or_else(|error| panic!("{place}, repeated: {error}"));
        assert!(
            stored(server) == self.after,
            "{place}, repeated: the result differs from the expected files"
        );
        purge(&next, server, &place);

        for path in next.list("/").unwrap() {
            next.delete(&path).unwrap();
        }
        assert_eq!(server.keys(server.bucket()), [""; 0], "{place}");
        ended
    }

    /// Starts the process, and kills it once its request number `at` no longer receives a response.
    fn kill(&self, faulty: &Faulty, folder: &Path, moment: Moment, at: u64) -> Ended {
        let count = AtomicU64::new(0);
        let fault = moment.fault();
        faulty.by_chance(move |_| {
            (count.fetch_add(1, Ordering::Relaxed) == at).then(|| fault.clone())
        });
        let server = &faulty.backend;
        let url = faulty.url();
        let words = [
            &url,
            server.access_key(),
            server.secret_key(),
            server.bucket(),
            folder.to_str().unwrap(),
        ];
        let mut child = process::start(self.test, &words);
        let begun = Instant::now();
        let ended = loop {
            if faulty.hung() > 0 {
                child.kill().unwrap();
                assert!(!child.wait().unwrap().success());
                break Ended::Killed;
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{} failed without being killed: {status}", self.test);
                break Ended::ByItself;
            }
            assert!(begun.elapsed() < LIMIT, "{} does not end in time", self.test);
            thread::sleep(Duration::from_millis(1));
        };
        // Requests that were complete when the process was killed are still carried out, as on any
        // server.
        faulty.assert_nothing_open();
        ended
    }
}

fn driver_for(endpoint: &str, access_key: &str, secret_key: &str, bucket: &str) -> S3Driver {
    let parameters = parameters_for(endpoint, access_key, secret_key, bucket);
    S3Driver::new(&parameters.multipart_copy_threshold_size(PART as u64).build().unwrap()).unwrap()
}

/// Returns the files that a user of the driver sees, after checking that all operations agree.
fn visible(driver: &S3Driver, server: &Server) -> Files {
    let (mut files, mut directories) = (BTreeMap::new(), BTreeSet::from(["/".to_owned()]));
    let mut note = |info: &s3driver::driver::FileInfo| {
        if info.is_directory() {
            directories.insert(info.path.clone());
        } else {
            files.insert(info.path.clone(), info.size);
        }
        Ok(WalkStep::Continue)
    };
    driver.walk("/", &WalkOptions::default(), &mut note).unwrap();
    let listed: BTreeSet<String> =
        directories.iter().flat_map(|path| driver.list(path).unwrap()).collect();
    let walked =
        files.keys().chain(directories.iter().filter(|path| *path != "/")).cloned().collect();
    assert_eq!(listed, walked, "list and walk differ");

    let step = files.len().div_ceil(LOOKED_AT).max(1);
    let mut contents = Files::new();
    for (number, (path, size)) in files.into_iter().enumerate() {
        let content = server.object(server.bucket(), &path[1..]).unwrap().to_vec();
        assert_eq!(content.len() as u64, size, "{path}");
        if number % step == 0 {
            assert_eq!(driver.stat(&path).unwrap().size, size, "{path}");
            assert!(driver.get_content(&path).unwrap() == content, "{path}");
            let (mut rest, offset) = (Vec::new(), size / 2);
            driver.reader(&path, offset as i64).unwrap().read_to_end(&mut rest).unwrap();
            assert!(rest == content[offset as usize..], "{path}");
        }
        contents.insert(path, content);
    }
    contents
}

/// Returns the objects whose keys are paths, which are exactly those that users see, as [`visible`]
/// has checked.
fn stored(server: &Server) -> Files {
    let keys = server.keys(server.bucket()).into_iter();
    keys.filter_map(|key| {
        Some((driver_path(&key)?, server.object(server.bucket(), &key)?.to_vec()))
    })
    .collect()
}

/// Asserts that every open upload is reported.
fn assert_open_uploads_are_reported(driver: &S3Driver, server: &Server, place: &str) {
    let reported = driver.pending_uploads("/").unwrap().map(|upload| upload.unwrap());
    let reported: BTreeSet<_> = reported.map(|upload| (upload.path, upload.upload_id)).collect();
    let open = server.open_uploads(server.bucket()).into_iter();
    let open: BTreeSet<_> = open.map(|upload| (format!("/{}", upload.key), upload.id)).collect();
    assert_eq!(reported, open, "{place}: some open uploads are not reported");
}

/// Removes everything unfinished through the driver.
fn purge(driver: &S3Driver, server: &Server, place: &str) {
    let begun = Instant::now();
    let hidden = || server.keys(server.bucket()).into_iter().any(|key| driver_path(&key).is_none());
    loop {
        driver.purge_uploads("/", Duration::ZERO).unwrap();
        if server.open_uploads(server.bucket()).is_empty() && !hidden() {
            return;
        }
        // An upload that was created just now is not yet older than an age of zero.
        assert!(begun.elapsed() < LIMIT, "{place}: unfinished uploads are left after the purge");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the path of a key that users of the driver can see, which excludes checkpoints.
fn driver_path(key: &str) -> Option<String> {
    let path = format!("/{key}");
    (s3driver::driver::check_path(&path).is_ok() && !path.contains("/.s3driver-")).then_some(path)
}

/// Treats "not found" as a success, for a repeated operation that has nothing left to do.
pub(crate) fn or_gone(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::PathNotFound => Ok(()),
        result => result,
    }
}
