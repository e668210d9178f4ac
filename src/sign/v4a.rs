//! SigV4A (AWS4-ECDSA-P256-SHA256): signatures that are valid for a set of regions, which
//! Multi-Region Access Points require.
//!
//! The canonical request is the same as in [`v4`](super::v4). The credential scope does not contain
//! a region; instead, the header `x-amz-region-set` or the parameter `X-Amz-Region-Set` lists the
//! regions. The signature is ECDSA over P-256 with a key that is derived from the secret key. AWS
//! regions store only the public key, so the servers of one region cannot sign requests to another.
//! See [AWS SigV4A][page] in the IAM user guide.
//!
//! ```
//! use s3driver::sign::{Credentials, Request, v4, v4a};
//! use s3driver::time::Timestamp;
//!
//! let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let key = v4a::KeyPair::derive(&credentials)?;
//! let request = Request::from_url("GET", "https://mrap.accesspoint.s3-global.amazonaws.com/key")?;
//! let scope = v4a::MultiRegionScope { regions: &["us-east-1", "eu-*"], service: "s3" };
//! let signed = key.sign(&request, v4::Payload::Bytes(b""), scope, Timestamp::from_unix(1_369_353_600))?;
//! assert!(signed.headers.contains(&("x-amz-region-set", "us-east-1,eu-*".to_owned())));
//! # Ok::<(), s3driver::sign::Error>(())
//! ```
//!
//! [page]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
use super::canonical::{Headers, canonical_query, canonical_request};
use super::check::{
    check_credentials, check_request, check_token_service, check_year, is_scope_part,
};
use super::hash::{Hex, hmac_sha256, mac_sha256, sha256};
use super::v4::{Payload, REQUIRED, TERMINATOR, check_expiry, is_s3, path_rule, presigned_headers};
use super::{Credentials, Error, Presigned, Request, Signed, Steps, Version};
use crate::time::Timestamp;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey as PrivateKey, VerifyingKey};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

pub(super) const ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256";

/// The order of P-256 minus two, in big endian (FIPS 186-4, D.1.2.3).
const ORDER_MINUS_TWO: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];

/// The regions and the service for which a signature is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiRegionScope<'a> {
    /// The names of the regions, or patterns with `*`: `us-east-1`, `eu-*`, `*`.
    pub regions: &'a [&'a str],
    /// The service, such as `s3` (see [`v4::Scope`](super::v4::Scope)).
    pub service: &'a str,
}

/// The key pair that is derived from an access key and its secret. It is valid for every day,
/// region and service. Deriving it takes a multiplication on the curve, so clients should keep it.
#[derive(Clone)]
pub struct KeyPair {
    /// The access key and the session token. The secret key is not kept.
    credentials: Credentials,
    private: PrivateKey,
}

impl KeyPair {
    /// Derives the key pair: NIST SP 800-108 in counter mode with HMAC-SHA256 over `"AWS4A" +
    /// secret`, until a candidate plus one is a valid private key.
    ///
    /// # Errors
    /// [`Error::AccessKey`], [`Error::EmptySecret`] and [`Error::SessionToken`] for a value that
    /// cannot be part of a signature.
    pub fn derive(credentials: &Credentials) -> Result<Self, Error> {
        check_credentials(credentials, ',')?;
        let secret = credentials.secret_access_key();
        let mut input = Zeroizing::new(String::with_capacity("AWS4A".len() + secret.len()));
        input.push_str("AWS4A");
        input.push_str(secret);
        let keyed = hmac_sha256(input.as_bytes());
        for counter in 1..=254 {
            // i = 1 || Label || 0x00 || Context (access key and counter) || length of the output in
            // bits
            let context = [credentials.access_key_id().as_bytes(), &[counter]].concat();
            let fixed =
                [&1u32.to_be_bytes(), ALGORITHM.as_bytes(), &[0], &*context, &256u32.to_be_bytes()]
                    .concat();
            let candidate = Zeroizing::new(mac_sha256(&keyed, &fixed));
            if *candidate <= ORDER_MINUS_TWO
                && let Ok(private) = PrivateKey::from_slice(&*plus_one(&candidate))
            {
                return Ok(Self { credentials: credentials.without_secret(), private });
            }
        }

        Err(Error::KeyDerivation)
    }

