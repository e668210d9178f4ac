//! Tests of complete configuration files of registries.
mod yaml;

use s3driver::client::endpoint::Addressing;
use s3driver::client::{CannedAcl, Checksum, Encryption};
use s3driver::driver::{
    Access, Backend, Deletion, LogLevel, Parameters, PartSizes, PurgeRun, Redirects,
    RegistryConfig, StorageConfig,
};
use s3driver::middleware;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn parameters(backend: &Backend) -> &Parameters {
    match backend {
        Backend::S3(parameters) => parameters,
        other => panic!("{other:?}"),
    }
}

fn load(text: &str) -> RegistryConfig {
    serde_json::from_value(yaml::read(text)).unwrap()
}

fn refusal(config: Value) -> String {
    serde_json::from_value::<RegistryConfig>(config).unwrap_err().to_string()
}

/// Returns a section `storage` with a driver and one further entry.
fn with(name: &str, value: impl Into<Value>) -> Value {
    json!({ "storage": { "inmemory": null, name: value.into() } })
}

#[test]
fn the_configuration_of_distribution_2_is_read() {
    let config = load(include_str!("../../data/registries/distribution-2.yml"));
    let storage = &config.storage;
    let p = parameters(&storage.backend);
    assert_eq!(
        (&*p.bucket, p.endpoint.signing_region(), &*p.root_directory),
        ("images", "eu-west-1", "registry/data")
    );
    assert_eq!(p.encryption, Encryption::Kms { key_id: "alias/images".to_owned() });
    assert_eq!((p.chunk_size, p.acl.map(CannedAcl::as_str)), (5 << 20, Some("private")));
    assert_eq!((storage.deletion, storage.access), (Deletion::Refused, Access::ReadWrite));
    assert_eq!(storage.redirects, Redirects::Enabled { expires_in: None });
    let purging = storage.upload_purging.unwrap();
    assert_eq!(
        (purging.age, purging.interval, purging.run),
        (168 * HOUR, 24 * HOUR, PurgeRun::Remove)
    );
    assert_eq!(storage.cache.as_ref().unwrap().kind, "redis");
    let [cloudfront] = &*config.middleware else { panic!("{config:?}") };
    assert_eq!(cloudfront.name, "cloudfront");
    let option = |wanted: &str| {
        let found = cloudfront.options.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (option("awsregion"), option("duration")),
        (Some("us-east-1, us-east-2"), Some("3000s"))
    );
    // The key file does not exist here; the middleware's error names it.
    let error = middleware::open(&config).map(drop).unwrap_err();
    assert!(error.to_string().contains("/etc/registry/key.pem"), "{error}");
}

#[test]
fn the_configuration_of_distribution_3_is_read() {
    let config = load(include_str!("../../data/registries/distribution-3.yml"));
    let storage = &config.storage;
    let p = parameters(&storage.backend);
    assert_eq!((p.part_sizes, &*p.log_levels), (PartSizes::Uniform, &[LogLevel::Debug][..]));
    assert_eq!((storage.deletion, storage.access), (Deletion::Allowed, Access::ReadOnly));
    assert_eq!(storage.redirects, Redirects::Disabled);
    let purging = storage.upload_purging.unwrap();
    assert_eq!(
        (purging.age, purging.interval, purging.run),
        (48 * HOUR, 3 * HOUR / 2, PurgeRun::Report)
    );
    let cache = storage.cache.as_ref().unwrap();
    assert_eq!((&*cache.kind, cache.size), ("inmemory", Some(10_000)));
    assert_eq!(storage.tag_concurrency.unwrap().get(), 8);
    // The disabled one is omitted.
    let names: Vec<_> = config.middleware.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["redirect"]);
    let driver = middleware::open(&config).unwrap();
    let url = driver
        .url_for("/a", &s3driver::driver::UrlOptions::new(s3driver::driver::Method::Get))
        .unwrap();
    assert_eq!(url, "https://mirror.example.org/registry/data/a");
}

