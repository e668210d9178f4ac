//! Checks of objects: each permission separately, and how the server treats the driver's headers.
use super::finding::{Verdict, what};
use super::patient::{CONTENT, Patient};
use s3driver::client::{
    Condition, CopySource, Encryption, GetObject, ListObjects, ObjectSettings, VersionSelector,
    lacks_operation,
};
use s3driver::clock::{Clock as _, SystemClock};
use s3driver::time::Timestamp;
use s3driver::transfer::Verified;
use s3driver::xml::Tag;
use s3driver::{Error, ErrorKind};
use std::time::SystemTime;

/// The name of the object that most checks use.
const OBJECT: &str = "object";

/// The clock differences, in seconds, from which servers refuse requests and from which the clock
/// should be corrected.
const REFUSED_SKEW: u64 = 15 * 60;
const NOTICED_SKEW: u64 = 60;

pub(super) fn list(patient: &Patient) -> Verdict {
    let request = ListObjects::prefix(&*patient.directory);
    match patient.bucket.client.list_objects(&patient.bucket.name, &request, None) {
        Ok(page) if page.contents.is_empty() => Verdict::passed("ListObjectsV2 is allowed"),
        Ok(_) => Verdict::fault(
            "a directory that does not exist yet is listed with objects in it",
            "the server does not list by prefix: it cannot store a registry",
        ),
        Err(error) => Verdict::refused(&error, "s3:ListBucket", &patient.bucket_arn()),
    }
}

/// Deletes an object that does not exist. This check runs before anything is stored, so that the
/// missing permission is reported before the objects that could not be removed without it.
pub(super) fn delete_missing(patient: &Patient) -> Verdict {
    match patient.bucket.client.delete_object(
        &patient.bucket.name,
        &patient.key("missing"),
        &Default::default(),
    ) {
        Ok(_) => Verdict::passed("DeleteObject is allowed"),
        Err(error) => patient.refused(&error, "s3:DeleteObject"),
    }
}

/// Stores an object as the driver does. If the server refuses it, the check stores it without an
/// ACL and encryption to find the reason.
pub(super) fn put(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let key = patient.key(OBJECT);
    let put = |settings: &ObjectSettings| {
        patient.written(&key, bucket.client.put_object(&bucket.name, &key, CONTENT, settings))
    };
    let Err(error) = put(&bucket.settings) else {
        return Verdict::passed("PutObject is allowed");
    };
    let mut settings = bucket.settings.clone();
    if settings.acl.take().is_some() && put(&settings).is_ok() {
        let remedy = format!(
            "remove the option objectacl, or allow s3:PutObjectAcl on {} and enable ACLs for the \
             bucket",
            patient.objects_arn()
        );
        return Verdict::fault(format!("only with the ACL: {}", what(&error)), remedy);
    }
    if std::mem::take(&mut settings.encryption) != Encryption::None && put(&settings).is_ok() {
        let remedy = "check the options encrypt and keyid, and allow kms:GenerateDataKey and \
                      kms:Decrypt on the key";
        return Verdict::fault(format!("only with encryption: {}", what(&error)), remedy);
    }
    if settings.storage_class.take().is_some() && put(&settings).is_ok() {
        let remedy = "set storageclass to a class that the server has, or to NONE";
        return Verdict::fault(format!("only with the storage class: {}", what(&error)), remedy);
    }
    patient.refused(&error, "s3:PutObject")
}

/// Compares this machine's clock with the time at which the server stored an object.
pub(super) fn server_time(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let meta = bucket.client.head_object(&bucket.name, &patient.key(OBJECT), &Default::default());
    let Some(stored) = meta.ok().and_then(|meta| meta.last_modified) else {
        return Verdict::passed("the server does not show it");
    };
    let now = Timestamp::from(SystemTime::now());
    let seconds = now.unix().abs_diff(stored.unix());
    let side = if now.unix() < stored.unix() { "behind" } else { "ahead of" };
    let found = format!("this machine's clock is {seconds} s {side} the server's");
    match seconds {
        0..NOTICED_SKEW => Verdict::passed("the clocks agree"),
        NOTICED_SKEW..REFUSED_SKEW => Verdict::notice(found, "set this machine's clock"),
        _ => {
            Verdict::fault(found, "set this machine's clock, or contact the server's administrator")
        }
    }
}

