use crate::fixture::{Fixture, broken};
use faculty_text::{Format, LabelPolicy, OnBroken, RawLabel, ReadOptions};

#[test]
fn names_and_integers_are_read_in_the_order_of_the_file() {
    let corpus =
        Fixture::new("a.jsonl", "{\"text\":\"one\",\"label\":\"a\"}\n{\"label\":3,\"text\":\" two\\n\"}\n").corpus();
    assert_eq!(corpus.texts, ["one", " two\n"]);
    assert_eq!(corpus.labels, Some(vec![RawLabel::Name("a".into()), RawLabel::Index(3)]));
    assert_eq!(corpus.lines, [1, 2]);
    assert_eq!((corpus.report.rows, corpus.report.broken_total), (2, 0));
}

#[test]
fn every_kind_of_broken_row_is_reported_with_its_line_and_reason() {
    let good = "{\"text\":\"good\",\"label\":\"a\"}\n";
    let mut content = good.repeat(10).into_bytes();
    for bad in [
        "{\"text\": \"cut",
        "[1,2]",
        "{\"label\":\"a\"}",
        "{\"text\":7,\"label\":\"a\"}",
        "{\"text\":null,\"label\":\"a\"}",
        "{\"text\":\" \\t\",\"label\":\"a\"}",
        "{\"text\":\"t\",\"label\":1.5}",
        "{\"text\":\"t\",\"label\":[1]}",
        "",
    ] {
        content.extend_from_slice(bad.as_bytes());
        content.push(b'\n');
    }
    content.extend_from_slice(b"{\"text\":\"caf\xe9\",\"label\":\"a\"}\n");
    let corpus = Fixture::new("a.jsonl", content).corpus();
    assert_eq!(corpus.len(), 10);
    assert_eq!(
        broken(&corpus),
        [
            (11, "invalid JSON at column 13"),
            (12, "a list instead of a JSON object"),
            (13, "no `text`"),
            (14, "`text` is the number 7, not a text"),
            (15, "`text` is null, not a text"),
            (16, "empty text"),
            (17, "the label is the number 1.5, not a name or an integer"),
            (18, "the label is a list, not a name or an integer"),
            (19, "empty text"),
            (20, "not UTF-8 (byte 13 of the row)"),
        ]
    );
    assert_eq!((corpus.report.rows, corpus.report.broken_total, corpus.report.empty), (20, 10, 2));
    let described = corpus.report.describe(&corpus.source);
    assert_eq!(described.len(), 11);
    assert!(described[0].ends_with("a.jsonl:11: invalid JSON at column 13"), "{}", described[0]);
    assert!(described[10].ends_with("10 of 20 rows are broken and left out (2 of them empty)"), "{}", described[10]);
}

#[test]
fn only_the_first_twenty_broken_rows_are_kept_but_all_are_counted() {
    let content = "{\"text\":\"good\"}\n".repeat(40) + &"nonsense\n".repeat(35);
    let corpus = Fixture::new("a.jsonl", content).corpus();
    assert_eq!((corpus.report.broken.len(), corpus.report.broken_total, corpus.report.rows), (20, 35, 75));
    assert!(corpus.report.describe(&corpus.source)[20].contains("and 15 more broken rows"));
}

#[test]
fn the_report_keeps_the_order_of_the_file_across_the_choice_of_columns() {
    // 64 objects settle the columns; broken rows stand before, within and after.
    let content = format!("x\n{}y\n{}z\n", "{\"text\":\"t\"}\n".repeat(63), "{\"text\":\"t\"}\n".repeat(63));
    let corpus = Fixture::new("a.jsonl", content).corpus();
    assert_eq!(broken(&corpus).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 65, 129]);
    assert_eq!(corpus.lines, (1..=129).filter(|line| ![1, 65, 129].contains(line)).collect::<Vec<u64>>());
}

