//! Test data: accepted and refused forms of URLs, each with a reason, in one table for every place
//! that parses a URL. `tests/cloudfront/urls.rs` uses the table as well, for the places that can
//! only be reached through the public interface.

/// A place that parses a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `regionendpoint`.
    Endpoint,
    /// `redirectendpoint`.
    RedirectEndpoint,
    /// `baseurl` of the redirect middleware.
    RedirectBase,
    /// The URL that the rewrite middleware changes.
    Rewritten,
    /// `baseurl` of the CloudFront middleware.
    CloudFrontBase,
    /// `iprangesurl`.
    IpRanges,
    /// `proxy`.
    Proxy,
    /// The endpoints that supply credentials, such as `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    Credentials,
    /// The header `Location`. Other tests cover the hosts to which a redirect is followed.
    Location,
}

use Place::{
    CloudFrontBase, Credentials, Endpoint, IpRanges, Location, Proxy, RedirectBase,
    RedirectEndpoint, Rewritten,
};

/// All places.
pub(crate) const ALL: &[Place] = &[
    Endpoint,
    RedirectEndpoint,
    RedirectBase,
    Rewritten,
    CloudFrontBase,
    IpRanges,
    Proxy,
    Credentials,
    Location,
];

/// Each `host[:port]` with its normal form, or `None` if it is refused, and the reason. After
/// `http://`, all places treat them alike.
pub(crate) const AUTHORITIES: &[(&str, Option<&str>, &str)] = &[
    ("s3.example:9000", Some("s3.example:9000"), "a name and a port"),
    (
        "localhost:1",
        Some("localhost:1"),
        "one label is a name on this machine or in a container network",
    ),
    ("MinIO.Example:9000", Some("minio.example:9000"), "names do not depend on case"),
    ("minio_1:9000", Some("minio_1:9000"), "docker compose names services with underscores"),
    ("_x_:9000", Some("_x_:9000"), "an underscore may be anywhere"),
    (
        "xn--bcher-kva.example:1",
        Some("xn--bcher-kva.example:1"),
        "an international name in the form that DNS uses",
    ),
    ("3com.example:1", Some("3com.example:1"), "a label may begin with a digit"),
    ("0x7f.example:1", Some("0x7f.example:1"), "only the last label makes an address of a name"),
    ("10.0.0.1:8080", Some("10.0.0.1:8080"), "an IPv4 address"),
    ("[::1]:3128", Some("[::1]:3128"), "an IPv6 address in brackets"),
    ("[2001:DB8:0:0::1]:1", Some("[2001:db8::1]:1"), "an IPv6 address in the form of RFC 5952"),
    ("h:65535", Some("h:65535"), "the largest port"),
    ("h:00081", Some("h:81"), "leading zeros of a port do not change it"),
    (
        concat!("a23456789012345678901234567890123456789012345678901234567890", "123:1"),
        Some(concat!("a23456789012345678901234567890123456789012345678901234567890", "123:1")),
        "the longest label",
    ),
    ("h:0", None, "no server listens on port 0"),
    ("h:65536", None, "a port has 16 bits"),
    ("h:", None, "a colon without a port is a port that was forgotten"),
    ("h:+80", None, "a port is digits only"),
    ("h:-1", None, "a port is digits only"),
    ("h:8o", None, "a port is digits only"),
    ("h: 80", None, "a port is digits only"),
    ("h:1:2", None, "two ports"),
    ("", None, "no host"),
    (":80", None, "no host"),
    (".:80", None, "the root of DNS is not a server"),
    ("-x:80", None, "a label does not begin with a hyphen (RFC 1123, section 2.1)"),
    ("x-:80", None, "a label does not end with a hyphen"),
    ("a.-b.c:80", None, "a label does not begin with a hyphen"),
    ("s..example:80", None, "an empty label"),
    (".s.example:80", None, "an empty label"),
    ("s.example.:80", None, "certificates and signatures contain the name without the final dot"),
    ("127.0.0.1.:80", None, "an address has no final dot"),
    ("1.2.3:80", None, "some resolvers read it as 1.2.0.3"),
    ("1.2.3.4.5:80", None, "neither an address nor a name that a resolver accepts"),
    ("256.1.1.1:80", None, "an address out of range"),
    ("010.0.0.1:80", None, "octal for some resolvers, decimal for others"),
    ("2130706433:80", None, "127.0.0.1 for some resolvers"),
    ("0x7f000001:80", None, "127.0.0.1 for some resolvers"),
    ("0x7f.1:80", None, "127.0.0.1 for some resolvers"),
    ("127.0.0.0x1:80", None, "127.0.0.1 for some resolvers"),
    ("127.0.0.0X:80", None, "127.0.0.0 for some resolvers"),
    ("::1:80", None, "an IPv6 address needs its brackets"),
    ("[::1", None, "a bracket is missing"),
    ("::1]:80", None, "a bracket is missing"),
    ("[::1]x:80", None, "text after the address"),
    ("[::1]80", None, "text after the address"),
    (
        "[fe80::1%25eth0]:80",
        None,
        "a zone names a network card of one machine, which certificates and the Host header \
         cannot contain",
    ),
    ("[fe80::1%eth0]:80", None, "a zone, and not even encoded"),
    ("[v1.x]:80", None, "a future version of IP, which does not exist yet"),
    ("[localhost]:80", None, "brackets are for IPv6 addresses"),
    ("[10.0.0.1]:80", None, "brackets are for IPv6 addresses"),
    (
        "b\u{fc}cher.example:80",
        None,
        "an international name is written in its xn-- form: encodings of it differ",
    ),
    ("s\u{3002}example:80", None, "some programs read this character as a dot"),
    ("s.\u{ff45}xample:80", None, "some programs read this character as an e"),
    ("s%2eexample:80", None, "DNS names have no percent-encoding"),
    ("s example:80", None, "a space"),
    (" s.example:80", None, "a space"),
    ("s.example:80 ", None, "a space"),
    ("s.example\t:80", None, "a control character"),
    ("s.example\r\nhost: x:80", None, "a line break would begin another header"),
    ("s.example\0:80", None, "C programs stop reading here"),
    ("s.example\u{7f}:80", None, "a control character"),
    ("s\\example:80", None, "browsers read it as a slash"),
    ("s!example:80", None, "not a character of DNS names"),
    ("user@h:80", None, "user information, which only a proxy accepts, is not part of the host"),
    ("*.example:80", None, "a pattern is not a host"),
    ("a,b:80", None, "two hosts"),
    (
        concat!("a23456789012345678901234567890123456789012345678901234567890", "1234:80"),
        None,
        "a label of 64 characters",
    ),
    (
        concat!(
            "a2345678901234567890123456789012345678901234567.a2345678901234567890123456789012345678901234567.",
            "a2345678901234567890123456789012345678901234567.a2345678901234567890123456789012345678901234567.",
            "a2345678901234567890123456789012345678901234567.abcdefghijklmn:80"
        ),
        None,
        "a name of 254 characters",
    ),
];

