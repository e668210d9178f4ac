//! Versions of objects: the setting of a bucket, and listings.
use super::Client;
use super::body::Payload;
use super::entries::Entries;
use super::listing::{ListObjects, StartAfter, check_prefix, filled};
use super::pages::{Follow, Page, Pages, Seen};
use super::request::Call;
use crate::error::Result;
use crate::net::percent;
use crate::xml::{self, ListVersionsResult, ObjectVersion, Versioning};
use std::sync::Arc;

/// The version of an object that an operation refers to. The default is the current one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionSelector {
    /// The version; `None` is the current one.
    pub version_id: Option<String>,
}

impl VersionSelector {
    /// Selects this version.
    #[must_use]
    pub fn version_id(mut self, version: impl Into<String>) -> Self {
        self.version_id = Some(version.into());
        self
    }
}

/// The key and the version after which a page begins.
type Marker = (String, Option<String>);

impl Client {
    /// Returns one page of [ListObjectVersions]: the versions and delete markers of the selected
    /// keys. `markers` are the `next_key_marker` and the `next_version_id_marker` of the previous
    /// page; without them, [`ListObjects::start_after`] is the key after which the listing starts.
    ///
    /// Keys and the key marker are returned decoded, as by [`Client::list_objects`]. S3 requires
    /// the permission `s3:ListBucketVersions`.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) if the page has a key without the
    /// prefix, except for the directories that contain it, which are left out.
    ///
    /// [ListObjectVersions]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
    pub fn list_object_versions(
        &self,
        bucket: &str,
        request: &ListObjects,
        markers: Option<(&str, Option<&str>)>,
    ) -> Result<ListVersionsResult> {
        let ListObjects { prefix, delimiter, start_after, max_keys } = request;
        let (key_marker, version_marker) = match markers {
            Some((key, version)) => (Some(key), version),
            None => (filled(start_after), None),
        };
        let call = Call::new("ListObjectVersions", "GET", bucket, "")
            .query("versions", "")
            .query("encoding-type", "url")
            .maybe_query("prefix", filled(prefix))
            .maybe_query("delimiter", filled(delimiter))
            .maybe_query("key-marker", key_marker)
            .maybe_query("version-id-marker", version_marker)
            .maybe_query("max-keys", max_keys.map(|keys| keys.to_string()));
        let mut page = self.run_for_document(
            &call,
            Payload::Empty,
            (xml::page_of_versions, xml::MAX_LISTING_BYTES),
        )?;
        page.versions.retain(|version| !is_ancestor(&version.key, prefix));
        let keys = page.versions.iter().map(|version| &version.key).chain(&page.common_prefixes);
        check_prefix(&call, prefix, keys)?;
        page.next_key_marker = decoded_marker(&page);
        Ok(page)
    }

    /// Returns an iterator over versions and delete markers, with ListObjectVersions, in the order
    /// of [`ListVersionsResult::versions`]. Keys up to `start_after` are omitted, even if the
    /// server ignores it or includes that key.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ListObjects};
    ///
    /// for version in Client::from_env()?.versions("bucket", ListObjects::prefix("photos/")) {
    ///     let version = version?;
    ///     println!("{} {} {:?}", version.key, version.version_id, version.kind);
    /// }
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    pub fn versions(
        &self,
        bucket: &str,
        request: ListObjects,
    ) -> Entries<ListVersionsResult, ObjectVersion> {
        Entries::new(self.pages_of_versions(bucket, request), |page| page.versions)
    }

    fn pages_of_versions(&self, bucket: &str, request: ListObjects) -> Pages<ListVersionsResult> {
        let (client, bucket) = (self.clone(), Arc::<str>::from(bucket));
        let place = Arc::clone(&bucket);
        let mut start = StartAfter::new(&request.start_after);
        Pages::new(
            self,
            move |marker: Option<&Marker>| {
                let markers = marker.map(|(key, version)| (key.as_str(), version.as_deref()));
                client.list_object_versions(&bucket, &request, markers)
            },
            move |page, _, seen| {
                let next = next_page(page, seen)?;
                let ListVersionsResult { versions, common_prefixes, .. } = page;
                start.retain(versions, |version| &version.key, common_prefixes);
                Ok(next)
            },
            move |error| error.with_operation("ListObjectVersions").with_bucket(&*place),
        )
    }

    /// [GetBucketVersioning]: returns whether the bucket stores versions; `None` if it never has.
    ///
    /// [GetBucketVersioning]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
    pub fn get_bucket_versioning(&self, bucket: &str) -> Result<Option<Versioning>> {
        let call = Call::new("GetBucketVersioning", "GET", bucket, "").query("versioning", "");
        self.run_for_document(
            &call,
            Payload::Empty,
            (xml::versioning_configuration, xml::MAX_REPLY_BYTES),
        )
    }

    /// [PutBucketVersioning]: enables or suspends versions. A bucket that has stored versions keeps
    /// them.
    ///
    /// [PutBucketVersioning]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
    pub fn put_bucket_versioning(&self, bucket: &str, versioning: Versioning) -> Result<()> {
        let call = Call::new("PutBucketVersioning", "PUT", bucket, "").query("versioning", "");
        let body = xml::write_versioning_configuration(versioning);
        self.run_for_nothing(&call.with_document(&body), Payload::Bytes(body.as_bytes()))
    }
}

impl Page for ListVersionsResult {
    fn entries(&self) -> usize {
        self.versions.len().saturating_add(self.common_prefixes.len())
    }
}

