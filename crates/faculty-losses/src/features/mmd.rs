//! Maximum mean discrepancy between two sets of features.

use super::unit_rows;
use crate::relation::outer;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// σ² of the adaptive kernels, as factors of the mean squared distance.
const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// σ of the fixed kernels.
const SIGMAS: [f64; 7] = [0.001, 0.01, 0.05, 0.1, 0.2, 1.0, 2.0];
/// Below this mean squared distance all features are one point.
const NO_DISTANCE: f64 = 1e-8;
/// A kernel whose mean over pairs is nearer than this to 0 or 1 tells no pair from another.
const ACTIVE: f64 = 0.01;

/// The widths of the kernels exp(-dist² / (2 σ²)), which are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MmdKernels {
    /// Five, with σ² = 1/4, 1/2, 1, 2 and 4 times the mean squared distance between different features of both sets, a
    /// constant (CFL of lancopku/MUKI).
    #[default]
    Adaptive,
    /// Seven, with σ = 0.001, 0.01, 0.05, 0.1, 0.2, 1 and 2 (zju-vipa/KamalEngine). On unit vectors most of the narrow
    /// ones see every pair as infinitely far: look at the number of active kernels.
    Fixed,
}

/// The discrepancy and what became of its kernels.
#[derive(Debug, Clone)]
pub struct Mmd {
    /// MMD², the biased estimate, not below 0, `[1]`.
    pub squared: Tensor<1>,
    /// How many kernels tell pairs apart: those whose mean over pairs across the sets is within 0.01 to 0.99, `[1]`.
    /// Carries no gradient.
    pub active_kernels: Tensor<1>,
}

/// MMD² between the unit vectors along the rows of `x` and those of `y`, `[texts, width]` both, row by row of one text.
///
/// `rows: [texts]` is 1 for texts that take part and 0 for others. The estimate is the biased one (a row is compared
/// with itself as well), clipped at 0. The kernels' widths are constants; the gradient goes to both sets.
pub fn mmd(x: Tensor<2>, y: Tensor<2>, rows: &Tensor<1>, kernels: MmdKernels) -> Mmd {
    let (x, y) = (unit_rows(x), unit_rows(y));
    let pairs = outer(rows);
    let count = pairs.clone().sum().clamp_min(1.0);
    let mean = |values: Tensor<2>| (values * pairs.clone()).sum() / count.clone();

    let inside_x = squared_distances(&x, &x);
    let inside_y = squared_distances(&y, &y);
    let across = squared_distances(&x, &y);
    let device = rows.device();
    let divisors: Vec<Tensor<2>> = match kernels {
        MmdKernels::Adaptive => {
            let total = (inside_x.clone() + inside_y.clone() + across.clone().mul_scalar(2.0)).inner();
            // 2 n features make 2 n (2 n - 1) ordered pairs of different ones; equal ones add nothing to the sum.
            let texts = rows.clone().sum();
            let different = texts.clone().mul_scalar(2.0) * texts.mul_scalar(2.0).sub_scalar(1.0);
            let squared = (total * pairs.clone()).sum() / different.clamp_min(1.0);
            let squared = squared.clamp_min(NO_DISTANCE).unsqueeze_dim::<2>(0);
            FACTORS.iter().map(|factor| squared.clone().mul_scalar(2.0 * factor)).collect()
        }
        MmdKernels::Fixed => SIGMAS.iter().map(|sigma| Tensor::full([1, 1], 2.0 * sigma * sigma, &device)).collect(),
    };

    let mut squared = Tensor::zeros([1], &device);
    let mut active_kernels = Tensor::zeros([1], &device);
    for divisor in divisors {
        let kernel = |distances: &Tensor<2>| mean((distances.clone() / divisor.clone()).neg().exp());
        let both = kernel(&across);
        let level = both.clone().inner();
        let low = level.clone().greater_scalar(ACTIVE).float();
        active_kernels = active_kernels + low * level.lower_scalar(1.0 - ACTIVE).float();
        squared = squared + kernel(&inside_x) + kernel(&inside_y) - both.mul_scalar(2.0);
    }
    Mmd { squared: squared.clamp_min(0.0), active_kernels }
}

/// Squared distances between the rows of two sets, `[n, m]`: by differences, so that equal rows are exactly 0 apart,
/// which narrow kernels need.
fn squared_distances(x: &Tensor<2>, y: &Tensor<2>) -> Tensor<2> {
    let difference = x.clone().unsqueeze_dim::<3>(1) - y.clone().unsqueeze_dim::<3>(0);
    difference.square().sum_dim(2).squeeze_dim(2)
}
