use crate::failure::{Exit, Failure, Outcome};
use crate::listing::{Found, Listed, exact, nothing_at, visit_below, visit_tree};
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::{Bucket, Tool};
use clap::Args;
use s3driver::client::DELETE_OBJECTS_KEYS;
use serde_json::json;

/// The maximum number of times that a location is listed. On a server that pages by position, each
/// pass may miss half of the keys, so this suffices for a thousand million. A program that stores
/// objects at the same time could otherwise keep a removal running forever.
const PASSES: u32 = 20;

/// A function that lists a location and visits what it finds.
type VisitObjects = fn(&Tool, &Bucket, &S3Url, &mut dyn FnMut(Found) -> Outcome) -> Outcome<Listed>;

/// Removes objects
#[derive(Args)]
pub(crate) struct Rm {
    /// The objects or directories, s3://bucket/key
    #[arg(required = true)]
    locations: Vec<S3Url>,
    /// Removes everything below each location as well
    #[arg(long, short = 'r')]
    recursive: bool,
    /// Permits removing everything in a bucket
    #[arg(long)]
    all: bool,
    /// Shows what would be removed, and removes nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Rm {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        for location in &self.locations {
            if location.directory().is_empty() && self.recursive && !self.all {
                return Err(Failure::usage(format!(
                    "removing everything in {location} needs the option --all"
                )));
            }
            if !self.recursive {
                location.object_key()?;
            }
        }
        for location in &self.locations {
            let bucket = tool.bucket(Some(location))?;
            if self.recursive {
                self.remove_tree(tool, &bucket, location)?;
            } else {
                exact(&bucket, location)?.ok_or_else(|| nothing_at(location))?;
                self.remove(tool, &bucket, std::slice::from_ref(&location.key))?;
            }
        }
        Ok(())
    }

    /// Removes everything at and below a location. Some servers page by position: a removal moves
    /// later keys into a page that was already listed, so the location is listed again until
    /// nothing is found.
    fn remove_tree(&self, tool: &Tool, bucket: &Bucket, at: &S3Url) -> Outcome {
        let mut listed = self.remove_listed(tool, bucket, at, visit_tree)?;
        let mut objects = listed.objects;
        for _ in 1..PASSES {
            if self.dry_run || listed.objects == 0 || listed.pages <= 1 {
                return Ok(());
            }
            listed = self.remove_listed(tool, bucket, at, visit_below)?;
            objects = objects.saturating_add(listed.objects);
        }
        if listed.objects == 0 || listed.pages <= 1 {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Failure,
            format!(
                "{objects} objects below {at} were removed in {PASSES} listings, and each listing \
                 returned others: stop the programs that store objects there, and remove it again"
            ),
        ))
    }

    /// Lists a location once and removes what is found.
    fn remove_listed(
        &self,
        tool: &Tool,
        bucket: &Bucket,
        at: &S3Url,
        visit: VisitObjects,
    ) -> Outcome<Listed> {
        let mut keys = Vec::new();
        let listed = visit(tool, bucket, at, &mut |object| {
            keys.push(object.key);
            if keys.len() < DELETE_OBJECTS_KEYS {
                return Ok(());
            }
            self.remove(tool, bucket, &std::mem::take(&mut keys))
        })?;
        self.remove(tool, bucket, &keys)?;
        Ok(listed)
    }

    fn remove(&self, tool: &Tool, bucket: &Bucket, keys: &[String]) -> Outcome {
        tool.check_interrupted()?;
        if !self.dry_run {
            match keys {
                [] => {}
                [key] => {
                    bucket.client.delete_object(&bucket.name, key, &Default::default())?;
                }
                keys => {
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    bucket.client.delete_objects(&bucket.name, &keys)?;
                }
            }
        }
        for key in keys {
            let json = || json!({ "removed": !self.dry_run, "bucket": bucket.name, "key": key });
            if self.dry_run {
                tool.output.print(|| format!("would remove {}", shown(key)), json)?;
            } else {
                tool.output.report(|| format!("removed {}", shown(key)), json)?;
            }
        }
        Ok(())
    }
}
