//! The masked language model in training, and as it was.

use super::Rewriting;
use super::readers::all_rows;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{NamedTensors, Result, Stream};
use faculty_model::{MaskPlan, MaskedModel, MaskedTexts};
use faculty_nn::TrainedModule;
use faculty_nn::fused::{AdamWConfig, WeightCache};
use faculty_nn::masked_lm::{MaskedLm, TokenFigures, TokenLogits};
use faculty_nn::{DropoutPlan, EncoderConfig, RowKeys};
use faculty_student::ObjectiveState;

/// A masked language model that is trained to write.
pub(super) struct Generator {
    trained: TrainedModule<MaskedLm>,
    /// As it was handed over.
    start: MaskedLm,
    config: EncoderConfig,
    device: Device,
    /// Tokens that it never writes.
    unwritten: Vec<u32>,
    /// Tokens that exist; a table may have more rows.
    tokens: usize,
}

/// The texts of a step as the generator reads them.
pub(super) struct Read {
    /// On the graph of the generator, `[positions, embedding]`.
    features: Tensor<2>,
    /// Of its output layer.
    pub(super) logits: TokenLogits,
}

/// Where the generator is in checkpoints.
const NAME: &str = "generator";

impl Generator {
    pub(super) fn new(model: &MaskedModel, plan: &MaskPlan, spec: &Rewriting) -> Self {
        let mut network = model.network.clone();
        if !spec.train_words {
            let words = network.encoder.embeddings.words.clone();
            network.encoder.embeddings.words = words.set_require_grad(false);
        }
        Self {
            trained: TrainedModule::new(network, spec.learning_rate, AdamWConfig::default()).with_clip(spec.clip_norm),
            start: model.network.clone(),
            config: model.config.clone(),
            device: model.device.clone(),
            unwritten: if spec.write_special { Vec::new() } else { plan.protected().to_vec() },
            tokens: model.tokenizer.vocab_size(),
        }
    }

    pub(super) fn network(&self) -> &MaskedLm {
        self.trained.module()
    }

    /// Tokens of its output layer.
    pub(super) fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    /// Its dropout over the given texts, known by their rows.
    pub(super) fn dropout(&self, stream: Stream, rows: &[usize]) -> DropoutPlan {
        let identities: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
        DropoutPlan::Sampled { rates: self.config.dropout, keys: RowKeys::for_pass(stream, 0, &identities) }
    }

    /// Reads masked texts in order to learn.
    pub(super) fn read(&self, texts: &MaskedTexts, dropout: &DropoutPlan) -> Result<Read> {
        let network = self.trained.module();
        let input = texts.masked.batch(&all_rows(&texts.masked), &self.config, &self.device)?;
        let features = network.features_at(&input, &texts.positions, dropout);
        let logits = network.head.valid().logits(features.clone().inner(), network.words().inner());
        Ok(Read { features, logits: TokenLogits::read(logits)? })
    }

    /// What it may write.
    pub(super) fn writable(&self, logits: TokenLogits) -> TokenLogits {
        logits.without(&self.unwritten, self.tokens)
    }

    /// Logits of what it may write, without a graph.
    pub(super) fn logits(&self, texts: &MaskedTexts, dropout: &DropoutPlan) -> Result<TokenLogits> {
        let mut network = self.trained.module().valid();
        for layer in &mut network.encoder.layers {
            // A cache of packed weights would keep those of this step alive.
            layer.packed = WeightCache::default();
        }
        let input = texts.masked.batch(&all_rows(&texts.masked), &self.config, &self.device)?;
        Ok(self.writable(TokenLogits::read(network.logits_at(&input, &texts.positions, dropout))?))
    }

    /// How likely `tokens` are to the model that the generator started from, and how likely that one's own are.
    pub(super) fn figures(&self, texts: &MaskedTexts, tokens: &[u32]) -> Result<TokenFigures> {
        let input = texts.masked.batch(&all_rows(&texts.masked), &self.config, &self.device)?;
        let logits = self.start.logits_at(&input, &texts.positions, &DropoutPlan::Off);
        self.writable(TokenLogits::read(logits)?).figures(tokens)
    }

    /// One step along the gradient with respect to the logits, row-major `[positions, vocabulary]`; returns the norm of the
    /// gradient of all weights before it is clipped.
    pub(super) fn step(&mut self, read: Read, gradient: Vec<f32>) -> Result<f64> {
        let network = self.trained.module();
        let shape = [read.logits.positions(), read.logits.vocabulary()];
        let gradient = Tensor::from_data(TensorData::new(gradient, shape), &self.device);
        let pulled = network.head.pull_back(read.features, network.words(), gradient);
        let norm = self.trained.step(&mut pulled.backward(), 1.0)?;
        Ok(norm.unwrap_or(0.0))
    }

    pub(super) fn save(&self) -> Result<ObjectiveState> {
        self.trained.save(NAME)
    }

    pub(super) fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.trained.load(NAME, values, tensors)
    }

    /// The word table as it was handed over.
    pub(super) fn first_words(&self) -> Tensor<2> {
        self.start.words()
    }
}
