//! Aborts unfinished uploads that no process will complete.
use super::Transfer;
use super::parallel;
use crate::client::{Client, UploadRef};
use crate::error::{Error, Result};
use crate::sync;
use std::sync::Mutex;
use std::time::Duration;

/// The maximum number of failures that one call reports: most of them have the same cause.
const FAILURES: usize = 100;

impl Transfer<'_> {
    /// Aborts the unfinished uploads of keys that begin with `prefix` if they were begun more than
    /// `age` ago, and returns how many were aborted. An upload is kept if the server does not state
    /// when it was begun.
    ///
    /// An upload in progress is also unfinished, so an `age` shorter than the duration of the
    /// longest upload aborts that upload.
    ///
    /// ```no_run
    /// use s3driver::client::Client;
    /// use s3driver::transfer::Transfer;
    /// use std::time::Duration;
    ///
    /// let week = Duration::from_secs(7 * 24 * 3600);
    /// let ended = Transfer::new(&Client::from_env()?).abort_uploads("bucket", "backup/", week)?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of the listing, after which no upload is aborted. If an upload cannot be aborted,
    /// the others are still aborted: the first failure is returned at the end, with further ones in
    /// [`Error::others`].
    pub fn abort_uploads(&self, bucket: &str, prefix: &str, age: Duration) -> Result<u64> {
        let failures = Mutex::new(Vec::new());
        let (client, cancel) = self.client.with_child_cancel();
        // All pages are listed first: on a server that pages by position, or that looks for the
        // upload of the marker, the listing would miss uploads if earlier ones were aborted.
        let mut old = Vec::new();
        for upload in self.client.uploads(bucket, prefix) {
            let upload = upload?;
            if upload.key.starts_with(prefix) && client.is_older(upload.initiated, age) {
                old.push((upload.key, upload.upload_id));
            }
        }
        let aborted = parallel::for_each(old.len(), self.concurrency, &cancel, |index| {
            let Some((key, upload_id)) = old.get(index) else { return Ok(false) };
            Ok(abort(&client, UploadRef { bucket, key, upload_id }, &failures))
        })?;
        let ended = aborted.into_iter().filter(|aborted| *aborted).count() as u64;
        let mut failures = sync::into_inner(failures).into_iter();
        match failures.next() {
            None => Ok(ended),
            Some(first) => Err(first.with_others(failures.collect())),
        }
    }
}

/// Aborts one upload and returns whether that succeeded. Adds a failure to `failures`.
fn abort(client: &Client, upload: UploadRef<'_>, failures: &Mutex<Vec<Error>>) -> bool {
    match client.abort_multipart_upload(upload) {
        Ok(()) => true,
        Err(error) => {
            let mut failures = sync::lock(failures);
            if failures.len() < FAILURES {
                failures.push(error);
            }
            false
        }
    }
}
