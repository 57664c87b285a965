//! `faculty predict`.

use super::columns::ColumnOptions;
use super::global::Session;
use super::precision::{PrecisionOption, report};
use super::{inputs, output};
use clap::Args;
use faculty_core::{Error, Event, Observer, Result, metrics};
use faculty_model::Classifier;
use faculty_student::resolve_model;
use faculty_text::{Corpus, OnBroken};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty predict --model student --text queries.jsonl --out answers.jsonl
  faculty predict --model student --text queries.txt --out - --logits | head

Line i of the output belongs to row i of the input:
  {\"label\":\"balance\",\"score\":0.93}
The score is the label's probability. --logits adds all raw logits, in the order of the model's
labels. A broken row is an error that names file and line; with --skip-broken it is left out, and
every answer says from which line it is.";

/// Classify texts, in their order.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Predict {
    /// Model directory, or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Texts
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Where to write JSONL; - is stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Add the raw logits to every line
    #[arg(long)]
    logits: bool,
    /// Leave broken rows out, and add "line" to every answer
    #[arg(long)]
    skip_broken: bool,
    /// Cut texts to so many tokens; by default to what the model and its tokenizer allow
    #[arg(long, value_name = "TOKENS")]
    max_length: Option<usize>,
    #[command(flatten)]
    precision: PrecisionOption,
    #[command(flatten)]
    columns: ColumnOptions,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    label: &'a str,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    logits: Option<&'a [f32]>,
}

impl Predict {
    /// Classifies and writes.
    pub fn run(&self, session: &Session) -> Result<()> {
        if same_file(&self.text, &self.out) {
            return Err(Error::input("is the input too").file(&self.out).key("--out").expected("another file"));
        }
        let dir = resolve_model(&self.model, &session.console)?;
        let mut classifier = Classifier::open(&dir, &session.device()?)?;
        self.precision.apply(&mut classifier, session);
        let on_broken = if self.skip_broken { OnBroken::Skip } else { OnBroken::Stop };
        let read = inputs::read(&self.text, &self.columns.unlabelled(on_broken), &session.console);
        let corpus = read.map_err(|error| if self.skip_broken { error } else { advise_skipping(error) })?;
        let tokens = classifier.tokenize(&corpus.texts, self.max_length)?;
        inputs::note_truncated(&self.text.display().to_string(), tokens.truncated, corpus.len(), &session.console);
        report("", &classifier, &tokens, &session.console)?;
        session.console.on(Event::Start { stage: "predict", total: corpus.len() as u64, unit: "texts" });
        let logits = classifier.logits(&tokens, &session.console)?;
        session.console.on(Event::End { summary: "" });
        output::write_to(&self.out, |out| self.write(out, &classifier, &corpus, &logits))
    }

    fn write(&self, out: &mut dyn Write, classifier: &Classifier, corpus: &Corpus, logits: &[f32]) -> Result<()> {
        for (row, line) in logits.chunks_exact(classifier.labels.len()).zip(&corpus.lines) {
            let class = metrics::argmax(row);
            let answer = Answer {
                line: self.skip_broken.then_some(*line),
                label: classifier.labels.name(class).unwrap_or_default(),
                score: probability(row, class),
                logits: self.logits.then_some(row),
            };
            let json =
                serde_json::to_string(&answer).map_err(|e| Error::internal("an answer has no JSON").source(e))?;
            writeln!(out, "{json}").map_err(|error| Error::io("write", &self.out, error))?;
        }
        Ok(())
    }
}

/// The softmax of `row` at `class`.
fn probability(row: &[f32], class: usize) -> f32 {
    let Some(&logit) = row.get(class) else { return 0.0 };
    let others: f64 = row.iter().map(|&other| f64::from(other - logit).exp()).sum();
    (1.0 / others) as f32
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b && a.is_file())
}

fn advise_skipping(error: Error) -> Error {
    if error.message().starts_with("broken row") {
        return error.help("answers stand in the order of the rows; repair the row, or pass --skip-broken");
    }
    error
}
