//! The values of `loglevel` and `uniformparts`.
use crate::client::values::words;
#[cfg(feature = "log")]
use crate::observe::LogTopic;

words! {
    /// A part of the S3 requests that the driver logs. This requires the feature `log`; without it,
    /// the driver records a [`Notice`](crate::observe::Notice) that the option has no effect.
    ///
    /// The words are those of the AWS SDK for Go. Everything is written to the `log` crate at the
    /// level `debug` (see `observe::Log`). Every level except `off` includes `debug`.
    #[derive(PartialOrd, Ord)]
    LogLevel {
        /// Nothing.
        Off = "off",
        /// A line for each request and its response.
        Debug = "debug",
        /// The canonical request and the string to sign as well, with tokens redacted.
        DebugWithSigning = "debugwithsigning",
        /// The beginnings of bodies as well, with the request's secrets redacted.
        DebugWithHttpBody = "debugwithhttpbody",
        /// Retries, redirects and waits as well.
        DebugWithRequestRetries = "debugwithrequestretries",
        /// Failed operations as well.
        DebugWithRequestErrors = "debugwithrequesterrors",
        /// Equivalent to `debug`, because no operation of this driver has an event stream.
        DebugWithEventStreamBody = "debugwitheventstreambody",
    }
}

impl LogLevel {
    /// Returns what is logged at this level.
    #[cfg(feature = "log")]
    pub(crate) const fn topics(self) -> &'static [LogTopic] {
        use LogTopic::{Bodies, Errors, Requests, Retries, Signing};
        match self {
            Self::Off => &[],
            Self::Debug | Self::DebugWithEventStreamBody => &[Requests],
            Self::DebugWithSigning => &[Requests, Signing],
            Self::DebugWithHttpBody => &[Requests, Bodies],
            Self::DebugWithRequestRetries => &[Requests, Retries],
            Self::DebugWithRequestErrors => &[Requests, Errors],
        }
    }

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
