//! The values of `loglevel` and `uniformparts`.
use crate::client::values::words;

words! {
    /// A part of the S3 requests that the embedding program should log. This library writes no log:
    /// the value is checked, and handed to the program that embeds the driver.
    #[derive(PartialOrd, Ord)]
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

impl LogLevel {
    /// Reads a word of GitLab's registry; `Some(None)` for the one that concerns nothing but the Go SDK.
    pub(super) fn find_in_gitlab(word: &str) -> Option<Option<Self>> {
        Some(match word.to_ascii_lowercase().strip_prefix("log")? {
            "off" => Some(Self::Off),
            "debug" | "request" | "response" => Some(Self::Debug),
            "signing" | "debugwithsigning" => Some(Self::DebugWithSigning),
            "requestwithbody" | "responsewithbody" | "debugwithhttpbody" => {
                Some(Self::DebugWithHttpBody)
            }
            "retries" | "debugwithrequestretries" => Some(Self::DebugWithRequestRetries),
            "debugwithrequesterrors" => Some(Self::DebugWithRequestErrors),
            "requesteventmessage" | "responseeventmessage" | "debugwitheventstreambody" => {
                Some(Self::DebugWithEventStreamBody)
            }
            "deprecatedusage" => None,
            _ => return None,
        })
    }
}
