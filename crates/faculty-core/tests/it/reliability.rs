use faculty_core::Stream;
use faculty_core::metrics::{ECE_BINS, Predictions, ReliabilityBin, pooled_reliability};

fn random(trial: u64, texts: usize) -> Predictions {
    let stream = Stream::new(trial, "reliability");
    let labels: Vec<usize> = (0..texts as u64).map(|text| stream.fork(0).below_at(text, 4) as usize).collect();
    let logits: Vec<f32> = (0..4 * texts as u64).map(|at| 2.0 * stream.fork(1).normal_at(at) as f32).collect();
    Predictions::from_logits(&logits, 4, &labels).unwrap()
}

#[test]
fn bins_hold_every_text_once_and_give_accuracy_and_calibration_error_back() {
    for trial in 0..20 {
        let predictions = random(trial, 173);
        let bins = predictions.reliability();
        assert_eq!(bins.len(), ECE_BINS);
        assert_eq!(bins.iter().map(|bin| bin.texts).sum::<usize>(), 173);
        let weighted = |value: &dyn Fn(&ReliabilityBin) -> f64| {
            bins.iter().map(|bin| bin.texts as f64 * value(bin)).sum::<f64>() / 173.0
        };
        assert!((weighted(&|bin| bin.accuracy) - predictions.accuracy()).abs() < 1e-12);
        assert!((weighted(&|bin| (bin.accuracy - bin.confidence).abs()) - predictions.ece()).abs() < 1e-12);
        for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.texts > 0) {
            let (low, high) = (index as f64 / ECE_BINS as f64, (index + 1) as f64 / ECE_BINS as f64);
            assert!(low < bin.confidence + 1e-12 && bin.confidence <= high + 1e-12, "bin {index}: {bin:?}");
        }
    }
}

#[test]
fn a_sure_and_right_classifier_fills_the_last_bin() {
    let bins = Predictions::from_probabilities(&[1.0, 0.0, 0.0, 1.0], 2, &[0, 1]).unwrap().reliability();
    assert_eq!(bins[ECE_BINS - 1], ReliabilityBin { texts: 2, confidence: 1.0, accuracy: 1.0 });
    assert!(bins[..ECE_BINS - 1].iter().all(|bin| *bin == ReliabilityBin::default()));
}

#[test]
fn pooling_counts_every_text_of_every_seed() {
    let (one, other) = (random(1, 50).reliability(), random(2, 150).reliability());
    let pooled = pooled_reliability([one.as_slice(), other.as_slice()]);
    for ((sum, left), right) in pooled.iter().zip(&one).zip(&other) {
        assert_eq!(sum.texts, left.texts + right.texts);
        let expected = left.accuracy * left.texts as f64 + right.accuracy * right.texts as f64;
        assert!((sum.accuracy * sum.texts as f64 - expected).abs() < 1e-9);
    }
    assert_eq!(pooled_reliability([one.as_slice(), &other[..3]]).len(), ECE_BINS, "a foreign diagram is left out");
    let again = pooled_reliability([one.as_slice()]);
    assert!(again.iter().zip(&one).all(|(a, b)| a.texts == b.texts && (a.accuracy - b.accuracy).abs() < 1e-12));
    assert!(pooled_reliability([]).is_empty());
}
