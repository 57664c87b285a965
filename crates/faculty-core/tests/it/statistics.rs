use faculty_core::Stream;
use faculty_core::statistics::{
    BOOTSTRAP_DRAWS, Interval, Summary, Verdict, differences, mean, mean_without_extremes, paired_bootstrap, sample_sd,
    sign_flip, t_quantile_975, text_bootstrap,
};

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} against {b}");
}

#[test]
fn t_quantiles_equal_published_values() {
    for (degrees, published) in [
        (1, 12.706),
        (2, 4.303),
        (4, 2.776),
        (9, 2.262),
        (14, 2.145),
        (29, 2.045),
        (30, 2.042),
        (40, 2.021),
        (60, 2.000),
        (120, 1.980),
    ] {
        close(t_quantile_975(degrees).unwrap(), published, 5e-4);
    }
    close(t_quantile_975(31).unwrap(), 2.039513, 1e-5);
    close(t_quantile_975(1_000_000).unwrap(), 1.959964, 1e-5);
    assert_eq!(t_quantile_975(0), None);
    assert!((1..200).all(|degrees| t_quantile_975(degrees) > t_quantile_975(degrees + 1)));
}

#[test]
fn mean_spread_and_interval_by_hand() {
    let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    assert_eq!((summary.n, summary.mean), (5, 3.0));
    close(summary.sd.unwrap(), 2.5_f64.sqrt(), 1e-12);
    // 2.776445 * sqrt(2.5) / sqrt(5)
    let interval = summary.interval.unwrap();
    close(interval.low, 3.0 - 1.963243, 1e-6);
    close(interval.high, 3.0 + 1.963243, 1e-6);
    assert!(interval.covers(3.0) && !interval.covers(5.0));
}

#[test]
fn few_values_give_none_and_no_panic() {
    assert_eq!((mean(&[]), sample_sd(&[]), Summary::of(&[])), (None, None, None));
    let one = Summary::of(&[0.7]).unwrap();
    assert_eq!((one.mean, one.sd, one.interval), (0.7, None, None));
    assert_eq!(
        (mean_without_extremes(&[]), mean_without_extremes(&[1.0]), mean_without_extremes(&[1.0, 2.0])),
        (None, None, None)
    );
    assert_eq!((sign_flip(&[]), sign_flip(&[1.0; 21]), sign_flip(&[f64::NAN])), (None, None, None));
    let stream = Stream::new(1, "bootstrap");
    assert_eq!((paired_bootstrap(&[], 10, stream), paired_bootstrap(&[1.0], 0, stream)), (None, None));
    assert_eq!(paired_bootstrap(&[f64::INFINITY], 10, stream), None);
    assert_eq!((differences(&[1.0], &[]), differences(&[], &[])), (None, None));
}

#[test]
fn the_interval_covers_the_true_mean_about_95_times_in_100() {
    let trials = 4000;
    let covered = (0..trials)
        .filter(|&trial| {
            let stream = Stream::new(trial, "coverage");
            let values: Vec<f64> = (0..5).map(|i| 0.8 + 0.02 * stream.normal_at(i)).collect();
            Summary::of(&values).unwrap().interval.unwrap().covers(0.8)
        })
        .count();
    // Standard deviation of the share: 0.0034.
    close(covered as f64 / trials as f64, 0.95, 0.014);
}

#[test]
fn paired_differences_cancel_what_the_seeds_share() {
    let ceiling = [0.80, 0.90, 0.70, 0.85, 0.75];
    let student: Vec<f64> = ceiling.iter().map(|value| value - 0.05).collect();
    let difference = Summary::of_differences(&student, &ceiling).unwrap();
    close(difference.mean, -0.05, 1e-12);
    close(difference.sd.unwrap(), 0.0, 1e-12);
    assert!(Summary::of(&student).unwrap().sd.unwrap() > 0.05);
    assert_eq!(Summary::of_differences(&student, &ceiling[1..]), None);
}

#[test]
fn times_are_averaged_without_best_and_worst() {
    assert_eq!(mean_without_extremes(&[9.0, 1.0, 2.0, 3.0]), Some(2.5));
}

#[test]
fn the_sign_flip_test_counts_exactly() {
    let five = sign_flip(&[0.01, 0.03, 0.02, 0.05, 0.04]).unwrap();
    assert_eq!((five.p, five.smallest, five.n), (0.0625, 0.0625, 5));
    // Sums of +-1 +-2 +-3 at least 4 in size: 6, 4, -4, -6 (the observed is 1 * -1 + 2 + 3 = 4).
    assert_eq!(sign_flip(&[-1.0, 2.0, 3.0]).unwrap().p, 0.5);
    assert_eq!(sign_flip(&[0.0, 0.0]).unwrap().p, 1.0);
    assert_eq!(sign_flip(&[0.3]).unwrap().p, 1.0);
    // Equal sizes: sums are rounded in different orders but must tie.
    assert_eq!(
        sign_flip(&[0.1, 0.2, 0.3, -0.6, 0.7, 0.1]).unwrap(),
        sign_flip(&[0.1, 0.7, -0.6, 0.3, 0.2, 0.1]).unwrap()
    );
    assert_eq!(sign_flip(&[1.0; 20]).unwrap().p, 2.0_f64.powi(-19));
}

