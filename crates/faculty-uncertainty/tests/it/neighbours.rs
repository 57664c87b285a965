//! Weights smoothed over texts that are alike, against values by hand.

use burn::tensor::Device;
use faculty_uncertainty::{Neighbours, TextSpace};

#[test]
fn a_text_follows_the_texts_beside_it() {
    // Two heaps of texts on two directions; one text of the first heap is said to be the other teacher's.
    let values = [1.0_f32, 0.0, 1.0, 0.1, 1.0, -0.1, 0.9, 0.05, 0.0, 1.0, 0.1, 1.0, -0.1, 1.0];
    let mut weights = [0.9_f32, 0.1, 0.8, 0.2, 0.9, 0.1, 0.4, 0.6, 0.1, 0.9, 0.2, 0.8, 0.1, 0.9];
    let before = weights;
    let space = TextSpace { values: &values, width: 2 };
    Neighbours { count: 2, share: 0.5 }.smooth(&mut weights, 2, space, &Device::flex()).unwrap();
    assert!(weights[6] > 0.5, "{weights:?}");
    // By hand: the two nearest of text 3 are 1 and 0 (cosines 0.9990 and 0.9985).
    let log = |first: f32, second: f32| f64::from(first).ln() - f64::from(second).ln();
    let odds = 0.5 * log(0.4, 0.6) + 0.25 * (log(0.8, 0.2) + log(0.9, 0.1));
    assert!((f64::from(weights[6]) - 1.0 / (1.0 + (-odds).exp())).abs() < 1e-6);
    for row in weights.chunks_exact(2) {
        assert!((row[0] + row[1] - 1.0).abs() < 1e-6);
    }
    let mut same = before;
    Neighbours { count: 2, share: 0.0 }.smooth(&mut same, 2, space, &Device::flex()).unwrap();
    assert!(same.iter().zip(before).all(|(now, before)| (now - before).abs() < 1e-6));
}

#[test]
fn dropped_texts_stay_dropped_and_are_no_neighbours() {
    let values = [1.0_f32, 0.0, 1.0, 0.0, 0.8, 0.6];
    let mut weights = [0.9_f32, 0.1, 0.0, 0.0, 0.3, 0.7];
    let space = TextSpace { values: &values, width: 2 };
    Neighbours { count: 1, share: 1.0 }.smooth(&mut weights, 2, space, &Device::flex()).unwrap();
    assert_eq!(weights[2..4], [0.0, 0.0]);
    assert!((weights[0] - 0.3).abs() < 1e-6 && (weights[4] - 0.9).abs() < 1e-6, "{weights:?}");
}

#[test]
fn more_texts_than_a_block_find_their_twins() {
    // Every vector occurs eight times, and no two others have an angle of 0.
    let texts = 280;
    let values: Vec<f32> = (0..texts).flat_map(|text| [(text % 7) as f32 - 3.0, (text % 5) as f32, 1.0]).collect();
    let share = |text: usize| 0.2 + 0.6 * text as f32 / texts as f32;
    let mut weights: Vec<f32> = (0..texts).flat_map(|text| [share(text), 1.0 - share(text)]).collect();
    let space = TextSpace { values: &values, width: 3 };
    Neighbours { count: 7, share: 1.0 }.smooth(&mut weights, 2, space, &Device::flex()).unwrap();
    for text in 0..texts {
        let twins = (0..texts).filter(|other| other % 35 == text % 35 && *other != text);
        let odds: f64 = twins.map(|other| f64::from(share(other) / (1.0 - share(other))).ln()).sum::<f64>() / 7.0;
        let expected = 1.0 / (1.0 + (-odds).exp());
        assert!((f64::from(weights[2 * text]) - expected).abs() < 1e-5, "text {text}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut weights = [0.5_f32, 0.5];
    let space = TextSpace { values: &[1.0, 0.0, 0.0, 1.0], width: 2 };
    assert!(Neighbours::default().smooth(&mut weights, 2, space, &Device::flex()).is_err());
    let broken = TextSpace { values: &[f32::NAN, 0.0], width: 2 };
    assert!(Neighbours::default().smooth(&mut weights, 2, broken, &Device::flex()).is_err());
    assert!(Neighbours { count: 0, share: 0.5 }.check().is_err());
    assert!(Neighbours { count: 1, share: 1.5 }.check().is_err());
}
