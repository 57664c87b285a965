//! Teachers' tails as judges.

use crate::observed::{assert_resumes, bits, part};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use faculty_core::{Aliases, LabelJoin, NamedTensor, Result, Silent, Stream};
use faculty_methods::{
    AmalgamateRun, GateChoice, JudgedBlocks, MethodSpec, PassSettings, Recipe, TailJudge, TailJudgeMethod, TailPhase,
    TailSchedule, TailStart, TransferSet, amalgamate, tail_logits,
};
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, DropoutRates, Taps, host_values};
use faculty_student::{Glance, Probe, TrainReport, TrainRun, TrainSettings};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TINY_WORDS, TinySpec, assert_close, tiny_classifier_dir};
use faculty_uncertainty::{ConfidenceSpec, Energy, GateRecipe, GateSpec};
use serde_json::json;
use std::sync::Mutex;

const TEXTS: usize = 24;

/// Teachers and a student over the union of their labels.
struct World {
    dir: tempfile::TempDir,
    teachers: Vec<Classifier>,
    outputs: Vec<TeacherOutputs>,
    join: LabelJoin,
}

fn tiny<const N: usize>(labels: [&str; N], layers: usize, hidden: usize, seed: u64) -> TinySpec {
    TinySpec { layers, hidden, intermediate: 48, gain: 6.0, ..TinySpec::new(labels).seed(seed) }
}

fn world(specs: &[TinySpec], student: &TinySpec) -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    tiny_classifier_dir(dir.path().join("student"), student);
    let open = |(index, spec): (usize, &TinySpec)| {
        Classifier::open(tiny_classifier_dir(dir.path().join(index.to_string()), spec), &device).unwrap()
    };
    let teachers: Vec<Classifier> = specs.iter().enumerate().map(open).collect();
    let names: Vec<String> = (0..teachers.len()).map(|index| format!("teacher{index}")).collect();
    let parts: Vec<_> = names.iter().map(String::as_str).zip(teachers.iter().map(|teacher| &teacher.labels)).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let outputs = teachers.iter().map(asked).collect();
    World { dir, teachers, outputs, join }
}

fn asked(teacher: &Classifier) -> TeacherOutputs {
    ClassifierTeacher::new("a teacher", teacher.clone()).outputs(&texts(), &Ask::default(), &Silent).unwrap()
}

/// Two teachers of two labels, one of them wider and deeper, and a student of three layers over all four.
fn pair() -> World {
    let specs = [tiny(["a", "b"], 2, 32, 2), tiny(["c", "d"], 4, 48, 3)];
    world(&specs, &TinySpec { gain: 3.0, ..tiny(["a", "b", "c", "d"], 3, 32, 1) })
}

fn texts() -> Vec<String> {
    let stream = Stream::new(4, "texts");
    let text = |index: usize| {
        let draw = stream.fork(index as u64);
        let word = |at: u64| TINY_WORDS[draw.below_at(at, TINY_WORDS.len() as u64) as usize];
        (0..3 + draw.below_at(90, 6)).map(word).collect::<Vec<_>>().join(" ")
    };
    (0..TEXTS).map(text).collect()
}

fn settings(epochs: usize) -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 8, epochs, warmup_ratio: 0.0, ..TrainSettings::default() }
}

fn gate() -> GateRecipe {
    let score = ConfidenceSpec::Energy(Energy::default());
    GateRecipe { score, z_normalise: true, gate: GateSpec::Soft { temperature: 1.0 }, ..GateRecipe::default() }
}

fn method(tails: TailJudge) -> MethodSpec {
    MethodSpec::TailJudge(TailJudgeMethod { gate: gate(), tails, ..TailJudgeMethod::default() })
}

fn cold(tails: TailJudge) -> TailJudge {
    TailJudge { warmup_steps: 0, ..tails }
}

impl World {
    fn student(&self) -> Classifier {
        Classifier::open(self.dir.path().join("student"), &Device::flex()).unwrap()
    }

