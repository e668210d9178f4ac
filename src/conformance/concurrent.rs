//! Concurrent readers and writers.
use super::data::{self, Source};
use super::trial::{equal, failed, together};
use crate::driver::WriteMode;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Sets a flag when it is dropped.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

cases! {
    /// Concurrent readers of one file each receive the bytes at their own offset.
    fn many_readers_of_one_file(trial) {
        let size: u64 = trial.scaled(trial.chunk() as u64 + (1 << 20), 128 << 20);
        trial.write("/many/readers", Source::new(8, 0, size))?;
        together(10, |index| {
            // The offsets are pseudo-random, and the same in every run.
            let offset = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
            trial.streams("/many/readers", offset, Source::new(8, offset, size))
        })?;
    }

    /// Concurrent writers of different files each write their own file.
    fn many_writers_of_many_files(trial) {
        let (writers, size): (usize, u64) =
            trial.scaled((8, trial.chunk() as u64 + 77), (32, 32 << 20));
        together(writers, |index| {
            let (path, seed) = (format!("/many/writers/{index}"), index as u64);
            trial.write(&path, Source::new(seed, 0, size))?;
            trial.streams(&path, 0, Source::new(seed, 0, size))
        })?;
        equal("the number of files", trial.driver.list("/many/writers")?.len(), writers)?;
    }

    /// When several writers write the same path, the content of one of them wins completely, and
    /// readers never see a mixture.
    fn writers_of_one_path_never_mix(trial) {
        let (path, writers) = ("/many/one", 4);
        let size = trial.chunk() as u64 + 4_321;
        let contents: Vec<Vec<u8>> =
            (0..writers).map(|seed| data::bytes(seed, 0, size as usize)).collect();
        let whole = |content: &[u8]| contents.iter().any(|one| content == one);
        trial.write(path, Source::new(0, 0, size))?;
        let done = AtomicBool::new(false);
        together(writers as usize + 1, |index| {
            if index as u64 == writers {
                // This thread reads.
                while !done.load(Ordering::Relaxed) {
                    if !whole(&trial.driver.get_content(path)?) {
                        done.store(true, Ordering::Relaxed);
                        return Err(failed("the whole content of one writer", "a mixture"));
                    }
                }

                return Ok(());
            }

            // The reader ends also if this thread panics.
            let _end = (index == 0).then(|| Ended(&done));
            let result = (|| {
                for round in 0..2 {
                    let mut writer = trial.driver.writer(path, WriteMode::Create)?;
                    io::copy(&mut Source::new(index as u64, 0, size), &mut writer)?;
                    if round == 0 && index == 0 { writer.cancel()? } else { writer.commit()? }
                }

                Ok(())
            })();
            if result.is_err() {
                done.store(true, Ordering::Relaxed);
            }

            result
        })?;

        equal(
            "whether the content is that of one writer",
            whole(&trial.driver.get_content(path)?),
            true,
        )?;
        trial.list_is("/many", &[path])?;
    }
}
