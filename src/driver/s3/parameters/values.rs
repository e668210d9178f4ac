//! The values of `loglevel` and `uniformparts`.
use crate::client::values::words;

words! {
    /// How much the embedding program should log of S3 requests. This library writes no log: the value is checked,
    /// and handed to the program that embeds the driver.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// Requests and responses.
        Debug = "debug",
        /// Signing as well.
        DebugWithSigning = "debugwithsigning",
        /// Bodies as well.
        DebugWithHttpBody = "debugwithhttpbody",
        /// Retries as well.
        DebugWithRequestRetries = "debugwithrequestretries",
        /// Failed requests as well.
        DebugWithRequestErrors = "debugwithrequesterrors",
        /// Event streams as well.
        DebugWithEventStreamBody = "debugwitheventstreambody",
    }
}

/// How the parts of an upload may differ in size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartSizes {
    /// Parts grow when the object would need more than 10,000.
    #[default]
    MayGrow,
    /// All parts but the last are equal, as Cloudflare R2 demands: an object ends at 10,000 parts of the chunk size.
    Uniform,
}
