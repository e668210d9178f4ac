//! The server to which a request is sent.
use super::host::Scheme;

/// Scheme, host and port of a server. `host` is a name, an IPv4 address, or an IPv6 address without
/// brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// Returns the value of the `Host` header, without the port if it is the scheme's default, and
    /// with an IPv6 address in brackets.
    pub(crate) fn host_header(&self) -> String {
        if self.port != self.scheme.default_port() {
            return self.authority();
        }

        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Returns `host:port`, even if the port is the scheme's default.
    pub(crate) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Returns `host:port`, with an IPv6 address in brackets.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
