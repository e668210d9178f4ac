//! Tests of the driver's options: accepted values, rejected values, and error messages.

use proptest::prelude::*;
use s3driver::client::endpoint::{Acceleration, Addressing, Fips, Scheme, Stack, Variant};
use s3driver::client::{
    BucketKind, Checksum, Encryption, MAX_PART_SIZE, MIN_PART_SIZE, PayloadSigning, Proxy,
    RequestPayer, SignatureVersion, StorageClass, TlsVerification, TrustStore,
};
use s3driver::driver::{LogLevel, Parameters, PartSizes, ProxySource, S3Driver};
use s3driver::observe::Notice;
use s3driver::sign::Credentials;
use s3driver::{ErrorKind, Result};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

/// Returns the smallest configuration with some further options.
fn with(more: &[(&str, &str)]) -> Result<Parameters> {
    let base = [("region", "us-east-1"), ("bucket", "registry")];
    let base = base.into_iter().filter(|(name, _)| more.iter().all(|(given, _)| given != name));
    Parameters::from_pairs(base.chain(more.iter().copied()))
}
fn good(more: &[(&str, &str)]) -> Parameters {
    with(more).unwrap()
}
fn refusal(more: &[(&str, &str)]) -> String {
    let error = with(more).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.message().to_owned()
}
fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

#[test]
fn defaults_are_the_documented_ones() {
    let p = good(&[]);
    assert!(p.credentials.is_none());
    assert_eq!(
        (&*p.bucket, p.endpoint.signing_region(), &*p.root_directory),
        ("registry", "us-east-1", "")
    );
    assert_eq!(p.endpoint.host(), "s3.us-east-1.amazonaws.com");
    assert_eq!((p.endpoint.scheme(), p.endpoint.addressing()), (Scheme::Https, Addressing::Auto));
    assert_eq!(p.redirect_endpoint, None);
    assert_eq!(p.encryption, Encryption::None);
    assert_eq!((p.storage_class, p.acl), (Some(StorageClass::Standard), None));
    assert_eq!(
        (p.verification, p.ca_certificate_path.as_deref(), &p.proxy),
        (TlsVerification::Full, None, &ProxySource::Direct)
    );
    assert_eq!(p.signature_version, SignatureVersion::V4);
    assert_eq!((p.payload, p.checksum), (PayloadSigning::Auto, Checksum::Auto));
    assert_eq!((p.chunk_size, p.multipart_copy_chunk_size), (10_485_760, 33_554_432));
    assert_eq!(
        (p.multipart_copy_max_concurrency, p.multipart_copy_threshold_size),
        (threads(100), 33_554_432)
    );
    assert_eq!((p.concurrency, p.max_memory, p.part_sizes), (None, None, PartSizes::MayGrow));
    assert_eq!(p.read_ahead, threads(20));
    assert_eq!((p.upload_purge_age, p.max_requests), (Duration::from_secs(604_800), threads(256)));
    assert_eq!((p.user_agent.as_deref(), &*p.log_levels), (None, &[][..]));
    assert_eq!((p.max_retries, p.walk_concurrency), (5, threads(1)));
}

#[test]
fn every_option_has_its_effect() {
    let p = good(&[
        ("accesskey", "AKIDEXAMPLE"),
        ("secretkey", "wJalr/EXAMPLE+KEY="),
        ("sessiontoken", "IQoJb3JpZ2luX2VjEXAMPLE=="),
        ("region", "eu-west-1"),
        ("regionendpoint", "minio.example:9000/base/"),
        ("redirectendpoint", "https://cdn.example"),
        ("forcepathstyle", "true"),
        ("bucket", "blobs"),
        ("encrypt", "true"),
        ("keyid", "arn:aws:kms:eu-west-1:1:key/x"),
        ("secure", "false"),
        ("cacert", "/etc/ssl/ca.pem"),
        ("proxy", "http://user:pass@proxy:3128"),
        ("v4auth", "false"),
        ("payload", "unsigned"),
        ("checksum", "crc32c"),
        ("requestpayer", "Requester"),
        ("chunksize", "5242880"),
        ("multipartcopychunksize", "0x500000"),
        ("multipartcopymaxconcurrency", "9223372036854775807"),
        ("multipartcopythresholdsize", "0"),
        ("rootdirectory", "//a/../b//c//"),
        ("storageclass", "onezone_ia"),
        ("objectacl", "none"),
        ("useragent", "registry/3 (x)"),
        ("loglevel", "DebugWithSigning, debug,DEBUG"),
        ("maxretries", "0"),
        ("walkconcurrency", "64"),
        ("concurrency", "64"),
        ("maxmemory", "5242880"),
        ("maxrequests", "0xFFFF"),
        ("uniformparts", "true"),
        ("uploadpurgeage", "1h30m5s"),
    ]);
    let credentials = p.credentials.as_ref().unwrap();
    assert_eq!(credentials.access_key_id(), "AKIDEXAMPLE");
    assert_eq!(credentials.secret_access_key(), "wJalr/EXAMPLE+KEY=");
    assert_eq!(credentials.session_token(), Some("IQoJb3JpZ2luX2VjEXAMPLE=="));
    let located = p.endpoint.locate(&p.bucket).unwrap();
    assert_eq!(located.root_url() + located.bucket_path(), "http://minio.example:9000/base/blobs");
    assert_eq!(
        p.redirect_endpoint.as_ref().unwrap().locate(&p.bucket).unwrap().root_url(),
        "https://cdn.example"
    );
    assert_eq!(
        (p.endpoint.signing_region(), p.redirect_endpoint.as_ref().unwrap().signing_region()),
        ("eu-west-1", "eu-west-1")
    );
    assert_eq!(
        p.encryption,
        Encryption::Kms { key_id: "arn:aws:kms:eu-west-1:1:key/x".to_owned() }
    );
    assert_eq!(p.ca_certificate_path.as_deref(), Some(Path::new("/etc/ssl/ca.pem")));
    let proxy = Proxy::parse("http://user:pass@proxy:3128").unwrap();
    assert_eq!(p.proxy, ProxySource::Given(proxy));
    assert_eq!(p.signature_version, SignatureVersion::V2);
    assert_eq!((p.payload, p.checksum), (PayloadSigning::Unsigned, Checksum::Crc32c));
    assert_eq!(p.request_payer, RequestPayer::Requester);
    assert_eq!((p.chunk_size, p.multipart_copy_chunk_size), (MIN_PART_SIZE, MIN_PART_SIZE));
    assert_eq!(p.multipart_copy_max_concurrency.get() as u64, i64::MAX as u64);
    assert_eq!(p.multipart_copy_threshold_size, 0);
    assert_eq!(p.root_directory, "a/../b//c");
    assert_eq!((p.storage_class, p.acl), (Some(StorageClass::OneZoneIa), None));
    assert_eq!(p.user_agent.as_deref(), Some("registry/3 (x)"));
    assert_eq!(p.log_levels, [LogLevel::Debug, LogLevel::DebugWithSigning]);
    assert_eq!((p.max_retries, p.walk_concurrency), (0, threads(64)));
    assert_eq!(
        (p.concurrency, p.max_memory, p.part_sizes),
        (Some(threads(64)), Some(MIN_PART_SIZE), PartSizes::Uniform)
    );
    assert_eq!((p.upload_purge_age, p.max_requests), (Duration::from_secs(5405), threads(65_535)));

    let host = |more: &[(&str, &str)]| good(more).endpoint.host();
    assert_eq!(host(&[("usedualstack", "true")]), "s3.dualstack.us-east-1.amazonaws.com");
    assert_eq!(host(&[("usefipsendpoint", "true")]), "s3-fips.us-east-1.amazonaws.com");
    assert_eq!(host(&[("accelerate", "true")]), "s3-accelerate.amazonaws.com");
    assert_eq!(good(&[("skipverify", "true")]).verification, TlsVerification::Skip);
    assert_eq!(good(&[]).trust_store, TrustStore::Mozilla);
    assert_eq!(good(&[("truststore", "System")]).trust_store, TrustStore::System);
    let named = good(&[("truststore", "cacert"), ("cacert", "ca.pem")]);
    assert_eq!(named.trust_store, TrustStore::Named);
    for word in ["environment", "Environment"] {
        assert_eq!(good(&[("proxy", word)]).proxy, ProxySource::Environment);
    }
    assert_eq!(good(&[("encrypt", "true")]).encryption, Encryption::Aes256);
    assert_eq!(good(&[("storageclass", "none")]).storage_class, None);
    assert_eq!(good(&[("loglevel", "false")]).log_levels, []);
}

