//! Tests that sizes and counts which a server makes up lead to errors, and that no memory and time
//! is spent on data that never arrives.

use crate::driver::{driver, parameters};
use crate::server::{Answer, End, Fault, Seen};
use crate::support::{ServerOptions, process};
use crate::{BUCKET, Rig, quickly, timeouts, upload};
use s3driver::client::{ByteRange, GetObject, ListObjects};
use s3driver::credentials::{Container, Context, Environment, Source};
use s3driver::driver::{S3Driver, StorageDriver, WalkOptions, WalkStep, WriteMode};
use s3driver::middleware::{IpFilter, IpRanges};
use s3driver::transfer::Transfer;
use s3driver::xml::delete_result;
use s3driver::{Error, ErrorKind};
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A length in bytes that exceeds the memory that any of these tests may use.
const HUGE: u64 = 5 << 30;

/// Returns a response that announces `length` bytes and sends five.
fn promise(length: u64) -> Fault {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\netag: \"e\"\r\n\r\nhello");
    Fault::raw(head).end(End::Close)
}

/// Returns a truncated page with a different token on each call.
fn truncated(inner: &str) -> String {
    static TOKENS: AtomicUsize = AtomicUsize::new(0);
    let token = TOKENS.fetch_add(1, Ordering::Relaxed);
    format!(
        "<ListBucketResult><Name>registry</Name><IsTruncated>true</IsTruncated>\
         <NextContinuationToken>t{token}</NextContinuationToken>{inner}</ListBucketResult>"
    )
}

fn entries(count: usize) -> String {
    let entry =
        |number| format!("<Contents><Key>root/a/{number:07}</Key><Size>1</Size></Contents>");
    (0..count).map(entry).collect()
}

fn walk(driver: &S3Driver, concurrency: usize) -> Result<usize, Error> {
    let mut options = WalkOptions::default();
    options.concurrency = NonZeroUsize::new(concurrency);
    let mut seen = 0;
    driver.walk("/", &options, &mut |_| {
        seen += 1;
        Ok(WalkStep::Continue)
    })?;
    Ok(seen)
}

/// Returns a parameter of a request's query, decoded as far as the keys of these tests require.
fn parameter(seen: &Seen, name: &str) -> Option<String> {
    let target = seen.head.split(' ').nth(1)?;
    let pairs = target.split_once('?')?.1.split('&');
    let value = pairs.filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name)?.1;
    Some(value.replace("%2F", "/"))
}

/// An announced length does not reserve memory, and the error is that of the connection.
#[test]
fn p02_an_announced_length_is_not_reserved() {
    for length in [6, HUGE, HUGE + 1, i64::MAX as u64, u64::MAX] {
        let rig = Rig::new();
        rig.faulty.always("GetObject", promise(length));
        let driver = driver(&rig);
        let kind = if length > HUGE { ErrorKind::InvalidArgument } else { ErrorKind::Integrity };
        let error = quickly(|| driver.get_content("/a")).unwrap_err();
        assert!([kind, ErrorKind::Interrupted].contains(&error.kind()), "{length}: {error}");
        let get = || rig.client.get_object(BUCKET, "k", &GetObject::default());
        quickly(|| get().unwrap().read_all(usize::MAX)).unwrap_err();
        let mut content = Vec::new();
        quickly(|| driver.reader("/a", 0).unwrap().read_to_end(&mut content)).unwrap_err();
        assert_eq!(content, b"hello");
        drop(driver);
        rig.finish();
    }
}

