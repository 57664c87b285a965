//! Fifty steps of training on the fused path, next to the same steps in plain operations: loss and gradient norm.
//!
//! The plain trajectory is kept in `crates/faculty-testkit/golden/trajectory.json`. To make it again (after a change of the
//! tiny model, the streams or the schedule, never to make a failing kernel pass):
//!
//! ```sh
//! cargo test -p faculty-student --test it -- --ignored --exact trajectory::write_the_reference
//! ```

use crate::training::{OneHot, TEXTS, model};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use faculty_core::{Silent, Stream};
use faculty_nn::fused::AdamWConfig;
use faculty_nn::{DropoutPlan, Precision, RowKeys, SequenceClassifier, TokenInput, host_values};
use faculty_student::{TrainRun, TrainSettings, train};
use faculty_testkit::{golden_dir, golden_json};
use faculty_text::plan_shuffled;

const SEED: u64 = 5;
const STEPS: usize = 50;

/// One number a step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Trajectory {
    loss: Vec<f64>,
    /// Over all parameters, before the update.
    gradient_norm: Vec<f64>,
}

#[derive(Clone, Copy)]
enum Path {
    Fused(Precision),
    Plain,
}

/// The settings of every run: batches of 6 of 12 texts, ten steps of warm-up, dropout 0.1 (the tiny model's).
fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 6, epochs: 25, warmup_ratio: 0.2, ..TrainSettings::default() }
}

/// Logits by `EncoderLayer::forward_plain`, whatever the device.
fn plain_logits(network: &SequenceClassifier, input: &TokenInput, dropout: &DropoutPlan) -> Tensor<2> {
    let embeddings = &network.encoder.embeddings;
    let mut hidden = embeddings.enter(embeddings.embed(input), input.spans(), dropout);
    for (index, layer) in network.encoder.layers.iter().enumerate() {
        hidden = layer.forward_plain(index as u32, hidden, input.spans(), dropout);
    }
    network.head.forward(hidden, input.spans(), dropout)
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let values = host_values(gradient).unwrap();
            self.sum += values.into_iter().map(|value| f64::from(value).powi(2)).sum::<f64>();
        }
    }
}

/// The loop of [`train`] once more, with a look at every step.
fn trajectory(path: Path) -> Trajectory {
    let (_dir, classifier, tokens) = model();
    let settings = settings();
    let mut network = classifier.network.clone().train();
    if let Path::Fused(precision) = path {
        network.set_precision(precision);
    }
    let config = AdamWConfig { weight_decay: f64::from(settings.weight_decay), ..AdamWConfig::default() };
    let undecayed = ParamGroup::from_any_predicates(vec!["bias", "gamma", "beta"]);
    let mut optimizer = ModuleOptimizer::from(config.build()).with_group(
        undecayed,
        AdamWConfig { weight_decay: 0.0, ..config }.build(),
        None,
    );
    let mut found = Trajectory::default();
    for epoch in 0..settings.epochs as u64 {
        let order = Stream::new(SEED, "training order");
        for rows in plan_shuffled(&tokens.lengths(), settings.batch_size, order, epoch) {
            let step = found.loss.len();
            let input = tokens.batch(&rows, &classifier.config, &classifier.device).unwrap();
            let stream = Stream::new(SEED, "training dropout").fork(step as u64);
            let identities: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
            let keys = RowKeys::for_pass(stream, 0, &identities);
            let dropout = DropoutPlan::Sampled { rates: classifier.config.dropout, keys };
            let logits = match path {
                Path::Fused(_) => network.logits(&input, &dropout),
                Path::Plain => plain_logits(&network, &input, &dropout),
            };
            let loss = OneHot::total(logits, &rows);
            let mut gradients = loss.backward();
            let gradients = GradientsParams::from_module(&mut gradients, &network);
            assert_eq!(gradients.len(), 12 * network.encoder.layers.len() + 9, "every parameter has a gradient");
            let mut norm = SquaredNorm { gradients: &gradients, sum: 0.0 };
            network.visit(&mut norm);
            found.gradient_norm.push(norm.sum.sqrt());
            found.loss.push(f64::from(host_values(loss.inner()).unwrap()[0]));
            network = optimizer.step(settings.rate_at(step, settings.steps(TEXTS.len())), network, gradients);
        }
    }
    assert_eq!(found.loss.len(), STEPS);
    found
}

/// The largest relative difference of a step.
fn largest(actual: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    actual.iter().zip(expected).fold(0.0, |most, (a, e)| {
        let difference = ((a - e) / e).abs();
        if difference.is_nan() { f64::INFINITY } else { most.max(difference) }
    })
}

fn assert_follows(path: Path, loss: f64, gradient_norm: f64) {
    let expected: Trajectory = golden_json("trajectory.json");
    let found = trajectory(path);
    let (losses, norms) =
        (largest(&found.loss, &expected.loss), largest(&found.gradient_norm, &expected.gradient_norm));
    assert!(losses <= loss && norms <= gradient_norm, "loss off by {losses:.2e}, gradient norm by {norms:.2e}");
}

/// The last bits differ between instruction sets.
#[test]
fn plain_operations_repeat_the_reference() {
    assert_follows(Path::Plain, 1e-4, 1e-4);
}

/// Measured: loss off by 5.8e-7, gradient norm by 6.7e-7 (relative, the largest of 50 steps).
#[test]
fn the_fused_path_follows_plain_operations() {
    assert_follows(Path::Fused(Precision::F32), 1e-4, 1e-4);
}

#[test]
fn the_fused_path_in_bf16_follows_plain_operations() {
    assert_follows(Path::Fused(Precision::Bf16), 0.1, 0.1);
}

#[test]
fn these_steps_are_those_of_train() {
    let found = trajectory(Path::Fused(Precision::F32));
    let (_dir, mut classifier, tokens) = model();
    let curve = train(&mut classifier, &tokens, &mut OneHot, &settings(), TrainRun::new(SEED, &Silent)).unwrap().curve;
    let expected: Vec<f64> = curve.iter().map(|point| f64::from(point.loss)).collect();
    let logged: Vec<f64> = curve.iter().map(|point| found.loss[point.step - 1]).collect();
    assert_eq!(logged, expected);
    assert!(found.loss[STEPS - 1] < 0.5 * found.loss[0], "and they learn: {:?}", found.loss);
}

#[test]
#[ignore = "writes crates/faculty-testkit/golden/trajectory.json"]
fn write_the_reference() {
    let found = trajectory(Path::Plain);
    let text = format!(
        "{{\n\"loss\": {},\n\"gradient_norm\": {}\n}}\n",
        serde_json::to_string(&found.loss).unwrap(),
        serde_json::to_string(&found.gradient_norm).unwrap()
    );
    std::fs::write(golden_dir().join("trajectory.json"), text).unwrap();
}