#[test]
fn an_empty_value_means_not_given() {
    let optional =
        Parameters::options().iter().filter(|option| !["region", "bucket"].contains(&option.name));
    let empty: Vec<_> = optional.map(|option| (option.name, "")).collect();
    assert_eq!(format!("{:?}", good(&empty)), format!("{:?}", good(&[])));
}

#[test]
fn the_listed_defaults_apply() {
    let options = Parameters::options();
    let names: BTreeSet<_> = options.iter().map(|option| option.name).collect();
    assert_eq!(names.len(), options.len(), "each option is listed only once");
    let defaults: Vec<_> = options
        .iter()
        .map(|option| (option.name, option.default))
        .filter(|(_, default)| !default.is_empty())
        .collect();
    assert!(
        defaults.contains(&("chunksize", "10485760"))
            && defaults.contains(&("storageclass", "STANDARD"))
    );
    assert_eq!(format!("{:?}", good(&defaults)), format!("{:?}", good(&[])));
    for option in options {
        assert!(!option.meaning.is_empty() && !option.meaning.contains(['\n', '|']), "{option:?}");
    }
}

#[test]
fn missing_options_are_reported_in_the_registrys_words() {
    let none: [(&str, &str); 0] = [];
    let message = |pairs: &[(&str, &str)]| {
        Parameters::from_pairs(pairs.iter().copied()).unwrap_err().message().to_owned()
    };
    assert_eq!(message(&none), "no region parameter provided");
    assert_eq!(message(&[("bucket", "registry"), ("region", "")]), "no region parameter provided");
    assert_eq!(message(&[("region", "us-east-1")]), "no bucket parameter provided");
    assert_eq!(message(&[("region", "us-east-1"), ("bucket", "")]), "no bucket parameter provided");
    let alone =
        Parameters::from_pairs([("regionendpoint", "http://minio:9000"), ("bucket", "registry")])
            .unwrap();
    assert_eq!(alone.endpoint.signing_region(), "us-east-1");
}

#[test]
fn booleans_are_parsed_as_in_go() {
    for text in ["1", "t", "T", "true", "TRUE", "True", "tRUE", "y", "Y", "yes", "YES", "on", "On"]
    {
        assert_eq!(good(&[("encrypt", text)]).encryption, Encryption::Aes256, "{text}");
    }
    for text in ["0", "f", "F", "false", "FALSE", "fAlSe", "n", "N", "no", "No", "off", "OFF"] {
        assert_eq!(good(&[("secure", text)]).endpoint.scheme(), Scheme::Http, "{text}");
    }
    for name in [
        "forcepathstyle",
        "usedualstack",
        "usefipsendpoint",
        "accelerate",
        "encrypt",
        "secure",
        "skipverify",
        "v4auth",
        "uniformparts",
    ] {
        for text in ["yess", "o", "truE!", " true", "true ", "2", "-1", "<nil>", "null"] {
            assert_eq!(
                refusal(&[(name, text)]),
                format!(
                    "the {name} parameter should be a boolean: {text} is neither true nor false"
                )
            );
        }
    }
}

