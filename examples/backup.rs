//! A backup tool that stores files under ordinary keys of a bucket. It uploads changed files,
//! resumes interrupted uploads, lists backups, restores files after verification, and removes old
//! ones.
//!
//! ```sh
//! export AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 AWS_REGION=us-east-1   # or AWS's own, by region
//! cargo run --example backup -- push FOLDER BUCKET PREFIX/
//! cargo run --example backup -- list BUCKET PREFIX/
//! cargo run --example backup -- restore BUCKET PREFIX/ FOLDER
//! cargo run --example backup -- prune BUCKET PREFIX/ DAYS
//! ```
use s3driver::client::{Client, ListObjects, ObjectSettings};
use s3driver::time::Timestamp;
use s3driver::transfer::{Compare, LocalFile, Progress, Transfer, UploadToken};
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: backup push FOLDER BUCKET PREFIX/ | list BUCKET PREFIX/ | \
    restore BUCKET PREFIX/ FOLDER | prune BUCKET PREFIX/ DAYS";

/// The minimum size of files whose upload is resumed after an interruption. Smaller files are sent
/// again.
const RESUMABLE: u64 = 64 << 20;

/// The age from which an unfinished upload counts as abandoned. It is longer than any upload takes.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&Client::from_env()?, &arguments)
}

/// Runs the command that the arguments specify.
pub(crate) fn run(client: &Client, arguments: &[&str]) -> Result {
    match arguments {
        ["push", folder, bucket, prefix] => push(client, Path::new(folder), bucket, prefix),
        ["list", bucket, prefix] => list(client, bucket, prefix),
        ["restore", bucket, prefix, folder] => restore(client, bucket, prefix, Path::new(folder)),
        ["prune", bucket, prefix, days] => prune(client, bucket, prefix, days.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn push(client: &Client, folder: &Path, bucket: &str, prefix: &str) -> Result {
    let shown = |progress: Progress| eprint!("\r{} of {} bytes", progress.bytes, progress.total);
    let transfer = Transfer::new(client).progress(&shown);
    let settings = ObjectSettings::default();
    for found in transfer.compare(folder, bucket, prefix, Compare::default())? {
        // If the file no longer exists, only the object is left, which `prune` will remove.
        let Some(file) = found.file else { continue };
        let key = format!("{prefix}{}", found.name);
        if file.size < RESUMABLE {
            transfer.upload_file(&file.path, bucket, &key, &settings)?;
        } else {
            // Files are sent one after another, so a single token suffices. It is stored next to
            // the folder.
            send(&transfer, &file, (bucket, &key), &folder.with_extension("upload"))?;
        }
        eprintln!("\r{key}: {} bytes", file.size);
    }
    Ok(())
}

/// Uploads a large file, and resumes the upload of an earlier process that was interrupted.
fn send(
    transfer: &Transfer<'_>,
    file: &LocalFile,
    (bucket, key): (&str, &str),
    state: &Path,
) -> Result {
    let settings = ObjectSettings::default();
    let earlier = fs::read_to_string(state).ok().and_then(|text| text.parse::<UploadToken>().ok());
    let resumed = earlier
        .filter(|token| (token.upload().bucket, token.upload().key) == (bucket, key))
        .and_then(|token| transfer.resume(&token, &settings).ok());
    let mut writer = resumed.unwrap_or_else(|| transfer.writer(bucket, key, &settings));
    fs::write(state, writer.token()?.to_string())?;
    io::copy(&mut File::open(&file.path)?, &mut writer)?;
    writer.finish()?;
    Ok(fs::remove_file(state)?)
}

fn list(client: &Client, bucket: &str, prefix: &str) -> Result {
    for object in client.objects(bucket, ListObjects::prefix(prefix)) {
        let object = object?;
        let stored = object.last_modified.map(|time| time.to_string()).unwrap_or_default();
        println!("{:>14} {stored:>24} {}", object.size, object.key);
    }
    Ok(())
}

fn restore(client: &Client, bucket: &str, prefix: &str, folder: &Path) -> Result {
    let transfer = Transfer::new(client);
    fs::create_dir_all(folder)?;
    for found in transfer.compare(folder, bucket, prefix, Compare::Content)? {
        let Some(object) = &found.object else { continue };
        // A key such as `../x` would leave the folder.
        let Some(path) = found.path_in(folder) else {
            eprintln!("{}: skipped because the key is not a valid path", object.key);
            continue;
        };
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let restored = transfer.download_to_file(bucket, &object.key, &path)?;
        eprintln!("{}: {} bytes, verified by {:?}", object.key, restored.bytes, restored.verified);
    }
    Ok(())
}

fn prune(client: &Client, bucket: &str, prefix: &str, days: u64) -> Result {
    let transfer = Transfer::new(client);
    let now = Timestamp::from(SystemTime::now());
    let age = Duration::from_secs(days.saturating_mul(24 * 3600));
    let old = client.objects(bucket, ListObjects::prefix(prefix)).filter(|object| match object {
        Ok(object) => object.last_modified.is_some_and(|stored| stored.plus(age) < now),
        Err(_) => true,
    });
    let deleted = transfer.delete_listed(bucket, old)?;
    let aborted = transfer.abort_uploads(bucket, prefix, ABANDONED)?;
    eprintln!("{deleted} objects deleted, {aborted} abandoned uploads aborted");
    Ok(())
}
