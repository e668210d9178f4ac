//! An independent HTTP client for URLs that the driver returns. It sends the path unchanged,
//! including dots.

use super::target::Target;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;

/// The status, headers and body of a response.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Fetches a URL: over http with a socket, over https with curl.
pub fn fetch(target: &Target, method: &str, url: &str) -> io::Result<Reply> {
    let raw = match url.strip_prefix("http://") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // Names below localhost do not resolve on every machine.
            let address =
                host.rsplit_once(".localhost:").map(|(_, port)| format!("127.0.0.1:{port}"));
            let mut socket = TcpStream::connect(address.as_deref().unwrap_or(host))?;
            write!(
                socket,
                "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
            )?;
            let mut raw = Vec::new();
            socket.read_to_end(&mut raw)?;
            raw
        }
        None => {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-i", "--http1.1", "--path-as-is", "--raw", "-m", "30", "-X", method]);
            if method == "HEAD" {
                curl.arg("-I");
            }
            if let Some(ca) = &target.ca_file {
                curl.args(["--cacert", ca]);
            }
            curl.arg(url).output()?.stdout
        }
    };
    let broken =
        || io::Error::new(io::ErrorKind::InvalidData, format!("no response to {method} {url}"));
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(broken)?;
    let head = std::str::from_utf8(&raw[..end]).map_err(|_| broken())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).ok_or_else(broken)?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Ok(Reply { status, headers, body: raw[end + 4..].to_vec() })
}
