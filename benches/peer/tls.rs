//! TLS for the discarding server, with a self-signed certificate and the two halves of a session.
use super::route::Outcome;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Creates a certificate for 127.0.0.1, and writes it to `file` so that clients can trust it.
pub(crate) fn configured(file: &Path) -> Outcome<Arc<ServerConfig>> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.self_signed(&key)?;
    std::fs::write(file, certificate.pem())?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Arc::new(config))
}

/// The reading or the writing half of a session that reads and writes in turns.
#[derive(Clone)]
pub(crate) struct Half(Rc<RefCell<StreamOwned<ServerConnection, TcpStream>>>);

impl Half {
    pub(crate) fn new(config: Arc<ServerConfig>, stream: TcpStream) -> Outcome<Self> {
        let session = ServerConnection::new(config)?;
        Ok(Self(Rc::new(RefCell::new(StreamOwned::new(session, stream)))))
    }
}

impl Read for Half {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(into)
    }
}

impl Write for Half {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}
