//! The tensors of a module on their way into a checkpoint and back, named by their path in the module.

use crate::host_values;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, NamedTensors, Result};
use std::fmt;

/// A named tensor that is read from its device when it is its turn, so that a list of all tensors of a model costs no
/// copy of the model.
///
/// It holds the tensor's memory: let go of it before the tensor is changed in place.
pub struct StateTensor {
    name: String,
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Host(Vec<f32>),
    Device(Box<dyn FnOnce() -> Result<Vec<f32>> + Send>),
}

impl StateTensor {
    /// A tensor on its device. No gradient is kept.
    pub fn new<const D: usize>(name: impl Into<String>, tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let tensor = tensor.inner();
        Self { name: name.into(), shape, values: Values::Device(Box::new(move || host_values(tensor))) }
    }

    /// Values on the host, row-major.
    pub fn from_host(name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { name: name.into(), shape, values: Values::Host(values) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape, outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The same tensor, `prefix` and a dot before its name.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.name = format!("{prefix}.{}", self.name);
        self
    }

    /// The values, row-major.
    ///
    /// # Errors
    /// Fails if the device cannot deliver them.
    pub fn into_values(self) -> Result<Vec<f32>> {
        match self.values {
            Values::Host(values) => Ok(values),
            Values::Device(read) => read(),
        }
    }
}

impl fmt::Debug for StateTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateTensor").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// The float parameters of a module, each under its path, for example `encoder.layers.0.qkv.weight`.
pub fn module_state<M: Module>(module: &M) -> Vec<StateTensor> {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.tensors
}

/// The module with the values that [`module_state`] gave, found as `prefix`, a dot and the path (the path alone if the
/// prefix is empty). Devices and the wish for gradients stay as they are.
///
/// # Errors
/// Fails if a tensor is missing, of another shape or unreadable.
pub fn restore_module<M: Module>(module: M, tensors: &dyn NamedTensors, prefix: &str) -> Result<M> {
    let mut restore = Restore { path: ParameterPath::default(), prefix, tensors, failed: None };
    let module = module.map(&mut restore);
    match restore.failed {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// Where a visit of a module is.
#[derive(Debug, Default)]
pub(crate) struct ParameterPath(Vec<String>);

impl ParameterPath {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    pub(crate) fn leave(&mut self) {
        self.0.pop();
    }

    pub(crate) fn name(&self) -> String {
        self.0.join(".")
    }
}

/// `name` below `prefix`.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The tensor `name` as one like `like`: of its shape, on its device, wanting a gradient if it does.
///
/// # Errors
/// Fails if the tensor is missing, of another shape or unreadable.
pub(crate) fn read_like<const D: usize>(tensors: &dyn NamedTensors, name: &str, like: &Tensor<D>) -> Result<Tensor<D>> {
    let shape = like.dims().to_vec();
    let found = tensors.shape(name);
    if found.as_ref() != Some(&shape) {
        let found = found.map_or_else(|| "is missing".to_owned(), |found| format!("has shape {found:?}"));
        return Err(Error::input(found).file(tensors.origin()).key(name).expected(format!("shape {shape:?}")));
    }
    let values = tensors.read(name)?;
    let tensor = Tensor::<D>::from_data(TensorData::new(values, shape), &like.device().inner());
    if !like.is_autodiff() {
        return Ok(tensor);
    }
    Ok(Tensor::from_inner(tensor).set_require_grad(like.is_require_grad()))
}

#[derive(Default)]
struct Collect {
    path: ParameterPath,
    tensors: Vec<StateTensor>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.leave();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.push(StateTensor::new(self.path.name(), param.val()));
    }
}

struct Restore<'a> {
    path: ParameterPath,
    prefix: &'a str,
    tensors: &'a dyn NamedTensors,
    failed: Option<Error>,
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.leave();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let tensor = match &self.failed {
            Some(_) => tensor,
            None => match read_like(self.tensors, &join(self.prefix, &self.path.name()), &tensor) {
                Ok(restored) => restored,
                Err(error) => {
                    self.failed = Some(error);
                    tensor
                }
            },
        };
        Param::from_mapped_value(id, tensor, mapper)
    }
}
