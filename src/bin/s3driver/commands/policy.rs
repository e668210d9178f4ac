use crate::arn::Arns;
use crate::failure::Outcome;
use crate::location::S3Url;
use crate::settings::UNAPPLIED_REMEDY;
use crate::tool::{Bucket, Tool};
use clap::{Args, ValueEnum};
use s3driver::client::Encryption;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write as _};

/// Prints the minimal IAM policy for a registry's jobs
#[derive(Args)]
pub(crate) struct Policy {
    /// The bucket, s3://bucket; otherwise that of the configuration
    location: Option<S3Url>,
    /// The jobs that the policy permits; otherwise all of them
    #[arg(long = "for", value_enum, value_name = "JOB", value_delimiter = ',')]
    jobs: Vec<Job>,
}

/// The kinds of work that a registry does with its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Job {
    /// Clients download images
    Pull,
    /// Clients upload images
    Push,
    /// Unreferenced blobs are removed
    GarbageCollection,
    /// Abandoned uploads are removed
    Purge,
}

const ALL: [Job; 4] = [Job::Pull, Job::Push, Job::GarbageCollection, Job::Purge];

/// An IAM action of S3, on the bucket or on its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    ListBucket,
    ListBucketMultipartUploads,
    AbortMultipartUpload,
    DeleteObject,
    GetObject,
    ListMultipartUploadParts,
    PutObject,
    PutObjectAcl,
}

impl Action {
    const fn is_of_bucket(self) -> bool {
        matches!(self, Self::ListBucket | Self::ListBucketMultipartUploads)
    }
}

impl Job {
    /// Returns the actions of the requests that the driver makes for this job.
    const fn actions(self) -> &'static [Action] {
        use Action::*;
        match self {
            Self::Pull => &[ListBucket, GetObject],
            // An upload that is closed between two requests is found again by listing. The finished
            // blob is moved to its place by a copy and a deletion.
            Self::Push => &[
                ListBucket,
                ListBucketMultipartUploads,
                AbortMultipartUpload,
                DeleteObject,
                GetObject,
                ListMultipartUploadParts,
                PutObject,
            ],
            // Deleting a directory also aborts the unfinished uploads in it.
            Self::GarbageCollection => &[
                ListBucket,
                ListBucketMultipartUploads,
                AbortMultipartUpload,
                DeleteObject,
                GetObject,
            ],
            Self::Purge => &[
                ListBucket,
                ListBucketMultipartUploads,
                AbortMultipartUpload,
                DeleteObject,
                GetObject,
            ],
        }
    }
}

impl Policy {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let bucket = tool.bucket(self.location.as_ref())?;
        let jobs = if self.jobs.is_empty() { &ALL[..] } else { &self.jobs };
        let mut actions: BTreeSet<Action> =
            jobs.iter().flat_map(|job| job.actions()).copied().collect();
        let writes = actions.contains(&Action::PutObject);
        if writes && bucket.settings.acl.is_some() {
            actions.insert(Action::PutObjectAcl);
        }
        let document = document(&bucket, &actions);
        if let Some(found) = tool.settings.unapplied_variables() {
            // The policy itself is complete, so a closed standard error does not end the command.
            let _ = writeln!(io::stderr(), "s3driver: notice: {found}; {UNAPPLIED_REMEDY}");
        }
        tool.output.print(|| format!("{document:#}"), || document.clone())
    }
}

fn document(bucket: &Bucket, actions: &BTreeSet<Action>) -> Value {
    let arns = Arns::of(bucket);
    let names = |of_bucket: bool| -> Vec<String> {
        let chosen = actions.iter().filter(|action| action.is_of_bucket() == of_bucket);
        chosen.map(|action| format!("s3:{action:?}")).collect()
    };
    // The statement does not have a condition on the prefix. S3 reports that an object does not
    // exist only to callers who may list the bucket, and a condition on the prefix never holds for
    // a request without one.
    let listing = json!({
        "Sid": "Bucket",
        "Effect": "Allow",
        "Action": names(true),
        "Resource": arns.bucket(),
    });
    let objects = json!({
        "Sid": "Objects",
        "Effect": "Allow",
        "Action": names(false),
        "Resource": arns.objects(),
    });
    let mut statements = vec![listing, objects];
    if let Encryption::Kms { key_id } = &bucket.settings.encryption {
        // Completing an upload encrypts its parts again, which requires Decrypt.
        let writes = actions.contains(&Action::PutObject);
        let mut kms = vec!["kms:Decrypt"];
        if writes {
            kms.push("kms:GenerateDataKey");
        }
        statements.push(json!({
            "Sid": "Key",
            "Effect": "Allow",
            "Action": kms,
            "Resource": arns.key(key_id),
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}
