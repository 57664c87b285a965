//! From teacher outputs to gates: the golden case of the sheet, and the checks around it.

use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, LabelSpace, Result};
use faculty_losses::{Amalgamate, GatedKl, JoinTensors};
use faculty_methods::{
    GateTable, Intended, MethodSpec, MukiSpec, TransferSet, Vote, ensemble_scores, gate_table, gated_scores,
    recipe_table,
};
use faculty_nn::{FeatureSite, StudentView, host_values};
use faculty_teacher::{FeatureArray, PassArrays, TeacherOutputs};
use faculty_uncertainty::{
    ClaimSpec, ClaimThreshold, ConfidenceSpec, GateRecipe, GateSpec, Mahalanobis, MaxSoftmax, OwnerStatistics,
    OwnerSummary, SinglePassEntropy, SummarySettings,
};

fn gate_of(method: &MethodSpec, transfer: &TransferSet<'_>) -> Result<GateTable> {
    gate_table(&method.recipe().unwrap(), transfer, OwnerStatistics::default(), &Device::flex())
}

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
        let gate = gate_of(&MethodSpec::Muki(muki.clone()), &transfer).unwrap();
        close(&gate.scores, &[0.531_004, 0.062_769]);
        close(&gate.weights, &[0.912_230, 0.087_770]);
        close(gate.sample_weights.as_ref().unwrap(), &[0.468_236]);
        let q = gated_scores(&gate, &transfer, 1.0, &device).unwrap();
        close(&q, &[0.821_007, 0.091_223, 0.043_885, 0.026_331, 0.017_554]);
        let hard = MukiSpec { vote: Vote::Hard, margin: false, ..muki };
        let hard = gate_of(&MethodSpec::Muki(hard), &transfer).unwrap();
        close(&hard.weights, &[1.0, 0.0]);
        assert!(hard.sample_weights.is_none());
    }
    let uniform = gate_of(&MethodSpec::Uniform { temperature: 1.0 }, &transfer).unwrap();
    close(&gated_scores(&uniform, &transfer, 1.0, &device).unwrap(), &[0.45, 0.05, 0.25, 0.15, 0.10]);
    let best = gate_of(&MethodSpec::MaxConfidence { temperature: 1.0, z_normalise: false }, &transfer).unwrap();
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
        gate_of(&MethodSpec::Muki(muki), &transfer).unwrap().weights
    };
    close(&at(1e7), &[0.5, 0.5]);
    close(&at(1e-3), &[1.0, 0.0]);
}

