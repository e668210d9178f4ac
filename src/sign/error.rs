//! The reasons for which a request is not signed.
use super::{chunked, v4};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// The reason for which a request is not signed. Never holds a secret, a token or a query's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The method is not a token of RFC 9110 section 5.6.2.
    Method {
        /// The method given.
        method: String,
    },
    /// The path cannot be sent as given: it does not begin with a slash, or holds a byte that RFC
    /// 3986 does not allow in a path, or a `%` without two hex digits.
    Path {
        /// The path given.
        path: String,
        /// The first byte that cannot be sent, counted from 0.
        byte: usize,
    },
    /// A URL holds something that a signature cannot represent, or that clients change before they
    /// send it.
    Url {
        /// The part concerned.
        part: UrlPart,
    },
    /// A query parameter has no name. It would be signed as `=` and sent as nothing.
    UnnamedParameter,
    /// A query given as text is not spelled as it has to be sent: a byte that RFC 3986 does not
    /// allow, a `%` without two hex digits, a `+` (which some servers read as a space), or, in
    /// version 2, bytes that are not UTF-8.
    QueryEncoding {
        /// The parameter's name as given, without its value.
        parameter: String,
    },
    /// The query holds a parameter that belongs to a signature.
    ReservedParameter {
        /// The parameter's name as given.
        name: String,
    },
    /// The name of a header is not a token of RFC 9110 section 5.6.2.
    HeaderName {
        /// The name given.
        name: String,
    },
    /// The value of a header holds a control character other than a tab.
    HeaderValue {
        /// The header's name.
        name: String,
    },
    /// A header that has one value was given more than once.
    RepeatedHeader {
        /// The header's name in lower case.
        name: String,
    },
    /// A header that the signer adds was given with another value than the signer's.
    ConflictingHeader {
        /// The header's name in lower case.
        name: &'static str,
    },
    /// A header was given that belongs to a signature: `authorization`, or a session token next to
    /// a presigned one.
    ReservedHeader {
        /// The header's name in lower case.
        name: String,
    },
    /// A header is missing or empty that every signature of this kind covers.
    MissingHeader {
        /// The header's name in lower case.
        name: &'static str,
    },
    /// A header was excluded from the signature that servers require to be signed.
    RequiredHeader {
        /// The header's name in lower case.
        name: String,
    },
    /// The access key is empty or contains a character that ends it in the header.
    AccessKey {
        /// The access key given.
        access_key_id: String,
    },
    /// The secret access key is empty.
    EmptySecret,
    /// The session token is empty or cannot be sent in a header.
    SessionToken,
    /// The session token was issued by S3 Express, and the service is another one.
    SessionTokenService {
        /// The service given.
        service: String,
    },
    /// The region, or a member of a region set, cannot be part of a credential scope.
    Region {
        /// The region given.
        region: String,
    },
    /// The service cannot be part of a credential scope.
    Service {
        /// The service given.
        service: String,
    },
    /// The year of a time does not have four digits.
    Year {
        /// The time given.
        time: Timestamp,
    },
    /// Presigned URLs of version 4 live for whole seconds, from 1 to 7 days.
    ExpiryOutOfRange(Duration),
    /// A presigned URL of version 2 ends before 1970.
    ExpiresBeforeEpoch(Timestamp),
    /// The signing key was derived for another day.
    SigningKeyDay {
        /// The time given.
        time: Timestamp,
    },
    /// The bucket that the host names is empty or contains a character that no host and no path can
    /// hold.
    Bucket {
        /// The bucket given.
        bucket: String,
    },
    /// The policy is not base64.
    PolicyEncoding,
    /// The policy allows no length: the smallest is larger than the largest.
    ContentLengthRange {
        /// The smallest length given.
        least: u64,
        /// The largest length given.
        most: u64,
    },
    /// The size of the chunks is out of range.
    ChunkSize {
        /// The size given.
        bytes: usize,
    },
    /// A trailer's name is not a header's name in lower case, or the layout has it already.
    Trailer {
        /// The name given.
        name: String,
    },
    /// The seed of a chunked body is not a signature of version 4.
    Seed,
    /// A signed layout was asked to frame an unsigned body, or the other way round.
    Framing,
    /// The number of checksums differs from the number of trailers.
    Checksums {
        /// The number of trailers in the layout.
        trailers: usize,
        /// The number of checksums given.
        checksums: usize,
    },
    /// The payload cannot be signed in this version.
    Payload {
        /// The value of `x-amz-content-sha256`.
        payload: &'static str,
    },
    /// No key of SigV4A can be derived from the credentials. The chance of this is one in 2^8000.
    KeyDerivation,
}

