//! Maximum mean discrepancy.

use burn::tensor::{Device, Tensor};
use faculty_losses::features::{FeatureWidths, MmdKernels, mmd};
use faculty_nn::host_values;
use faculty_testkit::{FeatureScene, matrix};

const KERNELS: [MmdKernels; 2] = [MmdKernels::Adaptive, MmdKernels::Fixed];

/// Two sets of ten features of width 6.
fn sets() -> (Tensor<2>, Tensor<2>) {
    let scene = FeatureScene::random(5, 10, 3, FeatureWidths { student: 6, teachers: vec![6] });
    (matrix(&scene.student, &Device::flex()), matrix(&scene.teachers[0], &Device::flex()))
}

fn all(texts: usize) -> Tensor<1> {
    Tensor::ones([texts], &Device::flex())
}

fn value(x: &Tensor<2>, y: &Tensor<2>, kernels: MmdKernels) -> f32 {
    host_values(mmd(x.clone(), y.clone(), &all(x.dims()[0]), kernels).squared).unwrap()[0]
}

#[test]
fn a_set_is_no_distance_from_itself_and_order_does_not_matter() {
    let (x, y) = sets();
    for kernels in KERNELS {
        assert!(value(&x, &x, kernels) < 1e-6);
        assert!(value(&x, &x.clone().flip([0]), kernels) < 1e-6);
        let (forward, backward) = (value(&x, &y, kernels), value(&y, &x, kernels));
        assert!(forward > 0.01 && (forward - backward).abs() < 1e-6, "{forward} and {backward}");
        // Lengths do not count.
        assert!((value(&x.clone().mul_scalar(7.0), &y, kernels) - forward).abs() < 1e-5);
    }
}

#[test]
fn it_grows_as_a_set_is_shifted_away() {
    // Unit vectors on an arc, so that a shift is an angle.
    let arc = |shift: f32| {
        let rows: Vec<Vec<f32>> =
            (0..8).map(|at| (0.05 * at as f32 + shift).sin_cos()).map(|(s, c)| vec![s, c]).collect();
        matrix(&rows, &Device::flex())
    };
    for kernels in KERNELS {
        let values: Vec<f32> = [0.0, 0.1, 0.3, 0.6, 1.0].map(|shift| value(&arc(0.0), &arc(shift), kernels)).to_vec();
        assert!(values[0] < 1e-6 && values.is_sorted() && values[1] > 1e-3, "{kernels:?}: {values:?}");
    }
}

#[test]
fn it_is_never_negative_and_finite_without_spread() {
    let device = Device::flex();
    let point = Tensor::<2>::ones([4, 3], &device);
    for kernels in KERNELS {
        assert_eq!(value(&point, &point, kernels), 0.0);
        let leaf = point.clone().autodiff().require_grad();
        let squared = mmd(leaf.clone(), Tensor::zeros([4, 3], &device), &all(4), kernels).squared;
        let gradient = leaf.grad(&squared.backward()).unwrap();
        assert!(host_values(squared.inner()).unwrap()[0] >= 0.0);
        assert!(host_values(gradient).unwrap().iter().all(|entry| entry.is_finite()));
    }
}

#[test]
fn the_number_of_active_kernels_tells_dead_ones() {
    let (x, y) = sets();
    let active = |kernels| host_values(mmd(x.clone(), y.clone(), &all(10), kernels).active_kernels).unwrap()[0];
    assert_eq!(active(MmdKernels::Adaptive), 5.0);
    // Unit vectors around distance 1: sigmas 0.001 to 0.1 see every pair as infinitely far.
    let fixed = active(MmdKernels::Fixed);
    assert!((1.0..=4.0).contains(&fixed), "{fixed}");
}

#[test]
fn rows_that_are_left_out_do_not_count() {
    let (x, y) = sets();
    let some = |x: Tensor<2>| x.narrow(0, 0, 6);
    let rows = Tensor::from_floats([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0], &Device::flex());
    for kernels in KERNELS {
        let masked = host_values(mmd(x.clone(), y.clone(), &rows, kernels).squared).unwrap()[0];
        assert!((masked - value(&some(x.clone()), &some(y.clone()), kernels)).abs() < 1e-6);
        let none = mmd(x.clone(), y.clone(), &Tensor::zeros([10], &Device::flex()), kernels).squared;
        assert_eq!(host_values(none).unwrap(), [0.0]);
    }
}
