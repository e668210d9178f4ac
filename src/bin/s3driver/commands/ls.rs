use crate::failure::Outcome;
use crate::listing::{Found, exact, nothing_at, time, visit_tree};
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::{Bucket, Tool};
use clap::Args;
use s3driver::client::ListObjects;
use s3driver::time::Timestamp;
use serde_json::json;

/// Lists the objects and directories at a location
#[derive(Args)]
pub(crate) struct Ls {
    /// The directory or object, s3://bucket/key
    location: S3Url,
    /// Lists everything below the location
    #[arg(long, short = 'r')]
    recursive: bool,
}

impl Ls {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let bucket = tool.bucket(Some(&self.location))?;
        if self.recursive {
            return visit_tree(tool, &bucket, &self.location, &mut |object| {
                print_object(tool, &object)
            })
            .map(drop);
        }
        self.list_directory(tool, &bucket)
    }

    fn list_directory(&self, tool: &Tool, bucket: &Bucket) -> Outcome {
        let at = &self.location;
        let mut found = at.key.is_empty();
        let request = ListObjects::prefix(at.directory()).delimiter("/");
        for page in bucket.client.objects(&bucket.name, request).pages() {
            let page = page?;
            for directory in &page.common_prefixes {
                found = true;
                print_directory(tool, directory)?;
            }
            for object in page.contents {
                found = true;
                print_object(tool, &object.into())?;
            }
        }
        if !at.is_written_as_directory()
            && let Some(object) = exact(bucket, at)?
        {
            found = true;
            print_object(tool, &object)?;
        }
        if found { Ok(()) } else { Err(nothing_at(at)) }
    }
}

fn print_directory(tool: &Tool, prefix: &str) -> Outcome {
    tool.output.print(
        || format!("{:>20} {:>15} {}", "", "DIR", shown(prefix)),
        || json!({ "prefix": prefix }),
    )
}

fn print_object(tool: &Tool, object: &Found) -> Outcome {
    tool.output.print(
        || {
            let time = time(object.last_modified);
            format!("{time:>20} {:>15} {}", object.size, shown(&object.key))
        },
        || {
            json!({
                "key": object.key,
                "size": object.size,
                "modified": object.last_modified.map(Timestamp::iso8601),
                "etag": object.etag,
                "storage_class": object.storage_class,
            })
        },
    )
}
