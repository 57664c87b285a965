//! Single kernels with their cost, for benchmarks and the roofline; not part of the interface.

use super::attention::{self, RowOf, Tiles};
use super::cpu::{Bf16Level, bf16_level};
use super::mask::Draws;
use super::matrix::{View, multiply};
use super::memory::Buffer;
use super::panels::{BLOCK, Panels, Planes, product};
use super::plan::{self, LayerPlan, Queries};
use super::products::{Method, Right, times};
use super::rows::{activate, norm_backward, residual_norm};
use super::weight_cache::WeightCache;
use crate::{Activation, DropoutPlan, DropoutRates, Precision, RowKeys, Site, Spans};
use faculty_core::Stream;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// One kernel on the sizes of a chunk: what it computes, and what that costs.
pub struct Kernel {
    /// What it is.
    pub name: String,
    /// Floating-point operations of one run; elementary functions count as 20.
    pub operations: f64,
    /// Bytes that one run has to read and write at least.
    pub bytes: f64,
    /// Runs it once, on the calling thread.
    pub run: Box<dyn FnMut()>,
}

/// Operations that an exponential or an error function counts as.
const FUNCTION: f64 = 20.0;

fn filled(len: usize, name: &str) -> Buffer {
    let stream = Stream::new(1, name);
    let mut buffer = Buffer::new(len);
    buffer.iter_mut().enumerate().for_each(|(index, value)| *value = stream.normal_at(index as u64) as f32);
    buffer
}

fn kernel(name: String, operations: f64, bytes: f64, run: impl FnMut() + 'static) -> Kernel {
    Kernel { name, operations, bytes, run: Box::new(run) }
}

/// The kernels of a layer over `rows` texts of `tokens` tokens each.
pub fn kernels(rows: usize, tokens: usize, width: usize, heads: usize) -> Vec<Kernel> {
    let all = rows * tokens;
    let mut kernels = vec![product_by_vectors(all, width, 4 * width)];
    for planes in [Planes::Three, Planes::One] {
        kernels.push(product_by_tiles(all, width, 4 * width, planes));
        kernels.push(packing(width, 4 * width, planes));
    }
    kernels.push(residual(all, width));
    kernels.push(residual_backward(all, width));
    kernels.push(activation(all, 4 * width));
    kernels.push(dropout(all, width));
    for (precision, dropped) in [(Precision::F32, false), (Precision::F32, true), (Precision::Bf16, false)] {
        kernels.push(attention_of(rows, tokens, width, heads, precision, dropped));
    }
    kernels
}

fn product_cost(m: usize, k: usize, n: usize) -> (f64, f64) {
    (2.0 * (m * k * n) as f64, 4.0 * (m * k + k * n + m * n) as f64)
}

/// Operations a second that the tile unit gives the calling thread at the moment, on operands in the second-level cache;
/// nothing where there is no such unit. Takes milliseconds.
///
/// On virtual machines this may change by a factor of four from one second to the next, and nothing else shows it.
pub fn tile_rate() -> Option<f64> {
    const DEPTH: usize = 2048;
    if bf16_level() != Bf16Level::Amx {
        return None;
    }
    let operand = filled(BLOCK * DEPTH, "operand");
    let left = Panels::left(View::new(&operand, BLOCK, DEPTH), Planes::One);
    let right = Panels::right(View::new(&operand, DEPTH, BLOCK), Planes::One);
    let run = || {
        let start = Instant::now();
        product(&left, &right, 0..BLOCK, 0..BLOCK, 0..left.depth_tiles(), |_, _, square| {
            black_box(square);
        });
        start.elapsed()
    };
    // The median: the fastest run would hide a unit that is taken away now and then.
    let mut times: Vec<Duration> = (0..1001).map(|_| run()).collect();
    times.sort_unstable();
    Some(2.0 * (BLOCK * DEPTH * BLOCK) as f64 / times[times.len() / 2].as_secs_f64())
}

/// Root of the mean square error of a product `[m, k] x [k, n]` of standard normal numbers, against f64: by f32 vectors, and
/// by three planes of tiles.
pub fn product_errors(m: usize, k: usize, n: usize) -> [f64; 2] {
    let (a, b, mut out) = (filled(m * k, "a"), filled(k * n, "b"), Buffer::new(m * n));
    let exact: Vec<f64> = (0..m * n)
        .map(|at| (0..k).map(|p| f64::from(a[at / n * k + p]) * f64::from(b[p * n + at % n])).sum())
        .collect();
    let error = |values: &[f32]| {
        let squares: f64 = values.iter().zip(&exact).map(|(value, exact)| (f64::from(*value) - exact).powi(2)).sum();
        (squares / exact.len() as f64).sqrt()
    };
    let (left, right) = (View::new(&a, m, k), View::new(&b, k, n));
    multiply(&mut out, left, right, false);
    let by_vectors = error(&out);
    times(&mut out, left, Right::Tiles(&Panels::right(right, Planes::Three)), false);
    [by_vectors, error(&out)]
}

fn product_by_vectors(m: usize, k: usize, n: usize) -> Kernel {
    let (a, b, mut out) = (filled(m * k, "a"), filled(k * n, "b"), Buffer::new(m * n));
    let (operations, bytes) = product_cost(m, k, n);
    kernel(format!("product {m} x {k} x {n}, f32 vectors"), operations, bytes, move || {
        multiply(&mut out, View::new(&a, m, k), View::new(&b, k, n), false);
    })
}

