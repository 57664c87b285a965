//! Features of the last layer beside the logits.

use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_nn::{
    DropoutPlan, DropoutRates, EncoderConfig, Pooling, RowKeys, SequenceClassifier, Spans, Taps, TokenInput,
    host_values,
};

fn model() -> (EncoderConfig, SequenceClassifier) {
    let config = serde_json::json!({"model_type": "bert", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 12});
    let config = EncoderConfig::from_hf(config.as_object().unwrap()).unwrap();
    let model = SequenceClassifier::fresh(&config, 3, Stream::new(1, "model"), &Device::flex());
    (config, model)
}

/// Three texts, padded on the right to `width`.
fn input(config: &EncoderConfig, width: usize) -> TokenInput {
    let texts: [&[u32]; 3] = [&[2, 7, 8, 9, 11, 3], &[2, 3], &[2, 20, 21, 3]];
    let mut ids = Vec::new();
    for text in texts {
        ids.extend(text);
        ids.extend(vec![0; width - text.len()]);
    }
    let spans = Spans::right_padded(&[6, 2, 4], width).unwrap();
    TokenInput::new(config, &ids, &vec![0; ids.len()], spans, &Device::flex()).unwrap()
}

fn floats(tensor: Tensor<2>) -> Vec<f32> {
    host_values(tensor).unwrap()
}

#[test]
fn features_are_the_first_token_or_the_mean_of_the_text() {
    let (config, model) = model();
    let stream = Stream::new(4, "dropout");
    let rates = DropoutRates::uniform(0.2);
    for plan in [DropoutPlan::Off, DropoutPlan::Sampled { rates, keys: RowKeys::for_pass(stream, 0, &[0, 1, 2]) }] {
        let input = input(&config, 6);
        let whole = model.forward(&input, &plan, &Taps::None);
        let last = host_values(whole.encoder.last).unwrap();
        let token = |row: usize, token: usize| &last[(row * 6 + token) * 16..(row * 6 + token + 1) * 16];
        let (none, first, mean) = (
            model.logits_and_features(&input, &plan, None),
            model.logits_and_features(&input, &plan, Some(Pooling::FirstToken)),
            model.logits_and_features(&input, &plan, Some(Pooling::MaskedMean)),
        );
        let logits = floats(model.logits(&input, &plan));
        assert_eq!(floats(none.0), logits);
        assert!(none.1.is_none());
        assert_eq!(floats(first.0), logits);
        let (first, mean_logits, mean) = (floats(first.1.unwrap()), floats(mean.0), floats(mean.1.unwrap()));
        let near = |a: f32, b: f32| (a - b).abs() < 1e-5;
        assert!(mean_logits.iter().zip(&logits).all(|(a, b)| near(*a, *b)));
        for (row, length) in [6, 2, 4].into_iter().enumerate() {
            for feature in 0..16 {
                assert!(near(first[row * 16 + feature], token(row, 0)[feature]));
                let sum: f32 = (0..length).map(|at| token(row, at)[feature]).sum();
                assert!(near(mean[row * 16 + feature], sum / length as f32));
            }
        }
    }
}

#[test]
fn padding_does_not_move_them() {
    let (config, model) = model();
    for pooling in [Pooling::FirstToken, Pooling::MaskedMean] {
        let features = |width: usize| {
            floats(model.logits_and_features(&input(&config, width), &DropoutPlan::Off, Some(pooling)).1.unwrap())
        };
        for (a, b) in features(6).iter().zip(features(11)) {
            assert!((a - b).abs() < 1e-5, "{pooling:?}");
        }
    }
}
