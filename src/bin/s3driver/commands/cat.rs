use crate::failure::Outcome;
use crate::location::S3Url;
use crate::tool::Tool;
use clap::Args;
use s3driver::client::{ByteRange, GetObject};

/// The number of bytes that one read takes from a connection.
const BLOCK: usize = 256 << 10;

/// Writes an object to the standard output
#[derive(Args)]
pub(crate) struct Cat {
    /// The object, s3://bucket/key
    location: S3Url,
    /// The first byte
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
        if self.length == Some(0) {
            return Ok(());
        }
        let mut block = vec![0; BLOCK];
        let mut copy = |pull: &mut dyn FnMut(&mut [u8]) -> s3driver::Result<usize>| -> Outcome {
            loop {
                match pull(&mut block)? {
                    0 => return Ok(()),
                    count => tool.output.write(block.get(..count).unwrap_or(&[]))?,
                }
            }
        };
        match self.length {
            Some(length) => {
                let range = ByteRange::Part { offset: self.offset, length };
                let request = GetObject::range(range);
                let mut reader = bucket.client.get_object(&bucket.name, key, &request)?;
                copy(&mut |block| reader.pull(block))
            }
            None => {
                let mut reader = bucket.transfer().reader(&bucket.name, key, self.offset)?;
                copy(&mut |block| reader.pull(block))
            }
        }
    }
}
