//! Decodes the keys of listings that were requested with `encoding-type=url`.
//!
//! The encoding is requested because XML 1.0 cannot represent every key. Since servers differ,
//! these rules apply:
//!
//! - Keys are decoded only if the response has the `EncodingType` `url`, and exactly once. Ceph
//!   encodes the keys of uploads without stating it, so the client does not request an encoding
//!   there.
//! - `+` is decoded as a space. AWS, SeaweedFS (in keys) and rclone encode spaces this way, other
//!   servers as `%20`, and every server that encodes keys writes a literal plus as `%2B`. If a
//!   server claims to encode keys but does not (s3s-fs), pluses become spaces.
//! - Invalid percent-encoding (`100%`), or bytes that decode to invalid UTF-8, are an error. They
//!   come from a server that claims to encode keys but does not. A guess might name a different
//!   object, which the caller may be about to delete.
use super::Error;
use super::scan::find;
use crate::net::percent::{Piece, pieces};
use crate::text::shown;

/// Decodes each of `keys` in place.
pub(super) fn decode_all<'k>(keys: impl Iterator<Item = &'k mut String>) -> Result<(), Error> {
    for key in keys {
        *key = decode(std::mem::take(key))?;
    }
    Ok(())
}

/// Returns the decoded key. Most keys have nothing to decode and are returned without a copy.
fn decode(text: String) -> Result<String, Error> {
    if find(&text, [b'%', b'+']).is_none() {
        return Ok(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    for piece in pieces(&text) {
        decoded.push(match piece {
            Piece::Plain(b'+') => b' ',
            Piece::Plain(byte) | Piece::Escaped(byte) => byte,
            Piece::Broken => return Err(refused(&text, "is not a valid percent-encoding")),
        });
    }
    String::from_utf8(decoded).map_err(|_| refused(&text, "does not decode to UTF-8"))
}

fn refused(text: &str, complaint: &str) -> Error {
    Error::unplaced(format!(
        "the server declares keys to be percent-encoded, but \"{}\" {complaint}",
        shown(text)
    ))
}
