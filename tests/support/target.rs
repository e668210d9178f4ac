//! The servers that a check runs against: the embedded one, or the one that the environment names.
//!
//! Without `S3_ENDPOINT`, every check runs against the embedded server with both signature
//! versions. Otherwise it runs against that server with each of `S3_SIGNATURES`, over http and, if
//! `S3_TLS_ENDPOINT` and `S3_TLS_CA` are set, over https. `S3_SERVER` names the server, so that
//! checks which it cannot pass are skipped by name ([`SKIPPED`]).

use super::{Server, ServerOptions, transport};
use s3driver::client::{Client, Config, Endpoint, Scheme, SignatureVersion};
use s3driver::clock::{Clock, SystemClock};
use s3driver::driver::S3Driver;
use s3driver::sign::Credentials;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Checks that a real server cannot pass: server (with the signature version if only that one is
/// affected), check, reason. `*` stands for every server but the embedded one.
pub const SKIPPED: &[(&str, &str, &str)] = &[
    ("seaweedfs", "unusual_keys_are_sent_byte_for_byte", "rejects . and .. and folds // in keys"),
    ("seaweedfs V2", "tags_are_stored_with_an_object_and_copied", TAGS_IN_V2),
    ("seaweedfs V2", "a_copy_replaces_the_tags", TAGS_IN_V2),
    ("seaweedfs V2", "a_completed_upload_has_its_tags", TAGS_IN_V2),
    ("seaweedfs V2", "tags_are_replaced_and_deleted", TAGS_IN_V2),
    ("seaweedfs V2", "each_version_has_its_tags", TAGS_IN_V2),
    ("seaweedfs V2", "a_copy_in_parts_keeps_the_tags", TAGS_IN_V2),
    ("ceph", "a_copy_replaces_the_tags", "ignores x-amz-tagging-directive"),
    ("ceph", "a_copy_in_parts_keeps_the_tags", "ignores the tags of CreateMultipartUpload"),
    ("seaweedfs", "a_bucket_is_created_found_and_deleted", "deletes a bucket that holds objects"),
    ("ceph V2", "a_bucket_states_its_object_lock_configuration", LOCK_IN_V2),
    ("ceph V2", "a_default_retention_applies_to_every_new_object", LOCK_IN_V2),
    ("seaweedfs V2", "a_bucket_states_its_object_lock_configuration", LOCK_IN_V2),
    ("seaweedfs V2", "a_default_retention_applies_to_every_new_object", LOCK_IN_V2),
    ("ceph", "a_retention_in_governance_mode_can_be_removed", "rejects an empty Retention"),
    ("seaweedfs", "a_retention_in_governance_mode_can_be_removed", "rejects an empty Retention"),
    ("ceph", "the_attributes_of_an_object_are_returned", NO_ATTRIBUTES),
    ("ceph", "the_parts_of_an_object_are_listed_page_by_page", NO_ATTRIBUTES),
    (
        "seaweedfs",
        "the_parts_of_an_object_are_listed_page_by_page",
        "lists no checksums of objects and parts",
    ),
    (
        "ceph",
        "a_completed_upload_has_the_lock_of_its_settings",
        "ignores the lock of CreateMultipartUpload",
    ),
    ("rclone", "a_bucket_states_its_object_lock_configuration", NO_LOCK),
    ("rclone", "a_default_retention_applies_to_every_new_object", NO_LOCK),
    ("rclone", "a_retention_in_governance_mode_is_extended_and_bypassed", NO_LOCK),
    ("rclone", "a_retention_in_governance_mode_can_be_removed", NO_LOCK),
    ("rclone", "a_retention_in_compliance_mode_ends_with_its_time", NO_LOCK),
    ("rclone", "a_legal_hold_prevents_the_deletion_of_a_version", NO_LOCK),
    ("rclone", "a_completed_upload_has_the_lock_of_its_settings", NO_LOCK),
    ("garage", "a_bucket_states_its_object_lock_configuration", NO_LOCK),
    ("garage", "a_default_retention_applies_to_every_new_object", NO_LOCK),
    ("garage", "a_retention_in_governance_mode_is_extended_and_bypassed", NO_LOCK),
    ("garage", "a_retention_in_governance_mode_can_be_removed", NO_LOCK),
    ("garage", "a_retention_in_compliance_mode_ends_with_its_time", NO_LOCK),
    ("garage", "a_legal_hold_prevents_the_deletion_of_a_version", NO_LOCK),
    ("garage", "a_completed_upload_has_the_lock_of_its_settings", NO_LOCK),
    ("moto", "a_default_retention_applies_to_every_new_object", "does not enforce locks"),
    ("moto", "a_retention_in_governance_mode_is_extended_and_bypassed", "does not enforce locks"),
    ("moto", "a_retention_in_governance_mode_can_be_removed", "does not enforce locks"),
    ("moto", "a_retention_in_compliance_mode_ends_with_its_time", "does not enforce locks"),
    ("moto", "a_completed_upload_has_the_lock_of_its_settings", "does not enforce locks"),
    ("rclone", "the_attributes_of_an_object_are_returned", NO_ATTRIBUTES),
    ("rclone", "the_parts_of_an_object_are_listed_page_by_page", NO_ATTRIBUTES),
    ("garage", "the_attributes_of_an_object_are_returned", "does not have GetObjectAttributes"),
    (
        "garage",
        "the_parts_of_an_object_are_listed_page_by_page",
        "does not have GetObjectAttributes",
    ),
    ("moto", "the_attributes_of_an_object_are_returned", "returns no checksums and parts"),
    ("moto", "the_parts_of_an_object_are_listed_page_by_page", "returns no checksums and parts"),
    ("moto", "buckets_are_listed_page_by_page", "truncates the list without a token"),
    ("moto", "an_altered_form_is_refused", "does not verify signatures"),
    ("rclone", "a_form_stores_an_object_under_its_policy", "does not accept forms"),
    ("rclone", "unusual_keys_are_sent_byte_for_byte", "rejects . and .. and // in keys"),
    ("rclone", "a_conditional_write_happens_only_if_its_condition_holds", "ignores If-None-Match"),
    ("rclone", "ranges_are_exact", "ignores If-Match"),
    (
        "rclone",
        "parts_are_copied_in_ranges",
        "responds to UploadPartCopy with 200 and copies nothing",
    ),
    (
        "rclone",
        "a_multipart_upload_becomes_one_object",
        "returns NoSuchUpload for a second completion",
    ),
    ("ceph", "a_batch_deletes_only_objects_with_their_etag", "ignores the ETags of a batch"),
    ("rclone", "the_go_driver_can_resume_or_cancel_our_closed_uploads", PARTS_TWICE),
    ("rclone", "f8_the_go_driver_sees_the_whole_size_of_our_closed_uploads", PARTS_TWICE),
    ("rclone", "f8_we_see_the_whole_size_of_uploads_closed_by_the_go_driver", PARTS_TWICE),
    ("rclone", "f9_uploads_continued_by_the_go_driver_are_continued_by_us", PARTS_TWICE),
    ("rclone", "uploads_beyond_a_page_are_listed_and_purged", "holds at most 1,000 uploads open"),
    ("rclone", "every_version_is_read_copied_and_listed", NO_VERSIONS),
    ("rclone", "a_deletion_leaves_a_marker_and_a_version_is_deleted_by_its_id", NO_VERSIONS),
    ("rclone", "versions_are_listed_page_by_page", NO_VERSIONS),
    ("rclone", "a_completed_upload_is_a_version", NO_VERSIONS),
    ("rclone", "a_batch_deletes_versions_and_leaves_markers", NO_VERSIONS),
    ("garage", "every_version_is_read_copied_and_listed", NO_VERSIONS),
    ("garage", "a_deletion_leaves_a_marker_and_a_version_is_deleted_by_its_id", NO_VERSIONS),
    ("garage", "versions_are_listed_page_by_page", NO_VERSIONS),
    ("garage", "a_completed_upload_is_a_version", NO_VERSIONS),
    ("garage", "a_batch_deletes_versions_and_leaves_markers", NO_VERSIONS),
    ("rclone", "a_batch_deletes_only_objects_with_their_etag", "ignores the ETags of a batch"),
    ("garage", "a_batch_deletes_only_objects_with_their_etag", "ignores the ETags of a batch"),
    ("moto", "a_batch_deletes_only_objects_with_their_etag", "ignores the ETags of a batch"),
    ("rclone", "tags_are_stored_with_an_object_and_copied", NO_TAGS),
    ("rclone", "a_copy_replaces_the_tags", NO_TAGS),
    ("rclone", "a_completed_upload_has_its_tags", NO_TAGS),
    ("rclone", "tags_are_replaced_and_deleted", NO_TAGS),
    ("rclone", "each_version_has_its_tags", NO_TAGS),
    ("rclone", "a_copy_in_parts_keeps_the_tags", NO_TAGS),
    ("garage", "tags_are_stored_with_an_object_and_copied", NO_TAGS),
    ("garage", "a_copy_replaces_the_tags", NO_TAGS),
    ("garage", "a_completed_upload_has_its_tags", NO_TAGS),
    ("garage", "tags_are_replaced_and_deleted", NO_TAGS),
    ("garage", "each_version_has_its_tags", NO_TAGS),
    ("garage", "a_copy_in_parts_keeps_the_tags", NO_TAGS),
    ("garage", "a_wrong_secret_is_named", "returns AccessDenied for every fault"),
    ("garage", "a_wrong_clock_is_corrected_or_named", "does not check the clock"),
    ("garage", "a_rewritten_host_is_named_as_likely", "returns AccessDenied for every fault"),
    (
        "garage",
        "an_added_header_is_named_or_named_as_likely",
        "returns AccessDenied for every fault",
    ),
    ("moto", "connections_are_reused_and_shared", "closes the connection after each request"),
    ("moto", "wrong_credentials_are_refused_once", "does not verify signatures"),
    ("moto", "a_wrong_secret_is_named", "does not verify signatures"),
    ("moto", "a_wrong_clock_is_corrected_or_named", "does not verify signatures"),
    ("moto", "a_rewritten_host_is_named_as_likely", "does not verify signatures"),
    ("moto", "an_added_header_is_named_or_named_as_likely", "does not verify signatures"),
    ("moto", "presigned_urls_permit_only_their_own_request", "does not verify signatures"),
    ("moto", "the_probe_reports_what_is_wrong", "does not verify signatures"),
    ("moto", "sending_a_checksum_does_no_harm", "returns a part's checksum as the object's"),
    ("moto", "uploads_beyond_a_page_are_listed_and_purged", "lists all uploads in one page"),
    ("moto", "unfinished_files_are_cancelled_dropped_found_and_purged", BEGUN_IN_2010),
    ("moto", "the_newest_of_several_uploads_of_the_go_driver_is_continued", BEGUN_IN_2010),
    ("moto", "a_registrys_day", BEGUN_IN_2010),
    (
        "moto",
        "streams_and_small_objects_stay_within_the_limits",
        "closes the connection after each request",
    ),
];

const TAGS_IN_V2: &str = "does not sign the parameter tagging";
const LOCK_IN_V2: &str = "does not sign the parameter object-lock";
const NO_LOCK: &str = "does not have Object Lock";
const NO_ATTRIBUTES: &str = "responds to GetObjectAttributes with the object";
const NO_TAGS: &str = "does not store tags";
const NO_VERSIONS: &str = "does not store versions";
const PARTS_TWICE: &str = "lists all parts again after the last one, and the Go driver counts them";
const BEGUN_IN_2010: &str = "reports that every upload began in 2010";

/// One server, one scheme, one signature version.
pub struct Target {
    pub name: String,
    pub server: &'static str,
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    pub bucket: String,
    pub signature: SignatureVersion,
    pub ca_file: Option<String>,
    /// The embedded server, if this is the target: allows inspecting its state directly.
    pub embedded: Option<Server>,
}

impl Target {
    fn embedded(signature: SignatureVersion) -> Self {
        let server = Server::start(ServerOptions::default());
        Self {
            name: format!("embedded {signature:?}"),
            server: "embedded",
            endpoint: server.endpoint(),
            access_key: server.access_key().to_owned(),
            secret_key: server.secret_key().to_owned(),
            region: server.region().to_owned(),
            bucket: server.bucket().to_owned(),
            signature,
            ca_file: None,
            embedded: Some(server),
        }
    }

    /// Returns every available target.
    pub fn all() -> Vec<Self> {
        let Ok(endpoint) = env::var("S3_ENDPOINT") else {
            return vec![
                Self::embedded(SignatureVersion::V4),
                Self::embedded(SignatureVersion::V2),
            ];
        };
        let get = |name: &str| {
            env::var(name).unwrap_or_else(|_| panic!("S3_ENDPOINT is set, {name} is not"))
        };
        let server: &'static str = match env::var("S3_SERVER").as_deref() {
            Ok("ceph") => "ceph",
            Ok("seaweedfs") => "seaweedfs",
            Ok("rclone") => "rclone",
            Ok("garage") => "garage",
            Ok("moto") => "moto",
            _ => "other",
        };
        let mut addresses = vec![(endpoint, None)];
        if let (Ok(tls), Ok(ca)) = (env::var("S3_TLS_ENDPOINT"), env::var("S3_TLS_CA")) {
            addresses.push((tls, Some(ca)));
        }
        let signatures = match env::var("S3_SIGNATURES") {
            Err(_) => "v4".to_owned(),
            // A server such as moto that does not verify signatures accepts both versions.
            Ok(none) if none.trim().is_empty() => "v2 v4".to_owned(),
            Ok(signatures) => signatures,
        };
        let mut targets = Vec::new();
        for (endpoint, ca_file) in &addresses {
            for signature in signatures.split_whitespace() {
                let signature =
                    if signature == "v2" { SignatureVersion::V2 } else { SignatureVersion::V4 };
                targets.push(Self {
                    name: format!(
                        "{server} {signature:?} {}",
                        if ca_file.is_some() { "https" } else { "http" }
                    ),
                    server,
                    endpoint: endpoint.clone(),
                    access_key: get("S3_ACCESS_KEY"),
                    secret_key: get("S3_SECRET_KEY"),
                    region: env::var("S3_REGION").unwrap_or_else(|_| "us-east-1".to_owned()),
                    bucket: get("S3_BUCKET"),
                    signature,
                    ca_file: ca_file.clone(),
                    embedded: None,
                });
            }
        }
        targets
    }

    pub fn config(&self) -> Config {
        let endpoint = Endpoint::custom(&self.endpoint, Some(&self.region), Scheme::Http)
            .expect("the endpoint");
        let config = Config::new(endpoint)
            .static_credentials(Credentials::new(&self.access_key, &self.secret_key))
            .signature(self.signature);
        let authority = self.ca_file.as_ref().map(|file| std::fs::read(file).expect("S3_TLS_CA"));
        transport::choose(config, authority.as_deref())
    }

    pub fn client(&self) -> Client {
        Client::new(self.config()).expect("a client")
    }

    /// Returns the driver's options for a root directory.
    pub fn pairs(&self, root: &str) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("accesskey", self.access_key.clone()),
            ("secretkey", self.secret_key.clone()),
            ("region", self.region.clone()),
            ("regionendpoint", self.endpoint.clone()),
            ("forcepathstyle", "true".to_owned()),
            ("bucket", self.bucket.clone()),
            ("rootdirectory", root.to_owned()),
            ("v4auth", (self.signature == SignatureVersion::V4).to_string()),
            ("chunksize", (5 << 20).to_string()),
        ];
        if let Some(file) = &self.ca_file {
            pairs.push(("cacert", file.clone()));
        }
        pairs
    }

    pub fn driver(&self, root: &str) -> S3Driver {
        transport::driver(self.pairs(root)).expect("a driver")
    }

    /// Returns a unique name for each check, so that checks can share a bucket without collisions.
    pub fn scratch(&self, what: &str) -> String {
        format!("{what}-{:016x}", SystemClock.random())
    }
}

/// Runs a check against every target. Prints which one failed, and which were skipped and why.
pub fn on_every_target(check: &str, run: impl Fn(&Target)) {
    for target in Target::all() {
        let skip = SKIPPED.iter().find(|(server, name, _)| {
            *name == check
                && (*server == target.server
                    || target.name.strip_prefix(server).is_some_and(|rest| rest.starts_with(' '))
                    || (*server == "*" && target.server != "embedded"))
        });
        if let Some((_, _, why)) = skip {
            println!("skipped: {check} on {}: {why}", target.name);
            continue;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&target))) {
            eprintln!("{check} failed on {}", target.name);
            resume_unwind(panic);
        }
    }
}

/// Declares tests that run against every target.
#[macro_export]
macro_rules! checks {
    ($($(#[$meta:meta])* fn $name:ident($target:ident) $body:block)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            $crate::support::target::on_every_target(
                stringify!($name),
                |$target: &$crate::support::target::Target| $body,
            );
        }
    )*};
}
