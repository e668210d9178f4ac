//! Searches the memory of a process for secrets after they have been dropped.

use crate::support::{Server, ServerOptions, process};
use s3driver::client::{Client, Config, Endpoint, GetObject, ObjectSettings, Scheme};
use s3driver::cloudfront::PrivateKey;
use s3driver::sign::Credentials;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use zeroize::Zeroizing;

const BUCKET: &str = "registry";

/// A value that is combined with each byte of a needle, so that the needle is not found itself.
const MASK: u8 = 0x5a;

/// Returns the bytes of a secret of 40 letters, which is nowhere in this program.
fn letters(seed: u8) -> impl ExactSizeIterator<Item = u8> {
    (0..40_u8).map(move |at| b'A' + (at.wrapping_mul(7) ^ seed) % 26)
}

/// Returns the secret in a string that has not been moved.
fn secret(seed: u8) -> String {
    String::from_utf8(letters(seed).collect()).unwrap()
}

fn masked(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    bytes.map(|byte| byte ^ MASK).collect()
}

/// Returns the number of places in this process's writable memory that hold `needle`, which is
/// masked.
fn copies(needle: &[u8]) -> usize {
    let mut buffer = vec![0_u8; 1 << 20];
    let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [mut at, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        while at < end {
            let length = buffer.len().min((end - at) as usize);
            memory.seek(SeekFrom::Start(at)).unwrap();
            if memory.read_exact(&mut buffer[..length]).is_err() {
                break;
            }
            let is_needle = |window: &&[u8]| {
                window.iter().zip(needle).all(|(byte, masked)| byte ^ MASK == *masked)
            };
            let places = buffer[..length].windows(needle.len()).enumerate();
            found += places
                .filter(|(offset, window)| {
                    !own.contains(&(at + *offset as u64)) && is_needle(window)
                })
                .count();
            if length < buffer.len() {
                break;
            }
            // A needle may lie across the end of the block.
            at += (length - (needle.len() - 1)) as u64;
        }
    }
    found
}

/// The buffers of this crate are wiped. SECURITY.md names the copies that remain, such as the
/// numbers of an RSA key, which other crates hold.
#[test]
fn p19_secrets_are_wiped_from_the_buffers_of_this_crate() {
    const NAME: &str = "memory::p19_secrets_are_wiped_from_the_buffers_of_this_crate";
    let Some(order) = process::order() else {
        let server = Server::start(ServerOptions {
            session_token: Some(secret(1)),
            ..ServerOptions::default()
        });
        let url = server.endpoint();
        let words = [&*url, server.access_key(), server.secret_key()];
        let ended = process::command(NAME, &words).spawn().unwrap().wait_with_output().unwrap();
        println!("{}", String::from_utf8_lossy(&ended.stdout));
        assert!(ended.status.success());
        return;
    };
    the_token_is_wiped(&order);
    the_file_of_a_private_key_is_wiped();
}

fn the_token_is_wiped(order: &[String]) {
    let token = masked(letters(1));
    assert_eq!(copies(&token), 0);
    let keys = Credentials::new(&*order[1], &*order[2]).with_session_token(secret(1));
    assert!(copies(&token) > 0, "a token that is in use is found");
    let endpoint = Endpoint::custom(&order[0], Some("us-east-1"), Scheme::Http).unwrap();
    let client = Client::new(Config::new(endpoint).static_credentials(keys)).unwrap();
    client.put_object(BUCKET, "key", b"content", &ObjectSettings::default()).unwrap();
    client.get_object(BUCKET, "key", &GetObject::default()).unwrap().read_all(100).unwrap();
    client.get_object(BUCKET, "none", &GetObject::default()).map(drop).unwrap_err();
    drop(client);
    // The canonical request and the values of the headers are ordinary strings.
    let left = copies(&token);
    assert!(left <= 2, "{left} copies of the token");
}

fn the_file_of_a_private_key_is_wiped() {
    let path = "tests/data/cloudfront/test_rsa2048_pkcs8.pem";
    let text = Zeroizing::new(fs::read(path).unwrap());
    let line = text.split(|byte| *byte == b'\n').nth(10).unwrap();
    let line = masked(line.iter().copied());
    assert_eq!(copies(&line), 1, "the file that the test has read");
    drop(text);
    let key = PrivateKey::from_file(path).unwrap();
    assert_eq!(copies(&line), 0, "while the key is in use");
    drop(key);
}
