//! Self-training rounds: the student has a say about the gate.

use crate::observed::StopAfter;
use crate::stage::{Stage, TEXTS, settings, weights};
use faculty_core::{NamedTensor, Observer, Result, Silent};
use faculty_methods::{AmalgamateRun, MethodSpec, MukiSpec, Round, Rounds, amalgamate};
use faculty_student::{CheckpointPolicy, Checkpoints, TrainRun};
use std::sync::Mutex;

fn method() -> MethodSpec {
    MethodSpec::Muki(MukiSpec { passes: 4, ..MukiSpec::default() })
}

/// Weighs the teachers by how much of the student's mass lies on their labels.
fn reweigh(round: Round<'_>) -> Result<()> {
    for (text, logits) in round.predictions.chunks_exact(4).enumerate() {
        let powers: Vec<f32> = logits.iter().map(|logit| logit.exp()).collect();
        let sum: f32 = powers.iter().sum();
        round.gate.weights[2 * text] = (powers[0] + powers[1]) / sum;
        round.gate.weights[2 * text + 1] = (powers[2] + powers[3]) / sum;
    }
    round.gate.sample_weights = None;
    Ok(())
}

fn run(
    rounds: Option<Rounds<'_>>,
    checkpoints: Option<&Checkpoints>,
    observer: &dyn Observer,
) -> Result<Vec<NamedTensor>> {
    let stage = Stage::new();
    let (mut student, tokens) = stage.student();
    let train = TrainRun { checkpoints, ..TrainRun::new(1, observer) };
    let run = AmalgamateRun { rounds, ..AmalgamateRun::new(train) };
    amalgamate(&method(), &mut student, &tokens, stage.transfer(), &settings(), run)?;
    Ok(weights(&student))
}

#[test]
fn after_each_round_but_the_last_the_student_is_heard() {
    let heard = Mutex::new(Vec::new());
    let between = |round: Round<'_>| {
        assert_eq!(round.predictions.len(), TEXTS * 4);
        assert_eq!(round.transfer.len(), TEXTS);
        heard.lock().unwrap().push((round.index, round.count));
        reweigh(round)
    };
    let plain = run(None, None, &Silent).unwrap();
    let one = run(Some(Rounds { count: 1, between: &between }), None, &Silent).unwrap();
    assert!(plain == one, "one round is none");
    assert!(heard.lock().unwrap().is_empty());
    let four = run(Some(Rounds { count: 4, between: &between }), None, &Silent).unwrap();
    assert_eq!(*heard.lock().unwrap(), [(0, 4), (1, 4), (2, 4)]);
    assert!(plain != four, "the gate was another");

    let nothing = |_: Round<'_>| Ok(());
    assert!(
        run(Some(Rounds { count: 4, between: &nothing }), None, &Silent).unwrap() == plain,
        "listening costs no bit"
    );
}

#[test]
fn a_training_in_rounds_resumes_with_the_gate_of_its_round() {
    let rounds = Rounds { count: 4, between: &reweigh };
    let expected = run(Some(rounds), None, &Silent).unwrap();
    for stop_after in 1..settings().steps(TEXTS) {
        let dir = tempfile::tempdir().unwrap();
        let policy = CheckpointPolicy { steps: None, seconds: Some(3600.0) };
        let checkpoints = Checkpoints::new(dir.path(), "a test", policy);
        assert!(run(Some(rounds), Some(&checkpoints), &StopAfter::new(stop_after)).is_err());
        // Where a round ends, it is while the student is heard.
        assert!(
            dir.path().join(format!("step-{stop_after:09}")).is_dir(),
            "no step is lost, the last was {stop_after}"
        );
        assert!(run(Some(rounds), Some(&checkpoints), &Silent).unwrap() == expected, "after {stop_after} steps");
    }
}

#[test]
fn rounds_that_do_not_fit_and_gates_that_are_none_are_refused() {
    let refuse = |rounds: Rounds<'_>, part: &str| {
        let error = run(Some(rounds), None, &Silent).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refuse(Rounds { count: 0, between: &reweigh }, "rounds");
    refuse(Rounds { count: 5, between: &reweigh }, "1 to 4");
    let breaks = |round: Round<'_>| {
        round.gate.weights[3] = f32::NAN;
        Ok(())
    };
    refuse(Rounds { count: 2, between: &breaks }, "gate");
    let fails = |_: Round<'_>| Err(faculty_core::Error::internal("no opinion"));
    refuse(Rounds { count: 2, between: &fails }, "no opinion");

    let stage = Stage::new();
    let (mut student, tokens) = stage.student();
    let uhc = MethodSpec::Uhc { temperature: 1.0 };
    let run = AmalgamateRun::new(TrainRun::new(1, &Silent)).with_rounds(Rounds { count: 2, between: &reweigh });
    let error = amalgamate(&uhc, &mut student, &tokens, stage.transfer(), &settings(), run).unwrap_err().to_string();
    assert!(error.contains("no gate"), "{error}");
}
