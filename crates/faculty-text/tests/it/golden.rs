//! Token ids equal those of the reference implementation, for every model family with golden files.

use faculty_text::TextTokenizer;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/models");
    let mut models: Vec<PathBuf> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    models
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn token_ids_equal_the_reference_for_every_family() {
    let mut families = Vec::new();
    for model in models() {
        let golden: Value = serde_json::from_slice(&std::fs::read(model.join("golden.json")).unwrap()).unwrap();
        let tokenizer = TextTokenizer::from_dir(&model).unwrap();
        let texts: Vec<&str> = golden["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let max_length = golden["max_length"].as_u64().unwrap() as usize;
        let encoded = tokenizer.encode(&texts, max_length).unwrap();
        let expected: Vec<Vec<u32>> = golden["input_ids"].as_array().unwrap().iter().map(ids).collect();
        assert!(!texts.is_empty() && texts.len() == expected.len());
        for ((text, row), expected) in texts.iter().zip(&encoded.rows).zip(&expected) {
            assert_eq!(&row.ids, expected, "{}: {text:?}", model.display());
            assert!(row.type_ids.iter().all(|&segment| segment == 0));
        }
        assert_eq!(u64::from(tokenizer.pad_id()), golden["pad_token_id"].as_u64().unwrap(), "{}", model.display());
        let long = golden["long_text"]["text"].as_str().unwrap();
        let cut = tokenizer.encode(&[long], max_length).unwrap();
        assert_eq!(
            (&cut.rows[0].ids, cut.truncated),
            (&ids(&golden["long_text"]["input_ids"]), 1),
            "{}",
            model.display()
        );
        let whole = tokenizer.encode(&[long], 1024).unwrap();
        assert_eq!(whole.lengths()[0] as u64, golden["long_text"]["length"].as_u64().unwrap());
        assert_eq!(whole.truncated, 0);
        families.push(model.file_name().unwrap().to_string_lossy().into_owned());
    }
    for family in ["bert", "distilbert", "electra", "roberta", "xlm-roberta"] {
        assert!(families.iter().any(|name| name == family), "no golden files for {family}");
    }
}
