//! Plants each mistake that is common in signers in the naive signer, and checks that a comparison
//! with the real signer detects it.

use crate::naive::{Body, Case, Mistake, Naive, Time, real};

/// The mode in which the mistake has an effect.
#[derive(Clone, Copy, Debug)]
enum Mode {
    V4,
    V4Presigned,
    V2,
    V2Presigned,
}
use Mode::*;

/// The mistake, and the modes in which it must be noticed.
const TABLE: &[(Mistake, &[Mode])] = &[
    (Mistake::PathEncodedTwice, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::PathNotEncoded, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::PathSlashEncoded, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::PathNormalised, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::PathSlashesFolded, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::LowerCaseHex, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::PlusForSpace, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::TildeEncoded, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::StarKept, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::QueryNotSorted, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::QuerySortedAsStrings, &[V4, V4Presigned]),
    (Mistake::QuerySortedBeforeEncoding, &[V4, V4Presigned]),
    (Mistake::QueryBareNameWithoutEquals, &[V4, V4Presigned]),
    (Mistake::QueryRepeatedNameDropped, &[V4, V4Presigned]),
    (Mistake::QueryLeftOut, &[V4, V4Presigned]),
    (Mistake::HeaderNotTrimmed, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::HeaderSpacesKept, &[V4, V4Presigned]),
    (Mistake::HeaderTabsKept, &[V4, V4Presigned]),
    (Mistake::HeaderNameCaseKept, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::HeaderNotSorted, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::HeaderValuesSorted, &[V4, V4Presigned]),
    (Mistake::HeaderValuesJoinedWithSpace, &[V4, V4Presigned]),
    (Mistake::HeadersWithoutEmptyLine, &[V4, V4Presigned]),
    (Mistake::HostWithoutPort, &[V4, V4Presigned]),
    (Mistake::TokenMissing, &[V4, V4Presigned, V2, V2Presigned]),
    (Mistake::ScopeWithTime, &[V4, V4Presigned]),
    (Mistake::ScopeWithWrongService, &[V4, V4Presigned]),
    (Mistake::RegionMissing, &[V4, V4Presigned]),
    (Mistake::SecretWithoutPrefix, &[V4, V4Presigned]),
    (Mistake::KeyPartsSwapped, &[V4, V4Presigned]),
    (Mistake::KeyInHex, &[V4, V4Presigned]),
    (Mistake::PayloadHashOfNothing, &[V4]),
    (Mistake::PayloadHashInUpperCase, &[V4]),
    (Mistake::CanonicalRequestNotHashed, &[V4, V4Presigned]),
    (Mistake::SignatureInUpperCase, &[V4, V4Presigned]),
    (Mistake::ChunksNotChained, &[V4]),
    (Mistake::ChunkLengthSigned, &[V4]),
    (Mistake::PresignedPayloadHashed, &[V4Presigned]),
    (Mistake::PresignedExpiryUnsigned, &[V4Presigned]),
    (Mistake::PresignedTokenUnsigned, &[V4Presigned]),
    (Mistake::PresignedCredentialSlashesKept, &[V4Presigned]),
    (Mistake::DateBesideAmzDate, &[V2]),
    (Mistake::SubResourceLeftOut, &[V2, V2Presigned]),
    (Mistake::SubResourceEncoded, &[V2, V2Presigned]),
    (Mistake::AllParametersSigned, &[V2, V2Presigned]),
    (Mistake::BucketLeftOut, &[V2, V2Presigned]),
    (Mistake::AmzHeadersLeftOut, &[V2, V2Presigned]),
    (Mistake::SignatureUrlSafe, &[V2, V2Presigned]),
    (Mistake::ExpiresNotSigned, &[V2Presigned]),
];

/// Returns a request in which every mistake has an effect.
fn case(body: Body) -> Case {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    };
    Case {
        method: "PUT".to_owned(),
        key: "a b/../c//~d*/\u{e9}+%".to_owned(),
        query: owned(&[
            ("uploadId", "x/y z~*"),
            ("partNumber", "7"),
            ("acl", ""),
            ("a0", "1"),
            ("a-", "1"),
            ("a", "2"),
            ("a", "1"),
            ("\u{e9}", "1"),
            ("~", "1"),
        ]),
        headers: owned(&[
            ("Host", "storage.example:9000"),
            ("X-Amz-Meta-B", "  two  \t words "),
            ("x-amz-meta-b", "a"),
            ("Content-Type", "text/plain "),
            ("x-amz-acl", "private"),
        ]),
        body,
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        token: Some("to/ken+=".to_owned()),
        region: "eu-central-1".to_owned(),
        time: Time::of(1_369_353_600),
    }
}

/// Reports whether the results differ in anything that a server would see or compute.
fn noticed(mistake: Mistake, mode: Mode) -> bool {
    let naive = Naive(mistake);
    let bucket = Some("bucket");
    let signable = "the case can be signed";
    [Body::Bytes(b"body".to_vec()), Body::Chunks(b"two chunks".to_vec(), 6)].into_iter().any(
        |body| {
            let mut case = case(body);
            match mode {
                V4 => real::v4(&case).expect(signable) != naive.v4(&case),
                V4Presigned => {
                    real::v4_presigned(&case, 60).expect(signable) != naive.v4_presigned(&case, 60)
                }
                V2 => {
                    case.headers.push(("x-amz-date".to_owned(), case.time.http.clone()));
                    case.headers.push(("Date".to_owned(), case.time.http.clone()));
                    real::v2(&case, bucket).expect(signable) != naive.v2(&case, bucket)
                }
                V2Presigned => {
                    real::v2_presigned(&case, bucket).expect(signable)
                        != naive.v2_presigned(&case, bucket)
                }
            }
        },
    )
}

#[test]
fn without_a_mistake_both_signers_agree() {
    for mode in [V4, V4Presigned, V2, V2Presigned] {
        assert!(!noticed(Mistake::None, mode), "{mode:?}");
    }
}

#[test]
fn every_mistake_is_noticed() {
    for (mistake, modes) in TABLE {
        for mode in *modes {
            assert!(noticed(*mistake, *mode), "{mistake:?} in {mode:?}");
        }
    }
}

/// Mistakes are numbered in the order of their declaration, so the table cannot omit one.
#[test]
fn the_table_is_complete() {
    let listed: Vec<usize> = TABLE.iter().map(|(mistake, _)| *mistake as usize).collect();
    assert_eq!(listed, (1..=Mistake::ExpiresNotSigned as usize).collect::<Vec<_>>());
}
