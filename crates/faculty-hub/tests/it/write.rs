//! Writing weight files.

use crate::build::{directory, refused};
use faculty_core::{Error, NamedTensor, NamedTensors};
use faculty_hub::{TensorSpec, WeightFiles, write_safetensors, write_safetensors_streaming};
use std::borrow::Cow;

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
    NamedTensor { name: name.to_owned(), shape: shape.to_vec(), values: values.to_vec() }
}

#[test]
fn what_is_written_is_read_back_bit_by_bit() {
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    let large: Vec<f32> = (0..70_000).map(|i| (i as f32).sin()).collect();
    let tensors = vec![
        tensor("z.weight", &[2, 2], &[1.0, -0.0, f32::MIN_POSITIVE, f32::MAX]),
        tensor("a.scalar", &[], &[1e-45]),
        tensor("a.empty", &[0], &[]),
        tensor("a.large \"quoted\" é", &[70, 1000], &large),
    ];
    write_safetensors(&path, &tensors, &[("made_by", "test")]).unwrap();
    let weights = WeightFiles::open(dir.path()).unwrap();
    assert_eq!(weights.names().len(), tensors.len());
    for tensor in &tensors {
        assert_eq!(weights.shape(&tensor.name).as_ref(), Some(&tensor.shape));
        let read: Vec<u32> = weights.read(&tensor.name).unwrap().iter().map(|v| v.to_bits()).collect();
        assert_eq!(read, tensor.values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>());
    }
}

#[test]
fn the_reference_reader_reads_what_is_written() {
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    write_safetensors(&path, &[tensor("b", &[1], &[2.0]), tensor("a", &[2], &[1.0, 3.0])], &[("x", "y")]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(parsed.tensor("a").unwrap().shape(), [2]);
    assert_eq!(parsed.tensor("b").unwrap().data(), 2.0f32.to_le_bytes());
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert_eq!((metadata["format"].as_str(), metadata["x"].as_str()), ("pt", "y"));
    assert_eq!((header + 8) % 8, 0, "the data is aligned");
}

#[test]
fn bad_tensors_are_refused_and_leave_nothing_behind() {
    let dir = directory(&[("model.safetensors", b"what was there")]);
    let path = dir.path().join("model.safetensors");
    let write = |tensors: &[NamedTensor]| write_safetensors(&path, tensors, &[]);
    refused(write(&[tensor("w", &[1], &[1.0]), tensor("w", &[1], &[2.0])]), &["`w`", "two tensors"]);
    refused(write(&[tensor("__metadata__", &[1], &[1.0])]), &["__metadata__"]);
    refused(write(&[tensor("w", &[2, 2], &[1.0])]), &["`w`", "has 1 values", "expected 4"]);
    refused(write(&[tensor("w", &[usize::MAX, 2], &[])]), &["`w`", "too large"]);
    refused(
        write(&[tensor("v", &[1], &[1.0]), tensor("w", &[2, 2], &[1.0, 2.0, 3.0, f32::NAN])]),
        &["`w`", "NaN at [1, 1]"],
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
    assert_eq!(dir.path().read_dir().unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn streaming_asks_for_each_tensor_once_in_order_and_passes_errors_on() {
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    let specs: Vec<TensorSpec> =
        ["a", "b", "c"].map(|name| TensorSpec { name: name.to_owned(), shape: vec![2] }).to_vec();
    let mut asked = Vec::new();
    write_safetensors_streaming(&path, &specs, &[], |index| {
        asked.push(index);
        Ok(Cow::Owned(vec![index as f32; 2]))
    })
    .unwrap();
    assert_eq!(asked, [0, 1, 2]);
    assert_eq!(WeightFiles::open_file(&path).unwrap().read("c").unwrap(), [2.0, 2.0]);
    let before = std::fs::read(&path).unwrap();
    let failed = write_safetensors_streaming(&path, &specs, &[], |index| {
        if index == 1 { Err(Error::input("no more")) } else { Ok(Cow::Owned(vec![9.0; 2])) }
    });
    refused(failed, &["no more"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn files_can_be_read_by_others_as_usual() {
    use std::os::unix::fs::PermissionsExt;
    let dir = directory(&[]);
    let path = dir.path().join("model.safetensors");
    write_safetensors(&path, &[tensor("w", &[1], &[1.0])], &[]).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}
