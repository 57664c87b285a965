use crate::fixture::{Fixture, broken};
use faculty_text::ReadOptions;

#[test]
fn every_line_is_a_text_and_stays_as_it_is() {
    let corpus = Fixture::new("a.txt", "\u{feff}  one \r\ntwo\nthree").corpus();
    assert_eq!(corpus.texts, ["  one ", "two", "three"]);
    assert_eq!((corpus.labels, corpus.lines), (None, vec![1, 2, 3]));
}

#[test]
fn blank_lines_are_counted_as_empty_texts() {
    let corpus = Fixture::new("a.txt", "one\n\n \t\ntwo\nthree\n").corpus();
    assert_eq!(broken(&corpus), [(2, "empty text"), (3, "empty text")]);
    assert_eq!((corpus.report.rows, corpus.report.empty), (5, 2));
}

#[test]
fn a_file_without_a_text_is_an_empty_text_file() {
    for content in ["", "\n", "\n\n  \n", "\u{feff}"] {
        let message = Fixture::new("a.txt", content).error(&ReadOptions::default());
        assert!(message.contains("empty text file"), "{message}");
    }
}

#[test]
fn a_line_that_is_not_utf8_is_broken_and_named() {
    let corpus = Fixture::new("a.txt", b"one\ntwo\ncaf\xe9\nfour\n").corpus();
    assert_eq!(broken(&corpus), [(3, "not UTF-8 (byte 4 of the row)")]);
    assert_eq!(corpus.texts, ["one", "two", "four"]);
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_its_first_bad_line() {
    let message = Fixture::new("a.txt", b"fine\ncaf\xe9\nd\xe9j\xe0 vu\n").error(&ReadOptions::default());
    assert!(message.contains(":2: is not UTF-8 text: 2 of 3 rows are not"), "{message}");
    let message = Fixture::new("a.txt", b"\xff\xfeh\0i\0").error(&ReadOptions::default());
    assert!(message.contains(":1: is UTF-16, not UTF-8"), "{message}");
    let noise: Vec<u8> = (0..5000).map(|i| faculty_core::Stream::new(1, "noise").u64_at(i) as u8).collect();
    let message = Fixture::new("a.txt", noise).error(&ReadOptions::default());
    assert!(message.contains(":1: is not UTF-8 text"), "{message}");
}

#[test]
fn binary_data_in_ascii_range_is_refused_too() {
    let message = Fixture::new("a.txt", b"\0\0\x01a\n\0b\n").error(&ReadOptions::default());
    assert!(message.contains("a NUL byte in the text (binary data?)"), "{message}");
}

#[test]
fn compressed_data_under_a_plain_name_is_recognised() {
    let message = Fixture::new("a.txt", b"\x1f\x8b\x08\0").error(&ReadOptions::default());
    assert!(message.contains("gzip data") && message.contains("end in .gz"), "{message}");
    let message = Fixture::new("a.txt", b"\x28\xb5\x2f\xfd\0").error(&ReadOptions::default());
    assert!(message.contains("Zstandard data"), "{message}");
}

#[test]
fn columns_and_labels_are_refused_for_plain_lines() {
    let file = Fixture::new("a.txt", "one\n");
    let options = ReadOptions { text_column: Some("text".into()), ..ReadOptions::default() };
    assert!(file.error(&options).contains("plain lines have no columns"));
    assert!(file.error(&ReadOptions::labelled()).contains("plain lines have no labels"));
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let file = Fixture::new("a.txt", "one\n");
    let missing = faculty_text::read_corpus(&file.dir().join("b.txt"), &ReadOptions::default()).unwrap_err();
    assert!(missing.to_string().contains("b.txt: cannot open"), "{missing}");
    std::fs::create_dir(file.dir().join("c.txt")).unwrap();
    let directory = faculty_text::read_corpus(&file.dir().join("c.txt"), &ReadOptions::default()).unwrap_err();
    assert!(directory.to_string().contains("is a directory"), "{directory}");
    // Whatever their names say of a format.
    let read = |name: &str| faculty_text::read_corpus(&file.dir().join(name), &ReadOptions::default()).unwrap_err();
    assert!(read("d").to_string().contains("d: cannot open"));
    std::fs::create_dir(file.dir().join("e")).unwrap();
    assert!(read("e").to_string().contains("is a directory"));
}
