//! Vectors of earlier batches.

use burn::tensor::{Device, Tensor};
use faculty_losses::features::{Codes, FeatureMemory};
use faculty_nn::host_values;

/// A batch whose vectors are numbers.
fn batch(values: &[f32], classes: &[u32]) -> (Codes, Tensor<2>) {
    let device = Device::flex();
    let column = Tensor::<1>::from_floats(values, &device).unsqueeze_dim::<2>(1);
    let usable = Tensor::ones([values.len()], &device);
    (Codes { vectors: column.clone(), classes: classes.to_vec(), usable }, column.mul_scalar(10.0))
}

fn push(memory: &mut FeatureMemory, ids: &[u64], values: &[f32], classes: &[u32]) {
    let (students, teachers) = batch(values, classes);
    let rows: Vec<usize> = (0..ids.len()).collect();
    memory.push(ids, &students, &teachers, &rows);
}

#[track_caller]
fn expect(memory: &FeatureMemory, ids: &[u64], values: &[f32], classes: &[u32]) {
    assert_eq!(memory.ids().collect::<Vec<_>>(), ids);
    assert_eq!(memory.len(), ids.len());
    let (students, teachers) = (memory.students().unwrap(), memory.teachers().unwrap());
    assert_eq!((&students.classes[..], &teachers.classes[..]), (classes, classes));
    assert_eq!(host_values(students.vectors).unwrap(), values);
    let tens: Vec<f32> = values.iter().map(|value| 10.0 * value).collect();
    assert_eq!(host_values(teachers.vectors).unwrap(), tens);
    assert_eq!(host_values(students.usable).unwrap().len(), ids.len());
}

#[test]
fn the_oldest_texts_go_first() {
    let mut memory = FeatureMemory::new(3);
    assert!(memory.is_empty() && memory.students().is_none());
    push(&mut memory, &[1, 2], &[0.1, 0.2], &[5, 6]);
    expect(&memory, &[1, 2], &[0.1, 0.2], &[5, 6]);
    push(&mut memory, &[3, 4], &[0.3, 0.4], &[7, 8]);
    expect(&memory, &[2, 3, 4], &[0.2, 0.3, 0.4], &[6, 7, 8]);
    push(&mut memory, &[5, 6, 7, 8], &[0.5, 0.6, 0.7, 0.8], &[1, 2, 3, 4]);
    expect(&memory, &[6, 7, 8], &[0.6, 0.7, 0.8], &[2, 3, 4]);
}

#[test]
fn a_text_is_there_once_with_its_newest_vectors_and_class() {
    let mut memory = FeatureMemory::new(4);
    push(&mut memory, &[1, 2, 3], &[0.1, 0.2, 0.3], &[1, 2, 3]);
    push(&mut memory, &[2], &[0.9], &[7]);
    expect(&memory, &[1, 3, 2], &[0.1, 0.3, 0.9], &[1, 3, 7]);
    // Twice in one batch: the last counts.
    push(&mut memory, &[8, 9, 8], &[0.4, 0.5, 0.6], &[4, 5, 6]);
    expect(&memory, &[3, 2, 9, 8], &[0.3, 0.9, 0.5, 0.6], &[3, 7, 5, 6]);
    memory.forget(&[2, 9, 100]);
    expect(&memory, &[3, 8], &[0.3, 0.6], &[3, 6]);
    memory.forget(&[3, 8]);
    assert!(memory.is_empty() && memory.teachers().is_none());
}

#[test]
fn only_the_given_rows_are_kept_and_no_memory_keeps_none() {
    let mut memory = FeatureMemory::new(4);
    let (students, teachers) = batch(&[0.1, 0.2, 0.3], &[1, 2, 3]);
    memory.push(&[1, 2, 3], &students, &teachers, &[0, 2]);
    expect(&memory, &[1, 3], &[0.1, 0.3], &[1, 3]);
    memory.push(&[1, 2, 3], &students, &teachers, &[]);
    expect(&memory, &[1, 3], &[0.1, 0.3], &[1, 3]);
    let mut none = FeatureMemory::new(0);
    none.push(&[1, 2, 3], &students, &teachers, &[0, 1, 2]);
    assert!(none.is_empty());
}

#[test]
fn it_holds_no_graph() {
    let mut memory = FeatureMemory::new(4);
    let (mut students, teachers) = batch(&[0.1, 0.2], &[1, 2]);
    let leaf = students.vectors.autodiff().require_grad();
    students.vectors = leaf.clone().mul_scalar(2.0);
    memory.push(&[1, 2], &students, &teachers, &[0, 1]);
    assert!(!memory.students().unwrap().vectors.is_tracked());
    assert_eq!(host_values(memory.students().unwrap().vectors).unwrap(), [0.2, 0.4]);
}
