//! AdamW over a module against Burn's optimizer, and its state.

use burn::module::{Module, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{NamedTensor, Stream};
use faculty_nn::fused::{AdamWConfig, ModuleAdamW};
use faculty_nn::{StateTensor, module_state, restore_module};

#[derive(Module, Debug)]
struct Inner {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Outer {
    parts: Vec<Inner>,
    gamma: Param<Tensor<1>>,
    idle: Param<Tensor<1>>,
}

fn values(name: &str, count: usize) -> Vec<f32> {
    let stream = Stream::new(9, name);
    (0..count as u64).map(|index| stream.normal_at(index) as f32).collect()
}

fn outer(seed: &str, device: &Device) -> Outer {
    let vector = |name: &str| Param::from_data(TensorData::new(values(&format!("{seed} {name}"), 3), [3]), device);
    let inner = |name: &str| Inner {
        weight: Param::from_data(TensorData::new(values(&format!("{seed} {name}"), 6), [2, 3]), device),
        bias: vector(name),
    };
    Outer { parts: vec![inner("first"), inner("second")], gamma: vector("gamma"), idle: vector("idle") }
}

fn gradients(outer: &Outer, factor: f64) -> GradientsParams {
    let parts = outer.parts.iter().map(|part| part.weight.val() * part.bias.val().unsqueeze::<2>());
    let sum = parts.reduce(|sum, part| sum * part).unwrap() + outer.gamma.val().unsqueeze::<2>();
    GradientsParams::from_grads(sum.powi_scalar(2).sum().mul_scalar(factor).backward(), outer)
}

fn state(tensors: Vec<StateTensor>) -> Vec<NamedTensor> {
    let named = |tensor: StateTensor| {
        let (name, shape) = (tensor.name().to_owned(), tensor.shape().to_vec());
        NamedTensor { name, shape, values: tensor.into_values().unwrap() }
    };
    tensors.into_iter().map(named).collect()
}

const CONFIG: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.5 };

#[test]
fn every_parameter_has_the_bits_of_burns_optimizer() {
    let device = Device::flex().autodiff();
    let mut expected = outer("start", &device);
    let mut actual = expected.clone();
    let undecayed = AdamWConfig { weight_decay: 0.0, ..CONFIG };
    let group = ParamGroup::from_any_predicates(vec!["bias", "gamma", "beta"]);
    let mut theirs = ModuleOptimizer::from(CONFIG.build()).with_group(group, undecayed.build(), None);
    let mut ours = ModuleAdamW::new(CONFIG);
    for step in 0..6 {
        let rate = 0.01 * f64::from(step);
        let (for_theirs, for_ours) = (gradients(&expected, 0.7), gradients(&actual, 0.7));
        expected = theirs.step(rate, expected, for_theirs);
        actual = ours.step(rate, actual, for_ours);
        assert_eq!(state(module_state(&actual)), state(module_state(&expected)), "step {step}");
    }
    assert!(actual.gamma.val().is_require_grad(), "it still wants gradients");
    let names: Vec<String> = state(module_state(&actual)).into_iter().map(|tensor| tensor.name).collect();
    let parts = ["parts.0.weight", "parts.0.bias", "parts.1.weight", "parts.1.bias", "gamma", "idle"];
    assert_eq!(names, parts);
}

#[test]
fn a_factor_is_a_rate_of_its_own_for_what_is_below_a_path() {
    let device = Device::flex().autodiff();
    let start = outer("start", &device);
    let step = |rate: f64, mut optimizer: ModuleAdamW| {
        state(module_state(&optimizer.step(rate, start.clone(), gradients(&start, 0.7))))
    };
    let slow = step(0.01, ModuleAdamW::new(CONFIG));
    let fast = step(0.04, ModuleAdamW::new(CONFIG));
    let mixed = step(0.01, ModuleAdamW::new(CONFIG).with_rate_factor("parts.1", 4.0).with_rate_factor("gam", 4.0));
    for ((mixed, slow), fast) in mixed.iter().zip(&slow).zip(&fast) {
        assert_eq!(mixed, if mixed.name.starts_with("parts.1") { fast } else { slow }, "{}", mixed.name);
    }
}

#[test]
fn a_restored_optimizer_goes_on_with_equal_bytes() {
    let device = Device::flex().autodiff();
    let mut model = outer("start", &device);
    let mut original = ModuleAdamW::new(CONFIG);
    for factor in [1.0, -0.3] {
        let gradients = gradients(&model, factor);
        model = original.step(0.01, model, gradients);
    }
    let kept = original.state(&model);
    assert_eq!(kept.steps.values().copied().collect::<Vec<_>>(), [2; 5], "one parameter has no gradient");
    let steps = kept.steps.clone();
    let tensors = state(kept.tensors.into_iter().map(|tensor| tensor.under("adamw")).collect());
    let weights = state(module_state(&model).into_iter().map(|tensor| tensor.under("model")).collect());

    // Another process: other parameter ids.
    let other = restore_module(outer("other", &device), &weights, "model").unwrap();
    assert_eq!(state(module_state(&other)), state(module_state(&model)));
    assert!(other.idle.val().is_require_grad());
    let mut restored = ModuleAdamW::restore(CONFIG, &other, &steps, &tensors, "adamw").unwrap();
    let expected = original.step(0.01, model.clone(), gradients(&model, 0.1));
    let actual = restored.step(0.01, other.clone(), gradients(&other, 0.1));
    assert_eq!(state(module_state(&actual)), state(module_state(&expected)));

    let missing: Vec<NamedTensor> = tensors[1..].to_vec();
    assert!(ModuleAdamW::restore(CONFIG, &other, &steps, &missing, "adamw").is_err());
    let mut foreign = steps.clone();
    foreign.insert("elsewhere".to_owned(), 1);
    assert!(ModuleAdamW::restore(CONFIG, &other, &foreign, &tensors, "adamw").is_err());
}

#[test]
fn a_module_is_restored_whole_or_not_at_all() {
    let device = Device::flex();
    let model = outer("start", &device);
    let weights = state(module_state(&model));
    let mut turned = weights.clone();
    turned[0].shape.reverse();
    for wrong in [weights[1..].to_vec(), turned] {
        let error = restore_module(outer("other", &device), &wrong, "").unwrap_err().to_string();
        assert!(error.contains("parts.0.weight") && error.contains("shape [2, 3]"), "{error}");
    }
    let plain = restore_module(outer("other", &device), &weights, "").unwrap();
    assert_eq!(state(module_state(&plain)), weights);
    assert!(!plain.gamma.val().is_autodiff());
}
