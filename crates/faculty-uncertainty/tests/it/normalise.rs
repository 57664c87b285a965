//! z-normalised scores.

use burn::tensor::{Device, Tensor};
use faculty_nn::host_values;
use faculty_testkit::assert_close;
use faculty_uncertainty::{ZNormaliser, z_normalise};

#[test]
fn each_teacher_gets_mean_zero_and_deviation_one() {
    let scores = Tensor::from_floats([[1.0, 100.0], [2.0, 300.0], [3.0, 100.0], [6.0, 300.0]], &Device::flex());
    let normalised = host_values(z_normalise(scores).unwrap()).unwrap();
    let deviation = 3.5f64.sqrt();
    let first: Vec<f32> = normalised.iter().step_by(2).copied().collect();
    assert_close(&first, &[-2.0, -1.0, 0.0, 3.0].map(|d| d / deviation), 1e-6, 1e-6, "teacher 0");
    let second: Vec<f32> = normalised.iter().skip(1).step_by(2).copied().collect();
    assert_close(&second, &[-1.0, 1.0, -1.0, 1.0], 1e-6, 0.0, "teacher 1");
}

#[test]
fn a_teacher_whose_scores_do_not_differ_scores_zero() {
    let scores = Tensor::from_floats([[0.3, 1.0], [0.3, 2.0], [0.3, 3.0]], &Device::flex());
    let normalised = host_values(z_normalise(scores).unwrap()).unwrap();
    assert!(normalised.iter().step_by(2).all(|score| *score == 0.0), "{normalised:?}");
}

#[test]
fn what_was_measured_on_one_text_collection_applies_to_another() {
    let device = Device::flex();
    let normaliser = ZNormaliser::fit(&Tensor::from_floats([[0.0], [2.0]], &device)).unwrap();
    assert_eq!((normaliser.means(), normaliser.deviations()), (&[1.0][..], &[1.0][..]));
    let applied = normaliser.apply(Tensor::from_floats([[4.0]], &device)).unwrap();
    assert_eq!(host_values(applied).unwrap(), [3.0]);
    assert!(normaliser.apply(Tensor::zeros([1, 2], &device)).is_err());
}

#[test]
fn scores_that_are_not_finite_are_named_by_text_and_teacher() {
    let device = Device::flex();
    let error = ZNormaliser::fit(&Tensor::from_floats([[0.0, 1.0], [1.0, f32::NAN]], &device)).unwrap_err();
    assert!(error.to_string().contains("teacher 1 on text 1"), "{error}");
    assert!(ZNormaliser::fit(&Tensor::zeros([0, 2], &device)).is_err());
}
