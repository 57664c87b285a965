//! `faculty bench-peer`: our side of an interleaved speed comparison, driven line by line on stdin. Hidden: it is spoken
//! to by `cargo xtask bench peers`. `scripts/python/torch_peer.py` is the other side and describes arguments and protocol.

mod check;
mod generate;
mod muki;
mod order;
mod work;

use super::global::Session;
use super::inputs;
use super::output::print;
use clap::{Args, ValueEnum};
use faculty_core::{Error, Result};
use faculty_model::Classifier;
use faculty_nn::fused::kernels::tile_rate;
use faculty_nn::{DropoutRates, PrecisionChoice};
use faculty_student::{TrainSettings, resolve_model};
use faculty_text::{Corpus, ReadOptions};
use generate::Generate;
use order::{Order, Plan};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;
use work::Work;

/// Timed rounds on request.
#[derive(Args)]
pub struct BenchPeer {
    /// What a round does.
    mode: Mode,
    /// Model directory.
    model: String,
    /// Texts.
    texts: PathBuf,
    /// Texts a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// How many batches a round runs; 0 = all.
    #[arg(long, default_value_t = 0)]
    batches: usize,
    /// Read so many texts; 0 = all.
    #[arg(long, default_value_t = 0)]
    texts_count: usize,
    /// Order in which the texts are cut into batches.
    #[arg(long, value_enum, default_value = "sorted")]
    order: Order,
    /// Arithmetic of the matrix products.
    #[arg(long, default_value_t)]
    precision: PrecisionChoice,
    /// Longest text in tokens.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// Dropout rate in training.
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
    /// Learning rate.
    #[arg(long, default_value_t = 2e-5)]
    lr: f64,
    /// Where to write logits for the check of equal outputs.
    #[arg(long)]
    logits: Option<PathBuf>,
    /// Tokens that are written behind every prompt (write).
    #[arg(long, default_value_t = 32)]
    new_tokens: usize,
    /// A teacher's directory (muki).
    #[arg(long)]
    teacher: Vec<String>,
    /// Labelled texts to measure on (muki).
    #[arg(long)]
    test: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A forward pass over every batch.
    Infer,
    /// Forward, backward and AdamW over every batch.
    Train,
    /// Monte-Carlo passes and a deterministic one over all texts.
    Scan,
    /// Scan of all teachers, one epoch of student training, evaluation.
    Muki,
    /// A causal language model reads prompts.
    Read,
    /// A causal language model writes behind prompts that it has read.
    Write,
}

/// What a round gave.
struct Round {
    /// Sum of logits, mean loss, mean score or accuracy.
    checksum: f64,
    /// Seconds of named parts, and `tiles_gflops`.
    phases: Vec<(&'static str, f64)>,
    /// Seconds that count, where they are not those of the whole round.
    seconds: Option<f64>,
}

impl Round {
    fn new(checksum: f64) -> Self {
        Self { checksum, phases: Vec::new(), seconds: None }
    }
}

impl BenchPeer {
    /// Answers "round" until "quit" or the end of input.
    pub fn run(&self, session: &Session) -> Result<()> {
        let corpus = self.read(&self.texts, self.texts_count, session)?;
        let (mut work, ready, samples) = match self.mode {
            Mode::Read | Mode::Write => {
                let generate = Generate::prepare(self, session, &corpus)?;
                let (ready, samples) = (generate.describe(), generate.samples());
                (Work::Generate(Box::new(generate)), ready, samples)
            }
            _ => {
                let classifier = self.open(&self.model, session)?;
                let tokens = classifier.tokenize(&corpus.texts, Some(self.max_length))?;
                let plan = Plan::cut(self.order, &tokens.lengths(), self.batch, self.batches);
                let work = Work::prepare(self, session, classifier, corpus, tokens, &plan)?;
                (work, plan.describe(), plan.samples)
            }
        };
        print(&format!("ready {ready} labels {} faculty {}", work.classes(), env!("CARGO_PKG_VERSION")))?;
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Error::io("read", "standard input", error))?;
            match line.trim() {
                "quit" => break,
                "round" => {
                    let before = tile_rate();
                    let start = Instant::now();
                    let Round { checksum, mut phases, seconds } = work.round(self)?;
                    let seconds = seconds.unwrap_or_else(|| start.elapsed().as_secs_f64());
                    // Not seconds, but what explains them: the unit's speed around the round, in billions a second.
                    let around = before.zip(tile_rate()).map(|(before, after)| f64::midpoint(before, after) / 1e9);
                    phases.extend(around.map(|rate| ("tiles_gflops", rate)));
                    let parts: String = phases.iter().map(|(name, seconds)| format!(" {name} {seconds:.6}")).collect();
                    print(&format!("seconds {seconds:.6} samples {samples} checksum {checksum:.6}{parts}"))?;
                }
                other => return Err(Error::input(format!("unknown command `{other}`")).expected("round or quit")),
            }
        }
        Ok(())
    }

    /// A model in the precision asked for.
    fn open(&self, model: &str, session: &Session) -> Result<Classifier> {
        let mut classifier = Classifier::open(resolve_model(model, &session.console)?, &session.device()?)?;
        self.set_precision(&mut classifier);
        Ok(classifier)
    }

    fn set_precision(&self, classifier: &mut Classifier) {
        classifier.network.set_precision(self.precision.resolve());
    }

    /// The first `count` texts of a file (0 = all).
    fn read(&self, file: &Path, count: usize, session: &Session) -> Result<Corpus> {
        let mut corpus = inputs::read(file, &ReadOptions::default(), &session.console)?;
        if count > 0 {
            corpus.texts.truncate(count);
            corpus.lines.truncate(count);
            corpus.labels.iter_mut().for_each(|labels| labels.truncate(count));
        }
        Ok(corpus)
    }

    /// Training over the batches of a round; the same on both sides.
    fn settings(&self, dropout: f32, warmup_ratio: f64) -> TrainSettings {
        TrainSettings {
            learning_rate: self.lr,
            warmup_ratio,
            dropout: Some(DropoutRates::uniform(dropout)),
            epochs: 1,
            batch_size: self.batch,
            max_length: Some(self.max_length),
            precision: self.precision,
            ..TrainSettings::default()
        }
    }
}
