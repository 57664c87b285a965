use faculty_core::metrics::{
    Classification, Predictions, argmax, argmax_among, argmax_rows, retained_share, retained_shares,
};
use faculty_core::{LabelSpace, Stream};

/// Random logits and labels over `classes`; a third of the texts leans to its label.
fn random(trial: u64, texts: usize, classes: usize) -> (Vec<f32>, Vec<usize>) {
    let stream = Stream::new(trial, "metrics");
    let labels: Vec<usize> =
        (0..texts as u64).map(|text| stream.fork(0).below_at(text, classes as u64) as usize).collect();
    let mut logits: Vec<f32> = (0..(texts * classes) as u64).map(|i| stream.fork(1).normal_at(i) as f32).collect();
    for text in (0..texts).step_by(3) {
        logits[text * classes + labels[text]] += 3.0;
    }
    (logits, labels)
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} against {b}");
}

#[test]
fn perfect_predictions_have_perfect_scores() {
    let labels = [0, 1, 2, 1];
    let mut probabilities = vec![0.0; 12];
    labels.iter().enumerate().for_each(|(text, label)| probabilities[text * 3 + label] = 1.0);
    let scores = Predictions::from_probabilities(&probabilities, 3, &labels).unwrap().classification();
    let expected =
        Classification { accuracy: 1.0, macro_f1: 1.0, ece: 0.0, brier: 0.0, nll: 0.0, texts: 4, classes_absent: 0 };
    assert_eq!(scores, expected);
}

#[test]
fn uniform_predictions_have_the_known_brier_score_and_calibration_error() {
    for classes in 2..40 {
        let (_, labels) = random(classes as u64, 200, classes);
        let predictions = Predictions::from_logits(&vec![0.5; 200 * classes], classes, &labels).unwrap();
        let chance = 1.0 / classes as f64;
        close(predictions.brier(), 1.0 - chance);
        close(predictions.ece(), (predictions.accuracy() - chance).abs());
        close(predictions.nll(), (classes as f64).ln());
    }
}

#[test]
fn permuting_label_ids_with_their_names_changes_no_metric() {
    let classes = 7;
    for trial in 0..20 {
        let (logits, labels) = random(trial, 150, classes);
        let names = LabelSpace::new((0..classes).map(|class| format!("class {class}"))).unwrap();
        let order = Stream::new(trial, "permutation").permutation(classes);
        let moved = LabelSpace::new(order.iter().map(|&class| format!("class {class}"))).unwrap();
        let to = |class: usize| moved.index_of(names.name(class).unwrap()).unwrap();
        let mut moved_logits = vec![0.0; logits.len()];
        for (index, logit) in logits.iter().enumerate() {
            moved_logits[index / classes * classes + to(index % classes)] = *logit;
        }
        let moved_labels: Vec<usize> = labels.iter().map(|&label| to(label)).collect();
        let slices = [vec![0, 1, 2], vec![3, 4, 5, 6]];
        let moved_slices: Vec<Vec<usize>> =
            slices.iter().map(|slice| slice.iter().map(|&class| to(class)).collect()).collect();
        let before = Predictions::from_logits(&logits, classes, &labels).unwrap();
        let after = Predictions::from_logits(&moved_logits, classes, &moved_labels).unwrap();
        let (a, b) = (before.classification(), after.classification());
        assert_eq!(a.accuracy, b.accuracy);
        close(a.macro_f1, b.macro_f1);
        close(a.ece, b.ece);
        close(a.brier, b.brier);
        close(a.nll, b.nll);
        assert_eq!(before.slices(&slices), after.slices(&moved_slices));
        // The guard itself works: labels of the wrong map are noticed.
        let swapped = Predictions::from_logits(&logits, classes, &moved_labels).unwrap();
        if order != (0..classes).collect::<Vec<_>>() {
            assert_ne!(swapped.accuracy(), a.accuracy);
        }
    }
}

