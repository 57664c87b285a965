//! Stage 2 of AS-DFD-style distillation: a student that never sees a text.

use crate::observed::{assert_resumes, count, part};
use crate::stage::weights;
use crate::taught::{Taught, accuracy, taught, teach};
use faculty_core::Silent;
use faculty_losses::features::{AlignSpec, DfaSettings};
use faculty_methods::{
    AsDfdMethod, BackwardPass, Curriculum, DataAccess, GuessForm, GuessTarget, GuessingSpec, MethodSpec, Recipe,
    SelfTraining, Unix,
};
use faculty_student::{TrainRun, TrainSettings};

const TEXTS: usize = 24;

/// Only their number and their lengths count.
fn texts(word: &str) -> Vec<String> {
    vec![format!("{word} {word} {word}"); TEXTS]
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 8, epochs: 4, freeze_embeddings: true, ..TrainSettings::default() }
}

fn spec() -> GuessingSpec {
    GuessingSpec { lengths: [5, 10], bucket: 4, steps: 10, buffer: 4, ..GuessingSpec::default() }
}

fn method(guessing: GuessingSpec) -> MethodSpec {
    MethodSpec::AsDfd(AsDfdMethod { guessing, ..AsDfdMethod::default() })
}

#[test]
fn no_text_is_read() {
    let world = taught();
    assert_eq!(method(spec()).access(), DataAccess::None);
    let run = |word: &str| world.train(&method(spec()), &texts(word), &settings(), TrainRun::new(1, &Silent)).unwrap();
    let (one, other) = (run("bank"), run("song"));
    assert!(weights(&one.0) == weights(&other.0), "whatever the texts are");
    assert_eq!(one.1, other.1);
    assert!(weights(&one.0) != weights(&world.student()));
}

#[test]
fn the_student_learns_to_rebuild_while_guesses_are_made_harder() {
    let world = taught();
    let long = TrainSettings { epochs: 14, ..settings() };
    let run = |guessing| world.train(&method(guessing), &texts("bank"), &long, TrainRun::new(1, &Silent)).unwrap().1;
    // Guesses that go on when their teacher is sure have something in common.
    let far = GuessingSpec { stop: 1.0, ..spec() };
    let report = run(GuessingSpec { beta: 0.0, head_rate: 3e-3, ..far });
    let last = report.curve.len() - 1;
    // Without beta guesses do not depend on the student: the same ones, and a head that hardly learns.
    let still = run(GuessingSpec { beta: 0.0, head_rate: 1e-9, ..far });
    let (before, after) = (part(&still, last, "rebuilding").unwrap(), part(&report, last, "rebuilding").unwrap());
    assert!(after < 0.98 * before, "{before} -> {after}");
    assert!(part(&report, last, "guess_confidence").unwrap() > 0.8);
    assert!(part(&report, last, "guess_steps").unwrap() <= 10.0);
    assert!(part(&report, last, "gate_disagrees").is_some());
    // Against a student that rebuilds well.
    let hard = run(GuessingSpec { beta: 5.0, head_rate: 3e-3, ..far });
    assert!(part(&hard, last, "rebuilding").unwrap() > after);
    let none = run(GuessingSpec { beta: 0.0, self_supervision: 0.0, ..spec() });
    assert_eq!(part(&none, last, "rebuilding"), None);
}

#[test]
fn passes_of_teachers_are_counted() {
    let world = taught();
    let run =
        |guessing| world.train(&method(guessing), &texts("bank"), &settings(), TrainRun::new(1, &Silent)).unwrap().1;
    // 12 updates; the first makes 8 guesses, later ones 4 and take 4 again. Two teachers are asked of each once made.
    let gaussian = run(GuessingSpec { steps: 0, ..spec() });
    assert_eq!(gaussian.steps, 12);
    assert_eq!(count(&gaussian, "teacher_forward_passes"), 2 * (8 + 11 * 4));
    assert_eq!(count(&gaussian, "teacher_backward_passes"), 0);
    // Without other teachers' terms one teacher is asked a guess and step.
    let alone = run(GuessingSpec { steps: 1, stop: 1.0, others: 0.0, beta: 0.0, ..spec() });
    assert_eq!(count(&alone, "teacher_forward_passes"), 3 * (8 + 11 * 4));
    assert_eq!(count(&alone, "teacher_backward_passes"), 8 + 11 * 4);
    // New ones in every fourth update alone.
    let seldom = run(GuessingSpec { steps: 0, every: 4, ..spec() });
    assert_eq!(count(&seldom, "teacher_forward_passes"), 2 * (8 + 4 + 4));
    assert_eq!(part(&seldom, 0, "guess_steps"), None, "update 10 makes none");
}