/// Returns the key marker of the next page, decoded.
///
/// AWS encodes the marker as it encodes keys, and other servers send it as it is. The marker is
/// usually an entry of the page, which shows the right form: the last one, but SeaweedFS lists the
/// delete markers of a page after all of its versions.
fn decoded_marker(page: &ListVersionsResult) -> Option<String> {
    let marker = page.next_key_marker.as_ref()?;
    let mut entries = page.versions.iter().map(|version| &version.key).chain(&page.common_prefixes);
    if page.encoding_type.is_none() || entries.any(|entry| entry == marker) {
        return Some(marker.clone());
    }
    let decoded = percent::decode(&marker.replace('+', " "));
    Some(decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| marker.clone()))
}

/// Returns whether `key` is a directory that contains the prefix. SeaweedFS lists the directories
/// of its file system above the prefix as versions, without being asked for them.
fn is_ancestor(key: &str, prefix: &str) -> bool {
    key.ends_with('/') && key != prefix && prefix.starts_with(key)
}

/// Finds where the listing continues after `page`.
fn next_page(page: &ListVersionsResult, seen: &mut Seen) -> Follow<Marker> {
    let named = page.next_key_marker.clone().filter(|key| !key.is_empty());
    let next = match (page.is_truncated, named) {
        (Some(false), _) | (None, None) => return Ok(None),
        (_, Some(key)) => {
            // Without a version, the next page would begin after all versions of the key.
            let last = page.versions.iter().rfind(|version| version.key == key);
            let version = page.next_version_id_marker.clone();
            (key, version.or_else(|| last.map(|version| version.version_id.clone())))
        }
        (Some(true), None) => match (greatest(&page.versions), page.common_prefixes.last()) {
            (Some(version), prefix) if prefix.is_none_or(|prefix| *prefix < version.key) => {
                (version.key.clone(), Some(version.version_id.clone()))
            }
            (_, Some(prefix)) => (prefix.clone(), None),
            _ => {
                return Err(
                    "the list of versions is truncated, but the server returned no marker and no \
                     entry",
                );
            }
        },
    };
    if seen.markers.insert(&next) {
        Ok(Some(next))
    } else {
        Err("the server gave the same version markers twice")
    }
}

/// Returns the last version of the greatest key.
fn greatest(versions: &[ObjectVersion]) -> Option<&ObjectVersion> {
    versions.iter().max_by(|one, other| one.key.cmp(&other.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a page with one version and a marker, as `marker` and `encoding` write them.
    fn page(key: &str, marker: &str, encoding: &str) -> ListVersionsResult {
        let body = format!(
            "<ListVersionsResult>{encoding}<IsTruncated>true</IsTruncated>\
             <NextKeyMarker>{marker}</NextKeyMarker><Version><Key>{key}</Key>\
             <VersionId>v</VersionId><IsLatest>true</IsLatest><Size>1</Size></Version>\
             </ListVersionsResult>"
        );
        xml::list_versions_result(body.as_bytes()).expect("a page")
    }

    #[test]
    fn a_key_marker_is_decoded_only_if_the_server_encoded_it() {
        const URL: &str = "<EncodingType>url</EncodingType>";
        for (key, marker, encoding, expected) in [
            ("a%2Bb", "a%2Bb", URL, "a+b"),
            ("a%2Bb", "a+b", URL, "a+b"),
            ("a+b", "a+b", URL, "a b"),
            ("a%25b", "a%b", URL, "a%b"),
            ("a%2Bb", "a%2Bb", "", "a%2Bb"),
            ("z", "100%", URL, "100%"),
        ] {
            let mut page = page(key, marker, encoding);
            assert_eq!(decoded_marker(&page).as_deref(), Some(expected), "{key} {marker}");
            let mut deleted = page.versions.clone();
            deleted.iter_mut().for_each(|version| version.key = "b".to_owned());
            page.versions.extend(deleted);
            assert_eq!(decoded_marker(&page).as_deref(), Some(expected), "{key} {marker}");
        }
    }

    #[test]
    fn a_listing_continues_from_the_markers_or_the_last_entry() {
        let next = |change: fn(&mut ListVersionsResult)| {
            let mut page = page("k", "k", "");
            page.next_version_id_marker = Some("v1".to_owned());
            change(&mut page);
            next_page(&page, &mut Seen::default())
        };
        let marker = |key: &str, version: Option<&str>| {
            Ok(Some((key.to_owned(), version.map(str::to_owned))))
        };
        assert_eq!(next(|_| ()), marker("k", Some("v1")));
        assert_eq!(next(|page| page.is_truncated = None), marker("k", Some("v1")));
        assert_eq!(next(|page| page.is_truncated = Some(false)), Ok(None));
        assert_eq!(next(|page| page.next_key_marker = None), marker("k", Some("v")));
        assert_eq!(
            next(|page| {
                page.next_key_marker = None;
                page.common_prefixes = vec!["l/".to_owned()];
            }),
            marker("l/", None)
        );
        assert!(
            next(|page| {
                page.next_key_marker = None;
                page.versions.clear();
            })
            .is_err()
        );
        assert_eq!(next(|page| page.next_version_id_marker = None), marker("k", Some("v")));
        assert_eq!(
            next(|page| {
                page.next_key_marker = Some("l/".to_owned());
                page.next_version_id_marker = None;
            }),
            marker("l/", None)
        );
        // A delete marker after the versions of the page.
        let with_marker = |page: &mut ListVersionsResult| {
            page.next_key_marker = None;
            let mut deleted = page.versions.clone();
            deleted.iter_mut().for_each(|version| version.key = "b".to_owned());
            page.versions.extend(deleted);
        };
        assert_eq!(next(with_marker), marker("k", Some("v")));
        let mut seen = Seen::default();
        assert!(next_page(&page("k", "k", ""), &mut seen).is_ok());
        assert!(next_page(&page("k", "k", ""), &mut seen).is_err(), "the server repeats itself");
    }
}
