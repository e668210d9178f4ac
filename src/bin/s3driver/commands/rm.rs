use crate::failure::{Failure, Outcome};
use crate::listing::{Found, Listed, exact, nothing_at, visit_below, visit_tree};
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::{Bucket, Tool};
use clap::Args;
use s3driver::client::DELETE_OBJECTS_KEYS;
use s3driver::transfer::{RemovalPass, repeat_removal};
use serde_json::json;

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

    /// Removes everything at and below a location.
    fn remove_tree(&self, tool: &Tool, bucket: &Bucket, at: &S3Url) -> Outcome {
        if self.dry_run {
            return self.remove_listed(tool, bucket, at, visit_tree).map(drop);
        }
        let mut visit: VisitObjects = visit_tree;
        repeat_removal((&bucket.name, &at.directory()), || {
            // Further passes look for what the first listing missed.
            let visit = std::mem::replace(&mut visit, visit_below);
            let Listed { pages, objects } = self.remove_listed(tool, bucket, at, visit)?;
            Ok::<_, Failure>(RemovalPass { pages, removed: objects })
        })
        .map(drop)
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
