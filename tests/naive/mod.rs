//! An independent signer that computes signatures in a slow and obvious way.
//!
//! It was written only from AWS's pages ([version 4][v4], [its query form][query],
//! [chunks][chunks], [version 2][v2]) and RFC 2104 for HMAC, and shares no code with
//! `s3driver::sign`. Nothing is optimized or checked: its input must be signable. [`Mistake`]
//! plants one error at a time, to show that the tests detect it.
//!
//! [v4]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//! [query]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//! [chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//! [v2]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
#![allow(dead_code, unreachable_pub, reason = "each test uses only a part of this module")]
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub mod real;

/// Names and values.
pub type Pairs = Vec<(String, String)>;

/// One request to sign, with owned fields.
#[derive(Clone, Debug)]
pub struct Case {
    pub method: String,
    /// Decoded; [`uri_encode`] encodes it for the path.
    pub key: String,
    pub query: Pairs,
    pub headers: Pairs,
    pub body: Body,
    pub access_key: String,
    pub secret: String,
    pub token: Option<String>,
    pub region: String,
    pub time: Time,
}

#[derive(Clone, Debug)]
pub enum Body {
    Bytes(Vec<u8>),
    Unsigned,
    /// A body that is signed in chunks of these sizes.
    Chunks(Vec<u8>, usize),
}

/// A time in the formats of version 4, HTTP and the epoch.
#[derive(Clone, Debug)]
pub struct Time {
    pub amz: String,
    pub http: String,
    pub unix: i64,
}

impl Time {
    /// Counts days from 1970, one by one.
    pub fn of(unix: i64) -> Self {
        let (mut days, second) = (unix / 86_400, unix % 86_400);
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
        let (mut year, mut month) = (1970, 0);
        loop {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length =
                [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
            if days < length {
                break;
            }
            days -= length;
            month += 1;
            if month == 12 {
                (year, month) = (year + 1, 0);
            }
        }
        let name =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                [month];
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        Self {
            amz: format!(
                "{year:04}{:02}{:02}T{hour:02}{minute:02}{second:02}Z",
                month + 1,
                days + 1
            ),
            http: format!(
                "{weekday}, {:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
                days + 1
            ),
            unix,
        }
    }
}

/// The result of version 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4 {
    pub canonical_request: String,
    pub string_to_sign: String,
    pub signature: String,
    /// `Authorization`, or the whole query of a presigned URL.
    pub sent: String,
    /// The signatures of the chunks, including that of the empty last one.
    pub chunks: Vec<String>,
}

/// The result of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2 {
    pub string_to_sign: String,
    pub signature: String,
    /// `Authorization`, or the whole query of a presigned URL.
    pub sent: String,
}

/// Mistakes that are common in signers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    None,
    // In the path.
    PathEncodedTwice,
    PathNotEncoded,
    PathSlashEncoded,
    PathNormalised,
    PathSlashesFolded,
    // In the encoding.
    LowerCaseHex,
    PlusForSpace,
    TildeEncoded,
    StarKept,
    // In the query.
    QueryNotSorted,
    QuerySortedAsStrings,
    QuerySortedBeforeEncoding,
    QueryBareNameWithoutEquals,
    QueryRepeatedNameDropped,
    QueryLeftOut,
    // In the headers.
    HeaderNotTrimmed,
    HeaderSpacesKept,
    HeaderTabsKept,
    HeaderNameCaseKept,
    HeaderNotSorted,
    HeaderValuesSorted,
    HeaderValuesJoinedWithSpace,
    HeadersWithoutEmptyLine,
    HostWithoutPort,
    // In the credentials and the scope.
    TokenMissing,
    ScopeWithTime,
    ScopeWithWrongService,
    RegionMissing,
    SecretWithoutPrefix,
    KeyPartsSwapped,
    KeyInHex,
    // In the payload and the hashes.
    PayloadHashOfNothing,
    PayloadHashInUpperCase,
    CanonicalRequestNotHashed,
    SignatureInUpperCase,
    ChunksNotChained,
    ChunkLengthSigned,
    // In presigned URLs.
    PresignedPayloadHashed,
    PresignedExpiryUnsigned,
    PresignedTokenUnsigned,
    PresignedCredentialSlashesKept,
    // Of version 2.
    DateBesideAmzDate,
    SubResourceLeftOut,
    SubResourceEncoded,
    AllParametersSigned,
    BucketLeftOut,
    AmzHeadersLeftOut,
    SignatureUrlSafe,
    ExpiresNotSigned,
}

