//! Repeats a listing whose objects are removed while it is read.
use crate::error::{Error, ErrorKind};

/// The maximum number of passes. On a server that pages by position, each pass over several pages
/// may miss half of the keys, so this suffices for a thousand million. A program that stores
/// objects at the same time could otherwise keep a removal running forever.
const PASSES: u32 = 20;

/// The result of one pass of [`repeat_removal`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovalPass {
    /// The number of pages that were listed.
    pub pages: u64,
    /// The number of objects that were removed, by deleting or by moving them.
    pub removed: u64,
}

/// Calls `pass`, which lists the objects below a prefix and removes them, until nothing is left,
/// and returns how many objects were removed. The place consists of a bucket and a prefix, which
/// the error names.
///
/// Some servers page by position: a removal moves later keys into a page that was already listed,
/// and the listing misses them. A pass over several pages is therefore followed by another one,
/// until a pass removes nothing. All removals of a pass must be finished when it returns.
/// [`Transfer::delete_prefix`](super::Transfer::delete_prefix) uses this rule.
///
/// ```no_run
/// use s3driver::Error;
/// use s3driver::client::{Client, DeleteObject, ListObjects};
/// use s3driver::transfer::{RemovalPass, repeat_removal};
///
/// let client = Client::from_env()?;
/// let removed = repeat_removal(("bucket", "logs/2024/"), || {
///     let mut pass = RemovalPass::default();
///     for page in client.objects("bucket", ListObjects::prefix("logs/2024/")).pages() {
///         pass.pages += 1;
///         for object in page?.contents {
///             client.delete_object("bucket", &object.key, &DeleteObject::default())?;
///             pass.removed += 1;
///         }
///     }
///     Ok::<_, Error>(pass)
/// })?;
/// println!("{removed} objects were removed");
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// The first error of `pass`; [`ErrorKind::Conflict`] if there are more and more objects, because
/// they are stored as fast as they are removed.
pub fn repeat_removal<E: From<Error>>(
    (bucket, prefix): (&str, &str),
    mut pass: impl FnMut() -> Result<RemovalPass, E>,
) -> Result<u64, E> {
    let mut removed = 0_u64;
    for _ in 0..PASSES {
        let passed = pass()?;
        removed = removed.saturating_add(passed.removed);
        if passed.removed == 0 || passed.pages <= 1 {
            return Ok(removed);
        }
    }
    let text = format!(
        "{removed} objects below {prefix:?} were removed in {PASSES} listings, and each listing \
         returned others"
    );
    Err(Error::new(ErrorKind::Conflict, text)
        .with_bucket(bucket)
        .with_hint("stop the programs that store objects there, and try again")
        .into())
}