#[test]
fn identical_passes_abort_the_gate() {
    let (mut outputs, join) = golden();
    outputs[1].passes.as_mut().unwrap().variance = vec![0.0];
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let error = gate_of(&MethodSpec::Muki(MukiSpec::default()), &transfer).unwrap_err();
    assert!(error.to_string().contains("passes of teacher `two` are identical"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_gate_without_its_passes_is_refused() {
    let (mut outputs, join) = golden();
    outputs[0].passes = None;
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    assert!(gate_of(&MethodSpec::Muki(MukiSpec::default()), &transfer).is_err());
    let single = MukiSpec { single_pass: true, ..MukiSpec::default() };
    assert!(gate_of(&MethodSpec::Muki(single), &transfer).is_ok());
}

/// Twelve texts: the first six are sure to teacher `one`, the last six to teacher `two`, and the rest of the words are
/// doubts.
fn twelve() -> (Vec<TeacherOutputs>, LabelJoin) {
    let (_, join) = golden();
    let outputs = |classes: usize, own: std::ops::Range<usize>| {
        let logits = (0..12).flat_map(|text| {
            let top = if own.contains(&text) { 4.0 + 0.1 * text as f32 } else { 0.2 + 0.01 * text as f32 };
            (0..classes).map(move |class| if class == text % classes { top } else { 0.0 })
        });
        TeacherOutputs { classes, logits: logits.collect(), passes: None, features: None, truncated: 0 }
    };
    (vec![outputs(2, 0..6), outputs(3, 6..12)], join)
}

fn table(recipe: &GateRecipe, outputs: &[TeacherOutputs], join: &LabelJoin) -> GateTable {
    let transfer = TransferSet::new(outputs, join).unwrap();
    recipe_table(recipe, &transfer, OwnerStatistics::default(), &Device::flex()).unwrap()
}

#[test]
fn every_gate_of_a_method_is_a_recipe() {
    let (outputs, join) = golden();
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let usual = GateRecipe::default();
    let single = ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default());
    let best = |z_normalise| GateRecipe {
        score: ConfidenceSpec::MaxSoftmax(MaxSoftmax {}),
        z_normalise,
        gate: GateSpec::Hard {},
        ..usual
    };
    let muki = MukiSpec::default();
    for (method, gate) in [
        (MethodSpec::Uniform { temperature: 1.0 }, GateRecipe { gate: GateSpec::Uniform {}, ..usual }),
        (MethodSpec::MaxConfidence { temperature: 1.0, z_normalise: false }, best(false)),
        (MethodSpec::MaxConfidence { temperature: 1.0, z_normalise: true }, best(true)),
        (MethodSpec::Muki(muki.clone()), GateRecipe { margin: true, ..usual }),
        (
            MethodSpec::Muki(MukiSpec { vote: Vote::Hard, normalise_margin: true, ..muki.clone() }),
            GateRecipe { gate: GateSpec::Hard {}, margin: true, normalise_margin: true, ..usual },
        ),
        (
            MethodSpec::Muki(MukiSpec { single_pass: true, margin: false, normalise_margin: true, ..muki }),
            GateRecipe { score: single, ..usual },
        ),
    ] {
        gate.check(2).unwrap();
        assert_eq!(method.gate(), Some(gate), "{method:?}");
        assert_eq!(gate_of(&method, &transfer).unwrap(), table(&gate, &outputs, &join), "{method:?}");
    }
    assert_eq!(MethodSpec::Uhc { temperature: 1.0 }.gate(), None);
}

#[test]
fn claims_drop_what_nobody_claims_and_what_stays_ambiguous() {
    let (outputs, join) = twelve();
    let score = ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default());
    let claim = |ambiguity| GateRecipe {
        score,
        gate: GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::TransferMean, ambiguity }),
        ..GateRecipe::default()
    };
    let kept = table(&claim(None), &outputs, &join);
    let owners: Vec<f32> = (0..12).flat_map(|text| if text < 6 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    assert_eq!((kept.weights, kept.sample_weights, kept.scores.len()), (owners.clone(), Some(vec![1.0; 12]), 24));
    // Targets of one sure teacher over five classes have little entropy: 0.9 keeps them, a strict limit drops the least sure.
    let lenient = table(&claim(Some(0.9)), &outputs, &join);
    assert_eq!((lenient.weights.clone(), lenient.dropped()), (owners, 0.0));
    let strict = table(&claim(Some(0.055)), &outputs, &join);
    assert!(strict.dropped() > 0.0 && strict.dropped() < 1.0, "{strict:?}");
    assert_eq!(strict.weights, lenient.weights);

    // A text that both doubt.
    let mut outputs = outputs;
    outputs[0].logits[..2].copy_from_slice(&[0.0, 0.0]);
    let doubted = table(&claim(Some(0.9)), &outputs, &join);
    assert_eq!((&doubted.weights[..2], doubted.sample_weights.as_ref().unwrap()[0]), (&[0.0, 0.0][..], 0.0));
    let device = Device::flex();
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let target = gated_scores(&doubted, &transfer, 1.0, &device).unwrap();
    assert_eq!(target[..5], [0.0; 5]);
    assert!((doubted.dropped() - 1.0 / 12.0).abs() < 1e-12);
    // It costs nothing in the loss either.
    let gate = doubted.batch(&[0], &device);
    let logits = burn::tensor::Tensor::from_floats([[3.0, -1.0, 0.5, 0.0, 2.0]], &device);
    let student = StudentView::new(logits);
    let tensors = JoinTensors::new(&join, &device);
    let loss = GatedKl::default().loss(&student, &transfer.views(&[0], &device), &gate, &tensors).unwrap().total();
    assert_eq!(host_values(loss).unwrap(), [0.0]);
}

