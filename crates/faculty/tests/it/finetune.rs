//! `faculty finetune`.

use crate::workplace::{Workplace, bank_rows};

fn accuracy(place: &Workplace, model: &str) -> f64 {
    let run = place.faculty(&format!("evaluate --model {model} --data train.jsonl --json")).good();
    run.json()["accuracy"].as_f64().unwrap()
}

#[test]
fn thirty_sentences_are_learnt() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    let options = "finetune --model encoder --train train.jsonl --batch-size 8 --seed 3";
    place.faculty(&format!("{options} --epochs 1 --learning-rate 1e-9 --out before")).good();
    place.faculty(&format!("{options} --epochs 20 --learning-rate 3e-3 --out after")).good();
    let (before, after) = (accuracy(&place, "before"), accuracy(&place, "after"));
    assert!(before < 0.8, "{before}");
    assert!(after > 0.95 && after > before, "{before} -> {after}");
}

#[test]
fn the_output_is_a_whole_model_directory() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    let run = place
        .faculty(
            "finetune --model encoder --train train.jsonl --eval train.jsonl --epochs 1 --out teachers/bank --json",
        )
        .good();
    assert_eq!(run.json()["labels"], 2);
    assert!(run.json()["eval"]["accuracy"].is_f64());
    for name in
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md", "faculty.json"]
    {
        assert!(place.path("teachers/bank").join(name).is_file(), "{name}");
    }
    let manifest = place.json("teachers/bank/faculty.json");
    assert_eq!(manifest["labels"], serde_json::json!(["balance", "pay_bill"]));
    assert_eq!(manifest["train"]["texts"], 30);
    assert_eq!(manifest["device"], "cpu");
    let card = std::fs::read_to_string(place.path("teachers/bank/README.md")).unwrap();
    assert!(card.contains("balance, pay_bill") && card.contains("accuracy"), "{card}");
    let temporary = place.path("");
    assert!(!card.contains(temporary.to_str().unwrap()), "a card tells nothing of the disk it was written on");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    for (out, seed) in [("one", 1), ("again", 1), ("other", 2)] {
        place
            .faculty(&format!("finetune --model encoder --train train.jsonl --epochs 1 --seed {seed} --out {out}"))
            .good();
    }
    let weights = |out: &str| std::fs::read(place.path(out).join("model.safetensors")).unwrap();
    assert_eq!(weights("one"), weights("again"));
    assert_ne!(weights("one"), weights("other"));
}

#[test]
fn integer_labels_are_sorted_as_numbers_and_a_file_of_names_names_them() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    let rows: String =
        (0..12).map(|row| format!("{{\"text\": \"pay bill {row}\", \"label\": {}}}\n", row % 12)).collect();
    place.write("train.jsonl", rows);
    let run = place.faculty("finetune --model encoder --train train.jsonl --epochs 1 --out numbers").good();
    assert!(run.stderr.contains("bare numbers"), "{}", run.stderr);
    let labels = &place.json("numbers/config.json")["id2label"];
    assert_eq!((labels["2"].as_str(), labels["10"].as_str()), (Some("2"), Some("10")));

    let names: Vec<String> = (0..12).map(|index| format!("intent {index}")).collect();
    place.write("names.txt", names.join("\n"));
    place.faculty("finetune --model encoder --train train.jsonl --labels names.txt --epochs 1 --out named").good();
    assert_eq!(place.json("named/config.json")["id2label"]["10"], "intent 10");
}

#[test]
fn an_output_directory_that_exists_needs_overwrite() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    place.write("out/precious.txt", "mine");
    let command = "finetune --model encoder --train train.jsonl --epochs 1 --out out";
    place.faculty(command).refused(2, &["out", "exists", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(place.path("out/precious.txt")).unwrap(), "mine");
    place.faculty(&format!("{command} --overwrite")).good();
    assert!(place.path("out/config.json").is_file() && !place.path("out/precious.txt").exists());
}

#[test]
fn settings_without_sense_are_named() {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    place.labelled("train.jsonl", &bank_rows());
    for (flag, key) in
        [("--epochs 0", "epochs"), ("--batch-size 0", "batch_size"), ("--learning-rate -1", "learning_rate")]
    {
        let run = place.faculty(&format!("finetune --model encoder --train train.jsonl --out out {flag}"));
        run.refused(2, &[key]);
    }
    place
        .faculty("finetune --model encoder --train train.jsonl --out out --max-length 9999")
        .refused(2, &["max_length", "64"]);
    assert!(!place.path("out").exists());
}
