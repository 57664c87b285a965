//! Against SciPy: `golden/statistics.json`, made by `scripts/python/make_statistics_golden.py`.

use faculty_core::Stream;
use faculty_core::statistics::{
    BOOTSTRAP_DRAWS, Summary, mean_without_extremes, sign_flip, t_quantile_975, text_bootstrap,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/statistics.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn close(ours: f64, theirs: &Value, tolerance: f64) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1.0), "{ours} against {theirs}");
}

#[test]
fn t_quantiles() {
    let golden = golden();
    for (degrees, theirs) in golden["t_quantile_975"].as_object().unwrap() {
        close(t_quantile_975(degrees.parse().unwrap()).unwrap(), theirs, 1e-5);
    }
}

#[test]
fn mean_spread_interval_and_sign_flip_test() {
    let golden = golden();
    let samples = golden["samples"].as_array().unwrap();
    assert!(samples.len() >= 10);
    for sample in samples {
        let values = floats(&sample["values"]);
        let summary = Summary::of(&values).unwrap();
        close(summary.mean, &sample["mean"], 1e-12);
        close(summary.sd.unwrap(), &sample["sd"], 1e-12);
        let interval = summary.interval.unwrap();
        // The t table has seven digits.
        close(interval.low, &sample["low"], 1e-6);
        close(interval.high, &sample["high"], 1e-6);
        close(sign_flip(&values).unwrap().p, &sample["sign_flip_p"], 1e-12);
    }
}

#[test]
fn ten_timings_without_best_and_worst() {
    for timing in golden()["timings"].as_array().unwrap() {
        let seconds = floats(&timing["seconds"]);
        assert_eq!(seconds.len(), 10);
        close(mean_without_extremes(&seconds).unwrap(), &timing["mean"], 1e-12);
    }
}

#[test]
fn the_bootstrap_over_texts_agrees_within_its_own_noise() {
    for case in golden()["texts"].as_array().unwrap() {
        let bits = |side: &str| -> Vec<Vec<bool>> {
            let seeds = case[side].as_array().unwrap().iter();
            seeds.map(|seed| seed.as_str().unwrap().chars().map(|bit| bit == '1').collect()).collect()
        };
        let (left, right) = (bits("left"), bits("right"));
        let pairs: Vec<(&[bool], &[bool])> =
            left.iter().zip(&right).map(|(left, right)| (left.as_slice(), right.as_slice())).collect();
        let ours = text_bootstrap(&pairs, BOOTSTRAP_DRAWS, Stream::new(1, "golden")).unwrap();
        close(ours.mean, &case["mean"], 1e-12);
        // SciPy draws 100,000 times; the ends of 10,000 draws wobble by a few hundredths of the standard error.
        let tolerance = 0.12 * case["standard_error"].as_f64().unwrap();
        close(ours.interval.low, &case["low"], tolerance);
        close(ours.interval.high, &case["high"], tolerance);
    }
}
