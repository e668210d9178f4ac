//! Compares the signer with the results of aws-c-auth's suite, for clones without its folder: every
//! signature of version 4, and with the feature `sigv4a` every canonical request and a published
//! signature of SigV4A. `vectors.rs` compares the text of each step.

use crate::suite::published::{ACCESS_KEY, PUBLISHED, Published, SECRET};
use crate::suite::{Case, borrowed, sha256_hex};
use s3driver::sign::{Credentials, v4};
use s3driver::time::Timestamp;
use std::time::Duration;

const TIME: Timestamp = Timestamp::from_unix(1_440_938_160);
const HOUR: Duration = Duration::from_secs(3600);

fn credentials(published: &Published) -> Credentials {
    let credentials = Credentials::new(ACCESS_KEY, SECRET);
    match published.token {
        Some(token) => credentials.with_session_token(token),
        None => credentials,
    }
}

/// Returns the header that the suite adds if it signs the body.
fn body_header(case: &Case, published: &Published) -> Option<String> {
    published.signs_body.then(|| sha256_hex(case.body.as_bytes()))
}

#[test]
fn version_4_signatures_equal_the_published_ones() {
    let scope = v4::Scope { region: "us-east-1", service: "service" };
    for published in PUBLISHED {
        let case = Case::read(published.request, published.normalizes);
        let body = if published.signs_body { case.body.as_bytes() } else { b"" };
        let key = v4::SigningKey::derive(&credentials(published), TIME, scope).unwrap();
        let (query, mut headers) = (borrowed(&case.query), borrowed(&case.headers));
        let request = case.parts().query(&query).headers(&headers);
        let presigned = key.presign(&request, v4::Payload::Bytes(body), TIME, HOUR).unwrap();
        assert_eq!(presigned.steps.signature, published.query, "{}, query", published.name);
        let hash = body_header(&case, published);
        headers.extend(hash.iter().map(|hash| ("x-amz-content-sha256", hash.as_str())));
        let request = case.parts().query(&query).headers(&headers);
        let signed = key.sign(&request, v4::Payload::Bytes(body), TIME).unwrap();
        assert_eq!(signed.steps.signature, published.header, "{}, header", published.name);
    }
    assert_eq!(PUBLISHED.len(), 38);
}

#[cfg(feature = "sigv4a")]
#[test]
fn sigv4a_requests_equal_the_published_ones() {
    use s3driver::sign::verify::{Content, Verifier};
    use s3driver::sign::{Version, v4a};
    let scope = v4a::MultiRegionScope { regions: &["us-east-1"], service: "service" };
    for published in PUBLISHED {
        let case = Case::read(published.request, published.normalizes);
        let body = if published.signs_body { case.body.as_bytes() } else { b"" };
        let key = v4a::KeyPair::derive(&credentials(published)).unwrap();
        let (query, mut headers) = (borrowed(&case.query), borrowed(&case.headers));
        let request = case.parts().query(&query).headers(&headers);
        let presigned = key.presign(&request, v4::Payload::Bytes(body), scope, TIME, HOUR).unwrap();
        assert_eq!(
            presigned.steps.canonical_request_hash(),
            published.v4a_query_hash,
            "{}, query",
            published.name
        );
        let hash = body_header(&case, published);
        headers.extend(hash.iter().map(|hash| ("x-amz-content-sha256", hash.as_str())));
        let request = case.parts().query(&query).headers(&headers);
        let signed = key.sign(&request, v4::Payload::Bytes(body), scope, TIME).unwrap();
        assert_eq!(
            signed.steps.canonical_request_hash(),
            published.v4a_header_hash,
            "{}, header",
            published.name
        );
        let signature = hex::decode(published.v4a_header).unwrap();
        assert!(key.verifies(&signed.steps.string_to_sign, &signature), "{}", published.name);

        // The published signature in a request, as a server receives it.
        let authorization = format!(
            "AWS4-ECDSA-P256-SHA256 Credential={ACCESS_KEY}/{}, SignedHeaders={}, Signature={}",
            signed.steps.scope(),
            signed.steps.signed_headers(),
            published.v4a_header
        );
        let added = signed.headers.iter().filter(|(name, _)| *name != "authorization");
        headers.extend(added.map(|(name, value)| (*name, value.as_str())));
        headers.push(("authorization", &authorization));
        let keys = |id: &str| (id == ACCESS_KEY).then(|| credentials(published));
        let verifier = Verifier::new(&keys, TIME).service("service").region("us-east-1");
        let request = case.parts().query(&query).headers(&headers);
        let signed_by = verifier.verify(&request, Content::Bytes(body)).unwrap();
        assert_eq!(
            (signed_by.version, &*signed_by.region),
            (Version::V4a, "us-east-1"),
            "{}",
            published.name
        );
        assert!(verifier.verify(&request.method("PATCH"), Content::Bytes(body)).is_err());
        assert!(verifier.region("us-east-2").verify(&request, Content::Bytes(body)).is_err());
    }
}
