//! Staged mixup in a training.

use crate::anchors::{foreign, spec};
use crate::observed::{assert_resumes, count, part};
use crate::stage::weights;
use crate::taught::{accuracy, taught};
use faculty_core::Silent;
use faculty_methods::{
    AnchorSpec, AnchorTraining, AugKdMethod, DataAccess, MethodSpec, MixSchedule, MixTarget, Recipe, Towards,
};
use faculty_model::Classifier;
use faculty_student::{TrainReport, TrainRun, TrainSettings};

const TEXTS: usize = 24;

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 8, epochs: 4, ..TrainSettings::default() }
}

/// The words stay as they are.
fn frozen() -> TrainSettings {
    TrainSettings { freeze_embeddings: true, ..settings() }
}

fn method(anchors: AnchorSpec) -> MethodSpec {
    MethodSpec::AugKd(AugKdMethod { anchors, ..AugKdMethod::default() })
}

fn train(method: &MethodSpec, settings: &TrainSettings) -> (Classifier, TrainReport) {
    taught().train(method, &foreign(TEXTS, 6), settings, TrainRun::new(1, &Silent)).unwrap()
}

/// The same losses on the texts as they are.
fn plain(method: &MethodSpec) -> MethodSpec {
    MethodSpec::Recipe(Box::new(Recipe { anchors: None, ..method.recipe().unwrap() }))
}

fn short(epochs: usize) -> AnchorSpec {
    AnchorSpec { training: AnchorTraining { epochs, ..spec().training }, pseudo_label: 0.0, ..spec() }
}

#[test]
fn texts_alone_are_plain_distillation_bit_for_bit() {
    let expected = train(&plain(&method(short(1))), &settings());
    // f = 1 from the start, though the anchors are there; and nothing to mix with.
    let clean = MixSchedule { b: 1.0, ..MixSchedule::default() };
    for anchors in [AnchorSpec { schedule: clean, ..short(1) }, AnchorSpec { towards: Towards::Nothing {}, ..short(1) }]
    {
        let (student, report) = train(&method(anchors), &settings());
        assert!(weights(&student) == weights(&expected.0), "{anchors:?}");
        assert_eq!(report.curve[0].loss, expected.1.curve[0].loss);
    }
    let (mixed, _) = train(&method(short(1)), &settings());
    assert!(weights(&mixed) != weights(&expected.0), "anchors change what is learnt");
}

#[test]
fn texts_that_do_not_move_are_plain_distillation_bit_for_bit() {
    // No teacher is sure of a text, so that every mask is 0: mixed, but with itself.
    let still = AnchorSpec { sure: 1.5, ..short(1) };
    let expected = train(&plain(&method(still)), &frozen());
    let (student, report) = train(&method(still), &frozen());
    assert!(weights(&student) == weights(&expected.0));
    assert_eq!(part(&report, 0, "moved"), None, "f is 1 in update 10");
    let early =
        train(&method(AnchorSpec { schedule: MixSchedule { a: 1.0, ..MixSchedule::default() }, ..still }), &frozen());
    assert_eq!(part(&early.1, 0, "moved"), Some(0.0));
    assert!(weights(&early.0) == weights(&expected.0));
}

#[test]
fn the_divergence_is_from_the_teachers_and_not_from_the_student_itself() {
    // The student before its first update says something else than the teachers: in the released code this term was 0.
    let once = TrainSettings {
        batch_size: TEXTS,
        epochs: 1,
        dropout: Some(faculty_nn::DropoutRates::uniform(0.0)),
        ..settings()
    };
    for target in [MixTarget::Clean, MixTarget::Mixed] {
        let (_, report) = train(&method(AnchorSpec { target, pseudo_label: 0.5, ..spec() }), &once);
        let divergence = part(&report, 0, "gate_kl").unwrap() + part(&report, 0, "slice_kl").unwrap();
        assert!(divergence > 0.01, "{target:?}: {divergence}");
        assert!(part(&report, 0, "pseudo_label").unwrap() > 0.1);
        assert_eq!(part(&report, 0, "mix_share"), Some(0.2));
        // The whole loss is 0.5 τ² KL + 0.5 CE.
        let expected = 8.0 * divergence + 0.5 * part(&report, 0, "pseudo_label").unwrap();
        assert!(
            (report.curve[0].loss - expected).abs() < 1e-4 * expected,
            "{} is not {expected}",
            report.curve[0].loss
        );
    }
}

