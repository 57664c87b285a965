//! What a gate does, told without labels.

use faculty_core::metrics::{gate_quality, teacher_selection};

#[test]
fn a_gate_that_always_picks_one_teacher_shows_in_its_mean_weights() {
    let weights = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    // On a test set with one large slice its selection accuracy looks fine.
    let selection = teacher_selection(&weights, &[0, 0, 0, 1], &[&[0][..], &[1]]).unwrap();
    assert_eq!((selection.accuracy, selection.chance), (0.75, 0.75));
    assert_eq!((selection.owners[0].accuracy, selection.owners[1].accuracy), (Some(1.0), Some(0.0)));
    let quality = gate_quality(&weights, 2).unwrap();
    assert_eq!((quality.entropy, quality.undecided, quality.abstained), (0.0, 0.0, 0.0));
    assert_eq!((quality.mean_weights, quality.claimed), (vec![1.0, 0.0], vec![1.0, 0.0]));
}

#[test]
fn a_uniform_gate_has_entropy_one_and_decides_nothing() {
    let quality = gate_quality(&[0.25; 12], 4).unwrap();
    assert!((quality.entropy - 1.0).abs() < 1e-12);
    assert_eq!((quality.undecided, quality.abstained, quality.texts), (1.0, 0.0, 3));
    assert_eq!(quality.mean_weights, [0.25; 4]);
}

#[test]
fn dropped_texts_count_as_abstained_and_in_no_mean() {
    let quality = gate_quality(&[0.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.0, 0.0], 2).unwrap();
    assert_eq!((quality.abstained, quality.undecided), (0.5, 0.25));
    assert_eq!((quality.mean_weights, quality.claimed), (vec![0.75, 0.25], vec![0.5, 0.25]));
    assert!((quality.entropy - 0.5).abs() < 1e-12);
    let nobody = gate_quality(&[0.0; 4], 2).unwrap();
    assert_eq!((nobody.abstained, nobody.entropy, nobody.mean_weights), (1.0, 0.0, vec![0.0, 0.0]));
}

#[test]
fn the_entropy_is_that_of_the_weights() {
    let quality = gate_quality(&[0.9, 0.1], 2).unwrap();
    let expected = -(0.9f64 * 0.9f64.ln() + 0.1 * 0.1f64.ln()) / 2f64.ln();
    assert!((quality.entropy - expected).abs() < 1e-6, "{}", quality.entropy);
    let single = gate_quality(&[1.0, 1.0], 1).unwrap();
    assert_eq!((single.entropy, single.undecided), (0.0, 0.0));
}

#[test]
fn weights_that_make_no_sense_are_refused() {
    for (weights, teachers) in
        [(&[][..], 2), (&[1.0, 0.0, 1.0], 2), (&[1.0], 0), (&[-0.1, 1.1], 2), (&[f32::NAN, 1.0], 2)]
    {
        assert!(gate_quality(weights, teachers).is_err(), "{weights:?} of {teachers}");
    }
}
