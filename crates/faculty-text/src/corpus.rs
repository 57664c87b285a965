//! A corpus: the texts of one data file, their labels if it has some, and where each row stands in the file.

use crate::ReadReport;
use faculty_core::{Error, LabelSpace, Result};
use std::fmt;
use std::path::PathBuf;

/// A label as the file gives it; which class it is, only a label space can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RawLabel {
    /// A class name.
    Name(String),
    /// An integer: a class index, unless the label space has a class of that name.
    Index(i64),
}

impl fmt::Display for RawLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Texts with optional labels, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    /// The usable texts, unchanged (no trimming, no normalisation).
    pub texts: Vec<String>,
    /// One label a text, or `None` if the file has no label column, or not in every row.
    pub labels: Option<Vec<RawLabel>>,
    /// For every text, the line of the file on which its row begins, counted from 1.
    pub lines: Vec<u64>,
    /// The file.
    pub source: PathBuf,
    /// What was found on reading.
    pub report: ReadReport,
}

impl Corpus {
    /// A corpus that does not come from a file; `source` names it in messages, rows count as lines from 1.
    ///
    /// # Errors
    /// Fails if there are labels, but not one a text.
    pub fn in_memory(source: impl Into<PathBuf>, texts: Vec<String>, labels: Option<Vec<RawLabel>>) -> Result<Self> {
        let source = source.into();
        if let Some(labels) = &labels
            && labels.len() != texts.len()
        {
            return Err(Error::input(format!("{} labels for {} texts", labels.len(), texts.len()))
                .file(source)
                .expected("one label a text"));
        }
        let report = ReadReport { rows: texts.len(), ..ReadReport::default() };
        Ok(Self { lines: (1..=texts.len() as u64).collect(), texts, labels, source, report })
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The texts as borrowed strings, as [`crate::TextTokenizer::encode`] takes them.
    pub fn text_refs(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    /// The class index of every text in `labels`.
    ///
    /// # Errors
    /// Fails if the corpus has no labels, or one is not in the label space; the error names file, line, label and
    /// the nearest name.
    pub fn resolve_labels(&self, labels: &LabelSpace) -> Result<Vec<usize>> {
        let Some(raw) = &self.labels else {
            let mut error = Error::input("has no label in every row").file(&self.source).expected("labelled texts");
            error = match self.report.unlabelled {
                0 => error.help("add a label column, or name it"),
                missing => error.help(format!("{missing} of {} texts have no label", self.texts.len())),
            };
            return Err(error);
        };
        let mut indices = Vec::with_capacity(raw.len());
        for (position, label) in raw.iter().enumerate() {
            let resolved = match label {
                RawLabel::Name(name) => labels.resolve(name),
                // As digits, so that a class whose name is "7" is found by its name.
                RawLabel::Index(index) => labels.resolve(&index.to_string()),
            };
            indices.push(resolved.map_err(|error| {
                let error = error.file(&self.source);
                match self.lines.get(position) {
                    Some(&line) => error.line(line),
                    None => error,
                }
            })?);
        }
        Ok(indices)
    }
}