#[test]
fn integers_must_be_whole_and_in_range() {
    for (text, bytes) in [
        ("5242880", MIN_PART_SIZE),
        ("+5242880", MIN_PART_SIZE),
        ("0x500000", MIN_PART_SIZE),
        ("0X500000", MIN_PART_SIZE),
        ("0o24000000", MIN_PART_SIZE),
        ("0b10100000000000000000000", MIN_PART_SIZE),
        ("5368709120", MAX_PART_SIZE),
    ] {
        assert_eq!(good(&[("chunksize", text)]).chunk_size, bytes, "{text}");
    }
    let part = (MIN_PART_SIZE.to_string(), MAX_PART_SIZE.to_string());
    let copies = ("1".to_owned(), i64::MAX.to_string());
    for (name, (min, max)) in [
        ("chunksize", part.clone()),
        ("multipartcopychunksize", part.clone()),
        ("multipartcopymaxconcurrency", copies),
        ("multipartcopythresholdsize", ("0".to_owned(), part.1)),
        ("concurrency", ("1".to_owned(), "64".to_owned())),
        ("readahead", ("1".to_owned(), "64".to_owned())),
        ("maxmemory", (10_485_760.to_string(), u64::MAX.to_string())),
        ("maxrequests", ("1".to_owned(), "65535".to_owned())),
        ("maxretries", ("0".to_owned(), "100".to_owned())),
        ("walkconcurrency", ("1".to_owned(), "64".to_owned())),
    ] {
        for text in [
            "5242880abc",
            "10MB",
            "1e7",
            "10485760.0",
            "ten",
            " 10485760",
            "10485760 ",
            "1_0",
            "0x",
            "-",
            "+",
            "--1",
            "٣",
        ] {
            assert_eq!(
                refusal(&[(name, text)]),
                format!(
                    "{name} parameter must be an integer; {text} is not valid: allowed are {min} \
                     to {max}"
                )
            );
        }
        assert_eq!(
            refusal(&[(name, "010485760")]),
            format!(
                "{name} parameter must be an integer; 010485760 is not valid: a leading zero can \
                 mean octal: write 0o for octal, or remove the zero"
            )
        );
        for text in ["-5242880", "18446744073709551616", "99999999999999999999999999"] {
            assert_eq!(
                refusal(&[(name, text)]),
                format!(
                    "the {name} {text} parameter should be a number between {min} and {max} \
                     (inclusive)"
                )
            );
        }
        for text in [&min, &max] {
            assert!(with(&[(name, text)]).is_ok(), "{name} {text}");
        }
    }
    for (name, text) in [
        ("chunksize", "5242879"),
        ("chunksize", "5368709121"),
        ("concurrency", "0"),
        ("readahead", "0"),
        ("readahead", "65"),
        ("concurrency", "65"),
        ("multipartcopymaxconcurrency", "0"),
        ("multipartcopythresholdsize", "5368709121"),
        ("maxmemory", "10485759"),
        ("maxrequests", "0"),
        ("maxrequests", "65536"),
    ] {
        assert!(
            refusal(&[(name, text)])
                .starts_with(&format!("the {name} {text} parameter should be a number between "))
        );
    }
    assert_eq!(good(&[("multipartcopythresholdsize", "-0")]).multipart_copy_threshold_size, 0);
}

#[test]
fn only_documented_words_are_accepted() {
    for class in [
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "OUTPOSTS",
        "GLACIER_IR",
        "EXPRESS_ONEZONE",
    ] {
        assert_eq!(good(&[("storageclass", class)]).storage_class.unwrap().as_str(), class);
        assert_eq!(
            good(&[("storageclass", &class.to_lowercase())]).storage_class.unwrap().as_str(),
            class
        );
    }
    for acl in [
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ] {
        assert_eq!(good(&[("objectacl", acl)]).acl.unwrap().as_str(), acl);
        assert_eq!(good(&[("objectacl", &acl.to_uppercase())]).acl.unwrap().as_str(), acl);
    }
    for level in [
        "off",
        "debug",
        "debugwithsigning",
        "debugwithhttpbody",
        "debugwithrequestretries",
        "debugwithrequesterrors",
        "debugwitheventstreambody",
    ] {
        let levels = good(&[("loglevel", &level.to_uppercase())]).log_levels.clone();
        assert_eq!(levels.first().map_or("off", |level| level.as_str()), level);
    }
    for payload in ["auto", "signed", "unsigned"] {
        assert_eq!(good(&[("payload", payload)]).payload.as_str(), payload);
        assert_eq!(good(&[("payload", &payload.to_uppercase())]).payload.as_str(), payload);
    }
    for checksum in [
        "auto",
        "none",
        "crc32",
        "crc32-composite",
        "crc32c",
        "crc32c-composite",
        "crc64nvme",
        "sha1",
        "sha256",
        "md5",
    ] {
        assert_eq!(good(&[("checksum", checksum)]).checksum.as_str(), checksum);
        assert_eq!(good(&[("checksum", &checksum.to_uppercase())]).checksum.as_str(), checksum);
    }
    for (name, text, expected) in [
        (
            "storageclass",
            "GLACIER",
            "the storageclass parameter must be one of STANDARD, REDUCED_REDUNDANCY, STANDARD_IA, \
             ONEZONE_IA, INTELLIGENT_TIERING, OUTPOSTS, GLACIER_IR, EXPRESS_ONEZONE, NONE, not \
             GLACIER",
        ),
        (
            "objectacl",
            "public",
            "invalid value for objectacl parameter: public; it must be one of private, public-read, \
             public-read-write, authenticated-read, aws-exec-read, bucket-owner-read, bucket-owner-full-control, none",
        ),
        (
            "loglevel",
            "verbose",
            "the loglevel parameter must be one of off, debug, debugwithsigning, debugwithhttpbody, \
             debugwithrequestretries, debugwithrequesterrors, debugwitheventstreambody, not \
             verbose",
        ),
        ("payload", "yes", "the payload parameter must be one of auto, signed, unsigned, not yes"),
        (
            "checksum",
            "md4",
            "the checksum parameter must be one of auto, none, crc32, crc32-composite, crc32c, \
             crc32c-composite, crc64nvme, sha1, sha256, md5, not md4",
        ),
    ] {
        assert_eq!(refusal(&[(name, text)]), expected);
    }
}