/// A signer that follows AWS's page, except for the mistake.
pub struct Naive(pub Mistake);

impl Naive {
    fn makes(&self, mistake: Mistake) -> bool {
        self.0 == mistake
    }

    /// "UriEncode() must enforce the following rules": every byte except the unreserved characters,
    /// the slash only in object names left alone, space as %20, hexadecimal letters in upper case.
    pub fn uri_encode(&self, text: &str, in_path: bool) -> String {
        let mut out = String::new();
        for byte in text.bytes() {
            let unreserved = byte.is_ascii_alphanumeric()
                || byte == b'-'
                || byte == b'.'
                || byte == b'_'
                || byte == b'~';
            if byte == b'~' && self.makes(Mistake::TildeEncoded) {
                out += "%7E";
            } else if byte == b'*' && self.makes(Mistake::StarKept) {
                out.push('*');
            } else if byte == b' ' && self.makes(Mistake::PlusForSpace) {
                out.push('+');
            } else if unreserved
                || (byte == b'/' && in_path && !self.makes(Mistake::PathSlashEncoded))
            {
                out.push(char::from(byte));
            } else if self.makes(Mistake::LowerCaseHex) {
                out += &format!("%{byte:02x}");
            } else {
                out += &format!("%{byte:02X}");
            }
        }
        out
    }

    fn canonical_uri(&self, key: &str) -> String {
        let mut path = format!("/{key}");
        if self.makes(Mistake::PathNotEncoded) {
            return path;
        }
        if self.makes(Mistake::PathSlashesFolded) {
            while path.contains("//") {
                path = path.replace("//", "/");
            }
        }
        if self.makes(Mistake::PathNormalised) {
            let mut kept: Vec<&str> = Vec::new();
            for segment in path.split('/') {
                match segment {
                    ".." => _ = kept.pop(),
                    "." => {}
                    other => kept.push(other),
                }
            }
            path = kept.join("/");
        }
        let encoded = self.uri_encode(&path, true);
        if self.makes(Mistake::PathEncodedTwice) {
            self.uri_encode(&encoded, true)
        } else {
            encoded
        }
    }

