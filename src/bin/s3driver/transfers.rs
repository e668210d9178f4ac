//! Copies between this machine and S3, for `cp`, `mv` and `sync`.
use crate::each::for_each;
use crate::failure::{Failure, Outcome};
use crate::listing::{Listed, exact, nothing_at, objects_below};
use crate::local::{Stamp, create_folder_of, remove_uploaded};
use crate::location::{Location, S3Url, file_below};
use crate::progress::{Bar, Bars};
use crate::state::UploadState;
use crate::streams::{StandardInput, print_object};
use crate::text::{shown, shown_path};
use crate::tool::{Bucket, Tool};
use crate::walk::Walk;
use s3driver::client::CopySource;
use s3driver::transfer::{
    PrefixCopy, Progress, RemovalPass, Transfer, UploadToken, repeat_removal,
};
use s3driver::{Cancel, ErrorKind};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How many files and objects are copied at the same time.
const JOBS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// How many parts of one file or object are in flight at once when several files or objects are
/// copied.
const PARTS_OF_SEVERAL: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

/// The remains of a failed transfer that are kept for a later attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// The bytes that have arrived: those of a download in a file, and those of an upload on the
    /// server, unless it was interrupted.
    Arrived,
}

/// What happens to the source when its copy is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Kept,
    /// It is removed, unless another program has replaced it in the meantime.
    Removed,
}

/// One file or object and its target. `Receive` reads the standard input, and `Print` writes to the
/// standard output.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Upload { file: PathBuf, key: String },
    Download { key: String, file: PathBuf },
    Copy { key: String, target: String },
    Receive { key: String },
    Print { key: String },
}

/// The jobs of a command, and the buckets that they read and write.
pub(crate) struct Plan {
    sides: Sides,
    jobs: Jobs,
}

enum Jobs {
    One(Job),
    Many(Box<dyn Iterator<Item = Outcome<Job>> + Send>),
    /// One job for each object below a location in the source's bucket.
    Below(S3Url, Box<dyn Fn(String) -> Outcome<Job> + Send + Sync>),
}

/// The buckets of a command.
struct Sides {
    /// The bucket that objects are read from.
    source: Option<Bucket>,
    /// The bucket that objects are written to.
    target: Option<Bucket>,
    /// How many parts of one file or object are in flight at once.
    parts: Option<NonZeroUsize>,
}

/// Determines what is copied, and where it is copied to.
///
/// # Errors
/// Fails with [`crate::failure::Exit::Usage`] when both sides are local, for a directory without
/// `recursive`, and when a copy would lie in the directory of S3 that is copied.
pub(crate) fn plan(
    tool: &Tool,
    source: &Location,
    target: &Location,
    recursive: bool,
) -> Outcome<Plan> {
    match (source, target) {
        (Location::Local(from), Location::S3(to)) => plan_upload(tool, from, to, recursive),
        (Location::S3(from), Location::Local(to)) => plan_download(tool, from, to, recursive),
        (Location::S3(from), Location::S3(to)) => plan_copy(tool, from, to, recursive),
        (Location::Standard, Location::S3(_)) | (Location::S3(_), Location::Standard)
            if recursive =>
        {
            Err(Failure::usage("- is a single stream of bytes, which -r cannot copy"))
        }
        (Location::Standard, Location::S3(to)) => {
            let key = to.object_key()?.to_owned();
            if to.is_written_as_directory() {
                return Err(Failure::usage(format!(
                    "{to} is a directory: name the object, because the standard input has no name"
                )));
            }
            Ok(Plan::one(None, Some(tool.bucket(Some(to))?), Job::Receive { key }))
        }
        (Location::S3(from), Location::Standard) => {
            let key = from.object_key()?.to_owned();
            Ok(Plan::one(Some(tool.bucket(Some(from))?), None, Job::Print { key }))
        }
        (from, to) => Err(both_local(from, to)),
    }
}

/// Returns the failure for two locations of which neither is in S3.
pub(crate) fn both_local(from: &Location, to: &Location) -> Failure {
    Failure::usage(format!(
        "{from} and {to} are both on this machine: one of them must be s3://bucket/key"
    ))
}

