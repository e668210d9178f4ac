//! Many parts at once on plain threads.
mod copy;
mod parallel;

pub(crate) use copy::{copy_object_in_parts, copy_parts};
