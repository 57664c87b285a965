//! A layer that computes first tokens alone, against the whole layer.

use crate::fused::{Case, Gradients, LAYER, floats, many_spans, matrices, mixed_spans, vectors};
use crate::fused_fuzz;
use crate::tolerance::Tolerance;
use burn::tensor::{Device, Tensor};
use faculty_nn::{DropoutRates, Precision, Spans, first_tokens};

/// Outputs of the first tokens, and gradients of their weighted sum.
fn gradients(case: &Case, alone: bool) -> Gradients {
    let device = Device::flex().autodiff();
    let layer = case.layer(&device);
    let hidden = case.hidden(&device, 0).require_grad();
    let weights = first_tokens(case.hidden(&device, 1), &case.spans);
    let output: Tensor<2> = if alone {
        layer.forward_first(LAYER, hidden.clone(), &case.spans, &case.dropout())
    } else {
        first_tokens(layer.forward_plain(LAYER, hidden.clone(), &case.spans, &case.dropout()), &case.spans)
    };
    let values = floats(output.clone());
    let grads = (output * weights).sum().backward();
    let mut result = vec![("input".to_string(), floats(hidden.grad(&grads).unwrap()))];
    result
        .extend(matrices(&layer).map(|(name, weight)| (name.to_string(), floats(weight.val().grad(&grads).unwrap()))));
    result.extend(vectors(&layer).map(|(name, vector)| (name.to_string(), floats(vector.val().grad(&grads).unwrap()))));
    (values, result)
}

#[track_caller]
fn assert_equal(case: &Case) {
    let compared = Tolerance::to_plain(case.precision, case.width()).compare(
        &gradients(case, true),
        &gradients(case, false),
        case,
    );
    compared.unwrap_or_else(|what| panic!("{what}"));
}

#[test]
fn first_tokens_alone_are_those_of_the_whole_layer() {
    for spans in [
        mixed_spans(),
        Spans::left_padded(&[3, 19, 1, 40], 40).unwrap(),
        Spans::right_padded(&[7; 40], 7).unwrap(),
        Spans::right_padded(&[1, 1], 1).unwrap(),
    ] {
        for rates in [DropoutRates::uniform(0.0), DropoutRates::uniform(0.2)] {
            for precision in [Precision::F32, Precision::Bf16] {
                assert_equal(&Case { rates, precision, head_width: 16, ..Case::new(11, spans.clone()) });
            }
        }
    }
}

#[test]
fn random_shapes_agree() {
    for seed in 0..80 {
        let case = fused_fuzz::case(seed);
        if case.activation != faculty_nn::Activation::Relu {
            assert_equal(&case);
        }
    }
}

#[test]
fn the_plain_device_computes_the_same_bytes() {
    let case = Case { rates: DropoutRates::uniform(0.1), ..Case::new(12, many_spans()) };
    let device = Device::flex();
    let plain = case.layer(&device).forward_first(LAYER, case.hidden(&device, 0), &case.spans, &case.dropout());
    assert_eq!(floats(plain), gradients(&case, true).0);
}
