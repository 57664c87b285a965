//! Files by strangers: every one is an error that says what is wrong, none is a panic or a large allocation.

use crate::build::{Raw, directory, le, put, refused, safetensors, small, with_header};
use faculty_core::{NamedTensors, Stream};
use faculty_hub::{ModelDir, WeightFiles};
use std::path::Path;

#[track_caller]
fn refuse(bytes: &[u8], phrases: &[&str]) {
    let dir = directory(&[("model.safetensors", bytes)]);
    refused(WeightFiles::open(dir.path()), phrases);
}

/// Opens and reads everything: whether it opened, and whether every tensor could be read. Errors are fine, panics not.
fn read_all(path: &Path) -> (bool, bool) {
    match WeightFiles::open_file(path) {
        Ok(weights) => (true, weights.names().iter().all(|name| weights.read(name).is_ok())),
        Err(_) => (false, false),
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = small();
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = refused(WeightFiles::open(dir.path()), &["model.safetensors"]).to_string();
        let expected = match length {
            0 => "is empty",
            1..8 => "truncated",
            _ if length < 8 + whole[0] as usize + 256 * whole[1] as usize => "header claims",
            _ => "truncated",
        };
        assert!(error.contains(expected), "cut at {length}: {error}");
    }
    std::fs::write(&path, &whole).unwrap();
    WeightFiles::open(dir.path()).unwrap();
}

#[test]
fn a_header_that_claims_100_gb_is_refused_without_reserving_memory() {
    let mut bytes = small();
    bytes[..8].copy_from_slice(&100_000_000_000u64.to_le_bytes());
    let size = bytes.len();
    refuse(&bytes, &["header claims 100000000000 bytes", &format!("the file has {size}"), "truncated"]);
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refuse(&bytes, &["header claims 18446744073709551615 bytes"]);
}

#[test]
fn a_header_larger_than_the_format_allows_is_refused_even_if_the_file_is_that_large() {
    let dir = directory(&[("model.safetensors", &[])]);
    let path = dir.path().join("model.safetensors");
    let mut start = 200_000_000u64.to_le_bytes().to_vec();
    start.push(b'{');
    std::fs::write(&path, start).unwrap();
    // A sparse file: large in name only.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(300_000_000).unwrap();
    refused(WeightFiles::open(dir.path()), &["claims 200000000 bytes", "more than the 100000000"]);
}

