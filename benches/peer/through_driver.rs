//! Performs the work through the storage driver: its writer, reader and walk.
use super::order::{REGION, Setting, Source, Work, at_least_one, big_key};
use super::route::{Outcome, Route};
use super::through_client::BLOCK;
use s3driver::StorageDriver;
use s3driver::driver::{FileKind, Parameters, S3Driver, WalkOptions, WalkStep, WriteMode};
use std::fs::File;
use std::io::{self, Read, Write};

pub(crate) struct ThroughDriver {
    driver: S3Driver,
}

impl ThroughDriver {
    pub(crate) fn new(setting: &Setting, work: &Work) -> Outcome<Self> {
        let mut parameters = Parameters::builder(work.bucket())
            .endpoint(&setting.endpoint)
            .region(REGION)
            .credentials(&setting.credentials)
            .payload(setting.payload)
            .checksum(setting.checksum)
            .concurrency(at_least_one(work.concurrency()));
        if let Some(part) = work.part() {
            parameters = parameters.chunk_size(part);
        }
        if let Some(file) = &setting.ca_file {
            parameters = parameters.ca_certificate_path(file.to_string_lossy());
        }
        Ok(Self { driver: S3Driver::new(&parameters.build()?)? })
    }
}

impl Route for ThroughDriver {
    fn upload(&self, source: &Source, data: &[u8], _: u64, _: usize) -> Outcome {
        let mut writer =
            self.driver.writer(&format!("/{}", big_key(source.len())), WriteMode::Create)?;
        match source {
            Source::File(path, _) => {
                io::copy(&mut File::open(path)?, &mut writer)?;
            }
            Source::Memory(size) => {
                let mut left = *size;
                while left > 0 {
                    let length = data.len().min(usize::try_from(left)?);
                    writer.write_all(&data[..length])?;
                    left -= length as u64;
                }
            }
        }
        writer.commit()?;
        Ok(())
    }

    fn download(&self, size: u64, _: u64, _: usize) -> Outcome<u64> {
        let mut reader = self.driver.reader(&format!("/{}", big_key(size)), 0)?;
        let mut block = vec![0; BLOCK];
        let mut received = 0;
        loop {
            match reader.read(&mut block)? {
                0 => return Ok(received),
                n => received += n as u64,
            }
        }
    }

    fn put(&self, key: &str, data: &[u8]) -> Outcome {
        Ok(self.driver.put_content(&format!("/{key}"), data)?)
    }

    fn get(&self, key: &str) -> Outcome<u64> {
        Ok(self.driver.get_content(&format!("/{key}"))?.len() as u64)
    }

    fn list(&self, _: &str) -> Outcome<u64> {
        let mut found = 0;
        self.driver.walk("/", &WalkOptions::default(), &mut |file| {
            found += u64::from(file.kind == FileKind::File);
            Ok(WalkStep::Continue)
        })?;
        Ok(found)
    }

    fn delete(&self, _: &str, _: u64) -> Outcome {
        Err("the storage driver deletes what it lists, and cannot delete keys by name: measure the \
             client"
            .into())
    }
}
