//! From teacher outputs to gates: the golden case of the sheet, and the checks around it.

use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, LabelSpace};
use faculty_methods::{MethodGate, MethodSpec, MukiSpec, TransferSet, Vote, ensemble_scores, gate_table, gated_scores};
use faculty_teacher::{PassArrays, TeacherOutputs};

fn close(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (a, b) in actual.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{actual:?} against {expected:?}");
    }
}

/// p_1 = (0.9, 0.1), p_2 = (0.5, 0.3, 0.2), as logits and as the mean of passes.
fn golden() -> (Vec<TeacherOutputs>, LabelJoin) {
    let outputs = |p: &[f32]| TeacherOutputs {
        classes: p.len(),
        logits: p.iter().map(|p| p.ln()).collect(),
        passes: Some(PassArrays { mean_probabilities: p.to_vec(), mean_entropy: vec![0.3], variance: vec![0.01] }),
        features: None,
        truncated: 0,
    };
    let spaces = [LabelSpace::new(["a", "b"]).unwrap(), LabelSpace::new(["c", "d", "e"]).unwrap()];
    let join = LabelJoin::build(&[("one", &spaces[0]), ("two", &spaces[1])], &Aliases::default()).unwrap();
    (vec![outputs(&[0.9, 0.1]), outputs(&[0.5, 0.3, 0.2])], join)
}

#[test]
fn the_golden_case_gives_the_published_arithmetic() {
    let (outputs, join) = golden();
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let device = Device::flex();
    for single_pass in [false, true] {
        let muki = MukiSpec { single_pass, ..MukiSpec::default() };
        let gate = gate_table(&MethodGate::Muki(muki.clone()), &transfer, &device).unwrap();
        close(&gate.scores, &[0.531_004, 0.062_769]);
        close(&gate.weights, &[0.912_230, 0.087_770]);
        close(gate.sample_weights.as_ref().unwrap(), &[0.468_236]);
        let q = gated_scores(&gate, &transfer, 1.0, &device).unwrap();
        close(&q, &[0.821_007, 0.091_223, 0.043_885, 0.026_331, 0.017_554]);
        let hard = MukiSpec { vote: Vote::Hard, margin: false, ..muki };
        let hard = gate_table(&MethodGate::Muki(hard), &transfer, &device).unwrap();
        close(&hard.weights, &[1.0, 0.0]);
        assert!(hard.sample_weights.is_none());
    }
    let uniform = gate_table(&MethodGate::Uniform, &transfer, &device).unwrap();
    close(&gated_scores(&uniform, &transfer, 1.0, &device).unwrap(), &[0.45, 0.05, 0.25, 0.15, 0.10]);
    let best = gate_table(&MethodGate::MaxConfidence { z_normalise: false }, &transfer, &device).unwrap();
    close(&best.weights, &[1.0, 0.0]);
    let concat = ensemble_scores(&MethodSpec::Concat {}, &transfer, &device).unwrap();
    close(&concat.iter().map(|logit| logit.exp() / 2.0).collect::<Vec<_>>(), &[0.45, 0.05, 0.25, 0.15, 0.10]);
    let alone = ensemble_scores(&MethodSpec::Teacher { index: 1 }, &transfer, &device).unwrap();
    close(&alone, &[0.0, 0.0, 0.5, 0.3, 0.2]);
}

#[test]
fn a_hot_gate_is_uniform_and_a_cold_gate_is_hard() {
    let (outputs, join) = golden();
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let at = |gate_temperature| {
        let muki = MukiSpec { gate_temperature, ..MukiSpec::default() };
        gate_table(&MethodGate::Muki(muki), &transfer, &Device::flex()).unwrap().weights
    };
    close(&at(1e7), &[0.5, 0.5]);
    close(&at(1e-3), &[1.0, 0.0]);
}

#[test]
fn identical_passes_abort_the_gate() {
    let (mut outputs, join) = golden();
    outputs[1].passes.as_mut().unwrap().variance = vec![0.0];
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let error = gate_table(&MethodGate::Muki(MukiSpec::default()), &transfer, &Device::flex()).unwrap_err();
    assert!(error.to_string().contains("passes of teacher `two` are identical"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_gate_without_its_passes_is_refused() {
    let (mut outputs, join) = golden();
    outputs[0].passes = None;
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    assert!(gate_table(&MethodGate::Muki(MukiSpec::default()), &transfer, &Device::flex()).is_err());
    let single = MukiSpec { single_pass: true, ..MukiSpec::default() };
    assert!(gate_table(&MethodGate::Muki(single), &transfer, &Device::flex()).is_ok());
}
