//! The S3 operations in the form of s3s: translates its types to calls of the store, and the
//! results back.

use std::sync::Arc;
use std::time::SystemTime;

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::backend::{
    Attributes, Copy, Directive, MAX_PAGE, MAX_PUT, Object as Stored, Store, Wanted,
};
use super::body::{self, Algorithm, ContentStream, Declared, Received, Scope};
use super::conditions;
use super::listing::{self, Entry, Start};
use super::multipart::{Completion, NamedPart, UploadName, UploadQuery, check_part_number};

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
            acl: $input.acl.take().map(|acl| acl.as_str().to_owned()),
        }
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
        $output.server_side_encryption = encryption(attributes);
        $output.ssekms_key_id = attributes.kms_key.clone();
        $output.e_tag = Some(ETag::Strong(object.etag.clone()));
        $output.last_modified = Some(object.modified.into());
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
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.0.buckets().into_iter().map(|(name, created)| Bucket {
            name: Some(name),
            creation_date: Some(created.into()),
            ..Default::default()
        });
        let buckets = Some(buckets.collect());
        Ok(S3Response::new(ListBucketsOutput {
            buckets,
            owner: Some(owner()),
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        mut req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        refuse_customer_keys(req.input.sse_customer_algorithm.as_ref())?;
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
            server_side_encryption: encryption(&object.attributes),
            ssekms_key_id: object.attributes.kms_key.clone(),
            ..Default::default()
        };
        put_typed_checksum!(output, object.checksum.as_ref());
        Ok(S3Response::new(output))
    }

    async fn get_object(
        &self,
        mut req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let object = self.0.get(&req.input.bucket, &req.input.key, &read_conditions!(req.input))?;
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
        // s3s itself applies the response-* overrides.
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        mut req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.0.get(&req.input.bucket, &req.input.key, &read_conditions!(req.input))?;
        let range = object.select(wanted(req.input.range, req.input.part_number)?)?;
        let mut output = HeadObjectOutput::default();
        describe!(output, object, range, req.input.part_number, req.input.checksum_mode.is_some());
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        mut req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let conditions =
            conditions::Write { if_match: req.input.if_match.take(), if_none_match: None };
        self.0.delete(&req.input.bucket, &req.input.key, &conditions)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let Delete { objects, quiet } = req.input.delete;
        if objects.is_empty() || objects.len() > MAX_PAGE {
            return Err(s3_error!(MalformedXML, "A request deletes 1 to {MAX_PAGE} keys"));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for ObjectIdentifier { key, e_tag, .. } in objects {
            let conditions =
                conditions::Write { if_match: e_tag.map(ETagCondition::ETag), if_none_match: None };
            match self.0.delete(&req.input.bucket, &key, &conditions) {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..Default::default() }),
                Err(error) if error.code().as_str() == "NoSuchBucket" => return Err(error),
                Err(error) => errors.push(Error {
                    key: Some(key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id: None,
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
        refuse_customer_keys(req.input.sse_customer_algorithm.as_ref())?;
        let directive = match req.input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some("COPY") => Directive::Copy,
            Some("REPLACE") => Directive::Replace,
            Some(other) => {
                return Err(s3_error!(InvalidArgument, "Unknown metadata directive: {other}"));
            }
        };
        let object = self.0.copy(Copy {
            from: copy_source(&req.input.copy_source)?,
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
        refuse_customer_keys(req.input.sse_customer_algorithm.as_ref())?;
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
        let UploadPartInput { bucket, key, upload_id, part_number, .. } = req.input;
        let name = UploadName { bucket: &bucket, key: &key, id: &upload_id };
        let (algorithm, attributes) = self.0.upload_settings(name)?;
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
        let input = req.input;
        let from = copy_source(&input.copy_source)?;
        let name = UploadName { bucket: &input.bucket, key: &input.key, id: &input.upload_id };
        let range = input.copy_source_range.as_deref();
        let part =
            self.0.copy_part(name, input.part_number, (&from.0, &from.1), range, &conditions)?;
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

fn refuse_customer_keys(algorithm: Option<&String>) -> S3Result<()> {
    algorithm.map_or(Ok(()), |_| {
        Err(s3_error!(NotImplemented, "The embedded server does not support SSE-C"))
    })
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

fn copy_source(source: &CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket.to_string(), key.to_string())),
        CopySource::AccessPoint { access_point_name, key, .. } => {
            Ok((access_point_name.to_string(), key.to_string()))
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