    fn train_by(
        &self,
        method: &MethodSpec,
        settings: &TrainSettings,
        run: TrainRun<'_>,
    ) -> Result<(Vec<NamedTensor>, TrainReport)> {
        let mut student = self.student();
        let tokens = student.tokenize(&texts(), None).unwrap();
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        let transfer = TransferSet::new(&self.outputs, &self.join).unwrap();
        let run = AmalgamateRun::new(run).with_teachers(&teachers);
        let report = amalgamate(method, &mut student, &tokens, transfer, settings, run)?;
        Ok((student.network.export(&student.config).unwrap(), TrainReport { seconds: 0.0, ..report }))
    }

    fn train(&self, tails: TailJudge) -> (Vec<NamedTensor>, TrainReport) {
        self.train_by(&method(tails), &settings(4), TrainRun::new(1, &Silent)).unwrap()
    }
}

/// The same at the last logged point.
fn last(report: &TrainReport, name: &str) -> Option<f32> {
    part(report, report.curve.len() - 1, name)
}

#[test]
fn a_tail_continues_its_own_network_from_every_layer_with_padding() {
    for (layers, hidden) in [(2, 32), (4, 48)] {
        let world = world(&[tiny(["a", "b"], layers, hidden, 5)], &tiny(["a", "b"], 2, 32, 1));
        let teacher = &world.teachers[0];
        let tokens = teacher.tokenize(&texts(), None).unwrap();
        let rows: Vec<usize> = (0..TEXTS).collect();
        let input = tokens.batch(&rows, &teacher.config, &teacher.device).unwrap();
        assert!(!input.spans().is_dense(), "texts of different length");
        let whole = teacher.network.forward(&input, &DropoutPlan::Off, &Taps::All);
        let expected: Vec<f64> = host_values(whole.logits).unwrap().into_iter().map(f64::from).collect();
        for (layer, states) in whole.encoder.taps {
            let found = host_values(tail_logits(&teacher.network, layer, states, input.spans())).unwrap();
            assert_close(&found, &expected, 1e-5, 1e-5, &format!("layer {layer} of {layers}"));
        }
    }
}

#[test]
fn a_gradient_passes_through_twelve_layers_and_stops_at_no_weight() {
    let world = world(&[tiny(["a", "b", "c"], 12, 32, 5)], &tiny(["a", "b", "c"], 2, 32, 1));
    let teacher = &world.teachers[0];
    let tokens = teacher.tokenize(&texts(), None).unwrap();
    let input = tokens.batch(&[0, 1, 2, 3], &teacher.config, &teacher.device).unwrap();
    let judge = teacher.network.valid().train().no_grad();
    let states = teacher.network.forward(&input, &DropoutPlan::Off, &Taps::Only(vec![0])).encoder.taps.remove(0).1;
    let states = Tensor::from_inner(states).require_grad();
    let logits = tail_logits(&judge, 0, states.clone(), input.spans());
    let gradients = logits.narrow(1, 0, 1).sum().backward();
    let gradient = host_values(states.grad(&gradients).unwrap()).unwrap();
    let norm = gradient.iter().map(|value| value * value).sum::<f32>().sqrt();
    assert!(norm.is_finite() && norm > 0.0, "{norm}");
    for layer in &judge.encoder.layers {
        assert!(layer.qkv.weight.val().grad(&gradients).is_none());
        assert!(layer.output_norm.gamma.val().grad(&gradients).is_none());
    }
    assert!(judge.head.output.weight.val().grad(&gradients).is_none());
}

