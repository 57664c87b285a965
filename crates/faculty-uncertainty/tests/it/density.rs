//! Gaussians over features, and distances to them.

use crate::support::{cloud, matrix, seeing, values};
use burn::tensor::Device;
use faculty_core::Stream;
use faculty_nn::{FeatureSite, TeacherView};
use faculty_uncertainty::{
    Background, Cholesky, ConfidenceSpec, Mahalanobis, OwnerStatistics, OwnerSummary, RelativeMahalanobis,
    SharedGaussian, SummarySettings, soft_gate,
};

/// The case worked out by hand: two classes of three points.
const POINTS: [f32; 12] = [0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 4.0, 4.0, 6.0, 4.0, 4.0, 5.0];
const LABELS: [usize; 6] = [0, 0, 0, 1, 1, 1];

#[track_caller]
fn close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance, "{actual:?} against {expected:?}");
    }
}

/// A = L Lᵀ.
fn product(factor: &Cholesky) -> Vec<f64> {
    let (n, l) = (factor.size(), factor.lower());
    (0..n * n).map(|at| (0..n).map(|k| l[at / n * n + k] * l[at % n * n + k]).sum()).collect()
}

fn relative(features: &[f32], labels: &[usize], width: usize, texts: &[f32]) -> Vec<f64> {
    let classes = SharedGaussian::fit(features, width, labels, 0.0).unwrap().nearest(texts).unwrap();
    let background = SharedGaussian::background(features, width, 0.0).unwrap().nearest(texts).unwrap();
    classes.iter().zip(background).map(|(near, far)| near - far).collect()
}

#[test]
fn the_relative_distance_has_the_digits_worked_out_by_hand() {
    let classes = SharedGaussian::fit(&POINTS, 2, &LABELS, 0.0).unwrap();
    close(&product(classes.factor()), &[0.888889, -0.222222, -0.222222, 0.222222], 1e-6);
    // The background scatter is divided by n too.
    let background = SharedGaussian::background(&POINTS, 2, 0.0).unwrap();
    close(&product(background.factor()), &[4.888889, 3.777778, 3.777778, 4.222222], 2e-6);
    let found = relative(&POINTS, &LABELS, 2, &[0.0, 0.0, 5.0, 4.0, 2.0, 2.0]);
    close(&found, &[0.488372, -0.627907, 25.883721], 2e-5);
}

#[test]
fn one_class_is_its_own_background() {
    let features = cloud(50, 4, 1.0, 1);
    let found = relative(&features, &[0; 50], 4, &cloud(20, 4, 0.0, 2));
    assert!(found.iter().all(|distance| *distance == 0.0), "{found:?}");
}

#[test]
fn on_the_texts_of_the_fit_the_mean_relative_distance_is_not_positive() {
    let features = [cloud(40, 3, 0.0, 1), cloud(40, 3, 2.0, 2), cloud(40, 3, -1.0, 3)].concat();
    let labels: Vec<usize> = (0..120).map(|text| text / 40).collect();
    let found = relative(&features, &labels, 3, &features);
    assert!(found.iter().sum::<f64>() / 120.0 <= 1e-6);
    // Far apart, the nearest class is a text's own, and both distances are the width on average.
    let features = [cloud(40, 3, 0.0, 1), cloud(40, 3, 60.0, 2), cloud(40, 3, -60.0, 3)].concat();
    let found = relative(&features, &labels, 3, &features);
    assert!((found.iter().sum::<f64>() / 120.0).abs() < 1e-4, "{}", found.iter().sum::<f64>() / 120.0);
}

#[test]
fn invertible_linear_maps_change_no_relative_distance() {
    let features = [cloud(60, 3, 0.0, 4), cloud(60, 3, 1.5, 5)].concat();
    let labels: Vec<usize> = (0..120).map(|text| text / 60).collect();
    let texts = cloud(10, 3, 0.7, 6);
    let map = [[2.0, -1.0, 0.5], [0.3, 1.0, 0.0], [0.0, 0.4, -3.0]];
    let mapped = |features: &[f32]| -> Vec<f32> {
        let rows = features.chunks_exact(3);
        rows.flat_map(|row| map.map(|line| line.iter().zip(row).map(|(a, b)| a * b).sum::<f32>())).collect()
    };
    let plain = relative(&features, &labels, 3, &texts);
    let other = relative(&mapped(&features), &labels, 3, &mapped(&texts));
    close(&other, &plain, 1e-3);
}

