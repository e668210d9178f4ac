//! What is at a path.
use super::Quirk;
use super::trial::failed;
use std::thread::sleep;
use std::time::Duration;

/// S3 tells times in whole seconds.
const LATER: Duration = Duration::from_millis(1_100);

cases! {
    /// Files have size and time, directories neither.
    fn stat_tells_files_from_directories(trial) {
        trial.missing("/stat/dir/file")?;
        trial.driver.put_content("/stat/dir/file", &[7; 4_096])?;
        trial.file_is("/stat/dir/file", 4_096)?;
        trial.directory_is("/stat/dir")?;
        trial.directory_is("/stat")?;
    }

    /// A file that is written again has a later time.
    fn a_rewritten_file_is_younger(trial) {
        trial.driver.put_content("/stat/file", b"old")?;
        let before = trial.driver.stat("/stat/file")?.modified;
        sleep(LATER);
        trial.driver.put_content("/stat/file", b"new")?;
        let after = trial.driver.stat("/stat/file")?.modified;
        if before >= after {
            return Err(failed(format!("a time after {before:?}"), format!("{after:?}")));
        }
    }

    /// Nothing is seen at a path because its siblings begin with it.
    fn siblings_are_not_seen_by_stat(trial) {
        trial.put_named(&["/stat/ab", "/stat/file-2", "/stat/dir-suffix/file", "/stat/x.y/z"])?;
        for path in ["/stat/a", "/stat/file", "/stat/dir", "/stat/x", "/sta", "/stat/dir-suffix/fil", "/stat/ab/c"] {
            trial.not_found(&format!("stat of {path}"), path, trial.driver.stat(path))?;
        }
        trial.driver.put_content("/stat/file", b"x")?;
        trial.driver.delete("/stat/file")?;
        trial.missing("/stat/file")?;
    }

    /// A file that has children is a file, and a directory when it is gone.
    fn a_file_with_children_is_a_file(trial) {
        trial.needs_no(Quirk::NoFileWithChildren)?;
        trial.put_named(&["/stat/both/below", "/stat/both"])?;
        trial.file_is("/stat/both", 10)?;
        trial.named_are_there(&["/stat/both/below", "/stat/both"])?;
        trial.list_is("/stat", &["/stat/both"])?;
        trial.list_is("/stat/both", &["/stat/both/below"])?;
    }
}
