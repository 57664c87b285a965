//! Backward-pass distillation in a training.

use crate::observed::{assert_resumes, count, part};
use crate::sentences::drawn;
use burn::tensor::{Device, Tensor};
use faculty_core::{Aliases, LabelJoin, NamedTensor, Observer, Result, Silent, Stream};
use faculty_losses::{Amalgamate, GatedKl, JoinTensors};
use faculty_methods::{
    AdversarySpec, AmalgamateRun, BackwardMethod, BackwardPass, Curriculum, EmbeddingAdversary, MethodSpec,
    PassSettings, TransferSet, Unix, amalgamate, gate_table,
};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, DropoutRates, RowKeys, StudentView, TeacherView, host_values};
use faculty_student::{Checkpoints, StudentNoise, TrainReport, TrainRun, TrainSettings};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use faculty_uncertainty::OwnerStatistics;
use serde_json::json;

const TEXTS: usize = 24;

/// A student over four labels, two teachers of two each (one of them wider), and what they said of the texts.
struct World {
    dir: tempfile::TempDir,
    teachers: Vec<Classifier>,
    outputs: Vec<TeacherOutputs>,
    join: LabelJoin,
}

fn world(hidden: usize) -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let spec = |labels: [&str; 2], hidden: usize, seed: u64| TinySpec {
        hidden,
        intermediate: 2 * hidden,
        gain: 6.0,
        ..TinySpec::new(labels).seed(seed)
    };
    let all = TinySpec { hidden, intermediate: 2 * hidden, gain: 3.0, ..TinySpec::new(["a", "b", "c", "d"]).seed(1) };
    tiny_classifier_dir(dir.path().join("student"), &all);
    let specs = [spec(["a", "b"], hidden, 2), spec(["c", "d"], hidden + 16, 3)];
    let teachers: Vec<Classifier> = specs
        .iter()
        .map(|spec| {
            let dir = tiny_classifier_dir(dir.path().join(spec.seed.to_string()), spec);
            Classifier::open(dir, &device).unwrap()
        })
        .collect();
    let parts = [("one", &teachers[0].labels), ("two", &teachers[1].labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let ask = Ask::default().with_passes(4, 1);
    let asked = |(teacher, (name, _)): (&Classifier, (&str, _))| {
        ClassifierTeacher::new(name, teacher.clone()).outputs(&texts(), &ask, &Silent).unwrap()
    };
    let outputs = teachers.iter().zip(parts).map(asked).collect();
    World { dir, teachers, outputs, join }
}

fn texts() -> Vec<String> {
    drawn(Stream::new(4, "texts"), TEXTS, 3, 6)
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 8, epochs: 4, ..TrainSettings::default() }
}

fn method(backward: BackwardPass) -> MethodSpec {
    let passes = PassSettings { count: 4, ..PassSettings::default() };
    MethodSpec::BackwardKd(BackwardMethod { passes, backward, ..BackwardMethod::default() })
}

fn every(every: usize) -> BackwardPass {
    BackwardPass { every, ..BackwardPass::default() }
}

impl World {
    fn student(&self) -> (Classifier, Tokens) {
        let student = Classifier::open(self.dir.path().join("student"), &Device::flex()).unwrap();
        let tokens = student.tokenize(&texts(), None).unwrap();
        (student, tokens)
    }

    fn transfer(&self) -> TransferSet<'_> {
        TransferSet::new(&self.outputs, &self.join).unwrap()
    }

    fn train(
        &self,
        method: &MethodSpec,
        settings: &TrainSettings,
        checkpoints: Option<&Checkpoints>,
        observer: &dyn Observer,
    ) -> Result<(Vec<NamedTensor>, TrainReport)> {
        let (mut student, tokens) = self.student();
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        let train = TrainRun { checkpoints, ..TrainRun::new(1, observer) };
        let run = AmalgamateRun::new(train).with_teachers(&teachers);
        let report = amalgamate(method, &mut student, &tokens, self.transfer(), settings, run)?;
        Ok((student.network.export(&student.config).unwrap(), TrainReport { seconds: 0.0, ..report }))
    }
}

#[test]
fn without_a_due_update_it_is_gated_distillation_bit_for_bit() {
    let world = world(32);
    let plain = MethodSpec::Recipe(Box::new(faculty_methods::Recipe {
        passes: PassSettings { count: 4, ..PassSettings::default() },
        ..faculty_methods::Recipe::default()
    }));
    let (expected, _) = world.train(&plain, &settings(), None, &Silent).unwrap();
    let (found, report) = world.train(&method(every(1000)), &settings(), None, &Silent).unwrap();
    assert!(found == expected, "nothing was moved");
    assert_eq!(count(&report, "teacher_forward_passes"), 0);
    let (moved, _) = world.train(&method(every(4)), &settings(), None, &Silent).unwrap();
    assert!(moved != expected, "moved texts teach something");
}

