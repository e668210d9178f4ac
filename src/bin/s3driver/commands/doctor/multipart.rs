//! Checks of multipart uploads: each permission separately, the sizes of parts, and the remains of
//! earlier uploads.
use super::finding::Verdict;
use super::patient::{CONTENT, Patient, Upload};
use s3driver::ErrorKind;
use s3driver::client::{Condition, CopySource, MIN_PART_SIZE, UploadRef};
use s3driver::time::Timestamp;
use std::time::SystemTime;

/// The age from which an unfinished upload counts as abandoned: a week, as for the registry's
/// uploads.
const ABANDONED: i64 = 7 * 24 * 3600;

pub(super) fn create(patient: &Patient) -> Verdict {
    match begin(patient, "multipart") {
        Ok(upload) => {
            *patient.upload.borrow_mut() = Some(upload);
            Verdict::passed("CreateMultipartUpload is allowed")
        }
        Err(error) => patient.refused(&error, "s3:PutObject"),
    }
}

fn begin(patient: &Patient, name: &str) -> s3driver::Result<Upload> {
    let (bucket, key) = (&patient.bucket, patient.key(name));
    let id = bucket.client.create_multipart_upload(&bucket.name, &key, &bucket.settings)?;
    Ok(Upload { key, id, parts: Vec::new() })
}

/// Runs `work` with the upload that the checks share.
fn with_upload(
    patient: &Patient,
    work: impl FnOnce(UploadRef<'_>, &mut Upload) -> Verdict,
) -> Verdict {
    let mut shared = patient.upload.borrow_mut();
    let Some(upload) = shared.as_mut() else {
        return Verdict::NotReached("create multipart upload");
    };
    let (key, id) = (upload.key.clone(), upload.id.clone());
    work(UploadRef { bucket: &patient.bucket.name, key: &key, upload_id: &id }, upload)
}

/// Uploads a part of the smallest size that S3 allows for a part before the last one.
pub(super) fn upload_part(patient: &Patient) -> Verdict {
    with_upload(patient, |place, upload| {
        let content = vec![b'x'; usize::try_from(MIN_PART_SIZE).unwrap_or_default()];
        match patient.bucket.client.upload_part(place, 1, &content) {
            Ok(part) => {
                upload.parts.push(part);
                Verdict::passed("UploadPart is allowed, with 5 MiB")
            }
            Err(error) => patient.refused(&error, "s3:PutObject"),
        }
    })
}

/// Creates the last part by copying an object.
pub(super) fn copy_part(patient: &Patient) -> Verdict {
    with_upload(patient, |place, upload| {
        let (bucket, key) = (&patient.bucket, patient.key("object"));
        let source = CopySource::new(&bucket.name, &key);
        let range = 0..CONTENT.len() as u64;
        match bucket.client.upload_part_copy(source, range, place, 2) {
            Ok(part) => {
                upload.parts.push(part);
                Verdict::passed("UploadPartCopy is allowed")
            }
            Err(error) if error.kind() == ErrorKind::AccessDenied => {
                patient.refused(&error, "s3:GetObject and s3:PutObject")
            }
            Err(error) => Verdict::notice(
                super::finding::what(&error),
                "nothing for a registry, whose driver copies in other ways, which take longer",
            ),
        }
    })
}

pub(super) fn list_parts(patient: &Patient) -> Verdict {
    with_upload(patient, |place, upload| match patient.bucket.client.list_parts(place, None) {
        Ok(page) if page.parts.len() == upload.parts.len() => {
            Verdict::passed("ListParts is allowed")
        }
        Ok(page) => Verdict::fault(
            format!("{} parts are listed as {}", upload.parts.len(), page.parts.len()),
            "the driver cannot resume uploads on this server: report this to its administrator",
        ),
        Err(error) => patient.refused(&error, "s3:ListMultipartUploadParts"),
    })
}

pub(super) fn list_uploads(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    match bucket.client.list_multipart_uploads(&bucket.name, &patient.directory, None) {
        Ok(_) => Verdict::passed("ListMultipartUploads is allowed"),
        Err(error) => {
            Verdict::refused(&error, "s3:ListBucketMultipartUploads", &patient.bucket_arn())
        }
    }
}

/// Completes the upload and compares the object's size with the total size of its parts.
pub(super) fn complete(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let Some(upload) = patient.upload.borrow_mut().take() else {
        return Verdict::NotReached("create multipart upload");
    };
    let place = UploadRef { bucket: &bucket.name, key: &upload.key, upload_id: &upload.id };
    let size: u64 = upload.parts.iter().map(|part| part.size).fold(0, u64::saturating_add);
    let completed =
        bucket.client.complete_multipart_upload(place, &upload.parts, &Condition::Always);
    match patient.written(&upload.key, completed) {
        Ok(_) => match bucket.client.head_object(&bucket.name, &upload.key, &Default::default()) {
            Ok(meta) if meta.size != size => Verdict::fault(
                format!("parts of {size} bytes became an object of {} bytes", meta.size),
                "the server loses parts: it cannot store a registry",
            ),
            _ => Verdict::passed("CompleteMultipartUpload is allowed"),
        },
        Err(error) => {
            let verdict = patient.refused(&error, "s3:PutObject");
            *patient.upload.borrow_mut() = Some(upload);
            verdict
        }
    }
}

/// Aborts an upload: the shared one if it is still open, otherwise a new one.
pub(super) fn abort(patient: &Patient) -> Verdict {
    let shared = patient.upload.borrow_mut().take();
    let upload = match shared.map_or_else(|| begin(patient, "aborted"), Ok) {
        Ok(upload) => upload,
        Err(error) => return patient.refused(&error, "s3:PutObject"),
    };
    let bucket = &patient.bucket;
    let place = UploadRef { bucket: &bucket.name, key: &upload.key, upload_id: &upload.id };
    match bucket.client.abort_multipart_upload(place) {
        Ok(()) => Verdict::passed("AbortMultipartUpload is allowed"),
        Err(error) => {
            let verdict = patient.refused(&error, "s3:AbortMultipartUpload");
            *patient.upload.borrow_mut() = Some(upload);
            verdict
        }
    }
}

/// Counts the uploads below the root directory that appear to be abandoned.
pub(super) fn unfinished(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    let root = &bucket.parameters.root_directory;
    let oldest = Timestamp::from(SystemTime::now()).unix().saturating_sub(ABANDONED);
    let mut old = 0_u64;
    for page in bucket.client.uploads(&bucket.name, root).pages() {
        match page {
            Err(error) => return Verdict::failed(&error),
            Ok(page) => {
                let begun = page.uploads.iter().filter_map(|upload| upload.initiated);
                old =
                    old.saturating_add(begun.filter(|begun| begun.unix() < oldest).count() as u64);
            }
        }
    }
    if old == 0 {
        return Verdict::passed("no unfinished upload is older than a week");
    }
    Verdict::notice(
        format!("{old} unfinished uploads are older than a week; their parts are charged for"),
        "abort them (s3driver uploads abort), and give the bucket a lifecycle rule with \
         AbortIncompleteMultipartUpload",
    )
}
