//! Model directories that are wrong: exit code 2, the file (and key) named, nothing written.

use crate::workplace::{Run, Workplace};
use faculty_core::{NamedTensor, NamedTensors};
use faculty_hub::{WeightFiles, write_safetensors};
use serde_json::{Value, json};
use std::path::Path;

/// A place with a model to spoil and a text.
fn place() -> Workplace {
    let place = Workplace::new();
    place.tiny("model", ["x", "y", "z"]);
    place.write("texts.txt", "pay the bill");
    place
}

/// Predicting with the model and using it as a teacher must both be refused, with nothing written.
#[track_caller]
fn refused(place: &Workplace, words: &[&str]) -> Run {
    let before = place.listing();
    let run = place.faculty("predict --model model --text texts.txt --out out.jsonl").refused(2, words);
    assert_eq!(place.listing(), before);
    place
        .faculty("amalgamate --teacher model --text texts.txt --student teacher:0 --method uniform --out student")
        .refused(2, words);
    assert_eq!(place.listing(), before);
    run
}

fn weights(place: &Workplace) -> std::path::PathBuf {
    place.path("model/model.safetensors")
}

fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = crate::workplace::read_json(path);
    edit(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// Rewrites the weights, tensor by tensor.
fn edit_tensors(path: &Path, edit: impl FnOnce(&mut Vec<NamedTensor>)) {
    let file = WeightFiles::open_file(path).unwrap();
    let mut tensors: Vec<NamedTensor> = file
        .names()
        .into_iter()
        .map(|name| NamedTensor { shape: file.shape(&name).unwrap(), values: file.read(&name).unwrap(), name })
        .collect();
    edit(&mut tensors);
    write_safetensors(path, &tensors, &[]).unwrap();
}

#[test]
fn missing_weights() {
    let place = place();
    std::fs::remove_file(weights(&place)).unwrap();
    refused(&place, &["model", "model.safetensors"]);
}

#[test]
fn truncated_weights() {
    let place = place();
    let bytes = std::fs::read(weights(&place)).unwrap();
    for keep in [bytes.len() / 2, bytes.len() - 1, 100, 4] {
        std::fs::write(weights(&place), &bytes[..keep]).unwrap();
        refused(&place, &["model.safetensors"]);
    }
}

#[test]
fn a_pickle_with_another_name() {
    let place = place();
    std::fs::write(weights(&place), b"PK\x03\x04\x00\x00\x08\x08archive/data.pkl\x80\x02}q\x00.").unwrap();
    refused(&place, &["model.safetensors", "pickle"]);
    std::fs::write(weights(&place), b"\x80\x02}q\x00(X\x06\x00\x00\x00weightq\x01ctorch._utils\n_rebuild_tensor_v2\n")
        .unwrap();
    refused(&place, &["model.safetensors", "pickle"]);
}

#[test]
fn a_header_that_claims_100_gigabytes() {
    let place = place();
    let mut bytes = std::fs::read(weights(&place)).unwrap();
    bytes[..8].copy_from_slice(&100_000_000_000_u64.to_le_bytes());
    std::fs::write(weights(&place), bytes).unwrap();
    refused(&place, &["model.safetensors", "header"]);
}

#[test]
fn shards_outside_of_the_directory() {
    let place = place();
    std::fs::rename(weights(&place), place.path("model.safetensors")).unwrap();
    let index = json!({"weight_map": {"classifier.weight": "../model.safetensors"}});
    place.write("model/model.safetensors.index.json", index.to_string());
    refused(&place, &["model.safetensors.index.json", "../model.safetensors"]);
}

#[test]
fn a_shape_that_does_not_fit() {
    let place = place();
    edit_tensors(&weights(&place), |tensors| {
        let wanted = |tensor: &&mut NamedTensor| tensor.name.ends_with("layer.1.intermediate.dense.weight");
        tensors.iter_mut().find(wanted).unwrap().shape = vec![32, 64];
    });
    refused(&place, &["layer.1.intermediate.dense.weight", "[32, 64]", "[64, 32]"]);
}

#[test]
fn a_tensor_too_few_and_one_too_many() {
    let place = place();
    edit_tensors(&weights(&place), |tensors| {
        tensors.iter_mut().find(|tensor| tensor.name == "classifier.bias").unwrap().name = "classifier.bais".to_owned();
    });
    refused(&place, &["classifier.bias", "classifier.bais"]);
}

#[test]
fn a_weight_that_is_not_a_number() {
    let place = place();
    let mut bytes = std::fs::read(weights(&place)).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(weights(&place), bytes).unwrap();
    refused(&place, &["model.safetensors", "NaN"]);
}

#[test]
fn an_architecture_that_is_not_supported() {
    let place = place();
    edit_json(&place.path("model/config.json"), |config| config["model_type"] = json!("gpt2"));
    refused(&place, &["config.json", "gpt2", "bert, distilbert, roberta, xlm-roberta, electra"]);
}

#[test]
fn a_configuration_that_is_no_json() {
    let place = place();
    place.write("model/config.json", "{\"model_type\": \"bert\",\n oops}");
    refused(&place, &["config.json", ":2"]);
}

#[test]
fn a_tokenizer_that_does_not_match_the_embedding_table() {
    let place = place();
    edit_json(&place.path("model/tokenizer.json"), |tokenizer| {
        let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        let size = vocabulary.len();
        vocabulary.insert("onemore".to_owned(), json!(size));
    });
    refused(&place, &["tokenizer.json", "embedding table"]);
}

#[test]
fn a_tokenizer_that_is_missing() {
    let place = place();
    std::fs::remove_file(place.path("model/tokenizer.json")).unwrap();
    refused(&place, &["model", "tokenizer.json"]);
}

#[test]
fn labels_that_do_not_fit_the_head() {
    let place = place();
    edit_json(&place.path("model/config.json"), |config| {
        config["id2label"] = json!({"0": "x", "1": "y"});
        config["label2id"] = json!({"x": 0, "y": 1});
    });
    refused(&place, &["config.json", "id2label"]);
}

#[test]
fn a_model_that_is_not_there() {
    let place = place();
    place
        .faculty("predict --model nobody/nothing --text texts.txt --out out.jsonl")
        .refused(2, &["nobody/nothing", "HF_HUB_OFFLINE"]);
    place
        .faculty("predict --model ./nothing --text texts.txt --out out.jsonl")
        .refused(2, &["./nothing", "no such directory"]);
    assert!(!place.path("out.jsonl").exists());
}
