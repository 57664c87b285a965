//! The curriculum: its parts as pure functions, and in a training.

use crate::observed::assert_resumes;
use crate::stage::{Stage, TEXTS, settings, weights};
use faculty_core::{ErrorKind, NamedTensor, Result, Silent, Stream};
use faculty_methods::{
    AmalgamateRun, Curriculum, GateChoice, Kd3, MethodSpec, MukiSpec, Rdd, Recipe, Stage as RddStage, Uncertainty,
    Unix, amalgamate, combined, pass_agreement, rank,
};
use faculty_student::{StudentNoise, TrainReport, TrainRun};
use faculty_uncertainty::{
    ClaimSpec, ClaimThreshold, ConfidenceSpec, GateRecipe, GateSpec, MarginSpec, SinglePassEntropy,
};
use serde_json::json;

fn muki() -> MethodSpec {
    MethodSpec::Muki(MukiSpec { passes: 4, margin: false, ..MukiSpec::default() })
}

fn run(method: &MethodSpec, curriculum: &Curriculum) -> Result<(Vec<NamedTensor>, TrainReport)> {
    let stage = Stage::new();
    let (mut student, tokens) = stage.student();
    let run = AmalgamateRun::new(TrainRun::new(1, &Silent)).with_curriculum(curriculum);
    let mut report = amalgamate(method, &mut student, &tokens, stage.transfer(), &settings(), run)?;
    report.seconds = 0.0;
    Ok((weights(&student), report))
}

fn unix(unix: Unix) -> Curriculum {
    Curriculum { unix: Some(unix), ..Curriculum::default() }
}

#[test]
fn the_mixing_curve_is_nearly_a_step_at_the_defaults() {
    let unix = Unix::default();
    assert!((unix.mixing(31, 64) - 0.000_404).abs() < 1e-6);
    assert!((unix.mixing(32, 64) - 0.999_596).abs() < 1e-6);
    assert_eq!((unix.kept(64), unix.kept(1), unix.kept(0)), (48, 1, 0));
    assert_eq!(Unix { keep: 0.01, ..unix }.kept(10), 1);
}

#[test]
fn uncertainties_rank_as_their_names_say() {
    let draws = Stream::new(1, "draws");
    let (flat, peaked) = ([0.34, 0.33, 0.33], [0.9, 0.05, 0.05]);
    // Two classes in doubt, or three: only the entropy minds the third.
    let (two, three) = ([0.5, 0.5, 0.0], [0.5, 0.25, 0.25]);
    for measure in [Uncertainty::Entropy, Uncertainty::LeastConfidence, Uncertainty::Margin] {
        assert!(measure.score(&flat, 0, draws) > measure.score(&peaked, 0, draws), "{measure:?}");
    }
    assert!(Uncertainty::Entropy.score(&three, 0, draws) > Uncertainty::Entropy.score(&two, 0, draws));
    assert!(Uncertainty::Margin.score(&two, 0, draws) > Uncertainty::Margin.score(&three, 0, draws));
    let same = Uncertainty::LeastConfidence;
    assert_eq!(same.score(&two, 0, draws), same.score(&three, 0, draws));
    assert_eq!(Uncertainty::Margin.score(&[1.0], 0, draws), -1.0);
    assert_ne!(Uncertainty::Random.score(&two, 0, draws), Uncertainty::Random.score(&two, 1, draws));
    assert_eq!(rank(&[0.1, 0.7, 0.7, -0.2]), [1, 2, 0, 3]);
}

#[test]
fn agreement_is_one_when_the_passes_agree_and_less_otherwise() {
    let entropy = |p: &[f32]| -p.iter().map(|p| p * p.ln()).sum::<f32>();
    let mean = [0.6_f32, 0.3, 0.1];
    assert_eq!(pass_agreement(&mean, entropy(&mean), 0.0), 1.0);
    // Passes [1, 0] and [0, 1]: JS = ln 2.
    assert!((pass_agreement(&[0.5, 0.5], 0.0, 0.25) - 0.5).abs() < 1e-6);
    let weight = pass_agreement(&mean, 0.8 * entropy(&mean), 0.01);
    assert!(weight > 0.0 && weight < 1.0);
    assert_eq!(pass_agreement(&mean, entropy(&mean) + 0.1, 0.01), 1.0, "never above 1, whatever rounding does");
}

