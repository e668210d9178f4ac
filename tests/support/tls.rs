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

/// Returns an acceptor for `127.0.0.1`, `localhost`, `BUCKET.localhost` and the bucket's access
/// point in `region`, and the authority's certificate as PEM. The bucket is named because rustls
/// does not accept a wildcard directly below a top-level name.
pub fn acceptor(
    bucket: &str,
    region: &str,
    changed: &Leaf,
) -> Result<(TlsAcceptor, String), Box<dyn std::error::Error>> {
    let in_host = format!("{bucket}.localhost");
    let access_point = format!("{bucket}-123456789012.s3-accesspoint.{region}.amazonaws.com");
    let names = ["127.0.0.1", "localhost", &in_host, &access_point];
    let names = changed.names.clone().unwrap_or_else(|| names.map(str::to_owned).into());
    let (config, ca_pem) = config_with(names, changed)?;
    Ok((TlsAcceptor::from(config), ca_pem))
}

/// Returns the configuration of a server with these names, and the authority's certificate as PEM.
pub fn config(
    names: Vec<String>,
) -> Result<(Arc<ServerConfig>, String), Box<dyn std::error::Error>> {
    config_with(names, &Leaf::default())
}

fn config_with(
    names: Vec<String>,
    changed: &Leaf,
) -> Result<(Arc<ServerConfig>, String), Box<dyn std::error::Error>> {
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

    let mut leaf = CertificateParams::new(names)?;
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
    Ok((Arc::new(config), authority_certificate.pem()))
}
