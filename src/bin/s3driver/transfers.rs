//! Copies between this machine and S3, for `cp`, `mv` and `sync`.
use crate::failure::{Failure, Outcome};
use crate::listing::exact;
use crate::location::{Location, S3Url, file_below};
use crate::output::shown;
use crate::parallel;
use crate::progress::Bar;
use crate::tool::{Bucket, Tool};
use crate::walk::Walk;
use s3driver::client::{CopySource, ListObjects};
use s3driver::transfer::Progress;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How many files and objects are copied at the same time.
const JOBS_AT_ONCE: usize = 4;

/// How many parts of one file or object are in flight at once when several files or objects are
/// copied.
const PARTS_OF_SEVERAL: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

/// The part of a failed download that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// The bytes that have arrived, for a later attempt.
    Arrived,
}

/// One file or object and its target.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Upload { file: PathBuf, key: String },
    Download { key: String, file: PathBuf },
    Copy { key: String, target: String },
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
/// Fails with [`crate::failure::Exit::Usage`] when both sides are local, or for a directory without
/// `recursive`.
pub(crate) fn plan(
    tool: &Tool,
    source: &Location,
    target: &Location,
    recursive: bool,
) -> Outcome<Plan> {
    match (source, target) {
        (Location::Local(from), Location::Local(_)) => Err(Failure::usage(format!(
            "{} and the target are both on this machine: one of them must be s3://bucket/key",
            from.display()
        ))),
        (Location::Local(from), Location::S3(to)) => plan_upload(tool, from, to, recursive),
        (Location::S3(from), Location::Local(to)) => plan_download(tool, from, to, recursive),
        (Location::S3(from), Location::S3(to)) => plan_copy(tool, from, to, recursive),
    }
}

fn plan_upload(tool: &Tool, from: &Path, to: &S3Url, recursive: bool) -> Outcome<Plan> {
    let metadata = from.metadata().map_err(|error| Failure::local(from.display(), &error))?;
    if metadata.is_dir() && !recursive {
        return Err(Failure::usage(format!(
            "{} is a directory: use -r to copy it",
            from.display()
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
            Failure::usage(format!("{} has no name that can be part of a key", from.display()))
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
        let jobs = keys(tool, &bucket, &prefix).map(move |key| {
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
        if source.name == target.name && other.starts_with(&prefix) {
            return Err(Failure::usage(format!(
                "{to} lies in {from}, which is to be copied there"
            )));
        }
        let jobs = keys(tool, &source, &prefix).map(move |key| {
            let key = key?;
            let below = key.strip_prefix(&prefix).unwrap_or(&key);
            Ok(Job::Copy { target: format!("{other}{below}"), key })
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

/// Returns the keys below a prefix. It leaves out objects that stand for directories, whose keys
/// end with a slash.
fn keys(
    tool: &Tool,
    bucket: &Bucket,
    prefix: &str,
) -> impl Iterator<Item = Outcome<String>> + Send + use<> {
    let cancel = tool.cancel.clone();
    let pages = bucket.client.objects(&bucket.name, ListObjects::prefix(prefix)).pages();
    pages.take_while(move |_| !cancel.is_cancelled()).flat_map(|page| match page {
        Ok(page) => page
            .contents
            .into_iter()
            .filter(|object| !object.key.ends_with('/'))
            .map(|object| Ok(object.key))
            .collect::<Vec<_>>(),
        Err(error) => vec![Err(error.into())],
    })
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
/// Fails with the first failure, or with [`crate::failure::Exit::NotFound`] when a directory has
/// nothing to copy.
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
                work(&sides, &job, &tool.bars.bytes(job.name()))?;
            }
            Ok(())
        }
        Amount::Many => {
            let bar = tool.bars.total();
            let done = Mutex::new(0_u64);
            parallel::for_each(jobs, JOBS_AT_ONCE, &tool.cancel, |job| {
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
        let (Self::Upload { key, .. } | Self::Download { key, .. } | Self::Copy { key, .. }) = self;
        key.rsplit('/').next().unwrap_or(key)
    }
}

impl Sides {
    /// Copies one file or object and prints a line about it.
    pub(crate) fn copy(&self, tool: &Tool, job: &Job, keep: Keep, bar: &Bar) -> Outcome {
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
                let transfer = self.transfer(to).progress(&progress);
                transfer.upload_file(file, &to.name, key, &to.settings)?.bytes
            }
            Job::Download { key, file } => {
                let from = from.ok_or_else(missing)?;
                create_folder_of(file)?;
                let transfer = self.transfer(from).progress(&progress);
                match keep {
                    Keep::Nothing => transfer.download_to_file(&from.name, key, file)?.bytes,
                    Keep::Arrived => transfer.resume_download(&from.name, key, file)?.bytes,
                }
            }
            Job::Copy { key, target } => {
                let (from, to) = (from.ok_or_else(missing)?, to.ok_or_else(missing)?);
                let source = CopySource::new(&from.name, key);
                let transfer = self.transfer(to).progress(&progress);
                transfer.copy(source, &to.name, target, &to.settings)?.bytes
            }
        };
        let (source, target) = (self.source_of(job), self.target_of(job));
        bar.suspend(|| {
            tool.output.print(
                || format!("{source} -> {target}"),
                || json!({ "source": source, "target": target, "bytes": bytes }),
            )
        })
    }

    fn transfer<'a>(&self, bucket: &'a Bucket) -> s3driver::transfer::Transfer<'a> {
        self.parts.map_or_else(|| bucket.transfer(), |parts| bucket.transfer_with(parts))
    }

    fn source_of(&self, job: &Job) -> String {
        match job {
            Job::Upload { file, .. } => shown(&file.to_string_lossy()),
            Job::Download { key, .. } | Job::Copy { key, .. } => {
                self.url(self.source.as_ref(), key)
            }
        }
    }

    fn target_of(&self, job: &Job) -> String {
        match job {
            Job::Download { file, .. } => shown(&file.to_string_lossy()),
            Job::Upload { key, .. } | Job::Copy { target: key, .. } => {
                self.url(self.target.as_ref(), key)
            }
        }
    }

    fn url(&self, bucket: Option<&Bucket>, key: &str) -> String {
        bucket.map_or_else(|| shown(key), |bucket| bucket.url(key).to_string())
    }
}

/// Creates the directories that contain a file.
fn create_folder_of(file: &Path) -> Outcome {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        None => Ok(()),
        Some(folder) => std::fs::create_dir_all(folder)
            .map_err(|error| Failure::local(format_args!("creating {}", folder.display()), &error)),
    }
}
