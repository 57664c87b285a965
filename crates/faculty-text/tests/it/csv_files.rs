use crate::fixture::{Fixture, broken};
use faculty_text::{RawLabel, ReadOptions};

#[test]
fn quotes_doubled_quotes_and_line_breaks_in_fields_are_kept() {
    let corpus =
        Fixture::new("a.csv", "text,label\n\"say \"\"hi\"\", now\",a\n\"two\nlines\",b\n5\" pipe,c\n").corpus();
    assert_eq!(corpus.texts, ["say \"hi\", now", "two\nlines", "5\" pipe"]);
    assert_eq!(corpus.lines, [2, 3, 5]);
}

#[test]
fn a_label_of_digits_is_an_integer_and_anything_else_a_name() {
    let corpus =
        Fixture::new("a.tsv", "label\ttext\n7\tt\n0\tu\n007\tv\n-1\tw\n 12 \tx\n99999999999999999999\ty\n").corpus();
    let name = |name: &str| RawLabel::Name(name.into());
    let expected = [RawLabel::Index(7), RawLabel::Index(0), name("007"), name("-1"), RawLabel::Index(12)];
    let labels = corpus.labels.unwrap();
    assert_eq!(labels[..5], expected);
    assert_eq!(labels[5], name("99999999999999999999"));
}

#[test]
fn lines_are_named_rightly_after_crlf_blank_lines_and_line_breaks_in_fields() {
    let content = "text,label\r\n\r\na,1\r\n\"b\r\nb\",2\r\n\r\nc\r\nd,4\r\n";
    let corpus = Fixture::new("a.csv", content).corpus();
    assert_eq!(corpus.texts, ["a", "b\r\nb", "d"]);
    assert_eq!(corpus.lines, [3, 4, 8]);
    assert_eq!(broken(&corpus), [(7, "1 fields, the header has 2")]);
}

#[test]
fn broken_rows_are_reported_and_counted() {
    let mut content = b"text,label\n".to_vec();
    content.extend("good,a\n".repeat(6).bytes());
    content.extend_from_slice(b"too,many,fields\nfew\n,a\ncaf\xe9,a\n\"\",a\nz\0z,a\n");
    let corpus = Fixture::new("a.csv", content).corpus();
    assert_eq!(
        broken(&corpus),
        [
            (8, "3 fields, the header has 2"),
            (9, "1 fields, the header has 2"),
            (10, "empty text"),
            (11, "not UTF-8 (byte 4 of the row)"),
            (12, "empty text"),
            (13, "a NUL byte in the text (binary data?)"),
        ]
    );
    assert_eq!((corpus.len(), corpus.report.rows, corpus.report.empty), (6, 12, 2));
}

#[test]
fn a_quote_that_is_never_closed_is_an_error_and_swallows_no_rows() {
    for end in ["", "\n", "\nmore,b\nrows,c\n"] {
        let message =
            Fixture::new("a.csv", format!("text,label\nfine,a\n\"open,b{end}")).error(&ReadOptions::default());
        assert!(message.contains(":3: a quote opened here is never closed"), "{message}");
    }
    let closed = Fixture::new("a.csv", "text,label\nfine,a\n\"shut\",b");
    assert_eq!(closed.corpus().texts, ["fine", "shut"]);
}

#[test]
fn a_limit_before_an_open_quote_never_reaches_it() {
    let rows = "fine,a\n".repeat(20_000);
    let file = Fixture::new("a.csv", format!("text,label\n{rows}\"open,b\n"));
    let corpus = file.read(&ReadOptions { limit: Some(3), ..ReadOptions::default() }).unwrap();
    assert_eq!(corpus.len(), 3);
    assert!(file.read(&ReadOptions::default()).is_err());
}

#[test]
fn the_limit_takes_exactly_so_many_rows() {
    let file = Fixture::new("a.csv", "text\na\nb\nc\n");
    for limit in 1..=5 {
        let corpus = file.read(&ReadOptions { limit: Some(limit), ..ReadOptions::default() }).unwrap();
        assert_eq!(corpus.len(), limit.min(3));
    }
}

#[test]
fn byte_order_mark_and_spaces_in_the_header_do_not_hide_a_column() {
    let corpus = Fixture::new("a.csv", "\u{feff}text , label\na, x\n").corpus();
    assert_eq!(corpus.texts, ["a"]);
    assert_eq!(corpus.labels, Some(vec![RawLabel::Name("x".into())]));
}

#[test]
fn a_file_with_a_header_alone_is_an_empty_text_file() {
    for content in ["text,label\n", "\n\n", "\u{feff}"] {
        let message = Fixture::new("a.csv", content).error(&ReadOptions::default());
        assert!(message.contains("empty text file"), "{message}");
    }
}

#[test]
fn missing_and_repeated_columns_are_refused() {
    let message = Fixture::new("a.csv", "txt,lbl\na,b\n").error(&ReadOptions::default());
    assert!(message.contains("the file has `txt`, `lbl`"), "{message}");
    let named = ReadOptions { label_column: Some("labl".into()), ..ReadOptions::default() };
    let message = Fixture::new("a.csv", "text,label\na,b\n").error(&named);
    assert!(message.contains("did you mean `label`?"), "{message}");
    let message = Fixture::new("a.csv", "text,text\na,b\n").error(&ReadOptions::default());
    assert!(message.contains("two columns are called `text`"), "{message}");
}

#[test]
fn what_is_written_by_the_rules_is_read_back_whatever_it_holds() {
    let stream = faculty_core::Stream::new(5, "csv round trip");
    let pieces = ["\"", ",", "\n", "\r\n", "a", "é", " ", "\t", "\"\"", "x y", "🙂", ";"];
    for (trial, delimiter, name) in (0..300).map(|t| if t % 2 == 0 { (t, ',', "a.csv") } else { (t, '\t', "a.tsv") }) {
        let draw = stream.fork(trial);
        let texts: Vec<String> = (0..1 + draw.below_at(0, 12))
            .map(|row| {
                let row = draw.fork(row + 1);
                let body: String = (0..row.below_at(0, 8))
                    .map(|i| pieces[row.below_at(i + 1, pieces.len() as u64) as usize])
                    .collect();
                format!("t{body}")
            })
            .collect();
        let mut content = format!("label{delimiter}text\n");
        for (row, text) in texts.iter().enumerate() {
            content.push_str(&format!("{row}{delimiter}\"{}\"\n", text.replace('"', "\"\"")));
        }
        let corpus = Fixture::new(name, &content).corpus();
        assert_eq!(corpus.texts, texts, "{content:?}");
        let lines = content.split('\n').count();
        assert!(corpus.lines.iter().all(|&line| (line as usize) < lines));
        for (row, &line) in corpus.lines.iter().enumerate() {
            let start = content.split('\n').nth(line as usize - 1).unwrap();
            assert!(start.starts_with(&format!("{row}{delimiter}\"t")), "row {row} is not on line {line}: {start:?}");
        }
    }
}
