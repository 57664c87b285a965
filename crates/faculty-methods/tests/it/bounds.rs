//! Upper bounds: the gate that knows the owners, and all teachers in place of a student.

use crate::stage::{Stage, TEXTS, settings, weights};
use burn::tensor::Device;
use faculty_core::metrics::argmax;
use faculty_core::{Aliases, LabelJoin, LabelSpace, Silent};
use faculty_methods::{
    AmalgamateRun, Curriculum, DataAccess, GatedEnsemble, MethodSpec, MukiSpec, PassSettings, TransferSet, amalgamate,
    gate_table, gated_ensemble_scores, gated_scores, oracle_gate,
};
use faculty_student::TrainRun;
use faculty_uncertainty::{ClaimSpec, ConfidenceSpec, GateRecipe, GateSpec, OwnerStatistics, SinglePassEntropy};
use serde_json::json;

/// The class of every text of the stage.
fn classes() -> Vec<usize> {
    (0..TEXTS).map(|text| text % 4).collect()
}

fn accuracy(scores: &[f32]) -> f64 {
    let right = scores.chunks_exact(4).zip(classes()).filter(|(row, class)| argmax(row) == *class).count();
    right as f64 / TEXTS as f64
}

#[test]
fn the_oracle_trusts_the_owner_alone_and_several_equally() {
    let spaces = [["a", "b"], ["b", "c"], ["d", "e"]].map(|names| LabelSpace::new(names).unwrap());
    let parts = [("one", &spaces[0]), ("two", &spaces[1]), ("three", &spaces[2])];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let class = |name: &str| join.union().index_of(name).unwrap();
    let gate = oracle_gate(&join, &[class("a"), class("b"), class("e")]).unwrap();
    assert_eq!(gate.weights, [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!((gate.teachers, gate.texts(), gate.sample_weights), (3, 3, None));
    assert!(oracle_gate(&join, &[5]).is_err());
}

#[test]
fn an_oracle_reads_labels_and_is_trained_under_their_gate_alone() {
    let stage = Stage::new();
    let oracle: MethodSpec = serde_json::from_value(json!({"kind": "oracle"})).unwrap();
    assert_eq!(oracle, MethodSpec::Oracle { temperature: 1.0 });
    assert_eq!(oracle.access(), DataAccess::Labelled);
    assert!(oracle.trains() && oracle.describe().contains("analysis"));
    let train = |run: AmalgamateRun<'_>, method: &MethodSpec| {
        let (mut student, tokens) = stage.student();
        amalgamate(method, &mut student, &tokens, stage.transfer(), &settings(), run)?;
        Ok::<_, faculty_core::Error>(weights(&student))
    };
    let run = AmalgamateRun::new(TrainRun::new(1, &Silent));
    let error = train(run, &oracle).unwrap_err().to_string();
    assert!(error.contains("reads labels"), "{error}");
    let gate = oracle_gate(&stage.join, &classes()).unwrap();
    let trained = train(run.with_gate(&gate), &oracle).unwrap();
    assert!(trained != train(run, &MethodSpec::Uniform { temperature: 1.0 }).unwrap());
    let others: Vec<usize> = classes().iter().map(|class| (class + 2) % 4).collect();
    let wrong = oracle_gate(&stage.join, &others).unwrap();
    assert!(trained != train(run.with_gate(&wrong), &oracle).unwrap(), "other owners, another student");
    let short = oracle_gate(&stage.join, &classes()[1..]).unwrap();
    assert!(train(run.with_gate(&short), &oracle).unwrap_err().to_string().contains("does not fit its texts"));

    // No gate has a better target.
    let device = Device::flex();
    let transfer = stage.transfer();
    let muki = MethodSpec::Muki(MukiSpec { passes: 4, ..MukiSpec::default() });
    let theirs = gate_table(&muki.recipe().unwrap(), &transfer, OwnerStatistics::default(), &device).unwrap();
    let target = |gate| accuracy(&gated_scores(gate, &transfer, 1.0, &device).unwrap());
    assert!(target(&gate) >= target(&theirs));
    assert_eq!(target(&gate), 1.0, "the teachers of the stage are right on their own texts");
    assert_eq!(target(&wrong), 0.0);
}

fn single_pass(gate: GateSpec) -> GatedEnsemble {
    let score = ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default());
    GatedEnsemble { gate: GateRecipe { score, gate, ..GateRecipe::default() }, ..GatedEnsemble::default() }
}

