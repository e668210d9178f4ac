//! Garbage collection, which removes everything that no manifest refers to.
use super::names::{Digest, Name, Tag};
use super::{Outcome, Registry, found, layout};
use s3driver::driver::{FileInfo, WalkOptions, WalkStep};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, SystemTime};

/// The rules of a collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    pub(crate) untagged: Untagged,
    /// Anything younger than this is kept, because the manifest or the tag that refers to it may
    /// not have been pushed yet.
    pub(crate) grace: Duration,
    pub(crate) mode: Mode,
}

impl Collection {
    /// Reports whether content that was stored at that time may be removed.
    fn is_due(&self, stored: Option<SystemTime>) -> bool {
        let age =
            stored.and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default();
        age >= self.grace
    }
}

/// How manifests without a tag are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untagged {
    Kept,
    /// They are removed, unless they belong to an index or a subject that is kept.
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Remove,
    /// Counts what would be removed.
    DryRun,
}

/// The result of a collection or of a dry run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub(crate) manifests: usize,
    pub(crate) blobs: usize,
    pub(crate) bytes: u64,
    pub(crate) links: usize,
}

/// The links of one repository.
#[derive(Default)]
struct Contents {
    revisions: Vec<(Digest, Option<SystemTime>)>,
    tags: Vec<Tag>,
    layers: Vec<(Digest, Option<SystemTime>)>,
    referrers: Vec<(Digest, Digest)>,
}

impl Registry {
    /// Marks everything that a manifest refers to, and removes the rest. Nothing is removed if a
    /// manifest cannot be read.
    pub(crate) fn collect(&self, collection: &Collection) -> Outcome<Collected> {
        let repositories = self.contents()?;
        let (mut marked, mut doomed) = (HashSet::new(), Vec::new());
        for (name, contents) in &repositories {
            self.mark(name, contents, collection, &mut marked, &mut doomed)?;
        }
        let mut collected = Collected { manifests: doomed.len(), ..Collected::default() };
        let mut unlinked: HashSet<(Name, Digest)> = doomed.iter().cloned().collect();
        let remove = collection.mode == Mode::Remove;
        // Links are removed before blobs, so that a collection which is killed leaves only blobs
        // without links, which the next one will find.
        for (name, digest) in doomed.iter().filter(|_| remove) {
            self.forget_manifest(name, digest)?;
        }
        for (name, contents) in &repositories {
            let stale = contents
                .layers
                .iter()
                .filter(|(digest, time)| !marked.contains(digest) && collection.is_due(*time));
            for (digest, _) in stale {
                collected.links += 1;
                unlinked.insert((name.clone(), digest.clone()));
                if remove {
                    self.remove(&layout::layer(name, digest))?;
                }
            }
            for (subject, digest) in
                contents.referrers.iter().filter(|(_, digest)| !marked.contains(digest))
            {
                if remove {
                    self.remove(&layout::referrer(name, subject, digest))?;
                }
            }
        }
        // A client may have pushed or mounted an old blob since, whose link is new, also where this
        // collection has removed one. In a dry run, links that would be removed still exist, and do
        // not count.
        let mut linked = marked;
        for (name, contents) in self.contents()? {
            let links = contents.layers.into_iter().chain(contents.revisions);
            linked.extend(
                links
                    .map(|(digest, _)| (name.clone(), digest))
                    .filter(|link| remove || !unlinked.contains(link))
                    .map(|(_, digest)| digest),
            );
        }
        for (digest, size) in self.unmarked(&linked, collection)? {
            collected.blobs += 1;
            collected.bytes += size;
            if remove {
                self.remove(&layout::blob(&digest))?;
            }
        }
        Ok(collected)
    }