fn plan_upload(tool: &Tool, from: &Path, to: &S3Url, recursive: bool) -> Outcome<Plan> {
    let metadata = from.metadata().map_err(|error| Failure::local(shown_path(from), &error))?;
    if metadata.is_dir() && !recursive {
        return Err(Failure::usage(format!(
            "{} is a directory: use -r to copy it",
            shown_path(from)
        )));
    }
    let bucket = tool.bucket(Some(to))?;
    if metadata.is_dir() {
        let prefix = to.directory();
        let jobs = Walk::new(from.to_owned()).map(move |found| {
            let (file, below) = found?;
            Ok(Job::Upload { file, key: format!("{prefix}{below}") })
        });
        return Ok(Plan::many(None, Some(bucket), jobs));
    }
    let key = if to.is_written_as_directory() {
        let name = from.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::usage(format!("{} has no name that can be part of a key", shown_path(from)))
        })?;
        format!("{}{name}", to.key)
    } else {
        to.key.clone()
    };
    Ok(Plan::one(None, Some(bucket), Job::Upload { file: from.to_owned(), key }))
}

fn plan_download(tool: &Tool, from: &S3Url, to: &Path, recursive: bool) -> Outcome<Plan> {
    let bucket = tool.bucket(Some(from))?;
    let below = |name: &str| file_below(to, name);
    if recursive && !is_object(&bucket, from)? {
        let prefix = from.directory();
        let folder = to.to_owned();
        let job = move |key: String| {
            let below = key.strip_prefix(&prefix).unwrap_or(&key);
            Ok(Job::Download { file: file_below(&folder, below)?, key })
        };
        return Ok(Plan::below(bucket, from, None, job));
    }
    let key = from.object_key()?.to_owned();
    let ends_with_slash = to.as_os_str().as_encoded_bytes().ends_with(b"/");
    let file = if to.is_dir() || ends_with_slash { below(from.name())? } else { to.to_owned() };
    Ok(Plan::one(Some(bucket), None, Job::Download { key, file }))
}

fn plan_copy(tool: &Tool, from: &S3Url, to: &S3Url, recursive: bool) -> Outcome<Plan> {
    let (source, target) = (tool.bucket(Some(from))?, tool.bucket(Some(to))?);
    if recursive && !is_object(&source, from)? {
        let (prefix, other) = (from.directory(), to.directory());
        let copies = PrefixCopy::new((&source.name, &prefix), (&target.name, &other))?;
        copies.check(&source.client)?;
        let job = move |key: String| Ok(Job::Copy { target: copies.target_of(&key)?, key });
        return Ok(Plan::below(source, from, Some(target), job));
    }
    let key = from.object_key()?.to_owned();
    let to_key = if to.is_written_as_directory() {
        format!("{}{}", to.key, from.name())
    } else {
        to.key.clone()
    };
    if source.name == target.name && key == to_key {
        return Err(Failure::usage(format!("{from} cannot be copied to itself")));
    }
    Ok(Plan::one(Some(source), Some(target), Job::Copy { key, target: to_key }))
}

/// Returns whether a location that may be a directory is an object.
fn is_object(bucket: &Bucket, at: &S3Url) -> Outcome<bool> {
    Ok(!at.is_written_as_directory() && exact(bucket, at)?.is_some())
}

impl Plan {
    fn one(source: Option<Bucket>, target: Option<Bucket>, job: Job) -> Self {
        Self { sides: Sides { source, target, parts: None }, jobs: Jobs::One(job) }
    }

    pub(crate) fn many(
        source: Option<Bucket>,
        target: Option<Bucket>,
        jobs: impl Iterator<Item = Outcome<Job>> + Send + 'static,
    ) -> Self {
        let sides = Sides { source, target, parts: Some(PARTS_OF_SEVERAL) };
        Self { sides, jobs: Jobs::Many(Box::new(jobs)) }
    }

    /// Plans a job for each object below a location.
    fn below(
        source: Bucket,
        at: &S3Url,
        target: Option<Bucket>,
        job: impl Fn(String) -> Outcome<Job> + Send + Sync + 'static,
    ) -> Self {
        let sides = Sides { source: Some(source), target, parts: Some(PARTS_OF_SEVERAL) };
        Self { sides, jobs: Jobs::Below(at.clone(), Box::new(job)) }
    }
}

