//! The checkpoint that merged models were fine-tuned from, and whether a model can have been.

use crate::{Classifier, Parts};
use burn::tensor::Device;
use faculty_core::{Error, LabelSpace, NamedTensor, Result, Stream};
use faculty_hub::ModelDir;
use std::path::Path;

/// θ₀: the checkpoint that all merged models were fine-tuned from.
#[derive(Debug, Clone)]
pub struct Base {
    classifier: Classifier,
    /// True if the head's dense layer is part of the checkpoint (BERT's pooler), and so is shared by all models.
    has_dense: bool,
    hash: String,
}

impl Base {
    /// Opens a checkpoint: a bare encoder, or a classifier whose head is left out. `parts` are the layers that the models
    /// were cut to.
    ///
    /// # Errors
    /// As [`Classifier::start_from`].
    pub fn open(dir: impl AsRef<Path>, parts: &Parts, device: &Device) -> Result<Self> {
        let labels = LabelSpace::new(["unused"])?;
        let (classifier, report) = Classifier::start_from(&dir, parts, labels, Stream::new(0, "unused head"), device)?;
        let hash = ModelDir::open(&dir)?.model_hash()?;
        Ok(Self { classifier, has_dense: report.loaded_dense(), hash })
    }

    /// SHA-256 over configuration, weights and tokenizer of the checkpoint's directory.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The checkpoint under an output layer that nobody trained.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// True if the models share the head's dense layer.
    pub fn has_dense(&self) -> bool {
        self.has_dense
    }

    /// The tensors that models of this base have in common, as `model` has them: the encoder, and the head's dense layer
    /// where the base has one.
    pub(super) fn shared_tensors(&self, model: &Classifier) -> Result<Vec<NamedTensor>> {
        let mut tensors = model.network.export_encoder(&model.config)?;
        if self.has_dense {
            tensors.extend(model.network.head.export_dense(&model.config)?);
        }
        Ok(tensors)
    }

    /// Fails unless `model`, whose shared tensors are `found`, has the tensors (`origin`), constants and tokens of the base;
    /// names the first difference.
    pub(super) fn check(
        &self,
        name: &str,
        model: &Classifier,
        origin: &[NamedTensor],
        found: &[NamedTensor],
    ) -> Result<()> {
        for (ours, theirs) in origin.iter().zip(found) {
            if ours.name != theirs.name {
                return Err(refusal(name, format!("it has `{}` where the base has `{}`", theirs.name, ours.name)));
            }
            if ours.shape != theirs.shape {
                let what = format!("`{}` has shape {:?}, in the base {:?}", ours.name, theirs.shape, ours.shape);
                return Err(refusal(name, what));
            }
        }
        if let Some(missing) = origin.get(found.len()) {
            return Err(refusal(name, format!("it lacks `{}` of the base", missing.name)));
        }
        if let Some(more) = found.get(origin.len()) {
            return Err(refusal(name, format!("it has `{}`, which the base lacks", more.name)));
        }
        let (ours, theirs) = (&self.classifier.config, &model.config);
        let constants = [
            ("model type", ours.family.model_type().to_owned(), theirs.family.model_type().to_owned()),
            ("number of heads", ours.heads.to_string(), theirs.heads.to_string()),
            ("activation", ours.activation.name().to_owned(), theirs.activation.name().to_owned()),
            ("LayerNorm epsilon", ours.layer_norm_epsilon.to_string(), theirs.layer_norm_epsilon.to_string()),
            ("first position", ours.position_offset().to_string(), theirs.position_offset().to_string()),
        ];
        match constants.into_iter().find(|(_, ours, theirs)| ours != theirs) {
            Some((what, ours, theirs)) => Err(refusal(name, format!("its {what} is {theirs}, the base's {ours}"))),
            None => match self.classifier.vocabulary_difference(model) {
                Some(difference) => Err(refusal(name, format!("in its vocabulary {difference} as in the base's"))),
                None => Ok(()),
            },
        }
    }
}

fn refusal(name: &str, difference: String) -> Error {
    Error::input(format!("`{name}` cannot be merged: {difference}"))
        .help("static merging needs one architecture and one base; amalgamation takes any teachers")
}

/// ‖model - base‖ / ‖base‖ over all elements.
pub(super) fn distance(base: &[NamedTensor], model: &[NamedTensor]) -> f64 {
    let (mut apart, mut whole) = (0.0, 0.0);
    for (base, model) in base.iter().zip(model) {
        for (base, model) in base.values.iter().zip(&model.values) {
            apart += (f64::from(*model) - f64::from(*base)).powi(2);
            whole += f64::from(*base).powi(2);
        }
    }
    if whole > 0.0 { (apart / whole).sqrt() } else { 0.0 }
}
