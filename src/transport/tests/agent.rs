//! Tests of requests through a ureq agent: what is sent on the wire and what is returned.

use super::tls::{Authority, good, ok, serve};
use super::*;
use crate::net::proxy_choice::ProxyChoice;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Returns an agent that trusts only `authority` and takes no settings from the environment.
pub(super) fn agent(authority: Option<&[u8]>) -> ureq::Agent {
    let certificates: Vec<_> = authority
        .into_iter()
        .flat_map(parse_pem)
        .filter_map(|item| match item.unwrap() {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    let roots = RootCerts::new_with_certs(&certificates);
    ureq::Agent::config_builder()
        .proxy(None)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .new_agent()
}

/// Returns a transport that uses `agent` and has these options otherwise.
pub(super) fn through(agent: ureq::Agent, options: TransportOptions) -> Transport {
    Transport::new(TransportOptions { agent: Some(Agent(agent)), ..options }).unwrap()
}

fn plain() -> Transport {
    through(agent(None), options())
}

#[test]
fn small_requests_share_a_connection_and_carry_their_headers() {
    let server = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let transport = plain();
    for _ in 0..3 {
        assert_eq!(text(fetch(&transport, &server)), "ok");
    }
    assert_eq!(server.accepted(), 1);
    let head = server.seen().remove(0);
    assert!(head.starts_with("GET /bucket/key HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host"), Some("test"));
    for absent in ["accept", "accept-encoding", "content-length", "transfer-encoding"] {
        assert_eq!(field(&head, absent), None, "{head}");
    }
}

#[test]
fn bodies_have_exactly_the_announced_length() {
    let server = Server::start(|peer| {
        while let Some((_, body)) = peer.request() {
            peer.seen.lock().unwrap().push(body.len().to_string());
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let transport = plain();
    let put = |body: RequestBody<'_>| transport.send(&server.origin, &request("PUT"), body);
    assert_eq!(put(RequestBody::Empty).unwrap().status, 200);
    assert_eq!(put(RequestBody::Bytes(b"")).unwrap().status, 200);
    assert_eq!(put(RequestBody::Bytes(&[7; 300_000])).unwrap().status, 200);
    // A source that is longer than the announced length is cut off.
    let source = &mut io::repeat(1);
    assert_eq!(put(RequestBody::Reader { source, length: 200_001 }).unwrap().status, 200);
    let seen = server.seen();
    let lengths: Vec<_> = seen.iter().filter_map(|head| field(head, "content-length")).collect();
    assert_eq!(lengths, ["0", "0", "300000", "200001"]);
    let bodies: Vec<_> = seen.iter().filter(|text| text.len() < 8).collect();
    assert_eq!(bodies, ["0", "0", "300000", "200001"]);

    // A source that ends early, and a source that fails.
    let source: &mut dyn Read = &mut &[0; 10][..];
    let short = failure(put(RequestBody::Reader { source, length: 11 }));
    let (Phase::Send, Failure::Source(error)) = short else { panic!("{short:?}") };
    assert_eq!(error.to_string(), "it ended within the last 1 of 11 bytes");
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unreadable"))
        }
    }
    let broken = failure(put(RequestBody::Reader { source: &mut Broken, length: 11 }));
    let (Phase::Send, Failure::Source(error)) = broken else { panic!("{broken:?}") };
    assert_eq!(error.to_string(), "unreadable");
}

#[test]
fn redirects_refusals_and_encoded_bodies_are_returned_as_they_are() {
    for (head, body) in [
        ("301 Moved\r\nlocation: http://127.0.0.1:1/", "<Error/>"),
        ("307 Moved", "<Error/>"),
        ("403 Forbidden", "<Error/>"),
        ("500 Internal", "<Error/>"),
        ("200 OK\r\ncontent-encoding: gzip", "not compressed"),
        ("200 OK\r\ncontent-encoding: br\r\ncontent-type: text/plain; charset=utf-16", "text"),
    ] {
        let reply = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let server = Server::always(reply.leak());
        let response = get(&plain(), &server).unwrap();
        assert_eq!(response.status.to_string(), head[..3]);
        assert_eq!(response.content_length(), Some(body.len() as u64));
        assert_eq!(response.header("content-encoding").is_some(), head.contains("encoding"));
        assert_eq!(text(response.read_to_end(100, None)), body);
    }
}

#[test]
fn bodies_end_where_their_framing_says_or_fail() {
    for (reply, whole) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nok", false),
    ] {
        let server = Server::start(move |peer| {
            peer.request();
            peer.send(reply);
        });
        match fetch(&plain(), &server) {
            Ok(body) => assert_eq!((whole, body), (true, b"ok".to_vec()), "{reply}"),
            Err(error) => assert_eq!((whole, error.phase), (false, Phase::Body), "{reply}"),
        }
    }
}

#[test]
fn silence_and_deadlines_end_requests() {
    let server = Server::start(|peer| {
        peer.head();
        peer.hang();
    });
    let transport = through(agent(None), impatient());
    let result = failure(get(&transport, &server));
    assert!(matches!(result, (Phase::Await, Failure::Timeout)), "{result:?}");
    let request = Request { deadline: Some(Instant::now() + SHORT), ..request("GET") };
    let begun = Instant::now();
    let result = failure(plain().send(&server.origin, &request, RequestBody::Empty));
    assert!(matches!(result.1, Failure::Timeout) && begun.elapsed() < SHORT * 10, "{result:?}");
    // Timeouts that are too long to be added to the current time.
    let endless = TransportOptions {
        connect_timeout: Duration::MAX,
        idle_timeout: Duration::MAX,
        ..options()
    };
    let server = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(text(fetch(&through(agent(None), endless), &server)), "ok");
}

#[test]
fn failures_before_a_request_is_sent_say_so() {
    let closed = ClosedPort::new();
    let origin = |host: &str, port| Origin { scheme: Scheme::Http, host: host.to_owned(), port };
    let send = |agent: ureq::Agent, origin: &Origin| {
        failure(through(agent, options()).send(origin, &request("GET"), RequestBody::Empty))
    };
    let obstacle = |result: (Phase, Failure)| match result {
        (Phase::Connect, Failure::Connect(failure)) => (failure.party, failure.obstacle),
        other => panic!("{other:?}"),
    };
    let refused = send(agent(None), &origin("127.0.0.1", closed.number()));
    assert_eq!(obstacle(refused), (Party::Server, Obstacle::Tcp));
    let unknown = send(agent(None), &origin("no-such-host.invalid", 80));
    assert_eq!(obstacle(unknown), (Party::Server, Obstacle::Name));

    let proxy = Server::always("HTTP/1.1 407 Login\r\ncontent-length: 0\r\n\r\n");
    let behind = |port: u16| {
        let proxy = ureq::Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap();
        ureq::Agent::config_builder().proxy(Some(proxy)).build().new_agent()
    };
    let secure = Origin { scheme: Scheme::Https, ..origin("s3.example.com", 443) };
    let tunnel = send(behind(proxy.origin.port), &secure);
    assert_eq!(obstacle(tunnel), (Party::Proxy, Obstacle::Tunnel(407)));
    assert_eq!(obstacle(send(behind(closed.number()), &secure)), (Party::Proxy, Obstacle::Tcp));
}

#[test]
fn certificates_are_those_of_the_agent() {
    let authority = Authority::new();
    let server = serve(authority.sign(&good()), ok);
    let trusted = through(agent(Some(&authority.pem)), options());
    assert_eq!(text(fetch(&trusted, &server)), "ok");
    let result = failure(get(&plain(), &server));
    assert!(
        matches!(result, (Phase::Connect, Failure::Tls(TlsProblem::UnknownAuthority, _))),
        "{result:?}"
    );
    let mut without_tls = Server::start(|peer| {
        peer.send("HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n");
        peer.hang();
    });
    without_tls.origin.scheme = Scheme::Https;
    let result = failure(get(&trusted, &without_tls));
    assert!(
        matches!(result, (Phase::Connect, Failure::Tls(TlsProblem::PlainServer, _))),
        "{result:?}"
    );
}

/// Errors hide what the agent sends to its proxy, as they hide it for a proxy of the client.
#[test]
fn the_credentials_of_the_agents_proxy_are_known() {
    let with_proxy = |url: &str| {
        let proxy = ureq::Proxy::new(url).unwrap();
        let agent = ureq::Agent::config_builder().proxy(Some(proxy)).build().new_agent();
        Agent(agent).secrets().map(|secret| secret.to_string()).collect::<Vec<_>>()
    };
    // base64("user:p@ss:")
    let secrets = ["dXNlcjpwQHNzOg==", "p@ss:"];
    assert_eq!(with_proxy("http://user:p%40ss%3a@127.0.0.1:1"), secrets);
    assert_eq!(with_proxy("http://127.0.0.1:1"), [""; 0]);
    let own = crate::net::proxy::Proxy::parse("http://user:p%40ss%3a@127.0.0.1:1").unwrap();
    assert_eq!(own.secrets().map(|secret| secret.to_string()).collect::<Vec<_>>(), secrets);
}

#[test]
fn options_of_the_agent_are_refused_next_to_it() {
    let proxy = crate::net::proxy::Proxy::parse("http://127.0.0.1:1").unwrap();
    let variables = ProxyChoice::from_variables(|_| None).unwrap();
    for (options, name) in [
        (TransportOptions { proxy: ProxyChoice::Always(proxy), ..options() }, "a proxy"),
        (TransportOptions { proxy: variables, ..options() }, "a proxy"),
        (TransportOptions { trust_store: TrustStore::Named, ..options() }, "a trust store"),
        (
            TransportOptions { extra_roots_pem: b"-----".to_vec(), ..options() },
            "extra root certificates",
        ),
        (
            TransportOptions {
                client_certificate: Some(ClientCertificate {
                    chain_pem: Vec::new(),
                    key_pem: Vec::new().into(),
                }),
                ..options()
            },
            "a client certificate",
        ),
        (
            TransportOptions { verification: TlsVerification::Skip, ..options() },
            "skipped verification",
        ),
    ] {
        let options = TransportOptions { agent: Some(Agent(agent(None))), ..options };
        let error = Transport::new(options.clone()).unwrap_err();
        assert!(
            error.0.starts_with(name) && error.0.contains("configure the agent"),
            "{}",
            error.0
        );
        // Servers on this machine are reached without the agent.
        assert!(options.without_proxy().agent.is_none());
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before() {
    let server = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let transport = plain();
    let long = format!("/{}", "k".repeat(70_000));
    for request in [
        Request { target: "/a#b", ..request("GET") },
        Request { target: "/a b", ..request("GET") },
        Request { target: "", ..request("GET") },
        Request { target: &long, ..request("GET") },
        Request { headers: &[("host", "a\r\nx: y")], ..request("GET") },
        Request { headers: &[("a b", "c")], ..request("GET") },
        Request { headers: &[("content-length", "1")], ..request("GET") },
        request("G T"),
    ] {
        let result = failure(transport.send(&server.origin, &request, RequestBody::Empty));
        assert!(matches!(result, (Phase::Connect, Failure::InvalidRequest(_))), "{result:?}");
    }
    assert_eq!(server.accepted(), 0);
}
