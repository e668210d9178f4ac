use crate::failure::Outcome;
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::Tool;
use clap::Args;
use s3driver::time::Timestamp;
use serde_json::{Map, Value, json};

/// Shows what the server stores about an object
#[derive(Args)]
pub(crate) struct Stat {
    /// The object, s3://bucket/key
    location: S3Url,
}

impl Stat {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let key = self.location.object_key()?;
        let bucket = tool.bucket(Some(&self.location))?;
        let meta = bucket.client.head_object(&bucket.name, key, &Default::default())?;
        let metadata: Map<String, Value> = meta
            .metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let document = json!({
            "bucket": bucket.name,
            "key": key,
            "size": meta.size,
            "modified": meta.last_modified.map(Timestamp::iso8601),
            "etag": meta.etag,
            "content_type": meta.content_type,
            "storage_class": meta.storage_class,
            "encryption": meta.encryption,
            "version_id": meta.version_id,
            "metadata": metadata,
        });
        tool.output.print(|| lines(&document), || document.clone())
    }
}

/// Returns the members that have a value, one per line.
fn lines(document: &Value) -> String {
    let mut lines = Vec::new();
    for (name, value) in document.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(metadata) => lines.extend(metadata.iter().map(|(name, value)| {
                format!("{:<14} {}", format!("meta {}", shown(name)), text(value))
            })),
            value => lines.push(format!("{name:<14} {}", text(value))),
        }
    }
    lines.join("\n")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), shown)
}