#[test]
fn ages_must_have_units() {
    for (text, seconds) in [
        ("1s", 1),
        ("168h", 604_800),
        ("2m", 120),
        ("1h1m1s", 3661),
        ("1.5h", 5400),
        ("90", 90),
        ("60000ms", 60),
        ("87600h", 315_360_000),
    ] {
        assert_eq!(
            good(&[("uploadpurgeage", text)]).upload_purge_age,
            Duration::from_secs(seconds)
        );
    }
    for text in [
        "0",
        "1.5",
        "7d",
        "h",
        "300ms",
        "-1h",
        "0s",
        "1h ",
        "87600h1s",
        "18446744073709551616s",
        "18446744073709551615h",
        "1ms",
    ] {
        assert_eq!(
            refusal(&[("uploadpurgeage", text)]),
            format!(
                "the uploadpurgeage parameter should be a duration such as 168h or 1h30m, between \
                 1s and 315360000s: {text} is not valid"
            )
        );
    }
}

#[test]
fn version_2_is_rejected_in_regions_without_it() {
    for region in [
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "eu-west-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "sa-east-1",
        "us-gov-west-1",
    ] {
        let p = good(&[("region", region), ("v4auth", "false")]);
        assert_eq!(p.signature_version, SignatureVersion::V2);
    }
    for region in [
        "eu-central-1",
        "us-east-2",
        "eu-west-2",
        "cn-north-1",
        "us-gov-east-1",
        "eusc-de-east-1",
        "mx-central-9",
    ] {
        let expected = format!("The {region} region only works with v4 authentication");
        assert_eq!(refusal(&[("region", region), ("v4auth", "false")]), expected);
        let url = ("regionendpoint", "https://s3.eu-central-1.amazonaws.com");
        assert_eq!(refusal(&[("region", region), ("v4auth", "false"), url]), expected);
        assert_eq!(
            good(&[("region", region), ("v4auth", "true")]).signature_version,
            SignatureVersion::V4
        );
        let other = good(&[
            ("region", region),
            ("v4auth", "false"),
            ("regionendpoint", "http://rgw.example"),
        ]);
        assert_eq!(other.signature_version, SignatureVersion::V2);
    }
    assert_eq!(
        refusal(&[("region", ""), ("v4auth", "false"), ("regionendpoint", "s3.amazonaws.com")]),
        "on Amazon S3 this storage driver can only be used with v4 authentication, unless region is one of us-east-1, \
         us-west-1, us-west-2, eu-west-1, ap-southeast-1, ap-southeast-2, ap-northeast-1, sa-east-1, us-gov-west-1"
    );
}

#[test]
fn an_access_point_of_one_region_can_be_the_bucket() {
    let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/registry";
    let outpost = "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op-1/accesspoint/registry";
    let lambda = "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/registry";
    let alias = "registry-abcdefgh-s3alias";
    for bucket in [point, outpost, alias] {
        assert_eq!(&*good(&[("bucket", bucket)]).bucket, bucket);
    }
    let colons = point.replace('/', ":");
    let normalized = good(&[("bucket", &colons)]);
    assert_eq!((&*normalized.bucket, normalized.bucket.kind()), (point, BucketKind::AccessPoint));
    for (more, expected) in [
        (
            vec![("bucket", "registry--use1-az4--x-s3")],
            "the bucket parameter does not accept directory buckets",
        ),
        (vec![("bucket", lambda)], "does not accept Object Lambda access points"),
        (
            vec![("bucket", point), ("redirectendpoint", "https://cdn.example")],
            "redirectendpoint cannot be used with access points",
        ),
        (vec![("bucket", point), ("v4auth", "false")], "v4auth false cannot be used with"),
        (vec![("bucket", point), ("forcepathstyle", "true")], "forcepathstyle cannot be used"),
        (vec![("bucket", point), ("secure", "false")], "secure false cannot be used with"),
        (vec![("bucket", point), ("accelerate", "true")], "accelerate cannot be used with"),
        (vec![("bucket", outpost), ("usedualstack", "true")], "usedualstack cannot be used with"),
        (vec![("bucket", point), ("region", "cn-north-1")], "the ARN is of the partition aws"),
        (
            vec![("bucket", point), ("regionendpoint", "http://minio:9000")],
            "cannot be reached through the endpoint minio",
        ),
        (vec![("bucket", "arn:aws:s3:::registry")], "give the bucket's name"),
    ] {
        let refused = refusal(&more);
        assert!(refused.contains(expected), "{refused}");
    }
    #[cfg(feature = "sigv4a")]
    {
        let multi = refusal(&[("bucket", "arn:aws:s3::123456789012:accesspoint/a.mrap")]);
        assert!(multi.contains("does not accept multi-region access points"), "{multi}");
    }
}

#[test]
fn the_redirect_endpoint_names_the_bucket_where_the_endpoint_names_it() {
    let cdn = ("redirectendpoint", "https://cdn.example.com");
    let minio = ("regionendpoint", "http://minio:9000");
    let at_bucket = ("redirectendpoint", "https://registry.example.com");
    for (more, expected) in [
        (vec![cdn], "https://registry.cdn.example.com/"),
        (vec![cdn, ("forcepathstyle", "true")], "https://cdn.example.com/registry"),
        (vec![cdn, ("accelerate", "true")], "https://registry.cdn.example.com/"),
        (vec![cdn, ("bucket", "my.registry")], "https://cdn.example.com/my.registry"),
        (vec![cdn, minio], "https://cdn.example.com/registry"),
        (vec![cdn, minio, ("forcepathstyle", "false")], "https://registry.cdn.example.com/"),
        // The endpoint does not have a name of which the bucket could be a part.
        (
            vec![cdn, ("regionendpoint", "http://10.0.0.1"), ("forcepathstyle", "false")],
            "https://registry.cdn.example.com/",
        ),
        (vec![("redirectendpoint", "http://10.0.0.1:9000")], "http://10.0.0.1:9000/registry"),
        // The name of the server only happens to begin like the bucket.
        (vec![at_bucket, minio], "https://registry.example.com/registry"),
    ] {
        let p = good(&more);
        let located = p.redirect_endpoint.as_ref().unwrap().locate(&p.bucket).unwrap();
        assert_eq!(located.root_url() + located.bucket_path(), expected, "{more:?}");
    }
    for more in [
        vec![at_bucket],
        vec![at_bucket, minio, ("forcepathstyle", "false")],
        vec![minio, ("redirectendpoint", "https://registry.s3.eu-west-1.amazonaws.com")],
    ] {
        let error = with(&more).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let refused = error.to_string();
        let start = "redirectendpoint cannot be used: the endpoint's host registry.";
        assert!(refused.starts_with(start), "{refused}");
        assert!(refused.contains("give the endpoint without the bucket: https://"), "{refused}");
    }
}

