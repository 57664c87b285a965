//! `faculty bench-peer`: our side of an interleaved speed comparison, driven line by line on stdin. Hidden: it is spoken
//! to by `cargo xtask bench peers`. `scripts/python/torch_peer.py` is the other side and describes the protocol.

use super::global::Session;
use super::inputs;
use super::output::print;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use faculty_core::{Error, LabelSpace, Result, Silent, Stream};
use faculty_methods::fine_tune_batches;
use faculty_model::{Classifier, Parts, Tokens};
use faculty_nn::{DropoutPlan, DropoutRates, host_values};
use faculty_student::{TrainSettings, resolve_model};
use faculty_text::{Corpus, ReadOptions};
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;

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
    /// How many batches a round runs, evenly spread over the lengths; 0 = all.
    #[arg(long, default_value_t = 0)]
    batches: usize,
    /// Longest text in tokens.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// Outputs of a new head; 0 = as the directory says.
    #[arg(long, default_value_t = 0)]
    labels: usize,
    /// Dropout rate in training.
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
    /// Learning rate.
    #[arg(long, default_value_t = 2e-5)]
    lr: f64,
    /// Batches run before `ready`, outside of every round.
    #[arg(long, default_value_t = 1)]
    warmup: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// A forward pass over every batch.
    Infer,
    /// Forward, backward and AdamW over every batch.
    Train,
}

/// What the rounds run on.
struct Bench {
    classifier: Classifier,
    tokens: Tokens,
    classes: Vec<usize>,
    batches: Vec<Vec<usize>>,
}

impl BenchPeer {
    /// Answers "round" until "quit" or the end of input.
    pub fn run(&self, session: &Session) -> Result<()> {
        let mut bench = self.prepare(session)?;
        let middle = bench.batches.len() / 2;
        let warmup: Vec<Vec<usize>> = bench.batches[middle..].iter().take(self.warmup).cloned().collect();
        self.round(&mut bench, &warmup)?;

        let lengths = bench.tokens.lengths();
        let samples: usize = bench.batches.iter().map(Vec::len).sum();
        let tokens: usize = bench.batches.iter().flatten().map(|&row| lengths[row]).sum();
        let longest = |batch: &Vec<usize>| batch.iter().map(|&row| lengths[row]).max().unwrap_or(0);
        let padded: usize = bench.batches.iter().map(|batch| batch.len() * longest(batch)).sum();
        print(&format!(
            "ready batches {} samples {samples} tokens {tokens} padded {padded} labels {} faculty {}",
            bench.batches.len(),
            bench.classifier.labels.len(),
            env!("CARGO_PKG_VERSION")
        ))?;
        let batches = bench.batches.clone();
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Error::io("read", "standard input", error))?;
            match line.trim() {
                "quit" => break,
                "round" => {
                    let start = Instant::now();
                    let checksum = self.round(&mut bench, &batches)?;
                    let seconds = start.elapsed().as_secs_f64();
                    print(&format!("seconds {seconds:.6} samples {samples} checksum {checksum:.6}"))?;
                }
                other => return Err(Error::input(format!("unknown command `{other}`")).expected("round or quit")),
            }
        }
        Ok(())
    }

    fn prepare(&self, session: &Session) -> Result<Bench> {
        let device = session.device()?;
        let classifier = self.classifier(&device, session)?;
        let corpus = inputs::read(&self.texts, &ReadOptions::default(), &session.console)?;
        let tokens = classifier.tokenize(&corpus.texts, Some(self.max_length))?;
        let lengths = tokens.lengths();
        let mut order: Vec<usize> = (0..corpus.len()).collect();
        order.sort_by_key(|&row| (lengths[row], row));
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch.max(1)).map(<[usize]>::to_vec).collect();
        if self.batches > 0 && self.batches < batches.len() {
            let step = batches.len() as f64 / self.batches as f64;
            batches = (0..self.batches).map(|k| batches[((k as f64 + 0.5) * step) as usize].clone()).collect();
        }
        let classes = classes(&corpus, &classifier.labels);
        Ok(Bench { classifier, tokens, classes, batches })
    }

    fn classifier(&self, device: &Device, session: &Session) -> Result<Classifier> {
        let dir = resolve_model(&self.model, &session.console)?;
        if self.labels == 0 {
            return Classifier::open(dir, device);
        }
        let labels = LabelSpace::new((0..self.labels).map(|index| format!("LABEL_{index}")))?;
        let stream = Stream::new(0, "bench head");
        Ok(Classifier::start_from(dir, &Parts::default(), labels, stream, device)?.0)
    }

    /// Runs the batches; the sum of the logits, or of the losses.
    fn round(&self, bench: &mut Bench, batches: &[Vec<usize>]) -> Result<f64> {
        match self.mode {
            Mode::Infer => infer(bench, batches),
            Mode::Train => self.train(bench, batches),
        }
    }

    fn train(&self, bench: &mut Bench, batches: &[Vec<usize>]) -> Result<f64> {
        let settings = TrainSettings {
            learning_rate: self.lr,
            warmup_ratio: 0.0,
            dropout: Some(DropoutRates::uniform(self.dropout)),
            epochs: 1,
            batch_size: self.batch,
            ..TrainSettings::default()
        };
        let Bench { classifier, tokens, classes, .. } = bench;
        let report = fine_tune_batches(classifier, tokens, classes, &settings, batches, 0, &Silent)?;
        Ok(report.curve.iter().map(|point| f64::from(point.loss)).sum())
    }
}

fn infer(bench: &Bench, batches: &[Vec<usize>]) -> Result<f64> {
    let Bench { classifier, tokens, .. } = bench;
    let mut sum = 0.0;
    for rows in batches {
        let input = tokens.batch(rows, &classifier.config, &classifier.device)?;
        let logits = classifier.network.logits(&input, &DropoutPlan::Off);
        sum += host_values(logits)?.into_iter().map(f64::from).sum::<f64>();
    }
    Ok(sum)
}

/// A class for every text; an unknown label costs the same time.
fn classes(corpus: &Corpus, labels: &LabelSpace) -> Vec<usize> {
    let raw = corpus.labels.as_deref();
    let class = |row: usize| raw.and_then(|raw| labels.resolve(&raw.get(row)?.to_string()).ok()).unwrap_or(row);
    (0..corpus.len()).map(|row| class(row) % labels.len()).collect()
}
