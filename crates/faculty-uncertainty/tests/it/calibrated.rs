//! A gate that learns every teacher's scale from unlabelled text.

use crate::support::{World, best, values};
use faculty_uncertainty::{CalibratedGate, GateSpec, ScoreSummary, soft_gate, z_normalise};

const PLAIN: CalibratedGate =
    CalibratedGate { logit: false, nobody: false, own_weight: 1.0, temperature: 1.0, iterations: 500, tolerance: 1e-9 };

fn calibrated(world: &World) -> Vec<f64> {
    PLAIN.fit(&world.scores, world.teachers, &[]).unwrap().weights(&world.scores).unwrap().weights
}

fn soft(world: &World, temperature: f64) -> Vec<f64> {
    values(soft_gate(world.tensor(), temperature).unwrap()).into_iter().map(f64::from).collect()
}

fn z_soft(world: &World) -> Vec<f64> {
    let scores = z_normalise(world.tensor()).unwrap();
    values(soft_gate(scores, 1.0).unwrap()).into_iter().map(f64::from).collect()
}

#[track_caller]
fn assert_weights(weights: &[f64], teachers: usize) {
    assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "{weights:?}");
    for row in weights.chunks_exact(teachers) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
    }
}

#[test]
fn it_beats_the_soft_gate_where_scales_differ() {
    // Teacher 1 has many classes: all its scores crowd high up.
    let world = World::new(2000, &[0.5, 0.5], 1.5, 0.0, 1).scaled(&[(0.4, 0.15), (0.9, 0.02)]);
    let (ours, soft) = (calibrated(&world), soft(&world, 0.2));
    assert_weights(&ours, 2);
    assert!(world.selection(&soft) < 0.65, "{}", world.selection(&soft));
    assert!(world.selection(&ours) > 0.95, "{}", world.selection(&ours));
    assert!(world.owner_weight(&ours) > world.owner_weight(&soft) + 0.2);
}

#[test]
fn it_equals_the_soft_gate_in_effect_where_scales_do_not_differ() {
    let world = World::new(2000, &[0.5, 0.5], 1.5, 0.0, 2).scaled(&[(0.4, 0.15); 2]);
    let (ours, soft) = (calibrated(&world), soft(&world, 0.2));
    let same = ours.chunks_exact(2).zip(soft.chunks_exact(2)).filter(|(a, b)| best(a) == best(b)).count();
    assert!(same as f64 / 2000.0 > 0.98, "{same}");
    assert!((world.selection(&ours) - world.selection(&soft)).abs() < 0.01);
    assert!(world.owner_weight(&ours) >= world.owner_weight(&soft));
}

#[test]
fn it_beats_z_normalisation_where_slices_have_unequal_shares() {
    let world = World::new(3000, &[0.85, 0.15], 1.5, 0.0, 3);
    let fit = PLAIN.fit(&world.scores, 2, &[]).unwrap();
    assert!(fit.converged, "{} iterations", fit.iterations);
    assert!((fit.shares[0] - 0.85).abs() < 0.04, "{:?}", fit.shares);
    let (ours, z) = (calibrated(&world), z_soft(&world));
    assert!(world.selection(&z) < 0.85, "{}", world.selection(&z));
    assert!(world.selection(&ours) > 0.95, "{}", world.selection(&ours));
}

#[test]
fn texts_that_are_hard_for_everyone_do_not_mislead_it() {
    for (teachers, seed) in [(2, 4), (3, 5), (5, 6)] {
        let shares = vec![1.0 / teachers as f64; teachers];
        let world = World::new(3000, &shares, 1.5, 1.5, seed);
        let (ours, soft) = (calibrated(&world), soft(&world, 0.2));
        let (ours, soft) = (world.selection(&ours), world.selection(&soft));
        assert!(ours > 0.9 && ours > soft - 0.01, "{teachers} teachers: {ours} against {soft}");
    }
}

#[test]
fn its_weights_are_probabilities() {
    let world = World::new(8000, &[0.6, 0.4], 0.8, 0.3, 7).scaled(&[(0.1, 3.0), (-4.0, 0.2)]);
    let weights = calibrated(&world);
    for (low, high) in [(0.5, 0.7), (0.7, 0.9), (0.9, 1.0)] {
        let rows = weights.chunks_exact(2).zip(&world.owners);
        let inside: Vec<(f64, bool)> = rows
            .map(|(row, &owner)| (row[best(row)], best(row) == owner))
            .filter(|(w, _)| (low..high).contains(w))
            .collect();
        let stated = inside.iter().map(|(weight, _)| weight).sum::<f64>() / inside.len() as f64;
        let right = inside.iter().filter(|(_, right)| *right).count() as f64 / inside.len() as f64;
        assert!(inside.len() > 200 && (stated - right).abs() < 0.06, "{low}: {stated} stated, {right} right");
    }
}

