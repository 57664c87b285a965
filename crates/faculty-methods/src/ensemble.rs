//! Rows without training: teachers alone, concatenated logits, the gated target itself.

use crate::{GateTable, MethodSpec, TransferSet};
use burn::tensor::{Device, Tensor, TensorData, activation};
use faculty_core::{Error, Result};
use faculty_losses::{JoinTensors, amalgamated_target, concat_logits};
use faculty_nn::{Gate, host_values};

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
