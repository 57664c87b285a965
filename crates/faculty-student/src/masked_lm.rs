//! Training a masked language model's head, and the encoder below it, on text.

use crate::{Objective, ObjectiveState, StepContext, StepLoss, TrainReport, TrainRun, TrainSettings, train};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use faculty_core::{Error, Event, LabelSpace, NamedTensors, Result, Stream};
use faculty_model::{Classifier, MaskPlan, MaskedFigures, MaskedModel, Tokens};
use faculty_nn::fused::AdamWConfig;
use faculty_nn::masked_lm::{MaskedLmHead, TokenLogits, tokens_at};
use faculty_nn::{EncoderConfig, PrecisionChoice, SequenceClassifier, Taps, TrainedModule};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How a masked language model is trained. All values are Faculty's own: those that a small encoder reaches in minutes on
/// two cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskedTraining {
    /// Share of the tokens that are hidden: 0.15, as in BERT's own training.
    pub mask_rate: f64,
    /// Peak rate of the head, which starts fresh: 2e-3.
    pub head_rate: f64,
    /// Texts that are not trained on but measured, at most a tenth of all: 500.
    pub held_out: usize,
    /// Training of the encoder. Its word table is the output layer of the head, and stays as it is.
    pub train: TrainSettings,
}

impl Default for MaskedTraining {
    fn default() -> Self {
        Self {
            mask_rate: 0.15,
            head_rate: 2e-3,
            held_out: 500,
            train: TrainSettings {
                learning_rate: 5e-4,
                epochs: 1,
                max_length: Some(64),
                freeze_embeddings: true,
                precision: PrecisionChoice::F32,
                ..TrainSettings::default()
            },
        }
    }
}

/// What a training of a masked language model did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskedReport {
    /// Texts trained on.
    pub texts: usize,
    /// Texts measured.
    pub held_out: usize,
    /// On the held-out texts before the training, the bias of the output layer being the log-frequency of tokens.
    pub before: MaskedFigures,
    /// On the same hidden tokens behind it.
    pub after: MaskedFigures,
    /// The training.
    pub train: TrainReport,
}

impl MaskedTraining {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(self.mask_rate > 0.0 && self.mask_rate < 1.0) {
            return Err(Error::input(format!("is {}", self.mask_rate)).key("mask_rate").expected("above 0, below 1"));
        }
        if !(self.head_rate.is_finite() && self.head_rate > 0.0) {
            return Err(Error::input(format!("is {}", self.head_rate)).key("head_rate").expected("a positive number"));
        }
        if !self.train.freeze_embeddings {
            return Err(Error::input("is false")
                .key("train.freeze_embeddings")
                .expected("true: the word table is the output layer, too"));
        }
        self.train.check()
    }
}

/// Trains `model` on texts: tokens are hidden by a [`MaskPlan`], other ones in every update, and found again. The word table
/// stays as it is. A head that was never saved starts with the log-frequency of tokens as its bias.
///
/// A run may have checkpoints, as in [`train`].
///
/// # Errors
/// Fails if settings make no sense or there are fewer than two texts, or as [`train`].
pub fn train_masked_lm(
    model: &mut MaskedModel,
    texts: &[String],
    settings: &MaskedTraining,
    run: TrainRun<'_>,
) -> Result<MaskedReport> {
    settings.check()?;
    if texts.len() < 2 {
        return Err(Error::input(format!("{} texts to train a masked language model on", texts.len())));
    }
    let plan = MaskPlan::new(&model.tokenizer, settings.mask_rate)?;
    let tokens = model.tokenize(texts, settings.train.max_length)?;
    let mut order = Stream::new(run.seed, "held-out texts").permutation(texts.len());
    let trained_on = order.split_off(settings.held_out.min(texts.len() / 10).max(1));
    let (held_out, tokens) = (tokens.select(&order), tokens.select(&trained_on));
    if model.hash.is_empty() {
        start_bias(model, &tokens, &plan);
    }
    let before = measured(model, &held_out, &plan, "measure before", run)?;
    let mut objective = MaskedObjective {
        tokens: &tokens,
        plan,
        stream: Stream::new(run.seed, "hidden tokens"),
        head: TrainedModule::new(model.network.head.clone(), settings.head_rate, AdamWConfig::default()),
        config: model.config.clone(),
        device: model.device.clone(),
    };
    // The loop trains classifiers: the encoder borrows a head that nobody reads.
    let mut encoder = Classifier {
        network: SequenceClassifier {
            encoder: model.network.encoder.clone(),
            head: SequenceClassifier::fresh(&unread(&model.config), 1, Stream::new(0, "unread"), &model.device).head,
        },
        config: model.config.clone(),
        labels: LabelSpace::new(["unread"])?,
        tokenizer: model.tokenizer.clone(),
        device: model.device.clone(),
        origin: model.origin.clone(),
        hash: String::new(),
    };
    let total = (settings.train.epochs * tokens.len()) as u64;
    run.observer.on(Event::Start { stage: "masked language model", total, unit: "texts" });
    let report = train(&mut encoder, &tokens, &mut objective, &settings.train, run)?;
    run.observer.on(Event::End { summary: &format!("{} updates in {:.1} s", report.steps, report.seconds) });
    model.network.encoder = encoder.network.encoder;
    model.network.head = objective.head.module().valid();
    model.hash.clear();
    let after = measured(model, &held_out, &objective.plan, "measure after", run)?;
    Ok(MaskedReport { texts: tokens.len(), held_out: held_out.len(), before, after, train: report })
}

