//! What the tests share: golden models and comparisons over text positions.

use burn::tensor::{Device, Tensor};
use faculty_core::NamedTensors;
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, Spans, Taps, TokenInput, host_values};
use faculty_testkit::{golden_dir, golden_json, golden_tensors};
use faculty_text::{PadSide, TokenBatch, TokenRow};
use serde::Deserialize;

/// Every golden classifier, one a family and one a weight format.
pub const GOLDEN: [&str; 8] =
    ["bert", "distilbert", "roberta", "xlm-roberta", "electra", "bert-sharded", "bert-f16", "bert-bf16"];

#[derive(Deserialize)]
pub struct GoldenText {
    pub labels: Vec<String>,
    pub texts: Vec<String>,
    pub input_ids: Vec<Vec<u32>>,
}

pub fn golden_text(name: &str) -> GoldenText {
    golden_json(&format!("models/{name}/golden.json"))
}

pub fn open(name: &str) -> Classifier {
    Classifier::open(golden_dir().join("models").join(name), &Device::flex()).expect(name)
}

pub fn rows_of(ids: &[Vec<u32>]) -> Vec<TokenRow> {
    ids.iter().cloned().map(TokenRow::of_ids).collect()
}

pub fn input(classifier: &Classifier, rows: &[TokenRow], side: PadSide, min_width: usize) -> TokenInput {
    let all: Vec<usize> = (0..rows.len()).collect();
    let batch = TokenBatch::from_rows_padded(rows, &all, classifier.tokenizer.pad_id(), side, min_width);
    let spans = match side {
        PadSide::Right => Spans::right_padded(&batch.lengths, batch.width),
        PadSide::Left => Spans::left_padded(&batch.lengths, batch.width),
    };
    TokenInput::new(&classifier.config, &batch.ids, &batch.type_ids, spans.unwrap(), &Device::flex()).unwrap()
}

/// The largest absolute difference over text positions of `[rows, tokens, width]`.
pub fn largest_difference(ours: Tensor<3>, golden: &[f32], spans: &Spans) -> f32 {
    let [rows, tokens, width] = ours.dims();
    let ours = host_values(ours).unwrap();
    assert_eq!(ours.len(), golden.len(), "shape");
    let mut largest = 0f32;
    for row in 0..rows {
        for token in spans.range(row) {
            let from = (row * tokens + token) * width;
            for (a, b) in ours[from..from + width].iter().zip(&golden[from..from + width]) {
                largest = largest.max((a - b).abs());
            }
        }
    }
    largest
}

pub fn difference(ours: &[f32], golden: &[f32]) -> f32 {
    assert_eq!(ours.len(), golden.len(), "shape");
    ours.iter().zip(golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Largest differences of (hidden states, logits) of a whole batch against a golden file.
pub fn compare_batch(classifier: &Classifier, ids: &[Vec<u32>], file: &str, side: PadSide) -> (f32, f32) {
    let golden = golden_tensors(file);
    let suffix = if side == PadSide::Left { ".left" } else { "" };
    let input = input(classifier, &rows_of(ids), side, 0);
    let output = classifier.network.forward(&input, &DropoutPlan::Off, &Taps::All);
    let mut hidden = 0f32;
    for (state, ours) in output.encoder.taps {
        let golden = golden.read(&format!("hidden_states.{state}{suffix}")).unwrap();
        hidden = hidden.max(largest_difference(ours, &golden, input.spans()));
    }
    // Under left padding `transformers` reads the padding of column 0; the head on the first text token is comparable.
    let logits = if side == PadSide::Left { "logits.left.first_token" } else { "logits" };
    let logits = difference(&host_values(output.logits).unwrap(), &golden.read(logits).unwrap());
    (hidden, logits)
}
