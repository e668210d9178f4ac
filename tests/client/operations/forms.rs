//! Forms for browser uploads (POST Object), submitted over a socket.
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::client::{GetObject, ObjectSettings, SignatureVersion};
use s3driver::sign::{Credentials, PostForm, PostPolicy, v2, v4};
use s3driver::time::Timestamp;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

const BOUNDARY: &str = "----a-boundary-that-no-content-has";
const MOST: u64 = 100_000;

/// Signs a form that may store objects with this prefix.
fn signed(target: &Target, prefix: &str, lifetime: i64) -> PostForm {
    let now = Timestamp::from(SystemTime::now());
    let policy = PostPolicy::new(Timestamp::from_unix(now.unix() + lifetime))
        .equals("bucket", &target.bucket)
        .starts_with("key", prefix)
        .equals("Content-Type", "text/plain")
        .starts_with("x-amz-meta-owner", "")
        .content_length(1..=MOST)
        .unwrap();
    let credentials = Credentials::new(&*target.access_key, &*target.secret_key);
    let scope = v4::Scope { region: &target.region, service: "s3" };
    match target.signature {
        SignatureVersion::V2 => v2::post_policy(&policy, &credentials),
        _ => v4::post_policy(&policy, &credentials, scope, now),
    }
    .unwrap()
}

/// Returns all fields of a form for a key.
fn fields(form: &PostForm, key: &str) -> Vec<(String, String)> {
    let own = [("key", key), ("Content-Type", "text/plain"), ("x-amz-meta-owner", "accounting")];
    let signed = form.fields.iter().map(|(name, value)| (*name, value.as_str()));
    own.into_iter().chain(signed).map(|(name, value)| (name.into(), value.into())).collect()
}

/// Submits a form as a browser does, and returns the status of the response.
fn submit(target: &Target, fields: &[(String, String)], file: &[u8]) -> u16 {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());

    let host = target.endpoint.strip_prefix("http://").expect("plain HTTP");
    let mut socket = TcpStream::connect(host).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        target.bucket,
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    // A server may refuse the form before it has read all of it.
    drop(socket.write_all(&body));
    let mut reply = Vec::new();
    drop(socket.read_to_end(&mut reply));
    let status = reply.get(9..12).expect("a status line");
    std::str::from_utf8(status).unwrap().parse().unwrap()
}

crate::checks! {
    fn a_form_stores_an_object_under_its_policy(target) {
        // A form does not depend on TLS.
        if target.endpoint.starts_with("https:") {
            return;
        }
        let client = target.client();
        let prefix = target.scratch("form");
        let key = format!("{prefix}/a.txt");
        let content = bytes(3, 0, 50_000);
        let form = signed(target, &prefix, 600);
        assert_eq!(submit(target, &fields(&form, &key), &content), 204);
        let stored = client.get_object(&target.bucket, &key, &GetObject::default()).unwrap();
        assert_eq!(stored.meta().content_type.as_deref(), Some("text/plain"));
        assert_eq!(stored.meta().metadata, [("owner".to_owned(), "accounting".to_owned())]);
        assert!(stored.read_all(1 << 20).unwrap() == content);
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    fn an_altered_form_is_refused(target) {
        if target.endpoint.starts_with("https:") {
            return;
        }
        let client = target.client();
        let prefix = target.scratch("form");
        let (key, outside) = (format!("{prefix}/a.txt"), target.scratch("outside"));
        let kept = ObjectSettings::default();
        client.put_object(&target.bucket, &outside, b"before", &kept).unwrap();
        let form = signed(target, &prefix, 600);
        let good = fields(&form, &key);
        let altered = |name: &str, change: &dyn Fn(&str) -> String| {
            let mut fields = good.clone();
            let field = fields.iter_mut().find(|(of, _)| of.eq_ignore_ascii_case(name));
            let (_, value) = field.expect(name);
            *value = change(value);
            fields
        };
        let flipped = |value: &str| {
            let (first, rest) = value.split_at(1);
            format!("{}{rest}", if first == "a" { "b" } else { "a" })
        };
        // The signature is hexadecimal in version 4 and base64 in version 2.
        let signature = if form.fields.iter().any(|(name, _)| *name == "signature") {
            "signature"
        } else {
            "x-amz-signature"
        };
        let wider = signed(target, "", 600);
        let wider = wider.fields.iter().find(|(name, _)| *name == "policy").unwrap().1.clone();
        let forms = [
            ("another key", altered("key", &|_| outside.clone())),
            ("another type", altered("content-type", &|_| "text/html".to_owned())),
            ("another policy", altered("policy", &|_| wider.clone())),
            ("another signature", altered(signature, &flipped)),
            ("a field without a condition", [
                &good[..],
                &[("x-amz-meta-added".to_owned(), "1".to_owned())],
            ].concat()),
            ("no signature", good.iter().filter(|(name, _)| name != signature).cloned().collect()),
            ("an expired policy", fields(&signed(target, &prefix, -600), &key)),
        ];
        for (what, fields) in forms {
            let status = submit(target, &fields, b"content");
            assert!((400..500).contains(&status), "{what}: {status}");
        }
        for content in [&[][..], &bytes(1, 0, MOST as usize + 1)] {
            let status = submit(target, &good, content);
            assert!((400..500).contains(&status), "{} bytes: {status}", content.len());
        }
        let found = client.head_object(&target.bucket, &key, &GetObject::default());
        assert_eq!(found.unwrap_err().kind(), s3driver::ErrorKind::NoSuchKey);
        let before = client.get_object(&target.bucket, &outside, &GetObject::default()).unwrap();
        assert_eq!(before.read_all(100).unwrap(), b"before");
        client.delete_object(&target.bucket, &outside, &Default::default()).unwrap();
    }
}
