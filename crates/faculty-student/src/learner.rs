//! What a training step changes: the network and its optimizers.

use crate::TrainSettings;
use crate::checkpoint::{LearnerTensors, Saved, WordRows};
use crate::words::Words;
use burn::module::Module;
use burn::optim::GradientsParams;
use faculty_core::{Error, NamedTensors, Observer, Result, Unseen};
use faculty_model::{Classifier, Tokens};
use faculty_nn::fused::{AdamWConfig, ModuleAdamW, SparseAdamWState, WeightCache};
use faculty_nn::{SequenceClassifier, StateTensor, TokenInput, module_state, restore_module};

/// A network in training with its optimizers. Steps take it whole and give it back, so that its tensors have one owner and
/// are changed in place.
pub(crate) struct Learner {
    pub(crate) network: SequenceClassifier,
    optimizer: ModuleAdamW,
    words: Option<Words>,
    config: AdamWConfig,
    frozen_embeddings: bool,
}

impl Learner {
    pub(crate) fn new(classifier: &Classifier, settings: &TrainSettings) -> Self {
        let mut network = classifier.network.clone().train();
        network.set_precision(settings.precision.resolve());
        if settings.freeze_embeddings {
            network = with_words_trained(network, false);
        }
        let config = AdamWConfig { weight_decay: f64::from(settings.weight_decay), ..AdamWConfig::default() };
        let (network, words) = Words::take(network, config);
        let optimizer = optimizer(ModuleAdamW::new(config), settings);
        Self { network, optimizer, words, config, frozen_embeddings: settings.freeze_embeddings }
    }

    /// Before a forward pass over `input`, or, with `all_words`, over whatever is read.
    pub(crate) fn before(mut self, input: TokenInput, all_words: bool) -> Result<(Self, TokenInput)> {
        let Some(mut words) = self.words.take() else { return Ok((self, input)) };
        let current = if all_words { words.catch_up(self.network)? } else { self.network };
        let (network, input) = words.before(current, input)?;
        Ok((Self { network, words: Some(words), ..self }, input))
    }

    /// After a backward pass.
    pub(crate) fn step(mut self, rate: f64, gradients: GradientsParams) -> Result<Self> {
        let mut network = self.optimizer.step(rate, self.network, gradients);
        if let Some(words) = &mut self.words {
            network = words.step(rate, network)?;
        }
        Ok(Self { network, ..self })
    }

    /// The student as it is now, on the plain device; training goes on from it as if nothing had been.
    pub(crate) fn snapshot(mut self, classifier: &Classifier) -> Result<(Self, Classifier)> {
        let mut current = self.network;
        if let Some(words) = &mut self.words {
            current = words.catch_up(current)?;
        }
        let mut network = current.valid();
        for layer in &mut network.encoder.layers {
            // The layer's own cache would keep these weights alive beyond the next step.
            layer.packed = WeightCache::default();
        }
        let student = Classifier { network, hash: String::new(), ..classifier.clone() };
        Ok((Self { network: current, ..self }, student))
    }

    /// The logits of all texts as the network is now, without dropout, `[texts, classes]`; the learner comes back even where
    /// there are none.
    pub(crate) fn predictions(
        self,
        classifier: &Classifier,
        tokens: &Tokens,
        observer: &dyn Observer,
    ) -> Result<(Self, Result<Vec<f32>>)> {
        let (learner, student) = self.snapshot(classifier)?;
        let logits = student.logits(tokens, &Unseen(observer));
        Ok((learner, logits))
    }

    /// The trained network on the plain device, wanting gradients where it did before.
    pub(crate) fn finish(self) -> Result<SequenceClassifier> {
        let mut network = self.network;
        if self.frozen_embeddings {
            network = with_words_trained(network, true);
        }
        if let Some(words) = self.words {
            network = words.give_back(network)?;
        }
        Ok(network.valid())
    }

    /// Everything a checkpoint keeps of it.
    pub(crate) fn state(&self) -> LearnerTensors {
        let optimizer = self.optimizer.state(&self.network);
        let mut moments = optimizer.tensors;
        let words = self.words.as_ref().map(|words| {
            let state = words.state();
            let touched = state.touched.len();
            let width = state.m.len() / touched.max(1);
            let steps = state.history.len() / SparseAdamWState::STEP_NUMBERS;
            moments.push(StateTensor::from_host(FIRST_MOMENTS, vec![touched, width], state.m));
            moments.push(StateTensor::from_host(SECOND_MOMENTS, vec![touched, width], state.v));
            let shape = vec![steps, SparseAdamWState::STEP_NUMBERS];
            moments.push(StateTensor::from_host(HISTORY, shape, state.history));
            WordRows { rows: state.rows, steps: state.steps, touched: state.touched }
        });
        LearnerTensors { network: module_state(&self.network), optimizer: moments, steps: optimizer.steps, words }
    }

    /// The same learner as it was when `saved` was written.
    pub(crate) fn restored(&self, classifier: &Classifier, settings: &TrainSettings, saved: &Saved) -> Result<Self> {
        let mut fresh = Self::new(classifier, settings);
        fresh.network = restore_module(fresh.network, &saved.network()?, "")?;
        let moments = saved.optimizer()?;
        let steps = &saved.state.optimizer_steps;
        let restored = ModuleAdamW::restore(self.config, &fresh.network, steps, &moments, "")?;
        fresh.optimizer = optimizer(restored, settings);
        match (&mut fresh.words, &saved.state.words) {
            (Some(words), Some(rows)) => words.restore(&SparseAdamWState {
                rows: rows.rows.clone(),
                steps: rows.steps.clone(),
                touched: rows.touched.clone(),
                m: moments.read(FIRST_MOMENTS)?,
                v: moments.read(SECOND_MOMENTS)?,
                history: moments.read(HISTORY)?,
            })?,
            (None, None) => {}
            _ => return Err(Error::input("was written by a device with another way to train the word table")),
        }
        Ok(fresh)
    }
}

const FIRST_MOMENTS: &str = "words.m";
const SECOND_MOMENTS: &str = "words.v";
const HISTORY: &str = "words.history";

/// The optimizer with the rates of `settings`.
fn optimizer(optimizer: ModuleAdamW, settings: &TrainSettings) -> ModuleAdamW {
    optimizer.with_rate_factor(OUTPUT_LAYER, settings.head_rate)
}

/// Where the output layer is in the network.
const OUTPUT_LAYER: &str = "head.output";

fn with_words_trained(mut network: SequenceClassifier, trained: bool) -> SequenceClassifier {
    let words = network.encoder.embeddings.words.clone();
    network.encoder.embeddings.words = words.set_require_grad(trained);
    network
}
