//! The reasons why a request cannot be signed.
use super::{chunked, v4};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// The reason why a request cannot be signed. It never contains a secret, a token or the value of a
/// query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The method is not a token of RFC 9110 section 5.6.2.
    Method {
        /// The method given.
        method: String,
    },
    /// The path cannot be sent as given: it does not begin with a slash, contains a byte that RFC
    /// 3986 does not allow in a path, or contains a `%` that is not followed by two hex digits.
    Path {
        /// The path given.
        path: String,
        /// The offset of the first byte that cannot be sent, counted from 0.
        byte: usize,
    },
    /// The path of a request to S3 contains a `+` that is not percent-encoded. AWS and Ceph read it
    /// as a space, and sign `%20`; other servers read it as a plus sign, and sign `%2B` or `+`.
    AmbiguousPlus {
        /// The path given.
        path: String,
        /// The offset of the plus sign, counted from 0.
        byte: usize,
    },
    /// A part of the URL cannot be represented in a signature, or is changed by clients before they
    /// send it.
    Url {
        /// The part of the URL that cannot be signed.
        part: UrlPart,
    },
    /// A query parameter has no name. It would be signed as `=`, but not sent at all.
    UnnamedParameter,
    /// A query given as text is not encoded as it has to be sent: it contains a byte that RFC 3986
    /// does not allow, a `%` that is not followed by two hex digits, a `+` (which some servers read
    /// as a space), or, in version 2, bytes that are not UTF-8.
    QueryEncoding {
        /// The parameter's name as given, without its value.
        parameter: String,
    },
    /// The query contains a parameter that belongs to a signature.
    ReservedParameter {
        /// The parameter's name as given.
        name: String,
    },
    /// The name of a header is not a token of RFC 9110 section 5.6.2.
    HeaderName {
        /// The name given.
        name: String,
    },
    /// The value of a header contains a control character other than a tab.
    HeaderValue {
        /// The header's name.
        name: String,
    },
    /// A header that may occur only once was given more than once.
    RepeatedHeader {
        /// The header's name in lower case.
        name: String,
    },
    /// The request already has a header that the signer adds, with a different value.
    ConflictingHeader {
        /// The header's name in lower case.
        name: &'static str,
    },
    /// The request has a header that belongs to a signature: `authorization`, or, when presigning,
    /// a session token.
    ReservedHeader {
        /// The header's name in lower case.
        name: String,
    },
    /// A header that every signature of this kind covers is missing or empty.
    MissingHeader {
        /// The header's name in lower case.
        name: &'static str,
    },
    /// A header that servers require to be signed was excluded from the signature.
    RequiredHeader {
        /// The header's name in lower case.
        name: String,
    },
    /// The access key is empty, or contains a character that would terminate it in the header.
    AccessKey {
        /// The access key given.
        access_key_id: String,
    },
    /// The secret access key is empty.
    EmptySecret,
    /// The session token is empty or cannot be sent in a header.
    SessionToken,
    /// The session token was issued by S3 Express, but the request is for a different service.
    SessionTokenService {
        /// The service given.
        service: String,
    },
    /// The region, or a member of the region set, cannot be part of a credential scope.
    Region {
        /// The region given.
        region: String,
    },
    /// The service cannot be part of a credential scope.
    Service {
        /// The service given.
        service: String,
    },
    /// The year does not have four digits.
    Year {
        /// The time given.
        time: Timestamp,
    },
    /// The lifetime of a presigned URL of version 4 is not a whole number of seconds from 1 second
    /// to 7 days.
    ExpiryOutOfRange(Duration),
    /// A presigned URL of version 2 would expire before 1970.
    ExpiresBeforeEpoch(Timestamp),
    /// The signing key was derived for a different day.
    SigningKeyDay {
        /// The time given.
        time: Timestamp,
    },
    /// The bucket that the host names is empty, or contains a character that is not allowed in
    /// hosts and paths.
    Bucket {
        /// The bucket given.
        bucket: String,
    },
    /// The policy is not base64.
    PolicyEncoding,
    /// The policy does not allow any length because the minimum exceeds the maximum.
    ContentLengthRange {
        /// The minimum given.
        least: u64,
        /// The maximum given.
        most: u64,
    },
    /// The size of the chunks is out of range.
    ChunkSize {
        /// The size given.
        bytes: usize,
    },
    /// The name of a trailer is not a valid header name in lower case, or the layout already has
    /// this trailer.
    Trailer {
        /// The name given.
        name: String,
    },
    /// The seed of a chunked body is not a version 4 signature.
    Seed,
    /// A signed layout was used to frame an unsigned body, or vice versa.
    Framing,
    /// The number of checksums differs from the number of trailers.
    Checksums {
        /// The number of trailers in the layout.
        trailers: usize,
        /// The number of checksums given.
        checksums: usize,
    },
    /// This signature version cannot sign the payload.
    Payload {
        /// The value of `x-amz-content-sha256`.
        payload: &'static str,
    },
    /// No SigV4A key can be derived from the credentials. The probability of this is 1 in 2^8000.
    KeyDerivation,
}

