//! Decodes keys of listings that were requested with `encoding-type=url`.
//!
//! The encoding is requested because XML 1.0 cannot carry every key. Servers differ, hence these
//! rules:
//!
//! - Keys are decoded only when the response has the `EncodingType` `url`, and exactly once. Ceph
//!   encodes the keys of uploads without saying so; the client does not request an encoding there.
//! - `+` is a space. AWS, SeaweedFS (in keys) and rclone write spaces so, the others write `%20`,
//!   and every server that encodes writes a literal plus as `%2B`. The pluses of a server that
//!   claims to encode and does not (s3s-fs) become spaces.
//! - An invalid escape (`100%`), or one that decodes to invalid UTF-8, is an error. It comes from a
//!   server that claims to encode and does not, and a guess would name another object, which the
//!   caller may be about to delete.
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
