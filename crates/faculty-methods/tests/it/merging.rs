//! Static merging as configuration, and on teachers that were fine-tuned from one base.

use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, Silent};
use faculty_methods::{
    DataAccess, MergeSpec, MethodSpec, check_recorded_base, fine_tune, merge_teachers, recorded_base,
};
use faculty_model::merge::{Base, DeltaRule, Scale};
use faculty_model::{Classifier, Parts};
use faculty_student::{TrainRun, TrainSettings};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use serde_json::json;
use std::path::{Path, PathBuf};

fn parse(value: serde_json::Value) -> Result<MethodSpec, serde_json::Error> {
    serde_json::from_value(value)
}

fn merge_of(value: serde_json::Value) -> MergeSpec {
    match parse(value).unwrap() {
        MethodSpec::Merge(spec) => spec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_need_no_label() {
    let scale = Scale::Fixed(0.3);
    assert_eq!(merge_of(json!({"kind": "merge", "rule": "average"})), MergeSpec::Average {});
    assert_eq!(merge_of(json!({"kind": "merge", "rule": "task-arithmetic"})), MergeSpec::TaskArithmetic { scale });
    assert_eq!(merge_of(json!({"kind": "merge", "rule": "ties"})), MergeSpec::Ties { scale, trim: 0.8 });
    let then = DeltaRule::TaskArithmetic { scale };
    assert_eq!(merge_of(json!({"kind": "merge", "rule": "dare"})), MergeSpec::Dare { drop: 0.5, seed: 1, then });
    let regmean = MergeSpec::RegMean { off_diagonal: 0.9, texts: 1024, seed: 1 };
    assert_eq!(merge_of(json!({"kind": "merge", "rule": "regmean"})), regmean);
}

#[test]
fn settings_are_read_and_written_alike() {
    for value in [
        json!({"kind": "merge", "rule": "task-arithmetic", "scale": "1/n"}),
        json!({"kind": "merge", "rule": "task-arithmetic", "scale": 1}),
        json!({"kind": "merge", "rule": "ties", "scale": 0.5, "trim": 0.9}),
        json!({"kind": "merge", "rule": "dare", "drop": 0.9, "seed": 4, "then": {"rule": "ties", "trim": 0.7}}),
        json!({"kind": "merge", "rule": "regmean", "off_diagonal": 1.0, "texts": 256}),
    ] {
        let method = parse(value).unwrap();
        method.check(2).unwrap();
        let stored = serde_json::to_value(&method).unwrap();
        assert_eq!(parse(stored.clone()).unwrap(), method, "{stored}");
        assert_eq!((method.kind(), method.trains(), method.gate(), method.passes(1)), ("merge", false, None, None));
    }
    let names: Vec<&str> = MergeSpec::RULES.to_vec();
    for name in names {
        let method = parse(json!({"kind": "merge", "rule": name})).unwrap();
        assert!(method.describe().starts_with("merged by "), "{}", method.describe());
        let access = if name == "regmean" { DataAccess::Unlabelled } else { DataAccess::None };
        assert_eq!(method.access(), access, "{name}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for wrong in [
        json!({"kind": "merge"}),
        json!({"kind": "merge", "rule": "fisher"}),
        json!({"kind": "merge", "rule": "average", "scale": 0.3}),
        json!({"kind": "merge", "rule": "ties", "scale": "2/n"}),
        json!({"kind": "merge", "rule": "dare", "then": {"rule": "regmean"}}),
    ] {
        assert!(parse(wrong.clone()).is_err(), "{wrong}");
    }
    for (wrong, key) in [
        (json!({"kind": "merge", "rule": "ties", "trim": 1.0}), "trim"),
        (json!({"kind": "merge", "rule": "ties", "scale": -0.3}), "scale"),
        (json!({"kind": "merge", "rule": "dare", "drop": 1.0}), "drop"),
        (json!({"kind": "merge", "rule": "dare", "then": {"rule": "ties", "trim": -0.1}}), "trim"),
        (json!({"kind": "merge", "rule": "regmean", "off_diagonal": 1.5}), "off_diagonal"),
        (json!({"kind": "merge", "rule": "regmean", "texts": 0}), "texts"),
    ] {
        let error = parse(wrong).unwrap().check(3).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

/// Two teachers of two classes each, fine-tuned from one base, and texts of all classes.
struct World {
    dir: tempfile::TempDir,
    base: Base,
    teachers: Vec<(String, Classifier)>,
    join: LabelJoin,
    texts: Vec<String>,
    labels: Vec<usize>,
}

/// A checkpoint that knows the words: merging mixes what fine-tuning adds to features that are there.
fn pretrained(dir: &Path) -> PathBuf {
    let spec = TinySpec { gain: 3.0, ..TinySpec::new(["w", "x", "y", "z"]) };
    let mut encoder = Classifier::open(tiny_classifier_dir(dir.join("random"), &spec), &Device::flex()).unwrap();
    let (texts, labels) = crate::toy::texts(0..4, 40, 9);
    let tokens = encoder.tokenize(&texts, None).unwrap();
    fine_tune(&mut encoder, &tokens, &labels, &settings(2e-3, 12), TrainRun::new(9, &Silent)).unwrap();
    let base = dir.join("base");
    std::fs::create_dir(&base).unwrap();
    encoder.write_into(&base).unwrap();
    base
}

fn settings(learning_rate: f64, epochs: usize) -> TrainSettings {
    TrainSettings { learning_rate, batch_size: 16, epochs, ..TrainSettings::default() }
}

fn world() -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let base_dir = pretrained(dir.path());
    let base = Base::open(&base_dir, &Parts::default(), &device).unwrap();
    let mut teachers = Vec::new();
    for (index, classes) in [0..2, 2..4].into_iter().enumerate() {
        let (texts, labels) = crate::toy::texts(classes.clone(), 40, 1);
        let labels: Vec<usize> = labels.iter().map(|label| label - classes.start).collect();
        let names = faculty_core::LabelSpace::new(classes.map(crate::toy::class_name)).unwrap();
        let stream = faculty_core::Stream::new(index as u64, "head");
        let (mut teacher, _) = Classifier::start_from(&base_dir, &Parts::default(), names, stream, &device).unwrap();
        let tokens = teacher.tokenize(&texts, None).unwrap();
        fine_tune(&mut teacher, &tokens, &labels, &settings(1e-3, 6), TrainRun::new(index as u64, &Silent)).unwrap();
        teachers.push((format!("teacher{index}"), teacher));
    }
    let parts: Vec<_> = teachers.iter().map(|(name, teacher)| (name.as_str(), &teacher.labels)).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let (texts, labels) = crate::toy::texts(0..4, 30, 2);
    World { dir, base, teachers, join, texts, labels }
}

impl World {
    fn accuracy(&self, spec: &MergeSpec) -> f64 {
        let teachers: Vec<(&str, &Classifier)> =
            self.teachers.iter().map(|(name, teacher)| (name.as_str(), teacher)).collect();
        let (merged, report) =
            merge_teachers(spec, &self.base, &teachers, &self.join, &self.texts, None, &Silent).unwrap();
        assert_eq!(report.distances.len(), 2);
        assert!(report.distances.iter().all(|&distance| distance > 0.0));
        let logits = merged.logits(&merged.tokenize(&self.texts, None).unwrap(), &Silent).unwrap();
        let predictions = faculty_core::metrics::Predictions::from_logits(&logits, 4, &self.labels).unwrap();
        predictions.accuracy()
    }
}

#[test]
fn merged_teachers_know_more_than_any_of_them() {
    let world = world();
    for spec in [
        MergeSpec::Average {},
        MergeSpec::TaskArithmetic { scale: Scale::OneOverN },
        MergeSpec::Ties { scale: Scale::Fixed(1.0), trim: 0.8 },
        MergeSpec::Dare { drop: 0.5, seed: 1, then: DeltaRule::Average {} },
        MergeSpec::RegMean { off_diagonal: 0.9, texts: 64, seed: 1 },
    ] {
        let accuracy = world.accuracy(&spec);
        assert!(accuracy > 0.55, "{}: {accuracy}; one teacher alone reaches 0.5", spec.describe());
    }
}

#[test]
fn regmean_reads_no_more_texts_than_it_says_and_the_same_ones_again() {
    let world = world();
    let teachers: Vec<(&str, &Classifier)> =
        world.teachers.iter().map(|(name, teacher)| (name.as_str(), teacher)).collect();
    let weights = |texts, seed| {
        let spec = MergeSpec::RegMean { off_diagonal: 0.9, texts, seed };
        let (merged, _) =
            merge_teachers(&spec, &world.base, &teachers, &world.join, &world.texts, None, &Silent).unwrap();
        let classifier = merged.into_classifier().unwrap();
        faculty_nn::host_values(classifier.network.encoder.layers[0].qkv.weight.val()).unwrap()
    };
    assert_eq!(weights(10, 1), weights(10, 1));
    assert_ne!(weights(10, 1), weights(10, 2));
    assert_eq!(weights(1000, 1), weights(1000, 2), "all texts are all texts");
    let spec = MergeSpec::RegMean { off_diagonal: 0.9, texts: 10, seed: 1 };
    let error = merge_teachers(&spec, &world.base, &teachers, &world.join, &[], None, &Silent);
    assert!(error.map(|_| ()).unwrap_err().to_string().contains("no text"));
}

#[test]
fn a_recorded_base_is_compared() {
    let world = world();
    let teacher = world.dir.path().join("teacher");
    std::fs::create_dir(&teacher).unwrap();
    assert_eq!(recorded_base(&teacher).unwrap(), None);
    assert!(!check_recorded_base("one", &teacher, &world.base).unwrap());
    let record = |hash: &str| {
        std::fs::write(teacher.join("faculty.json"), json!({"model_sha256": hash}).to_string()).unwrap();
    };
    record(world.base.hash());
    assert!(check_recorded_base("one", &teacher, &world.base).unwrap());
    record(&"0123456789abcdef".repeat(4));
    let error = check_recorded_base("one", &teacher, &world.base).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 2);
    for word in ["`one` cannot be merged", "0123456789ab", &world.base.hash()[..12]] {
        assert!(text.contains(word), "{text}");
    }
    std::fs::write(teacher.join("faculty.json"), "{").unwrap();
    assert!(recorded_base(&teacher).is_err());
}
