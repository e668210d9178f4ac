//! Information about a path.
use super::Quirk;
use super::trial::failed;
use std::thread::sleep;
use std::time::Duration;

/// The delay between two writes. It is longer than a second because S3 reports times in whole
/// seconds.
const LATER: Duration = Duration::from_millis(1_100);

cases! {
    /// Files have a size and a time, directories have neither.
    fn stat_distinguishes_files_and_directories(trial) {
        trial.missing("/stat/dir/file")?;
        trial.driver.put_content("/stat/dir/file", &[7; 4_096])?;
        trial.file_is("/stat/dir/file", 4_096)?;
        trial.directory_is("/stat/dir")?;
        trial.directory_is("/stat")?;
    }

    /// A rewritten file has a later time.
    fn a_rewritten_file_is_newer(trial) {
        trial.driver.put_content("/stat/file", b"old")?;
        let before = trial.driver.stat("/stat/file")?.modified;
        sleep(LATER);
        trial.driver.put_content("/stat/file", b"new")?;
        let after = trial.driver.stat("/stat/file")?.modified;
        if before >= after {
            return Err(failed(format!("a time after {before:?}"), format!("{after:?}")));
        }
    }

    /// A path does not exist merely because its siblings begin with its name.
    fn siblings_are_not_seen_by_stat(trial) {
        trial.put_named(&["/stat/ab", "/stat/file-2", "/stat/dir-suffix/file", "/stat/x.y/z"])?;
        for path in [
            "/stat/a",
            "/stat/file",
            "/stat/dir",
            "/stat/x",
            "/sta",
            "/stat/dir-suffix/fil",
            "/stat/ab/c",
        ] {
            trial.not_found(&format!("stat of {path}"), path, trial.driver.stat(path))?;
        }

        trial.driver.put_content("/stat/file", b"x")?;
        trial.driver.delete("/stat/file")?;
        trial.missing("/stat/file")?;
    }

    /// A file that has children is reported as a file.
    fn a_file_with_children_is_a_file(trial) {
        trial.skip_on(Quirk::NoFileWithChildren)?;
        trial.put_named(&["/stat/both/below", "/stat/both"])?;
        trial.file_is("/stat/both", 10)?;
        trial.check_named(&["/stat/both/below", "/stat/both"])?;
        trial.list_is("/stat", &["/stat/both"])?;
        trial.list_is("/stat/both", &["/stat/both/below"])?;
    }
}
