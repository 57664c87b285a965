//! Density ratios by kernel least squares.

use crate::support::{cloud, seeing, values};
use faculty_core::Stream;
use faculty_uncertainty::{
    ConfidenceSpec, DensityRatio, GateSpec, KulsifRatio, OwnerStatistics, RatioSettings, claim_gate,
};

const DEMO: RatioSettings =
    RatioSettings { kernel_width: Some(5.0), regularisation: None, auxiliary: 250, known_share: 0.05 };

#[test]
fn the_ratio_is_near_1_where_known_and_auxiliary_points_share_a_distribution() {
    let (known, auxiliary) = (cloud(500, 2, 0.0, 1), cloud(250, 2, 0.0, 2));
    for settings in [DEMO, RatioSettings::default()] {
        let ratio = DensityRatio::fit(&known, &auxiliary, 2, settings).unwrap();
        let found = ratio.ratio(&cloud(200, 2, 0.0, 3)).unwrap();
        let mean = found.iter().sum::<f64>() / 200.0;
        assert!((mean - 1.0).abs() < 0.15, "{settings:?}: {mean}");
        assert!(ratio.condition() >= 1.0 && ratio.condition().is_finite());
    }
}

#[test]
fn the_ratio_finds_the_density_that_is_twice_as_high() {
    // Half of the auxiliary points are where the known ones are.
    let known = cloud(400, 2, 3.0, 1);
    let auxiliary = [cloud(150, 2, 3.0, 2), cloud(150, 2, -3.0, 3)].concat();
    let settings = RatioSettings { kernel_width: Some(2.0), regularisation: Some(0.01), ..DEMO };
    let ratio = DensityRatio::fit(&known, &auxiliary, 2, settings).unwrap();
    let near = ratio.ratio(&[3.0, 3.0]).unwrap()[0];
    let far = ratio.ratio(&[-3.0, -3.0]).unwrap()[0];
    assert!((near - 2.0).abs() < 0.4, "{near}");
    assert!(far.abs() < 0.2, "{far}");
}

#[test]
fn a_case_of_two_auxiliary_points_is_solved_by_hand() {
    // On a line: a = 0, 1; k = 0; σ² = 1/2, so that k(x, y) = exp(-(x - y)²); λ = 1/2.
    let settings = RatioSettings { kernel_width: Some(0.5f64.sqrt()), regularisation: Some(0.5), ..DEMO };
    let ratio = DensityRatio::fit(&[0.0], &[0.0, 1.0], 1, settings).unwrap();
    let e = (-1.0f64).exp();
    // (K11/2 + I/2) α = -(1/(2·1·½)) (1, e): [[1, e/2], [e/2, 1]] α = -(1, e).
    let determinant = 1.0 - e * e / 4.0;
    let alpha = [-(1.0 - e * e / 2.0) / determinant, -(e - e / 2.0) / determinant];
    for x in [0.0, 0.5, 2.0] {
        let k = |y: f64| (-(x - y) * (x - y)).exp();
        let expected = alpha[0] * k(0.0) + alpha[1] * k(1.0) + 2.0 * k(0.0);
        let found = ratio.ratio(&[x as f32]).unwrap()[0];
        assert!((found - expected).abs() < 1e-10, "{found} against {expected}");
    }
}

#[test]
fn an_owner_claims_three_quarters_of_its_own_texts_and_hardly_a_foreign_one() {
    let own = cloud(2000, 3, 0.0, 1);
    let foreign = cloud(300, 3, 5.0, 2);
    let transfer = [cloud(300, 3, 0.0, 3), foreign.clone()].concat();
    let settings = RatioSettings { known_share: 0.2, ..RatioSettings::default() };
    let ratio = DensityRatio::fit_sampled(&own, &transfer, 3, settings, Stream::new(1, "ratio")).unwrap();
    let quartile = ratio.own_scores().unwrap().quartile();
    let claimed = |features: &[f32]| {
        let found = ratio.ratio(features).unwrap();
        found.iter().filter(|ratio| **ratio > quartile).count() as f64 / found.len() as f64
    };
    assert!((claimed(&cloud(1000, 3, 0.0, 4)) - 0.75).abs() < 0.06);
    assert!(claimed(&foreign) < 0.02);

    let ratios = [ratio];
    let score =
        ConfidenceSpec::KulsifRatio(KulsifRatio {}).build_with(OwnerStatistics { summaries: &[], ratios: &ratios });
    let views = [seeing(&transfer, 3)];
    let scores = score.score(&views).unwrap();
    let claims = claim_gate(scores.clone(), &[score.own_scores(0).unwrap().quartile()]).unwrap();
    assert!((0.3..0.45).contains(&claims.shares.claimed[0]), "{:?}", claims.shares);
    assert_eq!(values(GateSpec::Hard {}.weights(scores).unwrap()), [1.0; 600]);
}

#[test]
fn the_same_stream_draws_the_same_points() {
    let (own, transfer) = (cloud(100, 2, 0.0, 1), cloud(100, 2, 1.0, 2));
    let fit = |seed| {
        let settings = RatioSettings { auxiliary: 20, known_share: 0.3, ..RatioSettings::default() };
        DensityRatio::fit_sampled(&own, &transfer, 2, settings, Stream::new(seed, "ratio")).unwrap()
    };
    assert_eq!(fit(1), fit(1));
    assert_ne!(fit(1), fit(2));
}

#[test]
fn uniform_points_fill_the_box_around_the_features() {
    let points = DensityRatio::uniform_points(&[0.0, 10.0, 2.0, 30.0], 2, 500, Stream::new(1, "box")).unwrap();
    assert_eq!(points.len(), 1000);
    assert!(points.chunks(2).all(|p| (0.0..=2.0).contains(&p[0]) && (10.0..=30.0).contains(&p[1])));
    let mean = points.iter().step_by(2).sum::<f32>() / 500.0;
    assert!((mean - 1.0).abs() < 0.1, "{mean}");
}

#[test]
fn identical_points_are_no_trouble_and_bad_settings_are_named() {
    let ratio = DensityRatio::fit(&[1.0; 6], &[1.0; 10], 2, RatioSettings::default()).unwrap();
    assert!(ratio.kernel_width() == 1.0 && ratio.ratio(&[1.0, 1.0]).unwrap()[0].is_finite());
    for (settings, key) in [
        (RatioSettings { kernel_width: Some(0.0), ..DEMO }, "kernel_width"),
        (RatioSettings { regularisation: Some(-1.0), ..DEMO }, "regularisation"),
    ] {
        let error = DensityRatio::fit(&[1.0, 2.0], &[1.0, 2.0], 1, settings).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    let settings = RatioSettings { known_share: 1.0, ..DEMO };
    let error =
        DensityRatio::fit_sampled(&[1.0, 2.0], &[1.0], 1, settings, Stream::new(1, "r")).unwrap_err().to_string();
    assert!(error.contains("known_share"), "{error}");
}