    /// "URI-encode name and values individually. You must also sort the parameters in the canonical
    /// query string alphabetically by key name. The sorting occurs after encoding."
    fn canonical_query(&self, query: &Pairs) -> String {
        if self.makes(Mistake::QueryLeftOut) {
            return String::new();
        }
        let mut query = query.clone();
        if self.makes(Mistake::QueryRepeatedNameDropped) {
            let mut seen = Vec::new();
            query.retain(|(name, _)| {
                !seen.contains(name) && {
                    seen.push(name.clone());
                    true
                }
            });
        }
        if self.makes(Mistake::QuerySortedBeforeEncoding) {
            query.sort();
        }
        let mut encoded: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| (self.uri_encode(name, false), self.uri_encode(value, false)))
            .collect();
        if !self.makes(Mistake::QueryNotSorted)
            && !self.makes(Mistake::QuerySortedAsStrings)
            && !self.makes(Mistake::QuerySortedBeforeEncoding)
        {
            encoded.sort();
        }
        let mut joined: Vec<String> = encoded
            .into_iter()
            .map(|(name, value)| {
                match value.is_empty() && self.makes(Mistake::QueryBareNameWithoutEquals) {
                    true => name,
                    false => format!("{name}={value}"),
                }
            })
            .collect();
        if self.makes(Mistake::QuerySortedAsStrings) {
            joined.sort();
        }
        joined.join("&")
    }

    /// Returns the headers sorted, with names in lower case. Values are trimmed and contain single
    /// spaces; the values of one name are joined by commas.
    fn canonical_headers(&self, headers: &Pairs) -> Pairs {
        let mut out: Pairs = Vec::new();
        for (name, value) in headers {
            let name = if self.makes(Mistake::HeaderNameCaseKept) {
                name.clone()
            } else {
                name.to_lowercase()
            };
            let value = if self.makes(Mistake::HeaderNotTrimmed) {
                value.clone()
            } else if self.makes(Mistake::HeaderSpacesKept) {
                value.trim_matches([' ', '\t']).to_owned()
            } else if self.makes(Mistake::HeaderTabsKept) {
                value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
            } else {
                value
                    .split([' ', '\t'])
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let value = match name == "host" && self.makes(Mistake::HostWithoutPort) {
                true => value.split(':').next().unwrap_or_default().to_owned(),
                false => value,
            };
            let separator =
                if self.makes(Mistake::HeaderValuesJoinedWithSpace) { ", " } else { "," };
            match out.iter_mut().find(|(given, _)| *given == name) {
                Some((_, values)) if self.makes(Mistake::HeaderValuesSorted) && value < *values => {
                    *values = format!("{value}{separator}{values}");
                }
                Some((_, values)) => *values = format!("{values}{separator}{value}"),
                None => out.push((name, value)),
            }
        }
        if !self.makes(Mistake::HeaderNotSorted) {
            out.sort();
        }
        out
    }

    fn canonical_request(
        &self,
        case: &Case,
        query: &str,
        headers: &Pairs,
        payload_hash: &str,
    ) -> String {
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let between = if self.makes(Mistake::HeadersWithoutEmptyLine) { "" } else { "\n" };
        format!(
            "{}\n{}\n{query}\n{lines}{between}{}\n{payload_hash}",
            case.method,
            self.canonical_uri(&case.key),
            names(headers)
        )
    }

    fn scope(&self, case: &Case) -> String {
        let day = &case.time.amz[..8];
        let day = if self.makes(Mistake::ScopeWithTime) { &case.time.amz } else { day };
        let service = if self.makes(Mistake::ScopeWithWrongService) { "S3" } else { "s3" };
        match self.makes(Mistake::RegionMissing) {
            true => format!("{day}//{service}/aws4_request"),
            false => format!("{day}/{}/{service}/aws4_request", case.region),
        }
    }

    fn string_to_sign(&self, case: &Case, canonical_request: &str) -> String {
        let hash = match self.makes(Mistake::CanonicalRequestNotHashed) {
            true => canonical_request.to_owned(),
            false => sha256_hex(canonical_request.as_bytes()),
        };
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", case.time.amz, self.scope(case))
    }

    fn signing_key(&self, case: &Case) -> Vec<u8> {
        let prefix = if self.makes(Mistake::SecretWithoutPrefix) { "" } else { "AWS4" };
        let mut parts = vec![
            case.time.amz[..8].to_owned(),
            case.region.clone(),
            "s3".to_owned(),
            "aws4_request".to_owned(),
        ];
        if self.makes(Mistake::KeyPartsSwapped) {
            parts.swap(0, 1);
        }
        let mut key = format!("{prefix}{}", case.secret).into_bytes();
        for part in parts {
            key = hmac_sha256(&key, part.as_bytes());
            if self.makes(Mistake::KeyInHex) {
                key = hex(&key).into_bytes();
            }
        }
        key
    }

    fn mac(&self, case: &Case, string_to_sign: &str) -> String {
        let signature = hex(&hmac_sha256(&self.signing_key(case), string_to_sign.as_bytes()));
        if self.makes(Mistake::SignatureInUpperCase) { signature.to_uppercase() } else { signature }
    }

    fn payload_hash(&self, body: &Body) -> String {
        let hash = match body {
            _ if self.makes(Mistake::PayloadHashOfNothing) => sha256_hex(b""),
            Body::Bytes(bytes) => sha256_hex(bytes),
            Body::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Body::Chunks(..) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
        };
        if self.makes(Mistake::PayloadHashInUpperCase) { hash.to_uppercase() } else { hash }
    }

    /// Signs with version 4 in the `Authorization` header.
    pub fn v4(&self, case: &Case) -> V4 {
        let payload_hash = self.payload_hash(&case.body);
        let mut headers = case.headers.clone();
        headers.push(("x-amz-date".to_owned(), case.time.amz.clone()));
        headers.push(("x-amz-content-sha256".to_owned(), payload_hash.clone()));
        if let Some(token) = &case.token
            && !self.makes(Mistake::TokenMissing)
        {
            headers.push(("x-amz-security-token".to_owned(), token.clone()));
        }
        let headers = self.canonical_headers(&headers);
        let canonical_request = self.canonical_request(
            case,
            &self.canonical_query(&case.query),
            &headers,
            &payload_hash,
        );
        let string_to_sign = self.string_to_sign(case, &canonical_request);
        let signature = self.mac(case, &string_to_sign);
        let sent = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            case.access_key,
            self.scope(case),
            names(&headers)
        );
        let chunks = self.chunks(case, &signature);
        V4 { canonical_request, string_to_sign, signature, sent, chunks }
    }

    /// "Each chunk signature is calculated over the previous signature", the first over the
    /// request's.
    fn chunks(&self, case: &Case, seed: &str) -> Vec<String> {
        let Body::Chunks(data, size) = &case.body else { return Vec::new() };
        let mut signatures = Vec::new();
        let mut previous = seed.to_owned();
        let mut pieces: Vec<&[u8]> = data.chunks(*size).collect();
        pieces.push(b"");
        for piece in pieces {
            let mut signed = piece.to_vec();
            if self.makes(Mistake::ChunkLengthSigned) {
                signed = format!("{:x}\r\n", piece.len()).into_bytes();
                signed.extend_from_slice(piece);
            }
            let string_to_sign = format!(
                "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
                case.time.amz,
                self.scope(case),
                sha256_hex(b""),
                sha256_hex(&signed)
            );
            let signature = self.mac(case, &string_to_sign);
            if !self.makes(Mistake::ChunksNotChained) {
                previous.clone_from(&signature);
            }
            signatures.push(signature);
        }
        signatures
    }

    /// Signs with version 4 in the query; the payload is not signed.
    pub fn v4_presigned(&self, case: &Case, seconds: u64) -> V4 {
        let headers = self.canonical_headers(&case.headers);
        let mut query = case.query.clone();
        let mut add = |name: &str, value: &str| query.push((name.to_owned(), value.to_owned()));
        add("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
        add("X-Amz-Credential", &format!("{}/{}", case.access_key, self.scope(case)));
        add("X-Amz-Date", &case.time.amz);
        if !self.makes(Mistake::PresignedExpiryUnsigned) {
            add("X-Amz-Expires", &seconds.to_string());
        }
        add("X-Amz-SignedHeaders", &names(&headers));
        if let Some(token) = &case.token
            && !self.makes(Mistake::PresignedTokenUnsigned)
            && !self.makes(Mistake::TokenMissing)
        {
            add("X-Amz-Security-Token", token);
        }
        let mut query = self.canonical_query(&query);
        if self.makes(Mistake::PresignedCredentialSlashesKept) {
            query = query.replace("%2F", "/");
        }
        let payload = match self.makes(Mistake::PresignedPayloadHashed) {
            true => sha256_hex(b""),
            false => "UNSIGNED-PAYLOAD".to_owned(),
        };
        let canonical_request = self.canonical_request(case, &query, &headers, &payload);
        let string_to_sign = self.string_to_sign(case, &canonical_request);
        let signature = self.mac(case, &string_to_sign);
        V4 {
            canonical_request,
            string_to_sign,
            sent: format!("{query}&X-Amz-Signature={signature}"),
            signature,
            chunks: Vec::new(),
        }
    }

    /// Signs with version 2 in the `Authorization` header. `bucket` is the bucket that the host
    /// names.
    pub fn v2(&self, case: &Case, bucket: Option<&str>) -> V2 {
        let (string_to_sign, signature) = self.v2_steps(case, bucket, &case.time.http);
        V2 { string_to_sign, sent: format!("AWS {}:{signature}", case.access_key), signature }
    }

    /// Signs with version 2 in the query; the URL expires at the case's time.
    pub fn v2_presigned(&self, case: &Case, bucket: Option<&str>) -> V2 {
        let expires = case.time.unix.to_string();
        let date = if self.makes(Mistake::ExpiresNotSigned) { "" } else { &expires };
        let (string_to_sign, signature) = self.v2_steps(case, bucket, date);
        let mut query: Vec<String> = case
            .query
            .iter()
            .map(|(name, value)| match value.as_str() {
                "" => self.uri_encode(name, false),
                value => {
                    format!("{}={}", self.uri_encode(name, false), self.uri_encode(value, false))
                }
            })
            .collect();
        query.push(format!("AWSAccessKeyId={}", self.uri_encode(&case.access_key, false)));
        query.push(format!("Expires={expires}"));
        if let Some(token) = &case.token {
            query.push(format!("x-amz-security-token={}", self.uri_encode(token, false)));
        }
        query.push(format!("Signature={}", self.uri_encode(&signature, false)));
        V2 { string_to_sign, signature, sent: query.join("&") }
    }

    fn v2_steps(&self, case: &Case, bucket: Option<&str>, date: &str) -> (String, String) {
        let of = |wanted: &str| {
            let found = case.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map_or(String::new(), |(_, value)| value.trim_matches([' ', '\t']).to_owned())
        };
        let has =
            |wanted: &str| case.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        // "If you include the x-amz-date header, use the empty string for the Date". In a URL,
        // Expires is on this line.
        let presigned = date != case.time.http;
        let date = if !presigned && has("x-amz-date") && !self.makes(Mistake::DateBesideAmzDate) {
            String::new()
        } else if !presigned && has("date") {
            of("date")
        } else {
            date.to_owned()
        };
        let mut amz: Pairs = Vec::new();
        let mut headers = case.headers.clone();
        if let Some(token) = &case.token
            && !self.makes(Mistake::TokenMissing)
        {
            headers.push(("x-amz-security-token".to_owned(), token.clone()));
        }
        for (name, value) in headers {
            let lower = name.to_lowercase();
            if !lower.starts_with("x-amz-") || self.makes(Mistake::AmzHeadersLeftOut) {
                continue;
            }
            let name = if self.makes(Mistake::HeaderNameCaseKept) { name } else { lower };
            let value = match self.makes(Mistake::HeaderNotTrimmed) {
                true => value,
                false => value.trim_matches([' ', '\t']).to_owned(),
            };
            match amz.iter_mut().find(|(given, _)| *given == name) {
                Some((_, values)) => *values = format!("{values},{value}"),
                None => amz.push((name, value)),
            }
        }
        if !self.makes(Mistake::HeaderNotSorted) {
            amz.sort();
        }
        let amz: String =
            amz.into_iter().map(|(name, value)| format!("{name}:{value}\n")).collect();

        let mut resource = match bucket {
            Some(bucket) if !self.makes(Mistake::BucketLeftOut) => format!("/{bucket}"),
            _ => String::new(),
        };
        resource += &self.canonical_uri(&case.key);
        let mut signed: Pairs = case
            .query
            .iter()
            .filter(|(name, _)| is_sub_resource(name) || self.makes(Mistake::AllParametersSigned))
            .cloned()
            .collect();
        if !self.makes(Mistake::QueryNotSorted) {
            // Two headers with one name keep their order.
            signed.sort_by(|a, b| a.0.cmp(&b.0));
        }
        if self.makes(Mistake::SubResourceLeftOut) {
            signed.clear();
        }
        let signed: Vec<String> = signed
            .into_iter()
            .map(|(name, value)| match value.as_str() {
                "" => name,
                value if self.makes(Mistake::SubResourceEncoded) => {
                    format!("{name}={}", self.uri_encode(value, false))
                }
                value => format!("{name}={value}"),
            })
            .collect();
        if !signed.is_empty() {
            resource = format!("{resource}?{}", signed.join("&"));
        }
        let string_to_sign = format!(
            "{}\n{}\n{}\n{date}\n{amz}{resource}",
            case.method,
            of("content-md5"),
            of("content-type")
        );
        let mac = hmac(&sha1, 64, case.secret.as_bytes(), string_to_sign.as_bytes());
        let signature = base64(&mac);
        match self.makes(Mistake::SignatureUrlSafe) {
            true => {
                (string_to_sign, signature.replace('+', "-").replace('/', "_").replace('=', ""))
            }
            false => (string_to_sign, signature),
        }
    }
}

