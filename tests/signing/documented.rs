//! Tests the worked examples on AWS's own pages, which every clone of the repository can verify.
//!
//! Version 4 (S3 API reference): sig-v4-header-based-auth, sigv4-query-string-auth,
//! sigv4-streaming, sigv4-streaming-trailers, sigv4-post-example. Version 2 (S3 user guide, current
//! text with the bucket awsexamplebucket1 and older one with johnsmith): RESTAuthentication,
//! HTTPPOSTExamples.
use base64::Engine as _;
use s3driver::sign::chunked::{ChunkSigner, Layout, Trailer, TrailerChecksum};
use s3driver::sign::{Credentials, PostForm, Request, Signed, v2, v4};
use s3driver::time::Timestamp;
use std::io::Read;
use std::time::Duration;

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

/// `Fri, 24 May 2013 00:00:00 GMT`, the time of all version 4 examples except the form.
const TIME: Timestamp = Timestamp::from_unix(1_369_353_600);
const SCOPE: v4::Scope<'static> = v4::Scope { region: "us-east-1", service: "s3" };
const EXAMPLE_HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

fn header(headers: &[(&'static str, String)], name: &str) -> String {
    headers
        .iter()
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value.clone())
        .expect("the header is sent")
}

/// Signs the request, and compares the hash of the canonical request (the last line of the string
/// to sign) and the signature.
fn v4_example(request: &Request<'_>, body: &[u8], hash: &str, signature: &str) -> Signed {
    let signed = v4::sign(request, v4::Payload::Bytes(body), &credentials(), SCOPE, TIME).unwrap();
    assert_eq!(
        signed.steps.string_to_sign,
        format!("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{hash}")
    );
    assert_eq!(signed.steps.signature, signature);
    signed
}

#[test]
fn v4_get_object() {
    let request = Request::new("GET", "/test.txt").headers(&[EXAMPLE_HOST, ("Range", "bytes=0-9")]);
    let signed = v4_example(
        &request,
        b"",
        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    assert_eq!(
        signed.steps.canonical_request,
        "GET\n\
         /test.txt\n\
         \n\
         host:examplebucket.s3.amazonaws.com\n\
         range:bytes=0-9\n\
         x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         x-amz-date:20130524T000000Z\n\
         \n\
         host;range;x-amz-content-sha256;x-amz-date\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        header(&signed.headers, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
}

#[test]
fn v4_put_object() {
    let path = format!("/{}", s3driver::sign::encode_path("test$file.text"));
    let headers = [
        ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
        EXAMPLE_HOST,
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ];
    let signed = v4_example(
        &Request::new("PUT", &path).headers(&headers),
        b"Welcome to Amazon S3.",
        "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    assert_eq!(
        header(&signed.headers, "x-amz-content-sha256"),
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    );
}

#[test]
fn v4_get_bucket_lifecycle() {
    v4_example(
        &Request::new("GET", "/").query(&[("lifecycle", "")]).headers(&[EXAMPLE_HOST]),
        b"",
        "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
}

#[test]
fn v4_list_objects() {
    v4_example(
        &Request::new("GET", "/")
            .query(&[("prefix", "J"), ("max-keys", "2")])
            .headers(&[EXAMPLE_HOST]),
        b"",
        "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
}

#[test]
fn v4_presigned_url() {
    let request = Request::new("GET", "/test.txt").headers(&[EXAMPLE_HOST]);
    let presigned = v4::presign(
        &request,
        v4::Payload::Unsigned,
        &credentials(),
        SCOPE,
        TIME,
        Duration::from_secs(86_400),
    )
    .unwrap();
    assert_eq!(
        presigned.steps.string_to_sign.lines().last(),
        Some("3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04")
    );
    assert_eq!(
        presigned.steps.signature,
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
    assert_eq!(
        presigned.query,
        "X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}

/// The body of both streaming examples: 65 KiB of the letter `a`, in chunks of 64 KiB and 1 KiB.
static STREAMED: [u8; 66_560] = [b'a'; 66_560];

/// Signs the seed and returns the framed body, whose length must be known in advance.
fn streamed(
    layout: &Layout,
    seed: &str,
    extra: &[(&str, &str)],
    checksum: Option<Box<dyn TrailerChecksum>>,
) -> String {
    let framing = layout.headers();
    let mut headers =
        vec![("host", "s3.amazonaws.com"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    headers.extend_from_slice(extra);
    headers.extend(framing.iter().map(|(name, value)| (*name, value.as_str())));
    let request = Request::new("PUT", "/examplebucket/chunkObject.txt").headers(&headers);
    let key = v4::SigningKey::derive(&credentials(), TIME, SCOPE).unwrap();
    let signed = key.sign(&request, layout.payload(), TIME).unwrap();
    assert_eq!(signed.steps.signature, seed);
    let signer = ChunkSigner::new(&key, TIME, &signed.steps.signature).unwrap();
    let mut wire = String::new();
    layout.signed_body(&STREAMED[..], signer, checksum).unwrap().read_to_string(&mut wire).unwrap();
    assert_eq!(wire.len() as u64, layout.encoded_length());
    wire
}

#[test]
fn v4_chunked_upload() {
    let layout = Layout::signed(66_560);
    assert_eq!(layout.encoded_length(), 66_824);
    let wire = streamed(
        &layout,
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        &[("content-length", "66824")],
        None,
    );
    let expected = format!(
        "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n{}\r\n\
         400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n{}\r\n\
         0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
        "a".repeat(65_536),
        "a".repeat(1024)
    );
    assert!(wire == expected, "the framed body is the documented one");
}

/// A bitwise CRC-32C, to verify that the documented trailer belongs to the documented body.
struct Crc32c(u32);

impl TrailerChecksum for Crc32c {
    fn update(&mut self, data: &[u8]) {
        for byte in data {
            self.0 ^= u32::from(*byte);
            for _ in 0..8 {
                self.0 = (self.0 >> 1) ^ (0x82f6_3b78 * (self.0 & 1));
            }
        }
    }
    fn finish(&mut self) -> String {
        base64::engine::general_purpose::STANDARD.encode((!self.0).to_be_bytes())
    }
}

// The page states 66824 as the length of this body too, but the body that it describes has 66946
// bytes.
#[test]
fn v4_chunked_upload_with_trailer() {
    let layout =
        Layout::signed_with_trailer(66_560, Trailer::new("x-amz-checksum-crc32c", 8).unwrap());
    assert_eq!(layout.encoded_length(), 66_946);
    let wire = streamed(
        &layout,
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        &[],
        Some(Box::new(Crc32c(!0))),
    );
    let expected = format!(
        "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n{}\r\n\
         400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n{}\r\n\
         0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n\
         x-amz-checksum-crc32c:sOO8/Q==\r\n\
         x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
        "a".repeat(65_536),
        "a".repeat(1024)
    );
    assert!(wire == expected, "the framed body is the documented one");
}

fn field<'a>(form: &'a PostForm, name: &str) -> &'a str {
    form.fields
        .iter()
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value.as_str())
        .expect("the field exists")
}

#[test]
fn v4_post_policy() {
    let policy = [
        r#"{ "expiration": "2015-12-30T12:00:00.000Z","#,
        r#"  "conditions": ["#,
        r#"    {"bucket": "sigv4examplebucket"},"#,
        r#"    ["starts-with", "$key", "user/user1/"],"#,
        r#"    {"acl": "public-read"},"#,
        r#"    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},"#,
        r#"    ["starts-with", "$Content-Type", "image/"],"#,
        r#"    {"x-amz-meta-uuid": "14365123651274"},"#,
        r#"    {"x-amz-server-side-encryption": "AES256"},"#,
        r#"    ["starts-with", "$x-amz-meta-tag", ""],"#,
        r#""#,
        r#"    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},"#,
        r#"    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},"#,
        r#"    {"x-amz-date": "20151229T000000Z" }"#,
        r#"  ]"#,
        r#"}"#,
    ]
    .join("\r\n");
    let time = Timestamp::parse_amz_date("20151229T000000Z").unwrap();
    let policy = base64::engine::general_purpose::STANDARD.encode(policy);
    let form = v4::sign_post_policy(&policy, &credentials(), SCOPE, time).unwrap();
    assert_eq!(form.signature, "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e");
    assert_eq!(field(&form, "policy"), policy);
    assert_eq!(field(&form, "x-amz-algorithm"), "AWS4-HMAC-SHA256");
    assert_eq!(
        field(&form, "x-amz-credential"),
        "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"
    );
    assert_eq!(field(&form, "x-amz-date"), "20151229T000000Z");
    assert_eq!(field(&form, "x-amz-signature"), form.signature);
}

fn v2_example(request: &Request<'_>, bucket: Option<&str>, string_to_sign: &str, signature: &str) {
    let signed = v2::sign(request, bucket, &credentials(), Timestamp::from_unix(0)).unwrap();
    assert_eq!(signed.steps.string_to_sign, string_to_sign);
    assert_eq!(signed.steps.signature, signature);
    assert_eq!(
        signed.headers,
        [("authorization", format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}"))]
    );
}

#[test]
fn v2_object_get() {
    let headers = [("Date", "Tue, 27 Mar 2007 19:36:42 +0000")];
    let request = Request::new("GET", "/photos/puppy.jpg").headers(&headers);
    for (bucket, signature) in [
        ("awsexamplebucket1", "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
        ("johnsmith", "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
    ] {
        let text = format!("GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/{bucket}/photos/puppy.jpg");
        v2_example(&request, Some(bucket), &text, signature);
    }
}

#[test]
fn v2_object_put() {
    let headers = [
        ("Content-Type", "image/jpeg"),
        ("Content-Length", "94328"),
        ("Date", "Tue, 27 Mar 2007 21:15:45 +0000"),
    ];
    let request = Request::new("PUT", "/photos/puppy.jpg").headers(&headers);
    for (bucket, signature) in [
        ("awsexamplebucket1", "iqRzw+ileNPu1fhspnRs8nOjjIA="),
        ("johnsmith", "MyyxeRY7whkBe+bq8fHCL/2kKUg="),
    ] {
        let text = format!(
            "PUT\n\nimage/jpeg\nTue, 27 Mar 2007 21:15:45 +0000\n/{bucket}/photos/puppy.jpg"
        );
        v2_example(&request, Some(bucket), &text, signature);
    }
}

#[test]
fn v2_list() {
    let headers = [("User-Agent", "Mozilla/5.0"), ("Date", "Tue, 27 Mar 2007 19:42:41 +0000")];
    let query = [("prefix", "photos"), ("max-keys", "50"), ("marker", "puppy")];
    let request = Request::new("GET", "/").query(&query).headers(&headers);
    for (bucket, signature) in [
        ("awsexamplebucket1", "m0WP8eCtspQl5Ahe6L1SozdX9YA="),
        ("johnsmith", "htDYFYduRNen8P9ZfE/s9SuKy0U="),
    ] {
        v2_example(
            &request,
            Some(bucket),
            &format!("GET\n\n\nTue, 27 Mar 2007 19:42:41 +0000\n/{bucket}/"),
            signature,
        );
    }
}

#[test]
fn v2_fetch() {
    let headers = [("Date", "Tue, 27 Mar 2007 19:44:46 +0000")];
    let request = Request::new("GET", "/").query(&[("acl", "")]).headers(&headers);
    for (bucket, signature) in [
        ("awsexamplebucket1", "82ZHiFIjc+WbcwFKGUVEQspPn+0="),
        ("johnsmith", "c2WLPFtWHVgbEmeEG93a4cG37dM="),
    ] {
        v2_example(
            &request,
            Some(bucket),
            &format!("GET\n\n\nTue, 27 Mar 2007 19:44:46 +0000\n/{bucket}/?acl"),
            signature,
        );
    }
}

// The page shows `x-amz-date` in addition to `Date` here, but its signature is that of the `Date`
// line alone.
#[test]
fn v2_delete() {
    let headers = [("User-Agent", "dotnet"), ("Date", "Tue, 27 Mar 2007 21:20:26 +0000")];
    for (bucket, signature) in [
        ("awsexamplebucket1", "XbyTlbQdu9Xw5o8P4iMwPktxQd8="),
        ("johnsmith", "lx3byBScXR6KzyMaifNkardMwNk="),
    ] {
        let path = format!("/{bucket}/photos/puppy.jpg");
        let request = Request::new("DELETE", &path).headers(&headers);
        v2_example(
            &request,
            None,
            &format!("DELETE\n\n\nTue, 27 Mar 2007 21:20:26 +0000\n{path}"),
            signature,
        );
    }
}

#[test]
fn v2_upload() {
    for (domain, signature) in [
        ("example.com", "jtBQa0Aq+DkULFI8qrpwIjGEx0E="),
        ("johnsmith.net", "ilyl83RwaSoYIEdixDQcA4OnAnc="),
    ] {
        let (joe, jane) = (format!("joe@{domain}"), format!("jane@{domain}"));
        let (bucket, host) = (format!("static.{domain}"), format!("static.{domain}:8080"));
        let headers = [
            ("User-Agent", "curl/7.15.5"),
            ("Host", &*host),
            ("Date", "Tue, 27 Mar 2007 21:06:08 +0000"),
            ("x-amz-acl", "public-read"),
            ("content-type", "application/x-download"),
            ("Content-MD5", "4gJE4saaMU4BqNR0kLY+lw=="),
            ("X-Amz-Meta-ReviewedBy", &*joe),
            ("X-Amz-Meta-ReviewedBy", &*jane),
            ("X-Amz-Meta-FileChecksum", "0x02661779"),
            ("X-Amz-Meta-ChecksumAlgorithm", "crc32"),
            ("Content-Disposition", "attachment; filename=database.dat"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "5913339"),
        ];
        let text = format!(
            "PUT\n4gJE4saaMU4BqNR0kLY+lw==\napplication/x-download\nTue, 27 Mar 2007 21:06:08 +0000\n\
             x-amz-acl:public-read\nx-amz-meta-checksumalgorithm:crc32\nx-amz-meta-filechecksum:0x02661779\n\
             x-amz-meta-reviewedby:{joe},{jane}\n/{bucket}/db-backup.dat.gz"
        );
        let request = Request::new("PUT", "/db-backup.dat.gz").headers(&headers);
        v2_example(&request, Some(&bucket), &text, signature);
    }
}

#[test]
fn v2_list_all_my_buckets() {
    let headers = [("Date", "Wed, 28 Mar 2007 01:29:59 +0000")];
    let request = Request::new("GET", "/").headers(&headers);
    v2_example(
        &request,
        None,
        "GET\n\n\nWed, 28 Mar 2007 01:29:59 +0000\n/",
        "qGdzdERIC03wnaRNKh6OqZehG9s=",
    );
}

// Signed as sent, including lower-case hex.
#[test]
fn v2_unicode_keys() {
    let headers = [("Date", "Wed, 28 Mar 2007 01:49:49 +0000")];
    let path = "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re";
    let request = Request::new("GET", path).headers(&headers);
    let text = format!("GET\n\n\nWed, 28 Mar 2007 01:49:49 +0000\n{path}");
    v2_example(&request, None, &text, "DNEZGsoieTZ92F3bUfSPQcbGmlM=");
}

// The page's current text names a different bucket than the one whose signature it kept, so the
// older text is used. These are the examples of the documentation's older editions, with their key.
#[test]
fn v2_examples_of_older_editions() {
    let older =
        Credentials::new("0PN5J17HBGZHT7JJ3X82", "uV3F3YluFJax1cknvbcGwgjvx4QpvB+leU8dUj2o");
    let signed = |(method, path): (&str, &str), bucket, query: &[_], headers: &[_]| {
        let request = Request::new(method, path).query(query).headers(headers);
        v2::sign(&request, bucket, &older, Timestamp::from_unix(0)).unwrap().steps.signature
    };
    let (johnsmith, puppy) = (Some("johnsmith"), "/photos/puppy.jpg");
    let date = ("Date", "Tue, 27 Mar 2007 19:36:42 +0000");
    assert_eq!(signed(("GET", puppy), johnsmith, &[], &[date]), "xXjDGYUmKxnwqr5KXNPGldn5LbA=");
    let put = [("Content-Type", "image/jpeg"), ("Date", "Tue, 27 Mar 2007 21:15:45 +0000")];
    assert_eq!(signed(("PUT", puppy), johnsmith, &[], &put), "hcicpDDvL9SsO6AkvxqmIWkmOuQ=");
    let (query, date) =
        ([("prefix", "photos"), ("max-keys", "50")], ("Date", "Tue, 27 Mar 2007 19:42:41 +0000"));
    assert_eq!(signed(("GET", "/"), johnsmith, &query, &[date]), "jsRt/rhG+Vtp88HrYL706QhE4w4=");
    let date = ("Date", "Tue, 27 Mar 2007 19:44:46 +0000");
    assert_eq!(
        signed(("GET", "/"), johnsmith, &[("acl", "")], &[date]),
        "thdUi9VAkzhkniLj96JIrOPGi0g="
    );
    let upload = [
        ("Date", "Tue, 27 Mar 2007 21:06:08 +0000"),
        ("x-amz-acl", "public-read"),
        ("content-type", "application/x-download"),
        ("Content-MD5", "4gJE4saaMU4BqNR0kLY+lw=="),
        ("X-Amz-Meta-ReviewedBy", "joe@johnsmith.net,jane@johnsmith.net"),
        ("X-Amz-Meta-FileChecksum", "0x02661779"),
        ("X-Amz-Meta-ChecksumAlgorithm", "crc32"),
        ("Content-Encoding", "gzip"),
    ];
    let backup = ("PUT", "/db-backup.dat.gz");
    assert_eq!(
        signed(backup, Some("static.johnsmith.net"), &[], &upload),
        "C0FlOtU8Ylb9KDTpZqYkZPX91iI="
    );
    let date = ("Date", "Wed, 28 Mar 2007 01:29:59 +0000");
    assert_eq!(signed(("GET", "/"), None, &[], &[date]), "Db+gepJSUbZKwpx1FR0DLtEYoZA=");
    let (path, date) = (
        "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
        ("Date", "Wed, 28 Mar 2007 01:49:49 +0000"),
    );
    assert_eq!(signed(("GET", path), None, &[], &[date]), "dxhSBHoI6eVSPcXJqEghlUzZMnY=");
}

#[test]
fn v2_query_string_authentication() {
    let request = Request::new("GET", "/photos/puppy.jpg");
    let expires = Timestamp::from_unix(1_175_139_620);
    let presigned = v2::presign(&request, Some("johnsmith"), &credentials(), expires).unwrap();
    assert_eq!(presigned.steps.string_to_sign, "GET\n\n\n1175139620\n/johnsmith/photos/puppy.jpg");
    assert_eq!(presigned.steps.signature, "NpgCjnDzrM+WFzoENXmpNDUsSn8=");
    assert_eq!(
        presigned.query,
        "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D"
    );

    let older =
        Credentials::new("44CF9590006BF252F707", "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV");
    let request = Request::new("GET", "/quotes/nelson");
    let presigned =
        v2::presign(&request, None, &older, Timestamp::from_unix(1_141_889_120)).unwrap();
    assert_eq!(presigned.steps.signature, "vjbyPxybdZaNmGa+yT272YEAiv4=");
}

#[test]
fn v2_post_policies() {
    let older =
        Credentials::new("AKIAIOSFODNN7EXAMPLE", "uV3F3YluFJax1cknvbcGwgjvx4QpvB+leU8dUj2o");
    for (redirect, content_type, signature) in [
        (
            "successful_upload.html",
            r#"["starts-with", "$Content-Type", "image/"]"#,
            "0RavWzkygo6QX9caELEqKi9kDbU=",
        ),
        // The page prints `F` as the last digit: the same bytes, with non-zero padding bits.
        (
            "new_post.html",
            r#"["eq", "$Content-Type", "text/html"]"#,
            "qA7FWXKq6VvU68lI9KdveT1cWgE=",
        ),
    ] {
        let policy = format!(
            r#"{{ "expiration": "2007-12-01T12:00:00.000Z",
  "conditions": [
    {{"bucket": "johnsmith"}},
    ["starts-with", "$key", "user/eric/"],
    {{"acl": "public-read"}},
    {{"success_action_redirect": "http://johnsmith.s3.amazonaws.com/{redirect}"}},
    {content_type},
    {{"x-amz-meta-uuid": "14365123651274"}},
    ["starts-with", "$x-amz-meta-tag", ""]
  ]
}}
"#
        );
        let policy = base64::engine::general_purpose::STANDARD.encode(policy);
        let form = v2::sign_post_policy(&policy, &older).unwrap();
        assert_eq!(form.signature, signature);
        assert_eq!(field(&form, "AWSAccessKeyId"), "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(field(&form, "policy"), policy);
        assert_eq!(field(&form, "signature"), signature);
    }
}
