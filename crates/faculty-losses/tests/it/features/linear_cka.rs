//! Linear centred kernel alignment.

use burn::tensor::{Device, Tensor};
use faculty_losses::features::{FeatureWidths, linear_cka};
use faculty_nn::host_values;
use faculty_testkit::{FeatureScene, matrix};

fn features() -> Tensor<2> {
    let scene = FeatureScene::random(3, 12, 3, FeatureWidths { student: 2, teachers: vec![2] });
    matrix(&scene.student, &Device::flex())
}

fn alignment(first: Tensor<2>, second: Tensor<2>) -> f32 {
    host_values(linear_cka(first, second).unwrap()).unwrap()[0]
}

#[test]
fn features_align_with_themselves_rotated_scaled_and_shifted() {
    let device = Device::flex();
    let (sin, cos) = 0.7f32.sin_cos();
    let rotation = Tensor::<2>::from_floats([[cos, -sin], [sin, cos]], &device);
    for scale in [1.0, 1e-9, 1e9] {
        let turned = features().matmul(rotation.clone()).mul_scalar(scale);
        let shifted = turned + Tensor::from_floats([[5.0 * scale as f32, -3.0 * scale as f32]], &device);
        let found = alignment(features(), shifted);
        assert!((found - 1.0).abs() < 1e-5, "scale {scale}: {found}");
    }
    // A stretch along one axis is no rotation.
    let stretched = features() * Tensor::from_floats([[1.0, 20.0]], &device);
    assert!(alignment(features(), stretched) < 0.99);
}

#[test]
fn unrelated_features_do_not_align_and_constant_ones_have_no_alignment() {
    let device = Device::flex();
    let one = Tensor::<2>::from_floats([[1.0], [1.0], [-1.0], [-1.0]], &device);
    let other = Tensor::<2>::from_floats([[1.0], [-1.0], [1.0], [-1.0]], &device);
    assert!(alignment(one.clone(), other).abs() < 1e-6);
    assert_eq!(alignment(one.clone(), Tensor::ones([4, 3], &device)), 0.0);
    assert!(linear_cka(one, Tensor::ones([3, 1], &device)).is_err());
}
