//! New tokens through all layers.

use super::super::rows::activate;
use super::attention::{NewTokens, Turns, attend};
use super::cache::RowCache;
use super::columns::{Columns, GROUP};
use super::matrix::Matrix;
use super::rows::{add_bias, add_shifted, gated};
use super::strip::STRIP;
use super::weights::{Inner, Layer, Weights};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Hidden states of the new tokens behind the last norm, from their embeddings; remembers their keys and values.
pub(super) fn run(weights: &Weights, mut x: Columns, rows: &[NewTokens], caches: &mut [&mut RowCache]) -> Columns {
    let turns = weights.frequencies.as_ref().map(|frequencies| turns(frequencies, rows));
    if let Some(table) = &weights.positions {
        add_positions(table, rows, &mut x);
    }
    for (index, layer) in weights.layers.iter().enumerate() {
        let qkv = linear(&layer.qkv, &layer.attention_norm.of(&x));
        let read = attend(weights.heads, &qkv, turns.as_ref(), rows, caches, index);
        add_linear(&layer.attention_output, &read, &mut x);
        let inner = inner(layer, &layer.feed_forward_norm.of(&x));
        add_linear(&layer.outer, &inner, &mut x);
    }
    weights.norm.of(&x)
}

/// Logits of hidden states, `[rows, vocabulary]` row-major.
pub(super) fn logits(head: &Matrix, hidden: &Columns) -> Vec<f32> {
    let by_strips = linear(head, hidden);
    let vocabulary = head.columns();
    let mut logits = vec![0.0; hidden.rows() * vocabulary];
    logits.par_chunks_mut(vocabulary).enumerate().for_each(|(row, logits)| by_strips.read(row, 0, logits));
    logits
}

fn linear(matrix: &Matrix, x: &Columns) -> Columns {
    let mut out = Columns::new(x.rows(), matrix.columns());
    out.fill(|strip, rows, out| {
        matrix.times(strip, x, rows, out);
        if matrix.has_bias() {
            add_bias(matrix.bias(strip), out);
        }
    });
    out
}

/// out += x W + b.
fn add_linear(matrix: &Matrix, x: &Columns, out: &mut Columns) {
    out.fill(|strip, rows, out| {
        with_sums(matrix, strip, x, rows, |sums| add_shifted(sums, matrix.bias(strip), out));
    });
}

fn inner(layer: &Layer, x: &Columns) -> Columns {
    let mut out = Columns::new(x.rows(), layer.inner.columns());
    out.fill(|strip, rows, out| match &layer.inner {
        Inner::Gated { gate, value } => {
            gate.times(strip, x, rows.clone(), out);
            with_sums(value, strip, x, rows, |sums| gated(out, sums));
        }
        Inner::Activated(matrix, activation) => {
            matrix.times(strip, x, rows, out);
            for row in out.chunks_exact_mut(STRIP) {
                activate(*activation, matrix.bias(strip), row, &mut []);
            }
        }
    });
    out
}

thread_local! {
    static SUMS: RefCell<[f32; GROUP * STRIP]> = const { RefCell::new([0.0; GROUP * STRIP]) };
}

/// Calls `use_them` with the sums of a group of rows.
fn with_sums(matrix: &Matrix, strip: usize, x: &Columns, rows: Range<usize>, use_them: impl FnOnce(&[f32])) {
    SUMS.with_borrow_mut(|sums| {
        let sums = &mut sums[..rows.len() * STRIP];
        matrix.times(strip, x, rows, sums);
        use_them(sums);
    });
}

fn turns(frequencies: &[f32], rows: &[NewTokens]) -> Turns {
    let positions = rows.iter().flat_map(|row| row.before..row.before + row.tokens.len());
    let angles = positions.flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
    let (cos, sin) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
    Turns { cos, sin }
}

fn add_positions(table: &[f32], rows: &[NewTokens], x: &mut Columns) {
    let width = x.columns();
    let mut line = vec![0.0; width];
    for row in rows {
        for (index, token) in row.tokens.clone().enumerate() {
            x.read(token, 0, &mut line);
            let position = &table[(row.before + index) * width..][..width];
            line.iter_mut().zip(position).for_each(|(value, position)| *value += position);
            x.write(token, &line);
        }
    }
}
