//! `faculty evaluate`.

use super::columns::ColumnOptions;
use super::global::Session;
use super::precision::PrecisionOption;
use super::{measure, output};
use clap::Args;
use faculty_core::Result;
use faculty_model::Classifier;
use faculty_student::resolve_model;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  faculty evaluate --model student --data test.jsonl
  faculty evaluate --model student --data test.csv.gz --label-column intent --json

Labels are names or class indices. A label that the model does not know is an error that names file and line.";

/// Measure a classifier on labelled text.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Evaluate {
    /// Model directory, or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Labelled texts
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Cut texts to so many tokens; by default to what the model and its tokenizer allow
    #[arg(long, value_name = "TOKENS")]
    max_length: Option<usize>,
    #[command(flatten)]
    precision: PrecisionOption,
    #[command(flatten)]
    columns: ColumnOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    /// Measures and prints.
    pub fn run(&self, session: &Session) -> Result<()> {
        let dir = resolve_model(&self.model, &session.console)?;
        let mut classifier = Classifier::open(&dir, &session.device()?)?;
        self.precision.apply(&mut classifier, session);
        let options = self.columns.labelled();
        let found = measure::measure(&classifier, &self.data, &options, self.max_length, &session.console)?;
        if self.json {
            return output::print_json(&found);
        }
        output::print(&found.describe())
    }
}
