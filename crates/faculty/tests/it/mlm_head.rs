//! `faculty mlm-head`.

use crate::workplace::Workplace;

const OPTIONS: &str = "--epochs 2 --batch-size 4 --max-length 16 --out generator --json";

fn place() -> Workplace {
    let place = Workplace::new();
    place.tiny("encoder", ["a", "b"]);
    let lines: Vec<String> = (0..40).map(|line| format!("please pay my bill {line} and book a flight\n")).collect();
    place.write("corpus.txt", lines.concat());
    place
}

#[test]
fn a_head_is_trained_once_and_found_again() {
    let place = place();
    let command = format!("mlm-head --model encoder --text corpus.txt {OPTIONS}");
    let first: serde_json::Value = serde_json::from_str(&place.faculty(&command).good().stdout).unwrap();
    assert_eq!((first["trained"].as_bool(), first["texts"].as_u64()), (Some(true), Some(36)));
    assert!(first["after"]["loss"].as_f64().unwrap() < first["before"]["loss"].as_f64().unwrap(), "{first}");
    for file in ["config.json", "model.safetensors", "tokenizer.json", "faculty-mlm-head.json"] {
        assert!(place.path("generator").join(file).is_file(), "{file}");
    }
    let again: serde_json::Value = serde_json::from_str(&place.faculty(&command).good().stdout).unwrap();
    assert_eq!(again["trained"].as_bool(), Some(false));
    assert_eq!(again["after"], first["after"]);
    assert_eq!(place.listing(), ["corpus.txt", "encoder", "generator"], "nothing is left beside it");
}

#[test]
fn what_the_cache_does_not_keep_needs_a_directory_and_nothing_of_others_is_replaced() {
    let place = place();
    place.faculty("mlm-head --model encoder --text corpus.txt").refused(2, &["--out", "minilm-l3-mlm"]);
    place.write("generator/notes.txt", "mine");
    let command = format!("mlm-head --model encoder --text corpus.txt {OPTIONS}");
    place.faculty(&command).refused(2, &["generator", "--overwrite"]);
    assert!(place.path("generator/notes.txt").is_file());
    place.faculty("mlm-head --model encoder --text corpus.txt --out x --mask-rate 1").refused(2, &["mask_rate"]);
    place.faculty("mlm-head --model encoder --text nowhere.txt --out x").refused(2, &["nowhere.txt"]);
    place.faculty("mlm-head --model encoder --text corpus.txt --text nowhere.txt --out x").refused(2, &["nowhere.txt"]);
    place.write("more.txt", "a hotel near the airport\nturn the light on\n");
    let both =
        format!("mlm-head --model encoder --text corpus.txt --text more.txt {}", OPTIONS.replace("generator", "both"));
    let found: serde_json::Value = serde_json::from_str(&place.faculty(&both).good().stdout).unwrap();
    assert_eq!(found["texts"].as_u64().unwrap() + found["held_out"].as_u64().unwrap(), 42);
}
