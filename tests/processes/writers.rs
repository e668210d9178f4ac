//! Tests of writers in separate processes that are killed at any moment, or measured.
//!
//! The test runs itself again as the process to kill or to measure; the server stays in the first
//! process. To run the long tests:
//!
//! ```text
//! cargo test --release --test processes writers:: -- --ignored --nocapture
//! ```

use crate::support::{Server, ServerOptions, process};
use crate::writing::{MIB, PART, Source, assert_nothing_pending, bytes, driver, parameters_for};
use s3driver::ErrorKind;
use s3driver::client::ObjectSettings;
use s3driver::clock::{Clock, SystemClock};
use s3driver::driver::{ParametersBuilder, S3Driver, StorageDriver, WriteMode};
use s3driver::transfer::Transfer;
use std::io::{self, BufRead, Read, Write};
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn below(limit: u64) -> u64 {
    SystemClock.random() % limit
}

/// Starts this program again so that it runs only the test called `test`, with `order`.
fn start(test: &str, server: &Server, order: &str) -> Child {
    command(test, server, order).spawn().expect("another process")
}

/// Returns the command that [`start`] runs.
fn command(test: &str, server: &Server, order: &str) -> Command {
    let endpoint = server.endpoint();
    let place = [&*endpoint, server.access_key(), server.secret_key(), server.bucket()];
    let words: Vec<&str> = place.into_iter().chain(order.split(' ')).collect();
    process::command(test, &words)
}

/// Returns the driver and the numbers of an order, in a process that was started with an order.
fn order() -> Option<(S3Driver, Vec<u64>)> {
    let words = process::order()?;
    let driver = S3Driver::new(&ordered(&words).build().unwrap()).unwrap();
    Some((driver, words[4..].iter().map(|word| word.parse().unwrap()).collect()))
}

/// Returns the parameters of an order.
fn ordered(words: &[String]) -> ParametersBuilder {
    parameters_for(&words[0], &words[1], &words[2], &words[3])
}

/// Writes the file number `seed` to its end, from wherever an earlier process left it, and closes
/// and reopens it now and then.
fn write_to_the_end(driver: &S3Driver, seed: u64, size: u64) {
    let path = format!("/file/{seed}");
    loop {
        let mut writer = match driver.writer(&path, WriteMode::Append) {
            Ok(writer) => writer,
            Err(error) if error.kind() == ErrorKind::PathNotFound => {
                driver.writer(&path, WriteMode::Create).unwrap()
            }
            // An earlier process committed the file and was killed before it could report that.
            Err(error) if error.kind() == ErrorKind::InvalidArgument => return,
            Err(error) => panic!("{error}"),
        };
        let mut at = writer.size();
        assert!(at <= size, "{at} of {size}");
        let mut close = below(4) == 0;
        while at < size && !close {
            let length = (1 + below(2 * MIB as u64)).min(size - at);
            writer.write_all(&bytes(seed, at, length as usize)).unwrap();
            at += length;
            close = below(8) == 0;
        }
        if at == size && !close {
            return writer.commit().unwrap();
        }
        writer.close().unwrap();
    }
}

