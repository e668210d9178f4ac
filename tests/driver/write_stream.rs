//! Tests of `write_stream` according to the contract of Distribution 2.x: offsets, truncation,
//! zeros, and a file that is replaced completely or not at all.

use crate::support::{Server, ServerOptions};
use crate::writing::{MIB, PART, Source, assert_nothing_pending, bytes, driver, parameters};
use s3driver::ErrorKind;
use s3driver::driver::{PartSizes, S3Driver, StorageDriver};
use std::io::{self, Read};

fn server() -> Server {
    Server::start(ServerOptions::default())
}

fn stored(server: &Server) -> Option<Vec<u8>> {
    server.object(server.bucket(), "f").map(|bytes| bytes.to_vec())
}

/// Returns the content required by the contract when `new` is written at `offset` of `before`.
fn expected(before: &[u8], offset: usize, new: &[u8]) -> Vec<u8> {
    let mut content = before.to_vec();
    content.resize(offset, 0);
    content.extend_from_slice(new);
    content
}

#[test]
fn every_offset_truncates_or_fills_with_zeros() {
    let server = server();
    let before = bytes(1, 0, 2 * PART + 11);
    let new = bytes(2, 0, PART + 3);
    let uniform = parameters(&server).part_sizes(PartSizes::Uniform).build().unwrap();
    for driver in [driver(&server), S3Driver::new(&uniform).unwrap()] {
        let beyond = before.len() + PART + 1;
        for offset in
            [0, 1, PART - 1, PART, PART + 1, 2 * PART, before.len(), before.len() + 1, beyond]
        {
            for length in [0, 1, new.len()] {
                server.put_object(server.bucket(), "f", before.clone());
                let taken = driver.write_stream("/f", offset as i64, &mut &new[..length]).unwrap();
                assert_eq!(taken, length as u64);
                let expected = expected(&before, offset, &new[..length]);
                assert!(stored(&server).unwrap() == expected, "{length} bytes at {offset}");
            }
        }
    }
    assert_nothing_pending(&server);
}

#[test]
fn a_missing_file_is_filled_with_zeros_up_to_the_offset() {
    let server = server();
    let driver = driver(&server);
    for offset in [0, 1, PART, PART + 1] {
        for new in [&b""[..], b"new"] {
            driver.write_stream("/f", offset as i64, &mut { new }).unwrap();
            assert!(stored(&server).unwrap() == expected(&[], offset, new), "{new:?} at {offset}");
            driver.delete("/f").unwrap();
        }
    }
    let error = driver.write_stream("/f", -1, &mut io::empty()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOffset);
    let before = server.requests();
    let error = driver.write_stream("/f", i64::MAX, &mut io::empty()).unwrap_err();
    assert_eq!((error.kind(), error.bytes_taken()), (ErrorKind::InvalidArgument, Some(0)));
    assert_eq!(server.requests(), before, "no zeros are sent for an offset that cannot be reached");
    assert_eq!(stored(&server), None);
}

#[test]
fn a_stream_of_one_part_is_one_put() {
    let server = server();
    for size in [0, 1, PART] {
        let before = server.count("PutObject");
        assert_eq!(
            driver(&server).write_stream("/f", 0, &mut Source::new(3, size as u64)).unwrap(),
            size as u64
        );
        assert!(stored(&server).unwrap() == bytes(3, 0, size));
        assert_eq!(server.count("PutObject"), before + 1);
    }
    assert_eq!(server.count("CreateMultipartUpload"), 0);
}

#[test]
fn the_kept_part_is_copied_by_the_server() {
    let server = server();
    let before = bytes(4, 0, 4 * PART + 5);
    server.put_object(server.bucket(), "f", before.clone());
    let sent = server.bytes_in();
    driver(&server).write_stream("/f", before.len() as i64, &mut &b"appended"[..]).unwrap();
    assert!(stored(&server).unwrap() == expected(&before, before.len(), b"appended"));
    assert_eq!(server.count("UploadPartCopy"), 4);
    assert_eq!(server.count("GetObject"), 0, "the object is not read back");
    assert!(server.bytes_in() - sent < 64 << 10, "the prefix is not sent again");
}

#[test]
fn without_copies_of_parts_the_kept_part_is_sent_again() {
    let server = server();
    let driver = driver(&server);
    let before = bytes(10, 0, 2 * PART + 5);
    server.put_object(server.bucket(), "f", before.clone());
    server.fail_next("UploadPartCopy", 501, "NotImplemented", 100);
    driver.write_stream("/f", 2 * PART as i64, &mut &b"appended"[..]).unwrap();
    assert!(stored(&server).unwrap() == expected(&before, 2 * PART, b"appended"));
    assert_nothing_pending(&server);
}

/// Fails after some bytes.
struct Broken(&'static [u8]);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the cable was pulled")),
            n => Ok(n),
        }
    }
}

#[test]
fn a_failing_reader_changes_nothing_and_its_bytes_are_counted() {
    let server = server();
    let driver = driver(&server);
    let before = bytes(5, 0, PART + 1);
    server.put_object(server.bucket(), "f", before.clone());
    for offset in [0, 1, PART as i64 + 1] {
        let error = driver.write_stream("/f", offset, &mut Broken(b"some bytes")).unwrap_err();
        assert_eq!((error.kind(), error.bytes_taken()), (ErrorKind::LocalIo, Some(10)));
        assert!(error.to_string().contains("the cable was pulled"), "{error}");
        assert!(stored(&server).unwrap() == before);
    }
    let mut long = Source::new(6, 3 * PART as u64 + 100).chain(Broken(b""));
    let error = driver.write_stream("/f", 0, &mut long).unwrap_err();
    assert_eq!(error.bytes_taken(), Some(3 * PART as u64 + 100));
    assert!(stored(&server).unwrap() == before);
    assert_nothing_pending(&server);
}

#[test]
fn a_failing_server_changes_nothing() {
    let server = server();
    let driver = driver(&server);
    let before = bytes(7, 0, 2 * PART);
    server.put_object(server.bucket(), "f", before.clone());
    for operation in
        ["UploadPartCopy", "UploadPart", "CompleteMultipartUpload", "CreateMultipartUpload"]
    {
        server.fail_next(operation, 403, "AccessDenied", 1);
        let error = driver
            .write_stream("/f", 2 * PART as i64, &mut Source::new(8, 20 * MIB as u64))
            .unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::AccessDenied, Some(operation)));
        assert!(error.bytes_taken().is_some());
        assert!(stored(&server).unwrap() == before, "{operation}");
        assert_nothing_pending(&server);
    }
    // The file is replaced between the HEAD and the copy.
    server.fail_next("UploadPartCopy", 412, "PreconditionFailed", 1);
    let error = driver.write_stream("/f", 2 * PART as i64, &mut &b"x"[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_nothing_pending(&server);
}

#[test]
fn every_one_of_many_small_writes_is_visible() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(9, 0, 32 * 64);
    for at in (0..content.len()).step_by(32) {
        driver.write_stream("/f", at as i64, &mut &content[at..at + 32]).unwrap();
        assert!(driver.get_content("/f").unwrap() == content[..at + 32]);
    }
}
