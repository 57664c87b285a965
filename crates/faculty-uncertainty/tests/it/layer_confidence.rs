//! Confidence at a layer, fitted without data.

use crate::support::cloud;
use faculty_uncertainty::{LayerConfidence, LayerDistance, LayerFit, OwnScale, layer_scores, score_weights};

/// The case worked out by hand: two classes of three points.
const POINTS: [f32; 12] = [0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 4.0, 4.0, 6.0, 4.0, 4.0, 5.0];
const PLAIN: LayerFit = LayerFit { components: 0, shrinkage: 0.0, folds: 0 };

fn fit(pooled: &[f32], width: usize, own: &[usize], classes: &[usize], settings: LayerFit) -> LayerConfidence {
    LayerConfidence::fit(pooled, width, own, classes, LayerDistance::Relative, settings).unwrap()
}

#[track_caller]
fn close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance, "{actual:?} against {expected:?}");
    }
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// 30 own texts of two classes, and 30 of another teacher somewhere else, `width` wide.
fn two_owners(width: usize) -> (Vec<f32>, Vec<usize>, Vec<usize>) {
    let pooled = [cloud(15, width, 0.0, 1), cloud(15, width, 3.0, 2), cloud(30, width, -4.0, 3)].concat();
    ((pooled), (0..30).collect(), (0..30).map(|text| text / 15).collect())
}

#[test]
fn the_golden_case_has_the_digits_worked_out_by_hand() {
    let all: Vec<usize> = (0..6).collect();
    let found = fit(&POINTS, 2, &all, &[0, 0, 0, 1, 1, 1], PLAIN);
    close(&found.distances(&[0.0, 0.0, 5.0, 4.0, 2.0, 2.0]).unwrap(), &[0.488372, -0.627907, 25.883721], 2e-5);
    // Where the background is fitted on the same texts, the mean distance is not positive.
    let own = found.distances(&POINTS).unwrap();
    assert!(own.iter().sum::<f64>() / 6.0 <= 1e-9, "{own:?}");
}

#[test]
fn one_class_that_is_its_own_background_has_no_distance_and_no_score() {
    let (texts, all) = (cloud(50, 4, 1.0, 1), (0..50).collect::<Vec<_>>());
    let found = fit(&texts, 4, &all, &[0; 50], LayerFit::default());
    assert!(found.distances(&cloud(20, 4, 0.0, 2)).unwrap().iter().all(|distance| *distance == 0.0));
    assert!(found.scores(&cloud(20, 4, 0.0, 2)).unwrap().iter().all(|score| *score == 0.0));
    // With other teachers' texts in the background a single class is far from nothing.
    let (pooled, own, _) = two_owners(4);
    let apart = fit(&pooled, 4, &own, &[0; 30], LayerFit::default());
    let (near, far) = (apart.scores(&pooled[..120]).unwrap(), apart.scores(&pooled[120..]).unwrap());
    assert!(mean_and_deviation(&near).0 > mean_and_deviation(&far).0 + 1.0);
}

#[test]
fn invertible_linear_maps_change_no_score() {
    let (pooled, own, classes) = two_owners(3);
    let map = [[2.0, -1.0, 0.5], [0.3, 1.0, 0.0], [0.0, 0.4, -3.0]];
    let mapped = |features: &[f32]| -> Vec<f32> {
        let rows = features.chunks_exact(3);
        rows.flat_map(|row| map.map(|line| line.iter().zip(row).map(|(a, b)| a * b).sum::<f32>())).collect()
    };
    let texts = cloud(10, 3, 0.7, 6);
    let plain = fit(&pooled, 3, &own, &classes, PLAIN).scores(&texts).unwrap();
    let other = fit(&mapped(&pooled), 3, &own, &classes, PLAIN).scores(&mapped(&texts)).unwrap();
    close(&other, &plain, 1e-3);
}

#[test]
fn scores_are_standardised_on_the_pseudo_set_for_both_distances() {
    let (pooled, own, classes) = two_owners(12);
    for distance in [LayerDistance::Relative, LayerDistance::Mahalanobis] {
        for settings in [LayerFit::default(), LayerFit { components: 5, ..LayerFit::default() }] {
            let found = LayerConfidence::fit(&pooled, 12, &own, &classes, distance, settings).unwrap();
            let (mean, deviation) = mean_and_deviation(&found.scores(&pooled[..30 * 12]).unwrap());
            assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-6, "{distance:?}: {mean}, {deviation}");
            let foreign = mean_and_deviation(&found.scores(&pooled[30 * 12..]).unwrap()).0;
            assert!(foreign < -2.0, "{distance:?}: {foreign}");
            assert!(found.condition() >= 1.0);
        }
    }
}

