//! Tests the registry of `examples/registry` over real sockets: every requirement of the OCI
//! distribution specification 1.1 that its README lists, on every available server.

use crate::service::collect::{Collection, Mode, Untagged};
use crate::service::config::Config;
use crate::service::http::{Request, Server};
use crate::service::peers::TrustedProxies;
use crate::service::{Deletion, Downloads, Log, Options, Registry};
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::Result;
use s3driver::driver::{
    FileInfo, FileWriter, Method, S3Driver, StorageDriver, UrlOptions, WalkOptions, WalkStep,
    WriteMode,
};
use s3driver::middleware;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const MIB: usize = 1 << 20;

/// A registry process with its own driver.
struct Process {
    server: Server,
    registry: Arc<Registry>,
    driver: S3Driver,
}

impl Process {
    fn start(target: &Target, root: &str) -> Self {
        Self::with(
            target,
            root,
            Options {
                deletion: Deletion::Allowed,
                downloads: Downloads::Served,
                secret: None,
                log: Log::Failures,
                proxies: TrustedProxies::default(),
            },
        )
    }
    fn with(target: &Target, root: &str, options: Options) -> Self {
        let driver = target.driver(root);
        let registry = Arc::new(Registry::new(Arc::new(driver.clone()), options));
        Self { server: serve(Arc::clone(&registry)), registry, driver }
    }
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        send(self.server.address(), method, path, headers, body)
    }
    fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], b"")
    }
    /// Pushes a blob with POST, with PATCH in these sizes and Content-Range, and with PUT.
    fn push(&self, name: &str, content: &[u8], sizes: &[usize]) -> String {
        let mut place = self
            .send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
            .expect(202)
            .location();
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < content.len() {
            let end = content.len().min(at + sizes.next().unwrap());
            let range = format!("{at}-{}", end - 1);
            let response = self
                .send("PATCH", &place, &[("Content-Range", &range)], &content[at..end])
                .expect(202);
            assert_eq!(response.header("range"), Some(&*format!("0-{}", end - 1)));
            place = response.location();
            at = end;
        }
        self.finish(&place, &digest(content), b"").expect(201);
        digest(content)
    }
    fn finish(&self, place: &str, digest: &str, body: &[u8]) -> Response {
        self.send("PUT", &format!("{place}?digest={digest}"), &[], body)
    }
    fn store(&self, name: &str, content: &[u8]) -> String {
        let digest = digest(content);
        self.send("POST", &format!("/v2/{name}/blobs/uploads/?digest={digest}"), &[], content)
            .expect(201);
        digest
    }
    fn put_manifest(&self, name: &str, reference: &str, kind: &str, manifest: &Value) -> Response {
        let path = format!("/v2/{name}/manifests/{reference}");
        self.send("PUT", &path, &[("Content-Type", kind)], manifest.to_string().as_bytes())
    }
    /// Stores an image with one layer, whose content depends on `seed`.
    fn image(&self, name: &str, tag: &str, seed: u64) -> String {
        let manifest = image(&self.store(name, b"{}"), &self.store(name, &bytes(seed, 0, 1_000)));
        self.put_manifest(name, tag, OCI_MANIFEST, &manifest).expect(201).digest()
    }
    fn collect(&self, untagged: Untagged) -> crate::service::collect::Collected {
        self.registry
            .collect(&Collection { untagged, grace: Duration::ZERO, mode: Mode::Remove })
            .unwrap()
    }
    /// Returns every key below the root directory, and every unfinished upload.
    fn left(&self, target: &Target, root: &str) -> Vec<String> {
        let request = s3driver::client::ListObjects::prefix(format!("{root}/"));
        let pages = self.driver.client().objects(&target.bucket, request).pages();
        let keys = pages.flat_map(|page| page.unwrap().contents).map(|object| object.key);
        let uploads = self.driver.pending_uploads("/").unwrap().map(|upload| upload.unwrap().path);
        keys.chain(uploads).collect()
    }
}

/// A driver that writes the link of a layer again when it is removed, as a client does that pushes
/// the layer during a collection.
struct Relinking(S3Driver);

impl StorageDriver for Relinking {
    fn delete(&self, path: &str) -> Result<()> {
        let link = format!("{path}/link");
        let content = path.contains("/_layers/").then(|| self.0.get_content(&link)).transpose()?;
        self.0.delete(path)?;
        content.map_or(Ok(()), |content| self.0.put_content(&link, &content))
    }
    fn name(&self) -> &str {
        self.0.name()
    }
    fn get_content(&self, path: &str) -> Result<Vec<u8>> {
        self.0.get_content(path)
    }
    fn put_content(&self, path: &str, content: &[u8]) -> Result<()> {
        self.0.put_content(path, content)
    }
    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>> {
        self.0.reader(path, offset)
    }
    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>> {
        self.0.writer(path, mode)
    }
    fn stat(&self, path: &str) -> Result<FileInfo> {
        self.0.stat(path)
    }
    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.0.list(path)
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.0.rename(from, to)
    }
    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
        self.0.url_for(path, options)
    }
    fn walk(
        &self,
        from: &str,
        options: &WalkOptions,
        visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Result<()> {
        self.0.walk(from, options, visit)
    }
}

fn serve(registry: Arc<Registry>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Server::start(
        listener,
        None,
        Arc::new(move |request: &mut Request<'_>| registry.handle(request)),
    )
    .unwrap()
}

fn image(config: &str, layer: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 1_000 }],
    })
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

/// A response.
#[derive(Debug)]
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
    /// Checks the status and the specification's error code.
    #[track_caller]
    fn fails(self, status: u16, code: &str) -> Self {
        let response = self.expect(status);
        assert_eq!(response.json()["errors"][0]["code"], code);
        response
    }
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
    fn location(&self) -> String {
        self.header("location").unwrap().to_owned()
    }
    fn digest(&self) -> String {
        self.header("docker-content-digest").unwrap().to_owned()
    }
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    /// Returns the address in `Link: <...>; rel="next"`.
    fn next(&self) -> Option<String> {
        let link = self.header("link")?.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
        Some(link.to_owned())
    }
}

fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut socket = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    if !headers.iter().any(|(name, _)| *name == "Transfer-Encoding") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // A server may refuse a body without reading it.
    drop(socket.write_all(body));
    read_response(&mut socket, method)
}

fn read_response(socket: &mut impl Read, method: &str) -> Response {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut response = Response { status, headers, body: Vec::new() };
    if method != "HEAD" && status >= 200 {
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        response.body = vec![0; length];
        socket.read_exact(&mut response.body).unwrap();
    }
    response
}

