use crate::fixture::Fixture;
use faculty_text::{TextTokenizer, effective_max_length};
use serde_json::{Value, json};

/// A WordPiece tokenizer of five words; id 20 is an added token beyond a gap.
fn wordpiece() -> Value {
    json!({
        "version": "1.0",
        "truncation": {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 1},
        "padding": {"strategy": {"Fixed": 12}, "direction": "Left", "pad_to_multiple_of": null,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [
            {"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
            {"id": 2, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
            {"id": 3, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        ],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "one": 4, "two": 5, "three": 6, "four": 7, "far": 20}}
    })
}

fn fixture() -> Fixture {
    Fixture::new("tokenizer.json", wordpiece().to_string())
}

fn load(file: &Fixture) -> TextTokenizer {
    TextTokenizer::from_dir(file.dir()).unwrap()
}

#[test]
fn special_tokens_are_added_and_survive_truncation() {
    let tokenizer = load(&fixture());
    let texts = ["one two three four", "One", "one two"];
    let full = tokenizer.encode(&texts, 64).unwrap();
    assert_eq!(full.truncated, 0, "the truncation stored in the file is not followed");
    assert_eq!(full.rows[0].ids, [2, 4, 5, 6, 7, 3]);
    assert_eq!(full.rows[1].ids, [2, 4, 3], "the padding stored in the file is not followed");
    assert_eq!(full.lengths(), [6, 3, 4]);
    let cut = tokenizer.encode(&texts, 4).unwrap();
    assert_eq!(cut.truncated, 1);
    assert_eq!(cut.rows[0].ids, [2, 4, 5, 3]);
    assert_eq!(cut.rows[0].type_ids, [0, 0, 0, 0]);
    assert_eq!(cut.rows[2].ids, [2, 4, 5, 3]);
}

#[test]
fn truncation_agrees_with_the_truncation_of_the_tokenizers_crate() {
    let file = fixture();
    let tokenizer = load(&file);
    let mut reference = tokenizers::Tokenizer::from_file(&file.path).unwrap();
    reference.with_padding(None);
    let words = ["one", "two", "three", "four", "five"];
    let stream = faculty_core::Stream::new(2, "texts");
    let texts: Vec<String> = (0..64)
        .map(|row| {
            let draw = stream.fork(row);
            let chosen: Vec<&str> =
                (0..1 + draw.below_at(0, 20)).map(|i| words[draw.below_at(i + 1, 5) as usize]).collect();
            chosen.join(" ")
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for max_length in 3..20 {
        let truncation = tokenizers::TruncationParams { max_length, ..Default::default() };
        reference.with_truncation(Some(truncation)).unwrap();
        let encoded = tokenizer.encode(&texts, max_length).unwrap();
        for (text, row) in texts.iter().zip(&encoded.rows) {
            let expected = reference.encode(*text, true).unwrap();
            assert_eq!((row.ids.as_slice(), row.type_ids.as_slice()), (expected.get_ids(), expected.get_type_ids()));
            assert!(row.ids.len() <= max_length && row.ids[0] == 2 && row.ids.last() == Some(&3));
        }
        let long = texts.iter().filter(|text| text.split(' ').count() + 2 > max_length).count();
        assert_eq!(encoded.truncated, long);
    }
}

#[test]
fn a_length_without_room_for_text_is_refused() {
    let error = load(&fixture()).encode(&["one"], 2).unwrap_err().to_string();
    assert!(error.contains("at least 3: the tokenizer adds 2 special tokens"), "{error}");
}

#[test]
fn the_vocabulary_size_is_the_highest_id_plus_one() {
    assert_eq!(load(&fixture()).vocab_size(), 21);
}

#[test]
fn special_ids_are_found_by_their_usual_or_their_given_names() {
    let file = fixture();
    let special = load(&file).special_ids().clone();
    assert_eq!(
        (special.pad, special.unk, special.cls, special.sep, special.mask),
        (0, Some(1), Some(2), Some(3), None)
    );
    assert_eq!(special.all, [0, 2, 3]);
    std::fs::write(file.dir().join("tokenizer_config.json"), r#"{"pad_token": {"content": "four"}}"#).unwrap();
    assert_eq!(load(&file).pad_id(), 7);
    std::fs::write(file.dir().join("tokenizer_config.json"), r#"{"pad_token": null}"#).unwrap();
    std::fs::write(file.dir().join("special_tokens_map.json"), r#"{"pad_token": "three"}"#).unwrap();
    assert_eq!(load(&file).pad_id(), 6);
}

#[test]
fn the_sentinel_for_no_limit_is_no_limit() {
    let file = fixture();
    for (config, expected) in [
        (r#"{"model_max_length": 512}"#, Some(512)),
        (r#"{"model_max_length": 1000000000000000019884624838656}"#, None),
        (r#"{"model_max_length": 1e30}"#, None),
        (r#"{"model_max_length": null}"#, None),
        ("{}", None),
    ] {
        std::fs::write(file.dir().join("tokenizer_config.json"), config).unwrap();
        assert_eq!(load(&file).model_max_length(), expected, "{config}");
    }
}

#[test]
fn missing_and_broken_files_are_named() {
    let old = Fixture::new("vocab.txt", "[PAD]\n");
    let error = TextTokenizer::from_dir(old.dir()).unwrap_err().to_string();
    assert!(error.contains("has vocab.txt, but no tokenizer.json") && error.contains("save_pretrained"), "{error}");
    let none = Fixture::new("x", "");
    let error = TextTokenizer::from_dir(none.dir()).unwrap_err().to_string();
    assert!(error.contains("has no tokenizer.json; expected a Hugging Face model directory"), "{error}");
    let text = wordpiece().to_string();
    let cut = Fixture::new("tokenizer.json", &text[..text.len() / 2]);
    let error = TextTokenizer::from_dir(cut.dir()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: is not a tokenizer"), "{error}");
    let file = fixture();
    std::fs::write(file.dir().join("tokenizer_config.json"), "{").unwrap();
    let error = TextTokenizer::from_dir(file.dir()).unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json:1: is not a JSON object"), "{error}");
}

#[test]
fn a_tokenizer_without_a_padding_token_is_refused() {
    let mut tokenizer = wordpiece();
    tokenizer["padding"] = Value::Null;
    tokenizer["added_tokens"] = json!([]);
    tokenizer["model"]["vocab"].as_object_mut().unwrap().remove("[PAD]");
    let file = Fixture::new("tokenizer.json", tokenizer.to_string());
    let error = TextTokenizer::from_dir(file.dir()).unwrap_err().to_string();
    assert!(error.contains("no padding token") && error.contains("`pad_token`"), "{error}");
}

#[test]
fn the_files_are_copied_byte_for_byte() {
    let file = fixture();
    let config = "{ \"model_max_length\":  512 }\n";
    std::fs::write(file.dir().join("tokenizer_config.json"), config).unwrap();
    std::fs::write(file.dir().join("spiece.model"), [0u8, 255, 13, 10]).unwrap();
    std::fs::write(file.dir().join("unrelated.bin"), "no").unwrap();
    let target = tempfile::tempdir().unwrap();
    let tokenizer = load(&file);
    tokenizer.copy_files_to(target.path()).unwrap();
    let mut names: Vec<_> =
        target.path().read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["spiece.model", "tokenizer.json", "tokenizer_config.json"]);
    for name in names {
        assert_eq!(std::fs::read(target.path().join(&name)).unwrap(), std::fs::read(file.dir().join(&name)).unwrap());
    }
    assert_eq!(TextTokenizer::from_dir(target.path()).unwrap().hash(), tokenizer.hash());
    assert!(tokenizer.copy_files_to(target.path().join("missing")).is_err());
}

#[test]
fn the_result_does_not_depend_on_the_batch() {
    let tokenizer = load(&fixture());
    let texts: Vec<String> = (0..500).map(|i| ["one", "two three", "four far one"][i % 3].repeat(1 + i % 4)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = tokenizer.encode(&texts, 8).unwrap();
    for (text, row) in texts.iter().zip(&together.rows) {
        assert_eq!(&tokenizer.encode(&[text], 8).unwrap().rows[0], row);
    }
    assert!(tokenizer.encode(&[], 8).unwrap().rows.is_empty());
}

#[test]
fn the_length_is_the_smaller_limit_unless_a_flag_says_otherwise() {
    assert_eq!(effective_max_length(Some(128), 512, None).unwrap(), 128);
    assert_eq!(effective_max_length(Some(1024), 512, None).unwrap(), 512);
    assert_eq!(effective_max_length(None, 512, None).unwrap(), 512);
    assert_eq!(effective_max_length(Some(128), 512, Some(256)).unwrap(), 256);
    let error = effective_max_length(Some(128), 512, Some(513)).unwrap_err().to_string();
    assert!(error.contains("513 tokens do not fit the model; expected at most 512"), "{error}");
    assert!(effective_max_length(None, 512, Some(0)).is_err());
}
