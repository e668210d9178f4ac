//! Tests of `policy` and `verify`: the permissions that a registry needs and the blobs that it has
//! stored.

use crate::checks;
use crate::rig::Rig;
use crate::support::Server;
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::StorageDriver;
use s3driver::driver::{FileKind, S3Driver, WalkOptions, WalkStep, WriteMode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::Duration;

/// Returns the IAM actions that an S3 operation needs
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>).
fn actions_of(operation: &str) -> &'static [&'static str] {
    match operation {
        "ListObjectsV2" | "ListObjects" | "HeadBucket" => &["s3:ListBucket"],
        "GetObject" | "HeadObject" => &["s3:GetObject"],
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            &["s3:PutObject"]
        }
        "CopyObject" | "UploadPartCopy" => &["s3:GetObject", "s3:PutObject"],
        "DeleteObject" | "DeleteObjects" => &["s3:DeleteObject"],
        "AbortMultipartUpload" => &["s3:AbortMultipartUpload"],
        "ListParts" => &["s3:ListMultipartUploadParts"],
        "ListMultipartUploads" => &["s3:ListBucketMultipartUploads"],
        other => panic!("{other} is not among the driver's operations"),
    }
}

const UPLOADS: &str = "/docker/registry/v2/repositories/app/_uploads";
const BLOBS: &str = "/docker/registry/v2/blobs/sha256";

/// Makes the driver's calls for a download by a client: examines a blob, reads it whole as a
/// manifest is read, reads it from an offset, looks for a blob that does not exist, and lists a
/// directory.
fn pull(driver: &S3Driver) {
    let path = format!("{BLOBS}/aa/data");
    driver.stat(&path).unwrap();
    driver.get_content(&path).unwrap();
    driver.reader(&path, 10).unwrap().read_to_end(&mut Vec::new()).unwrap();
    assert!(driver.stat(&format!("{BLOBS}/bb/data")).is_err());
    driver.list("/docker/registry/v2").unwrap();
}

/// Makes the driver's calls for uploads by clients. One upload takes two requests, and its blob is
/// moved to its place. Another upload is cancelled.
fn push(driver: &S3Driver) {
    let path = format!("{UPLOADS}/1/data");
    driver.put_content(&format!("{UPLOADS}/1/startedat"), b"now").unwrap();
    let mut writer = driver.writer(&path, WriteMode::Create).unwrap();
    writer.write_all(&bytes(1, 0, 7 << 20)).unwrap();
    writer.close().unwrap();
    let mut writer = driver.writer(&path, WriteMode::Append).unwrap();
    writer.write_all(&bytes(1, 7 << 20, 6 << 20)).unwrap();
    writer.commit().unwrap();
    driver.rename(&path, &format!("{BLOBS}/cc/data")).unwrap();
    let mut writer = driver.writer(&format!("{UPLOADS}/2/data"), WriteMode::Create).unwrap();
    writer.write_all(&bytes(2, 0, 6 << 20)).unwrap();
    writer.cancel().unwrap();
    driver.delete(&format!("{UPLOADS}/1")).unwrap();
}

/// Makes the driver's calls for a garbage collection: reads all files and deletes a blob that
/// nothing refers to.
fn collect(driver: &S3Driver) {
    let mut found = Vec::new();
    driver
        .walk("/docker", &WalkOptions::default(), &mut |file| {
            if file.kind == FileKind::File {
                found.push(file.path.clone());
            }
            Ok(WalkStep::Continue)
        })
        .unwrap();
    for path in found {
        driver.get_content(&path).unwrap();
    }
    driver.delete(&format!("{BLOBS}/aa")).unwrap();
}

/// Makes the driver's calls for the removal of abandoned uploads.
fn purge(driver: &S3Driver) {
    driver.list(UPLOADS).unwrap();
    driver.get_content(&format!("{UPLOADS}/3/startedat")).unwrap();
    driver.delete(&format!("{UPLOADS}/3")).unwrap();
    driver.purge_uploads(UPLOADS, Duration::ZERO).unwrap();
}