#[test]
fn a_file_with_more_than_half_of_its_rows_broken_is_refused() {
    let half = Fixture::new("a.jsonl", "{\"text\":\"t\"}\nx\n");
    assert_eq!(half.corpus().len(), 1);
    let message = Fixture::new("a.jsonl", "{\"text\":\"t\"}\nx\ny\n").error(&ReadOptions::default());
    assert!(message.contains(":2: 2 of 3 rows are broken, the first: invalid JSON"), "{message}");
}

#[test]
fn stop_fails_at_the_first_broken_row() {
    let options = ReadOptions { on_broken: OnBroken::Stop, ..ReadOptions::default() };
    let message = Fixture::new("a.jsonl", "{\"text\":\"t\"}\n{\"text\":\"t\"}\n{\"text\":3}\n").error(&options);
    assert!(message.contains(":3: broken row: `text` is the number 3"), "{message}");
}

#[test]
fn the_usual_column_names_are_found_in_order_of_preference() {
    for (row, text, label) in [
        ("{\"sentence\":\"A\",\"y\":1}", "A", Some(1)),
        ("{\"t\":\"B\",\"intent\":2,\"class\":3}", "B", Some(2)),
        ("{\"query\":\"C\",\"content\":\"D\",\"text\":\"E\"}", "E", None),
        ("{\"query\":\"F\",\"category\":4}", "F", Some(4)),
    ] {
        let corpus = Fixture::new("a.jsonl", row).corpus();
        assert_eq!(corpus.texts, [text]);
        assert_eq!(corpus.labels, label.map(|index| vec![RawLabel::Index(index)]));
    }
}

#[test]
fn a_first_row_without_the_text_column_does_not_hide_it() {
    let corpus = Fixture::new("a.jsonl", "{\"label\":\"a\"}\n{\"text\":\"t\",\"label\":\"b\"}\n").corpus();
    assert_eq!(corpus.texts, ["t"]);
    assert_eq!(broken(&corpus), [(1, "no `text`")]);
}

#[test]
fn an_unknown_column_is_refused_with_the_columns_and_the_nearest_name() {
    let file = Fixture::new("a.jsonl", "{\"utterance\":\"t\",\"intent\":\"a\"}\n");
    let message = file.error(&ReadOptions { text_column: Some("uterance".into()), ..ReadOptions::default() });
    assert!(message.contains("no column `uterance`; expected one of `utterance`, `intent`"), "{message}");
    assert!(message.contains("did you mean `utterance`?"), "{message}");
    let message = file.error(&ReadOptions::default());
    assert!(message.contains("name the text column; the file has `utterance`, `intent`"), "{message}");
    let named = ReadOptions { text_column: Some("utterance".into()), ..ReadOptions::default() };
    let corpus = file.read(&named).unwrap();
    assert_eq!(corpus.labels, Some(vec![RawLabel::Name("a".into())]));
    let same = ReadOptions { label_column: Some("utterance".into()), ..named };
    assert!(file.error(&same).contains("text and label are both column `utterance`"));
}

#[test]
fn the_text_column_is_never_taken_for_the_label_column() {
    let options = ReadOptions { text_column: Some("label".into()), ..ReadOptions::default() };
    let corpus = Fixture::new("a.jsonl", "{\"label\":\"one\"}\n").read(&options).unwrap();
    assert_eq!((corpus.texts.as_slice(), corpus.labels), (["one".to_owned()].as_slice(), None));
}

#[test]
fn labels_in_some_rows_only_follow_the_policy() {
    let file = Fixture::new(
        "a.jsonl",
        "{\"text\":\"t\",\"label\":\"a\"}\n{\"text\":\"u\"}\n{\"text\":\"v\",\"label\":\"b\"}\n",
    );
    let corpus = file.corpus();
    assert_eq!((corpus.len(), corpus.labels.as_ref(), corpus.report.unlabelled), (3, None, 1));
    let corpus = file.read(&ReadOptions::labelled()).unwrap();
    assert_eq!(
        (corpus.texts.as_slice(), broken(&corpus)),
        (["t".into(), "v".into()].as_slice(), vec![(2, "no label")])
    );
    assert_eq!(corpus.labels.unwrap().len(), 2);
    let named = ReadOptions { label_column: Some("label".into()), ..ReadOptions::default() };
    assert_eq!(file.read(&named).unwrap().report.broken_total, 1, "a named column is asked for");
    let corpus = file.read(&ReadOptions::unlabelled()).unwrap();
    assert_eq!((corpus.len(), corpus.labels, corpus.report.unlabelled), (3, None, 0));
}

