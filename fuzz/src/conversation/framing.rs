//! An independent reader that finds where responses end. It is strict: unusual framing is evidence
//! for neither side.
use s3driver::fuzzing::response_head;

/// Everything that was sent for one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A final response, with the number of bytes after it.
    Complete { status: u16, body: Vec<u8>, surplus: usize },
    /// A response that is not complete yet.
    Truncated,
    /// Not plain HTTP: only the client can decide whether it is a response.
    Unclear,
}

impl Framing {
    pub(super) fn of(sent: &[u8], method: &str) -> Self {
        let mut rest = sent;
        loop {
            let head = match response_head(rest, method) {
                Ok(Some(head)) => head,
                Ok(None) => return Self::Truncated,
                Err(_) => return Self::Unclear,
            };
            let Some(after) = rest.get(head.length..) else { return Self::Unclear };
            rest = after;
            if head.status == 101 {
                return Self::Unclear;
            }
            if head.status < 200 {
                continue;
            }
            let encodings: Vec<_> =
                head.fields.iter().filter(|(name, _)| name == "transfer-encoding").collect();
            let complete =
                |body: Vec<u8>, surplus| Self::Complete { status: head.status, body, surplus };
            return match (encodings.as_slice(), head.content_length) {
                _ if method == "HEAD" || matches!(head.status, 204 | 304) => {
                    complete(Vec::new(), rest.len())
                }
                ([], Some(length)) => {
                    match usize::try_from(length)
                        .ok()
                        .and_then(|length| rest.split_at_checked(length))
                    {
                        Some((body, surplus)) => complete(body.to_vec(), surplus.len()),
                        None => Self::Truncated,
                    }
                }
                ([(_, chunked)], None) if chunked == "chunked" => match chunks(rest) {
                    Chunks::Whole(body, surplus) => complete(body, surplus),
                    Chunks::Incomplete => Self::Truncated,
                    Chunks::Unclear => Self::Unclear,
                },
                _ => Self::Unclear,
            };
        }
    }
}

enum Chunks {
    Whole(Vec<u8>, usize),
    Incomplete,
    Unclear,
}

/// Reads chunks that have neither extensions nor trailers.
fn chunks(mut rest: &[u8]) -> Chunks {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") else {
            let plain = rest.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'\r')
                && rest.len() < 8;
            return if plain { Chunks::Incomplete } else { Chunks::Unclear };
        };
        let (line, after) = (&rest[..end], &rest[end + 2..]);
        let digits = std::str::from_utf8(line)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let size = digits
            .filter(|text| text.len() < 8)
            .and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size else { return Chunks::Unclear };
        let Some((data, after)) = after.split_at_checked(size) else { return Chunks::Incomplete };
        body.extend_from_slice(data);
        match after {
            [b'\r', b'\n', after @ ..] if size == 0 => return Chunks::Whole(body, after.len()),
            [b'\r', b'\n', after @ ..] => rest = after,
            [] | [b'\r'] => return Chunks::Incomplete,
            _ => return Chunks::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_determines_where_a_response_ends() {
        let complete =
            |status, body: &str, surplus| Framing::Complete { status, body: body.into(), surplus };
        for (method, sent, framing) in [
            ("GET", "", Framing::Truncated),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Le", Framing::Truncated),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Framing::Truncated),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", complete(200, "abc", 0)),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", complete(200, "abc", 1)),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", complete(200, "", 3)),
            ("PUT", "HTTP/1.1 204 No Content\r\n\r\n", complete(204, "", 0)),
            ("PUT", "HTTP/1.1 100 Continue\r\n\r\n", Framing::Truncated),
            (
                "PUT",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nx",
                complete(204, "", 1),
            ),
            ("PUT", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Framing::Unclear),
            ("GET", "HTTP/1.1 200 OK\r\n\r\nuntil the end", Framing::Unclear),
            ("GET", "SSH-2.0\r\n\r\n", Framing::Unclear),
        ] {
            assert_eq!(Framing::of(sent.as_bytes(), method), framing, "{method} {sent:?}");
        }
        for (chunks, framing) in [
            ("", Framing::Truncated),
            ("3", Framing::Truncated),
            ("3\r\nab", Framing::Truncated),
            ("3\r\nabc", Framing::Truncated),
            ("3\r\nabc\r\n0\r\n", Framing::Truncated),
            ("3\r\nabc\r\n0\r\n\r\n", complete(200, "abc", 0)),
            ("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\nxy", complete(200, "abcd", 2)),
            ("3\r\nabcd\r\n", Framing::Unclear),
            ("3;a=b\r\nabc\r\n", Framing::Unclear),
            ("0\r\ntrailer: x\r\n\r\n", Framing::Unclear),
        ] {
            let sent = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(Framing::of(sent.as_bytes(), "GET"), framing, "{chunks:?}");
        }
    }
}
