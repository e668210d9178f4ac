//! Objects that are sent while they are still being made: buffers of parts, and the threads that send them.
mod buffer;
mod layout;
mod sender;

pub(crate) use buffer::Buffer;
pub(crate) use layout::Layout;
pub use layout::PartSizes;
pub(crate) use sender::{Sender, cannot_replace};