#[test]
fn a_student_that_is_its_teacher_is_judged_right() {
    let spec = TinySpec { gain: 10.0, ..tiny(["a", "b", "c", "d"], 3, 32, 2) };
    let world = world(std::slice::from_ref(&spec), &spec);
    let once = TrainSettings { batch_size: TEXTS, dropout: Some(DropoutRates::uniform(0.0)), ..settings(1) };
    let judged = |tails: TailJudge| {
        let (_, report) = world.train_by(&method(cold(tails)), &once, TrainRun::new(1, &Silent)).unwrap();
        ["tail1", "tail2", "tail3"].map(|name| last(&report, name).unwrap())
    };
    let random = judged(TailJudge { start: TailStart::Xavier, ..TailJudge::default() });
    for norm in [true, false] {
        let fitted = judged(TailJudge { norm, ..TailJudge::default() });
        for (fitted, random) in fitted.into_iter().zip(random) {
            assert!(fitted.abs() < 1e-3 && fitted.abs() < 0.02 * random, "{fitted} of {random}, norm {norm}");
        }
    }
}

#[test]
fn judges_of_every_kind_train_and_learn() {
    let world = pair();
    let plain = MethodSpec::Recipe(Box::new(Recipe { gate: GateChoice::Gate(gate()), ..Recipe::default() }));
    let (without, _) = world.train_by(&plain, &settings(4), TrainRun::new(1, &Silent)).unwrap();
    let (default, teachers) = (TailJudge::default(), bits(&world.teachers));
    for tails in [
        default,
        TailJudge { blocks: JudgedBlocks::Last, ..default },
        TailJudge { blocks_a_step: 1, ..default },
        TailJudge { gated: false, ..default },
        TailJudge { hidden: true, ..default },
        TailJudge { norm: false, start: TailStart::Xavier, ..default },
        TailJudge { least_weight: 0.6, ..default },
        TailJudge { schedule: TailSchedule::BlockWise, ..default },
    ] {
        let (weights, report) = world.train(tails);
        assert!(bits(&world.teachers) == teachers, "{tails:?}: teachers are constants");
        assert_eq!(report.steps, 12, "equal updates for every form");
        assert!(report.curve.iter().all(|point| point.loss.is_finite()), "{tails:?}");
        assert!(weights != without, "{tails:?} teaches something");
    }
    let (_, report) = world.train(cold(default));
    assert!(
        last(&report, "tail1").is_some() && last(&report, "tail3").is_some() && last(&report, "slice_kl").is_some()
    );
    let (_, report) = world.train(cold(TailJudge { blocks: JudgedBlocks::Last, ..default }));
    assert!(last(&report, "tail1").is_none() && last(&report, "tail3").is_some());
}

#[test]
fn what_a_tail_may_judge_follows_its_weight() {
    let world = pair();
    let passes = |tails| world.train(cold(TailJudge { start: TailStart::Xavier, ..tails })).1.counts;
    let count = |tails, name: &str| passes(tails).iter().find(|(found, _)| found == name).unwrap().1;
    let default = TailJudge::default();
    // Three blocks, two teachers, 24 texts, four epochs.
    let ungated = TailJudge { gated: false, ..default };
    assert_eq!(count(ungated, "teacher_backward_passes"), 3 * 2 * 24 * 4);
    assert_eq!(count(TailJudge { blocks_a_step: 1, ..ungated }, "teacher_forward_passes"), 2 * 24 * 4);
    // Of two weights at most one is above a half.
    assert!(count(TailJudge { least_weight: 0.51, ..default }, "teacher_forward_passes") <= 3 * 24 * 4);
    let fitted = world.train(cold(ungated)).1.counts;
    assert_eq!(fitted[0].1, (3 * 2 * 24 * 4 + 2 * 24) as u64, "least squares read every text once");
}

/// Names of tensors of the student's layer, from 0, and of its embeddings.
fn is_of(name: &str, layer: Option<usize>) -> bool {
    match layer {
        Some(layer) => name.contains(&format!("layer.{layer}.")),
        None => name.contains("embeddings."),
    }
}

#[test]
fn least_squares_of_fewer_texts_than_widths_are_found_too() {
    // Two texts of some ten tokens for maps from 32 numbers, and for the last block from two first tokens.
    let world = pair();
    let (_, report) = world.train(cold(TailJudge { start_texts: 2, ..TailJudge::default() }));
    assert!(report.curve.iter().all(|point| point.loss.is_finite()));
    assert!(last(&report, "tail3").unwrap().is_finite());
}

