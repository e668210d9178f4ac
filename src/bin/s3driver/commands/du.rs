use crate::failure::Outcome;
use crate::listing::visit_tree;
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::Tool;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;

/// The number of directories that are counted separately. Objects in further directories count only
/// towards the sum.
const MOST_DIRECTORIES: usize = 100_000;

/// Adds up the bytes and objects at a location and in each directory directly below it
#[derive(Args)]
pub(crate) struct Du {
    /// The directory, s3://bucket/key
    location: S3Url,
    /// Shows the sum alone
    #[arg(long, short = 's')]
    summarize: bool,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    bytes: u64,
    objects: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.objects = self.objects.saturating_add(1);
    }
}

impl Du {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let bucket = tool.bucket(Some(&self.location))?;
        let directory = self.location.directory();
        let (mut total, mut parts) = (Sum::default(), BTreeMap::<String, Sum>::new());
        visit_tree(tool, &bucket, &self.location, &mut |object| {
            total.add(object.size);
            let below = object.key.strip_prefix(&directory).and_then(|below| below.split_once('/'));
            if let Some((name, _)) = below.filter(|_| !self.summarize) {
                let prefix = format!("{directory}{name}/");
                if parts.len() < MOST_DIRECTORIES || parts.contains_key(&prefix) {
                    parts.entry(prefix).or_default().add(object.size);
                }
            }
            Ok(())
        })?;
        for (prefix, sum) in &parts {
            print(tool, prefix, *sum)?;
        }
        print(tool, &self.location.key, total)
    }
}

fn print(tool: &Tool, prefix: &str, Sum { bytes, objects }: Sum) -> Outcome {
    tool.output.print(
        || format!("{bytes:>15} {objects:>10} {}", shown(prefix)),
        || json!({ "prefix": prefix, "bytes": bytes, "objects": objects }),
    )
}
