//! Parquet files: read with the feature `parquet`, named as unreadable without.

use faculty_text::{Compression, Format, ReadOptions, read_corpus};
use std::path::Path;

#[test]
fn the_name_tells_the_format_and_an_outer_compression_is_refused() {
    let format = Format::of_path(Path::new("data/train-00000-of-00001.parquet")).unwrap();
    assert_eq!(format, (Format::Parquet, Compression::None));
    assert!(Format::of_path(Path::new("train.parquet.zst")).is_err());
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_the_feature_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.parquet");
    std::fs::write(&path, "PAR1").unwrap();
    let error = read_corpus(&path, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("train.parquet") && error.contains("--features parquet"), "{error}");
}

#[cfg(feature = "parquet")]
mod with_the_feature {
    use super::*;
    use faculty_text::{OnBroken, RawLabel};
    use parquet::basic::Compression as Codec;
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::path::PathBuf;
    use std::sync::Arc;

    /// Written by pyarrow (scripts/python/make_parquet_fixture.py): another writer than the crate that reads.
    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pyarrow.parquet")
    }

    /// Rows of (text, label), null where there is none, in groups of two rows.
    fn write(path: &Path, rows: &[(Option<&str>, Option<i64>)], codec: Codec) {
        let message = "message schema { OPTIONAL BYTE_ARRAY idle (UTF8); OPTIONAL BYTE_ARRAY text (UTF8); OPTIONAL INT64 label; }";
        let schema = Arc::new(parse_message_type(message).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(codec).build());
        let mut writer = SerializedFileWriter::new(std::fs::File::create(path).unwrap(), schema, properties).unwrap();
        for rows in rows.chunks(2) {
            let mut group = writer.next_row_group().unwrap();
            let texts: Vec<ByteArray> = rows.iter().filter_map(|row| row.0).map(ByteArray::from).collect();
            let texts_there: Vec<i16> = rows.iter().map(|row| i16::from(row.0.is_some())).collect();
            for _ in 0..2 {
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<ByteArrayType>().write_batch(&texts, Some(&texts_there), None).unwrap();
                column.close().unwrap();
            }
            let labels: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
            let labels_there: Vec<i16> = rows.iter().map(|row| i16::from(row.1.is_some())).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&labels, Some(&labels_there), None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
    }

    #[test]
    fn texts_and_class_indices_are_read_over_row_groups() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.parquet");
        let rows = [(Some("one"), Some(3)), (Some("zwei, ü"), Some(0)), (Some("three\nlines"), Some(10))];
        for codec in [Codec::UNCOMPRESSED, Codec::SNAPPY] {
            write(&path, &rows, codec);
            let corpus = read_corpus(&path, &ReadOptions::labelled()).unwrap();
            assert_eq!(corpus.texts, ["one", "zwei, ü", "three\nlines"]);
            assert_eq!(corpus.labels.unwrap(), [RawLabel::Index(3), RawLabel::Index(0), RawLabel::Index(10)]);
            assert_eq!(corpus.lines, [1, 2, 3]);
        }
        let first = read_corpus(&path, &ReadOptions { limit: Some(1), ..ReadOptions::unlabelled() }).unwrap();
        assert_eq!((first.texts, first.labels), (vec!["one".to_owned()], None));
        let idle = ReadOptions { text_column: Some("idle".to_owned()), ..ReadOptions::labelled() };
        assert_eq!(read_corpus(&path, &idle).unwrap().texts.len(), 3);
        let pair = ReadOptions { pair_column: Some("idle".to_owned()), ..ReadOptions::labelled() };
        let texts = read_corpus(&path, &pair).unwrap().texts;
        assert_eq!(texts, ["one", "zwei, ü", "three\nlines"].map(|text| faculty_core::join_pair(text, text)));
        let wrong = ReadOptions { text_column: Some("txt".to_owned()), ..ReadOptions::labelled() };
        let error = read_corpus(&path, &wrong).unwrap_err().to_string();
        assert!(error.contains("did you mean `text`?"), "{error}");
    }

    #[test]
    fn a_null_is_a_broken_row_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.parquet");
        write(&path, &[(Some("one"), Some(1)), (None, Some(0)), (Some("three"), None)], Codec::SNAPPY);
        let corpus = read_corpus(&path, &ReadOptions::unlabelled()).unwrap();
        assert_eq!((corpus.texts.len(), corpus.report.broken[0].line), (2, 2));
        let stop = ReadOptions { on_broken: OnBroken::Stop, ..ReadOptions::labelled() };
        let error = read_corpus(&path, &stop).unwrap_err().to_string();
        assert!(error.contains("train.parquet:2") && error.contains("`text` is null"), "{error}");
    }

    #[test]
    fn a_file_of_another_writer_is_read() {
        let corpus = read_corpus(&fixture(), &ReadOptions::labelled()).unwrap();
        assert_eq!(corpus.texts, ["plain", "Grüße, 世界", "a \"quoted\"\nline"]);
        let names = ["sports", "world", "sports"].map(|name| RawLabel::Name(name.to_owned()));
        assert_eq!(corpus.labels.unwrap(), names);
        let numbered = ReadOptions { label_column: Some("id".to_owned()), ..ReadOptions::labelled() };
        let labels = read_corpus(&fixture(), &numbered).unwrap().labels.unwrap();
        assert_eq!(labels, [RawLabel::Index(1), RawLabel::Index(0), RawLabel::Index(1)]);
    }

    #[test]
    fn a_damaged_file_is_an_error_wherever_the_damage_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.parquet");
        let whole = std::fs::read(fixture()).unwrap();
        for length in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read_corpus(&path, &ReadOptions::labelled()).unwrap_err().to_string();
            assert!(error.contains("train.parquet"), "{error}");
        }
        for position in 0..whole.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[position] ^= bits;
                std::fs::write(&path, &damaged).unwrap();
                // Some bytes are not looked at; what matters is that no panic gets out and no row is added.
                if let Ok(corpus) = read_corpus(&path, &ReadOptions::unlabelled()) {
                    assert!(corpus.len() <= 3);
                }
            }
        }
    }
}
