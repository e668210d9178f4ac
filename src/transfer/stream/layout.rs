//! The sizes of the parts of an upload.
//!
//! The size of a part depends only on its number, so that any process can resume an upload as it
//! was begun, and a part that is sent again replaces its first copy.
use crate::client::{MAX_PART_SIZE, MAX_PARTS};
use crate::error::{Error, ErrorKind, Result};

/// The number of parts that have the chunk size; later parts grow. The final size of an upload is
/// not known in advance, so the numbers above this one are reserved for larger uploads. There are
/// enough of them to reach 5 TiB with the smallest chunk size. 6,600 parts of the default 10 MiB
/// are 64 GiB, far more than a registry's layer has.
const EQUAL_PARTS: u32 = 6_600;

/// The number of consecutive parts after [`EQUAL_PARTS`] that have the same size, so that buffers
/// can be reused.
const PARTS_PER_STEP: u32 = 50;

/// The growth of parts, in bytes: in step `n`, a part is `n * n` times this value larger than the
/// chunk size. Thus, a part has between a 500th and a 1,100th of the total, which is close to the
/// minimum that permits such a total. With linear growth, parts would be larger at first; with
/// faster growth, they would exceed 5 GiB.
///
/// | total with the default of 10 MiB | size of its largest part |
/// |---|---|
/// | up to 64 GiB | 10 MiB |
/// | 70 GiB | 46 MiB |
/// | 80 GiB | 91 MiB |
/// | 100 GiB | 154 MiB |
/// | 200 GiB | 410 MiB |
/// | 500 GiB | 910 MiB |
/// | 1 TiB | 1,531 MiB |
/// | 5 TiB | 4,634 MiB |
///
/// Even the smallest chunk size permits 5.15 TiB, more than the 5 TiB that S3-compatible servers
/// accept. AWS's own limit of 48.8 TiB (10,000 parts of 5 GiB, since December 2025;
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>) can only be reached with a
/// chunk size near 5 GiB.
const STEP: u64 = 1 << 20;

/// The permitted differences between the sizes of an upload's parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartSizes {
    /// Parts become larger if the object would otherwise need more than 10,000.
    #[default]
    MayGrow,
    /// All parts except the last one have the same size, as Cloudflare R2 requires. An object has
    /// at most 10,000 parts of the chunk size.
    Uniform,
}

/// The sizes of all parts of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    chunk_size: u64,
    sizes: PartSizes,
}

impl Layout {
    pub(crate) const fn new(chunk_size: u64, sizes: PartSizes) -> Self {
        Self { chunk_size, sizes }
    }

    /// Returns the size of the first parts, in bytes.
    pub(crate) const fn chunk_size(self) -> u64 {
        self.chunk_size
    }

    /// Returns how the parts may differ in size.
    pub(crate) const fn part_sizes(self) -> PartSizes {
        self.sizes
    }

    /// Returns the size of part `number` in bytes, unless it is the last part.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if `number` is greater than 10,000.
    pub(crate) fn part_size(self, number: u32) -> Result<u64> {
        if number > MAX_PARTS {
            let text = format!(
                "the object needs more than {MAX_PARTS} parts of {} bytes",
                self.chunk_size
            );
            return Err(
                Error::new(ErrorKind::InvalidArgument, text).with_hint("choose a larger chunksize")
            );
        }
        Ok(match self.sizes {
            PartSizes::Uniform => self.chunk_size,
            PartSizes::MayGrow => {
                let step = u64::from(number.saturating_sub(EQUAL_PARTS).div_ceil(PARTS_PER_STEP));
                (self.chunk_size + step * step * STEP).min(MAX_PART_SIZE)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::MIN_PART_SIZE;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;

    fn parts_for(layout: Layout, size: u64) -> Vec<u64> {
        let (mut parts, mut left) = (Vec::new(), size);
        for number in 1.. {
            let part = layout.part_size(number).expect("a part").min(left);
            parts.push(part);
            left -= part;
            if left == 0 {
                return parts;
            }
        }
        unreachable!()
    }

    /// Checks the table in the documentation of [`STEP`].
    #[test]
    fn parts_stay_small_for_long() {
        let layout = Layout::new(10 * MIB, PartSizes::MayGrow);
        for (total, largest) in [
            (64, 10),
            (70, 46),
            (80, 91),
            (100, 154),
            (200, 410),
            (500, 910),
            (1024, 1531),
            (5 * 1024, 4634),
        ] {
            let mut parts = parts_for(layout, total * GIB);
            let last = parts.pop().expect("a part");
            assert_eq!(parts.iter().sum::<u64>() + last, total * GIB);
            assert!(parts.is_sorted(), "parts never shrink");
            assert_eq!(parts.last().map(|size| size / MIB), Some(largest), "{total} GiB");
        }
    }

    #[test]
    fn thirty_two_gibibytes_have_equal_parts_with_every_chunk_size() {
        for chunk_size in [MIN_PART_SIZE, 10 * MIB, 64 * MIB] {
            let parts = parts_for(Layout::new(chunk_size, PartSizes::MayGrow), 32 * GIB);
            assert!(parts[..parts.len() - 1].iter().all(|size| *size == chunk_size));
        }
    }

    #[test]
    fn every_chunk_size_reaches_five_tebibytes_within_the_limits() {
        for chunk_size in [MIN_PART_SIZE, 10 * MIB, 100 * MIB, MAX_PART_SIZE] {
            let layout = Layout::new(chunk_size, PartSizes::MayGrow);
            let sizes: Vec<u64> =
                (1..=MAX_PARTS).map(|number| layout.part_size(number).expect("a part")).collect();
            assert!(sizes.iter().sum::<u64>() >= 5 * TIB, "{chunk_size}");
            assert!(sizes.is_sorted(), "parts never shrink");
            assert!(
                sizes.chunk_by(PartialEq::eq).all(|run| run.len() >= 50),
                "buffers are used again"
            );
            assert!(sizes.iter().all(|size| (MIN_PART_SIZE..=MAX_PART_SIZE).contains(size)));
        }
    }

    #[test]
    fn the_largest_object_of_aws_has_ten_thousand_of_the_largest_parts() {
        let parts = parts_for(Layout::new(MAX_PART_SIZE, PartSizes::MayGrow), 50_000 * GIB);
        assert_eq!(parts.len(), 10_000);
    }

    #[test]
    fn uniform_parts_never_grow_and_end_with_a_clear_error() {
        let layout = Layout::new(10 * MIB, PartSizes::Uniform);
        assert_eq!(layout.part_size(MAX_PARTS).expect("the last part"), 10 * MIB);
        let error = layout.part_size(MAX_PARTS + 1).expect_err("no part 10,001");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("choose a larger chunksize"), "{error}");
    }
}