#[test]
fn small_parts_do_what_they_say() {
    assert_eq!(combined(&[1.0, 0.0], &[0.0, 1.0], 0.75), [0.75, 0.25]);
    let rdd = Rdd::default();
    assert_eq!((rdd.stage(3999, 40_000), rdd.stage(4000, 40_000)), (RddStage::Easy, RddStage::Hard));
    assert!(rdd.keeps(0.29, 0.3) && !rdd.keeps(0.3, 0.9) && !rdd.keeps(0.1, 0.1));
    let mut quotas = Kd3 { quota: 0.5, ..Kd3::default() }.quotas(10, 4);
    assert_eq!([0, 0, 0, 3, 9].map(|class| quotas.take(class)), [true, true, false, true, false]);
    assert_eq!(quotas.kept(), [2, 0, 0, 1]);
}

#[test]
fn what_keeps_all_and_mixes_nothing_is_plain_training() {
    let (plain, plain_report) = run(&muki(), &Curriculum::default()).unwrap();
    assert!(plain_report.epochs.is_empty());
    let all = unix(Unix { keep: 1.0, ..Unix::default() });
    let (kept, report) = run(&muki(), &all).unwrap();
    assert!(kept == plain, "k = n: bit for bit");
    assert_eq!(report.epochs.len(), 4);
    for log in &report.epochs {
        assert_eq!(log.values, [("dropped_by_unix".to_owned(), 0.0), ("left".to_owned(), 1.0)]);
        assert_eq!(log.classes.iter().sum::<usize>(), TEXTS);
    }
    // A curve whose middle lies beyond the last rank: every share is 0.
    let unmixed = unix(Unix { keep: 1.0, mix: true, pivot: 1.0, sharpness: 1e9, ..Unix::default() });
    let (_, report) = run(&muki(), &unmixed).unwrap();
    for (mixed, plain) in report.curve.iter().zip(&plain_report.curve) {
        assert!((mixed.loss - plain.loss).abs() < 1e-4 * plain.loss.abs().max(1e-2), "{mixed:?} {plain:?}");
    }
}

#[test]
fn every_part_trains_and_repeats_itself() {
    let quiet = StudentNoise { drop: 0.1, mask: 0.1 };
    let (plain, _) = run(&muki(), &Curriculum::default()).unwrap();
    for curriculum in [
        unix(Unix::default()),
        unix(Unix { mix: true, uncertainty: Uncertainty::Margin, ..Unix::default() }),
        Curriculum {
            kd3: Some(Kd3 { threshold: 0.75, teacher_share_end: 0.9, ..Kd3::default() }),
            ..Curriculum::default()
        },
        Curriculum { rdd: Some(Rdd { switch: 0.6, sure: 0.6 }), ..Curriculum::default() },
        Curriculum { margin_weight: MarginSpec::Raw, claimed_only: true, ..Curriculum::default() },
        Curriculum { margin_weight: MarginSpec::Normalised, student_noise: quiet, ..Curriculum::default() },
    ] {
        let (first, report) = run(&muki(), &curriculum).unwrap();
        assert_eq!(report.steps, settings().steps(TEXTS), "equal updates");
        assert!(report.curve.last().unwrap().loss.is_finite());
        let (second, again) = run(&muki(), &curriculum).unwrap();
        assert!(first == second && report == again, "{}", curriculum.describe());
        assert!(first != plain, "{}", curriculum.describe());
    }
}

#[test]
fn margin_weight_is_mukis_own_margin() {
    let outside = Curriculum { margin_weight: MarginSpec::Raw, ..Curriculum::default() };
    let inside = MethodSpec::Muki(MukiSpec { passes: 4, margin: true, ..MukiSpec::default() });
    let (theirs, _) = run(&inside, &Curriculum::default()).unwrap();
    let (ours, _) = run(&muki(), &outside).unwrap();
    assert!(theirs == ours);
}

#[test]
fn what_a_gate_dropped_stays_dropped_under_a_margin_weight() {
    // No target is as clear as this asks for: every text is dropped.
    let claims = ClaimSpec { threshold: ClaimThreshold::TransferMean, ambiguity: Some(1e-6) };
    let score = ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default());
    let gate = GateRecipe { score, gate: GateSpec::Claim(claims), ..GateRecipe::default() };
    let method = MethodSpec::Recipe(Box::new(Recipe { gate: GateChoice::Gate(gate), ..Recipe::default() }));
    for margin_weight in [MarginSpec::None, MarginSpec::Raw] {
        let (_, report) = run(&method, &Curriculum { margin_weight, ..Curriculum::default() }).unwrap();
        assert!(report.curve.iter().all(|point| point.loss == 0.0), "{margin_weight:?}: {:?}", report.curve);
    }
}

#[test]
fn a_filter_that_empties_a_class_stops_the_run() {
    let strict = Curriculum { kd3: Some(Kd3 { threshold: 0.999, ..Kd3::default() }), ..Curriculum::default() };
    let error = run(&muki(), &strict).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Check);
    assert!(error.to_string().contains("left no text of class `a`"), "{error}");
}