/// Stores files and unfinished uploads of a registry on the embedded server and returns the server.
fn prepared(target: &Target) -> &Server {
    let server = target.embedded.as_ref().expect("the embedded server");
    for path in [format!("{BLOBS}/aa/data"), format!("{UPLOADS}/3/startedat")] {
        server.put_object(&target.bucket, &format!("root{path}"), bytes(9, 0, 100));
    }
    for path in
        [format!("{UPLOADS}/3/data"), format!("{UPLOADS}/4/data"), format!("{BLOBS}/aa/new")]
    {
        let key = format!("root{path}");
        let id = server.begin_upload(&target.bucket, &key, std::time::SystemTime::now());
        server.put_part(&target.bucket, &key, &id, 1, bytes(3, 0, 5 << 20));
    }
    server
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().expect("statements");
    let listed = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    listed.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// The name of a job in the tool, and a function that makes the driver's calls for this job.
type Job = (&'static str, fn(&S3Driver));

#[test]
fn a_policy_permits_what_the_driver_asks_for_and_nothing_else() {
    let jobs: [Job; 4] =
        [("pull", pull), ("push", push), ("garbage-collection", collect), ("purge", purge)];
    for (job, work) in jobs {
        let target = Target::all().remove(0);
        if target.embedded.is_none() {
            return;
        }
        let server = prepared(&target);
        let rig = Rig::new(&target, "policy");
        let driver = target.driver("/root");
        let before = server.operations();
        work(&driver);
        let after = server.operations();
        let made = after.iter().filter(|(name, count)| before.get(*name) != Some(count));
        let needed: BTreeSet<String> = made
            .flat_map(|(name, _)| actions_of(name))
            .map(|action| (*action).to_owned())
            .collect();
        let arguments = ["policy", "--for", job, "--bucket", &target.bucket];
        let policy = rig.json(&[&arguments[..], &["-o", "rootdirectory=root"]].concat()).remove(0);
        assert_eq!(actions(&policy), needed, "{job}");
        assert_eq!(policy["Statement"][0]["Resource"], "arn:aws:s3:::registry");
        assert_eq!(policy["Statement"][1]["Resource"], "arn:aws:s3:::registry/root/*");
    }
}

#[test]
fn the_policy_of_the_manual_is_the_printed_one() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "manual");
    let manual = include_str!("../../docs/operations.md");
    let mut blocks = manual.split("```json\n").skip(1);
    for job in ["pull", "push", "garbage-collection", "purge", "pull,push,garbage-collection,purge"]
    {
        let block = blocks.next().expect("a policy").split("```").next().expect("its text");
        let mut command = rig.bare();
        command.args(["policy", "--for", job, "--bucket", "docker.example.org"]);
        command.args(["--region", "eu-central-1", "-o", "rootdirectory=registry"]);
        let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert_eq!(block, printed, "{job}");
    }
}

#[test]
fn a_policy_has_what_the_options_need() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "options");
    let mut command = rig.bare();
    command.args(["policy", "--json", "--bucket", "b12", "--region", "cn-north-1"]);
    command.args(["-o", "objectacl=private", "-o", "encrypt=true", "-o", "keyid=alias/registry"]);
    let policy: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let actions = actions(&policy);
    for action in ["s3:PutObjectAcl", "kms:Decrypt", "kms:GenerateDataKey"] {
        assert!(actions.contains(action), "{action}");
    }
    let statements = &policy["Statement"];
    assert_eq!(statements[1]["Resource"], "arn:aws-cn:s3:::b12/*");
    assert_eq!(statements[2]["Resource"], "arn:aws-cn:kms:cn-north-1:*:alias/registry");
}

#[test]
fn a_policy_names_the_access_point() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "access-point");
    let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint";
    let mut command = rig.bare();
    command.args([
        "policy",
        "--json",
        "--bucket",
        &format!("{point}:b12"),
        "--region",
        "eu-west-1",
    ]);
    command.args(["-o", "rootdirectory=root"]);
    let policy: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let statements = &policy["Statement"];
    assert_eq!(statements[0]["Resource"], format!("{point}/b12"));
    assert_eq!(statements[1]["Resource"], format!("{point}/b12/object/root/*"));
}

checks! {
    fn verify_finds_a_blob_whose_content_is_another(target) {
        let rig = Rig::new(target, "verify");
        let root = format!("rootdirectory={}", rig.root);
        let verify = ["verify", "--bucket", &target.bucket, "-o", &root];
        rig.fails(3, &verify);
        let blob = |content: &[u8]| {
            let digest = hex::encode(Sha256::digest(content));
            format!("docker/registry/v2/blobs/sha256/{}/{digest}/data", &digest[..2])
        };
        for number in 0..20 {
            let content = bytes(number, 0, 1000);
            rig.put(&blob(&content), &content);
        }
        let report = rig.json(&verify);
        assert_eq!(report, [serde_json::json!({ "blobs": 20, "bytes": 20_000, "damaged": 0 })]);
        let damaged = blob(&bytes(7, 0, 1000));
        rig.put(&damaged, &bytes(70, 0, 1000));
        rig.put("docker/registry/v2/blobs/sha256/ee/eeee/data", b"");
        let run = rig.run(&verify);
        assert_eq!((run.code, &*run.stderr), (Some(5), "s3driver: 2 blobs are damaged\n"));
        assert!(run.stdout.contains(&format!("damaged /{damaged}: its content \
                                              has")), "{}", run.stdout);
        assert!(run.stdout.contains("/ee/eeee/data"), "{}", run.stdout);
        assert!(run.stdout.ends_with("21 blobs with 20000 bytes were verified, 2 of them are \
                                      damaged\n"));
    }
}
