//! A separable toy task, end to end on tiny models: teachers are fine-tuned on their own labels, the student never sees
//! one, and the gate finds the owner better than chance.

use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, LabelSpace, Silent, Stream};
use faculty_methods::{GateTable, MethodSpec, MukiSpec, TransferSet, amalgamate, fine_tune, gate_table, gated_scores};
use faculty_model::Classifier;
use faculty_student::{StudentSpec, StudentStart, TrainRun, TrainSettings, build_student};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use faculty_uncertainty::OwnerStatistics;

const WORDS: [(&str, &[&str]); 4] = [
    ("money", &["balance", "bank", "account", "dollars", "money", "credit"]),
    ("trip", &["flight", "airport", "ticket", "hotel", "travel", "book"]),
    ("food", &["meal", "recipe", "cook", "food", "oil", "order"]),
    ("music", &["music", "song", "play", "light", "turn", "room"]),
];

/// The name of a class.
pub fn class_name(class: usize) -> &'static str {
    WORDS[class].0
}

/// `count` texts a class with their class, two telling words among others.
pub fn texts(classes: std::ops::Range<usize>, count: usize, seed: u64) -> (Vec<String>, Vec<usize>) {
    let filler = ["the", "my", "please", "what", "is", "a", "for", "to", "me", "you"];
    let stream = Stream::new(seed, "toy");
    let mut out = (Vec::new(), Vec::new());
    for class in classes {
        for item in 0..count {
            let draw = stream.fork((class * 10_000 + item) as u64);
            let words = WORDS[class].1;
            let mut text: Vec<&str> = (0..3).map(|i| filler[draw.below_at(i, 10) as usize]).collect();
            text.insert(1, words[draw.below_at(7, 6) as usize]);
            text.push(words[draw.below_at(8, 6) as usize]);
            out.0.push(text.join(" "));
            out.1.push(class);
        }
    }
    out
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs: 12, ..TrainSettings::default() }
}

struct World {
    _dirs: Vec<tempfile::TempDir>,
    teachers: Vec<ClassifierTeacher>,
    join: LabelJoin,
    texts: Vec<String>,
    owners: Vec<usize>,
    outputs: Vec<TeacherOutputs>,
}

fn world() -> World {
    let device = Device::flex();
    let mut dirs = Vec::new();
    let mut teachers = Vec::new();
    for (index, classes) in [0..2, 2..4].into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let names = classes.clone().map(|class| WORDS[class].0);
        tiny_classifier_dir(dir.path(), &TinySpec { gain: 3.0, ..TinySpec::new(names).seed(index as u64) });
        let mut classifier = Classifier::open(dir.path(), &device).unwrap();
        let (texts, labels) = texts(classes.clone(), 40, 1);
        let labels: Vec<usize> = labels.iter().map(|label| label - classes.start).collect();
        let tokens = classifier.tokenize(&texts, None).unwrap();
        fine_tune(&mut classifier, &tokens, &labels, &settings(), TrainRun::new(index as u64, &Silent)).unwrap();
        teachers.push(ClassifierTeacher::new(["first", "second"][index], classifier));
        dirs.push(dir);
    }
    let parts: Vec<(&str, &LabelSpace)> = teachers.iter().map(|t| (t.name(), t.labels())).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let (texts, labels) = texts(0..4, 30, 2);
    let ask = Ask::default().with_passes(8, 1);
    let outputs = teachers.iter().map(|t| t.outputs(&texts, &ask, &Silent).unwrap()).collect();
    World { _dirs: dirs, teachers, join, texts, owners: labels.iter().map(|label| label / 2).collect(), outputs }
}

fn accuracy(student: &Classifier) -> f64 {
    let (texts, labels) = texts(0..4, 25, 3);
    let logits = student.logits(&student.tokenize(&texts, None).unwrap(), &Silent).unwrap();
    let best = |row: &[f32]| (0..4).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let right = logits.chunks(4).zip(&labels).filter(|(row, label)| best(row) == **label).count();
    right as f64 / labels.len() as f64
}

