//! Files on this machine as the sources and the targets of copies.
use crate::failure::{Exit, Failure, Outcome};
use crate::text::shown_path;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// The size and the modification time of a file, by which a changed file is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    /// `None` on systems that do not have this time.
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(file: &Path) -> Outcome<Self> {
        let metadata = file.metadata().map_err(|error| Failure::local(shown_path(file), &error))?;
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// Removes a file that was uploaded, if it has not changed since `uploaded` was taken.
pub(crate) fn remove_uploaded(file: &Path, uploaded: Stamp) -> Outcome {
    if Stamp::of(file)? != uploaded {
        return Err(Failure::new(
            Exit::Failure,
            format!(
                "{} changed while it was being moved: the new content is still here, and the \
                 destination may have the old content; move it again",
                shown_path(file)
            ),
        ));
    }
    remove(file)
}

pub(crate) fn remove(file: &Path) -> Outcome {
    fs::remove_file(file)
        .map_err(|error| Failure::local(format_args!("removing {}", shown_path(file)), &error))
}

/// Creates the directories that contain a file.
pub(crate) fn create_folder_of(file: &Path) -> Outcome {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        None => Ok(()),
        Some(folder) => fs::create_dir_all(folder).map_err(|error| {
            Failure::local(format_args!("creating {}", shown_path(folder)), &error)
        }),
    }
}