crate::checks! {
    fn the_api_is_announced_and_unknown_paths_are_not_found(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let response = registry.get("/v2/").expect(200);
        assert_eq!(response.header("docker-distribution-api-version"), Some("registry/2.0"));
        registry.get("/v2").expect(200);
        // Load balancers probe the root, as with Distribution.
        registry.get("/").expect(200);
        registry.send("HEAD", "/", &[], b"").expect(200);
        for path in [
            "//",
            "/v1/",
            "/v3/",
            "/v2x",
            "/v2x/_catalog",
            "/v2/a/b",
            "/v2/_catalogs",
            "/v2//tags",
            "/v2/a/tags/lists",
            "/v2/%zz/tags/list",
        ] {
            registry.get(path).expect(404);
        }
        for (method, path) in [
            ("POST", "/"),
            ("POST", "/v2/"),
            ("PUT", "/v2/_catalog"),
            ("DELETE", "/v2/a/tags/list"),
            ("GET", "/v2/a/blobs/uploads/"),
        ] {
            assert!(
                registry
                    .send(method, path, &[], b"")
                    .fails(405, "UNSUPPORTED")
                    .header("allow")
                    .is_some()
            );
        }
    }

    fn blobs_are_pulled_whole_and_in_ranges(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let content = bytes(1, 0, 6 * MIB + 7);
        let digest = registry.push("library/a", &content, &[content.len()]);
        let path = format!("/v2/library/a/blobs/{digest}");
        let response = registry.get(&path).expect(200);
        assert_eq!((response.digest(), response.body == content), (digest.clone(), true));
        let head = registry.send("HEAD", &path, &[], b"").expect(200);
        assert_eq!(
            (head.digest(), head.header("content-length")),
            (digest.clone(), Some(&*content.len().to_string()))
        );
        let size = content.len();
        for (range, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=5-9", 5, 10),
            ("bytes=5242879-", 5_242_879, size),
            ("bytes=-3", size - 3, size),
            ("bytes=-99999999", 0, size),
            ("bytes=1-99999999999999999999", 0, size),
            ("bytes=6291456-99999999", 6 * MIB, size),
        ] {
            let response = registry.send("GET", &path, &[("Range", range)], b"");
            // A number that exceeds every size makes the header unreadable, so it is ignored.
            if to - from == size && range.len() > 20 {
                response.expect(200);
                continue;
            }
            let response = response.expect(206);
            assert_eq!(
                response.header("content-range"),
                Some(&*format!("bytes {from}-{}/{size}", to - 1))
            );
            assert!(response.body == content[from..to], "{range}");
        }
        for range in
            [format!("bytes={size}-"), "bytes=99999999-999999999".to_owned(), "bytes=-0".to_owned()]
        {
            let response = registry.send("GET", &path, &[("Range", &range)], b"").expect(416);
            assert_eq!(response.header("content-range"), Some(&*format!("bytes */{size}")));
        }
        for range in ["bytes=9-5", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes"] {
            assert!(
                registry.send("GET", &path, &[("Range", range)], b"").expect(200).body == content,
                "{range}"
            );
        }
        let tag = format!("\"{digest}\"");
        registry.send("GET", &path, &[("If-None-Match", &tag)], b"").expect(304);
        registry.send("GET", &path, &[("Range", "bytes=0-0"), ("If-Range", &tag)], b"").expect(206);
        registry
            .send("GET", &path, &[("Range", "bytes=0-0"), ("If-Range", "\"other\"")], b"")
            .expect(200);
        // A blob belongs to the repositories that it was pushed to.
        registry.get(&format!("/v2/library/b/blobs/{digest}")).fails(404, "BLOB_UNKNOWN");
        registry
            .get(&format!("/v2/library/a/blobs/sha256:{}", "0".repeat(64)))
            .fails(404, "BLOB_UNKNOWN");
        registry.get("/v2/library/a/blobs/sha256:abc").fails(400, "DIGEST_INVALID");
    }

    fn a_push_in_chunks_is_ordered_and_can_be_resumed_by_any_process(target) {
        let root = target.scratch("http");
        let (first, second) = (Process::start(target, &root), Process::start(target, &root));
        let content = bytes(2, 0, 12 * MIB + 5);
        let begun = first.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202);
        let place = begun.location();
        assert!(place.contains(begun.header("docker-upload-uuid").unwrap()));
        let patch = |process: &Process, range: &str, body: &[u8]| {
            process.send("PATCH", &place, &[("Content-Range", range)], body)
        };
        // The first chunk begins at 0, and each further one where the last one ended.
        patch(&first, "1-3", b"abc").fails(416, "RANGE_INVALID");
        patch(&first, "0-6999999", &content[..7_000_000]).expect(202);
        for range in ["0-2", "6999999-7000001", "7000001-7000003", "9-7"] {
            let response = patch(&second, range, b"abc").fails(416, "RANGE_INVALID");
            assert_eq!(
                (response.header("range"), response.location()),
                (Some("0-6999999"), place.clone())
            );
        }
        patch(&second, "7000000-7000009", b"abc").fails(400, "SIZE_INVALID");
        patch(&second, "seven", b"abc").fails(400, "BLOB_UPLOAD_INVALID");
        let status = second.get(&place).expect(204);
        assert_eq!((status.header("range"), status.location()), (Some("0-6999999"), place.clone()));
        patch(&second, "7000000-7000000", &content[7_000_000..=7_000_000]).expect(202);
        // The last chunk can be in the PUT, starting where the others ended.
        let digest = digest(&content);
        let put = format!("{place}?digest={digest}");
        first.send("PUT", &put, &[("Content-Range", "5-9")], b"abcde").fails(416, "RANGE_INVALID");
        let done = first.send(
            "PUT",
            &put,
            &[("Content-Range", &format!("7000001-{}", content.len() - 1))],
            &content[7_000_001..],
        );
        assert_eq!(done.expect(201).location(), format!("/v2/a/blobs/{digest}"));
        assert!(second.get(&format!("/v2/a/blobs/{digest}")).expect(200).body == content);
        first.get(&place).fails(404, "BLOB_UPLOAD_UNKNOWN");
        patch(&first, "0-0", b"a").fails(404, "BLOB_UPLOAD_UNKNOWN");
        // Nothing of the upload remains.
        assert_eq!(first.left(target, &root).len(), 2, "the blob and its link");
    }

    fn a_blob_is_pushed_in_one_request_two_or_without_a_length(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        for (seed, size) in [(3, 0), (4, 1), (5, 6 * MIB)] {
            let content = bytes(seed, 0, size);
            let expected = digest(&content);
            let path = format!("/v2/a/blobs/{expected}");
            let single = registry
                .send("POST", &format!("/v2/a/blobs/uploads/?digest={expected}"), &[], &content)
                .expect(201);
            assert_eq!((single.location(), single.digest()), (path.clone(), expected.clone()));
            assert!(registry.get(&path).expect(200).body == content);
            let place =
                registry.send("POST", "/v2/b/blobs/uploads/", &[], b"").expect(202).location();
            registry.finish(&place, &expected, &content).expect(201);
            assert!(registry.get(&path.replace("/a/", "/b/")).expect(200).body == content);
            // PATCH with a chunked body, as sent by docker and skopeo, and an empty PUT.
            let place =
                registry.send("POST", "/v2/c/blobs/uploads/", &[], b"").expect(202).location();
            let mut chunked = Vec::new();
            for piece in content.chunks(300_001) {
                chunked.extend_from_slice(format!("{:x};ext=1\r\n", piece.len()).as_bytes());
                chunked.extend_from_slice(piece);
                chunked.extend_from_slice(b"\r\n");
            }
            chunked.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
            registry
                .send("PATCH", &place, &[("Transfer-Encoding", "chunked")], &chunked)
                .expect(202);
            registry.finish(&place, &expected, b"").expect(201);
            assert!(registry.get(&path.replace("/a/", "/c/")).expect(200).body == content);
        }
        assert_eq!(
            registry.left(target, &root).len(),
            3 + 9,
            "three blobs, each in three repositories"
        );
    }

    fn a_wrong_digest_leaves_nothing(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let wrong = digest(b"something else");
        let content = bytes(6, 0, 6 * MIB);
        registry
            .send("POST", &format!("/v2/a/blobs/uploads/?digest={wrong}"), &[], &content)
            .fails(400, "DIGEST_INVALID");
        for bad in [
            "sha256:abc",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            "sha512:abc",
            "",
            "sha256:../../../../x",
        ] {
            registry
                .send("POST", &format!("/v2/a/blobs/uploads/?digest={bad}"), &[], b"x")
                .fails(400, "DIGEST_INVALID");
        }
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        registry.send("PATCH", &place, &[], &content).expect(202);
        registry.send("PUT", &place, &[], b"").fails(400, "DIGEST_INVALID");
        registry.finish(&place, "sha256:abc", b"").fails(400, "DIGEST_INVALID");
        registry.finish(&place, &wrong, b"").fails(400, "DIGEST_INVALID");
        registry.get(&place).fails(404, "BLOB_UPLOAD_UNKNOWN");
        assert_eq!(registry.left(target, &root), Vec::<String>::new());
    }

    fn cancelled_and_unknown_uploads_are_not_found(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        registry.send("DELETE", &place, &[], b"").expect(204);
        registry.get(&place).fails(404, "BLOB_UPLOAD_UNKNOWN");
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        registry.send("PATCH", &place, &[], &bytes(7, 0, 6 * MIB)).expect(202);
        registry.send("DELETE", &place, &[], b"").expect(204);
        registry.send("DELETE", &place, &[], b"").fails(404, "BLOB_UPLOAD_UNKNOWN");
        for id in ["../../x", "x", "00000000-0000-0000-0000-00000000000g", "%2e%2e"] {
            registry.get(&format!("/v2/a/blobs/uploads/{id}")).expect(404);
        }
        assert_eq!(registry.left(target, &root), Vec::<String>::new());
    }

    fn a_broken_push_continues_where_it_broke(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let content = bytes(8, 0, 8 * MIB);
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        let mut socket = TcpStream::connect(registry.server.address()).unwrap();
        write!(
            socket,
            "PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            content.len()
        )
        .unwrap();
        socket.write_all(&content[..7 * MIB]).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        // The response is sent once the bytes that arrived have been stored.
        read_response(&mut socket, "PATCH").fails(400, "BLOB_UPLOAD_INVALID");
        let status = registry.get(&place).expect(204);
        assert_eq!(status.header("range"), Some(&*format!("0-{}", 7 * MIB - 1)));
        registry.finish(&place, &digest(&content), &content[7 * MIB..]).expect(201);
    }

    fn the_hash_state_is_gos_and_content_is_read_back_only_without_it(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let content = bytes(9, 0, 6 * MIB + 100);
        for state in ["kept", "lost", "of other content"] {
            let place =
                registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
            registry.send("PATCH", &place, &[], &content[..content.len() - 1]).expect(202);
            let id = place.rsplit('/').next().unwrap();
            let directory =
                format!("/docker/registry/v2/repositories/a/_uploads/{id}/hashstates/sha256");
            let file = format!("{directory}/{}", content.len() - 1);
            assert_eq!(registry.driver.list(&directory).unwrap().join(" "), file);
            let saved = registry.driver.get_content(&file).unwrap();
            assert_eq!(
                (&saved[..4], saved.len(), &saved[100..]),
                (&b"sha\x03"[..], 108, &(content.len() as u64 - 1).to_be_bytes()[..])
            );
            match state {
                "lost" => registry.driver.delete(&file).unwrap(),
                "of other content" => registry
                    .driver
                    .put_content(&file, &[b"sha\x03".as_slice(), &[7; 104]].concat())
                    .unwrap(),
                _ => {}
            }
            registry.finish(&place, &digest(&content), &content[content.len() - 1..]).expect(201);
            // The next round pushes it again from the beginning.
            registry.driver.delete("/docker").unwrap();
        }
        // Reading the content back also detects content that does not match its digest.
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        registry.send("PATCH", &place, &[], &content).expect(202);
        let id = place.rsplit('/').next().unwrap();
        registry
            .driver
            .delete(&format!("/docker/registry/v2/repositories/a/_uploads/{id}/hashstates"))
            .unwrap();
        registry.finish(&place, &digest(b"x"), b"").fails(400, "DIGEST_INVALID");
        assert_eq!(registry.left(target, &root), Vec::<String>::new());
    }

    fn blobs_are_mounted_from_repositories_that_have_them(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let digest = registry.store("from/here", b"content");
        let mount = |digest: &str, from: &str| {
            registry.send(
                "POST",
                &format!("/v2/to/there/blobs/uploads/?mount={digest}&from={from}"),
                &[],
                b"",
            )
        };
        // A blob that cannot be mounted begins an upload.
        assert!(
            mount(&digest, "to/there")
                .expect(202)
                .location()
                .starts_with("/v2/to/there/blobs/uploads/")
        );
        mount(&format!("sha256:{}", "0".repeat(64)), "from/here").expect(202);
        registry
            .send("POST", &format!("/v2/to/there/blobs/uploads/?mount={digest}"), &[], b"")
            .expect(202);
        registry.get(&format!("/v2/to/there/blobs/{digest}")).fails(404, "BLOB_UNKNOWN");
        let mounted = mount(&digest.replace(':', "%3A"), "from%2Fhere").expect(201);
        assert_eq!(
            (mounted.location(), mounted.digest()),
            (format!("/v2/to/there/blobs/{digest}"), digest.clone())
        );
        assert_eq!(
            registry.get(&format!("/v2/to/there/blobs/{digest}")).expect(200).body,
            b"content"
        );
        mount("sha256:abc", "from/here").fails(400, "DIGEST_INVALID");
        mount(&digest, "../x").fails(400, "NAME_INVALID");
    }

    fn manifests_keep_their_bytes_and_their_type(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let (config, layer) = (registry.store("a", b"{}"), registry.store("a", b"layer"));
        let mut index = json!({ "schemaVersion": 2, "manifests": [] });
        let mut number = 0;
        for kind in [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST] {
            let mut manifest = image(&config, &layer);
            if kind == OCI_INDEX || kind == DOCKER_LIST {
                manifest = index.clone();
            }
            for stated in [true, false] {
                manifest["mediaType"] = json!(kind);
                if !stated {
                    manifest.as_object_mut().unwrap().remove("mediaType");
                    if kind == DOCKER_MANIFEST || kind == DOCKER_LIST {
                        // The layout has no place for a type that the content does not imply.
                        registry
                            .put_manifest("a", "x", kind, &manifest)
                            .fails(400, "MANIFEST_INVALID");
                        continue;
                    }
                }
                number += 1;
                // Unusual white space: the bytes are stored unchanged.
                let text = format!(" {}\n", serde_json::to_string_pretty(&manifest).unwrap());
                let headers = [("Content-Type", &*format!("{kind}; charset=utf-8"))];
                let tag = format!("v{number}");
                let put = registry
                    .send("PUT", &format!("/v2/a/manifests/{tag}"), &headers, text.as_bytes())
                    .expect(201);
                assert_eq!(
                    (put.digest(), put.location()),
                    (
                        digest(text.as_bytes()),
                        format!("/v2/a/manifests/{}", digest(text.as_bytes()))
                    )
                );
                for reference in [tag, put.digest()] {
                    let path = format!("/v2/a/manifests/{reference}");
                    let got = registry.get(&path).expect(200);
                    assert_eq!(
                        (got.header("content-type"), got.digest(), got.body.as_slice()),
                        (Some(kind), put.digest(), text.as_bytes())
                    );
                    let head = registry.send("HEAD", &path, &[], b"").expect(200);
                    assert_eq!(
                        (head.header("content-length"), head.digest()),
                        (Some(&*text.len().to_string()), put.digest())
                    );
                }
                if kind == OCI_MANIFEST {
                    index["manifests"].as_array_mut().unwrap().push(
                        json!({ "mediaType": kind, "digest": put.digest(), "size": text.len() }),
                    );
                }
            }
        }
        // A tag names the manifest of the last push.
        let (old, new) = (registry.image("a", "latest", 1), registry.image("a", "latest", 2));
        assert_eq!(registry.get("/v2/a/manifests/latest").expect(200).digest(), new);
        registry.get(&format!("/v2/a/manifests/{old}")).expect(200);
        for reference in [
            "none",
            ".INVALID",
            &format!("sha256:{}", "0".repeat(64)),
            "sha256:abc",
            &"t".repeat(129),
        ] {
            registry.get(&format!("/v2/a/manifests/{reference}")).fails(404, "MANIFEST_UNKNOWN");
        }
        registry.get("/v2/none/manifests/latest").fails(404, "MANIFEST_UNKNOWN");
    }

    fn invalid_manifests_are_rejected(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let missing = format!("sha256:{}", "1".repeat(64));
        let (config, layer) = (registry.store("a", b"{}"), registry.store("a", b"layer"));
        registry
            .put_manifest("a", "x", OCI_MANIFEST, &image(&config, &missing))
            .fails(400, "MANIFEST_BLOB_UNKNOWN");
        registry
            .put_manifest("a", "x", OCI_MANIFEST, &image(&missing, &layer))
            .fails(400, "MANIFEST_BLOB_UNKNOWN");
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{ "digest": missing, "size": 1 }] });
        registry.put_manifest("a", "x", OCI_INDEX, &index).fails(400, "MANIFEST_BLOB_UNKNOWN");
        registry
            .put_manifest("a", &missing, OCI_MANIFEST, &image(&config, &layer))
            .fails(400, "DIGEST_INVALID");
        registry
            .put_manifest("a", "x", OCI_INDEX, &image(&config, &layer))
            .fails(400, "MANIFEST_INVALID");
        for tag in [".x", "-x", "a%20b", &"t".repeat(129)] {
            registry
                .put_manifest("a", tag, OCI_MANIFEST, &image(&config, &layer))
                .fails(400, "MANIFEST_INVALID");
        }
        let put = |body: &[u8]| {
            registry.send("PUT", "/v2/a/manifests/x", &[("Content-Type", OCI_MANIFEST)], body)
        };
        let many: Vec<_> = (0..1_001).map(|_| json!({ "digest": layer })).collect();
        for broken in [
            b"".to_vec(),
            b"{".to_vec(),
            b"[]".to_vec(),
            b"\xff\xfe".to_vec(),
            "[".repeat(100_000).into_bytes(),
            json!({ "schemaVersion": 1 }).to_string().into_bytes(),
            json!({ "schemaVersion": 2 }).to_string().into_bytes(),
            json!({ "schemaVersion": 2, "mediaType": 7 }).to_string().into_bytes(),
            json!({ "schemaVersion": 2, "mediaType": "text/plain" }).to_string().into_bytes(),
            json!({ "schemaVersion": 2, "config": { "digest": "sha256:../../x" } })
                .to_string()
                .into_bytes(),
            json!({ "schemaVersion": 2, "config": { "digest": config }, "layers": {} })
                .to_string()
                .into_bytes(),
            json!({ "schemaVersion": 2, "config": { "digest": config }, "layers": many })
                .to_string()
                .into_bytes(),
            json!({ "schemaVersion": 2, "config": { "digest": config }, "subject": "x" })
                .to_string()
                .into_bytes(),
        ] {
            put(&broken).fails(400, "MANIFEST_INVALID");
        }
        // 4 MiB are accepted, and not a byte more, whether or not the length is announced.
        let mut full = image(&config, &layer);
        full["annotations"] = json!({ "fill": "" });
        let fill = (4 << 20) - full.to_string().len();
        full["annotations"]["fill"] = json!("x".repeat(fill));
        put(full.to_string().as_bytes()).expect(201);
        full["annotations"]["fill"] = json!("x".repeat(fill + 1));
        put(full.to_string().as_bytes()).fails(413, "SIZE_INVALID");
        let text = full.to_string();
        let chunked = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
        let headers = [("Content-Type", OCI_MANIFEST), ("Transfer-Encoding", "chunked")];
        registry
            .send("PUT", "/v2/a/manifests/x", &headers, chunked.as_bytes())
            .fails(413, "SIZE_INVALID");
        // Layers that are stored elsewhere need not exist here.
        let mut foreign = image(&config, &missing);
        foreign["layers"][0]["mediaType"] =
            json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
        registry.put_manifest("a", "foreign", OCI_MANIFEST, &foreign).expect(201);
    }

    fn tags_are_listed_in_order_and_in_pages(target) {
        let registry = Process::start(target, &target.scratch("http"));
        registry.get("/v2/a/tags/list").fails(404, "NAME_UNKNOWN");
        let digest = registry.image("a", "b", 1);
        let manifest = registry.get(&format!("/v2/a/manifests/{digest}")).body;
        for tag in ["c", "B", "10", "9", "_x", "a.b", "a-b"] {
            registry
                .send(
                    "PUT",
                    &format!("/v2/a/manifests/{tag}"),
                    &[("Content-Type", OCI_MANIFEST)],
                    &manifest,
                )
                .expect(201);
        }
        let list = |query: &str| registry.get(&format!("/v2/a/tags/list{query}")).expect(200);
        let all = ["10", "9", "B", "_x", "a-b", "a.b", "b", "c"];
        assert_eq!(list("").json(), json!({ "name": "a", "tags": all }));
        assert_eq!(list("?n=0").json()["tags"], json!([]));
        assert_eq!(list("?n=0").next(), None);
        assert_eq!(list("?n=3").json()["tags"], json!(all[..3]));
        assert_eq!(list("?last=_x").json()["tags"], json!(all[4..]));
        assert_eq!(list("?n=2&last=B").json()["tags"], json!(all[3..5]));
        assert_eq!(list("?n=8").next(), None);
        assert_eq!(list("?n=99999999999").json()["tags"], json!(all));
        // A tag that does not exist also marks a position in the order.
        assert_eq!(list("?n=1&last=Z").json()["tags"], json!(["_x"]));
        registry.get("/v2/a/tags/list?n=x").expect(400);
        let (mut seen, mut next) = (Vec::new(), Some("/v2/a/tags/list?n=3".to_owned()));
        while let Some(page) = next {
            let response = registry.get(&page).expect(200);
            seen.extend(response.json()["tags"].as_array().unwrap().clone());
            next = response.next();
        }
        assert_eq!(json!(seen), json!(all));
        // A repository without tags has an empty list.
        registry.store("untagged", b"x");
        assert_eq!(
            registry.get("/v2/untagged/tags/list").expect(200).json(),
            json!({ "name": "untagged", "tags": [] })
        );
    }

    fn repositories_are_listed_in_pages(target) {
        let registry = Process::start(target, &target.scratch("http"));
        assert_eq!(registry.get("/v2/_catalog").expect(200).json(), json!({ "repositories": [] }));
        let names = ["a", "a/0", "a/b/c", "a-b", "b", "uploads/blobs/tags"];
        for (seed, name) in names.iter().enumerate() {
            registry.image(name, "latest", seed as u64);
        }
        registry.store("without/manifests", b"x");
        let whole = registry.get("/v2/_catalog").expect(200).json()["repositories"]
            .as_array()
            .unwrap()
            .clone();
        let mut sorted = whole.clone();
        sorted.sort_by_key(ToString::to_string);
        assert_eq!(json!(sorted), json!(["a", "a-b", "a/0", "a/b/c", "b", "uploads/blobs/tags"]));
        for size in [1, 2, 5, 6, 7] {
            let (mut seen, mut next) = (Vec::new(), Some(format!("/v2/_catalog?n={size}")));
            while let Some(page) = next {
                let response = registry.get(&page).expect(200);
                let names = response.json()["repositories"].as_array().unwrap().clone();
                assert!(names.len() <= size);
                seen.extend(names);
                next = response.next();
            }
            assert_eq!(seen, whole, "pages of {size}");
        }
        registry.get("/v2/_catalog?last=..%2F..").fails(400, "NAME_INVALID");
    }

    fn referrers_are_listed_filtered_and_paged(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let subject = registry.image("a", "latest", 1);
        let list =
            |query: &str| registry.get(&format!("/v2/a/referrers/{subject}{query}")).expect(200);
        let empty = list("");
        assert_eq!(empty.header("content-type"), Some(OCI_INDEX));
        assert_eq!(
            empty.json(),
            json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] })
        );
        let config = registry.store("a", b"{}");
        let refer = |number: usize, kind: Option<&str>| {
            let mut manifest = image(&config, &config);
            manifest["subject"] =
                json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 1 });
            manifest["annotations"] = json!({ "number": number.to_string() });
            if let Some(kind) = kind {
                manifest["artifactType"] = json!(kind);
            }
            let pushed = registry
                .put_manifest(
                    "a",
                    &digest(manifest.to_string().as_bytes()),
                    OCI_MANIFEST,
                    &manifest,
                )
                .expect(201);
            assert_eq!(pushed.header("oci-subject"), Some(&*subject));
            pushed.digest()
        };
        let (plain, signature) = (refer(1, None), refer(2, Some("application/vnd.example+sig")));
        let all = list("").json()["manifests"].as_array().unwrap().clone();
        let by = |digest: &str| all.iter().find(|one| one["digest"] == digest).unwrap();
        // An artifact without its own type has the type of its configuration.
        assert_eq!(
            (all.len(), &by(&plain)["artifactType"]),
            (2, &json!("application/vnd.oci.image.config.v1+json"))
        );
        assert_eq!(
            (&by(&plain)["annotations"]["number"], &by(&plain)["mediaType"]),
            (&json!("1"), &json!(OCI_MANIFEST))
        );
        let filtered = list("?artifactType=application%2Fvnd.example%2Bsig");
        assert_eq!(filtered.header("oci-filters-applied"), Some("artifactType"));
        assert_eq!(filtered.json()["manifests"], json!([by(&signature)]));
        assert_eq!(list("?artifactType=text/plain").json()["manifests"], json!([]));
        for number in 3..=102 {
            refer(number, None);
        }
        let first = list("");
        assert_eq!(first.json()["manifests"].as_array().unwrap().len(), 100);
        let rest = registry.get(&first.next().unwrap()).expect(200);
        assert_eq!((rest.json()["manifests"].as_array().unwrap().len(), rest.next()), (2, None));
        // A subject may be pushed later, or never; a deleted referrer is removed from the list.
        let later = format!("sha256:{}", "2".repeat(64));
        let mut manifest = image(&config, &config);
        manifest["subject"] = json!({ "digest": later });
        registry.put_manifest("a", "early", OCI_MANIFEST, &manifest).expect(201);
        let early = registry.get(&format!("/v2/a/referrers/{later}")).expect(200).json()["manifests"][0]["digest"].clone();
        registry
            .send("DELETE", &format!("/v2/a/manifests/{}", early.as_str().unwrap()), &[], b"")
            .expect(202);
        assert_eq!(
            registry.get(&format!("/v2/a/referrers/{later}")).expect(200).json()["manifests"],
            json!([])
        );
        registry.get("/v2/a/referrers/sha256:abc").fails(400, "DIGEST_INVALID");
        // A repository that does not exist has no referrers.
        registry.get(&format!("/v2/none/referrers/{later}")).expect(200);
    }

    fn referrers_of_the_tag_scheme_are_included(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let subject = registry.image("a", "latest", 1);
        let config = registry.store("a", b"{}");
        let mut manifest = image(&config, &config);
        manifest["subject"] = json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 1 });
        let referrer =
            registry.put_manifest("a", "sig", OCI_MANIFEST, &manifest).expect(201).digest();
        let unrelated = registry.image("a", "other", 2);
        // Simulates a push to another registry that does not support referrers.
        let linked = "/docker/registry/v2/repositories/a/_manifests/referrers";
        registry.driver.delete(linked).unwrap();
        // SeaweedFS keeps listing folders that have become empty.
        if registry.driver.list(linked).is_err() {
            let response = registry.get(&format!("/v2/a/referrers/{subject}")).expect(200);
            assert_eq!(response.json()["manifests"], json!([]));
        }
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            { "mediaType": OCI_MANIFEST, "digest": referrer, "size": 1 },
            { "mediaType": OCI_MANIFEST, "digest": unrelated, "size": 1 },
        ]});
        registry.put_manifest("a", &subject.replace(':', "-"), OCI_INDEX, &index).expect(201);
        let found =
            registry.get(&format!("/v2/a/referrers/{subject}")).expect(200).json()["manifests"]
                .clone();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["digest"]), (1, &json!(referrer)));
    }

    fn tags_manifests_and_blobs_are_deleted(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let (first, second) = (registry.image("a", "one", 1), registry.image("a", "two", 2));
        let manifest = registry.get("/v2/a/manifests/two").body;
        registry
            .send("PUT", "/v2/a/manifests/one", &[("Content-Type", OCI_MANIFEST)], &manifest)
            .expect(201);
        registry
            .send("PUT", "/v2/a/manifests/three", &[("Content-Type", OCI_MANIFEST)], &manifest)
            .expect(201);
        let delete = |path: &str| registry.send("DELETE", &format!("/v2/a/{path}"), &[], b"");
        // Deleting a tag deletes only the tag.
        delete("manifests/three").expect(202);
        registry.get("/v2/a/manifests/three").fails(404, "MANIFEST_UNKNOWN");
        registry.get(&format!("/v2/a/manifests/{second}")).expect(200);
        delete("manifests/three").fails(404, "MANIFEST_UNKNOWN");
        // A manifest that a tag once led to is deleted without the tag; one that tags still lead to
        // is deleted with them.
        delete(&format!("manifests/{first}")).expect(202);
        assert_eq!(registry.get("/v2/a/manifests/one").expect(200).digest(), second);
        delete(&format!("manifests/{second}")).expect(202);
        for reference in ["one", "two", &first, &second] {
            registry.get(&format!("/v2/a/manifests/{reference}")).fails(404, "MANIFEST_UNKNOWN");
        }
        delete(&format!("manifests/{second}")).fails(404, "MANIFEST_UNKNOWN");
        delete("manifests/.x").fails(404, "MANIFEST_UNKNOWN");
        let blob = digest(b"{}");
        delete(&format!("blobs/{blob}")).expect(202);
        registry.get(&format!("/v2/a/blobs/{blob}")).fails(404, "BLOB_UNKNOWN");
        delete(&format!("blobs/{blob}")).fails(404, "BLOB_UNKNOWN");
        // The collection empties the bucket.
        let collected = registry.collect(Untagged::Kept);
        assert_eq!(
            (collected.blobs, collected.links),
            (5, 2),
            "two layers and two manifests and a configuration"
        );
        assert_eq!(registry.left(target, &root), Vec::<String>::new());
    }

    fn deletion_can_be_disabled(target) {
        let options = Options {
            deletion: Deletion::Refused,
            downloads: Downloads::Served,
            secret: None,
            log: Log::Failures,
            proxies: TrustedProxies::default(),
        };
        let registry = Process::with(target, &target.scratch("http"), options);
        let digest = registry.image("a", "one", 1);
        for path in
            ["manifests/one".to_owned(), format!("manifests/{digest}"), format!("blobs/{digest}")]
        {
            registry.send("DELETE", &format!("/v2/a/{path}"), &[], b"").fails(405, "UNSUPPORTED");
        }
        registry.get("/v2/a/manifests/one").expect(200);
    }

    fn the_collection_keeps_referenced_content(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let config = registry.store("a", b"{}");
        let part = registry.image("a", "part", 1);
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{ "mediaType": OCI_MANIFEST, "digest": part, "size": 1 }] });
        registry.put_manifest("a", "index", OCI_INDEX, &index).expect(201);
        registry.send("DELETE", "/v2/a/manifests/part", &[], b"").expect(202);
        // A signature of the part, a signature of that signature, and an image that has lost its
        // tag.
        let mut about = part.clone();
        for _ in 0..2 {
            let mut manifest = image(&config, &config);
            manifest["subject"] = json!({ "digest": about });
            about = registry
                .put_manifest(
                    "a",
                    &digest(manifest.to_string().as_bytes()),
                    OCI_MANIFEST,
                    &manifest,
                )
                .expect(201)
                .digest();
        }
        let lost = registry.image("a", "moved", 2);
        registry.image("a", "moved", 3);
        registry.store("a", b"of no manifest");
        let dry =
            Collection { untagged: Untagged::Removed, grace: Duration::ZERO, mode: Mode::DryRun };
        let young = Collection { grace: Duration::from_secs(3600), mode: Mode::Remove, ..dry };
        let before = registry.left(target, &root);
        let planned = registry.registry.collect(&dry).unwrap();
        assert_eq!(
            registry.registry.collect(&young).unwrap(),
            crate::service::collect::Collected::default()
        );
        assert_eq!(registry.left(target, &root), before);
        // The image without a tag is removed with its layer, and so are blobs without a manifest.
        let collected = registry.collect(Untagged::Removed);
        assert_eq!((collected.manifests, collected.blobs, collected), (1, 3, planned));
        for kept in ["index", &part, &about, "moved"] {
            registry.get(&format!("/v2/a/manifests/{kept}")).expect(200);
        }
        registry.get(&format!("/v2/a/manifests/{lost}")).fails(404, "MANIFEST_UNKNOWN");
        assert_eq!(registry.collect(Untagged::Removed).blobs, 0);
        // A manifest that cannot be read stops the collection before it removes anything.
        let hex = part.strip_prefix("sha256:").unwrap();
        let data = format!("/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        registry.driver.put_content(&data, b"changed").unwrap();
        registry.store("a", b"of no manifest");
        let before = registry.left(target, &root);
        assert!(registry.registry.collect(&Collection { mode: Mode::Remove, ..dry }).is_err());
        assert_eq!(registry.left(target, &root), before);
    }

    fn an_old_blob_with_a_new_link_is_not_collected(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let digest = registry.store("a", b"old");
        std::thread::sleep(Duration::from_secs(4));
        registry
            .send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}&from=a"), &[], b"")
            .expect(201);
        let mut collection = Collection {
            untagged: Untagged::Kept,
            grace: Duration::from_secs(3),
            mode: Mode::DryRun,
        };
        let planned = registry.registry.collect(&collection).unwrap();
        collection.mode = Mode::Remove;
        let collected = registry.registry.collect(&collection).unwrap();
        assert_eq!((collected.links, collected.blobs, collected), (1, 0, planned));
        registry.get(&format!("/v2/b/blobs/{digest}")).expect(200);
        registry.get(&format!("/v2/a/blobs/{digest}")).fails(404, "BLOB_UNKNOWN");
        assert_eq!(registry.collect(Untagged::Kept).blobs, 1);
    }

    fn an_old_blob_whose_link_is_written_again_is_not_collected(target) {
        let root = target.scratch("http");
        let process = Process::start(target, &root);
        let digest = process.store("a", b"old");
        let relinking = Relinking(process.driver.clone());
        let options = Options {
            deletion: Deletion::Allowed,
            downloads: Downloads::Served,
            secret: None,
            log: Log::Failures,
            proxies: TrustedProxies::default(),
        };
        let registry = Registry::new(Arc::new(relinking), options);
        let mut collection =
            Collection { untagged: Untagged::Kept, grace: Duration::ZERO, mode: Mode::DryRun };
        assert_eq!(registry.collect(&collection).unwrap().blobs, 1);
        collection.mode = Mode::Remove;
        let collected = registry.collect(&collection).unwrap();
        assert_eq!((collected.links, collected.blobs), (1, 0));
        process.get(&format!("/v2/a/blobs/{digest}")).expect(200);
    }

    fn an_index_of_a_build_cache_refers_to_blobs(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = |digest: &str| json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest,
                "size": 5,
            }],
        });
        let layer = registry.store("a/b", b"layer");
        registry.put_manifest("a/b", "cache", kind, &index(&layer)).expect(201);
        registry
            .put_manifest("a/b", "cache", kind, &index(&digest(b"other")))
            .fails(400, "MANIFEST_BLOB_UNKNOWN");
        assert_eq!(registry.collect(Untagged::Removed).blobs, 0);
        // The folder of a repository is not one.
        registry.get("/v2/a/tags/list").fails(404, "NAME_UNKNOWN");
        registry.get("/v2/a/b/tags/list").expect(200);
    }

    fn unfinished_uploads_are_purged_by_age(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let digest = registry.store("a", b"kept");
        for size in [0, 10, 6 * MIB] {
            let place =
                registry.send("POST", "/v2/a/b/blobs/uploads/", &[], b"").expect(202).location();
            registry.send("PATCH", &place, &[], &bytes(1, 0, size)).expect(202);
        }
        // A process committed one of them, and died before it moved the blob to its place.
        let uploads = "/docker/registry/v2/repositories/a/b/_uploads";
        let append =
            |id: &String| registry.driver.writer(&format!("{id}/data"), WriteMode::Append).ok();
        registry.driver.list(uploads).unwrap().iter().find_map(append).unwrap().commit().unwrap();
        let purge = |age, mode| registry.registry.purge(age, mode).unwrap();
        assert_eq!(purge(Duration::from_secs(3600), Mode::Remove), 0);
        assert_eq!(purge(Duration::ZERO, Mode::DryRun), 3);
        assert_eq!(purge(Duration::ZERO, Mode::Remove), 3);
        assert_eq!(registry.left(target, &root).len(), 2, "the blob and its link");
        registry.get(&format!("/v2/a/blobs/{digest}")).expect(200);
        assert_eq!(purge(Duration::ZERO, Mode::Remove), 0);
    }

    fn downloads_are_redirected_to_the_storage_and_to_a_mirror(target) {
        let root = target.scratch("http");
        let options = Options {
            deletion: Deletion::Allowed,
            downloads: Downloads::Redirected,
            secret: None,
            log: Log::Failures,
            proxies: TrustedProxies::default(),
        };
        let registry = Process::with(target, &root, options.clone());
        let digest = registry.store("a", b"redirected");
        let path = format!("/v2/a/blobs/{digest}");
        let response = registry.get(&path).expect(307);
        assert!(response.location().contains("Signature="), "{}", response.location());
        if let Some(rest) = response.location().strip_prefix("http://") {
            let (host, path) = rest.split_at(rest.find('/').unwrap());
            let address = std::net::ToSocketAddrs::to_socket_addrs(host).unwrap().next().unwrap();
            let mut socket = TcpStream::connect(address).unwrap();
            write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
                .unwrap();
            assert_eq!(read_response(&mut socket, "GET").expect(200).body, b"redirected");
        }
        registry.send("HEAD", &path, &[], b"").expect(200);
        let mirror = middleware::wrap(
            "redirect",
            Arc::new(registry.driver),
            [("baseurl", "https://mirror.example.org")],
        );
        let server = serve(Arc::new(Registry::new(mirror.unwrap(), options)));
        let location = send(server.address(), "GET", &path, &[], b"").expect(307).location();
        let hex = digest.strip_prefix("sha256:").unwrap();
        assert_eq!(
            location,
            format!(
                "https://mirror.example.org/{root}/docker/registry/v2/blobs/sha256/{}/{hex}/data",
                &hex[..2]
            )
        );
    }

    fn invalid_names_cannot_escape_their_place(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        registry.driver.put_content("/secret/_layers/x", b"x").unwrap();
        for name in [
            "..",
            "../a",
            "a/..",
            "a//b",
            "a/",
            "A",
            "a_",
            "-a",
            "a..b",
            "a___b",
            "a/_layers",
            "a.-b",
            "%2e%2e",
            "a%2f..%2fb",
            "a%00",
            "%c3%a9",
            &"a".repeat(256),
        ] {
            for path in [
                format!("/v2/{name}/tags/list"),
                format!("/v2/{name}/manifests/x"),
                format!("/v2/{name}/blobs/{}", digest(b"x")),
            ] {
                registry.get(&path).fails(400, "NAME_INVALID");
            }
            registry
                .send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
                .fails(400, "NAME_INVALID");
        }
        let long = "a".repeat(255);
        for name in ["a", "a.b_c__d---e/0", "blobs/uploads/tags", &long] {
            registry.image(name, "x", 1);
            registry.get(&format!("/v2/{name}/manifests/x")).expect(200);
        }
    }

    fn only_one_request_at_a_time_can_write_to_an_upload(target) {
        let registry = Process::start(target, &target.scratch("http"));
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        let mut socket = TcpStream::connect(registry.server.address()).unwrap();
        // The server asks for the body: from then on this request owns the upload.
        write!(
            socket,
            "PATCH {place} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        .unwrap();
        assert_eq!(read_response(&mut socket, "PATCH").status, 100);
        registry.send("PATCH", &place, &[], b"abc").fails(409, "BLOB_UPLOAD_INVALID");
        registry.get(&place).fails(409, "BLOB_UPLOAD_INVALID");
        socket.write_all(b"xyz").unwrap();
        read_response(&mut socket, "PATCH").expect(202);
        registry.finish(&place, &digest(b"xyz"), b"").expect(201);
    }

    fn an_interrupted_commit_is_repeated(target) {
        let root = target.scratch("http");
        let registry = Process::start(target, &root);
        let content = bytes(11, 0, 6 * MIB);
        let place = registry.send("POST", "/v2/a/blobs/uploads/", &[], b"").expect(202).location();
        registry.send("PATCH", &place, &[], &content).expect(202);
        // A process commits, and dies before it moves the blob to its place.
        let id = place.rsplit('/').next().unwrap();
        let data = format!("/docker/registry/v2/repositories/a/_uploads/{id}/data");
        registry.driver.writer(&data, WriteMode::Append).unwrap().commit().unwrap();
        assert_eq!(registry.get(&place).expect(204).header("range"), Some("0-0"));
        registry
            .send(
                "PATCH",
                &place,
                &[("Content-Range", &format!("0-{}", content.len() - 1))],
                &content,
            )
            .expect(202);
        registry.finish(&place, &digest(&content), b"").expect(201);
        assert_eq!(registry.left(target, &root).len(), 2);
    }
}