/// An object is received in linear time, for any length and even if the caller has already read a
/// part of it.
#[test]
fn p02_an_object_is_read_in_linear_time() {
    // The faulty server reads the whole object from the other one before it responds.
    let patient = timeouts().idle(Duration::from_secs(20));
    let rig = Rig::with(ServerOptions::default(), |config| config.timeouts(patient));
    let content: Vec<u8> =
        (0..48_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    rig.store("k", &content);
    assert!(quickly(|| rig.get("k")).unwrap() == content);
    let mut reader = rig.client.get_object(BUCKET, "k", &GetObject::default()).unwrap();
    let mut start = [0; 1000];
    reader.read_exact(&mut start).unwrap();
    assert!(start[..] == content[..1000]);
    assert!(quickly(|| reader.read_all(content.len() - 1000)).unwrap() == content[1000..]);
    // The limit applies to the remaining bytes.
    let range = GetObject::range(ByteRange::Part { offset: 7, length: 100 });
    let get = || rig.client.get_object(BUCKET, "k", &range).unwrap();
    assert_eq!(get().read_all(100).unwrap(), content[7..107]);
    assert_eq!(get().read_all(99).unwrap_err().kind(), ErrorKind::InvalidArgument);
    rig.finish();
}

/// A body without a length ends at the caller's limit.
#[test]
fn p02_a_body_without_a_length_ends_at_the_limit() {
    let rig = Rig::new();
    let content = vec![7; 3 << 20];
    rig.store("k", &content);
    let reply = Answer { status: 200, ..Answer::default() }
        .body(content.clone())
        .without("content-length")
        .bytes();
    rig.faulty.always("GetObject", Fault::raw(reply).end(End::Close));
    let get =
        |limit| rig.client.get_object(BUCKET, "k", &GetObject::default()).unwrap().read_all(limit);
    assert_eq!(get(content.len() - 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(get(content.len()).unwrap() == content);
    rig.finish();
}

/// A server returns endless pages without entries, each with a new marker.
#[test]
fn p05_endless_empty_pages_are_an_error() {
    let rig = Rig::new();
    rig.faulty.by_chance(|seen| {
        static MARKERS: AtomicUsize = AtomicUsize::new(1);
        let marker = MARKERS.fetch_add(1, Ordering::Relaxed);
        match seen.operation {
            "ListObjectsV2" => Some(Fault::reply(200, truncated(""))),
            "ListMultipartUploads" => Some(Fault::reply(200, format!(
                "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k{marker}</NextKeyMarker>\
                 </ListMultipartUploadsResult>"
            ))),
            "ListParts" => Some(Fault::reply(200, format!(
                "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>{marker}</NextPartNumberMarker>\
                 </ListPartsResult>"
            ))),
            "HeadObject" => Some(Fault::reply(404, "")),
            _ => None,
        }
    });
    let driver = driver(&rig);
    let errors = [
        ("list", quickly(|| driver.list("/a").err())),
        ("stat", quickly(|| driver.stat("/a").err())),
        ("walk", quickly(|| walk(&driver, 1).err())),
        ("walk in shards", quickly(|| walk(&driver, 4).err())),
        ("delete", quickly(|| driver.delete("/a").err())),
        ("pending uploads", quickly(|| driver.pending_uploads("/").unwrap().find_map(Result::err))),
        ("parts", quickly(|| rig.client.parts(upload("k", "u")).pages().find_map(Result::err))),
    ];
    for (operation, error) in errors {
        let error = error.unwrap_or_else(|| panic!("{operation} succeeded on an endless listing"));
        assert_eq!(error.kind(), ErrorKind::Protocol, "{operation}: {error}");
        assert!(error.message().contains("1000 pages in a row"), "{operation}: {error}");
    }
    drop(driver);
    rig.finish();
}

/// Every level contains new directories, without end. Both the splitting and the listing terminate.
#[test]
fn p05_endless_new_directories_are_an_error() {
    for names in [&["x/"][..], &["x/", "y/"], &["a/", "b/", "c/", "d/"]] {
        let rig = Rig::new();
        let levels = AtomicUsize::new(0);
        rig.faulty.by_chance(move |seen| {
            let prefix = parameter(seen, "prefix").unwrap_or_default();
            let reply = if parameter(seen, "delimiter").is_some() {
                levels.fetch_add(1, Ordering::Relaxed);
                let common = |name: &&str| format!("<CommonPrefixes><Prefix>{prefix}{name}</Prefix></CommonPrefixes>");
                let prefixes: String = names.iter().map(common).collect();
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{prefixes}</ListBucketResult>")
            } else if parameter(seen, "continuation-token").is_some() {
                truncated("")
            } else {
                truncated(&format!("<Contents><Key>{prefix}{}f</Key><Size>1</Size></Contents>", names[0]))
            };
            (seen.operation == "ListObjectsV2").then(|| Fault::reply(200, reply))
        });
        let four = NonZeroUsize::new(4).unwrap();
        let mut visit = |_| Ok(ControlFlow::Continue(()));
        let before = rig.client.stats().requests;
        let error =
            quickly(|| Transfer::new(&rig.client).concurrency(four).list(BUCKET, "p/", &mut visit))
                .unwrap_err();
        assert!(error.message().contains("1000 pages in a row"), "{error}");
        let requests = rig.client.stats().requests - before;
        assert!(requests < 10_000, "{requests} requests");
        rig.finish();
    }
}

/// A page may have more entries than requested, but at most ten times as many.
#[test]
fn p06_pages_far_larger_than_requested_are_an_error() {
    let rig = Rig::new();
    let driver = driver(&rig);
    let page = |count| {
        format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
            entries(count)
        )
    };
    rig.faulty.always("ListObjectsV2", Fault::reply(200, page(10_000)));
    assert_eq!(driver.list("/a").unwrap().len(), 10_000);
    assert!(driver.stat("/a").is_ok(), "a server that ignores the requested page size");
    rig.faulty.heal();
    let prefixes = |count| -> String {
        (0..count)
            .map(|n| format!("<CommonPrefixes><Prefix>root/a/{n}/</Prefix></CommonPrefixes>"))
            .collect()
    };
    let both = format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated>{}{}</ListBucketResult>",
        entries(5_000),
        prefixes(5_001)
    );
    for body in [page(10_001), page(50_000), both] {
        rig.faulty.always("ListObjectsV2", Fault::reply(200, body));
        let errors = [
            driver.list("/a").err(),
            driver.stat("/a").err(),
            walk(&driver, 1).err(),
            walk(&driver, 4).err(),
        ];
        for error in errors {
            let error = error.expect("refused");
            assert!(
                error.kind() == ErrorKind::Protocol
                    && error.message().contains("more than 10000 entries"),
                "{error}"
            );
        }
        rig.faulty.heal();
    }
    let part = "<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>1</Size></Part>".repeat(10_001);
    rig.faulty.always(
        "ListParts",
        Fault::reply(200, format!("<ListPartsResult>{part}</ListPartsResult>")),
    );
    assert_eq!(
        rig.client.list_parts(upload("k", "u"), None).unwrap_err().kind(),
        ErrorKind::Protocol
    );
    let begun = "<Upload><Key>k</Key><UploadId>u</UploadId></Upload>".repeat(10_001);
    let uploads = format!("<ListMultipartUploadsResult>{begun}</ListMultipartUploadsResult>");
    rig.faulty.always("ListMultipartUploads", Fault::reply(200, uploads));
    assert_eq!(
        rig.client.list_multipart_uploads(BUCKET, "", None).unwrap_err().kind(),
        ErrorKind::Protocol
    );
    let deleted = "<Deleted><Key>k</Key></Deleted>".repeat(10_001);
    let error =
        delete_result(format!("<DeleteResult>{deleted}</DeleteResult>").as_bytes()).unwrap_err();
    assert!(error.message.contains("more than 10000 entries"), "{error}");
    drop(driver);
    rig.finish();
}

/// The sum of the part sizes exceeds 64 bits, or a size is larger than an upload can be.
#[test]
fn p10_part_sizes_that_overflow_are_an_error() {
    for sizes in [
        &[u64::MAX][..],
        &[u64::MAX, u64::MAX],
        &[u64::MAX, 1],
        &[1 << 63, 1 << 63],
        &[i64::MAX as u64, 1],
    ] {
        let rig = Rig::new();
        let id = rig.begin("root/a");
        let parts: String = (1..)
            .zip(sizes)
            .map(|(number, size)| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>{size}</Size></Part>")
            })
            .collect();
        let parts =
            format!("<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>");
        rig.faulty.always("ListParts", Fault::reply(200, parts));
        let driver = driver(&rig);
        assert_eq!(
            driver.writer("/a", WriteMode::Append).map(drop).unwrap_err().kind(),
            ErrorKind::Protocol,
            "{sizes:?}"
        );
        let pending: Vec<_> = driver.pending_uploads("/").unwrap().collect();
        assert_eq!(pending.len(), 1);
        assert_eq!(pending[0].as_ref().unwrap_err().kind(), ErrorKind::Protocol, "{sizes:?}");
        rig.faulty.heal();
        rig.client.abort_multipart_upload(upload("root/a", &id)).unwrap();
        drop(driver);
        rig.finish();
    }
    // The largest possible sum is accepted.
    let rig = Rig::new();
    let id = rig.begin("root/a");
    let part =
        format!("<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>{}</Size></Part>", i64::MAX);
    rig.faulty.always(
        "ListParts",
        Fault::reply(200, format!("<ListPartsResult>{part}</ListPartsResult>")),
    );
    let driver = driver(&rig);
    let pending: Vec<_> =
        driver.pending_uploads("/").unwrap().map(|upload| upload.unwrap().bytes).collect();
    assert_eq!(pending, [i64::MAX as u64]);
    let mut writer = driver.writer("/a", WriteMode::Append).unwrap();
    assert_eq!(writer.size(), i64::MAX as u64);
    std::io::Write::write(&mut writer, b"x").unwrap_err();
    writer.cancel().unwrap();
    drop((writer, driver));
    drop(id);
    rig.finish();
}