    /// Walks over all repositories once.
    fn contents(&self) -> Outcome<BTreeMap<Name, Contents>> {
        let mut repositories: BTreeMap<Name, Contents> = BTreeMap::new();
        let walked = self.driver.walk(layout::REPOSITORIES, &WalkOptions::default(), &mut |info| {
            if let Some((name, path)) = split(info) {
                let contents = repositories.entry(name).or_default();
                match *path {
                    ["_layers", "sha256", hex, "link"] => {
                        contents
                            .layers
                            .extend(Digest::from_hex(hex).map(|digest| (digest, info.modified)));
                    }
                    ["_manifests", "revisions", "sha256", hex, "link"] => {
                        contents
                            .revisions
                            .extend(Digest::from_hex(hex).map(|digest| (digest, info.modified)));
                    }
                    ["_manifests", "tags", tag, "current", "link"] => {
                        contents.tags.extend(Tag::parse(tag));
                    }
                    ["_manifests", "referrers", "sha256", subject, "sha256", hex, "link"] => {
                        contents
                            .referrers
                            .extend(Digest::from_hex(subject).zip(Digest::from_hex(hex)));
                    }
                    _ => {}
                }
            }
            Ok(WalkStep::Continue)
        });
        found(walked)?;
        Ok(repositories)
    }

    /// Marks the manifests of one repository that are kept and everything they refer to, and lists
    /// those that are removed.
    fn mark(
        &self,
        name: &Name,
        contents: &Contents,
        collection: &Collection,
        marked: &mut HashSet<Digest>,
        doomed: &mut Vec<(Name, Digest)>,
    ) -> Outcome<()> {
        let mut manifests = HashMap::new();
        for (digest, _) in &contents.revisions {
            match self.revision(name, digest)? {
                Some(content) => {
                    let manifest = self
                        .parse(&content)
                        .map_err(|failure| failure.about(&format!("{name}@{digest}")))?;
                    let references: Vec<Digest> = manifest.references().cloned().collect();
                    manifests.insert(digest, (references, manifest.subject));
                }
                // Another registry has collected the blob of this link.
                None => doomed.push((name.clone(), digest.clone())),
            }
        }
        let mut kept: BTreeSet<&Digest> = manifests.keys().copied().collect();
        if collection.untagged == Untagged::Removed {
            let young = contents.revisions.iter().filter(|(_, time)| !collection.is_due(*time));
            let mut current: HashSet<Digest> = young.map(|(digest, _)| digest.clone()).collect();
            for tag in &contents.tags {
                current.extend(self.linked(&layout::tag_current(name, tag))?);
            }
            kept.retain(|digest| current.contains(*digest));
            // A manifest that an index or a subject keeps may itself be an index or a subject.
            loop {
                let parts: HashSet<&Digest> =
                    kept.iter().flat_map(|digest| &manifests[*digest].0).collect();
                let needed = manifests.iter().filter(|(digest, (_, subject))| {
                    parts.contains(*digest)
                        || subject.as_ref().is_some_and(|subject| kept.contains(subject))
                });
                let needed: Vec<&Digest> = needed.map(|(digest, _)| *digest).collect();
                let before = kept.len();
                kept.extend(needed);
                if kept.len() == before {
                    break;
                }
            }
            doomed.extend(
                manifests
                    .keys()
                    .filter(|digest| !kept.contains(*digest))
                    .map(|d| (name.clone(), (*d).clone())),
            );
        }
        for digest in kept {
            marked.insert(digest.clone());
            marked.extend(manifests[digest].0.iter().cloned());
        }
        Ok(())
    }

    /// Returns the blobs that are not marked, and their sizes.
    fn unmarked(
        &self,
        marked: &HashSet<Digest>,
        collection: &Collection,
    ) -> Outcome<Vec<(Digest, u64)>> {
        let mut unmarked = Vec::new();
        let walked = self.driver.walk(layout::BLOBS, &WalkOptions::default(), &mut |info| {
            let digest = info
                .path
                .strip_suffix("/data")
                .and_then(|path| Digest::from_hex(path.rsplit('/').next()?));
            let stale = digest.filter(|digest| {
                !info.is_directory() && !marked.contains(digest) && collection.is_due(info.modified)
            });
            unmarked.extend(stale.map(|digest| (digest, info.size)));
            Ok(WalkStep::Continue)
        });
        found(walked)?;
        Ok(unmarked)
    }
}

/// Splits the path of a repository's file into the repository's name and the rest.
pub(super) fn split(info: &FileInfo) -> Option<(Name, Vec<&str>)> {
    let path = info.path.strip_prefix(layout::REPOSITORIES)?.strip_prefix('/')?;
    let (name, rest) = path.split_once("/_")?;
    let name = Name::parse(name).ok().filter(|_| !info.is_directory())?;
    // The underscore is part of the first component.
    let rest = &path[path.len() - rest.len() - 1..];
    Some((name, rest.split('/').collect()))
}
