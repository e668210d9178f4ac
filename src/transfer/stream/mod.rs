//! Objects that are sent while they are still being produced: buffers of parts, the threads that
//! send them, and a writer for any key that is built on both.
mod buffer;
mod cleanup;
mod layout;
mod parts;
mod sender;
mod token;
mod writer;

pub(crate) use buffer::Buffer;
pub(crate) use cleanup::clean_up;
pub(crate) use layout::Layout;
pub use layout::PartSizes;
pub(crate) use parts::{has_content, parts_of};
pub(super) use sender::SentParts;
pub(crate) use sender::{Sender, cannot_replace};
pub use token::UploadToken;
pub use writer::ObjectWriter;
