//! Words and punctuation marks, and texts of them.

use faculty_core::PAIR_SEPARATOR;

/// The words of a text in order: runs of letters, digits and apostrophes, and every other mark by itself. Of a pair those of both
/// texts; what stands between them is no word.
pub fn split_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices() {
        if character.is_alphanumeric() || matches!(character, '\'' | '’' | '_') {
            start.get_or_insert(at);
            continue;
        }
        if let Some(first) = start.take() {
            words.push(&text[first..at]);
        }
        if !character.is_whitespace() && character != PAIR_SEPARATOR {
            words.push(&text[at..at + character.len_utf8()]);
        }
    }
    if let Some(first) = start {
        words.push(&text[first..]);
    }
    words
}

/// The sentences of a text that have at least three words: each ends with `.`, `!` or `?` before a space.
pub fn split_sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut ended = false;
    for (at, character) in text.char_indices() {
        if ended && character.is_whitespace() {
            sentences.push(text[start..at].trim());
            start = at;
        }
        ended = matches!(character, '.' | '!' | '?');
    }
    sentences.push(text[start..].trim());
    let long = |sentence: &&str| split_words(sentence).iter().filter(|word| word.len() > 1).count() >= 3;
    sentences.into_iter().filter(long).collect()
}

/// The words as a text: a space before each but marks that follow a word.
pub fn join_words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut opened = true;
    for word in words {
        let closes = matches!(word, "." | "," | ";" | ":" | "!" | "?" | ")" | "]" | "}" | "%" | "…");
        if !opened && !closes {
            text.push(' ');
        }
        text.push_str(word);
        opened = matches!(word, "(" | "[" | "{" | "$" | "#");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{join_words, split_sentences, split_words};

    #[test]
    fn sentences_end_with_a_mark_before_a_space() {
        let text = "It costs 3.50 a day. Why? Nobody had told them so!  The end of it all";
        assert_eq!(split_sentences(text), ["It costs 3.50 a day.", "Nobody had told them so!", "The end of it all"]);
        assert!(split_sentences(" . ").is_empty());
    }

    #[test]
    fn words_and_marks_are_cut_and_joined() {
        let text = "Don't pay (more than $12.50), please!";
        let words = split_words(text);
        assert_eq!(words, ["Don't", "pay", "(", "more", "than", "$", "12", ".", "50", ")", ",", "please", "!"]);
        assert_eq!(join_words(words), "Don't pay (more than $12. 50), please!");
        assert_eq!(split_words("  żółw…\n"), ["żółw", "…"]);
        assert!(split_words(" \t").is_empty());
        assert_eq!(split_words(&faculty_core::join_pair("one two", "three")), ["one", "two", "three"]);
        assert_eq!(join_words([]), "");
    }
}
