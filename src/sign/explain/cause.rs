//! The reasons why signatures differ and requests are refused, shared by clients and servers.
use std::fmt;

/// Defines the causes, each with the sentence that `Display` writes for it.
macro_rules! causes {
    ($($(#[$doc:meta])+ $name:ident => $text:literal,)+) => {
        /// The most likely cause of a difference between signatures, or the reason for a refusal.
        /// `Display` says what to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])+ $name,)+
        }

        impl fmt::Display for Cause {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

causes! {
    /// Everything that both sides signed is equal, so their secret keys differ.
    WrongSecret =>
        "both sides signed the same text, so their secret keys differ: check the secret key, and \
         that it belongs to the access key",

    /// The server's error document does not contain enough to compare.
    NotShown =>
        "the server does not show what it signed: check the secret key and the region, and make \
         sure that no proxy changes the host or the path",

    /// The method differs.
    MethodChanged => "the method was changed in transit: look for a proxy or a redirect",

    /// The path or a parameter contains `%25` where the other side has `%`.
    EncodedTwice =>
        "one side percent-encoded the text twice: pass the key unencoded, and make sure that no \
         proxy encodes it again",

    /// Both sides percent-encoded a text in different ways: `+` for a space, lower-case hex digits,
    /// or letters that were encoded.
    EncodedOtherwise =>
        "the same text was percent-encoded differently: make sure that no proxy or library \
         re-encodes it",

    /// `//`, `.` or `..` was resolved in transit.
    PathNormalised =>
        "the path was normalized in transit: turn this off in the proxy, because S3 stores // and \
         .. literally",

    /// One of the paths has an additional prefix: the bucket, or a prefix that a proxy added or
    /// removed.
    PathPrefix =>
        "the paths have different prefixes: check whether path-style or virtual-host addressing is \
         used, and whether a proxy adds or strips a prefix",

    /// The path differs.
    PathChanged => "the path was changed in transit: check the endpoint and the proxy",

    /// A query parameter was added.
    ParameterAdded =>
        "a query parameter was added after signing: sign it, or configure the proxy not to add it",

    /// A query parameter was removed.
    ParameterRemoved => "a query parameter was removed after signing: check the proxy",

    /// The query parameters are the same, but in a different order.
    ParametersReordered =>
        "the query parameters are sorted differently: sort them by encoded name, then by encoded \
         value",

    /// A query parameter has a different value.
    ParameterChanged => "a query parameter was changed after signing: check the proxy",

    /// The `host` header differs.
    HostRewritten =>
        "a proxy or load balancer rewrote the host header: configure it to pass the header on \
         unchanged, or set the endpoint to the host name that the server sees",

    /// The server received a header that the client did not sign.
    HeaderAdded =>
        "a header was added after signing: sign it, or configure the proxy not to add it",

    /// A header that the client signed is missing or empty.
    HeaderRemoved =>
        "a signed header did not arrive: configure the proxy to pass it on, or do not sign it",

    /// The white space in a header's value differs.
    HeaderSpaces =>
        "the white space in a header was changed: trim header values and use single spaces",

    /// A header has a different value.
    HeaderChanged =>
        "a signed header was changed in transit: configure the proxy to pass it on unchanged",

    /// The headers, or the list of their names, differ in order or number.
    HeadersReordered =>
        "the headers differ in order or number: sort them by lower-case name, and list each name \
         once",

    /// The session token differs.
    TokenChanged =>
        "the session token differs from the one that was signed: use an access key, secret key and \
         token that were issued together",

    /// The hash of the body differs.
    PayloadChanged =>
        "the hash of the body differs: check whether the body was changed after signing, and \
         whether x-amz-content-sha256 names a different payload mode",

    /// The time differs.
    Clock =>
        "the time differs from the one that was signed: check the clock, and make sure that \
         x-amz-date is sent as it was signed",

    /// The region in the credential scope differs.
    WrongRegion => "the server expects a different region: set the region that it names",

    /// The service in the credential scope differs.
    WrongService =>
        "the server expects a different service: sign requests to S3 as s3, and requests to STS as \
         sts",

    /// The access key or the algorithm differs.
    WrongCredential =>
        "the algorithm or the access key differs: check the signature version and the access key",

    /// The canonical requests differ, and the server does not show its own.
    CanonicalRequestDiffers =>
        "the canonical requests differ, and the server does not show its own: look for a proxy \
         that changes the host, path, query or headers",

    /// The request is not signed.
    NotSigned => "the request is not signed: sign it, or allow anonymous access",

    /// The request has more than one signature.
    SignedTwice =>
        "the request has more than one signature: send a single one, in a header or in the query",

    /// The signature, or something that it refers to, cannot be parsed.
    Malformed =>
        "the signature cannot be parsed: send every part of it once, in the format that AWS \
         defines for its version",

    /// The server does not know the access key.
    UnknownAccessKey =>
        "the server does not know the access key: check the key, and that it was issued for this \
         server",

    /// The presigned URL or the policy of the form has expired.
    Expired =>
        "the presigned URL or the policy of the form has expired: sign a new one, and check the \
         clock",

    /// A field of the form is missing or does not meet a condition of the policy.
    PolicyCondition =>
        "the form does not meet a condition of its policy: send a field value that the policy \
         allows, or sign a different policy",

    /// The policy has no condition for a field of the form.
    FieldNotInPolicy =>
        "the policy has no condition for a field of the form: add a condition, or do not send the \
         field",

    /// The file is smaller or larger than the policy allows.
    FileSize =>
        "the file is smaller or larger than the policy allows: sign a policy with a suitable \
         content-length-range",

    /// The server computed a different signature. [`compare`](super::compare) finds the place at
    /// which its steps differ from the client's.
    SignatureDiffers =>
        "the server computed a different signature: compare the canonical request and the string \
         to sign, and check the secret key",

    /// A chunk of the body differs from the one that was signed.
    ChunkChanged =>
        "a chunk of the body differs from the one that was signed: send the chunks unchanged and \
         in order",

    /// The trailers differ from those that were announced and signed.
    TrailerChanged =>
        "the trailers differ from those that were announced and signed: send each of them once and \
         unchanged",
}
