//! Teacher outputs on disk, a row a text, keyed by content.
//!
//! A file holds the rows of one (teacher, settings) pair. Rows are found by the hash of their text, so that a shuffled,
//! shortened or extended text set reuses what is there, and a changed text, teacher or setting never does.
//!
//! Missing texts are asked in blocks, and every block is on disk before the next one begins: a scan that was interrupted or
//! killed goes on where it stopped.

use crate::journal::{Journal, Layout, Rows};
use crate::{Ask, Teacher, TeacherOutputs};
use faculty_core::{ContentHash, Error, Event, Observer, Result, hash_bytes, hash_text, short_hash};
use std::collections::HashSet;
use std::path::PathBuf;

/// Bytes of text times forward passes that one block holds: some seconds of a small encoder on a laptop, and still many
/// batches of texts of one length.
const BLOCK_WORK: usize = 1 << 20;

/// A directory of teacher outputs.
#[derive(Debug, Clone)]
pub struct TeacherCache {
    dir: PathBuf,
    block_work: usize,
}

impl TeacherCache {
    /// A cache in `dir`, which is created when something is stored.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), block_work: BLOCK_WORK }
    }

    /// Stores after so many bytes of text times forward passes (deterministic and Monte-Carlo).
    #[must_use]
    pub fn with_block_work(mut self, work: usize) -> Self {
        self.block_work = work;
        self
    }

    /// Outputs of `teacher` for `texts`: known rows from disk, the others computed and stored block by block.
    ///
    /// What is damaged in a cache file counts as absent. While another process fills the same file, this one waits and then
    /// uses its rows. Known rows are reported as one [`Event::Skip`].
    ///
    /// # Errors
    /// Fails if the teacher fails, the file cannot be written, or the user interrupted; finished blocks are kept.
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
        let feature_width = feature_width(teacher, ask)?;
        let width = classes + ask.passes.as_ref().map_or(0, |_| classes + 2) + feature_width.unwrap_or(0);
        let path =
            self.dir.join(format!("{}-{}.rows", short_hash(&hash_bytes(fingerprint.as_bytes())), short_hash(&key)));
        let layout = Layout::new(key, width);

        let hashes: Vec<ContentHash> = texts.iter().map(|text| hash_text(text)).collect();
        let mut rows = layout.read(&path);
        let mut truncated = 0;
        if !hashes.iter().all(|hash| rows.contains_key(hash)) {
            let (mut journal, known) = Journal::open(&path, layout, observer)?;
            rows = known;
            let missing = missing(texts, &hashes, &rows);
            skip(texts.len() - missing.len(), observer);
            for block in blocks(texts, &missing, self.block_work, ask) {
                let asked: Vec<String> = block.iter().map(|&row| texts[row].clone()).collect();
                let new = teacher.outputs(&asked, ask, observer)?;
                truncated += new.truncated;
                let packed: Vec<Vec<f32>> = (0..block.len()).map(|position| pack(&new, position)).collect();
                if packed.iter().any(|values| values.len() != width) {
                    let name = teacher.name();
                    return Err(Error::internal(format!("teacher `{name}` answers other things than it was asked")));
                }
                journal.append(block.iter().map(|&row| &hashes[row]).zip(packed.iter().map(Vec::as_slice)))?;
                rows.extend(block.iter().map(|&row| hashes[row]).zip(packed));
            }
        } else {
            skip(texts.len(), observer);
        }
        let mut out = TeacherOutputs::zeroed(texts.len(), classes, ask.passes.is_some(), feature_width);
        out.truncated = truncated;
        for (text, hash) in hashes.iter().enumerate() {
            let row =
                rows.get(hash).ok_or_else(|| Error::internal("a teacher row was computed and not found again"))?;
            unpack(row, text, &mut out);
        }
        Ok(out)
    }
}

fn skip(known: usize, observer: &dyn Observer) {
    if known > 0 {
        observer.on(Event::Skip { units: known as u64, reason: "from the cache" });
    }
}

/// The texts without a row, each once, short ones first: texts of a block then have one length, and the blocks of a scan that
/// goes on are those of a scan that was never interrupted.
fn missing(texts: &[String], hashes: &[ContentHash], rows: &Rows) -> Vec<usize> {
    let mut asked = HashSet::new();
    let mut missing: Vec<usize> =
        (0..texts.len()).filter(|&row| !rows.contains_key(&hashes[row]) && asked.insert(hashes[row])).collect();
    missing.sort_by_key(|&row| (texts[row].len(), row));
    missing
}

/// Cuts texts into blocks of `work` bytes times passes, at least one text each.
fn blocks<'a>(texts: &[String], missing: &'a [usize], work: usize, ask: &Ask) -> Vec<&'a [usize]> {
    let passes = 1 + ask.passes.as_ref().map_or(0, |passes| passes.count as usize);
    let (mut blocks, mut start, mut filled) = (Vec::new(), 0, 0);
    for (position, &row) in missing.iter().enumerate() {
        let cost = texts[row].len().max(1) * passes;
        if position > start && filled + cost > work {
            blocks.push(&missing[start..position]);
            (start, filled) = (position, 0);
        }
        filled += cost;
    }
    if start < missing.len() {
        blocks.push(&missing[start..]);
    }
    blocks
}

/// How wide the features asked for are; `None` if none are.
fn feature_width(teacher: &dyn Teacher, ask: &Ask) -> Result<Option<usize>> {
    let width = ask.features.map(|_| {
        teacher.feature_width().ok_or_else(|| {
            Error::input(format!("teacher `{}` has no hidden states to pool", teacher.name()))
                .key("features")
                .help("use a gate over logits, or a teacher that is a classifier on this machine")
        })
    });
    width.transpose()
}

/// The row of one text: logits; mean probabilities, mean entropy and variance of the passes; features.
fn pack(outputs: &TeacherOutputs, row: usize) -> Vec<f32> {
    let span = row * outputs.classes..(row + 1) * outputs.classes;
    let mut values = outputs.logits[span.clone()].to_vec();
    if let Some(passes) = &outputs.passes {
        values.extend_from_slice(&passes.mean_probabilities[span]);
        values.push(passes.mean_entropy[row]);
        values.push(passes.variance[row]);
    }
    if let Some(features) = &outputs.features {
        values.extend_from_slice(&features.values[row * features.width..(row + 1) * features.width]);
    }
    values
}

fn unpack(values: &[f32], row: usize, out: &mut TeacherOutputs) {
    let classes = out.classes;
    let span = row * classes..(row + 1) * classes;
    let (logits, mut rest) = values.split_at(classes);
    out.logits[span.clone()].copy_from_slice(logits);
    if let Some(passes) = &mut out.passes {
        passes.mean_probabilities[span].copy_from_slice(&rest[..classes]);
        passes.mean_entropy[row] = rest[classes];
        passes.variance[row] = rest[classes + 1];
        rest = &rest[classes + 2..];
    }
    if let Some(features) = &mut out.features {
        features.values[row * features.width..(row + 1) * features.width].copy_from_slice(rest);
    }
}