/// With uniform parts, an upload that has all of its 10,000 parts cannot grow, and says what to do.
#[test]
fn an_upload_of_uniform_parts_does_not_begin_part_10001() {
    const SIZE: usize = 5 << 20;
    let rig = Rig::new();
    rig.begin("root/a");
    for page in 0..10 {
        let numbers = page * 1000 + 1..=(page + 1) * 1000;
        let parts: String = numbers
            .map(|number| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>{SIZE}</Size></Part>")
            })
            .collect();
        let (more, next) = (page < 9, (page + 1) * 1000);
        let head = format!(
            "<IsTruncated>{more}</IsTruncated><NextPartNumberMarker>{next}</NextPartNumberMarker>"
        );
        let body = format!("<ListPartsResult>{head}{parts}</ListPartsResult>");
        rig.faulty.once("ListParts", Fault::reply(200, body));
    }
    let options = [("rootdirectory", "root"), ("chunksize", "5242880"), ("uniformparts", "true")];
    let driver = S3Driver::new(&parameters(&rig, &options)).unwrap();
    let mut writer = driver.writer("/a", WriteMode::Append).unwrap();
    assert_eq!((writer.size(), rig.count("ListParts")), (SIZE as u64 * 10_000, 10));
    let written = std::io::Write::write_all(&mut writer, &vec![0; 2 * SIZE])
        .map_err(|error| error.to_string())
        .and_then(|()| writer.commit().map_err(|error| error.to_string()));
    let error = written.unwrap_err();
    assert!(error.contains("choose a larger chunksize"), "{error}");
    assert_eq!((rig.count("UploadPart"), rig.count("CompleteMultipartUpload")), (0, 0));
    writer.cancel().unwrap();
    drop((writer, driver));
    rig.finish();
}

