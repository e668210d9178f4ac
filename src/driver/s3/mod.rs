//! The S3 driver: maps paths to keys, and implements the registry's contract with S3 operations.
mod delete;
mod parameters;
mod probe;
mod store;
mod uploads;
mod walk;
mod write_stream;
mod writer;

#[cfg(feature = "serde")]
pub(crate) use parameters::Value;
pub use parameters::{
    LogLevel, OptionAlias, ParameterOption, ParameterValues, Parameters, ParametersBuilder,
    PartSizes, ProxySource,
};

use crate::cancel::Cancel;
use crate::client::{
    Client, Condition, Config, CopySource, GetObject, ListObjects, MAX_PART_SIZE, ObjectMeta,
    Presign, PresignMethod,
};
use crate::credentials::Provider;
use crate::driver::path::{check_directory, check_offset, check_path, not_found};
use crate::driver::walk::check_walk;
use crate::driver::{
    FileInfo, FileWriter, Method, PendingUploads, Purged, StorageDriver, UrlOptions, WalkOptions,
    WalkStep, WriteMode,
};
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::{CopyRanges, ReadAhead, copy_any_size, delete_copied};
use delete::delete_path;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::{DRIVER_NAME, RESERVED, Store, is_reserved};
use walk::walk_store;

/// How long a URL is valid by default, as in the registry's own driver.
const URL_LIFETIME: Duration = Duration::from_secs(20 * 60);

/// The limit of `get_content`, which is for small files: the largest object that one PutObject can
/// store.
const CONTENT_LIMIT: usize = if usize::BITS > 32 { MAX_PART_SIZE as usize } else { usize::MAX };

/// The limit for the names in one directory, in bytes; it allows for millions of names. The result
/// of `list` is held in memory.
const LIST_BYTES: usize = 512 << 20;

/// The storage driver for Amazon S3 and compatible services.
///
/// The driver is cheap to clone and can be shared between threads. It does not keep any state, so
/// any number of processes can share a bucket.
///
/// ```no_run
/// use s3driver::driver::{Parameters, S3Driver, StorageDriver};
///
/// let parameters = Parameters::from_pairs([
///     ("region", "eu-central-1"),
///     ("bucket", "docker.example.org"),
/// ])?;
/// let driver = S3Driver::new(&parameters)?;
/// driver.put_content("/hello", b"hello")?;
/// assert_eq!(driver.get_content("/hello")?, b"hello");
/// # Ok::<(), s3driver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct S3Driver {
    store: Arc<Store>,
}

impl S3Driver {
    /// Creates the driver with the keys in the parameters. Without keys, it uses those that AWS's
    /// default chain finds on this machine (see [`credentials`](crate::credentials)). No connection
    /// is opened; use [`S3Driver::probe`] for that.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if a certificate file cannot be read or the options contradict
    /// each other.
    pub fn new(parameters: &Parameters) -> Result<Self> {
        Ok(Self { store: Arc::new(Store::new(parameters, None, |config| config)?) })
    }

    /// Creates the driver with keys from `provider`.
    ///
    /// # Errors
    /// The errors of [`S3Driver::new`].
    pub fn with_credentials(parameters: &Parameters, provider: Arc<dyn Provider>) -> Result<Self> {
        Ok(Self { store: Arc::new(Store::new(parameters, Some(provider), |config| config)?) })
    }

    /// Creates the driver with a client configuration that `adjust` has modified. Use it for
    /// settings for which the registry has no option: timeouts, retries, a clock.
    ///
    /// ```no_run
    /// use s3driver::client::Timeouts;
    /// use s3driver::driver::{Parameters, S3Driver};
    /// use std::time::Duration;
    ///
    /// let parameters = Parameters::from_pairs([
    ///     ("region", "eu-central-1"),
    ///     ("bucket", "docker.example.org"),
    /// ])?;
    /// let timeouts = Timeouts::default().idle(Duration::from_secs(15));
    /// let driver = S3Driver::with_config(&parameters, |config| config.timeouts(timeouts))?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`S3Driver::new`].
    pub fn with_config(
        parameters: &Parameters,
        adjust: impl FnOnce(Config) -> Config,
    ) -> Result<Self> {
        Ok(Self { store: Arc::new(Store::new(parameters, None, adjust)?) })
    }

    /// Creates the driver like [`S3Driver::new`], and sends every request, including those for
    /// credentials, through `agent` (see [`Config::agent`]).
    ///
    /// # Errors
    /// The errors of [`S3Driver::new`], and [`ErrorKind::Configuration`] if the agent cannot be
    /// used.
    #[cfg(feature = "ureq")]
    pub fn with_agent(parameters: &Parameters, agent: ureq::Agent) -> Result<Self> {
        Self::with_config(parameters, |config| {
            let config = config.agent(agent);
            match parameters.credentials {
                Some(_) => config,
                // Requests to AWS's credential services also go through the agent.
                None => config.chain_credentials(),
            }
        })
    }

