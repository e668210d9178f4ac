//! The reasons why signatures differ and requests are refused, shared by clients and servers.
use std::fmt;

/// The most likely cause of a difference between signatures, or the reason for a refusal. `Display`
/// says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Everything that both sides signed is equal, so their secret keys differ.
    WrongSecret,
    /// The server's error document does not contain enough to compare.
    NotShown,
    /// The method differs.
    MethodChanged,
    /// The path or a parameter contains `%25` where the other side has `%`.
    EncodedTwice,
    /// The same text was percent-encoded differently: `+` for a space, lower-case hex digits, or
    /// letters that were encoded.
    EncodedOtherwise,
    /// `//`, `.` or `..` was resolved in transit.
    PathNormalised,
    /// One of the paths has an additional prefix: the bucket, or a prefix that a proxy added or
    /// removed.
    PathPrefix,
    /// The path differs.
    PathChanged,
    /// A query parameter was added.
    ParameterAdded,
    /// A query parameter was removed.
    ParameterRemoved,
    /// The query parameters are the same, but in a different order.
    ParametersReordered,
    /// A query parameter has a different value.
    ParameterChanged,
    /// The `host` header differs.
    HostRewritten,
    /// The server signed a header that the client did not sign.
    HeaderAdded,
    /// A header that the client signed is missing or empty.
    HeaderRemoved,
    /// The white space in a header's value differs.
    HeaderSpaces,
    /// A header has a different value.
    HeaderChanged,
    /// The headers, or the list of their names, differ in order or number.
    HeadersReordered,
    /// The session token differs.
    TokenChanged,
    /// The hash of the body differs.
    PayloadChanged,
    /// The time differs.
    Clock,
    /// The region in the credential scope differs.
    WrongRegion,
    /// The service in the credential scope differs.
    WrongService,
    /// The access key or the algorithm differs.
    WrongCredential,
    /// The canonical requests differ, and the server does not show its own.
    CanonicalRequestDiffers,
    /// The request is not signed.
    NotSigned,
    /// The request has more than one signature.
    SignedTwice,
    /// The signature, or something that it refers to, cannot be parsed.
    Malformed,
    /// The server does not know the access key.
    UnknownAccessKey,
    /// The presigned URL or the policy of the form has expired.
    Expired,
    /// A field of the form is missing or does not meet a condition of the policy.
    PolicyCondition,
    /// The policy has no condition for a field of the form.
    FieldNotInPolicy,
    /// The file is smaller or larger than the policy allows.
    FileSize,
    /// The server computed a different signature. [`compare`](super::compare) finds the place at
    /// which its steps differ from the client's.
    SignatureDiffers,
    /// A chunk of the body differs from the one that was signed.
    ChunkChanged,
    /// The trailers differ from those that were announced and signed.
    TrailerChanged,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongSecret => {
                "both sides signed the same text, so their secret keys differ: \
                check the secret key, and that it belongs to the access key"
            }
            Self::NotShown => {
                "the server does not show what it signed: check the secret key and \
                the region, and make sure that no proxy changes the host or the path"
            }
            Self::MethodChanged => {
                "the method was changed in transit: look for a proxy or a \
                redirect"
            }
            Self::EncodedTwice => {
                "one side percent-encoded the text twice: pass the key \
                unencoded, and make sure that no proxy encodes it again"
            }
            Self::EncodedOtherwise => {
                "the same text was percent-encoded differently: make sure \
                that no proxy or library re-encodes it"
            }
            Self::PathNormalised => {
                "the path was normalised in transit: turn this off in the \
                proxy, because S3 stores // and .. literally"
            }
            Self::PathPrefix => {
                "the paths have different prefixes: check whether path-style or \
                virtual-host addressing is used, and whether a proxy adds or strips a prefix"
            }
            Self::PathChanged => {
                "the path was changed in transit: check the endpoint and the \
                proxy"
            }
            Self::ParameterAdded => {
                "a query parameter was added after signing: sign it, or \
                configure the proxy not to add it"
            }
            Self::ParameterRemoved => {
                "a query parameter was removed after signing: check the \
                proxy"
            }
            Self::ParametersReordered => {
                "the query parameters are sorted differently: sort them \
                by encoded name, then by encoded value"
            }
            Self::ParameterChanged => {
                "a query parameter was changed after signing: check the \
                proxy"
            }
            Self::HostRewritten => {
                "a proxy or load balancer rewrote the host header: configure \
                it to pass the header on unchanged, or set the endpoint to the host name that the \
                server sees"
            }
            Self::HeaderAdded => {
                "a header was added after signing: sign it, or configure the \
                proxy not to add it"
            }
            Self::HeaderRemoved => {
                "a signed header did not arrive: configure the proxy to pass \
                it on, or do not sign it"
            }
            Self::HeaderSpaces => {
                "the white space in a header was changed: trim header values \
                and use single spaces"
            }
            Self::HeaderChanged => {
                "a signed header was changed in transit: configure the proxy \
                to pass it on unchanged"
            }
            Self::HeadersReordered => {
                "the headers differ in order or number: sort them by \
                lower-case name, and list each name once"
            }
            Self::TokenChanged => {
                "the session token differs from the one that was signed: use an \
                access key, secret key and token that were issued together"
            }
            Self::PayloadChanged => {
                "the hash of the body differs: check whether the body was \
                changed after signing, and whether x-amz-content-sha256 names a different payload \
                mode"
            }
            Self::Clock => {
                "the time differs from the one that was signed: check the clock, and \
                make sure that x-amz-date is sent as it was signed"
            }
            Self::WrongRegion => {
                "the server expects a different region: set the region that it \
                names"
            }
            Self::WrongService => {
                "the server expects a different service: sign requests to S3 as \
                s3, and requests to STS as sts"
            }
            Self::WrongCredential => {
                "the algorithm or the access key differs: check the \
                signature version and the access key"
            }
            Self::CanonicalRequestDiffers => {
                "the canonical requests differ, and the server does \
                not show its own: look for a proxy that changes the host, path, query or headers"
            }
            Self::NotSigned => "the request is not signed: sign it, or allow anonymous access",
            Self::SignedTwice => {
                "the request has more than one signature: send a single one, in \
                a header or in the query"
            }
            Self::Malformed => {
                "the signature cannot be parsed: send every part of it once, in \
                the format that AWS defines for its version"
            }
            Self::UnknownAccessKey => {
                "the server does not know the access key: check the key, \
                and that it was issued for this server"
            }
            Self::Expired => {
                "the presigned URL or the policy of the form has expired: sign a new \
                one, and check the clock"
            }
            Self::PolicyCondition => {
                "the form does not meet a condition of its policy: send a \
                field value that the policy allows, or sign a different policy"
            }
            Self::FieldNotInPolicy => {
                "the policy has no condition for a field of the form: add a \
                condition, or do not send the field"
            }
            Self::FileSize => {
                "the file is smaller or larger than the policy allows: sign a \
                policy with a suitable content-length-range"
            }
            Self::SignatureDiffers => {
                "the server computed a different signature: compare the \
                canonical request and the string to sign, and check the secret key"
            }
            Self::ChunkChanged => {
                "a chunk of the body differs from the one that was signed: send \
                the chunks unchanged and in order"
            }
            Self::TrailerChanged => {
                "the trailers differ from those that were announced and \
                signed: send each of them once and unchanged"
            }
        })
    }
}
