//! The training loop: any objective over logits, AdamW with linear warm-up and decay, streams for everything random.

use crate::words::Words;
use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use faculty_core::{Error, Event, Observer, Result, Stream};
use faculty_model::{Classifier, Tokens};
use faculty_nn::fused::AdamWConfig;
use faculty_nn::{DropoutPlan, DropoutRates, PrecisionChoice, RowKeys, host_values};
use faculty_text::plan_shuffled;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Instant;

/// How a classifier is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Texts a step.
    pub batch_size: usize,
    /// Passes over the text.
    pub epochs: usize,
    /// Share of the steps in which the rate rises from 0; after that it falls linearly to 0.
    pub warmup_ratio: f64,
    /// Decoupled weight decay; biases and LayerNorm are never decayed.
    pub weight_decay: f32,
    /// Dropout rates in training; `None` = the checkpoint's.
    pub dropout: Option<DropoutRates>,
    /// Keeps the token-embedding table as it is: no gradient of it and no optimizer step over it.
    pub freeze_embeddings: bool,
    /// Longest text in tokens; `None` = the model's limit.
    pub max_length: Option<usize>,
    /// Arithmetic of the layers' matrix products, forward and backward; weights and optimizer are f32.
    pub precision: PrecisionChoice,
}

impl Default for TrainSettings {
    /// The settings of lancopku/MUKI's scripts (rate 2e-5, 3 epochs, warm-up 0.1) at batch 32, with AdamW as
    /// `transformers` trains by default (decay 0.01 here, epsilon 1e-8).
    fn default() -> Self {
        Self {
            learning_rate: 2e-5,
            batch_size: 32,
            epochs: 3,
            warmup_ratio: 0.1,
            weight_decay: 0.01,
            dropout: None,
            freeze_embeddings: false,
            max_length: None,
            precision: PrecisionChoice::F32,
        }
    }
}

impl TrainSettings {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(key).expected(expected))
        };
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", self.learning_rate.to_string(), "a positive number such as 5e-5");
        }
        if self.batch_size == 0 {
            return wrong("batch_size", "0".to_owned(), "at least 1");
        }
        if self.epochs == 0 {
            return wrong("epochs", "0".to_owned(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.warmup_ratio) {
            return wrong("warmup_ratio", self.warmup_ratio.to_string(), "0 to 1");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return wrong("weight_decay", self.weight_decay.to_string(), "0 or a small positive number");
        }
        self.dropout.as_ref().map_or(Ok(()), DropoutRates::check)
    }

    /// Number of updates over `texts` texts.
    pub fn steps(&self, texts: usize) -> usize {
        self.epochs * texts.div_ceil(self.batch_size)
    }

    /// The learning rate of step `step` (from 0) of `steps`, as `transformers`' linear schedule with warm-up.
    pub fn rate_at(&self, step: usize, steps: usize) -> f64 {
        let warmup = (self.warmup_ratio * steps as f64).ceil();
        let (step, steps) = (step as f64, steps as f64);
        let factor = if step < warmup { step / warmup.max(1.0) } else { (steps - step) / (steps - warmup).max(1.0) };
        self.learning_rate * factor.max(0.0)
    }
}

/// The loss of one step.
#[derive(Debug)]
pub struct StepLoss {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Named parts, for logs; read back only now and then.
    pub parts: Vec<(Cow<'static, str>, Tensor<1>)>,
}

/// What a classifier is trained towards.
pub trait Objective {
    /// The loss of a batch: `logits` are `[rows.len(), classes]` with a gradient, `rows` are indices into the texts.
    ///
    /// # Errors
    /// Fails if targets are missing or do not fit.
    fn loss(&self, logits: Tensor<2>, rows: &[usize]) -> Result<StepLoss>;
}

/// One logged step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Updates done.
    pub step: usize,
    /// The loss of that batch.
    pub loss: f32,
    /// Its parts.
    pub parts: Vec<(String, f32)>,
}

/// What a training run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Updates.
    pub steps: usize,
    /// Texts seen, repeats counted.
    pub texts: usize,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Logged steps.
    pub curve: Vec<CurvePoint>,
}

/// Reading a loss waits for the device; so do it every so many steps.
const LOG_EVERY: usize = 10;

/// Trains `classifier` on `tokens` towards `objective`. Order and dropout follow streams of `seed`; one unit a text is
/// reported to `observer` (the stage is the caller's).
///
/// The classifier's network is on the plain device before and after, in the precision it came with. Its hash is cleared,
/// since its weights are no longer those of a directory.
///
/// # Errors
/// Fails if settings are wrong, the objective fails, the loss stops being finite, or the user interrupted (the
/// classifier then keeps its old weights).
pub fn train(
    classifier: &mut Classifier,
    tokens: &Tokens,
    objective: &dyn Objective,
    settings: &TrainSettings,
    seed: u64,
    observer: &dyn Observer,
) -> Result<TrainReport> {
    settings.check()?;
    let lengths = tokens.lengths();
    let order = Stream::new(seed, "training order");
    let plan = |epoch| plan_shuffled(&lengths, settings.batch_size, order, epoch);
    train_planned(classifier, tokens, objective, settings, settings.steps(tokens.len()), plan, seed, observer)
}

