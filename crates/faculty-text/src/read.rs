//! Reading a data file into a [`Corpus`].

use crate::collect::Collector;
use crate::decompress::{check_file, empty, open};
use crate::lines::Lines;
use crate::{Compression, Corpus, Format, csv_rows, json_rows, parquet_rows};
use faculty_core::{Error, Result};
use std::path::Path;

/// What to do with a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBroken {
    /// Leave it out, count it, and keep file, line and reason in the report.
    #[default]
    Skip,
    /// Stop with an error at the first one.
    Stop,
}

/// Whether labels are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelPolicy {
    /// Take labels if every usable row has one, otherwise none; a row without a label is no fault. If
    /// [`ReadOptions::label_column`] is given, this means [`LabelPolicy::Required`].
    #[default]
    IfPresent,
    /// A row without a label is broken; a file without a label column is an error.
    Required,
    /// Do not look at labels at all (texts for amalgamation).
    Ignore,
}

/// How to read a data file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The format, if the file name does not tell it.
    pub format: Option<Format>,
    /// The column (JSON key) of the text, or of the first text of a pair; by default the first of `text`, `sentence`, `t`,
    /// `content`, `query`.
    pub text_column: Option<String>,
    /// The column (JSON key) of the second text of a pair. By default texts are pairs where both of two usual columns are there:
    /// `text` and `text_pair`, `t` and `t2`, `sentence1` and `sentence2`, `premise` and `hypothesis`, `question1` and
    /// `question2`. Where the text's column alone is named, texts are no pairs.
    pub pair_column: Option<String>,
    /// The column (JSON key) of the label; by default the first of `label`, `labels`, `y`, `intent`, `category`,
    /// `class`.
    pub label_column: Option<String>,
    /// Whether labels are read.
    pub labels: LabelPolicy,
    /// What to do with broken rows.
    pub on_broken: OnBroken,
    /// Stop after this many usable rows.
    pub limit: Option<usize>,
}

impl ReadOptions {
    /// Options for texts alone.
    pub fn unlabelled() -> Self {
        Self { labels: LabelPolicy::Ignore, ..Self::default() }
    }

    /// Options for labelled texts: every row needs a label.
    pub fn labelled() -> Self {
        Self { labels: LabelPolicy::Required, ..Self::default() }
    }
}

/// Reads a JSONL, CSV, TSV or plain-text file, plain or compressed (`.gz`, `.zst`), or a Parquet file (feature `parquet`;
/// rows count as lines from 1).
///
/// A pair becomes one text ([`faculty_core::join_pair`]). A row that holds the separator of pairs in a text is broken, and so is
/// one of a file of pairs with one text alone.
///
/// CSV and TSV need a header row; fields may be quoted, quotes in them doubled, line breaks in them kept; lines that
/// are wholly blank are no rows there. In the other formats a blank line is a broken row ("empty text").
///
/// # Errors
/// Fails if the file cannot be read or decompressed, its format is unknown, a column is missing, no row is usable
/// ("empty text file"), or more than half of the rows are broken (as in a file that is not UTF-8); with
/// [`OnBroken::Stop`] also at the first broken row. Errors name the file and, where there is one, the line.
pub fn read_corpus(path: &Path, options: &ReadOptions) -> Result<Corpus> {
    // Before its name is asked for a format: who mistypes a path hears that nothing is there.
    check_file(path)?;
    let (format, compression) = match options.format {
        Some(format) => (format, Compression::of_path(path)),
        None => Format::of_path(path)?,
    };
    let mut options = options.clone();
    if options.label_column.is_some() && options.labels == LabelPolicy::IfPresent {
        options.labels = LabelPolicy::Required;
    }
    if options.limit == Some(0) {
        return Err(Error::input("is 0").key("limit").expected("at least one text"));
    }
    let mut rows = Collector::new(path, &options);
    let stream = || open(path, compression);
    let lines = || Ok::<_, Error>(Lines::new(path, compression, stream()?));
    match format {
        Format::Jsonl => json_rows::read(lines()?, path, &options, &mut rows)?,
        Format::Csv => csv_rows::read(stream()?, b',', path, compression, &options, &mut rows)?,
        Format::Tsv => csv_rows::read(stream()?, b'\t', path, compression, &options, &mut rows)?,
        Format::Lines => read_plain(lines()?, path, &options, &mut rows)?,
        Format::Parquet => parquet_rows::read(path, &options, &mut rows)?,
    }
    let corpus = rows.finish(empty)?;
    tracing::debug!(
        file = %path.display(),
        texts = corpus.len(),
        broken = corpus.report.broken_total,
        labelled = corpus.labels.is_some(),
        "read corpus"
    );
    Ok(corpus)
}

fn read_plain(mut lines: Lines<'_>, path: &Path, options: &ReadOptions, rows: &mut Collector<'_>) -> Result<()> {
    let column = [
        ("text_column", &options.text_column),
        ("pair_column", &options.pair_column),
        ("label_column", &options.label_column),
    ]
    .into_iter()
    .find(|(_, column)| column.is_some());
    if let Some((option, _)) = column {
        return Err(Error::input("plain lines have no columns").file(path).key(option));
    }
    if options.labels == LabelPolicy::Required {
        return Err(Error::input("plain lines have no labels")
            .file(path)
            .expected("a JSONL, CSV or TSV file with a label column"));
    }
    while !rows.is_full()
        && let Some((number, line)) = lines.next()?
    {
        match std::str::from_utf8(line) {
            Ok(text) => rows.text(number, text.to_owned(), None, None)?,
            Err(error) => rows.not_utf8(number, error)?,
        }
    }
    Ok(())
}
