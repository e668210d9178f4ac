//! The S3 operations in the form of s3s: translates its types to calls of the store, and the
//! results back.

use std::sync::Arc;
use std::time::SystemTime;

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3s::crypto::{Checksum as _, Md5};

use super::backend::{
    Attributes, Copy, Directive, MAX_PAGE, MAX_PUT, Object as Stored, Source, Store, Wanted,
};
use super::body::{self, Algorithm, ContentStream, Declared, Received, Scope};
use super::conditions;
use super::listing::{self, Entry, Start};
use super::lock::{self, Lock};
use super::multipart::{Completion, NamedPart, UploadName, UploadQuery, check_part_number};
use super::tags;
use super::versions::Setting;

/// The owner of everything.
const OWNER: &str = "embedded-server";

/// The S3 operations on a store.
pub struct Api(pub Arc<Store>);

/// Takes the fields that PutObject, CopyObject and CreateMultipartUpload have in common.
macro_rules! attributes {
    ($input:expr) => {
        Attributes {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: without_aws_chunked($input.content_encoding.take()),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take().unwrap_or_default(),
            tags: tags::of_header($input.tagging.take())?,
            storage_class: $input
                .storage_class
                .take()
                .map(|class| class.as_str().to_owned())
                .filter(|c| c != "STANDARD"),
            encryption: $input
                .server_side_encryption
                .take()
                .map(|encryption| encryption.as_str().to_owned()),
            kms_key: $input.ssekms_key_id.take(),
            encryption_context: $input.ssekms_encryption_context.take(),
            bucket_key: $input.bucket_key_enabled.take(),
            customer_key: customer_key!($input),
            acl: $input.acl.take().map(|acl| acl.as_str().to_owned()),
            lock: Lock::of_headers(
                $input.object_lock_mode.take().as_ref(),
                $input.object_lock_retain_until_date.take(),
                $input.object_lock_legal_hold_status.take().as_ref(),
            )?,
        }
    };
}

/// Takes the customer's key of an object.
macro_rules! customer_key {
    ($input:expr) => {
        customer_key(
            $input.sse_customer_algorithm.as_deref(),
            $input.sse_customer_key.as_deref(),
            $input.sse_customer_key_md5.as_deref(),
        )?
    };
}

/// Takes the customer's key for the source of a copy.
macro_rules! source_key {
    ($input:expr) => {
        customer_key(
            $input.copy_source_sse_customer_algorithm.as_deref(),
            $input.copy_source_sse_customer_key.as_deref(),
            $input.copy_source_sse_customer_key_md5.as_deref(),
        )?
    };
}

/// Sets the fields of a response that describe the encryption.
macro_rules! describe_encryption {
    ($output:expr, $attributes:expr) => {
        let attributes: &Attributes = &$attributes;
        $output.server_side_encryption = encryption(attributes);
        $output.ssekms_key_id = attributes.kms_key.clone();
        $output.bucket_key_enabled = attributes.bucket_key.filter(|enabled| *enabled);
        let key = attributes.customer_key.clone();
        $output.sse_customer_algorithm = key.as_ref().map(|_| "AES256".to_owned());
        $output.sse_customer_key_md5 = key;
    };
}

/// Takes the fields that declare a request's body.
macro_rules! declared {
    ($request:expr) => {
        Declared {
            length: $request.input.content_length.or_else(|| decoded_length(&$request.headers)),
            content_md5: $request.input.content_md5.take(),
            checksum: sent_checksum!($request.input)
                .map(|(algorithm, value)| (algorithm, Some(value)))
                .or_else(|| announced_checksum(&$request.headers)),
        }
    };
}

/// Takes the one checksum among the five fields of a request, or of a part of a completion.
macro_rules! sent_checksum {
    ($from:expr) => {
        None.or_else(|| Some((Algorithm::Crc32, $from.checksum_crc32.take()?)))
            .or_else(|| Some((Algorithm::Crc32c, $from.checksum_crc32c.take()?)))
            .or_else(|| Some((Algorithm::Crc64Nvme, $from.checksum_crc64nvme.take()?)))
            .or_else(|| Some((Algorithm::Sha1, $from.checksum_sha1.take()?)))
            .or_else(|| Some((Algorithm::Sha256, $from.checksum_sha256.take()?)))
    };
}

/// Sets the field of a response that carries this checksum.
macro_rules! put_checksum {
    ($output:expr, $checksum:expr) => {
        let checksum: Option<&body::Checksum> = $checksum;
        $output.checksum_crc32 = checksum.and_then(|checksum| checksum.of(Algorithm::Crc32));
        $output.checksum_crc32c = checksum.and_then(|checksum| checksum.of(Algorithm::Crc32c));
        $output.checksum_crc64nvme =
            checksum.and_then(|checksum| checksum.of(Algorithm::Crc64Nvme));
        $output.checksum_sha1 = checksum.and_then(|checksum| checksum.of(Algorithm::Sha1));
        $output.checksum_sha256 = checksum.and_then(|checksum| checksum.of(Algorithm::Sha256));
    };
}

