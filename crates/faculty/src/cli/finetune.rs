//! `faculty finetune`.

use super::columns::ColumnOptions;
use super::global::Session;
use super::measure::Measurement;
use super::train_options::TrainOptions;
use super::{inputs, labels, manifest, measure, output};
use clap::Args;
use faculty_core::{Event, LabelSpace, Observer, Result, StagedDir, Stream};
use faculty_hub::ModelDir;
use faculty_methods::fine_tune;
use faculty_model::{Classifier, Parts};
use faculty_student::{ModelCard, TrainReport, TrainRun, TrainSettings, resolve_model};
use faculty_text::Corpus;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  faculty finetune --model minilm-l3 --train train.jsonl --out teachers/banking
  faculty finetune --model google-bert/bert-base-uncased --train train.csv --eval test.csv \\
      --label-column intent --epochs 5 --learning-rate 5e-5 --out teachers/banking

minilm-l3 is paraphrase-MiniLM-L3-v2 as the crate pocket-encoder carries it: no download. The
output directory is one that `transformers` opens.";

/// Fine-tune a classifier on labelled text.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Finetune {
    /// Encoder to start from: minilm-l3, a model directory, or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Labelled texts to train on
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Labelled texts to measure on afterwards
    #[arg(long, value_name = "FILE")]
    eval: Option<PathBuf>,
    /// Directory to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Label names, one a line; by default the sorted labels of the training texts
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    train_options: TrainOptions,
    #[command(flatten)]
    columns: ColumnOptions,
    /// Replace the output directory if it exists
    #[arg(long)]
    overwrite: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Finetune {
    /// Trains, measures, writes.
    pub fn run(&self, session: &Session) -> Result<()> {
        let start = Instant::now();
        let console = &session.console;
        StagedDir::refuse_existing(&self.out, self.overwrite)?;
        let settings = self.train_options.settings(session)?;
        let corpus = inputs::read(&self.train, &self.columns.labelled(), console)?;
        let labels = match &self.labels {
            Some(file) => labels::from_file(file)?,
            None => labels::from_corpus(&corpus)?,
        };
        let classes = corpus.resolve_labels(&labels)?;
        if let Some(eval) = &self.eval {
            // Before the training: a label that does not exist should not cost an hour.
            faculty_text::read_corpus(eval, &self.columns.labelled())?.resolve_labels(&labels)?;
        }
        if labels.is_generic() {
            console.warn(
                "the labels are bare numbers; such a model cannot be joined with others by name (give names with \
                 --labels FILE, one a line)",
            );
        }
        let (mut classifier, model_sha256) = self.start(&labels, session)?;
        let tokens = classifier.tokenize(&corpus.texts, settings.max_length)?;
        inputs::note_truncated(&self.train.display().to_string(), tokens.truncated, corpus.len(), console);
        manifest::check_target(&self.out, self.overwrite)?;

        let total = (settings.epochs * corpus.len()) as u64;
        console.on(Event::Start { stage: "fine-tune", total, unit: "texts" });
        let seed = self.train_options.seed();
        let report = fine_tune(&mut classifier, &tokens, &classes, &settings, TrainRun::new(seed, console))?;
        console.on(Event::End { summary: &closing_loss(&report) });

        let found = self
            .eval
            .as_ref()
            .map(|eval| measure::measure(&classifier, eval, &self.columns.labelled(), settings.max_length, console))
            .transpose()?;
        let what = json!({
            "model": faculty_hub::public_name(&self.model),
            "model_sha256": model_sha256,
            "labels": labels.names(),
            "train": inputs::record(&corpus)?,
            "truncated": tokens.truncated,
            "settings": settings,
            "seed": seed,
            "steps": report.steps,
            "curve": report.curve,
            "eval": found,
        });
        let manifest = manifest::manifest("finetune", session, start, what);
        let card = self.card(&classifier, &corpus, &settings, found.as_ref())?;
        let out = manifest::publish(&self.out, self.overwrite, &classifier, &card, &manifest, &[])?;
        if self.json {
            return output::print_json(&json!({"model": out, "labels": labels.len(), "eval": found,
                "parameters": classifier.parameters(), "seconds": manifest["seconds"]}));
        }
        if let Some(found) = &found {
            output::print(&found.describe())?;
        }
        output::print(&format!("wrote {} ({} labels)", out.display(), labels.len()))
    }

    /// The untrained classifier, and the SHA-256 of what it starts from.
    fn start(&self, labels: &LabelSpace, session: &Session) -> Result<(Classifier, String)> {
        let dir = resolve_model(&self.model, &session.console)?;
        let stream = Stream::new(self.train_options.seed(), "head");
        let (classifier, report) =
            Classifier::start_from(&dir, &Parts::default(), labels.clone(), stream, &session.device()?)?;
        tracing::info!(initialised = ?report.initialised, unused = ?report.unused, "started from {}", dir.display());
        Ok((classifier, ModelDir::open(&dir)?.model_hash()?))
    }

    fn card(
        &self,
        classifier: &Classifier,
        corpus: &Corpus,
        settings: &TrainSettings,
        found: Option<&Measurement>,
    ) -> Result<ModelCard> {
        Ok(ModelCard {
            title: manifest::file_name(&self.out),
            method: "fine-tuned on labels".to_owned(),
            start: format!("pretrained {}", faculty_hub::public_name(&self.model)),
            parameters: classifier.parameters(),
            labels: classifier.labels.names().to_vec(),
            teachers: Vec::new(),
            data_access: "labelled text".to_owned(),
            texts: corpus.len(),
            seeds: vec![self.train_options.seed()],
            configuration: manifest::to_toml(settings)?,
            results: found.map(Measurement::figures).unwrap_or_default(),
        })
    }
}

/// "loss 0.4121", the last one logged.
pub fn closing_loss(report: &TrainReport) -> String {
    report.curve.last().map_or_else(String::new, |point| format!("loss {:.4}", point.loss))
}
