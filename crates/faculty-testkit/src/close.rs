//! Comparisons with a tolerance that say what differs, where and by how much.

/// Asserts |actual - expected| <= abs + rel * |expected| for every element.
///
/// # Panics
/// Panics if the lengths differ or an element is off; names the worst element.
#[track_caller]
pub fn assert_close(actual: &[f32], expected: &[f64], abs: f64, rel: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    let excess = |(a, e): (&f32, &f64)| (f64::from(*a) - e).abs() - (abs + rel * e.abs());
    let worst = actual.iter().zip(expected).map(excess).enumerate().max_by(|a, b| {
        // NaN must not pass as small.
        let key = |x: f64| if x.is_nan() { f64::INFINITY } else { x };
        key(a.1).total_cmp(&key(b.1))
    });
    if let Some((index, excess)) = worst {
        assert!(
            excess <= 0.0,
            "{what}: element {index} is {}, expected {} (difference {:.3e}, allowed {:.3e})",
            actual[index],
            expected[index],
            (f64::from(actual[index]) - expected[index]).abs(),
            abs + rel * expected[index].abs()
        );
    }
}

/// Asserts that no value is NaN or infinite.
///
/// # Panics
/// Panics with the first offender.
#[track_caller]
pub fn assert_finite(values: &[f32], what: &str) {
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        panic!("{what}: element {index} is {}", values[index]);
    }
}
