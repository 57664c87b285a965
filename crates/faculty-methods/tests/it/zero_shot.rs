//! Zero-shot distillation in a training.

use crate::observed::{Notes, assert_resumes, bits, count, part};
use crate::rewriting_world::tiny_generator;
use crate::sentences::sentences;
use crate::toy;
use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, NamedTensor, Observer, Result, Silent};
use faculty_methods::{
    AdversaryChoice, AmalgamateRun, BackwardPass, Curriculum, LocalRealism, MethodSpec, Recipe, Rewriting, TransferSet,
    Unix, ZeroShotMethod, amalgamate, fine_tune,
};
use faculty_model::{Classifier, Tokens};
use faculty_student::{Checkpoints, TrainReport, TrainRun, TrainSettings};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use serde_json::json;

const TEXTS: usize = 24;

/// A student, teachers, a generator on disk, and what the teachers said of texts.
struct World {
    dir: tempfile::TempDir,
    teachers: Vec<Classifier>,
    outputs: Vec<TeacherOutputs>,
    join: LabelJoin,
    texts: Vec<String>,
}

fn world_of(names: &[&[&str]], hidden: usize) -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let all: Vec<&str> = names.concat();
    let spec = TinySpec { hidden, intermediate: 2 * hidden, gain: 3.0, ..TinySpec::new(all).seed(1) };
    tiny_classifier_dir(dir.path().join("student"), &spec);
    tiny_generator(dir.path());
    let open = |(index, labels): (usize, &&[&str])| {
        let spec = TinySpec { gain: 6.0, ..TinySpec::new(labels.to_vec()).seed(index as u64 + 2) };
        Classifier::open(tiny_classifier_dir(dir.path().join(format!("teacher-{index}")), &spec), &device).unwrap()
    };
    let teachers: Vec<Classifier> = names.iter().enumerate().map(open).collect();
    World::new(dir, teachers, sentences(TEXTS, 4))
}

impl World {
    fn new(dir: tempfile::TempDir, teachers: Vec<Classifier>, texts: Vec<String>) -> Self {
        let names: Vec<String> = (0..teachers.len()).map(|index| format!("teacher-{index}")).collect();
        let parts: Vec<_> = names.iter().map(String::as_str).zip(teachers.iter().map(|it| &it.labels)).collect();
        let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
        let asked = |(name, teacher): (&String, &Classifier)| {
            ClassifierTeacher::new(name, teacher.clone()).outputs(&texts, &Ask::default(), &Silent).unwrap()
        };
        let outputs = names.iter().zip(&teachers).map(asked).collect();
        Self { dir, teachers, outputs, join, texts }
    }

    fn rewriting(&self) -> Rewriting {
        let generator = self.dir.path().join("generator").to_str().unwrap().to_owned();
        Rewriting { generator, generator_steps: 1, student_steps: 3, learning_rate: 1e-3, ..Rewriting::default() }
    }

    fn student(&self) -> (Classifier, Tokens) {
        let student = Classifier::open(self.dir.path().join("student"), &Device::flex()).unwrap();
        let tokens = student.tokenize(&self.texts, None).unwrap();
        (student, tokens)
    }

    fn train(
        &self,
        method: &MethodSpec,
        settings: &TrainSettings,
        checkpoints: Option<&Checkpoints>,
        observer: &dyn Observer,
    ) -> Result<(Classifier, TrainReport)> {
        let (mut student, tokens) = self.student();
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        let run = AmalgamateRun::new(TrainRun { checkpoints, ..TrainRun::new(1, observer) }).with_teachers(&teachers);
        let transfer = TransferSet::new(&self.outputs, &self.join).unwrap();
        let report = amalgamate(method, &mut student, &tokens, transfer, settings, run)?;
        Ok((student, TrainReport { seconds: 0.0, ..report }))
    }
}

fn world() -> World {
    world_of(&[&["a", "b"], &["c", "d"]], 32)
}

fn weights(student: &Classifier) -> Vec<NamedTensor> {
    student.network.export(&student.config).unwrap()
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 8, epochs: 4, ..TrainSettings::default() }
}

