use crate::failure::{Failure, Outcome};
use crate::location::{Location, S3Url, file_below};
use crate::output::shown;
use crate::tool::{Bucket, Tool};
use crate::transfers::{Job, Keep, Plan, run};
use crate::walk::Walk;
use clap::Args;
use s3driver::client::ListObjects;
use s3driver::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Makes a directory like another one: copies what is missing, has another size or is older
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

/// One side of the comparison, and its contents: the path below the directory, the size and the
/// time of each file or object.
///
/// Both sides are kept in memory while they are compared, at about 200 bytes for each file.
struct Side {
    place: Place,
    entries: BTreeMap<String, Entry>,
}

enum Place {
    Folder(PathBuf),
    Bucket(Box<Bucket>, S3Url),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    size: u64,
    modified: Option<i64>,
}

impl Sync {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        if let (Location::Local(from), Location::Local(_)) = (&self.source, &self.target) {
            return Err(Failure::usage(format!(
                "{} and the target are both on this machine: one of them must be s3://bucket/key",
                from.display()
            )));
        }
        let source = Side::read(tool, &self.source, Missing::Fails)?;
        let target = Side::read(tool, &self.target, Missing::IsEmpty)?;
        let wanted: Vec<String> = source
            .entries
            .iter()
            .filter(|(below, entry)| {
                target.entries.get(*below).is_none_or(|there| differs(**entry, *there))
            })
            .map(|(below, _)| below.clone())
            .collect();
        let surplus: Vec<&String> =
            target.entries.keys().filter(|below| !source.entries.contains_key(*below)).collect();
        if self.dry_run {
            for below in &wanted {
                note(tool, "would copy", below)?;
            }
            for below in surplus.iter().filter(|_| self.delete) {
                note(tool, "would remove", below)?;
            }
            return Ok(());
        }
        let jobs: Vec<Outcome<Job>> =
            wanted.iter().map(|below| job(&source.place, &target.place, below)).collect();
        for below in surplus.iter().filter(|_| self.delete) {
            target.place.check_removable(below)?;
        }
        let removals = surplus.into_iter().filter(|_| self.delete).cloned().collect::<Vec<_>>();
        let plan =
            Plan::many(source.place.bucket(tool)?, target.place.bucket(tool)?, jobs.into_iter());
        run(tool, plan, &|sides, job, bar| sides.copy(tool, job, Keep::Nothing, bar))?;
        // Nothing is removed until everything has been copied.
        for below in &removals {
            tool.check_interrupted()?;
            target.place.remove(below)?;
            note(tool, "removed", below)?;
        }
        Ok(())
    }
}

fn note(tool: &Tool, action: &str, below: &str) -> Outcome {
    tool.output.print(
        || format!("{action} {}", shown(below)),
        || json!({ "action": action, "path": below }),
    )
}

/// Returns whether a file has to be copied over an existing one.
fn differs(source: Entry, target: Entry) -> bool {
    source.size != target.size || source.modified > target.modified
}

fn job(source: &Place, target: &Place, below: &str) -> Outcome<Job> {
    Ok(match (source, target) {
        (Place::Folder(folder), Place::Bucket(_, url)) => Job::Upload {
            file: file_below(folder, below)?,
            key: format!("{}{below}", url.directory()),
        },
        (Place::Bucket(_, url), Place::Folder(folder)) => Job::Download {
            key: format!("{}{below}", url.directory()),
            file: file_below(folder, below)?,
        },
        (Place::Bucket(_, from), Place::Bucket(_, to)) => Job::Copy {
            key: format!("{}{below}", from.directory()),
            target: format!("{}{below}", to.directory()),
        },
        (Place::Folder(_), Place::Folder(_)) => {
            return Err(Failure::usage("both sides are on this machine"));
        }
    })
}

/// How a directory that does not exist is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fails,
    IsEmpty,
}

impl Side {
    fn read(tool: &Tool, location: &Location, missing: Missing) -> Outcome<Self> {
        match location {
            Location::Local(folder) => Self::read_folder(folder, missing),
            Location::S3(url) => Self::read_bucket(tool, url, missing),
        }
    }

    fn read_folder(folder: &Path, missing: Missing) -> Outcome<Self> {
        let place = Place::Folder(folder.to_owned());
        let mut entries = BTreeMap::new();
        if missing == Missing::IsEmpty && !folder.exists() {
            return Ok(Self { place, entries });
        }
        if folder.is_file() {
            return Err(Failure::usage(format!("{} is a file: use cp for it", folder.display())));
        }
        for found in Walk::new(folder.to_owned()) {
            let (path, below) = found?;
            let metadata =
                path.metadata().map_err(|error| Failure::local(path.display(), &error))?;
            let modified = metadata.modified().ok().map(|time| Timestamp::from(time).unix());
            entries.insert(below, Entry { size: metadata.len(), modified });
        }
        Ok(Self { place, entries })
    }

    fn read_bucket(tool: &Tool, url: &S3Url, missing: Missing) -> Outcome<Self> {
        let bucket = tool.bucket(Some(url))?;
        let prefix = url.directory();
        let mut entries = BTreeMap::new();
        for page in bucket.client.objects(&bucket.name, ListObjects::prefix(&*prefix)).pages() {
            tool.check_interrupted()?;
            for object in page?.contents {
                let modified = object.last_modified.map(Timestamp::unix);
                let below = object.key.strip_prefix(&prefix).unwrap_or(&object.key);
                // A key that ends with a slash stands for a directory.
                if !below.is_empty() && !below.ends_with('/') {
                    entries.insert(below.to_owned(), Entry { size: object.size, modified });
                }
            }
        }
        if entries.is_empty() && missing == Missing::Fails {
            return Err(crate::listing::nothing_at(url));
        }
        Ok(Self { place: Place::Bucket(Box::new(bucket), url.clone()), entries })
    }
}

impl Place {
    fn bucket(&self, tool: &Tool) -> Outcome<Option<Bucket>> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::Bucket(_, url) => tool.bucket(Some(url)).map(Some),
        }
    }

    /// Fails for a path that could not be removed. The check happens before anything is copied.
    fn check_removable(&self, below: &str) -> Outcome {
        match self {
            Self::Folder(folder) => file_below(folder, below).map(drop),
            Self::Bucket(..) => Ok(()),
        }
    }

    fn remove(&self, below: &str) -> Outcome {
        match self {
            Self::Folder(folder) => {
                let file = file_below(folder, below)?;
                std::fs::remove_file(&file).map_err(|error| {
                    Failure::local(format_args!("removing {}", file.display()), &error)
                })
            }
            Self::Bucket(bucket, url) => {
                let key = format!("{}{below}", url.directory());
                Ok(bucket.client.delete_object(&bucket.name, &key, &Default::default())?)
            }
        }
    }
}
