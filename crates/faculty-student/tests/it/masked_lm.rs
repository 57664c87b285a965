//! Training a masked language model on text.

use burn::module::Param;
use burn::tensor::Device;
use faculty_core::{Event, NamedTensor, Observer, Silent, Stream};
use faculty_model::MaskedModel;
use faculty_student::{
    CheckpointPolicy, Checkpoints, MaskedRecord, MaskedReport, MaskedTraining, TrainRun, TrainSettings,
    resolve_masked_lm, train_masked_lm,
};
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sentences in which a word tells the next one: neighbours of the list of words, from a random start.
fn texts(count: usize) -> Vec<String> {
    let stream = Stream::new(2, "sentences");
    let text = |index: u64| {
        let start = stream.below_at(index, TINY_WORDS.len() as u64) as usize;
        (0..8).map(|word| TINY_WORDS[(start + word) % TINY_WORDS.len()]).collect::<Vec<_>>().join(" ")
    };
    (0..count as u64).map(text).collect()
}

fn model(dir: &Path) -> MaskedModel {
    let spec = TinySpec { gain: 1.0, dropout: 0.0, ..TinySpec::new(["a", "b"]) };
    let dir = tiny_classifier_dir(dir.join("base"), &spec);
    let mut model = MaskedModel::start_from(dir, Stream::new(1, "head"), &Device::flex()).unwrap();
    // Fresh words are short vectors, and as an output layer that stays as it is they could tell no token from another.
    let words = model.network.encoder.embeddings.words.val().mul_scalar(6.0);
    model.network.encoder.embeddings.words = Param::from_tensor(words);
    model
}

fn settings(epochs: usize) -> MaskedTraining {
    let defaults = MaskedTraining::default();
    let train = TrainSettings { learning_rate: 3e-3, epochs, batch_size: 16, ..defaults.train };
    MaskedTraining { mask_rate: 0.2, head_rate: 3e-3, train, ..defaults }
}

fn weights(model: &MaskedModel) -> Vec<NamedTensor> {
    model.network.export(&model.config).unwrap()
}

fn untimed(report: MaskedReport) -> MaskedReport {
    let train = faculty_student::TrainReport { seconds: 0.0, ..report.train };
    MaskedReport { train, ..report }
}

#[test]
fn hidden_tokens_are_found_by_what_stands_around_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = model(dir.path());
    let words = |model: &MaskedModel| {
        let all = weights(model);
        all.into_iter().find(|tensor| tensor.name.ends_with("word_embeddings.weight")).unwrap()
    };
    let before = words(&model);
    let report = train_masked_lm(&mut model, &texts(640), &settings(20), TrainRun::new(1, &Silent)).unwrap();
    assert_eq!((report.texts, report.held_out), (576, 64));
    // A fresh head says how often tokens are: there are 84 words, about equally many of each.
    assert!((report.before.loss - 84f64.ln()).abs() < 0.6, "{:?}", report.before);
    assert!(report.after.loss < 0.8 * report.before.loss, "{:?}", report.after);
    assert!(report.after.accuracy > 0.2 && report.after.accuracy > 3.0 * report.before.accuracy, "{:?}", report.after);
    assert_eq!(report.before.tokens, report.after.tokens);
    assert_eq!(words(&model), before, "the word table is the output layer, and stays");
    assert!(report.train.curve.iter().all(|point| point.parts[0].0 == "accuracy"));
}

/// Interrupts a training behind so many updates.
struct Stop(AtomicUsize);

impl Observer for Stop {
    fn on(&self, _: Event<'_>) {}

    fn interrupted(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let run = |stop: Option<usize>| {
        let dir = tempfile::tempdir().unwrap();
        let (texts, settings) = (texts(60), settings(2));
        let policy = CheckpointPolicy { steps: Some(1), seconds: None };
        let checkpoints = Checkpoints::new(dir.path().join("checkpoints"), "a test", policy);
        if let Some(stop) = stop {
            let observer = Stop(AtomicUsize::new(stop));
            let run = TrainRun::new(1, &observer).with_checkpoints(&checkpoints);
            assert!(train_masked_lm(&mut model(dir.path()), &texts, &settings, run).is_err(), "{stop}");
        }
        let mut model = model(dir.path());
        let run = TrainRun::new(1, &Silent).with_checkpoints(&checkpoints);
        let report = train_masked_lm(&mut model, &texts, &settings, run).unwrap();
        (weights(&model), untimed(report))
    };
    let expected = run(None);
    assert_eq!(expected.1.train.steps, 8);
    // The first question is asked while the figures before the training are measured.
    for stop in [3, 6] {
        let found = run(Some(stop));
        assert!(found.0 == expected.0, "{stop}");
        assert_eq!(found.1, expected.1, "{stop}");
    }
}

#[test]
fn a_published_model_is_found_by_what_it_was_made_from() {
    let dir = tempfile::tempdir().unwrap();
    let (mut model, texts) = (model(dir.path()), texts(40));
    let record = |seed| MaskedRecord::new(("base", "hash".to_owned()), ("sentences", &texts), settings(1), seed);
    let target = dir.path().join("published");
    assert_eq!(record(1).finished(&target), None);
    let report = train_masked_lm(&mut model, &texts, &settings(1), TrainRun::new(1, &Silent)).unwrap();
    record(1).publish(&model, report.clone(), &target).unwrap();
    assert_eq!(record(1).finished(&target), Some(report));
    assert_eq!(record(2).finished(&target), None, "another seed is another model");
    let opened = MaskedModel::open(&target, &Device::flex()).unwrap();
    assert!(weights(&opened) == weights(&model));
    std::fs::write(target.join("model.safetensors"), b"damaged").unwrap();
    assert_eq!(record(1).finished(&target), None);
    assert_eq!(resolve_masked_lm(target.to_str().unwrap(), &Silent).unwrap(), target);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_key() {
    let dir = tempfile::tempdir().unwrap();
    let defaults = MaskedTraining::default();
    for (wrong, key) in [
        (MaskedTraining { mask_rate: 1.0, ..defaults.clone() }, "mask_rate"),
        (MaskedTraining { head_rate: 0.0, ..defaults.clone() }, "head_rate"),
        (
            MaskedTraining {
                train: TrainSettings { freeze_embeddings: false, ..defaults.train.clone() },
                ..defaults.clone()
            },
            "freeze_embeddings",
        ),
    ] {
        let error = train_masked_lm(&mut model(dir.path()), &texts(20), &wrong, TrainRun::new(1, &Silent)).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
    let one = train_masked_lm(&mut model(dir.path()), &texts(1), &defaults, TrainRun::new(1, &Silent)).unwrap_err();
    assert!(one.to_string().contains("1 texts"), "{one}");
}
