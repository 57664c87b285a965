//! Gathers rows into a corpus and keeps the account of the broken ones.

use crate::read::{LabelPolicy, OnBroken};
use crate::report::{BrokenRow, KEPT_BROKEN_ROWS};
use crate::{Corpus, RawLabel, ReadOptions, ReadReport};
use faculty_core::{Error, PAIR_SEPARATOR, Result, join_pair};
use std::path::Path;
use std::str::Utf8Error;

/// Gathers rows.
pub(crate) struct Collector<'a> {
    path: &'a Path,
    options: &'a ReadOptions,
    texts: Vec<String>,
    labels: Vec<RawLabel>,
    lines: Vec<u64>,
    report: ReadReport,
    not_utf8: usize,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(path: &'a Path, options: &'a ReadOptions) -> Self {
        Self {
            path,
            options,
            texts: Vec::new(),
            labels: Vec::new(),
            lines: Vec::new(),
            report: ReadReport::default(),
            not_utf8: 0,
        }
    }

    /// True once the limit of usable rows is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.options.limit.is_some_and(|limit| self.texts.len() >= limit)
    }

    /// Takes a row, of a pair with its second text; it is broken if a text is empty, holds a NUL or would look like a pair, or if
    /// it lacks a label that was asked for.
    pub(crate) fn text(
        &mut self,
        line: u64,
        text: String,
        second: Option<String>,
        label: Option<RawLabel>,
    ) -> Result<()> {
        for (text, empty) in [(Some(&text), "empty text"), (second.as_ref(), "empty second text")] {
            let Some(text) = text else { continue };
            if text.trim().is_empty() {
                self.report.empty += 1;
                return self.broken(line, empty);
            }
            if text.contains('\0') {
                return self.broken(line, "a NUL byte in the text (binary data?)");
            }
            if text.contains(PAIR_SEPARATOR) {
                return self.broken(
                    line,
                    "a unit separator (U+001F) in the text, which stands between the two texts of a pair; a pair has two columns",
                );
            }
        }
        let text = match second {
            Some(second) => join_pair(&text, &second),
            None => text,
        };
        match label {
            Some(label) => self.labels.push(label),
            None => match self.options.labels {
                LabelPolicy::Required => return self.broken(line, "no label"),
                LabelPolicy::IfPresent => self.report.unlabelled += 1,
                LabelPolicy::Ignore => {}
            },
        }
        self.report.rows += 1;
        self.texts.push(text);
        self.lines.push(line);
        Ok(())
    }

    /// Counts a broken row.
    pub(crate) fn broken(&mut self, line: u64, reason: impl Into<String>) -> Result<()> {
        let reason = reason.into();
        self.report.rows += 1;
        self.report.broken_total += 1;
        if self.options.on_broken == OnBroken::Stop {
            return Err(Error::input(format!("broken row: {reason}")).file(self.path).line(line));
        }
        if self.report.broken.len() < KEPT_BROKEN_ROWS {
            self.report.broken.push(BrokenRow { line, reason });
        }
        Ok(())
    }

    /// Counts a row that is not UTF-8.
    pub(crate) fn not_utf8(&mut self, line: u64, error: Utf8Error) -> Result<()> {
        self.not_utf8 += 1;
        self.broken(line, format!("not UTF-8 (byte {} of the row)", error.valid_up_to() + 1))
    }

    /// The corpus, or the error for a file that is no text file in the main.
    pub(crate) fn finish(mut self, empty: impl Fn(&Path) -> Error) -> Result<Corpus> {
        if let Some(first) = self.report.broken.first()
            && self.report.broken_total * 2 > self.report.rows
        {
            let (line, broken, rows) = (first.line, self.report.broken_total, self.report.rows);
            let error = if self.not_utf8 * 2 > broken {
                Error::input(format!(
                    "is not UTF-8 text: {} of {rows} rows are not, the first: {}",
                    self.not_utf8, first.reason
                ))
                .help("convert it, for example with: iconv -f LATIN1 -t UTF-8")
            } else if self.report.empty == rows {
                empty(self.path)
            } else {
                Error::input(format!("{broken} of {rows} rows are broken, the first: {}", first.reason))
                    .help("check the format and the column names")
            };
            return Err(error.file(self.path).line(line));
        }
        if self.texts.is_empty() {
            return Err(empty(self.path));
        }
        let labelled = self.options.labels != LabelPolicy::Ignore && self.labels.len() == self.texts.len();
        if labelled || self.labels.is_empty() {
            // Without a single label the file is simply unlabelled; the count is for files that have some.
            self.report.unlabelled = 0;
        }
        Ok(Corpus {
            labels: labelled.then_some(self.labels),
            texts: self.texts,
            lines: self.lines,
            source: self.path.to_path_buf(),
            report: self.report,
        })
    }
}
