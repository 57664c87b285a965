//! Teacher outputs on disk, a row a text, keyed by content.
//!
//! A file holds the rows of one (teacher, settings) pair. Rows are found by the hash of their text, so that a shuffled,
//! shortened or extended text set reuses what is there, and a changed text, teacher or setting never does.

use crate::{Ask, PassArrays, Teacher, TeacherOutputs};
use faculty_core::{ContentHash, Error, Observer, Result, hash_bytes, hash_text, short_hash, write_atomically};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// First bytes of a cache file; the number changes with the layout or with anything that changes computed values.
const MAGIC: &[u8; 8] = b"FACTO\x00\x00\x01";
const HASH_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 64;

/// A directory of teacher outputs.
#[derive(Debug, Clone)]
pub struct TeacherCache {
    dir: PathBuf,
}

impl TeacherCache {
    /// A cache in `dir`, which is created when something is stored.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Outputs of `teacher` for `texts`: known rows from disk, the others computed and stored.
    ///
    /// A damaged or foreign cache file counts as absent and is replaced.
    ///
    /// # Errors
    /// Fails if the teacher fails or the file cannot be written.
    pub fn outputs(
        &self,
        teacher: &dyn Teacher,
        texts: &[String],
        ask: &Ask,
        observer: &dyn Observer,
    ) -> Result<TeacherOutputs> {
        let fingerprint = teacher.fingerprint();
        if fingerprint.is_empty() {
            return teacher.outputs(texts, ask, observer);
        }
        let settings =
            serde_json::to_string(ask).map_err(|e| Error::internal("settings cannot be written").source(e))?;
        let key = hash_bytes(format!("{fingerprint}\n{settings}").as_bytes());
        let classes = ask.kept.as_ref().map_or(teacher.labels().len(), Vec::len);
        let width = classes + ask.passes.as_ref().map_or(0, |_| classes + 2);
        let path = self.dir.join(format!("{}-{}.rows", short_hash(&fingerprint), short_hash(&key)));
        let mut rows = read_rows(&path, &key, width);

        let hashes: Vec<ContentHash> = texts.iter().map(|text| hash_text(text)).collect();
        let mut missing: Vec<usize> = Vec::new();
        let mut asked = std::collections::HashSet::new();
        for (row, hash) in hashes.iter().enumerate() {
            if !rows.contains_key(hash) && asked.insert(*hash) {
                missing.push(row);
            }
        }
        let known = texts.len() - missing.len();
        if known > 0 {
            observer.on(faculty_core::Event::Advance { units: known as u64, note: "from the cache" });
        }
        let mut truncated = 0;
        if !missing.is_empty() {
            let new_texts: Vec<String> = missing.iter().map(|&row| texts[row].clone()).collect();
            let new = teacher.outputs(&new_texts, ask, observer)?;
            truncated = new.truncated;
            for (position, &row) in missing.iter().enumerate() {
                rows.insert(hashes[row], pack(&new, position));
            }
            write_rows(&path, &key, &rows)?;
        }
        let mut out = TeacherOutputs {
            classes,
            logits: Vec::with_capacity(texts.len() * classes),
            passes: ask.passes.as_ref().map(|_| PassArrays {
                mean_probabilities: Vec::with_capacity(texts.len() * classes),
                mean_entropy: Vec::with_capacity(texts.len()),
                variance: Vec::with_capacity(texts.len()),
            }),
            truncated,
        };
        for hash in &hashes {
            let row =
                rows.get(hash).ok_or_else(|| Error::internal("a teacher row was computed and not found again"))?;
            out.logits.extend_from_slice(&row[..classes]);
            if let Some(passes) = &mut out.passes {
                passes.mean_probabilities.extend_from_slice(&row[classes..2 * classes]);
                passes.mean_entropy.push(row[2 * classes]);
                passes.variance.push(row[2 * classes + 1]);
            }
        }
        Ok(out)
    }
}

fn pack(outputs: &TeacherOutputs, row: usize) -> Vec<f32> {
    let span = row * outputs.classes..(row + 1) * outputs.classes;
    let mut values = outputs.logits[span.clone()].to_vec();
    if let Some(passes) = &outputs.passes {
        values.extend_from_slice(&passes.mean_probabilities[span]);
        values.push(passes.mean_entropy[row]);
        values.push(passes.variance[row]);
    }
    values
}

type Rows = HashMap<ContentHash, Vec<f32>>;

/// The rows of a cache file, or none if it is absent, damaged, or made under another key.
fn read_rows(path: &Path, key: &str, width: usize) -> Rows {
    std::fs::read(path).ok().and_then(|bytes| parse_rows(&bytes, key, width)).unwrap_or_default()
}

fn parse_rows(bytes: &[u8], key: &str, width: usize) -> Option<Rows> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    let head = body.strip_prefix(MAGIC)?;
    let records = head.strip_prefix(key.as_bytes())?;
    if hash_bytes(body).as_bytes() != checksum {
        return None;
    }
    let size = HASH_BYTES + 4 * width;
    records.len().is_multiple_of(size).then_some(())?;
    records
        .chunks_exact(size)
        .map(|record| {
            let (hash, values) = record.split_at(HASH_BYTES);
            let values = values.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
            Some((hash.try_into().ok()?, values))
        })
        .collect()
}

fn write_rows(path: &Path, key: &str, rows: &Rows) -> Result<()> {
    let mut hashes: Vec<&ContentHash> = rows.keys().collect();
    hashes.sort_unstable();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(key.as_bytes());
    for hash in hashes {
        bytes.extend_from_slice(hash);
        bytes.extend(rows[hash].iter().flat_map(|value| value.to_le_bytes()));
    }
    let checksum = hash_bytes(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    write_atomically(path, &bytes)
}
