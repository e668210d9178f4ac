use super::*;
use crate::sign::{Credentials, v4};
use crate::time::Timestamp;
use proptest::prelude::*;
use std::io::{self, ErrorKind};

fn trailer() -> Trailer {
    Trailer::new("x-amz-checksum-test", 16).unwrap()
}

/// A checksum of sixteen hex digits that depends on every byte and its position.
struct Sum(u64);

impl TrailerChecksum for Sum {
    fn update(&mut self, data: &[u8]) {
        for byte in data {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte) + 1);
        }
    }
    fn finish(&mut self) -> String {
        format!("{:016x}", self.0)
    }
}

fn sum(data: &[u8]) -> String {
    let mut sum = Sum(7);
    sum.update(data);
    sum.finish()
}

/// A reader that returns at most `step` bytes at a time, and occasionally `Interrupted`.
struct Drip<'a>(&'a [u8], usize, usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.2 += 1;
        if self.2.is_multiple_of(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        let count = self.0.len().min(out.len()).min(self.1);
        self.0.read(&mut out[..count])
    }
}

fn signer() -> ChunkSigner {
    let credentials = Credentials::new("id", "secret");
    let time = Timestamp::from_unix(1_369_353_600);
    let key = v4::SigningKey::derive(&credentials, time, v4::Scope { region: "r", service: "s3" })
        .unwrap();
    ChunkSigner::new(&key, time, &"0".repeat(64)).unwrap()
}

fn body<'a, R: Read>(layout: &Layout, data: R) -> FramedBody<'a, R> {
    let checksum =
        (!layout.trailers.is_empty()).then(|| Box::new(Sum(7)) as Box<dyn TrailerChecksum>);
    match layout.chunks {
        Chunks::Signed => layout.signed_body(data, signer(), checksum).unwrap(),
        Chunks::Unsigned => layout.unsigned_body(data, checksum).unwrap(),
    }
}

fn layouts(length: u64, chunk_size: usize) -> [Layout; 3] {
    [
        Layout::signed(length),
        Layout::signed_with_trailer(length, trailer()),
        Layout::unsigned_with_trailer(length, trailer()),
    ]
    .map(|layout| layout.with_chunk_size(chunk_size).unwrap())
}

fn line<'a>(wire: &mut &'a [u8]) -> &'a str {
    let end = wire.windows(2).position(|pair| pair == b"\r\n").expect("a line's end");
    let (line, rest) = wire.split_at(end);
    *wire = &rest[2..];
    std::str::from_utf8(line).unwrap()
}

/// Decodes a framed body exactly as AWS's page describes it, checking every signature and size.
fn decode(mut wire: &[u8], layout: &Layout) -> Vec<u8> {
    let mut chain = (layout.chunks == Chunks::Signed).then(signer);
    let mut data = Vec::new();
    loop {
        let head = line(&mut wire);
        let (size, signature) = match head.split_once(";chunk-signature=") {
            Some((size, signature)) => (size, Some(signature)),
            None => (head, None),
        };
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = &wire[..size];
        assert_eq!(chain.as_mut().map(|chain| chain.chunk(chunk).signature).as_deref(), signature);
        if size == 0 {
            break;
        }
        let left = layout.decoded_length - data.len() as u64;
        assert_eq!(size as u64, left.min(layout.chunk_size as u64), "only the last chunk is short");
        data.extend_from_slice(chunk);
        assert_eq!(&wire[size..size + 2], b"\r\n");
        wire = &wire[size + 2..];
    }
    if let Some(trailer) = layout.trailers.first() {
        let text = line(&mut wire);
        assert_eq!(text, format!("{}:{}", trailer.name, sum(&data)));
        if let Some(chain) = &mut chain {
            let signature = chain.trailer(&format!("{text}\n")).signature;
            assert_eq!(line(&mut wire), format!("x-amz-trailer-signature:{signature}"));
        }
    }
    assert_eq!(wire, b"\r\n");
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_framed_body_decodes_for_every_read_size(
        length in prop_oneof![0usize..40, 8180usize..8210, 0usize..60_000],
        chunk_size in 8192usize..20_000,
        given in 1usize..9000,
        taken in prop::collection::vec(1usize..9000, 1..5),
    ) {
        let data: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
        for layout in layouts(length as u64, chunk_size) {
            let mut body = body(&layout, Drip(&data, given, 0));
            let (mut wire, mut sizes, mut buffer) = (Vec::new(), taken.iter().cycle(), vec![0; 9000]);
            loop {
                match body.read(&mut buffer[..*sizes.next().unwrap()]) {
                    Ok(0) => break,
                    Ok(count) => wire.extend_from_slice(&buffer[..count]),
                    Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Interrupted),
                }
            }
            prop_assert_eq!(wire.len() as u64, layout.encoded_length());
            prop_assert_eq!(data.len() as u64, layout.decoded_length());
            prop_assert_eq!(body.checksums().first().map(|(_, value)| value.clone()), layout.trailers.first().map(|_| sum(&data)));
            prop_assert_eq!(decode(&wire, &layout), &data[..]);
        }
    }
}

#[test]
fn a_body_of_another_length_fails() {
    for length in [1u64, 8192, 8193, 20_000] {
        for layout in layouts(length, MIN_CHUNK_SIZE) {
            let short = vec![1; length as usize - 1];
            let error = body(&layout, &short[..]).read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            let long = vec![1; length as usize + 1];
            let mut body = body(&layout, &long[..]);
            for _ in 0..2 {
                let error = body.read_to_end(&mut Vec::new()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData);
            }
        }
    }
}

