//! Pushing, pulling and deleting manifests by tag and by digest.
use super::failure::{Code, Failure};
use super::http::{Content, Request, Response};
use super::manifest::{MANIFEST_LIMIT, Manifest};
use super::names::{Digest, Name, Reference, Tag};
use super::sha256::Sha256;
use super::{Outcome, Registry, layout};
use s3driver::ErrorKind;
use s3driver::driver::{WalkOptions, WalkStep};
use std::io::Read;

impl Registry {
    /// Handles GET and HEAD of a manifest.
    pub(super) fn manifest(&self, name: &Name, reference: &str) -> Outcome {
        // A malformed reference cannot exist.
        let reference = Reference::parse(reference).map_err(|_| unknown())?;
        let digest = self.resolve(name, &reference)?.ok_or_else(unknown)?;
        let content = self.revision(name, &digest)?.ok_or_else(unknown)?;
        let manifest = self.parse(&content)?;
        Ok(Response::new(200)
            .header("Content-Type", manifest.media_type)
            .header("Docker-Content-Digest", digest.to_string())
            .header("ETag", format!("\"{digest}\""))
            .content(Content::Bytes(content)))
    }

    /// Handles PUT of a manifest, by tag or by digest.
    pub(super) fn put_manifest(
        &self,
        name: &Name,
        reference: &str,
        request: &mut Request<'_>,
    ) -> Outcome {
        let reference = Reference::parse(reference)?;
        let content = read_manifest(request)?;
        let digest = digest_of(&content);
        if matches!(&reference, Reference::Digest(stated) if *stated != digest) {
            return Err(Failure::new(
                Code::DigestInvalid,
                format!("the manifest has the digest {digest}"),
            ));
        }
        let manifest = self.parse(&content)?;
        manifest.check_type(request.header("content-type").unwrap_or_default())?;
        self.check_references(name, &manifest)?;

        // In this order, a tag never refers to a manifest that does not exist yet.
        self.driver.put_content(&layout::blob_data(&digest), &content)?;
        self.link(&layout::revision(name, &digest), &digest)?;
        if let Some(subject) = &manifest.subject {
            self.link(&layout::referrer(name, subject, &digest), &digest)?;
        }
        if let Reference::Tag(tag) = &reference {
            self.link(&layout::tag_index(name, tag, &digest), &digest)?;
            self.link(&layout::tag_current(name, tag), &digest)?;
        }
        let mut response = Response::new(201)
            .header("Location", format!("/v2/{name}/manifests/{digest}"))
            .header("Docker-Content-Digest", digest.to_string());
        if let Some(subject) = &manifest.subject {
            response = response.header("OCI-Subject", subject.to_string());
        }
        Ok(response)
    }

    /// Handles DELETE of a tag, or of a manifest and all tags that refer to it.
    pub(super) fn delete_manifest(&self, name: &Name, reference: &str) -> Outcome {
        self.check_deletion()?;
        match Reference::parse(reference).map_err(|_| unknown())? {
            Reference::Tag(tag) => {
                if !self.remove(&layout::tag(name, &tag))? {
                    return Err(unknown());
                }
            }
            Reference::Digest(digest) => {
                if self.linked(&layout::revision(name, &digest))?.is_none() {
                    return Err(unknown());
                }
                self.forget_manifest(name, &digest)?;
            }
        }
        Ok(Response::new(202))
    }

    /// Removes a manifest from a repository. The garbage collection removes its content.
    pub(super) fn forget_manifest(&self, name: &Name, digest: &Digest) -> Outcome<()> {
        for tag in self.tags_of(name, digest)? {
            let current = self.linked(&layout::tag_current(name, &tag))?;
            if current.as_ref() == Some(digest) {
                self.remove(&layout::tag(name, &tag))?;
            } else {
                self.remove(&layout::tag_index(name, &tag, digest))?;
            }
        }
        let manifest = match self.revision(name, digest)? {
            Some(content) => self.parse(&content).ok(),
            None => None,
        };
        if let Some(subject) = manifest.and_then(|manifest| manifest.subject) {
            self.remove(&layout::referrer(name, &subject, digest))?;
        }
        self.remove(&layout::revision(name, digest)).map(drop)
    }

    /// Returns the tags that refer to a manifest, or once did, from their indexes. A single listing
    /// suffices for any number of tags.
    fn tags_of(&self, name: &Name, digest: &Digest) -> Outcome<Vec<Tag>> {
        let (root, end) =
            (layout::tags(name), layout::link(&format!("/index/sha256/{}", digest.hex())));
        let mut tags = Vec::new();
        let walked = self.driver.walk(&root, &WalkOptions::default(), &mut |info| {
            let tag = info.path.strip_suffix(&end).and_then(|path| path.rsplit('/').next());
            tags.extend(tag.and_then(Tag::parse));
            Ok(WalkStep::Continue)
        });
        match walked {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(tags),
        }
    }

    fn resolve(&self, name: &Name, reference: &Reference) -> Outcome<Option<Digest>> {
        match reference {
            Reference::Digest(digest) => Ok(Some(digest.clone())),
            Reference::Tag(tag) => self.linked(&layout::tag_current(name, tag)),
        }
    }

    /// Reads a manifest of a repository; its digest is verified.
    pub(super) fn revision(&self, name: &Name, digest: &Digest) -> Outcome<Option<Vec<u8>>> {
        if self.linked(&layout::revision(name, digest))?.as_ref() != Some(digest) {
            return Ok(None);
        }
        let content = self.small(&layout::blob_data(digest), MANIFEST_LIMIT)?;
        match content {
            Some(content) if digest_of(&content) != *digest => {
                let text = format!("the stored manifest {digest} has another digest");
                Err(s3driver::Error::new(ErrorKind::Protocol, text).into())
            }
            content => Ok(content),
        }
    }

    /// Parses a manifest. Only a few are parsed at a time.
    pub(super) fn parse(&self, content: &[u8]) -> Outcome<Manifest> {
        let _place = self.parsers.take();
        Manifest::parse(content)
    }

    fn check_references(&self, name: &Name, manifest: &Manifest) -> Outcome<()> {
        for digest in &manifest.manifests {
            // An index of a build cache refers to layers, which are blobs.
            if self.linked(&layout::revision(name, digest))?.is_none()
                && self.blob_size(name, digest)?.is_none()
            {
                return Err(missing(digest));
            }
        }
        for digest in &manifest.blobs {
            if self.blob_size(name, digest)?.is_none() {
                return Err(missing(digest));
            }
        }
        Ok(())
    }
}

fn read_manifest(request: &mut Request<'_>) -> Outcome<Vec<u8>> {
    let too_large = || {
        Failure::new(
            Code::ManifestTooLarge,
            format!("a manifest has at most {MANIFEST_LIMIT} bytes"),
        )
    };
    if request.body.length().is_some_and(|length| length > MANIFEST_LIMIT) {
        return Err(too_large());
    }
    let mut content = Vec::new();
    let read = (&mut request.body).take(MANIFEST_LIMIT + 1).read_to_end(&mut content);
    read.map_err(|_| Failure::new(Code::ManifestInvalid, "the request's body is incomplete"))?;
    if content.len() as u64 > MANIFEST_LIMIT { Err(too_large()) } else { Ok(content) }
}

pub(super) fn digest_of(content: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(content);
    hash.digest()
}

fn unknown() -> Failure {
    Failure::new(Code::ManifestUnknown, "the repository does not have this manifest")
}

fn missing(digest: &Digest) -> Failure {
    Failure::new(
        Code::ManifestBlobUnknown,
        format!("the manifest refers to {digest}, which the repository does not have"),
    )
}
