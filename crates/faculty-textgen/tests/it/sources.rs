//! Controls and n-grams.

use faculty_core::{Event, Observer, Silent};
use faculty_textgen::{Corpus, NGram, NGramSettings, RandomTokens, TextSource, Unigram, split_words};
use std::collections::{HashMap, HashSet};

const TEXTS: [&str; 4] = [
    "what is my account balance",
    "what is the weather in paris, france?",
    "book a flight to paris",
    "book a table for two, please",
];

fn sources() -> Vec<Box<dyn TextSource>> {
    let words = TEXTS.iter().flat_map(|text| split_words(text)).map(str::to_owned);
    vec![
        Box::new(RandomTokens::new(words, (2, 6), 3).unwrap()),
        Box::new(Corpus::new(TEXTS.map(str::to_owned).to_vec(), 3).unwrap()),
        Box::new(Unigram::learn(&TEXTS, 3).unwrap()),
        Box::new(NGram::learn(&TEXTS, NGramSettings::default(), 3).unwrap()),
    ]
}

#[test]
fn a_text_follows_from_its_number_alone() {
    for source in sources() {
        let all = source.write(0..20, &Silent).unwrap();
        assert!(all.iter().all(|text| !text.trim().is_empty()), "{}", source.describe());
        for number in [0, 7, 19] {
            let alone = source.write(number..number + 1, &Silent).unwrap();
            assert_eq!(alone[0], all[number as usize], "{}", source.describe());
        }
        let kinds: HashSet<&String> = all.iter().collect();
        assert!(kinds.len() >= 4, "{}: {all:?}", source.describe());
    }
}

#[test]
fn a_corpus_comes_whole_before_it_comes_again() {
    let corpus = Corpus::new(TEXTS.map(str::to_owned).to_vec(), 1).unwrap();
    let texts = corpus.write(0..8, &Silent).unwrap();
    assert_eq!(texts[..4], texts[4..]);
    assert_eq!(texts[..4].iter().map(String::as_str).collect::<HashSet<_>>(), HashSet::from(TEXTS));
}

#[test]
fn unigrams_have_the_frequencies_of_the_corpus() {
    let unigram = Unigram::learn(&TEXTS, 1).unwrap();
    let texts = unigram.write(0..4000, &Silent).unwrap();
    let mut counts: HashMap<&str, f64> = HashMap::new();
    let words: Vec<&str> = texts.iter().flat_map(|text| split_words(text)).collect();
    words.iter().for_each(|word| *counts.entry(word).or_default() += 1.0 / words.len() as f64);
    let corpus: Vec<&str> = TEXTS.iter().flat_map(|text| split_words(text)).collect();
    for word in ["what", "paris", ","] {
        let expected = corpus.iter().filter(|other| **other == word).count() as f64 / corpus.len() as f64;
        assert!((counts[word] - expected).abs() < 0.01, "{word}: {} is not {expected}", counts[word]);
    }
}

#[test]
fn an_n_gram_writes_what_its_corpus_could_say_and_backs_off_for_more() {
    let settings = NGramSettings { order: 3, ..NGramSettings::default() };
    let source = NGram::learn(&TEXTS, settings, 5).unwrap();
    let texts = source.write(0..2000, &Silent).unwrap();
    let corpus: HashSet<&str> = TEXTS.into_iter().collect();
    let known = texts.iter().filter(|text| corpus.contains(text.as_str())).count();
    assert!(known > 20, "the corpus itself is likely: {known}");
    assert!(known < 1000, "and it is not all there is: {known}");
    let pairs = |texts: &[&str]| -> HashSet<(String, String)> {
        let pair = |pair: &[&str]| (pair[0].to_owned(), pair[1].to_owned());
        texts.iter().flat_map(|text| split_words(text).windows(2).map(pair).collect::<Vec<_>>()).collect()
    };
    let (own, written) = (pairs(&TEXTS), pairs(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(own.is_subset(&written), "every pair of the corpus is drawn some time");
    assert!(written.len() > own.len(), "and pairs that it does not have");
    // Without a history, words come by frequency.
    let flat = NGram::learn(&TEXTS, NGramSettings { order: 1, max_words: 5 }, 5).unwrap();
    assert!(flat.write(0..50, &Silent).unwrap().iter().all(|text| (1..=5).contains(&split_words(text).len())));
}

#[test]
fn what_cannot_write_is_refused_and_who_interrupts_is_heard() {
    assert!(RandomTokens::new([" ".to_owned()], (1, 2), 1).unwrap_err().to_string().contains("no word"));
    assert!(RandomTokens::new(["a".to_owned()], (3, 2), 1).unwrap_err().to_string().contains("lengths"));
    assert!(Corpus::new(Vec::new(), 1).is_err());
    assert!(Unigram::learn(&["", "  "], 1).unwrap_err().to_string().contains("no word"));
    assert!(NGram::learn(&[" "], NGramSettings::default(), 1).is_err());
    for (order, max_words, key) in [(0, 5, "order"), (9, 5, "order"), (2, 0, "max_words")] {
        let error = NGram::learn(&TEXTS, NGramSettings { order, max_words }, 1).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    struct Stop;
    impl Observer for Stop {
        fn on(&self, _: Event<'_>) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let source = NGram::learn(&TEXTS, NGramSettings::default(), 1).unwrap();
    assert_eq!(source.write(0..1, &Stop).unwrap_err().exit_code(), 130);
}
