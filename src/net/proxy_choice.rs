//! The choice of a proxy for each server.
use super::host::Scheme;
use super::origin::Origin;
use super::proxy::Proxy;
use crate::error::Result;
use std::net::{IpAddr, Ipv6Addr};
use zeroize::Zeroizing;

/// The rule that gives each server its proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// Every server is reached directly.
    #[default]
    Direct,
    /// Every server is reached through this proxy.
    Always(Proxy),
    /// The variables of the environment decide.
    Variables(Box<ProxyVariables>),
}

impl ProxyChoice {
    /// Reads the environment's variables for proxies, with `variable` as the environment.
    ///
    /// `http_proxy` is for servers with plain http, `https_proxy` or `HTTPS_PROXY` for those with
    /// TLS, and `all_proxy` or `ALL_PROXY` for both if the other variable is not set. `no_proxy` or
    /// `NO_PROXY` lists the exceptions. An empty variable counts as not set, and the lower-case
    /// name takes precedence, as in curl.
    ///
    /// `HTTP_PROXY` is not read: a web server that runs the program through CGI sets it to the
    /// value of the client's header `Proxy` (CVE-2016-5385). Names of variables are not
    /// case-sensitive on Windows, where `http_proxy` is therefore not read by a CGI program either.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) with the name of a variable
    /// whose value is not the URL of a proxy. The error does not quote the value.
    pub(crate) fn from_variables(
        variable: impl Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Self> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| variable(name).map(|value| (*name, value)))
        };
        let proxy = |names| {
            first(names).map(|(name, value)| Proxy::parse_variable(name, &value)).transpose()
        };

        let is_forgeable = cfg!(windows) && variable("REQUEST_METHOD").is_some();
        let plain = if is_forgeable { None } else { Some("http_proxy") };
        let plain: Vec<_> = plain.into_iter().chain(["all_proxy", "ALL_PROXY"]).collect();
        let http = proxy(&plain)?;
        let https = proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?;
        let exceptions = first(&["no_proxy", "NO_PROXY"]).map(|(_, list)| exceptions(&list));
        Ok(Self::Variables(Box::new(ProxyVariables {
            http,
            https,
            exceptions: exceptions.unwrap_or_default(),
        })))
    }

    /// Returns the proxy through which this server is reached.
    pub(crate) fn of(&self, origin: &Origin) -> Option<&Proxy> {
        match self {
            Self::Direct => None,
            Self::Always(proxy) => Some(proxy),
            Self::Variables(variables) => variables.of(origin),
        }
    }

    /// Returns every proxy that this rule may choose.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Proxy> {
        let (one, two) = match self {
            Self::Direct => (None, None),
            Self::Always(proxy) => (Some(proxy), None),
            Self::Variables(variables) => (variables.http.as_ref(), variables.https.as_ref()),
        };
        one.into_iter().chain(two)
    }

    /// Returns the rule for a service whose responses contain keys: a proxy from the environment
    /// must not be able to read them, so it is used only for TLS.
    pub(crate) fn without_readers(self) -> Self {
        match self {
            Self::Variables(variables) => {
                Self::Variables(Box::new(ProxyVariables { http: None, ..*variables }))
            }
            other => other,
        }
    }
}

/// The proxies that the environment's variables name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyVariables {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

impl ProxyVariables {
    fn of(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = match origin.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }?;
        let address = origin.host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let is_excepted = is_near(&origin.host, address)
            || self.exceptions.iter().any(|one| one.applies_to(origin, address));
        (!is_excepted).then_some(proxy)
    }
}

/// Returns whether a server is this machine or on its link, where a proxy has no use: the loopback
/// interface, and the services that give a machine or a container in a cloud its keys
/// (`169.254.169.254`, `169.254.170.2`, `169.254.170.23`, `fd00:ec2::254`, `fd00:ec2::23`).
fn is_near(host: &str, address: Option<IpAddr>) -> bool {
    /// The network of AWS's services on each instance.
    const SERVICES_OF_EC2: (Ipv6Addr, u32) = (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);
    match address {
        // RFC 6761, section 6.3.
        None => host == "localhost" || host.ends_with(".localhost"),
        Some(IpAddr::V4(four)) => {
            four.is_loopback() || four.is_link_local() || four.is_unspecified()
        }
        Some(IpAddr::V6(six)) => {
            let (services, bits) = SERVICES_OF_EC2;
            six.is_loopback()
                || six.is_unicast_link_local()
                || six.is_unspecified()
                || share_bits(six.into(), services.into(), bits)
        }
    }
}

