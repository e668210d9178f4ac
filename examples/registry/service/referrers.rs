//! Referrers, which are manifests that refer to another one, such as signatures.
use super::http::{Content, Request, Response};
use super::listings::with_link;
use super::manifest::{MANIFEST_LIMIT, Manifest, OCI_INDEX};
use super::names::{Digest, Name, Tag};
use super::{Outcome, Registry, encode, found, layout, parameter};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The maximum number of descriptors in a page. Each requires reading a manifest.
const PAGE: usize = 100;

impl Registry {
    /// Handles GET of the referrers of a manifest, which does not have to exist.
    pub(super) fn referrers(
        &self,
        name: &Name,
        subject: &Digest,
        request: &Request<'_>,
    ) -> Outcome {
        let kind = parameter(request, "artifactType").filter(|kind| !kind.is_empty());
        let last = parameter(request, "last").map(|last| Digest::parse(&last)).transpose()?;
        let (mut found, mut size, mut examined, mut more) = (Vec::new(), 0, None, false);
        for digest in
            self.referring(name, subject)?.into_iter().filter(|digest| Some(digest) > last.as_ref())
        {
            if found.len() == PAGE || size > MANIFEST_LIMIT {
                more = true;
                break;
            }
            let descriptor = self.descriptor(name, subject, &digest)?;
            let matches = |it: &Value| {
                kind.as_ref().is_none_or(|kind| it.get("artifactType") == Some(&json!(kind)))
            };
            if let Some(descriptor) = descriptor.filter(matches) {
                size += descriptor.to_string().len() as u64;
                found.push(descriptor);
            }
            examined = Some(digest);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found });
        let content = Content::Bytes(index.to_string().into_bytes());
        let mut response = Response::new(200).header("Content-Type", OCI_INDEX).content(content);
        if kind.is_some() {
            response = response.header("OCI-Filters-Applied", "artifactType");
        }
        let filter =
            kind.map_or_else(String::new, |kind| format!("&artifactType={}", encode(&kind)));
        let next = examined.filter(|_| more).map(|last| {
            format!(
                "</v2/{name}/referrers/{subject}?last={}{filter}>; rel=\"next\"",
                encode(&last.to_string())
            )
        });
        Ok(with_link(response, next))
    }

    /// Returns the manifests that were pushed here with this subject, and those of the tag that
    /// clients maintain for registries without referrers.
    fn referring(&self, name: &Name, subject: &Digest) -> Outcome<BTreeSet<Digest>> {
        let linked =
            found(self.driver.list(&layout::referrers(name, subject)))?.unwrap_or_default();
        let mut digests: BTreeSet<_> =
            linked.iter().filter_map(|path| Digest::from_hex(path.rsplit('/').next()?)).collect();
        let Some(tag) = Tag::parse(&format!("sha256-{}", subject.hex())) else {
            return Ok(digests);
        };
        if let Some(index) = self.linked(&layout::tag_current(name, &tag))?
            && let Some(content) = self.revision(name, &index)?
        {
            digests.extend(self.parse(&content)?.manifests);
        }
        Ok(digests)
    }

    /// Describes a referrer. Returns `None` if it no longer exists or has a different subject.
    fn descriptor(&self, name: &Name, subject: &Digest, digest: &Digest) -> Outcome<Option<Value>> {
        let Some(content) = self.revision(name, digest)? else { return Ok(None) };
        let Manifest { media_type, subject: about, artifact_type, annotations, .. } =
            self.parse(&content)?;
        if about.as_ref() != Some(subject) {
            return Ok(None);
        }
        let mut descriptor =
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": content.len() });
        if let Some(artifact_type) = artifact_type {
            descriptor["artifactType"] = artifact_type.into();
        }
        if let Some(annotations) = annotations {
            descriptor["annotations"] = Value::Object(annotations);
        }
        Ok(Some(descriptor))
    }
}
