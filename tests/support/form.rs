//! Forms of browser uploads (`multipart/form-data`, RFC 7578), as far as the second verifier needs
//! them.

/// The fields of a form, and the size of its file.
#[derive(Debug)]
pub struct ReceivedForm {
    pub fields: Vec<(String, String)>,
    pub file_size: u64,
}

impl ReceivedForm {
    /// Parses the body of a request with this `Content-Type`. Returns `None` for a form that
    /// servers may interpret differently, such as one without a file.
    pub fn parse(content_type: &str, body: &[u8]) -> Option<Self> {
        let boundary = content_type.split_once("boundary=")?.1.trim_matches('"');
        let delimiter = format!("\r\n--{boundary}");
        // The first delimiter may lack the line break.
        let body = [b"\r\n", body].concat();
        let mut fields = Vec::new();
        let mut rest = after(&body, delimiter.as_bytes())?;
        loop {
            let part = rest.strip_prefix(b"\r\n")?;
            let end = find(part, delimiter.as_bytes())?;
            let (part, tail) = part.split_at(end);
            rest = &tail[delimiter.len()..];
            let at = find(part, b"\r\n\r\n")?;
            let head = std::str::from_utf8(&part[..at]).ok()?;
            let content = &part[at + 4..];
            let name = head.split_once("name=\"")?.1.split_once('"')?.0;
            if name == "file" {
                return Some(Self { fields, file_size: content.len() as u64 });
            }
            fields.push((name.to_owned(), String::from_utf8(content.to_vec()).ok()?));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn after<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    find(bytes, wanted).map(|at| &bytes[at + wanted.len()..])
}
