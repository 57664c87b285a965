//! A cap on the mean weight of a teacher.

use faculty_uncertainty::cap_mean_weights;

fn means(weights: &[f32], teachers: usize) -> Vec<f64> {
    let rows = weights.chunks_exact(teachers).filter(|row| row.iter().sum::<f32>() > 0.0);
    let count = rows.clone().count() as f64;
    (0..teachers).map(|teacher| rows.clone().map(|row| f64::from(row[teacher])).sum::<f64>() / count).collect()
}

#[track_caller]
fn capped(weights: &[f32], teachers: usize, cap: f64) -> Vec<f32> {
    let mut found = weights.to_vec();
    cap_mean_weights(&mut found, teachers, cap).unwrap();
    for (row, before) in found.chunks_exact(teachers).zip(weights.chunks_exact(teachers)) {
        assert!((row.iter().sum::<f32>() - before.iter().sum::<f32>()).abs() < 1e-5, "{row:?} from {before:?}");
        assert!(row.iter().all(|weight| *weight >= 0.0));
    }
    for mean in means(&found, teachers) {
        assert!(mean <= cap.max(1.0 / teachers as f64) + 1e-6, "{mean} above {cap}");
    }
    found
}

#[test]
fn a_teacher_above_the_cap_comes_down_to_it_and_keeps_its_order_of_texts() {
    let weights = [0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.4, 0.6];
    let found = capped(&weights, 2, 0.5);
    assert!((means(&found, 2)[0] - 0.5).abs() < 1e-6);
    assert!(found[0] > found[2] && found[2] > found[4] && found[4] > found[6]);
}

#[test]
fn what_is_below_the_cap_stays_as_it_is() {
    let weights = [0.9, 0.1, 0.2, 0.8, 0.5, 0.5];
    assert_eq!(capped(&weights, 2, 0.6), weights);
    assert_eq!(capped(&[0.9, 0.1, 1.0, 0.0], 2, 1.0), [0.9, 0.1, 1.0, 0.0]);
}

#[test]
fn a_hard_gate_gives_way_too() {
    let weights = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let found = capped(&weights, 3, 0.5);
    assert!((means(&found, 3)[0] - 0.5).abs() < 1e-6);
    // What teacher 0 loses goes to the others in equal parts where it stood alone.
    assert!((found[1] - found[2]).abs() < 1e-6 && found[1] > 0.0);
}

#[test]
fn one_after_the_other_may_hit_the_cap_and_a_cap_of_one_share_makes_all_equal() {
    let weights = [0.7, 0.25, 0.05, 0.6, 0.35, 0.05, 0.8, 0.15, 0.05];
    for cap in [0.4, 0.35, 0.334] {
        capped(&weights, 3, cap);
    }
    for mean in means(&capped(&weights, 3, 1.0 / 3.0), 3) {
        assert!((mean - 1.0 / 3.0).abs() < 1e-5);
    }
}

#[test]
fn dropped_texts_stay_dropped_and_do_not_count() {
    let found = capped(&[0.0, 0.0, 0.9, 0.1, 0.0, 0.0], 2, 0.5);
    assert_eq!((found[0], found[1], found[4], found[5]), (0.0, 0.0, 0.0, 0.0));
    assert!((found[2] - 0.5).abs() < 1e-6);
}

#[test]
fn caps_that_cannot_hold_are_refused() {
    for cap in [0.3, 1.1, f64::NAN, -1.0] {
        let error = cap_mean_weights(&mut [0.5, 0.5], 2, cap).unwrap_err().to_string();
        assert!(error.contains("cap") && error.contains("0.500 to 1"), "{error}");
    }
    cap_mean_weights(&mut [1.0], 1, 1.0).unwrap();
}
