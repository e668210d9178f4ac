//! The cleanup after a writer that ends without success.
use crate::cancel::Cancel;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result, catch_panic};
use std::sync::mpsc;
use std::time::Duration;

/// The time limit for a cleanup: neither dropping nor cancelling a writer must hang because of an
/// unresponsive server. A cancellation can be repeated.
const CLEANUP_LIMIT: Duration = Duration::from_secs(10);

/// Calls `work` with a clone of `client` that no other token cancels, and that is cancelled after
/// [`CLEANUP_LIMIT`].
pub(crate) fn clean_up(
    client: &Client,
    work: impl FnOnce(&Client) -> Result<()> + Send,
) -> Result<()> {
    let cancel = Cancel::new();
    let client = client.with_cancel(&cancel);
    std::thread::scope(|scope| {
        let (done, result) = mpsc::channel();
        std::thread::Builder::new()
            .name("s3driver-cleanup".to_owned())
            .spawn_scoped(scope, move || done.send(catch_panic("cleaning up", || work(&client))))
            .map_err(|error| {
                Error::new(ErrorKind::LocalIo, "no thread to clean up").with_source(error)
            })?;
        result.recv_timeout(CLEANUP_LIMIT).or_else(|_| {
            cancel.cancel();
            result.recv().map_err(|_| Error::new(ErrorKind::Timeout, "cleaning up took too long"))
        })?
    })
}
