//! Words that the teacher takes for a class, and texts made of them.

use faculty_core::{Observer, Result, Silent};
use faculty_textgen::{
    ClassSource, Judge, KeywordTexts, Keywords, NGram, NGramSettings, Refined, Refining, TextSource, split_words,
    vocabulary_words,
};
use std::sync::atomic::{AtomicUsize, Ordering};

const CORPUS: [&str; 4] = [
    "the cat sat on the mat and the dog sat by the door",
    "a man went to the old market to buy bread and milk",
    "the train to the north leaves in the morning at eight",
    "she wrote a long letter to the mayor of the town",
];

/// Counts words of money and of travel: the softmax of both counts, so that more of them is surer.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
}

const MONEY: [&str; 3] = ["bank", "loan", "pay"];
const TRAVEL: [&str; 3] = ["flight", "hotel", "train"];

impl Judge for Counting {
    fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
        self.asked.fetch_add(texts.len(), Ordering::Relaxed);
        let count = |text: &str, of: &[&str]| split_words(text).iter().filter(|word| of.contains(word)).count() as f32;
        let row = |text: &String| {
            let (money, travel) = ((2.0 * count(text, &MONEY)).exp(), (2.0 * count(text, &TRAVEL)).exp());
            [money / (money + travel), travel / (money + travel)]
        };
        Ok(texts.iter().flat_map(row).collect())
    }
}

fn words() -> Vec<String> {
    ["mat", "bank", "hotel", "pay", "dog", "train", "loan", "flight"].map(str::to_owned).to_vec()
}

fn ngram(seed: u64) -> NGram {
    NGram::learn(&CORPUS, NGramSettings::default(), seed).unwrap()
}

#[test]
fn the_teacher_names_the_words_of_its_classes() {
    let judge = Counting::default();
    let keywords = Keywords::find(&words(), &judge, 2, 3, &Silent).unwrap();
    for (class, of) in [MONEY, TRAVEL].iter().enumerate() {
        let mut found: Vec<&str> = keywords.of(class).iter().map(|keyword| keyword.word.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, of);
        assert!(keywords.of(class).iter().all(|keyword| keyword.probability > 0.8));
    }
    assert_eq!(judge.asked.into_inner(), words().len(), "one pass a word");
    assert!(Keywords::find(&[], &Counting::default(), 2, 3, &Silent).is_err());
    assert!(Keywords::find(&words(), &Counting::default(), 2, 0, &Silent).is_err());
}

#[test]
fn texts_of_a_class_hold_its_words_and_follow_from_their_numbers() {
    let judge = Counting::default();
    let keywords = Keywords::find(&words(), &judge, 2, 3, &Silent).unwrap();
    let filler = ngram(3);
    let source = KeywordTexts::new(&filler, &keywords, 2, 5).unwrap();
    let texts = source.write_for(0, 0..20, &Silent).unwrap();
    for text in &texts {
        let of_class = split_words(text).iter().filter(|word| MONEY.contains(word)).count();
        assert!((1..=2).contains(&of_class), "{text}");
    }
    assert_eq!(source.write_for(0, 7..12, &Silent).unwrap(), texts[7..12]);
    assert_ne!(source.write_for(1, 0..20, &Silent).unwrap(), texts);
    assert!(KeywordTexts::new(&filler, &keywords, 0, 5).is_err());
}

