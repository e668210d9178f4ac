//! Tests of `ls`, `stat`, `cat`, `rm` and `uploads`.

use crate::checks;
use crate::rig::Rig;
use crate::support::content::bytes;
use s3driver::client::ObjectSettings;
use serde_json::{Value, json};

fn keys(lines: &[Value], member: &str) -> Vec<String> {
    lines.iter().filter_map(|line| Some(line.get(member)?.as_str()?.to_owned())).collect()
}

checks! {
    fn ls_shows_one_directory_or_everything_below_it(target) {
        let rig = Rig::new(target, "ls");
        for name in ["a/1", "a/b/2", "a/b/c/3", "ab/4", "five 5"] {
            rig.put(name, name.as_bytes());
        }
        let lines = rig.json(&["ls", &rig.url("a")]);
        assert_eq!(keys(&lines, "key"), [rig.key("a/1")]);
        assert_eq!(keys(&lines, "prefix"), [rig.key("a/b/")]);
        assert_eq!(lines.iter().find_map(|line| line["size"].as_u64()), Some(3));

        let mut all = keys(&rig.json(&["ls", "-r", &rig.url("a")]), "key");
        all.sort();
        assert_eq!(all, ["a/1", "a/b/2", "a/b/c/3"].map(|name| rig.key(name)));
        assert_eq!(keys(&rig.json(&["ls", &rig.url("five 5")]), "key"), [rig.key("five 5")]);
        assert_eq!(keys(&rig.json(&["ls", "-r", &rig.url("five 5")]), "key"), [rig.key("five 5")]);

        let text = rig.ok(&["ls", &rig.url("a/")]);
        let mut lines: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        lines.sort();
        assert_eq!(lines, [rig.key("a/1"), rig.key("a/b/")]);
        let error = rig.fails(3, &["ls", &rig.url("five")]);
        assert!(error.contains("nothing is stored at s3://"), "{error}");
        rig.fails(3, &["ls", "-r", &rig.url("five")]);
    }

    fn stat_shows_what_is_stored(target) {
        let rig = Rig::new(target, "stat");
        let settings =
            ObjectSettings::default().content_type("text/x-tool").metadata("colour", "blue");
        rig.client.put_object(&target.bucket, &rig.key("x"), b"12345", &settings).unwrap();
        let shown = rig.json(&["stat", &rig.url("x")]).remove(0);
        assert_eq!(shown["size"], 5);
        assert_eq!(shown["key"], rig.key("x"));
        assert_eq!(shown["content_type"], "text/x-tool");
        assert_eq!(shown["metadata"], json!({ "colour": "blue" }));
        let text = rig.ok(&["stat", &rig.url("x")]);
        assert!(text.contains("size           5\n"), "{text}");
        assert!(text.contains("meta colour    blue\n"), "{text}");
        rig.fails(3, &["stat", &rig.url("y")]);
    }

    fn cat_writes_an_object_or_a_part_of_it(target) {
        let rig = Rig::new(target, "cat");
        let content: Vec<u8> = bytes(1, 0, 1 << 20).iter().map(|byte| byte % 64 + 32).collect();
        rig.put("x", &content);
        let text = String::from_utf8(content).unwrap();
        assert_eq!(rig.ok(&["cat", &rig.url("x")]), text);
        assert_eq!(rig.ok(&["cat", &rig.url("x"), "--offset", "1000"]), text[1000..]);
        let part = rig.ok(&["cat", &rig.url("x"), "--offset", "7", "--length", "9"]);
        assert_eq!(part, text[7..16]);
        assert_eq!(rig.ok(&["cat", &rig.url("x"), "--length", "0"]), "");
        rig.fails(3, &["cat", &rig.url("y")]);
        rig.fails(2, &["cat", &format!("s3://{}", target.bucket)]);
    }

    fn rm_removes_what_is_named_and_nothing_else(target) {
        let rig = Rig::new(target, "rm");
        for name in ["a", "a/1", "a/2", "ab", "b"] {
            rig.put(name, b"x");
        }
        rig.fails(3, &["rm", &rig.url("c")]);
        rig.ok(&["rm", "-r", "--dry-run", &rig.url("a")]);
        assert_eq!(rig.names(), ["a", "a/1", "a/2", "ab", "b"]);
        let removed = rig.json(&["rm", &rig.url("b")]);
        assert_eq!(removed[0]["key"], rig.key("b"));
        rig.ok(&["rm", "-r", &rig.url("a")]);
        assert_eq!(rig.names(), ["ab"]);
        let error = rig.fails(2, &["rm", "-r", &format!("s3://{}/", target.bucket)]);
        assert!(error.contains("needs the option --all"), "{error}");
        assert_eq!(rig.names(), ["ab"]);
    }

    fn uploads_are_listed_and_aborted_by_age(target) {
        let rig = Rig::new(target, "uploads");
        for name in ["a/1", "ab"] {
            rig.client
                .create_multipart_upload(&target.bucket, &rig.key(name), &ObjectSettings::default())
                .unwrap();
        }
        let listed = rig.json(&["uploads", "list", &rig.url("a")]);
        assert_eq!(keys(&listed, "key"), [rig.key("a/1")]);
        rig.ok(&["uploads", "abort", &rig.url("a"), "--older-than", "1h"]);
        rig.ok(&["uploads", "abort", &rig.url("a"), "--older-than", "0s", "--dry-run"]);
        assert_eq!(rig.uploads(), 2);
        let aborted = rig.json(&["uploads", "abort", &rig.url("a"), "--older-than", "0s"]);
        assert_eq!(aborted[0]["state"], "aborted");
        assert_eq!(rig.uploads(), 1);
        rig.ok(&["uploads", "abort", &rig.url("ab"), "--older-than", "0s"]);
        assert_eq!(rig.uploads(), 0);
    }

    fn du_adds_up_directories(target) {
        let rig = Rig::new(target, "du");
        for (name, size) in [("d/a/1", 10), ("d/a/b/2", 20), ("d/c", 5), ("dd", 100)] {
            rig.put(name, &bytes(1, 0, size));
        }
        let lines = rig.json(&["du", &rig.url("d")]);
        assert_eq!(lines, [
            json!({ "prefix": rig.key("d/a/"), "bytes": 30, "objects": 2 }),
            json!({ "prefix": rig.key("d"), "bytes": 35, "objects": 3 }),
        ]);
        let sum = rig.ok(&["du", "-s", &rig.url("d/")]);
        assert_eq!(sum.split_whitespace().take(2).collect::<Vec<_>>(), ["35", "3"]);
        rig.fails(3, &["du", &rig.url("none")]);
    }
}
