//! The heads of several models on one encoder.

use crate::{Classifier, Tokens};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, LabelJoin, LabelSpace, Observer, Result};
use faculty_nn::{ClassificationHead, DropoutPlan, Linear, SequenceClassifier, TokenInput, host_values};
use std::path::PathBuf;

/// A merged encoder with the heads of its models: logits over the label union, the largest of all decides.
///
/// Where the models share the head's dense layer this is an ordinary classifier, whose output layer holds all of theirs.
/// Otherwise (DistilBERT, RoBERTa, ELECTRA: their checkpoints have no such layer) every head is applied whole.
#[derive(Debug, Clone)]
pub struct MergedClassifier {
    /// Over the union if `apart` is empty; otherwise its head is not read.
    classifier: Classifier,
    /// The heads, one a model, where they cannot be one.
    apart: Vec<ClassificationHead>,
    join: LabelJoin,
}

impl MergedClassifier {
    /// Puts the models' heads on the merged `network`, which has a head of the first model's shape and, if
    /// `dense_is_merged`, the merged dense layer in it.
    pub(super) fn new(
        network: SequenceClassifier,
        first: &Classifier,
        models: &[&Classifier],
        join: &LabelJoin,
        dense_is_merged: bool,
    ) -> Result<Self> {
        let fits = join.teachers().len() == models.len()
            && join
                .teachers()
                .iter()
                .zip(models)
                .all(|(part, model)| part.kept().iter().all(|&own| own < model.labels.len()));
        if !fits {
            let parts = join.teachers().len();
            return Err(Error::internal(format!("a label join of {parts} for {} models", models.len())));
        }
        let mut classifier = Classifier {
            config: first.config.clone(),
            network,
            labels: join.union().clone(),
            tokenizer: first.tokenizer.clone(),
            device: first.device.clone(),
            origin: PathBuf::new(),
            hash: String::new(),
        };
        let mut apart = Vec::new();
        if dense_is_merged || share_dense(first, models)? {
            classifier.network.head.output = joint_output(first, models, join)?;
        } else {
            apart = models.iter().map(|model| model.network.head.clone()).collect();
        }
        Ok(Self { classifier, apart, join: join.clone() })
    }

    /// The label union, in logit order.
    pub fn labels(&self) -> &LabelSpace {
        &self.classifier.labels
    }

    /// Number of weights, all heads included.
    pub fn parameters(&self) -> usize {
        let more: usize = self.apart.iter().skip(1).map(Module::num_params).sum();
        self.classifier.parameters() + more
    }

    /// Tokenises texts, cut to what the model and its tokenizer allow, or to `max_length` tokens.
    ///
    /// # Errors
    /// Fails if the length does not fit the model.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S], max_length: Option<usize>) -> Result<Tokens> {
        self.classifier.tokenize(texts, max_length)
    }

    /// Logits over the union, `[texts, classes]` row-major, in the order of `tokens`. A class that several models know has
    /// the mean of their logits. Reports one unit a text to `observer` (the stage is the caller's).
    ///
    /// # Errors
    /// Fails if the tokens do not fit the model or the user interrupted.
    pub fn logits(&self, tokens: &Tokens, observer: &dyn Observer) -> Result<Vec<f32>> {
        if self.apart.is_empty() {
            return self.classifier.logits(tokens, observer);
        }
        self.classifier.in_batches(tokens, self.labels().len(), observer, |input| self.apart_logits(input))
    }

    /// The classifier over the union, to be written as one directory.
    ///
    /// # Errors
    /// Fails if the heads cannot be one.
    pub fn into_classifier(self) -> Result<Classifier> {
        if self.apart.is_empty() {
            return Ok(self.classifier);
        }
        let family = self.classifier.config.family.model_type();
        Err(Error::input(format!(
            "the {} heads have dense layers of their own, which no single {family} classifier can hold",
            self.apart.len()
        ))
        .help("heads join where the base has the dense layer, as BERT checkpoints have their pooler"))
    }

    fn apart_logits(&self, input: &TokenInput) -> Result<Vec<f32>> {
        let encoder = &self.classifier.network.encoder;
        let hidden = encoder.embeddings.forward(input, input.spans(), &DropoutPlan::Off);
        let first = encoder.forward_first(0, hidden, input.spans(), &DropoutPlan::Off);
        let classes = self.labels().len();
        let mut union = vec![0.0; first.dims()[0] * classes];
        for (head, part) in self.apart.iter().zip(self.join.teachers()) {
            let own = host_values(head.from_first(first.clone(), &DropoutPlan::Off))?;
            let width = head.output.weight.val().dims()[1];
            for (own, row) in own.chunks_exact(width).zip(union.chunks_exact_mut(classes)) {
                for (&kept, &class) in part.kept().iter().zip(part.to_union()) {
                    row[class] += own[kept] / self.join.owners(class).len() as f32;
                }
            }
        }
        Ok(union)
    }
}

/// True if all heads have the same dense layer, to the bit.
fn share_dense(first: &Classifier, models: &[&Classifier]) -> Result<bool> {
    let dense = first.network.head.export_dense(&first.config)?;
    for model in models {
        if model.network.head.export_dense(&model.config)? != dense {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The models' output layers side by side over the union, `[hidden, classes]`; the mean where several know a class, which
/// gives the mean of their logits.
fn joint_output(first: &Classifier, models: &[&Classifier], join: &LabelJoin) -> Result<Linear> {
    let (hidden, classes) = (first.config.hidden_size, join.classes());
    let (mut weight, mut bias) = (vec![0.0; hidden * classes], vec![0.0; classes]);
    for (model, part) in models.iter().zip(join.teachers()) {
        let output = &model.network.head.output;
        let (own, own_bias) = (host_values(output.weight.val())?, host_values(output.bias.val())?);
        for (&kept, &class) in part.kept().iter().zip(part.to_union()) {
            let share = 1.0 / join.owners(class).len() as f32;
            bias[class] += share * own_bias[kept];
            for (row, own) in weight.chunks_exact_mut(classes).zip(own.chunks_exact(own_bias.len())) {
                row[class] += share * own[kept];
            }
        }
    }
    Ok(Linear {
        weight: Param::from_tensor(Tensor::from_data(TensorData::new(weight, [hidden, classes]), &first.device)),
        bias: Param::from_tensor(Tensor::from_data(TensorData::new(bias, [classes]), &first.device)),
    })
}
