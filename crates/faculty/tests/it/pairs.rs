//! Pairs of texts, from a file of two columns to a student.

use crate::workplace::{Workplace, bank_rows, travel_rows};
use serde_json::{Value, json};

/// Pairs of a bank's text and a traveller's, and which comes first.
fn pairs() -> Vec<(String, String, &'static str)> {
    let pair = |(n, ((bank, _), (trip, _)))| match n % 2 {
        0 => (String::from(bank), String::from(trip), "bank first"),
        _ => (String::from(trip), String::from(bank), "trip first"),
    };
    bank_rows().into_iter().zip(travel_rows()).enumerate().map(pair).collect()
}

fn place() -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    let lines = |keys: [&str; 2]| -> String {
        let line = |(first, second, label): (String, String, &str)| {
            json!({keys[0]: first, keys[1]: second, "label": label}).to_string() + "\n"
        };
        pairs().into_iter().map(line).collect()
    };
    place.write("train.jsonl", lines(["premise", "hypothesis"]));
    place.write("odd.jsonl", lines(["one", "two"]));
    let csv: String = pairs().iter().map(|(first, second, _)| format!("{first},{second}\n")).collect();
    place.write("texts.csv", format!("sentence1,sentence2\n{csv}"));
    place
}

const TRAINED: &str = "--epochs 20 --learning-rate 3e-3 --batch-size 8";

#[test]
fn a_teacher_of_pairs_is_trained_asked_and_amalgamated() {
    let place = place();
    place.faculty(&format!("finetune --model encoder --train train.jsonl --out teacher {TRAINED}")).good();
    let found = place.faculty("evaluate --model teacher --data train.jsonl --json").good().json();
    assert!(found["accuracy"].as_f64().unwrap() > 0.9, "{found}");

    let answers = |options: &str| -> Vec<Value> {
        let run = place.faculty(&format!("predict --model teacher --out - --logits {options}")).good();
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let of_pairs = answers("--text texts.csv");
    assert_eq!(of_pairs, answers("--text odd.jsonl --text-column one --pair-column two"));
    assert_eq!(of_pairs, answers("--text train.jsonl"));
    assert_ne!(of_pairs, answers("--text train.jsonl --text-column premise"), "one of the two texts alone");
    assert_ne!(of_pairs, answers("--text train.jsonl --text-column hypothesis --pair-column premise"), "turned round");

    let command = "amalgamate --teacher teacher --text texts.csv --student encoder --method vanilla-kd --out student";
    place.faculty(&format!("{command} --eval train.jsonl {TRAINED}")).good();
    let accuracy = place.json("student/faculty.json")["eval"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.8, "{accuracy}, and chance is 0.5");
    for file in ["README.md", "faculty.json"] {
        let text = std::fs::read_to_string(place.path("student").join(file)).unwrap();
        assert!(!text.contains('\u{1f}') && !text.contains("\\u001f"), "{file}");
    }
}

#[test]
fn what_is_no_pair_is_refused_with_its_line() {
    let place = place();
    place.tiny("model", ["x", "y"]);
    place.write("half.jsonl", "{\"text\":\"a\",\"text_pair\":\"b\"}\n{\"text\":\"a\"}\n");
    place.faculty("predict --model model --text half.jsonl --out -").refused(2, &["half.jsonl:2", "no `text_pair`"]);
    place.write("raw.txt", "one\ntwo\u{1f}three\n");
    place
        .faculty("predict --model model --text raw.txt --out -")
        .refused(2, &["raw.txt:2", "unit separator", "two columns"]);
    place.faculty("predict --model model --text texts.csv --pair-column sentence3 --out -").refused(2, &["sentence2"]);
    let free = "amalgamate --teacher teacher --data-free --student encoder --method vanilla-kd --out student";
    place.faculty("finetune --model encoder --train train.jsonl --out teacher --epochs 1").good();
    place.faculty(&format!("{free} --eval train.jsonl")).refused(2, &["--data-free", "single texts", "--pairs"]);
    place.labelled("single.jsonl", &[("a text", "bank first")]);
    for (flags, words) in [
        ("--pairs random --eval single.jsonl", "labelled pairs"),
        ("--pairs random --generator corpus:texts.csv", "pairs of texts already"),
        ("--generator corpus:texts.csv --eval single.jsonl", "labelled pairs"),
        ("--pairs random --generator random-tokens --floor 0.9", "--floor"),
        ("--pairs random --generator n-gram", "--generator corpus"),
        ("--pairs next --generator random-tokens", "only a corpus"),
        ("--pairs nearest", "rewritten, next or random"),
        ("--pairs rewritten", "mlm-head"),
    ] {
        place.faculty(&format!("{free} {flags}")).refused(2, &[words]);
    }
}

#[test]
fn pairs_of_general_english_stand_in_for_those_of_the_task() {
    let place = place();
    place.faculty(&format!("finetune --model encoder --train train.jsonl --out teacher {TRAINED}")).good();
    let rows: Vec<&str> = bank_rows().into_iter().chain(travel_rows()).map(|(text, _)| text).collect();
    place.write("general.txt", rows.join("\n"));
    let free = format!(
        "amalgamate --teacher teacher --data-free --pairs next,random --generator corpus:general.txt --per-class 40 \
         --student encoder --method vanilla-kd --out student --eval train.jsonl {TRAINED}"
    );
    place.faculty(&free).good();
    let written = place.json("student/written_texts.json");
    let written = written.as_array().unwrap();
    let known = |text: &Value| rows.iter().any(|row| *row == text.as_str().unwrap());
    assert!(written.len() > 10 && written.iter().all(|line| known(&line["text"]) && known(&line["text_pair"])));
    assert!(written.iter().all(|line| line["for"]["teacher"] == "teacher"), "{written:?}");
    let guessed = free.replace("--method vanilla-kd", "--method as-dfd").replace("--out student", "--out guessed");
    place.faculty(&guessed).refused(2, &["--method", "guesses embeddings of single texts"]);
    // A corpus that has two columns is one of pairs.
    let read = free.replace("--pairs next,random ", "").replace("corpus:general.txt", "corpus:texts.csv");
    place.faculty(&read.replace("--out student", "--out read")).good();
    let manifest = place.json("student/faculty.json");
    assert_eq!(manifest["text"], json!([]), "no file of the task's texts");
    assert!(manifest["eval"]["accuracy"].as_f64().unwrap() > 0.6, "chance is 0.5: {}", manifest["eval"]);
    let card = std::fs::read_to_string(place.path("student/README.md")).unwrap();
    assert!(card.contains("pairs of the file general.txt") && !card.contains('\u{1f}'), "{card}");
}