#[test]
fn scales_and_the_order_of_teachers_do_not_matter() {
    let shares = [0.5, 0.3, 0.2];
    let world = World::new(1500, &shares, 1.5, 0.5, 8);
    let weights = calibrated(&world);
    let scaled = World::new(1500, &shares, 1.5, 0.5, 8).scaled(&[(3.0, 10.0), (0.0, 0.01), (-7.0, 1.0)]);
    for (a, b) in calibrated(&scaled).iter().zip(&weights) {
        assert!((a - b).abs() < 1e-5, "{a} against {b}");
    }
    let turned: Vec<f64> = world.scores.chunks_exact(3).flat_map(|row| [row[2], row[0], row[1]]).collect();
    let turned = PLAIN.fit(&turned, 3, &[]).unwrap().weights(&turned).unwrap().weights;
    for (a, b) in turned.chunks_exact(3).zip(weights.chunks_exact(3)) {
        for (a, b) in a.iter().zip([b[2], b[0], b[1]]) {
            assert!((a - b).abs() < 1e-3, "{a} against {b}");
        }
    }
}

#[test]
fn the_same_scores_give_the_same_fit() {
    let world = World::new(500, &[0.4, 0.6], 1.0, 0.4, 9);
    assert_eq!(PLAIN.fit(&world.scores, 2, &[]).unwrap(), PLAIN.fit(&world.scores, 2, &[]).unwrap());
}

#[test]
fn a_higher_score_never_lowers_the_own_weight() {
    let world = World::new(800, &[0.3, 0.3, 0.4], 0.7, 0.8, 10);
    let fit = PLAIN.fit(&world.scores, 3, &[]).unwrap();
    for teacher in 0..3 {
        let mut last = 0.0;
        for step in -20..=20 {
            let mut row = [0.1, -0.2, 0.3];
            row[teacher] = 0.3 * f64::from(step);
            let weight = fit.weights(&row).unwrap().weights[teacher];
            assert!(weight >= last - 1e-12, "{teacher} at {step}: {weight} after {last}");
            last = weight;
        }
    }
}

#[test]
fn a_teacher_whose_score_says_nothing_is_told_by_its_separation() {
    let world = World::new(2000, &[0.5, 0.5], 2.0, 0.0, 11);
    let blind: Vec<f64> = world
        .scores
        .chunks_exact(2)
        .zip(World::new(2000, &[1.0], 0.0, 0.0, 12).scores)
        .flat_map(|(row, noise)| [row[0], noise])
        .collect();
    let fit = PLAIN.fit(&blind, 2, &[]).unwrap();
    assert!(fit.separations[0] > 2.0 && fit.separations[1] < 0.5, "{:?}", fit.separations);
    // The other teacher's score decides for both.
    let weights = fit.weights(&blind).unwrap().weights;
    assert!(world.selection(&weights) > 0.95, "{}", world.selection(&weights));
}

#[test]
fn degenerate_scores_give_finite_weights() {
    let constant = vec![0.7; 60];
    let half: Vec<f64> = (0..60).map(|i| if i % 2 == 0 { f64::from(i) } else { 0.5 }).collect();
    let twins: Vec<f64> = (0..30).flat_map(|i| [f64::from(i * 7 % 11); 2]).collect();
    let extreme: Vec<f64> = (0..60).map(|i| if i % 3 == 0 { 1e4 } else { -1e4 }).collect();
    for nobody in [false, true] {
        for (what, scores) in
            [("constant", &constant), ("one constant", &half), ("twins", &twins), ("extreme", &extreme)]
        {
            let gate = CalibratedGate { nobody, ..PLAIN };
            let fit = gate.fit(scores, 2, &[]).unwrap();
            let found = fit.weights(scores).unwrap();
            assert_weights(&found.weights, 2);
            assert!(found.somebody.iter().all(|share| (0.0..=1.0).contains(share)), "{what}");
            assert!(fit.shares.iter().chain(&fit.separations).all(|value| value.is_finite()), "{what}: {fit:?}");
        }
        for texts in 1..4 {
            let scores = [0.9, 0.1, 0.2, 0.8, 0.5, 0.5];
            let scores = &scores[..2 * texts];
            let gate = CalibratedGate { nobody, ..PLAIN };
            assert_weights(&gate.fit(scores, 2, &[]).unwrap().weights(scores).unwrap().weights, 2);
        }
    }
    // Identical teachers, or scores that never change, leave the shares alone to speak.
    let weights = PLAIN.fit(&constant, 2, &[]).unwrap().weights(&constant).unwrap().weights;
    assert!(weights.iter().all(|weight| (weight - 0.5).abs() < 1e-6), "{weights:?}");
}

#[test]
fn a_single_teacher_has_all_the_weight() {
    let scores = [0.1, 0.9, 0.4, 0.7];
    assert_eq!(PLAIN.fit(&scores, 1, &[]).unwrap().weights(&scores).unwrap().weights, [1.0; 4]);
}

