//! AWS Signature Version 2, S3's first one (HMAC-SHA1), for servers that know nothing newer.
//!
//! Follows [Signing and authenticating REST requests][rest] of the S3 user guide. The page's own "Delete" example signs
//! the value of `x-amz-date` in the place of `Date`; the rule in its text, which servers follow, leaves that line empty.
//!
//! [rest]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
use super::canonical::{Headers, check};
use super::encode::{push_component, query_string};
use super::hash::mac_sha1;
use super::post::{PostForm, PostPolicy, check_base64};
use super::{Credentials, Error, Presigned, Request, Signed, Steps, Version};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The query parameters that belong to the resource and are signed, sorted.
///
/// AWS's page names acl, delete, lifecycle, location, logging, notification, partNumber, policy, requestPayment, uploadId,
/// uploads, versionId, versioning, versions, website and the six `response-` parameters; its older editions torrent too.
/// Boto's list (`HmacV1Auth.QSAOfInterest` in botocore/auth.py) adds accelerate, analytics, cors, defaultObjectAcl,
/// inventory, metrics, object-lock, replication, restore, select, select-type, storageClass and tagging; Ceph's
/// (`signed_subresources` in rgw_auth_s3.cc) encryption, policyStatus and publicAccessBlock. No list holds legal-hold and
/// retention, which came after version 2 had been given up.
///
/// Servers differ only in the rare ones: all agree on those that a registry needs.
pub const SUB_RESOURCES: [&str; 38] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Signs with the `Authorization` header. `host_bucket` is the bucket named by the host (virtual-host style), `None`
/// when it stands in the path.
///
/// The headers to send are `date` (unless the request has `date` or `x-amz-date`), `x-amz-security-token` and
/// `authorization`.
///
/// # Errors
/// [`Error::Invalid`] for parts that cannot be sent as given, an `authorization` header, or a session token in the
/// headers that is not the credentials'.
pub fn sign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    time: Timestamp,
) -> Result<Signed, Error> {
    check(request)?;
    check_access_key(credentials)?;
    let now;
    let mut headers = Headers::collect(request, 2)?;
    // "If you include the x-amz-date header, use the empty string for the Date when constructing the StringToSign."
    let date = match (headers.get("x-amz-date"), headers.get("date")) {
        (Some(_), _) => "",
        (None, Some(date)) => date,
        (None, None) => {
            now = time.http_date();
            headers.add("date", &now)?;
            &now
        }
    };
    if let Some(token) = credentials.session_token() {
        headers.add("x-amz-security-token", token)?;
    }
    let steps = steps(credentials, string_to_sign(request, host_bucket, date, &mut headers));
    let authorization = format!("AWS {}:{}", credentials.access_key_id(), steps.signature);
    Ok(Signed { steps, headers: headers.to_send(authorization) })
}

/// Signs in the query, for a URL that is good until `expires`, at or after the epoch. `content-md5`, `content-type` and
/// `x-amz-*` headers have to be sent as they were signed.
///
/// A session token goes into the query and is signed like a header of that name: Boto sends it so, and Ceph looks for it
/// there (`get_v2_qs_map` in rgw_auth_s3.cc).
///
/// # Errors
/// [`Error::Invalid`] as for [`sign`], for an `expires` before the epoch, or a query that holds one of the signer's own
/// parameters.
pub fn presign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    expires: Timestamp,
) -> Result<Presigned, Error> {
    check(request)?;
    check_access_key(credentials)?;
    if expires.unix() < 0 {
        return Err(Error::Invalid(format!(
            "a presigned URL cannot end at {}: choose a time after 1970",
            expires.iso8601()
        )));
    }
    let own = |name: &str| {
        ["AWSAccessKeyId", "Expires", "Signature"].contains(&name) || name.eq_ignore_ascii_case("x-amz-security-token")
    };
    if let Some((name, _)) = request.query.iter().find(|(name, _)| own(name)) {
        return Err(Error::Invalid(format!("the query holds {name}, which belongs to the signature: leave it out")));
    }
    let mut headers = Headers::collect(request, 1)?;
    let token = credentials.session_token();
    if let Some(token) = token {
        headers.add("x-amz-security-token", token)?;
    }
    let seconds = expires.unix().to_string();
    let steps = steps(credentials, string_to_sign(request, host_bucket, &seconds, &mut headers));

    let mut query = query_string(request.query);
    let token = token.map(|token| ("x-amz-security-token", token));
    for (name, value) in [("AWSAccessKeyId", credentials.access_key_id()), ("Expires", &seconds)]
        .into_iter()
        .chain(token)
        .chain([("Signature", &*steps.signature)])
    {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        push_component(&mut query, value);
    }
    Ok(Presigned { steps, query })
}

/// The form fields of a browser's upload under `policy`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingHTTPPOST.html>). With temporary credentials a condition
/// for `x-amz-security-token` is added.
///
/// # Errors
/// [`Error::Invalid`] for an access key that cannot be sent.
pub fn post_policy(policy: &PostPolicy, credentials: &Credentials) -> Result<PostForm, Error> {
    match credentials.session_token() {
        None => sign_post_policy(&policy.to_base64(), credentials),
        Some(token) => sign_post_policy(&policy.clone().equals("x-amz-security-token", token).to_base64(), credentials),
    }
}

