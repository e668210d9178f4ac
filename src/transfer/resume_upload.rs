//! Uploads a local file in as many attempts as necessary.
use super::copy::cut;
use super::download::md5_of;
use super::meter::Meter;
use super::stream::{has_content, parts_of};
use super::upload::SourceFile;
use super::{Transfer, Transferred, UploadToken};
use crate::client::{ObjectSettings, Part};
use crate::error::Result;
use std::ops::Range;
use std::path::Path;

impl Transfer<'_> {
    /// Begins an upload in parts, and returns its token for [`Transfer::resume_file`] or
    /// [`Transfer::resume`]. The upload stays on the server until it is completed or aborted.
    ///
    /// # Errors
    /// The errors of
    /// [`Client::create_multipart_upload`](crate::client::Client::create_multipart_upload).
    pub fn begin_upload(
        &self,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<UploadToken> {
        let upload_id = self.client.create_multipart_upload(bucket, key, settings)?;
        Ok(UploadToken::uniform((bucket, key), upload_id, self.part_size))
    }

    /// Stores a file like [`Transfer::upload_file`], in an upload that was begun earlier, in this
    /// process or another one, and that is kept after a failure: the next call continues it.
    ///
    /// Parts that the server has are compared with the file, by size and by the MD5 in their ETags.
    /// Parts that match are not sent again; the others are replaced. If ETags are not MD5s
    /// (encryption with KMS, some servers), every part is sent. Only the condition of `settings` is
    /// used; everything else was fixed when the upload was begun.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ObjectSettings};
    /// use s3driver::transfer::Transfer;
    /// use std::fs;
    ///
    /// let client = Client::from_env()?;
    /// let (transfer, settings) = (Transfer::new(&client), ObjectSettings::default());
    /// let token = match fs::read_to_string("upload.token") {
    ///     Ok(token) => token.parse()?,
    ///     Err(_) => transfer.begin_upload("bucket", "disk.img", &settings)?,
    /// };
    /// fs::write("upload.token", token.to_string())?;
    /// transfer.resume_file("disk.img", &token, &settings)?;
    /// fs::remove_file("upload.token")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchUpload`](crate::ErrorKind::NoSuchUpload) if the upload was completed or
    /// aborted; [`ErrorKind::LocalIo`](crate::ErrorKind::LocalIo) if the file cannot be read, or
    /// changes while its parts are sent.
    pub fn resume_file(
        &self,
        file: impl AsRef<Path>,
        token: &UploadToken,
        settings: &ObjectSettings,
    ) -> Result<Transferred> {
        let source = SourceFile::open(file.as_ref())?;
        let (size, upload) = (source.size(), token.upload());
        let mut pieces = cut(size, token.part_size())?;
        if pieces.is_empty() {
            // S3 does not complete an upload without parts.
            pieces.push(0..0);
        }
        let parts = parts_of(&self.client, upload)?;
        let stored = |number: u32, piece: &Range<u64>| -> Result<Option<Part>> {
            let Some(part) = parts.get(&number) else { return Ok(None) };
            let md5 = || md5_of(&source.file, piece.clone());
            let is_equal = has_content(part, piece.end.saturating_sub(piece.start), md5)?;
            Ok(is_equal.then(|| part.clone()))
        };
        let meter = Meter::new(&self.client, self.progress, size);
        let sent = self.send_file(&source, upload, &pieces, &meter, stored)?;
        source.check_unchanged()?;
        let completed =
            self.client.complete_multipart_upload(upload, &sent, &settings.condition)?;
        Ok(Transferred { bytes: size, parts: meter.parts(), etag: completed.etag })
    }
}