#[test]
fn contradictory_options_are_rejected() {
    let endpoint = ("regionendpoint", "http://minio:9000");
    for (more, expected) in [
        (vec![("accesskey", "AKID")], "accesskey is given without secretkey: set both, or neither"),
        (vec![("secretkey", "s")], "secretkey is given without accesskey: set both, or neither"),
        (
            vec![("sessiontoken", "t")],
            "sessiontoken is given without accesskey and secretkey: set all three, or none",
        ),
        (
            vec![("sessiontoken", "t"), ("accesskey", "a")],
            "accesskey is given without secretkey: set both, or neither",
        ),
        (
            vec![("keyid", "k")],
            "keyid k is given, but encrypt is not true: nothing would be encrypted with it",
        ),
        (
            vec![("keyid", "k"), ("encrypt", "false")],
            "keyid k is given, but encrypt is not true: nothing would be encrypted with it",
        ),
        (
            vec![("skipverify", "true"), ("cacert", "ca.pem")],
            "cacert cannot be used with skipverify true: no certificate would be verified",
        ),
        (
            vec![("skipverify", "true"), ("truststore", "system")],
            "truststore cannot be used with skipverify true: no certificate would be verified",
        ),
        (
            vec![("truststore", "cacert")],
            "truststore cacert needs cacert: no certificate would be trusted without it",
        ),
        (
            vec![("v4auth", "false"), ("payload", "signed")],
            "payload signed cannot be used with v4auth false: version 2 does not sign bodies",
        ),
        (
            vec![("usefipsendpoint", "true"), ("accelerate", "true")],
            "accelerate cannot be used with usefipsendpoint: AWS has no such endpoint",
        ),
        (
            vec![("usefipsendpoint", "true"), ("secure", "false")],
            "usefipsendpoint cannot be used with secure false: FIPS endpoints need TLS",
        ),
        (
            vec![("accelerate", "true"), ("forcepathstyle", "true")],
            "accelerate cannot be used with forcepathstyle: accelerated buckets are named in the \
             host only",
        ),
        (
            vec![("accelerate", "true"), ("bucket", "my.registry")],
            "invalid bucket name provided: my.registry; accelerate needs a bucket name that is a \
             DNS name without dots",
        ),
        (
            vec![("chunksize", "6000000"), ("maxmemory", "5242880")],
            "the maxmemory 5242880 parameter should be a number between 6000000 and \
             18446744073709551615 (inclusive)",
        ),
    ] {
        assert_eq!(refusal(&more), expected);
    }
    for name in ["usefipsendpoint", "accelerate"] {
        assert_eq!(
            refusal(&[endpoint, (name, "true")]),
            format!("{name} cannot be used with regionendpoint: it chooses among AWS's endpoints")
        );
        assert!(with(&[endpoint, (name, "false")]).is_ok());
    }
}

#[test]
fn dual_stack_has_no_effect_with_another_endpoint_and_is_reported() {
    let notice = Notice::OptionWithoutEffect {
        option: "usedualstack",
        needs: "an endpoint of AWS, without regionendpoint",
    };
    for (url, dual, expected) in [
        (Some("https://minio.example"), "true", vec![notice.clone()]),
        (Some("https://s3.us-east-1.amazonaws.com"), "true", vec![notice]),
        (Some("https://minio.example"), "false", vec![]),
        (None, "true", vec![]),
    ] {
        let endpoint = url.map(|url| ("regionendpoint", url));
        let more: Vec<_> = endpoint.into_iter().chain([("usedualstack", dual)]).collect();
        let parameters = good(&more);
        let host = parameters.endpoint.host();
        let expected_host = url.map_or("s3.dualstack.us-east-1.amazonaws.com", |url| &url[8..]);
        assert_eq!(host, expected_host);
        let driver = S3Driver::new(&parameters).unwrap();
        assert_eq!(driver.client().notices(), expected, "{url:?} {dual}");
    }
}

#[test]
fn openshifts_options_are_accepted_or_refused_with_a_hint() {
    let minio = ("regionendpoint", "https://minio.example");
    for (value, expected) in
        [("true", Addressing::VirtualHost), ("false", Addressing::Auto), ("", Addressing::Auto)]
    {
        let parameters = good(&[minio, ("virtualhostedstyle", value)]);
        assert_eq!(parameters.endpoint.addressing(), expected, "{value}");
    }
    assert!(with(&[("virtualhostedstyle", "true"), ("forcepathstyle", "true")]).is_err());
    assert!(with(&[("credentialsconfigpath", "")]).is_ok());
    let error = with(&[("credentialsconfigpath", "/var/run/secrets/cloud/credentials")]);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("AWS_CONFIG_FILE to its value"), "{error}");
}

