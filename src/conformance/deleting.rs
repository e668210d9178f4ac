//! A deletion removes the given path completely, and nothing else.
use super::Quirk;

cases! {
    /// A deleted file is gone; deleting it again, or deleting a file that never existed, is an
    /// error.
    fn a_deleted_file_is_gone(trial) {
        trial.driver.put_content("/delete/file", b"x")?;
        trial.driver.delete("/delete/file")?;
        trial.missing("/delete/file")?;
        for path in ["/delete/file", "/delete/missing/deep"] {
            trial.not_found(&format!("delete of {path}"), path, trial.driver.delete(path))?;
        }
    }

    /// Deleting one file of a directory keeps the others; deleting the directory deletes them.
    fn a_directory_is_deleted_with_its_contents(trial) {
        trial.put_named(&["/delete/d/1", "/delete/d/2", "/delete/d/3/4/5"])?;
        trial.driver.delete("/delete/d/1")?;
        trial.missing("/delete/d/1")?;
        trial.check_named(&["/delete/d/2", "/delete/d/3/4/5"])?;
        trial.driver.delete("/delete/d")?;
        trial.missing("/delete/d/2")?;
        trial.missing("/delete/d/3/4/5")?;
        trial.missing("/delete/d")?;
    }

    /// Siblings that begin with the name of the deleted path are kept.
    fn siblings_are_not_deleted(trial) {
        let siblings = [
            "/delete/file1-2",
            "/delete/file1suffix",
            "/delete/file1.x/y",
            "/delete/folder1-suffix/file1",
            "/delete/folder1.tar",
            "/delete/folder10/file1",
            "/delete2",
        ];
        trial.put_named(&siblings)?;
        trial.put_named(&["/delete/file1", "/delete/folder1/file1", "/delete/folder1/file2"])?;
        trial.driver.delete("/delete/file1")?;
        trial.missing("/delete/file1")?;
        trial.check_named(&siblings)?;
        trial.check_named(&["/delete/folder1/file1", "/delete/folder1/file2"])?;
        trial.driver.delete("/delete/folder1")?;
        trial.missing("/delete/folder1/file1")?;
        trial.missing("/delete/folder1/file2")?;
        trial.check_named(&siblings)?;
        trial.driver.delete("/delete")?;
        trial.check_named(&["/delete2"])?;
    }

    /// A path cannot be deleted if it only has siblings that begin with its name.
    fn siblings_do_not_make_a_delete_succeed(trial) {
        let siblings = ["/delete/ab", "/delete/a-b/c", "/delete/a.b"];
        trial.put_named(&siblings)?;
        for path in ["/delete/a", "/delet", "/delete/a-b/c/d"] {
            trial.not_found(&format!("delete of {path}"), path, trial.driver.delete(path))?;
        }

        trial.check_named(&siblings)?;
    }

    /// A file that has children is deleted together with them.
    fn a_file_is_deleted_with_its_children(trial) {
        trial.skip_on(Quirk::NoFileWithChildren)?;
        trial.put_named(&["/delete/both", "/delete/both/below", "/delete/both-sibling"])?;
        trial.driver.delete("/delete/both")?;
        trial.missing("/delete/both")?;
        trial.missing("/delete/both/below")?;
        trial.check_named(&["/delete/both-sibling"])?;
    }
}
