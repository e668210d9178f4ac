//! Deletes an object that was copied elsewhere, if it was not replaced in the meantime.
use super::Transfer;
use crate::client::{Condition, DeleteObject, GetObject};
use crate::error::{Error, ErrorKind, Result};

impl Transfer<'_> {
    /// Deletes an object that was copied or downloaded, which completes a move. `etag` is the ETag
    /// of the version that was copied, as in [`Downloaded::etag`](super::Downloaded::etag). If
    /// another program has stored a new object at `key` since then, that object is kept.
    ///
    /// On servers without conditional deletions, the ETag is compared by a HeadObject before the
    /// deletion. Without an ETag, or with a weak one, the object is deleted unconditionally.
    ///
    /// ```no_run
    /// use s3driver::client::Client;
    /// use s3driver::transfer::Transfer;
    ///
    /// let client = Client::from_env()?;
    /// let transfer = Transfer::new(&client);
    /// let received = transfer.download_to_file("bucket", "disk.img", "disk.img")?;
    /// transfer.delete_copied("bucket", "disk.img", received.etag.as_deref())?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the object has another version now. The errors of
    /// [`Client::delete_object`](crate::client::Client::delete_object).
    pub fn delete_copied(&self, bucket: &str, key: &str, etag: Option<&str>) -> Result<()> {
        let delete = |condition| {
            let request = DeleteObject::default().condition(condition);
            self.client.delete_object(bucket, key, &request).map(drop)
        };
        // A condition with a weak ETag never holds (RFC 9110 section 13.1.1).
        let Some(etag) = etag.filter(|etag| !etag.starts_with("W/")) else {
            return delete(Condition::Always);
        };
        let refusal = match delete(Condition::IfMatch(etag.to_owned())) {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => error,
            Err(error) if error.status() == Some(501) || error.code() == Some("NotImplemented") => {
                error
            }
            result => return result,
        };
        match self.client.head_object(bucket, key, &GetObject::default()) {
            // An earlier attempt, whose response was lost, has deleted the object.
            Err(look) if look.kind() == ErrorKind::NoSuchKey => return Ok(()),
            Err(look) => return Err(look),
            Ok(meta) if meta.etag.as_deref() != Some(etag) => {
                let text = "the object was replaced while it was being moved: the new content is \
                            still here, and the old content is at the destination";
                return Err(Error::new(ErrorKind::Conflict, text)
                    .with_bucket(bucket)
                    .with_key(key)
                    .with_source(refusal)
                    .with_hint("move it again"));
            }
            // The server does not support the condition, or compares ETags in a different way.
            Ok(_) => {}
        }
        self.client.notice_fallback(
            bucket,
            "DeleteObject with If-Match",
            "HeadObject with DeleteObject",
        );
        delete(Condition::Always)
    }
}