#[test]
fn the_configuration_of_gitlab_is_read() {
    let config = load(include_str!("../../data/registries/gitlab.yml"));
    let storage = &config.storage;
    let p = parameters(&storage.backend);
    let located = p.endpoint.locate(&p.bucket).unwrap();
    assert_eq!(
        located.root_url() + located.bucket_path(),
        "https://objects.example.org/gitlab-registry"
    );
    assert_eq!((p.checksum, p.acl, p.max_retries), (Checksum::None, None, 5));
    assert_eq!(p.walk_concurrency.get(), 16);
    assert_eq!(p.log_levels, [LogLevel::Debug, LogLevel::DebugWithRequestRetries]);
    assert_eq!(storage.redirects, Redirects::Enabled { expires_in: Some(HOUR / 3) });
    assert_eq!((storage.upload_purging, config.middleware.len()), (None, 0));
    assert_eq!(middleware::open(&config).unwrap().object_key("/a").as_deref(), Some("gitlab/a"));
}

#[test]
fn the_configuration_of_zot_is_read() {
    let text = include_str!("../../data/registries/zot.json");
    let config: RegistryConfig = serde_json::from_str(text).unwrap();
    let storage = &config.storage;
    let p = parameters(&storage.backend);
    assert_eq!((&*p.bucket, &*p.root_directory), ("zot-storage", "zot"));
    assert_eq!(p.credentials.as_ref().unwrap().access_key_id(), "AKIDEXAMPLE");
    assert_eq!((storage.deletion, storage.redirects), (Deletion::Allowed, Redirects::Disabled));
    let roots: Vec<_> = storage
        .sub_paths
        .iter()
        .map(|(path, path_storage)| (&**path, &*parameters(&path_storage.backend).root_directory))
        .collect();
    assert_eq!(roots, [("/a", "zot-a")]);
    assert_eq!(
        storage.sub_paths["/a"].backend.open().unwrap().object_key("/x").as_deref(),
        Some("zot-a/x")
    );
}

#[test]
fn downloads_from_zot_are_redirected_if_it_is_configured() {
    let storage = |inner: &str, outer: &str| {
        let driver =
            r#""storageDriver": {"name": "s3", "bucket": "images", "region": "us-east-1"}"#;
        let text = format!(
            r#"{{"storage": {{{driver}, "redirectBlobURL": {outer},
                "subPaths": {{"/a": {{{driver}, "redirectBlobURL": {inner}}}}}}}}}"#
        );
        let storage = serde_json::from_str::<RegistryConfig>(&text).unwrap().storage;
        (storage.sub_paths["/a"].redirects, storage.redirects)
    };
    let enabled = Redirects::Enabled { expires_in: None };
    assert_eq!(storage("true", "false"), (enabled, Redirects::Disabled));
    assert_eq!(storage("false", "true"), (Redirects::Disabled, enabled));
}

#[test]
fn missing_options_have_the_registrys_defaults() {
    for config in [
        json!({ "storage": { "inmemory": null } }),
        json!({ "Storage": "inmemory", "http": { "1": [{}] } }),
    ] {
        let config: RegistryConfig = serde_json::from_value(config).unwrap();
        let storage = &config.storage;
        assert!(matches!(storage.backend, Backend::Memory));
        assert_eq!((storage.deletion, storage.access), (Deletion::Refused, Access::ReadWrite));
        let purging = storage.upload_purging.unwrap();
        assert_eq!(
            (purging.age, purging.interval, purging.run),
            (168 * HOUR, 24 * HOUR, PurgeRun::Remove)
        );
        assert_eq!((&storage.cache, storage.tag_concurrency), (&None, None));
        assert_eq!(middleware::open(&config).unwrap().name(), "inmemory");
    }
}

#[test]
fn values_can_be_text_in_any_case() {
    let config: RegistryConfig = serde_json::from_value(json!({
        "storage": {
            "S3": { "Region": "us-east-1", "BUCKET": "images", "Encrypt": "TRUE", "StorageClass": "standard_ia" },
            "Delete": { "Enabled": "True" },
            "redirect": { "disable": "" },
            "maintenance": { "uploadpurging": { "age": 3600, "interval": "3600" } },
            "cache": { "blobdescriptor": "InMemory", "blobdescriptorsize": "7" },
        },
        "middleware": { "storage": [{ "Name": "Redirect", "Options": { "BaseURL": "https://h/", "key": null } }] },
    }))
    .unwrap();
    assert_eq!(parameters(&config.storage.backend).encryption, Encryption::Aes256);
    assert_eq!(config.storage.deletion, Deletion::Allowed);
    let purging = config.storage.upload_purging.unwrap();
    assert_eq!((purging.age, purging.interval), (HOUR, HOUR));
    assert_eq!(
        config.storage.cache.as_ref().map(|cache| (&*cache.kind, cache.size)),
        Some(("inmemory", Some(7)))
    );
    assert_eq!(middleware::open(&config).unwrap().name(), "s3aws");
}

