//! The choice among AWS's endpoints of a service.

/// The variable that selects the endpoints with validated cryptography.
pub(super) const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";

/// The variable that selects the endpoints that are reached over IPv4 and IPv6.
pub(super) const DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";

/// Which of a service's endpoints at AWS is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndpointChoice {
    /// The one with validated cryptography.
    pub(crate) fips: bool,
    /// The one that is reached over IPv4 and IPv6.
    pub(crate) dual_stack: bool,
}

impl EndpointChoice {
    /// Refuses a choice among AWS's endpoints if a URL is used in their place.
    pub(crate) fn check(self, url: Option<&str>) -> Result<(), String> {
        let variables = [(FIPS, self.fips), (DUAL_STACK, self.dual_stack)];
        match variables.iter().find(|(_, is_chosen)| *is_chosen && url.is_some()) {
            Some((name, _)) => Err(format!(
                "{name} cannot be used with an endpoint URL: it chooses among AWS's endpoints"
            )),
            None => Ok(()),
        }
    }
}