#[test]
fn a_singular_covariance_needs_shrinkage_and_says_so() {
    // 20 texts in 64 dimensions.
    let features = cloud(20, 64, 0.0, 7);
    let error = SharedGaussian::background(&features, 64, 0.0).unwrap_err().to_string();
    assert!(error.contains("not positive definite") && error.contains("shrinkage"), "{error}");
    let gaussian = SharedGaussian::background(&features, 64, 0.1).unwrap();
    let distances = gaussian.nearest(&cloud(5, 64, 0.0, 8)).unwrap();
    assert!(distances.iter().all(|distance| distance.is_finite() && *distance > 0.0));
    let condition = gaussian.factor().condition_number();
    assert!((10.0..1e4).contains(&condition), "{condition}");
}

#[test]
fn shrinkage_bounds_the_condition_number() {
    let mut features = cloud(400, 8, 0.0, 9);
    // One direction has a millionth of the others' deviation.
    features.iter_mut().step_by(8).for_each(|value| *value *= 1e-6);
    let condition = |s| SharedGaussian::background(&features, 8, s).unwrap().factor().condition_number();
    assert!(condition(1e-9) > 1e8, "{}", condition(1e-9));
    assert!(condition(0.1) < 20.0, "{}", condition(0.1));
}

#[test]
fn cholesky_solves_and_knows_its_condition_number() {
    let size = 30;
    let stream = Stream::new(1, "matrix");
    let root: Vec<f64> = (0..900).map(|index| stream.normal_at(index)).collect();
    let matrix: Vec<f64> = (0..900)
        .map(|at| {
            let (i, j) = (at / size, at % size);
            let product: f64 = (0..size).map(|k| root[i * size + k] * root[j * size + k]).sum();
            product + if i == j { 1.0 } else { 0.0 }
        })
        .collect();
    let factor = Cholesky::new(&matrix, size).unwrap();
    let right: Vec<f64> = (0..size as u64).map(|index| stream.normal_at(1000 + index)).collect();
    let mut solution = right.clone();
    factor.solve(&mut solution);
    for (row, expected) in matrix.chunks_exact(size).zip(&right) {
        let found: f64 = row.iter().zip(&solution).map(|(a, x)| a * x).sum();
        assert!((found - expected).abs() < 1e-9);
    }
    assert_eq!(Cholesky::from_lower(factor.lower().to_vec(), size).unwrap(), factor);
    let diagonal = Cholesky::new(&[100.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.01], 3).unwrap();
    assert!((diagonal.condition_number() - 1e4).abs() < 1e-6);
    assert!(diagonal.log_determinant().abs() < 1e-12);
    assert!(Cholesky::new(&[1.0, 2.0, 2.0, 1.0], 2).is_err() && Cholesky::new(&[f64::NAN], 1).is_err());
    for damaged in [[1.0, 0.5, 0.0, 1.0], [1.0, 0.0, 0.5, 0.0], [1.0, 0.0, f64::INFINITY, 1.0]] {
        assert!(Cholesky::from_lower(damaged.to_vec(), 2).is_err(), "{damaged:?}");
    }
}

#[test]
fn features_that_make_no_sense_are_refused() {
    let error = SharedGaussian::background(&[0.0, f32::NAN, 1.0, 2.0], 2, 0.1).unwrap_err().to_string();
    assert!(error.contains("feature 1 of text 0"), "{error}");
    assert!(SharedGaussian::background(&[0.0, 1.0, 2.0], 2, 0.1).is_err());
    assert!(SharedGaussian::fit(&POINTS, 2, &LABELS[..5], 0.1).is_err());
    assert!(SharedGaussian::fit(&POINTS, 2, &LABELS, -0.1).unwrap_err().to_string().contains("shrinkage"));
    assert!(SharedGaussian::background(&POINTS, 2, 0.1).unwrap().nearest(&[1.0; 3]).is_err());
}

/// Two owners: their texts lie apart, each in features of its own teacher, which sees both.
fn owners() -> (Vec<OwnerSummary>, Vec<TeacherView>) {
    let settings = SummarySettings { components: Some(4), ..SummarySettings::default() };
    let labels: Vec<usize> = (0..200).map(|text| text % 2).collect();
    // Width 6 and 10; a teacher's own texts are at 0 or 3 by class, foreign ones at -4.
    let own = |width: usize, rows: usize, seed: u64| -> Vec<f32> {
        let mut features = cloud(rows, width, 0.0, seed);
        features.chunks_exact_mut(width).skip(1).step_by(2).for_each(|row| row.iter_mut().for_each(|v| *v += 3.0));
        features
    };
    let summaries = [6, 10]
        .into_iter()
        .map(|width| OwnerSummary::fit(&own(width, 200, 1), width, &labels, FeatureSite::default(), settings).unwrap())
        .collect();
    // 40 texts of owner 0, then 40 of owner 1.
    let first = [own(6, 40, 2), cloud(40, 6, -4.0, 3)].concat();
    let second = [cloud(40, 10, -4.0, 4), own(10, 40, 5)].concat();
    (summaries, vec![seeing(&first, 6), seeing(&second, 10)])
}