/// Sets the field of a response that carries this checksum, and the field for its scope.
macro_rules! put_typed_checksum {
    ($output:expr, $checksum:expr) => {
        put_checksum!($output, $checksum);
        $output.checksum_type =
            $checksum.map(|checksum| ChecksumType::from(checksum.scope.name().to_owned()));
    };
}

/// Takes the conditions of a read.
macro_rules! read_conditions {
    ($input:expr) => {
        conditions::Read {
            if_match: $input.if_match.take(),
            if_none_match: $input.if_none_match.take(),
            if_modified_since: $input.if_modified_since.take(),
            if_unmodified_since: $input.if_unmodified_since.take(),
        }
    };
}

/// Takes the conditions on the source of a copy.
macro_rules! source_conditions {
    ($input:expr) => {
        conditions::Read {
            if_match: $input.copy_source_if_match.take(),
            if_none_match: $input.copy_source_if_none_match.take(),
            if_modified_since: $input.copy_source_if_modified_since.take(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.take(),
        }
    };
}

/// Sets the fields that describe an object in the responses to GET and HEAD.
macro_rules! describe {
    ($output:expr, $object:expr, $range:expr, $part:expr, $checksums:expr) => {
        let (object, attributes) = (&$object, &$object.attributes);
        let size = object.content.len();
        let length = $range.as_ref().map_or(size, |range| range.end - range.start);
        $output.accept_ranges = Some("bytes".to_owned());
        $output.content_length = Some(length as i64);
        $output.content_range =
            $range.as_ref().map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1));
        $output.content_type = Some(
            attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()),
        );
        $output.cache_control = attributes.cache_control.clone();
        $output.content_disposition = attributes.content_disposition.clone();
        $output.content_encoding = attributes.content_encoding.clone();
        $output.content_language = attributes.content_language.clone();
        $output.expires = attributes.expires.clone();
        $output.metadata = (!attributes.metadata.is_empty()).then(|| attributes.metadata.clone());
        $output.storage_class = attributes.storage_class.clone().map(StorageClass::from);
        describe_encryption!($output, attributes);
        let Lock { retention, legal_hold } = attributes.lock.clone();
        $output.object_lock_mode = retention.as_ref().map(|retained| retained.mode.clone().into());
        $output.object_lock_retain_until_date = retention.map(|retained| retained.until);
        $output.object_lock_legal_hold_status = legal_hold.map(lock::status);
        $output.e_tag = Some(ETag::Strong(object.etag.clone()));
        $output.last_modified = Some(object.modified.into());
        $output.version_id = object.version_id.clone();
        $output.parts_count =
            $part.filter(|_| !object.parts.is_empty()).map(|_| object.parts.len() as i32);
        if $checksums && $range.is_none() {
            put_typed_checksum!($output, object.checksum.as_ref());
        }
    };
}

