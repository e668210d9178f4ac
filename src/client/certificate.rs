//! The certificate that a server presents.
use super::Client;
use super::transport_failure::{Way, transport_error};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{TlsVerification, Transport, TransportOptions};

impl Client {
    /// Connects to the bucket's server, and returns the certificate that it presents for itself, in
    /// DER. The certificate is not verified and nothing is sent, so that the reason of a failing
    /// verification can be found in it. Returns `None` over plain http, and through an agent.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`], and [`ErrorKind::Tls`] if the handshake
    /// itself fails.
    pub fn server_certificate(&self, bucket: &str) -> Result<Option<Vec<u8>>> {
        let config = &self.inner.config;
        let place = self.inner.place_of(bucket)?;
        let options = TransportOptions {
            verification: TlsVerification::Skip,
            idle_connections: 0,
            ..config.transport_options()
        };
        let transport = Transport::new(options)
            .map_err(|error| Error::new(ErrorKind::Configuration, error.0))?;
        let proxy = self.proxy_of(&place);
        let way = Way { endpoint: &config.endpoint, located: &place, proxy };
        transport
            .peer_certificate(place.origin(), self.cancel.as_ref())
            .map_err(|failure| transport_error(failure, Some(way)))
    }
}