/// The same for a policy document that is finished, in base64, with all conditions in it.
///
/// # Errors
/// As for [`post_policy`], and [`Error::Invalid`] for what is not base64.
pub fn sign_post_policy(policy: &str, credentials: &Credentials) -> Result<PostForm, Error> {
    check_base64(policy)?;
    check_access_key(credentials)?;
    let signature = signature(credentials, policy);
    let mut fields = vec![("AWSAccessKeyId", credentials.access_key_id().to_owned()), ("policy", policy.to_owned())];
    fields.extend(credentials.session_token().map(|token| ("x-amz-security-token", token.to_owned())));
    fields.push(("signature", signature.clone()));
    Ok(PostForm { string_to_sign: policy.to_owned(), signature, fields })
}

/// `HTTP-Verb \n Content-MD5 \n Content-Type \n Date \n CanonicalizedAmzHeaders CanonicalizedResource`
fn string_to_sign(request: &Request<'_>, host_bucket: Option<&str>, date: &str, headers: &mut Headers<'_>) -> String {
    let mut out = String::with_capacity(256 + request.path.len());
    let positional = |name| headers.get(name).unwrap_or_default();
    for line in [request.method, positional("content-md5"), positional("content-type"), date] {
        out.push_str(line.trim_ascii());
        out.push('\n');
    }
    headers.sort();
    for (name, values) in headers.groups().filter(|(name, _)| name.starts_with("x-amz-")) {
        out.push_str(name);
        out.push(':');
        for (number, value) in values.enumerate() {
            if number > 0 {
                out.push(',');
            }
            out.push_str(value.trim_ascii());
        }
        out.push('\n');
    }
    push_resource(&mut out, request, host_bucket);
    out
}

/// The path as sent behind the bucket, however the host names it, and the sub-resources with their values decoded.
fn push_resource(out: &mut String, request: &Request<'_>, host_bucket: Option<&str>) {
    if let Some(bucket) = host_bucket {
        out.push('/');
        out.push_str(bucket);
    }
    out.push_str(request.path);
    let mut signed: Vec<_> =
        request.query.iter().filter(|(name, _)| SUB_RESOURCES.binary_search(name).is_ok()).collect();
    signed.sort_by_key(|(name, _)| *name);
    for (number, (name, value)) in signed.into_iter().enumerate() {
        out.push(if number == 0 { '?' } else { '&' });
        out.push_str(name);
        if !value.is_empty() {
            out.push('=');
            out.push_str(value);
        }
    }
}

fn steps(credentials: &Credentials, string_to_sign: String) -> Steps {
    let signature = signature(credentials, &string_to_sign);
    Steps { version: Version::V2, canonical_request: String::new(), string_to_sign, signature }
}

fn signature(credentials: &Credentials, string_to_sign: &str) -> String {
    STANDARD.encode(mac_sha1(credentials.secret_access_key().as_bytes(), string_to_sign.as_bytes()))
}

