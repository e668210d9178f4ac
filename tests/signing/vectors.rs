//! Tests published and computed signing cases, which are read from the folder that
//! `S3DRIVER_VECTORS` names.
//!
//! `sigv4/aws-c-auth` is the suite of aws-c-auth (one folder per case); `sigv4/s3-doc.json` and
//! `sigv2/s3-doc.json` contain the examples on AWS's S3 pages and similar ones. The examples on
//! AWS's pages are also in `documented.rs`, for clones without this folder.

use crate::suite::{Case, borrowed, query_pairs, sha256_hex};
use s3driver::sign::chunked::{ChunkSigner, Layout, Trailer, TrailerChecksum};
use s3driver::sign::verify::{Content, Form, Verifier};
use s3driver::sign::{Credentials, Request, Signed, v2, v4};
use s3driver::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn folder(below: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("S3DRIVER_VECTORS") else {
        println!("skipped: S3DRIVER_VECTORS does not name a folder with signing vectors");
        return None;
    };
    Some(Path::new(&folder).join(below))
}

fn text<'a>(case: &'a Value, pointer: &str) -> &'a str {
    case.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} is a string in {case}"))
}

fn credentials(case: &Value) -> Credentials {
    Credentials::new(text(case, "/access_key"), text(case, "/secret_key"))
}

fn pairs(list: &Value) -> Vec<(String, String)> {
    let string = |v: &Value| v.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|pair| (string(&pair[0]), string(&pair[1]))).collect()
}

fn sent<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
}

/// Asserts that the signed request verifies, and that it does not with a different method.
fn verifies(
    request: &Request<'_>,
    other_method: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    service: &str,
    (now, bucket): (Timestamp, Option<&str>),
) {
    let keys = |id: &str| (id == credentials.access_key_id()).then(|| credentials.clone());
    let verifier = Verifier::new(&keys, now).service(service).host_bucket(bucket);
    verifier.verify(request, content).unwrap_or_else(|refusal| panic!("{refusal}: {request:?}"));
    assert!(verifier.verify(other_method, content).is_err());
}

/// Returns the given headers and those that the signer added.
fn complete<'a>(given: &[(&'a str, &'a str)], signed: &'a Signed) -> Vec<(&'a str, &'a str)> {
    given
        .iter()
        .copied()
        .chain(signed.headers.iter().map(|(name, value)| (*name, value.as_str())))
        .collect()
}

fn cases(file: &Path) -> Vec<Value> {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

/// The cases that remain to be tested. The test fails at the end if one was omitted.
struct Tally(BTreeSet<String>);

impl Tally {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self(names.map(str::to_owned).collect())
    }
    fn done(&mut self, name: &str) {
        assert!(self.0.remove(name), "{name} must be a case and be tested only once");
    }
    fn finish(self, held: usize) {
        assert!(self.0.is_empty(), "not tested: {:?}", self.0);
        assert!(held > 0, "the folder must not be empty");
        println!("{held} cases tested");
    }
}

#[test]
fn the_suite_of_aws_c_auth_is_reproduced() {
    let Some(folder) = folder("sigv4/aws-c-auth") else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut tally = Tally::of(names.iter().map(String::as_str));
    for name in &names {
        suite_case(name, &folder.join(name));
        tally.done(name);
    }
    tally.finish(names.len());
}