/// A part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlPart {
    /// The scheme is neither `http` nor `https`.
    Scheme,
    /// The URL contains a user name or password.
    UserInformation,
    /// The host is empty, contains upper-case letters, or contains characters that are not allowed
    /// in hosts.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The URL contains a fragment, which clients never send.
    Fragment,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { method } => {
                write!(
                    f,
                    "{method:?} is not a valid HTTP method: use GET, PUT or another method name"
                )
            }
            Self::Path { path, byte } => write!(
                f,
                "the path {path:?} cannot be sent as given (at byte {byte}): start it with a \
                 slash and percent-encode the rest"
            ),
            Self::AmbiguousPlus { path, byte } => write!(
                f,
                "the path {path:?} contains a plus sign (at byte {byte}) that some servers read as \
                 a space: write it as %2B, and a space as %20"
            ),
            Self::Url { part } => part.fmt(f),
            Self::UnnamedParameter => f.write_str(
                "a query parameter has no name: remove the parameter, or give it a name",
            ),
            Self::QueryEncoding { parameter } => write!(
                f,
                "the query parameter {parameter:?} is not percent-encoded as it has to be sent: \
                 write a space as %20, a plus as %2B, and any other reserved byte as % followed \
                 by two hex digits"
            ),
            Self::ReservedParameter { name } => {
                write!(f, "the query contains {name}, which only the signer may add: remove it")
            }
            Self::KeyDerivation => f.write_str(
                "no SigV4A key can be derived from the credentials: use different credentials",
            ),
            Self::Payload { payload } => {
                write!(
                    f,
                    "this signature version cannot sign the payload {payload}: use a different \
                     payload"
                )
            }
            Self::PolicyEncoding => {
                f.write_str("the policy is not valid base64: encode the JSON document first")
            }
            Self::ContentLengthRange { least, most } => {
                write!(
                    f,
                    "the policy requires a length from {least} to {most} bytes, which no file \
                     has: pass the minimum first"
                )
            }
            Self::Bucket { bucket } => {
                write!(
                    f,
                    "{bucket:?} is not a bucket name that can be part of a host: use letters, \
                     digits, dots and hyphens"
                )
            }
            _ if self.is_about_headers() => self.fmt_header(f),
            _ if self.is_about_chunks() => self.fmt_chunks(f),
            _ => self.fmt_scope(f),
        }
    }
}

impl Error {
    const fn is_about_headers(&self) -> bool {
        matches!(
            self,
            Self::HeaderName { .. }
                | Self::HeaderValue { .. }
                | Self::RepeatedHeader { .. }
                | Self::ConflictingHeader { .. }
                | Self::ReservedHeader { .. }
                | Self::MissingHeader { .. }
                | Self::RequiredHeader { .. }
        )
    }

