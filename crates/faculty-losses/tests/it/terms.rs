//! What a loss returns.

use burn::tensor::{Device, Tensor};
use faculty_losses::LossTerms;
use faculty_nn::host_values;

fn scalar(value: f32) -> Tensor<1> {
    Tensor::from_floats([value], &Device::flex())
}

fn total(terms: &LossTerms) -> f32 {
    host_values(terms.total()).unwrap()[0]
}

#[test]
fn the_total_is_the_weighted_sum() {
    let mut terms = LossTerms::new("kl", 1.0, scalar(2.0));
    terms.push("features", 0.5, scalar(4.0));
    assert_eq!(total(&terms), 4.0);
    assert_eq!(total(&terms.clone().scaled(0.25)), 1.0);
    assert_eq!(total(&terms.scaled(0.0)), 0.0);
}

#[test]
fn what_is_only_logged_can_not_spoil_the_total() {
    let mut terms = LossTerms::new("kl", 1.0, scalar(2.0));
    terms.log("ratio", scalar(f32::INFINITY));
    assert_eq!(total(&terms), 2.0);
    assert_eq!(terms.get("ratio").map(|term| term.weight), Some(0.0));
}

#[test]
fn what_is_only_logged_lets_go_of_its_graph() {
    let leaf = Tensor::<1>::from_floats([3.0], &Device::flex().autodiff()).require_grad();
    let mut terms = LossTerms::new("kl", 1.0, leaf.clone().mul_scalar(2.0));
    terms.log("square", leaf.clone() * leaf.clone());
    assert!(!terms.get("square").unwrap().value.is_tracked());
    let gradients = terms.total().backward();
    assert_eq!(host_values(leaf.grad(&gradients).unwrap()).unwrap(), [2.0]);
}

#[test]
fn terms_are_read_in_order_and_without_their_weights() {
    let mut terms = LossTerms::new("a", 2.0, scalar(1.0));
    let mut other = LossTerms::new("b", 3.0, scalar(5.0));
    other.log("c", scalar(7.0));
    terms.extend(other, 2.0);
    let read = terms.read().unwrap();
    assert_eq!(read, [("a".into(), 1.0), ("b".into(), 5.0), ("c".into(), 7.0)]);
    assert_eq!(terms.iter().map(|term| term.weight).collect::<Vec<_>>(), [2.0, 6.0, 0.0]);
    assert_eq!(total(&terms), 32.0);
}
