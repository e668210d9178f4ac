//! The paths at which everything is stored. They are those of Distribution, so that both registries
//! can serve the same bucket.
//!
//! The only addition is `_manifests/referrers`, which Distribution never reads.
use super::names::{Digest, Name, Tag, UploadId};

pub(crate) const ROOT: &str = "/docker/registry/v2";
pub(crate) const BLOBS: &str = "/docker/registry/v2/blobs";
pub(crate) const REPOSITORIES: &str = "/docker/registry/v2/repositories";

pub(crate) fn blob(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("{BLOBS}/sha256/{}/{hex}", &hex[..2])
}

pub(crate) fn blob_data(digest: &Digest) -> String {
    format!("{}/data", blob(digest))
}

pub(crate) fn repository(name: &Name) -> String {
    format!("{REPOSITORIES}/{name}")
}

pub(crate) fn layer(name: &Name, digest: &Digest) -> String {
    format!("{}/_layers/sha256/{}", repository(name), digest.hex())
}

pub(crate) fn manifests(name: &Name) -> String {
    format!("{}/_manifests", repository(name))
}

pub(crate) fn revision(name: &Name, digest: &Digest) -> String {
    format!("{}/revisions/sha256/{}", manifests(name), digest.hex())
}

pub(crate) fn tags(name: &Name) -> String {
    format!("{}/tags", manifests(name))
}

pub(crate) fn tag(name: &Name, tag: &Tag) -> String {
    format!("{}/{tag}", tags(name))
}

pub(crate) fn tag_current(name: &Name, tag_name: &Tag) -> String {
    format!("{}/current", tag(name, tag_name))
}

pub(crate) fn tag_index(name: &Name, tag_name: &Tag, digest: &Digest) -> String {
    format!("{}/index/sha256/{}", tag(name, tag_name), digest.hex())
}

pub(crate) fn referrers(name: &Name, subject: &Digest) -> String {
    format!("{}/referrers/sha256/{}/sha256", manifests(name), subject.hex())
}

pub(crate) fn referrer(name: &Name, subject: &Digest, digest: &Digest) -> String {
    format!("{}/{}", referrers(name, subject), digest.hex())
}

pub(crate) fn upload(name: &Name, id: &UploadId) -> String {
    format!("{}/_uploads/{id}", repository(name))
}

pub(crate) fn upload_data(name: &Name, id: &UploadId) -> String {
    format!("{}/data", upload(name, id))
}

pub(crate) fn upload_started(name: &Name, id: &UploadId) -> String {
    format!("{}/startedat", upload(name, id))
}

pub(crate) fn upload_hash(name: &Name, id: &UploadId, offset: u64) -> String {
    format!("{}/hashstates/sha256/{offset}", upload(name, id))
}

/// Returns the file in a directory that names a digest.
pub(crate) fn link(directory: &str) -> String {
    format!("{directory}/link")
}
