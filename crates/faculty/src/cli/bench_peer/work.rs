//! Inference, training steps and Monte-Carlo scans on request.

use super::generate::Generate;
use super::muki::Muki;
use super::order::{Order, Plan};
use super::{BenchPeer, Mode, Round, check};
use crate::cli::global::Session;
use faculty_core::{Result, Silent};
use faculty_methods::fine_tune_batches;
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, host_values};
use faculty_student::TrainRun;
use faculty_teacher::{Ask, ClassifierTeacher, Teacher};
use faculty_text::Corpus;
use faculty_uncertainty::{Confidence, McEntropy};

/// Monte-Carlo passes of a scan, and the seed of their dropout.
pub const PASSES: (u32, u64) = (16, 1);

/// What a round runs on.
pub enum Work {
    /// The batches as given.
    Infer(Classifier, Tokens, Vec<Vec<usize>>),
    /// All texts of the batches, cut anew as the library does it.
    InferAll(Classifier, Tokens),
    /// The batches as given (what is in a batch is part of a training recipe), and the seed of the next round: every round
    /// draws its own dropout masks, as the other side's generator does.
    Train(Classifier, Tokens, Vec<Vec<usize>>, u64),
    /// A teacher and its texts.
    Scan(ClassifierTeacher, Vec<String>),
    /// Teachers, student, texts.
    Muki(Box<Muki>),
    /// A causal language model and its prompts.
    Generate(Box<Generate>),
}

impl Work {
    /// Loads what is missing, writes logits for the check, warms up.
    pub fn prepare(
        bench: &BenchPeer,
        session: &Session,
        mut classifier: Classifier,
        corpus: Corpus,
        tokens: Tokens,
        plan: &Plan,
    ) -> Result<Self> {
        if let (Some(file), false) = (&bench.logits, bench.mode == Mode::Muki) {
            check::write_logits(bench, &classifier, &tokens, plan, file)?;
        }
        let warmup = plan.batches.iter().skip(plan.batches.len() / 2).take(1).cloned().collect::<Vec<_>>();
        Ok(match bench.mode {
            Mode::Infer if bench.order == Order::Random => {
                infer(&classifier, &tokens, &warmup)?;
                Self::InferAll(classifier, tokens.select(&plan.rows()))
            }
            Mode::Infer => {
                infer(&classifier, &tokens, &warmup)?;
                Self::Infer(classifier, tokens, plan.batches.clone())
            }
            Mode::Train => {
                train(bench, &mut classifier, &tokens, &warmup, bench.dropout, 0)?;
                Self::Train(classifier, tokens, plan.batches.clone(), 1)
            }
            Mode::Scan => {
                let teacher = ClassifierTeacher::new("teacher", classifier);
                scan(bench, &teacher, &corpus.texts[..corpus.len().min(1)])?;
                Self::Scan(teacher, corpus.texts)
            }
            Mode::Muki => Self::Muki(Box::new(Muki::prepare(bench, session, corpus)?)),
            Mode::Read | Mode::Write => Self::Generate(Box::new(Generate::prepare(bench, session, &corpus)?)),
        })
    }

    /// Number of labels, or of tokens.
    pub fn classes(&self) -> usize {
        match self {
            Self::Infer(classifier, ..) | Self::InferAll(classifier, _) | Self::Train(classifier, ..) => {
                classifier.labels.len()
            }
            Self::Scan(teacher, _) => teacher.labels().len(),
            Self::Muki(muki) => muki.classes(),
            Self::Generate(generate) => generate.vocabulary(),
        }
    }

    /// One round.
    pub fn round(&mut self, bench: &BenchPeer) -> Result<Round> {
        match self {
            Self::Infer(classifier, tokens, batches) => infer(classifier, tokens, batches).map(Round::new),
            Self::InferAll(classifier, tokens) => Ok(Round::new(sum(&classifier.logits(tokens, &Silent)?))),
            Self::Train(classifier, tokens, batches, seed) => {
                let loss = train(bench, classifier, tokens, batches, bench.dropout, *seed)?;
                *seed += 1;
                Ok(Round::new(loss))
            }
            Self::Scan(teacher, texts) => scan(bench, teacher, texts).map(Round::new),
            Self::Muki(muki) => muki.round(bench),
            Self::Generate(generate) => generate.round(bench),
        }
    }
}

fn infer(classifier: &Classifier, tokens: &Tokens, batches: &[Vec<usize>]) -> Result<f64> {
    let mut total = 0.0;
    for rows in batches {
        let input = tokens.batch(rows, &classifier.config, &classifier.device)?;
        let logits = classifier.network.logits(&input, &DropoutPlan::Off);
        total += sum(&host_values(logits)?);
    }
    Ok(total)
}

fn sum(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum()
}

/// Trains over the batches, text i towards class i modulo the classes; the mean of the logged losses.
pub fn train(
    bench: &BenchPeer,
    classifier: &mut Classifier,
    tokens: &Tokens,
    batches: &[Vec<usize>],
    dropout: f32,
    seed: u64,
) -> Result<f64> {
    let classes: Vec<usize> = (0..tokens.len()).map(|row| row % classifier.labels.len()).collect();
    let settings = bench.settings(dropout, 0.0);
    let report = fine_tune_batches(classifier, tokens, &classes, &settings, batches, TrainRun::new(seed, &Silent))?;
    Ok(report.curve.iter().map(|point| f64::from(point.loss)).sum::<f64>() / report.curve.len().max(1) as f64)
}

/// Asks the teacher, without a cache; the mean score.
fn scan(bench: &BenchPeer, teacher: &ClassifierTeacher, texts: &[String]) -> Result<f64> {
    let ask = Ask { max_length: Some(bench.max_length), ..Ask::default() }.with_passes(PASSES.0, PASSES.1);
    let outputs = teacher.outputs(texts, &ask, &Silent)?;
    let scores = McEntropy::default().score(&[outputs.whole_view(&teacher.classifier().device)])?;
    Ok(sum(&host_values(scores)?) / texts.len().max(1) as f64)
}
