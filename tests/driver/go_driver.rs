//! Tests the compatibility with the registry's Go driver in both directions: this driver reads the
//! other's files and resumes its uploads, and the Go driver finds what it needs to resume ours. Its
//! requests are replayed exactly; no Go code runs here.

use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::ErrorKind;
use s3driver::client::{Client, Condition, CopySource, ObjectSettings, Part, UploadRef};
use s3driver::driver::{S3Driver, StorageDriver, WriteMode};
use std::io::Write;
use std::time::Duration;

const MIB: usize = 1 << 20;
/// The default chunk size of the Go driver.
const GO_CHUNK: usize = 10 * MIB;

/// Replays the Go driver's requests for one file.
struct Go<'a> {
    client: Client,
    target: &'a Target,
    key: String,
}

impl<'a> Go<'a> {
    fn new(target: &'a Target, root: &str, path: &str) -> Self {
        Self { client: target.client(), target, key: format!("{root}{path}") }
    }

    fn upload<'b>(&'b self, upload_id: &'b str) -> UploadRef<'b> {
        UploadRef { bucket: &self.target.bucket, key: &self.key, upload_id }
    }

    /// `Writer(append=false)`.
    fn begin(&self) -> String {
        let settings = ObjectSettings::default().content_type("application/octet-stream");
        self.client.create_multipart_upload(&self.target.bucket, &self.key, &settings).unwrap()
    }

    /// Stores `content` like `Write` and `Close`: parts of the chunk size, and the rest as a part
    /// of any size.
    fn send(&self, id: &str, first: u32, content: &[u8]) -> Vec<Part> {
        let parts = (first..).zip(content.chunks(GO_CHUNK));
        parts
            .map(|(number, part)| self.client.upload_part(self.upload(id), number, part).unwrap())
            .collect()
    }

    /// Returns what `Writer(append=true)` finds: the first upload with exactly this key, and all of
    /// its parts.
    fn resume(&self) -> Option<(String, Vec<Part>)> {
        let mut pages =
            self.client.uploads(&self.target.bucket, &self.key).pages().map(Result::unwrap);
        let found = pages
            .find_map(|page| page.uploads.into_iter().find(|upload| upload.key == self.key))?;
        let pages = self.client.parts(self.upload(&found.upload_id)).pages().map(Result::unwrap);
        let parts = pages.flat_map(|page| page.parts).collect();
        Some((found.upload_id, parts))
    }

    /// Replays `Writer(append=true)`, `Write(content)` and `Close`, and returns the size of the
    /// writer when it was opened. If the last part is too small to be followed by another, the Go
    /// driver completes the upload and begins a new one with a copy of the object.
    fn append(&self, content: &[u8]) -> usize {
        let (mut id, mut parts) = self.resume().expect("an upload");
        let size = size_of(&parts);
        let mut buffer = Vec::new();
        if parts.last().is_some_and(|part| part.size < 5 << 20) {
            self.complete(&id, &parts);
            id = self.begin();
            parts.clear();
            if size < 5 << 20 {
                let reader = self
                    .client
                    .get_object(&self.target.bucket, &self.key, &Default::default())
                    .unwrap();
                buffer = reader.read_all(5 << 20).unwrap();
            } else {
                let source = CopySource::new(&self.target.bucket, &self.key);
                parts.push(
                    self.client
                        .upload_part_copy(source, 0..size as u64, self.upload(&id), 1)
                        .unwrap(),
                );
            }
        }
        buffer.extend_from_slice(content);
        self.send(&id, parts.len() as u32 + 1, &buffer);
        size
    }

    fn complete(&self, id: &str, parts: &[Part]) {
        self.client.complete_multipart_upload(self.upload(id), parts, &Condition::Always).unwrap();
    }
}

fn size_of(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.size).sum::<u64>() as usize
}

/// Sizes around the part sizes of both drivers.
const SIZES: [usize; 9] =
    [0, 1, 5 * MIB - 1, 5 * MIB, 7 * MIB, 10 * MIB, 10 * MIB + 1, 16 * MIB, 25 * MIB + 3];

fn create(driver: &S3Driver, path: &str, content: &[u8]) -> Box<dyn s3driver::driver::FileWriter> {
    let mut writer = driver.writer(path, WriteMode::Create).unwrap();
    writer.write_all(content).unwrap();
    writer
}

fn finish(driver: &S3Driver) {
    assert_eq!(driver.pending_uploads("/").unwrap().count(), 0);
    for path in driver.list("/").unwrap() {
        // SeaweedFS keeps listing folders that have become empty.
        if let Err(error) = driver.delete(&path) {
            assert_eq!(error.kind(), ErrorKind::PathNotFound, "{error}");
        }
    }
}

