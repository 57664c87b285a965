//! The fused layer against exact arithmetic: outputs against f64 loops, gradients against central differences of them.

use crate::fused::{Case, mixed_spans};
use crate::reference::{Reference, TENSORS};
use crate::tolerance::{Differences, Tolerance};
use faculty_core::Stream;
use faculty_nn::{Activation, DropoutRates, Precision, Spans};

const ACTIVATIONS: [Activation; 4] = [Activation::Gelu, Activation::GeluNew, Activation::Relu, Activation::Tanh];
const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

/// Most elements of a tensor that are differentiated, unless the tensor has few.
const SAMPLE: usize = 16;
/// Tensors up to this size are differentiated in every element where the case asks for it.
const SMALL: usize = 400;

/// Checks a case in each precision; in every element of its tensors if `every` (and they have at most [`SMALL`]).
fn check(case: &Case, every: bool) {
    let reference = Reference::new(case);
    let mut tensors = reference.tensors();
    let exact_output = reference.forward(&tensors);
    let elements: Vec<Vec<usize>> =
        (0..TENSORS.len()).map(|tensor| sample(case.seed, tensor, tensors[tensor].len(), every)).collect();
    let mut exact = Vec::new();
    for (tensor, elements) in elements.iter().enumerate() {
        let derivatives = elements.iter().map(|element| reference.derivative(&mut tensors, tensor, *element));
        exact.push(derivatives.collect::<Vec<_>>());
    }
    for precision in PRECISIONS {
        if precision == Precision::Bf16 && case.activation == Activation::Relu {
            // The slope of ReLU jumps at 0, and bfloat16 rounds many values to the other side.
            continue;
        }
        let case = Case { precision, ..case.clone() };
        let tolerance = Tolerance::to_exact(precision);
        let (output, grads) = case.gradients(true, &[], true);
        Differences::of(&output, &exact_output, 0.0).assert_within(tolerance.output, "output", &case);
        assert_eq!(grads.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), TENSORS);
        for ((name, grad), (elements, exact)) in grads.iter().zip(elements.iter().zip(&exact)) {
            let actual: Vec<f32> = elements.iter().map(|element| grad[*element]).collect();
            // A sample may have only small elements; the tensor's size is that of all.
            let size = crate::tolerance::rms(grad.iter().map(|value| f64::from(*value)));
            Differences::of(&actual, exact, size).assert_within(tolerance.gradient, name, &case);
        }
    }
}

fn sample(seed: u64, tensor: usize, size: usize, every: bool) -> Vec<usize> {
    if size <= SAMPLE || (every && size <= SMALL) {
        return (0..size).collect();
    }
    let mut elements = Stream::new(seed, "elements").fork(tensor as u64).permutation(size);
    elements.truncate(SAMPLE);
    elements
}

#[test]
fn every_gradient_of_a_tiny_layer_is_the_difference_quotient() {
    for (index, activation) in ACTIVATIONS.into_iter().enumerate() {
        for rates in [DropoutRates::uniform(0.0), DropoutRates::uniform(0.2)] {
            let spans = Spans::right_padded(&[3, 1, 4], 5).unwrap();
            let case = Case { activation, rates, head_width: 4, inner: 13, ..Case::new(20 + index as u64, spans) };
            check(&case, true);
        }
    }
}

#[test]
fn sampled_gradients_of_small_layers_are_difference_quotients() {
    for seed in 0..16_u64 {
        let stream = Stream::new(seed, "gradient shapes");
        let pick = |counter: u64, bound: u64| stream.below_at(counter, bound) as usize;
        let lengths: Vec<usize> = (0..1 + pick(0, 5)).map(|row| 1 + pick(10 + row as u64, 19)).collect();
        let width = lengths.iter().max().unwrap() + pick(1, 3);
        let spans =
            if pick(2, 2) == 0 { Spans::right_padded(&lengths, width) } else { Spans::left_padded(&lengths, width) };
        let heads = [1, 2, 4][pick(3, 3)];
        let width = 8 * (1 + pick(4, 4));
        let case = Case {
            heads,
            head_width: width / heads,
            inner: 12 + pick(5, 37),
            activation: ACTIVATIONS[pick(6, 4)],
            rates: [
                DropoutRates::uniform(0.0),
                DropoutRates::uniform(0.1),
                DropoutRates { hidden: 0.5, attention: 0.0, classifier: 0.0 },
                DropoutRates { hidden: 0.0, attention: 0.5, classifier: 0.0 },
            ][pick(7, 4)],
            epsilon: [1e-12, 1e-5][pick(8, 2)],
            ..Case::new(100 + seed, spans.unwrap())
        };
        check(&case, false);
    }
}

#[test]
fn outputs_of_larger_layers_are_those_of_exact_arithmetic() {
    let rates = DropoutRates::uniform(0.1);
    let long = Spans::right_padded(&[130, 7, 64], 130).unwrap();
    for (heads, head_width, inner, spans) in
        [(4, 32, 512, mixed_spans()), (12, 32, 100, mixed_spans()), (2, 16, 64, long)]
    {
        for precision in PRECISIONS {
            let case = Case { heads, head_width, inner, rates, precision, ..Case::new(31, spans.clone()) };
            let reference = Reference::new(&case);
            let exact = reference.forward(&reference.tensors());
            let found = Differences::of(&case.gradients(true, &[], true).0, &exact, 0.0);
            let allowed = Tolerance::to_exact(precision).output;
            found.assert_within(allowed, "output", &case);
        }
    }
}

/// The tolerances of bfloat16 are neither out of reach of a layer that rounds its factors, nor so wide that they would
/// not notice one that rounds away two bits more.
#[test]
fn tolerances_of_bf16_fit_rounded_factors() {
    let allowed = Tolerance::to_exact(Precision::Bf16).output;
    for (seed, activation) in ACTIVATIONS.into_iter().enumerate() {
        let case = Case {
            heads: 4,
            head_width: 16,
            inner: 128,
            activation,
            rates: DropoutRates::uniform(0.1),
            ..Case::new(40 + seed as u64, Spans::right_padded(&[9, 2, 17], 17).unwrap())
        };
        let exact = Reference::new(&case);
        let tensors = exact.tensors();
        let rounded = Reference::in_bf16(&case).forward(&tensors);
        let rounded: Vec<f32> = rounded.iter().map(|value| *value as f32).collect();
        let found = Differences::of(&rounded, &exact.forward(&tensors), 0.0);
        found.assert_within(allowed, "output", &case);
        assert!(found.rms > allowed.rms / 8.0, "rounding shows: {found}; {case:?}");
    }
}
