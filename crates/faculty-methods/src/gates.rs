//! From teacher outputs to gate weights, over the whole transfer text at once.

use crate::{MethodGate, TransferSet, Vote};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Result;
use faculty_nn::{Gate, host_values};
use faculty_uncertainty::{
    Confidence, MaxSoftmax, McEntropy, SinglePassEntropy, hard_gate, margin_weights, normalised_margin, soft_gate,
    uniform_gate, z_normalise,
};

/// Gate weights of every text, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct GateTable {
    /// Number of teachers.
    pub teachers: usize,
    /// Weights, `[texts, teachers]` row-major; each row sums to 1.
    pub weights: Vec<f32>,
    /// The scores behind the weights, `[texts, teachers]`; equal for all teachers under a uniform gate.
    pub scores: Vec<f32>,
    /// Weight of each text in the loss, `[texts]`; `None` = 1 each.
    pub sample_weights: Option<Vec<f32>>,
}

impl GateTable {
    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.weights.len() / self.teachers.max(1)
    }

    /// The gate of the given texts as tensors.
    pub fn batch(&self, rows: &[usize], device: &Device) -> Gate {
        let weights: Vec<f32> = rows
            .iter()
            .flat_map(|&row| &self.weights[row * self.teachers..(row + 1) * self.teachers])
            .copied()
            .collect();
        Gate {
            weights: Tensor::from_data(TensorData::new(weights, [rows.len(), self.teachers]), device),
            sample_weights: self.sample_weights.as_ref().map(|all| {
                let picked: Vec<f32> = rows.iter().map(|&row| all[row]).collect();
                Tensor::from_data(TensorData::new(picked, [rows.len()]), device)
            }),
        }
    }
}

/// The gate that `spec` describes.
///
/// # Errors
/// Fails if the gate needs Monte-Carlo passes that were not asked for, or if these passes do not differ.
pub fn gate_table(spec: &MethodGate, transfer: &TransferSet<'_>, device: &Device) -> Result<GateTable> {
    let (texts, teachers) = (transfer.len(), transfer.outputs.len());
    let views = transfer.whole_views(device);
    let (scores, weights, sample_weights) = match spec {
        MethodGate::Uniform => {
            let weights = uniform_gate(texts, teachers, device);
            (weights.clone(), weights, None)
        }
        MethodGate::MaxConfidence { z_normalise: standardise } => {
            let mut scores = MaxSoftmax::default().score(&views)?;
            if *standardise {
                scores = z_normalise(scores)?;
            }
            (scores.clone(), hard_gate(scores), None)
        }
        MethodGate::Muki(muki) => {
            let scores = if muki.single_pass {
                SinglePassEntropy::default().score(&views)?
            } else {
                if muki.dropout > 0.0 && muki.passes > 1 {
                    for (outputs, part) in transfer.outputs.iter().zip(transfer.join.teachers()) {
                        outputs.check_passes_differ(part.name())?;
                    }
                }
                McEntropy::default().score(&views)?
            };
            let weights = match muki.vote {
                Vote::Soft => soft_gate(scores.clone(), muki.gate_temperature)?,
                Vote::Hard => hard_gate(scores.clone()),
            };
            let margins = muki.margin.then(|| {
                let margins = margin_weights(scores.clone());
                if muki.normalise_margin { normalised_margin(margins) } else { margins }
            });
            (scores, weights, margins)
        }
    };
    Ok(GateTable {
        teachers,
        weights: host_values(weights)?,
        scores: host_values(scores)?,
        sample_weights: sample_weights.map(host_values).transpose()?,
    })
}
