//! The tokens of uploads that a later command can continue, in files below the user's directory for
//! state.
use crate::tool::Bucket;
use s3driver::transfer::UploadToken;
use sha2::{Digest as _, Sha256};
use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The directory below that of the user.
const FOLDER: &str = "s3driver/uploads";

/// The number of tokens that are kept. When there are more, the oldest are removed: their uploads
/// can still be found with `s3driver uploads list`.
const MOST_TOKENS: usize = 256;

/// The largest file that is read: a token with the longest key, each byte of it escaped.
const LONGEST_TOKEN: u64 = 16 << 10;

/// The number of digits of a file's name: 128 bits of a digest.
const NAME: usize = 32;

/// The file with the token of one upload: of one local file, to one key, with certain settings.
/// While it is open, no other process uses it.
pub(crate) struct UploadState {
    file: File,
    path: PathBuf,
}

impl UploadState {
    /// Opens the state of an upload. Returns `None` where no state can be kept: without a directory
    /// of the user that can be written to, or while another process has this state.
    pub(crate) fn open(source: &Path, bucket: &Bucket, key: &str) -> Option<Self> {
        let folder = folder()?;
        let name = name(source, bucket, key)?;
        create(&folder).ok()?;
        let path = folder.join(name);
        let file = options().open(&path).ok()?;
        file.try_lock().ok()?;
        remove_oldest(&folder, &path);
        Some(Self { file, path })
    }

    /// Returns the token that an earlier process has stored.
    pub(crate) fn token(&mut self) -> Option<UploadToken> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        (&self.file).take(LONGEST_TOKEN).read_to_string(&mut text).ok()?;
        text.trim_end().parse().ok()
    }

    pub(crate) fn store(&mut self, token: &UploadToken) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(format!("{token}\n").as_bytes())?;
        self.file.sync_data()
    }

    /// Removes the token of an upload that has ended.
    pub(crate) fn remove(self) {
        // The token of an upload that no longer exists does no harm: the next one begins again.
        drop(fs::remove_file(&self.path));
    }
}

/// Returns the directory of the tokens, as the
/// [XDG Base Directory Specification](https://specifications.freedesktop.org/basedir-spec/latest/)
/// places it; on Windows, that of local application data.
fn folder() -> Option<PathBuf> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else {
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
    };
    Some(base?.join(FOLDER))
}

/// Returns a name for everything that makes two uploads one: the local file, the server, the
/// bucket, the key, and the settings, which are fixed when an upload begins.
fn name(source: &Path, bucket: &Bucket, key: &str) -> Option<String> {
    let source = fs::canonicalize(source).ok()?;
    let server = bucket.parameters.endpoint.locate(&bucket.name).ok()?.root_url();
    let settings = format!("{:?}", bucket.settings);
    let mut digest = Sha256::new();
    let parts = [source.as_os_str().as_encoded_bytes(), server.as_bytes(), bucket.name.as_bytes()];
    for part in parts.into_iter().chain([key.as_bytes(), settings.as_bytes()]) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize()).get(..NAME).map(|name| format!("{name}.json"))
}

fn create(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Removes the oldest files of a directory that has too many, but not `kept`.
fn remove_oldest(folder: &Path, kept: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(MOST_TOKENS);
    for (_, path) in files.iter().filter(|(_, path)| path != kept).take(surplus) {
        // Another process may have removed it.
        drop(fs::remove_file(path));
    }
}
