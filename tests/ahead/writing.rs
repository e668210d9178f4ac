//! Tests of the number of parts that a writer sends at the same time.

use crate::line::{BUCKET, Far, Line, turn};
use s3driver::driver::{Parameters, S3Driver, StorageDriver, WriteMode};
use std::io::Write as _;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// The parts of a single large write are sent like those of many small ones: two at the same time
/// at first, and more while that is faster. The line is so slow that the machine does not matter.
#[test]
fn a_single_large_write_uses_more_connections_while_they_increase_the_throughput() {
    let _turn = turn();
    let far = Far::start(Line { latency: Duration::from_millis(5), rate: Some(5_000_000) });
    let url = far.url();
    let parameters = Parameters::from_pairs([
        ("bucket", BUCKET),
        ("regionendpoint", &*url),
        ("accesskey", "k"),
        ("secretkey", "s"),
        ("payload", "unsigned"),
        ("checksum", "none"),
        ("chunksize", "5242880"),
    ])
    .unwrap();
    let content: Vec<u8> = (0..100 * MIB).map(|at| (at % 251) as u8).collect();

    let driver = S3Driver::new(&parameters).unwrap();
    let mut writer = driver.writer("/written", WriteMode::Create).unwrap();
    writer.write_all(&content).unwrap();
    writer.commit().unwrap();

    assert_eq!(far.objects().get("written"), Some(&(content.len() as u64)));
    let connections = far.connections();
    // The first part begins the measurement; rounds of two and of four parts follow.
    assert!((8..=20).contains(&connections), "{connections} connections");
}
