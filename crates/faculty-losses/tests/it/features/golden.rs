//! Values and gradients against PyTorch (float64).

use burn::tensor::{Device, Tensor};
use faculty_losses::features::{
    Codes, Contrast, MmdKernels, inter_contrast, intra_contrast, linear_cka, mmd, unit_rows,
};
use faculty_nn::host_values;
use faculty_testkit::{FeatureGolden, GoldenCodes, GoldenContrastValue, assert_close, golden_matrix, golden_vector};

/// f32 against f64; kernels and temperatures multiply the rounding of the vectors.
const TOLERANCE: f64 = 3e-6;

fn leaf(rows: &[Vec<f64>]) -> Tensor<2> {
    golden_matrix(rows, &Device::flex().autodiff()).require_grad()
}

#[track_caller]
fn compare(leaf: &Tensor<2>, gradients: &burn::tensor::Gradients, expected: &[Vec<f64>], what: &str) {
    // A tensor that the value does not depend on has no gradient.
    let gradient = leaf.grad(gradients).map_or_else(|| vec![0.0; expected.concat().len()], |g| host_values(g).unwrap());
    assert_close(&gradient, &expected.concat(), TOLERANCE, TOLERANCE, what);
}

#[test]
fn discrepancies_agree_with_pytorch() {
    for case in FeatureGolden::load().mmd {
        let kernels = match case.kernels.as_str() {
            "adaptive" => MmdKernels::Adaptive,
            "fixed" => MmdKernels::Fixed,
            other => panic!("the golden file has kernels called {other}"),
        };
        let (x, y) = (leaf(&case.x), leaf(&case.y));
        let found = mmd(x.clone(), y.clone(), &golden_vector(&case.rows, &Device::flex()), kernels).squared;
        let gradients = found.backward();
        assert_close(&host_values(found.inner()).unwrap(), &[case.value], TOLERANCE, TOLERANCE, &case.name);
        compare(&x, &gradients, &case.gradient_x, &format!("{}: gradient of x", case.name));
        compare(&y, &gradients, &case.gradient_y, &format!("{}: gradient of y", case.name));
    }
}

fn codes(vectors: Tensor<2>, golden: &GoldenCodes) -> Codes {
    Codes {
        vectors: unit_rows(vectors),
        classes: golden.classes.clone(),
        usable: golden_vector(&golden.usable, &Device::flex()),
    }
}

#[test]
fn contrasts_agree_with_pytorch() {
    type Rows = fn(&GoldenCodes) -> &Vec<Vec<f64>>;
    for case in FeatureGolden::load().contrast {
        let remembered =
            |rows: Rows| case.memory.as_ref().map(|memory| codes(golden_matrix(rows(memory), &Device::flex()), memory));
        let check = |found: Contrast, leaves: [&Tensor<2>; 2], expected: &GoldenContrastValue, kind: &str| {
            let what = format!("{}: {kind}", case.name);
            assert_close(&host_values(found.anchors).unwrap(), &[expected.anchors], 0.0, 0.0, &what);
            let gradients = found.value.backward();
            let value = host_values(found.value.inner()).unwrap();
            assert_close(&value, &[expected.value], TOLERANCE, TOLERANCE, &what);
            compare(leaves[0], &gradients, &expected.gradient_students, &format!("{what}, gradient of students"));
            compare(leaves[1], &gradients, &expected.gradient_teachers, &format!("{what}, gradient of teachers"));
        };
        let (students, teachers) = (leaf(&case.batch.students), leaf(&case.batch.teachers));
        let own = codes(students.clone(), &case.batch);
        let found = intra_contrast(&own, remembered(|codes| &codes.students).as_ref(), case.temperature);
        check(found, [&students, &teachers], &case.intra, "intra");

        let (students, teachers) = (leaf(&case.batch.students), leaf(&case.batch.teachers));
        let (own, theirs) = (codes(students.clone(), &case.batch), codes(teachers.clone(), &case.batch));
        let memory = remembered(|codes| &codes.teachers);
        let found = inter_contrast(&own, &theirs, memory.as_ref(), case.temperature);
        check(found, [&students, &teachers], &case.inter, "inter");
    }
}

#[test]
fn linear_cka_agrees_with_pytorch() {
    let device = Device::flex();
    for case in FeatureGolden::load().linear_cka {
        let found = linear_cka(golden_matrix(&case.first, &device), golden_matrix(&case.second, &device)).unwrap();
        assert_close(&host_values(found).unwrap(), &[case.value], 1e-6, 1e-6, "linear CKA");
    }
}