#[test]
fn slice_accuracies_weighted_by_size_sum_to_the_accuracy() {
    for trial in 0..20 {
        let (logits, labels) = random(trial, 200, 9);
        let predictions = Predictions::from_logits(&logits, 9, &labels).unwrap();
        let slices = predictions.slices(&[vec![8, 0, 1], vec![2, 3], vec![4, 5, 6, 7]]);
        let sum: f64 = slices.iter().map(|slice| slice.over_union.unwrap() * slice.texts as f64).sum();
        close(sum / 200.0, predictions.accuracy());
        for slice in slices {
            assert!(slice.lost_to_other_slices().unwrap() >= 0.0, "the argmax of fewer classes cannot be worse");
        }
    }
}

#[test]
fn slices_by_hand() {
    // Text 0: right. Text 1: taken for a class of the other slice, right inside its own. Text 2: wrong in both.
    let logits = [2.0, 1.0, 0.0, 0.0, 1.0, 5.0, 0.0, 3.0, 1.0];
    let predictions = Predictions::from_logits(&logits, 3, &[0, 1, 2]).unwrap();
    let slices = predictions.slices(&[vec![0, 1], vec![1, 2], vec![]]);
    assert_eq!((slices[0].texts, slices[0].over_union, slices[0].inside_slice), (2, Some(0.5), Some(1.0)));
    assert_eq!(slices[0].lost_to_other_slices(), Some(0.5));
    assert_eq!((slices[1].texts, slices[1].over_union, slices[1].inside_slice), (2, Some(0.0), Some(0.0)));
    assert_eq!((slices[2].texts, slices[2].over_union, slices[2].lost_to_other_slices()), (0, None, None));
}

#[test]
fn macro_f1_by_hand_leaves_absent_classes_out() {
    // True 0 0 0 1 1, predicted 0 0 1 1 3: F1 = 4/5 for class 0, 2/4 for class 1; classes 2 and 3 have no text.
    let mut logits = vec![0.0; 20];
    [0, 0, 1, 1, 3].iter().enumerate().for_each(|(text, class)| logits[text * 4 + class] = 1.0);
    let predictions = Predictions::from_logits(&logits, 4, &[0, 0, 0, 1, 1]).unwrap();
    let scores = predictions.classification();
    close(scores.macro_f1, (0.8 + 0.5) / 2.0);
    assert_eq!((scores.classes_absent, scores.accuracy), (2, 0.6));
    let confusion = predictions.confusion();
    assert_eq!((confusion.get(0, 1), confusion.get(1, 3), confusion.get(9, 0)), (1, 1, 0));
    assert_eq!((confusion.support(0), confusion.counts().iter().sum::<u64>()), (3, 5));
    assert_eq!(confusion.f1()[2..], [None, None]);
}

#[test]
fn a_class_that_is_never_hit_counts_with_zero() {
    let predictions = Predictions::from_logits(&[1.0, 0.0, 1.0, 0.0], 2, &[0, 1]).unwrap();
    close(predictions.confusion().macro_f1(), (2.0 / 3.0) / 2.0);
}

#[test]
fn calibration_by_hand() {
    // Confidences 0.9 (right), 0.9 (wrong), 0.6 (right): |1 - 1.8| / 3 + |1 - 0.6| / 3.
    let probabilities = [0.9, 0.1, 0.1, 0.9, 0.4, 0.6];
    let predictions = Predictions::from_probabilities(&probabilities, 2, &[0, 0, 1]).unwrap();
    assert!((predictions.ece() - (0.8 + 0.4) / 3.0).abs() < 1e-6);
    assert!((predictions.brier() - (0.02 + 1.62 + 0.32) / 3.0).abs() < 1e-6);
    let nll = -(0.9_f64.ln() + 0.1_f64.ln() + 0.6_f64.ln()) / 3.0;
    assert!((predictions.nll() - nll).abs() < 1e-6);
}

#[test]
fn neighbouring_confidence_bins_do_not_cancel_each_other() {
    // 0.55 lies in (8/15, 9/15] and is right, 0.62 in (9/15, 10/15] and is wrong.
    let predictions = Predictions::from_probabilities(&[0.55, 0.45, 0.62, 0.38], 2, &[0, 1]).unwrap();
    assert!((predictions.ece() - (0.45 + 0.62) / 2.0).abs() < 1e-6);
    // 0.55 and 0.59 share a bin.
    let predictions = Predictions::from_probabilities(&[0.55, 0.45, 0.59, 0.41], 2, &[0, 1]).unwrap();
    assert!((predictions.ece() - (1.0_f64 - 0.55 - 0.59).abs() / 2.0).abs() < 1e-6);
}

