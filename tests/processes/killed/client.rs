//! Tests of the operations of the client and of its transfers.

use super::trial::Trial;
use crate::writing::{PART, bytes};
use s3driver::client::{
    Client, Condition, CopySource, CreateBucket, HELD_BODY, ObjectSettings, UploadRef,
};
use s3driver::driver::S3Driver;
use s3driver::transfer::Transfer;
use s3driver::{ErrorKind, Result};
use std::fs;
use std::io::Write;
use std::path::Path;

const LARGE: usize = 2 * PART + 9;

fn settings() -> ObjectSettings {
    ObjectSettings::default()
}

#[test]
fn put_object() {
    let (old, new) = (bytes(1, 0, 3000), bytes(2, 0, 2000));
    Trial::new("killed::client::put_object")
        .before([("/file", &old)])
        .after([("/file", &new)])
        .run(|driver, _| {
            driver.client().put_object(driver.bucket(), "file", &new, &settings()).map(drop)
        });
}

#[test]
fn put_object_from() {
    let length = HELD_BODY + 2000;
    let (old, new) = (bytes(3, 0, 3000), bytes(4, 0, length as usize));
    Trial::new("killed::client::put_object_from")
        .before([("/file", &old)])
        .after([("/file", &new)])
        .run(|driver, _| {
            driver
                .client()
                .put_object_from(driver.bucket(), "file", &mut &*new, length, &settings())
                .map(drop)
        });
}

#[test]
fn put_object_if_absent() {
    let content = bytes(5, 0, 2000);
    Trial::new("killed::client::put_object_if_absent").after([("/file", &content)]).run(
        |driver, _| {
            let absent = settings().condition(Condition::IfAbsent);
            match driver.client().put_object(driver.bucket(), "file", &content, &absent) {
                // An earlier process has created the object.
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => Ok(()),
                result => result.map(drop),
            }
        },
    );
}

#[test]
fn copy_object() {
    let (content, old) = (bytes(6, 0, 2000), bytes(7, 0, 1000));
    Trial::new("killed::client::copy_object")
        .before([("/copy", &old)])
        .after([("/copy", &content)])
        .kept([("/file", &content)])
        .run(|driver, _| {
            let source = CopySource::new(driver.bucket(), "file");
            driver.client().copy_object(source, driver.bucket(), "copy", &settings()).map(drop)
        });
}

#[test]
fn delete_object() {
    let content = bytes(8, 0, 2000);
    Trial::new("killed::client::delete_object").before([("/file", &content)]).run(|driver, _| {
        driver.client().delete_object(driver.bucket(), "file", &Default::default()).map(drop)
    });
}

#[test]
fn delete_objects() {
    let content = bytes(9, 0, 2000);
    Trial::new("killed::client::delete_objects")
        .before([("/x", &content), ("/y", &content)])
        .kept([("/z", &content)])
        .run(|driver, _| driver.client().delete_objects(driver.bucket(), &["x", "y"]).map(drop));
}

