use crate::fixture::Fixture;
use faculty_core::LabelSpace;
use faculty_text::{Corpus, RawLabel};

#[test]
fn names_and_indices_meet_in_one_label_space() {
    let corpus = Fixture::new("a.csv", "text,label\na,transfer\nb,0\nc,balance\n").corpus();
    let labels = LabelSpace::new(["balance", "transfer"]).unwrap();
    assert_eq!(corpus.resolve_labels(&labels).unwrap(), [1, 0, 0]);
}

#[test]
fn a_class_called_by_digits_is_found_by_its_name() {
    let corpus = Fixture::new("a.csv", "text,label\na,7\nb,1\n").corpus();
    let labels = LabelSpace::new(["1", "7", "3"]).unwrap();
    assert_eq!(corpus.resolve_labels(&labels).unwrap(), [1, 0]);
}

#[test]
fn an_unknown_label_is_named_with_file_line_and_nearest_name() {
    let file = Fixture::new("a.csv", "text,label\n\na,balance\nb,ballance\n");
    let labels = LabelSpace::new(["balance", "transfer"]).unwrap();
    let message = file.corpus().resolve_labels(&labels).unwrap_err().to_string();
    assert!(message.contains("a.csv:4: label `ballance` is not in the label space"), "{message}");
    assert!(message.contains("did you mean `balance`?"), "{message}");
}

#[test]
fn an_index_outside_the_label_space_is_refused() {
    let labels = LabelSpace::new(["a", "b"]).unwrap();
    for index in ["2", "-1"] {
        let file = Fixture::new("a.jsonl", format!("{{\"text\":\"t\",\"label\":{index}}}\n"));
        let message = file.corpus().resolve_labels(&labels).unwrap_err().to_string();
        assert!(message.contains(&format!(":1: label `{index}` is not in the label space")), "{message}");
    }
}

#[test]
fn a_corpus_without_labels_says_so() {
    let labels = LabelSpace::new(["a", "b"]).unwrap();
    let message = Fixture::new("a.txt", "one\n").corpus().resolve_labels(&labels).unwrap_err().to_string();
    assert!(message.contains("has no label in every row"), "{message}");
    let some = Fixture::new("a.jsonl", "{\"text\":\"t\",\"label\":\"a\"}\n{\"text\":\"u\"}\n").corpus();
    let message = some.resolve_labels(&labels).unwrap_err().to_string();
    assert!(message.contains("1 of 2 texts have no label"), "{message}");
}

#[test]
fn a_corpus_in_memory_needs_one_label_a_text() {
    let texts = vec!["a".to_owned(), "b".to_owned()];
    assert!(Corpus::in_memory("embedded", texts.clone(), Some(vec![RawLabel::Index(0)])).is_err());
    let corpus = Corpus::in_memory("embedded", texts, None).unwrap();
    assert_eq!((corpus.len(), corpus.lines.as_slice(), corpus.report.rows), (2, [1, 2].as_slice(), 2));
    assert_eq!(corpus.text_refs(), ["a", "b"]);
}
