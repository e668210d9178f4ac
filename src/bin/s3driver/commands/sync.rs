use crate::failure::{Failure, Outcome};
use crate::listing::nothing_at;
use crate::local;
use crate::location::{Location, S3Url, file_below};
use crate::text::{shown, shown_path};
use crate::tool::{Bucket, Tool};
use crate::transfers::{Job, Keep, Plan, Source, both_local, run};
use clap::Args;
use s3driver::client::ListObjects;
use s3driver::client::endpoint::may_be_same_bucket;
use s3driver::transfer::{Compare, FolderDifference};
use s3driver::xml::Object;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Makes a directory like another one: copies what is missing, has another size or is older
///
/// Neither directory may contain the other. Links to files are followed. A link to a directory is
/// an error, because it can lead in a circle.
#[derive(Args)]
pub(crate) struct Sync {
    /// The directory to copy
    source: Location,
    /// The directory to change
    target: Location,
    /// Removes what the source does not have
    #[arg(long)]
    delete: bool,
    /// Shows what would be copied and removed, and changes nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Both directories, with at least one of them in S3.
#[derive(Clone, Copy)]
enum Sides<'a> {
    Up { folder: &'a Path, to: &'a S3Url },
    Down { from: &'a S3Url, folder: &'a Path },
    Across { from: &'a S3Url, to: &'a S3Url },
}

/// The names, below both directories, of what has to be copied and of what only the target has.
///
/// At most one of the sides is kept in memory while they are compared, at about 200 bytes for each
/// file.
#[derive(Default)]
struct Differences {
    wanted: Vec<String>,
    surplus: Vec<String>,
}

impl Sync {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let sides = match (&self.source, &self.target) {
            (Location::Standard, _) | (_, Location::Standard) => {
                return Err(Failure::usage("- is not a directory: use cp"));
            }
            (Location::Local(folder), Location::S3(to)) => Sides::Up { folder, to },
            (Location::S3(from), Location::Local(folder)) => Sides::Down { from, folder },
            (Location::S3(from), Location::S3(to)) => Sides::Across { from, to },
            (from, to) => return Err(both_local(from, to)),
        };
        let mut differences = sides.compare(tool)?;
        if !self.delete {
            differences.surplus.clear();
        }
        if self.dry_run {
            for below in &differences.wanted {
                note(tool, "would copy", below)?;
            }
            for below in &differences.surplus {
                note(tool, "would remove", below)?;
            }
            return Ok(());
        }
        let jobs: Vec<Outcome<Job>> =
            differences.wanted.iter().map(|below| sides.job(below)).collect();
        if let Sides::Down { folder, .. } = sides {
            // Paths that could not be removed are found before anything is copied.
            for below in &differences.surplus {
                file_below(folder, below)?;
            }
        }
        let (source, target) = sides.buckets(tool)?;
        let plan = Plan::many(source, target, jobs.into_iter());
        run(tool, plan, (Source::Kept, Keep::Nothing))?;
        // Nothing is removed until everything has been copied.
        let (_, target) = sides.buckets(tool)?;
        for below in &differences.surplus {
            tool.check_interrupted()?;
            sides.remove(target.as_ref(), below)?;
            note(tool, "removed", below)?;
        }
        Ok(())
    }
}

fn note(tool: &Tool, action: &str, below: &str) -> Outcome {
    tool.output.report(
        || format!("{action} {}", shown(below)),
        || json!({ "action": action, "path": below }),
    )
}

