//! Teachers as methods ask them inside a step: their weights are constants, and a gradient passes through to what they read.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use faculty_core::{Error, LabelJoin, Result};
use faculty_model::{Classifier, Tokens};
use faculty_nn::fused::WeightCache;
use faculty_nn::{DropoutPlan, EncoderConfig, SequenceClassifier, TokenInput};

/// A teacher inside a training.
#[derive(Debug, Clone)]
pub(crate) struct LiveTeacher {
    /// As the join calls it.
    pub(crate) name: String,
    /// On an autodiff device; no weight wants a gradient.
    pub(crate) network: SequenceClassifier,
    /// As it was handed over, on the plain device.
    pub(crate) model: Classifier,
    /// Its logits that take part; `None` = all.
    kept: Option<Tensor<1, Int>>,
}

impl LiveTeacher {
    /// The teachers of `join`, in its order.
    ///
    /// # Errors
    /// Fails if they were not handed over, or are of another number.
    pub(crate) fn all(teachers: Option<&[&Classifier]>, join: &LabelJoin) -> Result<Vec<Self>> {
        let named = named(teachers, join)?;
        let one = |((name, teacher), part): ((&str, &Classifier), &faculty_core::TeacherLabels)| Self {
            name: name.to_owned(),
            network: constant(&teacher.network),
            model: teacher.clone(),
            kept: kept_logits(teacher, part.kept()),
        };
        Ok(named.into_iter().zip(join.teachers()).map(one).collect())
    }

    /// Of logits over all its labels, `[batch, labels]`, those that take part, `[batch, C_i]`.
    pub(crate) fn keep(&self, logits: Tensor<2>) -> Tensor<2> {
        keep(logits, self.kept.as_ref())
    }
}

/// Those of a teacher's logits that take part; `None` = all of them.
pub(crate) fn kept_logits(teacher: &Classifier, kept: &[usize]) -> Option<Tensor<1, Int>> {
    let all = kept.len() == teacher.labels.len();
    let kept: Vec<i32> = kept.iter().map(|&class| class as i32).collect();
    let count = kept.len();
    (!all).then(|| Tensor::from_data(TensorData::new(kept, [count]), &teacher.device))
}

/// Columns `kept` of `logits`.
pub(crate) fn keep(logits: Tensor<2>, kept: Option<&Tensor<1, Int>>) -> Tensor<2> {
    match kept {
        Some(kept) => logits.select(1, kept.clone()),
        None => logits,
    }
}

/// The teachers with their names in the join.
///
/// # Errors
/// Fails if they were not handed over, or are of another number.
pub(crate) fn named<'a>(
    teachers: Option<&[&'a Classifier]>,
    join: &'a LabelJoin,
) -> Result<Vec<(&'a str, &'a Classifier)>> {
    let teachers = teachers
        .ok_or_else(|| Error::internal("this method asks the teachers in every step, and they were not handed over"))?;
    if join.teachers().len() != teachers.len() {
        return Err(Error::internal(format!("a join of {} for {} teachers", join.teachers().len(), teachers.len())));
    }
    Ok(join.teachers().iter().map(|part| part.name()).zip(teachers.iter().copied()).collect())
}

/// Refuses a teacher whose token ids mean something else to the student; `help` says what can be done.
///
/// # Errors
/// Fails with the first difference.
pub(crate) fn require_shared_vocabulary(
    student: &Classifier,
    teachers: &[(&str, &Classifier)],
    help: &str,
) -> Result<()> {
    for (name, teacher) in teachers {
        if let Some(difference) = student.vocabulary_difference(teacher) {
            let text = format!("`{name}` has another vocabulary than the student: {difference}");
            return Err(Error::input(text).help(help));
        }
    }
    Ok(())
}

/// Refuses a text that one of those that read the student's tokens cannot hold.
///
/// # Errors
/// Fails with who cannot.
pub(crate) fn require_room<'a>(
    readers: impl IntoIterator<Item = (&'a str, &'a EncoderConfig)>,
    tokens: &Tokens,
) -> Result<()> {
    let longest = tokens.lengths().into_iter().max().unwrap_or(0);
    match readers.into_iter().find(|(_, config)| config.max_tokens() < longest) {
        None => Ok(()),
        Some((name, config)) => {
            let limit = config.max_tokens();
            Err(Error::input(format!("a text of {longest} tokens, and {name} reads {limit}"))
                .key("max_length")
                .expected(format!("at most {limit} for a method whose teachers read the student's tokens")))
        }
    }
}

/// Ids that no method changes: special tokens and padding, ascending.
pub(crate) fn special_ids(model: &Classifier) -> Vec<u32> {
    let mut special = model.tokenizer.special_ids().all.clone();
    special.push(model.tokenizer.pad_id());
    special.sort_unstable();
    special.dedup();
    special
}

/// The network on an autodiff device, its weights constants: a gradient passes through it and stops at none of them.
pub(crate) fn constant(network: &SequenceClassifier) -> SequenceClassifier {
    network.valid().train().no_grad()
}

/// The same of a student whose weights are about to change: it takes no part in caches of packed weights, which would keep
/// these alive.
pub(crate) fn constant_student(network: &SequenceClassifier) -> SequenceClassifier {
    let mut network = constant(network);
    for layer in &mut network.encoder.layers {
        layer.packed = WeightCache::default();
    }
    network
}

/// Logits `[batch, classes]` from word embeddings `[batch, tokens, embedding]` in place of ids.
pub(crate) fn logits_of(
    network: &SequenceClassifier,
    words: Tensor<3>,
    input: &TokenInput,
    dropout: &DropoutPlan,
) -> Tensor<2> {
    let (encoder, spans) = (&network.encoder, input.spans());
    let hidden = encoder.embeddings.enter(encoder.embeddings.embed_soft(words, input), spans, dropout);
    network.head.from_first(encoder.forward_first(0, hidden, spans, dropout), dropout)
}
