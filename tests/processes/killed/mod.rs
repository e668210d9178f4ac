//! Tests that kill a process in the middle of every kind of operation, and check what the next
//! process finds.
//!
//! A separate process performs one operation through a server that stops responding at the k-th
//! request: before the request is forwarded, or after it was carried out, with no response or half
//! of one. At that point the process is killed (SIGKILL on Unix). This is repeated for every k.
//! Then a new driver inspects the bucket and repeats the operation. After every kill:
//!
//! - Each file has exactly its old or its new content. No file is lost, and there are no others.
//!   `stat`, `list`, `walk`, `reader` and `get_content` agree.
//! - `pending_uploads` reports every open upload. `purge_uploads` removes all of them with
//!   everything stored for them, and does not change any file.
//! - The repeated operation succeeds, with or without an earlier purge, and has exactly the
//!   expected result.
//! - Once everything has been deleted, the bucket is empty.
//!
//! In addition, the operations guarantee:
//!
//! | killed in | state afterwards |
//! |---|---|
//! | `put_content`, `write_stream`, a writer's `commit` | the file is the complete old one or the complete new one |
//! | a writer, before `commit` | the old file, if there is one, is still visible. An appending writer continues after the last `close`, or, if there was none, after the last complete part |
//! | `close` | as before `commit`; a writer continues after this `close` or the previous one |
//! | `cancel`, or dropping a writer | there is no file; the upload may still exist |
//! | dropping a writer that resumed an upload | the upload exists in the state of the last `close` |
//! | `rename` of a file, in parts or not | the file is at its old path, at both paths, or at the new one, where it is complete. Repeating the `rename` finishes the move, or reports that there is no file at the old path |
//! | moving a folder file by file (by the caller, because `rename` refuses folders) | each file as above; the remaining ones are at their old paths |
//! | `delete` of a file | the file exists or does not, and so does an unfinished file at the path |
//! | `delete` of a folder | some files may have been deleted; the others are complete. Repeating the `delete` removes the rest |
//! | `purge_uploads` | some uploads may have been removed. Repeating the call removes the rest |
//! | operations that only read | nothing has changed |
//! | a download to a file | the file does not exist or is the old one. An unfinished file next to it (`.s3driver-*.part`) can be removed |
//!
//! `cargo test --test processes killed:: -- --nocapture` prints how many requests every operation
//! sends and how many processes were killed.

mod client;
mod driver;
mod trial;
