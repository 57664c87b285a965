//! What a decoder looks like, read from a Hugging Face `config.json`.

use crate::Activation;
use crate::config_reader::Reader;
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Families of causal language models that can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CausalFamily {
    /// Llama and models of its architecture (SmolLM2, TinyLlama): RMS norms, rotary positions, grouped keys and values, SwiGLU.
    Llama,
    /// GPT-2: LayerNorm, learnt positions.
    Gpt2,
}

impl CausalFamily {
    /// The `model_type` of `config.json`, and the architecture of a GGUF file.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Gpt2 => "gpt2",
        }
    }
}

/// Sizes and constants of a decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CausalConfig {
    /// The family.
    pub family: CausalFamily,
    /// Rows of the token-embedding table.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads a layer.
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Feed-forward width.
    pub intermediate_size: usize,
    /// Tokens that it was made for.
    pub max_tokens: usize,
    /// Epsilon of the norms.
    pub norm_epsilon: f64,
    /// Base of the rotations of positions.
    pub rope_theta: f64,
    /// Feed-forward activation; none where it is gated: silu(gate) x value.
    pub activation: Option<Activation>,
}

impl CausalConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Fails if the model type is not supported, a key is missing or of the wrong type, the model has a part that is not
    /// supported (biases of a Llama, scaled rotations), or the sizes contradict each other. The error names the key.
    pub fn from_hf(config: &Map<String, Value>) -> Result<Self> {
        let read = Reader(config);
        let config = match config.get("model_type").and_then(Value::as_str) {
            Some("llama") => {
                read.refuse_other("hidden_act", "silu")?;
                for key in ["attention_bias", "mlp_bias"] {
                    read.refuse_flag(key)?;
                }
                check_rotations(config)?;
                let (hidden_size, heads) = (read.size("hidden_size", None)?, read.size("num_attention_heads", None)?);
                Self {
                    family: CausalFamily::Llama,
                    vocab_size: read.size("vocab_size", None)?,
                    hidden_size,
                    layers: read.size("num_hidden_layers", None)?,
                    heads,
                    kv_heads: read.size("num_key_value_heads", Some(heads))?,
                    head_width: read.size("head_dim", Some((hidden_size / heads).max(1)))?,
                    intermediate_size: read.size("intermediate_size", None)?,
                    max_tokens: read.size("max_position_embeddings", Some(2048))?,
                    norm_epsilon: read.number("rms_norm_eps", 1e-6)?,
                    rope_theta: rope_theta(config).map_or_else(|| read.number("rope_theta", 10_000.0), Ok)?,
                    activation: None,
                }
            }
            Some("gpt2") => {
                for key in ["scale_attn_by_inverse_layer_idx", "add_cross_attention"] {
                    read.refuse_flag(key)?;
                }
                let (hidden_size, heads) = (read.size("n_embd", Some(768))?, read.size("n_head", Some(12))?);
                Self {
                    family: CausalFamily::Gpt2,
                    vocab_size: read.size("vocab_size", Some(50_257))?,
                    hidden_size,
                    layers: read.size("n_layer", Some(12))?,
                    heads,
                    kv_heads: heads,
                    head_width: (hidden_size / heads).max(1),
                    intermediate_size: read.size("n_inner", Some(4 * hidden_size))?,
                    max_tokens: read.size("n_positions", Some(1024))?,
                    norm_epsilon: read.number("layer_norm_epsilon", 1e-5)?,
                    rope_theta: 10_000.0,
                    activation: Some(match config.get("activation_function") {
                        None => Activation::GeluNew,
                        Some(_) => read.activation("activation_function")?,
                    }),
                }
            }
            Some(other) => {
                return Err(Error::input(format!(
                    "model type `{other}` is no causal language model that is supported"
                ))
                .key("model_type")
                .expected("llama or gpt2"));
            }
            None => return Err(Error::input("is missing").key("model_type").expected("\"llama\" or \"gpt2\"")),
        };
        config.check()?;
        Ok(config)
    }

    /// # Errors
    /// Fails if the sizes contradict each other.
    pub fn check(&self) -> Result<()> {
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::input(format!("{} heads over {} of keys and values", self.heads, self.kv_heads))
                .key("num_key_value_heads")
                .expected("a divisor of the heads"));
        }
        let (odd, wide) = (!self.head_width.is_multiple_of(2), self.heads * self.head_width != self.hidden_size);
        if (self.family == CausalFamily::Llama && odd) || (self.family == CausalFamily::Gpt2 && wide) {
            return Err(Error::input(format!(
                "{} heads of width {} in {} features",
                self.heads, self.head_width, self.hidden_size
            ))
            .key("num_attention_heads")
            .expected("a divisor of the hidden size, and heads of an even width"));
        }
        Ok(())
    }
}

/// The base that newer files give in `rope_parameters`.
fn rope_theta(config: &Map<String, Value>) -> Option<f64> {
    config.get("rope_parameters")?.get("rope_theta")?.as_f64().filter(|theta| theta.is_finite() && *theta > 0.0)
}

/// Rotations that are stretched for long texts are other rotations.
fn check_rotations(config: &Map<String, Value>) -> Result<()> {
    for key in ["rope_scaling", "rope_parameters"] {
        let Some(settings) = config.get(key).filter(|value| !value.is_null()) else { continue };
        let kind = settings.get("rope_type").or_else(|| settings.get("type")).and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != "default") {
            return Err(Error::input(format!("is {settings}")).key(key).expected("plain rotations (\"default\")"));
        }
    }
    Ok(())
}
