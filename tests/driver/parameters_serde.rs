//! Tests of the driver's options through serde, with JSON as the format.

use proptest::prelude::*;
use s3driver::client::Encryption;
use s3driver::driver::{LogLevel, Parameters};
use serde_json::{Map, Value, json};

fn read(more: Value) -> Result<Parameters, serde_json::Error> {
    let Value::Object(more) = more else { panic!("a test's options are a map") };
    let mut all = Map::from_iter([
        ("region".to_owned(), json!("us-east-1")),
        ("bucket".to_owned(), json!("registry")),
    ]);
    all.extend(more);
    serde_json::from_value(Value::Object(all))
}
fn refusal(more: Value) -> String {
    read(more).unwrap_err().to_string()
}

#[test]
fn booleans_and_integers_can_be_text() {
    for value in [json!(true), json!("true"), json!("t"), json!(1), json!("1")] {
        assert_eq!(read(json!({ "encrypt": value })).unwrap().encryption, Encryption::Aes256);
    }
    for value in [json!(6_000_000), json!("6000000"), json!("0x5b8d80")] {
        assert_eq!(read(json!({ "chunksize": value })).unwrap().chunk_size, 6_000_000);
    }
    assert_eq!(read(json!({ "rootdirectory": 2026 })).unwrap().root_directory, "2026");
    let levels =
        read(json!({ "loglevel": ["debug", "LogSigning", null] })).unwrap().log_levels.clone();
    assert_eq!(levels, [LogLevel::Debug, LogLevel::DebugWithSigning]);
    assert_eq!(read(json!({ "loglevel": false })).unwrap().log_levels, []);
}

#[test]
fn null_and_empty_mean_not_given() {
    let plain = format!("{:?}", read(json!({})).unwrap());
    for name in [
        "accesskey",
        "encrypt",
        "chunksize",
        "storageclass",
        "objectacl",
        "v4auth",
        "uploadpurgeage",
        "rootdirectory",
    ] {
        for value in [json!(null), json!("")] {
            assert_eq!(format!("{:?}", read(json!({ name: value })).unwrap()), plain, "{name}");
        }
    }
    assert_eq!(refusal(json!({ "region": null })), "no region parameter provided");
    assert_eq!(refusal(json!({ "bucket": null })), "no bucket parameter provided");
}

#[test]
fn other_types_are_rejected_by_name() {
    for (more, expected) in [
        (
            json!({ "chunksize": 1e7 }),
            "chunksize parameter must be an integer, not a floating-point number",
        ),
        (
            json!({ "chunksize": -1 }),
            "the chunksize -1 parameter should be a number between 5242880 and 5368709120 (inclusive)",
        ),
        (
            json!({ "chunksize": true }),
            "chunksize parameter must be an integer; true is not valid: allowed are 5242880 to \
             5368709120",
        ),
        (
            json!({ "encrypt": 2 }),
            "the encrypt parameter should be a boolean: 2 is neither true nor false",
        ),
        (
            json!({ "encrypt": 1.0 }),
            "the encrypt parameter must not be a number; write it in quotes",
        ),
        (
            json!({ "region": true }),
            "the region parameter must be text, not a boolean; write it in quotes",
        ),
        (
            json!({ "secretkey": 12345 }),
            "the secretkey parameter must be text, not a number; write it in quotes",
        ),
        (
            json!({ "bucket": ["a"] }),
            "the bucket parameter must be a single value, not a list or a map",
        ),
        (
            json!({ "bucket": { "a": [{}] } }),
            "the bucket parameter must be a single value, not a list or a map",
        ),
        (
            json!({ "loglevel": 1.5 }),
            "the loglevel parameter must not be a number; write it in quotes",
        ),
        (json!({ "bukket": "a" }), "unknown parameter bukket: did you mean bucket?"),
    ] {
        assert_eq!(refusal(more), expected);
    }
    let twice =
        serde_json::from_str::<Parameters>(r#"{"bucket": "a", "region": "b", "bucket": "c"}"#)
            .unwrap_err();
    assert!(twice.to_string().starts_with("the bucket parameter is given twice"), "{twice}");
}

#[test]
fn secrets_are_never_shown() {
    for text in [
        r#"{"secretkey": "hunter2"}"#,
        r#"{"secretkey": " hunter2", "region": "us-east-1", "bucket": "registry"}"#,
        r#"{"region": "us-east-1", "bucket": "registry", "secretkey": ["hunter2"]}"#,
        r#"{"secretkey": {"hunter2": "hunter2"}}"#,
        r#"{"secretkey": "hunter2", "secretkey": "hunter2"}"#,
        r#"{"sessiontoken": "hunter2", "region": "us-east-1", "bucket": "registry"}"#,
        r#"{"proxy": "hunter2", "region": "us-east-1", "bucket": "registry"}"#,
        r#"{"accesskey": "hunter2", "region": "us-east-1", "bucket": "registry"}"#,
        r#"{"secret": "hunter2"}"#,
        r#"{"secretkey": "hunter2" "bucket": "x"}"#,
        r#"{"secretkey": "hunter2"#,
        r#""hunter2""#,
        r#"["hunter2"]"#,
    ] {
        let error = serde_json::from_str::<Parameters>(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    for number in ["7777777", "-7777777", "7777777.5", "77777777777777777777777777777777777777777"]
    {
        for name in ["secretkey", "sessiontoken", "accesskey", "proxy"] {
            let error = serde_json::from_str::<Parameters>(&format!(r#"{{"{name}": {number}}}"#))
                .unwrap_err();
            assert!(!error.to_string().contains("777"), "{error}");
        }
    }
}

proptest! {
    /// Text results in the same parameters or the same message through serde and through pairs.
    #[test]
    fn serde_and_pairs_agree(
        given in prop::collection::btree_map(
            prop::sample::select(vec![
                "region", "bucket", "regionendpoint", "redirectendpoint", "forcepathstyle", "encrypt", "keyid", "secure",
                "v4auth", "chunksize", "multipartcopythresholdsize", "storageclass", "objectacl", "rootdirectory",
                "usedualstack", "accelerate", "loglevel", "uploadpurgeage", "accesskey", "secretkey", "payload", "checksum",
            ]),
            prop::sample::select(vec![
                "", "true", "false", "us-east-1", "eu-central-1", "registry", "http://minio:9000", "https://cdn.example",
                "5242880", "0x500000", "10MB", "168h", "STANDARD", "private", "none", "off", "signed", "a/b", "k",
            ]),
            0..8,
        )
    ) {
        let from_pairs = Parameters::from_pairs(given.clone());
        let map: Map<String, Value> = given.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        let from_serde = serde_json::from_value::<Parameters>(Value::Object(map));
        match (from_pairs, from_serde) {
            (Ok(a), Ok(b)) => {
                prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
                let secret = |p: &Parameters| p.credentials.as_ref().map(|c| c.secret_access_key().to_owned());
                prop_assert_eq!(secret(&a), secret(&b));
            }
            (Err(a), Err(b)) => prop_assert_eq!(a.to_string(), b.to_string()),
            (a, b) => prop_assert!(false, "{:?} {:?}", a, b),
        }
    }
}
