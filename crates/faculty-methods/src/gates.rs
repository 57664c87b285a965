//! From teacher outputs to gate weights, over the whole transfer text at once.

use crate::transfer::select_rows;
use crate::{Intended, Recipe, TransferSet};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_losses::{JoinTensors, amalgamated_target};
use faculty_nn::{Gate, host_values};
use faculty_uncertainty::{
    ClaimSpec, ConfidenceSpec, Energy, GateRecipe, GateSpec, OwnerStatistics, cap_mean_weights, server_selector,
};

/// Gate weights of every text, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct GateTable {
    /// Number of teachers.
    pub teachers: usize,
    /// Weights, `[texts, teachers]` row-major; each row sums to 1, or to 0 for a text that nobody claims.
    pub weights: Vec<f32>,
    /// The scores behind the weights, `[texts, teachers]`; equal for all teachers under a uniform gate.
    pub scores: Vec<f32>,
    /// Weight of each text in the loss, `[texts]`; `None` = 1 each.
    pub sample_weights: Option<Vec<f32>>,
}

impl GateTable {
    /// Equal weights for all teachers on so many texts, and no scores.
    pub fn equal(texts: usize, teachers: usize) -> Self {
        let weights = vec![1.0 / teachers.max(1) as f32; texts * teachers];
        Self { teachers, weights, scores: Vec::new(), sample_weights: None }
    }

    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.weights.len() / self.teachers.max(1)
    }

    /// The gate of some of the texts.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let scores = match self.scores.is_empty() {
            true => Vec::new(),
            false => select_rows(&self.scores, self.teachers, rows),
        };
        Self {
            teachers: self.teachers,
            weights: select_rows(&self.weights, self.teachers, rows),
            scores,
            sample_weights: self.sample_weights.as_ref().map(|all| rows.iter().map(|&row| all[row]).collect()),
        }
    }

    /// Share of texts that count for nothing: claimed by nobody, or too ambiguous.
    pub fn dropped(&self) -> f64 {
        let dropped = self.sample_weights.iter().flatten().filter(|weight| **weight == 0.0).count();
        dropped as f64 / self.texts().max(1) as f64
    }

    /// The gate of the given texts as tensors.
    pub fn batch(&self, rows: &[usize], device: &Device) -> Gate {
        let weights = select_rows(&self.weights, self.teachers, rows);
        Gate {
            weights: Tensor::from_data(TensorData::new(weights, [rows.len(), self.teachers]), device),
            sample_weights: self.sample_weights.as_ref().map(|all| {
                let picked: Vec<f32> = rows.iter().map(|&row| all[row]).collect();
                Tensor::from_data(TensorData::new(picked, [rows.len()]), device)
            }),
        }
    }
}

/// The gate of a method, from teacher outputs and from what the owners of the teachers ship.
///
/// # Errors
/// Fails if the method has no gate, or as [`recipe_table`]. Passes without dropout, or a single one, cannot differ and need
/// not.
pub fn gate_table(
    recipe: &Recipe,
    transfer: &TransferSet<'_>,
    owners: OwnerStatistics<'_>,
    device: &Device,
) -> Result<GateTable> {
    let gate = recipe.gate().ok_or_else(|| Error::internal("the gate of a method that has none"))?;
    table(&gate, transfer, owners, recipe.passes.differ(), device)
}

/// The gate that `recipe` describes, from teacher outputs and from what the owners of the teachers ship.
///
/// Under a gate of claims the texts whose target is too ambiguous ([`ClaimSpec::ambiguity`](faculty_uncertainty::ClaimSpec))
/// are dropped as well: their sample weight is 0.
///
/// # Errors
/// Fails if settings contradict each other, the outputs or the owners lack what the recipe reads, or Monte-Carlo passes do
/// not differ.
pub fn recipe_table(
    recipe: &GateRecipe,
    transfer: &TransferSet<'_>,
    owners: OwnerStatistics<'_>,
    device: &Device,
) -> Result<GateTable> {
    table(recipe, transfer, owners, true, device)
}

fn table(
    recipe: &GateRecipe,
    transfer: &TransferSet<'_>,
    owners: OwnerStatistics<'_>,
    sampled: bool,
    device: &Device,
) -> Result<GateTable> {
    if sampled && recipe.needs_passes() {
        for (outputs, part) in transfer.outputs.iter().zip(transfer.join.teachers()) {
            outputs.check_passes_differ(part.name())?;
        }
    }
    let views = transfer.whole_views(device);
    let merged = recipe.needs_merged().then(|| transfer.merged_views(device)).flatten();
    let gated = recipe.apply_beside(&views, merged.as_deref(), owners)?;
    let mut table = GateTable {
        teachers: transfer.outputs.len(),
        weights: host_values(gated.weights)?,
        scores: host_values(gated.scores)?,
        sample_weights: gated.sample_weights.map(host_values).transpose()?,
    };
    if let Some(neighbours) = recipe.neighbours {
        let space =
            transfer.space.ok_or_else(|| Error::internal("a gate over neighbours without vectors of the texts"))?;
        neighbours.smooth(&mut table.weights, table.teachers, space, device)?;
        // What is alike may have brought a teacher above it again.
        recipe.cap.map_or(Ok(()), |cap| cap_mean_weights(&mut table.weights, table.teachers, cap))?;
    }
    trust_intended(&mut table.weights, table.teachers, transfer.intended, recipe.intended_share);
    if let GateSpec::Claim(ClaimSpec { ambiguity: Some(limit), .. }) = recipe.gate {
        let join = JoinTensors::new(transfer.join, device);
        let all: Vec<usize> = (0..table.texts()).collect();
        let gate = Gate { sample_weights: None, ..table.batch(&all, device) };
        let clear = host_values(server_selector(amalgamated_target(&views, &gate, &join, 1.0)?, limit)?)?;
        match &mut table.sample_weights {
            Some(weights) => weights.iter_mut().zip(clear).for_each(|(weight, clear)| *weight *= clear),
            weights => *weights = Some(clear),
        }
    }
    Ok(table)
}

/// Hands a share of the weights of every text that was written for a teacher to this teacher; a text that nobody claims stays
/// nobody's. `weights` are `[texts, teachers]`.
pub(crate) fn trust_intended(weights: &mut [f32], teachers: usize, intended: Option<&[Intended]>, share: f64) {
    let Some(intended) = intended.filter(|_| share > 0.0) else { return };
    let share = share as f32;
    for (weights, intended) in weights.chunks_exact_mut(teachers.max(1)).zip(intended) {
        let Some((teacher, _)) = *intended else { continue };
        let all: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight *= 1.0 - share);
        weights[teacher] += share * all;
    }
}

/// Faculty's gate where passes are dear: energy of one pass, z-normalised, soft at 0.5 deviations.
pub(crate) fn energy_gate() -> GateRecipe {
    GateRecipe {
        score: ConfidenceSpec::Energy(Energy {}),
        z_normalise: true,
        gate: GateSpec::Soft { temperature: 0.5 },
        ..GateRecipe::default()
    }
}
