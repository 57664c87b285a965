//! Drafts on disk.

use faculty_core::{Error, Observer, Result, Silent};
use faculty_textgen::{ClassSource, DraftLog};
use std::cell::Cell;
use std::ops::Range;
use std::path::Path;

/// Writes "class: number" and fails when its ink is used up.
struct Pen {
    ink: Cell<u64>,
}

impl ClassSource for &Pen {
    fn describe(&self) -> String {
        "a pen".to_owned()
    }

    fn classes(&self) -> usize {
        3
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
        let wanted = numbers.end - numbers.start;
        if wanted > self.ink.get() {
            return Err(Error::interrupted());
        }
        self.ink.set(self.ink.get() - wanted);
        Ok(numbers.map(|number| format!("{class}: \"{number}\"\n")).collect())
    }
}

fn log<'a>(pen: &'a Pen, path: &Path) -> DraftLog<&'a Pen> {
    DraftLog::open(pen, path, "key").unwrap()
}

#[test]
fn what_was_written_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drafts.jsonl");
    let pen = Pen { ink: Cell::new(30) };
    let first = log(&pen, &path);
    assert!(first.is_empty());
    let texts = first.write_for(1, 0..20, &Silent).unwrap();
    assert_eq!(texts[3], "1: \"3\"\n");
    assert_eq!(first.write_for(1, 15..40, &Silent).unwrap_err().exit_code(), 130);
    drop(first);
    let again = log(&pen, &path);
    assert_eq!(again.len(), 20);
    assert_eq!(again.write_for(1, 15..30, &Silent).unwrap()[..5], texts[15..]);
    assert_eq!(pen.ink.get(), 0, "ten more, and no more");
    assert_eq!(again.write_for(1, 0..30, &Silent).unwrap()[..20], texts);
    assert!(again.write_for(2, 0..1, &Silent).is_err(), "another class has drafts of its own");
}

#[test]
fn a_log_cut_anywhere_goes_on_with_its_whole_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drafts.jsonl");
    let pen = Pen { ink: Cell::new(u64::MAX) };
    let texts = log(&pen, &path).write_for(0, 0..6, &Silent).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let torn = log(&pen, &path);
        let lines = whole[..length].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(torn.len(), lines.saturating_sub(1), "cut at {length}");
        assert_eq!(torn.write_for(0, 0..6, &Silent).unwrap(), texts);
        drop(torn);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {length}");
    }
}

#[test]
fn drafts_of_another_kind_and_damaged_lines_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drafts.jsonl");
    let pen = Pen { ink: Cell::new(100) };
    log(&pen, &path).write_for(0, 0..3, &Silent).unwrap();
    let refused = |key: &str| DraftLog::open(&pen, &path, key).err().unwrap().to_string();
    let error = refused("another key");
    assert!(error.contains("another generator") && error.contains("drafts.jsonl"), "{error}");
    let text = std::fs::read_to_string(&path).unwrap().replacen("\"number\":1", "\"number\":x", 1);
    std::fs::write(&path, text).unwrap();
    let error = refused("key");
    assert!(error.contains("drafts.jsonl:3"), "{error}");
}

#[test]
fn a_file_is_made_with_the_first_draft_and_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drafts.jsonl");
    let pen = Pen { ink: Cell::new(7) };
    let first = log(&pen, &path);
    assert!(first.write_for(0, 0..8, &Silent).is_err());
    assert!(!path.exists(), "nothing was written, nothing lies about");
    let second = log(&pen, &path);
    first.write_for(0, 0..3, &Silent).unwrap();
    // One that began before there was a file, and one that comes later.
    let late = second.write_for(0, 0..3, &Silent).unwrap_err().to_string();
    let locked = DraftLog::open(&pen, &path, "key").err().unwrap().to_string();
    for error in [late, locked] {
        assert!(error.contains("another process") && error.contains("drafts.jsonl"), "{error}");
    }
    drop(first);
    let again = log(&pen, &path);
    assert_eq!(again.len(), 3);
    again.remove().unwrap();
    assert!(!path.exists());
    log(&pen, &path).remove().unwrap();
}
