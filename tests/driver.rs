//! The storage driver against real servers: the registry's contract, and the defects of its older drivers that must not
//! come back.
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

mod support;

use s3driver::client::ObjectSettings;
use s3driver::driver::{
    FileKind, Method, Parameters, S3Driver, StorageDriver, UrlOptions, WalkOptions, WalkStep, WriteMode,
};
use s3driver::{Error, ErrorKind};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::target::{Target, bytes_at};

/// A driver in a root directory of its own, which must be empty again in the end.
struct Rooted<'a> {
    driver: S3Driver,
    target: &'a Target,
    root: String,
}

impl std::ops::Deref for Rooted<'_> {
    type Target = S3Driver;
    fn deref(&self) -> &S3Driver {
        &self.driver
    }
}

impl<'a> Rooted<'a> {
    fn new(target: &'a Target, what: &str) -> Self {
        let root = target.scratch(what);
        Self { driver: target.driver(&root), target, root }
    }

    /// Stores below the root under any key, also one no driver path can name.
    fn plant(&self, below: &str) {
        let key = format!("{}/{below}", self.root);
        self.driver.client().put_object(&self.target.bucket, &key, b"planted", &ObjectSettings::default()).unwrap();
    }

    fn unplant(&self, below: &str) {
        self.driver.client().delete_object(&self.target.bucket, &format!("{}/{below}", self.root)).unwrap();
    }

    fn finish(self) {
        for path in self.driver.list("/").unwrap() {
            match self.driver.delete(&path) {
                // SeaweedFS lists folders that have become empty.
                Err(error) if error.kind() == ErrorKind::PathNotFound && self.target.server == "seaweedfs" => {}
                result => result.unwrap(),
            }
        }
        let uploads = self.driver.client().uploads(&self.target.bucket, &format!("{}/", self.root));
        let uploads: Vec<_> = uploads.flat_map(|page| page.unwrap().uploads).collect();
        assert!(uploads.is_empty(), "{uploads:?}");
        if self.target.server != "seaweedfs" {
            assert_eq!(self.driver.list("/").unwrap(), [""; 0]);
        }
    }
}

fn assert_kind<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains("s3aws"), "{error}");
}

