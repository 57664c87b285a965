//! A module that is trained beside another network, with an AdamW of its own.

use crate::fused::{AdamWConfig, ModuleAdamW};
use crate::{StateTensor, host_values, module_state, restore_module};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor};
use faculty_core::{Error, NamedTensors, Result};
use std::collections::BTreeMap;
use std::fmt;

/// What is kept of a training between steps, for a checkpoint.
#[derive(Debug, Default)]
pub struct SavedState {
    /// Counters, step counts, settings of a round and the like.
    pub values: serde_json::Value,
    /// Weights, moments of optimizers, queues.
    pub tensors: Vec<StateTensor>,
}

/// A module in training: its weights on an autodiff device, AdamW over all that want a gradient, biases and LayerNorms never
/// decayed.
pub struct TrainedModule<M> {
    module: M,
    config: AdamWConfig,
    optimizer: ModuleAdamW,
    learning_rate: f64,
    clip: Option<f64>,
}

impl<M: Module> TrainedModule<M> {
    /// Before its first step.
    pub fn new(module: M, learning_rate: f64, config: AdamWConfig) -> Self {
        Self { module: module.train(), config, optimizer: ModuleAdamW::new(config), learning_rate, clip: None }
    }

    /// The same with gradients scaled down to this norm over all parameters where theirs is larger, as
    /// `torch.nn.utils.clip_grad_norm_` does it.
    #[must_use]
    pub fn with_clip(self, norm: f64) -> Self {
        Self { clip: Some(norm), ..self }
    }

    /// The module as it is now.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// One step at the peak rate times `rate_factor`. Takes out of `gradients` what belongs to the module; returns their norm
    /// before they were clipped, if they are.
    ///
    /// # Errors
    /// Fails if a device cannot deliver.
    pub fn step(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<Option<f64>> {
        let mut own = GradientsParams::from_module(gradients, &self.module);
        let norm = match self.clip {
            Some(limit) => Some(clip(&self.module, &mut own, limit)?),
            None => None,
        };
        self.module = self.optimizer.step(self.learning_rate * rate_factor, self.module.clone(), own);
        Ok(norm)
    }

    /// Its state, tensors below `name`.
    ///
    /// # Errors
    /// Fails if the state cannot be written down.
    pub fn save(&self, name: &str) -> Result<SavedState> {
        let moments = self.optimizer.state(&self.module);
        let values = serde_json::to_value(&moments.steps)
            .map_err(|error| Error::internal("an optimizer's steps cannot be written").source(error))?;
        let weights = module_state(&self.module).into_iter().map(|tensor| tensor.under(&weights_below(name)));
        let moments = moments.tensors.into_iter().map(|tensor| tensor.under(&moments_below(name)));
        Ok(SavedState { values, tensors: weights.chain(moments).collect() })
    }

    /// Goes back to a state that [`TrainedModule::save`] gave under this name.
    ///
    /// # Errors
    /// Fails if the state does not fit.
    pub fn load(&mut self, name: &str, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let steps: BTreeMap<String, usize> = serde_json::from_value(values)
            .map_err(|error| Error::input("an optimizer's steps are broken").key(name).source(error))?;
        self.module = restore_module(self.module.clone(), tensors, &weights_below(name))?;
        self.optimizer = ModuleAdamW::restore(self.config, &self.module, &steps, tensors, &moments_below(name))?;
        Ok(())
    }
}

fn weights_below(name: &str) -> String {
    format!("{name}.weights")
}

fn moments_below(name: &str) -> String {
    format!("{name}.adamw")
}

impl<M: fmt::Debug> fmt::Debug for TrainedModule<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainedModule")
            .field("module", &self.module)
            .field("learning_rate", &self.learning_rate)
            .finish_non_exhaustive()
    }
}

/// Scales the gradients of a module down to a norm; returns what it was.
fn clip<M: Module>(module: &M, gradients: &mut GradientsParams, limit: f64) -> Result<f64> {
    let mut squares = Squares { gradients, sum: 0.0, failed: None };
    module.visit(&mut squares);
    if let Some(error) = squares.failed {
        return Err(error);
    }
    let norm = squares.sum.sqrt();
    if norm > limit {
        module.visit(&mut Scale { gradients, factor: limit / (norm + 1e-6) });
    }
    Ok(norm)
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
    failed: Option<Error>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        match host_values(gradient) {
            Ok(values) => self.sum += values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>(),
            Err(error) => self.failed = Some(error),
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