fn zero_shot(adversary: AdversaryChoice) -> MethodSpec {
    MethodSpec::ZeroShot(Box::new(ZeroShotMethod { adversary, ..ZeroShotMethod::default() }))
}

#[test]
fn every_adversary_trains_and_what_teachers_are_asked_is_counted() {
    let world = world();
    let local = Rewriting { local: Some(LocalRealism::default()), ..world.rewriting() };
    let (mut found, teachers) = (Vec::new(), bits(&world.teachers));
    // 12 updates of 8 texts; the generator steps in updates 1, 4, 7 and 10.
    for (adversary, passes) in [
        (AdversaryChoice::None {}, None),
        (AdversaryChoice::EmbeddingGradient(BackwardPass::default()), Some((3 * 8 * 2 * 3, 3 * 8 * 2 * 2))),
        (AdversaryChoice::Mlm(world.rewriting()), Some((16 * 8 * 2, 4 * 8 * 2))),
        (AdversaryChoice::MlmLocal(local), Some((16 * 8 * 2, 4 * 8 * 2))),
    ] {
        let method = zero_shot(adversary.clone());
        let (student, report) = world.train(&method, &settings(), None, &Silent).unwrap();
        assert_eq!(report.steps, 12);
        assert!(bits(&world.teachers) == teachers, "{adversary:?}: teachers are constants");
        if let Some((forward, backward)) = passes {
            assert_eq!(count(&report, "teacher_forward_passes"), forward, "{adversary:?}");
            assert_eq!(count(&report, "teacher_backward_passes"), backward, "{adversary:?}");
        }
        let rewrites = matches!(adversary, AdversaryChoice::Mlm(_) | AdversaryChoice::MlmLocal(_));
        for name in ["rewritten_loss", "written_divergence", "generator_own_loss", "written_nats", "filling_nats"] {
            assert_eq!(part(&report, 0, name).is_some(), rewrites, "{name}");
        }
        let judged = matches!(adversary, AdversaryChoice::MlmLocal(_));
        assert_eq!(part(&report, 0, "discriminator_loss").is_some(), judged);
        if rewrites {
            let entropy = part(&report, 0, "gate_entropy").unwrap();
            assert!((0.0..=std::f32::consts::LN_2 + 1e-6).contains(&entropy), "{entropy}");
        }
        found.push(weights(&student));
    }
    for (index, one) in found.iter().enumerate() {
        assert!(found[..index].iter().all(|other| other != one), "{index}");
    }
}

#[test]
fn what_is_rewritten_trains_the_students_words_too() {
    let world = world();
    // Of the texts themselves nothing is learnt at weight 0, and their loss is the same in both.
    let run = |weight: f64| {
        let rewriting = Rewriting { generator_steps: 0, weight, ..world.rewriting() };
        let once = TrainSettings { batch_size: TEXTS, epochs: 1, warmup_ratio: 0.0, ..settings() };
        let (student, report) = world.train(&zero_shot(AdversaryChoice::Mlm(rewriting)), &once, None, &Silent).unwrap();
        (weights(&student), report)
    };
    let ((without, _), (with, report)) = (run(0.0), run(1e4));
    let (_, tokens) = world.student();
    let read: std::collections::BTreeSet<u32> = tokens.rows.iter().flat_map(|row| row.ids.clone()).collect();
    let words = |all: &[NamedTensor]| all.iter().find(|it| it.name.contains("word_embeddings")).unwrap().values.clone();
    let (without, with) = (words(&without), words(&with));
    let moved = |row: usize| without[32 * row..32 * (row + 1)] != with[32 * row..32 * (row + 1)];
    let unread = (0..without.len() / 32).filter(|&row| !read.contains(&(row as u32)) && moved(row)).count();
    assert!(unread > 3, "{unread} words that stand in no text have learnt from what was written");
    assert!(part(&report, 0, "rewritten_loss").unwrap() > 0.0);
}

