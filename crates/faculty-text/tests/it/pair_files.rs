//! Files whose rows are pairs of texts.

use crate::fixture::{Fixture, broken};
use faculty_core::{join_pair, split_pair};
use faculty_text::{LabelPolicy, RawLabel, ReadOptions};

fn named(text: Option<&str>, pair: Option<&str>) -> ReadOptions {
    let owned = |name: Option<&str>| name.map(str::to_owned);
    ReadOptions { text_column: owned(text), pair_column: owned(pair), ..ReadOptions::default() }
}

#[test]
fn two_usual_columns_are_a_pair_in_every_format() {
    for (first, second) in [
        ("text", "text_pair"),
        ("t", "t2"),
        ("sentence1", "sentence2"),
        ("premise", "hypothesis"),
        ("question1", "question2"),
    ] {
        let json = format!(r#"{{"label":"same","{second}":"It is wet.","{first}":"It rains."}}"#);
        let csv = format!("label,{second},{first}\nsame,It is wet.,It rains.\n");
        let tsv = csv.replace(',', "\t");
        for (name, content) in [("a.jsonl", json), ("a.csv", csv), ("a.tsv", tsv)] {
            let corpus = Fixture::new(name, content).corpus();
            assert_eq!(corpus.texts, [join_pair("It rains.", "It is wet.")], "{name} {first}");
            assert_eq!(corpus.labels, Some(vec![RawLabel::Name("same".into())]));
        }
    }
    for alone in ["sentence", "text", "t"] {
        let row = format!(r#"{{"{alone}":"It rains.","sentence2":"no partner"}}"#);
        assert_eq!(Fixture::new("a.jsonl", row).corpus().texts, ["It rains."]);
    }
}

#[test]
fn columns_may_be_named_and_the_text_column_alone_means_itself() {
    let row = r#"{"premise":"P","hypothesis":"H","note":"N","label":"a"}"#;
    let file = Fixture::new("a.jsonl", row);
    let texts = |text, pair| file.read(&named(text, pair)).unwrap().texts;
    assert_eq!(texts(None, None), [join_pair("P", "H")]);
    assert_eq!(texts(Some("premise"), None), ["P"]);
    assert_eq!(texts(Some("hypothesis"), Some("premise")), [join_pair("H", "P")]);
    assert_eq!(texts(None, Some("note")), [join_pair("P", "N")]);
    assert_eq!(texts(None, Some("hypothesis")), [join_pair("P", "H")]);
    let message = file.error(&named(None, Some("hypotesis")));
    assert!(message.contains("pair_column") && message.contains("did you mean `hypothesis`?"), "{message}");
    let message = file.error(&named(Some("premise"), Some("premise")));
    assert!(message.contains("the two texts of a pair are both column `premise`"), "{message}");
    let message = file.error(&named(Some("premise"), Some("label")));
    assert!(message.contains("second text and label are both column `label`"), "{message}");
    let unlabelled = ReadOptions { labels: LabelPolicy::Ignore, ..named(Some("premise"), Some("label")) };
    assert_eq!(file.read(&unlabelled).unwrap().texts, [join_pair("P", "a")]);
    let message = Fixture::new("a.txt", "one\n").error(&named(None, Some("text_pair")));
    assert!(message.contains("plain lines have no columns") && message.contains("pair_column"), "{message}");
}

#[test]
fn a_row_without_its_second_text_is_broken_and_nothing_looks_like_a_pair() {
    let rows = [
        r#"{"text":"a","text_pair":"b"}"#,
        r#"{"text":"a"}"#,
        r#"{"text":"a","text_pair":null}"#,
        r#"{"text":"a","text_pair":" "}"#,
        r#"{"text":" ","text_pair":"b"}"#,
        r#"{"text":"a\u001fb","text_pair":"c"}"#,
        r#"{"text":"a","text_pair":"b\u001fc"}"#,
    ];
    let good = format!("{}\n", rows[0]).repeat(8);
    let corpus = Fixture::new("a.jsonl", good + &rows[1..].join("\n")).corpus();
    assert_eq!(corpus.len(), 8);
    let separator = "a unit separator (U+001F) in the text, which stands between the two texts of a pair; a pair has two \
                     columns";
    let expected = [
        (9, "no `text_pair`"),
        (10, "`text_pair` is null, not a text"),
        (11, "empty second text"),
        (12, "empty text"),
        (13, separator),
        (14, separator),
    ];
    assert_eq!(broken(&corpus), expected);
    // A row of text with the separator is no pair, whatever the format.
    for (name, content) in [("a.txt", "one\ntwo\nthree\u{1f}four\n"), ("a.csv", "text\none\ntwo\nthree\u{1f}four\n")] {
        let corpus = Fixture::new(name, content).corpus();
        assert_eq!((corpus.texts.len(), broken(&corpus)[0].1), (2, separator), "{name}");
        assert!(corpus.texts.iter().all(|text| split_pair(text).is_none()));
    }
}