/// The sub-resources in three lists, in the order of their sources.
///
/// [AWS's page][v2], "Constructing the CanonicalizedResource Element": "The subresources that must
/// be included when constructing the CanonicalizedResource Element are acl, lifecycle, location,
/// logging, notification, partNumber, policy, requestPayment, uploadId, uploads, versionId,
/// versioning, versions, and website", then the `response-` parameters and "the delete query string
/// parameter"; `torrent` in its older editions.
///
/// [v2]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
pub const SUB_RESOURCES_OF_AWS: &str = "acl lifecycle location logging notification partNumber policy requestPayment \
    uploadId uploads versionId versioning versions website \
    response-content-type response-content-language response-expires response-cache-control \
    response-content-disposition response-content-encoding \
    delete torrent";
/// `QSAOfInterest` of botocore, without those on AWS's page.
pub const SUB_RESOURCES_OF_BOTO: &str = "accelerate cors defaultObjectAcl tagging restore storageClass object-lock \
    replication analytics inventory metrics select select-type";
/// `signed_subresources` of Ceph's RGW, without those in the other lists.
pub const SUB_RESOURCES_OF_CEPH: &str = "encryption policyStatus publicAccessBlock";

pub fn is_sub_resource(name: &str) -> bool {
    sub_resources().any(|listed| listed == name)
}

