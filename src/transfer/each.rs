//! The same work for many objects, some at once.
use super::{Transfer, parallel};
use crate::client::Client;
use crate::error::Result;

impl Transfer<'_> {
    /// Does `work` for each of `items`, as many at once as this transfer has parts, and gives the results back in their
    /// order: for many small objects, of which each costs a round trip. The client it hands to `work` must be used, so
    /// that what is under way ends with the first failure.
    ///
    /// To hear of every failure in place of the first one, let `work` return `Ok` of a result.
    ///
    /// # Errors
    /// The first that `work` returned; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
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
}