#[async_trait::async_trait]
impl S3 for Api {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let asked = req
            .input
            .create_bucket_configuration
            .and_then(|configuration| configuration.location_constraint);
        let asked = asked.as_ref().map_or("us-east-1", BucketLocationConstraint::as_str);
        if asked != self.0.rules.region {
            return Err(s3_error!(
                IllegalLocationConstraintException,
                "The {asked} location constraint is incompatible for the region specific endpoint this request was sent to."
            ));
        }
        self.0.create_bucket(&req.input.bucket)?;
        if req.input.object_lock_enabled_for_bucket == Some(true) {
            self.0.set_versioning(&req.input.bucket, Setting::Enabled)?;
            let enabled = ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED);
            let configuration =
                ObjectLockConfiguration { object_lock_enabled: Some(enabled), rule: None };
            self.0.set_lock_configuration(&req.input.bucket, Some(configuration))?;
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) }))
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.0.delete_bucket(&req.input.bucket)?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.head_bucket(&req.input.bucket)?;
        let region = Some(self.0.rules.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region: region, ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.0.head_bucket(&req.input.bucket)?;
        let region = Some(self.0.rules.region.clone()).filter(|region| region != "us-east-1");
        let location_constraint = region.map(BucketLocationConstraint::from);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        let rules = self.0.lifecycle_rules(&req.input.bucket)?;
        if rules.is_empty() {
            let code = S3ErrorCode::Custom("NoSuchLifecycleConfiguration".into());
            let mut error =
                S3Error::with_message(code, "The lifecycle configuration does not exist");
            error.set_status_code(hyper::StatusCode::NOT_FOUND);
            return Err(error);
        }
        let rules = Some(rules);
        Ok(S3Response::new(GetBucketLifecycleConfigurationOutput { rules, ..Default::default() }))
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let ListBucketsInput { bucket_region, continuation_token, max_buckets, prefix } = req.input;
        let after = continuation_token.as_deref().map(listing::read_token).transpose()?;
        let limit = match max_buckets {
            None => usize::MAX,
            Some(most @ 1..=10_000) => (most as usize).min(self.0.rules.page_size),
            Some(_) => return Err(s3_error!(InvalidArgument, "max-buckets is not 1 to 10000")),
        };
        let region = &self.0.rules.region;
        let is_selected = |name: &str| {
            prefix.as_deref().is_none_or(|prefix| name.starts_with(prefix))
                && after.as_deref().is_none_or(|after| name > after)
                && bucket_region.as_ref().is_none_or(|asked| asked == region)
        };
        let found = self.0.buckets().into_iter().filter(|(name, _)| is_selected(name));
        let found: Vec<_> = found.collect();
        let states_region =
            [&bucket_region, &continuation_token, &prefix].iter().any(|p| p.is_some())
                || max_buckets.is_some();
        let buckets: Vec<_> = found
            .iter()
            .take(limit)
            .map(|(name, created)| Bucket {
                name: Some(name.clone()),
                creation_date: Some((*created).into()),
                bucket_region: states_region.then(|| region.clone()),
            })
            .collect();
        let last = buckets.last().and_then(|bucket| bucket.name.as_deref());
        let next = last.filter(|_| found.len() > buckets.len()).map(listing::token);
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner()),
            continuation_token: next,
            prefix,
        }))
    }

    async fn get_object_attributes(
        &self,
        mut req: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let key = customer_key!(req.input);
        let GetObjectAttributesInput { bucket, key: of, version_id, .. } = &req.input;
        let object = self.0.get(bucket, of, version_id.as_deref(), &Default::default())?;
        object.attributes.check_key(key.as_deref())?;
        // The header may be one list or several.
        let asked: Vec<_> = req
            .headers
            .get_all("x-amz-object-attributes")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(str::trim))
            .collect();
        let wants = |name: &str| asked.contains(&name);
        let mut checksum = Checksum::default();
        put_typed_checksum!(checksum, object.checksum.as_ref());
        let after = req.input.part_number_marker.take().unwrap_or_default();
        let after: i32 = after.to_string().parse().unwrap_or_default();
        Ok(S3Response::new(GetObjectAttributesOutput {
            e_tag: wants("ETag").then(|| ETag::Strong(object.etag.clone())),
            checksum: object.checksum.as_ref().filter(|_| wants("Checksum")).map(|_| checksum),
            object_parts: wants("ObjectParts")
                .then(|| object_parts(&object, after, req.input.max_parts))
                .flatten(),
            object_size: wants("ObjectSize").then_some(object.content.len() as i64),
            storage_class: object
                .attributes
                .storage_class
                .clone()
                .filter(|_| wants("StorageClass"))
                .map(StorageClass::from),
            last_modified: Some(object.modified.into()),
            version_id: object.version_id.clone(),
            ..Default::default()
        }))
    }

    async fn get_object_lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let object_lock_configuration = Some(self.0.lock_configuration(&req.input.bucket)?);
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
    }

    async fn put_object_lock_configuration(
        &self,
        req: S3Request<PutObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<PutObjectLockConfigurationOutput>> {
        let PutObjectLockConfigurationInput { bucket, object_lock_configuration, .. } = req.input;
        self.0.set_lock_configuration(&bucket, object_lock_configuration)?;
        Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
    }

    async fn get_object_retention(
        &self,
        req: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let GetObjectRetentionInput { bucket, key, version_id, .. } = req.input;
        let retention = Some(self.0.retention((&bucket, &key), version_id.as_deref())?);
        Ok(S3Response::new(GetObjectRetentionOutput { retention }))
    }

    async fn put_object_retention(
        &self,
        req: S3Request<PutObjectRetentionInput>,
    ) -> S3Result<S3Response<PutObjectRetentionOutput>> {
        let PutObjectRetentionInput { bucket, key, version_id, .. } = &req.input;
        let retention = req.input.retention.clone().unwrap_or_default();
        let bypass = req.input.bypass_governance_retention == Some(true);
        self.0.set_retention((bucket, key), version_id.as_deref(), retention, bypass)?;
        Ok(S3Response::new(PutObjectRetentionOutput::default()))
    }

    async fn get_object_legal_hold(
        &self,
        req: S3Request<GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
        let GetObjectLegalHoldInput { bucket, key, version_id, .. } = req.input;
        let legal_hold = Some(self.0.legal_hold((&bucket, &key), version_id.as_deref())?);
        Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold }))
    }

    async fn put_object_legal_hold(
        &self,
        req: S3Request<PutObjectLegalHoldInput>,
    ) -> S3Result<S3Response<PutObjectLegalHoldOutput>> {
        let PutObjectLegalHoldInput { bucket, key, version_id, legal_hold, .. } = req.input;
        self.0.set_legal_hold((&bucket, &key), version_id.as_deref(), legal_hold)?;
        Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let GetObjectTaggingInput { bucket, key, version_id, .. } = req.input;
        let object = self.0.get(&bucket, &key, version_id.as_deref(), &Default::default())?;
        let tag_set = tags::to_set(&object.attributes.tags);
        let version_id = object.version_id.clone();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id }))
    }

    async fn put_object_tagging(
        &self,
        req: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let PutObjectTaggingInput { bucket, key, version_id, tagging, .. } = req.input;
        let tags = tags::of_set(tagging.tag_set)?;
        let object = self.0.update(&bucket, &key, version_id.as_deref(), |object| {
            object.attributes.tags = tags;
            Ok(())
        })?;
        let version_id = object.version_id.clone();
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let DeleteObjectTaggingInput { bucket, key, version_id, .. } = req.input;
        let object = self.0.update(&bucket, &key, version_id.as_deref(), |object| {
            object.attributes.tags.clear();
            Ok(())
        })?;
        let version_id = object.version_id.clone();
        Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = match self.0.versioning(&req.input.bucket)? {
            Setting::Never => None,
            Setting::Enabled => Some(BucketVersioningStatus::ENABLED),
            Setting::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        let status = status.map(BucketVersioningStatus::from_static);
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let status = req.input.versioning_configuration.status;
        let setting = match status.as_ref().map(BucketVersioningStatus::as_str) {
            Some("Enabled") => Setting::Enabled,
            Some("Suspended") => Setting::Suspended,
            _ => {
                return Err(s3_error!(MalformedXML, "The status is neither Enabled nor Suspended"));
            }
        };
        self.0.set_versioning(&req.input.bucket, setting)?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = req.input;
        let text = encoder(input.encoding_type.as_ref())?;
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        let (prefix, delimiter) = (given(&input.prefix), given(&input.delimiter));
        let (key_marker, id_marker) = (given(&input.key_marker), given(&input.version_id_marker));
        let page = self.0.list_versions(
            &input.bucket,
            (&prefix, &delimiter),
            (&key_marker, &id_marker),
            input.max_keys,
        )?;
        let last = page.entries.last().filter(|_| page.truncated);
        let next_key_marker = last.map(|entry| text(entry.name()));
        let next_version_id_marker = last.and_then(|entry| match entry {
            Entry::Item(_, (version, _)) => Some(version.id.clone()),
            Entry::CommonPrefix(_) => None,
        });
        let (mut versions, mut delete_markers) = (Vec::new(), Vec::new());
        let mut common_prefixes = Vec::new();
        for entry in page.entries {
            match entry {
                Entry::CommonPrefix(common) => {
                    common_prefixes.push(CommonPrefix { prefix: Some(text(&common)) });
                }
                Entry::Item(key, (version, is_latest)) => match version.object {
                    None => delete_markers.push(DeleteMarkerEntry {
                        key: Some(text(&key)),
                        is_latest: Some(is_latest),
                        last_modified: Some(version.modified.into()),
                        owner: Some(owner()),
                        version_id: Some(version.id),
                    }),
                    Some(object) => versions.push(ObjectVersion {
                        key: Some(text(&key)),
                        is_latest: Some(is_latest),
                        last_modified: Some(version.modified.into()),
                        owner: Some(owner()),
                        version_id: Some(version.id),
                        size: Some(object.content.len() as i64),
                        e_tag: Some(ETag::Strong(object.etag.clone())),
                        storage_class: Some(ObjectVersionStorageClass::from(class(
                            object.attributes.storage_class.clone(),
                        ))),
                        ..Default::default()
                    }),
                },
            }
        }
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(text(&prefix)),
            delimiter: Some(text(&delimiter)).filter(|delimiter| !delimiter.is_empty()),
            key_marker: Some(text(&key_marker)),
            version_id_marker: Some(id_marker),
            next_key_marker,
            next_version_id_marker,
            max_keys: Some(echoed_limit(input.max_keys)),
            is_truncated: Some(page.truncated),
            versions: Some(versions),
            delete_markers: Some(delete_markers),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.0.head_bucket(&req.input.bucket)?;
        let body = self
            .receive(req.input.body.take(), declared!(req), req.trailing_headers.take())
            .await?;
        let attributes = attributes!(req.input);
        let conditions = conditions::Write {
            if_match: req.input.if_match.take(),
            if_none_match: req.input.if_none_match.take(),
        };
        let object =
            self.0.put(&req.input.bucket, &req.input.key, body, attributes, &conditions)?;
        let mut output = PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            version_id: object.version_id.clone(),
            ..Default::default()
        };
        describe_encryption!(output, object.attributes);
        put_typed_checksum!(output, object.checksum.as_ref());
        Ok(S3Response::new(output))
    }

    async fn get_object(
        &self,
        mut req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let object = self.0.get(
            &req.input.bucket,
            &req.input.key,
            req.input.version_id.as_deref(),
            &read_conditions!(req.input),
        )?;
        object.attributes.check_key(customer_key!(req.input).as_deref())?;
        let range = object.select(wanted(req.input.range, req.input.part_number)?)?;
        let content = range
            .clone()
            .map_or_else(|| object.content.clone(), |range| object.content.slice(range));
        let stream = ContentStream::new(&content).ok_or_else(|| {
            s3_error!(InvalidObjectState, "The server is configured to discard bodies")
        })?;
        let mut output =
            GetObjectOutput { body: Some(StreamingBlob::new(stream)), ..Default::default() };
        describe!(output, object, range, req.input.part_number, req.input.checksum_mode.is_some());
        output.tag_count = Some(object.attributes.tags.len() as i32).filter(|count| *count > 0);
        // s3s itself applies the response-* overrides.
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        mut req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.0.get(
            &req.input.bucket,
            &req.input.key,
            req.input.version_id.as_deref(),
            &read_conditions!(req.input),
        )?;
        object.attributes.check_key(customer_key!(req.input).as_deref())?;
        let range = object.select(wanted(req.input.range, req.input.part_number)?)?;
        let mut output = HeadObjectOutput::default();
        describe!(output, object, range, req.input.part_number, req.input.checksum_mode.is_some());
        let mut response = S3Response::new(output);
        // s3s does not know this header of HeadObject yet.
        let tags = object.attributes.tags.len();
        if tags > 0 {
            response.headers.insert("x-amz-tagging-count", tags.into());
        }
        Ok(response)
    }

    async fn delete_object(
        &self,
        mut req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let conditions =
            conditions::Write { if_match: req.input.if_match.take(), if_none_match: None };
        let version_id = req.input.version_id.as_deref();
        let bypass = req.input.bypass_governance_retention == Some(true);
        let removed =
            self.0.delete(&req.input.bucket, &req.input.key, version_id, &conditions, bypass)?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: removed.marker.is_some().then_some(true),
            version_id: removed.marker.or(removed.version_id),
            ..Default::default()
        }))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let Delete { objects, quiet } = req.input.delete;
        let bypass = req.input.bypass_governance_retention == Some(true);
        if objects.is_empty() || objects.len() > MAX_PAGE {
            return Err(s3_error!(MalformedXML, "A request deletes 1 to {MAX_PAGE} keys"));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for ObjectIdentifier { key, e_tag, version_id, .. } in objects {
            let conditions =
                conditions::Write { if_match: e_tag.map(ETagCondition::ETag), if_none_match: None };
            match self.0.delete(&req.input.bucket, &key, version_id.as_deref(), &conditions, bypass)
            {
                Ok(removed) => deleted.push(DeletedObject {
                    key: Some(key),
                    version_id: removed.version_id,
                    delete_marker: removed.marker.is_some().then_some(true),
                    delete_marker_version_id: removed.marker,
                }),
                Err(error) if error.code().as_str() == "NoSuchBucket" => return Err(error),
                Err(error) => errors.push(Error {
                    key: Some(key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id,
                }),
            }
        }
        let deleted = (quiet != Some(true)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted,
            errors: Some(errors),
            ..Default::default()
        }))
    }

    async fn copy_object(
        &self,
        mut req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let directive = match req.input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some("COPY") => Directive::Copy,
            Some("REPLACE") => Directive::Replace,
            Some(other) => {
                return Err(s3_error!(InvalidArgument, "Unknown metadata directive: {other}"));
            }
        };
        let mut from = copy_source(&req.input.copy_source)?;
        from.customer_key = source_key!(req.input);
        let source_version = from.version_id.clone();
        let object = self.0.copy(Copy {
            from,
            tags: match req.input.tagging_directive.as_ref().map(TaggingDirective::as_str) {
                Some("REPLACE") => Directive::Replace,
                _ => Directive::Copy,
            },
            conditions: source_conditions!(req.input),
            attributes: attributes!(req.input),
            to: (req.input.bucket, req.input.key),
            directive,
        })?;
        let mut result = CopyObjectResult {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        };
        put_typed_checksum!(result, object.checksum.as_ref());
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            version_id: object.version_id.clone(),
            copy_source_version_id: source_version,
            server_side_encryption: encryption(&object.attributes),
            ssekms_key_id: object.attributes.kms_key.clone(),
            ..Default::default()
        }))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let (prefix, delimiter) =
            (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        let start = input.marker.as_deref().map_or(Start::Beginning, Start::After);
        let page = self.0.list(&input.bucket, &prefix, &delimiter, start, input.max_keys)?;
        let text = encoder(input.encoding_type.as_ref())?;
        // Without a delimiter, S3 expects the client to continue after the last key.
        let next_marker = page.next().filter(|_| !delimiter.is_empty()).map(text);
        let is_truncated = page.truncated;
        let (contents, common_prefixes) = contents(page.entries, text, Some(&owner()));
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(text(&prefix)),
            marker: Some(text(&input.marker.unwrap_or_default())),
            next_marker,
            max_keys: Some(echoed_limit(input.max_keys)),
            is_truncated: Some(is_truncated),
            delimiter: Some(text(&delimiter)).filter(|delimiter| !delimiter.is_empty()),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let (prefix, delimiter) =
            (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        let after = input.continuation_token.as_deref().map(listing::read_token).transpose()?;
        let start = after
            .as_deref()
            .or(input.start_after.as_deref())
            .map_or(Start::Beginning, Start::After);
        let page = self.0.list(&input.bucket, &prefix, &delimiter, start, input.max_keys)?;
        let text = encoder(input.encoding_type.as_ref())?;
        let next_continuation_token = page.next().map(listing::token);
        let (is_truncated, key_count) = (page.truncated, page.entries.len() as i32);
        let owner = input.fetch_owner.filter(|wanted| *wanted).map(|_| owner());
        let (contents, common_prefixes) = contents(page.entries, text, owner.as_ref());
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(text(&prefix)),
            start_after: input.start_after.as_deref().map(text),
            continuation_token: input.continuation_token,
            next_continuation_token,
            max_keys: Some(echoed_limit(input.max_keys)),
            key_count: Some(key_count),
            is_truncated: Some(is_truncated),
            delimiter: Some(text(&delimiter)).filter(|delimiter| !delimiter.is_empty()),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        mut req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let algorithm = req.input.checksum_algorithm.as_ref().map(|algorithm| {
            let known = Algorithm::from_name(algorithm.as_str());
            known.ok_or_else(|| {
                s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported")
            })
        });
        let algorithm = algorithm.transpose()?;
        let checksum = algorithm.map(|algorithm| {
            let scope = match req.input.checksum_type.as_ref().map(ChecksumType::as_str) {
                Some("FULL_OBJECT") => Scope::FullObject,
                None if algorithm == Algorithm::Crc64Nvme => Scope::FullObject,
                _ => Scope::Composite,
            };
            (algorithm, scope)
        });
        let attributes = attributes!(req.input);
        let (server_side_encryption, ssekms_key_id) =
            (encryption(&attributes), attributes.kms_key.clone());
        let (bucket, key) = (req.input.bucket, req.input.key);
        let id = self.0.begin_upload(&bucket, &key, attributes, checksum, SystemTime::now())?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            checksum_algorithm: req.input.checksum_algorithm,
            checksum_type: checksum.map(|(_, scope)| ChecksumType::from(scope.name().to_owned())),
            server_side_encryption,
            ssekms_key_id,
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        mut req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        check_part_number(req.input.part_number)?;
        let mut declared = declared!(req);
        let (body, trailers) = (req.input.body.take(), req.trailing_headers.take());
        let sent_key = customer_key!(req.input);
        let UploadPartInput { bucket, key, upload_id, part_number, .. } = req.input;
        let name = UploadName { bucket: &bucket, key: &key, id: &upload_id };
        let (algorithm, attributes) = self.0.upload_settings(name)?;
        attributes.check_key(sent_key.as_deref())?;
        declared.checksum =
            declared.checksum.or_else(|| algorithm.map(|algorithm| (algorithm, None)));
        let part =
            self.0.put_part(name, part_number, self.receive(body, declared, trailers).await?)?;
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(part.etag)),
            server_side_encryption: encryption(&attributes),
            ssekms_key_id: attributes.kms_key,
            ..Default::default()
        };
        put_checksum!(output, part.checksum.as_ref());
        Ok(S3Response::new(output))
    }

    async fn upload_part_copy(
        &self,
        mut req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let conditions = source_conditions!(req.input);
        let mut from = copy_source(&req.input.copy_source)?;
        from.customer_key = source_key!(req.input);
        let key = customer_key!(req.input);
        let input = req.input;
        let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        self.0.upload_settings(name)?.1.check_key(key.as_deref())?;
        let range = input.copy_source_range.as_deref();
        let part = self.0.copy_part(name, input.part_number, &from, range, &conditions)?;
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(part.modified.into()),
            ..Default::default()
        };
        put_checksum!(result, part.checksum.as_ref());
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let named =
            req.input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
        let parts = named.into_iter().map(|mut part| {
            Ok(NamedPart {
                number: part
                    .part_number
                    .ok_or_else(|| s3_error!(MalformedXML, "PartNumber is missing"))?,
                checksum: sent_checksum!(part),
                etag: part
                    .e_tag
                    .ok_or_else(|| s3_error!(MalformedXML, "ETag is missing"))?
                    .into_value(),
            })
        });
        let completion = Completion {
            parts: parts.collect::<S3Result<_>>()?,
            conditions: conditions::Write {
                if_match: req.input.if_match.take(),
                if_none_match: req.input.if_none_match.take(),
            },
            size: req.input.mpu_object_size,
            checksum: sent_checksum!(req.input),
        };
        let CompleteMultipartUploadInput { bucket, key, upload_id, .. } = req.input;
        let object = self
            .0
            .complete(UploadName { bucket: &bucket, key: &key, id: &upload_id }, completion)?;
        let host = req
            .headers
            .get(hyper::header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("http://{host}/{bucket}/{}", listing::url_encoded(&key))),
            bucket: Some(bucket),
            key: Some(key),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            server_side_encryption: encryption(&object.attributes),
            ssekms_key_id: object.attributes.kms_key.clone(),
            version_id: object.version_id.clone(),
            ..Default::default()
        };
        put_typed_checksum!(output, object.checksum.as_ref());
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = req.input;
        self.0.abort(UploadName { bucket: &bucket, key: &key, id: &upload_id })?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let ListPartsInput { bucket, key, upload_id, part_number_marker, max_parts, .. } =
            req.input;
        let name = UploadName { bucket: &bucket, key: &key, id: &upload_id };
        let page = self.0.list_parts(name, part_number_marker.unwrap_or(0), max_parts)?;
        let next_part_number_marker =
            page.parts.last().filter(|_| page.truncated).map(|part| part.number);
        let parts = page.parts.iter().map(|stored| {
            let mut part = Part {
                part_number: Some(stored.number),
                e_tag: Some(ETag::Strong(stored.etag.clone())),
                size: Some(stored.content.len() as i64),
                last_modified: Some(stored.modified.into()),
                ..Default::default()
            };
            put_checksum!(part, stored.checksum.as_ref());
            part
        });
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(parts.collect()),
            is_truncated: Some(page.truncated),
            next_part_number_marker,
            part_number_marker: Some(part_number_marker.unwrap_or(0)),
            max_parts: Some(echoed_limit(max_parts)),
            storage_class: Some(StorageClass::from(class(page.attributes.storage_class))),
            checksum_algorithm: page
                .checksum
                .map(|(algorithm, _)| ChecksumAlgorithm::from(algorithm.name().to_owned())),
            checksum_type: page
                .checksum
                .map(|(_, scope)| ChecksumType::from(scope.name().to_owned())),
            owner: Some(owner()),
            initiator: Some(initiator()),
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(upload_id),
            ..Default::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        let text = encoder(input.encoding_type.as_ref())?;
        let query = UploadQuery {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            key_marker: input.key_marker.as_deref().unwrap_or_default(),
            upload_id_marker: input.upload_id_marker.as_deref().unwrap_or_default(),
            max_uploads: input.max_uploads,
        };
        let page = self.0.list_uploads(&input.bucket, query)?;
        let last = page.entries.last().filter(|_| page.truncated);
        let next_key_marker = last.map(|entry| text(entry.name()));
        let next_upload_id_marker = last.and_then(|entry| match entry {
            Entry::Item(_, upload) => Some(upload.id.clone()),
            Entry::CommonPrefix(_) => None,
        });
        let (mut uploads, mut common_prefixes) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                Entry::CommonPrefix(common) => {
                    common_prefixes.push(CommonPrefix { prefix: Some(text(&common)) });
                }
                Entry::Item(key, upload) => uploads.push(MultipartUpload {
                    key: Some(text(&key)),
                    upload_id: Some(upload.id),
                    initiated: Some(upload.initiated.into()),
                    storage_class: Some(StorageClass::from(class(upload.storage_class))),
                    owner: Some(owner()),
                    initiator: Some(initiator()),
                    ..Default::default()
                }),
            }
        }
        Ok(S3Response::new(ListMultipartUploadsOutput {
            prefix: Some(text(query.prefix)),
            delimiter: Some(text(query.delimiter)).filter(|delimiter| !delimiter.is_empty()),
            key_marker: Some(text(query.key_marker)),
            upload_id_marker: Some(query.upload_id_marker.to_owned()),
            next_key_marker,
            next_upload_id_marker,
            max_uploads: Some(echoed_limit(query.max_uploads)),
            is_truncated: Some(page.truncated),
            uploads: Some(uploads),
            common_prefixes: Some(common_prefixes),
            encoding_type: input.encoding_type,
            bucket: Some(input.bucket),
            ..Default::default()
        }))
    }
}