fn suite_case(name: &str, folder: &Path) {
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let context: Value = serde_json::from_str(&file("context.json")).unwrap();
    let case = Case::read(&file("request.txt"), context["normalize"] == true);
    let query = borrowed(&case.query);
    let mut headers = borrowed(&case.headers);

    let mut credentials = Credentials::new(
        text(&context, "/credentials/access_key_id"),
        text(&context, "/credentials/secret_access_key"),
    );
    // Some services expect the token to be added after signing, so it is not passed to the signer.
    let token = context.pointer("/credentials/token").and_then(Value::as_str);
    if let Some(token) = token.filter(|_| context["omit_session_token"] != true) {
        credentials = credentials.with_session_token(token);
    }
    let scope =
        v4::Scope { region: text(&context, "/region"), service: text(&context, "/service") };
    let time = Timestamp::parse_iso8601(text(&context, "/timestamp")).unwrap();
    let payload =
        v4::Payload::Bytes(if context["sign_body"] == true { case.body.as_bytes() } else { b"" });

    let expires = Duration::from_secs(context["expiration_in_seconds"].as_u64().unwrap());
    let request = case.parts().query(&query).headers(&headers);
    let presigned = v4::presign(&request, payload, &credentials, scope, time, expires).unwrap();

    let hash = sha256_hex(case.body.as_bytes());
    if context["sign_body"] == true {
        headers.push(("x-amz-content-sha256", &hash));
    }
    let request = case.parts().query(&query).headers(&headers);
    let signed = v4::sign(&request, payload, &credentials, scope, time).unwrap();

    assert_eq!(
        signed.steps.canonical_request,
        file("header-canonical-request.txt"),
        "{name}: canonical request"
    );
    assert_eq!(
        signed.steps.string_to_sign,
        file("header-string-to-sign.txt"),
        "{name}: string to sign"
    );
    assert_eq!(signed.steps.signature, file("header-signature.txt"), "{name}: signature");
    let sent_request = file("header-signed-request.txt");
    let expected =
        sent_request.lines().find_map(|line| line.strip_prefix("Authorization:")).unwrap();
    assert_eq!(sent(&signed.headers, "authorization"), Some(expected), "{name}: authorization");

    assert_eq!(
        presigned.steps.canonical_request,
        file("query-canonical-request.txt"),
        "{name}: canonical request, query"
    );
    assert_eq!(
        presigned.steps.string_to_sign,
        file("query-string-to-sign.txt"),
        "{name}: string to sign, query"
    );
    assert_eq!(presigned.steps.signature, file("query-signature.txt"), "{name}: signature, query");
    let content = if context["sign_body"] == true {
        Content::Bytes(case.body.as_bytes())
    } else {
        Content::Bytes(b"")
    };
    let given: Vec<_> =
        headers.iter().copied().filter(|(name, _)| *name != "x-amz-content-sha256").collect();
    let complete = complete(&headers, &signed);
    let of = |method| case.parts().method(method).query(&query).headers(&complete);
    verifies(&of(&case.method), &of("PATCH"), content, &credentials, scope.service, (time, None));
    let target = format!("{}?{}", case.path, presigned.query);
    let of = |method| {
        Request::from_target(method, &target).unwrap().headers(&given).path_rule(case.rule())
    };
    verifies(&of(&case.method), &of("PATCH"), content, &credentials, scope.service, (time, None));
    // The pairs that are sent are equal, but may have a different order.
    let first_line = file("query-signed-request.txt");
    let (_, expected) = first_line.lines().next().unwrap().split_once('?').unwrap();
    let mut expected = query_pairs(expected.strip_suffix(" HTTP/1.1").unwrap());
    let mut ours = query_pairs(&presigned.query);
    if context["omit_session_token"] == true {
        expected.retain(|(name, _)| name != "X-Amz-Security-Token");
    }
    expected.sort();
    ours.sort();
    assert_eq!(ours, expected, "{name}: query sent");
}

/// The 40 cases of SigV4A. Two contain only a request, and their new signatures are verified. The
/// others are compared step by step, and their published signatures are verified, because every
/// SigV4A signature is different.
#[cfg(feature = "sigv4a")]
#[test]
fn the_suite_of_sigv4a_is_reproduced() {
    let Some(folder) = folder("sigv4a/aws-c-auth") else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut tally = Tally::of(names.iter().map(String::as_str));
    let mut bare = 0;
    for name in &names {
        bare += usize::from(!sigv4a_case(name, &folder.join(name)));
        tally.done(name);
    }
    assert_eq!(bare, 2, "cases without figures");
    tally.finish(names.len());
}

