//! Pairs of texts: what teachers of paraphrase or entailment read.
//!
//! A pair is one string with the unit separator (U+001F) between its two texts, so that whatever handles texts - caches,
//! scans, generators, parts of data - handles pairs, and a tokenizer alone has to know how two texts are put together. The
//! character means just this in ASCII, no keyboard writes it, and whoever reads text refuses it where it is not meant.

use std::borrow::Cow;

/// Between the two texts of a pair; nowhere else.
pub const PAIR_SEPARATOR: char = '\u{1F}';

/// Two texts as one pair. Neither may hold [`PAIR_SEPARATOR`]: the result would be no pair.
pub fn join_pair(first: &str, second: &str) -> String {
    format!("{first}{PAIR_SEPARATOR}{second}")
}

/// The two texts of a pair; nothing of a text that is none, or that holds more than one separator ([`pair_fault`]).
///
/// ```
/// use faculty_core::{join_pair, split_pair};
/// assert_eq!(split_pair(&join_pair("It rains.", "It is wet.")), Some(("It rains.", "It is wet.")));
/// assert_eq!(split_pair("It rains."), None);
/// ```
pub fn split_pair(text: &str) -> Option<(&str, &str)> {
    let (first, second) = text.split_once(PAIR_SEPARATOR)?;
    (!second.contains(PAIR_SEPARATOR)).then_some((first, second))
}

/// True of a pair.
pub fn is_pair(text: &str) -> bool {
    split_pair(text).is_some()
}

/// Why a text with separators is no pair; nothing of a pair, or of a text without a separator.
pub fn pair_fault(text: &str) -> Option<&'static str> {
    (text.contains(PAIR_SEPARATOR) && !is_pair(text))
        .then_some("it holds more than one unit separator (U+001F), which stands between the two texts of a pair")
}

/// What a model wrote, as one text: [`PAIR_SEPARATOR`] is nothing that it may write, and a space stands in its place.
pub fn one_text(written: String) -> String {
    match written.contains(PAIR_SEPARATOR) {
        true => written.replace(PAIR_SEPARATOR, " "),
        false => written,
    }
}

/// A text as a person reads it: a pair with ` / ` between its texts, any other as it is.
pub fn readable(text: &str) -> Cow<'_, str> {
    match text.contains(PAIR_SEPARATOR) {
        true => Cow::Owned(text.split(PAIR_SEPARATOR).collect::<Vec<_>>().join(" / ")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_pair, join_pair, one_text, pair_fault, readable, split_pair};

    #[test]
    fn a_pair_comes_apart_as_it_was_put_together() {
        for (first, second) in [("a", "b"), ("", "b"), (" a ", ""), ("żółw\t", "日本 / x")] {
            let pair = join_pair(first, second);
            assert_eq!(split_pair(&pair), Some((first, second)));
            assert!(is_pair(&pair) && pair_fault(&pair).is_none());
        }
        assert_eq!(readable(&join_pair("a", "b c")), "a / b c");
    }

    #[test]
    fn other_texts_are_none() {
        assert!(split_pair("a / b").is_none() && pair_fault("a / b").is_none());
        assert_eq!(readable("a / b"), "a / b");
        let three = join_pair("a", &join_pair("b", "c"));
        assert!(split_pair(&three).is_none() && pair_fault(&three).is_some());
        assert_eq!(readable(&three), "a / b / c");
        assert_eq!(one_text(three), "a b c");
        assert_eq!(one_text("a / b".to_owned()), "a / b");
    }
}