    /// Returns the public key: the coordinates X and Y of the point, in big endian.
    pub fn public_key(&self) -> ([u8; 32], [u8; 32]) {
        let point = VerifyingKey::from(&self.private).to_sec1_point(false);
        let coordinate =
            |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 32]);
        (coordinate(point.x().map(|x| &**x)), coordinate(point.y().map(|y| &**y)))
    }

    /// Signs with the `Authorization` header. The headers to send are those of
    /// [`v4::sign`](super::v4::sign) and `x-amz-region-set`.
    ///
    /// # Errors
    /// The errors of [`v4::sign`](super::v4::sign), and [`Error::Payload`] for signed chunks, which
    /// this module cannot sign.
    pub fn sign(
        &self,
        request: &Request<'_>,
        payload: Payload<'_>,
        scope: MultiRegionScope<'_>,
        time: Timestamp,
    ) -> Result<Signed, Error> {
        check_request(request)?;
        let regions = self.check_scope(scope, time)?;
        let payload_hash = unchunked(payload)?.hash();
        let amz_date = time.amz_date();
        let mut headers = Headers::collect(request, &REQUIRED, 4)?;
        headers.require("host")?;
        headers.add("x-amz-date", &amz_date)?;
        headers.add("x-amz-region-set", &regions)?;
        if is_s3(scope.service) {
            headers.add("x-amz-content-sha256", &payload_hash)?;
        }

        if let Some((name, token)) = self.credentials.token_header() {
            headers.add(name, token)?;
        }

        headers.sort()?;

        let query = canonical_query(request.query, &[]);
        let canonical = canonical_request(
            request,
            path_rule(request, scope.service)?,
            &query,
            &headers,
            &payload_hash,
        );
        let steps = self.steps(&amz_date, &time.date(), scope.service, canonical);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            self.credentials.access_key_id(),
            steps.scope(),
            steps.signed_headers(),
            steps.signature
        );
        Ok(Signed { headers: headers.to_send(authorization), steps })
    }

    /// Signs a URL, as [`v4::presign`](super::v4::presign) does.
    ///
    /// # Errors
    /// The errors of [`v4::presign`](super::v4::presign), and [`Error::Payload`] for signed chunks,
    /// which this module cannot sign.
    pub fn presign(
        &self,
        request: &Request<'_>,
        payload: Payload<'_>,
        scope: MultiRegionScope<'_>,
        time: Timestamp,
        expires: Duration,
    ) -> Result<Presigned, Error> {
        check_expiry(expires)?;
        check_request(request)?;
        let regions = self.check_scope(scope, time)?;
        let payload_hash = unchunked(payload)?.hash();
        let (amz_date, day) = (time.amz_date(), time.date());
        let headers = presigned_headers(request, &amz_date, scope.service, &payload_hash)?;
        headers.refuse("x-amz-region-set")?;

        let credential =
            [self.credentials.access_key_id(), &day, scope.service, TERMINATOR].join("/");
        let mut signed_headers = String::new();
        headers.push_names(&mut signed_headers);
        let seconds = expires.as_secs().to_string();
        let mut parameters = vec![
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &amz_date),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-Region-Set", &regions),
            ("X-Amz-SignedHeaders", &signed_headers),
        ];
        parameters.extend(self.credentials.token_parameter());
        let mut query = canonical_query(request.query, &parameters);
        let canonical = canonical_request(
            request,
            path_rule(request, scope.service)?,
            &query,
            &headers,
            &payload_hash,
        );
        let steps = self.steps(&amz_date, &day, scope.service, canonical);
        query.push_str("&X-Amz-Signature=");
        query.push_str(&steps.signature);
        Ok(Presigned { steps, query })
    }

    /// Returns whether this key made the DER-encoded signature. SigV4A signatures cannot be
    /// compared because a string to sign has many valid ones.
    pub fn verifies(&self, string_to_sign: &str, signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature).is_ok_and(|signature| {
            VerifyingKey::from(&self.private).verify(string_to_sign.as_bytes(), &signature).is_ok()
        })
    }

    /// Checks the scope, and returns the value of `x-amz-region-set`.
    fn check_scope(&self, scope: MultiRegionScope<'_>, time: Timestamp) -> Result<String, Error> {
        check_year(time)?;
        check_token_service(&self.credentials, scope.service)?;
        if !is_scope_part(scope.service) {
            return Err(Error::Service { service: scope.service.to_owned() });
        }

        match scope.regions.iter().find(|region| !is_scope_part(region)) {
            None if !scope.regions.is_empty() => Ok(scope.regions.join(",")),
            wrong => Err(Error::Region {
                region: wrong.map_or(String::new(), |region| (*region).to_owned()),
            }),
        }
    }

    fn steps(&self, amz_date: &str, day: &str, service: &str, canonical_request: String) -> Steps {
        let steps = steps_to_verify(amz_date, day, service, canonical_request);
        let signature: DerSignature = self.private.sign(steps.string_to_sign.as_bytes());
        Steps { signature: hex::encode(signature.as_bytes()), ..steps }
    }
}

