//! Tests of the trust stores: which authorities are trusted, and what happens if there are none.

use super::tls::{Authority, good, ok, serve};
use super::*;

fn fetched(store: TrustStore, pem: &[u8], server: &Server) -> Result<String, String> {
    let extra_roots_pem = pem.to_vec();
    let options = TransportOptions { trust_store: store, extra_roots_pem, ..options() };
    let transport = Transport::new(options).map_err(|error| error.0)?;
    match fetch(&transport, server) {
        Ok(body) => Ok(String::from_utf8(body).unwrap()),
        Err(error) => {
            assert!(
                matches!(error.failure, Failure::Tls(TlsProblem::UnknownAuthority, _)),
                "{error}"
            );
            Err("unknown authority".into())
        }
    }
}

#[test]
fn only_named_certificates_are_trusted_without_a_store() {
    let [one, other] = [Authority::new(), Authority::new()];
    let server = serve(one.sign(&good()), ok);
    assert_eq!(fetched(TrustStore::Named, &one.pem, &server).unwrap(), "ok");
    assert_eq!(fetched(TrustStore::Named, &other.pem, &server).unwrap_err(), "unknown authority");
    let refused = fetched(TrustStore::Named, b"", &server).unwrap_err();
    assert!(refused.contains("cacert") && refused.contains("truststore"), "{refused}");
}

#[cfg(not(feature = "truststore"))]
#[test]
fn the_systems_store_is_refused_without_its_feature() {
    let server = Server::always("");
    let refused = fetched(TrustStore::System, b"", &server).unwrap_err();
    assert!(refused.contains("needs the feature truststore of the crate s3driver"), "{refused}");
}

/// Runs in processes with different values of `SSL_CERT_FILE` and `SSL_CERT_DIR`, because a process
/// cannot change its variables while other threads run.
#[cfg(feature = "truststore")]
#[test]
fn the_systems_store_is_the_one_that_the_variables_name() {
    const EXPECTED: &str = "S3DRIVER_TEST_EXPECTED_FROM_THE_STORE";
    const SERVER: &str = "S3DRIVER_TEST_SERVER_FOR_THE_STORE";
    const NAMED: &str = "S3DRIVER_TEST_NAMED_CERTIFICATES";
    let variable = |name: &str| std::env::var(name).ok();
    if let (Some(expected), Some(port)) = (variable(EXPECTED), variable(SERVER)) {
        let mut server = Server::always("");
        server.origin.scheme = Scheme::Https;
        server.origin.port = port.parse().unwrap();
        let named = variable(NAMED).unwrap_or_default();
        let result = fetched(TrustStore::System, named.as_bytes(), &server);
        assert!(result.clone().unwrap_or_else(|why| why).contains(&expected), "{result:?}");
        return;
    }

    let [one, other] = [Authority::new(), Authority::new()];
    let server = serve(one.sign(&good()), ok);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    };
    let good_file = file("good.pem", &one.pem);
    let other_file = file("other.pem", &other.pem);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let mixed = file("mixed.pem", &[&broken[..], &one.pem].concat());
    let in_folder = file("folder/1234.0", &one.pem).parent().unwrap().to_owned();
    let empty_folder = folder.path().join("nothing");
    std::fs::create_dir(&empty_folder).unwrap();
    let (one_pem, none) = (String::from_utf8(one.pem.clone()).unwrap(), "");
    const UNUSABLE: &str = "the system's trust store holds no certificate that can be used";
    const FILE: &str = "SSL_CERT_FILE";
    const FOLDER: &str = "SSL_CERT_DIR";
    for (name, value, named, expected) in [
        (FILE, good_file, none, "ok"),
        (FILE, other_file.clone(), none, "unknown authority"),
        (FILE, other_file, one_pem.as_str(), "ok"),
        (FILE, mixed, none, "ok"),
        (FILE, file("broken.pem", broken), none, UNUSABLE),
        (FILE, file("empty.pem", b""), none, "no certificate was found; install"),
        (FILE, file("text.pem", b"not a certificate"), none, UNUSABLE),
        (FILE, file("half.pem", &one.pem[..one.pem.len() / 2]), none, UNUSABLE),
        (FILE, folder.path().join("missing.pem"), none, "missing.pem"),
        (FOLDER, in_folder, none, "ok"),
        (FOLDER, empty_folder, none, UNUSABLE),
        (FOLDER, folder.path().join("missing"), none, UNUSABLE),
    ] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.env_remove(FILE).env_remove(FOLDER).env(name, &value);
        child.env(EXPECTED, expected).env(NAMED, named);
        child.env(SERVER, server.origin.port.to_string());
        let test = "transport::tests::trust_store::\
                    the_systems_store_is_the_one_that_the_variables_name";
        let output = child.args(["--exact", test]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{value:?}: {text}");
    }
}
