//! Opening model directories.

use crate::build::{Raw, directory, le, put, refused, safetensors, small};
use faculty_hub::ModelDir;

#[test]
fn configurations_are_parsed_and_the_weights_open_lazily() {
    let dir = directory(&[
        ("config.json", b"\xef\xbb\xbf{\"model_type\": \"bert\", \"hidden_size\": 4}"),
        ("tokenizer_config.json", b"{\"model_max_length\": 512}"),
    ]);
    let model = ModelDir::open(dir.path()).unwrap();
    assert_eq!(model.config["hidden_size"], 4);
    assert_eq!(model.tokenizer_config.as_ref().unwrap()["model_max_length"], 512);
    refused(model.weights(), &["holds no weights"]);
    put(dir.path(), &[("model.safetensors", &small())]);
    assert_eq!(model.weights().unwrap().files(), [dir.path().join("model.safetensors")]);
}

#[test]
fn broken_json_is_named_by_file_and_line() {
    let check = |config: &[u8], phrases: &[&str]| {
        refused(ModelDir::open(directory(&[("config.json", config)]).path()), phrases)
    };
    check(b"{\n  \"a\": 1,\n  \"b\": }\n", &["config.json:3", "not valid JSON"]);
    check(b"[1, 2]", &["config.json", "holds an array", "JSON object"]);
    check(b"", &["config.json:1", "not valid JSON"]);
    check(b"{\"a\": \"\xff\"}", &["config.json"]);
    check(&b"[".repeat(100_000), &["config.json", "recursion"]);
    let dir = directory(&[("config.json", b"{}"), ("tokenizer_config.json", b"{\n\n")]);
    refused(ModelDir::open(dir.path()), &["tokenizer_config.json:3"]);
}

#[test]
fn what_is_no_model_directory_is_refused() {
    let dir = directory(&[("file", b"")]);
    refused(ModelDir::open(dir.path()), &["has no config.json", "Hugging Face"]);
    refused(ModelDir::open(dir.path().join("file")), &["is no directory"]);
    refused(ModelDir::open(dir.path().join("absent")), &["no such directory"]);
}

fn labels(config: &str) -> faculty_core::Result<Vec<String>> {
    let dir = directory(&[("config.json", config.as_bytes())]);
    ModelDir::open(dir.path()).unwrap().labels().map(|labels| labels.names().to_vec())
}

#[test]
fn labels_come_in_numerical_order() {
    let many: Vec<String> = (0..12).rev().map(|i| format!("\"{i}\": \"name{i}\"")).collect();
    let names = labels(&format!("{{\"id2label\": {{{}}}}}", many.join(","))).unwrap();
    assert_eq!(names[2], "name2");
    assert_eq!(names[10], "name10");
}

#[test]
fn missing_labels_are_named_as_transformers_names_them() {
    assert_eq!(labels("{}").unwrap(), ["LABEL_0", "LABEL_1"]);
    assert_eq!(labels(r#"{"num_labels": 3, "id2label": null}"#).unwrap(), ["LABEL_0", "LABEL_1", "LABEL_2"]);
}

#[test]
fn bad_labels_are_refused_with_file_and_key() {
    let check = |config: &str, phrases: &[&str]| {
        refused(labels(config), phrases);
        refused(labels(config), &["config.json"]);
    };
    check(r#"{"id2label": {"0": "a", "2": "b"}}"#, &["id2label", "without gaps"]);
    check(r#"{"id2label": {"0": "a", "1": "a"}}"#, &["appears twice"]);
    check(r#"{"id2label": {"x": "a"}}"#, &["id2label", "class index"]);
    check(r#"{"id2label": {"0": 7}}"#, &["id2label", "class 0 is a number"]);
    check(r#"{"id2label": ["a", "b"]}"#, &["id2label", "is an array"]);
    check(r#"{"id2label": {}}"#, &["at least one label"]);
    check(r#"{"num_labels": 1000000000000}"#, &["num_labels", "1000000000000"]);
    check(r#"{"num_labels": 0}"#, &["num_labels"]);
    check(r#"{"num_labels": "3"}"#, &["num_labels"]);
}

#[test]
fn the_hash_follows_the_content_of_configuration_weights_and_tokenizer() {
    let files: [(&str, &[u8]); 3] =
        [("config.json", b"{}"), ("model.safetensors", &small()), ("tokenizer.json", b"{}")];
    let dir = directory(&files);
    let hash = || ModelDir::open(dir.path()).unwrap().model_hash().unwrap();
    let first = hash();
    assert_eq!(first.len(), 64);
    assert_eq!(hash(), first);
    assert_eq!(ModelDir::open(directory(&files).path()).unwrap().model_hash().unwrap(), first, "the place is no part");
    put(dir.path(), &[("README.md", b"changed")]);
    assert_eq!(hash(), first, "other files are no part");
    for (name, changed) in [("config.json", &b"{ }"[..]), ("tokenizer.json", b"{ }"), ("model.safetensors", b"other")] {
        let before = hash();
        put(dir.path(), &[(name, changed)]);
        assert_ne!(hash(), before, "{name}");
    }
    std::fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    refused(ModelDir::open(dir.path()).unwrap().model_hash(), &["holds no weights"]);
}

#[test]
fn the_hash_covers_every_shard() {
    let shard = |value: f32| safetensors(&[Raw("w", "F32", vec![1], le(&[value]))]);
    let build = |value: f32| {
        let dir = directory(&[
            ("config.json", b"{}"),
            ("model.safetensors.index.json", br#"{"weight_map": {"w": "s.safetensors"}}"#),
            ("s.safetensors", &shard(value)),
        ]);
        ModelDir::open(dir.path()).unwrap().model_hash().unwrap()
    };
    assert_eq!(build(1.0), build(1.0));
    assert_ne!(build(1.0), build(2.0));
}
