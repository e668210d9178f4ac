//! Kills processes in the middle of every kind of operation, and checks what the next process
//! finds.
//!
//! A separate process does one operation through a server that goes silent at its k-th request:
//! before the request is forwarded, or after it was carried out, with no response or with half of
//! it. At that point the process is killed (SIGKILL on Unix), for every k. Then a new driver
//! inspects the bucket and repeats the operation. After every kill:
//!
//! - Each file has its old or its new content, byte for byte. There is no other file, and none is lost. `stat`, `list`,
//!   `walk`, `reader` and `get_content` agree.
//! - `pending_uploads` reports every open upload; `purge_uploads` removes all of them, and everything stored for them, and
//!   does not touch any file.
//! - The repeated operation succeeds, with or without a purge before it, and produces exactly its result.
//! - Once everything is deleted, the bucket is empty.
//!
//! In addition, the operations guarantee:
//!
//! | killed in | state afterwards |
//! |---|---|
//! | `put_content`, `write_stream`, a writer's `commit` | the file is the complete old one or the complete new one |
//! | a writer, before `commit` | the old file, if any, is still visible. An appending writer continues after the last `close`, or without one after the last whole part |
//! | `close` | as before `commit`: a writer continues after this `close` or the one before |
//! | `cancel`, or the drop of a writer | no file; the upload still exists or is gone |
//! | the drop of a writer that resumed an upload | the upload exists, as the last `close` left it |
//! | `rename` of a file, in parts or not | the file is at its old place, at both, or at the new one, where it is complete. Repeating the `rename` finishes the move, or reports that the old place is empty |
//! | a folder moved file by file by the caller, because `rename` refuses folders | each file as above; those not begun yet are at their old places |
//! | `delete` of a file | it exists or is gone; so does an unfinished file at the path |
//! | `delete` of a folder | some files are gone, the others are complete. Repeating the `delete` removes the rest |
//! | `purge_uploads` | some uploads are gone; repeating the call removes the rest |
//! | operations that only read | nothing has changed |
//! | a download to a file | the file is missing or is the old one; an unfinished one next to it (`.s3driver-*.part`) can be removed |
//!
//! `cargo test --test processes killed:: -- --nocapture` prints for every operation how many requests
//! it sends and how many processes were killed.

mod client;
mod driver;
mod trial;
