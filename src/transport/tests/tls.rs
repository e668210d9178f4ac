//! Tests of certificates, and of bodies that arrive in TLS records.

use super::super::roots::{certificates, roots};
use super::*;
use crate::net::proxy::Proxy;
use crate::net::proxy_choice::ProxyChoice;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(super) type TlsStream = StreamOwned<ServerConnection, TcpStream>;

/// A certificate authority that a single test creates.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) pem: Vec<u8>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Returns the configuration of a server that supports only this version of TLS.
    fn speaking(&self, version: &'static rustls::SupportedProtocolVersion) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = good().signed_by(&key, &self.issuer).unwrap().der().clone();
        configured(certificate, &key, &[version])
    }

    pub(super) fn sign(&self, params: &CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server_config(certificate.der().clone(), &key)
    }

    pub(super) fn trusted(&self) -> Transport {
        Transport::new(TransportOptions { extra_roots_pem: self.pem.clone(), ..options() }).unwrap()
    }
}

pub(super) fn server_config(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
) -> Arc<ServerConfig> {
    configured(certificate, key, rustls::DEFAULT_VERSIONS)
}

fn configured(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

pub(super) fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

pub(super) fn good() -> CertificateParams {
    params(&["localhost", "127.0.0.1"])
}

/// Starts a TLS server that runs `script` on every connection. Before that, it records the bytes
/// that it received up to the end of a request head or up to a failure.
pub(super) fn serve(
    config: Arc<ServerConfig>,
    script: impl Fn(&mut TlsStream) + Send + Sync + 'static,
) -> Server {
    let mut server = Server::start(move |peer| {
        let mut session = ServerConnection::new(config.clone()).unwrap();
        session.set_buffer_limit(None);
        let mut stream = StreamOwned::new(session, peer.stream.try_clone().unwrap());
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
            head.push(byte[0]);
        }
        peer.seen.lock().unwrap().push(String::from_utf8(head).unwrap());
        script(&mut stream);
    });
    server.origin.scheme = Scheme::Https;
    server
}

pub(super) fn ok(stream: &mut TlsStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let _ = stream.flush();
    let _ = io::copy(stream, &mut io::sink());
}

#[test]
fn good_certificates() {
    let authority = Authority::new();
    let mut server = serve(authority.sign(&good()), ok);
    assert_eq!(text(fetch(&authority.trusted(), &server)), "ok");
    server.origin.host = "localhost".into();
    assert_eq!(text(fetch(&authority.trusted(), &server)), "ok");
}

/// Certificates that no client may accept. The refusal is permanent, and not one byte of a request
/// is sent.
#[test]
fn bad_certificates() {
    let authority = Authority::new();
    let mut expired = good();
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let mut early = good();
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let mut name_only = params(&[]);
    name_only.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    let key = KeyPair::generate().unwrap();
    let self_signed = server_config(good().self_signed(&key).unwrap().der().clone(), &key);
    for (what, config) in [
        ("wrong name", authority.sign(&params(&["other.example"]))),
        ("common name only", authority.sign(&name_only)),
        ("expired", authority.sign(&expired)),
        ("not yet valid", authority.sign(&early)),
        ("self-signed", self_signed),
        ("unknown authority", Authority::new().sign(&good())),
    ] {
        let server = serve(config.clone(), ok);
        let transport = authority.trusted();
        let (phase, broke) = failure(fetch(&transport, &server));
        assert!(
            matches!((phase, &broke), (Phase::Connect, Failure::Tls(problem, _)) if problem.is_permanent()),
            "{what}: {broke:?}"
        );
        wait_until(|| !server.seen().is_empty());
        assert_eq!((server.seen(), server.accepted()), (vec![String::new()], 1), "{what}");
        assert_eq!(transport.connections_opened(), 0);

        let skipping =
            Transport::new(TransportOptions { verification: TlsVerification::Skip, ..options() })
                .unwrap();
        assert_eq!(text(fetch(&skipping, &serve(config, ok))), "ok", "{what}");
    }
}