#[test]
fn invalid_options_are_reported_with_their_place() {
    let s3 = json!({ "region": "us-east-1", "bucket": "images" });
    for (config, expected) in [
        (json!({}), "the configuration does not have a section storage"),
        (json!("hunter2"), "a registry's configuration must be a map, not text"),
        (
            json!({ "storage": null }),
            "the section storage does not name a storage driver: it must contain s3 or inmemory",
        ),
        (json!({ "storage": ["s3"] }), "storage must be a map of options"),
        (
            json!({ "storage": { "s3": "hunter2" } }),
            "storage.s3: the S3 parameters must be a map, not text",
        ),
        (json!({ "storage": { "s3": null } }), "storage.s3: no region parameter provided"),
        (
            json!({ "storage": { "s3": { "bukket": "a" } } }),
            "storage.s3: unknown parameter bukket: did you mean bucket?",
        ),
        (
            json!({ "storage": { "s3": s3, "filesystem": { "rootdirectory": "/x" } } }),
            "the section storage names more than one storage driver: s3, filesystem",
        ),
        (
            json!({ "storage": { "filesystem": { "rootdirectory": "/x" } } }),
            "storage.filesystem: s3driver does not have this storage driver; the storage drivers \
             are s3 and inmemory",
        ),
        (with("inmemory", json!({ "size": 1 })), "unknown option storage.inmemory.size"),
        (
            with("delete", json!({ "enable": true })),
            "unknown option storage.delete.enable; the options of storage.delete are enabled",
        ),
        (
            with("delete", json!({ "enabled": "yess" })),
            "storage.delete.enabled must be true or false",
        ),
        (with("delete", json!({ "enabled": 1 })), "storage.delete.enabled must be true or false"),
        (with("delete", json!(true)), "storage.delete must be a map of options"),
        (
            with("delete", json!({ "enabled": true, "Enabled": false })),
            "storage.delete.enabled is given twice",
        ),
        (
            with("redirect", json!({ "disable": {} })),
            "storage.redirect.disable must be true or false",
        ),
        (
            with("redirect", json!({ "expirydelay": [] })),
            "storage.redirect.expirydelay must be a duration such as 168h",
        ),
        (
            with("maintenance", json!({ "uploadpurging": { "age": "7d" } })),
            "storage.maintenance.uploadpurging.age must be a duration such as 168h: \"7d\" has a \
             unit other than ns, us, ms, s, m and h",
        ),
        (
            with("maintenance", json!({ "uploadpurging": { "interval": 0 } })),
            "storage.maintenance.uploadpurging.interval must be more than zero",
        ),
        (
            with("maintenance", json!({ "readonly": { "enabled": 2 } })),
            "storage.maintenance.readonly.enabled must be true or false",
        ),
        (
            with("cache", json!({ "blobdescriptor": 1 })),
            "storage.cache.blobdescriptor must be text",
        ),
        (
            with("cache", json!({ "blobdescriptorsize": -1 })),
            "storage.cache.blobdescriptorsize must be a whole number, 0 or more",
        ),
        (
            with("tag", json!({ "concurrencylimit": "many" })),
            "storage.tag.concurrencylimit must be a whole number, 0 or more",
        ),
        (
            with("deletes", json!({})),
            "unknown option storage.deletes; the options of storage are delete, redirect, \
             maintenance, cache, tag, inmemory",
        ),
        (
            json!({ "storage": "inmemory", "middleware": { "storage": {} } }),
            "middleware.storage must be a list",
        ),
        (
            json!({ "storage": "inmemory", "middleware": { "storages": [] } }),
            "unknown option middleware.storages; the options of middleware are registry, \
             repository, storage",
        ),
        (
            json!({ "storage": "inmemory", "middleware": { "storage": [{ "options": {} }] } }),
            "an entry of middleware.storage does not have a name",
        ),
        (
            json!({ "storage": "inmemory", "middleware": { "storage": [{ "name": "x", "options": { "y": { "z": 1 } } }] } }),
            "middleware.storage.x.y must be text, a boolean or a whole number",
        ),
        (
            json!({ "storage": { "storageDriver": { "name": "gcs" } } }),
            "storage.storageDriver: the name parameter must be one of s3, s3aws, not gcs",
        ),
        (
            json!({ "storage": { "storageDriver": s3, "subPaths": { "/a": { "rootDirectory": "/x" } } } }),
            "storage.subpaths./a.storageDriver is missing: s3driver does not keep images in a local folder",
        ),
    ] {
        assert_eq!(refusal(config.clone()), expected, "{config}");
    }
    let twice =
        serde_json::from_str::<RegistryConfig>(r#"{"storage": "inmemory", "STORAGE": "inmemory"}"#)
            .unwrap_err();
    assert!(twice.to_string().starts_with("the section STORAGE is given twice"), "{twice}");
    let deep = format!("{{\"storage\": {}1{}}}", "[".repeat(100), "]".repeat(100));
    let deep = serde_json::from_str::<RegistryConfig>(&deep).unwrap_err();
    assert!(deep.to_string().starts_with("the configuration is nested too deeply"), "{deep}");
}

#[test]
fn secrets_of_a_file_are_never_shown() {
    let secret = "hunter2-secret";
    let good = json!({
        "storage": { "s3": { "region": "us-east-1", "bucket": "images", "accesskey": "AKID", "secretkey": secret } },
        "middleware": { "storage": [{ "name": "cloudfront", "options": { "privatekey": secret, "baseurl": secret } }] },
        "redis": { "password": secret },
    });
    let config: RegistryConfig = serde_json::from_value(good).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains(secret));
    for bad in [
        json!({ "storage": secret }),
        json!({ "storage": { "s3": secret } }),
        json!({ "storage": { "s3": { "secretkey": [secret] } } }),
        json!({ "storage": { "s3": { "secretkey": secret } } }),
        json!({ "storage": { "inmemory": secret } }),
        with("delete", json!({ "enabled": secret })),
        with("tag", json!({ "concurrencylimit": secret })),
        json!({ "storage": "inmemory", "middleware": secret }),
        json!({ "storage": "inmemory", "middleware": { "storage": secret } }),
        json!({ "storage": "inmemory", "middleware": { "storage": [secret] } }),
        json!({ "storage": "inmemory", "middleware": { "storage": [{ "name": "x", "options": secret }] } }),
        json!({ "storage": "inmemory", "middleware": { "storage": [{ "name": "x", "options": { "y": [[secret]] } }] } }),
        json!([secret]),
    ] {
        let text = refusal(bad.clone());
        // The name of a driver is shown as given: `storage: NAME` is a name.
        assert!(!text.contains(secret) || bad["storage"] == secret, "{text}");
    }
}