/// Returns whether the case has published results.
#[cfg(feature = "sigv4a")]
fn sigv4a_case(name: &str, folder: &Path) -> bool {
    use s3driver::sign::v4a;
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let context: Value = serde_json::from_str(&file("context.json")).unwrap();
    let case = Case::read(&file("request.txt"), context["normalize"] == true);
    let query = borrowed(&case.query);
    let mut headers = borrowed(&case.headers);
    let mut credentials = Credentials::new(
        text(&context, "/credentials/access_key_id"),
        text(&context, "/credentials/secret_access_key"),
    );
    let token = context.pointer("/credentials/token").and_then(Value::as_str);
    if let Some(token) = token.filter(|_| context["omit_session_token"] != true) {
        credentials = credentials.with_session_token(token);
    }
    let (region, service) = (text(&context, "/region"), text(&context, "/service"));
    let scope = v4a::MultiRegionScope { regions: &[region], service };
    let time = Timestamp::parse_iso8601(text(&context, "/timestamp")).unwrap();
    let body = if context["sign_body"] == true { case.body.as_bytes() } else { b"" };
    let expires = Duration::from_secs(context["expiration_in_seconds"].as_u64().unwrap());
    let key = v4a::KeyPair::derive(&credentials).unwrap();

    let request = case.parts().query(&query).headers(&headers);
    let presigned = key.presign(&request, v4::Payload::Bytes(body), scope, time, expires).unwrap();
    let given = headers.clone();
    let hash = sha256_hex(case.body.as_bytes());
    if context["sign_body"] == true {
        headers.push(("x-amz-content-sha256", &hash));
    }
    let request = case.parts().query(&query).headers(&headers);
    let signed = key.sign(&request, v4::Payload::Bytes(body), scope, time).unwrap();

    let complete = complete(&headers, &signed);
    let of = |method| case.parts().method(method).query(&query).headers(&complete);
    verifies(
        &of(&case.method),
        &of("PATCH"),
        Content::Bytes(body),
        &credentials,
        service,
        (time, None),
    );
    let target = format!("{}?{}", case.path, presigned.query);
    let of = |method| {
        Request::from_target(method, &target).unwrap().headers(&given).path_rule(case.rule())
    };
    verifies(
        &of(&case.method),
        &of("PATCH"),
        Content::Bytes(body),
        &credentials,
        service,
        (time, None),
    );
    if !folder.join("public-key.json").exists() {
        return false;
    }
    let published: Value = serde_json::from_str(&file("public-key.json")).unwrap();
    let (x, y) = key.public_key();
    let digits =
        |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        (&*digits(x), &*digits(y)),
        (text(&published, "/X"), text(&published, "/Y")),
        "{name}: public key"
    );
    for (steps, way) in [(&signed.steps, "header"), (&presigned.steps, "query")] {
        assert_eq!(
            steps.canonical_request,
            file(&format!("{way}-canonical-request.txt")),
            "{name}, {way}"
        );
        assert_eq!(
            steps.string_to_sign,
            file(&format!("{way}-string-to-sign.txt")),
            "{name}, {way}"
        );
        let signature = file(&format!("{way}-signature.txt"));
        let signature: Vec<u8> = signature
            .trim()
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        assert!(
            key.verifies(&steps.string_to_sign, &signature),
            "{name}, {way}: the published signature"
        );
    }
    true
}

#[test]
fn documented_version_4_examples_are_reproduced() {
    let Some(file) = folder("sigv4/s3-doc.json") else { return };
    let cases = cases(&file);
    let mut tally = Tally::of(cases.iter().map(|case| text(case, "/name")));
    for case in &cases {
        match text(case, "/kind") {
            "v4-header" => v4_header(case),
            "v4-presign" => v4_presign(case),
            "v4-streaming" => v4_streaming(case),
            "v4-post" => v4_post(case),
            other => panic!("{other} is a kind of case this test does not know"),
        }
        tally.done(text(case, "/name"));
    }
    tally.finish(cases.len());
}

fn scope(case: &Value) -> v4::Scope<'_> {
    v4::Scope { region: text(case, "/region"), service: text(case, "/service") }
}

fn time(case: &Value) -> Timestamp {
    Timestamp::parse_amz_date(text(case, "/amz_date")).unwrap()
}