#[test]
fn a_text_is_not_judged_by_gaussians_that_have_seen_it() {
    // 60 texts of one kind, half of them called a teacher's own: nothing tells them from the others.
    let texts = cloud(60, 16, 0.0, 9);
    let (own, classes): (Vec<usize>, Vec<usize>) = ((0..30).collect(), (0..30).map(|text| text % 2).collect());
    let gap = |folds: usize| {
        let settings = LayerFit { folds, ..LayerFit::default() };
        let found = layer_scores(&texts, 16, &own, &classes, LayerDistance::Relative, settings).unwrap().scores;
        let (mean, deviation) = mean_and_deviation(&found[..30]);
        assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-6, "{mean}, {deviation}");
        mean - mean_and_deviation(&found[30..]).0
    };
    assert!(gap(0) > 1.0, "{}: seen texts look near", gap(0));
    assert!(gap(5).abs() < 0.5, "{}: unseen ones do not", gap(5));
    // Without folds it is the plain confidence; one text alone has no other fold.
    let settings = LayerFit { folds: 0, ..LayerFit::default() };
    let plain = fit(&texts, 16, &own, &classes, settings).scores(&texts).unwrap();
    assert_eq!(layer_scores(&texts, 16, &own, &classes, LayerDistance::Relative, settings).unwrap().scores, plain);
    // What is far stays far.
    let (pooled, own, classes) = two_owners(12);
    let found = layer_scores(&pooled, 12, &own, &classes, LayerDistance::Relative, LayerFit::default()).unwrap();
    assert!(mean_and_deviation(&found.scores[30..]).0 < -2.0 && found.condition >= 1.0);
}

#[test]
fn texts_that_are_alone_in_their_class_lend_the_scatter_of_all() {
    let texts = cloud(40, 6, 0.0, 4);
    for (own, classes) in [(vec![3], vec![0]), (vec![3, 8], vec![0, 1]), (vec![3, 8, 9], vec![0, 0, 1])] {
        let found = layer_scores(&texts, 6, &own, &classes, LayerDistance::Relative, LayerFit::default()).unwrap();
        assert!(found.scores.iter().all(|score| score.is_finite()), "{own:?}");
    }
    let same = [1.0; 24];
    let none = layer_scores(&same, 6, &[0, 1], &[0, 1], LayerDistance::Relative, LayerFit::default());
    assert!(none.is_err(), "texts that are all one point have no scatter at all");
    let without = LayerFit { shrinkage: 0.0, ..LayerFit::default() };
    assert!(layer_scores(&texts, 6, &[3, 8], &[0, 1], LayerDistance::Relative, without).is_err());
}

#[test]
fn principal_components_of_wide_features_are_found_and_repeat_themselves() {
    // 3 wide directions among 300, and 20 components: the block iteration.
    let (noise, wide) = (cloud(120, 300, 0.0, 5), cloud(120, 3, 0.0, 6));
    let features: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(at, noise)| 0.1 * noise + if at % 300 < 3 { 5.0 * wide[at / 300 * 3 + at % 300] } else { 0.0 })
        .collect();
    let (own, classes): (Vec<usize>, Vec<usize>) = ((0..60).collect(), vec![0; 60]);
    let settings = LayerFit { components: 20, ..LayerFit::default() };
    let found = || layer_scores(&features, 300, &own, &classes, LayerDistance::Mahalanobis, settings).unwrap();
    assert_eq!(found(), found());
    // A text far out in a wide direction is unlike the others; one far out in a direction that was left out is not.
    let fitted = LayerConfidence::fit(&features, 300, &own, &classes, LayerDistance::Mahalanobis, settings).unwrap();
    let mut text = vec![0.0; 300];
    text[1] = 50.0;
    assert!(fitted.scores(&text).unwrap()[0] < -3.0);
}

#[test]
fn fewer_texts_than_features_need_shrinkage_or_components() {
    let (pooled, own, classes) = two_owners(100);
    let fit = |settings| LayerConfidence::fit(&pooled, 100, &own, &classes, LayerDistance::Relative, settings);
    assert!(fit(PLAIN).unwrap_err().to_string().contains("positive definite"));
    assert!(fit(LayerFit::default()).is_ok());
    assert!(fit(LayerFit { components: 10, ..PLAIN }).is_ok());
    assert!(fit(LayerFit { shrinkage: -1.0, ..PLAIN }).unwrap_err().to_string().contains("shrinkage"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let fit = |own: &[usize], classes: &[usize]| {
        LayerConfidence::fit(&POINTS, 2, own, classes, LayerDistance::Relative, LayerFit::default())
    };
    assert!(fit(&[], &[]).is_err(), "an empty pseudo-set");
    assert!(fit(&[0, 1], &[0]).is_err(), "a text without a class");
    assert!(fit(&[6], &[0]).is_err(), "a text that is not there");
    assert!(fit(&[0, 1, 2], &[0, 0, 0]).unwrap().scores(&[1.0, 2.0, 3.0]).is_err(), "features of another width");
}

#[test]
fn weights_are_a_softmax_over_the_teachers() {
    let weights = score_weights(&[1.0, 0.0, 400.0, -400.0, 2.0, 2.0], 2, 0.5).unwrap();
    let first = 1.0 / (1.0 + (-2.0_f64).exp());
    close(&weights.iter().map(|&w| f64::from(w)).collect::<Vec<_>>(), &[first, 1.0 - first, 1.0, 0.0, 0.5, 0.5], 1e-6);
    assert!(score_weights(&[1.0, 0.0], 2, 0.0).unwrap_err().to_string().contains("gate_temperature"));
    assert!(score_weights(&[1.0, f64::NAN], 2, 1.0).is_err());
}

#[test]
fn a_score_that_never_differs_has_no_scale() {
    let scale = OwnScale::of(&[0.3, 0.3, 0.3]).unwrap();
    assert_eq!((scale.standardise(0.3), scale.standardise(5.0)), (0.0, 0.0));
    let scale = OwnScale::of(&[1.0, 3.0]).unwrap();
    assert_eq!(scale.standardise(4.0), 2.0);
    assert!(OwnScale::of(&[]).is_err() && OwnScale::of(&[f64::INFINITY]).is_err());
}