#[test]
fn labels_that_are_ignored_cannot_break_a_row() {
    let file = Fixture::new("a.jsonl", "{\"text\":\"t\",\"label\":{\"x\":1}}\n");
    assert_eq!(file.read(&ReadOptions::unlabelled()).unwrap().len(), 1);
    assert!(file.error(&ReadOptions::default()).contains("the label is an object"));
}

#[test]
fn required_labels_without_a_label_column_are_an_error() {
    let message = Fixture::new("a.jsonl", "{\"text\":\"t\"}\n").error(&ReadOptions::labelled());
    assert!(message.contains("name the label column; the file has `text`"), "{message}");
}

#[test]
fn the_limit_counts_usable_rows() {
    let content = "x\n{\"text\":\"0\"}\n{\"text\":\"1\"}\n{\"text\":\"2\"}\n";
    for limit in 1..=3 {
        let options = ReadOptions { limit: Some(limit), ..ReadOptions::default() };
        assert_eq!(Fixture::new("a.jsonl", content).read(&options).unwrap().len(), limit);
    }
    let zero = ReadOptions { limit: Some(0), ..ReadOptions::default() };
    assert!(Fixture::new("a.jsonl", content).read(&zero).is_err());
    let long = "{\"text\":\"t\"}\n".repeat(300);
    let options = ReadOptions { limit: Some(200), labels: LabelPolicy::Ignore, ..ReadOptions::default() };
    assert_eq!(Fixture::new("a.jsonl", long).read(&options).unwrap().report.rows, 200);
}

#[test]
fn byte_order_mark_and_crlf_leave_no_trace() {
    let corpus = Fixture::new("a.jsonl", "\u{feff}{\"text\":\"a\"}\r\n{\"text\":\"b\"}\r\n").corpus();
    assert_eq!(corpus.texts, ["a", "b"]);
    assert_eq!(corpus.report.broken_total, 0);
}

#[test]
fn the_format_can_be_named_where_the_file_name_does_not_tell_it() {
    let file = Fixture::new("queries.data", "{\"text\":\"a\"}\n");
    let message = file.error(&ReadOptions::default());
    assert!(message.contains("does not tell the format; expected .jsonl"), "{message}");
    let options = ReadOptions { format: Some(Format::Jsonl), ..ReadOptions::default() };
    assert_eq!(file.read(&options).unwrap().texts, ["a"]);
    assert!(Fixture::new("a.json", "[]").error(&ReadOptions::default()).contains("one JSON object a line"));
}

#[test]
fn every_row_of_a_random_file_is_either_a_text_or_counted() {
    let stream = faculty_core::Stream::new(3, "jsonl rows");
    let rows = ["{\"text\":\"t\"}", "{\"text\":\"u\",\"label\":1}", "{\"text\":3}", "", "{", "{\"label\":1}", "null"];
    for trial in 0..200 {
        let draw = stream.fork(trial);
        let count = 1 + draw.below_at(0, 200) as usize;
        // Good rows are drawn often enough to stay the majority.
        let lines: Vec<&str> = (1..=count)
            .map(|i| {
                if draw.uniform_at(i as u64) < 0.75 {
                    rows[i % 2]
                } else {
                    rows[draw.fork(1).below_at(i as u64, 7) as usize]
                }
            })
            .collect();
        let file = Fixture::new("a.jsonl", lines.join("\n") + "\n");
        let good = lines.iter().filter(|line| rows[..2].contains(line)).count();
        match file.read(&ReadOptions::default()) {
            Ok(corpus) => {
                assert_eq!((corpus.len(), corpus.report.rows), (good, count));
                assert_eq!(corpus.report.broken_total, count - good);
            }
            Err(_) => assert!((count - good) * 2 > count),
        }
    }
}