/// Performs tasks 1 and 2, and leaves the signature empty.
pub(super) fn steps_to_verify(
    amz_date: &str,
    day: &str,
    service: &str,
    canonical_request: String,
) -> Steps {
    let hash = Hex::of(&sha256(canonical_request.as_bytes()));
    let scope = [day, service, TERMINATOR].join("/");
    let string_to_sign = [ALGORITHM, amz_date, &scope, hash.as_str()].join("\n");
    Steps { version: Version::V4a, canonical_request, string_to_sign, signature: String::new() }
}

/// Returns whether a region set covers a region. A member of the set is a region's name, or a
/// pattern in which `*` matches any characters.
pub(super) fn set_covers(set: &str, region: &str) -> bool {
    set.split(',').any(|pattern| matches(pattern.trim_ascii(), region))
}

/// Returns whether `pattern`, in which every `*` matches any characters, matches all of `region`.
fn matches(pattern: &str, region: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == region };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let between = region.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    // If the pieces match in this order at all, they match at the first place of each.
    between.is_some_and(|between| {
        middle
            .split('*')
            .try_fold(between, |rest, piece| rest.split_once(piece).map(|(_, after)| after))
            .is_some()
    })
}

/// Rejects signed chunks: version 4 chains them with an HMAC key, which SigV4A does not have.
fn unchunked(payload: Payload<'_>) -> Result<Payload<'_>, Error> {
    match payload {
        Payload::StreamingSigned => {
            Err(Error::Payload { payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" })
        }
        Payload::StreamingSignedTrailer => {
            Err(Error::Payload { payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" })
        }
        other => Ok(other),
    }
}

/// Adds one to a big-endian number, which must not be the largest one.
fn plus_one(number: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut sum = Zeroizing::new(*number);
    for byte in sum.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }

    sum
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("access_key_id", &self.credentials.access_key_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp::from_unix(1_440_938_160);

    fn key() -> KeyPair {
        KeyPair::derive(&Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        ))
        .unwrap()
    }

    /// The expected values are those of the case `get-vanilla` in aws-c-auth's test suite.
    #[test]
    fn the_key_and_the_steps_are_those_of_aws_c_auth() {
        let (x, y) = key().public_key();
        assert_eq!(
            hex::encode(x),
            "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1"
        );
        assert_eq!(
            hex::encode(y),
            "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518"
        );
        let request = Request::new("GET", "/").headers(&[("Host", "example.amazonaws.com")]);
        let scope = MultiRegionScope { regions: &["us-east-1"], service: "service" };
        let signed = key().sign(&request, Payload::Bytes(b""), scope, TIME).unwrap();
        assert_eq!(
            signed.steps.string_to_sign,
            "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/service/aws4_request\n\
             cf59db423e841c8b7e3444158185aa261b724a5c27cbe762676f3eed19f4dc02"
        );
        for (of, signature) in [
            (
                &signed.steps.string_to_sign,
                "3045022018b4e277d0281864beb51d3600e23f88510ea5031d68ddfbb68614b82a5eb7d2022100effb9c5f22ed9ef3ae0ab243d21f06bce82365bbb79529a07b6888c343ae5f8c",
            ),
            (&signed.steps.string_to_sign, &*signed.steps.signature),
        ] {
            assert!(key().verifies(of, &hex::decode(signature).unwrap()));
        }

        let presigned = key()
            .presign(&request, Payload::Bytes(b""), scope, TIME, Duration::from_secs(3600))
            .unwrap();
        assert!(presigned.steps.string_to_sign.ends_with(
            "\n20150830/service/aws4_request\n890c4ed28c1a1ac10b5862719b537afbe392e987dc1aab1efa16fe7de41d3c81"
        ));
        let published = "3045022100b3246f8e1442dd58e73292ae1294720c3256ee58f6cea50f3a3f83b4a4b0331a0220329693f7745c9008a5887c0529ceccb0fae4e16d707b712ea66acdbaf963769a";
        assert!(key().verifies(&presigned.steps.string_to_sign, &hex::decode(published).unwrap()));
        assert!(!key().verifies(&signed.steps.string_to_sign, &hex::decode(published).unwrap()));
        assert!(!key().verifies(&signed.steps.string_to_sign, b""));
    }

    #[test]
    fn scopes_and_payloads_that_cannot_be_signed_are_refused() {
        let request = Request::new("GET", "/").headers(&[("Host", "h")]);
        let refused = |regions: &[&str], service, payload| {
            key().sign(&request, payload, MultiRegionScope { regions, service }, TIME).unwrap_err()
        };

        assert_eq!(refused(&[], "s3", Payload::Unsigned), Error::Region { region: String::new() });
        assert_eq!(
            refused(&["a", "b,c"], "s3", Payload::Unsigned),
            Error::Region { region: "b,c".into() }
        );
        assert_eq!(
            refused(&["a"], "s/3", Payload::Unsigned),
            Error::Service { service: "s/3".into() }
        );
        for payload in [Payload::StreamingSigned, Payload::StreamingSignedTrailer] {
            assert!(matches!(refused(&["a"], "s3", payload), Error::Payload { .. }));
        }
    }

    /// S3 takes the hash of a presigned body from the header, and assumes an unsigned body without
    /// it.
    #[test]
    fn a_presigned_body_for_s3_needs_its_hash_in_a_header() {
        let hash = hex::encode(sha256(b"body"));
        let hashed = [("host", "h"), ("x-amz-content-sha256", &*hash)];
        let presign = |headers: &[(&str, &str)], payload| {
            let request = Request::new("PUT", "/k").headers(headers);
            let scope = MultiRegionScope { regions: &["us-east-1"], service: "s3" };
            key().presign(&request, payload, scope, TIME, Duration::from_secs(60))
        };

        assert_eq!(
            presign(&hashed[..1], Payload::Bytes(b"body")).unwrap_err(),
            Error::MissingHeader { name: "x-amz-content-sha256" }
        );
        presign(&hashed, Payload::Bytes(b"body")).unwrap();
        presign(&hashed[..1], Payload::Unsigned).unwrap();
    }

    #[test]
    fn a_verified_signature_and_an_explained_one_are_of_this_version() {
        use crate::sign::explain::{Cause, Explanation, ServerSide, compare};
        use crate::sign::verify::{Content, Verifier};
        let host = [("host", "example.amazonaws.com")];
        let request = Request::new("GET", "/").headers(&host);
        let scope = MultiRegionScope { regions: &["us-east-1"], service: "s3" };
        let signed = key().sign(&request, Payload::Bytes(b""), scope, TIME).unwrap();
        let sent = signed.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let sent: Vec<_> = host.into_iter().chain(sent).collect();
        let keys =
            |id: &str| Some(Credentials::new(id, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
        let verified = Verifier::new(&keys, TIME)
            .verify(&Request::new("GET", "/").headers(&sent), Content::Bytes(b""))
            .unwrap();
        assert_eq!(verified.steps.signature, signed.steps.signature);

        // The third line is the scope, which does not contain a region in this version.
        let ours = &signed.steps;
        let theirs = ours.string_to_sign.replace("/s3/", "/sts/");
        let server = ServerSide { string_to_sign: Some(&theirs), ..ServerSide::default() };
        let explained =
            Explanation::v4a(&ours.canonical_request, &ours.string_to_sign, &ours.signature);
        assert_eq!(compare(&explained, &server).cause(), Cause::WrongService);
    }

    #[test]
    fn a_set_covers_its_members_and_patterns() {
        for (set, region, covered) in [
            ("us-east-1", "us-east-1", true),
            ("us-east-1", "us-east-2", false),
            ("a, us-east-1", "us-east-1", true),
            ("*", "anything", true),
            ("us-*", "us-east-1", true),
            ("us-*-1", "us-east-1", true),
            ("us-*-1", "us-1", false),
            ("us-*", "eu-west-1", false),
            ("*-east-*", "us-east-1", true),
            ("*-east-*", "us-west-1", false),
            ("u*-*s*-1", "us-east-1", true),
            ("u*t-*s*-1", "us-east-1", false),
            ("us-*-east-*-1", "us-east-1", false),
            ("**", "us-east-1", true),
            ("*us-east-1*", "us-east-1", true),
            ("", "us-east-1", false),
        ] {
            assert_eq!(set_covers(set, region), covered, "{set} {region}");
        }
    }

    #[test]
    fn plus_one_carries() {
        let mut number = [0; 32];
        number[30..].copy_from_slice(&[7, 0xff]);
        assert_eq!(plus_one(&number)[30..], [8, 0]);
        assert_eq!(format!("{:?}", key()), "KeyPair { access_key_id: \"AKIDEXAMPLE\", .. }");
    }
}