#[test]
fn upload_tokens_equal_those_of_distribution() {
    let driver = s3driver::driver::MemoryDriver::new();
    let options = Options {
        deletion: Deletion::Allowed,
        downloads: Downloads::Served,
        secret: Some("secret".to_owned()),
        log: Log::Failures,
        proxies: TrustedProxies::default(),
    };
    let server = serve(Arc::new(Registry::new(Arc::new(driver), options)));
    let place =
        send(server.address(), "POST", "/v2/a/b/blobs/uploads/", &[], b"").expect(202).location();
    let response = send(server.address(), "PATCH", &place, &[], b"abc").expect(202).location();
    let (path, token) = response.split_once("?_state=").unwrap();
    let token = token.replace("%3D", "=");
    let token = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE, token).unwrap();
    let (mac, state) = token.split_at(32);
    use hmac::{KeyInit, Mac};
    let mut expected = hmac::Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    expected.update(state);
    assert_eq!(expected.finalize().into_bytes().as_slice(), mac);
    let state: Value = serde_json::from_slice(state).unwrap();
    assert_eq!((&state["Name"], &state["Offset"]), (&json!("a/b"), &json!(3)));
    assert!(path.ends_with(state["UUID"].as_str().unwrap()));
    let started = state["StartedAt"].as_str().unwrap();
    assert!(started.len() == 20 && started.ends_with('Z'), "{started}");
    // The address can be used unchanged, including its token.
    send(server.address(), "PUT", &format!("{response}&digest={}", digest(b"abc")), &[], b"")
        .expect(201);
}

