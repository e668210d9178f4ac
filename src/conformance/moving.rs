//! A move transfers one whole file and replaces the file at its destination.
use super::Quirk;
use super::data::{Source, bytes};
use super::trial::failed;

cases! {
    /// A moved file is at its new path and not at its old one.
    fn a_moved_file_is_only_at_its_new_path(trial) {
        let content = bytes(1, 0, 32);
        trial.driver.put_content("/move/from", &content)?;
        trial.driver.rename("/move/from", "/move/deep/er/to")?;
        trial.content_is("/move/deep/er/to", &content)?;
        trial.missing("/move/from")?;
        trial.file_is("/move/deep/er/to", 32)?;
    }

    /// A file at the new path is replaced completely.
    fn a_move_replaces_the_destination(trial) {
        trial.driver.put_content("/move/to", &bytes(2, 0, 64))?;
        let content = bytes(1, 0, 32);
        trial.driver.put_content("/move/from", &content)?;
        trial.driver.rename("/move/from", "/move/to")?;
        trial.content_is("/move/to", &content)?;
        trial.missing("/move/from")?;
    }

    /// A missing file cannot be moved, and a file at the new path is kept.
    fn a_missing_file_cannot_be_moved(trial) {
        trial.put_named(&["/move/to", "/move/from2", "/notadir"])?;
        let moved = trial.driver.rename("/move/from", "/move/to");
        trial.not_found("rename of /move/from", "/move/from", moved)?;
        trial.check_named(&["/move/to", "/move/from2"])?;
        if trial.driver.rename("/notadir/foo", "/notadir/bar").is_ok() {
            return Err(failed("an error for /notadir/foo below a file", "success"));
        }

        trial.check_named(&["/notadir"])?;
    }

    /// A directory cannot be moved, and the attempt leaves everything unchanged.
    fn a_directory_cannot_be_moved(trial) {
        trial.put_named(&["/move/dir/a", "/move/dir/b", "/move/to"])?;
        if trial.driver.rename("/move/dir", "/move/to").is_ok() {
            return Err(failed("an error for the directory /move/dir", "success"));
        }

        trial.check_named(&["/move/dir/a", "/move/dir/b", "/move/to"])?;
    }

    /// Siblings that begin with the name of the moved file stay where they are.
    fn siblings_are_not_moved(trial) {
        let siblings = ["/move/data2", "/move/data-suffix/x", "/move/data.sha256"];
        trial.put_named(&siblings)?;
        trial.put_named(&["/move/data"])?;
        trial.driver.rename("/move/data", "/moved")?;
        trial.content_is("/moved", b"/move/data")?;
        trial.check_named(&siblings)?;
        trial.missing("/move/data")?;
        trial.list_is("/", &["/move", "/moved"])?;
    }

    /// If a file has children, only the file is moved.
    fn children_of_a_moved_file_stay(trial) {
        trial.skip_on(Quirk::NoFileWithChildren)?;
        trial.put_named(&["/move/both", "/move/both/below", "/move/to", "/move/to/below"])?;
        trial.driver.rename("/move/both", "/move/to")?;
        trial.content_is("/move/to", b"/move/both")?;
        trial.check_named(&["/move/both/below", "/move/to/below"])?;
        trial.unreadable("/move/both")?;
        trial.directory_is("/move/both")?;
    }

    /// A file that is moved onto itself is kept.
    fn a_file_moved_onto_itself_stays(trial) {
        trial.put_named(&["/move/self"])?;
        trial.driver.rename("/move/self", "/move/self")?;
        trial.check_named(&["/move/self"])?;
    }

    /// A large file is moved completely.
    fn a_large_file_is_moved_completely(trial) {
        let size =
            trial.scaled(3 * trial.chunk() as u64, (3 * trial.chunk() as u64).max(64 << 20)) + 77;
        trial.write("/move/large", Source::new(3, 0, size))?;
        trial.driver.rename("/move/large", "/move/there")?;
        trial.file_is("/move/there", size)?;
        trial.streams("/move/there", 0, Source::new(3, 0, size))?;
        trial.missing("/move/large")?;
        trial.list_is("/move", &["/move/there"])?;
    }
}
