//! Compares the signer with the naive one on unusual requests: every intermediate value, in every
//! mode.

use crate::naive::{Body, Case, Mistake, Naive, Pairs, Time, real};
use proptest::prelude::*;
use proptest::sample::select;

const CORRECT: Naive = Naive(Mistake::None);

/// Generates keys with dots, slashes, escapes and any other characters.
fn key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(
            &[
                "..", ".", "/", "//", "%", "%2F", "%25", "+", " ", "~", "*", "'", "(", ")", "=",
                "&", "?", "#", ":", "é", "漢", "🦀", "\u{7f}", "\n", "\0", "\\", "\"", "a-", "a0",
                "Z"
            ][..]
        )
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
        "\\PC{0,3}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Generates parameter names that sort differently as pairs, as strings and before encoding,
/// sub-resources, and repeated names.
fn query() -> impl Strategy<Value = Pairs> {
    let name = prop_oneof![
        4 => select(&["a", "a-", "a0", "a.", "A", "a=", "a&", "a b", "é", "~", "%", "prefix", "list-type"][..]).prop_map(str::to_owned),
        4 => select(crate::naive::sub_resources().collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => "\\PC{1,4}",
    ];
    let value = prop_oneof![3 => Just(String::new()), 3 => "[a-b0 +/=&%~-]{0,4}", 1 => "\\PC{0,4}"];
    proptest::collection::vec((name, value), 0..7)
}

/// Generates headers in any case, repeated, with spaces at the ends and inside, and with non-ASCII
/// bytes.
fn headers() -> impl Strategy<Value = Pairs> {
    let name = prop_oneof![
        3 => select(&["x-amz-meta-a", "X-Amz-Meta-A", "x-amz-meta-a-", "X-AMZ-acl", "x-amz-copy-source"][..]).prop_map(str::to_owned),
        2 => select(&["Content-Type", "content-md5", "Range", "if-match", "x-other", "a", "A1", "!#$%&'*+-.^_`|~"][..]).prop_map(str::to_owned),
        1 => "[A-Za-z]{1,6}-h",
    ];
    let value = prop_oneof![2 => "[ \t]{0,2}[!-~]{0,4}[ \t]{0,3}[!-~]{0,4}[ \t]{0,2}", 1 => "[\u{a0}-\u{ff}é漢 ]{0,6}"];
    let host = select(
        &["h", "bucket.s3.amazonaws.com", "storage.example:9000", "[::1]:8080", "Mixed.Case"][..],
    );
    (host, proptest::collection::vec((name, value), 0..6), any::<prop::sample::Index>()).prop_map(
        |(host, mut headers, at)| {
            headers.insert(at.index(headers.len() + 1), ("Host".to_owned(), host.to_owned()));
            // A request has only one value for each of these.
            for name in ["content-type", "content-md5", "range"] {
                let mut first = true;
                headers.retain(|(given, _)| {
                    !given.eq_ignore_ascii_case(name) || std::mem::take(&mut first)
                });
            }
            headers
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        3 => bytes().prop_map(Body::Bytes),
        1 => Just(Body::Unsigned),
        1 => (bytes(), 1usize..20).prop_map(|(data, size)| Body::Chunks(data, size)),
        1 => (0usize..30_000, 8192usize..10_000).prop_map(|(length, size)| Body::Chunks(vec![b'x'; length], size)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let token = prop_oneof![Just(None), "[!-~]{1,40}".prop_map(Some)];
    let keys =
        ("[!-+\\--9;-~]{1,20}", "[ -~]{1,50}|\\PC{60,90}", token, "[a-z]{2}-[a-z]{1,8}-[0-9]");
    (
        select(&["GET", "PUT", "HEAD", "DELETE", "POST"][..]),
        key(),
        query(),
        headers(),
        body(),
        keys,
        0..4_102_444_800i64,
    )
        .prop_map(
            |(method, key, query, headers, body, (access_key, secret, token, region), time)| Case {
                method: method.to_owned(),
                key,
                query,
                headers,
                body,
                access_key,
                secret,
                token,
                region,
                time: Time::of(time),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn version_4_in_the_header_equals_the_naive_signature(case in case()) {
        prop_assert_eq!(real::v4(&case).expect("the case can be signed"), CORRECT.v4(&case));
    }

    #[test]
    fn version_4_in_the_query_equals_the_naive_signature(case in case(), seconds in 1u64..=604_800) {
        prop_assert_eq!(real::v4_presigned(&case, seconds).expect("the case can be signed"), CORRECT.v4_presigned(&case, seconds));
    }

    #[test]
    fn version_2_in_the_header_equals_the_naive_signature(case in case(), bucket in prop_oneof![Just(None), Just(Some("bucket"))], date in 0..4) {
        let mut case = case;
        if date & 1 == 1 {
            case.headers.push(("Date".to_owned(), " Tue, 27 Mar 2007 19:36:42 +0000".to_owned()));
        }
        if date & 2 == 2 {
            case.headers.insert(0, ("X-Amz-Date".to_owned(), "Tue, 27 Mar 2007 21:20:26 +0000".to_owned()));
        }
        prop_assert_eq!(real::v2(&case, bucket).expect("the case can be signed"), CORRECT.v2(&case, bucket));
    }

    #[test]
    fn version_2_in_the_query_equals_the_naive_signature(case in case(), bucket in prop_oneof![Just(None), Just(Some("bucket"))]) {
        prop_assert_eq!(real::v2_presigned(&case, bucket).expect("the case can be signed"), CORRECT.v2_presigned(&case, bucket));
    }
}

/// AWS's own example verifies the naive signer (sig-v4-header-based-auth, "GET Object").
#[test]
fn the_naive_signer_computes_the_documented_signature() {
    let case = Case {
        method: "GET".to_owned(),
        key: "test.txt".to_owned(),
        query: Vec::new(),
        headers: [("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body: Body::Bytes(Vec::new()),
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        token: None,
        region: "us-east-1".to_owned(),
        time: Time::of(1_369_353_600),
    };
    assert_eq!(case.time.amz, "20130524T000000Z");
    assert_eq!(case.time.http, "Fri, 24 May 2013 00:00:00 GMT");
    assert_eq!(
        CORRECT.v4(&case).signature,
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
}
