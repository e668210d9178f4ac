//! Every operation of the client that sends requests, and the responses that prove that it took
//! effect.
use super::server::Shared;
use s3driver::Result;
use s3driver::client::{
    ByteRange, Client, Condition, CopySource, CreateBucket, DeleteObject, GetObject,
    GovernanceMode, HELD_BODY, LegalHold, ListObjects, ObjectSettings, Part, Retention,
    RetentionMode, Tag, UploadRef, Versioning,
};
use s3driver::fuzzing::{put_object_replayed, upload_part_replayed};
use s3driver::time::Timestamp;
use std::io::{self, Read};

pub(super) const BUCKET: &str = "registry";
const KEY: &str = "a/b c";
const UPLOAD: UploadRef<'_> = UploadRef { bucket: BUCKET, key: KEY, upload_id: "upload" };
const SOURCE: CopySource<'_> = CopySource::new("other", "from");

/// The length of a body of three blocks: the client looks for an early response before it sends the
/// last one.
const BLOCKS: u64 = 300 << 10;
/// The size of the blocks in which the client sends a body.
const BLOCK: u64 = 128 << 10;
/// The maximum size of an object that is read into memory.
const LIMIT: usize = 1 << 20;
/// The range of partial reads.
const RANGE_START: usize = 2;
const RANGE_LENGTH: usize = 5;
/// The maximum number of pages of a listing, more than a server of this size sends.
const PAGES: usize = 1000;

/// Runs the operation against the server and returns the bytes that were read.
type Run = fn(&Client, &Shared) -> Result<Vec<u8>>;

pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) run: Run,
    /// The method and the range of statuses of each response that proves success.
    pub(super) proofs: &'static [(&'static str, u16, u16)],
}

impl Operation {
    /// Returns the bytes of a whole object that the operation asked for.
    pub(super) fn range_of<'a>(&self, object: &'a [u8]) -> &'a [u8] {
        let from = object.get(RANGE_START..).unwrap_or_default();
        match self.name {
            "get-part" => from.get(..RANGE_LENGTH).unwrap_or(from),
            "get-rest" => from,
            _ => object,
        }
    }
}

const fn operation(
    name: &'static str,
    run: Run,
    proofs: &'static [(&'static str, u16, u16)],
) -> Operation {
    Operation { name, run, proofs }
}

const READ: &[(&str, u16, u16)] = &[("GET", 200, 299)];
/// An error document says that there is none.
const READ_OR_NONE: &[(&str, u16, u16)] = &[("GET", 200, 299), ("GET", 404, 404)];
const HEAD: &[(&str, u16, u16)] = &[("HEAD", 200, 299)];
const PUT: &[(&str, u16, u16)] = &[("PUT", 200, 299)];
/// If no response shows the outcome, a HEAD of the object does.
const PUT_OR_LOOK: &[(&str, u16, u16)] = &[("PUT", 200, 299), ("HEAD", 200, 299)];
const POST: &[(&str, u16, u16)] = &[("POST", 200, 299)];
const POST_OR_LOOK: &[(&str, u16, u16)] = &[("POST", 200, 299), ("HEAD", 200, 299)];
/// A missing object counts as deleted. After a failed HEAD, the client sends a GET to find out the
/// reason.
const GONE: &[(&str, u16, u16)] =
    &[("DELETE", 200, 299), ("DELETE", 404, 404), ("HEAD", 404, 404), ("GET", 404, 404)];
const ALL_GONE: &[(&str, u16, u16)] = &[
    ("POST", 200, 299),
    ("DELETE", 200, 299),
    ("DELETE", 404, 404),
    ("HEAD", 404, 404),
    ("GET", 404, 404),
];

