//! From scores to weights.

use burn::tensor::{Device, Tensor};
use faculty_nn::host_values;
use faculty_testkit::assert_close;
use faculty_uncertainty::{
    GateSpec, MarginSpec, hard_gate, margin_weights, normalised_margin, soft_gate, uniform_gate,
};

fn scores<const N: usize, const M: usize>(rows: [[f32; M]; N]) -> Tensor<2> {
    Tensor::from_floats(rows, &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    host_values(tensor).unwrap()
}

#[test]
fn a_soft_gate_is_bounded_by_its_temperature() {
    // Scores live in [0, 1], so at 0.2 the ratio of two weights is at most e^5.
    let weights = values(soft_gate(scores([[1.0, 0.0]]), 0.2).unwrap());
    assert_close(&weights, &[0.993307, 0.006693], 1e-6, 0.0, "weights");
}

#[test]
fn a_soft_gate_becomes_uniform_when_hot_and_hard_when_cold() {
    let s = scores([[0.9, 0.2, 0.5], [0.1, 0.3, 0.2]]);
    let hot = values(soft_gate(s.clone(), 1e6).unwrap());
    assert_close(&hot, &[1.0 / 3.0; 6], 1e-5, 0.0, "hot");
    let cold = values(soft_gate(s.clone(), 1e-4).unwrap());
    assert_eq!(cold, values(hard_gate(s)));
}

#[test]
fn soft_weights_sum_to_one_even_for_unbounded_scores() {
    let weights = values(soft_gate(scores([[1e4, -1e4, 0.0], [-3.0, 2.0, 2.0]]), 0.2).unwrap());
    for row in weights.chunks(3) {
        assert_close(&[row.iter().sum::<f32>()], &[1.0], 1e-6, 0.0, "sum");
    }
}

#[test]
fn temperatures_out_of_range_are_refused() {
    for temperature in [0.0, -0.2, f64::NAN, f64::INFINITY] {
        let error = soft_gate(scores([[0.1, 0.2]]), temperature).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("temperature"), "{error}");
    }
}

#[test]
fn of_equal_scores_the_first_teacher_wins() {
    let gate = values(hard_gate(scores([[0.5, 0.5, 0.5], [0.1, 0.7, 0.7], [0.2, 0.1, 0.9]])));
    assert_eq!(gate, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_uniform_gate_ignores_the_scores() {
    assert_eq!(values(uniform_gate(2, 4, &Device::flex())), [0.25; 8]);
    assert_eq!(values(GateSpec::Uniform {}.weights(scores([[0.0, 9.0]])).unwrap()), [0.5, 0.5]);
}

#[test]
fn the_margin_is_between_the_two_best_of_all_teachers() {
    let margins = values(margin_weights(scores([[0.1, 0.9, 0.6], [0.4, 0.4, 0.0]])));
    assert_close(&margins, &[0.300001, 1e-6], 1e-7, 0.0, "margins");
}

#[test]
fn a_single_teacher_has_full_margin_and_full_weight() {
    let s = scores([[0.3], [0.0]]);
    assert_eq!(values(margin_weights(s.clone())), [1.0, 1.0]);
    assert_eq!(values(soft_gate(s.clone(), 0.2).unwrap()), [1.0, 1.0]);
    assert_eq!(values(hard_gate(s)), [1.0, 1.0]);
}

#[test]
fn normalised_margins_have_mean_one_and_keep_their_ratios() {
    let raw = margin_weights(scores([[0.9, 0.1], [0.5, 0.4], [0.2, 0.6]]));
    let normalised = values(normalised_margin(raw.clone()));
    assert_close(&[normalised.iter().sum::<f32>() / 3.0], &[1.0], 1e-6, 0.0, "mean");
    let raw = values(raw);
    let expected = f64::from(raw[0] / raw[2]);
    assert_close(&[normalised[0] / normalised[2]], &[expected], 1e-6, 1e-6, "ratio");
    assert!(MarginSpec::None.sample_weights(scores([[0.9, 0.1]])).is_none());
}

#[test]
fn gates_are_equivariant_in_the_order_of_teachers() {
    let (s, reversed) = (scores([[0.9, 0.2, 0.5]]), scores([[0.5, 0.2, 0.9]]));
    for gate in [GateSpec::Soft { temperature: 0.2 }, GateSpec::Hard {}, GateSpec::Uniform {}] {
        let mut other = values(gate.weights(reversed.clone()).unwrap());
        other.reverse();
        let expected: Vec<f64> = other.into_iter().map(f64::from).collect();
        assert_close(&values(gate.weights(s.clone()).unwrap()), &expected, 1e-7, 0.0, "weights");
    }
}