/// Each URL with the places that accept it, and the reason.
pub(crate) const URLS: &[(&str, &[Place], &str)] = &[
    ("http://h:81", ALL, "the shortest form"),
    ("http://h:81/", ALL, "the path / is no path"),
    ("HTTP://H:81/", ALL, "neither the scheme nor the host depends on case"),
    ("http://h:81/?", ALL, "an empty query is no query"),
    ("http://h:80", ALL, "the default port, written out"),
    (
        "http://h",
        &[
            Endpoint,
            RedirectEndpoint,
            RedirectBase,
            Rewritten,
            CloudFrontBase,
            IpRanges,
            Credentials,
            Location,
        ],
        "programs disagree on the default port of a proxy",
    ),
    (
        "https://h:81",
        &[
            Endpoint,
            RedirectEndpoint,
            RedirectBase,
            Rewritten,
            CloudFrontBase,
            IpRanges,
            Credentials,
            Location,
        ],
        "TLS to a proxy is not implemented",
    ),
    ("h:81", &[Endpoint, CloudFrontBase], "a separate option, or https, supplies the scheme"),
    ("//h:81", &[], "a URL relative to another one, which does not exist"),
    ("/a", &[], "a URL relative to another one; a server does not need to redirect to itself"),
    ("", &[], "no URL"),
    ("http:h:81", &[], "slashes are missing"),
    ("http:/h:81", &[], "a slash is missing"),
    ("http:///h:81", &[], "a slash too many leaves no host"),
    ("://h:81", &[], "an empty scheme"),
    ("ftp://h:81", &[], "another protocol"),
    ("socks5://h:81", &[], "another protocol"),
    ("file:///etc/passwd", &[], "another protocol"),
    (" http://h:81", &[CloudFrontBase], "the reference implementation trims this option"),
    ("http://h:81 ", &[CloudFrontBase], "the reference implementation trims this option"),
    (
        "http://h:81/base",
        &[Endpoint, RedirectBase, Rewritten, CloudFrontBase, IpRanges, Credentials, Location],
        "presigned URLs and proxies cannot have a base path",
    ),
    (
        "http://h:81/a//b",
        &[RedirectBase, Rewritten, CloudFrontBase, IpRanges, Credentials, Location],
        "a base path is signed, and servers merge slashes",
    ),
    (
        "http://h:81/a%20b",
        &[RedirectBase, Rewritten, CloudFrontBase, IpRanges, Credentials, Location],
        "an encoded base path would be ambiguous",
    ),
    (
        "http://h:81/a/../b",
        &[Rewritten, IpRanges, Credentials, Location],
        "user agents resolve dots, which breaks a signature or leaves the base path",
    ),
    (
        "http://h:81/%2E%2e/b",
        &[Rewritten, IpRanges, Credentials, Location],
        "user agents resolve encoded dots too",
    ),
    (
        "http://h:81/*",
        &[RedirectBase, Rewritten, IpRanges, Credentials, Location],
        "CloudFront's wildcard",
    ),
    (
        "http://h:81/?a=b",
        &[Rewritten, IpRanges, Credentials, Location],
        "a path is appended to a base URL",
    ),
    (
        "http://h:81?a=b",
        &[Rewritten, IpRanges, Credentials, Location],
        "a path is appended to a base URL",
    ),
    ("http://h:81/#", &[], "a fragment is never sent, so it has no effect"),
    ("http://h:81/a#b", &[], "a fragment is never sent, so it has no effect"),
    ("http://h:81/a b", &[], "a space ends the target of a request line"),
    ("http://h:81/a\r\nx: y", &[], "a line break would begin a header"),
    ("http://h:81/a\"", &[], "a quote could leave a JSON string"),
    ("http://h:81/a\\b", &[], "browsers read it as a slash"),
    ("http://h:81/\u{e9}", &[], "a server may read other bytes than those that are signed"),
    ("http://h:81/%", &[], "a broken escape"),
    ("http://h:81/%4g", &[], "a broken escape"),
    (
        "http://user:secret@h:81",
        &[Proxy],
        "user information is sent in a header, and only a proxy expects one",
    ),
    ("http://user:p%40ss@h:81/", &[Proxy], "user information is percent-decoded"),
    ("http://user:p@ss@h:81", &[Proxy], "the host follows the last @"),
    ("http://user:@h:81", &[Proxy], "an empty password, written down"),
    ("http://user@h:81", &[], "a forgotten password would otherwise be noticed as a status 407"),
    ("http://@h:81", &[], "an empty user without a password"),
    ("http://user:p%zz@h:81", &[], "a broken escape"),
    ("http://user:p/ss@h:81", &[], "a slash ends the host: it must be percent-encoded"),
    ("http://us er:secret@h:81", &[], "a character that must be percent-encoded"),
    ("http://user:s\u{e9}cret@h:81", &[], "the server would have to guess the encoding"),
    ("http://h:81\\@evil:81", &[], "some programs see the host h, others evil"),
    ("http://evil#@h:81", &[], "some programs see the host evil, others h"),
];