    /// Checks that the endpoint can be reached, that the credentials are valid, and that the bucket
    /// exists and may be listed, with one request. This is suitable as a health check because the
    /// error states what is wrong. It does not check whether objects can be read or written;
    /// [`S3Driver::probe_write`] does.
    pub fn probe(&self) -> Result<()> {
        let store = &*self.store;
        // The bucket is listed because the response to a HEAD request does not have a body that
        // states what is wrong.
        let request = ListObjects::prefix(store.prefix("/")).max_keys(1);
        store.client.first_page(&store.bucket, &request).map_err(|error| self.named(error))?;
        Ok(())
    }

    /// Returns a driver whose operations and writers end within a second after `cancel` is
    /// cancelled.
    #[must_use]
    pub fn with_cancel(&self, cancel: &Cancel) -> Self {
        let store =
            Store { client: self.store.client.with_cancel(cancel), ..(*self.store).clone() };
        Self { store: Arc::new(store) }
    }

    /// Returns the client that the driver uses.
    pub fn client(&self) -> &Client {
        &self.store.client
    }

    /// Returns the name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.store.bucket
    }

    /// Returns a driver for another root directory of the bucket, with the same client, credentials
    /// and limits. `""` and `/` are the root of the bucket.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a root that the option `rootdirectory` does not accept.
    pub fn with_root(&self, root: &str) -> Result<Self> {
        let parameters = Arc::new(self.store.parameters.with_root(root)?);
        Ok(Self { store: Arc::new(Store { parameters, ..(*self.store).clone() }) })
    }

    #[cfg(feature = "fuzzing")]
    pub(super) fn path_of_key(&self, key: &str) -> Option<String> {
        self.store.path(key)
    }

    fn named(&self, error: Error) -> Error {
        error.with_driver(DRIVER_NAME)
    }

    /// Returns the key of a path to read or remove. Paths reserved for the driver are reported as
    /// missing.
    fn checked(&self, path: &str) -> Result<String> {
        check_path(path).map_err(|error| self.named(error))?;
        if is_reserved(path) { Err(self.named(not_found(path))) } else { Ok(self.store.key(path)) }
    }

    /// Returns the key of a path to write to.
    fn checked_to_write(&self, path: &str) -> Result<String> {
        check_path(path).map_err(|error| self.named(error))?;
        if is_reserved(path) {
            let text = format!(
                "names that begin with {RESERVED} are reserved for the driver's own objects"
            );
            return Err(self.named(Error::new(ErrorKind::InvalidPath, text)).with_path(path));
        }
        Ok(self.store.key(path))
    }

    fn checked_offset(&self, path: &str, offset: i64) -> Result<u64> {
        check_offset(path, offset).map_err(|error| self.named(error))
    }

    /// Returns the object's metadata, or `None` if there is no object. Every other failure is an
    /// error: a missing permission does not mean a missing file.
    fn head(&self, key: &str, path: &str) -> Result<Option<ObjectMeta>> {
        match self.store.client.head_object(&self.store.bucket, key, &GetObject::default()) {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.kind() == ErrorKind::NoSuchKey => Ok(None),
            Err(error) => Err(self.store.error(error, path)),
        }
    }

    /// Reports whether a range was refused because the object ends at or before `offset`. The
    /// refusal alone is not sufficient evidence: the size in the response decides or, if the
    /// response does not contain it, the size in the response to a HEAD request.
    fn ends_before(&self, offset: u64, key: &str, refusal: &Error) -> bool {
        let store = &*self.store;
        let size = || {
            store
                .client
                .head_object(&store.bucket, key, &GetObject::default())
                .ok()
                .map(|meta| meta.size)
        };
        refusal.kind() == ErrorKind::InvalidRange
            && offset > 0
            && refusal.object_size().or_else(size).is_some_and(|size| size <= offset)
    }

    /// Reports whether anything is below `path`.
    fn is_directory(&self, path: &str) -> Result<bool> {
        if is_reserved(path) {
            return Ok(false);
        }

        let store = &*self.store;
        // The first key is nearly always that of a file. Checkpoints do not count, but there may be
        // many of them before the first file.
        let mut request = ListObjects::prefix(store.prefix(path)).max_keys(1);
        for _ in 0..2 {
            let mut hidden = None;
            let size = request.max_keys;
            for page in store.client.objects(&store.bucket, request).pages() {
                let page = page.map_err(|error| store.error(error, path))?;
                if page.contents.iter().any(|object| !store.is_reserved_key(&object.key)) {
                    return Ok(true);
                }
                hidden = page.contents.into_iter().next_back().map(|object| object.key).or(hidden);
                if size.is_some() && hidden.is_some() {
                    break;
                }
            }
            let (Some(_), Some(hidden)) = (size, hidden) else { return Ok(false) };
            request = ListObjects::prefix(store.prefix(path)).start_after(hidden);
        }

        Ok(false)
    }
}

