//! How far each teacher is trusted on every text in every block.

use super::pseudo_sets::PseudoSets;
use super::spec::{BlockConfidence, BlockScore, ScoredLayers};
use super::states::PooledStates;
use crate::gates::trust_intended;
use crate::transfer::select_rows;
use crate::{GateTable, TransferSet};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Event, Observer, Result};
use faculty_nn::host_values;
use faculty_uncertainty::{
    Confidence, LayerDistance, MaxSoftmax, McEntropy, OwnScale, SinglePassEntropy, layer_scores, score_weights,
};

/// Weights of all blocks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BlockWeights {
    teachers: usize,
    /// By block, or one for all: `[texts, teachers]`.
    blocks: Vec<Vec<f32>>,
    /// The scores behind the last of them.
    scores: Vec<f32>,
}

/// Condition numbers above this make distances in f64 doubtful.
const ILL_CONDITIONED: f64 = 1e8;

impl BlockWeights {
    /// Fits what the score needs, on texts and teachers alone: the same texts and teachers give the same weights, so that a resumed
    /// training computes them again instead of reading them.
    ///
    /// # Errors
    /// Fails if a covariance is singular, or passes that are to be read are missing or identical.
    pub(super) fn of(
        spec: &BlockConfidence,
        transfer: &TransferSet<'_>,
        sets: Option<&PseudoSets>,
        states: Option<&PooledStates>,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let teachers = transfer.outputs.len();
        let trusting = |mut weights: Vec<f32>| {
            trust_intended(&mut weights, teachers, transfer.intended, spec.intended_share);
            weights
        };
        let Some(sets) = sets.filter(|_| spec.score != BlockScore::Uniform) else {
            let weights = trusting(vec![1.0 / teachers as f32; transfer.len() * teachers]);
            return Ok(Self { teachers, blocks: vec![weights], scores: Vec::new() });
        };
        let all: Vec<Vec<f64>> = match spec.score {
            BlockScore::Rmd | BlockScore::Mahalanobis => {
                let states = states.ok_or_else(|| Error::internal("block scores without hidden states"))?;
                let first = if spec.layers == ScoredLayers::Last { states.blocks() - 1 } else { 0 };
                let block = |block| of_states(spec, transfer, sets, states, block, observer);
                (first..states.blocks()).map(block).collect::<Result<_>>()?
            }
            _ => vec![of_answers(spec.score, transfer, sets, device)?],
        };
        let mut blocks = Vec::new();
        for scores in &all {
            blocks.push(trusting(score_weights(scores, teachers, spec.temperature)?));
        }
        let scores = all.last().map(|last| last.iter().map(|&score| score as f32).collect()).unwrap_or_default();
        Ok(Self { teachers, blocks, scores })
    }

    /// Those of some of the texts.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |all: &Vec<f32>| select_rows(all, self.teachers, rows);
        let scores = if self.scores.is_empty() { Vec::new() } else { pick(&self.scores) };
        Self { teachers: self.teachers, blocks: self.blocks.iter().map(pick).collect(), scores }
    }

    /// The weights of a block on some texts, `[rows, teachers]`.
    pub(super) fn batch(&self, block: usize, rows: &[usize], device: &Device) -> Tensor<2> {
        let all = self.blocks.get(block).or(self.blocks.last()).map(Vec::as_slice).unwrap_or_default();
        let weights = select_rows(all, self.teachers, rows);
        Tensor::from_data(TensorData::new(weights, [rows.len(), self.teachers]), device)
    }

    /// The gate of the targets: the weights of the last block.
    pub(super) fn gate(&self, sample_weights: Option<Vec<f32>>) -> GateTable {
        let weights = self.blocks.last().cloned().unwrap_or_default();
        GateTable { teachers: self.teachers, weights, scores: self.scores.clone(), sample_weights }
    }

    /// All blocks' weights, without weights of texts; scores are those of the last block.
    pub(super) fn tables(&self) -> Vec<GateTable> {
        let last = self.blocks.len().saturating_sub(1);
        let table = |(block, weights): (usize, &Vec<f32>)| {
            let scores = if block == last { self.scores.clone() } else { Vec::new() };
            GateTable { teachers: self.teachers, weights: weights.clone(), scores, sample_weights: None }
        };
        self.blocks.iter().enumerate().map(table).collect()
    }

    /// Says how much each teacher weighs on its own texts in the first and the last block.
    pub(super) fn note(&self, transfer: &TransferSet<'_>, sets: &PseudoSets, observer: &dyn Observer) {
        for (teacher, part) in transfer.join.teachers().iter().enumerate() {
            let own = sets.texts_of(teacher);
            let mean = |weights: &Vec<f32>| {
                let sum: f64 = own.iter().map(|text| f64::from(weights[text * self.teachers + teacher])).sum();
                sum / own.len().max(1) as f64
            };
            let means: Vec<String> = self.blocks.iter().map(|weights| format!("{:.2}", mean(weights))).collect();
            let text =
                format!("teacher {}: {} texts of its own, its weight there by block: {}", part.name(), own.len(), {
                    means.join(", ")
                });
            observer.on(Event::Note { text: &text });
        }
    }
}