pub fn sub_resources() -> impl Iterator<Item = &'static str> {
    [SUB_RESOURCES_OF_AWS, SUB_RESOURCES_OF_BOTO, SUB_RESOURCES_OF_CEPH]
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
}

/// Returns the signature of version 4 over a string to sign.
pub fn v4_signature(
    secret: &str,
    day: &str,
    region: &str,
    service: &str,
    string_to_sign: &str,
) -> String {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = hmac_sha256(&key, part.as_bytes());
    }
    hex(&hmac_sha256(&key, string_to_sign.as_bytes()))
}

/// Returns the signature of version 2 over a string to sign.
pub fn v2_signature(secret: &str, string_to_sign: &str) -> String {
    base64(&hmac(&sha1, 64, secret.as_bytes(), string_to_sign.as_bytes()))
}

fn names(headers: &Pairs) -> String {
    headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
}

fn sha256(data: &[u8]) -> Vec<u8> {
    Sha256::digest(data).to_vec()
}

fn sha1(data: &[u8]) -> Vec<u8> {
    Sha1::digest(data).to_vec()
}

pub fn sha256_hex(data: &[u8]) -> String {
    hex(&sha256(data))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(&sha256, 64, key, message)
}

/// RFC 2104 section 2: `H(K XOR opad, H(K XOR ipad, text))`.
fn hmac(hash: &dyn Fn(&[u8]) -> Vec<u8>, block: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = if key.len() > block { hash(key) } else { key.to_vec() };
    key.resize(block, 0);
    let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = hash(&[padded(0x36), message.to_vec()].concat());
    hash(&[padded(0x5c), inner].concat())
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits: u32 =
            (0..3).map(|i| u32::from(group.get(i).copied().unwrap_or(0)) << (16 - 8 * i)).sum();
        for i in 0..4 {
            match i <= group.len() {
                true => out.push(alphabet[(bits >> (18 - 6 * i) & 63) as usize]),
                false => out.push('='),
            }
        }
    }
    out
}