/// Runs every job of a plan, several at the same time, and shows the progress. Objects that are
/// removed are listed again, because a listing may miss some of them ([`repeat_removal`]).
///
/// # Errors
/// Fails with the first failure, and with [`crate::failure::Exit::NotFound`] when nothing is stored
/// in the directory of S3 that is copied. An empty directory on this machine, or an empty bucket,
/// has nothing to copy.
pub(crate) fn run(tool: &Tool, plan: Plan, ends: (Source, Keep)) -> Outcome {
    let Plan { sides, jobs } = plan;
    let done = || Done { bar: tool.bars.total(), jobs: Mutex::new(0) };
    match jobs {
        Jobs::One(job) => {
            let bar = match &job {
                Job::Receive { key } => tool.bars.stream(key),
                // The terminal shows the object itself.
                Job::Print { .. } if tool.output.is_terminal() => Bars::Hidden.bytes(""),
                job => tool.bars.bytes(job.name()),
            };
            sides.copy(tool, &job, ends, &bar)
        }
        Jobs::Many(jobs) => sides.copy_many(tool, jobs, ends, &done()),
        Jobs::Below(at, job_of) => {
            let (bucket, done) = (sides.source.as_ref().ok_or_else(missing)?, done());
            let pass = || -> Outcome<RemovalPass> {
                let (mut listed, before) = (Listed::default(), done.jobs());
                // Keys that end with a slash stand for directories, and are left out.
                let jobs = objects_below(bucket, &at, &mut listed)
                    .filter(|object| !object.as_ref().is_ok_and(|found| found.key.ends_with('/')))
                    .map(|object| job_of(object?.key));
                sides.copy_many(tool, jobs, ends, &done)?;
                // A pass after the first one finds nothing when everything has been moved.
                if listed.objects == 0 && before == 0 && !at.key.is_empty() {
                    return Err(nothing_at(&at));
                }
                let removed = done.jobs().saturating_sub(before);
                Ok(RemovalPass { pages: listed.pages, removed })
            };
            match ends.0 {
                Source::Kept => pass().map(drop),
                Source::Removed => repeat_removal((&bucket.name, &at.directory()), pass).map(drop),
            }
        }
    }
}

/// The number of jobs that are done, and the bar that shows it.
struct Done {
    bar: Bar,
    jobs: Mutex<u64>,
}

impl Done {
    fn jobs(&self) -> u64 {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        *jobs = jobs.saturating_add(1);
        self.bar.count(*jobs);
    }
}

fn missing() -> Failure {
    Failure::usage("the command has no bucket for this side")
}

impl Job {
    fn name(&self) -> &str {
        let (Self::Upload { key, .. }
        | Self::Download { key, .. }
        | Self::Copy { key, .. }
        | Self::Receive { key }
        | Self::Print { key }) = self;
        key.rsplit('/').next().unwrap_or(key)
    }
}

impl Sides {
    /// Copies or moves several files or objects at the same time.
    fn copy_many(
        &self,
        tool: &Tool,
        jobs: impl Iterator<Item = Outcome<Job>> + Send,
        ends: (Source, Keep),
        done: &Done,
    ) -> Outcome {
        let bucket = self.source.as_ref().or(self.target.as_ref()).ok_or_else(missing)?;
        for_each(&bucket.transfer_with(JOBS_AT_ONCE), jobs, |job| {
            self.copy(tool, &job?, ends, &done.bar)?;
            done.add();
            Ok(())
        })
    }

    /// Copies or moves one file or object and prints a line about it.
    fn copy(&self, tool: &Tool, job: &Job, (source, keep): (Source, Keep), bar: &Bar) -> Outcome {
        let reported = Mutex::new(0_u64);
        let progress = |progress: Progress| {
            let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
            bar.advance(progress.bytes.saturating_sub(*reported), progress.total);
            *reported = progress.bytes;
        };
        let (from, to) = (self.source.as_ref(), self.target.as_ref());
        let bytes = match job {
            Job::Upload { file, key } => {
                let to = to.ok_or_else(missing)?;
                let is_moved = source == Source::Removed;
                let stamp = is_moved.then(|| Stamp::of(file)).transpose()?;
                let bytes = self.upload(to, file, key, keep, &progress)?;
                if let Some(stamp) = stamp {
                    tool.check_interrupted()?;
                    remove_uploaded(file, stamp)?;
                }
                bytes
            }
            Job::Receive { key } => {
                let to = to.ok_or_else(missing)?;
                let input = StandardInput::open(&tool.cancel)
                    .map_err(|error| Failure::local("the standard input", &error))?;
                let transfer = self.transfer(to).progress(&progress);
                transfer.upload(input, &to.name, key, &to.settings)?.bytes
            }
            Job::Print { key } => {
                // A status line would become part of the object's content.
                return print_object(tool, from.ok_or_else(missing)?, key, 0, Some(bar)).map(drop);
            }
            Job::Download { key, file } => {
                let from = from.ok_or_else(missing)?;
                create_folder_of(file)?;
                let transfer = self.transfer(from).progress(&progress);
                let received = match keep {
                    Keep::Nothing => transfer.download_to_file(&from.name, key, file)?,
                    Keep::Arrived => transfer.resume_download(&from.name, key, file)?,
                };
                if source == Source::Removed {
                    transfer.delete_copied(&from.name, key, received.etag.as_deref())?;
                }
                received.bytes
            }
            Job::Copy { key, target } => {
                let (from, to) = (from.ok_or_else(missing)?, to.ok_or_else(missing)?);
                let transfer = self.transfer(to).progress(&progress);
                let copied = match source {
                    Source::Kept => {
                        let source = CopySource::new(&from.name, key);
                        transfer.copy(source, &to.name, target, &to.settings)?
                    }
                    Source::Removed => {
                        let source = (&*from.name, &**key);
                        transfer.move_object(source, (&to.name, target), &to.settings)?
                    }
                };
                copied.bytes
            }
        };
        self.report(tool, job, bytes, bar)
    }

