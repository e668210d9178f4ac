//! A storage driver in memory, with a root directory and object keys like the S3 driver's. It only
//! supports what the tests of URLs need.
#![allow(dead_code, reason = "each test program uses only a part of this module")]
use s3driver::driver::{
    FileInfo, FileKind, FileWriter, Method, StorageDriver, UrlOptions, WalkOptions, WalkStep,
    WriteMode, check_path,
};
use s3driver::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex};

pub(crate) struct Memory {
    root: &'static str,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    keys: Keys,
    url: Option<&'static str>,
}

/// Whether the driver reports object keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Told,
    Kept,
}

impl Memory {
    pub(crate) fn new(root: &'static str) -> Arc<Self> {
        Arc::new(Self { root, objects: Mutex::default(), keys: Keys::Told, url: None })
    }
    pub(crate) fn without_keys() -> Arc<Self> {
        Arc::new(Self { root: "", objects: Mutex::default(), keys: Keys::Kept, url: None })
    }
    /// Returns a driver that returns this URL for every download.
    pub(crate) fn with_url(url: &'static str) -> Arc<Self> {
        Arc::new(Self { root: "", objects: Mutex::default(), keys: Keys::Told, url: Some(url) })
    }
    /// Returns an object as the object store sees it.
    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.objects.lock().unwrap().get(key).cloned()
    }
    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.root.trim_end_matches('/')).trim_start_matches('/').to_owned()
    }
}

impl StorageDriver for Memory {
    fn name(&self) -> &str {
        "memory"
    }
    fn get_content(&self, path: &str) -> Result<Vec<u8>> {
        check_path(path)?;
        self.object(&self.key(path))
            .ok_or_else(|| Error::new(ErrorKind::PathNotFound, "path not found"))
    }
    fn put_content(&self, path: &str, content: &[u8]) -> Result<()> {
        check_path(path)?;
        self.objects.lock().unwrap().insert(self.key(path), content.to_vec());
        Ok(())
    }
    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>> {
        let content = self.get_content(path)?;
        Ok(Box::new(Cursor::new(
            content[usize::try_from(offset).unwrap().min(content.len())..].to_vec(),
        )))
    }
    fn writer(&self, _: &str, _: WriteMode) -> Result<Box<dyn FileWriter>> {
        Err(unsupported())
    }
    fn write_stream(&self, path: &str, _: i64, reader: &mut dyn Read) -> Result<u64> {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        self.put_content(path, &content)?;
        Ok(content.len() as u64)
    }
    fn stat(&self, path: &str) -> Result<FileInfo> {
        let size = self.get_content(path)?.len() as u64;
        Ok(FileInfo { path: path.to_owned(), size, modified: None, kind: FileKind::File })
    }
    fn list(&self, _: &str) -> Result<Vec<String>> {
        Ok(self.objects.lock().unwrap().keys().map(|key| format!("/{key}")).collect())
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.put_content(to, &self.get_content(from)?)?;
        self.delete(from)
    }
    fn delete(&self, path: &str) -> Result<()> {
        self.objects.lock().unwrap().remove(&self.key(path)).map(drop).ok_or_else(unsupported)
    }
    /// Returns a URL like a presigning driver; it contains the method, to show that the method was
    /// passed on.
    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        match options.method {
            Method::Delete => Err(unsupported()),
            Method::Get if self.url.is_some() => Ok(self.url.unwrap_or_default().to_owned()),
            method => Ok(format!("https://s3.example/bucket/{}?{method:?}", self.key(path))),
        }
    }
    fn walk(
        &self,
        from: &str,
        _: &WalkOptions,
        visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Result<()> {
        visit(&self.stat(from)?).map(drop)
    }
    fn object_key(&self, path: &str) -> Option<String> {
        (self.keys == Keys::Told).then(|| self.key(path))
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::UnsupportedMethod, "unsupported method")
}
