//! What an owner ships.

use crate::support::cloud;
use faculty_core::NamedTensor;
use faculty_nn::{FeatureSite, Pooling};
use faculty_uncertainty::{OwnerSummary, ScoreSummary, SummaryCard, SummarySettings};

const WIDTH: usize = 40;

/// Texts of three classes that differ in three of 40 features, and hardly vary in most of the others.
fn texts(rows: usize, seed: u64) -> (Vec<f32>, Vec<usize>) {
    let mut features = cloud(rows, WIDTH, 0.0, seed);
    let labels: Vec<usize> = (0..rows).map(|row| row % 3).collect();
    for (row, &label) in features.chunks_exact_mut(WIDTH).zip(&labels) {
        row[4..].iter_mut().for_each(|value| *value *= 0.05);
        row[label] += 6.0;
    }
    (features, labels)
}

fn summary(settings: SummarySettings) -> OwnerSummary {
    let (features, labels) = texts(600, 1);
    let site = FeatureSite { layer: Some(2), pooling: Pooling::Mean };
    OwnerSummary::fit(&features, WIDTH, &labels, site, settings).unwrap()
}

#[test]
fn what_is_shipped_is_what_was_fitted() {
    for components in [None, Some(4), Some(64)] {
        let fitted = summary(SummarySettings { components, ..SummarySettings::default() });
        let (tensors, card) = fitted.to_parts();
        assert_eq!(OwnerSummary::from_parts(&tensors, card.clone()).unwrap(), fitted);
        let json = serde_json::to_string(&card).unwrap();
        let read: SummaryCard = serde_json::from_str(&json).unwrap();
        let other = OwnerSummary::from_parts(&tensors, read).unwrap();
        let (new, _) = texts(20, 2);
        for (a, b) in other.mahalanobis(&new).unwrap().iter().zip(fitted.mahalanobis(&new).unwrap()) {
            assert_eq!(*a, b);
        }
        assert_eq!(card.site.pooling, Pooling::Mean);
        assert_eq!((card.texts, card.mahalanobis.texts), (480, 120));
    }
}

#[test]
fn a_summary_is_much_smaller_than_the_features_and_holds_no_row_of_them() {
    let (features, _) = texts(600, 1);
    let (tensors, _) = summary(SummarySettings { components: Some(4), ..SummarySettings::default() }).to_parts();
    assert!(tensors.iter().map(|tensor| tensor.values.len()).sum::<usize>() < features.len() / 50);
    for row in features.chunks_exact(WIDTH) {
        assert!(!tensors.iter().any(|tensor| tensor.values.windows(WIDTH).any(|window| window == row)));
    }
}

#[test]
fn components_keep_what_varies() {
    let fitted = summary(SummarySettings { components: Some(4), ..SummarySettings::default() });
    assert!(fitted.card().explained > 0.98, "{}", fitted.card().explained);
    assert!(fitted.card().condition >= 1.0 && fitted.card().background_condition >= 1.0);
    assert!(fitted.warning("a").is_none());
    let thin = SummarySettings { components: None, shrinkage: 1e-12, held_out: 0 };
    let mut features = texts(100, 3).0;
    features.iter_mut().skip(WIDTH - 1).step_by(WIDTH).for_each(|value| *value *= 1e-5);
    let labels: Vec<usize> = (0..100).map(|row| row % 3).collect();
    let doubtful = OwnerSummary::fit(&features, WIDTH, &labels, FeatureSite::default(), thin).unwrap();
    assert!(doubtful.warning("a").unwrap().contains("condition number"));
}

#[test]
fn three_quarters_of_new_own_texts_exceed_the_quartile_and_foreign_ones_do_not() {
    let fitted = summary(SummarySettings { components: Some(8), ..SummarySettings::default() });
    let share = |scores: Vec<f64>, quartile: f64| {
        scores.iter().filter(|score| **score > quartile).count() as f64 / scores.len() as f64
    };
    let (own, _) = texts(1000, 4);
    let foreign: Vec<f32> = texts(1000, 5).0.iter().map(|value| value - 3.0).collect();
    let card = fitted.card();
    for (own, foreign, quartile) in [
        (fitted.mahalanobis(&own).unwrap(), fitted.mahalanobis(&foreign).unwrap(), card.mahalanobis.quartile()),
        (
            fitted.relative_mahalanobis(&own, None).unwrap(),
            fitted.relative_mahalanobis(&foreign, None).unwrap(),
            card.relative.quartile(),
        ),
    ] {
        let (own, foreign) = (share(own, quartile), share(foreign, quartile));
        assert!((own - 0.75).abs() < 0.12, "own texts above the quartile: {own}");
        assert!(foreign < 0.3, "foreign texts above the quartile: {foreign}");
    }
}

