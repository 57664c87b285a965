//! How a data file is read: options that several commands share.

use clap::{Args, ValueEnum};
use faculty_text::{Format, LabelPolicy, OnBroken, ReadOptions};
use serde::{Deserialize, Serialize};

/// How data files are read.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct ColumnOptions {
    /// Column (JSON key) of the text, or of the first of a pair; by default the first of text, sentence, t, content, query
    #[arg(long, value_name = "NAME", help_heading = "Data files")]
    pub text_column: Option<String>,
    /// Column (JSON key) of the second text of a pair; by default the partner in text and text_pair, t and t2, sentence1 and
    /// sentence2, premise and hypothesis, question1 and question2, where both are there and --text-column names none
    #[arg(long, value_name = "NAME", help_heading = "Data files")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_column: Option<String>,
    /// Column (JSON key) of the label; by default the first of label, labels, y, intent, category, class
    #[arg(long, value_name = "NAME", help_heading = "Data files")]
    pub label_column: Option<String>,
    /// Format of the files, where their names do not tell it (.jsonl, .csv, .tsv, .txt, each also .gz or .zst)
    #[arg(long, value_name = "FORMAT", help_heading = "Data files")]
    pub format: Option<FormatName>,
}

/// The formats of data files.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatName {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated, with a header
    Csv,
    /// Tab-separated, with a header
    Tsv,
    /// One text a line
    Lines,
}

impl ColumnOptions {
    /// Options for labelled text.
    pub fn labelled(&self) -> ReadOptions {
        self.with(LabelPolicy::Required, OnBroken::Skip)
    }

    /// Options for texts alone.
    pub fn unlabelled(&self, on_broken: OnBroken) -> ReadOptions {
        ReadOptions { label_column: None, ..self.with(LabelPolicy::Ignore, on_broken) }
    }

    fn with(&self, labels: LabelPolicy, on_broken: OnBroken) -> ReadOptions {
        ReadOptions {
            format: self.format.map(|format| match format {
                FormatName::Jsonl => Format::Jsonl,
                FormatName::Csv => Format::Csv,
                FormatName::Tsv => Format::Tsv,
                FormatName::Lines => Format::Lines,
            }),
            text_column: self.text_column.clone(),
            pair_column: self.pair_column.clone(),
            label_column: self.label_column.clone(),
            labels,
            on_broken,
            limit: None,
        }
    }
}
