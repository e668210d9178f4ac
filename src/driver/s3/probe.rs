//! Checks that a driver has all the permissions that a registry needs.
use super::S3Driver;
use super::store::{RESERVED, Store};
use crate::Cancel;
use crate::client::{Client, Condition, CopySource, DeleteObject, GetObject, UploadRef};
use crate::error::{Error, ErrorKind, Result};

/// The content of the objects that a probe stores.
const CONTENT: &[u8] = b"probe";

impl S3Driver {
    /// Checks that the credentials permit everything that a registry does with its storage:
    /// storing, reading, copying and deleting an object, and creating, continuing, listing,
    /// completing and aborting a multipart upload. The error names the operation that failed.
    ///
    /// This takes about 15 requests, which is too many for a health check. Call it when a registry
    /// starts. It uses objects whose names begin with `.s3driver-`, which the driver's listings do
    /// not show, and removes them, after a failure as far as that is permitted. It does not check
    /// whether objects can be downloaded from presigned URLs or through CloudFront.
    ///
    /// # Errors
    /// The errors of [`S3Driver::probe`], and [`ErrorKind::Integrity`] if the content of an object
    /// differs from what was stored.
    pub fn probe_write(&self) -> Result<()> {
        self.probe()?;
        let store = &*self.store;
        let random = store.client.clock().random();
        let key = |name: &str| store.key(&format!("/{RESERVED}probe-{random:016x}-{name}"));
        let probe =
            Probe { store, object: key("object"), copy: key("copy"), upload: key("upload") };
        let proved = probe.objects().and_then(|()| probe.uploads());
        // A cancelled token, which may have ended the probe, must not prevent its objects from
        // being removed.
        let removed = probe.remove(&store.client.with_cancel(&Cancel::new()));
        proved.and(removed).map_err(|error| self.named(error))
    }
}

/// The keys of one probe.
struct Probe<'a> {
    store: &'a Store,
    object: String,
    copy: String,
    upload: String,
}

impl Probe<'_> {
    fn objects(&self) -> Result<()> {
        let Store { client, bucket, settings, .. } = self.store;
        client.put_object(bucket, &self.object, CONTENT, settings)?;
        client.head_object(bucket, &self.object, &GetObject::default())?;
        let reader = client.get_object(bucket, &self.object, &GetObject::default())?;
        if reader.read_all(CONTENT.len())? != CONTENT {
            let text = "the content that was read differs from the content that was stored";
            return Err(Error::new(ErrorKind::Integrity, text)
                .with_bucket(&**bucket)
                .with_key(&*self.object)
                .with_hint(
                    "check the proxies between this machine and the server: one of them may \
                     change the content",
                ));
        }
        let source = CopySource::new(bucket, &self.object);
        client.copy_object(source, bucket, &self.copy, settings)?;
        client.delete_object(bucket, &self.copy, &DeleteObject::default()).map(drop)
    }

    fn uploads(&self) -> Result<()> {
        let Store { client, bucket, .. } = self.store;
        self.with_upload(|upload| {
            let part = client.upload_part(upload, 1, CONTENT)?;
            client.list_parts(upload, None)?;
            client.list_multipart_uploads(bucket, &self.upload, None)?;
            client.complete_multipart_upload(upload, &[part], &Condition::Always).map(drop)
        })?;
        self.with_upload(|upload| client.abort_multipart_upload(upload))
    }

    /// Runs `work` with a new upload, and aborts the upload if `work` fails.
    fn with_upload(&self, work: impl FnOnce(UploadRef<'_>) -> Result<()>) -> Result<()> {
        let Store { client, bucket, settings, .. } = self.store;
        let upload_id = client.create_multipart_upload(bucket, &self.upload, settings)?;
        let upload = UploadRef { bucket, key: &self.upload, upload_id: &upload_id };
        work(upload).inspect_err(|_| {
            // Only the first failure is returned. A failure to abort has the same cause or comes
            // later.
            let _ = client.with_cancel(&Cancel::new()).abort_multipart_upload(upload);
        })
    }

    /// Removes what the probe has stored.
    fn remove(&self, client: &Client) -> Result<()> {
        let keys = [&*self.object, &self.copy, &self.upload];
        client.delete_objects(&self.store.bucket, &keys).map(drop)
    }
}