/// An entry of `NO_PROXY`, which means what it means to Go's `httpproxy`. curl differs in two ways:
/// it ignores a leading dot, and it does not support ports.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    /// `*`.
    Every,
    /// `192.0.2.1`, `2001:db8::1`, or `192.0.2.0/24`: the addresses that share this many bits.
    Network { address: IpAddr, bits: u32, port: Option<u16> },
    /// `example.com`, the domain and its subdomains, or `.example.com`, the subdomains alone.
    Domain { name: String, is_itself_included: bool, port: Option<u16> },
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Every);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits) = (address.parse().ok()?, bits.parse().ok()?);
            return Self::network(address, bits, None);
        }

        // An IPv6 address without brackets contains colons, but not a port.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if text.parse::<IpAddr>().is_err() && !text.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (text, None),
        };
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = inner.unwrap_or(host).parse::<IpAddr>() {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            return Self::network(address, bits, port);
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let name = host.strip_prefix('.');
        let is_itself_included = name.is_none();
        let name = name.unwrap_or(host).trim_end_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self::Domain { name, is_itself_included, port })
    }

    fn network(address: IpAddr, bits: u32, port: Option<u16>) -> Option<Self> {
        let (address, bits) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), four @ IpAddr::V4(_)) => (four, bits.checked_sub(96)?),
            (address, _) => (address, bits),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self::Network { address, bits, port })
    }

    fn applies_to(&self, origin: &Origin, address: Option<IpAddr>) -> bool {
        let is_port = |port: &Option<u16>| port.is_none_or(|port| port == origin.port);
        match (self, address) {
            (Self::Every, _) => true,
            (Self::Network { address: network, bits, port }, Some(address)) => {
                let is_inside = match (address, network) {
                    (IpAddr::V4(one), IpAddr::V4(two)) => {
                        // The addresses occupy the first 32 of the 128 bits that are compared.
                        let [one, two] = [one, *two].map(|four| u128::from(u32::from(four)) << 96);
                        share_bits(one, two, *bits)
                    }
                    (IpAddr::V6(one), IpAddr::V6(two)) => {
                        share_bits(one.into(), (*two).into(), *bits)
                    }
                    _ => false,
                };
                is_inside && is_port(port)
            }
            (Self::Domain { name, is_itself_included, port }, None) => {
                let is_inside = match origin.host.strip_suffix(name.as_str()) {
                    Some("") => *is_itself_included,
                    Some(rest) => rest.ends_with('.'),
                    None => false,
                };
                is_inside && is_port(port)
            }
            _ => false,
        }
    }
}

/// Returns the entries of a list that is separated by commas or spaces. An entry that is neither an
/// address nor a domain is ignored, because other programs read the list too.
fn exceptions(list: &str) -> Vec<Exception> {
    list.split([',', ' ', '\t']).filter_map(|entry| Exception::parse(entry.trim())).collect()
}