fn check_access_key(credentials: &Credentials) -> Result<(), Error> {
    let id = credentials.access_key_id();
    // A colon ends it in the header.
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
        return Err(Error::Invalid(format!(
            "the access key {id:?} cannot stand in a header: use letters, digits and signs other than :"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: Timestamp = Timestamp::from_unix(1_175_024_202);

    fn credentials() -> Credentials {
        Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }

    fn signed(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Signed {
        let request = Request { method: "GET", path: "/b/k", query, headers };
        sign(&request, None, &credentials(), TIME).unwrap()
    }

    #[test]
    fn sub_resources_can_be_searched() {
        assert!(SUB_RESOURCES.is_sorted());
    }

    #[test]
    fn signs_the_sub_resources_alone_sorted_and_decoded() {
        let query = [
            ("uploadId", "a/b+c"),
            ("prefix", "p"),
            ("acl", ""),
            ("partNumber", "7"),
            ("response-content-type", "image/svg+xml"),
            ("versionid", "no"),
        ];
        let text = signed(&[("date", "D")], &query).steps.string_to_sign;
        assert_eq!(text, "GET\n\n\nD\n/b/k?acl&partNumber=7&response-content-type=image/svg+xml&uploadId=a/b+c");
    }

    #[test]
    fn date_is_sent_unless_the_request_has_one() {
        let own = signed(&[], &[]);
        assert_eq!(own.headers[0], ("date", "Tue, 27 Mar 2007 19:36:42 GMT".to_owned()));
        assert_eq!(own.steps.string_to_sign, "GET\n\n\nTue, 27 Mar 2007 19:36:42 GMT\n/b/k");
        let given = signed(&[("Date", "D")], &[]);
        assert_eq!(given.headers.len(), 1);
        assert_eq!(given.steps.string_to_sign, "GET\n\n\nD\n/b/k");
        let amz = signed(&[("Date", "D"), ("X-Amz-Date", "A")], &[]);
        assert_eq!(amz.headers.len(), 1);
        assert_eq!(amz.steps.string_to_sign, "GET\n\n\n\nx-amz-date:A\n/b/k");
    }

    #[test]
    fn amz_headers_are_lowered_sorted_and_joined() {
        let headers = [
            ("Date", "D"),
            ("X-Amz-Meta-B", " 2  2 "),
            ("Content-Type", " text/plain"),
            ("x-amz-meta-b", "1"),
            ("X-AMZ-ACL", "private"),
            ("range", "bytes=0-1"),
            ("content-md5", "m"),
        ];
        assert_eq!(
            signed(&headers, &[]).steps.string_to_sign,
            "GET\nm\ntext/plain\nD\nx-amz-acl:private\nx-amz-meta-b:2  2,1\n/b/k"
        );
    }

    #[test]
    fn a_virtual_host_puts_the_bucket_before_the_path() {
        let request = Request { method: "GET", path: "/", query: &[], headers: &[("date", "D")] };
        let signed = sign(&request, Some("bucket"), &credentials(), TIME).unwrap();
        assert_eq!(signed.steps.string_to_sign, "GET\n\n\nD\n/bucket/");
    }

    #[test]
    fn the_token_is_signed_as_a_header_wherever_it_is_sent() {
        let token = credentials().with_session_token("to/ken");
        let request = Request { method: "GET", path: "/b/k", query: &[("acl", "")], headers: &[("x-amz-acl", "a")] };
        let signed = sign(&request, None, &token, TIME).unwrap();
        assert!(signed.steps.string_to_sign.ends_with("\nx-amz-acl:a\nx-amz-security-token:to/ken\n/b/k?acl"));
        assert!(signed.headers.contains(&("x-amz-security-token", "to/ken".to_owned())));
        let presigned = presign(&request, None, &token, TIME).unwrap();
        assert_eq!(
            presigned.steps.string_to_sign,
            "GET\n\n\n1175024202\nx-amz-acl:a\nx-amz-security-token:to/ken\n/b/k?acl"
        );
        assert!(presigned.query.starts_with(
            "acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175024202&x-amz-security-token=to%2Fken&Signature="
        ));
        let other = Request { headers: &[("x-amz-security-token", "other")], ..request };
        assert!(sign(&other, None, &token, TIME).is_err());
        let form = post_policy(&PostPolicy::new(TIME), &token).unwrap();
        assert!(form.fields.contains(&("x-amz-security-token", "to/ken".to_owned())));
        let named = PostPolicy::new(TIME).equals("x-amz-security-token", "to/ken");
        assert_eq!(form.string_to_sign, named.to_base64());
    }

    #[test]
    fn refuses_contradictions() {
        let request = Request { method: "GET", path: "/", query: &[], headers: &[] };
        assert!(presign(&request, None, &credentials(), Timestamp::from_unix(-1)).is_err());
        assert!(presign(&request, None, &credentials(), Timestamp::from_unix(0)).is_ok());
        for name in ["Signature", "Expires", "AWSAccessKeyId", "X-Amz-Security-Token"] {
            assert!(presign(&Request { query: &[(name, "")], ..request }, None, &credentials(), TIME).is_err());
        }
        assert!(sign(&request, None, &Credentials::new("a:b", "s"), TIME).is_err());
        assert!(sign(&Request { path: "key", ..request }, None, &credentials(), TIME).is_err());
        assert!(sign(&Request { headers: &[("authorization", "x")], ..request }, None, &credentials(), TIME).is_err());
        assert!(sign_post_policy("{}", &credentials()).is_err());
        assert!(sign(&request, None, &credentials().with_session_token("to\r\nken"), TIME).is_err());
    }

    #[test]
    fn debug_hides_signatures_and_tokens() {
        let token = credentials().with_session_token("s3cret");
        let request = Request { method: "GET", path: "/shown", query: &[], headers: &[] };
        let signed = sign(&request, None, &token, TIME).unwrap();
        let presigned = presign(&request, None, &token, TIME).unwrap();
        for text in [format!("{signed:?}"), format!("{presigned:?}")] {
            for secret in [
                "s3cret",
                &*signed.steps.signature,
                &*presigned.steps.signature,
                &*super::super::encode_component(&presigned.steps.signature),
            ] {
                assert!(!text.contains(secret), "{text}");
            }
            assert!(text.contains("shown") && text.contains("redacted"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_and_case_do_not_matter(
            mut query in prop::sample::subsequence(SUB_RESOURCES.to_vec(), 0..6).prop_shuffle(),
            mut headers in prop::sample::subsequence(vec!["x-amz-a", "x-amz-b", "range", "content-type"], 0..4).prop_shuffle(),
        ) {
            let with = |names: &[&'static str]| names.iter().map(|name| (*name, "v")).collect::<Vec<_>>();
            let first = signed(&with(&headers), &with(&query));
            query.sort_unstable();
            headers.sort_unstable();
            let loud: Vec<_> = headers.iter().map(|name| name.to_ascii_uppercase()).collect();
            let loud: Vec<_> = loud.iter().map(|name| (name.as_str(), " v ")).collect();
            prop_assert_eq!(first.steps.string_to_sign, signed(&loud, &with(&query)).steps.string_to_sign);
        }
    }
}
