//! Listings of a bucket.
use crate::failure::{Exit, Failure, Outcome};
use crate::location::S3Url;
use crate::tool::{Bucket, Tool};
use s3driver::client::ListObjects;
use s3driver::time::Timestamp;
use s3driver::xml::Object;

/// An object from a listing, or an object that was looked up by its key.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) last_modified: Option<Timestamp>,
    pub(crate) etag: Option<String>,
    pub(crate) storage_class: Option<String>,
}

impl From<Object> for Found {
    fn from(object: Object) -> Self {
        Self {
            key: object.key,
            size: object.size,
            last_modified: object.last_modified,
            etag: object.etag,
            storage_class: object.storage_class.as_deref().map(str::to_owned),
        }
    }
}

/// The numbers of pages and objects of a listing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listed {
    pub(crate) pages: u64,
    pub(crate) objects: u64,
}

/// Calls `visit` with every object below a location, which is treated as a directory, and with the
/// object that has exactly this key, if there is one.
///
/// # Errors
/// Fails with [`Exit::NotFound`] when nothing is stored at the location, unless it is the root of a
/// bucket, and with the first failure of `visit`.
pub(crate) fn visit_tree(
    tool: &Tool,
    bucket: &Bucket,
    at: &S3Url,
    visit: &mut dyn FnMut(Found) -> Outcome,
) -> Outcome<Listed> {
    let mut found = at.key.is_empty();
    if !at.is_written_as_directory()
        && let Some(object) = exact(bucket, at)?
    {
        found = true;
        visit(object)?;
    }
    let listed = visit_below(tool, bucket, at, visit)?;
    if found || listed.objects > 0 { Ok(listed) } else { Err(nothing_at(at)) }
}

/// Calls `visit` with every object below a location, which is treated as a directory.
///
/// # Errors
/// Fails with the first failure of `visit`.
pub(crate) fn visit_below(
    tool: &Tool,
    bucket: &Bucket,
    at: &S3Url,
    visit: &mut dyn FnMut(Found) -> Outcome,
) -> Outcome<Listed> {
    let mut listed = Listed::default();
    for object in objects_below(bucket, at, &mut listed) {
        tool.check_interrupted()?;
        visit(object?)?;
    }
    Ok(listed)
}

/// Returns the objects below a location, which is treated as a directory, and counts them and their
/// pages in `listed`.
pub(crate) fn objects_below<'a>(
    bucket: &Bucket,
    at: &S3Url,
    listed: &'a mut Listed,
) -> impl Iterator<Item = Outcome<Found>> + Send + use<'a> {
    let request = ListObjects::prefix(at.directory());
    let pages = bucket.client.objects(&bucket.name, request).pages();
    pages.flat_map(|page| {
        listed.pages = listed.pages.saturating_add(1);
        let (objects, error) = match page {
            Ok(page) => (page.contents, None),
            Err(error) => (Vec::new(), Some(Err(error.into()))),
        };
        listed.objects = listed.objects.saturating_add(objects.len() as u64);
        objects.into_iter().map(|object| Ok(object.into())).chain(error)
    })
}

/// Returns the object with exactly this key, if it exists.
pub(crate) fn exact(bucket: &Bucket, at: &S3Url) -> Outcome<Option<Found>> {
    match bucket.client.head_object(&bucket.name, &at.key, &Default::default()) {
        Ok(meta) => Ok(Some(Found {
            key: at.key.clone(),
            size: meta.size,
            last_modified: meta.last_modified,
            etag: meta.etag,
            storage_class: meta.storage_class,
        })),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the failure for a location at which nothing is stored.
pub(crate) fn nothing_at(at: &S3Url) -> Failure {
    Failure::new(Exit::NotFound, format!("nothing is stored at {at}"))
}

/// Formats a time for the output.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), Timestamp::iso8601)
}
