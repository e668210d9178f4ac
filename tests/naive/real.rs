//! Signs the naive signer's cases with `s3driver::sign`, and returns the results in the naive
//! signer's types.
use super::{Body, Case, Pairs, V2, V4};
use s3driver::sign::chunked::{ChunkSigner, Layout, MIN_CHUNK_SIZE};
use s3driver::sign::{Credentials, Error, Request, encode_path, v2, v4};
use s3driver::time::Timestamp;
use std::io::Read;
use std::time::Duration;

fn credentials(case: &Case) -> Credentials {
    let credentials = Credentials::new(&case.access_key, &case.secret);
    match &case.token {
        Some(token) => credentials.with_session_token(token),
        None => credentials,
    }
}

fn borrowed(pairs: &Pairs) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn with_request<T>(case: &Case, run: impl FnOnce(&Request<'_>) -> T) -> T {
    let (query, headers) = (borrowed(&case.query), borrowed(&case.headers));
    let path = encode_path(&format!("/{}", case.key));
    run(&Request::new(&case.method, &path).query(&query).headers(&headers))
}

fn authorization(headers: &[(&'static str, String)]) -> String {
    headers
        .iter()
        .find(|(name, _)| *name == "authorization")
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

/// Signs with version 4 in the header. The chunks are read back from the framed body.
pub fn v4(case: &Case) -> Result<V4, Error> {
    let (credentials, time) = (credentials(case), Timestamp::from_unix(case.time.unix));
    let scope = v4::Scope { region: &case.region, service: "s3" };
    let key = v4::SigningKey::derive(&credentials, time, scope)?;
    let payload = match &case.body {
        Body::Bytes(bytes) => v4::Payload::Bytes(bytes),
        Body::Unsigned => v4::Payload::Unsigned,
        Body::Chunks(..) => v4::Payload::StreamingSigned,
    };
    let signed = with_request(case, |request| key.sign(request, payload, time))?;
    let chunks = match &case.body {
        Body::Chunks(data, size) => {
            chunks(data, *size, ChunkSigner::new(&key, time, &signed.steps.signature)?)?
        }
        _ => Vec::new(),
    };
    Ok(V4 {
        canonical_request: signed.steps.canonical_request,
        string_to_sign: signed.steps.string_to_sign,
        signature: signed.steps.signature,
        sent: authorization(&signed.headers),
        chunks,
    })
}

/// Returns the signatures in their order in the framed body, after checking the framing. Chunks
/// below the smallest allowed size are signed without a body.
fn chunks(data: &[u8], size: usize, mut signer: ChunkSigner) -> Result<Vec<String>, Error> {
    if size < MIN_CHUNK_SIZE {
        let pieces = data.chunks(size).chain([&b""[..]]);
        return Ok(pieces.map(|piece| signer.chunk(piece).signature).collect());
    }
    let layout = Layout::signed(data.len() as u64).with_chunk_size(size)?;
    let mut wire = Vec::new();
    layout
        .signed_body(data, signer, None)?
        .read_to_end(&mut wire)
        .expect("a body of the announced length");
    let (mut rest, mut found, mut decoded) = (&wire[..], Vec::new(), Vec::new());
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a chunk's head ends");
        let head = std::str::from_utf8(&rest[..end]).expect("a head is text");
        let (length, signature) =
            head.split_once(";chunk-signature=").expect("a head names its signature");
        let length = usize::from_str_radix(length, 16).expect("a length in hex");
        found.push(signature.to_owned());
        decoded.extend_from_slice(&rest[end + 2..][..length]);
        assert_eq!(&rest[end + 2 + length..][..2], b"\r\n");
        rest = &rest[end + 2 + length + 2..];
        if length == 0 {
            break;
        }
    }
    assert!(rest.is_empty() && decoded == data);
    Ok(found)
}

/// Signs with version 4 in the query.
pub fn v4_presigned(case: &Case, seconds: u64) -> Result<V4, Error> {
    let scope = v4::Scope { region: &case.region, service: "s3" };
    let time = Timestamp::from_unix(case.time.unix);
    let signed = with_request(case, |request| {
        v4::presign(
            request,
            v4::Payload::Unsigned,
            &credentials(case),
            scope,
            time,
            Duration::from_secs(seconds),
        )
    })?;
    Ok(V4 {
        canonical_request: signed.steps.canonical_request,
        string_to_sign: signed.steps.string_to_sign,
        signature: signed.steps.signature,
        sent: signed.query,
        chunks: Vec::new(),
    })
}

/// Signs with version 2 in the header.
pub fn v2(case: &Case, bucket: Option<&str>) -> Result<V2, Error> {
    let time = Timestamp::from_unix(case.time.unix);
    let signed = with_request(case, |request| v2::sign(request, bucket, &credentials(case), time))?;
    Ok(V2 {
        string_to_sign: signed.steps.string_to_sign,
        signature: signed.steps.signature,
        sent: authorization(&signed.headers),
    })
}

/// Signs with version 2 in the query.
pub fn v2_presigned(case: &Case, bucket: Option<&str>) -> Result<V2, Error> {
    let expires = Timestamp::from_unix(case.time.unix);
    let signed =
        with_request(case, |request| v2::presign(request, bucket, &credentials(case), expires))?;
    Ok(V2 {
        string_to_sign: signed.steps.string_to_sign,
        signature: signed.steps.signature,
        sent: signed.query,
    })
}