/// Starts a registry that needs no S3 server.
fn in_memory() -> Server {
    let options = Options {
        deletion: Deletion::Allowed,
        downloads: Downloads::Served,
        secret: None,
        log: Log::Failures,
        proxies: TrustedProxies::default(),
    };
    serve(Arc::new(Registry::new(Arc::new(s3driver::driver::MemoryDriver::new()), options)))
}

/// Returns a connection on which a response that takes more than a few seconds is a failure.
fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

#[test]
fn input_other_than_http_is_rejected_at_once() {
    let server = in_memory();
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));
    for request in [
        // The beginning of a TLS handshake, from a client that tries TLS first.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET / HTTP/3.0\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length:\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let mut socket = connect(&server);
        drop(socket.write_all(request));
        let response = read_response(&mut socket, "GET").expect(400);
        assert_eq!(response.header("connection"), Some("close"));
    }
    send(server.address(), "GET", "/v2/", &[], b"").expect(200);
}

#[test]
fn unread_bodies_do_not_disturb_the_next_request() {
    let server = in_memory();
    let mut socket = connect(&server);
    // Two requests in one write, then one whose head arrives byte by byte.
    socket
        .write_all(b"GET /v2/ HTTP/1.1\r\n\r\nPUT /v2/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdeGET /v2/ HTT")
        .unwrap();
    read_response(&mut socket, "GET").expect(200);
    read_response(&mut socket, "PUT").expect(405);
    for byte in b"P/1.1\r\nHost: x\r\n\r\n" {
        socket.write_all(&[*byte]).unwrap();
    }
    let response = read_response(&mut socket, "GET").expect(200);
    assert_eq!(response.header("connection"), None);
    // A body that is too large to be skipped ends the connection after the response.
    write!(socket, "PUT /v2/ HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n").unwrap();
    drop(socket.write_all(&vec![0; 8 * MIB]));
    assert_eq!(read_response(&mut socket, "PUT").expect(405).header("connection"), Some("close"));
    // So does a body that the client holds back until the server asks for it.
    let mut socket = connect(&server);
    write!(socket, "PUT /v2/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .unwrap();
    assert_eq!(read_response(&mut socket, "PUT").expect(405).header("connection"), Some("close"));
}

#[test]
fn malformed_chunks_are_rejected() {
    let server = in_memory();
    for body in
        ["x\r\n", "3\r\nabcd\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "-1\r\n", "\r\n", "3\r\nab"]
    {
        let place = send(server.address(), "POST", "/v2/a/blobs/uploads/", &[], b"").location();
        let mut socket = connect(&server);
        write!(socket, "PATCH {place} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
            .unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        read_response(&mut socket, "PATCH").fails(400, "BLOB_UPLOAD_INVALID");
    }
}

#[test]
fn a_configuration_is_read_and_unsupported_options_are_rejected() {
    let whole = "
version: 0.1
log: { level: info, accesslog: { disabled: true } }
storage:
  s3:
    accesskey: 0123
    secretkey: 'null'
    region: us-east-1
    bucket: registry
    sessiontoken: ~
    v4auth: true
  delete: { enabled: on }
  tag: { concurrencylimit: 8 }
  cache: { blobdescriptor: redis }
  maintenance:
    uploadpurging: { enabled: yes, age: 1.5h, interval: 1h30m }
    readonly: { enabled: off }
middleware:
  storage:
    - name: redirect
      options: { baseurl: https://mirror.example.org }
http:
  addr: :5000
  net: tcp
  secret: shared
redis: { addr: localhost:6379 }
loglevel: debug
compatibility: { schema1: { enabled: true } }
";
    let config = Config::read(whole).unwrap();
    let Options { deletion, downloads, secret, log, proxies } = config.options;
    assert_eq!(proxies, TrustedProxies::default());
    assert_eq!(
        (deletion, downloads, log),
        (Deletion::Allowed, Downloads::Redirected, Log::Failures)
    );
    assert_eq!(
        (secret.as_deref(), &*config.address, config.s3.is_some()),
        (Some("shared"), ":5000", true)
    );
    let hours = Duration::from_secs(5_400);
    assert_eq!(config.purging.map(|it| (it.age, it.interval)), Some((hours, hours)));
    assert!(Config::read("storage: inmemory").is_ok());
    let memory = Config::read("storage: { inmemory: {}, redirect: { disable: Yes } }").unwrap();
    assert_eq!(
        (memory.options.deletion, memory.options.downloads),
        (Deletion::Refused, Downloads::Served)
    );
    for (bad, expected) in [
        ("", "one document"),
        ("storage: {}", "needs one of"),
        ("storage: { inmemory: {}, s3: {} }", "needs one of"),
        ("storage: { filesystem: {} }", "storage.filesystem is not supported"),
        ("storage: { inmemory: {} }\nauth: { htpasswd: {} }", "auth is not supported"),
        ("storage: { inmemory: {} }\nproxy: {}", "proxy is not supported"),
        ("storage: { inmemory: {} }\nvalidation: {}", "validation is not supported"),
        (
            "storage: { inmemory: {}, maintenance: { readonly: { enabled: true } } }",
            "readonly is not supported",
        ),
        ("storage: { inmemory: {} }\nhttp: { net: unix }", "http.net is not supported"),
        (
            "storage: { inmemory: {} }\nhttp: { tls: { clientcas: [x] } }",
            "http.tls.clientcas is not supported",
        ),
        (
            "storage: { inmemory: {} }\nhttp: { tls: { certificate: x } }",
            "both a certificate and a key",
        ),
        ("storage: { inmemory: {}, delete: { enabled: 1 } }", "neither true nor false"),
        ("storage: { inmemory: {} }\nstorage: { inmemory: {} }", "twice"),
        ("storage: { s3: { bucket: b, region: us-east-1, colour: red } }", "colour"),
        ("storage: { s3: { bucket: { a: b } } }", "storage.s3.bucket is not a value"),
        ("storage: &a { inmemory: {} }\nhttp: *a", "line 2 uses an alias"),
        ("storage: [", ""),
        ("storage: { inmemory: {} }\nmiddleware: { storage: [ { name: other } ] }", "other"),
    ] {
        let error = Config::read(bad).err().unwrap_or_else(|| panic!("{bad:?} was accepted"));
        assert!(error.contains(expected), "{bad:?}: {error}");
    }
    assert!(Config::read(&"[".repeat(100_000)).is_err());
    for bad in ["''", "h", "1w", "-1h", "1h-", "99999999999h", "[1h]", "1ms"] {
        let purging = format!("maintenance: {{ uploadpurging: {{ interval: {bad} }} }}");
        let error = Config::read(&format!("storage: {{ inmemory: {{}}, {purging} }}")).err();
        let error = error.unwrap_or_else(|| panic!("{bad} was accepted"));
        assert!(error.contains("storage.maintenance.uploadpurging.interval"), "{bad}: {error}");
    }
}

#[test]
fn misspelt_options_and_values_of_the_wrong_kind_are_rejected_in_every_section() {
    for (bad, expected) in [
        ("redirect: { disabled: true }", "storage.redirect.disabled is not supported"),
        ("redirect: true", "storage.redirect is not a map"),
        ("redirect: { disable: [true] }", "storage.redirect.disable is not a value"),
        ("delete: { enable: true }", "storage.delete.enable is not supported"),
        ("cache: { blobdescriptors: inmemory }", "storage.cache.blobdescriptors is not"),
        ("tag: { concurrency: 8 }", "storage.tag.concurrency is not supported"),
        (
            "maintenance: { uploadpurging: { enable: false } }",
            "storage.maintenance.uploadpurging.enable is not supported",
        ),
        (
            "maintenance: { readonly: { enable: true } }",
            "storage.maintenance.readonly.enable is not supported",
        ),
    ] {
        let error = Config::read(&format!("storage: {{ inmemory: {{}}, {bad} }}")).err();
        let error = error.unwrap_or_else(|| panic!("{bad} was accepted"));
        assert!(error.contains(expected), "{bad}: {error}");
    }
    for (bad, expected) in [
        ("log: { accesslog: { disable: true } }", "log.accesslog.disable is not supported"),
        ("log: { levle: debug }", "log.levle is not supported"),
        ("http: { addr: [':5000'] }", "http.addr is not a value"),
        ("http: { trustedproxies: [10.0.0.0/33] }", "http.trustedproxies must contain addresses"),
        ("http: { trustedproxies: [proxy] }", "http.trustedproxies must contain addresses"),
        ("http: { trustedproxies: { a: b } }", "http.trustedproxies is not a value"),
        ("middleware: { storage: { name: redirect } }", "middleware.storage is not a list"),
        (
            "middleware: { storage: [ { name: redirect, disable: true } ] }",
            "middleware.storage.disable is not supported",
        ),
    ] {
        let error = Config::read(&format!("storage: {{ inmemory: {{}} }}\n{bad}")).err();
        let error = error.unwrap_or_else(|| panic!("{bad} was accepted"));
        assert!(error.contains(expected), "{bad}: {error}");
    }
}

fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn environment_variables_replace_options_of_the_configuration() {
    let file = "
storage: { filesystem: { rootdirectory: /var } }
http: { addr: :5000 }
middleware: { storage: [ { name: other } ] }
";
    let config = Config::read_with(
        file,
        pairs(&[
            ("REGISTRY_STORAGE", "s3"),
            ("REGISTRY_STORAGE_S3_BUCKET", "registry"),
            ("REGISTRY_STORAGE_S3_REGION", "us-east-1"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "yes"),
            ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING", "{age: 1h}"),
            ("REGISTRY_HTTP_ADDR", "127.0.0.1:1"),
            ("REGISTRY_HTTP_SECRET", ""),
            ("REGISTRY_HTTP_TRUSTEDPROXIES_0", "10.0.0.0/8"),
            ("REGISTRY_HTTP_TRUSTEDPROXIES_1", "::1"),
            ("REGISTRY_MIDDLEWARE_STORAGE_0_NAME", "redirect"),
            ("REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_BASEURL", "https://mirror.example.org"),
            // Kubernetes and Docker set these, and Docker's registry has its own use for the last.
            ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
            ("REGISTRY_PORT_5000_TCP_ADDR", "10.0.0.1"),
            ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
            ("REGISTRY_SERVICE_PORT_HTTP", "5000"),
            ("REGISTRY_CONFIGURATION_PATH", "/etc/config.yml"),
            ("PATH", "/bin"),
        ]),
    )
    .unwrap();
    assert!(config.s3.is_some());
    assert_eq!(config.address, "127.0.0.1:1");
    assert_eq!(config.options.deletion, Deletion::Allowed);
    assert_eq!(config.options.secret, None);
    assert_eq!(config.options.proxies, TrustedProxies::parse(&["10.0.0.0/8", "::1"]).unwrap());
    assert_eq!(config.purging.map(|purging| purging.age), Some(Duration::from_secs(3_600)));
    let url = config.driver.url_for("/a", &UrlOptions::new(Method::Get)).unwrap();
    assert!(url.starts_with("https://mirror.example.org/"), "{url}");
}

#[test]
fn an_environment_variable_that_cannot_be_applied_is_rejected_by_name() {
    let file = "storage: inmemory\nhttp: { addr: ':5000' }\nmiddleware: { storage: [] }";
    let deep = format!("REGISTRY{}", "_A".repeat(100_000));
    for (name, value, expected) in [
        ("REGISTRY_AUTH", "htpasswd", "auth is not supported"),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "x", "auth is not supported"),
        ("REGISTRY_AUHT", "htpasswd", "auht is not supported"),
        ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "x", "http.tls.clientcas is not supported"),
        ("REGISTRY_HTTP_ADDR_PORT", "1", "the option http.addr has a value"),
        ("REGISTRY_MIDDLEWARE_STORAGE_1_NAME", "x", "does not have an entry 1"),
        ("REGISTRY_MIDDLEWARE_STORAGE_X_NAME", "x", "not a position"),
        ("REGISTRY_HTTP__ADDR", "x", "not that of an option"),
        ("REGISTRY_HTTP_ADDR", "[", "cannot be applied"),
        (&deep, "x", "not that of an option"),
    ] {
        let error = Config::read_with(file, pairs(&[(name, value)])).err();
        let error = error.unwrap_or_else(|| panic!("{name} was accepted"));
        assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
    }
}

/// Serves a configuration with one blob, and returns the blob's path.
fn configured(text: &str) -> (Server, String) {
    let config = Config::read(text).unwrap();
    let server = serve(Arc::new(Registry::new(config.driver, config.options)));
    let digest = digest(b"x");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    send(server.address(), "POST", &path, &[], b"x").expect(201);
    (server, format!("/v2/a/blobs/{digest}"))
}

#[test]
fn disabled_redirects_are_not_enabled_by_a_middleware() {
    let target = Target::all().remove(0);
    let pairs = target.pairs(&target.scratch("http"));
    let s3: Vec<_> =
        pairs.iter().map(|(name, value)| format!("    {name}: \"{value}\"\n")).collect();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront/test_rsa2048_pkcs8.pem");
    let options = format!("privatekey: '{key}', keypairid: K1");
    let mut middlewares = vec![("redirect", "")];
    if cfg!(feature = "cloudfront") {
        middlewares.push(("cloudfront", &*options));
    }
    for (name, options) in middlewares {
        let config = |disable: bool| {
            format!(
                "middleware:\n  storage:\n    - name: {name}\n      \
                 options: {{ baseurl: 'https://mirror.example.org', {options} }}\n\
                 log: {{ accesslog: {{ disabled: true }} }}\n\
                 storage:\n  redirect: {{ disable: {disable} }}\n  s3:\n{}",
                s3.concat()
            )
        };
        let (server, path) = configured(&config(false));
        let response = send(server.address(), "GET", &path, &[], b"").expect(307);
        assert!(response.location().starts_with("https://mirror.example.org/"), "{name}");
        let (server, path) = configured(&config(true));
        let response = send(server.address(), "GET", &path, &[], b"").expect(200);
        assert_eq!((response.header("location"), &*response.body), (None, &b"x"[..]));
    }
}

#[test]
fn the_address_of_a_client_is_taken_from_the_headers_of_trusted_proxies_only() {
    let addresses = |proxies: &[&str], headers: &'static [(&'static str, &'static str)]| {
        let proxies = TrustedProxies::parse(proxies).unwrap();
        let seen = Arc::new(std::sync::Mutex::new(None));
        let found = Arc::clone(&seen);
        let server = Server::start(
            TcpListener::bind("127.0.0.1:0").unwrap(),
            None,
            Arc::new(move |request: &mut Request<'_>| {
                *found.lock().unwrap() = proxies.client(request);
                crate::service::http::Response::new(200)
            }),
        )
        .unwrap();
        send(server.address(), "GET", "/", headers, b"").expect(200);
        let client = *seen.lock().unwrap();
        client.map(|address| address.to_string())
    };
    let forged = &[("X-Forwarded-For", "6.6.6.6"), ("X-Real-Ip", "6.6.6.6")];
    assert_eq!(addresses(&[], forged).as_deref(), Some("127.0.0.1"));
    assert_eq!(addresses(&["10.0.0.0/8"], forged).as_deref(), Some("127.0.0.1"));
    let local = &["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"];
    for (headers, expected) in [
        (&[("X-Forwarded-For", "1.2.3.4")][..], Some("1.2.3.4")),
        (&[("X-Forwarded-For", "6.6.6.6, 1.2.3.4")], Some("1.2.3.4")),
        (&[("X-Forwarded-For", "6.6.6.6, 1.2.3.4, fd00::1,10.1.1.1")], Some("1.2.3.4")),
        (&[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "10.1.1.1")], Some("1.2.3.4")),
        (&[("X-Forwarded-For", "10.2.2.2, 10.1.1.1")], Some("10.2.2.2")),
        (&[("X-Forwarded-For", "[2001:db8::1]:443")], Some("2001:db8::1")),
        (&[("X-Forwarded-For", "1.2.3.4:443")], Some("1.2.3.4")),
        (&[("X-Forwarded-For", "6.6.6.6, unknown")], None),
        (&[("X-Real-Ip", "1.2.3.4")], Some("1.2.3.4")),
        (&[], Some("127.0.0.1")),
    ] {
        assert_eq!(addresses(local, headers).as_deref(), expected, "{headers:?}");
    }
    assert_eq!(addresses(&["0.0.0.0/0"], &[]).as_deref(), Some("127.0.0.1"));
    assert!(TrustedProxies::parse(&["10.0.0.0/33"]).is_err());
}

