//! Ranges of an object's bytes: requested ones and received ones.

/// A range of an object's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByteRange {
    /// The whole object.
    #[default]
    All,
    /// From this offset to the end.
    From(u64),
    /// `length` bytes from `offset`, or fewer if the object ends before. `length` is at least 1.
    Part {
        /// The first byte.
        offset: u64,
        /// The number of bytes.
        length: u64,
    },
    /// This many bytes at the end of the object, or all of them if the object has fewer. At least
    /// 1.
    Last(u64),
}

impl ByteRange {
    /// Returns the offset at which the range begins in an object of `size` bytes; `None` if that
    /// depends on an unknown size.
    pub(super) const fn start(self, size: Option<u64>) -> Option<u64> {
        match (self, size) {
            (Self::All, _) => Some(0),
            (Self::From(offset) | Self::Part { offset, .. }, _) => Some(offset),
            (Self::Last(length), Some(size)) => Some(size.saturating_sub(length)),
            (Self::Last(_), None) => None,
        }
    }
    /// Returns whether the range is empty for every object.
    pub(super) const fn is_empty(self) -> bool {
        matches!(self, Self::Part { length: 0, .. } | Self::Last(0))
    }
    /// Returns the rest of the range after `done` bytes have arrived.
    pub(super) const fn rest(self, done: u64) -> Self {
        match self {
            Self::All if done == 0 => Self::All,
            Self::All => Self::From(done),
            Self::From(offset) => Self::From(offset.saturating_add(done)),
            Self::Part { offset, length } => Self::Part {
                offset: offset.saturating_add(done),
                length: length.saturating_sub(done),
            },
            Self::Last(length) => Self::Last(length.saturating_sub(done)),
        }
    }
    /// Returns the value of `Range` (RFC 9110 section 14.1.2).
    pub(super) fn header(self) -> Option<String> {
        match self {
            Self::All => None,
            Self::From(offset) => Some(format!("bytes={offset}-")),
            Self::Part { offset, length } => {
                Some(format!("bytes={offset}-{}", offset.saturating_add(length).saturating_sub(1)))
            }
            Self::Last(length) => Some(format!("bytes=-{length}")),
        }
    }
}

/// The parsed header `Content-Range: bytes first-last/size` (RFC 9110 section 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The size of the object; `None` for `*`.
    pub(super) size: Option<u64>,
}

impl ContentRange {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, size) = text.trim_ascii().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let size = if size == "*" { None } else { Some(number(size)?) };
        let sound = first <= last && last < u64::MAX && size.is_none_or(|size| last < size);
        sound.then_some(Self { first, last, size })
    }

    /// Returns the size in `bytes */size`, from a response that refuses a range.
    pub(super) fn unsatisfied(text: &str) -> Option<u64> {
        number(text.trim_ascii().strip_prefix("bytes */")?)
    }
}

/// Parses digits and nothing else: `str::parse` would accept a sign.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_exactly() {
        let good = |text, first, last, size| {
            assert_eq!(ContentRange::parse(text), Some(ContentRange { first, last, size }));
        };
        good("bytes 0-9/10", 0, 9, Some(10));
        good("bytes 5-5/*", 5, 5, None);
        for bad in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes */10",
            "bytes 9-0/10",
            "bytes 0-10/10",
            "bytes +1-2/9",
            "items 0-9/10",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_size_is_read_from_a_refusal() {
        assert_eq!(ContentRange::unsatisfied(" bytes */10 "), Some(10));
        for bad in ["bytes */*", "bytes */", "bytes 0-9/10", "bytes */+1", "bytes */-1", "10", ""] {
            assert_eq!(ContentRange::unsatisfied(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_bytes_begin_where_the_size_says() {
        let last = ByteRange::Last(10);
        assert_eq!(last.header().as_deref(), Some("bytes=-10"));
        assert_eq!(last.start(Some(30)), Some(20));
        assert_eq!(last.start(Some(3)), Some(0));
        assert_eq!(last.start(None), None);
        assert!(ByteRange::Last(0).is_empty() && !last.is_empty());
    }

    #[test]
    fn a_range_names_what_is_left() {
        let header = |range: ByteRange, done| range.rest(done).header();
        assert_eq!(header(ByteRange::All, 0), None);
        assert_eq!(header(ByteRange::All, 7).as_deref(), Some("bytes=7-"));
        assert_eq!(header(ByteRange::From(10), 7).as_deref(), Some("bytes=17-"));
        assert_eq!(
            header(ByteRange::Part { offset: 10, length: 20 }, 0).as_deref(),
            Some("bytes=10-29")
        );
        assert_eq!(
            header(ByteRange::Part { offset: 10, length: 20 }, 7).as_deref(),
            Some("bytes=17-29")
        );
    }
}
