//! More than one page of everything. These cases come last because, on a store that keeps empty
//! directories, every later case would have to search a thousand of them.
use super::trial::{Outcome, Stop, Trial, equal};

fn many_files(trial: &Trial<'_>, count: usize) -> Outcome {
    let path = |index: usize| format!("/files/{index:05}");
    trial.put_many(count, path)?;
    trial.driver.put_content("/files-more", b"x")?;
    let mut listed = trial.driver.list("/files")?;
    listed.sort();
    let expected: Vec<String> = (0..count).map(path).collect();
    equal("the number of files that are listed", listed.len(), count)?;
    equal("whether all files are listed", listed == expected, true)?;
    let mut walked = trial.walked("/files")?;
    walked.sort();
    equal("the number of files that a walk visits", walked.len(), count)?;
    equal("whether a walk visits all files", walked == expected, true)?;
    trial.driver.delete("/files")?;
    trial.list_is("/", &["/files-more"])?;
    trial.content_is("/files-more", b"x")
}

cases! {
    /// More than 1,000 files, the size of a page in S3, are all listed, walked and deleted.
    fn more_than_a_page_is_handled_whole(trial) {
        many_files(trial, 1_050)?;
    }

    /// More than 10,000 files are all listed, walked and deleted.
    fn more_than_ten_pages_are_handled_whole(trial) {
        if trial.scaled(true, false) {
            return Err(Stop::Skipped("10,050 files are used only at full scale".to_owned()));
        }

        many_files(trial, 10_050)?;
    }

    /// More than 1,000 directories are all listed, each once, and deleted.
    fn more_than_a_page_of_directories_is_listed(trial) {
        let count = trial.scaled(1_010, 2_020);
        // Directories near the end of the first page contain two files.
        let two = 980..1_010;
        trial.put_many(count + two.len(), |index| match index.checked_sub(count) {
            None => format!("/directories/{index:05}/0"),
            Some(more) => format!("/directories/{:05}/1", two.start + more),
        })?;

        let mut listed = trial.driver.list("/directories")?;
        listed.sort();
        let expected: Vec<String> =
            (0..count).map(|index| format!("/directories/{index:05}")).collect();
        equal("the number of directories that are listed", listed.len(), count)?;
        equal("whether all directories are listed once", listed == expected, true)?;
    }
}