fn append(driver: &S3Driver, path: &str) -> Box<dyn s3driver::driver::FileWriter> {
    driver.writer(path, WriteMode::Append).unwrap()
}

crate::checks! {
    fn files_are_exchanged_with_the_go_driver(target) {
        let root = target.scratch("go-layout");
        let driver = target.driver(&root);
        let path = "/docker/registry/v2/blobs/sha256/ab/abcdef/data";
        let go = Go::new(target, &root, path);
        // A large layer is a completed upload, an empty layer is an upload of one empty part, and a
        // link is one PutObject.
        let content = bytes(1, 0, 2 * GO_CHUNK + 12_345);
        let id = go.begin();
        go.complete(&id, &go.send(&id, 1, &content));
        assert!(driver.get_content(path).unwrap() == content);
        let empty = Go::new(target, &root, "/docker/empty");
        let id = empty.begin();
        let part = empty.client.upload_part(empty.upload(&id), 1, b"").unwrap();
        empty.complete(&id, &[part]);
        assert_eq!(driver.stat("/docker/empty").unwrap().size, 0);
        let mut writer = append(&driver, "/docker/empty");
        writer.write_all(b"grown").unwrap();
        writer.commit().unwrap();
        assert_eq!(driver.get_content("/docker/empty").unwrap(), b"grown");
        // Our files have the keys that the Go driver expects.
        let ours = "/docker/registry/v2/repositories/a/_layers/sha256/ab/link";
        driver.put_content(ours, b"sha256:ab").unwrap();
        let reader = go
            .client
            .get_object(&target.bucket, &format!("{root}{ours}"), &Default::default())
            .unwrap();
        assert_eq!(reader.read_all(100).unwrap(), b"sha256:ab");
        finish(&driver);
    }

    fn uploads_closed_by_the_go_driver_are_continued(target) {
        let root = target.scratch("go-closed");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        let content = bytes(2, 0, 3 * GO_CHUNK + 99);
        for closed in [GO_CHUNK, 2 * GO_CHUNK, GO_CHUNK + 7 * MIB] {
            // Another file whose key begins with this one's is in the same listing.
            let neighbour = Go::new(target, &root, "/up/data2");
            let other = neighbour.begin();
            let id = go.begin();
            go.send(&id, 1, &content[..closed]);
            let mut writer = append(&driver, "/up/data");
            assert_eq!(writer.size(), closed as u64);
            writer.write_all(&content[closed..]).unwrap();
            writer.commit().unwrap();
            assert!(
                driver.get_content("/up/data").unwrap() == content,
                "closed after {closed} bytes"
            );
            neighbour.client.abort_multipart_upload(neighbour.upload(&other)).unwrap();
            driver.delete("/up/data").unwrap();
        }
        finish(&driver);
    }

    fn a_short_last_part_of_the_go_driver_can_only_be_committed(target) {
        let root = target.scratch("go-short");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        let content = bytes(3, 0, GO_CHUNK + 3 * MIB);
        let id = go.begin();
        go.send(&id, 1, &content);
        let mut writer = append(&driver, "/up/data");
        assert_eq!(writer.size(), content.len() as u64);
        let error = writer.write(b"more").unwrap_err();
        assert!(error.to_string().contains("S3 accepts no further part"), "{error}");
        writer.close().unwrap();
        drop(writer);
        // The registry usually resumes an upload only to commit it.
        append(&driver, "/up/data").commit().unwrap();
        assert!(driver.get_content("/up/data").unwrap() == content);
        finish(&driver);
    }

    fn the_newest_of_several_uploads_of_the_go_driver_is_continued(target) {
        let root = target.scratch("go-several");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        let old = go.begin();
        go.send(&old, 1, &bytes(8, 0, GO_CHUNK));
        // Servers report times in whole seconds.
        std::thread::sleep(Duration::from_millis(1_100));
        let content = bytes(4, 0, GO_CHUNK + 5);
        let new = go.begin();
        go.send(&new, 1, &content[..GO_CHUNK]);
        let mut writer = append(&driver, "/up/data");
        writer.write_all(&content[GO_CHUNK..]).unwrap();
        writer.commit().unwrap();
        assert!(driver.get_content("/up/data").unwrap() == content);
        // The older upload may still be in use, so it is kept until a purge removes it.
        assert_eq!(driver.pending_uploads("/up").unwrap().count(), 1);
        go.client.abort_multipart_upload(go.upload(&old)).unwrap();
        finish(&driver);
    }

    fn f8_the_go_driver_sees_the_whole_size_of_our_closed_uploads(target) {
        let root = target.scratch("go-sees");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        for size in SIZES {
            let content = bytes(6, 0, size);
            create(&driver, "/up/data", &content).close().unwrap();
            let (id, mut parts) = go.resume().expect("an upload");
            assert!(
                parts.iter().zip(1..).all(|(part, number)| part.part_number == number),
                "{parts:?}"
            );
            assert_eq!(size_of(&parts), size);
            assert_eq!(driver.stat("/up/data").unwrap_err().kind(), ErrorKind::PathNotFound);
            // The Go driver usually resumes only to commit, and sends an empty part if there is
            // none.
            if parts.is_empty() {
                parts.push(go.client.upload_part(go.upload(&id), 1, b"").unwrap());
            }
            go.complete(&id, &parts);
            assert!(driver.get_content("/up/data").unwrap() == content, "{size} bytes");
            // Our checkpoint of the upload is now obsolete, and must not permit appending to a
            // committed file.
            if size > 0 {
                assert!(driver.writer("/up/data", WriteMode::Append).is_err());
            }
            driver.delete("/up/data").unwrap();
        }
        finish(&driver);
    }

    fn f8_we_see_the_whole_size_of_uploads_closed_by_the_go_driver(target) {
        let root = target.scratch("go-closes");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        for size in SIZES {
            let content = bytes(7, 0, size);
            let id = go.begin();
            go.send(&id, 1, &content);
            let mut writer = append(&driver, "/up/data");
            assert_eq!(writer.size(), size as u64);
            writer.close().unwrap();
            assert_eq!(
                size_of(&go.resume().expect("an upload").1),
                size,
                "closing again changes nothing"
            );
            append(&driver, "/up/data").commit().unwrap();
            assert!(driver.get_content("/up/data").unwrap() == content, "{size} bytes");
            driver.delete("/up/data").unwrap();
        }
        finish(&driver);
    }

    fn f9_uploads_continued_by_the_go_driver_are_continued_by_us(target) {
        let root = target.scratch("go-alternates");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        let content = bytes(9, 0, 40 * MIB);
        for size in SIZES {
            for more in [1, MIB, 7 * MIB] {
                create(&driver, "/up/data", &content[..size]).close().unwrap();
                assert_eq!(go.append(&content[size..size + more]), size);
                let mut writer = append(&driver, "/up/data");
                assert_eq!(
                    writer.size(),
                    (size + more) as u64,
                    "{size} bytes of ours, {more} bytes of the Go driver"
                );
                writer.commit().unwrap();
                assert!(driver.get_content("/up/data").unwrap() == content[..size + more]);
                driver.delete("/up/data").unwrap();
            }
        }
        finish(&driver);
    }

    fn the_go_driver_can_resume_or_cancel_our_closed_uploads(target) {
        let root = target.scratch("go-resumes");
        let driver = target.driver(&root);
        let go = Go::new(target, &root, "/up/data");
        let content = bytes(5, 0, 23 * MIB);
        let close = || {
            let mut writer = driver.writer("/up/data", WriteMode::Create).unwrap();
            writer.write_all(&content[..12 * MIB]).unwrap();
            writer.close().unwrap();
        };
        close();
        // The Go driver finds one upload, whose parts have no gaps and contain the whole file. It
        // continues after the whole size.
        let (_, parts) = go.resume().expect("an upload");
        let size = parts.iter().map(|part| part.size).sum::<u64>() as usize;
        assert_eq!(size, 12 * MIB);
        assert_eq!(driver.stat("/up/data").unwrap_err().kind(), ErrorKind::PathNotFound);
        assert_eq!(go.append(&content[size..]), size);
        let (id, parts) = go.resume().expect("an upload");
        go.complete(&id, &parts);
        assert!(driver.get_content("/up/data").unwrap() == content);
        // Our checkpoint is now obsolete, and must not permit appending to a committed file.
        assert!(driver.writer("/up/data", WriteMode::Append).is_err());
        assert!(driver.get_content("/up/data").unwrap() == content);
        driver.delete("/up/data").unwrap();

        close();
        let (id, _) = go.resume().expect("an upload");
        go.client.abort_multipart_upload(go.upload(&id)).unwrap();
        let error = driver.writer("/up/data", WriteMode::Append).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathNotFound, "{error}");
        let keys = go
            .client
            .objects(&target.bucket, s3driver::client::ListObjects::prefix(format!("{root}/"))).pages();
        assert_eq!(
            keys.map(|page| page.unwrap().contents.len()).sum::<usize>(),
            0,
            "objects are left"
        );
    }
}