/// Waits until the server has begun `requests` more of the writer's requests, or the writer's
/// process has ended.
fn await_requests(server: &Server, requests: u64, child: &mut Child) {
    // Only the polling reader requests objects' contents.
    let begun = || {
        let read = server.count("GetObject");
        server.requests() - read
    };
    let before = begun();
    while begun() < before + requests && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Sets a flag when it is dropped.
struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn kill_rounds(test: &str, rounds: u64) {
    if let Some((driver, numbers)) = order() {
        return write_to_the_end(&driver, numbers[0], numbers[1]);
    }
    let server = Server::start(ServerOptions::default());
    let reader = driver(&server);
    let sizes = [0, 1, PART - 1, PART, PART + 1, 3 * PART + PART / 2];
    let mut kills = 0;
    for round in 0..rounds {
        let size = sizes[round as usize % sizes.len()];
        let content = bytes(round, 0, size);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let polling = scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    match reader.get_content(&format!("/file/{round}")) {
                        Ok(read) => {
                            assert!(
                                read == content,
                                "an incomplete file is visible: {} of {size} bytes",
                                read.len()
                            );
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::PathNotFound),
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            // A failure below must not leave the scope waiting for the reader.
            let _reading = EndsWith(&done);
            for attempt in 0.. {
                // The first process of a round is still in its first request, however fast the
                // machine is.
                let (requests, delay) =
                    if attempt == 0 { (1, 100) } else { (1 + below(8), 1 + below(8)) };
                server.delay(Duration::from_millis(delay));
                let mut child = start(test, &server, &format!("{round} {size}"));
                if attempt < 6 {
                    await_requests(&server, requests, &mut child);
                    std::thread::sleep(Duration::from_millis(below(delay / 2 + 1)));
                    // On Unix this is SIGKILL, which ends the process immediately.
                    child.kill().unwrap();
                }
                let status = child.wait().unwrap();
                kills += u64::from(!status.success());
                if status.success() {
                    break;
                }
                assert!(attempt < 6, "the process failed without being killed: {status}");
            }
            server.delay(Duration::ZERO);
            done.store(true, Ordering::Release);
            polling.join().unwrap();
        });
        assert!(
            server.object(server.bucket(), &format!("file/{round}")).unwrap() == content,
            "{size} bytes"
        );
        assert_nothing_pending(&server);
    }
    println!("{rounds} rounds, {kills} processes killed");
    assert!(kills >= rounds, "too few kills to be meaningful: {kills} in {rounds} rounds");
}

#[test]
fn a_killed_writer_is_resumed_by_the_next_process() {
    kill_rounds("writers::a_killed_writer_is_resumed_by_the_next_process", 6);
}

#[test]
#[ignore = "fifty rounds take two minutes"]
fn fifty_killed_writers_are_resumed() {
    kill_rounds("writers::fifty_killed_writers_are_resumed", 50);
}

/// The interface that writes a stream.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    Driver,
    /// The driver, with its parts in files.
    Spool,
    /// A transfer to any key.
    Transfer,
}