#[test]
fn blocks_are_held_still_while_others_train() {
    let world = pair();
    let tails =
        TailJudge { schedule: TailSchedule::BlockWise, warmup_steps: 3, warmup_share: 0.2, ..TailJudge::default() };
    let phases: Vec<TailPhase> = (0..18).map(|step| tails.phase(step, 18, 3)).collect();
    let expected =
        [(TailPhase::WarmUp, 3), (TailPhase::Block(0), 3), (TailPhase::Block(1), 3), (TailPhase::Block(2), 3)];
    let expected = expected.into_iter().flat_map(|(phase, count)| vec![phase; count]);
    assert_eq!(phases, expected.chain(vec![TailPhase::Joint; 6]).collect::<Vec<_>>());

    let seen: Mutex<Vec<(usize, Vec<NamedTensor>)>> = Mutex::new(Vec::new());
    let look = |glance: &Glance<'_>| {
        let tensors = glance.student.network.export(&glance.student.config)?;
        seen.lock().unwrap().push((glance.step, tensors));
        Ok(Vec::new())
    };
    let run = TrainRun::new(1, &Silent).with_probe(Probe::new(18, &look));
    world.train_by(&method(tails), &settings(6), run).unwrap();
    let start = world.student();
    let mut seen = seen.into_inner().unwrap();
    seen.insert(0, (0, start.network.export(&start.config).unwrap()));
    let at = |step: usize| &seen.iter().find(|(found, _)| *found == step).unwrap().1;
    let changed = |from: usize, to: usize, wanted: &dyn Fn(&str) -> bool| {
        let pairs = at(from).iter().zip(at(to)).filter(|(one, _)| wanted(&one.name));
        pairs.map(|(one, other)| one != other).collect::<Vec<bool>>()
    };
    assert!(changed(0, 3, &|_| true).iter().all(|moved| !moved), "a warm-up moves projections alone");
    for (phase, layer) in [(3, 0), (6, 1), (9, 2)] {
        let own = |name: &str| is_of(name, Some(layer)) || (layer == 0 && is_of(name, None));
        assert!(changed(phase, phase + 3, &own).iter().any(|moved| *moved), "layer {layer} trains");
        assert!(changed(phase, phase + 3, &|name| !own(name)).iter().all(|moved| !moved), "all else is held still");
    }
    assert!(changed(12, 18, &|name| is_of(name, Some(0))).iter().any(|moved| *moved), "then everything trains");
    assert!(changed(12, 18, &|name| name.contains("classifier.")).iter().any(|moved| *moved), "the head too");
}

#[test]
fn a_judge_behind_a_block_moves_that_block_and_those_below_and_its_projection() {
    let world = pair();
    let once = TrainSettings { batch_size: TEXTS, ..settings(1) };
    let tails =
        |weight: f64| cold(TailJudge { blocks_a_step: 1, weight, start: TailStart::Xavier, ..TailJudge::default() });
    let run = |weight| world.train_by(&method(tails(weight)), &once, TrainRun::new(1, &Silent)).unwrap();
    let ((without, _), (judged, report)) = (run(0.0), run(1e4));
    assert!(last(&report, "tail1").is_some() && last(&report, "tail2").is_none(), "behind the first block");
    for (one, other) in without.iter().zip(&judged) {
        let below = is_of(&one.name, Some(0)) || is_of(&one.name, None);
        // Adam's step is the sign of a gradient: of a weight that the judge does not reach it is the same.
        assert!(below || one == other, "{} lies above", one.name);
    }
    let moved = |layer| without.iter().zip(&judged).any(|(one, other)| is_of(&one.name, layer) && one != other);
    assert!(moved(Some(0)) && moved(None));

    let alone = TailJudge {
        warmup_steps: usize::MAX,
        warmup_share: 0.99,
        start: TailStart::Xavier,
        learning_rate: 3e-3,
        ..TailJudge::default()
    };
    let still = TrainSettings { batch_size: TEXTS, dropout: Some(DropoutRates::uniform(0.0)), ..settings(40) };
    let (_, report) = world.train_by(&method(alone), &still, TrainRun::new(1, &Silent)).unwrap();
    let end = report.curve.len() - 2;
    let (first, later) = (part(&report, 0, "tail1").unwrap(), part(&report, end, "tail1").unwrap());
    assert!(later < 0.8 * first, "projections learn while the student is held still: {first} -> {later}");
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let world = pair();
    let tails =
        TailJudge { schedule: TailSchedule::BlockWise, warmup_steps: 2, warmup_share: 0.5, ..TailJudge::default() };
    assert_resumes([1, 3, 5, 9], |checkpoints, observer| {
        world.train_by(&method(tails), &settings(4), TrainRun { checkpoints, ..TrainRun::new(1, observer) })
    });
}