#[test]
fn held_out_texts_look_further_away_than_texts_of_the_fit() {
    // Few texts in many dimensions.
    let (features, labels) = texts(90, 6);
    let fit = |held_out| {
        let settings = SummarySettings { components: None, held_out, shrinkage: 0.01 };
        OwnerSummary::fit(&features, WIDTH, &labels, FeatureSite::default(), settings).unwrap()
    };
    assert!(fit(3).card().mahalanobis.mean < fit(0).card().mahalanobis.mean);
}

#[test]
fn the_worked_case_goes_through_a_summary() {
    let points = [0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 4.0, 4.0, 6.0, 4.0, 4.0, 5.0];
    let settings = SummarySettings { components: None, shrinkage: 0.0, held_out: 0 };
    let fitted = OwnerSummary::fit(&points, 2, &[0, 0, 0, 1, 1, 1], FeatureSite::default(), settings).unwrap();
    let scores = fitted.relative_mahalanobis(&[0.0, 0.0, 5.0, 4.0, 2.0, 2.0], None).unwrap();
    for (score, expected) in scores.iter().zip([-0.488372, 0.627907, -25.883721]) {
        assert!((score - expected).abs() < 2e-5, "{scores:?}");
    }
}

#[test]
fn quantiles_are_linear_between_scores() {
    let summary = ScoreSummary::of(&[4.0, 1.0, 3.0, 2.0, 5.0]).unwrap();
    assert_eq!((summary.quantiles.len(), summary.quantiles[0], summary.quantiles[20]), (21, 1.0, 5.0));
    assert_eq!((summary.quartile(), summary.mean, summary.texts), (2.0, 3.0, 5));
    assert!((summary.quantiles[1] - 1.2).abs() < 1e-12);
    assert_eq!(summary.standardised().quartile(), summary.standardise(2.0));
    assert_eq!(ScoreSummary::of(&[7.0]).unwrap().quartile(), 7.0);
    assert_eq!(ScoreSummary::of(&[7.0, 7.0]).unwrap().standardise(9.0), 0.0);
    assert!(ScoreSummary::of(&[]).is_err() && ScoreSummary::of(&[f64::NAN]).is_err());
}

#[test]
fn damaged_summaries_are_refused() {
    let (tensors, card) = summary(SummarySettings { components: Some(4), ..SummarySettings::default() }).to_parts();
    let change = |name: &str, edit: &dyn Fn(&mut NamedTensor)| {
        let mut tensors = tensors.clone();
        edit(tensors.iter_mut().find(|tensor| tensor.name == name).unwrap());
        OwnerSummary::from_parts(&tensors, card.clone())
    };
    assert!(change("classes.factor", &|tensor| tensor.values[0] = -1.0).is_err());
    assert!(change("classes.factor", &|tensor| tensor.values[1] = 1.0).is_err());
    assert!(change("classes.means", &|tensor| tensor.values.truncate(3)).is_err());
    assert!(change("background.mean", &|tensor| tensor.name = "another".to_owned()).is_err());
    assert!(change("projection.mean", &|tensor| tensor.values.truncate(7)).is_err());
    assert!(change("classes.means", &|_| {}).is_ok());
    let other = SummaryCard { format: 2, ..card.clone() };
    assert!(OwnerSummary::from_parts(&tensors, other).unwrap_err().to_string().contains("format"));
    let mut other = card.clone();
    other.relative.quantiles.pop();
    assert!(OwnerSummary::from_parts(&tensors, other).unwrap_err().to_string().contains("relative"));
    let other = SummaryCard { width: 41, ..card };
    assert!(OwnerSummary::from_parts(&tensors, other).is_err());
}

#[test]
fn texts_and_labels_must_fit() {
    let (features, labels) = texts(30, 7);
    let fit = |features: &[f32], labels: &[usize]| {
        OwnerSummary::fit(features, WIDTH, labels, FeatureSite::default(), SummarySettings::default())
    };
    assert!(fit(&features, &labels[1..]).is_err() && fit(&[], &[]).is_err());
    // A class that is missing in between is no trouble.
    let gaps: Vec<usize> = labels.iter().map(|label| 3 * label).collect();
    assert_eq!(fit(&features, &gaps).unwrap().classes(), 3);
}
