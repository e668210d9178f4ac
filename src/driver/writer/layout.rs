//! How large the parts of an upload are.
//!
//! The size of a part follows from its number alone, so that whoever resumes an upload goes on as it was begun, and a
//! part sent again takes the place of its first copy.
use crate::client::{MAX_PART_SIZE, MAX_PARTS};
use crate::driver::PartSizes;
use crate::error::{Error, ErrorKind, Result};

/// Parts that have the chunk size before they begin to grow. An upload says nothing of its final size, so half of the
/// numbers are kept for what may come: 5,000 parts of 10 MiB are 48 GiB, far more than a registry's layer has.
const EQUAL_PARTS: u32 = 5_000;

/// How much larger than the one before every part after [`EQUAL_PARTS`] is. With this step even the smallest chunk size,
/// 5 MiB, leads to 6 TiB, beyond the 5 TiB that S3-compatible servers take, and no part is larger than the chunk size
/// and 2.5 GiB. AWS's own limit of 48.8 TiB (10,000 parts of 5 GiB, since December 2025;
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>) can only be reached with that chunk size.
const STEP: u64 = 512 << 10;

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

    /// The size of the first parts.
    pub(crate) const fn chunk_size(self) -> u64 {
        self.chunk_size
    }

    /// Bytes of part `number`, unless it is the last.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] beyond 10,000 parts.
    pub(crate) fn part_size(self, number: u32) -> Result<u64> {
        if number > MAX_PARTS {
            let text = format!("the object needs more than {MAX_PARTS} parts of {} bytes", self.chunk_size);
            return Err(Error::new(ErrorKind::InvalidArgument, text).with_hint("choose a larger chunksize"));
        }
        Ok(match self.sizes {
            PartSizes::Uniform => self.chunk_size,
            PartSizes::MayGrow => {
                let growth = u64::from(number.saturating_sub(EQUAL_PARTS)) * STEP;
                (self.chunk_size + growth).min(MAX_PART_SIZE)
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

    #[test]
    fn a_tebibyte_fits_with_the_default_chunk_size() {
        let parts = parts_for(Layout::new(10 * MIB, PartSizes::MayGrow), TIB);
        assert_eq!(parts.iter().sum::<u64>(), TIB);
        assert_eq!(parts.len(), 6_979);
        assert!(parts[..5_000].iter().all(|size| *size == 10 * MIB), "the first half is equal");
        assert!(parts[..parts.len() - 1].is_sorted(), "parts never shrink");
        assert_eq!(parts[parts.len() - 2], 10 * MIB + 1_978 * 512 * 1024);
    }

    #[test]
    fn twelve_gibibytes_have_equal_parts_with_every_chunk_size() {
        for chunk_size in [MIN_PART_SIZE, 10 * MIB, 64 * MIB] {
            let parts = parts_for(Layout::new(chunk_size, PartSizes::MayGrow), 12 * GIB);
            assert!(parts[..parts.len() - 1].iter().all(|size| *size == chunk_size));
        }
    }

    #[test]
    fn every_chunk_size_reaches_five_tebibytes_within_the_limits() {
        for chunk_size in [MIN_PART_SIZE, 10 * MIB, 100 * MIB, MAX_PART_SIZE] {
            let layout = Layout::new(chunk_size, PartSizes::MayGrow);
            let sizes: Vec<u64> = (1..=MAX_PARTS).map(|number| layout.part_size(number).expect("a part")).collect();
            assert!(sizes.iter().sum::<u64>() >= 5 * TIB, "{chunk_size}");
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
