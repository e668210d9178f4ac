//! The value of `loglevel`.
use crate::client::values::words;

words! {
    /// How much the embedding program should log of S3 requests. This library writes no log: the value is checked,
    /// and handed to whoever embeds it.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// Requests and replies.
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
