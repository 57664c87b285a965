//! What the generator is told about the texts that it wrote.

use super::readers::{Followed, TeacherReader, follow};
use super::{DivergenceForm, NgramDiscriminator, Rewriting};
use crate::live::constant_student;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Result;
use faculty_losses::{JoinTensors, log_softmax};
use faculty_model::{MaskedTexts, Tokens};
use faculty_nn::{DropoutPlan, EncoderConfig, SequenceClassifier, host_values};
use faculty_text::TextTokenizer;

/// Who reads, and what is asked of it.
pub(super) struct Judge<'a> {
    pub(super) spec: &'a Rewriting,
    pub(super) teachers: &'a [TeacherReader],
    pub(super) join: &'a JoinTensors,
    pub(super) tokenizer: &'a TextTokenizer,
    pub(super) config: &'a EncoderConfig,
    pub(super) device: &'a Device,
    /// The discriminator as a constant, and the word table that it reads by.
    pub(super) local: Option<(&'a NgramDiscriminator, Tensor<2>)>,
    /// Tokens of the generator's output layer.
    pub(super) vocabulary: usize,
}

/// What was found.
pub(super) struct Judgement {
    /// Of the generator's loss without its own part, with respect to the one-hot vectors, `[positions, vocabulary]`.
    pub(super) gradient: Tensor<2>,
    /// Mean over the texts, of the form that is made large.
    pub(super) divergence: f64,
    /// BCE(Dis(x_hat), 1), if runs are judged.
    pub(super) local: Option<f64>,
}

/// What student and teachers say, and what they read.
struct Answers {
    /// Logits over the union, `[texts, classes]`.
    student: Tensor<2>,
    /// Logarithms of every teacher's probabilities, `[texts, C_i]`.
    logs: Vec<Tensor<2>>,
    readers: Vec<Followed>,
}

impl Judge<'_> {
    /// Reads `written`, which is `texts` with their hidden tokens filled in. `weights` are the gate's `[texts, teachers]`,
    /// constants; so is the student.
    pub(super) fn read(
        &self,
        student: &SequenceClassifier,
        written: &Tokens,
        texts: &MaskedTexts,
        weights: &Tensor<2>,
        dropout: &DropoutPlan,
    ) -> Result<Judgement> {
        let weights = Tensor::from_inner(weights.clone().inner());
        let Answers { student, logs, mut readers } = self.answers(student, written, dropout)?;
        let divergence = self.divergence(&student, &logs, &weights);
        let mut loss = divergence.clone().neg();
        if self.spec.confidence_weight > 0.0 {
            loss = loss + entropy(&logs, &weights).mul_scalar(self.spec.confidence_weight);
        }
        if self.spec.balance_weight > 0.0 {
            loss = loss + balance(&logs, &weights).mul_scalar(self.spec.balance_weight);
        }
        let mut local = None;
        if let Some((discriminator, table)) = &self.local {
            let input = written.batch(&texts.all_rows(), self.config, self.device)?;
            let ids: Vec<i32> = input.ids().iter().map(|&id| id as i32).collect();
            let words = words_of(table, &ids, [texts.len(), texts.width]);
            let words = Followed::new(Tensor::from_inner(words).require_grad(), table.clone());
            let realism = discriminator.loss(words.words(), texts, true);
            local = Some(number(&realism)?);
            let weight = self.spec.local.as_ref().map_or(0.0, |local| local.weight);
            loss = loss + realism.mul_scalar(weight);
            readers.push(words);
        }
        let divergence = number(&divergence)?;
        let mut gradients = loss.backward();
        let all = readers.iter().filter_map(|words| words.gradient(&mut gradients, &texts.positions, self.vocabulary));
        let gradient = all.reduce(|sum, more| sum + more);
        let none = || Tensor::zeros([texts.positions.len(), self.vocabulary], self.device);
        Ok(Judgement { gradient: gradient.unwrap_or_else(none), divergence, local })
    }

    /// The divergence alone, without dropout.
    pub(super) fn value(&self, student: &SequenceClassifier, written: &Tokens, weights: &Tensor<2>) -> Result<f64> {
        let weights = Tensor::from_inner(weights.clone().inner());
        let answers = self.answers(student, written, &DropoutPlan::Off)?;
        number(&self.divergence(&answers.student, &answers.logs, &weights))
    }

    fn answers(&self, student: &SequenceClassifier, written: &Tokens, dropout: &DropoutPlan) -> Result<Answers> {
        let network = constant_student(student);
        let (student, words) = follow(&network, written, self.config, self.device, dropout)?;
        let mut answers = Answers { student, logs: Vec::with_capacity(self.teachers.len()), readers: vec![words] };
        for reader in self.teachers {
            let (logits, words) = reader.follow(written, self.tokenizer)?;
            answers.readers.extend(words);
            answers.logs.push(log_softmax(logits, self.spec.temperature).log_probabilities);
        }
        Ok(answers)
    }

    /// Mean over the texts of sum_i w_i D(p_i, p_S^(i)), `[1]`.
    fn divergence(&self, student: &Tensor<2>, logs: &[Tensor<2>], weights: &Tensor<2>) -> Tensor<1> {
        let rows = logs.iter().enumerate().map(|(index, teacher)| {
            let slice = self.join.slice(student.clone(), index);
            let slice = log_softmax(slice, self.spec.temperature).log_probabilities;
            let apart = match self.spec.divergence {
                DivergenceForm::Kl => teacher.clone() - slice,
                DivergenceForm::SoftCrossEntropy => slice.neg(),
            };
            (teacher.clone().exp() * apart).sum_dim(1)
        });
        weighted_mean(rows.collect(), weights)
    }
}

