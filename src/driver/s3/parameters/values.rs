//! The values of `loglevel` and `uniformparts`.
use crate::client::values::words;

words! {
    /// The parts of S3 requests that the embedding program should log. This crate writes no log:
    /// the value is checked and passed to the program that embeds the driver.
    #[derive(PartialOrd, Ord)]
    LogLevel {
        /// Nothing.
        Off = "off",
        /// Requests and responses.
        Debug = "debug",
        /// Requests, responses and signing.
        DebugWithSigning = "debugwithsigning",
        /// Requests, responses and bodies.
        DebugWithHttpBody = "debugwithhttpbody",
        /// Requests, responses and retries.
        DebugWithRequestRetries = "debugwithrequestretries",
        /// Requests, responses and failed requests.
        DebugWithRequestErrors = "debugwithrequesterrors",
        /// Requests, responses and event streams.
        DebugWithEventStreamBody = "debugwitheventstreambody",
    }
}

impl LogLevel {
    /// Parses a word of GitLab's registry. Returns `Some(None)` for the word that concerns only the
    /// Go SDK.
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
