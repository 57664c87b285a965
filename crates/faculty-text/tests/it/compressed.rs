use crate::fixture::Fixture;
use faculty_text::{Compression, Format, ReadOptions};
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Write;
use std::path::Path;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn jsonl(rows: usize) -> String {
    (0..rows).map(|row| format!("{{\"text\":\"query number {row}\",\"label\":{}}}\n", row % 7)).collect()
}

#[test]
fn every_format_reads_the_same_plain_and_compressed() {
    for (name, content) in [
        ("a.jsonl", jsonl(5000)),
        ("a.csv", "text,label\n\"a,b\",x\nc,y\n".to_owned()),
        ("a.tsv", "text\tlabel\na\tx\n".to_owned()),
        ("a.txt", "\u{feff}one\r\ntwo\n".to_owned()),
    ] {
        let plain = Fixture::new(name, &content).corpus();
        for (extension, bytes) in [("gz", gzip(content.as_bytes())), ("zst", zstd(content.as_bytes()))] {
            let packed = Fixture::new(&format!("{name}.{extension}"), bytes).corpus();
            assert_eq!(packed.texts, plain.texts, "{name}.{extension}");
            assert_eq!(
                (packed.labels, packed.lines),
                (plain.labels.clone(), plain.lines.clone()),
                "{name}.{extension}"
            );
        }
    }
}

#[test]
fn several_members_or_frames_are_one_text() {
    let (first, second) = (jsonl(3), jsonl(2));
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let zst = [zstd(first.as_bytes()), skippable.to_vec(), zstd(second.as_bytes())].concat();
    assert_eq!(Fixture::new("a.jsonl.zst", zst).corpus().len(), 5);
    let gz = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(Fixture::new("a.jsonl.gz", gz).corpus().len(), 5);
}

#[test]
fn a_stream_cut_anywhere_is_an_error_and_never_a_shorter_corpus() {
    let content = jsonl(60);
    for (name, bytes) in [("a.jsonl.gz", gzip(content.as_bytes())), ("a.jsonl.zst", zstd(content.as_bytes()))] {
        for length in 0..bytes.len() {
            let message = Fixture::new(name, &bytes[..length]).error(&ReadOptions::default());
            let expected = if length == 0 { "empty text file" } else { "stream is broken" };
            assert!(message.contains(expected), "{name} cut to {length} bytes: {message}");
        }
    }
}

#[test]
fn a_changed_byte_in_the_data_is_found_by_the_checksum() {
    // A raw block, so that the change is no fault of the coding itself.
    let mut zst = compress_to_vec("one\ntwo\n".as_bytes(), CompressionLevel::Uncompressed);
    let at = zst.windows(3).position(|window| window == b"two").unwrap();
    assert_eq!(Fixture::new("a.txt.zst", &zst).corpus().texts, ["one", "two"]);
    zst[at] = b'T';
    let message = Fixture::new("a.txt.zst", &zst).error(&ReadOptions::default());
    assert!(message.contains("the Zstandard stream is broken: checksum mismatch"), "{message}");
    let mut gz = gzip(b"one\ntwo\n");
    let end = gz.len() - 8;
    gz[end] ^= 1;
    assert!(Fixture::new("a.txt.gz", gz).error(&ReadOptions::default()).contains("the gzip stream is broken"));
}

#[test]
fn rubbish_behind_or_in_place_of_a_stream_is_an_error() {
    let text = b"one\ntwo\n";
    for (name, bytes) in [
        ("a.txt.zst", [zstd(text), b"rubbish".to_vec()].concat()),
        ("a.txt.gz", [gzip(text), b"rubbish".to_vec()].concat()),
        ("a.txt.zst", text.to_vec()),
        ("a.txt.gz", text.to_vec()),
    ] {
        let message = Fixture::new(name, bytes).error(&ReadOptions::default());
        assert!(message.contains("stream is broken"), "{name}: {message}");
    }
}

#[test]
fn nothing_in_a_compressed_file_is_an_empty_text_file() {
    for (name, bytes) in [("a.txt.gz", gzip(b"")), ("a.jsonl.zst", zstd(b"")), ("a.csv.zst", zstd(b"\n"))] {
        let message = Fixture::new(name, bytes).error(&ReadOptions::default());
        assert!(message.contains("empty text file"), "{name}: {message}");
    }
}

#[test]
fn format_and_compression_come_from_the_name() {
    for (name, expected) in [
        ("a.jsonl", (Format::Jsonl, Compression::None)),
        ("dir.v1/A.NDJSON.GZ", (Format::Jsonl, Compression::Gzip)),
        ("a.b.csv.zst", (Format::Csv, Compression::Zstd)),
        ("a.tsv", (Format::Tsv, Compression::None)),
        ("a.TXT.zst", (Format::Lines, Compression::Zstd)),
    ] {
        assert_eq!(Format::of_path(Path::new(name)).unwrap(), expected, "{name}");
    }
    for name in ["a", "a.gz", "a.arrow", "csv", ".zst"] {
        assert!(Format::of_path(Path::new(name)).is_err(), "{name}");
    }
}