impl Api {
    async fn receive(
        &self,
        body: Option<StreamingBlob>,
        declared: Declared,
        trailers: Option<s3s::TrailingHeaders>,
    ) -> S3Result<Received> {
        body::receive(body, declared, trailers, MAX_PUT, self.0.rules.retention).await
    }
}

/// Returns the length of an aws-chunked body that is sent in HTTP chunks, without `Content-Length`.
fn decoded_length(headers: &hyper::HeaderMap) -> Option<i64> {
    headers.get("x-amz-decoded-content-length")?.to_str().ok()?.parse().ok()
}

/// Returns the checksum that the trailer will contain (`x-amz-trailer`), or that the request asks
/// the server to compute.
fn announced_checksum(headers: &hyper::HeaderMap) -> Option<(Algorithm, Option<String>)> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let trailer = header("x-amz-trailer")
        .and_then(|names| names.split(',').find_map(|n| Algorithm::from_header(n.trim())));
    let asked = || header("x-amz-sdk-checksum-algorithm").and_then(Algorithm::from_name);
    Some((trailer.or_else(asked)?, None))
}

/// Removes aws-chunked from `Content-Encoding`: the body has already been decoded.
fn without_aws_chunked(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<_> =
        encoding.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
    Some(kept.join(",")).filter(|kept| !kept.is_empty())
}

