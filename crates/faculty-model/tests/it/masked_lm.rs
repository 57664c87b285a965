//! Masked language models: parity with `transformers`, writing and opening again, what is hidden.

use burn::tensor::Device;
use faculty_core::{NamedTensors, Silent, Stream};
use faculty_model::{MaskPlan, MaskedModel, Tokens};
use faculty_nn::{DropoutPlan, host_values};
use faculty_testkit::{TinySpec, golden_dir, golden_json, golden_tensors, tiny_classifier_dir};
use serde::Deserialize;
use std::path::PathBuf;

const GOLDEN: [&str; 4] = ["bert", "distilbert", "roberta", "electra"];

#[derive(Deserialize)]
struct GoldenTexts {
    texts: Vec<String>,
}

fn dir(name: &str) -> PathBuf {
    golden_dir().join("masked-lm").join(name)
}

fn open(name: &str) -> MaskedModel {
    MaskedModel::open(dir(name), &Device::flex()).expect(name)
}

/// The texts of the golden files with every third token hidden, and where (see the script).
fn hidden(model: &MaskedModel) -> (Tokens, Vec<usize>) {
    let golden: GoldenTexts = golden_json("masked-lm/mate-kd.json");
    let mut tokens = model.tokenize(&golden.texts, None).unwrap();
    let width = tokens.lengths().into_iter().max().unwrap();
    let mask = model.tokenizer.special_ids().mask.unwrap();
    let mut positions = Vec::new();
    for (row, text) in tokens.rows.iter_mut().enumerate() {
        for token in 1..text.ids.len() - 1 {
            if (row + token) % 3 == 0 {
                text.ids[token] = mask;
                positions.push(row * width + token);
            }
        }
    }
    (tokens, positions)
}

fn logits(model: &MaskedModel) -> Vec<f32> {
    let (tokens, positions) = hidden(model);
    let input = tokens.batch(&[0, 1, 2, 3], &model.config, &Device::flex()).unwrap();
    host_values(model.network.logits_at(&input, &positions, &DropoutPlan::Off)).unwrap()
}

#[test]
fn logits_of_hidden_tokens_agree_with_transformers() {
    for name in GOLDEN {
        let ours = logits(&open(name));
        let golden = golden_tensors(&format!("masked-lm/{name}/golden.safetensors")).read("logits").unwrap();
        assert_eq!(ours.len(), golden.len(), "{name}");
        let difference = ours.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        eprintln!("{name:<11} {difference:.1e}");
        assert!(difference < 1e-5, "{name}: logits differ by {difference}");
    }
}

#[test]
fn a_written_model_opens_with_equal_logits() {
    for name in GOLDEN {
        let model = open(name);
        let dir = tempfile::tempdir().unwrap();
        model.write_into(dir.path()).unwrap();
        let again = MaskedModel::open(dir.path(), &Device::flex()).unwrap();
        assert_eq!(again.config.family, model.config.family);
        assert_eq!(logits(&again), logits(&model), "{name}");
        let config = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
        assert!(config.contains("ForMaskedLM") && !config.contains("id2label"), "{config}");
    }
}

#[test]
fn an_encoder_gets_a_fresh_head_and_a_classifier_is_no_masked_model() {
    let folder = tempfile::tempdir().unwrap();
    let dir = tiny_classifier_dir(folder.path(), &TinySpec::new(["a", "b"]));
    let error = MaskedModel::open(&dir, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("cls.predictions.transform.dense.weight") && error.contains("mlm-head"), "{error}");
    let started = |seed| MaskedModel::start_from(&dir, Stream::new(seed, "head"), &Device::flex()).unwrap();
    let dense = |model: &MaskedModel| host_values(model.network.head.dense.weight.val()).unwrap();
    assert_eq!(dense(&started(1)), dense(&started(1)));
    assert_ne!(dense(&started(1)), dense(&started(2)));
    assert!(started(1).hash.is_empty());
    // A fresh head in place of one that is there.
    let fresh = MaskedModel::start_from(self::dir("bert"), Stream::new(1, "head"), &Device::flex()).unwrap();
    assert_ne!(dense(&fresh), dense(&open("bert")));
}