/// A reader that returns its bytes, then the given error if there is one, and then the end of its
/// data.
struct Ending<'a>(&'a [u8], Option<ErrorKind>);

impl Read for Ending<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out) {
            Ok(0) => self.1.take().map_or(Ok(0), |kind| Err(kind.into())),
            result => result,
        }
    }
}

/// The body continues where it stopped once its data continues.
#[test]
fn an_error_at_the_end_of_the_data_is_returned() {
    for layout in layouts(3, MIN_CHUNK_SIZE) {
        for kind in [ErrorKind::Interrupted, ErrorKind::TimedOut] {
            let mut body = body(&layout, Ending(b"abc", Some(kind)));
            let (mut wire, mut errors, mut buffer) = (Vec::new(), Vec::new(), [0; 100]);
            loop {
                match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => wire.extend_from_slice(&buffer[..count]),
                    Err(error) => errors.push(error.kind()),
                }
            }
            assert_eq!((errors, decode(&wire, &layout)), (vec![kind], b"abc".to_vec()));
        }
    }
}

#[test]
fn a_checksum_of_another_length_fails() {
    let layout = Layout::unsigned_with_trailer(1, Trailer { value_length: 15, ..trailer() });
    let mut body = body(&layout, &b"x"[..]);
    for _ in 0..2 {
        assert_eq!(body.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn the_layout_must_fit_the_signer_and_the_checksums() {
    let checksum = || Box::new(Sum(7)) as Box<dyn TrailerChecksum>;
    let [signed, signed_trailer, unsigned] = layouts(1, MIN_CHUNK_SIZE);
    assert!(signed.signed_body(io::empty(), signer(), Some(checksum())).is_err());
    assert!(signed.unsigned_body(io::empty(), [checksum()]).is_err());
    assert!(signed_trailer.signed_body(io::empty(), signer(), None).is_err());
    assert!(unsigned.signed_body(io::empty(), signer(), Some(checksum())).is_err());
    for (size, taken) in [(8191, false), (8192, true), (16_777_216, true), (16_777_217, false)] {
        assert_eq!(signed.clone().with_chunk_size(size).is_ok(), taken, "{size}");
    }
    let key = v4::SigningKey::derive(
        &Credentials::new("id", "secret"),
        Timestamp::from_unix(0),
        v4::Scope { region: "r", service: "s3" },
    )
    .unwrap();
    assert!(ChunkSigner::new(&key, Timestamp::from_unix(0), "short").is_err());
    assert!(ChunkSigner::new(&key, Timestamp::from_unix(86_400), &"0".repeat(64)).is_err());
}

#[test]
fn lengths_do_not_overflow() {
    for layout in layouts(u64::MAX, MIN_CHUNK_SIZE) {
        assert_eq!(layout.encoded_length(), u64::MAX);
    }
    let five_tib = Layout::signed(5 << 40);
    assert_eq!(five_tib.encoded_length(), (5 << 40) + ((5 << 40) / 65_536) * 90 + 86);
}

#[test]
fn debug_shows_no_signature() {
    let mut signer = signer();
    let link = signer.chunk(b"x");
    let text = format!("{link:?} {signer:?} {:?}", body(&Layout::signed(0), io::empty()));
    assert!(!text.contains(&link.signature) && !text.contains(&"0".repeat(64)), "{text}");
    for shown in ["Link", "ChunkSigner", "FramedBody"] {
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn several_trailers_are_announced_sent_and_signed_in_order() {
    let layout = Layout::signed_with_trailer(3, Trailer::new("x-amz-meta-z", 16).unwrap())
        .and_trailer(Trailer::new("x-amz-checksum-test", 4).unwrap())
        .unwrap();
    assert!(
        layout
            .headers()
            .contains(&("x-amz-trailer", "x-amz-checksum-test,x-amz-meta-z".to_owned()))
    );
    /// A checksum that does not depend on the data.
    struct Fixed;
    impl TrailerChecksum for Fixed {
        fn update(&mut self, _: &[u8]) {}
        fn finish(&mut self) -> String {
            "abcd".to_owned()
        }
    }
    let checksums: [Box<dyn TrailerChecksum>; 2] = [Box::new(Sum(7)), Box::new(Fixed)];
    let mut body = layout.signed_body(&b"abc"[..], signer(), checksums).unwrap();
    let mut wire = String::new();
    body.read_to_string(&mut wire).unwrap();
    assert_eq!(wire.len() as u64, layout.encoded_length());
    let mut chain = signer();
    chain.chunk(b"abc");
    let end = chain.chunk(b"").signature;
    let trailers = format!("x-amz-checksum-test:abcd\nx-amz-meta-z:{}\n", sum(b"abc"));
    let signature = chain.trailer(&trailers).signature;
    let expected = format!(
        "0;chunk-signature={end}\r\n{}x-amz-trailer-signature:{signature}\r\n\r\n",
        trailers.replace('\n', "\r\n")
    );
    assert!(wire.ends_with(&expected), "{wire}");
    assert_eq!(body.checksums()[0], ("x-amz-checksum-test", "abcd".to_owned()));
    assert_eq!(body.checksums()[1], ("x-amz-meta-z", sum(b"abc")));
}

#[test]
fn trailers_have_names_of_headers_in_lower_case() {
    for name in ["", "a b", "a\r\nb", "X-Amz-Checksum", "a:", "x-amz-trailer-signature"] {
        assert_eq!(Trailer::new(name, 8), Err(Error::Trailer { name: name.to_owned() }));
    }
    let layout = Layout::signed_with_trailer(3, trailer());
    assert_eq!(
        layout.and_trailer(trailer()),
        Err(Error::Trailer { name: trailer().name().to_owned() })
    );
}
