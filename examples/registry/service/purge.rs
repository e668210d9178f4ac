//! Removes uploads that were begun and never finished.
use super::collect::{Mode, split};
use super::names::{Name, UploadId};
use super::uploads::STARTED_LIMIT;
use super::{Outcome, Registry, found, layout};
use s3driver::driver::{WalkOptions, WalkStep};
use s3driver::time::Timestamp;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

impl Registry {
    /// Removes the uploads that began longer than `age` ago, and returns their number.
    pub(crate) fn purge(&self, age: Duration, mode: Mode) -> Outcome<usize> {
        // The last change of each upload, used if its file with the start time is missing.
        let mut uploads: BTreeMap<(Name, String), Option<SystemTime>> = BTreeMap::new();
        let walked = self.driver.walk(layout::REPOSITORIES, &WalkOptions::default(), &mut |info| {
            if let Some((name, path)) = split(info)
                && let ["_uploads", id, ..] = *path
            {
                let began = uploads.entry((name, id.to_owned())).or_default();
                *began = info.modified.max(*began);
            }
            Ok(WalkStep::Continue)
        });
        found(walked)?;
        let mut purged = 0;
        for ((name, id), modified) in uploads {
            let Some(id) = UploadId::parse(&id) else { continue };
            let stated = self.small(&layout::upload_started(&name, &id), STARTED_LIMIT)?;
            let stated =
                stated.and_then(|text| Timestamp::parse_iso8601(std::str::from_utf8(&text).ok()?));
            let Some(began) = stated.map(SystemTime::from).or(modified) else { continue };
            if SystemTime::now().duration_since(began).unwrap_or_default() < age {
                continue;
            }
            purged += 1;
            if mode == Mode::Remove {
                // This ends an unfinished file, and removes one that was committed before the
                // process ended.
                self.remove(&layout::upload(&name, &id))?;
            }
        }
        Ok(purged)
    }
}
