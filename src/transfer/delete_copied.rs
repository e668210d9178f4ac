//! Deletes an object that was copied elsewhere, if it was not replaced in the meantime.
use super::Transfer;
use crate::client::{
    Client, Condition, ConditionalRequest, DeleteObject, GetObject, ObjectMeta, lacks_operation,
};
use crate::error::{Error, ErrorKind, Result};

impl Transfer<'_> {
    /// Deletes an object that was copied or downloaded, which completes a move. `etag` is the ETag
    /// of the version that was copied, as in [`Downloaded::etag`](super::Downloaded::etag). If
    /// another program has stored a new object at `key` since then, that object is kept.
    ///
    /// On servers that refuse conditional deletions, which the client remembers for each bucket,
    /// the ETag is compared by a HeadObject before the deletion. On servers that ignore the
    /// condition, such as older versions of Ceph, a new object is deleted. Without an ETag, or with
    /// a weak one, the object is deleted unconditionally.
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
        delete_copied(&self.client, (bucket, key), etag)
    }
}

/// Checks that an object with the description `meta` was not replaced by its own copy under an
/// equal key, which happens if the server knows one bucket by two names. The ETag is then often the
/// same.
///
/// # Errors
/// [`ErrorKind::Conflict`] if the object's version, time or ETag has changed.
pub(super) fn check_not_replaced(
    client: &Client,
    (bucket, key): (&str, &str),
    meta: &ObjectMeta,
) -> Result<()> {
    let identity =
        |meta: &ObjectMeta| (meta.etag.clone(), meta.version_id.clone(), meta.last_modified);
    match client.head_object(bucket, key, &GetObject::default()) {
        Err(error) if error.kind() == ErrorKind::NoSuchKey => Ok(()),
        Err(error) => Err(error),
        Ok(now) if identity(&now) == identity(meta) => Ok(()),
        Ok(_) => {
            let text = "the object was replaced while it was being moved, by another program or by \
                        its own copy: the object that is here now was not deleted";
            Err(Error::new(ErrorKind::Conflict, text).with_bucket(bucket).with_key(key).with_hint(
                "move it again, unless the names of both buckets stand for the same bucket",
            ))
        }
    }
}

/// Deletes the version of an object that was copied, like [`Transfer::delete_copied`].
pub(crate) fn delete_copied(
    client: &Client,
    (bucket, key): (&str, &str),
    etag: Option<&str>,
) -> Result<()> {
    let delete = |condition| {
        let request = DeleteObject::default().condition(condition);
        client.delete_object(bucket, key, &request).map(drop)
    };
    // A condition with a weak ETag never holds (RFC 9110 section 13.1.1).
    let Some(etag) = etag.filter(|etag| !etag.starts_with("W/")) else {
        return delete(Condition::Always);
    };
    let mut refused = None;
    if client.may_support(ConditionalRequest::Delete, bucket) {
        match delete(Condition::IfMatch(etag.to_owned())) {
            Err(error)
                if error.kind() == ErrorKind::PreconditionFailed || lacks_operation(&error) =>
            {
                refused = Some(error);
            }
            result => return result,
        }
    }
    match client.head_object(bucket, key, &GetObject::default()) {
        // An earlier attempt, whose response was lost, has deleted the object.
        Err(look) if look.kind() == ErrorKind::NoSuchKey => return Ok(()),
        Err(look) => return Err(look),
        Ok(meta) if meta.etag.as_deref() != Some(etag) => {
            let text = "the object was replaced while it was being moved: the new content is still \
                        here, and the old content is at the destination";
            let error = Error::new(ErrorKind::Conflict, text)
                .with_bucket(bucket)
                .with_key(key)
                .with_hint("move it again");
            return Err(match refused {
                Some(refused) => error.with_source(refused),
                None => error,
            });
        }
        // The server does not support the condition, or compares ETags in a different way.
        Ok(_) => {}
    }
    delete(Condition::Always)?;
    if refused.is_some() {
        client.remember_unsupported(ConditionalRequest::Delete, bucket);
    }
    Ok(())
}
