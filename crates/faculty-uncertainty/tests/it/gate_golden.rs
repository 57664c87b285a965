//! Density scores and the calibrated gate against PyTorch (float64), computed there by other algorithms.

use faculty_nn::FeatureSite;
use faculty_testkit::golden_json;
use faculty_uncertainty::{CalibratedGate, DensityRatio, OwnerSummary, RatioSettings, ScoreSummary, SummarySettings};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    densities: Vec<Density>,
    ratio: Ratio,
    calibrated: Vec<Calibrated>,
}

#[derive(Deserialize)]
struct Density {
    name: String,
    width: usize,
    components: Option<usize>,
    shrinkage: f64,
    fit: Vec<Vec<f32>>,
    labels: Vec<usize>,
    texts: Vec<Vec<f32>>,
    mahalanobis: Vec<f64>,
    relative: Vec<f64>,
    condition: [f64; 2],
}

#[derive(Deserialize)]
struct Ratio {
    known: Vec<Vec<f32>>,
    auxiliary: Vec<Vec<f32>>,
    texts: Vec<Vec<f32>>,
    kernel_width: f64,
    regularisation: f64,
    ratio: Vec<f64>,
    condition: f64,
}

#[derive(Deserialize)]
struct Calibrated {
    name: String,
    teachers: usize,
    nobody: bool,
    scores: Vec<Vec<f64>>,
    own: Vec<Own>,
    weights: Vec<Vec<f64>>,
    somebody: Vec<f64>,
    shares: Vec<f64>,
    objective: f64,
}

#[derive(Deserialize)]
struct Own {
    texts: usize,
    quantiles: Vec<f64>,
}

fn golden() -> Golden {
    golden_json("gates.json")
}

#[track_caller]
fn close(actual: &[f64], expected: &[f64], absolute: f64, relative: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= absolute + relative * e.abs(), "{what}: {a}, expected {e}");
    }
}

#[test]
fn mahalanobis_scores_agree_with_pytorch() {
    for case in golden().densities {
        let settings = SummarySettings { components: case.components, shrinkage: case.shrinkage, held_out: 0 };
        let site = FeatureSite::default();
        let summary = OwnerSummary::fit(&case.fit.concat(), case.width, &case.labels, site, settings).unwrap();
        let texts = case.texts.concat();
        // The summary is rounded to f32 as it is shipped.
        close(&summary.mahalanobis(&texts).unwrap(), &case.mahalanobis, 1e-5, 1e-5, &case.name);
        close(&summary.relative_mahalanobis(&texts, None).unwrap(), &case.relative, 1e-4, 1e-5, &case.name);
        let card = summary.card();
        close(&[card.condition, card.background_condition], &case.condition, 0.0, 1e-3, &case.name);
    }
}

#[test]
fn the_density_ratio_agrees_with_pytorch() {
    let case = golden().ratio;
    let settings = RatioSettings {
        kernel_width: Some(case.kernel_width),
        regularisation: Some(case.regularisation),
        ..RatioSettings::default()
    };
    let ratio = DensityRatio::fit(&case.known.concat(), &case.auxiliary.concat(), 3, settings).unwrap();
    close(&ratio.ratio(&case.texts.concat()).unwrap(), &case.ratio, 1e-10, 1e-10, "ratio");
    close(&[ratio.condition()], &[case.condition], 0.0, 1e-3, "condition number");
}

#[test]
fn the_calibrated_gate_is_the_maximum_that_a_general_optimiser_finds() {
    for case in golden().calibrated {
        let gate =
            CalibratedGate { nobody: case.nobody, iterations: 20_000, tolerance: 1e-14, ..CalibratedGate::default() };
        let own: Vec<Option<ScoreSummary>> = case
            .own
            .into_iter()
            .map(|own| Some(ScoreSummary { mean: 0.0, deviation: 0.0, texts: own.texts, quantiles: own.quantiles }))
            .collect();
        let scores = case.scores.concat();
        let fit = gate.fit(&scores, case.teachers, &own).unwrap();
        assert!(fit.converged, "{}", case.name);
        // A maximum that is higher by more than rounding would be another one.
        close(&[fit.objective], &[case.objective], 1e-7, 0.0, &format!("{}: objective", case.name));
        close(&fit.shares, &case.shares[..case.teachers], 1e-4, 0.0, &format!("{}: shares", case.name));
        let found = fit.weights(&scores).unwrap();
        close(&found.weights, &case.weights.concat(), 1e-3, 0.0, &format!("{}: weights", case.name));
        close(&found.somebody, &case.somebody, 1e-3, 0.0, &format!("{}: somebody", case.name));
    }
}
