//! Tests of writers, streams and transfers on every available server: the embedded one, or the one
//! that the environment names (see `support/target.rs`).

use crate::support::target::on_every_target;
use crate::writing::{PART, bytes};
use s3driver::ErrorKind;
use s3driver::client::{CopySource, ObjectSettings, UploadRef};
use s3driver::driver::{S3Driver, StorageDriver, WriteMode};
use s3driver::transfer::Transfer;
use std::io::{Read, Write};
use std::time::Duration;
use tempfile::TempDir;

/// Asserts that no unfinished file is left below the driver's root.
#[track_caller]
fn assert_nothing_pending(driver: &S3Driver, root: &str) {
    let uploads: Vec<_> =
        driver.pending_uploads("/").unwrap().map(|upload| upload.unwrap().path).collect();
    assert_eq!(uploads, [""; 0]);
    let below = s3driver::client::ListObjects::prefix(format!("{root}/"));
    let objects = driver
        .client()
        .objects(driver.bucket(), below)
        .pages()
        .flat_map(|page| page.unwrap().contents);
    let kept: Vec<_> =
        objects.map(|object| object.key).filter(|key| key.contains("/.s3driver-")).collect();
    assert_eq!(kept, [""; 0]);
}

fn read(driver: &S3Driver, path: &str) -> Vec<u8> {
    let mut content = Vec::new();
    driver.reader(path, 0).unwrap().read_to_end(&mut content).unwrap();
    content
}

#[test]
fn closed_files_are_resumed_and_committed_completely() {
    on_every_target("closed_files_are_resumed_and_committed_completely", |target| {
        let root = target.scratch("writer");
        let all = bytes(1, 0, 4 * PART);
        for (index, sizes) in
            [&[0, 0][..], &[0, 10], &[10, PART], &[PART, 1], &[PART + 1, PART], &[3, 2 * PART, 5]]
                .into_iter()
                .enumerate()
        {
            let path = format!("/dir/{index}");
            let mut at = 0;
            for (step, size) in sizes.iter().enumerate() {
                let driver = target.driver(&root);
                let mode = if step == 0 { WriteMode::Create } else { WriteMode::Append };
                let mut writer = driver.writer(&path, mode).unwrap();
                assert_eq!(writer.size(), at as u64);
                writer.write_all(&all[at..at + size]).unwrap();
                at += size;
                if step + 1 == sizes.len() {
                    writer.commit().unwrap();
                } else {
                    writer.close().unwrap();
                    assert_eq!(driver.stat(&path).unwrap_err().kind(), ErrorKind::PathNotFound);
                }
            }
            assert!(read(&target.driver(&root), &path) == all[..at], "{sizes:?}");
        }
        let driver = target.driver(&root);
        assert_nothing_pending(&driver, &root);
        driver.delete("/dir").unwrap();
    });
}

#[test]
fn unfinished_files_are_cancelled_dropped_found_and_purged() {
    on_every_target("unfinished_files_are_cancelled_dropped_found_and_purged", |target| {
        let root = target.scratch("writer");
        let driver = target.driver(&root);
        let content = bytes(2, 0, PART + 9);
        let close = |path: &str| {
            let mut writer = driver.writer(path, WriteMode::Create).unwrap();
            writer.write_all(&content).unwrap();
            writer.close().unwrap();
        };
        close("/cancelled");
        driver.writer("/cancelled", WriteMode::Append).unwrap().cancel().unwrap();
        close("/dropped");
        drop(driver.writer("/dropped", WriteMode::Append).unwrap());
        assert_eq!(
            driver.writer("/dropped", WriteMode::Append).unwrap().size(),
            content.len() as u64
        );
        driver.delete("/dropped").unwrap();
        assert_nothing_pending(&driver, &root);

        close("/purged");
        let found: Vec<_> = driver.pending_uploads("/").unwrap().map(Result::unwrap).collect();
        let found: Vec<_> = found.iter().map(|upload| (&*upload.path, upload.bytes)).collect();
        assert_eq!(found, [("/purged", content.len() as u64)]);
        assert_eq!(driver.purge_uploads("/", Duration::from_secs(3600)).unwrap().uploads, 0);
        // The server may report times in whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        let purged = driver.purge_uploads("/", Duration::ZERO).unwrap();
        assert_eq!((purged.uploads, purged.checkpoints), (1, 1));
        assert_nothing_pending(&driver, &root);

        // The upload is ended by another program, which leaves the checkpoint.
        close("/gone");
        let upload = driver.pending_uploads("/gone").unwrap().next().unwrap().unwrap();
        let key = format!("{root}/gone");
        let upload = UploadRef { bucket: driver.bucket(), key: &key, upload_id: &upload.upload_id };
        driver.client().abort_multipart_upload(upload).unwrap();
        assert_eq!(
            driver.writer("/gone", WriteMode::Append).err().unwrap().kind(),
            ErrorKind::PathNotFound
        );
        assert_nothing_pending(&driver, &root);
    });
}

#[test]
fn streams_replace_truncate_and_fill_with_zeros() {
    on_every_target("streams_replace_truncate_and_fill_with_zeros", |target| {
        let root = target.scratch("stream");
        let driver = target.driver(&root);
        let mut expected = bytes(3, 0, 2 * PART + 3);
        assert_eq!(
            driver.write_stream("/f", 0, &mut &expected[..]).unwrap(),
            expected.len() as u64
        );
        for (offset, length) in
            [(2 * PART + 3, 10), (PART + 1, 7), (2 * PART, 1), (5, PART), (0, 3)]
        {
            let new = bytes(4, 0, length);
            assert_eq!(
                driver.write_stream("/f", offset as i64, &mut &new[..]).unwrap(),
                length as u64
            );
            expected.resize(offset, 0);
            expected.extend(new);
            assert!(read(&driver, "/f") == expected, "{length} bytes at {offset}");
        }
        assert_nothing_pending(&driver, &root);
        driver.delete("/f").unwrap();
    });
}

#[test]
fn files_are_uploaded_copied_and_downloaded() {
    on_every_target("files_are_uploaded_copied_and_downloaded", |target| {
        let root = target.scratch("transfer");
        let driver = target.driver(&root);
        let (client, bucket) = (driver.client(), driver.bucket());
        let directory = TempDir::new().unwrap();
        let (source, received) =
            (directory.path().join("source"), directory.path().join("received"));
        let transfer = Transfer::new(client).part_size(PART as u64);
        let settings = ObjectSettings::default();
        for size in [0, 7, 2 * PART + 7] {
            let (key, copy) = (format!("{root}/file/{size}"), format!("{root}/copy/{size}"));
            let content = bytes(5, 0, size);
            std::fs::write(&source, &content).unwrap();
            transfer.upload_file(&source, bucket, &key, &settings).unwrap();
            let from = CopySource::new(bucket, &key);
            transfer.copy(from, bucket, &copy, &settings).unwrap();
            for key in [&key, &copy] {
                let downloaded = transfer.download_to_file(bucket, key, &received).unwrap();
                assert_eq!(downloaded.bytes, size as u64);
                assert!(std::fs::read(&received).unwrap() == content, "{size} bytes");
            }
        }
        assert_nothing_pending(&driver, &root);
        driver.delete("/file").unwrap();
        driver.delete("/copy").unwrap();
    });
}