#[test]
fn malformed_texts_are_rejected() {
    for (name, text, begin) in [
        ("region", "us-east-1.evil", "invalid region provided: us-east-1.evil; "),
        ("region", "<nil>", "invalid region provided: <nil>; "),
        ("bucket", "a/b", "invalid bucket name provided: a/b; "),
        ("bucket", "..", "invalid bucket name provided: ..; "),
        ("regionendpoint", "ftp://x", "unable to parse regionendpoint: ftp://x: "),
        ("redirectendpoint", "cdn.example", "no scheme specified for redirectendpoint"),
        ("redirectendpoint", "https://", "no host specified for redirectendpoint"),
        (
            "redirectendpoint",
            "https://cdn.example/x",
            "redirectendpoint cannot contain a base path: /x",
        ),
        (
            "redirectendpoint",
            "https://cdn.example?x",
            "redirectendpoint cannot contain query parameters",
        ),
        ("proxy", "https://proxy:1", "unable to parse proxy: "),
        ("proxy", "environments", "unable to parse proxy: "),
        (
            "truststore",
            "file",
            "the truststore parameter must be one of mozilla, system, cacert, not file",
        ),
        ("useragent", "x\r\nhost: evil", "the useragent parameter should be visible ASCII"),
        ("keyid", "k\n", "the keyid parameter should be visible ASCII"),
        (
            "rootdirectory",
            "a\nb",
            "the rootdirectory parameter should have at most 512 bytes and no control characters: \
             a\\nb",
        ),
    ] {
        let error = refusal(&[(name, text)]);
        assert!(error.starts_with(begin), "{error}");
        assert!(!error.contains(char::is_control), "{error}");
    }
    assert!(refusal(&[("rootdirectory", &"a".repeat(513))]).len() < 300);
    assert!(with(&[("rootdirectory", &"a".repeat(512))]).is_ok());
}

#[test]
fn only_outer_slashes_of_the_root_directory_are_removed() {
    for (text, root) in [
        ("/", ""),
        ("//", ""),
        ("/a", "a"),
        ("a/", "a"),
        ("/a/b//", "a/b"),
        ("a//b", "a//b"),
        ("/../a", "../a"),
        ("ä +%", "ä +%"),
    ] {
        assert_eq!(good(&[("rootdirectory", text)]).root_directory, root);
    }
}

#[test]
fn forcepathstyle_has_three_states() {
    let root = |more: &[(&str, &str)]| good(more).endpoint.locate("registry").unwrap().root_url();
    let custom = ("regionendpoint", "https://s.example");
    assert_eq!(root(&[]), "https://registry.s3.us-east-1.amazonaws.com");
    assert_eq!(root(&[("forcepathstyle", "false")]), "https://registry.s3.us-east-1.amazonaws.com");
    assert_eq!(root(&[("forcepathstyle", "true")]), "https://s3.us-east-1.amazonaws.com");
    assert_eq!(root(&[custom]), "https://s.example");
    assert_eq!(root(&[custom, ("forcepathstyle", "false")]), "https://registry.s.example");
    assert_eq!(root(&[custom, ("forcepathstyle", "true")]), "https://s.example");
}

#[test]
fn unknown_and_repeated_options_are_rejected() {
    for (name, expected) in [
        ("acceskey", "unknown parameter acceskey: did you mean accesskey?"),
        ("secret_key", "unknown parameter secret_key: did you mean secretkey?"),
        ("chunk-size", "unknown parameter chunk-size: did you mean chunksize?"),
        ("mxrqusts", "unknown parameter mxrqusts: did you mean maxrequests?"),
        ("usefips", "unknown parameter usefips"),
        ("frobnicate", "unknown parameter frobnicate"),
        ("", "unknown parameter "),
    ] {
        let error = with(&[(name, "hunter2")]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::UnknownOption, expected));
        // If there is no name to suggest, the hint lists the existing ones.
        let listed = error.hint().is_some_and(|hint| hint.contains("multipartcopymaxconcurrency"));
        assert_ne!(listed, expected.contains("did you mean"), "{error}");
    }
    assert!(with(&[(&"x".repeat(10_000), "")]).unwrap_err().message().len() < 200);
    let twice = Parameters::from_pairs([("bucket", "one"), ("bucket", "two")]).unwrap_err();
    assert_eq!(twice.message(), "the bucket parameter is given twice");
}

#[test]
fn names_are_accepted_in_any_case() {
    let p = Parameters::from_pairs([
        ("Region", "eu-west-1"),
        ("BUCKET", "images"),
        ("rootDirectory", "/a"),
    ])
    .unwrap();
    assert_eq!(
        (&*p.bucket, p.endpoint.signing_region(), &*p.root_directory),
        ("images", "eu-west-1", "a")
    );
    let twice = Parameters::from_pairs([("bucket", "one"), ("Bucket", "two")]).unwrap_err();
    assert_eq!(twice.message(), "the bucket parameter is given twice");
}