fn gate_of(method: &MethodSpec, transfer: &TransferSet<'_>) -> GateTable {
    gate_table(&method.recipe().unwrap(), transfer, OwnerStatistics::default(), &Device::flex()).unwrap()
}

/// The mean probability that the amalgamated target gives the true class.
fn target_quality(method: &MethodSpec, transfer: &TransferSet<'_>) -> f32 {
    let gate = gate_of(method, transfer);
    let target = gated_scores(&gate, transfer, 1.0, &Device::flex()).unwrap();
    let (_, labels) = texts(0..4, 30, 2);
    target.chunks(4).zip(&labels).map(|(row, &label)| row[label]).sum::<f32>() / labels.len() as f32
}

#[test]
fn the_gate_beats_chance_and_a_student_learns_the_union_without_labels() {
    let world = world();
    let device = Device::flex();
    let transfer = TransferSet::new(&world.outputs, &world.join).unwrap();
    let gate = gate_of(&MethodSpec::Muki(MukiSpec::default()), &transfer);
    let chosen = gate.weights.chunks(2).map(|w| usize::from(w[1] > w[0]));
    let right = chosen.zip(&world.owners).filter(|(chosen, owner)| chosen == *owner).count();
    assert!(right as f64 / world.owners.len() as f64 > 0.6, "{right} of {}", world.owners.len());

    // The gated target knows more than the uniform one, and Monte-Carlo scores gate no worse than a single pass.
    let single = MethodSpec::Muki(MukiSpec { single_pass: true, ..MukiSpec::default() });
    let soft = target_quality(&MethodSpec::Muki(MukiSpec::default()), &transfer);
    assert!(soft > target_quality(&MethodSpec::Uniform { temperature: 1.0 }, &transfer) + 0.1);
    assert!(soft >= target_quality(&single, &transfer));

    let spec = StudentSpec::new(StudentStart::Teacher(0));
    let classifiers: Vec<&Classifier> = world.teachers.iter().map(ClassifierTeacher::classifier).collect();
    let mut results = Vec::new();
    for method in [
        MethodSpec::Muki(MukiSpec { margin: false, ..MukiSpec::default() }),
        MethodSpec::Uniform { temperature: 1.0 },
        MethodSpec::Uhc { temperature: 1.0 },
        MethodSpec::VanillaKd { temperature: 1.0 },
    ] {
        let stream = Stream::new(1, "student");
        let (mut student, _) =
            build_student(&spec, world.join.union(), &classifiers, stream, &device, &Silent).unwrap();
        let tokens = student.tokenize(&world.texts, None).unwrap();
        let report =
            amalgamate(&method, &mut student, &tokens, transfer, &settings(), TrainRun::new(1, &Silent)).unwrap();
        assert_eq!(report.steps, settings().steps(world.texts.len()), "equal updates for every method");
        results.push((method.kind(), accuracy(&student)));
    }
    assert!(results.iter().all(|(_, accuracy)| *accuracy > 0.5), "chance is 0.25: {results:?}");
}

#[test]
fn a_method_that_needs_labels_or_no_student_is_refused_without_labels() {
    let world = world();
    let transfer = TransferSet::new(&world.outputs, &world.join).unwrap();
    let classifiers: Vec<&Classifier> = world.teachers.iter().map(ClassifierTeacher::classifier).collect();
    let spec = StudentSpec::new(StudentStart::Teacher(0));
    let stream = Stream::new(1, "student");
    let (mut student, _) =
        build_student(&spec, world.join.union(), &classifiers, stream, &Device::flex(), &Silent).unwrap();
    let tokens = student.tokenize(&world.texts, None).unwrap();
    for method in [MethodSpec::Supervised {}, MethodSpec::Concat {}] {
        assert!(amalgamate(&method, &mut student, &tokens, transfer, &settings(), TrainRun::new(1, &Silent)).is_err());
    }
}