#[test]
fn what_teachers_are_asked_is_counted_and_what_was_moved_is_logged() {
    let world = world(32);
    let (_, report) = world.train(&method(every(4)), &settings(), None, &Silent).unwrap();
    // 12 updates of 8 texts; of them 4, 8 and 12 ask two teachers for 3 forward and 2 backward passes.
    assert_eq!(report.steps, 12);
    assert_eq!(count(&report, "teacher_forward_passes"), 3 * 8 * 2 * 3);
    assert_eq!(count(&report, "teacher_backward_passes"), 3 * 8 * 2 * 2);
    assert_eq!(report.curve.iter().map(|point| point.step).collect::<Vec<_>>(), [10, 12]);
    assert_eq!(part(&report, 0, "moved_loss"), None, "update 10 moves nothing");
    let (before, after) = (part(&report, 1, "divergence").unwrap(), part(&report, 1, "moved_divergence").unwrap());
    assert!(after > before && before > 0.0, "{before} -> {after}");
    // Switched off after the first half: update 4 alone.
    let half = BackwardPass { until: 0.5, ..every(4) };
    let (_, report) = world.train(&method(half), &settings(), None, &Silent).unwrap();
    assert_eq!(count(&report, "teacher_forward_passes"), 8 * 2 * 3);
    assert_eq!((0..12).filter(|&step| half.is_due(step, 12)).collect::<Vec<_>>(), [3]);
    assert_eq!((0..6).filter(|&step| every(2).is_due(step, 6)).collect::<Vec<_>>(), [1, 3, 5]);
}

#[test]
fn the_added_loss_is_the_methods_own_on_the_moved_texts() {
    for rate in [0.0, 0.3] {
        added_loss_under_dropout(rate);
    }
}

fn added_loss_under_dropout(rate: f32) {
    let (world, rates) = (world(32), DropoutRates::uniform(rate));
    let settings = TrainSettings { warmup_ratio: 0.0, ..settings() };
    let once = TrainSettings { batch_size: TEXTS, epochs: 1, dropout: Some(rates), ..settings };
    let spec = BackwardPass { weight: 0.5, ..every(1) };
    let (without, plain) = world.train(&method(every(2)), &once, None, &Silent).unwrap();
    let (_, report) = world.train(&method(spec), &once, None, &Silent).unwrap();
    // Heavy enough that no first step of Adam, which follows signs, stays as it was.
    let heavy = BackwardPass { weight: 1e4, ..spec };
    let (with, _) = world.train(&method(heavy), &once, None, &Silent).unwrap();
    for (without, with) in without.iter().zip(&with) {
        let is_words = with.name.contains("word_embeddings");
        assert_eq!(without == with, is_words, "{}: moved texts train all but the words that were moved", with.name);
    }
    let moved_loss = part(&report, 0, "moved_loss").unwrap();
    let whole = plain.curve[0].loss + 0.5 * moved_loss;
    assert!((report.curve[0].loss - whole).abs() < 1e-5 * whole, "{} is not {whole}", report.curve[0].loss);

    // By hand: the student before its only update, at the words that the adversary gives, under the masks of the update.
    let (student, tokens) = world.student();
    let named = [("one", &world.teachers[0]), ("two", &world.teachers[1])];
    let adversary = EmbeddingAdversary::new(&student, &named, &world.join, spec.adversary).unwrap();
    let recipe = method(spec).recipe().unwrap();
    let device = Device::flex();
    let gate = gate_table(&recipe, &world.transfer(), OwnerStatistics::default(), &device).unwrap();
    let rows: Vec<usize> = (0..TEXTS).collect();
    let gate = gate.batch(&rows, &device);
    let found = adversary.run(&student.network, &tokens, &rows, &gate.weights).unwrap();
    let input = tokens.batch(&rows, &student.config, &device).unwrap();
    let identities: Vec<u64> = (0..TEXTS as u64).collect();
    let keys = RowKeys::for_pass(Stream::new(1, "training dropout").fork(0), 0, &identities);
    let dropout = DropoutPlan::Sampled { rates, keys };
    let (encoder, head) = (&student.network.encoder, &student.network.head);
    let embedded = encoder.embeddings.embed_soft(found.words, &input);
    let hidden = encoder.embeddings.enter(embedded, input.spans(), &dropout);
    let first = encoder.forward_first(0, hidden, input.spans(), &dropout);
    let view = StudentView::new(head.from_first(first, &dropout));
    let teachers: Vec<TeacherView> = found.teacher_logits.into_iter().map(TeacherView::from_logits).collect();
    let join = JoinTensors::new(&world.join, &device);
    let expected = GatedKl::default().loss(&view, &teachers, &gate, &join).unwrap().total();
    let expected = host_values(expected).unwrap()[0];
    assert!((moved_loss - expected).abs() < 1e-5 * expected, "{moved_loss} is not {expected}");
}

