use faculty_experiment::{DataAccess, GuardedTexts};

#[test]
fn a_label_free_row_gets_texts_and_no_labels() {
    let (texts, labels) = (vec!["pay my bill".to_owned()], vec![4]);
    let row = GuardedTexts::new("MUKI", DataAccess::Unlabelled, &texts, &labels);
    assert_eq!(row.texts().unwrap(), texts);
    let error = row.labels().unwrap_err().to_string();
    assert!(error.contains("row `MUKI` asked for labels") && error.contains("unlabelled text"), "{error}");
    assert!(!format!("{row:?}").contains('4'));
}

#[test]
fn a_data_free_row_gets_nothing_of_the_task() {
    let (texts, labels) = (vec!["pay my bill".to_owned()], vec![4]);
    for access in [DataAccess::None, DataAccess::OutOfDomain] {
        let row = GuardedTexts::new("zero-shot", access, &texts, &labels);
        assert!(row.texts().is_err() && row.labels().is_err());
    }
}

#[test]
fn the_ceiling_gets_labels() {
    let (texts, labels) = (vec!["pay my bill".to_owned()], vec![4]);
    let row = GuardedTexts::new("ceiling", DataAccess::Labelled, &texts, &labels);
    assert_eq!(row.labels().unwrap(), [4]);
}