/// Streams `size` bytes to a server that discards them, and checks memory, parts and retries.
#[cfg(target_os = "linux")]
fn stream(test: &str, through: Through, size: u64) {
    const THREADS: u64 = 4;
    if let Some(words) = process::order() {
        let threads = NonZeroUsize::new(THREADS as usize).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let spool = match through {
            Through::Spool => folder.path().to_str().unwrap(),
            Through::Driver | Through::Transfer => "",
        };
        let parameters = ordered(&words).concurrency(threads).spool(spool);
        let driver = S3Driver::new(&parameters.build().unwrap()).unwrap();
        let numbers: Vec<u64> = words[4..].iter().map(|word| word.parse().unwrap()).collect();
        let before = process::memory("VmHWM");
        let started = Instant::now();
        let mut source = Source::new(1, numbers[0]);
        if through == Through::Transfer {
            let transfer =
                Transfer::new(driver.client()).part_size(PART as u64).concurrency(threads);
            let sent = transfer
                .upload(&mut source, driver.bucket(), "stream", &ObjectSettings::default())
                .unwrap();
            assert_eq!(sent.bytes, numbers[0]);
        } else {
            let mut writer = driver.writer("/stream", WriteMode::Create).unwrap();
            let copied = io::copy(&mut source, &mut writer).unwrap();
            assert_eq!((copied, writer.size()), (numbers[0], numbers[0]));
            writer.commit().unwrap();
        }
        let grown = process::memory("VmHWM") - before;
        println!(
            "\nMEASURED {grown} {} {}",
            driver.client().stats().retries,
            started.elapsed().as_millis()
        );
        return;
    }
    let server = Server::start(ServerOptions { discard_bodies: true, ..ServerOptions::default() });
    let mut child = start(test, &server, &size.to_string());
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    let line = output.lines().find_map(|line| line.strip_prefix("MEASURED ")).unwrap();
    let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let [grown, retries, millis] = numbers[..] else { panic!("{line}") };
    println!("{size} bytes: {grown} bytes of memory, {retries} retries, {millis} ms");
    // In addition to the parts' buffers: stacks, connections and the TLS roots.
    let buffers = if through == Through::Spool { 0 } else { (THREADS + 1) * PART as u64 };
    let bound = buffers + 6 * MIB as u64;
    assert!(grown <= bound, "memory grew by {grown} bytes, more than {bound}");
    assert!(retries <= 1);
    let parts = &server.object_info(server.bucket(), "stream").unwrap().parts;
    let (last, equal) = parts.split_last().unwrap();
    assert!(equal.iter().all(|part| *part == PART as u64));
    assert_eq!(equal.iter().sum::<u64>() + last, size);
    assert_nothing_pending(&server);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_is_sent_without_buffering_a_part() {
    const TEST: &str = "writers::a_file_is_sent_without_buffering_a_part";
    const SIZE: u64 = 64 * MIB as u64;
    if let Some((driver, _)) = order() {
        let file = tempfile::NamedTempFile::new().unwrap();
        io::copy(&mut Source::new(2, SIZE), &mut file.as_file()).unwrap();
        let before = process::memory("VmHWM");
        let transfer = s3driver::transfer::Transfer::new(driver.client());
        let sent = transfer
            .upload_file(file.path(), driver.bucket(), "file", &Default::default())
            .unwrap();
        assert_eq!((sent.bytes, sent.parts), (SIZE, 8), "8 parts of 8 MiB, all at the same time");
        println!("\nMEASURED {}", process::memory("VmHWM") - before);
        return;
    }
    let server = Server::start(ServerOptions { discard_bodies: true, ..ServerOptions::default() });
    let mut child = start(TEST, &server, "0");
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    let grown: u64 =
        output.lines().find_map(|line| line.strip_prefix("MEASURED ")).unwrap().parse().unwrap();
    println!("8 parts of 8 MiB at once: {grown} bytes of memory");
    assert!(grown <= 6 * MIB as u64, "{grown}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_stream_uses_no_more_memory_than_its_buffers() {
    const TEST: &str = "writers::a_long_stream_uses_no_more_memory_than_its_buffers";
    stream(TEST, Through::Driver, 200 * MIB as u64 + 17);
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_stream_to_any_key_uses_no_more_memory_than_its_buffers() {
    const TEST: &str = "writers::a_long_stream_to_any_key_uses_no_more_memory_than_its_buffers";
    stream(TEST, Through::Transfer, 60 * MIB as u64 + 17);
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_stream_through_files_needs_almost_no_memory() {
    const TEST: &str = "writers::a_long_stream_through_files_needs_almost_no_memory";
    stream(TEST, Through::Spool, 60 * MIB as u64 + 17);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "12 GiB take minutes"]
fn twelve_gibibytes_use_no_more_memory_than_the_buffers() {
    const TEST: &str = "writers::twelve_gibibytes_use_no_more_memory_than_the_buffers";
    stream(TEST, Through::Driver, 12 << 30);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "12 GiB take minutes"]
fn twelve_gibibytes_to_any_key_use_no_more_memory_than_the_buffers() {
    const TEST: &str = "writers::twelve_gibibytes_to_any_key_use_no_more_memory_than_the_buffers";
    stream(TEST, Through::Transfer, 12 << 30);
}

/// Returns the output of a process after its end.
#[cfg(unix)]
fn output(mut child: Child) -> String {
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    output
}

/// Sixteen writers that keep their parts in files need a few MiB together.
#[test]
#[cfg(target_os = "linux")]
fn writers_with_a_spool_folder_need_little_memory() {
    const TEST: &str = "writers::writers_with_a_spool_folder_need_little_memory";
    const WRITERS: u64 = 16;
    const SIZE: u64 = 3 * PART as u64 + 5;
    if let Some(words) = process::order() {
        let driver = S3Driver::new(&ordered(&words).spool(&words[4]).build().unwrap()).unwrap();
        // Opens the first connection, and allocates what every client needs.
        driver.put_content("/first", b"content").unwrap();
        let before = process::memory("VmHWM");
        // The parts of all writers are kept at the same time.
        let written = Barrier::new(WRITERS as usize);
        std::thread::scope(|scope| {
            for number in 0..WRITERS {
                let (driver, written) = (&driver, &written);
                scope.spawn(move || {
                    let path = format!("/file/{number}");
                    let mut writer = driver.writer(&path, WriteMode::Create).unwrap();
                    io::copy(&mut Source::new(number, SIZE), &mut writer).unwrap();
                    written.wait();
                    writer.commit().unwrap();
                });
            }
        });
        println!("\nMEASURED {}", process::memory("VmHWM") - before);
        return;
    }
    let server = Server::start(ServerOptions { discard_bodies: true, ..ServerOptions::default() });
    let folder = tempfile::tempdir().unwrap();
    let output = output(start(TEST, &server, folder.path().to_str().unwrap()));
    let grown: u64 =
        output.lines().find_map(|line| line.strip_prefix("MEASURED ")).unwrap().parse().unwrap();
    println!("{WRITERS} writers with a spool folder: {grown} bytes of memory");
    assert!(grown <= WRITERS * 2 * MIB as u64, "{grown}");
    for number in 0..WRITERS {
        let file = server.object_info(server.bucket(), &format!("file/{number}")).unwrap();
        assert_eq!(file.parts.iter().sum::<u64>(), SIZE);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    assert_nothing_pending(&server);
}

/// A process whose files may not exceed 2 MiB: a write fails like on a full disk.
#[test]
#[cfg(unix)]
fn a_full_spool_folder_is_an_error_and_leaves_nothing() {
    const TEST: &str = "writers::a_full_spool_folder_is_an_error_and_leaves_nothing";
    if let Some(words) = process::order() {
        let driver = S3Driver::new(&ordered(&words).spool(&words[4]).build().unwrap()).unwrap();
        let mut writer = driver.writer("/file", WriteMode::Create).unwrap();
        let failure = io::copy(&mut Source::new(3, 4 * MIB as u64), &mut writer).unwrap_err();
        let error = s3driver::Error::from(failure);
        assert_eq!(error.kind(), ErrorKind::LocalIo, "{error}");
        assert!(error.to_string().contains(&words[4]), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("free some space")), "{error}");
        assert_eq!(driver.pending_uploads("/").unwrap().count(), 0);
        let error = writer.commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalIo, "the file is not complete: {error}");
        let failure = driver.write_stream("/stream", 0, &mut Source::new(3, 4 * MIB as u64));
        assert_eq!(failure.unwrap_err().kind(), ErrorKind::LocalIo);
        return;
    }
    let server = Server::start(ServerOptions::default());
    let folder = tempfile::tempdir().unwrap();
    let program = command(TEST, &server, folder.path().to_str().unwrap());
    // POSIX: the unit is 512 bytes. Without the trap, the signal would end the process.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""]);
    limited.arg(program.get_program()).args(program.get_args());
    limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = limited.output().unwrap();
    let text = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{text}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    assert_eq!(server.keys(server.bucket()), [""; 0]);
    assert_nothing_pending(&server);
}

/// A killed process leaves no file in its spool folder.
#[test]
#[cfg(unix)]
fn a_killed_process_leaves_nothing_in_the_spool_folder() {
    const TEST: &str = "writers::a_killed_process_leaves_nothing_in_the_spool_folder";
    if let Some(words) = process::order() {
        let driver = S3Driver::new(&ordered(&words).spool(&words[4]).build().unwrap()).unwrap();
        let mut writer = driver.writer("/file", WriteMode::Create).unwrap();
        writer.write_all(&bytes(4, 0, PART + MIB)).unwrap();
        println!("\nWRITTEN");
        // Until this process is killed.
        io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
        return;
    }
    let server = Server::start(ServerOptions::default());
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(TEST, &server, folder.path().to_str().unwrap());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let written = io::BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(written.map_while(Result::ok).any(|line| line == "WRITTEN"));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
