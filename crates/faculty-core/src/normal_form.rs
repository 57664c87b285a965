use crate::PAIR_SEPARATOR;

/// What a text says, up to case, spaces and marks: its letters and digits alone, in lower case. Texts of one normal form are
/// one text wherever parts of data must not share any, and where repeats are dropped. Of a pair it is those of its two texts,
/// apart; of a pair that says nothing it is empty, too.
pub fn normal_form(text: &str) -> String {
    let said = |c: &char| c.is_alphanumeric() || *c == PAIR_SEPARATOR;
    let form: String = text.chars().filter(said).flat_map(char::to_lowercase).collect();
    if form.chars().all(|c| c == PAIR_SEPARATOR) { String::new() } else { form }
}

#[cfg(test)]
mod tests {
    use super::normal_form;
    use crate::join_pair;

    #[test]
    fn case_spaces_and_marks_do_not_count() {
        assert_eq!(normal_form(" Who's THERE?\n"), normal_form("whos there"));
        assert_eq!(normal_form("Straße 7"), "straße7");
        assert_ne!(normal_form("5 over"), normal_form("over 5"));
        assert_eq!(normal_form("?! "), "");
    }

    #[test]
    fn the_texts_of_a_pair_stay_apart() {
        assert_eq!(normal_form(&join_pair("Who's", "there?")), normal_form(&join_pair("whos", "THERE")));
        assert_ne!(normal_form(&join_pair("over 5", "0")), normal_form(&join_pair("over", "50")));
        assert_ne!(normal_form(&join_pair("a", "b")), normal_form("a b"));
        assert_eq!(normal_form(&join_pair("?", "!")), "");
    }
}