pub(super) const OPERATIONS: &[Operation] = &[
    operation(
        "put",
        |client, _| nothing(client.put_object(BUCKET, KEY, b"hello", &settings())),
        PUT,
    ),
    operation(
        "put-empty",
        |client, _| nothing(client.put_object(BUCKET, KEY, b"", &settings())),
        PUT,
    ),
    operation(
        "put-large",
        |client, _| nothing(client.put_object(BUCKET, KEY, &content(), &settings())),
        PUT,
    ),
    operation("put-if-absent", |client, _| put_if(client, &Condition::IfAbsent), PUT_OR_LOOK),
    operation(
        "put-if-match",
        |client, _| put_if(client, &Condition::IfMatch("e".to_owned())),
        PUT_OR_LOOK,
    ),
    operation("put-held", |client, shared| put_from(client, shared, BLOCKS), PUT),
    operation("put-stream", |client, shared| put_from(client, shared, HELD_BODY + BLOCKS), PUT),
    operation("put-replayed", put_replayed, PUT),
    operation(
        "copy",
        |client, _| nothing(client.copy_object(SOURCE, BUCKET, KEY, &settings())),
        PUT_OR_LOOK,
    ),
    operation(
        "create",
        |client, _| nothing(client.create_multipart_upload(BUCKET, KEY, &settings())),
        POST,
    ),
    operation("part", |client, _| nothing(client.upload_part(UPLOAD, 1, b"hello")), PUT),
    operation("part-large", |client, _| nothing(client.upload_part(UPLOAD, 1, &content())), PUT),
    operation("part-replayed", part_replayed, PUT),
    operation(
        "part-copy",
        |client, _| nothing(client.upload_part_copy(SOURCE, 5..10, UPLOAD, 1)),
        PUT,
    ),
    operation("complete", |client, _| complete(client, &Condition::Always), POST_OR_LOOK),
    operation(
        "complete-if-absent",
        |client, _| complete(client, &Condition::IfAbsent),
        POST_OR_LOOK,
    ),
    operation(
        "abort",
        |client, _| nothing(client.abort_multipart_upload(UPLOAD)),
        &[("DELETE", 200, 299), ("DELETE", 404, 404)],
    ),
    operation(
        "delete",
        |client, _| nothing(client.delete_object(BUCKET, KEY, &Default::default())),
        GONE,
    ),
    operation(
        "delete-if",
        |client, _| {
            nothing(client.delete_object(
                BUCKET,
                KEY,
                &DeleteObject::default().condition(Condition::IfMatch("e".to_owned())),
            ))
        },
        GONE,
    ),
    operation(
        "delete-many",
        |client, _| nothing(client.delete_objects(BUCKET, &["a", "b", "\u{1}"])),
        ALL_GONE,
    ),
    operation("get", |client, _| get(client, ByteRange::All), READ),
    operation(
        "get-part",
        |client, _| {
            get(client, ByteRange::Part { offset: RANGE_START as u64, length: RANGE_LENGTH as u64 })
        },
        READ,
    ),
    operation("get-rest", |client, _| get(client, ByteRange::From(RANGE_START as u64)), READ),
    operation("get-if-match", get_if_match, READ),
    operation("get-and-head", get_and_head, READ),
    operation(
        "head",
        |client, _| nothing(client.head_object(BUCKET, KEY, &Default::default())),
        HEAD,
    ),
    operation(
        "list",
        |client, _| pages(client.objects(BUCKET, ListObjects::prefix("a/")).pages()),
        READ,
    ),
    operation("list-one", |client, _| nothing(client.list_objects(BUCKET, &tree(), None)), READ),
    operation(
        "list-v1",
        |client, _| nothing(client.list_objects_v1(BUCKET, &tree(), Some("a"))),
        READ,
    ),
    operation("parts", |client, _| pages(client.parts(UPLOAD).pages()), READ),
    operation(
        "uploads",
        |client, _| pages(client.uploads(BUCKET, "a/").pages()),
        // The bucket has never had an upload.
        &[("GET", 200, 299), ("GET", 404, 404)],
    ),
    operation("bucket-head", |client, _| nothing(client.head_bucket(BUCKET)), HEAD),
    operation(
        "bucket-create",
        |client, _| nothing(client.create_bucket(BUCKET, &CreateBucket::default())),
        // An earlier attempt has created the bucket.
        &[("PUT", 200, 299), ("PUT", 409, 409)],
    ),
    operation(
        "bucket-delete",
        |client, _| nothing(client.delete_bucket(BUCKET)),
        &[("DELETE", 200, 299), ("DELETE", 404, 404)],
    ),
    operation("bucket-location", |client, _| nothing(client.get_bucket_location(BUCKET)), READ),
    operation(
        "versions",
        |client, _| pages(client.versions(BUCKET, ListObjects::prefix("a/")).pages()),
        READ,
    ),
    operation("buckets", |client, _| pages(client.buckets(Default::default()).pages()), READ),
    operation("attributes", |client, _| attributes(client), READ),
    operation(
        "tags",
        |client, _| nothing(client.get_object_tagging(BUCKET, KEY, &Default::default())),
        READ_OR_NONE,
    ),
    operation(
        "tags-put",
        |client, _| {
            let tags = [Tag::new("a", "b")];
            nothing(client.put_object_tagging(BUCKET, KEY, &tags, &Default::default()))
        },
        PUT,
    ),
    operation(
        "tags-delete",
        |client, _| nothing(client.delete_object_tagging(BUCKET, KEY, &Default::default())),
        &[("DELETE", 200, 299)],
    ),
    operation("versioning", |client, _| nothing(client.get_bucket_versioning(BUCKET)), READ),
    operation(
        "versioning-put",
        |client, _| nothing(client.put_bucket_versioning(BUCKET, Versioning::Enabled)),
        PUT,
    ),
    operation(
        "lifecycle",
        |client, _| nothing(client.get_bucket_lifecycle_configuration(BUCKET)),
        READ_OR_NONE,
    ),
    operation(
        "lock",
        |client, _| nothing(client.get_object_lock_configuration(BUCKET)),
        READ_OR_NONE,
    ),
    operation(
        "lock-put",
        |client, _| nothing(client.put_object_lock_configuration(BUCKET, &Default::default())),
        PUT,
    ),
    operation(
        "retention",
        |client, _| nothing(client.get_object_retention(BUCKET, KEY, &Default::default())),
        // Servers report an object that is not retained with various statuses.
        &[("GET", 200, 499)],
    ),
    operation("retention-put", |client, _| put_retention(client), PUT),
    operation(
        "hold",
        |client, _| nothing(client.get_object_legal_hold(BUCKET, KEY, &Default::default())),
        &[("GET", 200, 499)],
    ),
    operation(
        "hold-put",
        |client, _| {
            let version = Default::default();
            nothing(client.put_object_legal_hold(BUCKET, KEY, LegalHold::On, &version))
        },
        PUT,
    ),
];

