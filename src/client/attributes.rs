//! The attributes of an object, and the parts that it was uploaded in.
use super::Client;
use super::body::Payload;
use super::entries::Entries;
use super::pages::{Follow, Page, Pages};
use super::reply::{Reader, read_document};
use super::request::{object_call, version_of};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crate::xml::{self, ObjectAttributes, ObjectPart};
use std::sync::Arc;

/// The attributes of an object that are requested: all that S3 has.
const ATTRIBUTES: &str = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";

/// A request for the attributes of an object. The default is the current version, with the first
/// page of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetObjectAttributes {
    /// The version; `None` is the current one.
    pub version_id: Option<String>,
    /// The number of the part after which the page of parts begins.
    pub part_number_marker: Option<u32>,
    /// The maximum number of parts in a page; `None` leaves it to the server (1,000).
    pub max_parts: Option<u32>,
}

impl GetObjectAttributes {
    /// Selects a version.
    #[must_use]
    pub fn version_id(mut self, version: impl Into<String>) -> Self {
        self.version_id = Some(version.into());
        self
    }

    /// Selects the parts after the one with this number.
    #[must_use]
    pub const fn part_number_marker(mut self, marker: u32) -> Self {
        self.part_number_marker = Some(marker);
        self
    }

    /// Requests pages of at most this many parts.
    #[must_use]
    pub const fn max_parts(mut self, parts: u32) -> Self {
        self.max_parts = Some(parts);
        self
    }
}

impl Client {
    /// [GetObjectAttributes]: returns the size, the checksums and the storage class of an object,
    /// and a page of the parts that it was uploaded in. S3 requires the permissions `s3:GetObject`
    /// and `s3:GetObjectAttributes`.
    ///
    /// [GetObjectAttributes]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
    pub fn get_object_attributes(
        &self,
        bucket: &str,
        key: &str,
        request: &GetObjectAttributes,
    ) -> Result<ObjectAttributes> {
        let GetObjectAttributes { version_id, part_number_marker, max_parts } = request;
        let call = object_call("GetObjectAttributes", "GET", bucket, key)?.query("attributes", "");
        let call = version_of(call, version_id.as_deref())?
            .header("x-amz-object-attributes", ATTRIBUTES)
            .maybe_header("x-amz-max-parts", max_parts.map(|parts| parts.to_string()))
            .maybe_header(
                "x-amz-part-number-marker",
                part_number_marker.map(|marker| marker.to_string()),
            );
        self.run(&call, Payload::Empty, |response, deadline| {
            let last_modified = response.header("last-modified");
            let last_modified = last_modified.and_then(Timestamp::parse_http_date);
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let reader: Reader<ObjectAttributes> =
                (xml::page_of_object_parts, xml::MAX_LISTING_BYTES);
            let mut attributes = read_document(response, deadline, &call, reader)?;
            attributes.last_modified = last_modified;
            attributes.version_id = version_id;
            Ok(attributes)
        })
    }

    /// Returns an iterator over the parts of an object, with GetObjectAttributes. It is empty for
    /// an object that was stored by one PUT; S3 only lists parts that have a checksum.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, GetObjectAttributes};
    ///
    /// let client = Client::from_env()?;
    /// for part in client.object_parts("bucket", "disk.img", GetObjectAttributes::default()) {
    ///     let part = part?;
    ///     println!("{} {} {:?}", part.part_number, part.size, part.checksum);
    /// }
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The iterator ends with [`ErrorKind::Integrity`] if the object is replaced in the meantime.
    pub fn object_parts(
        &self,
        bucket: &str,
        key: &str,
        request: GetObjectAttributes,
    ) -> Entries<ObjectAttributes, ObjectPart> {
        let (client, place) = (self.clone(), [bucket, key].map(Arc::<str>::from));
        let [of_bucket, of_key] = place.clone();
        let pages = Pages::new(
            self,
            move |after: Option<&(u32, Option<String>)>| {
                let mut request = request.clone();
                let Some((marker, etag)) = after else {
                    return client.get_object_attributes(&of_bucket, &of_key, &request);
                };
                request.part_number_marker = Some(*marker);
                let page = client.get_object_attributes(&of_bucket, &of_key, &request)?;
                if page.etag == *etag {
                    return Ok(page);
                }
                let text = "the object changed while its parts were being listed";
                Err(placed(&[&of_bucket, &of_key], Error::new(ErrorKind::Integrity, text)))
            },
            |page, after, _| next_page(page, after.map(|(marker, _)| *marker)),
            move |error| placed(&[&place[0], &place[1]], error),
        );
        Entries::new(pages, |page| page.parts.map(|page| page.parts).unwrap_or_default())
    }
}

impl Page for ObjectAttributes {
    fn entries(&self) -> usize {
        self.parts.as_ref().map_or(0, |page| page.parts.len())
    }
}

fn placed([bucket, key]: &[&str; 2], error: Error) -> Error {
    error.with_operation("GetObjectAttributes").with_bucket(*bucket).with_key(*key)
}

/// Finds the marker of the page of parts after `page`, which must be of the same object.
fn next_page(page: &ObjectAttributes, marker: Option<u32>) -> Follow<(u32, Option<String>)> {
    let Some(parts) = &page.parts else { return Ok(None) };
    if parts.is_truncated != Some(true) {
        return Ok(None);
    }
    let last = parts.parts.last().map(|part| part.part_number);
    match parts.next_part_number_marker.or(last) {
        Some(next) if Some(next) > marker => Ok(Some((next, page.etag.clone()))),
        _ => Err("the server has more parts of the object, and does not state where they begin"),
    }
}
