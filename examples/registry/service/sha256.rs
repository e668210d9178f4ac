//! A SHA-256 whose state can be saved and continued by another process, in the format in which
//! Distribution stores it.
use super::names::Digest;
use sha2::block_api::compress256;

/// The first bytes of the state that Go's `crypto/sha256` marshals.
const MAGIC: &[u8; 4] = b"sha\x03";
const BLOCK: usize = 64;
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The digest of the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sha256 {
    state: [u32; 8],
    /// The bytes after the last whole block.
    rest: Vec<u8>,
    length: u64,
}

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self { state: START, rest: Vec::with_capacity(BLOCK), length: 0 }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if !self.rest.is_empty() {
            let (first, others) = bytes.split_at(bytes.len().min(BLOCK - self.rest.len()));
            self.rest.extend_from_slice(first);
            bytes = others;
            let (blocks, _) = self.rest.as_chunks();
            if !blocks.is_empty() {
                compress256(&mut self.state, blocks);
                self.rest.clear();
            }
        }
        let (blocks, rest) = bytes.as_chunks();
        compress256(&mut self.state, blocks);
        self.rest.extend_from_slice(rest);
    }

    /// Returns the number of bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Returns the digest. Further updates are possible.
    pub(crate) fn digest(&self) -> Digest {
        let mut padded = self.rest.clone();
        padded.push(0x80);
        // The length fills the last 8 bytes of a block.
        while padded.len() % BLOCK != BLOCK - 8 {
            padded.push(0);
        }
        padded.extend_from_slice(&self.length.wrapping_mul(8).to_be_bytes());
        let mut state = self.state;
        compress256(&mut state, padded.as_chunks().0);
        let mut bytes = [0; 32];
        for (out, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
            *out = word.to_be_bytes();
        }
        Digest::from_bytes(bytes)
    }

    /// Returns the state in the format that Go marshals.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut saved = MAGIC.to_vec();
        saved.extend(self.state.iter().flat_map(|word| word.to_be_bytes()));
        saved.extend_from_slice(&self.rest);
        saved.resize(MAGIC.len() + 32 + BLOCK, 0);
        saved.extend_from_slice(&self.length.to_be_bytes());
        saved
    }

    /// Restores a state that was saved after `length` bytes.
    pub(crate) fn restore(saved: &[u8], length: u64) -> Option<Self> {
        let (words, rest) = saved.strip_prefix(MAGIC)?.split_at_checked(32)?;
        let (block, stated) = rest.split_at_checked(BLOCK)?;
        if stated != length.to_be_bytes() {
            return None;
        }
        let mut state = [0; 8];
        for (word, bytes) in state.iter_mut().zip(words.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let rest = block.get(..usize::try_from(length % BLOCK as u64).ok()?)?.to_vec();
        Some(Self { state, rest, length })
    }
}