/// Each name from another registry has the effect of the option that it stands for.
#[test]
fn the_names_of_other_registries_keep_their_meaning() {
    let shown = |pairs: &[(&str, &str)]| format!("{:?}", good(pairs));
    let custom = ("regionendpoint", "https://s.example");
    for (given, meant) in [
        (("pathstyle", "true"), ("forcepathstyle", "true")),
        (("PathStyle", "FALSE"), ("forcepathstyle", "false")),
        (("pathstyle", ""), ("forcepathstyle", "")),
        (("parallelwalk", "true"), ("walkconcurrency", "16")),
        (("parallelwalk", "false"), ("walkconcurrency", "1")),
        (("checksum_disabled", "true"), ("checksum", "none")),
        (("checksum_disabled", "false"), ("checksum", "auto")),
        (("checksum_algorithm", "CRC64NVME"), ("checksum", "crc64nvme")),
        (("checksum_algorithm", "CRC32C"), ("checksum", "crc32c")),
        (("checksum_algorithm", "SHA256"), ("checksum", "sha256")),
        (("objectownership", "true"), ("objectacl", "none")),
        (("objectownership", "false"), ("objectacl", "")),
        (("maxrequestspersecond", "0"), ("maxrequests", "256")),
        (("multipartcombinesmallpart", "false"), ("uniformparts", "true")),
        (("multipartcombinesmallpart", "true"), ("uniformparts", "false")),
        (("loglevel", "LogRequestWithBody"), ("loglevel", "debugwithhttpbody")),
        (("loglevel", "logsigning, logresponse"), ("loglevel", "debug,debugwithsigning")),
        (("loglevel", "logdeprecatedusage"), ("loglevel", "off")),
        (("loglevel", "LogOff"), ("loglevel", "off")),
        (("virtualhostedstyle", "true"), ("forcepathstyle", "false")),
        (("virtualhostedstyle", "false"), ("forcepathstyle", "")),
        (("credentialsconfigpath", ""), ("bucket", "registry")),
        (("name", "s3"), ("bucket", "registry")),
        (("Name", "S3AWS"), ("bucket", "registry")),
    ] {
        assert_eq!(shown(&[custom, given]), shown(&[custom, meant]), "{given:?}");
    }
    let tested =
        ["pathstyle", "parallelwalk", "checksum_disabled", "checksum_algorithm", "objectownership"];
    let tested =
        tested.into_iter().chain(["maxrequestspersecond", "multipartcombinesmallpart", "name"]);
    let tested = tested.chain(["virtualhostedstyle", "credentialsconfigpath"]);
    let names: BTreeSet<_> = Parameters::aliases().iter().map(|alias| alias.name).collect();
    assert_eq!(names, tested.collect(), "each name is tested above");
}

#[test]
fn unsupported_names_of_other_registries_point_to_the_option() {
    for (more, expected) in [
        (
            vec![("maxrequestspersecond", "350")],
            "the maxrequestspersecond parameter has no equivalent in this driver; remove it, or limit the requests in \
             flight with maxrequests",
        ),
        (
            vec![("checksum_algorithm", "SHA512")],
            "the checksum parameter must be one of auto, none, crc32, crc32-composite, crc32c, \
             crc32c-composite, crc64nvme, sha1, sha256, md5, not SHA512; \
             checksum_algorithm is GitLab's name for checksum",
        ),
        (
            vec![("checksum_disabled", "true"), ("checksum", "crc32c")],
            "the checksum parameter is given twice; checksum_disabled is GitLab's name for \
             checksum",
        ),
        (
            vec![("objectacl", "private"), ("objectownership", "true")],
            "the objectacl parameter is given twice; objectownership is GitLab's name for \
             objectacl",
        ),
        (
            vec![("pathstyle", "maybe")],
            "the forcepathstyle parameter should be a boolean: maybe is neither true nor false; pathstyle is GitLab's \
             name for forcepathstyle",
        ),
        (
            vec![("parallelwalk", "8")],
            "the parallelwalk parameter should be a boolean: 8 is neither true nor false",
        ),
        (vec![("name", "gcs")], "the name parameter must be one of s3, s3aws, not gcs"),
        (
            vec![("loglevel", "debug,logeverything")],
            "the loglevel parameter must be one of off, debug, debugwithsigning, debugwithhttpbody, \
             debugwithrequestretries, debugwithrequesterrors, debugwitheventstreambody, not \
             (not shown)",
        ),
    ] {
        let error = with(&more).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Configuration, expected)
        );
    }
}

#[test]
fn secrets_are_never_shown() {
    let keys = [
        ("accesskey", "AKIDEXAMPLE"),
        ("secretkey", "hunter2-secret"),
        ("sessiontoken", "hunter2-token"),
    ];
    let mut all = keys.to_vec();
    all.push(("proxy", "http://user:hunter2-proxy@proxy:1"));
    let p = good(&all);
    for text in [format!("{p:?}"), format!("{p:#?}"), format!("{:?}", p.credentials.as_ref())] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let builder = Parameters::builder("registry")
        .proxy("http://user:hunter2@proxy:1")
        .credentials(&Credentials::new("AKIDEXAMPLE", "hunter2").with_session_token("hunter2"));
    assert!(!format!("{builder:?}").contains("hunter2"));
    for (name, bad) in [
        ("secretkey", " hunter2"),
        ("secretkey", "hunter2\n"),
        ("secretkey", "hun ter2"),
        ("secretkey", "hunter2é"),
        ("sessiontoken", "hunter2\r"),
        ("accesskey", "hunter2\t"),
        ("proxy", "http://u:hunter2@proxy"),
        ("proxy", "socks5://u:hunter2@proxy:1"),
        ("regionendpoint", "https://u:hunter2@s.example"),
        ("redirectendpoint", "https://u:hunter2@s.example/x"),
    ] {
        let mut pairs = keys.to_vec();
        pairs.retain(|(given, _)| *given != name);
        pairs.push((name, bad));
        let error = with(&pairs).unwrap_err();
        for text in [format!("{error}"), format!("{error:?}"), format!("{:?}", error.hint())] {
            assert!(!text.contains("hunter2") && !text.contains("hun ter2"), "{text}");
        }
        assert!(error.to_string().contains(name), "{error}");
    }
    for (first, second) in
        [("secretkey", "hunter2"), ("sessiontoken", "hunter2"), ("proxy", "hunter2")]
    {
        assert!(!refusal(&[(first, second), (first, second)]).contains("hunter2"));
    }
}

