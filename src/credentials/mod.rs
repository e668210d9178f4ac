//! Sources of access keys, and their renewal.
//!
//! The client calls a [`Provider`] before every request. [`Static`] holds keys that never change.
//! [`Cache`] turns a [`Source`] into a provider, and renews the keys before they expire. Each
//! source can also be used alone:
//!
//! | source | where |
//! |---|---|
//! | [`EnvironmentKeys`] | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` |
//! | [`WebIdentity`] | `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`, exchanged at STS (EKS: IRSA) |
//! | [`SharedFiles`] | a profile in `~/.aws/config` and `~/.aws/credentials`, with roles, processes and IAM Identity Center |
//! | [`Container`] | the local endpoint of ECS or EKS Pod Identity, or your own endpoint |
//! | [`Metadata`] | the role of an EC2 instance |
//! | [`AssumeRole`] | a role that is assumed with the keys of another source |
//! | [`Process`] | a program that prints keys |
//!
//! [`Chain`] tries the first five in this order, which is that of AWS's SDKs
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>), and skips
//! sources that are not configured. A source that *is* configured but fails ends the search: if the
//! web identity is broken, requests must not be sent with the identity of the machine instead.
//! After a source has returned keys, the chain uses only that source.
//!
//! ```
//! use s3driver::credentials::{Cache, Chain, Context, Environment, Provider};
//!
//! # fn main() -> Result<(), s3driver::Error> {
//! // `Context::default()` reads the variables of the process; this one has its own.
//! let context = Context::default().with_environment(Environment::from_pairs([
//!     ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
//!     ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
//! ]));
//! let provider = Cache::new(Chain::new(&context), &context);
//! let lease = provider.credentials()?;
//! assert_eq!(lease.credentials.as_ref().map(|keys| keys.access_key_id()), Some("AKIDEXAMPLE"));
//! # Ok(())
//! # }
//! ```
//!
//! # Not supported
//!
//! - `mfa_serial`, because the code would have to be typed in;
//! - the renewal of an expired IAM Identity Center login (run `aws sso login`);
//! - STS's global endpoint through `AWS_STS_REGIONAL_ENDPOINTS=legacy`: if a region is set, its own
//!   endpoint is used.

mod cache;
mod chain;
mod container;
mod context;
mod document;
mod endpoint_choice;
mod endpoints;
mod environment;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod http;
mod identity;
mod keys;
mod metadata;
mod process;
mod profile;
mod provider;
mod secret_file;
mod shared_files;
mod source;
mod sso;
mod sts;

pub use self::cache::Cache;
pub use self::chain::Chain;
pub use self::container::Container;
pub use self::context::Context;
pub(crate) use self::endpoint_choice::EndpointChoice;
pub use self::environment::Environment;
pub use self::identity::caller_identity;
pub use self::keys::{EnvironmentKeys, Static};
pub use self::metadata::Metadata;
pub use self::process::Process;
pub use self::profile::SharedFiles;
pub use self::provider::{Lease, Provider};
pub use self::source::{Source, Unavailable};
pub use self::sts::{AssumeRole, Role, WebIdentity};
pub use crate::sign::Credentials;
pub use crate::xml::CallerIdentity;
