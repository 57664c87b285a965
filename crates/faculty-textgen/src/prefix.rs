//! Soft prefixes: a few vectors in front of a frozen language model that make it write for a class of a teacher, trained by the
//! teacher's word about what it writes.

mod report;
mod reward;
mod sampler;
mod score;
mod source;
#[cfg(test)]
mod tests;
mod train;

pub use report::{PrefixPoint, PrefixReport};
pub use reward::rewards;
pub use source::PrefixedLm;
pub use train::PrefixTrainer;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, NamedTensor, NamedTensors, Result};
use faculty_model::CausalModel;
use faculty_nn::{host_values, restore_module};
use serde::{Deserialize, Serialize};

/// How soft prefixes are trained (the trained form of a STRATANET-style generator). The paper's values are not at hand: all of these
/// are Faculty's own.
///
/// For a text x that was drawn for class y of a teacher, the reward is
/// `log p(y|x) - balance Σ_c p(c|x) log p̄(c) - fluency [log G(x) - log p_LM(x)] + adversary KL(p ‖ p_S)`: the class is hit, all classes
/// are hit alike (p̄ is the mean of p over the batch), the text stays near what the language model would write, and the student
/// does not know it yet. The prefixes follow the score function, `(R - mean R) ∇ log G(x)`, of texts drawn from G as it is: no
/// vocabulary is shared with anybody.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixSpec {
    /// What the vectors are before they are trained: the prompt.
    pub start: PrefixStart,
    /// Vectors of a prefix that starts as a name: 10 (10 to 20). One that starts as a prompt has as many as the longest prompt has tokens.
    pub length: usize,
    /// Updates of all prefixes of a teacher: 60.
    pub steps: usize,
    /// Texts of an update: 16.
    pub batch: usize,
    /// Tokens of a text at most while training: 24.
    pub max_tokens: usize,
    /// Peak learning rate, over the root mean square of the numbers of the model's word embeddings: 0.02. It falls to 0 in a line.
    /// (A step of Adam moves each number by the rate: vectors that move by the size of a word in few steps lead out of the language.)
    pub learning_rate: f64,
    /// Weight of the balance of classes: 1.
    pub balance: f64,
    /// Weight of the divergence from the language model: 0.1.
    pub fluency: f64,
    /// Weight of the divergence between teacher and student: 0. It needs a student.
    pub adversary: f64,
}

impl Default for PrefixSpec {
    fn default() -> Self {
        Self {
            start: PrefixStart::Prompt,
            length: 10,
            steps: 60,
            batch: 16,
            max_tokens: 24,
            learning_rate: 0.02,
            balance: 1.0,
            fluency: 0.1,
            adversary: 0.0,
        }
    }
}

impl PrefixSpec {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("length", self.length, 1),
            ("steps", self.steps, 0),
            ("batch", self.batch, 2),
            ("max_tokens", self.max_tokens, 1),
        ];
        for (key, value, least) in counts {
            if value < least {
                return Err(Error::input(format!("is {value}")).key(key).expected(format!("at least {least}")));
            }
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let error = Error::input(format!("is {}", self.learning_rate)).key("learning_rate");
            return Err(error.expected("a positive number"));
        }
        for (key, value) in [("balance", self.balance), ("fluency", self.fluency), ("adversary", self.adversary)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::input(format!("is {value}")).key(key).expected("0 or a positive number"));
            }
        }
        Ok(())
    }
}

/// What vectors are before they are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrefixStart {
    /// The word embeddings of what the model would be told otherwise, without examples.
    Prompt,
    /// Those of the label's name, over and over.
    Name,
}

/// The prefixes of a teacher's classes.
#[derive(Module, Debug)]
pub struct SoftPrefixes {
    /// `[classes, length, hidden]`, in the space of the language model's word embeddings.
    pub rows: Param<Tensor<3>>,
}

impl SoftPrefixes {
    /// Prefixes of so many vectors that say each name, over and over: the word embeddings of its tokens.
    ///
    /// # Errors
    /// Fails if a name has no token, or the device fails.
    pub fn saying<S: AsRef<str>>(model: &CausalModel, names: &[S], length: usize) -> Result<Self> {
        let ids = |name: &S| {
            let tokens = tokens(model, &format!(" {}", name.as_ref()))?;
            Ok(tokens.iter().copied().cycle().take(length).collect())
        };
        Ok(Self::of(model, &names.iter().map(ids).collect::<Result<Vec<Vec<u32>>>>()?))
    }

    /// Prefixes that are prompts: the word embeddings of their tokens. In front of one that is shorter than the longest stand more of
    /// the token that stands in front of everything.
    ///
    /// # Errors
    /// Fails if a prompt has no token, or the device fails.
    pub fn prompting<S: AsRef<str>>(model: &CausalModel, prompts: &[S]) -> Result<Self> {
        let first = first_token(model)?;
        let ids = |prompt: &S| {
            let mut tokens = tokens(model, prompt.as_ref())?;
            // A chat template writes it itself.
            if tokens.len() > 1 && tokens[0] == first {
                tokens.remove(0);
            }
            Ok(tokens)
        };
        let mut rows = prompts.iter().map(ids).collect::<Result<Vec<Vec<u32>>>>()?;
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        for row in &mut rows {
            row.splice(0..0, std::iter::repeat_n(first, longest - row.len()));
        }
        Ok(Self::of(model, &rows))
    }

    /// The word embeddings of tokens, equally many in every row.
    fn of(model: &CausalModel, rows: &[Vec<u32>]) -> Self {
        let ids: Vec<i32> = rows.iter().flatten().map(|&id| id as i32).collect();
        let count = ids.len();
        let ids = Tensor::from_data(TensorData::new(ids, [1, count]), &model.device);
        let length = rows.first().map_or(0, Vec::len);
        let vectors = model.network.embed(ids).reshape([rows.len() as i64, length as i64, -1]);
        Self { rows: Param::from_tensor(vectors) }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.rows.dims()[0]
    }

    /// Vectors of a prefix.
    pub fn length(&self) -> usize {
        self.rows.dims()[1]
    }

    /// The prefixes as a named tensor, for a file.
    ///
    /// # Errors
    /// Fails if the device cannot deliver.
    pub fn export(&self) -> Result<NamedTensor> {
        let rows = self.rows.val();
        let shape = rows.dims().to_vec();
        Ok(NamedTensor { name: ROWS.to_owned(), shape, values: host_values(rows.inner())? })
    }

    /// Prefixes of the same shape from a file that holds what [`SoftPrefixes::export`] gave.
    ///
    /// # Errors
    /// Fails if the tensor is missing, of another shape or unreadable.
    pub fn restored(self, tensors: &dyn NamedTensors) -> Result<Self> {
        restore_module(self, tensors, "")
    }
}

/// The name of the tensor in a file: the path of the parameter.
const ROWS: &str = "rows";

/// The tokens of a text, one at least.
fn tokens(model: &CausalModel, text: &str) -> Result<Vec<u32>> {
    let tokens = model.tokenizer.encode(text)?;
    match tokens.is_empty() {
        true => Err(Error::input(format!("{text:?} has no token")).file(&model.origin)),
        false => Ok(tokens),
    }
}

/// The token that stands in front of everything: the one that begins texts, or the first that ends one.
pub(crate) fn first_token(model: &CausalModel) -> Result<u32> {
    let tokenizer = &model.tokenizer;
    tokenizer
        .begin()
        .or_else(|| tokenizer.end().first().copied())
        .ok_or_else(|| Error::input("the language model has no token that begins or ends a text").file(&model.origin))
}