impl StorageDriver for S3Driver {
    fn name(&self) -> &str {
        DRIVER_NAME
    }

    fn get_content(&self, path: &str) -> Result<Vec<u8>> {
        let key = self.checked(path)?;
        let store = &*self.store;
        store
            .client
            .get_object(&store.bucket, &key, &GetObject::default())
            .and_then(|reader| reader.read_all(CONTENT_LIMIT))
            .map_err(|error| store.error(error, path))
    }

    fn put_content(&self, path: &str, content: &[u8]) -> Result<()> {
        let key = self.checked_to_write(path)?;
        let store = &*self.store;
        store
            .client
            .put_object(&store.bucket, &key, content, &store.settings)
            .map_err(|e| store.error(e, path))?;
        Ok(())
    }

    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>> {
        let offset = self.checked_offset(path, offset)?;
        let key = self.checked(path)?;
        let store = &*self.store;
        match ReadAhead::open(
            &store.client,
            (&store.bucket, &key),
            offset,
            store.parameters.read_ahead,
            &store.memory,
        ) {
            Ok(reader) => Ok(Box::new(PathReader {
                reader,
                store: Arc::clone(&self.store),
                path: path.to_owned(),
            })),
            Err(error) if self.ends_before(offset, &key, &error) => Ok(Box::new(io::empty())),
            Err(error) => Err(store.error(error, path)),
        }
    }

    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>> {
        self.checked_to_write(path)?;
        writer::open_writer(&self.store, path, mode)
    }

    fn write_stream(&self, path: &str, offset: i64, reader: &mut dyn Read) -> Result<u64> {
        let offset = self.checked_offset(path, offset)?;
        self.checked_to_write(path)?;
        write_stream::write_stream(&self.store, path, offset, reader)
    }

