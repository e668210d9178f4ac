//! Simulates a day in the life of a registry: layers are pushed in chunks by changing processes,
//! committed by a move, linked, listed and garbage-collected, and abandoned uploads are purged.
//! Every digest is checked at the end.

use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::driver::{S3Driver, StorageDriver, WalkOptions, WalkStep, WriteMode};
use s3driver::{ErrorKind, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::Duration;

const ROOT: &str = "/docker/registry/v2";

fn hex_of(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn blob(digest: &str) -> String {
    format!("{ROOT}/blobs/sha256/{}/{digest}/data", &digest[..2])
}

fn upload(repository: &str, id: &str, file: &str) -> String {
    format!("{ROOT}/repositories/{repository}/_uploads/{id}/{file}")
}

fn layer_link(repository: &str, digest: &str) -> String {
    format!("{ROOT}/repositories/{repository}/_layers/sha256/{digest}/link")
}

/// A registry process: each call has a new driver and only knows the content of the bucket.
struct Registry<'a> {
    target: &'a Target,
    root: String,
}

impl Registry<'_> {
    fn process(&self) -> S3Driver {
        self.target.driver(&self.root)
    }

    /// POST: begins an upload.
    fn begin(&self, repository: &str, id: &str) -> Result<()> {
        let driver = self.process();
        driver.put_content(&upload(repository, id, "startedat"), b"2026-08-01T12:00:00Z")?;
        driver.writer(&upload(repository, id, "data"), WriteMode::Create)?.close()
    }

    /// PATCH: appends one chunk in a separate process, and stores the hash's state next to it.
    fn append(
        &self,
        repository: &str,
        id: &str,
        at: u64,
        chunk: &[u8],
        hashed: &[u8],
    ) -> Result<()> {
        let driver = self.process();
        let mut writer = driver.writer(&upload(repository, id, "data"), WriteMode::Append)?;
        assert_eq!(writer.size(), at, "the upload continues where it ended");
        writer.write_all(chunk).unwrap();
        let size = writer.size();
        writer.close()?;
        driver.put_content(
            &upload(repository, id, &format!("hashstates/sha256/{size}")),
            hex_of(hashed).as_bytes(),
        )
    }

    /// PUT: commits the upload, verifies it and moves it to its final path.
    fn commit(&self, repository: &str, id: &str, digest: &str) -> Result<()> {
        let driver = self.process();
        let data = upload(repository, id, "data");
        let mut writer = driver.writer(&data, WriteMode::Append)?;
        writer.commit()?;
        let size = writer.size();
        drop(writer);
        let mut hash = Sha256::new();
        std::io::copy(&mut driver.reader(&data, 0)?, &mut HashWriter(&mut hash)).unwrap();
        assert_eq!(hex::encode(hash.finalize()), digest, "the stored layer equals the pushed one");
        assert_eq!(driver.stat(&data)?.size, size);
        if driver.stat(&blob(digest)).is_err() {
            driver.rename(&data, &blob(digest))?;
        }
        driver
            .put_content(&layer_link(repository, digest), format!("sha256:{digest}").as_bytes())?;
        driver.delete(&format!("{ROOT}/repositories/{repository}/_uploads/{id}"))
    }

    /// Pushes a whole layer in chunks of these sizes, used in turn.
    fn push(&self, repository: &str, id: &str, content: &[u8], sizes: &[usize]) -> Result<String> {
        self.begin(repository, id)?;
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < content.len() {
            let end = content.len().min(at + sizes.next().unwrap());
            self.append(repository, id, at as u64, &content[at..end], &content[..end])?;
            at = end;
        }
        let digest = hex_of(content);
        self.commit(repository, id, &digest)?;
        Ok(digest)
    }

    /// Stores a manifest that names layers, and a tag for it.
    fn tag(&self, repository: &str, tag: &str, layers: &[&str]) -> Result<String> {
        let driver = self.process();
        let manifest = layers.join("\n");
        let digest = hex_of(manifest.as_bytes());
        driver.put_content(&blob(&digest), manifest.as_bytes())?;
        let manifests = format!("{ROOT}/repositories/{repository}/_manifests");
        let link = format!("sha256:{digest}");
        driver
            .put_content(&format!("{manifests}/revisions/sha256/{digest}/link"), link.as_bytes())?;
        driver.put_content(&format!("{manifests}/tags/{tag}/current/link"), link.as_bytes())?;
        Ok(digest)
    }

    /// Returns the catalogue: every directory with `_manifests` in it is a repository.
    fn catalogue(&self) -> Result<Vec<String>> {
        let base = format!("{ROOT}/repositories");
        let mut found = Vec::new();
        self.process().walk(&base, &WalkOptions::default(), &mut |info| {
            let Some(name) = info.path.rsplit('/').next().filter(|name| name.starts_with('_'))
            else {
                return Ok(WalkStep::Continue);
            };
            if name == "_manifests" {
                found.extend(
                    info.path
                        .strip_suffix("/_manifests")
                        .map(|path| path[base.len() + 1..].to_owned()),
                );
            }
            Ok(if info.is_directory() { WalkStep::SkipDirectory } else { WalkStep::Continue })
        })?;
        found.sort();
        Ok(found)
    }

    /// Marks and sweeps: removes everything that no tagged manifest names, and returns the number
    /// of removed blobs.
    fn collect(&self) -> Result<usize> {
        let driver = self.process();
        let mut marked = BTreeSet::new();
        driver.walk(&format!("{ROOT}/repositories"), &WalkOptions::default(), &mut |info| {
            if info.path.contains("/_manifests/revisions/") && info.path.ends_with("/link") {
                let link = String::from_utf8(driver.get_content(&info.path)?).unwrap();
                let manifest = link.trim_start_matches("sha256:").to_owned();
                let layers = String::from_utf8(driver.get_content(&blob(&manifest))?).unwrap();
                marked.extend(layers.lines().map(str::to_owned));
                marked.insert(manifest);
            }
            Ok(WalkStep::Continue)
        })?;
        let unmarked: Vec<String> =
            self.blobs()?.into_iter().filter(|digest| !marked.contains(digest)).collect();
        for digest in &unmarked {
            driver.delete(blob(digest).strip_suffix("/data").unwrap())?;
        }
        Ok(unmarked.len())
    }

    /// Returns the digests of all blobs.
    fn blobs(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        self.process().walk(&format!("{ROOT}/blobs"), &WalkOptions::default(), &mut |info| {
            if let Some(path) = info.path.strip_suffix("/data") {
                found.extend(path.rsplit('/').next().map(str::to_owned));
            }
            Ok(WalkStep::Continue)
        })?;
        found.sort();
        Ok(found)
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, content: &[u8]) -> std::io::Result<usize> {
        self.0.update(content);
        Ok(content.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

crate::checks! {
    fn a_registrys_day(target) {
        let registry = Registry { target, root: target.scratch("day") };
        let driver = registry.process();

        // Three clients push at the same time, and two of them share a layer.
        let base = bytes(1, 0, (7 << 20) + 123);
        let contents = [base.clone(), bytes(2, 0, 12 << 20), bytes(3, 0, 70_000), base];
        let pushed: Vec<String> = std::thread::scope(|scope| {
            let running: Vec<_> = contents
                .iter()
                .enumerate()
                .map(|(index, content)| {
                    let registry = &registry;
                    scope.spawn(move || {
                        let sizes: &[usize] =
                            [&[5 << 20][..], &[1 << 20, 3_333_333], &[65_536, 1], &[8 << 20]]
                                [index];
                        registry
                            .push(
                                &format!("library/app{index}"),
                                &format!("uuid-{index}"),
                                content,
                                sizes,
                            )
                            .unwrap()
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(pushed[0], pushed[3]);
        let first = registry.tag("library/app0", "1.0", &[&pushed[0], &pushed[2]]).unwrap();
        let second = registry.tag("library/app1", "latest", &[&pushed[1]]).unwrap();
        registry.tag("other/deep/er", "1", &[&pushed[0]]).unwrap();
        assert_eq!(
            registry.catalogue().unwrap(),
            ["library/app0", "library/app1", "other/deep/er"]
        );

        // One push is abandoned in the middle, and another one is cancelled.
        registry.begin("library/app0", "given-up").unwrap();
        registry.append("library/app0", "given-up", 0, &bytes(9, 0, 6 << 20), b"").unwrap();
        registry.begin("library/app0", "cancelled").unwrap();
        registry.append("library/app0", "cancelled", 0, b"some bytes", b"").unwrap();
        driver
            .writer(&upload("library/app0", "cancelled", "data"), WriteMode::Append)
            .unwrap()
            .cancel()
            .unwrap();
        driver.delete(&format!("{ROOT}/repositories/library/app0/_uploads/cancelled")).unwrap();

        // Neither affects the garbage collection, which removes the content that is no longer
        // tagged.
        assert_eq!(registry.collect().unwrap(), 0);
        driver.delete(&format!("{ROOT}/repositories/library/app1")).unwrap();
        assert_eq!(registry.collect().unwrap(), 2, "the layer and the manifest of app1");
        assert_eq!(registry.catalogue().unwrap(), ["library/app0", "other/deep/er"]);
        for digest in [&second, &pushed[1]] {
            assert_eq!(driver.stat(&blob(digest)).unwrap_err().kind(), ErrorKind::PathNotFound);
        }

        // Purges old uploads: the files that record when they began, and the parts that S3 keeps.
        assert_eq!(driver.pending_uploads("/").unwrap().count(), 1);
        let purged = driver.purge_uploads("/", Duration::from_secs(3600)).unwrap();
        assert_eq!(purged.uploads, 0, "the upload is not old enough yet");
        std::thread::sleep(Duration::from_millis(1_100));
        let purged = driver.purge_uploads("/", Duration::ZERO).unwrap();
        assert_eq!((purged.uploads, driver.pending_uploads("/").unwrap().count()), (1, 0));
        driver.delete(&format!("{ROOT}/repositories/library/app0/_uploads")).unwrap();

        // The remaining content equals its digest, from any offset on.
        let blobs = registry.blobs().unwrap();
        let expected = [&first, &pushed[0], &pushed[2]].map(|digest| blobs.contains(digest));
        assert_eq!((blobs.len(), expected), (4, [true; 3]));
        for digest in &blobs {
            assert_eq!(hex_of(&driver.get_content(&blob(digest)).unwrap()), *digest);
        }
        let mut tail = Vec::new();
        driver.reader(&blob(&pushed[0]), 5 << 20).unwrap().read_to_end(&mut tail).unwrap();
        assert!(tail == contents[0][5 << 20..]);
        driver.delete("/docker").unwrap();
        let client = driver.client();
        let left = client.objects(
            &target.bucket,
            s3driver::client::ListObjects::prefix(format!("{}/", registry.root)),
        ).pages();
        assert_eq!(left.map(|page| page.unwrap().contents.len()).sum::<usize>(), 0);
    }
}
