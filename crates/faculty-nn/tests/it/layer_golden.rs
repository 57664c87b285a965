//! One layer against `transformers`: values and all gradients (`layer.safetensors`, made by `make_layer_golden.py`).

use crate::fused::{Gradients, differentiate};
use crate::tolerance::{Differences, Tolerance, wide};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::NamedTensors;
use faculty_nn::{Activation, DropoutPlan, EncoderLayer, LayerNorm, Linear, Precision, Spans};
use faculty_testkit::{golden_json, golden_tensors};
use std::collections::HashMap;

#[derive(serde::Deserialize)]
struct Golden {
    width: usize,
    heads: usize,
    inner: usize,
    epsilon: f64,
    lengths: Vec<usize>,
    tokens: usize,
    relative_rms_errors: HashMap<String, Errors>,
}

#[derive(serde::Deserialize)]
struct Errors {
    output: f64,
    gradients: HashMap<String, f64>,
}

/// (our name, `transformers`' name), in the order of [`differentiate`]; queries, keys and values are one tensor of ours.
const NAMES: [(&str, &str); 13] = [
    ("input", "hidden"),
    ("qkv", "attention.self.weight"),
    ("attention output", "attention.output.dense.weight"),
    ("feed-forward in", "intermediate.dense.weight"),
    ("feed-forward out", "output.dense.weight"),
    ("qkv bias", "attention.self.bias"),
    ("attention output bias", "attention.output.dense.bias"),
    ("feed-forward in bias", "intermediate.dense.bias"),
    ("feed-forward out bias", "output.dense.bias"),
    ("attention gamma", "attention.output.LayerNorm.weight"),
    ("attention beta", "attention.output.LayerNorm.bias"),
    ("output gamma", "output.LayerNorm.weight"),
    ("output beta", "output.LayerNorm.bias"),
];

/// A tensor of the file in our layout: matrices `[input, output]`, queries, keys and values side by side.
fn read(name: &str) -> (Vec<f32>, Vec<usize>) {
    let file = golden_tensors("layer.safetensors");
    let parts: Vec<String> = match name.split_once(".self.") {
        Some((before, kind)) => ["query", "key", "value"].map(|part| format!("{before}.self.{part}.{kind}")).to_vec(),
        None => vec![name.to_owned()],
    };
    let shape = file.shape(&parts[0]).unwrap();
    let values: Vec<f32> = parts.iter().flat_map(|part| file.read(part).unwrap()).collect();
    match shape[..] {
        // All rows of the parts, then transposed: [3 output, input] to [input, 3 output].
        [rows, columns] => {
            let rows = rows * parts.len();
            ((0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect(), vec![columns, rows])
        }
        [size] => (values, vec![size * parts.len()]),
        _ => (values, shape),
    }
}

fn tensor<const D: usize>(name: &str, device: &Device) -> Tensor<D> {
    let (values, shape) = read(name);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn layer(golden: &Golden, precision: Precision, device: &Device) -> EncoderLayer {
    let linear = |name: &str| Linear {
        weight: Param::from_tensor(tensor(&format!("{name}.weight"), device)),
        bias: Param::from_tensor(tensor(&format!("{name}.bias"), device)),
    };
    let norm = |name: &str| LayerNorm {
        gamma: Param::from_tensor(tensor(&format!("{name}.weight"), device)),
        beta: Param::from_tensor(tensor(&format!("{name}.bias"), device)),
        epsilon: golden.epsilon,
    };
    let layer = EncoderLayer {
        qkv: linear("attention.self"),
        attention_output: linear("attention.output.dense"),
        attention_norm: norm("attention.output.LayerNorm"),
        feed_forward_in: linear("intermediate.dense"),
        feed_forward_out: linear("output.dense"),
        output_norm: norm("output.LayerNorm"),
        heads: golden.heads,
        activation: Activation::Gelu,
        precision,
        packed: faculty_nn::fused::WeightCache::default(),
    };
    assert_eq!(layer.qkv.weight.val().dims(), [golden.width, 3 * golden.width]);
    assert_eq!(layer.feed_forward_in.weight.val().dims(), [golden.width, golden.inner]);
    layer
}

fn run(golden: &Golden, precision: Precision, fused: bool) -> Gradients {
    let device = Device::flex().autodiff();
    let spans = Spans::right_padded(&golden.lengths, golden.tokens).unwrap();
    let keep = crate::fused::keep_text(&spans, golden.width, &device);
    let weights = tensor::<3>("projection", &device) * keep;
    let hidden = tensor::<3>("input", &device).require_grad();
    differentiate(&layer(golden, precision, &device), hidden, weights, &spans, &DropoutPlan::Off, fused)
}

#[test]
fn values_and_gradients_are_those_of_transformers() {
    let golden: Golden = golden_json("layer.json");
    for (precision, fused) in [(Precision::F32, true), (Precision::F32, false), (Precision::Bf16, true)] {
        let case = format!("{precision}, fused: {fused}");
        let tolerance = Tolerance::to_exact(precision);
        let (output, grads) = run(&golden, precision, fused);
        let expected = wide(&read("output").0);
        Differences::of(&output, &expected, 0.0).assert_within(tolerance.output, "output", &case);
        assert_eq!(grads.len(), NAMES.len());
        for ((name, grad), (ours, theirs)) in grads.iter().zip(NAMES) {
            assert_eq!(name, ours);
            let expected = wide(&read(&format!("gradient.{theirs}")).0);
            Differences::of(grad, &expected, 0.0).assert_within(tolerance.gradient, name, &case);
        }
    }
}

/// Root mean square errors at most twice those of `torch.autocast` on the same layer.
#[test]
fn errors_in_bf16_are_no_larger_than_those_of_torch() {
    let golden: Golden = golden_json("layer.json");
    let torch = &golden.relative_rms_errors["autocast_bf16"];
    let exact = wide(&read("output").0);
    let stored = Differences::of(&read("autocast.output").0, &exact, 0.0).rms;
    assert!((stored / torch.output - 1.0).abs() < 1e-3, "{stored} in the tensors, {} in the numbers", torch.output);

    let (output, grads) = run(&golden, Precision::Bf16, true);
    let ours = Differences::of(&output, &exact, 0.0).rms;
    assert!(ours <= 2.0 * torch.output, "output: {ours:.2e}, PyTorch {:.2e}", torch.output);
    for ((name, grad), (_, theirs)) in grads.iter().zip(NAMES) {
        let expected = wide(&read(&format!("gradient.{theirs}")).0);
        let ours = Differences::of(grad, &expected, 0.0).rms;
        // Where PyTorch sums in f32 alone (the last bias), only f32 rounding is left to both.
        let allowed = (2.0 * torch.gradients[theirs]).max(2e-6);
        assert!(ours <= allowed, "{name}: {ours:.2e}, PyTorch {:.2e}", torch.gradients[theirs]);
    }
}