#[test]
fn an_output_layer_of_its_own_is_refused() {
    let model = open("bert");
    let folder = tempfile::tempdir().unwrap();
    model.write_into(folder.path()).unwrap();
    let mut tensors = model.network.export(&model.config).unwrap();
    let words = tensors.iter().find(|tensor| tensor.name.ends_with("word_embeddings.weight")).unwrap().clone();
    let decoder = |shift: f32| faculty_core::NamedTensor {
        name: "cls.predictions.decoder.weight".to_owned(),
        values: words.values.iter().map(|value| value + shift).collect(),
        shape: words.shape.clone(),
    };
    let mut open_with = |shift: f32| {
        tensors.retain(|tensor| !tensor.name.contains("decoder"));
        tensors.push(decoder(shift));
        faculty_hub::write_safetensors(&folder.path().join("model.safetensors"), &tensors, &[]).unwrap();
        MaskedModel::open(folder.path(), &Device::flex())
    };
    assert!(open_with(0.0).is_ok(), "stored twice");
    let error = open_with(0.1).unwrap_err().to_string();
    assert!(error.contains("decoder.weight") && error.contains("not what it is shared with"), "{error}");
}

#[test]
fn special_tokens_and_padding_are_never_hidden_and_the_rate_is_met() {
    let model = open("bert");
    let texts: Vec<String> = (0..400)
        .map(|text| format!("pay my bill now, please {} 漢 [MASK] [SEP] how long", "book it ".repeat(text % 5)))
        .collect();
    let tokens = model.tokenize(&texts, None).unwrap();
    let plan = MaskPlan::new(&model.tokenizer, 0.3).unwrap();
    let rows: Vec<usize> = (0..400).collect();
    let stream = Stream::new(7, "masks");
    let found = plan.apply(&tokens, &rows, stream);
    let special = |id: &u32| plan.protected().contains(id);
    let may_hide = tokens.rows.iter().flat_map(|row| &row.ids).filter(|id| !special(id)).count();
    let share = found.positions.len() as f64 / may_hide as f64;
    assert!((share - 0.3).abs() < 0.02, "{share}");
    let mask = model.tokenizer.special_ids().mask.unwrap();
    let mut hidden = 0;
    for (at, (clean, masked)) in tokens.rows.iter().zip(&found.masked.rows).enumerate() {
        for (token, (before, after)) in clean.ids.iter().zip(&masked.ids).enumerate() {
            let listed = found.positions.binary_search(&(at * found.width + token));
            assert_eq!(before != after, listed.is_ok());
            if let Ok(index) = listed {
                assert!(!special(before) && *after == mask && found.targets[index] == *before);
                hidden += 1;
            }
        }
    }
    assert_eq!(hidden, found.positions.len());
    assert_eq!(found.filled(&found.targets).unwrap().rows, tokens.rows);
    let other = vec![11; found.positions.len()];
    let filled = found.filled(&other).unwrap();
    assert_eq!(
        filled.rows.iter().flat_map(|row| &row.ids).filter(|id| **id == mask).count(),
        400,
        "those of the texts"
    );
    assert!(found.filled(&other[1..]).is_err());
    // A text meets the same masks in any batch, and others in another step.
    let alone = plan.apply(&tokens, &[17], stream);
    assert_eq!(alone.masked.rows[0], found.masked.rows[17]);
    assert_ne!(plan.apply(&tokens, &rows, stream.fork(1)).positions, found.positions);
    for rate in [0.0, 1.0, f64::NAN] {
        assert!(MaskPlan::new(&model.tokenizer, rate).unwrap_err().to_string().contains("mask_rate"));
    }
}

#[test]
fn measuring_finds_the_same_whatever_the_order() {
    let model = open("distilbert");
    let golden: GoldenTexts = golden_json("masked-lm/mate-kd.json");
    let tokens = model.tokenize(&golden.texts, None).unwrap();
    let plan = MaskPlan::new(&model.tokenizer, 0.3).unwrap();
    let found = model.measure(&tokens, &plan, Stream::new(1, "masks"), &Silent).unwrap();
    assert!(found.tokens > 3 && found.loss > 0.0 && (0.0..=1.0).contains(&found.accuracy));
    assert_eq!(found, model.measure(&tokens, &plan, Stream::new(1, "masks"), &Silent).unwrap());
}
