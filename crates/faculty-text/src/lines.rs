//! Lines of a data file as bytes, numbered from 1, without their line ends (`\n` or `\r\n`).

use crate::Compression;
use crate::decompress::{Source, read_error};
use faculty_core::{Error, Result};
use std::io::{BufRead, Read};
use std::path::Path;

/// A longer line is no row of text; without the limit a binary file would be read into memory as one line.
pub(crate) const MAX_LINE_BYTES: u64 = 64 << 20;

/// Reads lines.
pub(crate) struct Lines<'a> {
    path: &'a Path,
    compression: Compression,
    source: Source,
    number: u64,
    buffer: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(path: &'a Path, compression: Compression, source: Source) -> Self {
        Self { path, compression, source, number: 0, buffer: Vec::new() }
    }

    /// The next line and its number, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        self.buffer.clear();
        let mut limited = (&mut self.source).take(MAX_LINE_BYTES);
        let read =
            limited.read_until(b'\n', &mut self.buffer).map_err(|e| read_error(self.path, self.compression, e))?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read as u64 == MAX_LINE_BYTES && self.buffer.last() != Some(&b'\n') {
            return Err(Error::input(format!("a line of more than {} MiB", MAX_LINE_BYTES >> 20))
                .file(self.path)
                .line(self.number)
                .expected("text with a row a line"));
        }
        let mut line = self.buffer.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some((self.number, line)))
    }
}
