//! Who claims what, and what is dropped.

use crate::support::{World, matrix, values};
use burn::tensor::Tensor;
use faculty_testkit::assert_close;
use faculty_uncertainty::{
    ClaimSpec, ClaimThreshold, GateSpec, claim_above_mean, claim_gate, server_selector, z_normalise,
};

#[test]
fn claimers_share_a_text_and_a_text_nobody_claims_is_dropped() {
    let scores = matrix(&[0.9, 0.8, 0.1, 0.2, 0.1, 0.0, 0.6, 0.1, 0.7, 0.6, 0.9, 0.9], 3);
    let claims = claim_gate(scores, &[0.5, 0.5, 0.65]).unwrap();
    let third = 1.0 / 3.0;
    let expected = [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5, third, third, third];
    assert_close(&values(claims.weights), &expected, 1e-7, 0.0, "weights");
    assert_eq!(values(claims.kept), [1.0, 0.0, 1.0, 1.0]);
    assert_eq!((claims.shares.dropped, claims.shares.claimed), (0.25, vec![0.75, 0.5, 0.5]));
}

#[test]
fn a_score_equal_to_its_threshold_is_no_claim() {
    let claims = claim_gate(matrix(&[0.5, 0.5], 2), &[0.5, 0.4]).unwrap();
    assert_eq!(values(claims.weights), [0.0, 1.0]);
}

#[test]
fn one_teacher_that_claims_everything_is_plain_distillation() {
    let claims = claim_gate(matrix(&[0.1, 0.2, 0.3], 1), &[0.0]).unwrap();
    assert_eq!((values(claims.weights), values(claims.kept)), (vec![1.0; 3], vec![1.0; 3]));
    assert_eq!(claims.shares.dropped, 0.0);
}

#[test]
fn above_the_mean_is_above_zero_after_z_normalisation_and_constant_scores_claim_nothing() {
    let scores = matrix(&[0.1, 0.3, 0.2, 0.3, 0.9, 0.3], 2);
    let claims = claim_above_mean(scores.clone()).unwrap();
    assert_eq!(values(claims.weights), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(claims.shares.claimed, [1.0 / 3.0, 0.0]);
    let again = claim_above_mean(z_normalise(scores).unwrap()).unwrap();
    assert_eq!(values(again.weights), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn owners_claim_their_own_texts_more_than_others() {
    let world = World::new(1000, &[0.5, 0.5], 1.5, 0.0, 1).scaled(&[(0.0, 1.0), (5.0, 0.1)]);
    let claims = claim_above_mean(world.tensor()).unwrap();
    let weights: Vec<f64> = values(claims.weights).into_iter().map(f64::from).collect();
    let kept: Vec<bool> = values(claims.kept).into_iter().map(|kept| kept > 0.0).collect();
    let owner_weight = weights.chunks(2).zip(&world.owners).map(|(row, &owner)| row[owner]).sum::<f64>();
    let share = owner_weight / kept.iter().filter(|kept| **kept).count() as f64;
    assert!(share > 0.85, "{share}");
    assert!(claims.shares.claimed.iter().all(|claimed| (claimed - 0.5).abs() < 0.1), "{:?}", claims.shares);
}

#[test]
fn teachers_and_thresholds_must_fit_and_scores_be_numbers() {
    assert!(claim_gate(matrix(&[0.1, 0.2], 2), &[0.1]).is_err());
    let error = claim_gate(matrix(&[0.1, f32::NAN], 2), &[0.0, 0.0]).unwrap_err().to_string();
    assert!(error.contains("teacher 1 on text 0"), "{error}");
    let spec = GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::OwnerQuartile, ambiguity: None });
    let error = spec.weights(matrix(&[0.1, 0.2], 2)).unwrap_err().to_string();
    assert!(error.contains("owner of teacher 0") && error.contains("transfer-mean"), "{error}");
}

#[test]
fn the_server_drops_ambiguous_targets_and_targets_without_mass() {
    let uniform = [0.25; 4];
    let clear = [0.9, 0.1, 0.0, 0.0];
    let halves = [0.5, 0.5, 0.0, 0.0];
    let nothing = [0.0; 4];
    let targets = matrix(&[uniform, clear, halves, nothing].concat(), 4);
    assert_eq!(values(server_selector(targets.clone(), 0.9).unwrap()), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(values(server_selector(targets.clone(), 0.4).unwrap()), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(values(server_selector(targets.clone(), 1.0).unwrap()), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(values(server_selector(matrix(&[1.0, 1.0], 1), 0.9).unwrap()), [1.0, 1.0]);
    for limit in [0.0, 1.5, f64::NAN] {
        assert!(server_selector(targets.clone(), limit).unwrap_err().to_string().contains("ambiguity"));
    }
}

#[test]
fn claims_carry_no_gradient() {
    let scores = Tensor::<2>::from_floats([[0.1, 0.9]], &burn::tensor::Device::flex().autodiff()).require_grad();
    let claims = claim_gate(scores, &[0.5, 0.5]).unwrap();
    assert!(!claims.weights.is_autodiff() && !claims.kept.is_autodiff());
}
