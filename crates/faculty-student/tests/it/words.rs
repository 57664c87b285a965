//! The word table's own way through training against the plain loop: dense gradients, AdamW over every parameter.

use crate::training::{OneHot, model, weights};
use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use faculty_core::{NamedTensor, Silent, Stream};
use faculty_model::{Classifier, Tokens};
use faculty_nn::fused::AdamWConfig;
use faculty_nn::{DropoutPlan, DropoutRates, RowKeys};
use faculty_student::{TrainRun, TrainSettings, train};
use faculty_text::plan_shuffled;

/// [`train`] as anyone would write it with Burn's own parts.
fn train_densely(classifier: &mut Classifier, tokens: &Tokens, settings: &TrainSettings, seed: u64) {
    let decayed = AdamWConfig { weight_decay: f64::from(settings.weight_decay), ..AdamWConfig::default() };
    let undecayed = AdamWConfig { weight_decay: 0.0, ..decayed };
    let small = ParamGroup::from_any_predicates(vec!["bias", "gamma", "beta"]);
    let mut optimizer = ModuleOptimizer::from(decayed.build()).with_group(small, undecayed.build(), None);
    let (lengths, steps) = (tokens.lengths(), settings.steps(tokens.len()));
    let dropout_stream = Stream::new(seed, "training dropout");
    let mut network = classifier.network.clone().train();
    let mut step = 0;
    for epoch in 0..settings.epochs {
        for rows in plan_shuffled(&lengths, settings.batch_size, Stream::new(seed, "training order"), epoch as u64) {
            let input = tokens.batch(&rows, &classifier.config, &Device::flex()).unwrap();
            let identities: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
            let keys = RowKeys::for_pass(dropout_stream.fork(step as u64), 0, &identities);
            let rates = settings.dropout.unwrap_or(classifier.config.dropout);
            let logits = network.logits(&input, &DropoutPlan::Sampled { rates, keys });
            let gradients = OneHot::total(logits, &rows).backward();
            let gradients = GradientsParams::from_grads(gradients, &network);
            network = optimizer.step(settings.rate_at(step, steps), network, gradients);
            step += 1;
        }
    }
    classifier.network = network.valid();
}

fn bits(weights: &[NamedTensor]) -> Vec<(String, Vec<u32>)> {
    weights.iter().map(|w| (w.name.clone(), w.values.iter().map(|value| value.to_bits()).collect())).collect()
}

#[test]
fn every_weight_has_the_bits_of_dense_training() {
    let base = TrainSettings { learning_rate: 2e-3, batch_size: 4, epochs: 10, ..TrainSettings::default() };
    for settings in [
        TrainSettings { dropout: Some(DropoutRates::uniform(0.0)), ..base.clone() },
        TrainSettings { dropout: Some(DropoutRates::uniform(0.2)), warmup_ratio: 0.4, ..base.clone() },
        TrainSettings { weight_decay: 0.0, warmup_ratio: 0.0, ..base.clone() },
        TrainSettings { weight_decay: 0.3, batch_size: 1, epochs: 4, ..base },
    ] {
        let (_dir, mut dense, tokens) = model();
        let before = bits(&weights(&dense));
        let mut sparse = dense.clone();
        train_densely(&mut dense, &tokens, &settings, 5);
        let report = train(&mut sparse, &tokens, &mut OneHot, &settings, TrainRun::new(5, &Silent)).unwrap();
        assert!(report.steps >= 30);
        let (dense, sparse) = (bits(&weights(&dense)), bits(&weights(&sparse)));
        for ((name, expected), (_, actual)) in dense.iter().zip(&sparse) {
            assert!(actual == expected, "{name} with {settings:?}");
        }
        assert!(before.iter().zip(&sparse).all(|(old, new)| old != new), "every tensor was trained");
    }
}

#[test]
fn training_goes_on_from_trained_weights() {
    let settings = TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 3, ..TrainSettings::default() };
    let (_dir, mut dense, tokens) = model();
    let mut sparse = dense.clone();
    for seed in [1, 2] {
        train_densely(&mut dense, &tokens, &settings, seed);
        train(&mut sparse, &tokens, &mut OneHot, &settings, TrainRun::new(seed, &Silent)).unwrap();
    }
    assert!(bits(&weights(&dense)) == bits(&weights(&sparse)));
}

#[test]
fn a_table_that_wants_no_gradient_stays() {
    let (_dir, mut classifier, tokens) = model();
    let words = classifier.network.encoder.embeddings.words.clone();
    classifier.network.encoder.embeddings.words = words.clone().set_require_grad(false);
    let settings = TrainSettings { epochs: 2, ..TrainSettings::default() };
    train(&mut classifier, &tokens, &mut OneHot, &settings, TrainRun::new(1, &Silent)).unwrap();
    assert_eq!(classifier.network.encoder.embeddings.words.val().into_data(), words.val().into_data());
}
