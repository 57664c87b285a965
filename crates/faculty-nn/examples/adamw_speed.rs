//! How long AdamW takes over a word table: by touched rows against the whole table.
//!
//! `cargo run -p faculty-nn --example adamw_speed [steps] [weight decay]` trains a table of 30,522 x 384 with random
//! gradients of 32 x 12 tokens a step, drawn like words (the n-th most frequent with probability 1 / n). It prints
//! milliseconds a step of both ways, and what the last call costs that brings every row up to date.

#![allow(clippy::print_stdout)]

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Result, Stream};
use faculty_nn::fused::{AdamWConfig, AdamWStep, RowGradient, SparseAdamW, adamw};
use std::time::Instant;

const ROWS: usize = 30_522;
const WIDTH: usize = 384;
const TOKENS: u64 = 32 * 12;
/// Steps of the dense way: each costs the same.
const DENSE_STEPS: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let steps = arguments.first().and_then(|steps| steps.parse().ok()).unwrap_or(500);
    let weight_decay = arguments.get(1).and_then(|decay| decay.parse().ok()).unwrap_or(0.01);
    let config = AdamWConfig { weight_decay, ..AdamWConfig::default() };
    let gradients: Vec<RowGradient> = (0..steps).map(gradient).collect::<Result<_>>()?;
    let start: Vec<f32> = (0..(ROWS * WIDTH) as u64).map(|at| Stream::new(1, "table").normal_at(at) as f32).collect();
    let start = Tensor::<2>::from_data(TensorData::new(start, [ROWS, WIDTH]), &Device::flex());

    let mut optimizer = SparseAdamW::new(config, ROWS, WIDTH);
    let mut table = optimizer.refresh(start.clone(), &[])?;
    let begin = Instant::now();
    for gradient in &gradients {
        table = optimizer.refresh(table, gradient.rows())?;
        table = optimizer.step(2e-5, table, gradient)?;
    }
    let sparse = begin.elapsed().as_secs_f64() * 1e3 / steps as f64;
    let begin = Instant::now();
    let table = optimizer.finish(table)?;
    let finish = begin.elapsed().as_secs_f64() * 1e3;
    drop(table);

    let (mut table, mut m, mut v) = (start, None, None);
    let mut dense = f64::INFINITY;
    for (step, gradient) in gradients.iter().take(DENSE_STEPS).enumerate() {
        let begin = Instant::now();
        let whole = Tensor::from_data(TensorData::new(gradient.to_dense(ROWS), [ROWS, WIDTH]), &Device::flex());
        let hyper = AdamWStep {
            lr: 2e-5,
            beta1: config.beta1,
            beta2: config.beta2,
            eps: config.epsilon,
            weight_decay,
            bias_correction1: 1.0 - config.beta1.powi(step as i32 + 1),
            bias_correction2: 1.0 - config.beta2.powi(step as i32 + 1),
        };
        let (next, next_m, next_v) = adamw(table, whole, m, v, hyper);
        (table, m, v) = (next, Some(next_m), Some(next_v));
        dense = dense.min(begin.elapsed().as_secs_f64() * 1e3);
    }
    let all = sparse + finish / steps as f64;
    println!("{ROWS} x {WIDTH}, {steps} steps, weight decay {weight_decay}");
    println!("by rows {sparse:.2} ms a step, at the end {finish:.0} ms: {all:.2} ms a step in all");
    println!("dense   {dense:.2} ms a step (the best of {DENSE_STEPS}), {:.1} times as long", dense / all);
    Ok(())
}

fn gradient(step: usize) -> Result<RowGradient> {
    let stream = Stream::new(2, "words").fork(step as u64);
    let mut rows: Vec<u32> = (0..TOKENS)
        .map(|token| (ROWS as f64).powf(stream.uniform_at(token)) as u32)
        .map(|row| row.min(ROWS as u32 - 1))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    let values = Stream::new(3, "values").fork(step as u64);
    let values = (0..(rows.len() * WIDTH) as u64).map(|at| 1e-3 * values.normal_at(at) as f32).collect();
    RowGradient::new(rows, values, WIDTH)
}
