//! `encoding-type=url`, undone.
//!
//! Requested because XML 1.0 cannot carry every key. The rules, since servers differ:
//!
//! - Only when the reply holds `EncodingType` `url`, and exactly once. Ceph encodes keys of uploads without saying so:
//!   ask it for no encoding there.
//! - `+` is a space. AWS, SeaweedFS (keys) and rclone write a space so, the others write `%20`, and every server that
//!   encodes writes a literal plus as `%2B`. One that claims to encode and does not (s3s-fs) shows its pluses as spaces.
//! - An escape that is none (`100%`), or that makes bad UTF-8, is an error. It comes from a server that claims to
//!   encode and does not, and a guess would name another object, which a caller may be about to delete.
use super::Error;
use crate::net::percent::{Piece, pieces};
use crate::text::shown;

/// Decodes each of `keys`, in place of itself.
pub(super) fn decode_all<'k>(keys: impl Iterator<Item = &'k mut String>) -> Result<(), Error> {
    for key in keys {
        *key = decode(std::mem::take(key))?;
    }
    Ok(())
}

/// Most keys have nothing to decode and are returned as they came.
fn decode(text: String) -> Result<String, Error> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    for piece in pieces(&text) {
        decoded.push(match piece {
            Piece::Plain(b'+') => b' ',
            Piece::Plain(byte) | Piece::Escaped(byte) => byte,
            Piece::Broken => return Err(refused(&text, "is no percent-encoding")),
        });
    }
    String::from_utf8(decoded).map_err(|_| refused(&text, "does not decode to UTF-8"))
}

fn refused(text: &str, complaint: &str) -> Error {
    Error::unplaced(format!(
        "the server says that keys are URL-encoded, but \"{}\" {complaint}",
        shown(text)
    ))
}
