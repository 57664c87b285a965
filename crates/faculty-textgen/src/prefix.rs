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

use crate::writer::prompt_tokens;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use faculty_core::{Error, NamedTensor, NamedTensors, Result};
use faculty_model::CausalModel;
use faculty_nn::causal::CausalLm;
use faculty_nn::{host_values, restore_module};
use serde::{Deserialize, Serialize};

/// How soft prefixes are trained (the trained form of a STRATANET-style generator). The paper's values are not at hand: all of these
/// are Faculty's own.
///
/// For a text x that was drawn for class y of a teacher, the reward is
/// `log p(y|x) - balance Σ_c p(c|x) log p̄(c) - fluency [log G(x) - log p_LM(x)] + adversary KL(p ‖ p_S)`: the class is hit, all classes
/// that are written for are hit alike (p̄ is the mean of p over the batch), the text stays near what the language model would write
/// (told the prompt that the vectors start as; told nothing where they start as a name), and the student does not know it yet. The prefixes follow the score function, `(R - mean R) ∇ log G(x)`, of texts drawn from G as it is: no
/// vocabulary is shared with anybody.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixSpec {
    /// What the vectors are before they are trained: the prompt.
    pub start: PrefixStart,
    /// Vectors of a prefix that starts as a name: 10 (10 to 20), and one in front of them. A prefix that starts as a prompt has as many
    /// as its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
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
            length: None,
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
        if self.length.is_some() && self.start == PrefixStart::Prompt {
            let error = Error::input("is for vectors that start as a name").key("length");
            return Err(error.expected("none, or start = \"name\""));
        }
        let counts = [
            ("length", self.vectors(), 1),
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

    /// Vectors of a prefix that starts as a name.
    pub fn vectors(&self) -> usize {
        self.length.unwrap_or(10)
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
    /// Of each class, how many of the first vectors are padding, which nobody reads.
    pub padding: Vec<usize>,
}

impl SoftPrefixes {
    /// Prefixes that say each name in so many vectors, over and over: the word embeddings of its tokens, behind that of the token that
    /// begins texts.
    ///
    /// # Errors
    /// Fails if a name has no token, or the device fails.
    pub fn saying<S: AsRef<str>>(model: &CausalModel, names: &[S], length: usize) -> Result<Self> {
        let first = first_token(model)?;
        let ids = |name: &S| {
            let tokens = model.tokenizer.encode(&format!(" {}", name.as_ref()))?;
            if tokens.is_empty() {
                return Err(Error::input(format!("`{}` has no token", name.as_ref())).file(&model.origin));
            }
            Ok(std::iter::once(first).chain(tokens.iter().copied().cycle().take(length)).collect())
        };
        Ok(Self::of(model, names.iter().map(ids).collect::<Result<_>>()?))
    }

    /// Prefixes that are prompts: the word embeddings of the tokens that the model reads of them.
    ///
    /// # Errors
    /// Fails if a prompt has no token, or the device fails.
    pub fn prompting<S: AsRef<str>>(model: &CausalModel, prompts: &[S]) -> Result<Self> {
        let ids = |prompt: &S| prompt_tokens(model, prompt.as_ref());
        Ok(Self::of(model, prompts.iter().map(ids).collect::<Result<_>>()?))
    }

    /// The word embeddings of tokens, with padding in front of the shorter ones.
    fn of(model: &CausalModel, rows: Vec<Vec<u32>>) -> Self {
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let padding: Vec<usize> = rows.iter().map(|row| longest - row.len()).collect();
        let padded = rows
            .iter()
            .zip(&padding)
            .flat_map(|(row, &padding)| std::iter::repeat_n(0, padding).chain(row.iter().map(|&id| id as i32)));
        let ids: Vec<i32> = padded.collect();
        let ids = Tensor::from_data(TensorData::new(ids, [1, rows.len() * longest]), &model.device);
        let vectors = model.network.embed(ids).reshape([rows.len() as i64, longest as i64, -1]);
        Self { rows: Param::from_tensor(vectors), padding }
    }

    /// The prefix of each row's class, on the device of the prefixes.
    pub(crate) fn select(&self, classes: &[usize]) -> Front {
        let rows = self.rows.val();
        let ids: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [classes.len()]), &rows.device());
        Front { vectors: rows.select(0, ids), padding: classes.iter().map(|&class| self.padding[class]).collect() }
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

/// What stands in front of texts.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    /// `[texts, length, hidden]`.
    pub(crate) vectors: Tensor<3>,
    /// Of each text, how many of them are padding.
    pub(crate) padding: Vec<usize>,
}

impl Front {
    /// The token that begins texts, and nothing else: a model that is told nothing.
    pub(crate) fn nothing(model: &CausalModel, network: &CausalLm, texts: usize) -> Result<Self> {
        let ids = vec![first_token(model)? as i32; texts];
        let ids = Tensor::from_data(TensorData::new(ids, [texts, 1]), &network.words.val().device());
        Ok(Self { vectors: network.embed(ids), padding: vec![0; texts] })
    }
}

/// The token that stands in front of a text where nothing else does: the one that begins texts, or the first that ends one.
pub(crate) fn first_token(model: &CausalModel) -> Result<u32> {
    let tokenizer = &model.tokenizer;
    tokenizer
        .begin()
        .or_else(|| tokenizer.end().first().copied())
        .ok_or_else(|| Error::input("the language model has no token that begins or ends a text").file(&model.origin))
}
