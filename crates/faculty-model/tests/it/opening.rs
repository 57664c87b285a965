//! What does not fit together is refused by name.

use crate::support::open;
use burn::tensor::Device;
use faculty_core::{Error, LabelSpace, NamedTensor, NamedTensors, Stream};
use faculty_hub::{WeightFiles, write_safetensors};
use faculty_model::{Classifier, Parts};
use faculty_testkit::golden_dir;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn copy_of(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(golden_dir().join("models").join(name).join(file), dir.path().join(file)).unwrap();
    }
    let path = dir.path().to_path_buf();
    (dir, path)
}

fn edit_config(dir: &Path, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = dir.join("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    edit(config.as_object_mut().unwrap());
    std::fs::write(path, config.to_string()).unwrap();
}

fn edit_weights(dir: &Path, edit: impl FnOnce(&mut Vec<NamedTensor>)) {
    let path = dir.join("model.safetensors");
    let source = WeightFiles::open_file(&path).unwrap();
    let mut tensors: Vec<NamedTensor> = source
        .names()
        .into_iter()
        .map(|name| {
            let (shape, values) = (source.shape(&name).unwrap(), source.read(&name).unwrap());
            NamedTensor { name, shape, values }
        })
        .collect();
    drop(source);
    edit(&mut tensors);
    write_safetensors(&path, &tensors, &[]).unwrap();
}

fn refusal(dir: &Path) -> Error {
    Classifier::open(dir, &Device::flex()).expect_err("must be refused")
}

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn an_unsupported_architecture_is_named_with_the_supported_ones() {
    let (_guard, dir) = copy_of("bert");
    edit_config(&dir, |config| drop(config.insert("model_type".into(), json!("deberta-v2"))));
    says(
        &refusal(&dir),
        &["config.json", "model_type", "deberta-v2", "bert, distilbert, roberta, xlm-roberta, electra"],
    );
}

#[test]
fn an_unknown_activation_is_named() {
    let (_guard, dir) = copy_of("bert");
    edit_config(&dir, |config| drop(config.insert("hidden_act".into(), json!("swish9"))));
    says(&refusal(&dir), &["config.json", "hidden_act", "swish9", "gelu"]);
}

#[test]
fn missing_unexpected_and_mis_shaped_tensors_are_named_together() {
    let (_guard, dir) = copy_of("bert");
    edit_weights(&dir, |tensors| {
        tensors.retain(|tensor| tensor.name != "bert.encoder.layer.1.output.dense.bias");
        tensors.push(NamedTensor { name: "bert.encoder.extra".into(), shape: vec![1], values: vec![0.0] });
        let pooler = tensors.iter_mut().find(|tensor| tensor.name == "bert.pooler.dense.bias").unwrap();
        pooler.shape = vec![16];
        pooler.values.truncate(16);
    });
    says(
        &refusal(&dir),
        &[
            "missing `bert.encoder.layer.1.output.dense.bias` [32]",
            "unexpected `bert.encoder.extra`",
            "`bert.pooler.dense.bias` has shape [16], expected [32]",
        ],
    );
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let (_guard, dir) = copy_of("roberta");
    // The last four bytes of the file are the last value of a tensor; the writer itself refuses to write NaN.
    let path = dir.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    says(&refusal(&dir), &["NaN"]);
}

#[test]
fn a_tokenizer_with_more_ids_than_the_embedding_table_is_refused() {
    let (_guard, dir) = copy_of("distilbert");
    // RoBERTa's tokenizer has more ids than DistilBERT's table has rows.
    let other = open("roberta");
    let own = open("distilbert");
    assert!(other.tokenizer.vocab_size() > own.config.vocab_size, "the fixture no longer shows the case");
    std::fs::copy(golden_dir().join("models/roberta/tokenizer.json"), dir.join("tokenizer.json")).unwrap();
    std::fs::copy(golden_dir().join("models/roberta/tokenizer_config.json"), dir.join("tokenizer_config.json"))
        .unwrap();
    says(&refusal(&dir), &["tokenizer.json", "embedding table"]);
}

#[test]
fn label_names_must_match_the_head() {
    let (_guard, dir) = copy_of("roberta");
    edit_config(&dir, |config| drop(config.insert("id2label".into(), json!({"0": "a", "1": "b"}))));
    says(&refusal(&dir), &["id2label", "2 labels for a head of"]);
}

#[test]
fn a_config_of_another_depth_is_refused_for_students_too() {
    let (_guard, dir) = copy_of("bert");
    edit_config(&dir, |config| drop(config.insert("num_hidden_layers".into(), json!(2))));
    says(&refusal(&dir), &["unexpected `bert.encoder.layer.2."]);
    let labels = LabelSpace::new(["a", "b"]).unwrap();
    let start = Classifier::start_from(&dir, &Parts::default(), labels, Stream::new(1, "s"), &Device::flex());
    says(&start.expect_err("must be refused"), &["unexpected `bert.encoder.layer.2."]);
}

#[test]
fn a_student_can_start_from_a_classifier_and_keep_some_layers() {
    let labels = LabelSpace::new(["x", "y", "z"]).unwrap();
    let parts = Parts { layers: Some(vec![0, 2]) };
    for name in ["bert", "distilbert", "roberta", "xlm-roberta", "electra"] {
        let dir = golden_dir().join("models").join(name);
        let stream = Stream::new(1, "student");
        let (student, report) =
            Classifier::start_from(&dir, &parts, labels.clone(), stream, &Device::flex()).expect(name);
        assert_eq!(student.config.layers, 2);
        assert_eq!(student.network.classes(), 3);
        assert!(!report.initialised.is_empty(), "{name}: the head is fresh");
        let again = Classifier::start_from(&dir, &parts, labels.clone(), stream, &Device::flex()).unwrap().0;
        let weights = |c: &Classifier| c.network.export(&c.config).unwrap();
        assert_eq!(weights(&student), weights(&again), "{name}: a start is a function of its stream");
    }
}
