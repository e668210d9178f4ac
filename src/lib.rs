//! Layout in progress.
#[cfg(feature = "client")]
pub mod cancel;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(feature = "cloudfront")]
pub mod cloudfront;
#[cfg(feature = "client")]
pub mod credentials;
pub mod driver;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod sign;
pub mod time;
#[cfg(feature = "client")]
pub mod transfer;
#[cfg(feature = "client")]
mod transport;
mod url;
pub mod xml;

#[cfg(feature = "client")]
pub use cancel::Cancel;
pub use driver::StorageDriver;
pub use error::{Error, ErrorKind, Result};