#[test]
fn a_gated_ensemble_is_the_target_of_its_gate() {
    let stage = Stage::new();
    let device = Device::flex();
    let scores = |ensemble: &GatedEnsemble, transfer: &TransferSet<'_>| {
        gated_ensemble_scores(ensemble, transfer, OwnerStatistics::default(), &device)
    };
    let passes = PassSettings { count: 4, ..PassSettings::default() };
    let ensemble = GatedEnsemble { passes, ..GatedEnsemble::default() };
    let method = MethodSpec::GatedEnsemble(ensemble);
    assert_eq!(method.passes(3).unwrap().count, 4);
    let muki = MethodSpec::Muki(MukiSpec { passes: 4, margin: false, ..MukiSpec::default() });
    let transfer = stage.transfer();
    let gate = gate_table(&muki.recipe().unwrap(), &transfer, OwnerStatistics::default(), &device).unwrap();
    let expected = gated_scores(&gate, &transfer, 1.0, &device).unwrap();
    let found = scores(&ensemble, &transfer).unwrap();
    assert_eq!(found, expected);
    assert!(found.chunks_exact(4).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    // A flatter temperature flattens within a teacher's labels, and moves nothing between teachers.
    let flat = scores(&GatedEnsemble { temperature: 4.0, ..ensemble }, &transfer).unwrap();
    for (sharp, flat) in found.chunks_exact(4).zip(flat.chunks_exact(4)) {
        assert!((sharp[0] + sharp[1] - flat[0] - flat[1]).abs() < 1e-5);
        assert!((sharp[0] - sharp[1]).abs() > (flat[0] - flat[1]).abs());
    }
    // Without the passes that the gate reads there is no answer.
    let mut bare = stage.outputs.clone();
    bare.iter_mut().for_each(|outputs| outputs.passes = None);
    let bare = TransferSet::new(&bare, &stage.join).unwrap();
    assert!(scores(&ensemble, &bare).is_err());
    assert!(scores(&single_pass(GateSpec::Hard {}), &bare).is_ok());
}

#[test]
fn a_text_that_nobody_claims_is_answered_all_the_same() {
    let stage = Stage::new();
    let mut outputs = stage.outputs.clone();
    // Nobody has anything to say of the first text.
    outputs.iter_mut().for_each(|outputs| outputs.logits[..2].fill(0.0));
    let transfer = TransferSet::new(&outputs, &stage.join).unwrap();
    let claims = single_pass(GateSpec::Claim(ClaimSpec::default()));
    let recipe = MethodSpec::GatedEnsemble(claims).recipe().unwrap();
    let gate = gate_table(&recipe, &transfer, OwnerStatistics::default(), &Device::flex()).unwrap();
    assert_eq!(gate.weights[..2], [0.0, 0.0]);
    let found = gated_ensemble_scores(&claims, &transfer, OwnerStatistics::default(), &Device::flex()).unwrap();
    assert_eq!(found[..4], [0.25; 4]);
}

#[test]
fn a_gated_ensemble_trains_nothing() {
    let stage = Stage::new();
    let method = MethodSpec::GatedEnsemble(GatedEnsemble::default());
    assert!(!method.trains());
    assert_eq!(method.access(), DataAccess::Unlabelled);
    assert_eq!(method.describe(), "all teachers, weighted (mc-entropy, soft gate), no training");
    let (mut student, tokens) = stage.student();
    let run = TrainRun::new(1, &Silent);
    assert!(amalgamate(&method, &mut student, &tokens, stage.transfer(), &settings(), run).is_err());
    let curriculum = Curriculum { claimed_only: true, ..Curriculum::default() };
    assert!(curriculum.check(&method).unwrap_err().to_string().contains("learns from no teacher"));
    let wrong: MethodSpec = serde_json::from_value(json!({"kind": "gated-ensemble", "temperature": 0.0})).unwrap();
    assert!(wrong.check(2).unwrap_err().to_string().contains("temperature"));
}
