//! Decoding that listens to a teacher, on a tiny language model.

use burn::tensor::Device;
use faculty_core::{Observer, Result, Silent};
use faculty_model::CausalModel;
use faculty_nn::host_values;
use faculty_textgen::{Guidance, Guide, Judge, LmWriter, Sampling, Writing, Written};
use std::path::Path;

fn model() -> CausalModel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal/llama");
    CausalModel::open(path, &Device::flex()).unwrap()
}

/// Believes in class 1 the more, the more letters of the first half of the alphabet a text has among all its letters.
struct FirstHalf;

fn belief(text: &str) -> f32 {
    let letters = text.chars().filter(char::is_ascii_alphabetic).count() as f32;
    let first = text.chars().filter(|c| ('a'..='m').contains(&c.to_ascii_lowercase())).count() as f32;
    (first + 0.2) / (letters + 0.4)
}

impl Judge for FirstHalf {
    fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
        Ok(texts.iter().flat_map(|text| [1.0 - belief(text), belief(text)]).collect())
    }
}

/// Finds all of eight classes as likely.
struct Indifferent;

impl Judge for Indifferent {
    fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
        Ok(vec![0.125; texts.len() * 8])
    }
}

const WIDE: Sampling = Sampling { repetition_penalty: 1.0, temperature: 1.5, top_k: 0, top_p: 1.0 };

fn writer(writing: Writing) -> LmWriter {
    LmWriter::new(model(), Writing { sampling: WIDE, stop: Vec::new(), ..writing }, 11).unwrap()
}

fn twelve() -> LmWriter {
    writer(Writing { max_tokens: 12, ..Writing::default() })
}

fn prompts(count: usize) -> Vec<String> {
    (0..count).map(|at| ["what is", "play", "book a flight"][at % 3].to_owned()).collect()
}

fn tokens(written: &[Written]) -> Vec<Vec<u32>> {
    written.iter().map(|text| text.tokens.clone()).collect()
}

fn guided(writer: &LmWriter, numbers: &[u64], judge: &dyn Judge, classes: usize, guidance: Guidance) -> Vec<Written> {
    let guide = Guide::new(judge, classes, guidance).unwrap();
    let own = vec![1; numbers.len()];
    writer.continue_guided(&prompts(numbers.len()), numbers, &own, &guide, &Silent).unwrap()
}

#[test]
fn the_first_token_comes_by_probability_times_a_power_of_belief() {
    let model = model();
    let (top, gamma) = (8, 3.0);
    let ids = model.tokenizer.encode("play").unwrap();
    let logits = host_values(model.network.all_logits(&ids, &[0])).unwrap();
    let logits = &logits[logits.len() - model.config.vocab_size..];
    // By hand: the eight likeliest tokens that do not end a text, their probabilities at this temperature, the beliefs.
    let mut likely: Vec<u32> =
        (0..logits.len() as u32).filter(|token| !model.tokenizer.end().contains(token)).collect();
    likely.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
    likely.truncate(top);
    let weight = |token: &u32| {
        let text = model.tokenizer.decode(&[*token]).unwrap();
        let believed = if text.trim().chars().any(char::is_alphanumeric) { belief(text.trim()) } else { 0.5 };
        (f64::from(logits[*token as usize]) / 1.5).exp() * f64::from(believed).powf(gamma)
    };
    let weights: Vec<f64> = likely.iter().map(weight).collect();
    let total: f64 = weights.iter().sum();
    let one = writer(Writing { max_tokens: 1, batch: 512, ..Writing::default() });
    let guide = Guide::new(&FirstHalf, 2, Guidance { gamma, top, ..Guidance::default() }).unwrap();
    let count = 6000;
    let numbers: Vec<u64> = (0..count).collect();
    let prompts = vec!["play".to_owned(); numbers.len()];
    let written = one.continue_guided(&prompts, &numbers, &vec![1; numbers.len()], &guide, &Silent).unwrap();
    let shares: Vec<f64> = likely
        .iter()
        .map(|token| written.iter().filter(|text| text.tokens == [*token]).count() as f64 / count as f64)
        .collect();
    for (share, weight) in shares.iter().zip(&weights) {
        let (expected, draws) = (weight / total, count as f64);
        let error = 4.0 * (expected * (1.0 - expected) / draws).sqrt();
        assert!((share - expected).abs() < error, "{shares:?} is not {weights:?} / {total}");
    }
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "no other token comes");
    // The beliefs matter: without them the shares would lie far outside.
    let plain: Vec<f64> = likely.iter().map(|token| (f64::from(logits[*token as usize]) / 1.5).exp()).collect();
    let plain_total: f64 = plain.iter().sum();
    assert!(shares.iter().zip(&plain).any(|(share, weight)| (share - weight / plain_total).abs() > 0.05));
    // The rows of a batch make the same eight texts: they are judged once a batch.
    assert!(guide.passes() <= 12 * top as u64, "{}", guide.passes());
}