fn product_by_tiles(m: usize, k: usize, n: usize, planes: Planes) -> Kernel {
    let (a, b, mut out) = (filled(m * k, "a"), filled(k * n, "b"), Buffer::new(m * n));
    let right = Panels::right(View::new(&b, k, n), planes);
    let (operations, bytes) = product_cost(m, k, n);
    let precision = if planes == Planes::One { "bf16 tiles" } else { "f32 by three planes of tiles" };
    kernel(format!("product {m} x {k} x {n}, {precision}"), operations, bytes, move || {
        times(&mut out, View::new(&a, m, k), Right::Tiles(&right), false);
    })
}

fn packing(k: usize, n: usize, planes: Planes) -> Kernel {
    let b = filled(k * n, "b");
    let mut panels = Panels::right_scratch(planes, k, n);
    let count = if planes == Planes::One { 1 } else { 3 };
    let bytes = (k * n * (4 + 2 * count)) as f64;
    kernel(format!("packing {k} x {n}, {count} planes"), 0.0, bytes, move || panels.refill(View::new(&b, k, n)))
}

fn residual(tokens: usize, width: usize) -> Kernel {
    let (x, y, mut out) = (filled(tokens * width, "x"), filled(tokens * width, "y"), Buffer::new(tokens * width));
    let (bias, gamma, beta, mut row) = (filled(width, "b"), filled(width, "g"), filled(width, "e"), Buffer::new(width));
    let (values, name) = ((tokens * width) as f64, format!("residual + LayerNorm {tokens} x {width}"));
    kernel(name, 9.0 * values, 12.0 * values, move || {
        for ((x, y), out) in x.chunks_exact(width).zip(y.chunks_exact(width)).zip(out.chunks_exact_mut(width)) {
            residual_norm(x, y, &bias, &[], &gamma, &beta, 1e-12, &mut row, out);
        }
    })
}

fn residual_backward(tokens: usize, width: usize) -> Kernel {
    let (x, y, mut out) = (filled(tokens * width, "x"), filled(tokens * width, "y"), Buffer::new(tokens * width));
    let (gamma, mut sums) = (filled(width, "g"), [Buffer::new(width), Buffer::new(width)]);
    let (values, name) = ((tokens * width) as f64, format!("LayerNorm backward {tokens} x {width}"));
    kernel(name, 12.0 * values, 12.0 * values, move || {
        let [gamma_grad, beta_grad] = &mut sums;
        for ((x, y), out) in x.chunks_exact(width).zip(y.chunks_exact(width)).zip(out.chunks_exact_mut(width)) {
            norm_backward(x, y, 0.7, &gamma, gamma_grad, beta_grad, out);
        }
    })
}

fn activation(tokens: usize, width: usize) -> Kernel {
    let (x, mut out, bias) = (filled(tokens * width, "x"), Buffer::new(tokens * width), filled(width, "b"));
    let values = (tokens * width) as f64;
    kernel(format!("bias + GELU {tokens} x {width}"), (FUNCTION + 2.0) * values, 8.0 * values, move || {
        out.copy_from_slice(&x);
        out.chunks_exact_mut(width).for_each(|row| activate(Activation::Gelu, &bias, row, &mut []));
    })
}

fn dropout(tokens: usize, width: usize) -> Kernel {
    let plan = sampled(1);
    let (mut draws, mut out) = (Draws::default(), Buffer::new(width));
    let values = (tokens * width) as f64;
    kernel(format!("dropout mask {tokens} x {width}"), 2.0 * values, 4.0 * values, move || {
        if let Some(mask) = plan.site(Site::AttentionOutput(0)) {
            (0..tokens).for_each(|token| draws.fill(&mask, 0, token * width, &mut out));
        }
    })
}

fn sampled(rows: usize) -> DropoutPlan {
    let identities: Vec<u64> = (0..rows as u64).collect();
    let keys = RowKeys::for_pass(Stream::new(1, "kernels"), 0, &identities);
    DropoutPlan::Sampled { rates: DropoutRates::uniform(0.1), keys }
}

fn attention_of(rows: usize, tokens: usize, width: usize, heads: usize, precision: Precision, dropped: bool) -> Kernel {
    let plan = LayerPlan {
        heads,
        width,
        inner: 4 * width,
        activation: Activation::Gelu,
        attention_epsilon: 1e-12,
        output_epsilon: 1e-12,
        spans: Spans::dense(rows, tokens),
        attention_mask: if dropped { sampled(rows).site(Site::Attention(0)) } else { None },
        attention_output_mask: None,
        output_mask: None,
        queries: Queries::All,
        method: Method::of(precision),
        packed: WeightCache::default(),
        chunks: plan::chunks(&Spans::dense(rows, tokens)),
    };
    let qkv = filled(rows * tokens * 3 * width, "qkv");
    let (mut context, mut stats) = (Buffer::new(tokens * width), Buffer::new(2 * tokens * heads));
    let mut tiles = Tiles::new(&plan, tokens);
    let scores = (rows * heads * tokens * tokens) as f64;
    let head = (width / heads) as f64;
    let bytes = (rows * tokens * 4 * width * 4) as f64;
    let name = format!(
        "attention {rows} x {tokens} tokens, {heads} heads of {head}, {precision}{}",
        if dropped { ", dropout" } else { "" }
    );
    kernel(name, scores * (4.0 * head + FUNCTION + 4.0), bytes, move || {
        for (row, qkv) in qkv.chunks_exact(tokens * 3 * width).enumerate() {
            attention::forward(&plan, &RowOf { qkv, row }, &mut tiles, &mut context, &mut stats);
        }
    })
}
