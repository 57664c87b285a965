//! Two teachers that know what they were taught, of one base and one word table, and a student that starts from the first.

use crate::toy;
use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, Silent, Stream};
use faculty_methods::{AmalgamateRun, MethodSpec, TransferSet, amalgamate, fine_tune};
use faculty_model::{Classifier, Tokens};
use faculty_nn::SequenceClassifier;
use faculty_student::{StudentSpec, StudentStart, TrainReport, TrainRun, TrainSettings, build_student};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::ops::Range;
use std::sync::OnceLock;

/// Classes {0, 1} and {2, 3} of the toy task.
pub struct Taught {
    _dirs: Vec<tempfile::TempDir>,
    pub teachers: Vec<Classifier>,
    pub join: LabelJoin,
}

/// Made once for all tests.
pub fn taught() -> &'static Taught {
    static TAUGHT: OnceLock<Taught> = OnceLock::new();
    TAUGHT.get_or_init(|| teach(&[(0, 2), (2, 4)]))
}

/// Teachers of these classes (from, to) of the toy task, the `i`-th called after its place.
pub fn teach(parts: &[(usize, usize)]) -> Taught {
    let (mut dirs, mut teachers) = (Vec::new(), Vec::new());
    for (index, &(from, to)) in parts.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        teachers.push(teacher(dir.path(), from..to, index as u64));
        dirs.push(dir);
    }
    let names = ["one", "two", "three"];
    let parts: Vec<_> = names.into_iter().zip(&teachers).map(|(name, it)| (name, &it.labels)).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    Taught { _dirs: dirs, teachers, join }
}

/// An encoder that knows words of all classes: what pretraining is to real teachers.
fn base() -> &'static SequenceClassifier {
    static BASE: OnceLock<SequenceClassifier> = OnceLock::new();
    BASE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        tiny_classifier_dir(dir.path(), &TinySpec { gain: 3.0, ..TinySpec::new((0..4).map(toy::class_name)).seed(5) });
        let mut classifier = Classifier::open(dir.path(), &Device::flex()).unwrap();
        let (texts, labels) = toy::texts(0..4, 40, 9);
        let tokens = classifier.tokenize(&texts, None).unwrap();
        fine_tune(&mut classifier, &tokens, &labels, &settings(), TrainRun::new(8, &Silent)).unwrap();
        classifier.network
    })
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs: 12, ..TrainSettings::default() }
}

fn teacher(dir: &std::path::Path, classes: Range<usize>, seed: u64) -> Classifier {
    let names = classes.clone().map(toy::class_name);
    tiny_classifier_dir(dir, &TinySpec { gain: 3.0, ..TinySpec::new(names).seed(5) });
    let mut classifier = Classifier::open(dir, &Device::flex()).unwrap();
    classifier.network.encoder = base().encoder.clone();
    let (texts, labels) = toy::texts(classes.clone(), 40, 1);
    let labels: Vec<usize> = labels.iter().map(|label| label - classes.start).collect();
    let tokens = classifier.tokenize(&texts, None).unwrap();
    let settings = TrainSettings { freeze_embeddings: true, ..settings() };
    fine_tune(&mut classifier, &tokens, &labels, &settings, TrainRun::new(seed, &Silent)).unwrap();
    classifier
}

impl Taught {
    pub fn asked(&self) -> Vec<&Classifier> {
        self.teachers.iter().collect()
    }

    /// The first teacher's encoder under a fresh head over the union.
    pub fn student(&self) -> Classifier {
        let spec = StudentSpec::new(StudentStart::Teacher(0));
        let stream = Stream::new(1, "student");
        let (student, _) =
            build_student(&spec, self.join.union(), &self.asked(), stream, &Device::flex(), &Silent).unwrap();
        // From the teacher as it is, and not as its directory has it.
        let encoder = self.teachers[0].network.encoder.clone();
        Classifier { network: SequenceClassifier { encoder, ..student.network.clone() }, ..student }
    }

    pub fn outputs<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<TeacherOutputs> {
        let texts: Vec<String> = texts.iter().map(|text| text.as_ref().to_owned()).collect();
        let one = |(teacher, part): (&Classifier, &faculty_core::TeacherLabels)| {
            let teacher = ClassifierTeacher::new(part.name(), teacher.clone());
            teacher.outputs(&texts, &Ask::default(), &Silent).unwrap()
        };
        self.teachers.iter().zip(self.join.teachers()).map(one).collect()
    }

    /// A student trained on `texts` by `method`, with what is reported of it.
    pub fn train<S: AsRef<str> + Sync>(
        &self,
        method: &MethodSpec,
        texts: &[S],
        settings: &TrainSettings,
        run: TrainRun<'_>,
    ) -> faculty_core::Result<(Classifier, TrainReport)> {
        let (mut student, outputs, asked) = (self.student(), self.outputs(texts), self.asked());
        let tokens = student.tokenize(texts, None).unwrap();
        let transfer = TransferSet::new(&outputs, &self.join).unwrap();
        let run = AmalgamateRun::new(run).with_teachers(&asked);
        let report = amalgamate(method, &mut student, &tokens, transfer, settings, run)?;
        Ok((student, TrainReport { seconds: 0.0, ..report }))
    }
}

/// The share of right answers to texts of the toy task that nobody has seen.
pub fn accuracy(student: &Classifier, classes: Range<usize>) -> f64 {
    let (texts, labels) = toy::texts(classes.clone(), 25, 3);
    let tokens: Tokens = student.tokenize(&texts, None).unwrap();
    let logits = student.logits(&tokens, &Silent).unwrap();
    let found = faculty_core::metrics::argmax_rows(&logits, classes.len());
    found.iter().zip(&labels).filter(|(found, label)| **found == **label - classes.start).count() as f64
        / labels.len() as f64
}

pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "number {at}: {found}, expected {expected}");
    }
}
