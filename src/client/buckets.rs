//! Listings of buckets.
use super::Client;
use super::body::Payload;
use super::entries::Entries;
use super::listing::{filled, has_prefix};
use super::pages::{Follow, Page, Pages, Seen};
use super::request::Call;
use crate::error::Result;
use crate::xml::{self, Bucket, ListAllMyBucketsResult};

/// The size of the pages that [`Client::buckets`] requests. S3 only returns pages if the request
/// limits them, and refuses to list more than 10,000 buckets at once.
const BUCKETS_IN_PAGE: u32 = 1_000;

/// A selection of buckets to list. The default is all buckets of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListBuckets {
    /// The prefix of the names.
    pub prefix: String,
    /// The region of the buckets. Servers that do not support this parameter list all buckets, and
    /// those whose region they do not state cannot be left out.
    pub region: Option<String>,
    /// The maximum number of buckets in a page, 1 to 10,000; `None` leaves it to the server.
    pub max_buckets: Option<u32>,
}

impl ListBuckets {
    /// Selects buckets whose names begin with a prefix.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// Selects the buckets of a region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Requests pages of at most this many buckets.
    #[must_use]
    pub const fn max_buckets(mut self, buckets: u32) -> Self {
        self.max_buckets = Some(buckets);
        self
    }

    /// Returns whether a bucket is selected. Servers that do not support the parameters list all of
    /// them.
    fn selects(&self, bucket: &Bucket) -> bool {
        let region = self.region.as_deref().zip(bucket.region.as_deref());
        has_prefix(&bucket.name, &self.prefix) && region.is_none_or(|(asked, is)| asked == is)
    }
}

impl Client {
    /// Returns one page of [ListBuckets]: the buckets of the account that the credentials belong
    /// to. `token` is the `continuation_token` of the previous page.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the endpoint is AWS's
    /// for Transfer Acceleration, which does not list buckets.
    ///
    /// [ListBuckets]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
    pub fn list_buckets(
        &self,
        request: &ListBuckets,
        token: Option<&str>,
    ) -> Result<ListAllMyBucketsResult> {
        let call = Call::new("ListBuckets", "GET", "", "")
            .maybe_query("bucket-region", request.region.as_deref())
            .maybe_query("continuation-token", token)
            .maybe_query("max-buckets", request.max_buckets.map(|buckets| buckets.to_string()))
            .maybe_query("prefix", filled(&request.prefix));
        let mut page = self.run_for_document(
            &call,
            Payload::Empty,
            (xml::page_of_buckets, xml::MAX_LISTING_BYTES),
        )?;
        page.buckets.retain(|bucket| request.selects(bucket));
        Ok(page)
    }

    /// Returns an iterator over the buckets of the account, with ListBuckets.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ListBuckets};
    ///
    /// for bucket in Client::from_env()?.buckets(ListBuckets::prefix("registry-")) {
    ///     println!("{}", bucket?.name);
    /// }
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    pub fn buckets(&self, mut request: ListBuckets) -> Entries<ListAllMyBucketsResult, Bucket> {
        request.max_buckets.get_or_insert(BUCKETS_IN_PAGE);
        let client = self.clone();
        let pages = Pages::new(
            self,
            move |token: Option<&String>| client.list_buckets(&request, token.map(String::as_str)),
            |page, _, seen| next_page(page, seen),
            |error| error.with_operation("ListBuckets"),
        );
        Entries::new(pages, |page| page.buckets)
    }
}

impl Page for ListAllMyBucketsResult {
    fn entries(&self) -> usize {
        self.buckets.len()
    }
}

/// Finds the token of the page after `page`.
fn next_page(page: &ListAllMyBucketsResult, seen: &mut Seen) -> Follow<String> {
    match &page.continuation_token {
        None => Ok(None),
        Some(token) if seen.markers.insert(token) => Ok(Some(token.clone())),
        Some(_) => Err("the server gave the same continuation token twice"),
    }
}
