//! Texts that were cut.

/// The text; one that was cut at the largest length, not `ended`, ends with its last whole sentence, and is empty without any.
pub(crate) fn whole(mut text: String, ended: bool) -> String {
    if !ended {
        let end =
            text.rfind(['.', '!', '?', '…']).and_then(|at| text[at..].chars().next().map(|mark| at + mark.len_utf8()));
        text.truncate(end.unwrap_or(0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_text_that_was_cut_ends_with_a_sentence() {
        for (text, ended, expected) in [
            ("Pay it. And then", true, "Pay it. And then"),
            ("Pay it… And then", false, "Pay it…"),
            ("What is it? I", false, "What is it?"),
            ("and then", false, ""),
        ] {
            assert_eq!(whole(text.to_owned(), ended), expected);
        }
    }
}
