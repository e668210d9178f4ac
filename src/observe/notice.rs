//! Facts that a client learned about a server, or corrected.
use crate::sync;
use std::fmt;
use std::sync::Mutex;

/// A fact that a client learned about a server or corrected, or a setting without effect. It costs
/// requests or hides a mistake in the configuration, so it is worth a look, although requests
/// succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The bucket is in another region than the configured one. Its requests are signed for that
    /// region from now on.
    Region {
        /// The bucket.
        bucket: String,
        /// The region of the configuration.
        configured: String,
        /// The region that the server named.
        region: String,
    },
    /// The server's clock differs so much from this machine's that a request was refused. Requests
    /// are signed with the server's time from now on.
    Clock {
        /// By how many seconds the server's time is later than this machine's; negative when it is
        /// earlier.
        ahead: i64,
    },
    /// The server lacks an operation or a feature, or the policy does not permit it, and something
    /// else is used in its place, usually with more requests.
    Fallback {
        /// The bucket.
        bucket: String,
        /// The operation or feature that the server lacks.
        missing: &'static str,
        /// The operations that are used in its place.
        instead: &'static str,
    },
    /// The server stores objects only with a `Content-MD5` header, as for buckets with a default
    /// retention.
    DigestRequired {
        /// The bucket.
        bucket: String,
    },
    /// The ETags of the bucket's objects are not the MD5 of their bytes, because of an encryption,
    /// and verify nothing.
    OpaqueEtags {
        /// The bucket.
        bucket: String,
    },
    /// An option of the configuration has no effect in this build, or with the other options.
    OptionWithoutEffect {
        /// The option.
        option: &'static str,
        /// The feature, the setting or the endpoint that it needs.
        needs: &'static str,
    },
    /// The IP ranges of AWS could not be updated, which the option `ipfilteredby` of the
    /// `cloudfront` middleware needs.
    IpRangesUnavailable {
        /// The error of the last attempt.
        reason: String,
    },
}

impl Notice {
    /// Returns a short name of the kind of notice, such as `region`, for counters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Region { .. } => "region",
            Self::Clock { .. } => "clock",
            Self::Fallback { .. } => "fallback",
            Self::DigestRequired { .. } => "digest_required",
            Self::OpaqueEtags { .. } => "opaque_etags",
            Self::OptionWithoutEffect { .. } => "option_without_effect",
            Self::IpRangesUnavailable { .. } => "ip_ranges_unavailable",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region { bucket, configured, region } => write!(
                f,
                "the bucket {bucket} is in the region {region}, the configuration names \
                 {configured}; set the region to spare a refused request"
            ),
            Self::Clock { ahead } => {
                let direction = if *ahead < 0 { "earlier" } else { "later" };
                write!(
                    f,
                    "the server's clock shows a time {} s {direction} than this machine's, and \
                     requests are signed with the server's time; set this machine's clock",
                    ahead.unsigned_abs()
                )
            }
            Self::Fallback { bucket, missing, instead } => write!(
                f,
                "the server of the bucket {bucket} lacks {missing}, or its policy does not permit \
                 it; {instead} is used in its place"
            ),
            Self::DigestRequired { bucket } => write!(
                f,
                "the bucket {bucket} accepts uploads only with Content-MD5, which is computed for \
                 each of them"
            ),
            Self::OpaqueEtags { bucket } => write!(
                f,
                "the ETags of the bucket {bucket} are not MD5 hashes and cannot verify uploads"
            ),
            Self::OptionWithoutEffect { option, needs } => {
                write!(f, "the option {option} has no effect: it needs {needs}")
            }
            Self::IpRangesUnavailable { reason } => write!(
                f,
                "the IP ranges for ipfilteredby could not be updated: {reason}; the last ranges \
                 remain in use, and without any, all clients are sent to CloudFront; check \
                 iprangesurl, awsregion, the proxy and the certificates"
            ),
        }
    }
}

/// The notices of a client, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<Vec<Notice>>);

/// Notices that are kept. A program uses a handful of buckets, and each has a few; later ones are
/// still events.
const MOST_NOTICES: usize = 256;

impl Notices {
    /// Returns the notices so far.
    pub(crate) fn list(&self) -> Vec<Notice> {
        sync::lock(&self.0).clone()
    }

    /// Keeps a notice; returns whether it is new. A clock that was corrected again replaces the
    /// earlier correction, and so does another reason of a failed update.
    pub(crate) fn add(&self, notice: &Notice) -> bool {
        let mut notices = sync::lock(&self.0);
        if notices.contains(notice) {
            return false;
        }
        let same_fact = |known: &&mut Notice| match (&**known, notice) {
            (Notice::Clock { .. }, Notice::Clock { .. })
            | (Notice::IpRangesUnavailable { .. }, Notice::IpRangesUnavailable { .. }) => true,
            (Notice::Region { bucket, .. }, Notice::Region { bucket: other, .. }) => {
                bucket == other
            }
            _ => false,
        };
        if let Some(known) = notices.iter_mut().find(same_fact) {
            known.clone_from(notice);
        } else if notices.len() < MOST_NOTICES {
            notices.push(notice.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(bucket: &str, region: &str) -> Notice {
        let configured = "us-east-1".to_owned();
        Notice::Region { bucket: bucket.to_owned(), configured, region: region.to_owned() }
    }

    #[test]
    fn notices_are_kept_once_replaced_when_corrected_and_bounded() {
        let notices = Notices::default();
        assert!(notices.add(&region("a", "eu-west-1")));
        assert!(!notices.add(&region("a", "eu-west-1")));
        assert!(notices.add(&Notice::Clock { ahead: 10 }));
        assert!(notices.add(&region("b", "eu-west-1")));
        assert!(notices.add(&Notice::Clock { ahead: -7200 }));
        assert!(notices.add(&region("a", "eu-west-2")));
        let expected =
            [region("a", "eu-west-2"), Notice::Clock { ahead: -7200 }, region("b", "eu-west-1")];
        assert_eq!(notices.list(), expected);
        for bucket in 0..2 * MOST_NOTICES {
            let notice = Notice::OpaqueEtags { bucket: bucket.to_string() };
            assert!(notices.add(&notice), "a notice that is not kept is still new");
        }
        assert_eq!(notices.list().len(), MOST_NOTICES);
    }

    #[test]
    fn each_notice_is_a_sentence_that_names_its_facts() {
        assert_eq!(
            Notice::Clock { ahead: -7200 }.to_string(),
            "the server's clock shows a time 7200 s earlier than this machine's, and requests are \
             signed with the server's time; set this machine's clock"
        );
        let text = region("images", "eu-west-1").to_string();
        for fact in ["images", "eu-west-1", "us-east-1"] {
            assert!(text.contains(fact), "{text}");
        }
    }
}
