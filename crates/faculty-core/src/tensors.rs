//! Named tensors as plain data: the border between weight files (`faculty-hub`) and networks (`faculty-nn`).

use crate::Result;

/// A read-only set of named f32 tensors, for example an open safetensors file.
///
/// Implementations convert f16 and bf16 to f32 when a tensor is read.
pub trait NamedTensors {
    /// All names, in the order of the files.
    fn names(&self) -> Vec<String>;

    /// The shape of tensor `name`, or `None` if there is no such tensor.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// The values of tensor `name`, row-major.
    ///
    /// # Errors
    /// Fails if the tensor is missing, unreadable, of an integer type, or holds NaN or infinite values.
    fn read(&self, name: &str) -> Result<Vec<f32>>;

    /// Where the tensors come from, for error messages (a file or directory).
    fn origin(&self) -> String;
}

/// One named f32 tensor, row-major, on its way into a weight file.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The name in the file, for example `classifier.weight`.
    pub name: String,
    /// The shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f32>,
}

impl NamedTensors for Vec<NamedTensor> {
    fn names(&self) -> Vec<String> {
        self.iter().map(|tensor| tensor.name.clone()).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.iter().find(|tensor| tensor.name == name).map(|tensor| tensor.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        self.iter()
            .find(|tensor| tensor.name == name)
            .map(|tensor| tensor.values.clone())
            .ok_or_else(|| crate::Error::input("tensor is missing").key(name))
    }

    fn origin(&self) -> String {
        "tensors in memory".to_owned()
    }
}
