//! Copies between this machine and S3, for `cp`, `mv` and `sync`.
use crate::each::for_each;
use crate::failure::{Failure, Outcome};
use crate::listing::{exact, nothing_at};
use crate::local::{Stamp, create_folder_of, remove_uploaded};
use crate::location::{Location, S3Url, file_below};
use crate::progress::{Bar, Bars};
use crate::state::UploadState;
use crate::streams::{StandardInput, print_object};
use crate::text::{shown, shown_path};
use crate::tool::{Bucket, Tool};
use crate::walk::Walk;
use s3driver::client::{CopySource, ListObjects};
use s3driver::transfer::{PrefixCopy, Progress, Transfer, UploadToken};
use s3driver::{Cancel, ErrorKind};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

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
    pub(crate) sides: Sides,
    pub(crate) jobs: Box<dyn Iterator<Item = Outcome<Job>> + Send>,
    amount: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    One,
    Many,
}

/// The buckets of a command.
pub(crate) struct Sides {
    /// The bucket that objects are read from.
    pub(crate) source: Option<Bucket>,
    /// The bucket that objects are written to.
    pub(crate) target: Option<Bucket>,
    /// How many parts of one file or object are in flight at once.
    parts: Option<NonZeroUsize>,
}

/// Determines what is copied, and where it is copied to.
///
/// # Errors
/// Fails with [`crate::failure::Exit::Usage`] when both sides are local, for a directory without
/// `recursive`, and when a copy would lie in the directory of S3 that is copied. Fails with
/// [`crate::failure::Exit::NotFound`] when nothing is stored in that directory. An empty directory
/// on this machine, or an empty bucket, has nothing to copy.
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
        let jobs = keys(&bucket, from)?.map(move |key| {
            let key = key?;
            let below = key.strip_prefix(&prefix).unwrap_or(&key);
            Ok(Job::Download { file: file_below(&folder, below)?, key })
        });
        return Ok(Plan::many(Some(bucket), None, jobs));
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
        let jobs = keys(&source, from)?.map(move |key| {
            let key = key?;
            Ok(Job::Copy { target: copies.target_of(&key)?, key })
        });
        return Ok(Plan::many(Some(source), Some(target), jobs));
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

/// Returns the keys below a location. It leaves out objects that stand for directories, whose keys
/// end with a slash.
///
/// # Errors
/// Fails with [`crate::failure::Exit::NotFound`] when nothing is stored there, unless it is the root
/// of a bucket.
fn keys(
    bucket: &Bucket,
    at: &S3Url,
) -> Outcome<impl Iterator<Item = Outcome<String>> + Send + use<>> {
    let request = ListObjects::prefix(at.directory());
    let mut objects = bucket.client.objects(&bucket.name, request).peekable();
    if objects.peek().is_none() && !at.key.is_empty() {
        return Err(nothing_at(at));
    }
    Ok(objects
        .filter(|object| !object.as_ref().is_ok_and(|object| object.key.ends_with('/')))
        .map(|object| Ok(object?.key)))
}

impl Plan {
    fn one(source: Option<Bucket>, target: Option<Bucket>, job: Job) -> Self {
        let sides = Sides { source, target, parts: None };
        Self { sides, jobs: Box::new(std::iter::once(Ok(job))), amount: Amount::One }
    }

    pub(crate) fn many(
        source: Option<Bucket>,
        target: Option<Bucket>,
        jobs: impl Iterator<Item = Outcome<Job>> + Send + 'static,
    ) -> Self {
        let sides = Sides { source, target, parts: Some(PARTS_OF_SEVERAL) };
        Self { sides, jobs: Box::new(jobs), amount: Amount::Many }
    }
}

/// Runs every job of a plan, several at the same time, and shows the progress.
///
/// # Errors
/// Fails with the first failure.
pub(crate) fn run(
    tool: &Tool,
    plan: Plan,
    work: &(dyn Fn(&Sides, &Job, &Bar) -> Outcome + Sync),
) -> Outcome {
    let Plan { sides, jobs, amount } = plan;
    match amount {
        Amount::One => {
            for job in jobs {
                let job = job?;
                let bar = match &job {
                    Job::Receive { key } => tool.bars.stream(key),
                    // The terminal shows the object itself.
                    Job::Print { .. } if tool.output.is_terminal() => Bars::Hidden.bytes(""),
                    job => tool.bars.bytes(job.name()),
                };
                work(&sides, &job, &bar)?;
            }
            Ok(())
        }
        Amount::Many => {
            let bar = tool.bars.total();
            let done = Mutex::new(0_u64);
            let Some(bucket) = sides.source.as_ref().or(sides.target.as_ref()) else {
                return Ok(());
            };
            for_each(&bucket.transfer_with(JOBS_AT_ONCE), jobs, |job| {
                work(&sides, &job?, &bar)?;
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *done = done.saturating_add(1);
                bar.count(*done);
                Ok(())
            })
        }
    }
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
    /// Copies or moves one file or object and prints a line about it.
    pub(crate) fn copy(
        &self,
        tool: &Tool,
        job: &Job,
        (source, keep): (Source, Keep),
        bar: &Bar,
    ) -> Outcome {
        let reported = Mutex::new(0_u64);
        let progress = |progress: Progress| {
            let mut reported = reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            bar.advance(progress.bytes.saturating_sub(*reported), progress.total);
            *reported = progress.bytes;
        };
        let missing = || Failure::usage("the command has no bucket for this side");
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
