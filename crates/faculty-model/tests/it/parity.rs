//! Parity with `transformers` on tiny random models of every family.

use crate::support::{GOLDEN, compare_batch, difference, golden_text, input, open, rows_of};
use faculty_core::{NamedTensors, Silent};
use faculty_nn::{DropoutPlan, Taps, host_values};
use faculty_testkit::golden_tensors;
use faculty_text::PadSide;

#[test]
fn every_hidden_state_and_the_logits_agree_under_right_padding() {
    for name in GOLDEN {
        let text = golden_text(name);
        let (hidden, logits) =
            compare_batch(&open(name), &text.input_ids, &format!("models/{name}/golden.safetensors"), PadSide::Right);
        eprintln!("{name:<13} right: hidden {hidden:.1e}, logits {logits:.1e}");
        assert!(hidden < 1e-5, "{name}: hidden states differ by {hidden}");
        assert!(logits < 1e-5, "{name}: logits differ by {logits}");
    }
}

#[test]
fn every_hidden_state_agrees_under_left_padding() {
    for name in &GOLDEN[..5] {
        let text = golden_text(name);
        let (hidden, logits) =
            compare_batch(&open(name), &text.input_ids, &format!("models/{name}/golden.safetensors"), PadSide::Left);
        eprintln!("{name:<13} left:  hidden {hidden:.1e}, logits {logits:.1e}");
        assert!(hidden < 1e-5, "{name}: hidden states differ by {hidden}");
        assert!(logits < 1e-5, "{name}: logits differ by {logits}");
    }
}

#[test]
fn a_text_alone_gives_the_logits_it_gives_in_a_batch() {
    for name in GOLDEN {
        let (classifier, text) = (open(name), golden_text(name));
        let golden = golden_tensors(&format!("models/{name}/golden.safetensors"));
        for (index, ids) in text.input_ids.iter().enumerate() {
            let input = input(&classifier, &rows_of(std::slice::from_ref(ids)), PadSide::Right, 0);
            let logits = classifier.network.forward(&input, &DropoutPlan::Off, &Taps::None).logits;
            let golden = golden.read(&format!("single.{index}.logits")).unwrap();
            let difference = difference(&host_values(logits).unwrap(), &golden);
            assert!(difference < 1e-5, "{name}, text {index}: {difference}");
        }
    }
}

#[test]
fn texts_go_through_the_tokenizer_to_the_same_logits() {
    for name in GOLDEN {
        let (classifier, text) = (open(name), golden_text(name));
        assert_eq!(classifier.labels.names(), text.labels, "{name}");
        let tokens = classifier.tokenize(&text.texts, None).unwrap();
        for (row, golden) in tokens.rows.iter().zip(&text.input_ids) {
            assert_eq!(&row.ids, golden, "{name}");
        }
        let logits = classifier.logits(&tokens, &Silent).unwrap();
        let golden = golden_tensors(&format!("models/{name}/golden.safetensors")).read("logits").unwrap();
        let difference = difference(&logits, &golden);
        assert!(difference < 1e-5, "{name}: {difference}");
    }
}
