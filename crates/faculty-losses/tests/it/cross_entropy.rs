//! Cross-entropy against labels.

use burn::tensor::{Device, Int, Tensor};
use faculty_losses::{cross_entropy, soft_cross_entropy};
use faculty_nn::host_values;
use faculty_testkit::assert_close;

#[test]
fn a_uniform_classifier_costs_log_c() {
    let device = Device::flex();
    let targets = Tensor::<1, Int>::from_ints([0, 6], &device);
    let loss = cross_entropy(Tensor::zeros([2, 7], &device), targets);
    assert_close(&host_values(loss).unwrap(), &[7f64.ln()], 1e-6, 1e-6, "cross-entropy");
}

#[test]
fn one_hot_targets_make_soft_and_hard_cross_entropy_equal_in_value_and_gradient() {
    let autodiff = Device::flex().autodiff();
    let logits = [[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]];
    let hard = Tensor::<2>::from_floats(logits, &autodiff).require_grad();
    // Targets may sit on the plain device (as texts prepared for teachers do) or on the student's.
    let hard_loss = cross_entropy(hard.clone(), Tensor::<1, Int>::from_ints([2, 1], &autodiff));
    let soft = Tensor::<2>::from_floats(logits, &autodiff).require_grad();
    let one_hot = Tensor::<2>::from_floats([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], &Device::flex());
    let soft_loss = soft_cross_entropy(soft.clone(), one_hot);
    let value = f64::from(host_values(soft_loss.clone().inner()).unwrap()[0]);
    assert_close(&host_values(hard_loss.clone().inner()).unwrap(), &[value], 1e-7, 1e-7, "value");
    let gradient = |leaf: Tensor<2>, loss: Tensor<1>| host_values(leaf.grad(&loss.backward()).unwrap()).unwrap();
    let expected: Vec<f64> = gradient(soft, soft_loss).into_iter().map(f64::from).collect();
    assert_close(&gradient(hard, hard_loss), &expected, 1e-7, 1e-7, "gradient");
}
