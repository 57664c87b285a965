//! Rows without training: teachers alone, concatenated logits, the gated target itself.

use crate::{GateTable, MethodSpec, PassSettings, TransferSet, gate_table};
use burn::tensor::{Device, Tensor, TensorData, activation};
use faculty_core::{Error, Result};
use faculty_losses::{JoinTensors, amalgamated_target, concat_logits};
use faculty_nn::{FeatureSite, Gate, host_values};
use faculty_uncertainty::{GateRecipe, OwnerStatistics};
use serde::{Deserialize, Serialize};

/// All teachers, weighted by a gate, in place of a student: what distillation is measured against. Every text costs an answer
/// of every teacher, Monte-Carlo passes included where the gate reads them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatedEnsemble {
    /// The gate: MUKI's soft one. Whatever it learns from texts (scales, thresholds, caps) it learns from those that are to be
    /// answered, all of them at once.
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// Temperature of the teachers: 1.
    pub temperature: f64,
    /// The hidden states that gates over densities read.
    pub features: FeatureSite,
}

impl Default for GatedEnsemble {
    fn default() -> Self {
        Self {
            gate: GateRecipe::default(),
            passes: PassSettings::default(),
            temperature: 1.0,
            features: FeatureSite::default(),
        }
    }
}

/// Scores over the union, `[texts, classes]` row-major, of a method that needs no training. A higher score wins; for
/// [`MethodSpec::Teacher`] they are probabilities (0 for classes the teacher does not know), for
/// [`MethodSpec::Concat`] logits.
///
/// # Errors
/// Fails if the method trains a student.
pub fn ensemble_scores(method: &MethodSpec, transfer: &TransferSet<'_>, device: &Device) -> Result<Vec<f32>> {
    let join = JoinTensors::new(transfer.join, device);
    let views = transfer.whole_views(device);
    match method {
        MethodSpec::Teacher { index } => {
            let view =
                views.get(*index).ok_or_else(|| Error::input(format!("there is no teacher {index}")).key("index"))?;
            host_values(join.pad(activation::softmax(view.logits.clone(), 1), *index))
        }
        MethodSpec::Concat {} => host_values(concat_logits(&views, &join)?),
        other => Err(Error::internal(format!("method `{}` is no ensemble", other.kind()))),
    }
}

/// The accuracy-bearing scores of a gate's own target: q = sum of weights times padded teacher probabilities,
/// `[texts, classes]`. What a student of this gate would know if it learnt the target by heart.
///
/// # Errors
/// Fails if the gate belongs to other texts.
pub fn gated_scores(
    gate: &GateTable,
    transfer: &TransferSet<'_>,
    temperature: f64,
    device: &Device,
) -> Result<Vec<f32>> {
    let join = JoinTensors::new(transfer.join, device);
    let weights = TensorData::new(gate.weights.clone(), [gate.texts(), gate.teachers]);
    let gate = Gate { weights: Tensor::from_data(weights, device), sample_weights: None };
    host_values(amalgamated_target(&transfer.whole_views(device), &gate, &join, temperature)?)
}

/// Probabilities over the union, `[texts, classes]` row-major, of teachers that a gate weighs. `transfer` holds their answers on
/// the texts to be answered. A text that no teacher claims is answered by all of them alike.
///
/// # Errors
/// As [`gate_table`].
pub fn gated_ensemble_scores(
    ensemble: &GatedEnsemble,
    transfer: &TransferSet<'_>,
    owners: OwnerStatistics<'_>,
    device: &Device,
) -> Result<Vec<f32>> {
    let recipe = MethodSpec::GatedEnsemble(*ensemble)
        .recipe()
        .ok_or_else(|| Error::internal("a gated ensemble without a gate"))?;
    let mut gate = gate_table(&recipe, transfer, owners, device)?;
    let equal = 1.0 / gate.teachers.max(1) as f32;
    for row in gate.weights.chunks_exact_mut(gate.teachers.max(1)) {
        if row.iter().all(|weight| *weight == 0.0) {
            row.fill(equal);
        }
    }
    gated_scores(&gate, transfer, ensemble.temperature, device)
}