#[test]
fn without_gamma_texts_are_plain_samples_and_an_indifferent_teacher_only_cuts_at_the_top() {
    let numbers: Vec<u64> = (0..30).collect();
    let writer = twelve();
    let plain = writer.continue_prompts(&prompts(30), &numbers, &Silent).unwrap();
    let none = Guidance { gamma: 0.0, top: 4, ..Guidance::default() };
    assert_eq!(guided(&writer, &numbers, &FirstHalf, 2, none), plain);
    let cut = Sampling { top_k: 4, ..WIDE };
    let cut = Writing { sampling: cut, stop: Vec::new(), max_tokens: 12, ..Writing::default() };
    let cut = LmWriter::new(model(), cut, 11).unwrap().continue_prompts(&prompts(30), &numbers, &Silent).unwrap();
    let indifferent = guided(&writer, &numbers, &Indifferent, 8, Guidance { top: 4, ..Guidance::default() });
    assert_eq!(indifferent, cut);
    assert_ne!(tokens(&cut), tokens(&plain));
}

#[test]
fn a_guided_text_is_more_of_its_class_and_follows_from_its_number_alone() {
    let numbers: Vec<u64> = (0..60).collect();
    let writer = twelve();
    let mean = |written: &[Written]| {
        written.iter().map(|text| f64::from(belief(&text.text))).sum::<f64>() / written.len() as f64
    };
    let plain = writer.continue_prompts(&prompts(60), &numbers, &Silent).unwrap();
    let all = guided(&writer, &numbers, &FirstHalf, 2, Guidance { gamma: 4.0, ..Guidance::default() });
    let first = guided(&writer, &numbers, &FirstHalf, 2, Guidance { gamma: 4.0, first: 3, ..Guidance::default() });
    assert!(mean(&all) > mean(&plain) + 0.1, "{} and {}", mean(&all), mean(&plain));
    assert!(mean(&first) > mean(&plain) && mean(&first) < mean(&all), "{}", mean(&first));
    // Other batches, the same texts.
    for batch in [1, 7] {
        let small = self::writer(Writing { max_tokens: 12, batch, ..Writing::default() });
        let again = guided(&small, &numbers, &FirstHalf, 2, Guidance { gamma: 4.0, ..Guidance::default() });
        assert_eq!(tokens(&again), tokens(&all), "batches of {batch}");
    }
}

#[test]
fn a_guide_needs_something_to_choose_from() {
    let greedy = Writing { sampling: Sampling::greedy(), ..Writing::default() };
    let greedy = LmWriter::new(model(), greedy, 1).unwrap();
    let guide = Guide::new(&FirstHalf, 2, Guidance::default()).unwrap();
    let write = |classes: &[usize]| greedy.continue_guided(&prompts(1), &[1], classes, &guide, &Silent);
    assert!(write(&[1]).unwrap_err().to_string().contains("temperature"));
    assert!(Guide::new(&FirstHalf, 2, Guidance { top: 1, ..Guidance::default() }).is_err());
}