#[test]
fn logits_and_their_softmax_agree() {
    let (logits, labels) = random(3, 100, 5);
    let mut probabilities = logits.clone();
    for row in probabilities.chunks_exact_mut(5) {
        let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
        row.iter_mut().for_each(|logit| *logit = logit.exp() / sum);
    }
    let a = Predictions::from_logits(&logits, 5, &labels).unwrap();
    let b = Predictions::from_probabilities(&probabilities, 5, &labels).unwrap();
    assert_eq!((a.accuracy(), a.predicted()), (b.accuracy(), b.predicted()));
    for (x, y) in [(a.nll(), b.nll()), (a.ece(), b.ece()), (a.brier(), b.brier())] {
        assert!((x - y).abs() < 1e-5, "{x} against {y}");
    }
}

#[test]
fn extreme_logits_stay_finite() {
    let predictions = Predictions::from_logits(&[1e4, -1e4, -1e4, 1e4], 2, &[0, 0]).unwrap();
    close(predictions.nll(), 1e4);
    close(predictions.brier(), 1.0);
    let impossible = Predictions::from_probabilities(&[0.0, 1.0], 2, &[0]).unwrap();
    assert!(impossible.nll().is_finite());
}

#[test]
fn faulty_input_is_refused() {
    for (logits, classes, labels) in [
        (vec![], 2, vec![]),
        (vec![0.0; 3], 2, vec![0]),
        (vec![0.0; 2], 2, vec![2]),
        (vec![f32::NAN, 0.0], 2, vec![0]),
        (vec![f32::INFINITY, 0.0], 2, vec![0]),
        (vec![], 0, vec![0]),
    ] {
        assert!(Predictions::from_logits(&logits, classes, &labels).is_err(), "{logits:?}");
    }
    assert!(Predictions::from_probabilities(&[0.9, 0.3], 2, &[0]).is_err());
    assert!(Predictions::from_probabilities(&[1.5, -0.5], 2, &[0]).is_err());
}

#[test]
fn argmax_takes_the_lowest_of_equals_and_never_a_nan() {
    assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
    assert_eq!(argmax(&[f32::NAN, -1.0, f32::NAN, -0.5]), 3);
    assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NAN]), 0);
    assert_eq!((argmax(&[]), argmax(&[f32::NAN])), (0, 0));
    assert_eq!(argmax_rows(&[0.0, 1.0, 1.0, 0.0], 2), [1, 0]);
    assert_eq!(argmax_among(&[5.0, 1.0, 1.0], &[2, 1]), Some(1), "whatever the order of the slice");
    assert_eq!(argmax_among(&[f32::NAN, 1.0], &[0, 1]), Some(1));
    assert_eq!((argmax_among(&[1.0], &[]), argmax_among(&[1.0], &[4])), (None, None));
}

#[test]
fn the_ceiling_retains_all_of_itself_without_spread() {
    let ceiling = [0.91, 0.87, 0.9];
    let shares = retained_shares(&ceiling, &ceiling).unwrap();
    assert_eq!(shares, [1.0; 3]);
    assert_eq!(faculty_core::statistics::sample_sd(&shares), Some(0.0));
    assert_eq!(retained_share(0.45, 0.9), Some(0.5));
    assert_eq!((retained_share(0.5, 0.0), retained_share(f64::NAN, 0.5)), (None, None));
    assert_eq!((retained_shares(&[0.5], &[]), retained_shares(&[], &[])), (None, None));
}

#[test]
fn a_table_row_survives_serialisation() {
    let (logits, labels) = random(1, 30, 4);
    let scores = Predictions::from_logits(&logits, 4, &labels).unwrap().classification();
    let json = serde_json::to_string(&scores).unwrap();
    let back: Classification = serde_json::from_str(&json).unwrap();
    assert_eq!((back.accuracy, back.texts), (scores.accuracy, scores.texts));
    close(back.nll, scores.nll);
}