#[test]
fn an_owners_own_scores_tell_that_it_owns_nothing_here() {
    let world = World::new(1000, &[1.0, 0.0], 1.5, 0.0, 13);
    let own = |seed| {
        let own = World::new(300, &[1.0], 1.5, 0.0, seed);
        Some(ScoreSummary::of(&own.scores).unwrap())
    };
    let without = PLAIN.fit(&world.scores, 2, &[]).unwrap();
    let with = PLAIN.fit(&world.scores, 2, &[own(14), own(15)]).unwrap();
    assert!(with.shares[0] > 0.9 && with.shares[0] > without.shares[0], "{:?}, {:?}", with.shares, without.shares);
    let weights = with.weights(&world.scores).unwrap().weights;
    assert!(world.owner_weight(&weights) > 0.9, "{}", world.owner_weight(&weights));
}

#[test]
fn texts_of_nobody_can_be_told() {
    let world = World::new(4000, &[0.35, 0.35], 3.0, 0.0, 16);
    let fit = CalibratedGate { nobody: true, ..PLAIN }.fit(&world.scores, 2, &[]).unwrap();
    assert!((fit.nobody - 0.3).abs() < 0.05, "{}", fit.nobody);
    let found = fit.weights(&world.scores).unwrap();
    let mean = |outside: bool| {
        let of = found.somebody.iter().zip(&world.owners).filter(|(_, owner)| (**owner == 2) == outside);
        let all: Vec<f64> = of.map(|(share, _)| *share).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    assert!(mean(false) > 0.9 && mean(true) < 0.15, "{} inside, {} outside", mean(false), mean(true));
    // Ruled out, everybody belongs to somebody.
    let without = PLAIN.fit(&world.scores, 2, &[]).unwrap();
    assert_eq!(without.nobody, 0.0);
    assert!(without.weights(&world.scores).unwrap().somebody.iter().all(|share| *share == 1.0));
}

#[test]
fn scores_between_0_and_1_can_be_fitted_as_log_odds() {
    let mut world = World::new(2000, &[0.7, 0.3], 2.0, 0.0, 17);
    // Own texts crowd at 1, as entropy scores do.
    world.scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-3.0 * *score - 1.0).exp()));
    let gate = CalibratedGate { logit: true, ..PLAIN };
    let weights = gate.fit(&world.scores, 2, &[]).unwrap().weights(&world.scores).unwrap().weights;
    assert!(world.selection(&weights) > 0.97, "{}", world.selection(&weights));
    assert!(world.selection(&weights) + 0.005 > world.selection(&calibrated(&world)));
    let ends = [0.0, 1.0, 1.0, 0.0, 0.5, 0.5];
    assert_weights(&gate.fit(&ends, 2, &[]).unwrap().weights(&ends).unwrap().weights, 2);
    let error = gate.fit(&[0.1, 1.2], 2, &[]).unwrap_err().to_string();
    assert!(error.contains("teacher 1 on text 0 is 1.2") && error.contains("logit"), "{error}");
}

#[test]
fn settings_and_scores_out_of_range_are_refused() {
    assert!(PLAIN.fit(&[], 2, &[]).is_err() && PLAIN.fit(&[0.1, 0.2, 0.3], 2, &[]).is_err());
    let error = PLAIN.fit(&[0.1, 0.2, f64::NAN, 0.3], 2, &[]).unwrap_err().to_string();
    assert!(error.contains("teacher 0 on text 1"), "{error}");
    for (gate, key) in [
        (CalibratedGate { temperature: 0.0, ..PLAIN }, "temperature"),
        (CalibratedGate { own_weight: -1.0, ..PLAIN }, "own_weight"),
        (CalibratedGate { tolerance: f64::NAN, ..PLAIN }, "tolerance"),
    ] {
        assert!(gate.fit(&[0.1, 0.2], 2, &[]).unwrap_err().to_string().contains(key));
    }
    let fit = PLAIN.fit(&[0.1, 0.2, 0.3, 0.4], 2, &[]).unwrap();
    assert!(fit.weights(&[0.1]).is_err());
}

#[test]
fn a_temperature_flattens_the_posterior() {
    let world = World::new(600, &[0.5, 0.5], 1.5, 0.0, 18);
    let hot = CalibratedGate { temperature: 4.0, ..PLAIN };
    let hot = hot.fit(&world.scores, 2, &[]).unwrap().weights(&world.scores).unwrap().weights;
    for (hot, plain) in hot.iter().zip(calibrated(&world)) {
        assert!((hot - 0.5).abs() <= (plain - 0.5).abs() + 1e-12);
    }
}

#[test]
fn the_gate_of_a_configuration_is_the_same_function() {
    let world = World::new(300, &[0.5, 0.5], 1.5, 0.2, 19);
    let weights = values(GateSpec::Calibrated(PLAIN).weights(world.tensor()).unwrap());
    for (a, b) in weights.iter().zip(calibrated(&world)) {
        assert!((f64::from(*a) - b).abs() < 1e-4, "{a} against {b}");
    }
}