impl Sides<'_> {
    fn compare(self, tool: &Tool) -> Outcome<Differences> {
        match self {
            Self::Up { folder, to } => {
                check_folder(folder)?;
                let bucket = tool.bucket(Some(to))?;
                let found = bucket.transfer().compare(
                    folder,
                    &bucket.name,
                    &to.directory(),
                    Compare::SizeAndTime,
                )?;
                Ok(Differences::of(found, |found| found.file.is_some()))
            }
            Self::Down { from, folder } => {
                let bucket = tool.bucket(Some(from))?;
                let Some(first) = objects(&bucket, from).next() else {
                    return Err(nothing_at(from));
                };
                first?;
                if !folder.exists() {
                    let wanted = objects(&bucket, from).map(|found| Ok(found?.0));
                    return Ok(Differences {
                        wanted: wanted.collect::<Outcome<_>>()?,
                        surplus: vec![],
                    });
                }
                check_folder(folder)?;
                let found = bucket.transfer().compare(
                    folder,
                    &bucket.name,
                    &from.directory(),
                    Compare::SizeAndNewerObject,
                )?;
                Ok(Differences::of(found, |found| found.object.is_some()))
            }
            Self::Across { from, to } => {
                let (source, target) = (tool.bucket(Some(from))?, tool.bucket(Some(to))?);
                check_separate((&source, from), (&target, to))?;
                let mut there = objects(&target, to).collect::<Outcome<BTreeMap<_, _>>>()?;
                let (mut wanted, mut is_empty) = (Vec::new(), true);
                for found in objects(&source, from) {
                    let (below, object) = found?;
                    is_empty = false;
                    let copy = there.remove(&below);
                    if copy.is_none_or(|copy| differs(&object, &copy)) {
                        wanted.push(below);
                    }
                }
                if is_empty {
                    return Err(nothing_at(from));
                }
                Ok(Differences { wanted, surplus: there.into_keys().collect() })
            }
        }
    }

    fn job(self, below: &str) -> Outcome<Job> {
        let key = |url: &S3Url| format!("{}{below}", url.directory());
        Ok(match self {
            Self::Up { folder, to } => Job::Upload { file: folder.join(below), key: key(to) },
            Self::Down { from, folder } => {
                Job::Download { key: key(from), file: file_below(folder, below)? }
            }
            Self::Across { from, to } => Job::Copy { key: key(from), target: key(to) },
        })
    }

    /// Opens the buckets of the source and of the target.
    fn buckets(self, tool: &Tool) -> Outcome<(Option<Bucket>, Option<Bucket>)> {
        let open = |url| tool.bucket(Some(url)).map(Some);
        Ok(match self {
            Self::Up { to, .. } => (None, open(to)?),
            Self::Down { from, .. } => (open(from)?, None),
            Self::Across { from, to } => (open(from)?, open(to)?),
        })
    }

    /// Removes a file or an object of the target.
    fn remove(self, target: Option<&Bucket>, below: &str) -> Outcome {
        match (self, target) {
            (Self::Down { folder, .. }, _) => local::remove(&file_below(folder, below)?),
            (Self::Up { to, .. } | Self::Across { to, .. }, Some(bucket)) => {
                let key = format!("{}{below}", to.directory());
                bucket.client.delete_object(&bucket.name, &key, &Default::default())?;
                Ok(())
            }
            (Self::Up { .. } | Self::Across { .. }, None) => Ok(()),
        }
    }
}

impl Differences {
    /// Divides the differences between a folder and a prefix into those that the source has, and
    /// the others.
    fn of(found: Vec<FolderDifference>, is_wanted: impl Fn(&FolderDifference) -> bool) -> Self {
        let (wanted, surplus): (Vec<_>, Vec<_>) = found.into_iter().partition(is_wanted);
        let names = |found: Vec<FolderDifference>| found.into_iter().map(|found| found.name);
        Self { wanted: names(wanted).collect(), surplus: names(surplus).collect() }
    }
}

/// Returns the objects below a location with their names there. Keys that end with a slash stand
/// for directories, and are left out.
fn objects<'a>(
    bucket: &'a Bucket,
    at: &S3Url,
) -> impl Iterator<Item = Outcome<(String, Object)>> + 'a {
    let prefix = at.directory();
    bucket.client.objects(&bucket.name, ListObjects::prefix(&*prefix)).filter_map(move |object| {
        let object = match object {
            Ok(object) => object,
            Err(error) => return Some(Err(error.into())),
        };
        let below = object.key.strip_prefix(&prefix)?.to_owned();
        (!below.is_empty() && !below.ends_with('/')).then_some(Ok((below, object)))
    })
}

/// Returns whether an object has to be copied over an existing one.
fn differs(source: &Object, target: &Object) -> bool {
    source.size != target.size || source.last_modified > target.last_modified
}

/// Fails if one of the directories contains the other. The target would then change the source:
/// with each run, the copies would lie one level deeper, and with --delete, the source itself would
/// be removed.
fn check_separate((source, from): (&Bucket, &S3Url), (target, to): (&Bucket, &S3Url)) -> Outcome {
    let (prefix, other) = (from.directory(), to.directory());
    let is_nested = prefix.starts_with(&other) || other.starts_with(&prefix);
    let may_be_same = may_be_same_bucket(&source.name, &target.name) && prefix != other;
    if is_nested && (source.name == target.name || may_be_same) {
        return Err(Failure::usage(format!(
            "one of {from} and {to} contains the other: sync needs two separate directories"
        )));
    }
    Ok(())
}

fn check_folder(folder: &Path) -> Outcome {
    let metadata = folder.metadata().map_err(|error| Failure::local(shown_path(folder), &error))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(Failure::usage(format!("{} is a file: use cp for it", shown_path(folder))))
}
