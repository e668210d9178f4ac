//! Processes killed in the middle of every kind of operation: what the next process finds.
//!
//! A process of its own does one operation, through a server that lets its k-th request fall silent: before that request
//! is passed on, or after it was carried out, with no answer or with half of it. There the process is killed (SIGKILL on
//! Unix), for every k. Then a driver that knows nothing of all this looks at the bucket, and does the operation again.
//! After every kill:
//!
//! - Each file is what it was or what it was to become, byte for byte. No other file is there, none is lost. `stat`,
//!   `list`, `walk`, `reader` and `get_content` agree about it.
//! - Every upload that is open is told by `pending_uploads`; `purge_uploads` removes all of them and what was kept beside
//!   them, and touches no file.
//! - The operation done again, with or without a purge before it, ends well, and exactly its result is there.
//! - Once everything is deleted, the bucket is empty.
//!
//! What the operations promise beyond that:
//!
//! | killed in | then |
//! |---|---|
//! | `put_content`, `write_stream`, a writer's `commit` | the file is the old one or the new one, whole |
//! | a writer, before `commit` | the old file, if there was one, is still the one that is seen. An appending writer goes on behind the last `close`, or, without one, behind the last whole part |
//! | `close` | the same: behind this `close` or the one before |
//! | `cancel`, or a writer being dropped | no file; the upload is still there or it is gone |
//! | a writer that resumed an upload, being dropped | the upload is there, as the last `close` left it |
//! | `rename` of a file, in parts or not | the file is at its old place, at both, or at the new one; at the new one it is whole. The same `rename` again finishes the move, or says that the old place is empty |
//! | a folder moved file by file, as its user must: `rename` refuses folders | the same for each file; those not yet begun are at their old places |
//! | `delete` of a file | it is there or it is gone; so is an unfinished file at the path |
//! | `delete` of a folder | some files are gone, the others are whole. The same `delete` again takes the rest |
//! | `purge_uploads` | some uploads are gone; again, and the rest is |
//! | whatever reads | nothing has changed |
//! | a download to a file | the file is not there or it is the old one; an unfinished one beside it (`.s3driver-*.part`) can be removed |
//!
//! `cargo test --test killed -- --nocapture` tells of every operation how many requests it has and how many processes
//! were killed in it.
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

mod client;
mod driver;
#[path = "../faults/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod trial;
#[path = "../writing/mod.rs"]
mod writing;
