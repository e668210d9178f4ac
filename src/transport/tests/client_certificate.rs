//! Tests with servers that request a client certificate.

use super::super::roots::certificates;
use super::tls::{Authority, good, ok, params, serve};
use super::*;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// A server that requires a client certificate refuses every connection without one. Under TLS 1.3
/// it does so after the handshake.
#[test]
fn a_server_that_wants_a_client_certificate_is_named() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let certificate = good().signed_by(&key, &authority.issuer).unwrap().der().clone();
    let mut trusted = rustls::RootCertStore::empty();
    certificates(&authority.pem).unwrap().into_iter().for_each(|root| trusted.add(root).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let wanted = rustls::server::WebPkiClientVerifier::builder_with_provider(
            trusted.clone().into(),
            provider.clone(),
        );
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(wanted.build().unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = Arc::new(config.with_single_cert(vec![certificate.clone()], key).unwrap());
        let server = serve(config, ok);
        let (_, broke) = failure(fetch(&authority.trusted(), &server));
        assert!(matches!(broke, Failure::Tls(TlsProblem::ClientCertificate, _)), "{broke:?}");

        // With a certificate that the server accepts, and with one from another authority.
        let shows = |own| fetch(&with_certificate(&authority, own).unwrap(), &server);
        assert_eq!(text(shows(client_certificate(&authority))), "ok");
        assert!(shows(client_certificate(&Authority::new())).is_err());
    }
}

fn client_certificate(authority: &Authority) -> ClientCertificate {
    let key = KeyPair::generate().unwrap();
    let chain = params(&["client"]).signed_by(&key, &authority.issuer).unwrap().pem();
    ClientCertificate {
        chain_pem: chain.into_bytes(),
        key_pem: key.serialize_pem().into_bytes().into(),
    }
}

fn with_certificate(
    authority: &Authority,
    own: ClientCertificate,
) -> Result<Transport, OptionsError> {
    let extra_roots_pem = authority.pem.clone();
    Transport::new(TransportOptions { client_certificate: Some(own), extra_roots_pem, ..options() })
}

#[test]
fn a_client_certificate_that_cannot_be_used_is_refused_at_once() {
    let authority = Authority::new();
    let (own, other) = (client_certificate(&authority), client_certificate(&authority));
    for (chain, key, reason) in [
        (b"".to_vec(), own.key_pem.clone(), "valid PEM block of type CERTIFICATE"),
        (own.key_pem.to_vec(), own.key_pem.clone(), "valid PEM block of type CERTIFICATE"),
        (
            own.chain_pem.clone(),
            b"hidden".to_vec().into(),
            "does not contain a valid PEM block: it must",
        ),
        (
            own.chain_pem.clone(),
            own.chain_pem.clone().into(),
            "does not contain a valid PEM block: it must",
        ),
        (own.chain_pem.clone(), other.key_pem, "cannot be used"),
    ] {
        let own = ClientCertificate { chain_pem: chain, key_pem: key };
        assert_eq!(format!("{own:?}"), "ClientCertificate");
        let error = with_certificate(&authority, own).unwrap_err();
        assert!(error.0.contains(reason) && !error.0.contains("hidden"), "{}", error.0);
    }
}