/// Word embeddings of ids, row-major `[texts, tokens]`.
pub(super) fn words_of(table: &Tensor<2>, ids: &[i32], shape: [usize; 2]) -> Tensor<3> {
    let data = TensorData::new(ids.to_vec(), shape);
    burn::tensor::module::embedding(table.clone(), Tensor::from_data(data, &table.device()))
}

/// Mean over the texts of sum_i w_i H(p_i), `[1]`.
fn entropy(logs: &[Tensor<2>], weights: &Tensor<2>) -> Tensor<1> {
    let rows = logs.iter().map(|log| (log.clone().exp() * log.clone()).sum_dim(1).neg());
    weighted_mean(rows.collect(), weights)
}

/// sum_i sum_c pbar_i(c) log pbar_i(c), `[1]`, pbar_i being the mean of p_i over the texts, weighted by w_i.
fn balance(logs: &[Tensor<2>], weights: &Tensor<2>) -> Tensor<1> {
    let terms = logs.iter().enumerate().map(|(index, log)| {
        let own = weights.clone().narrow(1, index, 1);
        let all = own.clone().sum_dim(0).clamp_min(f32::MIN_POSITIVE);
        let mean = (log.clone().exp() * own).sum_dim(0) / all;
        let log = mean.clone().clamp_min(f32::MIN_POSITIVE).log();
        (mean * log).sum()
    });
    let device = weights.device();
    terms.fold(Tensor::zeros([1], &device), |sum, term| sum + term)
}

/// Columns `[texts, 1]`, one a teacher, summed by weight and averaged over the texts.
fn weighted_mean(columns: Vec<Tensor<2>>, weights: &Tensor<2>) -> Tensor<1> {
    let texts = weights.dims()[0].max(1) as f64;
    (Tensor::cat(columns, 1) * weights.clone()).sum().div_scalar(texts)
}

/// A tensor `[1]` as a number.
pub(super) fn number(tensor: &Tensor<1>) -> Result<f64> {
    let values = host_values(tensor.clone().inner())?;
    Ok(values.first().copied().map_or(f64::NAN, f64::from))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{balance, number};
    use burn::tensor::{Device, Tensor};

    #[test]
    fn the_balance_is_least_where_classes_come_equally_often_however_sure_each_text_is() {
        let device = Device::flex();
        let of = |rows: [[f32; 2]; 2]| {
            let logs = Tensor::<2>::from_floats(rows, &device).log();
            number(&balance(&[logs], &Tensor::ones([2, 1], &device))).unwrap()
        };
        let least = -std::f64::consts::LN_2;
        assert!((of([[0.5, 0.5], [0.5, 0.5]]) - least).abs() < 1e-6);
        assert!((of([[0.9, 0.1], [0.1, 0.9]]) - least).abs() < 1e-6);
        assert!(of([[0.6, 0.4], [0.6, 0.4]]) > least + 0.01);
        assert!(of([[0.9, 0.1], [0.6, 0.4]]) > of([[0.6, 0.4], [0.6, 0.4]]));
    }
}
