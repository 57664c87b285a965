//! GGUF files: what ggml's own package wrote, and what strangers may write.

use faculty_core::{NamedTensors, Stream};
use faculty_hub::{GgmlType, GgufFile, GgufValue, WeightFiles};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden").join(name)
}

#[test]
fn every_quantisation_is_what_ggml_makes_of_it() {
    let file = GgufFile::open(golden("quants.gguf")).unwrap();
    let expected = WeightFiles::open_file(golden("quants.safetensors")).unwrap();
    let mut kinds: Vec<GgmlType> = file.tensors().iter().map(|tensor| tensor.kind).collect();
    assert_eq!(kinds.len(), expected.names().len());
    for tensor in file.tensors() {
        assert_eq!(Some(&tensor.shape), expected.shape(&tensor.name).as_ref(), "{}", tensor.name);
        let (found, expected) = (file.read(&tensor.name).unwrap(), expected.read(&tensor.name).unwrap());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // Products of two scales are formed in another order.
            let near = (found - expected).abs() <= 2.0 * f32::EPSILON * expected.abs().max(1e-3);
            assert!(near, "{} at {at}: {found} is not {expected}", tensor.name);
        }
    }
    kinds.sort_by_key(|kind| GgmlType::ALL.iter().position(|(known, ..)| known == kind));
    assert_eq!(kinds, GgmlType::ALL.map(|(kind, ..)| kind), "one tensor of every type");
}

#[test]
fn metadata_is_read_by_type() {
    let file = GgufFile::open(golden("quants.gguf")).unwrap();
    assert_eq!(file.wanted("test.text", GgufValue::text).unwrap(), "a text: żółw");
    assert_eq!(file.wanted("test.count", GgufValue::integer).unwrap(), 7);
    assert_eq!(file.wanted("test.share", GgufValue::number).unwrap(), 0.25);
    assert!(file.wanted("test.yes", GgufValue::boolean).unwrap());
    assert_eq!(file.wanted("test.words", GgufValue::texts).unwrap(), ["one", "two", ""]);
    assert_eq!(file.value("test.negative").unwrap().number(), Some(-3.0));
    assert_eq!(file.value("test.negative").unwrap().integer(), None);
    assert_eq!(file.optional("test.absent", GgufValue::integer).unwrap(), None);
    let error = file.wanted("test.counts", GgufValue::integer).unwrap_err().to_string();
    assert!(error.contains("quants.gguf") && error.contains("`test.count`"), "{error}");
    let error = file.wanted("test.text", GgufValue::integer).unwrap_err().to_string();
    assert!(error.contains("another type") && error.contains("test.text"), "{error}");
}

/// What opening and reading everything says of a file with these bytes.
fn verdict(bytes: &[u8]) -> Result<usize, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stranger.gguf");
    std::fs::write(&path, bytes).unwrap();
    let file = GgufFile::open(&path).map_err(|error| error.to_string())?;
    for name in file.names() {
        file.read(&name).map_err(|error| error.to_string())?;
    }
    Ok(file.tensors().len())
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = std::fs::read(golden("quants.gguf")).unwrap();
    // The last tensor is followed by padding.
    let padding = 32;
    for length in (0..whole.len() - padding).step_by(3) {
        let error = verdict(&whole[..length]).unwrap_err();
        assert!(error.contains("stranger.gguf"), "cut at {length}: {error}");
        assert!(["empty", "truncated", "magic", "begins with"].iter().any(|word| error.contains(word)), "{error}");
    }
    assert_eq!(verdict(&whole).unwrap(), 8);
}

#[test]
fn flipped_bytes_are_an_error_or_other_numbers_and_never_a_panic() {
    let whole = std::fs::read(golden("quants.gguf")).unwrap();
    let draws = Stream::new(3, "flips");
    for round in 0..2000 {
        let (mut bytes, draw) = (whole.clone(), draws.fork(round));
        for flip in 0..3 {
            let at = draw.below_at(2 * flip, whole.len() as u64) as usize;
            bytes[at] ^= 1 << draw.below_at(2 * flip + 1, 8);
        }
        let _ = verdict(&bytes);
    }
}

