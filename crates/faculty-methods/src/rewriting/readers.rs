//! Student and teachers as readers of rewritten texts.

use super::OtherTokenizers;
use crate::live::{LiveTeacher, logits_of};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use faculty_core::{Error, Result};
use faculty_model::{MaskedModel, Tokens};
use faculty_nn::masked_lm::tokens_at;
use faculty_nn::{DropoutPlan, EncoderConfig, SequenceClassifier};
use faculty_text::TextTokenizer;

/// A teacher, and whether it reads the generator's tokens or text.
pub(super) struct TeacherReader {
    pub(super) teacher: LiveTeacher,
    reads_text: bool,
}

impl TeacherReader {
    /// # Errors
    /// Fails if the teacher has another vocabulary than the generator, and that is refused.
    pub(super) fn new(teacher: LiveTeacher, generator: &MaskedModel, others: OtherTokenizers) -> Result<Self> {
        let difference = generator.tokenizer.vocabulary_difference(&teacher.model.tokenizer);
        match (difference, others) {
            (Some(difference), OtherTokenizers::Refuse) => Err(Error::input(format!(
                "`{}` has another vocabulary than the generator: {difference}",
                teacher.name
            ))
            .key("rewriting.other_tokenizers")
            .help(
                "no gradient passes through a teacher that reads other tokens; \"text\" takes what it says of the text \
                         as a constant",
            )),
            (difference, _) => Ok(Self { teacher, reads_text: difference.is_some() }),
        }
    }

    /// True if a gradient reaches the generator through it.
    pub(super) fn passes_gradient(&self) -> bool {
        !self.reads_text
    }

    /// Logits over the kept labels `[texts, C_i]`, without a gradient.
    pub(super) fn ask(&self, texts: &Tokens, tokenizer: &TextTokenizer) -> Result<Tensor<2>> {
        let model = &self.teacher.model;
        let own;
        let tokens = match self.reads_text {
            true => {
                let read = texts.rows.iter().map(|row| tokenizer.decode_row(row)).collect::<Result<Vec<_>>>()?;
                own = model.tokenize(&read, None)?;
                &own
            }
            false => texts,
        };
        let input = tokens.batch(&all_rows(tokens), &model.config, &model.device)?;
        Ok(self.teacher.keep(model.network.logits(&input, &DropoutPlan::Off)))
    }

    /// The same with the words that a gradient reaches, where one does.
    pub(super) fn follow(&self, texts: &Tokens, tokenizer: &TextTokenizer) -> Result<(Tensor<2>, Option<Followed>)> {
        if self.reads_text {
            return Ok((Tensor::from_inner(self.ask(texts, tokenizer)?), None));
        }
        let model = &self.teacher.model;
        let (logits, followed) = follow(&self.teacher.network, texts, &model.config, &model.device, &DropoutPlan::Off)?;
        Ok((self.teacher.keep(logits), Some(followed)))
    }
}

/// Word embeddings that a model read, and its word table.
pub(super) struct Followed {
    /// `[texts, tokens, embedding]`, wanting a gradient.
    words: Tensor<3>,
    /// `[vocabulary, embedding]`, plain.
    table: Tensor<2>,
}

/// Logits of texts over all labels, through a network of constants on an autodiff device.
pub(super) fn follow(
    network: &SequenceClassifier,
    texts: &Tokens,
    config: &EncoderConfig,
    device: &Device,
    dropout: &DropoutPlan,
) -> Result<(Tensor<2>, Followed)> {
    let input = texts.batch(&all_rows(texts), config, device)?;
    let embeddings = network.encoder.embeddings.valid();
    let words = Tensor::from_inner(embeddings.look_up(&input)).require_grad();
    let logits = logits_of(network, words.clone(), &input, dropout);
    Ok((logits, Followed { words, table: embeddings.words.val() }))
}

impl Followed {
    /// Words of a module that is no classifier.
    pub(super) fn new(words: Tensor<3>, table: Tensor<2>) -> Self {
        Self { words, table }
    }

    pub(super) fn words(&self) -> Tensor<3> {
        self.words.clone()
    }

    /// The gradient with respect to one-hot vectors over `vocabulary` tokens at the given positions, `[positions, vocabulary]`:
    /// that of the words there, times the model's own table. `None` if the loss does not depend on the words.
    pub(super) fn gradient(
        &self,
        gradients: &mut Gradients,
        positions: &[usize],
        vocabulary: usize,
    ) -> Option<Tensor<2>> {
        let gradient = tokens_at(self.words.grad_remove(gradients)?, positions);
        let rows = self.table.dims()[0];
        let found = gradient.matmul(self.table.clone().narrow(0, 0, rows.min(vocabulary)).transpose());
        // Rows of a table beyond the tokenizer's tokens differ between models, and no draw gives them.
        Some(match vocabulary.checked_sub(rows).filter(|missing| *missing > 0) {
            Some(missing) => {
                let zeros = Tensor::zeros([positions.len(), missing], &found.device());
                Tensor::cat(vec![found, zeros], 1)
            }
            None => found,
        })
    }
}

pub(super) fn all_rows(texts: &Tokens) -> Vec<usize> {
    (0..texts.len()).collect()
}