/// A part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlPart {
    /// Neither `http` nor `https`.
    Scheme,
    /// A user name or password.
    UserInformation,
    /// A host that is empty, in upper case, or holds characters that no host has.
    Host,
    /// A port that is not a number from 1 to 65535.
    Port,
    /// A fragment, which is never sent.
    Fragment,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { method } => {
                write!(
                    f,
                    "{method:?} is not an HTTP method: use GET, PUT or another name of letters"
                )
            }
            Self::Path { path, byte } => write!(
                f,
                "the path {path:?} cannot be sent as it is (byte {byte}): begin it with a slash \
                 and percent-encode the rest"
            ),
            Self::Url { part } => part.fmt(f),
            Self::UnnamedParameter => {
                f.write_str("a query parameter has no name: leave it out, or name it")
            }
            Self::QueryEncoding { parameter } => write!(
                f,
                "the query parameter {parameter:?} is not spelled as it has to be sent: write a \
                 space as %20, a plus as %2B, and other reserved bytes as % and two hex digits"
            ),
            Self::ReservedParameter { name } => {
                write!(f, "the query holds {name}, which belongs to a signature: leave it out")
            }
            Self::KeyDerivation => {
                f.write_str("no key of SigV4A can be derived from the credentials: use others")
            }
            Self::Payload { payload } => {
                write!(f, "this version cannot sign the payload {payload}: use another payload")
            }
            Self::PolicyEncoding => {
                f.write_str("the policy is not in base64: encode the JSON document first")
            }
            Self::ContentLengthRange { least, most } => {
                write!(
                    f,
                    "the policy allows no length from {least} to {most} bytes: give the smaller \
                     one first"
                )
            }
            Self::Bucket { bucket } => {
                write!(
                    f,
                    "{bucket:?} is not a bucket that a host can name: use letters, digits, dots \
                     and hyphens"
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
                "the header {name} holds a line break or another control character: take it out, \
                 it cannot be sent"
            ),
            Self::RepeatedHeader { name } => {
                write!(f, "the header {name} was given more than once: give its one value")
            }
            Self::ConflictingHeader { name } => write!(
                f,
                "the header {name} of the request differs from what is being signed: leave it \
                 out, or sign what it says"
            ),
            Self::ReservedHeader { name } => {
                write!(
                    f,
                    "the header {name} of the request belongs to a signature: leave it to the signer"
                )
            }
            Self::MissingHeader { name } => {
                write!(
                    f,
                    "the request has no header {name}, which the signature covers: add it with \
                     its value"
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
                "a chunk cannot have {bytes} bytes: choose from {} to {}",
                chunked::MIN_CHUNK_SIZE,
                chunked::MAX_CHUNK_SIZE
            ),
            Self::Trailer { name } => {
                write!(
                    f,
                    "{name:?} cannot be a trailer: use a header's name in lower case, and \
                    each name once"
                )
            }
            Self::Seed => f.write_str(
                "the seed of a chunked body is not 64 hex digits: take the request's \
                    signature",
            ),
            Self::Framing => f.write_str(
                "the layout does not fit the body: frame a signed layout with signed_body and an \
                 unsigned one with unsigned_body",
            ),
            Self::Checksums { trailers, checksums } => write!(
                f,
                "the layout announces {trailers} trailers and {checksums} checksums were given: \
                 give one for each"
            ),
            _ => Ok(()),
        }
    }

    fn fmt_scope(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey { access_key_id } => write!(
                f,
                "the access key {access_key_id:?} cannot stand in a header: use letters, digits \
                 and symbols other than a comma and, in version 2, a colon"
            ),
            Self::EmptySecret => f.write_str("the secret access key is empty: set it"),
            Self::SessionToken => f.write_str(
                "the session token is empty or holds a control character: leave it out, or set it \
                 as issued",
            ),
            Self::SessionTokenService { service } => write!(
                f,
                "a session token of S3 Express signs requests to s3express and not to {service}: \
                 use other credentials"
            ),
            Self::Region { region } => write!(
                f,
                "the region {region:?} cannot stand in a credential scope: use letters, digits \
                 and symbols other than / and ,"
            ),
            Self::Service { service } => write!(
                f,
                "the service {service:?} cannot stand in a credential scope: use letters, digits \
                 and symbols other than / and ,"
            ),
            Self::Year { time } => {
                write!(
                    f,
                    "the time {} does not have a year of four digits: set the clock",
                    time.iso8601()
                )
            }
            Self::ExpiryOutOfRange(expires) => write!(
                f,
                "a presigned URL cannot live for {} s: choose whole seconds from 1 s to {} s (7 \
                 days)",
                expires.as_secs_f64(),
                v4::MAX_EXPIRY.as_secs()
            ),
            Self::ExpiresBeforeEpoch(time) => {
                write!(
                    f,
                    "a presigned URL cannot end at {}: choose a time after 1970",
                    time.iso8601()
                )
            }
            Self::SigningKeyDay { time } => {
                write!(
                    f,
                    "the signing key is for another day than {}: derive it again",
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
                "the URL holds a user name or password, which no S3 request \
                sends: leave it out"
            }
            Self::Host => {
                "the URL's host is empty, or not spelled as clients send it: use lower-case \
                 letters, digits, dots and hyphens"
            }
            Self::Port => {
                "the URL's port is not a number from 1 to 65535: write it in digits, or \
                leave it out"
            }
            Self::Fragment => {
                "the URL holds a fragment, which is never sent: write # as %23, or \
                leave it out"
            }
        })
    }
}

impl std::error::Error for Error {}