fn read(driver: &S3Driver, path: &str, offset: i64) -> Vec<u8> {
    let mut content = Vec::new();
    driver.reader(path, offset).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn walked(driver: &S3Driver, from: &str, start_after: Option<&str>, step: impl Fn(&str) -> WalkStep) -> Vec<String> {
    let mut seen = Vec::new();
    let mut options = WalkOptions::default();
    options.start_after = start_after.map(str::to_owned);
    driver
        .walk(from, &options, &mut |info| {
            seen.push(info.path.clone());
            Ok(step(&info.path))
        })
        .unwrap();
    seen
}

checks! {
    fn every_legal_path_holds_content(target) {
        let driver = Rooted::new(target, "paths");
        let mut paths = vec![
            "/a", "/2", "/aa", "/a.a", "/0-9/abcdefg", "/abcdefg/z.75", "/abc/1.2.3.4.5-6_zyx/123.z/4", "/docker/docker-registry",
            "/123.abc", "/abc./abc", "/.abc", "/a--b", "/a-.b", "/_.abc", "/Docker/docker-registry", "/Abc/Cba",
        ];
        if target.server != "seaweedfs" {
            paths.extend(["/dots/./x", "/dots/../x", "/..a/b", "/..."]);
        }
        for path in &paths {
            driver.put_content(path, path.as_bytes()).unwrap();
        }
        for path in &paths {
            assert_eq!(driver.get_content(path).unwrap(), path.as_bytes(), "{path}");
            assert_eq!(driver.stat(path).unwrap().kind, FileKind::File, "{path}");
        }
        driver.finish();
    }

    fn illegal_paths_are_refused_before_anything_is_sent(target) {
        let driver = Rooted::new(target, "illegal");
        let before = driver.client().stats().requests;
        for path in ["", "/", "abc", "123.abc", "//bcd", "/abc_123/", "/a b", "/a//b", "/ä", "/a\n"] {
            assert_kind(driver.put_content(path, b"x"), ErrorKind::InvalidPath);
            assert_kind(driver.get_content(path), ErrorKind::InvalidPath);
            assert_kind(driver.delete(path), ErrorKind::InvalidPath);
            assert_kind(driver.rename(path, "/b"), ErrorKind::InvalidPath);
            assert_kind(driver.rename("/b", path), ErrorKind::InvalidPath);
            assert_kind(driver.reader(path, 0).map(drop), ErrorKind::InvalidPath);
            assert_kind(driver.writer(path, WriteMode::Create).map(drop), ErrorKind::InvalidPath);
            assert_kind(driver.url_for(path, &UrlOptions::new(Method::Get)), ErrorKind::InvalidPath);
        }
        // The offset is judged first.
        assert_kind(driver.reader("", -1).map(drop), ErrorKind::InvalidOffset);
        assert_eq!(driver.client().stats().requests, before);
    }

    fn content_is_replaced_whole(target) {
        let driver = Rooted::new(target, "replace");
        for size in [1 << 20, 1024, 0, 1] {
            let content = bytes_at(1, 0, size);
            driver.put_content("/a/file", &content).unwrap();
            assert!(driver.get_content("/a/file").unwrap() == content);
            assert_eq!(driver.stat("/a/file").unwrap().size, size as u64);
        }
        driver.finish();
    }

    fn reading_begins_at_the_offset(target) {
        let driver = Rooted::new(target, "offsets");
        let content = bytes_at(2, 0, 96);
        driver.put_content("/f", &content).unwrap();
        for offset in [0, 32, 64, 95] {
            assert_eq!(read(&driver, "/f", offset), content[offset as usize..]);
        }
        assert!(read(&driver, "/f", 96).is_empty());
        assert!(read(&driver, "/f", 1 << 40).is_empty());
        driver.put_content("/empty", b"").unwrap();
        assert!(read(&driver, "/empty", 0).is_empty());
        assert!(read(&driver, "/empty", 1).is_empty());
        assert_kind(driver.reader("/f", -1).map(drop), ErrorKind::InvalidOffset);
        for offset in [0, 64] {
            assert_kind(driver.reader("/missing", offset).map(drop), ErrorKind::PathNotFound);
        }
        assert_kind(driver.get_content("/missing"), ErrorKind::PathNotFound);
        driver.finish();
    }

    fn stat_tells_files_from_directories_and_neither_from_siblings(target) {
        let driver = Rooted::new(target, "stat");
        assert_eq!(driver.stat("/").unwrap().kind, FileKind::Directory);
        driver.put_content("/dir/sub/file", b"12345").unwrap();
        driver.put_content("/ab", b"x").unwrap();
        let file = driver.stat("/dir/sub/file").unwrap();
        assert_eq!((file.size, file.kind, &*file.path), (5, FileKind::File, "/dir/sub/file"));
        assert!(file.modified.is_some());
        let directory = driver.stat("/dir/sub").unwrap();
        assert_eq!((directory.size, directory.kind, directory.modified), (0, FileKind::Directory, None));
        // D16-08, D26-01: /a is no directory because /ab exists.
        for path in ["/a", "/di", "/dir/su", "/missing", "/dir/sub/file2"] {
            assert_kind(driver.stat(path), ErrorKind::PathNotFound);
        }
        driver.finish();
    }

    fn lists_hold_children_only(target) {
        let driver = Rooted::new(target, "list");
        assert_eq!(driver.list("/").unwrap(), [""; 0]);
        assert_kind(driver.list("/missing"), ErrorKind::PathNotFound);
        let mut files: Vec<String> = (0..50).map(|i| format!("/root/parent/file{i}")).collect();
        for file in &files {
            driver.put_content(file, b"x").unwrap();
        }
        driver.put_content("/root/parent-sibling/x", b"x").unwrap();
        files.sort();
        assert_eq!(driver.list("/").unwrap(), ["/root"]);
        assert_eq!(driver.list("/root").unwrap(), ["/root/parent", "/root/parent-sibling"]);
        assert_eq!(driver.list("/root/parent").unwrap(), files);
        assert_kind(driver.list("/root/parent/file1"), ErrorKind::PathNotFound);
        assert_kind(driver.list("/root/pare"), ErrorKind::PathNotFound);
        driver.finish();
    }

    fn keys_of_other_tools_are_hidden(target) {
        // D26-27, #4485: directory markers, and names no path can have.
        let driver = Rooted::new(target, "foreign");
        driver.put_content("/dir/file", b"x").unwrap();
        driver.plant("dir/");
        driver.plant("dir/with space");
        driver.plant("marker/");
        assert_eq!(driver.list("/").unwrap(), ["/dir", "/marker"]);
        assert_eq!(driver.list("/dir").unwrap(), ["/dir/file"]);
        assert_eq!(driver.stat("/marker").unwrap().kind, FileKind::Directory);
        assert_eq!(walked(&driver, "/", None, |_| WalkStep::Continue), ["/dir", "/dir/file"]);
        driver.unplant("marker/");
        driver.delete("/dir").unwrap();
        assert_kind(driver.stat("/dir"), ErrorKind::PathNotFound);
        driver.finish();
    }

    fn a_move_takes_one_file_and_leaves_its_siblings(target) {
        let driver = Rooted::new(target, "move");
        for path in ["/x/data", "/x/data2", "/x/data/below", "/y"] {
            // SeaweedFS keeps x and x/y apart as well.
            driver.put_content(path, path.as_bytes()).unwrap();
        }
        // D16-02, D26-03: neither siblings nor what lies below the path are touched.
        driver.rename("/x/data", "/y").unwrap();
        assert_eq!(driver.get_content("/y").unwrap(), b"/x/data");
        assert_kind(driver.get_content("/x/data"), ErrorKind::PathNotFound);
        assert_eq!(driver.get_content("/x/data2").unwrap(), b"/x/data2");
        assert_eq!(driver.get_content("/x/data/below").unwrap(), b"/x/data/below");
        assert_kind(driver.rename("/missing", "/y"), ErrorKind::PathNotFound);
        assert_eq!(driver.get_content("/y").unwrap(), b"/x/data");
        assert_kind(driver.rename("/x", "/z"), ErrorKind::PathNotFound);
        driver.rename("/y", "/y").unwrap();
        assert_eq!(driver.get_content("/y").unwrap(), b"/x/data");
        driver.finish();
    }

    fn a_large_file_is_moved_in_parts(target) {
        let root = target.scratch("move-large");
        let mut pairs = target.pairs(&root);
        pairs.extend([("multipartcopythresholdsize", (6 << 20).to_string()), ("multipartcopychunksize", (5 << 20).to_string())]);
        let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
        let content = bytes_at(4, 0, (12 << 20) + 77);
        driver.put_content("/from", &content).unwrap();
        driver.rename("/from", "/to/here").unwrap();
        assert!(driver.get_content("/to/here").unwrap() == content);
        assert_kind(driver.stat("/from"), ErrorKind::PathNotFound);
        if let Some(server) = &target.embedded {
            assert_eq!(server.open_uploads(&target.bucket).len(), 0);
        }
        Rooted { driver, target, root }.finish();
    }

    fn a_delete_takes_what_was_named_and_nothing_else(target) {
        let driver = Rooted::new(target, "delete");
        for path in ["/a", "/ab", "/a-b/c", "/a/b", "/a/c/d", "/d/f", "/d/fsuffix", "/e/only/sibling-x"] {
            driver.put_content(path, b"x").unwrap();
        }
        // D16-01, D26-02.
        driver.delete("/a").unwrap();
        for path in ["/a", "/a/b", "/a/c/d"] {
            assert_kind(driver.get_content(path), ErrorKind::PathNotFound);
        }
        driver.delete("/d/f").unwrap();
        for path in ["/ab", "/a-b/c", "/d/fsuffix"] {
            assert_eq!(driver.get_content(path).unwrap(), b"x", "{path}");
        }
        assert_kind(driver.delete("/a"), ErrorKind::PathNotFound);
        assert_kind(driver.delete("/e/only/sibling"), ErrorKind::PathNotFound);
        assert_kind(driver.delete("/missing/deep"), ErrorKind::PathNotFound);
        driver.finish();
    }

    fn walks_tell_everything_in_order_skip_and_stop(target) {
        let driver = Rooted::new(target, "walk");
        let files = ["/file1", "/folder1-suffix/file1", "/folder1/file1", "/folder2/file1", "/folder3/sub/a", "/folder3/sub/b", "/folder4/file1"];
        for file in files {
            driver.put_content(file, b"x").unwrap();
        }
        let all = [
            "/file1", "/folder1-suffix", "/folder1-suffix/file1", "/folder1", "/folder1/file1", "/folder2", "/folder2/file1", "/folder3",
            "/folder3/sub", "/folder3/sub/a", "/folder3/sub/b", "/folder4", "/folder4/file1",
        ];
        let every = |_: &str| WalkStep::Continue;
        let mut seen = walked(&driver, "/", None, every);
        if target.server == "seaweedfs" {
            // It lists folder by folder.
            assert_eq!(seen[1], "/folder1");
            seen[1..5].rotate_left(2);
        }
        assert_eq!(seen, all);
        assert_eq!(walked(&driver, "/folder3", None, every), ["/folder3/sub", "/folder3/sub/a", "/folder3/sub/b"]);
        let skip = |path: &str| if path == "/folder1" || path == "/folder3/sub" { WalkStep::SkipDirectory } else { WalkStep::Continue };
        let mut kept = walked(&driver, "/", None, skip);
        let mut expected: Vec<&str> = all.into_iter().filter(|path| !path.starts_with("/folder1/") && !path.starts_with("/folder3/sub/")).collect();
        kept.sort();
        expected.sort_unstable();
        assert_eq!(kept, expected);
        let stop = |path: &str| if path == "/folder2" { WalkStep::Stop } else { WalkStep::Continue };
        assert_eq!(walked(&driver, "/", None, stop).last().unwrap(), "/folder2");
        assert_eq!(walked(&driver, "/", Some("/folder2/file1"), every), all[7..]);
        assert_eq!(walked(&driver, "/folder3", Some("/folder3/sub/a"), every), ["/folder3/sub", "/folder3/sub/b"]);
        assert_eq!(walked(&driver, "/folder1", Some("/folder2"), every), [""; 0]);
        assert_eq!(walked(&driver, "/missing", None, every), [""; 0]);
        let failed = driver.walk("/", &WalkOptions::default(), &mut |_| Err(Error::new(ErrorKind::LocalIo, "enough")));
        assert_kind(failed, ErrorKind::LocalIo);
        driver.finish();
    }

    fn more_than_a_page_is_listed_walked_and_deleted(target) {
        let driver = Rooted::new(target, "thousand");
        let count = if target.embedded.is_some() { 2_500 } else { 1_050 };
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| loop {
                    let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if i >= count {
                        break;
                    }
                    driver.put_content(&format!("/many/{i:05}"), b"").unwrap();
                });
            }
        });
        assert_eq!(driver.list("/many").unwrap().len(), count);
        assert_eq!(walked(&driver, "/many", None, |_| WalkStep::Continue).len(), count);
        driver.delete("/many").unwrap();
        assert_kind(driver.stat("/many"), ErrorKind::PathNotFound);
        driver.finish();
    }

    fn the_root_directory_is_no_part_of_paths(target) {
        let base = target.scratch("root");
        for root in [base.clone(), format!("/{base}/"), format!("{base}/deeper/still")] {
            let driver = target.driver(&root);
            driver.put_content("/a/b", b"x").unwrap();
            assert_eq!(driver.object_key("/a/b").unwrap(), format!("{}/a/b", root.trim_matches('/')));
            assert!(driver.list("/").unwrap().contains(&"/a".to_owned()));
            assert_eq!(driver.list("/a").unwrap(), ["/a/b"]);
            driver.delete("/a").unwrap();
        }
    }

    fn urls_serve_the_content(target) {
        let driver = Rooted::new(target, "urls");
        driver.put_content("/dir/file.1_a-b", b"32 bytes of content for this one").unwrap();
        let options = UrlOptions::new(Method::Get).expires_in(Duration::from_secs(60));
        let url = driver.url_for("/dir/file.1_a-b", &options).unwrap();
        if let Some(rest) = url.strip_prefix("http://") {
            let (host, path) = rest.split_at(rest.find('/').unwrap());
            let mut socket = TcpStream::connect(host).unwrap();
            write!(socket, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
            let mut reply = String::new();
            socket.read_to_string(&mut reply).unwrap();
            assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("32 bytes of content for this one"), "{reply}");
        }
        driver.url_for("/dir/file.1_a-b", &UrlOptions::new(Method::Head)).unwrap();
        assert_kind(driver.url_for("/dir/file.1_a-b", &UrlOptions::new(Method::Put)), ErrorKind::UnsupportedMethod);
        driver.finish();
    }

    fn a_writer_makes_a_file_visible_when_it_commits(target) {
        let driver = Rooted::new(target, "writer");
        for size in [0, 1, (5 << 20) - 1, 5 << 20, (5 << 20) + 1, 17 << 20] {
            let content = bytes_at(size as u64, 0, size);
            let mut writer = driver.writer("/layer", WriteMode::Create).unwrap();
            for piece in content.chunks(1_000_003) {
                writer.write_all(piece).unwrap();
            }
            assert_eq!(writer.size(), size as u64);
            assert_kind(driver.stat("/layer"), ErrorKind::PathNotFound);
            writer.commit().unwrap();
            assert!(driver.get_content("/layer").unwrap() == content, "{size} bytes differ");
            driver.delete("/layer").unwrap();
        }
        driver.finish();
    }

    fn the_probe_tells_what_is_wrong(target) {
        target.driver("").probe().unwrap();
        let mut pairs = target.pairs("");
        pairs.iter_mut().for_each(|(name, value)| if *name == "bucket" { *value = "no-such-bucket-here".to_owned() });
        let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
        assert_kind(driver.probe(), ErrorKind::NoSuchBucket);
        let mut pairs = target.pairs("");
        pairs.iter_mut().for_each(|(name, value)| if *name == "secretkey" { *value = "wrong".to_owned() });
        let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
        let error = driver.stat("/a").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::SignatureRejected), "{error}");
    }
}
