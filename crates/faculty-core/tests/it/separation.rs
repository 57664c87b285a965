use faculty_core::Stream;
use faculty_core::metrics::{Separation, separation};

/// Every pair, one by one.
fn by_pairs(inside: &[f64], outside: &[f64]) -> f64 {
    let pairs = inside.iter().flat_map(|own| outside.iter().map(move |other| (own, other)));
    let won = pairs.map(|(own, other)| if own > other { 1.0 } else { f64::from(u8::from(own == other)) / 2.0 });
    won.sum::<f64>() / (inside.len() * outside.len()) as f64
}

#[test]
fn a_case_by_hand() {
    // Pairs in order: 0.9 beats all 5, 0.8 beats 4 and ties 0.8, 0.4 beats 0.3, 0.2 and ties 0.4, 0.1 beats none.
    let (inside, outside) = ([0.8, 0.1, 0.9, 0.4], [0.3, 0.8, 0.4, 0.2, 0.5]);
    let found = separation(&inside, &outside).unwrap();
    assert_eq!(found.auroc, (5.0 + 4.5 + 2.5) / 20.0);
    // 95 % of four texts are all four, so that the threshold is 0.1, and everything outside passes it.
    assert_eq!(found, Separation { auroc: 0.6, fpr_at_95_tpr: 1.0, inside: 4, outside: 5 });
}

#[test]
fn the_threshold_is_the_highest_that_nineteen_of_twenty_reach() {
    let inside: Vec<f64> = (1..=20).map(f64::from).collect();
    // 19 of 20 reach 2; a text that ties with the threshold is let in.
    let found = separation(&inside, &[0.0, 1.0, 2.0, 2.5, 30.0]).unwrap();
    assert_eq!(found.fpr_at_95_tpr, 3.0 / 5.0);
    assert_eq!(separation(&inside[1..], &[0.0, 1.9]).unwrap().fpr_at_95_tpr, 0.0, "all 19 of 19 are needed");
    assert_eq!(separation(&inside[1..], &[0.0, 2.0]).unwrap().fpr_at_95_tpr, 0.5);
}

#[test]
fn ends_and_symmetry() {
    let (low, high) = ([-3.0, -2.0, 0.0], [0.5, f64::INFINITY]);
    let perfect = separation(&high, &low).unwrap();
    assert_eq!((perfect.auroc, perfect.fpr_at_95_tpr), (1.0, 0.0));
    assert_eq!(separation(&low, &high).unwrap().auroc, 0.0);
    let equal = separation(&[1.0; 7], &[1.0; 3]).unwrap();
    assert_eq!((equal.auroc, equal.fpr_at_95_tpr), (0.5, 1.0), "a constant score says nothing");
    assert!(separation(&[], &low).is_err() && separation(&low, &[]).is_err());
    assert!(separation(&[f64::NAN], &low).is_err());
}

#[test]
fn ranks_count_what_pairs_count() {
    let stream = Stream::new(3, "separation");
    for draw in 0..50_u64 {
        let stream = stream.fork(draw);
        // Coarse values, so that there are ties.
        let scores = |from: u64, count: u64| -> Vec<f64> {
            (from..from + count).map(|at| (stream.normal_at(at) * 2.0).round()).collect()
        };
        let (inside, outside) = (scores(0, 1 + draw), scores(1000, 60 - draw));
        let found = separation(&inside, &outside).unwrap();
        assert!((found.auroc - by_pairs(&inside, &outside)).abs() < 1e-12);
        let mirrored: Vec<f64> = inside.iter().map(|score| -score).collect();
        let other: Vec<f64> = outside.iter().map(|score| -score).collect();
        assert!((separation(&mirrored, &other).unwrap().auroc - (1.0 - found.auroc)).abs() < 1e-12);
    }
}
