//! `metrics.jsonl` and TensorBoard event files.

use faculty_experiment::logs::{EventFile, MetricLine, crc32c, framed, masked_crc32c, read_metrics};

#[test]
fn checksums_are_those_of_the_standard() {
    // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    let (up, down): (Vec<u8>, Vec<u8>) = ((0..32).collect(), (0..32).rev().collect());
    assert_eq!((crc32c(&up), crc32c(&down)), (0x46dd_794e, 0x113f_db5c));
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(b""), 0);
    // TensorFlow's own test of the mask: masking is undone by its inverse, and changes the value.
    let masked = masked_crc32c(b"foo");
    assert_eq!(masked.wrapping_sub(0xa282_ead8).rotate_left(15), crc32c(b"foo"));
    assert_ne!(masked, crc32c(b"foo"));
}

/// Reads the frames of a TFRecord file, checking every checksum.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(bytes[8..12], masked_crc32c(&bytes[..8]).to_le_bytes());
        let content = &bytes[12..12 + length];
        assert_eq!(bytes[12 + length..16 + length], masked_crc32c(content).to_le_bytes());
        records.push(content.to_vec());
        bytes = &bytes[16 + length..];
    }
    records
}

/// A field of a protobuf message.
#[derive(Debug, PartialEq)]
enum Field<'a> {
    Integer(u64),
    Double(f64),
    Bytes(&'a [u8]),
    Float(f32),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken
        };
        let field = match key & 7 {
            1 => Field::Double(f64::from_le_bytes(take(8).try_into().unwrap())),
            5 => Field::Float(f32::from_le_bytes(take(4).try_into().unwrap())),
            0 => Field::Integer(varint(&mut bytes)),
            2 => {
                let count = varint(&mut bytes) as usize;
                let (taken, rest) = bytes.split_at(count);
                bytes = rest;
                Field::Bytes(taken)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

#[test]
fn an_event_file_is_what_its_messages_say() {
    let mut file = EventFile::new(1_700_000_000.5);
    file.scalars(300, 1_700_000_001.0, &[("train/loss".to_owned(), 0.5), ("train/lr".to_owned(), 2e-5)]);
    let records = records(file.as_bytes());
    assert_eq!(
        fields(&records[0]),
        [(1, Field::Double(1_700_000_000.5)), (3, Field::Bytes(b"brain.Event:2"))],
        "the first event names the version"
    );
    let event = fields(&records[1]);
    assert_eq!(event[..2], [(1, Field::Double(1_700_000_001.0)), (2, Field::Integer(300))]);
    let (5, Field::Bytes(summary)) = event[2] else { panic!("{event:?}") };
    let values: Vec<_> = fields(summary)
        .into_iter()
        .map(|(number, value)| {
            let Field::Bytes(value) = value else { panic!("a value is a message") };
            assert_eq!(number, 1);
            fields(value)
        })
        .collect();
    assert_eq!(values[0], [(1, Field::Bytes(b"train/loss")), (2, Field::Float(0.5))]);
    assert_eq!(values[1], [(1, Field::Bytes(b"train/lr")), (2, Field::Float(2e-5))]);
}

/// The bytes that TensorBoard's own writer makes of the same events (`scripts/python/make_events_golden.py`).
#[test]
fn an_event_file_is_byte_for_byte_that_of_tensorboard() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("snapshots/events.json")).unwrap();
    let mut file = EventFile::new(golden["begun"].as_f64().unwrap());
    for event in golden["events"].as_array().unwrap() {
        let values: Vec<(String, f64)> = event["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| (value[0].as_str().unwrap().to_owned(), value[1].as_f64().unwrap()))
            .collect();
        file.scalars(event["step"].as_u64().unwrap(), event["wall_time"].as_f64().unwrap(), &values);
    }
    let hex: String = file.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden["file"].as_str().unwrap());
}

#[test]
fn frames_hold_any_length() {
    for length in [0, 1, 127, 128, 300, 70_000] {
        let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
        assert_eq!(records(&framed(&content)), [content]);
    }
}

#[test]
fn metric_lines_come_back_and_name_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let line = MetricLine {
        step: 10,
        values: vec![("train/loss".to_owned(), 0.25), ("train/lr".to_owned(), 2e-5), ("bad".to_owned(), f64::NAN)],
    };
    assert_eq!(line.to_json(), r#"{"step":10,"train/loss":0.25,"train/lr":0.00002}"#);
    std::fs::write(&path, format!("{}\n\n", line.to_json())).unwrap();
    let read = read_metrics(&path).unwrap();
    assert_eq!((read.len(), read[0].step, &read[0].values[..]), (1, 10, &line.values[..2]));
    // Lines of earlier versions have other names and lists beside them.
    std::fs::write(&path, "{\"step\":3,\"loss\":1.5,\"parts\":[[\"kl\",1.5]]}\n").unwrap();
    assert_eq!(read_metrics(&path).unwrap(), [MetricLine { step: 3, values: vec![("loss".to_owned(), 1.5)] }]);
    std::fs::write(&path, "{\"step\":3}\n{\"loss\":1}\n").unwrap();
    assert!(read_metrics(&path).unwrap_err().to_string().contains("metrics.jsonl:2"));
}