/// Starts a multipart upload of `file`, and calls `work` with it.
fn upload(driver: &S3Driver, work: impl Fn(&Client, UploadRef<'_>) -> Result<()>) -> Result<()> {
    let (client, bucket, key) = (driver.client(), driver.bucket(), "file");
    let upload_id = client.create_multipart_upload(bucket, key, &settings())?;
    work(client, UploadRef { bucket, key, upload_id: &upload_id })
}

#[test]
fn create_multipart_upload() {
    Trial::new("killed::client::create_multipart_upload")
        .leaves(1)
        .run(|driver, _| upload(driver, |_, _| Ok(())));
}

#[test]
fn complete_multipart_upload() {
    let content = bytes(10, 0, PART + 100);
    Trial::new("killed::client::complete_multipart_upload").after([("/file", &content)]).run(
        |driver, _| {
            upload(driver, |client, upload| {
                let parts = [
                    client.upload_part(upload, 1, &content[..PART])?,
                    client.upload_part(upload, 2, &content[PART..])?,
                ];
                client.complete_multipart_upload(upload, &parts, &Condition::Always).map(drop)
            })
        },
    );
}

#[test]
fn abort_multipart_upload() {
    let content = bytes(11, 0, 100);
    Trial::new("killed::client::abort_multipart_upload").run(|driver, _| {
        upload(driver, |client, upload| {
            client.upload_part(upload, 1, &content)?;
            client.abort_multipart_upload(upload)
        })
    });
}

#[test]
fn list_parts_and_uploads() {
    let content = bytes(12, 0, 100);
    Trial::new("killed::client::list_parts_and_uploads").leaves(1).run(|driver, _| {
        upload(driver, |client, upload| {
            client.upload_part(upload, 1, &content)?;
            client.parts(upload).pages().try_for_each(|page| page.map(drop))?;
            client.uploads(upload.bucket, "").pages().try_for_each(|page| page.map(drop))
        })
    });
}

/// The bucket either exists or does not, and other buckets are unchanged.
#[test]
fn create_and_delete_bucket() {
    let content = bytes(13, 0, 100);
    Trial::new("killed::client::create_and_delete_bucket").kept([("/file", &content)]).run(
        |driver, _| {
            let client = driver.client();
            match client.create_bucket("another", &CreateBucket::default()) {
                Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => {}
                result => result?,
            }
            client.head_bucket("another")?;
            client.get_bucket_location("another")?;
            client.delete_bucket("another")
        },
    );
}

fn file(folder: &Path, content: &[u8]) -> std::path::PathBuf {
    let path = folder.join("file");
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn upload_file() {
    let (old, new) = (bytes(14, 0, 100), bytes(15, 0, LARGE));
    Trial::new("killed::client::upload_file")
        .before([("/file", &old)])
        .after([("/file", &new)])
        .run(|driver, folder| {
            let transfer = Transfer::new(driver.client()).part_size(PART as u64);
            transfer.upload_file(file(folder, &new), driver.bucket(), "file", &settings()).map(drop)
        });
}

#[test]
fn copy() {
    let content = bytes(16, 0, LARGE);
    Trial::new("killed::client::copy")
        .after([("/copy", &content)])
        .kept([("/file", &content)])
        .run(|driver, _| {
            let source = CopySource::new(driver.bucket(), "file");
            let transfer = Transfer::new(driver.client()).part_size(PART as u64);
            transfer.copy(source, driver.bucket(), "copy", &settings()).map(drop)
        });
}

/// The local file gets its name only once it is complete.
#[test]
fn download_to_file() {
    let content = bytes(17, 0, LARGE);
    Trial::new("killed::client::download_to_file")
        .reads()
        .kept([("/file", &content)])
        .looking(|folder| {
            if let Ok(read) = fs::read(folder.join("file")) {
                assert!(read == content, "an incomplete file has the final name");
            }
            let mut others = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert!(others.all(|name| name == "file"
                || (name.starts_with(".s3driver-") && name.ends_with(".part"))));
        })
        .run(|driver, folder| {
            let transfer = Transfer::new(driver.client()).part_size(PART as u64);
            transfer.download_to_file(driver.bucket(), "file", folder.join("file"))?;
            assert!(fs::read(folder.join("file")).unwrap() == content);
            Ok(())
        });
}

/// A token in the folder lets the next process continue.
#[test]
fn resumable_upload() {
    let content = bytes(15, 0, LARGE);
    Trial::new("killed::client::resumable_upload").after([("/file", &content)]).run(
        |driver, folder| {
            let (transfer, settings) =
                (Transfer::new(driver.client()).part_size(PART as u64), settings());
            let place = folder.join("token");
            let resumed = match fs::read_to_string(&place) {
                Ok(text) => match transfer.resume(&text.parse().unwrap(), &settings) {
                    // The upload was completed, or was removed as an abandoned one.
                    Err(error) if error.kind() == ErrorKind::NoSuchUpload => None,
                    resumed => Some(resumed?),
                },
                Err(_) => None,
            };
            let mut writer =
                resumed.unwrap_or_else(|| transfer.writer(driver.bucket(), "file", &settings));
            fs::write(&place, writer.token()?.to_string()).unwrap();
            writer.write_all(&content)?;
            writer.finish().map(drop)
        },
    );
}

#[test]
fn stream_of_unknown_length() {
    let (old, new) = (bytes(16, 0, 3000), bytes(17, 0, LARGE));
    Trial::new("killed::client::stream_of_unknown_length")
        .before([("/file", &old)])
        .after([("/file", &new)])
        .run(|driver, _| {
            let transfer = Transfer::new(driver.client()).part_size(PART as u64);
            transfer.upload(&new[..], driver.bucket(), "file", &settings()).map(drop)
        });
}
