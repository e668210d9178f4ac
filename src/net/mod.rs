//! Parsing of URLs and their parts, with a single parser for each rule.
#[cfg_attr(
    not(feature = "client"),
    allow(dead_code, unreachable_pub, reason = "`Partition` is part of the client's interface")
)]
pub(crate) mod aws;
#[cfg(test)]
pub(crate) mod forms;
#[cfg_attr(
    not(feature = "client"),
    allow(unreachable_pub, reason = "`Scheme` is part of the client's interface")
)]
pub(crate) mod host;
pub(crate) mod origin;
pub(crate) mod percent;
#[cfg(feature = "client")]
pub(crate) mod proxy;
#[cfg(feature = "client")]
pub(crate) mod proxy_choice;
pub(crate) mod url;
