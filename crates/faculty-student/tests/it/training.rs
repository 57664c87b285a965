//! The training loop.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Event, NamedTensor, Observer, Result, Silent};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{Precision, PrecisionChoice};
use faculty_student::{Objective, StepContext, StepLoss, TrainRun, TrainSettings, train};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const TEXTS: [&str; 12] = [
    "what is my bank balance",
    "my account balance please",
    "how long is my balance",
    "tell me the balance",
    "book a flight to the airport",
    "find a new flight",
    "buy a ticket for the flight",
    "when does the flight go",
    "cook a meal",
    "find me a recipe",
    "food recipe for a meal",
    "the recipe for oil and food",
];

/// Squared distance of the logits to one-hot targets: enough to see a loop learn.
pub(crate) struct OneHot;

impl OneHot {
    pub(crate) fn total(logits: Tensor<2>, rows: &[usize]) -> Tensor<1> {
        let targets: Vec<f32> =
            rows.iter().flat_map(|row| (0..3).map(move |class| f32::from(u8::from(row / 4 == class)))).collect();
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [rows.len(), 3]), &logits.device());
        (logits - targets).square().mean()
    }
}

impl Objective for OneHot {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let total = Self::total(step.student().logits.clone(), step.rows);
        Ok(StepLoss { total, parts: Vec::new() })
    }
}

struct NotFinite;

impl Objective for NotFinite {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let logits = step.student().logits.clone();
        Ok(StepLoss { total: logits.mean().mul_scalar(f32::NAN), parts: Vec::new() })
    }
}

pub(crate) fn model() -> (tempfile::TempDir, Classifier, Tokens) {
    let dir = tempfile::tempdir().unwrap();
    tiny_classifier_dir(dir.path(), &TinySpec::new(["balance", "flight", "recipe"]));
    let classifier = Classifier::open(dir.path(), &Device::flex()).unwrap();
    let tokens = classifier.tokenize(&TEXTS, None).unwrap();
    (dir, classifier, tokens)
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 30, ..TrainSettings::default() }
}

pub fn weights(classifier: &Classifier) -> Vec<NamedTensor> {
    classifier.network.export(&classifier.config).unwrap()
}

