//! A file of teacher rows that only grows: what was appended survives a kill, and a torn or damaged record is dropped.
//!
//! ```text
//! magic (8) | key (64, SHA-256 in hex) | record | record | ...
//! record = text hash (32) | values (4 each, little-endian) | check (16, hex)
//! ```
//!
//! The check is the start of a SHA-256 over key, hash and values, so that no damaged record and none of another file is ever
//! taken for a row. Who appends holds the file's lock, which the system releases when a process ends, however it ends.

use faculty_core::{ContentHash, Error, Event, Observer, Result, hash_bytes};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The number changes with the layout or with anything that changes computed values.
const MAGIC: &[u8; 8] = b"FACTO\x00\x00\x02";
const KEY_BYTES: usize = 64;
const HASH_BYTES: usize = 32;
/// Hexadecimal digits of the check: 64 bits.
const CHECK_BYTES: usize = 16;
/// How often a held lock is tried again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Rows by the hash of their text.
pub(crate) type Rows = HashMap<ContentHash, Vec<f32>>;

/// What the file of one (teacher, settings) pair looks like.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// SHA-256 in hex.
    key: String,
    /// Values a row.
    width: usize,
}

impl Layout {
    pub(crate) fn new(key: String, width: usize) -> Self {
        debug_assert_eq!(key.len(), KEY_BYTES);
        Self { key, width }
    }

    fn header(&self) -> Vec<u8> {
        [MAGIC.as_slice(), self.key.as_bytes()].concat()
    }

    fn record_bytes(&self) -> usize {
        HASH_BYTES + 4 * self.width + CHECK_BYTES
    }

    fn check(&self, body: &[u8]) -> String {
        let mut digest = hash_bytes(&[self.key.as_bytes(), body].concat());
        digest.truncate(CHECK_BYTES);
        digest
    }

    fn write(&self, hash: &ContentHash, values: &[f32], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(hash);
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let check = self.check(&out[start..]);
        out.extend_from_slice(check.as_bytes());
    }

    fn parse(&self, record: &[u8]) -> Option<(ContentHash, Vec<f32>)> {
        let (body, check) = record.split_at_checked(record.len().checked_sub(CHECK_BYTES)?)?;
        let (hash, values) = body.split_at_checked(HASH_BYTES)?;
        let values = values.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        (self.check(body).as_bytes() == check).then_some((hash.try_into().ok()?, values))
    }

    /// The sound rows of a file and where its last whole record ends; `None` if it is another file's or none at all.
    fn parse_all(&self, bytes: &[u8]) -> Option<(Rows, usize)> {
        let header = self.header();
        let records = bytes.strip_prefix(header.as_slice())?;
        let rows = records.chunks_exact(self.record_bytes()).filter_map(|record| self.parse(record)).collect();
        let torn = records.len() % self.record_bytes();
        Some((rows, bytes.len() - torn))
    }

    /// The rows of a file, without its lock; none if it is absent, foreign or not readable now.
    pub(crate) fn read(&self, path: &Path) -> Rows {
        let bytes = std::fs::read(path).unwrap_or_default();
        self.parse_all(&bytes).map_or_else(Rows::new, |(rows, _)| rows)
    }
}

/// A file that is being appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    layout: Layout,
}

impl Journal {
    /// Opens the file for appending, waits while another process holds it, cuts off a torn tail, and returns its rows.
    ///
    /// # Errors
    /// Fails if the file cannot be made, read or written, or the user interrupted.
    pub(crate) fn open(path: &Path, layout: Layout, observer: &dyn Observer) -> Result<(Self, Rows)> {
        let parent = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(|error| Error::io("create directory", parent, error))?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(|error| Error::io("open", path, error))?;
        lock(&file, path, observer)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| Error::io("read", path, error))?;
        let mut journal = Self { file, path: path.to_path_buf(), layout };
        let rows = match journal.layout.parse_all(&bytes) {
            Some((rows, end)) => {
                journal.cut(end)?;
                rows
            }
            None => {
                journal.cut(0)?;
                let header = journal.layout.header();
                journal.write(&header)?;
                Rows::new()
            }
        };
        Ok((journal, rows))
    }

    /// Appends rows; when it returns they are on disk.
    ///
    /// # Errors
    /// Fails if they cannot be written.
    pub(crate) fn append<'a>(&mut self, rows: impl Iterator<Item = (&'a ContentHash, &'a [f32])>) -> Result<()> {
        let mut bytes = Vec::new();
        for (hash, values) in rows {
            self.layout.write(hash, values, &mut bytes);
        }
        self.write(&bytes)
    }

    fn cut(&mut self, length: usize) -> Result<()> {
        let length = length as u64;
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        cut.map(|_| ()).map_err(|error| Error::io("write", &self.path, error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::io("write", &self.path, error))
    }
}

fn lock(file: &File, path: &Path, observer: &dyn Observer) -> Result<()> {
    let mut told = false;
    while !faculty_core::try_lock(file, path)? {
        if !told {
            observer.on(Event::Note { text: "another process asks this teacher the same: waiting for its answers" });
            told = true;
        }
        observer.check()?;
        std::thread::sleep(PATIENCE);
    }
    Ok(())
}
