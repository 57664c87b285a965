//! What a layer's linear maps are applied to.

use crate::fused::{Case, LAYER, floats, mixed_spans};
use burn::tensor::{Device, Tensor};
use faculty_nn::{Activation, DropoutPlan, LinearInputs};

fn worst(a: Tensor<3>, b: Tensor<3>) -> f32 {
    floats(a).iter().zip(floats(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_inputs_are_those_that_the_plain_layer_goes_through() {
    let device = Device::flex();
    for activation in [Activation::Gelu, Activation::GeluNew, Activation::Relu] {
        let case = Case { activation, ..Case::new(5, mixed_spans()) };
        let (layer, hidden) = (case.layer(&device), case.hidden(&device, 0));
        let (output, inputs) = layer.forward_with_inputs(LAYER, hidden.clone(), &case.spans);
        let plain = layer.forward_plain(LAYER, hidden.clone(), &case.spans, &DropoutPlan::Off);
        assert_eq!(floats(output.clone()), floats(plain), "the same operations, the same bits");

        let LinearInputs { qkv, attention_output, feed_forward_in, feed_forward_out } = inputs;
        assert_eq!(floats(qkv), floats(hidden.clone()));
        let attended = layer.attention_norm.forward(hidden + layer.attention_output.forward(attention_output));
        assert!(worst(attended, feed_forward_in.clone()) < 1e-6);
        let inner = activation.apply(layer.feed_forward_in.forward(feed_forward_in.clone()));
        assert!(worst(inner, feed_forward_out.clone()) < 1e-6);
        let last = layer.output_norm.forward(feed_forward_in + layer.feed_forward_out.forward(feed_forward_out));
        assert!(worst(last, output) < 1e-6);
    }
}
