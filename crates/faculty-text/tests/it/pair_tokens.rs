//! Pairs of texts as tokens: those of the reference implementation, whole and cut.

use faculty_core::{PAIR_SEPARATOR, join_pair};
use faculty_text::{TextTokenizer, TokenRow};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn testkit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden")
}

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(testkit().join("pairs.json")).unwrap()).unwrap()
}

fn pairs(golden: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    golden["pairs"].as_array().unwrap().iter().map(|pair| join_pair(&text(&pair[0]), &text(&pair[1]))).collect()
}

/// Compares at every length of the golden file; returns how many pairs were cut.
fn compare(tokenizer: &TextTokenizer, golden: &Value, family: &str) -> usize {
    let pairs = pairs(golden);
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let list = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    let mut cut = 0;
    for (length, expected) in golden[family]["tokens"].as_object().unwrap() {
        let length: usize = length.parse().unwrap();
        let found = tokenizer.encode(&pairs, length).unwrap();
        for (index, row) in found.rows.iter().enumerate() {
            let what = format!("{family}, {length} tokens: {:?}", pairs[index]);
            assert_eq!(row.ids, list(&expected["input_ids"][index]), "{what}");
            if let Some(types) = expected.get("token_type_ids") {
                assert_eq!(row.type_ids, list(&types[index]), "{what}");
            }
            let second = row.second.unwrap();
            let special = |id: &u32| tokenizer.special_ids().all.binary_search(id).is_ok();
            assert!(special(&row.ids[second - 1]), "{what}");
            // In the least room the shorter text goes as a whole.
            assert!(second < row.ids.len() || length == 5, "{what}");
        }
        let whole = tokenizer.encode(&pairs, 1000).unwrap().lengths();
        assert_eq!(found.truncated, whole.iter().filter(|&&whole| whole > length).count(), "{family} {length}");
        cut += found.truncated;
    }
    cut
}

#[test]
fn pairs_are_put_together_and_cut_as_transformers_does_for_every_family() {
    let golden = golden();
    for (family, added) in [("bert", 3), ("distilbert", 3), ("roberta", 4), ("xlm-roberta", 4), ("electra", 3)] {
        let tokenizer = TextTokenizer::from_dir(testkit().join("models").join(family)).unwrap();
        assert_eq!((tokenizer.added_tokens(), tokenizer.tokens_added_to_pair()), (2, added), "{family}");
        assert!(compare(&tokenizer, &golden, family) > 20, "{family}: too little is cut to compare");
    }
}

#[test]
fn a_tokenizer_of_the_older_form_marks_the_second_text_too() {
    // `BertProcessing` takes token types over from what it is given; templates set their own.
    let file = testkit().join("models/bert/tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let id = |token: &str| json["model"]["vocab"][token].as_u64().unwrap();
    let form =
        serde_json::json!({"type": "BertProcessing", "sep": ["[SEP]", id("[SEP]")], "cls": ["[CLS]", id("[CLS]")]});
    json["post_processor"] = form;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), json.to_string()).unwrap();
    compare(&TextTokenizer::from_dir(dir.path()).unwrap(), &golden(), "bert");
}

#[test]
fn a_pair_is_decoded_as_a_pair() {
    for family in ["bert", "roberta"] {
        let tokenizer = TextTokenizer::from_dir(testkit().join("models").join(family)).unwrap();
        let texts = [join_pair("pay my bill", "book it now"), "book it now".to_owned(), join_pair("", "pay my bill")];
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encoded = tokenizer.encode(&refs, 64).unwrap();
        for (text, row) in texts.iter().zip(&encoded.rows) {
            assert_eq!(&tokenizer.decode_row(row).unwrap(), text, "{family}");
        }
    }
}

#[test]
fn tokens_of_one_text_never_say_a_pair() {
    let tokenizer = TextTokenizer::from_dir(testkit().join("models/roberta")).unwrap();
    // How a byte-level vocabulary spells the separator.
    let separator = (0..).map_while(|id| tokenizer.token(id)).position(|token| token == "ğ").unwrap();
    let word = tokenizer.encode(&["book"], 8).unwrap().rows.remove(0);
    let ids = [&word.ids[..], &[separator as u32], &word.ids[..]].concat();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "book book");
    let pair = tokenizer.decode_row(&TokenRow { second: Some(word.ids.len()), ids, type_ids: Vec::new() }).unwrap();
    assert_eq!(pair.matches(PAIR_SEPARATOR).count(), 1, "{pair:?}");
}

#[test]
fn what_is_no_pair_and_a_length_without_room_are_refused() {
    let tokenizer = TextTokenizer::from_dir(testkit().join("models/roberta")).unwrap();
    let error = tokenizer.encode(&["book", "a\u{1f}b\u{1f}c"], 64).unwrap_err().to_string();
    assert!(error.contains("text 2 cannot be tokenised") && error.contains("more than one unit separator"), "{error}");
    let pair = join_pair("book", "it");
    let error = tokenizer.encode(&["book", &pair], 4).unwrap_err().to_string();
    assert!(error.contains("4 tokens leave no room for a pair of texts; expected at least 5"), "{error}");
    assert_eq!(tokenizer.encode(&["book it"], 4).unwrap().rows[0].second, None);
}
