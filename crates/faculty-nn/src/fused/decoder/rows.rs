//! Row kernels of decoders: norms, rotations, gates.

use super::super::math::{exp, sum};
use super::super::simd::multiversion;
use super::columns::Columns;
use super::strip::STRIP;
use rayon::prelude::*;
use std::ops::Range;

/// A norm: LayerNorm where it has a shift, RMS norm where it has none.
pub(super) struct Norm {
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Option<Vec<f32>>,
    pub(super) epsilon: f32,
}

/// Rows from which the statistics of a norm are formed by all threads.
const PARALLEL_ROWS: usize = 128;

impl Norm {
    /// The normalised rows of `x`.
    pub(super) fn of(&self, x: &Columns) -> Columns {
        let statistics: Vec<(f32, f32)> = match x.rows() < PARALLEL_ROWS {
            true => (0..x.rows()).map(|row| self.statistics(x, row)).collect(),
            false => (0..x.rows()).into_par_iter().map(|row| self.statistics(x, row)).collect(),
        };
        let mut out = Columns::new(x.rows(), x.columns());
        let apply = |strip: usize, rows: Range<usize>, out: &mut [f32]| {
            let columns = strip * STRIP..x.columns().min((strip + 1) * STRIP);
            let gamma = &self.gamma[columns.clone()];
            let beta = self.beta.as_deref().map_or(&[][..], |beta| &beta[columns.clone()]);
            shift_and_scale(x.strip(strip, rows.clone()).data, &statistics[rows], gamma, beta, out);
        };
        match x.rows() < PARALLEL_ROWS {
            true => out.fill_here(apply),
            false => out.fill(apply),
        }
        out
    }

    /// What is taken off a row, and what it is then multiplied with.
    fn statistics(&self, x: &Columns, row: usize) -> (f32, f32) {
        let width = x.columns() as f32;
        let mean = match self.beta {
            Some(_) => x.pieces_of(row).map(|piece| squares(piece, None)).sum::<f32>() / width,
            None => 0.0,
        };
        let variance = x.pieces_of(row).map(|piece| squares(piece, Some(mean))).sum::<f32>() / width;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

multiversion! {
    /// Sum of the squared distances from `mean`, or of the values if there is none.
    fn squares(values: &[f32], mean: Option<f32>) -> f32 {
        match mean {
            Some(mean) => sum(values, |x| (x - mean) * (x - mean)),
            None => sum(values, |x| x),
        }
    }

    /// Rows of 64 numbers less their mean, times their scale and gamma, plus beta unless that is empty.
    fn shift_and_scale(values: &[f32], statistics: &[(f32, f32)], gamma: &[f32], beta: &[f32], out: &mut [f32]) {
        let rows = values.as_chunks::<STRIP>().0.iter().zip(out.as_chunks_mut::<STRIP>().0);
        for ((values, out), (mean, scale)) in rows.zip(statistics) {
            for ((out, value), gamma) in out.iter_mut().zip(values).zip(gamma) {
                *out = (value - mean) * scale * gamma;
            }
            for (out, beta) in out.iter_mut().zip(beta) {
                *out += beta;
            }
        }
    }

    /// Turns feature j of a head with feature j + width / 2, and multiplies all by `factor`.
    pub(super) fn rotate(values: &mut [f32], cos: &[f32], sin: &[f32], factor: f32) {
        let (low, high) = values.split_at_mut(cos.len());
        for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
            let turned = *low * cos - *high * sin;
            *high = (*high * cos + *low * sin) * factor;
            *low = turned * factor;
        }
    }

    /// gate = silu(gate) x value.
    pub(super) fn gated(gate: &mut [f32], value: &[f32]) {
        for (gate, value) in gate.iter_mut().zip(value) {
            *gate = *gate / (1.0 + exp(-*gate)) * value;
        }
    }

    /// Adds a row of 64 numbers to every row of `values`.
    pub(super) fn add_bias(bias: &[f32], values: &mut [f32]) {
        for values in values.as_chunks_mut::<STRIP>().0 {
            for (value, bias) in values.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }

    /// out += values + bias, with a bias for each of 64 columns.
    pub(super) fn add_shifted(values: &[f32], bias: &[f32], out: &mut [f32]) {
        for (values, out) in values.as_chunks::<STRIP>().0.iter().zip(out.as_chunks_mut::<STRIP>().0) {
            for ((out, value), bias) in out.iter_mut().zip(values).zip(bias) {
                *out += value + bias;
            }
        }
    }
}
