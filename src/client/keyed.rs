//! Clients that store and read objects with a key of the customer.
use super::Client;
use super::customer_key::CustomerKey;
use super::request::Call;

/// The operations on an object's content. Others do not need the key, and do not receive it.
const OPERATIONS: [&str; 10] = [
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "GetObject",
    "GetObjectAttributes",
    "HeadObject",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

impl Client {
    /// Returns a clone that stores and reads objects with `key` (SSE-C), in uploads in parts too.
    /// The key of a copy's source is [`CopySource::customer_key`](super::CopySource::customer_key).
    ///
    /// An object that was stored without the key cannot be read with it, and the other way round:
    /// the error is [`ErrorKind::Refused`](crate::ErrorKind::Refused) or
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied). Presigned URLs do not contain
    /// the key.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, CustomerKey, ObjectSettings};
    ///
    /// let key = CustomerKey::new(&[7; 32]);
    /// let client = Client::from_env()?.with_customer_key(&key);
    /// client.put_object("bucket", "secret", b"content", &ObjectSettings::default())?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// Every operation that would send the key over http is
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument).
    #[must_use]
    pub fn with_customer_key(&self, key: &CustomerKey) -> Self {
        self.with_key(Some(key))
    }

    /// Returns a clone that uses this key, or none.
    pub(crate) fn with_key(&self, key: Option<&CustomerKey>) -> Self {
        Self { customer_key: key.cloned(), ..self.clone() }
    }

    /// Returns whether the ETags of the objects that this client reads and writes in the bucket are
    /// not MD5s, as far as it is known. Those of objects with a customer's key never are.
    pub(crate) fn has_opaque_etags(&self, bucket: &str) -> bool {
        self.customer_key.is_some() || self.inner.has_opaque_etags(bucket)
    }

    /// Records that the server encrypts the objects of the bucket, so that their ETags are not
    /// MD5s. The customer's key only concerns the objects of this client.
    pub(super) fn remember_opaque_etags(&self, bucket: &str) {
        if self.customer_key.is_none() {
            self.inner.remember_opaque_etags(bucket);
        }
    }

    /// Returns the call with the client's key, or `None` if the operation does not use it.
    pub(super) fn keyed<'a>(&'a self, call: &Call<'a>) -> Option<Call<'a>> {
        let key = self.customer_key.as_ref().filter(|_| OPERATIONS.contains(&call.operation))?;
        Some(key.apply_to_object(call.clone()))
    }
}