/// Compares the parts of a signed request with those below `at`, and with the documented values.
fn compare(case: &Value, at: &str, canonical_request: &str, string_to_sign: &str, signature: &str) {
    let name = text(case, "/name");
    assert_eq!(
        canonical_request,
        text(case, &format!("{at}/canonical_request")),
        "{name}: canonical request"
    );
    assert_eq!(
        string_to_sign,
        text(case, &format!("{at}/string_to_sign")),
        "{name}: string to sign"
    );
    assert_eq!(signature, text(case, &format!("{at}/signature")), "{name}: signature");
    for key in ["signature", "seed_signature"] {
        if let Some(documented) = case["documented"][key].as_str() {
            assert_eq!(signature, documented, "{name}: documented signature");
        }
    }
    for key in ["canonical_request_sha256", "seed_canonical_request_sha256"] {
        if let Some(documented) = case["documented"][key].as_str() {
            assert_eq!(
                sha256_hex(canonical_request.as_bytes()),
                documented,
                "{name}: documented hash"
            );
        }
    }
}

fn v4_header(case: &Value) {
    let (headers, query) = (pairs(&case["headers"]), query_pairs(text(case, "/query")));
    let (headers, query) = (borrowed(&headers), borrowed(&query));
    let body = text(case, "/body_utf8").as_bytes();
    let sign = |headers: &[(&str, &str)]| {
        let request =
            Request::new(text(case, "/method"), text(case, "/path")).query(&query).headers(headers);
        v4::sign(&request, v4::Payload::Bytes(body), &credentials(case), scope(case), time(case))
            .unwrap()
    };
    let signed = sign(&headers);
    compare(
        case,
        "/computed",
        &signed.steps.canonical_request,
        &signed.steps.string_to_sign,
        &signed.steps.signature,
    );
    assert_eq!(sent(&signed.headers, "authorization"), Some(text(case, "/computed/authorization")));
    assert_eq!(signed.headers.len(), 1, "headers of the request are not repeated");

    // If the request does not contain the signer's headers, the signature is the same, and the
    // signer returns these headers.
    let few: Vec<_> = headers
        .iter()
        .copied()
        .filter(|(name, _)| !["x-amz-date", "x-amz-content-sha256"].contains(name))
        .collect();
    let signed = sign(&few);
    compare(
        case,
        "/computed",
        &signed.steps.canonical_request,
        &signed.steps.string_to_sign,
        &signed.steps.signature,
    );
    let complete = complete(&few, &signed);
    let of = |method| Request::new(method, text(case, "/path")).query(&query).headers(&complete);
    verifies(
        &of(text(case, "/method")),
        &of("PATCH"),
        Content::Bytes(body),
        &credentials(case),
        text(case, "/service"),
        (time(case), None),
    );
    assert_eq!(sent(&signed.headers, "x-amz-date"), Some(text(case, "/amz_date")));
    assert_eq!(sent(&signed.headers, "x-amz-content-sha256"), Some(text(case, "/payload_hash")));
}

fn v4_presign(case: &Value) {
    let (headers, query) = (pairs(&case["headers"]), query_pairs(text(case, "/query")));
    let (headers, query) = (borrowed(&headers), borrowed(&query));
    let request =
        Request::new(text(case, "/method"), text(case, "/path")).query(&query).headers(&headers);
    let expires = Duration::from_secs(case["expires"].as_u64().unwrap());
    let presigned = v4::presign(
        &request,
        v4::Payload::Unsigned,
        &credentials(case),
        scope(case),
        time(case),
        expires,
    )
    .unwrap();
    compare(
        case,
        "/computed",
        &presigned.steps.canonical_request,
        &presigned.steps.string_to_sign,
        &presigned.steps.signature,
    );
    assert_eq!(presigned.query, text(case, "/computed/query"));
    let target = format!("{}?{}", text(case, "/path"), presigned.query);
    let of = |method| Request::from_target(method, &target).unwrap().headers(&headers);
    let service = text(case, "/service");
    verifies(
        &of(text(case, "/method")),
        &of("PATCH"),
        Content::NotRead,
        &credentials(case),
        service,
        (time(case), None),
    );
    assert!(text(case, "/documented/url").ends_with(&presigned.query));
}

/// A checksum that is known in advance.
struct Known(String, u64);