fn settings() -> ObjectSettings {
    ObjectSettings::default()
}

fn nothing<T>(result: Result<T>) -> Result<Vec<u8>> {
    result.map(|_| Vec::new())
}

fn tree() -> ListObjects {
    ListObjects::prefix("a/").delimiter("/").start_after("a").max_keys(2)
}

fn pages<T>(pages: impl Iterator<Item = Result<T>>) -> Result<Vec<u8>> {
    pages.take(PAGES).try_for_each(|page| page.map(drop)).map(|()| Vec::new())
}

fn put_if(client: &Client, condition: &Condition) -> Result<Vec<u8>> {
    nothing(client.put_object(BUCKET, KEY, b"hello", &settings().condition(condition.clone())))
}

fn put_from(client: &Client, shared: &Shared, length: u64) -> Result<Vec<u8>> {
    // Such a body is sent only once, so its request is the first one.
    let gate = (length > HELD_BODY).then_some(shared);
    let mut body = Body { gate, request: 0, position: 0, length };
    nothing(client.put_object_from(BUCKET, KEY, &mut body, length, &settings()))
}

fn put_replayed(client: &Client, shared: &Shared) -> Result<Vec<u8>> {
    nothing(put_object_replayed(client, BUCKET, KEY, &|| body(shared), BLOCKS))
}

fn part_replayed(client: &Client, shared: &Shared) -> Result<Vec<u8>> {
    nothing(upload_part_replayed(client, UPLOAD, &|| body(shared), BLOCKS))
}

fn complete(client: &Client, condition: &Condition) -> Result<Vec<u8>> {
    let etag = "5d41402abc4b2a76b9719d911017c592";
    let part = |part_number, size| Part::new(part_number, etag, size);
    nothing(client.complete_multipart_upload(UPLOAD, &[part(1, 5 << 20), part(2, 7)], condition))
}

fn attributes(client: &Client) -> Result<Vec<u8>> {
    pages(client.object_parts(BUCKET, KEY, Default::default()).pages())
}

fn put_retention(client: &Client) -> Result<Vec<u8>> {
    let until = Timestamp::from_unix(4_102_444_800);
    let retention = Retention::new(RetentionMode::Governance, until);
    let (governance, version) = (GovernanceMode::Enforced, Default::default());
    nothing(client.put_object_retention(BUCKET, KEY, Some(&retention), governance, &version))
}

fn get(client: &Client, range: ByteRange) -> Result<Vec<u8>> {
    client.get_object(BUCKET, KEY, &GetObject::range(range))?.read_all(LIMIT)
}

fn get_if_match(client: &Client, _: &Shared) -> Result<Vec<u8>> {
    client
        .get_object(
            BUCKET,
            KEY,
            &GetObject::default().condition(Condition::IfMatch("e".to_owned())),
        )?
        .read_all(LIMIT)
}

/// Sends the second request while the connection of the first one is in use.
fn get_and_head(client: &Client, _: &Shared) -> Result<Vec<u8>> {
    let reader = client.get_object(BUCKET, KEY, &GetObject::default())?;
    client.head_object(BUCKET, KEY, &Default::default())?;
    reader.read_all(LIMIT)
}

/// Returns a byte that depends on its position in the body.
fn byte(position: u64) -> u8 {
    (position.wrapping_mul(31) ^ (position >> 9)).to_le_bytes()[0]
}

fn content() -> Vec<u8> {
    (0..BLOCKS).map(byte).collect()
}

fn body(shared: &Shared) -> Box<dyn Read + '_> {
    Box::new(Body { gate: Some(shared), request: shared.requests(), position: 0, length: BLOCKS })
}

/// A body that supplies each block after the first only when the server asks for it or stops
/// reading.
struct Body<'a> {
    gate: Option<&'a Shared>,
    request: usize,
    position: u64,
    length: u64,
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(gate) =
            self.gate.filter(|_| self.position >= BLOCK && self.position < self.length)
        {
            gate.gate(self.request, self.position);
        }
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        for (byte_out, position) in into[..count].iter_mut().zip(self.position..) {
            *byte_out = byte(position);
        }
        self.position += count as u64;
        Ok(count)
    }
}