/// Checks the headers of a customer's key, and returns the MD5 of the key.
///
/// # Errors
/// `InvalidArgument` if one of them is missing, or does not fit to the others.
fn customer_key(
    algorithm: Option<&str>,
    key: Option<&str>,
    md5: Option<&str>,
) -> S3Result<Option<String>> {
    let invalid =
        || s3_error!(InvalidArgument, "The customer key, its algorithm or MD5 is invalid");
    match (algorithm, key, md5) {
        (None, None, None) => Ok(None),
        (Some("AES256"), Some(key), Some(md5)) => {
            let bytes = BASE64_STANDARD.decode(key).ok().filter(|bytes| bytes.len() == 32);
            let digest = bytes.map(|bytes| BASE64_STANDARD.encode(Md5::checksum(&bytes)));
            digest.filter(|digest| *digest == md5).map(Some).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}

fn encryption(attributes: &Attributes) -> Option<ServerSideEncryption> {
    attributes.encryption.clone().map(ServerSideEncryption::from)
}

fn wanted(range: Option<Range>, part_number: Option<i32>) -> S3Result<Wanted> {
    match (range, part_number) {
        (None, None) => Ok(Wanted::Whole),
        (Some(range), None) => Ok(Wanted::Range(range)),
        (None, Some(number)) => Ok(Wanted::Part(number)),
        (Some(_), Some(_)) => {
            Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber"))
        }
    }
}

fn copy_source(source: &CopySource) -> S3Result<Source> {
    match source {
        CopySource::Bucket { bucket, key, version_id }
        | CopySource::AccessPoint { access_point_name: bucket, key, version_id, .. } => {
            Ok(Source {
                bucket: bucket.to_string(),
                key: key.to_string(),
                version_id: version_id.as_deref().map(str::to_owned),
                customer_key: None,
            })
        }
        _ => Err(s3_error!(NotImplemented, "The embedded server does not copy from Outposts")),
    }
}

/// Returns the function that encodes names in a listing.
fn encoder(encoding: Option<&EncodingType>) -> S3Result<fn(&str) -> String> {
    match encoding.map(EncodingType::as_str) {
        None => Ok(str::to_owned),
        Some("url") => Ok(listing::url_encoded),
        Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
    }
}

/// Returns the page limit as the response repeats it.
fn echoed_limit(asked: Option<i32>) -> i32 {
    asked.unwrap_or(MAX_PAGE as i32).min(MAX_PAGE as i32)
}

/// Returns a page of the parts of an object that was uploaded in parts, without the parts
/// themselves if they do not have checksums.
fn object_parts(
    object: &Stored,
    after: i32,
    max_parts: Option<i32>,
) -> Option<GetObjectAttributesParts> {
    if object.parts.is_empty() {
        return None;
    }
    let limit = max_parts.map_or(MAX_PAGE, |most| (most.max(0) as usize).min(MAX_PAGE));
    let total_parts_count = Some(object.parts.len() as i32);
    let has_sums = object.part_sums.iter().all(|(_, sum)| sum.is_some());
    if !has_sums {
        return Some(GetObjectAttributesParts { total_parts_count, ..Default::default() });
    }
    let all = object.parts.iter().zip(&object.part_sums);
    let mut rest = all.filter(|(_, (number, _))| *number > after).map(|(size, (number, sum))| {
        let mut part = ObjectPart {
            part_number: Some(*number),
            size: Some(*size as i64),
            ..Default::default()
        };
        put_checksum!(part, sum.as_ref());
        part
    });
    let parts: Vec<_> = rest.by_ref().take(limit).collect();
    let is_truncated = limit > 0 && rest.next().is_some();
    let last = parts.last().and_then(|part| part.part_number).unwrap_or(after);
    Some(GetObjectAttributesParts {
        is_truncated: Some(is_truncated),
        max_parts: Some(limit as i32),
        next_part_number_marker: Some(last.to_string().parse().unwrap_or_default()),
        part_number_marker: Some(after.to_string().parse().unwrap_or_default()),
        parts: Some(parts),
        total_parts_count,
    })
}

fn contents(
    entries: Vec<Entry<Arc<Stored>>>,
    text: fn(&str) -> String,
    owner: Option<&Owner>,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::CommonPrefix(common) => {
                common_prefixes.push(CommonPrefix { prefix: Some(text(&common)) });
            }
            Entry::Item(key, object) => contents.push(Object {
                key: Some(text(&key)),
                size: Some(object.content.len() as i64),
                e_tag: Some(ETag::Strong(object.etag.clone())),
                last_modified: Some(object.modified.into()),
                storage_class: Some(ObjectStorageClass::from(class(
                    object.attributes.storage_class.clone(),
                ))),
                owner: owner.cloned(),
                ..Default::default()
            }),
        }
    }
    (contents, common_prefixes)
}

fn class(stored: Option<String>) -> String {
    stored.unwrap_or_else(|| "STANDARD".to_owned())
}

fn owner() -> Owner {
    Owner { id: Some(OWNER.to_owned()), display_name: Some(OWNER.to_owned()) }
}

fn initiator() -> Initiator {
    Initiator { id: Some(OWNER.to_owned()), display_name: Some(OWNER.to_owned()) }
}