#[test]
fn teachers_of_another_tokenizer_judge_a_pooled_state_behind_the_last_block() {
    let mut world = pair();
    let dir = tiny_classifier_dir(world.dir.path().join("odd"), &tiny(["c", "d"], 2, 32, 3));
    let path = dir.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"balance\"", "\"balances\"");
    std::fs::write(&path, text).unwrap();
    world.teachers[1] = Classifier::open(dir, &Device::flex()).unwrap();
    world.outputs[1] = asked(&world.teachers[1]);
    let (_, report) = world.train(cold(TailJudge::default()));
    assert!(last(&report, "tail3").is_some() && last(&report, "tail1").is_none());
    let tails = TailJudge { schedule: TailSchedule::BlockWise, ..TailJudge::default() };
    let error = world.train_by(&method(tails), &settings(4), TrainRun::new(1, &Silent)).unwrap_err().to_string();
    assert!(error.contains("another vocabulary") && error.contains("schedule"), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused_by_key() {
    for (wrong, key) in [
        (json!({"weight": -1.0}), "tails.weight"),
        (json!({"temperature": 0.0}), "temperature"),
        (json!({"count": 0}), "tails.count"),
        (json!({"least_weight": 1.0}), "tails.least_weight"),
        (json!({"learning_rate": 0.0}), "tails.learning_rate"),
        (json!({"warmup_share": 1.0}), "tails.warmup_share"),
        (json!({"start_texts": 0}), "tails.start_texts"),
        (json!({"blocks": "last", "schedule": "block-wise"}), "tails.schedule"),
    ] {
        let method: MethodSpec = serde_json::from_value(json!({"kind": "tail-judge", "tails": wrong})).unwrap();
        let error = method.check(2).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    let default: MethodSpec = serde_json::from_value(json!({"kind": "tail-judge"})).unwrap();
    assert_eq!(default, MethodSpec::TailJudge(TailJudgeMethod::default()));
    default.check(2).unwrap();
    assert_eq!(default.describe(), "gated KD, judged by tails behind every block (group-stack-style)");
    let recipe = default.recipe().unwrap();
    assert!(recipe.needs_teachers());
    assert_eq!(recipe.passes, PassSettings::default());
    let both: MethodSpec =
        serde_json::from_value(json!({"kind": "recipe", "gate": "none", "blocks": {}, "tails": {}})).unwrap();
    assert!(both.check(2).unwrap_err().to_string().contains("tails"));
    let stored = serde_json::to_value(Recipe::default()).unwrap();
    assert!(stored.get("tails").is_none(), "configurations from before the key keep their hashes");
    let world = pair();
    let (mut student, transfer) = (world.student(), TransferSet::new(&world.outputs, &world.join).unwrap());
    let tokens = student.tokenize(&texts(), None).unwrap();
    let run = TrainRun::new(1, &Silent);
    let error = amalgamate(&method(TailJudge::default()), &mut student, &tokens, transfer, &settings(1), run);
    assert!(error.unwrap_err().to_string().contains("not handed over"));
}