/// A 416 yields an empty reader only at the end of the object, as determined by the size in the
/// response or by a HEAD.
#[test]
fn p14_a_refused_range_is_empty_only_at_the_end_of_the_object() {
    let refusal = |size: Option<&str>, inside: Option<&str>| {
        let inside = inside
            .map(|size| format!("<ActualObjectSize>{size}</ActualObjectSize>"))
            .unwrap_or_default();
        let headers: Vec<_> = size.iter().map(|size| ("content-range", *size)).collect();
        Fault::reply_with(
            416,
            &headers,
            format!("<Error><Code>InvalidRange</Code>{inside}</Error>"),
        )
    };
    // (size in the header, size in the document, offset, whether the reader is empty, HEAD
    // requests)
    for (header, inside, offset, is_empty, heads) in [
        (None, None, 0, false, 0),
        (Some("bytes */0"), None, 0, false, 0),
        (Some("bytes */10240"), None, 1, false, 0),
        (Some("bytes */10240"), None, 10_239, false, 0),
        (Some("bytes */10240"), None, 10_240, true, 0),
        (Some("bytes */10240"), None, 10_241, true, 0),
        (None, Some("10240"), 5_000, false, 0),
        (None, Some("10240"), 10_240, true, 0),
        (None, None, 5_000, false, 1),
        (None, None, 10_240, true, 1),
        (Some("bytes */*"), Some("-1"), 10_239, false, 1),
        (Some("bytes 0-9/10"), Some("+1"), 10_239, false, 1),
        (Some("bytes */99999999999999999999"), None, 10_239, false, 1),
    ] {
        let rig = Rig::new();
        rig.store("root/a", &[7; 10_240]);
        rig.faulty.always("GetObject", refusal(header, inside));
        let driver = driver(&rig);
        let case = format!("{header:?} {inside:?} {offset}");
        match driver.reader("/a", offset) {
            Ok(mut reader) => {
                assert!(is_empty, "{case}");
                assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
            }
            Err(error) => {
                assert!(!is_empty, "{case}: {error}");
                assert_eq!(
                    (error.kind(), error.path()),
                    (ErrorKind::InvalidRange, Some("/a")),
                    "{case}"
                );
            }
        }
        assert_eq!(rig.count("HeadObject"), heads, "{case}");
        drop(driver);
        rig.finish();
    }
    // If the HEAD does not settle it, the refusal is returned.
    let rig = Rig::new();
    rig.faulty.always("GetObject", refusal(None, None));
    let driver = driver(&rig);
    assert_eq!(driver.reader("/a", 5).map(drop).unwrap_err().kind(), ErrorKind::InvalidRange);
    drop(driver);
    rig.finish();
}

