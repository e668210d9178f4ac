//! Tests of proxies: a proxy is used only when the options name one, and it receives nothing that
//! it does not need.

use super::*;
use crate::net::proxy::Proxy;
use crate::net::proxy_choice::ProxyChoice;

fn through(proxy: &Server, user: &str) -> Transport {
    let proxy = Proxy::parse(&format!("http://{user}127.0.0.1:{}", proxy.origin.port)).unwrap();
    Transport::new(TransportOptions { proxy: ProxyChoice::Always(proxy), ..options() }).unwrap()
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

/// The variables of the environment choose a proxy for each scheme, and none for this machine.
#[test]
fn variables_choose_the_proxy_of_each_server() {
    let plain = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy");
    let tunnel = Server::always("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    let direct = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ndirect");
    let url = |user: &str, proxy: &Server| format!("http://{user}127.0.0.1:{}", proxy.origin.port);
    let proxy = ProxyChoice::from_variables(|name| match name {
        "http_proxy" => Some(url("one:1@", &plain).into()),
        "HTTPS_PROXY" => Some(url("two:2@", &tunnel).into()),
        "NO_PROXY" => Some(".excepted.invalid".to_owned().into()),
        _ => None,
    });
    let options = TransportOptions { proxy: proxy.unwrap(), ..options() };
    let transport = Transport::new(options).unwrap();
    let send = |origin: &Origin| transport.send(origin, &request("GET"), RequestBody::Empty);

    assert_eq!(text(send(&origin(Scheme::Http, 80)).unwrap().read_to_end(10, None)), "proxy");
    assert_eq!(field(&plain.seen()[0], "proxy-authorization"), Some("Basic b25lOjE="));
    let error = send(&origin(Scheme::Https, 443)).unwrap_err();
    assert!(error.to_string().contains("502"), "{error}");
    assert_eq!(field(&tunnel.seen()[0], "proxy-authorization"), Some("Basic dHdvOjI="));
    assert_eq!(text(fetch(&transport, &direct)), "direct");
    assert_eq!(field(&direct.seen()[0], "proxy-authorization"), None);
    let excepted = Origin { host: "s3.excepted.invalid".into(), ..origin(Scheme::Http, 80) };
    let error = send(&excepted).unwrap_err();
    let Failure::Connect(failure) = error.failure else { panic!("{error}") };
    assert_eq!((failure.party, failure.obstacle), (Party::Server, Obstacle::Name));
    assert_eq!((plain.accepted(), tunnel.accepted(), direct.accepted()), (1, 1, 1));
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
    let transport =
        Transport::new(TransportOptions { proxy: ProxyChoice::Always(proxy), ..impatient() })
            .unwrap();
    let result = transport.send(&origin(Scheme::Https, 443), &request("GET"), RequestBody::Empty);
    assert!(matches!(failure(result), (Phase::Connect, Failure::Timeout)));
}
