//! "Did you mean": the nearest valid name to a mistyped one.

/// The candidate nearest to `name` (Jaro-Winkler), if any is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Names to choose from, in words: "one of a, b, c", of many the first and how many more there are.
pub fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => format!("one of {shown}"),
        more => format!("one of {shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::{nearest, one_of};

    #[test]
    fn names_are_suggested_and_listed() {
        assert_eq!(nearest("balanec", ["transfer", "balance"]), Some("balance"));
        assert_eq!(nearest("xyz", ["transfer", "balance"]), None);
        assert_eq!(one_of(["a", "b"]), "one of a, b");
        let many: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(one_of(many.iter().map(String::as_str)), "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