#[test]
fn texts_that_nobody_is_trusted_on_are_not_moved_and_teach_nothing() {
    let world = world(32);
    let (student, tokens) = world.student();
    let named = [("one", &world.teachers[0]), ("two", &world.teachers[1])];
    let adversary = EmbeddingAdversary::new(&student, &named, &world.join, AdversarySpec::default()).unwrap();
    let weights = Tensor::<2>::from_floats([[0.5, 0.5], [0.5, 0.5], [0.0, 0.0], [0.5, 0.5]], &Device::flex());
    let found = adversary.run(&student.network, &tokens, &[0, 1, 2, 3], &weights).unwrap();
    let moved: Vec<bool> = found.before.iter().zip(&found.after).map(|(before, after)| before != after).collect();
    assert_eq!(moved, [true, true, false, true]);
    assert_eq!(found.after[2], 0.0);
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let world = world(32);
    let method = method(every(3));
    assert_resumes(1..settings().steps(TEXTS), |checkpoints, observer| {
        world.train(&method, &settings(), checkpoints, observer)
    });
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    // Wide enough that the backend and the kernels share their work among threads.
    let world = world(128);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| world.train(&method(every(2)), &settings(), None, &Silent).unwrap())
    };
    let (one, two) = (run(1), run(2));
    assert!(one.0 == two.0, "weights");
    assert_eq!(one.1, two.1, "losses");
}

#[test]
fn teachers_of_another_tokenizer_and_absent_ones_are_refused_with_a_sentence() {
    let world = world(32);
    let (mut student, tokens) = world.student();
    let dir = tiny_classifier_dir(world.dir.path().join("odd"), &TinySpec::new(["c", "d"]));
    let path = dir.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"balance\"", "\"balances\"");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(dir, &Device::flex()).unwrap();
    let teachers = [&world.teachers[0], &odd];
    let run = AmalgamateRun::new(TrainRun::new(1, &Silent));
    let mut go = |run| {
        amalgamate(&method(every(4)), &mut student, &tokens, world.transfer(), &settings(), run)
            .unwrap_err()
            .to_string()
    };
    let error = go(run.with_teachers(&teachers));
    assert!(error.contains("`two` has another vocabulary than the student"), "{error}");
    assert!(go(run).contains("not handed over"));
    let short = TinySpec { max_tokens: 6, gain: 6.0, ..TinySpec::new(["c", "d"]).seed(3) };
    let short = Classifier::open(tiny_classifier_dir(world.dir.path().join("short"), &short), &Device::flex()).unwrap();
    let teachers = [&world.teachers[0], &short];
    let error = go(run.with_teachers(&teachers));
    assert!(error.contains("and two reads 6") && error.contains("max_length"), "{error}");
    assert!(go(run.with_teachers(&teachers[..1])).contains("a join of 2 for 1 teachers"));
}

#[test]
fn settings_and_curricula_that_make_no_sense_are_refused_by_key() {
    for (wrong, key) in [
        (json!({"every": 0}), "backward.every"),
        (json!({"weight": -1.0}), "backward.weight"),
        (json!({"until": 0.0}), "backward.until"),
        (json!({"until": 1.5}), "backward.until"),
        (json!({"adversary": {"steps": 0}}), "steps"),
        (json!({"adversary": {"step_length": 3.0}}), "step_length"),
    ] {
        let method: MethodSpec = serde_json::from_value(json!({"kind": "backward-kd", "backward": wrong})).unwrap();
        let error = method.check(2).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(serde_json::from_value::<MethodSpec>(json!({"kind": "backward-kd", "every": 2})).is_err());
    let default: MethodSpec = serde_json::from_value(json!({"kind": "backward-kd"})).unwrap();
    assert_eq!(default, MethodSpec::BackwardKd(BackwardMethod::default()));
    let words = default.describe();
    assert_eq!(words, "backward-pass KD (texts moved in every 4 updates, 2 steps of 0.2)");
    let filter = Curriculum { unix: Some(Unix::default()), ..Curriculum::default() };
    let noise = Curriculum { student_noise: StudentNoise { drop: 0.1, mask: 0.0 }, ..Curriculum::default() };
    for curriculum in [filter, noise] {
        let error = curriculum.check(&default).unwrap_err().to_string();
        assert!(error.contains("moves the words of whole, clean batches"), "{error}");
    }
    let recipe: MethodSpec = serde_json::from_value(
        json!({"kind": "recipe", "gate": "none", "losses": [{"loss": {"kind": "uhc"}}], "backward": {}}),
    )
    .unwrap();
    recipe.check(2).unwrap();
    assert_eq!(recipe.recipe().unwrap().backward, Some(BackwardPass::default()));
    let stored = serde_json::to_value(faculty_methods::Recipe::default()).unwrap();
    assert!(stored.get("backward").is_none(), "configurations from before the key keep their hashes");
}