#[test]
fn one_teacher_without_adversary_is_plain_distillation() {
    let world = world_of(&[&["a", "b", "c"]], 32);
    let (plain, _) = world.train(&MethodSpec::VanillaKd { temperature: 1.0 }, &settings(), None, &Silent).unwrap();
    let (found, _) = world.train(&zero_shot(AdversaryChoice::None {}), &settings(), None, &Silent).unwrap();
    for (plain, found) in weights(&plain).iter().zip(&weights(&found)) {
        for (plain, found) in plain.values.iter().zip(&found.values) {
            assert!((plain - found).abs() < 2e-4, "{found} is not {plain}");
        }
    }
    let rewritten = zero_shot(AdversaryChoice::Mlm(world.rewriting()));
    let (_, report) = world.train(&rewritten, &settings(), None, &Silent).unwrap();
    assert_eq!(part(&report, 0, "gate_entropy"), Some(0.0), "one teacher is trusted on every text");
}

#[test]
fn a_killed_training_ends_as_if_it_had_not_been() {
    let world = world();
    let rewriting = Rewriting { local: Some(LocalRealism::default()), train_words: true, ..world.rewriting() };
    let method = zero_shot(AdversaryChoice::MlmLocal(rewriting));
    assert_resumes([1, 4, 5, 9, 11], |checkpoints, observer| {
        let (student, report) = world.train(&method, &settings(), checkpoints, observer)?;
        Ok((weights(&student), report))
    });
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    // Wide enough that the backend and the kernels share their work among threads.
    let world = world_of(&[&["a", "b"], &["c", "d"]], 128);
    let method = zero_shot(AdversaryChoice::MlmLocal(world.rewriting()));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| world.train(&method, &settings(), None, &Silent).unwrap())
    };
    let (one, two) = (run(1), run(2));
    assert!(weights(&one.0) == weights(&two.0), "weights");
    assert_eq!(one.1, two.1, "losses");
}

#[test]
fn a_generator_that_writes_nonsense_is_stopped() {
    let world = world();
    let run = |stop_ratio: f64| {
        let rewriting = Rewriting { stop_ratio, ..world.rewriting() };
        let notes = Notes::default();
        let method = zero_shot(AdversaryChoice::Mlm(rewriting));
        let (_, report) = world.train(&method, &settings(), None, &notes).unwrap();
        let stops = notes.into_inner().iter().filter(|note| note.contains("the generator stops")).count();
        (stops, count(&report, "teacher_backward_passes"))
    };
    // Four rounds of one step; any writing is more than a millionth of plain filling.
    assert_eq!(run(1e6), (0, 4 * 8 * 2));
    assert_eq!(run(1e-6), (1, 8 * 2), "behind its first round");
}

#[test]
fn rewritten_texts_teach_what_few_texts_of_another_domain_do_not() {
    // A teacher of four topics; texts are words at random. All students make as many updates.
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let names: Vec<&str> = (0..4).map(toy::class_name).collect();
    let spec = TinySpec { gain: 3.0, ..TinySpec::new(names.clone()).seed(2) };
    let mut teacher = Classifier::open(tiny_classifier_dir(dir.path().join("teacher-0"), &spec), &device).unwrap();
    let (texts, labels) = toy::texts(0..4, 40, 1);
    let tokens = teacher.tokenize(&texts, None).unwrap();
    let tuned = TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs: 12, ..TrainSettings::default() };
    fine_tune(&mut teacher, &tokens, &labels, &tuned, TrainRun::new(1, &Silent)).unwrap();
    tiny_classifier_dir(dir.path().join("student"), &TinySpec { gain: 3.0, ..TinySpec::new(names).seed(1) });
    tiny_generator(dir.path());
    let mut world = World::new(dir, vec![teacher], Vec::new());
    let mut run = |texts: usize, method: &dyn Fn(&World) -> MethodSpec| {
        let teachers = std::mem::take(&mut world.teachers);
        let dir = std::mem::replace(&mut world.dir, tempfile::tempdir().unwrap());
        world = World::new(dir, teachers, sentences(texts, 21));
        let settings = TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs: 1536 / texts, ..settings() };
        let (student, report) = world.train(&method(&world), &settings, None, &Silent).unwrap();
        assert_eq!(report.steps, 96, "equal updates");
        let (texts, labels) = toy::texts(0..4, 25, 3);
        let logits = student.logits(&student.tokenize(&texts, None).unwrap(), &Silent).unwrap();
        let best = |row: &[f32]| (0..4).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        let right = logits.chunks(4).zip(&labels).filter(|(row, label)| best(row) == **label).count();
        right as f64 / labels.len() as f64
    };
    let plain = |_: &World| zero_shot(AdversaryChoice::None {});
    let rewritten = |world: &World| {
        let spec = Rewriting { generator_steps: 10, student_steps: 32, learning_rate: 1e-4, ..world.rewriting() };
        zero_shot(AdversaryChoice::Mlm(spec))
    };
    let (one, two, four) = (run(32, &plain), run(64, &plain), run(128, &plain));
    let adversarial = run(32, &rewritten);
    assert!(adversarial >= one, "{adversarial} with rewritten texts, {one} without");
    assert!(four >= two, "{four} of four times the texts, {two} of twice");
    assert!(adversarial > 0.3, "chance is 0.25: {adversarial}");
}

