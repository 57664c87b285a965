//! AdamW over the parameters of a module, with a state that can be put down and taken up again.

use super::adamw::{AdamWConfig, adamw};
use crate::StateTensor;
use crate::state::{ParameterPath, join, read_like};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use faculty_core::{Error, NamedTensors, Result};
use std::any::Any;
use std::collections::{BTreeMap, HashMap};

/// Parameters whose path has one of these in it are never decayed: biases and the two vectors of a LayerNorm.
const UNDECAYED: [&str; 3] = ["bias", "gamma", "beta"];

/// AdamW over all parameters of a module that have a gradient; biases and LayerNorms are not decayed. What it computes is
/// what Burn's `ModuleOptimizer` computes with [`AdamWConfig::build`] and a second group for these, bit for bit.
///
/// Burn's own optimizer knows its state by random parameter ids, which another process does not have; this one names it
/// by the path of the parameter.
pub struct ModuleAdamW {
    config: AdamWConfig,
    /// Paths of modules whose rate is multiplied.
    rate_factors: Vec<(String, f64)>,
    moments: HashMap<ParamId, Box<dyn Any + Send + Sync>>,
}

/// The state of one parameter.
struct Moments<const D: usize> {
    steps: usize,
    m: Tensor<D>,
    v: Tensor<D>,
}

/// Where a [`ModuleAdamW`] is.
#[derive(Debug, Default)]
pub struct ModuleAdamWState {
    /// `<path>.m` and `<path>.v` of every parameter that has been stepped.
    pub tensors: Vec<StateTensor>,
    /// Steps taken, by path.
    pub steps: BTreeMap<String, usize>,
}

impl ModuleAdamW {
    /// Before the first step. The weight decay of `config` is that of the decayed parameters.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, rate_factors: Vec::new(), moments: HashMap::new() }
    }

    /// The same optimizer with the rate of all parameters at or below `path` multiplied by `factor`.
    #[must_use]
    pub fn with_rate_factor(mut self, path: &str, factor: f64) -> Self {
        self.rate_factors.push((path.to_owned(), factor));
        self
    }

    /// One step over the parameters that have a gradient.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, module: M, gradients: GradientsParams) -> M {
        module.map(&mut Step { optimizer: self, lr, gradients, path: ParameterPath::default() })
    }

    /// Its state for the parameters of `module`.
    pub fn state<M: Module>(&self, module: &M) -> ModuleAdamWState {
        let mut put = Put { optimizer: self, path: ParameterPath::default(), state: ModuleAdamWState::default() };
        module.visit(&mut put);
        put.state
    }

    /// The optimizer of `module` with a state that [`ModuleAdamW::state`] gave, its tensors below `prefix`.
    ///
    /// # Errors
    /// Fails if a tensor is missing, of another shape or unreadable, or the state is another module's.
    pub fn restore<M: Module>(
        config: AdamWConfig,
        module: &M,
        steps: &BTreeMap<String, usize>,
        tensors: &dyn NamedTensors,
        prefix: &str,
    ) -> Result<Self> {
        let path = ParameterPath::default();
        let mut take = Take { optimizer: Self::new(config), path, steps, tensors, prefix, failed: None };
        module.visit(&mut take);
        if let Some(error) = take.failed {
            return Err(error);
        }
        if take.optimizer.moments.len() != steps.len() {
            let found = format!("optimizer states of {} parameters, of which the module has {}", steps.len(), {
                take.optimizer.moments.len()
            });
            return Err(Error::input(found).file(tensors.origin()));
        }
        Ok(take.optimizer)
    }

    fn rate_factor(&self, path: &str) -> f64 {
        let below =
            |module: &str| path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.rate_factors.iter().filter(|(module, _)| below(module)).map(|(_, factor)| factor).product()
    }

    fn config_at(&self, path: &str) -> AdamWConfig {
        let decayed = !UNDECAYED.iter().any(|part| path.contains(part));
        AdamWConfig { weight_decay: if decayed { self.config.weight_decay } else { 0.0 }, ..self.config }
    }
}

struct Step<'a> {
    optimizer: &'a mut ModuleAdamW,
    lr: f64,
    gradients: GradientsParams,
    path: ParameterPath,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.leave();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let wants_gradient = tensor.is_require_grad();
        let before = self.optimizer.moments.remove(&id).and_then(|moments| moments.downcast::<Moments<D>>().ok());
        let (steps, m, v) = match before.map(|moments| *moments) {
            Some(Moments { steps, m, v }) => (steps + 1, Some(m), Some(v)),
            None => (1, None, None),
        };
        let path = self.path.name();
        let step = self.optimizer.config_at(&path).at(self.lr * self.optimizer.rate_factor(&path), steps);
        let (updated, m, v) = adamw(tensor.inner(), gradient, m, v, step);
        self.optimizer.moments.insert(id, Box::new(Moments { steps, m, v }));
        let updated = Tensor::from_inner(updated).set_require_grad(wants_gradient);
        Param::from_mapped_value(id, updated, mapper)
    }
}

struct Put<'a> {
    optimizer: &'a ModuleAdamW,
    path: ParameterPath,
    state: ModuleAdamWState,
}

impl ModuleVisitor for Put<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.leave();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let moments = self.optimizer.moments.get(&param.id).and_then(|moments| moments.downcast_ref::<Moments<D>>());
        let Some(Moments { steps, m, v }) = moments else { return };
        let name = self.path.name();
        self.state.tensors.push(StateTensor::new(format!("{name}.m"), m.clone()));
        self.state.tensors.push(StateTensor::new(format!("{name}.v"), v.clone()));
        self.state.steps.insert(name, *steps);
    }
}

struct Take<'a> {
    optimizer: ModuleAdamW,
    path: ParameterPath,
    steps: &'a BTreeMap<String, usize>,
    tensors: &'a dyn NamedTensors,
    prefix: &'a str,
    failed: Option<Error>,
}

impl ModuleVisitor for Take<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.leave();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        let (Some(&steps), None) = (self.steps.get(&name), &self.failed) else { return };
        // Moments are never on a graph.
        let like = param.val().inner();
        let read = |which: &str| read_like(self.tensors, &join(self.prefix, &format!("{name}.{which}")), &like);
        match read("m").and_then(|m| Ok((m, read("v")?))) {
            Ok((m, v)) => {
                self.optimizer.moments.insert(param.id, Box::new(Moments { steps, m, v }));
            }
            Err(error) => self.failed = Some(error),
        }
    }
}