/// The client sends a TLS alert with the reason of its refusal, so that the server's administrator
/// can find the reason in the server's log.
#[test]
fn a_refusal_is_told_to_the_server() {
    let (config, told) = (Authority::new().sign(&good()), Arc::new(Mutex::new(None)));
    let note = told.clone();
    let mut server = Server::start(move |peer| {
        let mut session = ServerConnection::new(config.clone()).unwrap();
        let error = session.complete_io(&mut peer.stream).unwrap_err();
        *note.lock().unwrap() =
            error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    });
    server.origin.scheme = Scheme::Https;
    assert!(matches!(
        failure(fetch(&transport(), &server)),
        (Phase::Connect, Failure::Tls(TlsProblem::UnknownAuthority, _))
    ));
    wait_until(|| told.lock().unwrap().is_some());
    let told = told.lock().unwrap().clone();
    assert!(
        matches!(told, Some(rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA))),
        "{told:?}"
    );
}

#[test]
fn the_cheapest_cipher_is_asked_for_first() {
    let config = super::super::tls::config(&options()).unwrap();
    let suites = &config.crypto_provider().cipher_suites;
    assert_eq!(suites[0].suite(), rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert!(suites.len() > 5, "none is left out: {suites:?}");
}

/// Extra roots are added to the built-in ones.
#[test]
fn extra_roots_are_added() {
    let two = [Authority::new(), Authority::new()];
    let pem = [two[0].pem.clone(), b"# a comment\n".to_vec(), two[1].pem.clone()].concat();
    let transport =
        Transport::new(TransportOptions { extra_roots_pem: pem.clone(), ..options() }).unwrap();
    for authority in &two {
        assert_eq!(text(fetch(&transport, &serve(authority.sign(&good()), ok))), "ok");
    }
    let built_in = roots(TrustStore::Mozilla, &[]).unwrap().len();
    let named = certificates(&pem).unwrap();
    assert_eq!(roots(TrustStore::Mozilla, &named).unwrap().len(), built_in + 2);
    assert_eq!(roots(TrustStore::Named, &named).unwrap().len(), 2);
    assert!(built_in > 100);
}

/// `openssl req -x509` creates a server certificate that is its own authority. It is trusted when
/// the user configured exactly this certificate, for the names in it and within its validity
/// period.
#[test]
fn a_self_signed_certificate_is_believed_when_it_is_named() {
    let make = |names: &[&str], year: i32| {
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (server_config(certificate.der().clone(), &key), certificate.pem().into_bytes())
    };
    let with = |pem: &[u8]| {
        Transport::new(TransportOptions { extra_roots_pem: pem.to_vec(), ..options() }).unwrap()
    };
    let (config, pem) = make(&["localhost", "127.0.0.1"], 2100);
    assert_eq!(text(fetch(&with(&pem), &serve(config.clone(), ok))), "ok");

    let another = make(&["localhost", "127.0.0.1"], 2100).1;
    let (elsewhere, elsewhere_pem) = make(&["elsewhere.example"], 2100);
    let (old, old_pem) = make(&["localhost", "127.0.0.1"], 2020);
    for (config, pem) in [
        (config.clone(), another),
        (config, Vec::new()),
        (elsewhere, elsewhere_pem),
        (old, old_pem),
    ] {
        let failure = fetch(&with(&pem), &serve(config, ok)).err().unwrap().failure;
        assert!(
            matches!(failure, Failure::Tls(problem, _) if problem.is_permanent()),
            "{failure:?}"
        );
    }
}

#[test]
fn bad_roots_are_refused() {
    let good = String::from_utf8(Authority::new().pem).unwrap();
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &good[..good.len() / 2];
    for pem in [
        "\n",
        "no PEM at all",
        cut,
        bad,
        &bad.repeat(2),
        &KeyPair::generate().unwrap().serialize_pem(),
    ] {
        for verification in [TlsVerification::Full, TlsVerification::Skip] {
            let options =
                TransportOptions { extra_roots_pem: pem.into(), verification, ..options() };
            let error = Transport::new(options).unwrap_err().0;
            assert!(error.contains("extra root certificates"), "{error}");
        }
    }
}

/// A certificate that cannot be decoded does not invalidate the others in its bundle, regardless of
/// its position.
#[test]
fn p30_an_undecodable_certificate_does_not_refuse_the_bundle() {
    let authority = Authority::new();
    let own = String::from_utf8(authority.pem.clone()).unwrap();
    for bad in [
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
    ] {
        for bundle in [format!("{bad}{own}"), format!("{own}{bad}"), format!("{bad}{own}{bad}")] {
            let options =
                TransportOptions { extra_roots_pem: bundle.clone().into_bytes(), ..options() };
            let transport =
                Transport::new(options).unwrap_or_else(|error| panic!("{bundle}: {}", error.0));
            assert_eq!(text(fetch(&transport, &serve(authority.sign(&good()), ok))), "ok");
        }
    }
    let cut = format!("{own}-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert!(
        Transport::new(TransportOptions { extra_roots_pem: cut.into_bytes(), ..options() }).is_ok()
    );
}

#[test]
fn handshakes_that_fail_may_be_tried_again() {
    let closing = Server::start(|peer| drop(peer.stream.read(&mut [0; 100])));
    let garbage = Server::start(|peer| peer.send(b"\x16\x03\x03\x00\x02\xff\xff"));
    for mut server in [closing, garbage] {
        server.origin.scheme = Scheme::Https;
        let (phase, broke) = failure(fetch(&transport(), &server));
        assert!(
            matches!((phase, &broke), (Phase::Connect, Failure::Tls(TlsProblem::Broken, _))),
            "{broke:?}"
        );
    }
    let mut silent = Server::start(Peer::hang);
    silent.origin.scheme = Scheme::Https;
    let result = fetch(&Transport::new(impatient()).unwrap(), &silent);
    assert!(matches!(failure(result), (Phase::Connect, Failure::Timeout)));
}

#[test]
fn hosts_that_are_no_names() {
    let mut server = serve(Authority::new().sign(&good()), ok);
    server.origin.host = "local_host..".into();
    let (phase, _) = failure(fetch(&transport(), &server));
    assert_eq!(phase, Phase::Connect);
}

/// Transfers 8 MiB in each direction over reused connections, with each version of TLS. Under TLS
/// 1.3, the keys are updated during the transfer.
#[test]
fn large_bodies() {
    const SIZE: usize = 8 << 20;
    let body: Vec<u8> = (0..SIZE).map(|at| (at * 7 % 251) as u8).collect();
    let authority = Authority::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = serve(authority.speaking(version), move |stream| {
            for _ in 0..2 {
                let mut body = vec![0; SIZE];
                let halves = body.split_at_mut(SIZE / 2);
                stream.read_exact(halves.0).unwrap();
                if version.version == rustls::ProtocolVersion::TLSv1_3 {
                    // Updates the server's keys and requests new keys from the client, in the
                    // middle of both bodies.
                    stream.conn.refresh_traffic_keys().unwrap();
                }
                stream.read_exact(halves.1).unwrap();
                stream
                    .write_all(
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes(),
                    )
                    .unwrap();
                for piece in body.chunks(SIZE / 2 + 1) {
                    stream.write_all(piece).unwrap();
                    if version.version == rustls::ProtocolVersion::TLSv1_3 {
                        stream.conn.refresh_traffic_keys().unwrap();
                    }
                }
                stream.flush().unwrap();
                let mut head = [0; 1];
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n")
                    && stream.read(&mut head).is_ok_and(|count| count == 1)
                {
                    seen.push(head[0]);
                }
            }
        });
        let transport = authority.trusted();
        for round in 0..2 {
            let mut source = &body[..];
            let sent = match round {
                0 => RequestBody::Bytes(&body),
                _ => RequestBody::Reader { source: &mut source, length: SIZE as u64 },
            };
            let reply = transport.send(&server.origin, &request("PUT"), sent).unwrap();
            assert!(reply.read_to_end(SIZE, None).unwrap() == body);
        }
        assert_eq!(server.accepted(), 1);
    }
}

