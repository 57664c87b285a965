//! `faculty predict`.

use crate::workplace::Workplace;
use serde_json::Value;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Texts of very different lengths, so that length-ordered batches would show if they leaked into the output.
const TEXTS: [&str; 5] = [
    "pay the bill",
    "hi",
    "can you please find me a hotel room for the team next to the airport",
    "balance",
    "a flight",
];

#[test]
fn answers_stand_in_the_order_of_the_rows() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y", "z"]);
    place.write("texts.txt", TEXTS.join("\n"));
    place.faculty("predict --model model --text texts.txt --out all.jsonl --logits").good();
    let all = lines(&std::fs::read_to_string(place.path("all.jsonl")).unwrap());
    assert_eq!(all.len(), TEXTS.len());
    for (text, together) in TEXTS.iter().zip(&all) {
        place.write("one.txt", text);
        let alone = place.faculty("predict --model model --text one.txt --out - --logits").good();
        let alone = &lines(&alone.stdout)[0];
        assert_eq!(alone["label"], together["label"], "{text}");
        for (a, b) in alone["logits"].as_array().unwrap().iter().zip(together["logits"].as_array().unwrap()) {
            assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4, "{text}: {a} {b}");
        }
    }
    let first_words: Vec<&str> = all.iter().map(|row| row["label"].as_str().unwrap()).collect();
    assert!(first_words.iter().any(|label| *label != first_words[0]), "the test needs answers that differ");
}

#[test]
fn logits_are_raw_and_the_score_is_their_softmax() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y", "z"]);
    place.write("texts.txt", TEXTS.join("\n"));
    place.faculty("predict --model model --text texts.txt --out with.jsonl --logits").good();
    place.faculty("predict --model model --text texts.txt --out without.jsonl").good();
    let with = lines(&std::fs::read_to_string(place.path("with.jsonl")).unwrap());
    let without = lines(&std::fs::read_to_string(place.path("without.jsonl")).unwrap());
    for (with, without) in with.iter().zip(&without) {
        let logits: Vec<f64> = with["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect();
        assert_eq!(logits.len(), 3);
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let softmax = 1.0 / logits.iter().map(|logit| (logit - top).exp()).sum::<f64>();
        assert!((with["score"].as_f64().unwrap() - softmax).abs() < 1e-6);
        let best = logits.iter().position(|logit| *logit == top).unwrap();
        assert_eq!(with["label"], ["x", "y", "z"][best]);
        assert_eq!(without["label"], with["label"]);
        assert!(without.get("logits").is_none() && without.get("line").is_none());
    }
}

#[test]
fn a_broken_row_stops_the_run_unless_it_may_be_skipped() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.write("texts.jsonl", "{\"text\": \"pay\"}\n{\"txt\": 1}\n{\"text\": \"hotel\"}\n");
    place
        .faculty("predict --model model --text texts.jsonl --out out.jsonl")
        .refused(2, &["texts.jsonl:2", "--skip-broken"]);
    assert!(!place.path("out.jsonl").exists());
    let run = place.faculty("predict --model model --text texts.jsonl --out out.jsonl --skip-broken").good();
    assert!(run.stderr.contains("texts.jsonl:2"), "{}", run.stderr);
    let answers = lines(&std::fs::read_to_string(place.path("out.jsonl")).unwrap());
    let numbers: Vec<u64> = answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 3]);
}

#[test]
fn the_input_is_never_overwritten_by_the_output() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.write("texts.txt", "pay");
    place.faculty("predict --model model --text texts.txt --out ./texts.txt").refused(2, &["texts.txt", "--out"]);
    assert_eq!(std::fs::read_to_string(place.path("texts.txt")).unwrap(), "pay");
}

#[test]
fn stdout_holds_answers_alone() {
    let place = Workplace::new();
    place.tiny("model", ["x", "y"]);
    place.write("texts.txt", TEXTS.join("\n"));
    let run = place.faculty("predict --model model --text texts.txt --out - -v").good();
    assert_eq!(lines(&run.stdout).len(), TEXTS.len());
    assert!(run.stderr.contains("predict"), "progress goes to stderr: {}", run.stderr);
    let quiet = place.faculty("predict --model model --text texts.txt --out - -q").good();
    assert_eq!((quiet.stderr.as_str(), quiet.stdout), ("", run.stdout));
}
