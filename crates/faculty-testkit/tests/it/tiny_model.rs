//! Tiny classifiers are real ones: they load strictly, tokenise text, and tell texts apart.

use burn::tensor::Device;
use faculty_hub::ModelDir;
use faculty_nn::{
    DropoutPlan, EncoderConfig, Family, HeadSource, SequenceClassifier, Spans, Taps, TokenInput, host_values,
};
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir, tiny_vocabulary};
use faculty_text::TextTokenizer;
use std::path::Path;

const TEXTS: [&str; 3] = ["Please book a flight to Tokyo!", "what's my bank balance?", "turn on the kitchen lights"];

fn logits(dir: &Path, texts: &[&str]) -> Vec<f32> {
    let device = Device::flex();
    let model = ModelDir::open(dir).unwrap();
    let json = std::fs::read_to_string(dir.join("config.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let config = EncoderConfig::from_hf(json.as_object().unwrap()).unwrap();
    let weights = model.weights().unwrap();
    let (network, report) = SequenceClassifier::load(&config, &weights, None, HeadSource::Checkpoint, &device).unwrap();
    assert!(report.initialised.is_empty() && report.unused.is_empty(), "{report:?}");
    assert_eq!(network.classes(), model.labels().unwrap().len());
    let tokenizer = TextTokenizer::from_dir(dir).unwrap();
    assert!(tokenizer.vocab_size() <= config.vocab_size);
    let mut logits = Vec::new();
    for row in tokenizer.encode(texts, config.max_tokens()).unwrap().rows {
        let spans = Spans::right_padded(&[row.ids.len()], row.ids.len()).unwrap();
        let input = TokenInput::new(&config, &row.ids, &row.type_ids, spans, &device).unwrap();
        logits.extend(host_values(network.forward(&input, &DropoutPlan::Off, &Taps::None).logits).unwrap());
    }
    logits
}

#[test]
fn every_family_loads_strictly_and_tells_texts_apart() {
    for family in Family::ALL {
        let scratch = tempfile::tempdir().unwrap();
        let spec = TinySpec::new(["travel", "bank", "home"]).family(family);
        let dir = tiny_classifier_dir(scratch.path().join("model"), &spec);
        let values = logits(&dir, &TEXTS);
        assert_eq!(values.len(), 9);
        let spread = |class: usize| {
            let column: Vec<f32> = values.iter().skip(class).step_by(3).copied().collect();
            column.iter().copied().fold(f32::MIN, f32::max) - column.iter().copied().fold(f32::MAX, f32::min)
        };
        let largest = (0..3).map(spread).fold(0.0, f32::max);
        assert!(largest > 0.1, "{family:?}: logits {values:?}");
        assert!(values.iter().all(|logit| logit.abs() < 20.0), "{family:?}: logits {values:?}");
    }
}

#[test]
fn a_seed_names_the_weights() {
    let scratch = tempfile::tempdir().unwrap();
    let write = |name: &str, seed: u64| {
        let dir = tiny_classifier_dir(scratch.path().join(name), &TinySpec::new(["a", "b"]).seed(seed));
        std::fs::read(dir.join("model.safetensors")).unwrap()
    };
    assert_eq!(write("first", 1), write("again", 1));
    assert_ne!(write("first", 1), write("second", 2));
}

#[test]
fn the_tokenizer_lower_cases_spells_unknown_words_and_adds_its_special_tokens() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = tiny_classifier_dir(scratch.path(), &TinySpec::new(["a", "b"]));
    let tokenizer = TextTokenizer::from_dir(&dir).unwrap();
    assert_eq!(tokenizer.pad_id(), 0);
    assert_eq!(tokenizer.model_max_length(), Some(64));
    let rows = tokenizer.encode(&["Book FLIGHTS to Rio!"], 64).unwrap().rows;
    let tokens: Vec<String> = rows[0].ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
    assert_eq!(tokens, ["[CLS]", "book", "flight", "##s", "to", "r", "##i", "##o", "!", "[SEP]"]);
    let rows = tokenizer.encode(&[TINY_WORDS.join(" ").as_str()], 200).unwrap().rows;
    assert_eq!(rows[0].ids.len(), TINY_WORDS.len() + 2, "every word of the list is one token");
}

#[test]
fn the_vocabulary_has_no_token_twice() {
    let vocabulary = tiny_vocabulary();
    let distinct: std::collections::BTreeSet<&String> = vocabulary.iter().collect();
    assert_eq!(distinct.len(), vocabulary.len());
    assert_eq!(vocabulary[0], "[PAD]");
}