impl TrailerChecksum for Known {
    fn update(&mut self, data: &[u8]) {
        self.1 -= data.len() as u64;
    }
    fn finish(&mut self) -> String {
        assert_eq!(self.1, 0, "every byte went through the checksum");
        self.0.clone()
    }
}

fn v4_streaming(case: &Value) {
    let name = text(case, "/name");
    let sizes: Vec<u64> = case["body"]["chunk_sizes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| size.as_u64().unwrap())
        .collect();
    let length: u64 = sizes.iter().sum();
    let trailers = pairs(&case["trailers"]);
    let trailer = trailers.first().map(|(name, value)| {
        assert_eq!((trailers.len(), name.as_str()), (1, "x-amz-checksum-crc32c"));
        Trailer::new("x-amz-checksum-crc32c", value.len()).unwrap()
    });
    let (layout, chunks_signed) = match (text(case, "/payload_hash"), trailer) {
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", None) => (Layout::signed(length), true),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Some(t)) => {
            (Layout::signed_with_trailer(length, t), true)
        }
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Some(t)) => {
            (Layout::unsigned_with_trailer(length, t), false)
        }
        (mode, trailer) => panic!("{name}: {mode} with {trailer:?}"),
    };
    let given = pairs(&case["headers"]);
    for (header, value) in layout.headers() {
        let given = given
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(header))
            .map(|(_, value)| value.as_str());
        assert_eq!(given, Some(&*value), "{name}: {header}");
    }
    let query = query_pairs(text(case, "/query"));
    let (headers, query) = (borrowed(&given), borrowed(&query));
    let request =
        Request::new(text(case, "/method"), text(case, "/path")).query(&query).headers(&headers);
    let key = v4::SigningKey::derive(&credentials(case), time(case), scope(case)).unwrap();
    let seed = key.sign(&request, layout.payload(), time(case)).unwrap();
    compare(
        case,
        "/computed/seed",
        &seed.steps.canonical_request,
        &seed.steps.string_to_sign,
        &seed.steps.signature,
    );

    let signer = ChunkSigner::new(&key, time(case), &seed.steps.signature).unwrap();
    if chunks_signed {
        let mut chain = signer.clone();
        let computed = case["computed"]["chunks"].as_array().unwrap();
        assert_eq!(computed.len(), sizes.len() + 1);
        for (number, chunk) in computed.iter().enumerate() {
            let data = vec![b'a'; chunk["size"].as_u64().unwrap() as usize];
            let link = chain.chunk(&data);
            assert_eq!(
                link.string_to_sign,
                text(chunk, "/string_to_sign"),
                "{name}: chunk {number}"
            );
            assert_eq!(link.signature, text(chunk, "/signature"), "{name}: chunk {number}");
            if let Some(documented) = case["documented"]["chunk_signatures"].get(number) {
                assert_eq!(documented, &*link.signature, "{name}: documented chunk {number}");
            }
        }
        if let Some((header, value)) = trailers.first() {
            let link = chain.trailer(&format!("{header}:{value}\n"));
            assert_eq!(
                link.string_to_sign,
                text(case, "/computed/trailer/string_to_sign"),
                "{name}: trailer"
            );
            assert_eq!(
                link.signature,
                text(case, "/computed/trailer/signature"),
                "{name}: trailer"
            );
            assert_eq!(
                link.signature,
                text(case, "/documented/trailer_signature"),
                "{name}: trailer"
            );
        }
    }

    let data = vec![b'a'; length as usize];
    let checksum = trailers
        .first()
        .map(|(_, value)| Box::new(Known(value.clone(), length)) as Box<dyn TrailerChecksum>);
    let mut body = match chunks_signed {
        true => layout.signed_body(&data[..], signer, checksum).unwrap(),
        false => layout.unsigned_body(&data[..], checksum).unwrap(),
    };
    let mut wire = Vec::new();
    body.read_to_end(&mut wire).unwrap();
    assert_eq!(
        wire.len() as u64,
        case["computed"]["wire_length"].as_u64().unwrap(),
        "{name}: length"
    );
    assert_eq!(wire.len() as u64, layout.encoded_length(), "{name}: length known in advance");
    assert_eq!(sha256_hex(&wire), text(case, "/computed/wire_sha256"), "{name}: bytes sent");
    let complete = complete(&headers, &seed);
    let of = |method| request.headers(&complete).method(method);
    let service = text(case, "/service");
    let content = Content::Bytes(&wire);
    verifies(
        &of(text(case, "/method")),
        &of("PATCH"),
        content,
        &credentials(case),
        service,
        (time(case), None),
    );
}