/// Returns a document of at least `bytes` bytes that repeats `piece`.
fn ip_ranges(bytes: usize, piece: &str) -> Vec<u8> {
    let mut document = String::with_capacity(bytes + (1 << 10));
    document += "{\"prefixes\":[";
    while document.len() < bytes {
        document += piece;
        document.push(',');
    }
    document.pop();
    document += "],\"ipv6_prefixes\":[{\"ipv6_prefix\":\"2001:db8::/32\"}]}";
    document.into_bytes()
}

/// Runs an ignored test in a process with an address space of a gibibyte. Reserving the sizes that
/// a server makes up ends that process, because an allocation failure cannot be caught.
#[cfg(target_os = "linux")]
fn run_in_limited_address_space(name: &str) {
    let mut child = Command::new("sh");
    child
        .args(["-c", "ulimit -v 1048576 && exec \"$0\" --exact --ignored --nocapture \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env("MALLOC_ARENA_MAX", "1");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{name}: {}\n{text}",
        output.status
    );
}

#[cfg(target_os = "linux")]
#[test]
fn announced_gibibytes_fit_a_limited_address_space() {
    run_in_limited_address_space("bounded::limited_announced_gibibytes_are_not_reserved");
}

#[cfg(target_os = "linux")]
#[test]
fn ip_ranges_fit_a_limited_address_space() {
    run_in_limited_address_space("bounded::limited_ip_ranges_use_little_memory");
}

#[test]
#[ignore = "run by announced_gibibytes_fit_a_limited_address_space"]
fn limited_announced_gibibytes_are_not_reserved() {
    // Checks that the limit is in effect: without it, this allocation would succeed.
    assert!(
        Vec::<u8>::new().try_reserve_exact(2 << 30).is_err(),
        "the address space should be limited"
    );
    // At the same time, because each waits for its retries.
    std::thread::scope(|scope| {
        for length in [HUGE, 2 << 30, u64::MAX] {
            scope.spawn(move || an_announced_length_is_not_reserved(length));
        }
    });
    let rig = Rig::new();
    let entry = "<Contents><Key>root/a/b</Key><Size>1</Size></Contents>";
    let many = entry.repeat((31 << 20) / entry.len());
    rig.faulty.always("ListObjectsV2", Fault::reply(200, truncated(&many)));
    driver(&rig).list("/a").unwrap_err();
    rig.client.objects(BUCKET, ListObjects::prefix("")).pages().next().unwrap().unwrap_err();
    rig.finish();
}

/// Announces `length` bytes in the responses to each operation.
fn an_announced_length_is_not_reserved(length: u64) {
    let rig = Rig::new();
    let id = rig.begin("root/a");
    rig.faulty.always("GetObject", promise(length));
    let driver = driver(&rig);
    driver.get_content("/a").unwrap_err();
    driver.writer("/a", WriteMode::Append).map(drop).unwrap_err();
    driver.reader("/a", 0).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    let whole = rig.client.get_object(BUCKET, "k", &GetObject::default()).unwrap();
    whole.read_all(usize::MAX).unwrap_err();
    for operation in
        ["ListObjectsV2", "ListParts", "ListMultipartUploads", "DeleteObjects", "CopyObject"]
    {
        rig.faulty.always(operation, promise(length));
    }
    driver.list("/a").unwrap_err();
    walk(&driver, 4).unwrap_err();
    driver.pending_uploads("/").unwrap().next().unwrap().unwrap_err();
    rig.client.delete_objects(BUCKET, &["k"]).unwrap_err();
    rig.faulty.heal();
    // Tries parts of any size, and pages of the maximum size.
    let part =
        format!("<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>{}</Size></Part>", i64::MAX);
    rig.faulty.always(
        "ListParts",
        Fault::reply(200, format!("<ListPartsResult>{part}</ListPartsResult>")),
    );
    let mut writer = driver.writer("/a", WriteMode::Append).unwrap();
    std::io::Write::write(&mut writer, b"x").unwrap_err();
    writer.cancel().unwrap();
    // Tries credentials.
    rig.faulty.always("*", promise(length));
    let url = format!("{}/v1/credentials", rig.faulty.url());
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str())];
    let context = Context::default().with_environment(Environment::from_pairs(variables));
    Container::new(&context).fetch().unwrap_err();
    drop((writer, driver, id));
    rig.finish();
}

