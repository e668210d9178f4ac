//! Repeats an operation for many objects, several at the same time.
use super::{Transfer, parallel};
use crate::client::Client;
use crate::error::Result;

impl Transfer<'_> {
    /// Calls `work` for each of `items`, as many at the same time as this transfer has parts, and
    /// returns the results in order. This is meant for many small objects, each of which costs a
    /// round trip. `work` must use the client that it receives, so that running calls end after the
    /// first failure.
    ///
    /// To receive every failure instead of only the first one, let `work` return `Ok` with a result
    /// inside.
    ///
    /// # Errors
    /// The first error of `work`; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    ///
    /// ```no_run
    /// use s3driver::client::{Client, Config, Endpoint, GetObject};
    /// use s3driver::transfer::Transfer;
    ///
    /// let client = Client::new(Config::new(Endpoint::region("eu-central-1")?))?;
    /// let links = ["tags/1.0/link", "tags/1.1/link"];
    /// let digests = Transfer::new(&client).each(&links, |client, key| {
    ///     client.get_object("registry", key, &GetObject::default())?.read_all(1 << 10)
    /// })?;
    /// assert_eq!(digests.len(), links.len());
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    pub fn each<I: Sync, T: Send>(
        &self,
        items: &[I],
        work: impl Fn(&Client, &I) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let (client, cancel) = self.client.with_child_cancel();
        parallel::for_each(items.len(), self.concurrency, &cancel, |index| {
            work(&client, &items[index])
        })
    }

    /// Calls `work` for each of `items` like [`Transfer::each`], and takes the items one at a time
    /// as threads become free: they can be the pages of a listing, or what another thread finds. An
    /// error from the iterator counts as a failure of `work`.
    ///
    /// If `work` removes the objects of a listing, list again: see
    /// [`repeat_removal`](super::repeat_removal).
    ///
    /// # Errors
    /// The first error of `work` or of `items`;
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    ///
    /// ```no_run
    /// use s3driver::client::{Client, GetObject, ListObjects};
    /// use s3driver::transfer::Transfer;
    ///
    /// let client = Client::from_env()?;
    /// let logs = client.objects("bucket", ListObjects::prefix("logs/2024/"));
    /// Transfer::new(&client).each_taken(logs, |client, object| {
    ///     let meta = client.head_object("bucket", &object.key, &GetObject::default())?;
    ///     println!("{}: {:?}", object.key, meta.content_type);
    ///     Ok(())
    /// })?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    pub fn each_taken<I: Send>(
        &self,
        items: impl Iterator<Item = Result<I>> + Send,
        work: impl Fn(&Client, I) -> Result<()> + Sync,
    ) -> Result<()> {
        let (client, cancel) = self.client.with_child_cancel();
        parallel::for_each_taken(items, self.concurrency, &cancel, |item| work(&client, item))
    }
}