/// A head of one key and one tensor of 32 values, and what changes it.
fn small(version: u32, counts: [u64; 2], lengths: &[u64], kind: u32, start: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(version.to_le_bytes());
    counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(b"k");
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(5_u32.to_le_bytes());
    bytes.extend(4_u64.to_le_bytes());
    bytes.extend(b"word");
    bytes.extend((lengths.len() as u32).to_le_bytes());
    lengths.iter().for_each(|length| bytes.extend(length.to_le_bytes()));
    bytes.extend(kind.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32) + 128, 0);
    bytes
}

#[test]
fn what_a_stranger_claims_is_checked_before_it_is_believed() {
    assert_eq!(verdict(&small(3, [1, 1], &[32], 0, 0)).unwrap(), 1);
    assert_eq!(verdict(&small(2, [1, 1], &[8, 4], 0, 0)).unwrap(), 1);
    for (bytes, words) in [
        (small(1, [1, 1], &[32], 0, 0), "GGUF version 1"),
        (small(9, [1, 1], &[32], 0, 0), "GGUF version 9"),
        (small(3_u32.swap_bytes(), [1, 1], &[32], 0, 0), "big-endian"),
        (small(3, [u64::MAX, 1], &[32], 0, 0), "claims 18446744073709551615 tensors"),
        (small(3, [1, 1 << 60], &[32], 0, 0), "claims 1152921504606846976 keys"),
        (small(3, [1, 1], &[u64::MAX, u64::MAX], 0, 0), "`word`"),
        (small(3, [1, 1], &[1; 9], 0, 0), "has 9 lengths"),
        (small(3, [1, 1], &[33], 0, 0), "truncated"),
        (small(3, [1, 1], &[32], 0, 32), "truncated"),
        (small(3, [1, 1], &[32], 0, u64::MAX), "truncated"),
        (small(3, [1, 1], &[32], 13, 0), "is stored as Q5_K"),
        (small(3, [1, 1], &[32], 23, 0), "IQ quantisation"),
        (small(3, [1, 1], &[32], 999, 0), "unknown type (type 999)"),
        (small(3, [1, 1], &[16, 2], 2, 0), "whole blocks of 32 values (Q4_0)"),
        (small(3, [1, 1], &[32], 12, 0), "whole blocks of 256 values (Q4_K)"),
        (b"{\"a\": 1}".to_vec(), "begins with"),
        (vec![], "is empty"),
        (b"PK\x03\x04 and so on".to_vec(), "zip archive"),
        (b"\x10\0\0\0\0\0\0\0{\"a\": 1}".to_vec(), "safetensors"),
    ] {
        let error = verdict(&bytes).unwrap_err();
        assert!(error.contains(words) && error.contains("stranger.gguf"), "{words}: {error}");
    }
    let mut infinite = small(3, [1, 1], &[32], 0, 0);
    let at = infinite.len() - 128 + 8;
    infinite[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = verdict(&infinite).unwrap_err();
    assert!(error.contains("holds inf at [2]") && error.contains("word"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    assert!(GgufFile::open(dir.path()).unwrap_err().to_string().contains("is a directory"));
}

#[test]
fn deep_arrays_and_strings_that_are_no_text_are_refused() {
    let head = |value: &[u8]| {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(b"k");
        bytes.extend(value);
        bytes.extend([0; 64]);
        bytes
    };
    let mut deep = 9_u32.to_le_bytes().to_vec();
    for _ in 0..9 {
        deep.extend(9_u32.to_le_bytes());
        deep.extend(1_u64.to_le_bytes());
    }
    let error = verdict(&head(&deep)).unwrap_err();
    assert!(error.contains("nested"), "{error}");
    let mut odd = 8_u32.to_le_bytes().to_vec();
    odd.extend(2_u64.to_le_bytes());
    odd.extend([0xff, 0xfe]);
    assert!(verdict(&head(&odd)).unwrap_err().contains("not UTF-8"));
    let mut truth = 7_u32.to_le_bytes().to_vec();
    truth.push(2);
    assert!(verdict(&head(&truth)).unwrap_err().contains("a truth value is 2"));
    assert!(verdict(&head(&77_u32.to_le_bytes())).unwrap_err().contains("type 77"));
}
