//! Tests the backup tool of the examples, from its first push to its last prune.
use super::{client, server};
use crate::writing::{assert_nothing_pending, bytes};
use std::fs;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

#[allow(dead_code, reason = "`main` is the program's")]
#[path = "../../../examples/backup.rs"]
mod tool;

#[test]
fn a_backup_is_pushed_restored_and_pruned() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let (folder, restored) = (directory.path().join("folder"), directory.path().join("restored"));
    let place = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (from, to) = (place(&folder), place(&restored));
    let run = |arguments: &[&str]| tool::run(&client, arguments).unwrap();
    fs::create_dir_all(folder.join("a/b")).unwrap();
    let large = bytes(21, 0, (64 << 20) + 7);
    let files = [("small", &b"small"[..]), ("a/empty", b""), ("a/b/large file", &large)];
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }

    run(&["push", &from, server.bucket(), "backup/"]);
    assert_eq!(server.keys(server.bucket()).len(), files.len());
    assert_nothing_pending(&server);
    let sent = server.count("PutObject") + server.count("UploadPart");
    run(&["push", &from, server.bucket(), "backup/"]);
    let again = server.count("PutObject") + server.count("UploadPart");
    assert_eq!(again, sent, "what has not changed is not sent again");

    server.put_object(server.bucket(), "backup/../climbs", "x");
    run(&["list", server.bucket(), "backup/"]);
    run(&["restore", server.bucket(), "backup/", &to]);
    for (name, content) in files {
        assert!(fs::read(restored.join(name)).unwrap() == content, "{name}");
    }
    assert!(!directory.path().join("climbs").exists());

    let month = Duration::from_secs(30 * 24 * 3600);
    server.begin_upload(server.bucket(), "backup/dead", SystemTime::now() - month);
    run(&["prune", server.bucket(), "backup/", "1"]);
    assert_eq!(server.keys(server.bucket()).len(), files.len() + 1, "nothing is a day old");
    assert_nothing_pending(&server);
    assert!(tool::run(&client, &["push"]).unwrap_err().to_string().starts_with("usage"));
}
