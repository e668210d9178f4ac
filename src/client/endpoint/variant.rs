//! The variants of a region's endpoint.

/// Which addresses an AWS endpoint's name resolves to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stack {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv4 and IPv6 (`usedualstack`).
    Dual,
}

/// Whether an AWS endpoint is one of those that AWS runs with validated cryptography.
///
/// It chooses the server's side only: the TLS of this crate is not a validated module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fips {
    /// Any endpoint.
    #[default]
    NotRequired,
    /// `s3-fips` (`usefipsendpoint`). AWS has them in the United States and Canada; elsewhere the
    /// name does not resolve.
    Required,
}

/// Whether requests enter AWS's network at the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acceleration {
    /// Requests go directly to the region.
    #[default]
    Off,
    /// Transfer Acceleration (`accelerate`), which the bucket must have switched on.
    On,
}

/// The choice among a region's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Variant {
    /// The IP versions that the endpoint supports.
    pub stack: Stack,
    /// Whether validated cryptography is required.
    pub fips: Fips,
    /// Whether requests use Transfer Acceleration.
    pub acceleration: Acceleration,
}

impl Variant {
    /// Chooses the addresses that the name resolves to.
    #[must_use]
    pub const fn stack(mut self, stack: Stack) -> Self {
        self.stack = stack;
        self
    }

    /// Chooses endpoints with validated cryptography.
    #[must_use]
    pub const fn fips(mut self, fips: Fips) -> Self {
        self.fips = fips;
        self
    }

    /// Chooses where requests enter AWS's network.
    #[must_use]
    pub const fn acceleration(mut self, acceleration: Acceleration) -> Self {
        self.acceleration = acceleration;
        self
    }
}
