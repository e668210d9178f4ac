//! Tests of proxies: a proxy is used only when the options name one, and it receives nothing that
//! it does not need.

use super::*;
use crate::net::proxy::Proxy;

fn through(proxy: &Server, user: &str) -> Transport {
    let proxy = Proxy::parse(&format!("http://{user}127.0.0.1:{}", proxy.origin.port)).unwrap();
    Transport::new(TransportOptions { proxy: Some(proxy), ..options() }).unwrap()
}

fn origin(scheme: Scheme, port: u16) -> Origin {
    Origin { scheme, host: "s3.example".into(), port }
}

#[test]
fn plain_http_in_absolute_form() {
    let proxy = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let transport = through(&proxy, "user:p%40ss%3a@");
    for port in [80, 9000] {
        let reply = transport
            .send(&origin(Scheme::Http, port), &request("GET"), RequestBody::Empty)
            .unwrap();
        assert_eq!(text(reply.read_to_end(10, None)), "ok");
    }
    // base64("user:p@ss:")
    let rest = "HTTP/1.1\r\nhost: test\r\nproxy-authorization: Basic dXNlcjpwQHNzOg==\r\n\r\n";
    assert_eq!(
        proxy.seen(),
        [
            format!("GET http://s3.example/bucket/key {rest}"),
            format!("GET http://s3.example:9000/bucket/key {rest}")
        ]
    );
}

#[test]
fn https_through_a_tunnel() {
    let refused =
        Server::always("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let error = through(&refused, "")
        .send(&origin(Scheme::Https, 443), &request("GET"), RequestBody::Empty)
        .unwrap_err();
    assert_eq!(error.phase, Phase::Connect);
    assert!(error.to_string().contains("407"), "{error}");
    assert_eq!(refused.seen(), ["CONNECT s3.example:443 HTTP/1.1\r\nhost: s3.example:443\r\n\r\n"]);

    let refused = Server::always("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    let error = through(&refused, "u:p@")
        .send(&origin(Scheme::Https, 443), &request("GET"), RequestBody::Empty)
        .unwrap_err();
    assert!(
        matches!(&error.failure, Failure::Connect(inner) if inner.to_string().contains("502")),
        "{error}"
    );
    assert_eq!(field(&refused.seen()[0], "proxy-authorization"), Some("Basic dTpw"));
}

#[test]
fn replies_to_connect_are_bounded() {
    let endless = Server::start(|peer| {
        peer.head();
        while peer.stream.write_all(b"HTTP/1.1 200 OK\r\n x").is_ok() {}
    });
    let interim = Server::start(|peer| {
        peer.head();
        while peer.stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {}
    });
    let surplus = Server::always("HTTP/1.1 200 OK\r\n\r\nsurplus");
    for proxy in [endless, interim, surplus] {
        let error = through(&proxy, "")
            .send(&origin(Scheme::Https, 443), &request("GET"), RequestBody::Empty)
            .unwrap_err();
        assert!(
            matches!((error.phase, &error.failure), (Phase::Connect, Failure::Protocol(_))),
            "{error}"
        );
    }
}

#[test]
fn a_proxy_that_is_silent_ends_at_the_connect_timeout() {
    let proxy = Server::start(Peer::hang);
    let proxy = Proxy::parse(&format!("http://127.0.0.1:{}", proxy.origin.port)).unwrap();
    let transport = Transport::new(TransportOptions { proxy: Some(proxy), ..impatient() }).unwrap();
    let result = transport.send(&origin(Scheme::Https, 443), &request("GET"), RequestBody::Empty);
    assert!(matches!(failure(result), (Phase::Connect, Failure::Timeout)));
}
