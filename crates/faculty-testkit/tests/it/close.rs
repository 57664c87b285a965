//! Comparisons that must not pass by accident.

use faculty_testkit::{assert_close, assert_finite, kl_of_logits, softmax};

#[test]
fn values_within_the_tolerance_pass() {
    assert_close(&[1.0, 100.0], &[1.0005, 100.05], 1e-3, 0.0005, "close");
    assert_close(&[], &[], 0.0, 0.0, "nothing");
}

#[test]
#[should_panic(expected = "far: element 1 is 2")]
fn the_worst_element_is_named() {
    assert_close(&[1.0005, 2.0, 3.0], &[1.0, 2.5, 3.001], 1e-4, 0.0, "far");
}

#[test]
#[should_panic(expected = "element 0 is NaN")]
fn nan_is_not_close_to_anything() {
    assert_close(&[f32::NAN, 1.0], &[0.0, 1.0], 1e3, 1e3, "NaN");
}

#[test]
#[should_panic(expected = "number of values")]
fn another_length_is_not_close() {
    assert_close(&[1.0], &[1.0, 1.0], 1.0, 1.0, "length");
}

#[test]
#[should_panic(expected = "element 1 is inf")]
fn infinity_is_not_finite() {
    assert_finite(&[0.0, f32::INFINITY], "values");
}

#[test]
fn reference_formulas_have_their_textbook_values() {
    let p = softmax(&[0.0, 2.0 * 3f32.ln()], 2.0);
    assert!((p[0] - 0.25).abs() < 1e-7 && (p[1] - 0.75).abs() < 1e-7, "{p:?}");
    let kl = kl_of_logits(&[0.0, 3f32.ln()], &[0.0, 0.0], 1.0);
    assert!((kl - (0.25 * 0.5f64.ln() + 0.75 * 1.5f64.ln())).abs() < 1e-7, "{kl}");
    assert_eq!(kl_of_logits(&[1e4, -1e4], &[1e4, -1e4], 1.0), 0.0);
}
