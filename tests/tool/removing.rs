//! Tests of `rm -r` and `mv -r` on a server that pages by position: a removal moves later keys into
//! a page that was already listed.

use crate::rig::{Rig, Run, text};
use crate::support::listing::page_by_position;
use crate::support::target::Target;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The number of keys in a page of the listing.
const PAGE: usize = 600;

/// A server that has only keys, and whose continuation tokens are positions.
#[derive(Clone)]
struct Positional {
    keys: Arc<Mutex<Vec<String>>>,
    /// Whether another program stores a new key whenever one is removed.
    refill: bool,
}

impl Positional {
    /// Starts the server and returns its URL.
    fn start(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = self.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(&client));
            }
        });
        format!("http://{address}")
    }

    /// Responds to one request.
    fn serve(&self, client: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let mut request = String::new();
        reader.read_line(&mut request).ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, body) = self.respond(&request, &String::from_utf8(body).ok()?);
        let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        let length = format!("content-length: {}\r\n\r\n", body.len());
        let body = if request.starts_with("HEAD") { "" } else { &*body };
        let mut client = client;
        client.write_all(format!("{head}{length}{body}").as_bytes()).ok()
    }

    fn respond(&self, request: &str, body: &str) -> (u16, String) {
        let mut keys = self.keys.lock().unwrap();
        if request.starts_with("POST") {
            let removed = body.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next());
            let mut result = String::new();
            for key in removed {
                keys.retain(|kept| kept != key);
                if self.refill {
                    keys.push(format!("{key}+"));
                }
                result += &format!("<Deleted><Key>{key}</Key></Deleted>");
            }
            return (200, format!("<DeleteResult>{result}</DeleteResult>"));
        }
        let (method, path) = request.split_once(' ').expect("a request line");
        let key = path.strip_prefix("/registry/").and_then(|rest| rest.split([' ', '?']).next());
        let key = key.filter(|key| !key.is_empty()).unwrap_or_default();
        let is_stored = keys.iter().any(|kept| kept == key);
        match method {
            "DELETE" => {
                keys.retain(|kept| kept != key);
                if self.refill && is_stored {
                    keys.push(format!("{key}-"));
                }
                (204, String::new())
            }
            "PUT" => {
                let etag = "<ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag>";
                (200, format!("<CopyObjectResult>{etag}</CopyObjectResult>"))
            }
            // Every object is one byte.
            "GET" | "HEAD" if is_stored => (200, "a".to_owned()),
            "GET" if key.is_empty() => (200, page_by_position(&keys, request, PAGE)),
            _ => (404, String::new()),
        }
    }
}

/// Runs a command for a directory with this number of keys, and returns the keys that are left.
fn left(rig: &Rig<'_>, arguments: &[&str], count: usize, refill: bool) -> (Run, Vec<String>) {
    let keys = (0..count).map(|number| format!("d/{number:05}")).collect();
    let server = Positional { keys: Arc::new(Mutex::new(keys)), refill };
    let mut command = rig.bare();
    command.args(arguments).args(["-q", "--region", "us-east-1"]);
    command.args(["--endpoint", &server.start()]);
    let run = Run::of(command.output().expect("a process"));
    let left = server.keys.lock().unwrap().clone();
    (run, left)
}

/// Runs `rm -r` like [`left`].
fn removed(count: usize, refill: bool, more: &[&str]) -> (Run, Vec<String>) {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "positions");
    left(&rig, &[&["rm", "-r", "s3://registry/d/"], more].concat(), count, refill)
}

#[test]
fn a_directory_is_removed_completely_when_pages_are_positions() {
    for count in [1, PAGE, 2_500] {
        let (run, left) = removed(count, false, &[]);
        assert_eq!((run.code, &*run.stderr), (Some(0), ""));
        assert_eq!((run.stdout.lines().count(), left.len()), (count, 0), "of {count}");
    }
    let (run, left) = removed(2_500, false, &["--dry-run"]);
    assert_eq!((run.stdout.lines().count(), left.len()), (2_500, 2_500));
    assert_eq!(removed(0, false, &[]).0.code, Some(3));
}

#[test]
fn a_removal_ends_while_another_program_stores_objects() {
    let (run, _) = removed(PAGE + 1, true, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("each listing returned others"), "{}", run.stderr);
}

#[test]
fn a_directory_is_moved_completely_when_pages_are_positions() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "positions");
    let folder = text(&rig.path("moved"));
    for to in ["s3://registry/e/", &folder] {
        for count in [1, PAGE, 2 * PAGE + 100] {
            let (run, left) = left(&rig, &["mv", "-r", "s3://registry/d/", to], count, false);
            assert_eq!((run.code, &*run.stderr), (Some(0), ""));
            assert_eq!((run.stdout.lines().count(), left.len()), (count, 0), "of {count} to {to}");
        }
    }
    assert_eq!(rig.files().len(), 2 * PAGE + 100);
    let (run, _) = left(&rig, &["mv", "-r", "s3://registry/d/", &folder], 0, false);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    // A copy removes nothing, so each object is listed once.
    let (run, left) = left(&rig, &["cp", "-r", "s3://registry/d/", &folder], PAGE + 1, false);
    assert_eq!((run.stdout.lines().count(), left.len()), (PAGE + 1, PAGE + 1), "{}", run.stderr);
}
