//! Little-endian values from a file, none beyond its end.

use faculty_core::{Error, Result};
use std::io::Read;

/// Reads a header and knows how many bytes of the file are left.
pub(super) struct Reader<R> {
    from: R,
    at: u64,
    size: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(from: R, size: u64) -> Self {
        Self { from, at: 0, size }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Bytes behind them.
    pub(super) fn left(&self) -> u64 {
        self.size - self.at
    }

    pub(super) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    /// A count of things of at least `each` bytes, which the rest of the file could hold.
    pub(super) fn count(&mut self, each: u64, what: &str) -> Result<usize> {
        let count = self.u64(what)?;
        if count.checked_mul(each).is_none_or(|bytes| bytes > self.left()) {
            return Err(Error::input(format!("claims {count} {what}, and {} bytes of the file are left", self.left()))
                .help("the file is truncated or damaged: download it again"));
        }
        Ok(count as usize)
    }

    /// A string: its length, then UTF-8.
    pub(super) fn string(&mut self, what: &str) -> Result<String> {
        let length = self.count(1, what)?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, what)?;
        String::from_utf8(bytes).map_err(|_| Error::input(format!("{what} is not UTF-8")))
    }

    fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<()> {
        if bytes.len() as u64 > self.left() {
            return Err(Error::input(format!("ends at byte {} inside {what}", self.size))
                .help("the file is truncated: download it again"));
        }
        self.from.read_exact(bytes).map_err(|error| Error::input(format!("cannot be read: {what}")).source(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
