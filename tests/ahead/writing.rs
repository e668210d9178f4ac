//! Tests of the number of parts that a writer sends at the same time.

use crate::line::{BUCKET, Far, Line, measure, turn};
use s3driver::driver::{Parameters, S3Driver, StorageDriver, WriteMode};
use std::io::Write as _;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// Writes `size` bytes in parts of 5 MiB, `piece` bytes at a time, and returns the number of
/// connections that were opened.
fn connections_of_a_writer(far: &Far, size: usize, piece: usize, adjust: &[(&str, &str)]) -> usize {
    let url = far.url();
    let basic = [
        ("bucket", BUCKET),
        ("regionendpoint", &*url),
        ("accesskey", "k"),
        ("secretkey", "s"),
        ("payload", "unsigned"),
        ("checksum", "none"),
        ("chunksize", "5242880"),
    ];
    let parameters = Parameters::from_pairs(basic.iter().chain(adjust).copied()).unwrap();
    let mut writer =
        S3Driver::new(&parameters).unwrap().writer("/written", WriteMode::Create).unwrap();
    let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    content.chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
    writer.commit().unwrap();
    assert_eq!(far.objects().get("written"), Some(&(size as u64)));
    far.connections()
}

/// By default, a writer sends two parts at the same time, four if the first one takes long, and
/// more while that is faster.
#[test]
fn a_writer_uses_as_many_connections_as_increase_the_throughput() {
    let _turn = turn();
    // The line is so slow that the machine does not matter.
    let line = Line { latency: Duration::from_millis(25), rate: Some(5_000_000) };
    let write = || {
        let begun = Instant::now();
        (connections_of_a_writer(&Far::start(line), 120 * MIB, MIB, &[]), begun.elapsed())
    };
    let two_connections = Duration::from_millis(12_600);
    let is_expected = |(connections, time): &(usize, Duration)| {
        (7..=20).contains(connections) && *time < two_connections
    };
    let last = measure(write, is_expected);
    assert!(is_expected(&last), "connections and time: {last:?}");

    let size = 60 * MIB;
    let four = connections_of_a_writer(&Far::start(line), size, MIB, &[("concurrency", "4")]);
    assert_eq!(four, 4, "an explicit number is respected");
    let within = [("maxmemory", "26214400")];
    let few = connections_of_a_writer(&Far::start(line), size, MIB, &within);
    assert!(few <= 5, "{few} connections with memory for five parts");
}

/// The parts of a single large write are sent like those of many small ones.
#[test]
fn a_single_large_write_uses_more_connections_while_they_increase_the_throughput() {
    let _turn = turn();
    let line = Line { latency: Duration::from_millis(5), rate: Some(5_000_000) };
    let write = || connections_of_a_writer(&Far::start(line), 100 * MIB, 100 * MIB, &[]);
    // Rounds of four and of eight parts precede a larger number.
    let is_expected = |connections: &usize| (8..=20).contains(connections);
    let connections = measure(write, is_expected);
    assert!(is_expected(&connections), "{connections} connections");
}

#[test]
fn a_writer_on_a_full_line_tries_more_connections_once() {
    let _turn = turn();
    for piece in [MIB, 80 * MIB] {
        let write = || {
            let far = Far::start(Line { latency: Duration::from_millis(2), rate: None });
            far.limit_total(20_000_000);
            connections_of_a_writer(&far, 80 * MIB, piece, &[])
        };
        let most = measure(write, |most| *most <= 8);
        assert!(most <= 8, "{most} connections for writes of {piece} bytes");
    }
}
