use crate::common::{Common, With};
use crate::failure::Outcome;
use crate::listing::time;
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::{Bucket, Tool};
use clap::{Args, Subcommand};
use s3driver::client::UploadRef;
use s3driver::duration::parse_with_days;
use s3driver::time::Timestamp;
use s3driver::xml::Upload;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// Lists or aborts unfinished multipart uploads, whose parts are stored and charged for
#[derive(Subcommand)]
pub(crate) enum Uploads {
    /// Lists the unfinished uploads at and below a location
    List(With<List>),
    /// Aborts the unfinished uploads at and below a location that are old enough
    Abort(With<Abort>),
}

#[derive(Args)]
pub(crate) struct List {
    /// The bucket, directory or object, s3://bucket/key
    location: S3Url,
}

#[derive(Args)]
pub(crate) struct Abort {
    /// The bucket, directory or object, s3://bucket/key
    location: S3Url,
    /// The age from which an upload is aborted, such as 7d; 0s for all
    #[arg(long, value_name = "AGE", value_parser = parse_with_days)]
    older_than: Duration,
    /// Shows what would be aborted, and aborts nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

impl Uploads {
    pub(crate) const fn common(&self) -> &Common {
        match self {
            Self::List(list) => &list.common,
            Self::Abort(abort) => &abort.common,
        }
    }

    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        match self {
            Self::List(With { own: List { location }, .. }) => {
                let bucket = tool.bucket(Some(location))?;
                visit(&bucket, location, &mut |upload| {
                    let state = "unfinished";
                    tool.output.print(|| line(upload, state), || value(&bucket, upload, state))
                })
            }
            Self::Abort(abort) => abort.own.run(tool),
        }
    }
}

impl Abort {
    fn run(&self, tool: &Tool) -> Outcome {
        let bucket = tool.bucket(Some(&self.location))?;
        let now = Timestamp::from(SystemTime::now());
        let age = i64::try_from(self.older_than.as_secs()).unwrap_or(i64::MAX);
        let latest = now.unix().saturating_sub(age);
        // All uploads are found first, because aborting one shifts those that follow in the
        // listing.
        let mut old = Vec::new();
        visit(&bucket, &self.location, &mut |upload| {
            // An upload without a time may be in progress.
            let is_old = upload.initiated.map_or(age == 0, |begun| begun.unix() <= latest);
            if is_old {
                old.push(upload.clone());
            }
            Ok(())
        })?;
        for upload in &old {
            tool.check_interrupted()?;
            if self.dry_run {
                let state = "would abort";
                tool.output.print(|| line(upload, state), || value(&bucket, upload, state))?;
                continue;
            }
            let Upload { key, upload_id, .. } = upload;
            bucket.client.abort_multipart_upload(UploadRef {
                bucket: &bucket.name,
                key,
                upload_id,
            })?;
            let state = "aborted";
            tool.output.report(|| line(upload, state), || value(&bucket, upload, state))?;
        }
        Ok(())
    }
}

/// Calls `visit` with the uploads at and below a location.
fn visit(bucket: &Bucket, at: &S3Url, visit: &mut dyn FnMut(&Upload) -> Outcome) -> Outcome {
    let directory = at.directory();
    for page in bucket.client.uploads(&bucket.name, &at.key).pages() {
        for upload in &page?.uploads {
            if upload.key == at.key || upload.key.starts_with(&directory) {
                visit(upload)?;
            }
        }
    }
    Ok(())
}

/// Returns a line about an upload.
fn line(upload: &Upload, state: &str) -> String {
    let begun = time(upload.initiated);
    format!("{state} {begun:>20} {} {}", shown(&upload.upload_id), shown(&upload.key))
}

/// Returns an upload as JSON.
fn value(bucket: &Bucket, upload: &Upload, state: &str) -> Value {
    json!({
        "state": state,
        "bucket": bucket.name,
        "key": upload.key,
        "upload_id": upload.upload_id,
        "begun": upload.initiated.map(Timestamp::iso8601),
    })
}
