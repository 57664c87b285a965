use crate::support::{SMALL, compressed, parse};
use faculty_core::{ErrorKind, LabelSpace, hash_bytes};
use faculty_experiment::schema::{DataSection, Limit};
use faculty_experiment::{DataPlaces, ExperimentData, Source, read_data};
use std::collections::HashSet;
use std::path::Path;

fn no_models(_: &str) -> faculty_core::Result<LabelSpace> {
    unreachable!("the experiment names no model")
}

fn share_out(section: &DataSection) -> faculty_core::Result<ExperimentData> {
    ExperimentData::share_out(section, read_data(section, &DataPlaces::default())?, &no_models)
}

#[test]
fn the_embedded_data_has_its_recorded_rows_domains_and_hashes() {
    let set = read_data(&parse(SMALL).unwrap().data, &DataPlaces::default()).unwrap();
    assert_eq!((set.train.len(), set.dev.as_ref().unwrap().len(), set.test.len()), (17_982, 2_250, 2_250));
    assert_eq!((set.labels.len(), set.domains.len()), (150, 10));
    assert!(set.domains.iter().all(|(_, labels)| labels.len() == 15));
    assert_eq!(set.files.len(), 4);
}

#[test]
fn no_text_is_in_two_parts_and_every_class_has_its_share() {
    let section = parse(SMALL).unwrap().data;
    let data = share_out(&section).unwrap();
    assert_eq!(data.union.len(), 17);
    assert_eq!(data.teachers[0].texts.len(), 15 * 2);
    assert_eq!(data.teachers[1].texts.len(), 2 * 2);
    assert_eq!(data.transfer.len(), 17 * 3);
    assert_eq!(data.test.len(), 17 * 4);
    let parts = data.teachers.iter().map(|teacher| &teacher.texts).chain([&data.transfer, &data.test]);
    let all: Vec<&String> = parts.flat_map(|part| &part.texts).collect();
    let distinct: HashSet<String> = all.iter().map(|text| text.to_lowercase()).collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn a_larger_transfer_set_moves_no_teacher_text_and_keeps_what_was_there() {
    let mut section = parse(SMALL).unwrap().data;
    let small = share_out(&section).unwrap();
    section.transfer_texts_per_class = Limit::At(20);
    let large = share_out(&section).unwrap();
    for (before, after) in small.teachers.iter().zip(&large.teachers) {
        assert_eq!(before.texts, after.texts);
    }
    let large: HashSet<&String> = large.transfer.texts.iter().collect();
    assert!(small.transfer.texts.iter().all(|text| large.contains(text)));
}

#[test]
fn an_unknown_domain_or_label_is_named_with_the_nearest() {
    let mut section = parse(SMALL).unwrap().data;
    section.teachers[0].domains = vec!["bankin".to_owned()];
    let error = share_out(&section).unwrap_err().to_string();
    assert!(error.contains("data.teacher[0]") && error.contains("did you mean `banking`?"), "{error}");
    section.teachers[0].domains = vec!["banking".to_owned()];
    section.teachers[1].labels = vec!["book_fligt".to_owned()];
    let error = share_out(&section).unwrap_err().to_string();
    assert!(error.contains("did you mean `book_flight`?"), "{error}");
}

#[test]
fn contiguous_teachers_take_chunks_and_the_last_takes_the_rest() {
    let mut section = parse(SMALL).unwrap().data;
    section.teachers.clear();
    section.contiguous_teachers = Some(4);
    let data = share_out(&section).unwrap();
    let sizes: Vec<usize> = data.teachers.iter().map(|teacher| teacher.labels.len()).collect();
    assert_eq!(sizes, [37, 37, 37, 39]);
    assert_eq!(data.union.names()[37], data.teachers[1].labels.names()[0]);
    section.contiguous_teachers = Some(100);
    assert!(share_out(&section).is_err());
}

#[test]
fn teachers_that_share_a_label_get_different_texts_of_it() {
    let mut section = parse(SMALL).unwrap().data;
    section.teachers[1].labels.push("transfer".to_owned());
    let data = share_out(&section).unwrap();
    assert_eq!(data.union.len(), 17);
    let of = |teacher: usize| -> HashSet<&String> { data.teachers[teacher].texts.texts.iter().collect() };
    assert_eq!(data.teachers[1].texts.len(), 3 * 2);
    assert!(of(0).is_disjoint(&of(1)));
}

#[test]
fn teachers_that_leave_nothing_for_the_transfer_set_are_refused() {
    let mut section = parse(SMALL).unwrap().data;
    section.teacher_texts_per_class = Limit::At(500);
    let error = share_out(&section).unwrap_err().to_string();
    assert!(error.contains("left for the transfer set"), "{error}");
}

fn folder(root: &Path, test_hash: Option<&str>, per_class: &str) {
    let dir = root.join("tiny");
    std::fs::create_dir_all(&dir).unwrap();
    let mut splits = Vec::new();
    for (split, rows) in [("train", 12), ("test", 4)] {
        let lines: Vec<String> =
            (0..rows).map(|row| format!("{{\"t\": \"{split} text {row}\", \"y\": {}}}", row % 2)).collect();
        let compressed = compressed(&(lines.join("\n") + "\n"));
        std::fs::write(dir.join(format!("{split}.jsonl.zst")), &compressed).unwrap();
        let hash = match (split, test_hash) {
            ("test", Some(hash)) => hash.to_owned(),
            _ => hash_bytes(&compressed),
        };
        let counts = if split == "test" { per_class.to_owned() } else { "[6, 6]".to_owned() };
        splits.push(format!("\"{split}\": {{\"rows\": {rows}, \"sha256\": \"{hash}\", \"per_class\": {counts}}}"));
    }
    let meta = format!("{{\"tiny\": {{\"labels\": [\"yes\", \"no\"], \"splits\": {{{}}}}}}}", splits.join(", "));
    std::fs::write(root.join("META.json"), meta).unwrap();
}

fn tiny_section() -> DataSection {
    let mut section = parse(SMALL).unwrap().data;
    section.source = "folder:tiny".to_owned();
    section.teachers.truncate(1);
    section.teachers[0].domains.clear();
    section.teachers[0].labels = vec!["yes".to_owned(), "no".to_owned()];
    section.test_texts_per_class = Limit::All;
    section
}

#[test]
fn a_data_folder_is_read_with_its_hashes_and_counts_checked() {
    let root = tempfile::tempdir().unwrap();
    let places = DataPlaces { data_dir: Some(root.path().to_path_buf()), ..DataPlaces::default() };
    let section = tiny_section();
    folder(root.path(), None, "[2, 2]");
    let data = ExperimentData::share_out(&section, read_data(&section, &places).unwrap(), &no_models).unwrap();
    assert_eq!((data.teachers[0].texts.len(), data.transfer.len(), data.test.len()), (4, 6, 4));

    folder(root.path(), Some("00"), "[2, 2]");
    let error = read_data(&section, &places).unwrap_err();
    assert!(error.kind() == ErrorKind::Input && error.to_string().contains("SHA-256"), "{error}");
    folder(root.path(), None, "[1, 3]");
    assert!(read_data(&section, &places).unwrap_err().to_string().contains("counts"));
}

#[test]
fn an_absent_data_folder_is_known_beforehand_and_a_clear_error() {
    let section = tiny_section();
    let source = Source::parse(&section.source).unwrap();
    let nowhere = DataPlaces::default();
    assert!(!source.is_available(&nowhere));
    let error = read_data(&section, &nowhere).unwrap_err().to_string();
    assert!(error.contains("FACULTY_DATA"), "{error}");
    for wrong in ["folder:../etc", "folder:", "clinc", "http://x"] {
        assert!(Source::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn files_of_the_users_own_are_a_source() {
    let root = tempfile::tempdir().unwrap();
    let rows = |n: usize| (0..n).map(|row| format!("query {n} {row},{}\n", ["no", "yes"][row % 2])).collect::<String>();
    std::fs::write(root.path().join("train.csv"), format!("text,label\n{}", rows(10))).unwrap();
    std::fs::write(root.path().join("test.csv"), format!("text,label\n{}", rows(4))).unwrap();
    let mut section = tiny_section();
    section.source = "files".to_owned();
    section.train_file = Some("train.csv".into());
    let places = DataPlaces { data_dir: None, relative_to: root.path().to_path_buf() };
    assert!(read_data(&section, &places).unwrap_err().to_string().contains("data.test_file"));
    section.test_file = Some("test.csv".into());
    let data = ExperimentData::share_out(&section, read_data(&section, &places).unwrap(), &no_models).unwrap();
    assert_eq!(data.union.names(), ["yes", "no"]);
    assert_eq!((data.teachers[0].texts.len(), data.transfer.len(), data.test.len()), (4, 6, 4));
}

#[test]
fn the_parts_of_the_quickstart_are_the_texts_they_have_always_been() {
    // By another implementation of the rule, in Python: number of texts, SHA-256 of the texts joined by line breaks.
    let expected = [
        (1200, "b1f7eac15f369365c2f910d7f74fffe7c610a15f2879275857706c9a4176266c"),
        (1200, "e4e000d7b9a5c2c8ec80b76d4e2412b0c37211022c44621cc3feab21de4cc182"),
        (1200, "45db7d4f8694c0783b54b00aa6b9550ae31ee1e309014e2a2f71de9437806217"),
        (2700, "cc410dbb5d3778f8af4b4153b5eb83bf89744c4c4e0df30fef947dabb0d805d0"),
        (1350, "966a1dd872a18e90b9ba134e2037d71deab3a8caf8714c4af1d25b5d94d5ca39"),
    ];
    let file = crate::support::experiments().join("quickstart.toml");
    let section = faculty_experiment::load_experiment(&file, &faculty_experiment::Overrides::default()).unwrap().data;
    let data = share_out(&section).unwrap();
    let parts = data.teachers.iter().map(|teacher| &teacher.texts).chain([&data.transfer, &data.test]);
    let digests: Vec<_> = parts.map(|part| (part.len(), hash_bytes(part.texts.join("\n").as_bytes()))).collect();
    let digests: Vec<_> = digests.iter().map(|(texts, hash)| (*texts, hash.as_str())).collect();
    assert_eq!(digests, expected);
}
