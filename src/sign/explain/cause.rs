//! Why signatures differ and requests are refused: one list of words for clients and servers.
use std::fmt;

/// The usual cause of a difference, or of a refusal. `Display` says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// All that was shown is equal: the keys differ.
    WrongSecret,
    /// The server showed too little to compare.
    NotShown,
    /// The method is another.
    MethodChanged,
    /// The path or a parameter holds `%25` where the other side has `%`.
    EncodedTwice,
    /// One text in two spellings: `+` for a space, lower-case hex, letters that were encoded.
    EncodedOtherwise,
    /// `//`, `.` or `..` were resolved on the way.
    PathNormalised,
    /// The path is longer or shorter at its beginning: the bucket, or a proxy's prefix.
    PathPrefix,
    /// Another path.
    PathChanged,
    /// A query parameter came in between.
    ParameterAdded,
    /// A query parameter was lost.
    ParameterRemoved,
    /// The parameters are the same in another order.
    ParametersReordered,
    /// A query parameter has another value.
    ParameterChanged,
    /// The `host` header is another.
    HostRewritten,
    /// A header that we did not sign.
    HeaderAdded,
    /// A header that we signed is gone, or empty.
    HeaderRemoved,
    /// A header has other blanks.
    HeaderSpaces,
    /// A header has another value.
    HeaderChanged,
    /// The headers, or their list, are in another order or number.
    HeadersReordered,
    /// Another session token.
    TokenChanged,
    /// Another hash of the body.
    PayloadChanged,
    /// Another time.
    Clock,
    /// Another region in the scope.
    WrongRegion,
    /// Another service in the scope.
    WrongService,
    /// Another access key, or another algorithm.
    WrongCredential,
    /// The canonical request differs, and the server does not show its own.
    CanonicalRequestDiffers,
    /// The request is not signed.
    NotSigned,
    /// The request has more than one signature.
    SignedTwice,
    /// The signature, or what it refers to, cannot be read.
    Malformed,
    /// The access key is not known.
    UnknownAccessKey,
    /// The presigned URL, or the policy of the form, has expired.
    Expired,
    /// A field of the form does not meet a condition of the policy, or is missing.
    PolicyCondition,
    /// A field of the form has no condition in the policy.
    FieldNotInPolicy,
    /// The file is smaller or larger than the policy allows.
    FileSize,
    /// The server computed another signature. [`compare`](super::compare) with the client's own
    /// steps names the place.
    SignatureDiffers,
    /// A chunk of the body differs from the one signed.
    ChunkChanged,
    /// A trailer differs from the ones announced and signed.
    TrailerChanged,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongSecret => "all that was signed is equal, so the secret key differs: check \
                it, and that it belongs to the access key",
            Self::NotShown => "the server does not show what it signed: check the secret key, the \
                region, and that no proxy changes the host or the path",
            Self::MethodChanged => "the method was changed on the way: look for a proxy or a \
                redirect",
            Self::EncodedTwice => "one side encoded twice: give the key undecoded, and let no \
                proxy encode again",
            Self::EncodedOtherwise => "the same text is spelled with other escapes: let no proxy \
                or library decode and encode it anew",
            Self::PathNormalised => "the path was normalised on the way: switch that off in the \
                proxy, for S3 stores // and .. as they are",
            Self::PathPrefix => "the path begins otherwise: check path-style or virtual-host \
                addressing, and prefixes that a proxy adds or strips",
            Self::PathChanged => "the path was changed on the way: check the endpoint and the proxy",
            Self::ParameterAdded => "a query parameter was added after signing: sign it, or let \
                the proxy not add it",
            Self::ParameterRemoved => "a query parameter was lost after signing: check the proxy",
            Self::ParametersReordered => "the query parameters are sorted differently: by encoded \
                name, then by encoded value",
            Self::ParameterChanged => "a query parameter was changed after signing: check the \
                proxy",
            Self::HostRewritten => "a proxy or load balancer rewrote the host header: let it pass \
                the header on as it is, or set the endpoint to the name the server sees",
            Self::HeaderAdded => "a header was added after signing: sign it, or let the proxy not \
                add it",
            Self::HeaderRemoved => "a signed header did not arrive: let the proxy pass it on, or \
                do not sign it",
            Self::HeaderSpaces => "a header's blanks were changed: trim values and write single \
                spaces",
            Self::HeaderChanged => "a signed header was changed on the way: let the proxy pass it \
                on as it is",
            Self::HeadersReordered => "the headers differ in order or number: sort them by \
                lower-case name and list each once",
            Self::TokenChanged => "the session token differs from the one signed: take key, \
                secret and token from one set of credentials",
            Self::PayloadChanged => "the body's hash differs: the body was changed after signing, \
                or x-amz-content-sha256 names another mode",
            Self::Clock => "the time differs from the one signed: check the clock, and that \
                x-amz-date is sent as signed",
            Self::WrongRegion => "the server expects another region: set the one it names",
            Self::WrongService => "the server expects another service: S3 is signed as s3, STS as \
                sts",
            Self::WrongCredential => "the algorithm or the access key differs: check the version \
                of the signature and the access key",
            Self::CanonicalRequestDiffers => "the canonical request differs and the server does \
                not show its own: look for a proxy that changes host, path, query or headers",
            Self::NotSigned => "the request is not signed: sign it, or allow anonymous access",
            Self::SignedTwice => "the request has more than one signature: send one, in a header \
                or in the query",
            Self::Malformed => "the signature cannot be read: send every part of it once, as the \
                page of its version spells it",
            Self::UnknownAccessKey => "the access key is not known: check it, and that it belongs to this server",
            Self::Expired => "the presigned URL or the policy of the form has expired: sign a new \
                one, and check the clock",
            Self::PolicyCondition => "the form does not meet a condition of its policy: send the \
                field as the policy allows it, or sign another policy",
            Self::FieldNotInPolicy => "the policy has no condition for a field of the form: add a \
                condition, or do not send the field",
            Self::FileSize => "the file is smaller or larger than the policy allows: sign a \
                policy with another content-length-range",
            Self::SignatureDiffers => "the signature differs from the one computed: compare the \
                canonical request and the string to sign, and check the secret key",
            Self::ChunkChanged => "a chunk of the body differs from the one signed: send the chunks as they were signed, in order",
            Self::TrailerChanged => "the trailers differ from those announced and signed: send \
                each once, as it was signed",
        })
    }
}
