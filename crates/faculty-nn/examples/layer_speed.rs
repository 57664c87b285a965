//! How fast encoder layers are: fused against plain, forward and forward + backward, alternated.
//!
//! `cargo run --release -p faculty-nn --example layer_speed [seconds per figure] [fused]` prints sequences a second
//! and the matrix-product rate that this amounts to (backward counts twice the forward pass). Figures are the best of
//! many short runs, because other work on the machine only ever makes a run slower.

#![allow(clippy::print_stdout)]

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::{Activation, DropoutPlan, DropoutRates, EncoderLayer, LayerNorm, Linear, Precision, RowKeys, Spans};
use std::time::{Duration, Instant};

const LAYERS: usize = 3;
const WIDTH: usize = 384;
const HEADS: usize = 12;
const INNER: usize = 1536;
const BATCH: usize = 32;

fn main() {
    let mut seconds = 4.0;
    let mut only_fused = false;
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(value) => seconds = value,
            Err(_) => only_fused = argument == "fused",
        }
    }
    println!("{LAYERS} layers, width {WIDTH}, {HEADS} heads, inner {INNER}, batch {BATCH}");
    for tokens in [12, 128] {
        for (backward, rate) in [(false, 0.0), (true, 0.0), (true, 0.1)] {
            compare(tokens, backward, rate, seconds, only_fused);
        }
    }
}

fn compare(tokens: usize, backward: bool, rate: f32, seconds: f64, only_fused: bool) {
    let device = if backward { Device::flex().autodiff() } else { Device::flex() };
    let layers: Vec<EncoderLayer> = (0..LAYERS).map(|index| layer(index as u64, &device)).collect();
    let Ok(spans) = Spans::right_padded(&[tokens; BATCH], tokens) else { return };
    let hidden = random(99, [BATCH, tokens, WIDTH], 1.0, &device);
    let dropout = if rate == 0.0 {
        DropoutPlan::Off
    } else {
        let identities: Vec<u64> = (0..BATCH as u64).collect();
        let keys = RowKeys::for_pass(Stream::new(1, "dropout"), 0, &identities);
        DropoutPlan::Sampled { rates: DropoutRates::uniform(rate), keys }
    };
    let once = |fused: bool| {
        let mut states = hidden.clone();
        for (index, layer) in layers.iter().enumerate() {
            let index = index as u32;
            states = if fused {
                layer.forward(index, states, &spans, &dropout)
            } else {
                layer.forward_plain(index, states, &spans, &dropout)
            };
        }
        if backward {
            let grads = states.sum().backward();
            assert!(layers[0].qkv.weight.val().grad(&grads).is_some());
        } else {
            let _ = states.into_data();
        }
    };
    let mut best = [Duration::MAX; 2];
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        for (which, best) in best.iter_mut().enumerate().skip(usize::from(only_fused)) {
            let begin = Instant::now();
            once(which == 1);
            *best = begin.elapsed().min(*best);
        }
    }
    let products = 2 * BATCH * tokens * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER + 2 * tokens * WIDTH) * LAYERS;
    let work = products as f64 * if backward { 3.0 } else { 1.0 };
    let what = match (backward, rate > 0.0) {
        (false, _) => "forward",
        (true, false) => "forward + backward",
        (true, true) => "forward + backward, dropout 0.1",
    };
    let figure = |time: Duration| {
        if time == Duration::MAX {
            return "-".to_string();
        }
        let seconds = time.as_secs_f64();
        format!("{:.0} seq/s ({:.0} GF/s)", BATCH as f64 / seconds, work / seconds * 1e-9)
    };
    println!("{tokens:4} tokens, {what}: plain {}, fused {}", figure(best[0]), figure(best[1]));
}

fn random<const D: usize>(seed: u64, shape: [usize; D], deviation: f64, device: &Device) -> Tensor<D> {
    let stream = Stream::new(seed, "layer_speed");
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|index| (deviation * stream.normal_at(index)) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn layer(seed: u64, device: &Device) -> EncoderLayer {
    let linear = |index: u64, rows: usize, columns: usize| Linear {
        weight: Param::from_tensor(random(100 * seed + index, [rows, columns], 0.02, device)),
        bias: Param::from_tensor(random(100 * seed + index + 1, [columns], 0.02, device)),
    };
    let norm = || LayerNorm {
        gamma: Param::from_tensor(Tensor::ones([WIDTH], device)),
        beta: Param::from_tensor(Tensor::zeros([WIDTH], device)),
        epsilon: 1e-12,
    };
    EncoderLayer {
        qkv: linear(0, WIDTH, 3 * WIDTH),
        attention_output: linear(2, WIDTH, WIDTH),
        attention_norm: norm(),
        feed_forward_in: linear(4, WIDTH, INNER),
        feed_forward_out: linear(6, INNER, WIDTH),
        output_norm: norm(),
        heads: HEADS,
        activation: Activation::Gelu,
        precision: Precision::F32,
        packed: faculty_nn::fused::WeightCache::default(),
    }
}
