use faculty_core::Stream;
use faculty_core::metrics::{SCORE_BINS, score_histograms};

const KNOWS: [&[usize]; 2] = [&[0, 1], &[1, 2]];

#[test]
fn scores_are_counted_once_by_teacher_and_ownership() {
    let labels: Vec<usize> = (0..300).map(|text| Stream::new(1, "labels").below_at(text, 3) as usize).collect();
    let scores: Vec<f32> = (0..600).map(|at| Stream::new(1, "scores").uniform_at(at) as f32).collect();
    let found = score_histograms(&scores, &labels, &KNOWS).unwrap();
    assert_eq!((found.low, found.high, found.left_out, found.teachers.len()), (0.0, 1.0, 0, 2));
    for (teacher, classes) in found.teachers.iter().zip(KNOWS) {
        let own = labels.iter().filter(|label| classes.contains(label)).count() as u64;
        assert_eq!((teacher.own.len(), teacher.foreign.len()), (SCORE_BINS, SCORE_BINS));
        assert_eq!((teacher.own.iter().sum::<u64>(), teacher.foreign.iter().sum::<u64>()), (own, 300 - own));
    }
}

#[test]
fn the_ends_belong_to_the_first_and_the_last_bin() {
    let found = score_histograms(&[0.0, 1.0, 0.5, 0.05], &[0, 2], &KNOWS).unwrap();
    assert_eq!((found.teachers[0].own[0], found.teachers[1].foreign[SCORE_BINS - 1]), (1, 1));
    assert_eq!((found.teachers[0].foreign[10], found.teachers[1].own[1]), (1, 1));
}

#[test]
fn other_ranges_are_covered_and_infinities_left_out() {
    let found = score_histograms(&[-3.0, 5.0, f32::NEG_INFINITY, f32::NAN], &[0, 1], &KNOWS).unwrap();
    assert_eq!((found.low, found.high, found.left_out), (-3.0, 5.0, 2));
    assert_eq!((found.teachers[0].own[0], found.teachers[1].foreign[SCORE_BINS - 1]), (1, 1));
    let equal = score_histograms(&[7.0, 7.0], &[0], &KNOWS).unwrap();
    assert_eq!((equal.low, equal.high), (6.5, 7.5));
    let none = score_histograms(&[f32::NAN, f32::NAN], &[0], &KNOWS).unwrap();
    assert_eq!((none.low, none.high, none.left_out), (0.0, 1.0, 2));
    assert!(score_histograms(&[1.0], &[0], &KNOWS).is_err());
    assert!(score_histograms(&[], &[], &KNOWS).is_err());
}