#[test]
#[ignore = "run by ip_ranges_fit_a_limited_address_space"]
fn limited_ip_ranges_use_little_memory() {
    const SIZE: usize = 8 << 20;
    let entry = "{\"ip_prefix\":\"10.0.0.0/8\",\"region\":\"us-east-1\"}";
    for piece in [
        "0",
        "{}",
        "[]",
        "\"\"",
        "{\"a\":0}",
        "{\"ip_prefix\":\"1\"}",
        entry,
        "[[[[[[[[[[]]]]]]]]]]",
    ] {
        let document = ip_ranges(SIZE, piece);
        let before = process::memory("VmHWM");
        drop(IpRanges::parse(&document, &IpFilter::Aws));
        drop(IpRanges::parse(&document, &IpFilter::AwsRegions(vec!["eu-west-1".to_owned()])));
        // The document itself counts as the third copy.
        let more = process::memory("VmHWM") - before;
        assert!(
            more < 2 * SIZE,
            "{more} bytes were used for a document of {SIZE} bytes with {piece}"
        );
    }
    let nested = "[".repeat(SIZE);
    IpRanges::parse(nested.as_bytes(), &IpFilter::Aws).unwrap_err();
}

/// A document in AWS's form is read completely, using a fraction of its size.
#[test]
fn p11_the_ranges_of_aws_are_read_up_to_a_limit() {
    let entry = |number: u32| {
        format!(
            "{{\"ip_prefix\":\"{}.{}.0.0/16\",\"region\":\"r\",\"service\":\"AMAZON\"}}",
            10 + number / 256,
            number % 256
        )
    };
    let document = |count: u32| {
        let entries: Vec<String> = (0..count).map(|number| entry(number % 8192)).collect();
        format!(
            "{{\"syncToken\":\"1\",\"createDate\":\"x\",\"prefixes\":[{}],\"ipv6_prefixes\":[]}}",
            entries.join(",")
        )
    };
    let ranges = IpRanges::parse(document(10_000).as_bytes(), &IpFilter::Aws).unwrap();
    assert!(
        ranges.contains("10.255.1.1".parse().unwrap())
            && ranges.contains("41.0.0.1".parse().unwrap())
    );
    assert_eq!((ranges.len(), ranges.skipped()), (1, 0));
    let error = IpRanges::parse(document(100_001).as_bytes(), &IpFilter::Aws).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("more than 100000 ranges"), "{error}");
}
