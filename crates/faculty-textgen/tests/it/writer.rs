//! A tiny causal language model that writes.

use burn::tensor::Device;
use faculty_core::Silent;
use faculty_model::CausalModel;
use faculty_textgen::{LmWriter, Sampling, Writing, Written};
use std::path::Path;

fn model(name: &str) -> CausalModel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal").join(name);
    CausalModel::open(path, &Device::flex()).unwrap()
}

fn writer(writing: Writing) -> LmWriter {
    LmWriter::new(model("llama"), writing, 7).unwrap()
}

fn plain() -> Writing {
    Writing { max_tokens: 12, stop: Vec::new(), ..Writing::default() }
}

fn prompts() -> Vec<String> {
    ["what is my balance", "book a flight to the 12 islands", "play it", "what", "a tortoise, in words"]
        .map(str::to_owned)
        .to_vec()
}

fn write(writing: Writing, prompts: &[String], numbers: &[u64]) -> Vec<Written> {
    writer(writing).continue_prompts(prompts, numbers, &Silent).unwrap()
}

#[test]
fn a_text_follows_from_its_number_and_prompt_whatever_is_beside_it() {
    let numbers = [4, 9, 1, 0, 100];
    let all = write(plain(), &prompts(), &numbers);
    assert_eq!(all.len(), 5);
    for batch in [1, 2, 5] {
        assert_eq!(
            tokens(&write(Writing { batch, ..plain() }, &prompts(), &numbers)),
            tokens(&all),
            "batches of {batch}"
        );
    }
    for (place, number) in numbers.into_iter().enumerate() {
        let alone = write(plain(), &prompts()[place..=place], &[number]);
        assert_eq!(alone[0].tokens, all[place].tokens);
        assert!((alone[0].log_probability - all[place].log_probability).abs() < 1e-3);
    }
    let others = write(plain(), &prompts(), &[5, 10, 2, 1, 101]);
    assert_ne!(tokens(&others), tokens(&all));
}

fn tokens(written: &[Written]) -> Vec<Vec<u32>> {
    written.iter().map(|text| text.tokens.clone()).collect()
}

#[test]
fn greedy_texts_have_the_largest_probability_of_all() {
    let numbers = [0, 1, 2, 3, 4];
    let greedy = Writing { sampling: Sampling::greedy(), min_tokens: 12, ..plain() };
    let best = write(greedy.clone(), &prompts(), &numbers);
    assert_eq!(tokens(&best), tokens(&write(greedy, &prompts(), &[9, 8, 7, 6, 5])), "no draw decides");
    let drawn = write(Writing { min_tokens: 12, ..plain() }, &prompts(), &numbers);
    for (best, drawn) in best.iter().zip(&drawn) {
        assert_eq!((best.tokens.len(), drawn.tokens.len()), (12, 12));
        assert!(best.log_probability < 0.0 && best.log_probability > drawn.log_probability);
    }
}

#[test]
fn a_text_ends_where_it_is_told_to() {
    let numbers: Vec<u64> = (0..40).collect();
    let many: Vec<String> = (0..40).map(|_| "play it".to_owned()).collect();
    let free = write(
        Writing { sampling: Sampling { top_p: 1.0, temperature: 3.0, ..Sampling::default() }, ..plain() },
        &many,
        &numbers,
    );
    let ended: Vec<&Written> = free.iter().filter(|text| text.ended).collect();
    assert!(
        !ended.is_empty() && ended.iter().all(|text| text.tokens.len() < 12),
        "some draw the token that ends a text"
    );
    assert!(free.iter().all(|text| !text.tokens.contains(&2)));
    let letter = free.iter().flat_map(|text| text.text.chars()).find(|c| c.is_ascii_lowercase()).unwrap();
    let stopping = Writing {
        sampling: Sampling { top_p: 1.0, temperature: 3.0, ..Sampling::default() },
        stop: vec![letter.to_string()],
        ..plain()
    };
    let stopped = write(stopping, &many, &numbers);
    assert!(stopped.iter().all(|text| !text.text.contains(letter)));
    for (stopped, free) in stopped.iter().zip(&free) {
        let expected = free.text.split(letter).next().unwrap();
        assert_eq!(stopped.text, expected.trim());
        assert_eq!(stopped.ended, free.ended || free.text.contains(letter));
    }
}

#[test]
fn what_does_not_fit_is_refused_by_key() {
    let refused = |writing: Writing, key: &str| {
        let error = LmWriter::new(model("gpt2"), writing, 1).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    };
    refused(Writing { max_tokens: 0, ..plain() }, "max_tokens");
    refused(Writing { batch: 0, ..plain() }, "batch");
    refused(Writing { stop: vec![String::new()], ..plain() }, "stop");
    refused(Writing { sampling: Sampling { top_p: 2.0, ..Sampling::default() }, ..plain() }, "top_p");
    let writer = writer(Writing { max_tokens: 60, ..plain() });
    let error = writer.continue_prompts(&prompts(), &[1, 2, 3, 4, 5], &Silent).unwrap_err().to_string();
    assert!(error.contains("at most 64 tokens together"), "{error}");
    // Nothing to go on from: the token in front of a text.
    let begun = write(plain(), &[String::new()], &[3]);
    assert!(!begun[0].tokens.is_empty());
}

/// The tiny Llama, of which somebody says that a text begins with a token.
fn beginning(file: &str, change: impl Fn(&str) -> String) -> (tempfile::TempDir, CausalModel) {
    let dir = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal/llama");
    for entry in golden.read_dir().unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = dir.path().join(file);
    let text = change(&std::fs::read_to_string(&path).unwrap());
    std::fs::write(&path, text).unwrap();
    let model = CausalModel::open(dir.path(), &Device::flex()).unwrap();
    (dir, model)
}

#[test]
fn a_model_that_wants_a_token_in_front_gets_it_once() {
    let flag = |value: &'static str| move |text: &str| text.replacen('{', &format!("{{\"add_bos_token\": {value},"), 1);
    let special =
        r#""special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}"#;
    let adds = |text: &str| {
        let with = text.replacen(
            "\"single\": [",
            "\"single\": [{\"SpecialToken\": {\"id\": \"<|im_start|>\", \"type_id\": 0}},",
            1,
        );
        with.replacen("\"special_tokens\": {}", special, 1)
    };
    let (_kept, flagged) = beginning("tokenizer_config.json", flag("true"));
    let (_kept2, added) = beginning("tokenizer.json", adds);
    let (_kept3, plain) = beginning("tokenizer_config.json", flag("false"));
    assert_eq!((flagged.tokenizer.wanted_begin(), added.tokenizer.wanted_begin()), (Some(1), Some(1)));
    assert_eq!((plain.tokenizer.wanted_begin(), plain.tokenizer.begin()), (None, Some(1)), "as GPT-2's");
    assert_eq!(model("llama").tokenizer.wanted_begin(), None, "nobody says so");
    assert_eq!(model("llama.gguf").tokenizer.wanted_begin(), None);
    let from = |model: &CausalModel, prompt: &str| {
        let writer = LmWriter::new(model.clone(), self::plain(), 7).unwrap();
        writer.continue_prompts(&[prompt.to_owned()], &[3], &Silent).unwrap()
    };
    // Names of special tokens in a prompt are those tokens.
    let begun = from(&plain, "<|im_start|>play it");
    assert_ne!(begun, from(&plain, "play it"));
    for model in [&flagged, &added] {
        assert_eq!(from(model, "play it"), begun);
        assert_eq!(from(model, "<|im_start|>play it"), begun, "a conversation has it already");
    }
}