fn kinds() -> [ConfidenceSpec; 3] {
    [
        ConfidenceSpec::Mahalanobis(Mahalanobis::default()),
        ConfidenceSpec::RelativeMahalanobis(RelativeMahalanobis::default()),
        ConfidenceSpec::RelativeMahalanobis(RelativeMahalanobis {
            background: Background::Transfer,
            standardise: true,
        }),
    ]
}

#[test]
fn owners_recognise_their_own_texts() {
    let (summaries, views) = owners();
    let statistics = OwnerStatistics { summaries: &summaries, ratios: &[] };
    for spec in [kinds()[0], kinds()[2]] {
        let score = spec.build_with(statistics);
        assert!(score.needs_features() && !score.needs_passes());
        let weights = values(soft_gate(score.score(&views).unwrap(), 1.0).unwrap());
        let own: f32 = weights.chunks(2).enumerate().map(|(text, row)| row[text / 40]).sum();
        assert!(own / 80.0 > 0.9, "{}: {}", score.name(), own / 80.0);
    }
}

#[test]
fn a_standardised_score_has_mean_0_and_deviation_1_on_the_owners_texts() {
    let features = cloud(300, 5, 0.0, 1);
    let labels: Vec<usize> = (0..300).map(|text| text % 3).collect();
    let settings = SummarySettings { held_out: 0, components: None, ..SummarySettings::default() };
    let summary = OwnerSummary::fit(&features, 5, &labels, FeatureSite::default(), settings).unwrap();
    let statistics = OwnerStatistics { summaries: &[summary], ratios: &[] };
    for spec in &kinds()[..2] {
        let scores = values(spec.build_with(statistics).score(&[seeing(&features, 5)]).unwrap());
        let mean = scores.iter().sum::<f32>() / 300.0;
        let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / 300.0;
        assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-3, "{mean}, {variance}");
    }
}

#[test]
fn a_single_class_has_no_relative_distance_to_itself_but_one_to_the_transfer_text() {
    let own = cloud(100, 4, 0.0, 1);
    let summary = OwnerSummary::fit(&own, 4, &[0; 100], FeatureSite::default(), SummarySettings::default()).unwrap();
    let summaries = [summary];
    let statistics = OwnerStatistics { summaries: &summaries, ratios: &[] };
    let views = [seeing(&[cloud(50, 4, 0.0, 2), cloud(50, 4, 3.0, 3)].concat(), 4)];
    let of_owner = kinds()[1].build_with(statistics);
    assert!(values(of_owner.score(&views).unwrap()).iter().all(|score| *score == 0.0));
    assert!(of_owner.warnings(&[("single", 1)])[0].contains("`single` has a single class"));
    let of_transfer = kinds()[2].build_with(statistics);
    assert!(of_transfer.warnings(&[("single", 1)]).is_empty());
    let scores = values(of_transfer.score(&views).unwrap());
    let (mine, foreign): (f32, f32) = (scores[..50].iter().sum(), scores[50..].iter().sum());
    assert!(mine > foreign + 50.0, "{mine} against {foreign}");
}

#[test]
fn a_score_without_features_or_owners_is_an_error_that_says_what_to_do() {
    let (summaries, views) = owners();
    for spec in kinds() {
        let error = spec.build().score(&views).unwrap_err().to_string();
        assert!(error.contains("0 owners for 2 teachers") && error.contains("summary"), "{error}");
        let score = spec.build_with(OwnerStatistics { summaries: &summaries, ratios: &[] });
        let bare = [0, 1].map(|_| TeacherView::from_logits(matrix(&[0.0; 4], 2)));
        let error = score.score(&bare).unwrap_err().to_string();
        assert!(error.contains("needs features") && error.contains("ask the teachers"), "{error}");
        let narrow = [seeing(&cloud(2, 5, 0.0, 1), 5), seeing(&cloud(2, 10, 0.0, 1), 10)];
        assert!(score.score(&narrow).is_err());
    }
}

#[test]
fn scores_of_features_on_an_autodiff_device_are_constants() {
    let (summaries, mut views) = owners();
    let device = Device::flex().autodiff();
    for view in &mut views {
        let features = view.features.take().unwrap();
        view.features = Some(burn::tensor::Tensor::from_data(features.into_data(), &device).require_grad());
    }
    let score = kinds()[0].build_with(OwnerStatistics { summaries: &summaries, ratios: &[] });
    assert!(!score.score(&views).unwrap().is_autodiff());
}