    /// Prints a line about a copy.
    fn report(&self, tool: &Tool, job: &Job, bytes: u64, bar: &Bar) -> Outcome {
        let (source, target) = (self.source_of(job), self.target_of(job));
        bar.suspend(|| {
            tool.output.report(
                || format!("{source} -> {target}"),
                || json!({ "source": source, "target": target, "bytes": bytes }),
            )
        })
    }

    /// Uploads a file. An upload in several parts is continued if a command that was killed has
    /// left it. If it fails, it is aborted, unless it is to be kept.
    fn upload(
        &self,
        to: &Bucket,
        file: &Path,
        key: &str,
        keep: Keep,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Outcome<u64> {
        let transfer = self.transfer(to).progress(progress);
        let is_large =
            file.metadata().is_ok_and(|metadata| metadata.len() > to.parameters.chunk_size);
        let state = if is_large { UploadState::open(file, to, key) } else { None };
        let Some(mut state) = state else {
            return Ok(transfer.upload_file(file, &to.name, key, &to.settings)?.bytes);
        };

        let begin = |mut state: UploadState| -> Outcome<(UploadState, UploadToken)> {
            let token = match transfer.begin_upload(&to.name, key, &to.settings) {
                Ok(token) => token,
                Err(error) => {
                    state.remove();
                    return Err(error.into());
                }
            };
            match state.store(&token) {
                Ok(()) => Ok((state, token)),
                Err(error) => {
                    abort(to, &token);
                    Err(Failure::local("storing the token of the upload", &error))
                }
            }
        };
        let known = state.token();
        let is_known = known.is_some();
        let (mut state, mut token) = match known {
            Some(token) => (state, token),
            None => begin(state)?,
        };
        let mut sent = transfer.resume_file(file, &token, &to.settings);
        if is_known && sent.as_ref().is_err_and(s3driver::Error::is_not_found) {
            // The earlier upload was completed or aborted.
            (state, token) = begin(state)?;
            sent = transfer.resume_file(file, &token, &to.settings);
        }
        match sent {
            Ok(sent) => {
                state.remove();
                Ok(sent.bytes)
            }
            Err(error) => {
                let is_kept = match error.kind() {
                    // The object may have been stored.
                    ErrorKind::OutcomeUnknown => true,
                    ErrorKind::Cancelled => false,
                    _ => keep == Keep::Arrived,
                };
                // The token of an upload that could not be aborted is kept, for the next command.
                if !is_kept && abort(to, &token) {
                    state.remove();
                }
                Err(error.into())
            }
        }
    }

    fn transfer<'a>(&self, bucket: &'a Bucket) -> Transfer<'a> {
        self.parts.map_or_else(|| bucket.transfer(), |parts| bucket.transfer_with(parts))
    }

    fn source_of(&self, job: &Job) -> String {
        match job {
            Job::Upload { file, .. } => shown_path(file),
            Job::Download { key, .. } | Job::Copy { key, .. } | Job::Print { key } => {
                self.url(self.source.as_ref(), key)
            }
            Job::Receive { .. } => "-".to_owned(),
        }
    }

    fn target_of(&self, job: &Job) -> String {
        match job {
            Job::Download { file, .. } => shown_path(file),
            Job::Upload { key, .. } | Job::Copy { target: key, .. } | Job::Receive { key } => {
                self.url(self.target.as_ref(), key)
            }
            Job::Print { .. } => "-".to_owned(),
        }
    }

    fn url(&self, bucket: Option<&Bucket>, key: &str) -> String {
        bucket.map_or_else(|| shown(key), |bucket| bucket.url(key).to_string())
    }
}

/// Aborts an upload, even after an interruption, and returns whether no part of it is left. If that
/// fails, the failure of the upload itself is the one to report.
fn abort(bucket: &Bucket, token: &UploadToken) -> bool {
    let client = bucket.client.with_cancel(&Cancel::new());
    match client.abort_multipart_upload(token.upload()) {
        Ok(()) => true,
        Err(error) => error.is_not_found(),
    }
}