fn v4_post(case: &Value) {
    let policy = base64(text(case, "/policy_utf8"));
    let form = v4::sign_post_policy(&policy, &credentials(case), scope(case), time(case)).unwrap();
    assert_eq!(form.string_to_sign, text(case, "/computed/policy_base64"));
    assert_eq!(form.signature, text(case, "/computed/signature"));
    assert_eq!(form.signature, text(case, "/documented/signature"));
    assert_eq!(sent(&form.fields, "x-amz-signature"), Some(&*form.signature));
    form_verifies(&form.fields, &credentials(case), time(case));
    assert_eq!(sent(&form.fields, "x-amz-date"), Some(text(case, "/amz_date")));
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn version_2() {
    let Some(file) = folder("sigv2/s3-doc.json") else { return };
    let cases = cases(&file);
    let mut tally = Tally::of(cases.iter().map(|case| text(case, "/name")));
    for case in &cases {
        let signature = match text(case, "/kind") {
            "v2-header" => v2_header(case),
            "v2-presign" => v2_presign(case),
            "v2-post" => v2_post(case),
            other => panic!("{other} is a kind of case this test does not know"),
        };
        let name = text(case, "/name");
        assert_eq!(signature, text(case, "/computed/signature"), "{name}: signature");
        match case["documented"]["signature"].as_str() {
            // The page still shows the signature for a different bucket.
            Some(documented) if case.get("doc_error").is_some() => {
                assert_ne!(signature, documented, "{name}");
            }
            // The page's base64 ends with padding bits that are not zero.
            Some(documented)
                if case["note"].as_str().is_some_and(|note| note.contains("padding bits")) =>
            {
                assert_eq!(
                    signature.trim_end_matches('=').len(),
                    documented.trim_end_matches('=').len()
                );
                assert_eq!(signature[..26], documented[..26], "{name}: documented signature");
            }
            Some(documented) => assert_eq!(signature, documented, "{name}: documented signature"),
            None => {}
        }
        tally.done(name);
    }
    tally.finish(cases.len());
}

/// Returns the bucket that is in the resource but not in the path.
fn host_bucket(case: &Value) -> Option<&str> {
    let (resource, path) = (text(case, "/canonical_resource_path"), text(case, "/path"));
    let bucket = resource.strip_suffix(path).unwrap();
    match text(case, "/style") {
        "path" | "service" => {
            assert_eq!(bucket, "");
            None
        }
        _ => Some(bucket.strip_prefix('/').unwrap()),
    }
}

fn v2_header(case: &Value) -> String {
    let (headers, query) = (pairs(&case["headers"]), query_pairs(text(case, "/query")));
    let (headers, query) = (borrowed(&headers), borrowed(&query));
    let request =
        Request::new(text(case, "/method"), text(case, "/path")).query(&query).headers(&headers);
    let signed =
        v2::sign(&request, host_bucket(case), &credentials(case), Timestamp::from_unix(0)).unwrap();
    assert_eq!(
        signed.steps.string_to_sign,
        text(case, "/computed/string_to_sign"),
        "{}",
        text(case, "/name")
    );
    assert_eq!(
        signed.headers,
        [("authorization", text(case, "/computed/authorization").to_owned())]
    );
    let complete = complete(&headers, &signed);
    let date = ["x-amz-date", "date"]
        .map(|wanted| complete.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)));
    let now = date
        .into_iter()
        .flatten()
        .next()
        .and_then(|(_, date)| Timestamp::parse_http_date(date))
        .unwrap();
    let of = |method| request.headers(&complete).method(method);
    let at = (now, host_bucket(case));
    verifies(
        &of(text(case, "/method")),
        &of("PATCH"),
        Content::NotRead,
        &credentials(case),
        "s3",
        at,
    );
    signed.steps.signature
}