/// A configuration whose classification head alone is wanted: the fresh encoder beside it is as small as can be.
fn unread(config: &EncoderConfig) -> EncoderConfig {
    EncoderConfig { vocab_size: config.pad_token_id as usize + 1, layers: 1, ..config.clone() }
}

fn measured(
    model: &MaskedModel,
    tokens: &Tokens,
    plan: &MaskPlan,
    stage: &str,
    run: TrainRun<'_>,
) -> Result<MaskedFigures> {
    run.observer.on(Event::Start { stage, total: tokens.len() as u64, unit: "texts" });
    let found = model.measure(tokens, plan, Stream::new(run.seed, "measured tokens"), run.observer)?;
    let summary = format!("{:.3} nats, {:.1} % of {} tokens", found.loss, 100.0 * found.accuracy, found.tokens);
    run.observer.on(Event::End { summary: &summary });
    Ok(found)
}

/// Added to the count of every token, so that one that no text has is rare and not impossible.
const UNSEEN: f64 = 0.1;

/// Sets the bias of the output layer to the log-frequency of the tokens that may be hidden.
fn start_bias(model: &mut MaskedModel, tokens: &Tokens, plan: &MaskPlan) {
    let mut counts = vec![UNSEEN; model.config.vocab_size];
    for id in tokens.rows.iter().flat_map(|row| &row.ids) {
        if plan.protected().binary_search(id).is_err() {
            counts[*id as usize] += 1.0;
        }
    }
    let total: f64 = counts.iter().sum();
    let bias: Vec<f32> = counts.iter().map(|count| (count / total).ln() as f32).collect();
    let length = bias.len();
    let bias = Tensor::<1>::from_data(TensorData::new(bias, [length]), &model.device);
    model.network.head.bias = burn::module::Param::from_tensor(bias);
}

/// Finding hidden tokens again.
struct MaskedObjective<'a> {
    tokens: &'a Tokens,
    plan: MaskPlan,
    stream: Stream,
    head: TrainedModule<MaskedLmHead>,
    config: EncoderConfig,
    device: Device,
}

impl Objective for MaskedObjective<'_> {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let texts = self.plan.apply(self.tokens, step.rows, self.stream.fork(step.step as u64));
        let head = self.head.module();
        if texts.positions.is_empty() {
            // Nothing to learn: a gradient of zeros.
            return Ok(StepLoss { total: head.bias.val().sum().mul_scalar(0.0), parts: Vec::new() });
        }
        let input = texts.masked.batch(&texts.all_rows(), &self.config, &self.device)?;
        let encoder = &step.network.encoder;
        let hidden = encoder.forward(&input, step.dropout, &Taps::None).last;
        let features = head.features(tokens_at(hidden, &texts.positions));
        let words = encoder.embeddings.words.val();
        let logits = head.valid().logits(features.clone().inner(), words.clone().inner());
        let found = TokenLogits::read(logits)?.cross_entropy(&texts.targets)?;
        let (mean, correct) = (found.mean as f32, found.correct as f32 / texts.targets.len() as f32);
        let gradient = found.into_gradient(texts.targets.len(), &self.device);
        let pulled = head.pull_back(features, words, gradient);
        let total = pulled.clone() - pulled.detach() + self.number(mean);
        Ok(StepLoss { total, parts: vec![(Cow::Borrowed("accuracy"), self.number(correct))] })
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.head.step(gradients, rate_factor).map(|_| ())
    }

    fn save_state(&self) -> Result<ObjectiveState> {
        self.head.save(HEAD)
    }

    fn load_state(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.head.load(HEAD, values, tensors)
    }
}

/// Where the head is in checkpoints.
const HEAD: &str = "masked_lm";

impl MaskedObjective<'_> {
    fn number(&self, value: f32) -> Tensor<1> {
        Tensor::from_inner(Tensor::from_data(TensorData::new(vec![value], [1]), &self.device))
    }
}
