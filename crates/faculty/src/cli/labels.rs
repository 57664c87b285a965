//! The label space of a model that is fine-tuned: from a file, or from the labels of the training text.

use faculty_core::{Error, LabelSpace, Result};
use faculty_text::Corpus;
use std::collections::HashSet;
use std::path::Path;

/// The labels of `file`, one name a line, in the order of the file.
///
/// # Errors
/// Fails if the file cannot be read, holds no name, or one twice.
pub fn from_file(file: &Path) -> Result<LabelSpace> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::io("read", file, error))?;
    LabelSpace::new(text.lines().map(str::trim).filter(|line| !line.is_empty())).map_err(|error| error.file(file))
}

/// The distinct labels of a corpus: integers in the order of numbers, names in the order of the alphabet.
///
/// # Errors
/// Fails if the corpus has no labels, or only one.
pub fn from_corpus(corpus: &Corpus) -> Result<LabelSpace> {
    let labels = corpus.labels.as_deref().unwrap_or_default();
    let distinct: HashSet<String> = labels.iter().map(ToString::to_string).collect();
    if distinct.len() < 2 {
        return Err(Error::input(format!("has {} distinct labels", distinct.len()))
            .file(&corpus.source)
            .expected("at least two classes to tell apart"));
    }
    let mut names: Vec<String> = distinct.into_iter().collect();
    let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
    match numbers {
        Some(_) => names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default()),
        None => names.sort(),
    }
    LabelSpace::new(names)
}