#[test]
fn the_registry_serves_tls() {
    use crate::service::tls::{self, Minimum};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (chain, secret) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    assert_eq!(Minimum::parse(None), Minimum::parse(Some("tls1.0")));
    assert!(Minimum::parse(Some("tls1.4")).is_err());
    let minimum = Minimum::parse(Some("tls1.3")).unwrap();
    let configuration = tls::configuration(&chain, &secret, minimum).unwrap();
    assert!(tls::configuration(&secret, &secret, minimum).is_err());
    assert!(
        tls::configuration(&chain, &folder.path().join("none"), minimum)
            .unwrap_err()
            .contains("none")
    );

    let options = Options {
        deletion: Deletion::Allowed,
        downloads: Downloads::Served,
        secret: None,
        log: Log::Failures,
        proxies: TrustedProxies::default(),
    };
    let registry = Registry::new(Arc::new(s3driver::driver::MemoryDriver::new()), options);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let handler = Arc::new(move |request: &mut Request<'_>| registry.handle(request));
    let server = Server::start(listener, Some(configuration), handler).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let client =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connection =
        ClientConnection::new(Arc::new(client), ServerName::try_from("127.0.0.1").unwrap())
            .unwrap();
    let mut stream = StreamOwned::new(connection, connect(&server));
    let content = bytes(12, 0, MIB);
    let digest = digest(&content);
    // Two requests on one connection, both larger than a TLS record.
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nContent-Length: {MIB}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&content).unwrap();
    read_response(&mut stream, "POST").expect(201);
    write!(stream, "GET /v2/a/blobs/{digest} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_response(&mut stream, "GET").expect(200).body == content);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection ends in an orderly way");
    // Plain HTTP is not understood and ends the connection.
    let mut plain = connect(&server);
    plain.write_all(b"GET /v2/ HTTP/1.1\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    drop(plain.read_to_end(&mut rest));
    assert!(!rest.starts_with(b"HTTP"));
}