#[test]
fn the_builder_sets_every_option() {
    let built = Parameters::builder("registry")
        .region("eu-west-1")
        .variant(
            Variant::default()
                .stack(Stack::Dual)
                .fips(Fips::NotRequired)
                .acceleration(Acceleration::On),
        )
        .redirect_endpoint("https://cdn.example")
        .addressing(Addressing::VirtualHost)
        .scheme(Scheme::Http)
        .credentials(&Credentials::new("AKID", "secret").with_session_token("token"))
        .root_directory("/root/")
        .encryption(Encryption::Kms { key_id: "key".to_owned() })
        .storage_class(None)
        .acl(None)
        .verification(TlsVerification::Full)
        .trust_store(TrustStore::Named)
        .ca_certificate_path("ca.pem")
        .proxy("http://proxy:3128")
        .signature_version(SignatureVersion::V2)
        .payload(PayloadSigning::Unsigned)
        .checksum(Checksum::None)
        .request_payer(RequestPayer::Requester)
        .chunk_size(MIN_PART_SIZE)
        .multipart_copy_chunk_size(MAX_PART_SIZE)
        .multipart_copy_max_concurrency(threads(7))
        .multipart_copy_threshold_size(0)
        .concurrency(threads(2))
        .read_ahead(threads(3))
        .max_memory(Some(MAX_PART_SIZE))
        .spool("/var/spool/s3driver")
        .max_requests(threads(30))
        .part_sizes(PartSizes::Uniform)
        .upload_purge_age(Duration::from_secs(90))
        .user_agent("registry/3")
        .max_retries(9)
        .walk_concurrency(threads(8))
        .log_levels(&[LogLevel::Debug, LogLevel::DebugWithSigning])
        .build()
        .unwrap();
    let read = good(&[
        ("region", "eu-west-1"),
        ("usedualstack", "true"),
        ("accelerate", "true"),
        ("redirectendpoint", "https://cdn.example"),
        ("forcepathstyle", "false"),
        ("secure", "false"),
        ("accesskey", "AKID"),
        ("secretkey", "secret"),
        ("sessiontoken", "token"),
        ("rootdirectory", "/root/"),
        ("encrypt", "true"),
        ("keyid", "key"),
        ("storageclass", "NONE"),
        ("objectacl", "none"),
        ("skipverify", "false"),
        ("truststore", "cacert"),
        ("cacert", "ca.pem"),
        ("proxy", "http://proxy:3128"),
        ("v4auth", "false"),
        ("payload", "unsigned"),
        ("checksum", "none"),
        ("requestpayer", "requester"),
        ("chunksize", "5242880"),
        ("multipartcopychunksize", "5368709120"),
        ("multipartcopymaxconcurrency", "7"),
        ("multipartcopythresholdsize", "0"),
        ("concurrency", "2"),
        ("readahead", "3"),
        ("maxmemory", "5368709120"),
        ("spool", "/var/spool/s3driver"),
        ("maxrequests", "30"),
        ("uniformparts", "true"),
        ("uploadpurgeage", "90s"),
        ("useragent", "registry/3"),
        ("maxretries", "9"),
        ("walkconcurrency", "8"),
        ("loglevel", "debug,debugwithsigning"),
    ]);
    assert_eq!(format!("{built:?}"), format!("{read:?}"));
    assert_eq!(built.credentials.as_ref().unwrap().secret_access_key(), "secret");
    assert_eq!(built.credentials.as_ref().unwrap().session_token(), Some("token"));
    assert_eq!(built.proxy, ProxySource::Given(Proxy::parse("http://proxy:3128").unwrap()));

    let custom = Parameters::builder("registry").endpoint("http://minio:9000").build().unwrap();
    assert_eq!(custom.endpoint.host(), "minio");
    let last = Parameters::builder("one")
        .region("us-east-1")
        .region("us-east-2")
        .max_memory(Some(1))
        .max_memory(None);
    assert_eq!(last.build().unwrap().endpoint.signing_region(), "us-east-2");
    let kms = Parameters::builder("one")
        .region("us-east-1")
        .encryption(Encryption::Kms { key_id: String::new() });
    assert_eq!(
        kms.build().unwrap_err().message(),
        "keyid is empty: encryption with KMS needs the id of a key"
    );
    let half =
        Parameters::builder("one").region("us-east-1").credentials(&Credentials::new("AKID", ""));
    assert_eq!(
        half.build().unwrap_err().message(),
        "accesskey is given without secretkey: set both, or neither"
    );
    assert_eq!(
        Parameters::builder("").region("us-east-1").build().unwrap_err().to_string(),
        "no bucket parameter provided"
    );
}

proptest! {
    #[test]
    fn no_text_panics_or_breaks_the_line(name in "[a-z]{0,12}|bucket|region|regionendpoint|redirectendpoint|proxy|chunksize|uploadpurgeage|rootdirectory|storageclass", value in any::<String>()) {
        if let Err(error) = with(&[(&name, &value)]) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn an_accepted_endpoint_has_a_host_of_one_name(url in "(https?://)?[a-zA-Z0-9.:@/?#\\[\\]%\\\\ _-]{0,40}", bucket in "[a-z0-9.-]{3,12}") {
        if let Ok(p) = with(&[("regionendpoint", &url), ("bucket", &bucket)]) {
            let located = p.endpoint.locate(&p.bucket).unwrap();
            let host = located.host();
            let clean = host.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_:".contains(c));
            prop_assert!(clean && !host.is_empty(), "{}", host);
            let path = located.bucket_path();
            prop_assert!(path.starts_with('/') && !path.contains("//") && !path.contains("/../"), "{}", path);
        }
    }

    #[test]
    fn builder_and_pairs_agree_on_numbers(chunk in 0..=MAX_PART_SIZE * 2, threshold in 0..=MAX_PART_SIZE * 2, threads in 1..100_usize) {
        let concurrency = NonZeroUsize::new(threads).unwrap();
        let built = Parameters::builder("registry").region("us-east-1").chunk_size(chunk)
            .multipart_copy_threshold_size(threshold).concurrency(concurrency).build();
        let read = with(&[("chunksize", &format!("{chunk:#x}")), ("multipartcopythresholdsize", &format!("{threshold:#o}")), ("concurrency", &threads.to_string())]);
        prop_assert_eq!(built.is_ok(), (MIN_PART_SIZE..=MAX_PART_SIZE).contains(&chunk) && threshold <= MAX_PART_SIZE && threads <= 64);
        match (built, read) {
            (Ok(built), Ok(read)) => prop_assert_eq!(format!("{built:?}"), format!("{read:?}")),
            (Err(_), Err(_)) => {}
            (built, read) => prop_assert!(false, "{:?} {:?}", built, read),
        }
    }
}
