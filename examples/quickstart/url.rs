//! Fetches a presigned URL without using this crate, as a registry's client would.
use crate::Outcome;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

/// Returns the body at `url`, which is fetched over a plain socket for http, and with `curl` for
/// https.
pub(crate) fn fetch(url: &str, ca_file: Option<&str>) -> Outcome<Vec<u8>> {
    let Some(rest) = url.strip_prefix("http://") else {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--path-as-is", "--show-error", "--fail"]);
        if let Some(file) = ca_file {
            curl.args(["--cacert", file]);
        }
        let output = curl.arg(url).output().map_err(|error| {
            format!("curl, which fetches the https URL, cannot be run: {error}")
        })?;
        return if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!(
                "the URL cannot be fetched: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )
            .into())
        };
    };
    let (host, path) = rest.split_at(rest.find('/').ok_or("the URL has no path")?);
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut socket = TcpStream::connect(address)?;
    // With HTTP/1.0, the body ends when the connection is closed.
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply)?;
    let head = reply
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .ok_or("the server did not send a complete response")?
        + 4;
    let status = reply.get(9..12).unwrap_or_default();
    if status == b"200" {
        Ok(reply.split_off(head))
    } else {
        Err(format!("the URL returned {}", String::from_utf8_lossy(status)).into())
    }
}
