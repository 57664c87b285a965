//! The model card.

use faculty_student::{ModelCard, TeacherEntry};

#[test]
fn a_card_says_labels_teachers_access_seeds_configuration_and_results() {
    let card = ModelCard {
        title: "Three desks in one".to_owned(),
        method: "MUKI soft+margin".to_owned(),
        start: "pretrained minilm-l3, layers [0, 1, 2]".to_owned(),
        parameters: 17_000_000,
        labels: vec!["balance".to_owned(), "book_flight".to_owned()],
        teachers: vec![TeacherEntry {
            name: "bank".into(),
            source: "teachers/bank".into(),
            hash: "ab12".into(),
            labels: 1,
        }],
        data_access: "unlabelled text".to_owned(),
        texts: 900,
        seeds: vec![1, 2],
        configuration: "kind = \"muki\"".to_owned(),
        results: vec![("accuracy".to_owned(), "0.81".to_owned())],
    };
    let text = card.to_markdown().unwrap();
    for part in [
        "pipeline_tag: text-classification",
        "| bank | teachers/bank | 1 | `ab12` |",
        "unlabelled text (900 texts)",
        "| seeds | 1, 2 |",
        "| accuracy | 0.81 |",
        "balance, book_flight",
        "kind = \"muki\"",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
    assert!(text.starts_with("---\n"));
}