#[test]
fn a_recipe_with_passes_that_do_not_differ_aborts() {
    let (mut outputs, join) = golden();
    outputs[1].passes.as_mut().unwrap().variance = vec![0.0];
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let of = |recipe: &GateRecipe| recipe_table(recipe, &transfer, OwnerStatistics::default(), &Device::flex());
    let error = of(&GateRecipe::default()).unwrap_err();
    assert!(error.to_string().contains("identical"), "{error}");
    let single = ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default());
    assert!(of(&GateRecipe { score: single, ..GateRecipe::default() }).is_ok());
    // Without dropout passes agree, and a method that says so may go on.
    let off = MukiSpec { dropout: 0.0, ..MukiSpec::default() };
    assert!(gate_of(&MethodSpec::Muki(off), &transfer).is_ok());
}

#[test]
fn features_reach_a_recipe_through_the_transfer_set() {
    let (mut outputs, join) = twelve();
    let labels: Vec<usize> = (0..40).map(|text| text % 2).collect();
    let own: Vec<f32> = (0..80).map(|i| (i * 37 % 19) as f32 / 19.0).collect();
    let summary = OwnerSummary::fit(&own, 2, &labels, FeatureSite::default(), SummarySettings::default()).unwrap();
    let summaries = [summary.clone(), summary];
    let owners = OwnerStatistics { summaries: &summaries, ratios: &[] };
    for (teacher, output) in outputs.iter_mut().enumerate() {
        let values = (0..12).flat_map(|text| [if text / 6 == teacher { 0.5 } else { 4.0 }; 2]).collect();
        output.features = Some(FeatureArray { width: 2, values });
    }
    let transfer = TransferSet::new(&outputs, &join).unwrap();
    let recipe = GateRecipe {
        score: ConfidenceSpec::Mahalanobis(Mahalanobis::default()),
        gate: GateSpec::Hard {},
        ..GateRecipe::default()
    };
    let found = recipe_table(&recipe, &transfer, owners, &Device::flex()).unwrap();
    let expected: Vec<f32> = (0..12).flat_map(|text| if text < 6 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    assert_eq!(found.weights, expected);
    assert!(recipe_table(&recipe, &transfer, OwnerStatistics::default(), &Device::flex()).is_err());
}

#[test]
fn whom_a_text_was_written_for_takes_its_share() {
    let (outputs, join) = twelve();
    let plain = TransferSet::new(&outputs, &join).unwrap();
    let by_confidence = GateRecipe {
        score: ConfidenceSpec::MaxSoftmax(MaxSoftmax {}),
        gate: GateSpec::Soft { temperature: 0.5 },
        ..GateRecipe::default()
    };
    // Of twelve texts the first is nobody's, the others are the second teacher's.
    let intended: Vec<Intended> = (0..12).map(|text| (text > 0).then_some((1, 0))).collect();
    let written = TransferSet::new(&outputs, &join).unwrap().with_intended(intended.as_slice()).unwrap();
    let of = |share: f64, set: &TransferSet<'_>| {
        let recipe = GateRecipe { intended_share: share, ..by_confidence };
        recipe_table(&recipe, set, OwnerStatistics::default(), &Device::flex()).unwrap().weights
    };
    let scored = of(0.0, &written);
    assert_eq!(of(0.25, &plain), scored, "nobody knows whom the task's own texts were written for");
    for (text, (found, before)) in of(0.25, &written).chunks_exact(2).zip(scored.chunks_exact(2)).enumerate() {
        let expected = match text {
            0 => [before[0], before[1]],
            _ => [0.75 * before[0], 0.75f32.mul_add(before[1], 0.25)],
        };
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "text {text}: {found:?}, {expected:?}");
    }
    let all = of(1.0, &written);
    assert!(all[2..].chunks_exact(2).all(|weights| weights[0] == 0.0 && (weights[1] - 1.0).abs() < 1e-6), "{all:?}");
    let error = GateRecipe { intended_share: 1.5, ..by_confidence }.check(2).unwrap_err().to_string();
    assert!(error.contains("intended_share"), "{error}");
}