/// Returns whether two addresses are equal in their first bits.
fn share_bits(one: u128, two: u128, bits: u32) -> bool {
    (one ^ two).leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn choice(pairs: &[(&str, &str)]) -> Result<ProxyChoice> {
        ProxyChoice::from_variables(|wanted| {
            let found = pairs.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| Zeroizing::new((*value).to_owned()))
        })
    }

    /// Returns the proxy for `scheme://host[:port]`.
    fn proxy_of(choice: &ProxyChoice, url: &str) -> Option<String> {
        let url = crate::net::url::Url::parse(url).expect("a URL");
        choice.of(&url.origin()).map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn each_scheme_has_its_variables() {
        let [one, two] = [Some("one:1"), Some("two:2")];
        for (pairs, http, https) in [
            (&[][..], None, None),
            (&[("http_proxy", "http://one:1")], one, None),
            (&[("HTTP_PROXY", "http://one:1")], None, None),
            (&[("HTTP_PROXY", "http://one:1"), ("REQUEST_METHOD", "GET")], None, None),
            (&[("https_proxy", "one:1")], None, one),
            (&[("HTTPS_PROXY", "HTTP://ONE:1/")], None, one),
            (&[("HTTPS_PROXY", "http://one:1"), ("https_proxy", "http://two:2")], None, two),
            (&[("all_proxy", "http://one:1")], one, one),
            (&[("ALL_PROXY", "http://user:pass@one:1")], one, one),
            (&[("ALL_PROXY", "http://one:1"), ("all_proxy", "http://two:2")], two, two),
            (&[("ALL_PROXY", "http://one:1"), ("http_proxy", "http://two:2")], two, one),
            (&[("ALL_PROXY", "http://one:1"), ("HTTPS_PROXY", "http://two:2")], one, two),
            // A proxy that no server needs is not read.
            (
                &[("all_proxy", "socks5://h:1"), ("http_proxy", "one:1"), ("https_proxy", "one:1")],
                one,
                one,
            ),
        ] {
            let choice = choice(pairs).expect("proxies");
            let found =
                ["http://s3.example/", "https://s3.example/"].map(|url| proxy_of(&choice, url));
            assert_eq!(found.each_ref().map(Option::as_deref), [http, https], "{pairs:?}");
        }
    }

    /// The first part of the table is that of Go's `httpproxy`, with the same list.
    #[test]
    fn the_list_of_exceptions_means_what_it_means_to_go() {
        const LIST: &str = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, \
                            192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, 2001:db8::52:0:1, \
                            [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64";
        const MORE: &str = "Upper.Example.,127.0.0.1/8\tblank.example [2001:db8::9] ,, . *. :80 a:b \
                            host:9000 172.16.0.0/33 ::ffff:172.20.0.0/112 172.21.0.0/0x8 0.0.0.0/-1 \
                            2001:db8:1::/129 [2001:db8:2::1 wild*.example ::ffff:172.22.0.1";
        for (list, host, is_proxied) in [
            (LIST, "[::2]", true),
            (LIST, "192.168.1.1", false),
            (LIST, "192.168.1.2", true),
            (LIST, "192.168.1.3", false),
            (LIST, "192.168.1.4", true),
            (LIST, "10.0.0.2", false),
            (LIST, "10.0.0.4", true),
            (LIST, "[2001:db8::52:0:1]", false),
            (LIST, "[2001:db8::52:0:2]", true),
            (LIST, "[2001:db8::52:0:3]", false),
            (LIST, "[2002:db8:a::123]", false),
            (LIST, "barbaz.net", true),
            (LIST, "www.barbaz.net", false),
            (LIST, "foobar.com", false),
            (LIST, "www.foobar.com", false),
            (LIST, "foofoobar.com", true),
            (LIST, "baz.com", true),
            (LIST, "localhost.net", true),
            (LIST, "barbarbaz.net", true),
            (LIST, "wildcard.io", true),
            (LIST, "nested.wildcard.io", false),
            (LIST, "awildcard.io", true),
            (MORE, "upper.example", false),
            (MORE, "blank.example", false),
            (MORE, "blank.example:9000", false),
            (MORE, "notblank.example", true),
            (MORE, "[2001:db8::9]:9000", false),
            (MORE, "host", true),
            (MORE, "host:9000", false),
            (MORE, "sub.host:9000", false),
            (MORE, "b", true),
            (MORE, "172.16.0.1", true),
            (MORE, "172.20.0.1", false),
            (MORE, "172.20.255.1", false),
            (MORE, "172.21.0.1", true),
            (MORE, "172.22.0.1", false),
            (MORE, "[::ffff:172.22.0.1]", false),
            (MORE, "[2001:db8:1::1]", true),
            (MORE, "[2001:db8:2::1]", true),
            (MORE, "wildest.example", true),
            ("0.0.0.0/0", "192.0.2.1", false),
            ("0.0.0.0/0", "[2001:db8::1]", true),
            ("0.0.0.0/0", "example.com", true),
            ("::/0", "[2001:db8::1]", false),
            ("::/0", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.1", false),
            ("192.0.2.1/32", "192.0.2.0", true),
            ("192.0.2.1", "a.192.0.2.1.example", true),
            ("2.1", "192.0.2.1", true),
            ("*", "anything.example", false),
            ("a.example, *", "[2001:db8::1]", false),
            ("", "example.com", true),
        ] {
            let pairs = [("ALL_PROXY", "http://proxy:1"), ("NO_PROXY", list)];
            let found = proxy_of(&choice(&pairs).expect("proxies"), &format!("http://{host}/"));
            assert_eq!(found.is_some(), is_proxied, "{host} with {list}");
        }
        // The lower-case list replaces the other one.
        let pairs = [("ALL_PROXY", "proxy:1"), ("no_proxy", "a.example"), ("NO_PROXY", "*")];
        assert!(proxy_of(&choice(&pairs).expect("proxies"), "http://b.example/").is_some());
    }

    #[test]
    fn servers_on_this_machine_and_metadata_services_are_never_behind_a_proxy() {
        let choice = choice(&[("ALL_PROXY", "http://proxy:1")]).expect("proxies");
        for (host, is_proxied) in [
            ("localhost", false),
            ("LOCALHOST", false),
            ("registry.localhost", false),
            ("127.0.0.1", false),
            ("127.255.0.9", false),
            ("[::1]", false),
            ("[::ffff:127.0.0.1]", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("169.254.169.254", false),
            ("169.254.170.2", false),
            ("169.254.170.23", false),
            ("[::ffff:169.254.169.254]", false),
            ("[fd00:ec2::254]", false),
            ("[fd00:ec2::23]", false),
            ("[fe80::1]", false),
            ("[fd00:ec3::254]", true),
            ("169.253.169.254", true),
            ("notlocalhost", true),
            ("localhost.example", true),
            ("128.0.0.1", true),
            ("[::2]", true),
        ] {
            for scheme in ["http", "https"] {
                let found = proxy_of(&choice, &format!("{scheme}://{host}:8080/"));
                assert_eq!(found.is_some(), is_proxied, "{scheme} {host}");
            }
        }
    }

    #[test]
    fn a_proxy_from_the_environment_cannot_read_keys() {
        let variables = choice(&[("all_proxy", "http://proxy:1")]).expect("proxies");
        let variables = variables.without_readers();
        assert_eq!(proxy_of(&variables, "http://sts.example/"), None);
        assert!(proxy_of(&variables, "https://sts.example/").is_some());
        let chosen = ProxyChoice::Always(Proxy::parse("http://proxy:1").expect("a proxy"));
        assert_eq!(chosen.clone().without_readers(), chosen);
    }

    #[test]
    fn a_variable_that_is_not_a_proxy_is_refused_by_name_without_its_value() {
        for (name, value, why) in [
            ("http_proxy", "http://hidden:hidden@host", "has no port"),
            ("HTTPS_PROXY", "https://hidden:hidden@host:1", "has a scheme other than http"),
            ("https_proxy", "socks5h://hidden:hidden@host:1", "scheme"),
            ("ALL_PROXY", "hidden:hidden@host:1/hidden", "has a path or a query"),
            ("all_proxy", "http://hidden@host:1", "has a user without a password"),
        ] {
            let error = choice(&[(name, value)]).expect_err("a value that is not a proxy");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let shown = error.to_string();
            assert!(shown.contains(&format!("the variable {name}")), "{shown}");
            assert!(shown.contains(why) && !shown.contains("hidden"), "{shown}");
        }
        let shown = choice(&[("ALL_PROXY", "http://user:hidden@host:1")]).expect("proxies");
        assert!(!format!("{shown:?}").contains("hidden"), "{shown:?}");
    }
}