#[test]
fn guessed_embeddings_teach_more_than_gaussian_ones_at_equal_updates() {
    let world = taught();
    let long = TrainSettings { epochs: 20, ..settings() };
    let mean = |guessing: GuessingSpec| -> Vec<f64> {
        let of = |seed| world.train(&method(guessing), &texts("bank"), &long, TrainRun::new(seed, &Silent)).unwrap().0;
        (1..=5).map(|seed| accuracy(&of(seed), 0..4)).collect()
    };
    let sum = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let (guessed, gaussian) = (mean(GuessingSpec { steps: 30, ..spec() }), mean(GuessingSpec { steps: 0, ..spec() }));
    assert!(sum(&guessed) > sum(&gaussian) + 0.05, "{guessed:?} beside {gaussian:?}");
}

#[test]
fn one_teacher_is_the_method_for_one_teacher() {
    let world = teach(&[(0, 2)]);
    let run = |target| {
        let method = method(GuessingSpec { target, ..spec() });
        world.train(&method, &texts("bank"), &settings(), TrainRun::new(1, &Silent)).unwrap()
    };
    let (own, gated) = (run(GuessTarget::Own), run(GuessTarget::Gate));
    assert!(weights(&own.0) == weights(&gated.0), "the gate of one teacher");
    assert!(accuracy(&own.0, 0..2) > 0.5);
    assert_eq!(part(&own.1, 0, "gate_disagrees"), None);
}

#[test]
fn mixtures_and_hidden_states_train_too() {
    let world = taught();
    let mixture = GuessForm::Mixture { words: 60, rate: 0.3, spread: 3.0 };
    let hidden =
        GuessingSpec { form: GuessForm::Hidden { layer: 1 }, beta: 0.0, self_supervision: 0.0, nearest: 0.0, ..spec() };
    for guessing in
        [GuessingSpec { form: mixture, ..spec() }, hidden, GuessingSpec { target: GuessTarget::Gate, ..spec() }]
    {
        let (student, report) =
            world.train(&method(guessing), &texts("bank"), &settings(), TrainRun::new(1, &Silent)).unwrap();
        assert!(
            weights(&student) != weights(&world.student()) && report.curve.iter().all(|point| point.loss.is_finite())
        );
    }
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let world = taught();
    let method = method(GuessingSpec { steps: 4, ..spec() });
    assert_resumes([1, 4, 7, 11], |checkpoints, observer| {
        let run = TrainRun { checkpoints, ..TrainRun::new(1, observer) };
        let (student, report) = world.train(&method, &texts("bank"), &settings(), run)?;
        Ok((weights(&student), report))
    });
}

#[test]
fn what_does_not_go_together_is_refused() {
    let world: &Taught = taught();
    let refused = |recipe: Recipe| MethodSpec::Recipe(Box::new(recipe)).check(2).unwrap_err().to_string();
    let base = method(spec()).recipe().unwrap();
    let rounds = SelfTraining { count: 2, ..SelfTraining::default() };
    assert!(refused(Recipe { rounds, ..base.clone() }).contains("rounds.count"));
    assert!(refused(Recipe { backward: Some(BackwardPass::default()), ..base.clone() }).contains("`backward`"));
    let align = Some(AlignSpec::Dfa(DfaSettings::default()));
    assert!(refused(Recipe { align, ..base.clone() }).contains("`align`"));
    let passes = Recipe::default().gate;
    assert!(refused(Recipe { gate: passes, ..base.clone() }).contains("Monte-Carlo passes"));
    // As written in a file.
    let parsed: MethodSpec = serde_json::from_value(serde_json::json!({
        "kind": "as-dfd", "temperature": 2.0, "guessing": {"form": {"kind": "mixture"}, "beta": 0.0}
    }))
    .unwrap();
    parsed.check(2).unwrap();
    assert_eq!(parsed.describe(), "AS-DFD-style, no text (mixtures of 3000 words guessed in 50 steps)");
    assert_eq!(parsed.recipe().unwrap().losses[0].weight, 4.0);
    // Teachers have to be at hand, and whole batches are learnt from.
    let mut student = world.student();
    let outputs = world.outputs(&texts("bank"));
    let tokens = student.tokenize(&texts("bank"), None).unwrap();
    let transfer = faculty_methods::TransferSet::new(&outputs, &world.join).unwrap();
    let run = faculty_methods::AmalgamateRun::new(TrainRun::new(1, &Silent));
    let mut go = |run| {
        faculty_methods::amalgamate(&method(spec()), &mut student, &tokens, transfer, &settings(), run)
            .unwrap_err()
            .to_string()
    };
    assert!(go(run).contains("not handed over"));
    let curriculum = Curriculum { unix: Some(Unix::default()), ..Curriculum::default() };
    assert!(go(run.with_teachers(&world.asked()).with_curriculum(&curriculum)).contains("whole batches"));
}
