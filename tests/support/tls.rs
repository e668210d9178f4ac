//! A certificate authority that exists as long as its server.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// How a server's certificate differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Leaf {
    pub names: Option<Vec<String>>,
    pub begins: Option<SystemTime>,
    pub ends: Option<SystemTime>,
}

/// Returns an acceptor for `127.0.0.1`, `localhost` and `BUCKET.localhost`, and the authority's
/// certificate as PEM. The bucket is named because rustls does not accept a wildcard directly below
/// a top-level name.
pub fn acceptor(
    bucket: &str,
    changed: &Leaf,
) -> Result<(TlsAcceptor, String), Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    authority.distinguished_name.push(DnType::CommonName, "embedded server test authority");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;

    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned(), format!("{bucket}.localhost")];
    let mut leaf = CertificateParams::new(changed.names.clone().unwrap_or(names))?;
    let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH);
    let time = |seconds: Duration| date_time_ymd(1970, 1, 1) + seconds;
    if let Some(begins) = changed.begins {
        leaf.not_before = time(since_epoch(begins)?);
    }
    if let Some(ends) = changed.ends {
        leaf.not_after = time(since_epoch(ends)?);
    }
    leaf.distinguished_name.push(DnType::CommonName, "embedded server");
    let leaf_key = KeyPair::generate()?;
    let certificate =
        leaf.signed_by(&leaf_key, &Issuer::from_params(&authority, &authority_key))?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), authority_certificate.pem()))
}