pub(super) fn head(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    match bucket.client.head_object(&bucket.name, &patient.key(OBJECT), &Default::default()) {
        Ok(meta) if meta.size == CONTENT.len() as u64 => Verdict::passed("HeadObject is allowed"),
        Ok(meta) => Verdict::fault(
            format!("an object of {} bytes is reported with {}", CONTENT.len(), meta.size),
            "check what lies between this machine and the server: it changes responses",
        ),
        Err(error) => without_object(patient, &error, "HeadObject"),
    }
}

pub(super) fn get(patient: &Patient) -> Verdict {
    match read(patient) {
        Ok(_) => Verdict::passed("GetObject is allowed"),
        Err(error) => without_object(patient, &error, "GetObject"),
    }
}

/// Returns the verdict on a failed read. If no object could be stored, the response that the object
/// does not exist shows that reading is permitted.
fn without_object(patient: &Patient, error: &Error, operation: &str) -> Verdict {
    if error.kind() == ErrorKind::NoSuchKey {
        return Verdict::passed(format!(
            "{operation} is allowed (of an object that does not exist)"
        ));
    }
    patient.refused(error, "s3:GetObject")
}

fn read(patient: &Patient) -> Result<Vec<u8>, Error> {
    let bucket = &patient.bucket;
    let key = patient.key(OBJECT);
    bucket
        .client
        .get_object(&bucket.name, &key, &GetObject::default())
        .and_then(|reader| reader.read_all(2 * CONTENT.len()))
}

/// Compares the stored content with the content that is read.
pub(super) fn content(patient: &Patient) -> Verdict {
    match read(patient) {
        Ok(content) if content == CONTENT => Verdict::passed("the object is read as it was stored"),
        Ok(_) => Verdict::fault(
            "the object is not read as it was stored",
            "check what lies between this machine and the server: it changes bodies",
        ),
        Err(error) => Verdict::failed(&error),
    }
}

/// Downloads the object into a file, and checks that its content can be verified.
pub(super) fn checksums(patient: &Patient) -> Verdict {
    let (bucket, key) = (&patient.bucket, patient.key(OBJECT));
    let name = format!("s3driver-doctor-{:016x}", SystemClock.random());
    let file = std::env::temp_dir().join(name);
    let downloaded = bucket.transfer().download_to_file(&bucket.name, &key, &file);
    // After a failure there is no file.
    drop(std::fs::remove_file(&file));
    match downloaded.map(|downloaded| downloaded.verified) {
        Ok(Verified::Crc64Nvme) => Verdict::passed("downloads are verified with CRC-64/NVME"),
        Ok(Verified::Md5) => Verdict::passed("downloads are verified with the MD5 in the ETag"),
        Ok(_) => Verdict::notice(
            "the server states no checksum of the object: downloads are verified by their length",
            "set the option checksum to one that the server keeps, such as crc64nvme; a registry \
             verifies blobs by their digests as well",
        ),
        Err(error) if error.kind() == ErrorKind::LocalIo => Verdict::notice(
            what(&error),
            "let this user write to the directory for temporary files (TMPDIR)",
        ),
        Err(error) => Verdict::failed(&error),
    }
}

/// Reports the ACL that objects are stored with. A server that refuses it fails the check of the
/// stored object.
pub(super) fn acl_header(patient: &Patient) -> Verdict {
    match patient.bucket.settings.acl {
        Some(acl) => Verdict::passed(format!("objects are stored with {}", acl.as_str())),
        None => Verdict::NotUsed("the option objectacl is not set"),
    }
}

