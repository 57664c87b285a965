//! A module with an optimizer of its own.

use super::AlignState;
use burn::module::{Module, ParamGroup};
use burn::tensor::Gradients;
use faculty_core::{Error, NamedTensors, Result};
use faculty_nn::TrainedModule;
use faculty_nn::fused::AdamWConfig;
use serde::{Deserialize, Serialize};

/// How the maps between feature spaces are trained: AdamW, biases never decayed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignTraining {
    /// Peak learning rate: 1e-3, the rate that lancopku/MUKI's scripts mean their alignment modules to have.
    pub learning_rate: f64,
    /// Decoupled weight decay of the weight matrices: 1e-4 (zju-vipa/KamalEngine).
    pub weight_decay: f64,
    /// Freezes the weight matrices at their random start and trains the biases alone, as the released DFA and CFL of
    /// lancopku/MUKI do: their weights are in no optimizer group. (There the biases learn at the student's rate.)
    pub as_released: bool,
}

impl Default for AlignTraining {
    fn default() -> Self {
        Self { learning_rate: 1e-3, weight_decay: 1e-4, as_released: false }
    }
}

impl AlignTraining {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let error = Error::input(format!("is {}", self.learning_rate)).key("training.learning_rate");
            return Err(error.expected("a positive number such as 1e-3"));
        }
        check_weight("training.weight_decay", self.weight_decay)
    }
}

/// Refuses a negative or infinite factor.
pub(crate) fn check_weight(key: &str, weight: f64) -> Result<()> {
    if weight.is_finite() && weight >= 0.0 {
        return Ok(());
    }
    Err(Error::input(format!("is {weight}")).key(key).expected("0 or a positive, finite number"))
}

/// Maps in training. Their tensors are below this name in a checkpoint.
const NAME: &str = "align";

/// Maps and their AdamW.
#[derive(Debug)]
pub(crate) struct Trained<M>(TrainedModule<M>);

impl<M: Module> Trained<M> {
    pub(crate) fn new(module: M, training: &AlignTraining) -> Result<Self> {
        training.check()?;
        let module = match training.as_released {
            true => module.set_require_grad_group(ParamGroup::from_predicate("weight"), false),
            false => module,
        };
        let config = AdamWConfig { weight_decay: training.weight_decay, ..AdamWConfig::default() };
        Ok(Self(TrainedModule::new(module, training.learning_rate, config)))
    }

    pub(crate) fn module(&self) -> &M {
        self.0.module()
    }

    pub(crate) fn step(&mut self, gradients: &mut Gradients, schedule: f64) -> Result<()> {
        check_weight("schedule", schedule)?;
        self.0.step(gradients, schedule).map(drop)
    }

    pub(crate) fn save(&self) -> Result<AlignState> {
        self.0.save(NAME)
    }

    pub(crate) fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.0.load(NAME, values, tensors)
    }

    /// Number of values that a step can change.
    pub(crate) fn values(&self) -> usize {
        struct Count(usize);
        impl burn::module::ModuleVisitor for Count {
            fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<burn::tensor::Tensor<D>>) {
                if param.is_require_grad() {
                    self.0 += param.dims().iter().product::<usize>();
                }
            }
        }
        let mut count = Count(0);
        self.module().visit(&mut count);
        count.0
    }
}
