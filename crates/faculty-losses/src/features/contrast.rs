//! Contrast between vectors of a common space by pseudo-class.

use crate::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

/// Added to the similarity of a masked pair: far below every similarity, and finite.
const MASKED: f64 = 1e9;

/// Vectors of the common space and what contrast has to know of them.
#[derive(Debug, Clone)]
pub struct Codes {
    /// Unit vectors, `[rows, width]`.
    pub vectors: Tensor<2>,
    /// The pseudo-class of every row.
    pub classes: Vec<u32>,
    /// 1 for rows that take part and 0 for masked ones, `[rows]`; a constant.
    pub usable: Tensor<1>,
}

/// A contrastive loss of one batch.
#[derive(Debug, Clone)]
pub struct Contrast {
    /// The loss, `[1]`: 0 if no row has a positive.
    pub value: Tensor<1>,
    /// Number of rows that have a positive, over which the mean is, `[1]`.
    pub anchors: Tensor<1>,
}

/// Contrast among the student's vectors a by class c:
///
/// ```text
/// - mean_n mean_{j ≠ n, c_j = c_n} log [ exp(a_n·a_j / τ) / sum_{l ≠ n} exp(a_n·a_l / τ) ]
/// ```
///
/// A row is not compared with itself, neither above nor below the fraction. `memory` adds vectors of earlier batches to
/// compare with, constants. Pairs with a masked row are left out altogether, rows without a positive are left out of
/// the mean.
pub fn intra_contrast(students: &Codes, memory: Option<&Codes>, temperature: f64) -> Contrast {
    let rows = students.classes.len();
    let device = students.usable.device();
    let mut others = Tensor::<2>::eye(rows, &device).neg().add_scalar(1.0);
    if let Some(memory) = memory {
        others = Tensor::cat(vec![others, Tensor::ones([rows, memory.classes.len()], &device)], 1);
    }
    let candidates = joined(students, memory);
    contrast(students, &candidates, others, temperature)
}

/// Contrast of the student's vectors a with the teachers' b, b_j the vector of text j as the teacher that is trusted with
/// it sees it:
///
/// ```text
/// - mean_n mean_{j: c_j = c_n} log [ exp(a_n·b_j / τ) / sum_l exp(a_n·b_l / τ) ]
/// ```
///
/// Row n of `teachers` is the text of row n of `students`, and counts as a positive of it. Memory and masks as in
/// [`intra_contrast`].
pub fn inter_contrast(students: &Codes, teachers: &Codes, memory: Option<&Codes>, temperature: f64) -> Contrast {
    let candidates = joined(teachers, memory);
    let all = Tensor::ones([students.classes.len(), candidates.classes.len()], &students.usable.device());
    contrast(students, &candidates, all, temperature)
}

/// `pairs: [anchors, candidates]` is 1 where a candidate may be compared with an anchor.
fn contrast(anchors: &Codes, candidates: &Codes, pairs: Tensor<2>, temperature: f64) -> Contrast {
    let usable = anchors.usable.clone().unsqueeze_dim::<2>(1) * candidates.usable.clone().unsqueeze_dim::<2>(0);
    let pairs = pairs * usable;
    let similarity = anchors.vectors.clone().matmul(candidates.vectors.clone().transpose()).div_scalar(temperature);
    let mask = pairs.clone().sub_scalar(1.0).mul_scalar(MASKED);
    // Where a pair counts the mask is 0, so this is the logarithm of its share among those that count.
    let log_share = log_softmax(similarity + mask.clone(), 1.0).log_probabilities - mask;

    let positive = same_class(anchors, candidates) * pairs;
    let positives = positive.clone().sum_dim(1);
    let rows = (positive * log_share).sum_dim(1) / positives.clone().clamp_min(1.0);
    let anchors = positives.greater_scalar(0.0).float().sum();
    Contrast { value: rows.sum().neg() / anchors.clone().clamp_min(1.0), anchors }
}

/// 1 where anchor and candidate have the same class, `[anchors, candidates]`.
fn same_class(anchors: &Codes, candidates: &Codes) -> Tensor<2> {
    let device = anchors.usable.device();
    let shape = [anchors.classes.len(), candidates.classes.len()];
    let ints = |classes: &[u32], shape: [usize; 2]| {
        let classes: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
        Tensor::<2, Int>::from_data(TensorData::new(classes, shape), &device)
    };
    let rows = ints(&anchors.classes, [shape[0], 1]).expand(shape);
    rows.equal(ints(&candidates.classes, [1, shape[1]]).expand(shape)).float()
}

/// The codes of a batch and, behind them, those of the memory as constants.
fn joined(batch: &Codes, memory: Option<&Codes>) -> Codes {
    let Some(memory) = memory else { return batch.clone() };
    let constants = memory.vectors.clone().inner();
    let constants = if batch.vectors.is_autodiff() { constants.autodiff() } else { constants };
    Codes {
        vectors: Tensor::cat(vec![batch.vectors.clone(), constants], 0),
        classes: batch.classes.iter().chain(&memory.classes).copied().collect(),
        usable: Tensor::cat(vec![batch.usable.clone(), memory.usable.clone()], 0),
    }
}
