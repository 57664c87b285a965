//! How fast encoder layers are: fused in f32 and bf16 against plain Burn operations, alternated.
//!
//! `cargo run -p faculty-nn --example layer_speed -- [--seconds S] [--width W --heads H --layers L] [--batch B]
//! [--tokens T] [--only plain|f32|bf16] [--pass forward|sample|backward|dropout]` prints sequences a second and the rate of
//! matrix products that this amounts to (backward counts twice the forward pass). Figures are the best of many short
//! runs, because other work on the machine only ever makes a run slower.

#![allow(clippy::print_stdout)]

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::{Activation, DropoutPlan, DropoutRates, EncoderLayer, LayerNorm, Linear, Precision, RowKeys, Spans};
use std::time::{Duration, Instant};

/// What is timed.
struct Settings {
    seconds: f64,
    layers: usize,
    width: usize,
    heads: usize,
    batch: usize,
    tokens: Vec<usize>,
    only: Option<String>,
    passes: Vec<String>,
}

fn main() -> Result<(), String> {
    let mut settings = Settings {
        seconds: 4.0,
        layers: 3,
        width: 384,
        heads: 12,
        batch: 32,
        tokens: vec![12, 128],
        only: None,
        passes: ["forward", "sample", "backward", "dropout"].map(str::to_owned).to_vec(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{flag} {value}: {error}"));
        match flag.as_str() {
            "--seconds" => settings.seconds = value.parse().map_err(|error| format!("{flag} {value}: {error}"))?,
            "--layers" => settings.layers = number()?,
            "--width" => settings.width = number()?,
            "--heads" => settings.heads = number()?,
            "--batch" => settings.batch = number()?,
            "--tokens" => settings.tokens = vec![number()?],
            "--only" => settings.only = Some(value),
            "--pass" => settings.passes = vec![value],
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    let Settings { layers, width, heads, batch, .. } = settings;
    println!("{layers} layers, width {width}, {heads} heads, inner {}, batch {batch}", 4 * width);
    for tokens in &settings.tokens {
        for pass in &settings.passes {
            compare(&settings, *tokens, pass);
        }
    }
    Ok(())
}

const WAYS: [&str; 3] = ["plain", "f32", "bf16"];

fn compare(settings: &Settings, tokens: usize, pass: &str) {
    let Settings { layers, width, batch, .. } = *settings;
    let backward = matches!(pass, "backward" | "dropout");
    let device = if backward { Device::flex().autodiff() } else { Device::flex() };
    let stack = |precision| -> Vec<EncoderLayer> {
        (0..layers).map(|index| layer(settings, index as u64, precision, &device)).collect()
    };
    let stacks = [stack(Precision::F32), stack(Precision::F32), stack(Precision::Bf16)];
    let Ok(spans) = Spans::right_padded(&vec![tokens; batch], tokens) else { return };
    let hidden = random(99, [batch, tokens, width], 1.0, &device);
    let dropout = if matches!(pass, "sample" | "dropout") {
        let identities: Vec<u64> = (0..batch as u64).collect();
        let keys = RowKeys::for_pass(Stream::new(1, "dropout"), 0, &identities);
        DropoutPlan::Sampled { rates: DropoutRates::uniform(0.1), keys }
    } else {
        DropoutPlan::Off
    };
    let once = |way: usize| {
        let mut states = hidden.clone();
        for (index, layer) in stacks[way].iter().enumerate() {
            let index = index as u32;
            states = if way == 0 {
                layer.forward_plain(index, states, &spans, &dropout)
            } else {
                layer.forward(index, states, &spans, &dropout)
            };
        }
        if backward {
            let grads = states.sum().backward();
            assert!(stacks[way][0].qkv.weight.val().grad(&grads).is_some());
        } else {
            let _ = states.into_data();
        }
    };
    let mut best = [Duration::MAX; 3];
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < settings.seconds {
        for (way, best) in best.iter_mut().enumerate() {
            if settings.only.as_deref().is_none_or(|only| only == WAYS[way]) {
                let begin = Instant::now();
                once(way);
                *best = begin.elapsed().min(*best);
            }
        }
    }
    let products = 2 * batch * tokens * (12 * width * width + 2 * tokens * width) * layers;
    let work = products as f64 * if backward { 3.0 } else { 1.0 };
    let what = match pass {
        "forward" => "forward",
        "sample" => "forward, dropout 0.1",
        "dropout" => "forward + backward, dropout 0.1",
        _ => "forward + backward",
    };
    let figures = WAYS.iter().zip(best).filter(|(_, time)| *time < Duration::MAX).map(|(way, time)| {
        let seconds = time.as_secs_f64();
        format!("{way} {:.0} seq/s ({:.0} GF/s)", batch as f64 / seconds, work / seconds * 1e-9)
    });
    println!("{tokens:4} tokens, {what}: {}", figures.collect::<Vec<_>>().join(", "));
}

fn random<const D: usize>(seed: u64, shape: [usize; D], deviation: f64, device: &Device) -> Tensor<D> {
    let stream = Stream::new(seed, "layer_speed");
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|index| (deviation * stream.normal_at(index)) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn layer(settings: &Settings, seed: u64, precision: Precision, device: &Device) -> EncoderLayer {
    let (width, inner) = (settings.width, 4 * settings.width);
    let linear = |index: u64, rows: usize, columns: usize| Linear {
        weight: Param::from_tensor(random(100 * seed + index, [rows, columns], 0.02, device)),
        bias: Param::from_tensor(random(100 * seed + index + 1, [columns], 0.02, device)),
    };
    let norm = || LayerNorm {
        gamma: Param::from_tensor(Tensor::ones([width], device)),
        beta: Param::from_tensor(Tensor::zeros([width], device)),
        epsilon: 1e-12,
    };
    EncoderLayer {
        qkv: linear(0, width, 3 * width),
        attention_output: linear(2, width, width),
        attention_norm: norm(),
        feed_forward_in: linear(4, width, inner),
        feed_forward_out: linear(6, inner, width),
        output_norm: norm(),
        heads: settings.heads,
        activation: Activation::Gelu,
        precision,
        packed: faculty_nn::fused::WeightCache::default(),
    }
}
