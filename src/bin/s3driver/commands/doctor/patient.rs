//! The storage under examination, and the state that the checks share.
use super::finding::{Finding, Verdict, what};
use crate::arn::Arns;
use crate::tool::Bucket;
use s3driver::client::{ListObjects, Part, UploadRef};
use s3driver::clock::{Clock as _, SystemClock};
use s3driver::credentials::Credentials;
use s3driver::{Cancel, Error};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// The content of the object that most checks use.
pub(super) const CONTENT: &[u8] = b"stored by s3driver doctor, which removes it\n";

/// A bucket, with a directory for the examination.
pub(super) struct Patient {
    pub(super) bucket: Bucket,
    /// The prefix of all keys of the examination, with a slash at its end.
    pub(super) directory: String,
    /// The options of the CloudFront middleware. They are empty if it is not configured.
    pub(super) distribution: Vec<(String, String)>,
    /// The result of the first signed request, which reveals most wrong configurations.
    pub(super) first: Result<(), Error>,
    /// The keys that requests are signed with, once they have been found.
    pub(super) keys: RefCell<Option<Credentials>>,
    /// The keys of the objects that the checks have stored.
    stored: RefCell<BTreeSet<String>>,
    /// The upload that the checks of multipart uploads share.
    pub(super) upload: RefCell<Option<Upload>>,
}

/// A multipart upload that the examination creates.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) parts: Vec<Part>,
}

impl Patient {
    pub(super) fn new(bucket: Bucket, distribution: Vec<(String, String)>) -> Self {
        let name = format!("s3driver-doctor-{:016x}/", SystemClock.random());
        let root = &bucket.parameters.root_directory;
        let directory = if root.is_empty() { name } else { format!("{root}/{name}") };
        let request = ListObjects::prefix(&*directory).max_keys(1);
        let first = bucket.client.list_objects(&bucket.name, &request, None).map(drop);
        let (keys, stored, upload) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { bucket, directory, distribution, first, keys, stored, upload }
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.directory)
    }

    /// Records that a write to `key` had this result. The object has to be removed unless the
    /// server has refused the write.
    pub(super) fn written<T>(&self, key: &str, result: Result<T, Error>) -> Result<T, Error> {
        let is_refusal = |error: &Error| matches!(error.status(), Some(400..500));
        if !result.as_ref().is_err_and(is_refusal) {
            self.stored.borrow_mut().insert(key.to_owned());
        }
        result
    }

    /// Returns the resource that names the bucket itself in a policy.
    pub(super) fn bucket_arn(&self) -> String {
        Arns::of(&self.bucket).bucket()
    }

    /// Returns the resource that names the registry's objects in a policy.
    pub(super) fn objects_arn(&self) -> String {
        Arns::of(&self.bucket).objects()
    }

    pub(super) fn refused(&self, error: &Error, action: &str) -> Verdict {
        Verdict::refused(error, action, &self.objects_arn())
    }

    /// Removes everything that the examination stored, even after an interruption.
    pub(super) fn clean(&self) -> Finding {
        let finding = |verdict| Finding { name: "clean-up", action: None, verdict };
        if self.stored.borrow().is_empty() && self.upload.borrow().is_none() {
            return finding(Verdict::passed("nothing was stored"));
        }
        let client = self.bucket.client.with_cancel(&Cancel::new());
        let aborted = self.abort_uploads(&client);
        let removed = self.delete_objects(&client).and(aborted);
        finding(match removed {
            Ok(()) => Verdict::passed(format!("{} was removed", self.directory)),
            Err(error) => Verdict::notice(
                format!("objects may be left: {}", what(&error)),
                format!(
                    "remove s3://{}/{} with other credentials",
                    self.bucket.name, self.directory
                ),
            ),
        })
    }

    fn abort_uploads(&self, client: &s3driver::client::Client) -> Result<(), Error> {
        let Some(upload) = self.upload.borrow_mut().take() else { return Ok(()) };
        client.abort_multipart_upload(UploadRef {
            bucket: &self.bucket.name,
            key: &upload.key,
            upload_id: &upload.id,
        })
    }

    fn delete_objects(&self, client: &s3driver::client::Client) -> Result<(), Error> {
        // The objects are known, because the permission to list them may be missing.
        self.stored.borrow().iter().try_for_each(|key| {
            client.delete_object(&self.bucket.name, key, &Default::default()).map(drop)
        })
    }
}
