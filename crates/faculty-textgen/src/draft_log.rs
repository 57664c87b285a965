//! Drafts on disk, so that a generation that was interrupted repeats no work.

use crate::ClassSource;
use faculty_core::{Error, Observer, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A source whose drafts are appended to a file as they are written, and read from it where they are there already.
///
/// The file is JSON lines: first the key (what determines the drafts), then a draft each. A last line that a killed process
/// left half-written is dropped.
pub struct DraftLog<S> {
    source: S,
    path: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    drafts: BTreeMap<(usize, u64), String>,
    file: File,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    class: usize,
    number: u64,
    text: String,
}

impl<S: ClassSource> DraftLog<S> {
    /// Opens or starts the log at `path`. `key` says what determines the drafts: model, prompts, settings, seed.
    ///
    /// # Errors
    /// Fails if the file belongs to another key, is damaged before its last line, or cannot be read or written.
    pub fn open(source: S, path: &Path, key: &str) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path, error)),
        };
        // Whole lines end with a line break.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text.get(..whole).unwrap_or_default().lines().enumerate();
        let mut drafts = BTreeMap::new();
        if let Some((_, head)) = lines.next() {
            let head: Head = parse(head, path, 1)?;
            if head.key != key {
                return Err(Error::input("holds drafts of another generator, prompt, setting or seed")
                    .file(path)
                    .help("remove it to start anew, or undo the change"));
            }
        }
        for (index, line) in lines {
            let Line { class, number, text } = parse(line, path, index as u64 + 1)?;
            drafts.insert((class, number), text);
        }
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let mut file = open.map_err(|error| Error::io("open", path, error))?;
        let io = |error| Error::io("write", path, error);
        file.set_len(whole as u64).map_err(io)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(io)?;
        if whole == 0 {
            append(&mut file, path, &[Head { key: key.to_owned() }])?;
        }
        Ok(Self { source, path: path.to_path_buf(), known: Mutex::new(Known { drafts, file }) })
    }

    /// Drafts that the file holds.
    pub fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).drafts.len()
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn parse<T: for<'de> Deserialize<'de>>(line: &str, path: &Path, number: u64) -> Result<T> {
    serde_json::from_str(line).map_err(|error| {
        Error::input(format!("is no line of drafts: {error}"))
            .file(path)
            .line(number)
            .help("remove the file to start anew")
    })
}

fn append<T: Serialize>(file: &mut File, path: &Path, lines: &[T]) -> Result<()> {
    let mut text = String::new();
    for line in lines {
        text +=
            &serde_json::to_string(line).map_err(|error| Error::internal("a draft cannot be written").source(error))?;
        text.push('\n');
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(|error| Error::io("write", path, error))
}

impl<S: ClassSource> ClassSource for DraftLog<S> {
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn classes(&self) -> usize {
        self.source.classes()
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<u64> =
            numbers.clone().filter(|&number| !known.drafts.contains_key(&(class, number))).collect();
        // Runs of numbers without a gap.
        for run in missing.chunk_by(|before, after| before + 1 == *after) {
            let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
            let texts = self.source.write_for(class, first..last + 1, observer)?;
            let lines: Vec<Line> = run.iter().zip(texts).map(|(&number, text)| Line { class, number, text }).collect();
            append(&mut known.file, &self.path, &lines)?;
            known.drafts.extend(lines.into_iter().map(|line| ((line.class, line.number), line.text)));
        }
        let draft = |number: u64| known.drafts.get(&(class, number)).cloned();
        numbers
            .map(|number| draft(number).ok_or_else(|| Error::internal(format!("draft {number} was not written"))))
            .collect()
    }
}
