/// What a text says, up to case, spaces and marks: its letters and digits alone, in lower case. Texts of one normal form are
/// one text wherever parts of data must not share any, and where repeats are dropped.
pub fn normal_form(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::normal_form;

    #[test]
    fn case_spaces_and_marks_do_not_count() {
        assert_eq!(normal_form(" Who's THERE?\n"), normal_form("whos there"));
        assert_eq!(normal_form("Straße 7"), "straße7");
        assert_ne!(normal_form("5 over"), normal_form("over 5"));
        assert_eq!(normal_form("?! "), "");
    }
}
