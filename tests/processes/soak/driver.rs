//! The operations of the threads through the storage driver. The file at `/t0/1` is the object
//! `t0/1`.

use super::worker::Worker;
use crate::support::content::bytes;
use s3driver::driver::{
    FileWriter, Method, StorageDriver, UrlOptions, WalkOptions, WalkStep, WriteMode,
};
use s3driver::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The chunk size: the smallest that S3 accepts.
pub(crate) const PART: usize = 5 << 20;

/// Extracts the driver's error from an `io::Error`.
fn ours<T>(result: io::Result<T>) -> Result<T> {
    result.map_err(|error| error.downcast::<Error>().expect("an error of the driver"))
}

impl Worker<'_> {
    pub(crate) fn step_of_driver(&mut self) {
        let key = self.key();
        let path = format!("/{key}");
        let known = self.model.get(&key).map(Vec::as_slice);
        match self.dice.roll(24) {
            0..2 => {
                self.count("put_content");
                let content = self.content();
                let result = self.driver.put_content(&path, &content);
                self.changed(&key, Some(content), result);
            }
            2 => {
                self.count("get_content");
                self.compare(&key, known, self.driver.get_content(&path));
            }
            3..5 => {
                self.count("reader");
                let offset = known.map_or(0, <[u8]>::len) / 3;
                let read = |mut reader: Box<dyn Read + Send>| {
                    let mut content = Vec::new();
                    ours(reader.read_to_end(&mut content)).map(|_| content)
                };
                let got = self.driver.reader(&path, offset as i64).and_then(read);
                self.compare(&key, known.map(|content| &content[offset..]), got);
            }
            5 => {
                self.count("stat");
                match (self.driver.stat(&path), known) {
                    (Ok(info), Some(content)) => {
                        assert_eq!(info.size, content.len() as u64, "{path}");
                    }
                    (Ok(info), None) => panic!("{info:?} should not exist"),
                    (Err(error), None) if error.kind() == ErrorKind::PathNotFound => {}
                    (Err(error), _) => self.allowed(&error),
                }
            }
            6 => self.list(),
            7 => self.walk(),
            8..11 => self.rename(&key),
            11 => self.rename_folder(),
            12 => {
                self.count("delete of a file");
                match (self.driver.delete(&path), known) {
                    (Err(error), None) if error.kind() == ErrorKind::PathNotFound => {}
                    (result, _) => self.changed(&key, None, result),
                }
            }
            13..15 => self.fill_folder(),
            15 => self.delete_folder(),
            16 => {
                self.count("writer, committed at once");
                let content = self.content();
                if let Some(mut writer) = self.write(&path, WriteMode::Create, &content) {
                    let result = writer.commit();
                    self.changed(&key, Some(content), result);
                }
            }
            17..20 => self.resume(&key),
            20 => self.write_stream(&key),
            21 => {
                self.count("url_for");
                let url = self.some(self.driver.url_for(&path, &UrlOptions::new(Method::Get)));
                if let Some(got) = url.map(|url| self.fetch(&url)) {
                    assert!(got.as_deref() == known, "{url:?} serves other content", url = path);
                }
            }
            22 => {
                // This thread is not writing anything now, so all unfinished files are leftovers.
                self.count("purge_uploads");
                if let Some(purged) = self
                    .some(self.driver.purge_uploads(&format!("/{}", self.prefix), Duration::ZERO))
                {
                    self.count_purged(purged.uploads);
                }
            }
            // Only one thread does this, to save memory: 5 MiB is the smallest size that is sent in
            // parts.
            _ if self.number == 0 && self.dice.roll(3) == 0 => self.large(),
            _ => {}
        }
    }

    /// Returns the keys below a folder of this thread.
    fn below(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{}/{folder}/", self.prefix);
        self.model.keys().filter(|key| key.starts_with(&prefix)).cloned().collect()
    }

    fn list(&self) {
        self.count("list");
        let folder = format!("/{}", self.prefix);
        let names = self.model.keys().map(|key| &key[self.prefix.len() + 1..]);
        let names = names.map(|rest| rest.split_once('/').map_or(rest, |(name, _)| name));
        let expected: BTreeSet<String> = names.map(|name| format!("{folder}/{name}")).collect();
        match self.driver.list(&folder) {
            Ok(mut found) => {
                // A listing of several pages also shows directories that only contain unfinished
                // files (`docs/sharing.md`).
                let unfinished = format!("{folder}/w");
                found.retain(|path| expected.contains(path) || *path != unfinished);
                assert!(found.iter().eq(&expected), "{found:?} are listed, but {expected:?} exist");
            }
            Err(error) if error.kind() == ErrorKind::PathNotFound && expected.is_empty() => {}
            Err(error) => self.allowed(&error),
        }
    }

    fn walk(&self) {
        self.count("walk");
        let mut found = Vec::new();
        let mut note = |info: &s3driver::driver::FileInfo| {
            if !info.is_directory() {
                found.push((info.path[1..].to_owned(), info.size as usize));
            }
            Ok(WalkStep::Continue)
        };
        let walked =
            self.driver.walk(&format!("/{}", self.prefix), &WalkOptions::default(), &mut note);
        if self.some(walked).is_some() {
            let known = self.model.iter().map(|(key, content)| (key.clone(), content.len()));
            assert!(found.into_iter().eq(known), "the walk over {} differs", self.prefix);
        }
    }

    fn rename(&mut self, key: &str) {
        let to = self.key();
        self.count("rename");
        match (
            self.driver.rename(&format!("/{key}"), &format!("/{to}")),
            self.model.get(key).cloned(),
        ) {
            (Err(error), None) if error.kind() == ErrorKind::PathNotFound => {}
            (result, _) if *to == *key => drop(self.some(result)),
            (result, Some(content)) => {
                self.settle([(key.to_owned(), None), (to, Some(content))].into(), result);
            }
            (result, None) => drop(self.some(result).map(|()| panic!("a missing file was moved"))),
        }
    }

    /// The move is refused whether the folder exists or not.
    fn rename_folder(&self) {
        self.count("rename of a folder");
        match self.driver.rename(&format!("/{}/d", self.prefix), &format!("/{}/e", self.prefix)) {
            Ok(()) => panic!("a folder was moved like a file"),
            Err(error) if error.kind() == ErrorKind::PathNotFound => {}
            Err(error) => self.allowed(&error),
        }
    }

    /// Stores three more small files in a folder.
    fn fill_folder(&mut self) {
        self.count("put_content into a folder");
        for _ in 0..3 {
            let key = format!("{}/d/{}/{}", self.prefix, self.dice.roll(2), self.dice.roll(8));
            let content = bytes(self.dice.roll(u64::MAX), 0, 100);
            let result = self.driver.put_content(&format!("/{key}"), &content);
            self.changed(&key, Some(content), result);
        }
    }

    fn delete_folder(&mut self) {
        self.count("delete of a folder");
        let keys = self.below("d");
        match self.driver.delete(&format!("/{}/d", self.prefix)) {
            Err(error) if error.kind() == ErrorKind::PathNotFound && keys.is_empty() => {}
            result => self.settle(keys.into_iter().map(|key| (key, None)).collect(), result),
        }
    }

    /// Returns a writer that has accepted `content`, or `None` after an allowed error.
    fn write(&self, path: &str, mode: WriteMode, content: &[u8]) -> Option<Box<dyn FileWriter>> {
        let mut writer = self.some(self.driver.writer(path, mode))?;
        self.some(ours(writer.write_all(content)))?;
        Some(writer)
    }

    /// Stores a file as a registry stores a layer: begins, closes, resumes and commits it, and
    /// moves it to its final path. Sometimes cancels it instead.
    fn resume(&mut self, key: &str) {
        self.begun += 1;
        let upload = format!("{}/w/{}", self.prefix, self.begun);
        let path = format!("/{upload}");
        let content = self.content();
        let half = content.len() / 2;
        self.count("writer, closed");
        let Some(mut writer) = self.write(&path, WriteMode::Create, &content[..half]) else {
            return;
        };
        if self.some(writer.close()).is_none() {
            return;
        }
        let Some(mut writer) = self.write(&path, WriteMode::Append, &content[half..]) else {
            return;
        };
        assert_eq!(
            writer.size(),
            content.len() as u64,
            "{path} is not resumed where it was closed"
        );
        match self.dice.roll(4) {
            0 => {
                self.count("writer, cancelled");
                self.some(writer.cancel());
            }
            1 => self.count("writer, dropped"),
            _ => {
                self.count("writer, resumed and committed");
                let result = writer.commit();
                self.changed(&upload, Some(content.clone()), result);
                if !self.model.contains_key(&upload) {
                    return;
                }
                let result = self.driver.rename(&path, &format!("/{key}"));
                let moved = [(upload.clone(), None), (key.to_owned(), Some(content))];
                self.settle(moved.into(), result);
                if self.model.contains_key(&upload) {
                    let result = self.driver.delete(&path);
                    self.changed(&upload, None, result);
                }
            }
        }
    }

    /// Overwrites the middle of a file, or writes after its end with zeros in between.
    fn write_stream(&mut self, key: &str) {
        self.count("write_stream");
        let mut content = self.model.get(key).cloned().unwrap_or_default();
        let offset = self.dice.roll(content.len() as u64 + 100) as usize;
        let new = self.content();
        content.resize(offset, 0);
        content.extend_from_slice(&new);
        let result = self.driver.write_stream(&format!("/{key}"), offset as i64, &mut &*new);
        if let Ok(taken) = result {
            assert_eq!(taken, new.len() as u64);
        }
        self.changed(key, Some(content), result.map(drop));
    }

    /// Returns what an anonymous client gets at a URL from the correct server, or `None` for a 404.
    fn fetch(&self, url: &str) -> Option<Vec<u8>> {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut socket = TcpStream::connect(self.faulty.backend.address()).unwrap();
        write!(socket, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        match &reply[9..12] {
            b"200" => Some(reply.split_off(end)),
            b"404" => None,
            _ => panic!("{}", String::from_utf8_lossy(&reply)),
        }
    }

    /// Writes a file in parts, moves it in parts, replaces its end after a part that the server
    /// copies, and deletes it.
    fn large(&mut self) {
        let [key, to] = ["large", "moved"].map(|name| format!("{}/{name}", self.prefix));
        let [path, target] = [&key, &to].map(|key| format!("/{key}"));
        self.count("writer of many parts");
        let content = bytes(self.dice.roll(u64::MAX), 0, PART + 1000);
        let Some(mut writer) = self.write(&path, WriteMode::Create, &content) else { return };
        let result = writer.commit();
        self.changed(&key, Some(content), result);
        let Some(mut content) = self.model.get(&key).cloned() else { return };
        self.count("rename in parts");
        let result = self.driver.rename(&path, &target);
        self.settle([(key, None), (to.clone(), Some(content.clone()))].into(), result);
        if self.model.contains_key(&to) {
            self.count("write_stream after a copied part");
            let new = self.content();
            content.truncate(PART + 500);
            content.extend_from_slice(&new);
            let result = self.driver.write_stream(&target, PART as i64 + 500, &mut &*new);
            self.changed(&to, Some(content), result.map(drop));
            self.compare(
                &to,
                self.model.get(&to).map(Vec::as_slice),
                self.driver.get_content(&target),
            );
        }
        for (key, path) in [(format!("{}/large", self.prefix), path), (to, target)] {
            if self.model.contains_key(&key) {
                let result = self.driver.delete(&path);
                self.changed(&key, None, result);
            }
        }
    }
}
