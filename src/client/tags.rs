//! Tags of objects.
use super::Client;
use super::body::Payload;
use super::request::{Call, object_call, version_of};
use super::versions::VersionSelector;
use crate::error::Result;
use crate::sign;
use crate::xml::{self, Tag};

impl Client {
    /// [GetObjectTagging]: returns the tags of an object, in the server's order.
    ///
    /// Huawei OBS, Wasabi and Versity's gateway respond to a request for an object without tags
    /// with the error `NoSuchTagSet`, and S3 with an empty list, which is the result in both cases.
    ///
    /// [GetObjectTagging]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html
    pub fn get_object_tagging(
        &self,
        bucket: &str,
        key: &str,
        version: &VersionSelector,
    ) -> Result<Vec<Tag>> {
        let call = tagging_call("GetObjectTagging", "GET", (bucket, key), version)?;
        match self.run_for_document(&call, Payload::Empty, (tags_of, xml::MAX_REPLY_BYTES)) {
            Err(error) if error.code() == Some("NoSuchTagSet") => Ok(Vec::new()),
            tags => tags,
        }
    }

    /// [PutObjectTagging]: replaces all tags of an object. The object keeps its version and its
    /// time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for tags that S3 does not
    /// accept ([`xml::check_tags`]).
    ///
    /// [PutObjectTagging]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
    pub fn put_object_tagging(
        &self,
        bucket: &str,
        key: &str,
        tags: &[Tag],
        version: &VersionSelector,
    ) -> Result<()> {
        let call = tagging_call("PutObjectTagging", "PUT", (bucket, key), version)?;
        let body = xml::write_tagging(tags).map_err(|error| call.refuse(error.to_string()))?;
        self.run_for_nothing(&call.with_document(&body), Payload::Bytes(body.as_bytes()))
    }

    /// [DeleteObjectTagging]: removes all tags of an object.
    ///
    /// [DeleteObjectTagging]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html
    pub fn delete_object_tagging(
        &self,
        bucket: &str,
        key: &str,
        version: &VersionSelector,
    ) -> Result<()> {
        let call = tagging_call("DeleteObjectTagging", "DELETE", (bucket, key), version)?;
        self.run_for_nothing(&call, Payload::Empty)
    }
}

/// Reads the tags. Ceph sends an empty body for an object that was uploaded in parts.
fn tags_of(body: &[u8]) -> std::result::Result<Vec<Tag>, xml::Error> {
    if body.is_empty() { Ok(Vec::new()) } else { xml::tagging(body) }
}

fn tagging_call<'a>(
    operation: &'static str,
    method: &'static str,
    (bucket, key): (&'a str, &'a str),
    version: &'a VersionSelector,
) -> Result<Call<'a>> {
    let call = object_call(operation, method, bucket, key)?.query("tagging", "");
    version_of(call, version.version_id.as_deref())
}

/// Returns the value of `x-amz-tagging`: the tags as a query string, or `None` without tags.
pub(super) fn header_of(tags: &[Tag]) -> std::result::Result<Option<String>, xml::Error> {
    xml::check_tags(tags)?;
    let pairs = tags.iter().map(|Tag { key, value, .. }| {
        [sign::encode_component(key), sign::encode_component(value)].join("=")
    });
    Ok((!tags.is_empty()).then(|| pairs.collect::<Vec<_>>().join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_encoded_for_their_header() {
        let header = |tags: &[Tag]| header_of(tags).map_err(|error| error.to_string());
        assert_eq!(header(&[]), Ok(None));
        let tags = [Tag::new("a b", "c&d=e+f/g"), Tag::new("é", "")];
        assert_eq!(header(&tags), Ok(Some("a%20b=c%26d%3De%2Bf%2Fg&%C3%A9=".to_owned())));
        let most: Vec<_> = (0..11).map(|number| Tag::new(number.to_string(), "v")).collect();
        assert!(header(&most[..10]).is_ok() && header(&most).is_err());
    }
}