fn v2_presign(case: &Value) -> String {
    let (headers, query) = (pairs(&case["headers"]), query_pairs(text(case, "/query")));
    let (headers, sent_query) = (borrowed(&headers), borrowed(&query));
    let request = Request::new(text(case, "/method"), text(case, "/path"))
        .query(&sent_query)
        .headers(&headers);
    let expires = Timestamp::from_unix(text(case, "/date").parse().unwrap());
    let presigned = v2::presign(&request, host_bucket(case), &credentials(case), expires).unwrap();
    assert_eq!(
        presigned.steps.string_to_sign,
        text(case, "/computed/string_to_sign"),
        "{}",
        text(case, "/name")
    );
    let mut ours = query_pairs(&presigned.query);
    let mut expected = query.clone();
    expected.extend([
        ("AWSAccessKeyId".to_owned(), text(case, "/access_key").to_owned()),
        ("Expires".to_owned(), text(case, "/date").to_owned()),
        ("Signature".to_owned(), text(case, "/computed/signature").to_owned()),
    ]);
    assert_eq!(ours, expected);
    if let Some(url) = case["url"].as_str() {
        let mut documented = query_pairs(url.split_once('?').unwrap().1);
        documented.sort();
        ours.sort();
        assert_eq!(ours, documented);
    }
    let target = format!("{}?{}", text(case, "/path"), presigned.query);
    let of = |method| Request::from_target(method, &target).unwrap().headers(&headers);
    let at = (expires, host_bucket(case));
    verifies(
        &of(text(case, "/method")),
        &of("PATCH"),
        Content::NotRead,
        &credentials(case),
        "s3",
        at,
    );
    presigned.steps.signature
}

/// Asserts that a form which meets its policy verifies, and that it does not with a different
/// policy.
fn form_verifies(signed: &[(&'static str, String)], credentials: &Credentials, now: Timestamp) {
    use base64::Engine as _;
    let keys = |id: &str| (id == credentials.access_key_id()).then(|| credentials.clone());
    let policy = sent(signed, "policy").unwrap();
    let policy: Value =
        serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(policy).unwrap())
            .unwrap();
    let now = now.min(Timestamp::parse_iso8601(text(&policy, "/expiration")).unwrap());

    // Sends every field that the policy names, with a value that it allows.
    let mut named: Vec<(&str, &str)> = Vec::new();
    for condition in policy["conditions"].as_array().unwrap() {
        match condition {
            Value::Array(parts) if parts[0] == "content-length-range" => {}
            Value::Array(parts) => {
                let field = parts[1].as_str().unwrap().strip_prefix('$').unwrap();
                named.push((field, parts[2].as_str().unwrap()));
            }
            Value::Object(members) => {
                named
                    .extend(members.iter().map(|(name, value)| (&**name, value.as_str().unwrap())));
            }
            other => panic!("{other}"),
        }
    }
    let bucket = named.iter().find(|(name, _)| *name == "bucket").map_or("", |(_, value)| value);
    let mut fields: Vec<_> = signed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (name, value) in &named {
        if !fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            fields.push((name, value));
        }
    }
    Verifier::new(&keys, now).verify_form(&Form::new(bucket, &fields)).unwrap();

    let altered: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, if *name == "policy" { "e30=" } else { value }))
        .collect();
    assert!(Verifier::new(&keys, now).verify_form(&Form::new(bucket, &altered)).is_err());
}

fn v2_post(case: &Value) -> String {
    let form =
        v2::sign_post_policy(&base64(text(case, "/policy_utf8")), &credentials(case)).unwrap();
    assert_eq!(form.string_to_sign, text(case, "/computed/policy_base64"));
    assert_eq!(sent(&form.fields, "policy"), Some(&*form.string_to_sign));
    assert_eq!(sent(&form.fields, "signature"), Some(&*form.signature));
    form_verifies(&form.fields, &credentials(case), Timestamp::from_unix(0));
    form.signature
}