/// Standardised scores of a block, `[texts, teachers]`.
fn of_states(
    spec: &BlockConfidence,
    transfer: &TransferSet<'_>,
    sets: &PseudoSets,
    states: &PooledStates,
    block: usize,
    observer: &dyn Observer,
) -> Result<Vec<f64>> {
    let distance = match spec.score {
        BlockScore::Mahalanobis => LayerDistance::Mahalanobis,
        _ => LayerDistance::Relative,
    };
    let mut columns = Vec::with_capacity(transfer.outputs.len());
    for (teacher, part) in transfer.join.teachers().iter().enumerate() {
        let (features, width) = states.features(teacher, block);
        let (own, classes) = (sets.texts_of(teacher), sets.classes_of(teacher));
        let help = |error: Error| error.help(format!("in block {} of teacher `{}`", block + 1, part.name()));
        let found = layer_scores(&features, width, &own, &classes, distance, spec.fit).map_err(help)?;
        if found.condition > ILL_CONDITIONED {
            let text = format!(
                "block {} of teacher {}: a covariance has condition number {:.1e}; raise the shrinkage or take fewer components",
                block + 1,
                part.name(),
                found.condition
            );
            observer.on(Event::Warning { text: &text });
        }
        columns.push(found.scores);
        observer.check()?;
    }
    Ok(side_by_side(&columns))
}

/// Scores of the teachers' answers, each standardised on the teacher's own texts, `[texts, teachers]`.
fn of_answers(score: BlockScore, transfer: &TransferSet<'_>, sets: &PseudoSets, device: &Device) -> Result<Vec<f64>> {
    if score == BlockScore::McDropout {
        for (outputs, part) in transfer.outputs.iter().zip(transfer.join.teachers()) {
            outputs.check_passes_differ(part.name())?;
        }
    }
    let views = transfer.whole_views(device);
    let scores = match score {
        BlockScore::MaxSoftmax => MaxSoftmax {}.score(&views)?,
        BlockScore::Entropy => SinglePassEntropy::default().score(&views)?,
        _ => McEntropy::default().score(&views)?,
    };
    let (values, teachers) = (host_values(scores)?, views.len());
    let column = |teacher: usize| -> Result<Vec<f64>> {
        let all: Vec<f64> = values.iter().skip(teacher).step_by(teachers).map(|&score| f64::from(score)).collect();
        let own: Vec<f64> = sets.texts_of(teacher).into_iter().map(|text| all[text]).collect();
        let scale = OwnScale::of(&own)?;
        Ok(all.into_iter().map(|score| scale.standardise(score)).collect())
    };
    Ok(side_by_side(&(0..teachers).map(column).collect::<Result<Vec<_>>>()?))
}

fn side_by_side(columns: &[Vec<f64>]) -> Vec<f64> {
    let texts = columns.first().map_or(0, Vec::len);
    (0..texts).flat_map(|text| columns.iter().map(move |column| column[text])).collect()
}