#[test]
fn methods_and_curricula_that_make_no_sense_are_refused_by_key() {
    let parse = |adversary: serde_json::Value| {
        serde_json::from_value::<MethodSpec>(json!({"kind": "zero-shot", "adversary": adversary}))
    };
    for (wrong, key) in [
        (json!({"kind": "mlm", "mask_rate": 0.0}), "rewriting.mask_rate"),
        (json!({"kind": "mlm", "local": {}}), "adversary.local"),
        (json!({"kind": "mlm+local", "local": {"channels": 0}}), "rewriting.local.channels"),
        (json!({"kind": "embedding-gradient", "every": 0}), "backward.every"),
    ] {
        let error = parse(wrong).unwrap().check(1).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(parse(json!({"kind": "mlm", "rate": 1})).is_err());
    assert!(parse(json!({"kind": "gan"})).is_err());
    let default: MethodSpec = serde_json::from_value(json!({"kind": "zero-shot"})).unwrap();
    assert_eq!(default, zero_shot(AdversaryChoice::default()));
    default.check(1).unwrap();
    default.check(3).unwrap();
    assert_eq!(
        default.describe(),
        "zero-shot KD (30 % of the tokens rewritten by minilm-l3-mlm, 10 : 100 steps, own loss x 1)"
    );
    let local = parse(json!({"kind": "mlm+local"})).unwrap();
    assert_eq!(local.recipe().unwrap().rewriting.unwrap().local, Some(LocalRealism::default()));
    assert!(local.describe().contains("runs of tokens judged"));
    let back: MethodSpec = serde_json::from_value(serde_json::to_value(&local).unwrap()).unwrap();
    assert_eq!(back, local);
    assert!(default.recipe().unwrap().needs_teachers());
    assert!(!zero_shot(AdversaryChoice::None {}).recipe().unwrap().needs_teachers());
    let filter = Curriculum { unix: Some(Unix::default()), ..Curriculum::default() };
    assert!(filter.check(&default).is_err());
    let stored = serde_json::to_value(Recipe::default()).unwrap();
    assert!(stored.get("rewriting").is_none(), "configurations from before the key keep their hashes");
}

#[test]
fn a_missing_generator_says_how_it_is_made_and_absent_teachers_are_named() {
    let world = world();
    let nowhere = Rewriting { generator: "no-such/model/here".to_owned(), ..world.rewriting() };
    let error = world.train(&zero_shot(AdversaryChoice::Mlm(nowhere)), &settings(), None, &Silent).unwrap_err();
    assert!(error.to_string().contains("no-such"), "{error}");
    let (mut student, tokens) = world.student();
    let transfer = TransferSet::new(&world.outputs, &world.join).unwrap();
    let method = zero_shot(AdversaryChoice::Mlm(world.rewriting()));
    let run = AmalgamateRun::new(TrainRun::new(1, &Silent));
    let error = amalgamate(&method, &mut student, &tokens, transfer, &settings(), run).unwrap_err().to_string();
    assert!(error.contains("not handed over"), "{error}");
    // A classifier is no generator.
    let classifier = world.dir.path().join("teacher-0").to_str().unwrap().to_owned();
    let wrong = Rewriting { generator: classifier, ..world.rewriting() };
    let error = world.train(&zero_shot(AdversaryChoice::Mlm(wrong)), &settings(), None, &Silent).unwrap_err();
    assert!(error.to_string().contains("mlm-head"), "{error}");
}
