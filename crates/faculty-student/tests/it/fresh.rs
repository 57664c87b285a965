//! Encoders from nothing, with tokenizers of their own.

use burn::tensor::Device;
use faculty_core::{LabelSpace, Silent, Stream};
use faculty_model::Classifier;
use faculty_nn::Family;
use faculty_student::FreshEncoder;
use std::path::Path;

fn texts() -> Vec<String> {
    (0..40).map(|row| format!("please show the balance of account {row} and of card {}", row % 7)).collect()
}

fn build(encoder: &FreshEncoder, dir: &Path, seed: u64) -> Classifier {
    build_from(&texts(), encoder, dir, seed)
}

fn build_from(texts: &[String], encoder: &FreshEncoder, dir: &Path, seed: u64) -> Classifier {
    let labels = LabelSpace::new(["pay", "ask", "stop"]).unwrap();
    encoder.build(texts, dir, labels, Stream::new(seed, "fresh"), &Device::flex()).unwrap()
}

#[test]
fn every_family_starts_from_nothing_and_opens_again_from_its_directory() {
    for family in Family::ALL {
        let root = tempfile::tempdir().unwrap();
        let encoder = FreshEncoder { vocabulary: 320, max_tokens: 24, ..FreshEncoder::new(family, 2, 32) };
        let made = build(&encoder, &root.path().join("tokenizer"), 1);
        assert_eq!((made.config.family, made.config.layers, made.config.max_tokens()), (family, 2, 24));
        let dir = root.path().join("model");
        std::fs::create_dir(&dir).unwrap();
        made.write_into(&dir).unwrap();
        let opened = Classifier::open(&dir, &Device::flex()).unwrap();
        assert_eq!((&opened.config, opened.labels.names()), (&made.config, made.labels.names()));
        assert_eq!(opened.vocabulary_difference(&made), None);
        let logits = |classifier: &Classifier| {
            let tokens = classifier.tokenize(&["show my balance", "a text of words that were never seen: żółw"], None);
            classifier.logits(&tokens.unwrap(), &Silent).unwrap()
        };
        assert_eq!(logits(&opened), logits(&made), "{family:?}");
    }
}

#[test]
fn weights_follow_the_stream_and_the_tokenizer_the_texts() {
    let root = tempfile::tempdir().unwrap();
    let encoder = FreshEncoder { vocabulary: 320, ..FreshEncoder::new(Family::Roberta, 1, 32) };
    let weights = |name: &str, seed: u64| {
        let made = build(&encoder, &root.path().join(name), seed);
        (made.network.export(&made.config).unwrap(), made.tokenizer.hash().to_owned())
    };
    assert_eq!(weights("one", 1), weights("two", 1));
    let (one, two) = (weights("one", 1), weights("one", 2));
    assert_eq!(one.1, two.1);
    assert_ne!(one.0, two.0);
    let others: Vec<String> = (0..40).map(|row| format!("which train leaves from platform {row} at noon?")).collect();
    let other = build_from(&others, &encoder, &root.path().join("other"), 1);
    assert_ne!(other.tokenizer.hash(), one.1, "other texts, other tokens");
    let again = build_from(&others, &encoder, &root.path().join("one"), 1);
    assert_eq!(again.tokenizer.hash(), one.1, "a tokenizer that is there is taken as it is");
}

#[test]
fn sizes_without_sense_are_refused_by_key() {
    let good = FreshEncoder::new(Family::Distilbert, 2, 64);
    good.check().unwrap();
    for (wrong, key) in [
        (FreshEncoder { layers: 0, ..good.clone() }, "layers"),
        (FreshEncoder { hidden: 100, ..good.clone() }, "hidden"),
        (FreshEncoder { vocabulary: 100, ..good.clone() }, "vocabulary"),
        (FreshEncoder { max_tokens: 2, ..good.clone() }, "max_tokens"),
    ] {
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(good.describe().contains("distilbert, 2 layers of width 64"));
}