/// The page on migrating has a row for every option and for each of its other names.
#[test]
fn the_page_on_migrating_has_every_option() {
    let page = include_str!("../../../docs/migrating.md");
    let rows: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name))
        .collect();
    let options = Parameters::options().iter().map(|option| option.name);
    let names: Vec<_> =
        options.chain(Parameters::aliases().iter().map(|alias| alias.name)).collect();
    let missing: Vec<_> = names.iter().filter(|name| !rows.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/migrating.md has no row for {missing:?}");
    for option in Parameters::options().iter().filter(|option| !option.default.is_empty()) {
        let row =
            page.lines().find(|line| line.starts_with(&format!("| `{}`", option.name))).unwrap();
        assert!(row.contains(option.default), "the default {} is not in: {row}", option.default);
    }
}

/// A reader of YAML 1.2 takes these words for text, and so does everything that reads variables.
#[test]
fn every_boolean_can_be_a_word_of_yaml() {
    for (value, words) in [
        (true, ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"]),
        (false, ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"]),
    ] {
        for word in words {
            let config = json!({
                "storage": {
                    "s3": {
                        "region": "us-east-1",
                        "bucket": "registry",
                        "encrypt": word,
                        "pathstyle": word,
                        "parallelwalk": word,
                    },
                    "delete": { "enabled": word },
                    "redirect": { "disable": word },
                    "maintenance": {
                        "uploadpurging": { "enabled": word },
                        "readonly": { "enabled": word },
                    },
                },
                "middleware": { "storage": [{ "name": "redirect", "disabled": word }] },
            });
            let config: RegistryConfig = serde_json::from_value(config).unwrap();
            let StorageConfig { backend, deletion, redirects, access, upload_purging, .. } =
                &config.storage;
            let s3 = parameters(backend);
            let path = s3.endpoint.addressing() == Addressing::Path;
            let found = [
                s3.encryption == Encryption::Aes256,
                path,
                s3.walk_concurrency.get() == 16,
                *deletion == Deletion::Allowed,
                *redirects == Redirects::Disabled,
                *access == Access::ReadOnly,
                upload_purging.is_some(),
                config.middleware.is_empty(),
            ];
            assert_eq!(found, [value; 8], "{word}");
        }
    }
}

fn load_with(file: &Value, variables: &[(&str, &str)]) -> Result<RegistryConfig, String> {
    RegistryConfig::deserialize_with_variables(file, variables.iter().copied())
        .map_err(|error| error.to_string())
}

#[test]
fn variables_set_options_as_in_distribution() {
    let file = json!({
        "version": 0.1,
        "storage": { "S3": { "region": "us-east-1", "Bucket": "old" }, "delete": null },
        "middleware": { "storage": [{ "name": "redirect" }] },
    });
    let config = load_with(
        &file,
        &[
            ("PATH", "/bin"),
            ("REGISTRY_HTTP_ADDR", ":5000"),
            ("REGISTRY_STORAGE_S3_BUCKET", "new"),
            ("REGISTRY_STORAGE_S3_CHUNKSIZE", "6000000"),
            ("REGISTRY_STORAGE_S3_ENCRYPT", "yes"),
            ("REGISTRY_STORAGE_S3_ROOTDIRECTORY", ""),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "on"),
            ("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR", "inmemory"),
            ("REGISTRY_MIDDLEWARE_STORAGE_0_DISABLED", "true"),
            ("REGISTRY_MIDDLEWARE_STORAGE_1_NAME", "rewrite"),
            ("REGISTRY_MIDDLEWARE_STORAGE_1_OPTIONS_HOST", "cdn.example"),
        ],
    )
    .unwrap();
    let p = parameters(&config.storage.backend);
    assert_eq!((&*p.bucket, p.chunk_size, &*p.root_directory), ("new", 6_000_000, ""));
    assert_eq!(p.encryption, Encryption::Aes256);
    assert_eq!(
        (config.storage.deletion, config.storage.access),
        (Deletion::Allowed, Access::ReadOnly)
    );
    assert_eq!(config.storage.cache.unwrap().kind, "inmemory");
    let [rewrite] = &*config.middleware else { panic!("{:?}", config.middleware) };
    let options: Vec<_> =
        rewrite.options.iter().map(|(name, value)| (&**name, value.as_str())).collect();
    assert_eq!((&*rewrite.name, options), ("rewrite", vec![("host", "cdn.example")]));

    // Variables alone are a configuration, and the shorter name is applied first.
    let config = load_with(
        &json!({}),
        &[
            ("REGISTRY_STORAGE_S3_BUCKET", "images"),
            ("REGISTRY_STORAGE_S3_REGION", "us-east-1"),
            ("REGISTRY_STORAGE", "s3"),
        ],
    );
    assert_eq!(&*parameters(&config.unwrap().storage.backend).bucket, "images");
}

#[test]
fn a_variable_that_sets_nothing_is_an_error() {
    let file = json!({
        "storage": { "s3": { "region": "us-east-1", "bucket": "images", "secure": true } },
        "middleware": { "storage": [{ "name": "redirect" }] },
    });
    let deep = format!("REGISTRY_STORAGE{}", "_A".repeat(1000));
    for (name, expected) in [
        ("REGISTRY_STORAGE_S3_BUCKETT", "unknown parameter buckett"),
        (
            "REGISTRY_STORAGE_S3_SECURE_X",
            "the variable REGISTRY_STORAGE_S3_SECURE_X names an option",
        ),
        ("REGISTRY_STORAGE_S3_REGION_X", "must be a single value"),
        ("REGISTRY_STORAGE__S3", "does not name an option"),
        ("REGISTRY_STORAGE_", "does not name an option"),
        (&deep, "does not name an option"),
        ("REGISTRY_MIDDLEWARE_STORAGE_X", "names an entry of a list without a number"),
        ("REGISTRY_MIDDLEWARE_STORAGE_2_NAME", "names an entry that the list does not have"),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "more than one storage driver"),
    ] {
        let error = load_with(&file, &[(name, "hunter2")]).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains("hunter2") && error.len() < 500, "{error}");
    }
}
