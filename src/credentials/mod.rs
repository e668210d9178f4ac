//! Where keys come from, and when they are fetched anew.
//!
//! A [`Provider`] is what the client asks before every request. [`Static`] holds keys that never change; [`Cache`] makes
//! a provider of a [`Source`] and fetches anew before the keys end. The sources, each usable alone:
//!
//! | source | where |
//! |---|---|
//! | [`EnvironmentKeys`] | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` |
//! | [`WebIdentity`] | `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`, exchanged at STS (EKS: IRSA) |
//! | [`SharedFiles`] | a profile of `~/.aws/config` and `~/.aws/credentials`, with roles, processes and IAM Identity Center |
//! | [`Container`] | the local endpoint of ECS, of EKS Pod Identity, or one of your own |
//! | [`Metadata`] | the role of an EC2 instance |
//! | [`AssumeRole`] | a role, assumed with the keys of another source |
//! | [`Process`] | a program that prints keys |
//!
//! [`Chain`] asks the first five in this order, which is the order of AWS's SDKs
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>), and goes on while a source is not set
//! up. A source that *is* set up and fails ends the search: a broken web identity must not end in the requests being
//! made as the machine they run on. Once a source has answered, only that source is asked again.
//!
//! ```
//! use s3driver::credentials::{Cache, Chain, Context, Environment, Provider};
//!
//! # fn main() -> Result<(), s3driver::Error> {
//! // `Context::default()` reads the process's own variables; this one reads what it is given.
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
//! `mfa_serial` (there is nobody to ask for the code), the renewal of an expired IAM Identity Center login (run
//! `aws sso login`), `services` sections of the shared files, and STS's global endpoint by
//! `AWS_STS_REGIONAL_ENDPOINTS=legacy`: with a region set, its own endpoint is used.

mod cache;
mod chain;
mod container;
mod context;
mod document;
mod environment;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod http;
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
pub use self::environment::Environment;
pub use self::keys::{EnvironmentKeys, Static};
pub use self::metadata::Metadata;
pub use self::process::Process;
pub use self::profile::SharedFiles;
pub use self::provider::{Lease, Provider};
pub use self::source::{Source, Unavailable};
pub use self::sts::{AssumeRole, Role, WebIdentity};
pub use crate::sign::Credentials;
