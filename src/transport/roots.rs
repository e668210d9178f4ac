//! The certificate authorities that are trusted: those of a trust store, and the certificates that
//! the user named.

use super::error::OptionsError;
use super::options::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Returns the authorities of the store together with the named ones.
///
/// A bundle may contain certificates that cannot be used, such as old ones with negative serial
/// numbers. They are skipped as long as at least one certificate can be used.
pub(super) fn roots(
    store: TrustStore,
    named: &[CertificateDer<'static>],
) -> Result<RootCertStore, OptionsError> {
    let mut roots = RootCertStore::empty();
    match store {
        TrustStore::Mozilla => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        TrustStore::System => add(&mut roots, &of_system()?).map_err(unusable_system)?,
        TrustStore::Named if named.is_empty() => {
            return Err(OptionsError(
                "no certificate is trusted: name the authority of the server in cacert, or use \
                 another truststore"
                    .into(),
            ));
        }
        TrustStore::Named => {}
    }
    add(&mut roots, named).map_err(unusable)?;
    Ok(roots)
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, OptionsError> {
    let mut refused = None;
    let mut named = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        match certificate {
            Ok(certificate) => named.push(certificate),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    match refused {
        Some(error) if named.is_empty() => Err(unusable(error)),
        None if named.is_empty() && !pem.is_empty() => Err(OptionsError(
            "the extra root certificates do not contain a PEM block of type CERTIFICATE".into(),
        )),
        _ => Ok(named),
    }
}

/// Checks that a file of trusted certificates contains at least one certificate that can be used.
pub(crate) fn check_roots(pem: &[u8]) -> Result<(), OptionsError> {
    let named = certificates(pem)?;
    if named.is_empty() {
        return Err(OptionsError("it is empty".into()));
    }
    roots(TrustStore::Named, &named).map(drop)
}

/// Adds the certificates that can be used. Fails if there are certificates, but none of them can be
/// used.
fn add(
    roots: &mut RootCertStore,
    certificates: &[CertificateDer<'static>],
) -> Result<(), rustls::Error> {
    let before = roots.len();
    let mut refused = None;
    for certificate in certificates {
        if let Err(error) = roots.add(certificate.clone()) {
            refused.get_or_insert(error);
        }
    }
    match refused {
        Some(error) if roots.len() == before => Err(error),
        _ => Ok(()),
    }
}

/// Returns the certificates in the system's store, of which there is at least one.
#[cfg(feature = "truststore")]
fn of_system() -> Result<Vec<CertificateDer<'static>>, OptionsError> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.first() {
        _ if !found.certs.is_empty() => Ok(found.certs),
        Some(error) => Err(unusable_system(error)),
        None => Err(unusable_system("no certificate was found")),
    }
}

#[cfg(not(feature = "truststore"))]
fn of_system() -> Result<Vec<CertificateDer<'static>>, OptionsError> {
    Err(OptionsError(
        "the system's trust store needs the feature truststore of the crate s3driver: enable it, \
         or use the truststore mozilla"
            .into(),
    ))
}

fn unusable(error: impl std::fmt::Display) -> OptionsError {
    OptionsError(format!("none of the extra root certificates can be used: {error}"))
}

#[cfg_attr(not(feature = "truststore"), allow(dead_code, reason = "the store cannot be read"))]
fn unusable_system(error: impl std::fmt::Display) -> OptionsError {
    let error = error.to_string();
    let why = crate::text::shown(&error);
    OptionsError(format!(
        "the system's trust store holds no certificate that can be used: {why}; install the \
         system's certificates (ca-certificates), correct SSL_CERT_FILE and SSL_CERT_DIR, or use \
         the truststore mozilla"
    ))
}