/// Stores a tag and reads it. The driver does not use tags, but lifecycle rules and policies can
/// select objects by them. Other checks use another object, because copying a tagged one requires
/// the permission to read its tags.
pub(super) fn tags(patient: &Patient) -> Verdict {
    let (bucket, key) = (&patient.bucket, patient.key("tagged"));
    let (client, name) = (&bucket.client, &bucket.name);
    let stored = client.put_object(name, &key, CONTENT, &bucket.settings);
    if let Err(error) = patient.written(&key, stored) {
        return patient.refused(&error, "s3:PutObject");
    }
    let tags = [Tag::new("s3driver", "doctor")];
    let current = VersionSelector::default();
    let read = client
        .put_object_tagging(name, &key, &tags, &current)
        .and_then(|()| client.get_object_tagging(name, &key, &current));
    match read {
        Ok(read) if read == tags => Verdict::passed("tags are stored and read"),
        Ok(_) => Verdict::NotOffered("the server does not keep tags: rules cannot select by them"),
        Err(error) if error.kind() == ErrorKind::AccessDenied => Verdict::NotUsed(
            "the keys may not tag objects (s3:PutObjectTagging, s3:GetObjectTagging), and a registry \
             does not need to",
        ),
        Err(error) if lacks_operation(&error) || error.kind() == ErrorKind::Protocol => {
            Verdict::NotOffered("the server has no tags: rules cannot select by them")
        }
        Err(error) => {
            Verdict::notice(what(&error), "nothing for a registry, which does not tag objects")
        }
    }
}

pub(super) fn encryption(patient: &Patient) -> Verdict {
    if patient.bucket.settings.encryption == Encryption::None {
        return Verdict::NotUsed("the option encrypt is not set");
    }
    let bucket = &patient.bucket;
    match bucket.client.head_object(&bucket.name, &patient.key(OBJECT), &Default::default()) {
        Ok(meta) => match meta.encryption {
            Some(encryption) => Verdict::passed(encryption),
            None => Verdict::notice(
                "the server accepts the request to encrypt and does not confirm it",
                "make sure that the server encrypts in another way, or set encrypt to false",
            ),
        },
        Err(error) => Verdict::failed(&error),
    }
}

pub(super) fn storage_class(patient: &Patient) -> Verdict {
    let Some(wanted) = patient.bucket.settings.storage_class else {
        return Verdict::NotUsed("the option storageclass is NONE");
    };
    let bucket = &patient.bucket;
    match bucket.client.head_object(&bucket.name, &patient.key(OBJECT), &Default::default()) {
        Ok(meta) => {
            // Responses leave out the default class.
            let class = meta.storage_class.unwrap_or_else(|| "STANDARD".to_owned());
            if class == wanted.as_str() {
                return Verdict::passed(class);
            }
            Verdict::notice(
                format!("the object was stored as {class} in place of {}", wanted.as_str()),
                "set storageclass to a class that the server has, or to NONE",
            )
        }
        Err(error) => Verdict::failed(&error),
    }
}

pub(super) fn copy(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let (key, copy) = (patient.key(OBJECT), patient.key("copy"));
    let source = CopySource::new(&bucket.name, &key);
    let copied = bucket.client.copy_object(source, &bucket.name, &copy, &bucket.settings);
    match patient.written(&copy, copied) {
        Ok(_) => Verdict::passed("CopyObject is allowed"),
        Err(error) => patient.refused(&error, "s3:PutObject and s3:GetObject"),
    }
}

/// Stores an object on condition that it does not exist. Because it does exist, the server must
/// refuse the request.
pub(super) fn conditional_write(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let absent = bucket.settings.clone().condition(Condition::IfAbsent);
    let put = bucket.client.put_object(&bucket.name, &patient.key(OBJECT), CONTENT, &absent);
    match put {
        Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
            Verdict::passed("If-None-Match is obeyed")
        }
        Ok(_) => Verdict::notice(
            "the server ignores If-None-Match",
            "nothing for a registry, whose driver works without; other programs must not rely on \
             it",
        ),
        Err(error) => Verdict::failed(&error),
    }
}

/// Deletes two objects in one request.
pub(super) fn batch_delete(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let keys = [patient.key("missing-1"), patient.key("missing-2")];
    match bucket.client.delete_objects(&bucket.name, &[&keys[0], &keys[1]]) {
        Ok(_) => Verdict::passed("DeleteObjects is allowed"),
        Err(error) => patient.refused(&error, "s3:DeleteObject"),
    }
}