/// Records of all sizes from one byte upwards, read into buffers that hold a part of a record, one
/// record, or several.
#[test]
fn records_and_reads_of_every_size() {
    let authority = Authority::new();
    let body: Vec<u8> = (0..120_000_usize).map(|at| (at * 7 % 251) as u8).collect();
    let sent = body.clone();
    let server = serve(authority.sign(&good()), move |stream| {
        stream
            .write_all(
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", sent.len()).as_bytes(),
            )
            .unwrap();
        let (mut rest, mut size) = (&sent[..], 1);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            // Each write makes one record.
            stream.conn.writer().write_all(now).unwrap();
            stream.flush().unwrap();
            (rest, size) = (later, size * 3 / 2 + 1);
        }
        let _ = io::copy(stream, &mut io::sink());
    });
    for size in [1, 7, 4096, 16_384, 16_385, 50_000, 200_000] {
        let mut reply = get(&authority.trusted(), &server).unwrap();
        let (mut read, mut buffer) = (Vec::new(), vec![0; size]);
        while read.len() < body.len() {
            let count = reply.read(&mut buffer).unwrap();
            assert!(count > 0, "{} of {}", read.len(), body.len());
            read.extend_from_slice(&buffer[..count]);
        }
        assert!(read == body, "{size}");
    }
}