    fn fmt_header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderName { name } => write!(
                f,
                "{name:?} is not a valid header name: RFC 9110 section 5.1 allows letters, digits \
                 and a few symbols"
            ),
            Self::HeaderValue { name } => write!(
                f,
                "the header {name} contains a line break or another control character, which \
                 cannot be sent: remove it"
            ),
            Self::RepeatedHeader { name } => {
                write!(
                    f,
                    "the header {name} was given more than once: pass it once, with a single value"
                )
            }
            Self::ConflictingHeader { name } => write!(
                f,
                "the header {name} of the request differs from the value to be signed: remove the \
                 header, or sign with the value it has"
            ),
            Self::ReservedHeader { name } => {
                write!(
                    f,
                    "the request contains the header {name}, which only the signer may add: \
                     remove it"
                )
            }
            Self::MissingHeader { name } => {
                write!(
                    f,
                    "the request does not have the header {name}, which the signature must cover: \
                     add the header"
                )
            }
            Self::RequiredHeader { name } => {
                write!(f, "the header {name} cannot be excluded: servers require it to be signed")
            }
            _ => Ok(()),
        }
    }

    const fn is_about_chunks(&self) -> bool {
        matches!(
            self,
            Self::ChunkSize { .. }
                | Self::Trailer { .. }
                | Self::Seed
                | Self::Framing
                | Self::Checksums { .. }
        )
    }

    fn fmt_chunks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChunkSize { bytes } => write!(
                f,
                "a chunk cannot have {bytes} bytes: choose a size from {} to {}",
                chunked::MIN_CHUNK_SIZE,
                chunked::MAX_CHUNK_SIZE
            ),
            Self::Trailer { name } => {
                write!(
                    f,
                    "{name:?} cannot be the name of a trailer: use a header name in lower case, \
                     and each name only once"
                )
            }
            Self::Seed => f.write_str(
                "the seed of a chunked body does not have 64 hex digits: use the signature of the \
                 request",
            ),
            Self::Framing => f.write_str(
                "the layout does not fit the body: call signed_body for a signed layout, and \
                 unsigned_body for an unsigned one",
            ),
            Self::Checksums { trailers, checksums } => write!(
                f,
                "the layout announces {trailers} trailers, but {checksums} checksums were given: \
                 pass one for each trailer"
            ),
            _ => Ok(()),
        }
    }

    fn fmt_scope(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey { access_key_id } => write!(
                f,
                "the access key {access_key_id:?} cannot be sent in a header: use letters, digits \
                 and symbols, but no comma and, in version 2, no colon"
            ),
            Self::EmptySecret => f.write_str("the secret access key is empty: set it"),
            Self::SessionToken => f.write_str(
                "the session token is empty or contains a control character: omit it, or set it \
                 exactly as it was issued",
            ),
            Self::SessionTokenService { service } => write!(
                f,
                "a session token of S3 Express can sign requests to s3express, but not to \
                 {service}: use different credentials"
            ),
            Self::Region { region } => write!(
                f,
                "the region {region:?} cannot be part of a credential scope: use letters, digits \
                 and symbols other than slash and comma"
            ),
            Self::Service { service } => write!(
                f,
                "the service {service:?} cannot be part of a credential scope: use letters, \
                 digits and symbols other than slash and comma"
            ),
            Self::Year { time } => {
                write!(
                    f,
                    "the time {} does not have a four-digit year: set the clock",
                    time.iso8601()
                )
            }
            Self::ExpiryOutOfRange(expires) => write!(
                f,
                "a presigned URL cannot be valid for {} s: choose a whole number of seconds from \
                 1 to {} (7 days)",
                expires.as_secs_f64(),
                v4::MAX_EXPIRY.as_secs()
            ),
            Self::ExpiresBeforeEpoch(time) => {
                write!(
                    f,
                    "a presigned URL cannot expire at {}: choose a time after 1970",
                    time.iso8601()
                )
            }
            Self::SigningKeyDay { time } => {
                write!(
                    f,
                    "the signing key is not valid for the day of {}: derive a new key",
                    time.iso8601()
                )
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for UrlPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URL does not begin with http:// or https://: write it in full",
            Self::UserInformation => {
                "the URL contains a user name or password, which S3 requests never send: remove it"
            }
            Self::Host => {
                "the URL's host is empty, or clients would change it before they send it: use \
                 lower-case letters, digits, dots and hyphens"
            }
            Self::Port => {
                "the URL's port is not a number from 1 to 65535: write it in digits, or omit it"
            }
            Self::Fragment => {
                "the URL contains a fragment, which clients never send: write # as %23, or remove \
                 the fragment"
            }
        })
    }
}

impl std::error::Error for Error {}
