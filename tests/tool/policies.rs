//! Tests of `doctor` on Ceph, whose bucket policies can deny a single permission.

use crate::doctor::{assert_only_fault, examine};
use crate::rig::Rig;
use crate::support::target::Target;
use s3driver::client::{CreateBucket, DeleteObject, ListObjects, SignatureVersion};
use s3driver::sign::{Credentials, Request, v4};
use s3driver::time::Timestamp;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::SystemTime;

/// The action that a policy denies, additional options of the driver, the check that reports the
/// denial, and a word of the remedy that it suggests.
const DENIED: &[(&str, &[&str], &str, &str)] = &[
    ("s3:ListBucket", &[], "list", "s3:ListBucket"),
    ("s3:PutObject", &[], "put", "s3:PutObject"),
    ("s3:GetObject", &[], "head", "s3:GetObject"),
    ("s3:DeleteObject", &[], "delete", "s3:DeleteObject"),
    ("s3:AbortMultipartUpload", &[], "abort multipart upload", "s3:AbortMultipartUpload"),
    ("s3:ListMultipartUploadParts", &[], "list parts", "s3:ListMultipartUploadParts"),
    ("s3:ListBucketMultipartUploads", &[], "list uploads", "s3:ListBucketMultipartUploads"),
];

/// Sends a signed request for the policy of the bucket and returns the status line of the response.
fn policy_request(target: &Target, bucket: &str, method: &str, body: &str) -> String {
    let host = target.endpoint.strip_prefix("http://").expect("an endpoint without TLS");
    let path = format!("/{bucket}");
    let headers = [("host", host)];
    let request = Request::new(method, &path).query(&[("policy", "")]).headers(&headers);
    let keys = Credentials::new(&target.access_key, &target.secret_key);
    let scope = v4::Scope { region: &target.region, service: "s3" };
    let now = Timestamp::from(SystemTime::now());
    let payload = v4::Payload::Bytes(body.as_bytes());
    let signed = v4::sign(&request, payload, &keys, scope, now).expect("signed");
    let mut text = format!("{method} {path}?policy= HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in &signed.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()));
    let mut socket = TcpStream::connect(host).expect("the server");
    socket.write_all(text.as_bytes()).expect("sent");
    let mut response = String::new();
    socket.read_to_string(&mut response).expect("a response");
    response.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn each_permission_that_a_bucket_policy_denies_is_named() {
    let of_ceph = |target: &Target| {
        target.server == "ceph"
            && target.signature == SignatureVersion::V4
            && target.ca_file.is_none()
    };
    let Some(target) = Target::all().into_iter().find(of_ceph) else {
        println!("skipped: bucket policies need Ceph");
        return;
    };
    let rig = Rig::new(&target, "policies");
    let bucket = rig.root.clone();
    rig.client.create_bucket(&bucket, &CreateBucket::default()).expect("a bucket");
    for (action, options, check, word) in DENIED {
        let body = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"{action}","Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}"#
        );
        let status = policy_request(&target, &bucket, "PUT", &body);
        assert!(status.contains(" 20"), "{status}");
        let url = format!("s3://{bucket}");
        let found = examine(rig.command(&["doctor"]), &[&[&*url][..], options].concat());
        let status = policy_request(&target, &bucket, "DELETE", "");
        assert!(status.contains(" 20"), "{status}");
        assert_only_fault(&found, check, &[word, &bucket]);
    }
    for upload in rig.client.uploads(&bucket, "") {
        let upload = upload.expect("an upload");
        let (key, upload_id) = (&*upload.key, &*upload.upload_id);
        let upload = s3driver::client::UploadRef { bucket: &bucket, key, upload_id };
        rig.client.abort_multipart_upload(upload).expect("aborted");
    }
    for object in rig.client.objects(&bucket, ListObjects::default()) {
        let key = object.expect("an object").key;
        rig.client.delete_object(&bucket, &key, &DeleteObject::default()).expect("deleted");
    }
    rig.client.delete_bucket(&bucket).expect("an empty bucket");
}