#[test]
fn too_few_seeds_are_not_called_insignificant() {
    assert_eq!(sign_flip(&[1.0; 5]).unwrap().verdict(0.05), Verdict::TooFewSeeds);
    assert_eq!(sign_flip(&[1.0; 4]).unwrap().verdict(0.2), Verdict::TooFewSeeds);
    assert_eq!(sign_flip(&[1.0; 6]).unwrap().verdict(0.05), Verdict::Significant);
    assert_eq!(sign_flip(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0]).unwrap().verdict(0.05), Verdict::NotSignificant);
}

#[test]
fn the_bootstrap_of_right_answers_agrees_with_theory() {
    // 60 texts gained, 30 lost, 910 equal: mean 0.03, standard error sqrt(0.09 - 0.0009) / sqrt(1000).
    let mut gains = vec![0.0; 910];
    gains.extend([1.0; 60]);
    gains.extend([-1.0; 30]);
    let result = paired_bootstrap(&gains, BOOTSTRAP_DRAWS, Stream::new(1, "bootstrap")).unwrap();
    assert_eq!((result.n, result.draws), (1000, 10_000));
    close(result.mean, 0.03, 1e-12);
    let error = (0.09_f64 - 0.0009).sqrt() / 1000.0_f64.sqrt();
    close(result.interval.low, 0.03 - 1.96 * error, 1.5e-3);
    close(result.interval.high, 0.03 + 1.96 * error, 1.5e-3);
    assert!(result.p < 0.01, "{}", result.p);
    assert_eq!(Some(result), paired_bootstrap(&gains, BOOTSTRAP_DRAWS, Stream::new(1, "bootstrap")));
    let other = paired_bootstrap(&gains, BOOTSTRAP_DRAWS, Stream::new(2, "bootstrap")).unwrap();
    assert_ne!(result.interval, other.interval);
}

#[test]
fn the_bootstrap_finds_nothing_where_there_is_nothing() {
    let even: Vec<f64> = (0..200).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let result = paired_bootstrap(&even, 2000, Stream::new(1, "even")).unwrap();
    assert!(result.p > 0.5 && result.interval.covers(0.0), "{result:?}");
    let same = paired_bootstrap(&[0.0; 10], 100, Stream::new(1, "same")).unwrap();
    assert_eq!((same.p, same.interval), (1.0, Interval { low: 0.0, high: 0.0 }));
    let always = paired_bootstrap(&[0.5; 10], 999, Stream::new(1, "always")).unwrap();
    close(always.p, 2.0 / 1000.0, 1e-12);
}

#[test]
fn sign_flip_and_bootstrap_are_calibrated_under_the_null() {
    let trials = 400;
    let rejected = (0..trials)
        .filter(|&trial| {
            let stream = Stream::new(trial, "null");
            let values: Vec<f64> = (0..10).map(|i| stream.normal_at(i)).collect();
            sign_flip(&values).unwrap().p <= 0.05
        })
        .count();
    assert!(rejected as f64 / trials as f64 <= 0.085, "{rejected} of {trials}");
}

#[test]
fn texts_are_drawn_for_all_seeds_at_once() {
    let stream = Stream::new(1, "texts");
    let left: Vec<bool> = (0..400).map(|text| stream.uniform_at(text) < 0.9).collect();
    let right: Vec<bool> = (0..400).map(|text| stream.fork(1).uniform_at(text) < 0.8).collect();
    let draw = |pairs: &[(&[bool], &[bool])]| text_bootstrap(pairs, 2000, Stream::new(7, "bootstrap")).unwrap();
    let (a, b) = (left.as_slice(), right.as_slice());
    let one = draw(&[(a, b)]);
    let differences: Vec<f64> =
        left.iter().zip(&right).map(|(left, right)| f64::from(u8::from(*left)) - f64::from(u8::from(*right))).collect();
    assert_eq!(Some(one), paired_bootstrap(&differences, 2000, Stream::new(7, "bootstrap")));
    // Five seeds that answer alike are no more test texts than one of them.
    assert_eq!(draw(&[(a, b); 5]), one);
    // A seed of the opposite outcome cancels it.
    let even = draw(&[(a, b), (b, a)]);
    assert_eq!((even.mean, even.p, even.interval), (0.0, 1.0, Interval { low: 0.0, high: 0.0 }));
}

#[test]
fn texts_that_do_not_pair_give_none() {
    let stream = Stream::new(1, "texts");
    let (none, one, two): (&[bool], &[bool], &[bool]) = (&[], &[true], &[true, false]);
    assert_eq!(text_bootstrap(&[], 10, stream), None);
    assert_eq!(text_bootstrap(&[(none, none)], 10, stream), None);
    assert_eq!(text_bootstrap(&[(one, two)], 10, stream), None);
    assert_eq!(text_bootstrap(&[(one, one), (two, two)], 10, stream), None);
    assert!(text_bootstrap(&[(two, two)], 10, stream).is_some());
}