    fn stat(&self, path: &str) -> Result<FileInfo> {
        if path != "/" {
            let key = self.checked(path)?;
            if let Some(meta) = self.head(&key, path)? {
                return Ok(FileInfo::file(
                    path,
                    meta.size,
                    meta.last_modified.map(SystemTime::from),
                ));
            }
        }

        // The root exists even if it is empty; the listing shows whether it can be accessed.
        if self.is_directory(path)? || path == "/" {
            Ok(FileInfo::directory(path))
        } else {
            Err(self.named(not_found(path)))
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        check_directory(path).map_err(|error| self.named(error))?;
        let store = &*self.store;
        let prefix = store.prefix(path);
        let mut children = Children {
            store,
            prefix: &prefix,
            found: BTreeSet::new(),
            bytes: 0,
            exists: path == "/",
        };

        let located = |error| store.error(error, path);
        // Lists all keys below the path first. If they fit on one page, a directory that contains
        // only checkpoints can be omitted.
        let all = store
            .client
            .first_page(&store.bucket, &ListObjects::prefix(&*prefix))
            .map_err(located)?;
        if !all.is_followed() {
            all.contents.iter().for_each(|object| children.add(&object.key));
        } else {
            for page in store
                .client
                .objects(&store.bucket, ListObjects::prefix(&*prefix).delimiter("/"))
                .pages()
            {
                let page = page.map_err(located)?;
                page.contents.iter().for_each(|object| children.add(&object.key));
                page.common_prefixes.iter().for_each(|directory| children.add(directory));
                children.check_size().map_err(located)?;
            }
        }

        let Children { found, exists, .. } = children;
        if exists { Ok(found.into_iter().collect()) } else { Err(self.named(not_found(path))) }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.checked(from)?, self.checked_to_write(to)?);
        let store = &*self.store;
        let Some(meta) = self.head(&source, from)? else {
            // The response to a HEAD does not state that the bucket is missing.
            let request = ListObjects::prefix(&*source).max_keys(1);
            let listed = store.client.first_page(&store.bucket, &request);
            return Err(listed
                .map_or_else(|error| store.error(error, from), |_| self.named(not_found(from))));
        };
        // S3 refuses to copy an object onto itself, and deleting it afterwards would lose it.
        if source == target {
            return Ok(());
        }
        let same = meta.etag.clone().map_or(Condition::Always, Condition::IfMatch);
        let original = CopySource::new(&store.bucket, &source).condition(&same);
        let copy = (&*store.bucket, &*target);
        let ranges = CopyRanges {
            threshold: store.parameters.multipart_copy_threshold_size,
            chunk_size: store.parameters.multipart_copy_chunk_size,
            concurrency: store.parameters.multipart_copy_max_concurrency,
        };

        match copy_any_size(&store.client, original, &meta, copy, &store.settings, ranges, &|_| {})
        {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                let text = "the file changed while it was being moved";
                Err(store.error(Error::new(ErrorKind::Conflict, text).with_source(error), from))
            }
            Err(error) => Err(store.error(error, from)),
            Ok(_) => {
                uploads::end_at(store, from)?;
                let (place, etag) = ((&*store.bucket, &*source), meta.etag.as_deref());
                delete_copied(&store.client, place, etag).map_err(|error| store.error(error, from))
            }
        }
    }

    fn delete(&self, path: &str) -> Result<()> {
        let key = self.checked(path)?;
        if delete_path(&self.store, path, &key)? {
            Ok(())
        } else {
            Err(self.named(not_found(path)))
        }
    }

    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        let key = self.checked(path)?;
        let store = &*self.store;
        let method = match options.method {
            Method::Get => PresignMethod::Get,
            Method::Head => PresignMethod::Head,
            _ => {
                let error = Error::new(ErrorKind::UnsupportedMethod, "unsupported method");
                return Err(store.error(error, path));
            }
        };

        let mut request = match options.expires_in {
            Some(expiry) => Presign::exactly(method, whole_seconds(expiry)),
            None => Presign::at_most(method, URL_LIFETIME),
        };

        if let Some(endpoint) = &store.parameters.redirect_endpoint {
            request = request.endpoint(endpoint);
        }

        store
            .client
            .presign(&store.bucket, &key, &request)
            .map(|url| url.url)
            .map_err(|e| store.error(e, path))
    }

    fn signs_urls(&self) -> bool {
        true
    }

    fn walk(
        &self,
        from: &str,
        options: &WalkOptions,
        visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Result<()> {
        let start = check_walk(from, options).map_err(|error| self.named(error))?;
        let concurrency = options.concurrency.unwrap_or(self.store.parameters.walk_concurrency);
        walk_store(&self.store, from, start, concurrency, visit)
    }

    fn pending_uploads(&self, path: &str) -> Result<PendingUploads> {
        check_directory(path).map_err(|error| self.named(error))?;
        Ok(uploads::pending(&self.store, path))
    }

    fn purge_uploads(&self, path: &str, age: Duration) -> Result<Purged> {
        check_directory(path).map_err(|error| self.named(error))?;
        uploads::purge(&self.store, path, age)
    }

    fn object_key(&self, path: &str) -> Option<String> {
        check_path(path).ok()?;
        Some(self.store.key(path))
    }
}

/// The paths directly below a directory, collected from the keys below it.
struct Children<'a> {
    store: &'a Store,
    prefix: &'a str,
    found: BTreeSet<String>,
    /// The total length of the paths found, in bytes.
    bytes: usize,
    exists: bool,
}

impl Children<'_> {
    /// Adds the child that a key represents or is in.
    fn add(&mut self, key: &str) {
        let Some(below) =
            key.strip_prefix(self.prefix).filter(|_| !self.store.is_reserved_key(key))
        else {
            return;
        };

        self.exists = true;
        let child = below.split('/').next().unwrap_or(below);
        // Directory markers and keys of other tools, which no path can name, are omitted.
        let Some(path) = self.store.path(&format!("{}{child}", self.prefix)) else { return };
        let length = path.len();
        if self.found.insert(path) {
            self.bytes = self.bytes.saturating_add(length);
        }
    }

    fn check_size(&self) -> Result<()> {
        if self.bytes <= LIST_BYTES {
            return Ok(());
        }
        let text = format!("the names in the directory have more than {LIST_BYTES} bytes in total");
        Err(Error::new(ErrorKind::InvalidArgument, text).with_hint("walk the directory instead"))
    }
}

/// Rounds a lifetime down to whole seconds, because a version 4 URL cannot express fractions and
/// must not be valid longer than requested. A lifetime below one second is kept for the error that
/// names it.
fn whole_seconds(expiry: Duration) -> Duration {
    if expiry.as_secs() == 0 { expiry } else { Duration::from_secs(expiry.as_secs()) }
}

/// A reader whose errors name the path.
struct PathReader {
    reader: ReadAhead,
    store: Arc<Store>,
    path: String,
}

impl Read for PathReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.pull(buffer).map_err(|error| self.store.error(error, &self.path).into())
    }
}
