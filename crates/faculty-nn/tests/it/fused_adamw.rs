//! AdamW against a scalar loop, torch, and itself after saving.

use burn::module::{Module, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::fused::{AdamWConfig, AdamWStep, adamw};

#[derive(Module, Debug)]
struct Pair {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

fn normals(name: &str, count: usize) -> Vec<f32> {
    let stream = Stream::new(5, name);
    (0..count as u64).map(|index| stream.normal_at(index) as f32).collect()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn hyper(step: i32, lr: f64, weight_decay: f64) -> AdamWStep {
    AdamWStep {
        lr,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay,
        bias_correction1: 1.0 - 0.9_f64.powi(step),
        bias_correction2: 1.0 - 0.999_f64.powi(step),
    }
}

/// The formula of `torch.optim.AdamW`, one number after the other in f64.
fn scalar_step(param: &mut [f64], grad: &[f64], m: &mut [f64], v: &mut [f64], hyper: &AdamWStep) {
    for i in 0..param.len() {
        param[i] *= 1.0 - hyper.lr * hyper.weight_decay;
        m[i] = hyper.beta1 * m[i] + (1.0 - hyper.beta1) * grad[i];
        v[i] = hyper.beta2 * v[i] + (1.0 - hyper.beta2) * grad[i] * grad[i];
        let denominator = v[i].sqrt() / hyper.bias_correction2.sqrt() + hyper.eps;
        param[i] -= hyper.lr / hyper.bias_correction1 * m[i] / denominator;
    }
}

fn tensor(values: &[f32], shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

#[test]
fn a_trajectory_follows_the_scalar_formula() {
    // More elements than one task takes, and a last task that is no multiple of a vector.
    let shape = [257, 301];
    let count = shape[0] * shape[1];
    let start = normals("start", count);
    let mut param = tensor(&start, shape);
    let (mut m, mut v) = (None, None);
    let mut expected: Vec<f64> = start.iter().map(|value| f64::from(*value)).collect();
    let (mut expected_m, mut expected_v) = (vec![0.0; count], vec![0.0; count]);
    for step in 1..=5 {
        let grad = normals(&format!("grad {step}"), count);
        let hyper = hyper(step, 1e-3, 0.1);
        let (next, next_m, next_v) = adamw(param, tensor(&grad, shape), m, v, hyper);
        (param, m, v) = (next, Some(next_m), Some(next_v));
        let grad: Vec<f64> = grad.iter().map(|value| f64::from(*value)).collect();
        scalar_step(&mut expected, &grad, &mut expected_m, &mut expected_v, &hyper);
    }
    for (index, (actual, expected)) in floats(param).iter().zip(&expected).enumerate() {
        assert!((f64::from(*actual) - expected).abs() < 1e-6, "[{index}]: {actual} instead of {expected}");
    }
}

#[test]
fn shared_tensors_are_not_changed_behind_their_owners() {
    let start = normals("start", 12);
    let param = tensor(&start, [3, 4]);
    let (m, v) = (tensor(&[0.0; 12], [3, 4]), tensor(&[0.0; 12], [3, 4]));
    let grad = tensor(&normals("grad", 12), [3, 4]);
    let (next, ..) = adamw(param.clone(), grad.clone(), Some(m.clone()), Some(v.clone()), hyper(1, 0.1, 0.0));
    assert_eq!(floats(param), start);
    assert_eq!(floats(m), vec![0.0; 12]);
    assert_eq!(floats(v), vec![0.0; 12]);
    assert_ne!(floats(next), start);
}

#[test]
fn views_are_stepped_like_their_copies() {
    let start = normals("start", 12);
    let grad = tensor(&normals("grad", 12), [4, 3]);
    let view = tensor(&start, [3, 4]).transpose();
    let copy = tensor(&floats(view.clone()), [4, 3]);
    let (from_view, ..) = adamw(view, grad.clone(), None, None, hyper(1, 0.1, 0.01));
    let (from_copy, ..) = adamw(copy, grad.clone(), None, None, hyper(1, 0.1, 0.01));
    assert_eq!(floats(from_view), floats(from_copy));
    let (turned, ..) = adamw(grad.clone(), tensor(&start, [3, 4]).transpose(), None, None, hyper(1, 0.1, 0.01));
    let (plain, ..) =
        adamw(grad, tensor(&floats(tensor(&start, [3, 4]).transpose()), [4, 3]), None, None, hyper(1, 0.1, 0.01));
    assert_eq!(floats(turned), floats(plain));
}

#[test]
fn the_trajectory_is_that_of_torch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../faculty-testkit/golden/adamw.json");
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let list = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let start: Vec<f32> = list(&golden["start"]).iter().map(|value| *value as f32).collect();
    let cases = golden["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let decay = case["weight_decay"].as_f64().unwrap();
        let mut param = tensor(&start, [1, start.len()]);
        let (mut m, mut v) = (None, None);
        for (index, lr) in list(&case["lr"]).into_iter().enumerate() {
            let grad: Vec<f32> = list(&golden["gradients"][index]).iter().map(|value| *value as f32).collect();
            let step = hyper(index as i32 + 1, lr, decay);
            let (next, next_m, next_v) = adamw(param, tensor(&grad, [1, start.len()]), m, v, step);
            (param, m, v) = (next, Some(next_m), Some(next_v));
            for (actual, expected) in floats(param.clone()).iter().zip(list(&case["parameters"][index])) {
                let near = (f64::from(*actual) - expected).abs() < 2e-6;
                assert!(near, "step {index}, decay {decay}, {}: {actual} instead of {expected}", case["schedule"]);
            }
        }
    }
}

fn pair(device: &Device) -> Pair {
    let matrix = Tensor::<2>::from_data(TensorData::new(normals("matrix", 6), [2, 3]), device);
    let vector = Tensor::<1>::from_data(TensorData::new(normals("vector", 3), [3]), device);
    Pair { matrix: Param::from_tensor(matrix), vector: Param::from_tensor(vector) }
}

fn optimizer(pair: &Pair) -> ModuleOptimizer {
    let decay = AdamWConfig { weight_decay: 0.5, ..AdamWConfig::default() };
    let none = AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() };
    let group = ParamGroup::from_ids(vec![pair.vector.id]);
    ModuleOptimizer::from(decay.build()).with_group(group, none.build(), None)
}

fn gradients(pair: &Pair, factor: f64) -> GradientsParams {
    let loss = (pair.matrix.val().sum() + pair.vector.val().powi_scalar(2).sum()).mul_scalar(factor);
    GradientsParams::from_grads(loss.backward(), pair)
}

#[test]
fn parameter_groups_decay_or_not() {
    let device = Device::flex().autodiff();
    let mut pair = pair(&device);
    let mut optimizer = optimizer(&pair);
    let mut matrix: Vec<f64> = floats(pair.matrix.val()).into_iter().map(f64::from).collect();
    let mut vector: Vec<f64> = floats(pair.vector.val()).into_iter().map(f64::from).collect();
    let mut moments = [vec![0.0; 6], vec![0.0; 6], vec![0.0; 3], vec![0.0; 3]];
    for step in 1..=4 {
        let grads = gradients(&pair, 1.0);
        let vector_grad: Vec<f64> = vector.iter().map(|value| 2.0 * value).collect();
        pair = optimizer.step(0.01, pair, grads);
        let [m_matrix, v_matrix, m_vector, v_vector] = &mut moments;
        scalar_step(&mut matrix, &[1.0; 6], m_matrix, v_matrix, &hyper(step, 0.01, 0.5));
        scalar_step(&mut vector, &vector_grad, m_vector, v_vector, &hyper(step, 0.01, 0.0));
    }
    let actual = [floats(pair.matrix.val()), floats(pair.vector.val())].concat();
    for (actual, expected) in actual.iter().zip(matrix.iter().chain(&vector)) {
        assert!((f64::from(*actual) - expected).abs() < 1e-6, "{actual} instead of {expected}");
    }
    assert!(pair.matrix.val().is_require_grad(), "the parameter still wants gradients");
}

#[test]
fn a_saved_optimizer_goes_on_with_equal_bytes() {
    let device = Device::flex().autodiff();
    let mut model = pair(&device);
    let mut original = optimizer(&model);
    for factor in [1.0, -0.3] {
        let grads = gradients(&model, factor);
        model = original.step(0.01, model, grads);
    }
    let mut restored = optimizer(&model).from_bytes(original.into_bytes().unwrap()).unwrap();
    let expected = original.step(0.01, model.clone(), gradients(&model, 0.1));
    let actual = restored.step(0.01, model.clone(), gradients(&model, 0.1));
    assert_eq!(floats(actual.matrix.val()), floats(expected.matrix.val()));
    assert_eq!(floats(actual.vector.val()), floats(expected.vector.val()));
}
