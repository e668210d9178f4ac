use crate::failure::Outcome;
use crate::location::S3Url;
use crate::streams::{print, print_object};
use crate::tool::Tool;
use clap::Args;
use s3driver::client::{ByteRange, GetObject};

/// Writes an object to the standard output
#[derive(Args)]
pub(crate) struct Cat {
    /// The object, s3://bucket/key
    location: S3Url,
    /// The number of bytes to leave out at the beginning
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// The number of bytes, at most; otherwise all up to the end
    #[arg(long)]
    length: Option<u64>,
}

impl Cat {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let key = self.location.object_key()?;
        let bucket = tool.bucket(Some(&self.location))?;
        match self.length {
            Some(0) => Ok(()),
            Some(length) => {
                let range = ByteRange::Part { offset: self.offset, length };
                let request = GetObject::range(range);
                let mut reader = bucket.client.get_object(&bucket.name, key, &request)?;
                print(tool, None, |block| reader.pull(block)).map(drop)
            }
            None => print_object(tool, &bucket, key, self.offset, None).map(drop),
        }
    }
}
