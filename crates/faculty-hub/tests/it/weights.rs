//! Reading good weight files.

use crate::build::{Raw, directory, le, refused, safetensors, small};
use faculty_core::NamedTensors;
use faculty_hub::WeightFiles;

#[test]
fn names_come_in_the_order_of_the_file_and_integers_are_listed_but_not_read() {
    let dir = directory(&[("model.safetensors", &small())]);
    let weights = WeightFiles::open(dir.path()).unwrap();
    assert_eq!(weights.names(), ["a.weight", "a.bias", "position_ids"]);
    assert_eq!(weights.shape("a.weight"), Some(vec![2, 3]));
    assert_eq!(weights.shape("absent"), None);
    assert_eq!(weights.dtype("position_ids").as_deref(), Some("I64"));
    assert_eq!(weights.parameters(), 6 + 3 + 2);
    assert_eq!(weights.read("a.weight").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    refused(weights.read("position_ids"), &["`position_ids`", "I64", "expected F32"]);
    refused(weights.read("a.wieght"), &["`a.wieght`", "missing", "nearest name is `a.weight`"]);
    assert_eq!(weights.origin(), dir.path().display().to_string());
}

#[test]
fn every_float_type_becomes_f32() {
    let halves: [(u16, f32); 7] = [
        (0x0000, 0.0),
        (0x8000, -0.0),
        (0x3c00, 1.0),
        (0xc580, -5.5),
        (0x0001, 5.960_464_5e-8), // the smallest subnormal
        (0x7bff, 65504.0),
        (0x3555, 0.333_251_95),
    ];
    let brains: [(u16, f32); 4] = [(0x3f80, 1.0), (0xc0b0, -5.5), (0x0001, 9.183_55e-41), (0x7f7f, 3.389_531_4e38)];
    let bits = |pairs: &[(u16, f32)]| pairs.iter().flat_map(|(bits, _)| bits.to_le_bytes()).collect::<Vec<u8>>();
    let values = |pairs: &[(u16, f32)]| pairs.iter().map(|(_, value)| value.to_bits()).collect::<Vec<u32>>();
    let dir = directory(&[(
        "model.safetensors",
        &safetensors(&[
            Raw("half", "F16", vec![7], bits(&halves)),
            Raw("brain", "BF16", vec![4], bits(&brains)),
            Raw("double", "F64", vec![2], [0.1f64, -2.5].iter().flat_map(|v| v.to_le_bytes()).collect()),
            Raw("single", "F32", vec![], le(&[0.1])),
            Raw("nothing", "F32", vec![0, 4], vec![]),
        ]),
    )]);
    let weights = WeightFiles::open(dir.path()).unwrap();
    let read = |name: &str| weights.read(name).unwrap().iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    assert_eq!(read("half"), values(&halves));
    assert_eq!(read("brain"), values(&brains));
    assert_eq!(weights.read("double").unwrap(), [0.1, -2.5]);
    assert_eq!(weights.read("single").unwrap(), [0.1]);
    assert_eq!(weights.shape("single"), Some(vec![]));
    assert_eq!(weights.read("nothing").unwrap(), [0.0f32; 0]);
}

#[test]
fn misaligned_data_is_read() {
    // One byte first: everything after it lies at odd addresses.
    let dir = directory(&[(
        "model.safetensors",
        &safetensors(&[Raw("mask", "BOOL", vec![1], vec![1]), Raw("w", "F32", vec![3], le(&[1.5, -2.0, 3.25]))]),
    )]);
    assert_eq!(WeightFiles::open(dir.path()).unwrap().read("w").unwrap(), [1.5, -2.0, 3.25]);
}

#[test]
fn tensors_listed_in_another_order_than_their_data_are_read() {
    let header = r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let dir = directory(&[("model.safetensors", &crate::build::with_header(header, &le(&[1.0, 2.0])))]);
    let weights = WeightFiles::open(dir.path()).unwrap();
    assert_eq!(weights.names(), ["a", "b"]);
    assert_eq!(weights.read("b").unwrap(), [2.0]);
}

#[test]
fn tensors_larger_than_a_chunk_are_read_whole() {
    let values: Vec<f32> = (0..300_001).map(|i| i as f32 * 0.5).collect();
    let dir = directory(&[("model.safetensors", &safetensors(&[Raw("w", "F32", vec![300_001], le(&values))]))]);
    assert_eq!(WeightFiles::open(dir.path()).unwrap().read("w").unwrap(), values);
}

#[test]
fn shards_read_like_one_file_and_one_file_wins_over_an_index() {
    let a = Raw("a", "F32", vec![2], le(&[1.0, 2.0]));
    let b = Raw("b", "F32", vec![1], le(&[3.0]));
    let index = br#"{"metadata":{},"weight_map":{"b":"model-2.safetensors","a":"model-1.safetensors"}}"#;
    let sharded = directory(&[
        ("model.safetensors.index.json", index),
        ("model-1.safetensors", &safetensors(&[Raw(a.0, a.1, a.2.clone(), a.3.clone())])),
        ("model-2.safetensors", &safetensors(&[Raw(b.0, b.1, b.2.clone(), b.3.clone())])),
    ]);
    let single =
        directory(&[("model.safetensors", &safetensors(&[a, b])), ("model.safetensors.index.json", b"broken")]);
    let (sharded, single) = (WeightFiles::open(sharded.path()).unwrap(), WeightFiles::open(single.path()).unwrap());
    assert_eq!(sharded.names(), single.names());
    for name in sharded.names() {
        assert_eq!(sharded.shape(&name), single.shape(&name));
        assert_eq!(sharded.read(&name).unwrap(), single.read(&name).unwrap());
    }
    assert_eq!(sharded.files().len(), 2);
}

#[test]
fn threads_may_read_the_same_file() {
    let tensors: Vec<Raw> = ["a", "b", "c", "d"]
        .into_iter()
        .enumerate()
        .map(|(i, name)| Raw(name, "F32", vec![100_000], le(&vec![i as f32; 100_000])))
        .collect();
    let dir = directory(&[("model.safetensors", &safetensors(&tensors))]);
    let weights = WeightFiles::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for (i, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let weights = &weights;
            scope.spawn(move || assert!(weights.read(name).unwrap().iter().all(|&value| value == i as f32)));
        }
    });
}