#[test]
fn refined_texts_are_believed_more_and_do_not_hang_on_each_other() {
    let judge = Counting::default();
    let keywords = Keywords::find(&words(), &judge, 2, 3, &Silent).unwrap();
    let (filler, fluency) = (ngram(3), ngram(1));
    let source = KeywordTexts::new(&filler, &keywords, 1, 5).unwrap();
    let settings = Refining { rounds: 4, proposals: 6, target: 0.99, fluency: 0.0 };
    let refined = Refined::new(&source, &judge, &keywords, &fluency, settings, 7).unwrap();
    let mean = |texts: &[String]| {
        let rows = judge.probabilities(texts, &Silent).unwrap();
        rows.chunks_exact(2).map(|row| f64::from(row[1])).sum::<f64>() / texts.len() as f64
    };
    let (plain, better) = (source.write_for(1, 0..30, &Silent).unwrap(), refined.write_for(1, 0..30, &Silent).unwrap());
    assert!(mean(&better) > mean(&plain) + 0.05, "{} {}", mean(&better), mean(&plain));
    assert_eq!(refined.write_for(1, 11..14, &Silent).unwrap(), better[11..14]);

    // What is worth much to the n-grams stays closer to them.
    let fluent = Refined::new(&source, &judge, &keywords, &fluency, Refining { fluency: 4.0, ..settings }, 7).unwrap();
    let fluent = fluent.write_for(1, 0..30, &Silent).unwrap();
    let order = |texts: &[String]| -> f64 {
        texts.iter().map(|text| fluency.log_probability(&split_words(text)) / split_words(text).len() as f64).sum()
    };
    assert!(order(&fluent) > order(&better), "{} {}", order(&fluent), order(&better));

    let asked = judge.asked.load(Ordering::Relaxed);
    let easy = Refined::new(&source, &judge, &keywords, &fluency, Refining { target: 0.5, ..settings }, 7).unwrap();
    assert_eq!(easy.write_for(1, 0..9, &Silent).unwrap(), plain[..9], "believed already");
    assert_eq!(judge.asked.load(Ordering::Relaxed) - asked, 9);
    for wrong in [
        Refining { rounds: 0, ..settings },
        Refining { proposals: 0, ..settings },
        Refining { target: 0.0, ..settings },
        Refining { fluency: f32::NAN, ..settings },
    ] {
        assert!(Refined::new(&source, &judge, &keywords, &fluency, wrong, 7).is_err());
    }
}

#[test]
fn ngram_probabilities_sum_to_one_behind_every_history() {
    let ngram = ngram(1);
    let mut vocabulary: Vec<&str> = CORPUS.iter().flat_map(|text| split_words(text)).collect();
    vocabulary.sort_unstable();
    vocabulary.dedup();
    // Beside the words, a text may end.
    for history in [&[][..], &["the"], &["to", "the"], &["unheard"]] {
        let with = |word: &str| {
            let longer: Vec<&str> = history.iter().copied().chain([word]).collect();
            ngram.log_probability(&longer) - ngram.log_probability(history)
        };
        let sum: f64 = vocabulary.iter().map(|word| with(word).exp()).sum();
        // The end takes the rest, and it is likely behind a text's last word alone.
        assert!(sum < 1.0 && sum > 0.8, "{history:?}: {sum}");
    }
    let sentence = split_words(CORPUS[0]);
    let mut shuffled = sentence.clone();
    shuffled.reverse();
    assert!(ngram.log_probability(&sentence) > ngram.log_probability(&shuffled) + 5.0);
    // By hand: "the" is 2 of 4 first words, which are of 3 kinds, to the trigrams and to the bigrams.
    let words: Vec<&str> = CORPUS.iter().flat_map(|text| split_words(text)).collect();
    let the = words.iter().filter(|&&word| word == "the").count();
    let alone = (the + 1) as f64 / (words.len() + CORPUS.len() + vocabulary.len() + 1) as f64;
    let expected = (2.0 + 3.0 * (2.0 + 3.0 * alone) / 7.0) / 7.0;
    assert!((ngram.log_probability(&["the"]).exp() - expected).abs() < 1e-12);
    assert_eq!(ngram.write(0..3, &Silent).unwrap().len(), 3);
}

#[test]
fn whole_words_of_vocabularies() {
    let pieces = ["[CLS]", "##ing", "bank", "Bank", "a", "don't", "7th", "hotel"].map(str::to_owned);
    assert_eq!(vocabulary_words(pieces), ["bank", "hotel"]);
    let bytes = ["Ġbank", "ing", "Ġ7", "Ġhotel", "bank"].map(str::to_owned);
    assert_eq!(vocabulary_words(bytes), ["bank", "hotel"]);
}