fn correct(classifier: &Classifier, tokens: &Tokens) -> usize {
    let logits = classifier.logits(tokens, &Silent).unwrap();
    let best = |row: &[f32]| (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    logits.chunks(3).enumerate().filter(|(row, logits)| best(logits) == row / 4).count()
}

#[test]
fn a_model_learns_and_ends_on_the_plain_device() {
    let (_dir, mut classifier, tokens) = model();
    let report = train(&mut classifier, &tokens, &mut OneHot, &settings(), TrainRun::new(1, &Silent)).unwrap();
    assert_eq!(report.steps, 90);
    assert_eq!(report.texts, 360);
    assert!(correct(&classifier, &tokens) >= 11, "{} of 12", correct(&classifier, &tokens));
    assert!(!classifier.network.head.output.weight.val().is_autodiff());
    assert!(classifier.hash.is_empty(), "trained weights are no longer those of the directory");
    let curve = report.curve;
    assert!(curve.last().unwrap().loss < 0.5 * curve[0].loss);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let run = |seed| {
        let (_dir, mut classifier, tokens) = model();
        let settings = TrainSettings { epochs: 2, ..settings() };
        train(&mut classifier, &tokens, &mut OneHot, &settings, TrainRun::new(seed, &Silent)).unwrap();
        weights(&classifier)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn frozen_embeddings_stay_and_the_rest_moves() {
    let (_dir, mut classifier, tokens) = model();
    let before = weights(&classifier);
    let settings = TrainSettings { epochs: 2, freeze_embeddings: true, ..settings() };
    train(&mut classifier, &tokens, &mut OneHot, &settings, TrainRun::new(1, &Silent)).unwrap();
    for (old, new) in before.iter().zip(weights(&classifier)) {
        let frozen = old.name.ends_with("word_embeddings.weight");
        assert_eq!(old.values == new.values, frozen, "{}", old.name);
    }
    // A later run without the setting trains them again.
    train(
        &mut classifier,
        &tokens,
        &mut OneHot,
        &TrainSettings { epochs: 1, freeze_embeddings: false, ..settings },
        TrainRun::new(1, &Silent),
    )
    .unwrap();
    let words =
        |all: &[NamedTensor]| all.iter().find(|t| t.name.ends_with("word_embeddings.weight")).unwrap().values.clone();
    assert_ne!(words(&before), words(&weights(&classifier)));
}

#[test]
fn the_output_layer_has_a_rate_of_its_own() {
    // One update after the warm-up at a plain rate: Adam moves every number by about the rate.
    let moved = |head_rate: f64| {
        let (_dir, mut classifier, tokens) = model();
        let before = weights(&classifier);
        let settings = TrainSettings { epochs: 1, batch_size: 12, warmup_ratio: 0.0, head_rate, ..settings() };
        train(&mut classifier, &tokens, &mut OneHot, &settings, TrainRun::new(1, &Silent)).unwrap();
        let after = weights(&classifier);
        let largest = |name: &str| {
            let find = |all: &[NamedTensor]| all.iter().find(|t| t.name == name).unwrap().values.clone();
            find(&before).iter().zip(find(&after)).map(|(old, new)| (old - new).abs()).fold(0.0, f32::max)
        };
        (largest("classifier.weight"), largest("bert.pooler.dense.weight"))
    };
    let (plain, fast) = (moved(1.0), moved(5.0));
    assert!((fast.0 / plain.0 - 5.0).abs() < 0.01, "{fast:?} against {plain:?}");
    assert_eq!(fast.1, plain.1);
}

#[test]
fn bf16_training_learns_other_weights_and_leaves_the_precision_as_it_was() {
    let run = |before: Precision, precision: PrecisionChoice| {
        let (_dir, mut classifier, tokens) = model();
        classifier.set_precision(before);
        train(
            &mut classifier,
            &tokens,
            &mut OneHot,
            &TrainSettings { precision, ..settings() },
            TrainRun::new(1, &Silent),
        )
        .unwrap();
        assert_eq!(classifier.precision(), before);
        assert!(correct(&classifier, &tokens) >= 11, "{precision}: {} of 12", correct(&classifier, &tokens));
        weights(&classifier)
    };
    let full = run(Precision::F32, PrecisionChoice::F32);
    assert_ne!(full, run(Precision::F32, PrecisionChoice::Bf16));
    assert_eq!(full, run(Precision::Bf16, PrecisionChoice::F32), "the precision of training is that of the settings");
    let settings: TrainSettings = serde_json::from_str("{\"precision\": \"bf16\"}").unwrap();
    assert_eq!(settings, TrainSettings { precision: PrecisionChoice::Bf16, ..TrainSettings::default() });
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_old_weights() {
    let (_dir, mut classifier, tokens) = model();
    let before = weights(&classifier);
    let error = train(&mut classifier, &tokens, &mut NotFinite, &settings(), TrainRun::new(1, &Silent)).unwrap_err();
    assert!(error.to_string().contains("the loss became NaN at step 10"), "{error}");
    assert_eq!(before, weights(&classifier));
}

struct Stops(AtomicU64);

impl Observer for Stops {
    fn on(&self, event: Event<'_>) {
        if let Event::Advance { units, .. } = event {
            self.0.fetch_add(units, Ordering::Relaxed);
        }
    }

    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 20
    }
}

#[test]
fn an_interrupted_run_stops_soon_and_keeps_the_old_weights() {
    let (_dir, mut classifier, tokens) = model();
    let before = weights(&classifier);
    let observer = Stops(AtomicU64::new(0));
    let error: Error =
        train(&mut classifier, &tokens, &mut OneHot, &settings(), TrainRun::new(1, &observer)).unwrap_err();
    assert_eq!(error.exit_code(), 130);
    assert!(observer.0.load(Ordering::Relaxed) < 30);
    assert_eq!(before, weights(&classifier));
}

#[test]
fn the_learning_rate_rises_and_falls_as_transformers_schedule_does() {
    let settings = TrainSettings { learning_rate: 1.0, warmup_ratio: 0.2, ..TrainSettings::default() };
    let rates: Vec<f64> = (0..10).map(|step| settings.rate_at(step, 10)).collect();
    let expected = [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125];
    assert!(rates.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{rates:?}");
    assert_eq!(TrainSettings { warmup_ratio: 0.0, ..settings }.rate_at(0, 10), 1.0);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_key() {
    for (settings, key) in [
        (TrainSettings { learning_rate: -1.0, ..TrainSettings::default() }, "learning_rate"),
        (TrainSettings { head_rate: 0.0, ..TrainSettings::default() }, "head_rate"),
        (TrainSettings { batch_size: 0, ..TrainSettings::default() }, "batch_size"),
        (TrainSettings { epochs: 0, ..TrainSettings::default() }, "epochs"),
        (TrainSettings { warmup_ratio: 2.0, ..TrainSettings::default() }, "warmup_ratio"),
        (TrainSettings { weight_decay: f32::NAN, ..TrainSettings::default() }, "weight_decay"),
    ] {
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}