/// Like [`train`], over the given batches in the given order, `settings.epochs` times; `settings.batch_size` is not read.
/// For comparisons in which another program runs the same batches.
///
/// # Errors
/// As [`train`].
pub fn train_batches(
    classifier: &mut Classifier,
    tokens: &Tokens,
    objective: &dyn Objective,
    settings: &TrainSettings,
    batches: &[Vec<usize>],
    seed: u64,
    observer: &dyn Observer,
) -> Result<TrainReport> {
    settings.check()?;
    let steps = settings.epochs * batches.len();
    train_planned(classifier, tokens, objective, settings, steps, |_| batches.to_vec(), seed, observer)
}

#[allow(clippy::too_many_arguments, reason = "the arguments of `train`, and the plan")]
fn train_planned(
    classifier: &mut Classifier,
    tokens: &Tokens,
    objective: &dyn Objective,
    settings: &TrainSettings,
    steps: usize,
    plan: impl Fn(u64) -> Vec<Vec<usize>>,
    seed: u64,
    observer: &dyn Observer,
) -> Result<TrainReport> {
    let start = Instant::now();
    let dropout_stream = Stream::new(seed, "training dropout");
    let rates = settings.dropout.unwrap_or(classifier.config.dropout);
    let device = classifier.device.clone();

    let mut network = classifier.network.clone().train();
    let precision_before = network.precision();
    network.set_precision(settings.precision.resolve());
    if settings.freeze_embeddings {
        let words = network.encoder.embeddings.words.clone();
        network.encoder.embeddings.words = words.set_require_grad(false);
    }
    let decayed = AdamWConfig { weight_decay: f64::from(settings.weight_decay), ..AdamWConfig::default() };
    let mut optimizer = optimizer(decayed);
    let mut words;
    (network, words) = Words::take(network, decayed);
    let mut report = TrainReport::default();
    for epoch in 0..settings.epochs {
        for rows in plan(epoch as u64) {
            observer.check()?;
            let mut input = tokens.batch(&rows, &classifier.config, &device)?;
            if let Some(words) = &mut words {
                (network, input) = words.before(network, input)?;
            }
            let step_stream = dropout_stream.fork(report.steps as u64);
            let identities: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
            let dropout = DropoutPlan::Sampled { rates, keys: RowKeys::for_pass(step_stream, 0, &identities) };
            let logits = network.logits(&input, &dropout);
            let loss = objective.loss(logits, &rows)?;
            let mut gradients = loss.total.backward();
            let gradients = GradientsParams::from_module(&mut gradients, &network);
            let rate = settings.rate_at(report.steps, steps);
            network = optimizer.step(rate, network, gradients);
            if let Some(words) = &mut words {
                network = words.step(rate, network)?;
            }

            report.steps += 1;
            report.texts += rows.len();
            let mut note = String::new();
            if report.steps % LOG_EVERY == 0 || report.steps == steps {
                let point = read_point(report.steps, &loss)?;
                note = format!("loss {:.4}", point.loss);
                report.curve.push(point);
            }
            observer.on(Event::Advance { units: rows.len() as u64, note: &note });
        }
    }
    if settings.freeze_embeddings {
        let words = network.encoder.embeddings.words.clone();
        network.encoder.embeddings.words = words.set_require_grad(true);
    }
    if let Some(words) = words {
        network = words.give_back(network)?;
    }
    classifier.network = network.valid();
    classifier.network.set_precision(precision_before);
    classifier.hash.clear();
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

fn optimizer(config: AdamWConfig) -> ModuleOptimizer {
    let undecayed = AdamWConfig { weight_decay: 0.0, ..config };
    ModuleOptimizer::from(config.build()).with_group(
        ParamGroup::from_any_predicates(vec!["bias", "gamma", "beta"]),
        undecayed.build(),
        None,
    )
}

fn read_point(step: usize, loss: &StepLoss) -> Result<CurvePoint> {
    let read = |tensor: &Tensor<1>| -> Result<f32> {
        let values = host_values(tensor.clone().inner())?;
        Ok(values.first().copied().unwrap_or(f32::NAN))
    };
    let value = read(&loss.total)?;
    if !value.is_finite() {
        return Err(Error::check(format!("the loss became {value} at step {step}"))
            .help("lower the learning rate, or look at the targets"));
    }
    let parts = loss.parts.iter().map(|(name, part)| Ok((name.to_string(), read(part)?))).collect::<Result<_>>()?;
    Ok(CurvePoint { step, loss: value, parts })
}
