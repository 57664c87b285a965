//! Drafts on disk, so that a generation that was interrupted repeats no work.

use crate::ClassSource;
use faculty_core::{Error, Observer, Result, hash_bytes, short_hash, try_lock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A source whose drafts are appended to a file as they are written, and read from it where they are there already.
///
/// The file is JSON lines: first the key (what determines the drafts), then a draft each. A last line that a killed process
/// left half-written is dropped. The file is made with the first draft, so that a run that is refused leaves none, and its lock
/// is held until the log is dropped: two processes never write to one file. A draft that was written by other examples than are
/// shown now is written anew.
pub struct DraftLog<S> {
    source: S,
    path: PathBuf,
    key: String,
    known: Mutex<Known>,
}

/// By class and number.
type Drafts = BTreeMap<(usize, u64), Draft>;

struct Draft {
    /// Hash of the examples that were shown; empty if none were.
    shown: String,
    text: String,
}

struct Known {
    drafts: Drafts,
    /// Locked; none until there is a draft.
    file: Option<File>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    key: String,
}

impl Head {
    fn check(&self, path: &Path, key: &str) -> Result<()> {
        match self.key == key {
            true => Ok(()),
            false => Err(Error::input("holds drafts of another generator, prompt, setting or seed")
                .file(path)
                .help("remove it to start anew, or undo the change")),
        }
    }
}

/// Refuses drafts of another key, before something is done for them.
///
/// # Errors
/// Fails if the file, if there is one, belongs to another key or cannot be read.
pub(crate) fn check_key(path: &Path, key: &str) -> Result<()> {
    let mut line = String::new();
    match File::open(path) {
        Ok(file) => BufReader::new(file).read_line(&mut line).map_err(|error| Error::io("read", path, error))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("open", path, error)),
    };
    match line.strip_suffix('\n') {
        Some(head) => parse::<Head>(head, path, 1)?.check(path, key),
        None => Ok(()),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    class: usize,
    number: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    shown: String,
    text: String,
}

impl<S: ClassSource> DraftLog<S> {
    /// Opens the log at `path`, if there is one. `key` says what determines the drafts: model, prompts, settings, seed.
    ///
    /// # Errors
    /// Fails if the file belongs to another key, is damaged before its last line, is held by another process, or cannot be
    /// read or written.
    pub fn open(source: S, path: &Path, key: &str) -> Result<Self> {
        let known = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(mut file) => {
                lock(&file, path)?;
                let drafts = read(&mut file, path, key)?;
                Known { drafts, file: Some(file) }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Known { drafts: BTreeMap::new(), file: None },
            Err(error) => return Err(Error::io("open", path, error)),
        };
        Ok(Self { source, path: path.to_path_buf(), key: key.to_owned(), known: Mutex::new(known) })
    }

    /// Drafts that the file holds.
    pub fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).drafts.len()
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes the file: what was worth keeping is elsewhere now.
    ///
    /// # Errors
    /// Fails if it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let known = self.known.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = known.file else { return Ok(()) };
        // Some systems remove no file that is open.
        drop(file);
        std::fs::remove_file(&self.path).map_err(|error| Error::io("remove", &self.path, error))
    }
}

/// The drafts of a file; cuts a torn last line off and leaves the file at its end.
fn read(file: &mut File, path: &Path, key: &str) -> Result<Drafts> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| Error::io("read", path, error))?;
    // Whole lines end with a line break.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = text.get(..whole).unwrap_or_default().lines().enumerate();
    let mut drafts = BTreeMap::new();
    if let Some((_, head)) = lines.next() {
        let head: Head = parse(head, path, 1)?;
        head.check(path, key)?;
    }
    for (index, line) in lines {
        let Line { class, number, shown, text } = parse(line, path, index as u64 + 1)?;
        drafts.insert((class, number), Draft { shown, text });
    }
    let io = |error| Error::io("write", path, error);
    file.set_len(whole as u64).map_err(io)?;
    file.seek(SeekFrom::Start(whole as u64)).map_err(io)?;
    if whole == 0 {
        append(file, path, &[Head { key: key.to_owned() }])?;
    }
    Ok(drafts)
}

/// Makes the file, which must not be there.
fn create(path: &Path, key: &str) -> Result<File> {
    let file = OpenOptions::new().create_new(true).write(true).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => held(path),
        _ => Error::io("create", path, error),
    })?;
    lock(&file, path)?;
    append(&mut file, path, &[Head { key: key.to_owned() }])?;
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match try_lock(file, path)? {
        true => Ok(()),
        false => Err(held(path)),
    }
}

fn held(path: &Path) -> Error {
    Error::input("another process writes its drafts there").file(path).help("wait for it, or name another output")
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
        self.write_with(class, numbers, &[], observer)
    }

    fn learns(&self) -> bool {
        self.source.learns()
    }

    fn write_with(
        &self,
        class: usize,
        numbers: Range<u64>,
        examples: &[String],
        observer: &dyn Observer,
    ) -> Result<Vec<String>> {
        let shown = match examples.is_empty() || !self.learns() {
            true => String::new(),
            // No text holds the character that separates them.
            false => short_hash(&hash_bytes(examples.join("\0").as_bytes())).to_owned(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { drafts, file } = &mut *known;
        let fits =
            |drafts: &Drafts, number: u64| drafts.get(&(class, number)).is_some_and(|draft| draft.shown == shown);
        let missing: Vec<u64> = numbers.clone().filter(|&number| !fits(drafts, number)).collect();
        // Runs of numbers without a gap.
        for run in missing.chunk_by(|before, after| before + 1 == *after) {
            let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
            let texts = self.source.write_with(class, first..last + 1, examples, observer)?;
            let line = |(&number, text): (&u64, String)| Line { class, number, shown: shown.clone(), text };
            let lines: Vec<Line> = run.iter().zip(texts).map(line).collect();
            let file = match file {
                Some(file) => file,
                None => file.insert(create(&self.path, &self.key)?),
            };
            append(file, &self.path, &lines)?;
            let draft = |line: Line| ((line.class, line.number), Draft { shown: line.shown, text: line.text });
            drafts.extend(lines.into_iter().map(draft));
        }
        let draft = |number: u64| drafts.get(&(class, number)).map(|draft| draft.text.clone());
        numbers
            .map(|number| draft(number).ok_or_else(|| Error::internal(format!("draft {number} was not written"))))
            .collect()
    }
}
