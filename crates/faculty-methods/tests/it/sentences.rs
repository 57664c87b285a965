//! Texts of words that tiny tokenizers know.

use faculty_core::Stream;
use faculty_testkit::TINY_WORDS;

/// Four to eight words each.
pub fn sentences(count: usize, seed: u64) -> Vec<String> {
    drawn(Stream::new(seed, "sentences"), count, 4, 5)
}

/// `least` words each and up to `more - 1` more.
pub fn drawn(stream: Stream, count: usize, least: u64, more: u64) -> Vec<String> {
    let text = |index: usize| {
        let draw = stream.fork(index as u64);
        let words = least + draw.below_at(90, more);
        let word = |at: u64| TINY_WORDS[draw.below_at(at, TINY_WORDS.len() as u64) as usize];
        (0..words).map(word).collect::<Vec<_>>().join(" ")
    };
    (0..count).map(text).collect()
}
