//! The files below a directory on this machine.
use crate::failure::{Failure, Outcome};
use crate::text::{shown, shown_path};
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

/// The greatest depth of nested directories. Deeper directories have paths that are longer than
/// keys.
const DEPTH: usize = 256;

/// An iterator over every file below a directory. It returns each file with its path relative to
/// the directory, written with slashes. Links to files are followed. Links to directories are an
/// error, because they can lead in a circle.
pub(crate) struct Walk {
    waiting: VecDeque<(PathBuf, String, usize)>,
}

impl Walk {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { waiting: VecDeque::from([(folder, String::new(), 0)]) }
    }

    /// Examines the next path. If the path is a file, the file is returned. If it is a directory,
    /// its entries take its place in the queue.
    fn step(
        &mut self,
        path: PathBuf,
        below: String,
        depth: usize,
    ) -> Outcome<Option<(PathBuf, String)>> {
        let failed = |error| Failure::local(shown_path(&path), &error);
        let refused = |why: &str| Failure::usage(format!("{} {why}", shown_path(&path)));
        let is_link = depth > 0 && fs::symlink_metadata(&path).map_err(failed)?.is_symlink();
        let metadata = fs::metadata(&path).map_err(failed)?;
        if metadata.is_file() {
            return Ok(Some((path, below)));
        }
        if !metadata.is_dir() {
            return Err(refused("is neither a file nor a directory"));
        }
        if is_link {
            return Err(refused("is a link to a directory: copy that directory by itself"));
        }
        if depth >= DEPTH {
            return Err(refused("lies in too many directories"));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.push(name.into_string().map_err(|name| {
                refused(&format!(
                    "contains {}, which is not Unicode and cannot be a key",
                    shown(&name.to_string_lossy())
                ))
            })?);
        }
        names.sort_unstable();
        for name in names.into_iter().rev() {
            let child = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            self.waiting.push_front((path.join(name), child, depth.saturating_add(1)));
        }
        Ok(None)
    }
}

impl Iterator for Walk {
    type Item = Outcome<(PathBuf, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((path, below, depth)) = self.waiting.pop_front() {
            match self.step(path, below, depth) {
                Ok(None) => {}
                Ok(Some(file)) => return Some(Ok(file)),
                Err(failure) => return Some(Err(failure)),
            }
        }
        None
    }
}
