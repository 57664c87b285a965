//! Feature vectors against the hidden states that a whole pass hands out.

use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_nn::{
    DropoutPlan, DropoutRates, EncoderConfig, FeatureSite, PassPlan, PassSites, Pooling, SequenceClassifier, Spans,
    Taps, TokenInput, host_values,
};

const LAYERS: usize = 3;
const HIDDEN: usize = 16;
const LENGTHS: [usize; 3] = [7, 1, 4];
const IDENTITIES: [u64; 3] = [11, 12, 13];

fn config() -> EncoderConfig {
    let config = serde_json::json!({"model_type": "bert", "vocab_size": 40, "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 16});
    EncoderConfig::from_hf(config.as_object().unwrap()).unwrap()
}

fn model() -> SequenceClassifier {
    SequenceClassifier::fresh(&config(), 5, Stream::new(3, "model"), &Device::flex())
}

/// Texts of 7, 1 and 4 tokens, right-padded to `width`.
fn input(width: usize) -> TokenInput {
    let mut ids = vec![0; 3 * width];
    for (row, length) in LENGTHS.into_iter().enumerate() {
        for token in 0..length {
            ids[row * width + token] = (2 + (row * 13 + token * 5) % 37) as u32;
        }
    }
    let spans = Spans::right_padded(&LENGTHS, width).unwrap();
    TokenInput::new(&config(), &ids, &vec![0; 3 * width], spans, &Device::flex()).unwrap()
}

fn sites() -> impl Iterator<Item = FeatureSite> {
    let layers = [None, Some(0), Some(1), Some(2), Some(LAYERS)];
    layers
        .into_iter()
        .flat_map(|layer| [Pooling::FirstToken, Pooling::Mean].map(|pooling| FeatureSite { layer, pooling }))
}

/// The features from a whole pass: picked and averaged on the host.
fn expected(model: &SequenceClassifier, input: &TokenInput, site: FeatureSite) -> (Vec<f32>, Vec<f32>) {
    let output = model.forward(input, &DropoutPlan::Off, &Taps::All);
    let state = site.layer.unwrap_or(LAYERS);
    let hidden = output.encoder.taps.into_iter().find(|(number, _)| *number == state).unwrap().1;
    let width = input.spans().width();
    let hidden = host_values(hidden).unwrap();
    let mut features = Vec::new();
    for (row, length) in LENGTHS.into_iter().enumerate() {
        let token = |token: usize| &hidden[(row * width + token) * HIDDEN..(row * width + token + 1) * HIDDEN];
        features.extend((0..HIDDEN).map(|feature| match site.pooling {
            Pooling::FirstToken => token(0)[feature],
            Pooling::Mean => (0..length).map(|t| token(t)[feature]).sum::<f32>() / length as f32,
        }));
    }
    (host_values(output.logits).unwrap(), features)
}

#[track_caller]
fn close(actual: Tensor<2>, expected: &[f32], what: &str) {
    let actual = host_values(actual).unwrap();
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() < 3e-6, "{what}: {a} against {e}");
    }
}

#[test]
fn features_are_the_pooled_states_of_the_pass_that_gives_the_logits() {
    let model = model();
    let input = input(9);
    for site in sites() {
        let (logits, features) = model.logits_and_features(&input, site).unwrap();
        let (expected_logits, expected_features) = expected(&model, &input, site);
        close(logits, &expected_logits, &format!("logits at {site:?}"));
        close(features, &expected_features, &format!("features at {site:?}"));
    }
}

#[test]
fn padding_changes_no_feature() {
    let model = model();
    for site in sites() {
        let narrow = host_values(model.logits_and_features(&input(7), site).unwrap().1).unwrap();
        close(model.logits_and_features(&input(16), site).unwrap().1, &narrow, &format!("{site:?}"));
    }
}

#[test]
fn sampling_gives_the_same_passes_with_features_and_the_features_without_dropout() {
    let model = model();
    let input = input(9);
    for sites_of_passes in
        [PassSites::All, PassSites::LastLayers(2), PassSites::LastLayers(1), PassSites::LastLayers(0)]
    {
        for rate in [0.0, 0.2] {
            let plan = PassPlan {
                rates: DropoutRates::uniform(rate),
                sites: sites_of_passes,
                stream: Stream::new(5, "mc"),
                passes: 0..3,
                tokens_together: 24,
            };
            let plain = model.sample(&input, &plan, &IDENTITIES);
            let passes = host_values(plain.passes).unwrap();
            for site in sites() {
                let what = format!("{sites_of_passes}, rate {rate}, {site:?}");
                let (sampled, features) = model.sample_with_features(&input, &plan, &IDENTITIES, site).unwrap();
                let (logits, expected_features) = expected(&model, &input, site);
                close(sampled.deterministic, &logits, &what);
                close(features, &expected_features, &what);
                let close = host_values(sampled.passes).unwrap().iter().zip(&passes).all(|(a, b)| (a - b).abs() < 3e-6);
                assert!(close, "{what}");
            }
        }
    }
}

#[test]
fn a_layer_that_is_not_there_is_refused_by_number() {
    let site = FeatureSite { layer: Some(LAYERS + 1), pooling: Pooling::Mean };
    let error = model().logits_and_features(&input(9), site).unwrap_err().to_string();
    assert!(error.contains("features.layer") && error.contains("0 to 3"), "{error}");
}

#[test]
fn the_default_site_is_what_the_head_reads() {
    let site: FeatureSite = serde_json::from_str("{}").unwrap();
    assert_eq!(site, FeatureSite { layer: None, pooling: Pooling::FirstToken });
    assert_eq!(serde_json::to_string(&site).unwrap(), r#"{"pooling":"first-token"}"#);
    assert!(serde_json::from_str::<FeatureSite>(r#"{"layers": 1}"#).is_err());
}
