//! Listings of a bucket.
use crate::failure::{Exit, Failure, Outcome};
use crate::location::S3Url;
use crate::tool::{Bucket, Tool};
use s3driver::client::ListObjects;
use s3driver::time::Timestamp;
use s3driver::xml::Object;

/// Calls `visit` with every object below a location, which is taken for a directory, and with the object of exactly
/// this key, if there is one.
///
/// # Errors
/// [`Exit::NotFound`] when nothing is there, except at the root of a bucket; the first failure of `visit`.
pub(crate) fn visit_tree(
    tool: &Tool,
    bucket: &Bucket,
    at: &S3Url,
    visit: &mut dyn FnMut(Object) -> Outcome,
) -> Outcome {
    let mut found = at.key.is_empty();
    if !at.is_written_as_directory()
        && let Some(object) = exact(bucket, at)?
    {
        found = true;
        visit(object)?;
    }
    let request = ListObjects::prefix(at.directory());
    for page in bucket.client.objects(&bucket.name, request).pages() {
        for object in page?.contents {
            tool.check_interrupted()?;
            found = true;
            visit(object)?;
        }
    }
    if found { Ok(()) } else { Err(nothing_at(at)) }
}

/// Returns the object with exactly this key.
pub(crate) fn exact(bucket: &Bucket, at: &S3Url) -> Outcome<Option<Object>> {
    match bucket.client.head_object(&bucket.name, &at.key, &Default::default()) {
        Ok(meta) => {
            let mut object = Object::new(&*at.key, meta.size);
            object.last_modified = meta.last_modified;
            object.etag = meta.etag;
            object.storage_class = meta.storage_class;
            Ok(Some(object))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The failure for a location with nothing at it.
pub(crate) fn nothing_at(at: &S3Url) -> Failure {
    Failure::new(Exit::NotFound, format!("nothing is stored at {at}"))
}

/// Returns a time as it is printed.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), Timestamp::iso8601)
}
