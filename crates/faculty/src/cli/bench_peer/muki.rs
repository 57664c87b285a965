//! A whole MUKI run: what `faculty amalgamate --method muki` does between reading and writing files, without the cache.

use super::work::PASSES;
use super::{BenchPeer, Round};
use crate::cli::global::Session;
use faculty_core::{Aliases, Error, LabelJoin, Result, Silent, Stream, metrics};
use faculty_methods::{MethodSpec, MukiSpec, TransferSet, amalgamate};
use faculty_model::Classifier;
use faculty_student::{StudentSpec, StudentStart, TrainRun, build_student};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher};
use faculty_text::Corpus;
use std::time::Instant;

/// Share of the steps in which the learning rate rises.
const WARMUP_RATIO: f64 = 0.1;

/// Everything that is there before a run begins.
pub struct Muki {
    teachers: Vec<ClassifierTeacher>,
    join: LabelJoin,
    student: Classifier,
    texts: Vec<String>,
    test: Corpus,
    test_classes: Vec<usize>,
}

impl Muki {
    /// Opens teachers and student.
    pub fn prepare(bench: &BenchPeer, session: &Session, corpus: Corpus) -> Result<Self> {
        let mut teachers = Vec::with_capacity(bench.teacher.len());
        for (index, model) in bench.teacher.iter().enumerate() {
            teachers.push(ClassifierTeacher::new(format!("teacher {index}"), bench.open(model, session)?));
        }
        let spaces: Vec<_> = teachers.iter().map(|teacher| (teacher.name(), teacher.labels())).collect();
        let join = LabelJoin::build(&spaces, &Aliases::default())?;
        let spec = StudentSpec::new(StudentStart::Pretrained(bench.model.clone()));
        let stream = Stream::new(1, "student");
        let device = session.device()?;
        let (mut student, _) = build_student(&spec, join.union(), &[], stream, &device, &session.console)?;
        bench.set_precision(&mut student);
        let test = bench.test.as_ref().ok_or_else(|| Error::input("is missing").key("--test"))?;
        // A quarter of the texts, so that the parts of a short run weigh as those of a long one.
        let test = bench.read(test, corpus.len().div_ceil(4), session)?;
        let test_classes = test.resolve_labels(join.union())?;
        Ok(Self { teachers, join, student, texts: corpus.texts, test, test_classes })
    }

    /// Number of labels of the union.
    pub fn classes(&self) -> usize {
        self.join.classes()
    }

    /// Scan, training, evaluation; the checksum is the accuracy.
    pub fn round(&self, bench: &BenchPeer) -> Result<Round> {
        let scan_start = Instant::now();
        let ask = Ask { max_length: Some(bench.max_length), ..Ask::default() }.with_passes(PASSES.0, PASSES.1);
        let ask_all = self.teachers.iter().map(|teacher| teacher.outputs(&self.texts, &ask, &Silent));
        let outputs = ask_all.collect::<Result<Vec<_>>>()?;

        let train_start = Instant::now();
        let mut student = self.student.clone();
        let settings = bench.settings(bench.dropout, WARMUP_RATIO);
        let tokens = student.tokenize(&self.texts, settings.max_length)?;
        let transfer = TransferSet::new(&outputs, &self.join)?;
        let method = MethodSpec::Muki(MukiSpec { passes: PASSES.0, ..MukiSpec::default() });
        amalgamate(&method, &mut student, &tokens, transfer, &settings, TrainRun::new(1, &Silent))?;

        let evaluate_start = Instant::now();
        let tokens = student.tokenize(&self.test.texts, settings.max_length)?;
        let predicted = metrics::argmax_rows(&student.logits(&tokens, &Silent)?, self.join.classes());
        let right = predicted.iter().zip(&self.test_classes).filter(|(predicted, class)| predicted == class).count();
        let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        Ok(Round {
            checksum: right as f64 / self.test.len().max(1) as f64,
            phases: vec![
                ("scan", seconds(scan_start, train_start)),
                ("train", seconds(train_start, evaluate_start)),
                ("evaluate", evaluate_start.elapsed().as_secs_f64()),
            ],
            seconds: None,
        })
    }
}