#[test]
fn passes_of_teachers_are_counted_and_shares_are_logged() {
    let (_, report) = train(&method(short(2)), &settings());
    let backward = count(&report, "teacher_backward_passes");
    assert!(backward > 0 && count(&report, "teacher_forward_passes") > backward);
    assert_eq!(part(&report, 0, "mix_share"), Some(1.0), "7.2 of 12 updates are mixed");
    let long = AnchorSpec { schedule: MixSchedule { a: 1.0, b: 0.2, tenths: false }, ..short(2) };
    let (_, report) = train(&method(long), &settings());
    let (share, moved) = (part(&report, 0, "mix_share").unwrap(), part(&report, 0, "moved").unwrap());
    assert!((share - 0.8).abs() < 1e-6 && moved > 0.0, "update 10 of 12: {share}, {moved}");
    // Masked words ask no teacher; own mixes of the teachers do.
    let masked = |target| AnchorSpec { towards: Towards::Masked { share: 0.3 }, target, ..short(1) };
    let (_, report) = train(&method(masked(MixTarget::Clean)), &settings());
    assert_eq!((count(&report, "teacher_forward_passes"), count(&report, "teacher_backward_passes")), (0, 0));
    let (_, report) = train(&method(masked(MixTarget::Mixed)), &settings());
    // Updates 0 to 7 of 8 texts each are mixed, and two teachers are asked.
    assert_eq!(count(&report, "teacher_forward_passes"), 8 * 8 * 2);
}

#[test]
fn a_student_learns_from_texts_of_no_task() {
    let settings = TrainSettings { epochs: 16, ..frozen() };
    let texts = foreign(160, 6);
    let of = |anchors| {
        let run = TrainRun::new(1, &Silent);
        accuracy(&taught().train(&method(anchors), &texts, &settings, run).unwrap().0, 0..4)
    };
    for anchors in [spec(), AnchorSpec { with_clean: true, ..spec() }] {
        let found = of(anchors);
        assert!(found > 0.5, "chance is 0.25: {found}");
    }
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let (world, texts) = (taught(), foreign(TEXTS, 6));
    let method = method(AnchorSpec { pseudo_label: 0.5, ..short(3) });
    assert_resumes([1, 5, 11], |checkpoints, observer| {
        let run = TrainRun { checkpoints, ..TrainRun::new(1, observer) };
        let (student, report) = world.train(&method, &texts, &settings(), run)?;
        Ok((weights(&student), report))
    });
}

#[test]
fn the_method_is_written_in_few_words() {
    let parsed: MethodSpec =
        serde_json::from_value(serde_json::json!({"kind": "aug-kd", "anchors": {"towards": {"kind": "masked"}}}))
            .unwrap();
    parsed.check(2).unwrap();
    assert_eq!(parsed.access(), DataAccess::Unlabelled);
    assert_eq!(
        parsed.describe(),
        "AuG-KD on text (texts mixed with themselves, 0.3 of the words masked, f from 0.2 to 1 over 0.6 of the training)"
    );
    let default: MethodSpec = serde_json::from_value(serde_json::json!({"kind": "aug-kd"})).unwrap();
    assert_eq!(default, MethodSpec::AugKd(AugKdMethod::default()));
    assert_eq!(default.recipe().unwrap().losses[0].weight, 8.0, "0.5 τ²");
    assert!(default.recipe().unwrap().needs_teachers());
}