#[test]
fn mutated_headers_never_panic_and_never_read_beyond_the_file() {
    let whole = small();
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    let (mut opened, mut refused) = (0, 0);
    for round in 0..6000u64 {
        let stream = Stream::new(7, "mutate").fork(round);
        let mut bytes = whole.clone();
        for change in 0..=stream.below_at(0, 4) {
            let header = bytes.len() - 52;
            let at = stream.below_at(3 * change + 1, header as u64) as usize;
            let value = stream.u64_at(3 * change + 2) as u8;
            match stream.below_at(3 * change + 3, 5) {
                0 => bytes[at] = value,
                1 => bytes[at] ^= 1 << (value % 8),
                2 => bytes[at] = b"0123456789[]{}:,\"-.eE"[usize::from(value) % 21],
                3 => drop(bytes.remove(at)),
                _ => bytes.insert(at, value),
            }
        }
        if round % 2 == 0 {
            // With a length that fits, so that the parser sees the damage behind it.
            let length = bytes.len() as u64 - 8 - 52;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        std::fs::write(&path, &bytes).unwrap();
        if read_all(&path).0 {
            opened += 1;
        } else {
            refused += 1;
        }
    }
    // Letters of a name may change without harm; most of the header may not.
    assert!(opened > 100 && refused > 1000, "opened {opened}, refused {refused}");
}

#[test]
fn mutated_files_of_floats_either_open_or_are_refused() {
    let whole = safetensors(&[Raw("w", "F32", vec![2, 2], le(&[1.0, 2.0, 3.0, 4.0]))]);
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..4000u64 {
        let stream = Stream::new(11, "mutate").fork(round);
        let mut bytes = whole.clone();
        let at = stream.below_at(0, bytes.len() as u64) as usize;
        bytes[at] = stream.u64_at(1) as u8;
        std::fs::write(&path, &bytes).unwrap();
        if read_all(&path).1 {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    assert!(accepted > 100 && refused > 1000, "accepted {accepted}, refused {refused}");
}

#[test]
fn random_bytes_are_refused() {
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    for round in 0..500u64 {
        let stream = Stream::new(3, "noise").fork(round);
        let length = stream.below_at(0, 200);
        let mut bytes: Vec<u8> = (0..length).map(|i| stream.u64_at(i + 1) as u8).collect();
        if round % 2 == 0 && bytes.len() > 8 {
            // A believable length, so that the parser sees the noise.
            let claim = bytes.len() as u64 - 8;
            bytes[..8].copy_from_slice(&claim.to_le_bytes());
            bytes[8] = b'{';
        }
        std::fs::write(&path, &bytes).unwrap();
        assert!(WeightFiles::open(dir.path()).is_err());
    }
}

#[test]
fn a_renamed_pickle_is_named_and_told_how_to_convert() {
    let convert = "safe_serialization=True";
    refuse(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", &["pickle is refused", convert]);
    refuse(b"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl", &["zip archive", "pickle is refused", convert]);
}

#[test]
fn other_formats_are_named() {
    for (bytes, name) in [
        (&b"GGUF\x03\x00\x00\x00\x00\x00\x00\x00"[..], "GGUF"),
        (b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00", "HDF5"),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.13", "ONNX"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html><head></head></html>", "web page"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00", "gzip"),
    ] {
        refuse(bytes, &[&format!("is a{}", if name == "ONNX" || name == "HDF5" { "n " } else { " " }), name]);
    }
}

#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() {
    // 640 = 0x280: the file begins with 80 02, as every pickle of protocol 2 does.
    let mut header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.to_owned();
    header.push_str(&" ".repeat(640 - header.len()));
    let dir = directory(&[("model.safetensors", &with_header(&header, &le(&[2.5])))]);
    assert_eq!(WeightFiles::open(dir.path()).unwrap().read("w").unwrap(), [2.5]);
}

#[test]
fn headers_that_do_not_fit_their_data_are_refused() {
    let check = |tensors: &str, data: usize, phrases: &[&str]| refuse(&with_header(tensors, &vec![0; data]), phrases);
    check(r#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, &["`w`", "shape [3] of F32", "8 bytes"]);
    check(r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, &["`w`", "gap"]);
    check(r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, &["`w`"]);
    check(r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 12, &["extra bytes"]);
    check(
        r#"{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        12,
        &["`w`", "overlap"],
    );
    let huge = usize::MAX;
    check(
        &format!(r#"{{"w":{{"dtype":"F32","shape":[{huge},{huge}],"data_offsets":[0,8]}}}}"#),
        8,
        &["`w`", "does not fit"],
    );
    check(&format!(r#"{{"w":{{"dtype":"U8","shape":[{huge}],"data_offsets":[0,{huge}]}}}}"#), 8, &["`w`"]);
    check(r#"{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#, 8, &["`w`", "broken"]);
    check(r#"{"w":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}"#, 8, &["`w`", "F31"]);
    check(r#"{"w":{"dtype":"F32","shape":[2]}}"#, 0, &["`w`", "data_offsets"]);
    check(r#"{"w":[1,2]}"#, 0, &["broken"]);
    check(r#"{"__metadata__":{"format":1}}"#, 0, &["__metadata__", "strings"]);
    check(&"[".repeat(100_000).replacen('[', "{", 1), 0, &["broken"]);
    check(&format!("{{\"w\":{}", "[".repeat(100_000)), 0, &["broken"]);
}

#[test]
fn a_name_that_appears_twice_is_refused() {
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    refuse(&with_header(header, &[0; 4]), &["`w` appears twice"]);
    let header = r#"{"w":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#;
    refuse(&with_header(header, &[0; 4]), &["`dtype` appears twice"]);
}

#[test]
fn nan_and_infinite_weights_are_named_with_their_place() {
    let tensors = [
        Raw("nan", "F32", vec![2, 3], le(&[0.0, 1.0, 2.0, 3.0, f32::NAN, 5.0])),
        Raw("infinite", "F16", vec![3], [0x3c00u16, 0x7c00, 0].iter().flat_map(|bits| bits.to_le_bytes()).collect()),
        Raw("too_large", "F64", vec![1], 1e300f64.to_le_bytes().to_vec()),
    ];
    let dir = directory(&[("model.safetensors", &safetensors(&tensors))]);
    let weights = WeightFiles::open(dir.path()).unwrap();
    refused(weights.read("nan"), &["`nan`", "NaN at [1, 1]", "model.safetensors"]);
    refused(weights.read("infinite"), &["`infinite`", "inf at [1]"]);
    refused(weights.read("too_large"), &["`too_large`", "inf at [0]"]);
}

#[test]
fn a_nan_behind_the_first_chunk_is_found() {
    let mut values = vec![1.0; 200_000];
    values[150_001] = f32::NEG_INFINITY;
    let dir = directory(&[("model.safetensors", &safetensors(&[Raw("w", "F32", vec![200, 1000], le(&values))]))]);
    refused(WeightFiles::open(dir.path()).unwrap().read("w"), &["-inf at [150, 1]"]);
}

#[test]
fn directories_and_special_files_in_place_of_weights_are_refused() {
    let dir = directory(&[("model.safetensors/inside", b"x")]);
    refused(WeightFiles::open(dir.path()), &["model.safetensors", "is a directory"]);
    refused(WeightFiles::open(dir.path().join("absent")), &["no such directory"]);
    refused(WeightFiles::open(dir.path().join("model.safetensors/inside")), &["is no directory"]);
    refused(WeightFiles::open_file(dir.path().join("absent")), &["absent"]);
}

#[cfg(unix)]
#[test]
fn an_endless_device_in_place_of_weights_is_refused() {
    let dir = directory(&[]);
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("model.safetensors")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("config.json")).unwrap();
    refused(WeightFiles::open(dir.path()), &["is no regular file"]);
    refused(ModelDir::open(dir.path()), &["config.json", "is no regular file"]);
}

#[test]
fn a_directory_with_only_a_pickle_says_how_to_convert_it() {
    let dir = directory(&[("pytorch_model.bin", b"PK\x03\x04"), ("config.json", b"{}")]);
    refused(
        WeightFiles::open(dir.path()),
        &["pytorch_model.bin", "pickle is refused", "save_pretrained", "safe_serialization=True"],
    );
    refused(WeightFiles::open(directory(&[]).path()), &["holds no weights", "model.safetensors"]);
    refused(WeightFiles::open(directory(&[("tf_model.h5", b"")]).path()), &["tf_model.h5"]);
    refused(WeightFiles::open(directory(&[("adapter_model.safetensors", b"")]).path()), &["adapter", "merge"]);
}

fn index(shards: &str) -> Vec<u8> {
    format!(r#"{{"metadata": {{"total_size": 8}}, "weight_map": {shards}}}"#).into_bytes()
}

#[test]
fn shards_outside_the_directory_are_refused() {
    let outer = directory(&[("secret.safetensors", &small())]);
    let absolute = outer.path().join("secret.safetensors").display().to_string();
    let dir = outer.path().join("model");
    for shard in [
        "../secret.safetensors",
        "sub/../../secret.safetensors",
        "sub/a.safetensors",
        "..\\secret.safetensors",
        "C:secret.safetensors",
        "..",
        ".",
        "",
        "a.bin",
        &absolute,
    ] {
        let map = serde_json::json!({"a.weight": shard, "a.bias": shard, "position_ids": shard}).to_string();
        put(&dir, &[("model.safetensors.index.json", &index(&map))]);
        refused(WeightFiles::open(&dir), &["index.json", "weight_map", "plain file name"]);
    }
}

#[test]
fn an_index_that_disagrees_with_its_shards_is_refused() {
    let one = safetensors(&[Raw("one", "F32", vec![1], le(&[1.0]))]);
    let two = safetensors(&[Raw("two", "F32", vec![1], le(&[2.0]))]);
    let both = safetensors(&[Raw("one", "F32", vec![1], le(&[1.0])), Raw("two", "F32", vec![1], le(&[2.0]))]);
    let open = |map: &str, first: &[u8], second: &[u8]| {
        let dir = directory(&[
            ("model.safetensors.index.json", &index(map)),
            ("a.safetensors", first),
            ("b.safetensors", second),
        ]);
        WeightFiles::open(dir.path())
    };
    let map = r#"{"one": "a.safetensors", "two": "b.safetensors"}"#;
    assert_eq!(open(map, &one, &two).unwrap().read("two").unwrap(), [2.0]);
    refused(open(map, &two, &one), &["places the tensor in a.safetensors", "is in b.safetensors"]);
    refused(open(map, &one, &one), &["`one`", "also in"]);
    refused(open(map, &both, &two), &["`two`", "also in"]);
    let absent = r#"{"one": "a.safetensors", "two": "b.safetensors", "three": "b.safetensors"}"#;
    refused(open(absent, &one, &two), &["`three`", "does not hold it"]);
    refused(open(r#"{"one": "a.safetensors"}"#, &both, &two), &["`two`", "does not list"]);
    refused(open(r#"{"one": "a.safetensors", "one": "b.safetensors"}"#, &one, &two), &["appears twice"]);
    refused(open(r#"{"one": 3}"#, &one, &two), &["index.json", "string"]);
    refused(open("null", &one, &two), &["weight_map", "missing"]);
    refused(open(r#"{"one": "c.safetensors"}"#, &one, &two), &["c.safetensors", "shard is missing"]);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_in_place_of_weights_does_not_block() {
    let dir = directory(&[]);
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("model.safetensors")).status();
    if made.is_ok_and(|status| status.success()) {
        refused(WeightFiles::open(dir.path()), &["is no regular file"]);
    } else {
        eprintln!("skipped: no mkfifo");
    }
}
