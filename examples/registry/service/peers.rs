//! The address of the client when the registry is reached through proxies.
use super::http::Request;
use std::net::{IpAddr, SocketAddr};

/// The networks of the proxies whose headers are trusted. Without any, a client could claim any
/// address in `X-Forwarded-For`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<Network>);

/// An address and the number of its leading bits that belong to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network(IpAddr, u32);

impl TrustedProxies {
    /// Parses addresses and networks such as `10.0.0.0/8`.
    pub(crate) fn parse(texts: &[&str]) -> Result<Self, String> {
        let networks: Option<Vec<_>> = texts.iter().map(|text| Network::parse(text)).collect();
        Ok(Self(networks.ok_or("addresses such as 10.0.0.1, or networks such as 10.0.0.0/8")?))
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Returns the address of the client: the last one in `X-Forwarded-For` that is not a trusted
    /// proxy. Each proxy appends the address of its own client, so what precedes the last untrusted
    /// address may be invented. Returns `None` if the text there is not an address.
    pub(crate) fn client(&self, request: &Request<'_>) -> Option<IpAddr> {
        let mut client = request.peer?.to_canonical();
        if !self.contains(client) {
            return Some(client);
        }
        let mut forwarded = request.headers("x-forwarded-for").peekable();
        if forwarded.peek().is_none() {
            return request.header("x-real-ip").map_or(Some(client), address);
        }
        for text in forwarded.rev().flat_map(|value| value.rsplit(',')) {
            client = address(text)?;
            if !self.contains(client) {
                break;
            }
        }
        Some(client)
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(longest);
        (bits <= longest).then_some(Self(address, bits))
    }

    fn contains(self, address: IpAddr) -> bool {
        let Self(network, bits) = self;
        match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let different = u32::from(network) ^ u32::from(address);
                different.leading_zeros() >= bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let different = u128::from(network) ^ u128::from(address);
                different.leading_zeros() >= bits
            }
            _ => false,
        }
    }
}

/// Parses an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|known: SocketAddr| known.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}