#[test]
fn what_a_method_does_not_have_is_refused_by_key() {
    let with = |curriculum: Curriculum, method: MethodSpec, key: &str| {
        let error = curriculum.check(&method).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    };
    let (uhc, uniform) = (MethodSpec::Uhc { temperature: 1.0 }, MethodSpec::Uniform { temperature: 1.0 });
    let rdd = || Curriculum { rdd: Some(Rdd::default()), ..Curriculum::default() };
    with(rdd(), uhc.clone(), "curriculum.rdd");
    with(rdd(), MethodSpec::MaxConfidence { temperature: 1.0, z_normalise: false }, "no Monte-Carlo passes");
    with(unix(Unix { mix: true, ..Unix::default() }), uhc.clone(), "curriculum.unix.mix");
    with(Curriculum { claimed_only: true, ..Curriculum::default() }, uhc.clone(), "claimed_only");
    let margin = || Curriculum { margin_weight: MarginSpec::Raw, ..Curriculum::default() };
    with(margin(), uniform, "margin_weight");
    with(margin(), MethodSpec::Muki(MukiSpec::default()), "a margin weight of its own");
    with(unix(Unix::default()), MethodSpec::Supervised {}, "learns from no teacher");
    with(unix(Unix { keep: 0.0, ..Unix::default() }), uhc.clone(), "curriculum.unix.keep");
    with(unix(Unix { sharpness: f64::NAN, ..Unix::default() }), uhc.clone(), "curriculum.unix.sharpness");
    let kd3 = |kd3: Kd3| Curriculum { kd3: Some(kd3), ..Curriculum::default() };
    with(kd3(Kd3 { threshold: 1.5, ..Kd3::default() }), uhc.clone(), "curriculum.kd3.threshold");
    with(kd3(Kd3 { quota: -1.0, ..Kd3::default() }), uhc.clone(), "curriculum.kd3.quota");
    let noise = StudentNoise { drop: 2.0, mask: 0.0 };
    with(Curriculum { student_noise: noise, ..Curriculum::default() }, uhc.clone(), "student_noise.drop");
    assert!(unix(Unix::default()).check(&uhc).is_ok());
    assert!(kd3(Kd3::default()).check(&uhc).is_ok());
    assert!(Curriculum::default().check(&MethodSpec::Supervised {}).is_ok());
}

#[test]
fn configurations_are_exhaustive_and_short() {
    let parse = |value: serde_json::Value| serde_json::from_value::<Curriculum>(value);
    assert_eq!(parse(json!({})).unwrap(), Curriculum::default());
    let on = parse(json!({"unix": {}, "kd3": {"threshold": 0.5}, "margin_weight": "raw"})).unwrap();
    assert_eq!((on.unix, on.kd3.unwrap().threshold), (Some(Unix::default()), 0.5));
    assert_eq!(on.margin_weight, MarginSpec::Raw);
    for wrong in [json!({"unics": {}}), json!({"unix": {"kept": 0.5}}), json!({"rdd": {"sure": "very"}})] {
        assert!(parse(wrong).is_err());
    }
    let stored = serde_json::to_value(unix(Unix::default())).unwrap();
    assert!(stored.get("kd3").is_none() && stored["unix"]["keep"] == 0.75, "{stored}");
    assert_eq!(parse(stored).unwrap(), unix(Unix::default()));
    assert_eq!(unix(Unix::default()).describe(), "UNIX (the least sure 0.75 of a batch)");
}

#[test]
fn a_killed_training_under_a_curriculum_ends_as_if_it_had_not_been() {
    let curriculum = Curriculum {
        kd3: Some(Kd3 { threshold: 0.3, quota: 2.0, ..Kd3::default() }),
        rdd: Some(Rdd { switch: 0.5, sure: 0.7 }),
        unix: Some(Unix { keep: 0.9, mix: true, ..Unix::default() }),
        student_noise: StudentNoise { drop: 0.1, mask: 0.1 },
        ..Curriculum::default()
    };
    let stage = Stage::new();
    assert_resumes(1..settings().steps(TEXTS), |checkpoints, observer| {
        let (mut student, tokens) = stage.student();
        let run = AmalgamateRun::new(TrainRun { checkpoints, ..TrainRun::new(1, observer) });
        let run = run.with_curriculum(&curriculum);
        let report = amalgamate(&muki(), &mut student, &tokens, stage.transfer(), &settings(), run)?;
        Ok((weights(&student), TrainReport { seconds: 0.0, ..report }))
    });
}
