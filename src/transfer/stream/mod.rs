//! Objects that are sent while they are still being produced: buffers of parts, the threads that
//! send them, and a writer for any key that is built on both.
mod buffer;
mod cleanup;
mod content;
mod failure;
mod layout;
mod parts;
mod sender;
mod spool;
mod token;
mod writer;

pub(crate) use buffer::Buffer;
pub(crate) use cleanup::clean_up;
pub(crate) use content::{PartContent, PartSlice, PartStorage};
pub(crate) use failure::FirstFailure;
pub(crate) use layout::Layout;
pub use layout::PartSizes;
pub(crate) use parts::{has_content, parts_of};
pub(crate) use sender::{Concurrency, Sender, cannot_replace};
pub(crate) use spool::SpoolFolder;
pub use token::UploadToken;
pub use writer::ObjectWriter;