#[test]
fn early_answers() {
    let authority = Authority::new();
    let server = serve(authority.sign(&good()), |stream| {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\ndenied").unwrap();
        stream.flush().unwrap();
        thread::park();
    });
    let body = vec![0; 32 << 20];
    let reply = authority
        .trusted()
        .send(&server.origin, &request("PUT"), RequestBody::Bytes(&body))
        .unwrap();
    assert_eq!((reply.status, text(reply.read_to_end(10, None))), (403, "denied".into()));
}

/// TLS does not change the rule of `p01_an_early_200_is_not_stored`: a success that arrives while
/// most of the body is unsent is a failure, whether the session stays open or ends with
/// `close_notify`.
#[test]
fn p01_an_early_200_over_tls_is_not_stored() {
    const SIZE: u64 = 32 << 20;
    for ends in [true, false] {
        let authority = Authority::new();
        let server = serve(authority.sign(&good()), move |stream| {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            if ends {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
            let _ = io::copy(&mut stream.sock, &mut io::sink());
        });
        let transport = authority.trusted();
        let bytes = vec![7; SIZE as usize];
        let mut source = io::repeat(7);
        for body in
            [RequestBody::Bytes(&bytes), RequestBody::Reader { source: &mut source, length: SIZE }]
        {
            let (phase, failure) = failure(transport.send(&server.origin, &request("PUT"), body));
            assert_eq!(phase, Phase::Send, "ends: {ends}");
            assert!(
                matches!(&failure, Failure::Protocol(text) if text.contains("before the whole body")),
                "ends: {ends}: {failure:?}"
            );
        }
        assert_eq!(server.accepted(), 2, "the connection must not be used again");
    }
}

/// When a body extends to the end of the connection, an end that the server did not announce may be
/// the work of an attacker.
#[test]
fn cut_sessions_are_no_end() {
    for announced in [true, false] {
        let authority = Authority::new();
        let server = serve(authority.sign(&good()), move |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello").unwrap();
            if announced {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
        });
        match (announced, fetch(&authority.trusted(), &server)) {
            (true, body) => assert_eq!(text(body), "hello"),
            (false, body) => assert!(matches!(failure(body), (Phase::Body, Failure::Io(_)))),
        }
    }
}

/// A response that arrives before the body is sent is kept while the body is being sent, and so is
/// the `close_notify` that follows the response.
#[test]
fn an_early_answer_with_an_end() {
    let authority = Authority::new();
    let server = serve(authority.sign(&good()), |stream| {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\ndenied").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        let _ = io::copy(&mut stream.sock, &mut io::sink());
    });
    for size in [0, 10, 100_000, 32 << 20] {
        let reply = authority
            .trusted()
            .send(&server.origin, &request("PUT"), RequestBody::Bytes(&vec![1; size]))
            .unwrap();
        assert_eq!(
            (reply.status, text(reply.read_to_end(10, None))),
            (403, "denied".into()),
            "{size}"
        );
    }
}

/// Changes single bytes of what the server sends, in many places. The outcome is either an error or
/// the whole response, and never a panic.
#[test]
fn a_changed_byte_in_any_place() {
    let authority = Authority::new();
    let target = serve(authority.sign(&good()), ok);
    let port = target.origin.port;
    let place = Arc::new(AtomicU64::new(0));
    let current = place.clone();
    let mut relay = Server::start(move |peer| {
        let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (peer.stream.try_clone().unwrap(), other.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        let (place, mut passed, mut block) = (current.load(Ordering::SeqCst), 0, [0; 4096]);
        while let Ok(count @ 1..) = other.read(&mut block) {
            if let Some(byte) =
                place.checked_sub(passed).and_then(|at| block[..count].get_mut(at as usize))
            {
                *byte ^= 1 << (place % 8);
            }
            passed += count as u64;
            peer.send(&block[..count]);
        }
        let _ = peer.stream.shutdown(std::net::Shutdown::Both);
    });
    relay.origin.scheme = Scheme::Https;
    let (mut refused, mut whole) = (0, 0);
    // The server's handshake flight and its response take about 1,000 bytes. They are followed by
    // the session tickets and the end of the session.
    for at in (0..1400).step_by(7) {
        place.store(at, Ordering::SeqCst);
        match fetch(
            &Transport::new(TransportOptions {
                extra_roots_pem: authority.pem.clone(),
                ..impatient()
            })
            .unwrap(),
            &relay,
        ) {
            Ok(body) => {
                assert_eq!(body, b"ok", "{at}");
                whole += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {whole} whole");
    assert!(refused > 100 && whole > 5, "{refused} refused, {whole} whole");
}

/// Damage in transit is reported as an error and never returned as data.
#[test]
fn a_plain_byte_in_the_session() {
    let authority = Authority::new();
    let server = serve(authority.sign(&good()), |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").unwrap();
        stream.flush().unwrap();
        stream.sock.write_all(b"\x17\x03\x03\x00\x05hello").unwrap();
        let _ = io::copy(stream, &mut io::sink());
    });
    assert!(matches!(
        failure(fetch(&authority.trusted(), &server)),
        (Phase::Await | Phase::Body, Failure::Io(_))
    ));
}

#[test]
fn a_session_closed_while_idle_is_replaced() {
    let authority = Authority::new();
    let server = serve(authority.sign(&good()), |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    let transport = authority.trusted();
    assert_eq!(text(fetch(&transport, &server)), "ok");
    thread::sleep(Duration::from_millis(20));
    assert_eq!(text(fetch(&transport, &server)), "ok");
    assert_eq!(server.accepted(), 2);
}

/// The second connection resumes the TLS session of the first one.
#[test]
fn sessions_are_resumed() {
    let authority = Authority::new();
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let notes = kinds.clone();
    let server = serve(authority.sign(&good()), move |stream| {
        notes.lock().unwrap().push(stream.conn.handshake_kind().unwrap());
        ok(stream);
    });
    let transport = authority.trusted();
    for _ in 0..2 {
        fetch(&transport, &server).unwrap();
        transport.close_idle();
    }
    use rustls::HandshakeKind::{Full, Resumed};
    assert!(matches!(kinds.lock().unwrap()[..], [Full, Resumed]), "{kinds:?}");
}

#[test]
fn through_a_tunnel() {
    let authority = Authority::new();
    let target = serve(authority.sign(&good()), ok);
    let port = target.origin.port;
    let proxy = Server::start(move |peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
        let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (peer.stream.try_clone().unwrap(), other.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        let _ = io::copy(&mut other, &mut peer.stream);
    });
    let transport = Transport::new(TransportOptions {
        proxy: ProxyChoice::Always(
            Proxy::parse(&format!("http://user:secret@127.0.0.1:{}", proxy.origin.port)).unwrap(),
        ),
        extra_roots_pem: authority.pem,
        ..options()
    })
    .unwrap();
    assert_eq!(text(fetch(&transport, &target)), "ok");
    assert_eq!((proxy.accepted(), target.accepted()), (1, 1));
    assert!(!target.seen()[0].contains("proxy-authorization"));
    let seen = &proxy.seen()[0];
    assert!(seen.starts_with(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: ")), "{seen}");
}

/// Bytes after the end of a body are not taken for the next response, whether they are in the last
/// record of the body or in a separate one.
#[test]
fn surplus_costs_the_session() {
    const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    // With the larger sizes, the last record holds enough of the body to be read straight into the
    // caller's memory.
    for size in [0, 4, 25_000, 205_000] {
        for records in [1, 2] {
            let authority = Authority::new();
            let count = AtomicU64::new(0);
            let server = serve(authority.sign(&good()), move |stream| {
                if count.fetch_add(1, Ordering::SeqCst) > 0 {
                    return ok(stream);
                }
                let mut reply =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").into_bytes();
                reply.resize(reply.len() + size, b'x');
                if records == 1 {
                    reply.extend_from_slice(EVIL);
                }
                stream.conn.writer().write_all(&reply).unwrap();
                if records == 2 {
                    stream.conn.writer().write_all(EVIL).unwrap();
                }
                stream.flush().unwrap();
                let _ = io::copy(stream, &mut io::sink());
            });
            let transport = authority.trusted();
            assert_eq!(fetch(&transport, &server).unwrap().len(), size);
            if records == 2 {
                // The next record may still be in transit. A connection is checked for such bytes
                // when it is used again after a pause.
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(text(fetch(&transport, &server)), "ok", "{size} bytes, {records} records");
        }
    }
}

/// Every refusal of a certificate states its cause, together with the time of this machine's clock
/// where the clock can be the cause.
#[test]
fn case_40_refused_certificates_are_named() {
    let authority = Authority::new();
    let now = crate::time::Timestamp::from(std::time::SystemTime::now()).unix();
    let mut expired = good();
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let mut early = good();
    (early.not_before, early.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    let mut own = good();
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let problem = |config| match failure(fetch(&authority.trusted(), &serve(config, ok))) {
        (Phase::Connect, Failure::Tls(problem, _)) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(authority.sign(&params(&["other.example"]))), TlsProblem::WrongName);
    assert_eq!(problem(Authority::new().sign(&good())), TlsProblem::UnknownAuthority);
    assert_eq!(problem(authority.sign(&own)), TlsProblem::AuthorityAsServer);
    let TlsProblem::Expired(shown) = problem(authority.sign(&expired)) else {
        panic!("not expired")
    };
    assert!(shown.unix().abs_diff(now) < 60, "{shown:?}");
    let TlsProblem::NotYetValid(shown) = problem(authority.sign(&early)) else { panic!("valid") };
    assert!(shown.unix().abs_diff(now) < 60, "{shown:?}");
}
