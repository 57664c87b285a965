//! Activation functions by the names that `config.json` uses.

use burn::tensor::{Tensor, activation};
use faculty_core::{Error, Result};

/// The activation of a feed-forward layer or head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Exact GELU, x Φ(x) with the error function ("gelu").
    Gelu,
    /// GELU by its tanh approximation ("gelu_new", "gelu_pytorch_tanh").
    GeluNew,
    /// max(0, x) ("relu").
    Relu,
    /// tanh ("tanh"), used by heads.
    Tanh,
}

impl Activation {
    /// The activation that a `config.json` names.
    ///
    /// # Errors
    /// Fails on a name that is not supported.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "gelu" | "gelu_python" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Self::GeluNew),
            "relu" => Ok(Self::Relu),
            "tanh" => Ok(Self::Tanh),
            _ => Err(Error::input(format!("activation `{name}` is not supported"))
                .expected("one of gelu, gelu_new, gelu_pytorch_tanh, relu, tanh")),
        }
    }

    /// The name that `config.json` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluNew => "gelu_new",
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        }
    }

    /// Applies the activation, element by element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => activation::gelu(x),
            Self::GeluNew => activation::gelu_approximate(x),
            Self::Relu => activation::relu(x),
            Self::Tanh => activation::tanh(x),
        }
    }
}
