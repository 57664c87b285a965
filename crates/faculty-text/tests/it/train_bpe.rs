//! A tokenizer learnt from texts.

use faculty_text::{SMALLEST_BPE_VOCABULARY, TextTokenizer, train_bpe};
use std::path::Path;

fn texts() -> Vec<String> {
    let words =
        ["transfer", "money", "to my savings", "Transfer it now", "what is the balance", "grüße aus Köln", "日本"];
    (0..60).map(|row| format!("{} {} {}", words[row % 7], words[(row * 3 + 1) % 7], words[(row * 5 + 2) % 7])).collect()
}

fn learnt(dir: &Path, texts: &[String], vocabulary: usize) -> TextTokenizer {
    train_bpe(texts, vocabulary, 32, dir).unwrap();
    TextTokenizer::from_dir(dir).unwrap()
}

#[test]
fn words_that_recur_become_tokens_and_nothing_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = learnt(dir.path(), &texts(), 340);
    assert!((SMALLEST_BPE_VOCABULARY + 20..=340).contains(&tokenizer.vocab_size()), "{}", tokenizer.vocab_size());
    let special = tokenizer.special_ids();
    assert_eq!(
        (special.cls, special.pad, special.sep, special.unk, special.mask),
        (Some(0), 1, Some(2), Some(3), Some(4))
    );
    assert_eq!((tokenizer.model_max_length(), tokenizer.added_tokens()), (Some(32), 2));
    let ids = |text: &str| tokenizer.encode(&[text], 32).unwrap().rows[0].ids.clone();
    assert_eq!(ids("transfer"), ids("TRANSFER"), "case does not matter");
    let transfer = ids("transfer");
    assert_eq!((transfer.len(), transfer[0], transfer[2]), (3, 0, 2), "a frequent word is one token: {transfer:?}");
    assert_eq!(ids("money transfer")[2], transfer[1], "wherever it stands");
    for unseen in ["zyxw 🦀", "жук", "\u{0}\t\n", ""] {
        let ids = ids(unseen);
        assert!(!ids.contains(&3) && ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size()), "{unseen}: {ids:?}");
    }
}

#[test]
fn the_same_texts_give_the_same_bytes() {
    let bytes = |texts: &[String]| {
        let dir = tempfile::tempdir().unwrap();
        learnt(dir.path(), texts, 400);
        std::fs::read(dir.path().join("tokenizer.json")).unwrap()
    };
    let first = bytes(&texts());
    for _ in 0..3 {
        assert_eq!(bytes(&texts()), first);
    }
    assert_ne!(bytes(&texts()[..20]), first);
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert!(train_bpe(&[], 400, 32, dir.path()).unwrap_err().to_string().contains("no text"));
    let error = train_bpe(&texts(), 200, 32, dir.path()).unwrap_err().to_string();
    assert!(error.contains("vocabulary") && error.contains("261"), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    assert!(train_bpe(&texts(), 400, 32, &file).is_err());
}
