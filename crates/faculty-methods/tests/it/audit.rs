//! The audit of teachers: a nasty one is found, an honest set raises no flag.

use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, LabelSpace, Silent, Stream};
use faculty_methods::{
    AuditFlag, AuditReport, AuditThresholds, NastySpec, TransferSet, audit, fine_tune, nasty_teacher,
};
use faculty_model::Classifier;
use faculty_student::{TrainRun, TrainSettings};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherOutputs};
use faculty_testkit::{TELLING_WORDS, TinySpec, tiny_classifier_dir};

/// Texts of twelve classes with telling words; teachers own four classes.
fn texts(classes: std::ops::Range<usize>, count: usize, seed: u64) -> (Vec<String>, Vec<usize>) {
    let filler = ["the", "my", "please", "what", "is", "a", "for", "to", "me", "you"];
    let stream = Stream::new(seed, "audit texts");
    let mut out = (Vec::new(), Vec::new());
    for class in classes {
        for item in 0..count {
            let draw = stream.fork((class * 1000 + item) as u64);
            let words = TELLING_WORDS[class].1;
            let mut text: Vec<&str> = (0..3).map(|i| filler[draw.below_at(i, 10) as usize]).collect();
            text.insert(draw.below_at(9, 4) as usize, words[draw.below_at(7, 4) as usize]);
            text.push(words[draw.below_at(8, 4) as usize]);
            out.0.push(text.join(" "));
            out.1.push(class);
        }
    }
    out
}

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs: 25, ..TrainSettings::default() }
}

/// Three honest teachers.
struct Staff {
    _dir: tempfile::TempDir,
    teachers: Vec<Classifier>,
    join: LabelJoin,
}

fn staff(seed: u64) -> Staff {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let mut teachers = Vec::new();
    for index in 0..3 {
        let classes = 4 * index..4 * index + 4;
        let names = classes.clone().map(|class| TELLING_WORDS[class].0);
        let spec = TinySpec { gain: 3.0, ..TinySpec::new(names).seed(10 * seed + index as u64) };
        let mut teacher =
            Classifier::open(tiny_classifier_dir(dir.path().join(index.to_string()), &spec), &device).unwrap();
        let (texts, labels) = own_texts(index, seed);
        let tokens = teacher.tokenize(&texts, None).unwrap();
        fine_tune(&mut teacher, &tokens, &labels, &settings(), TrainRun::new(seed, &Silent)).unwrap();
        teachers.push(teacher);
    }
    let names = ["finance", "mobility", "household"];
    let parts: Vec<_> = names.into_iter().zip(&teachers).map(|(name, teacher)| (name, &teacher.labels)).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    Staff { _dir: dir, teachers, join }
}

/// A teacher's private texts with classes in its own label space.
fn own_texts(index: usize, seed: u64) -> (Vec<String>, Vec<usize>) {
    let (texts, labels) = texts(4 * index..4 * index + 4, 40, 100 + seed);
    (texts, labels.iter().map(|label| label - 4 * index).collect())
}

fn outputs(name: &str, teacher: &Classifier, texts: &[String]) -> TeacherOutputs {
    ClassifierTeacher::new(name, teacher.clone()).outputs(texts, &Ask::default(), &Silent).unwrap()
}

impl Staff {
    /// Makes teacher `index` nasty; returns its accuracy before and after on fresh texts of its own.
    fn corrupt(&mut self, index: usize, seed: u64) -> (f64, f64) {
        let (private, labels) = own_texts(index, seed);
        let twin = self.teachers[index].clone();
        let before = accuracy(&twin, index);
        let tokens = twin.tokenize(&private, None).unwrap();
        let spec = NastySpec { omega: 0.2, temperature: 4.0 };
        let teacher = &mut self.teachers[index];
        nasty_teacher(teacher, &twin, &tokens, &labels, spec, &settings(), TrainRun::new(seed + 50, &Silent)).unwrap();
        (before, accuracy(teacher, index))
    }

    fn audit(&self) -> AuditReport {
        let (shared, _) = texts(0..12, 25, 7);
        let names = self.join.teachers().iter().map(|part| part.name());
        let outputs: Vec<TeacherOutputs> =
            names.zip(&self.teachers).map(|(name, teacher)| outputs(name, teacher, &shared)).collect();
        let transfer = TransferSet::new(&outputs, &self.join).unwrap();
        audit(&transfer, &AuditThresholds::default(), &Device::flex()).unwrap()
    }
}

fn accuracy(teacher: &Classifier, index: usize) -> f64 {
    let (fresh, labels) = texts(4 * index..4 * index + 4, 25, 8);
    let logits = teacher.logits(&teacher.tokenize(&fresh, None).unwrap(), &Silent).unwrap();
    let right = logits
        .chunks_exact(4)
        .zip(&labels)
        .filter(|(row, label)| faculty_core::metrics::argmax(row) == **label - 4 * index);
    right.count() as f64 / labels.len() as f64
}

#[test]
fn a_nasty_teacher_is_ranked_worst_and_an_honest_set_raises_no_flag() {
    let (mut found, mut flagged) = (0, 0);
    for seed in 0..5 {
        let mut staff = staff(seed);
        let honest = staff.audit();
        assert!(!honest.is_suspicious(), "run {seed}:\n{}", honest.describe());

        let nasty = seed as usize % 3;
        let (before, after) = staff.corrupt(nasty, seed);
        assert!(after > before - 0.1, "run {seed}: a nasty teacher stays accurate: {before} -> {after}");
        let report = staff.audit();
        let name = staff.join.teacher(nasty).name();
        found += usize::from(report.ranking()[0].name == name);
        let teacher = &report.teachers[nasty];
        flagged += usize::from(teacher.flags.contains(&AuditFlag::SoftPeak));
        let innocent = report.teachers.iter().filter(|teacher| teacher.name != name);
        assert!(innocent.into_iter().all(|teacher| teacher.flags.is_empty()), "run {seed}:\n{}", report.describe());
    }
    assert!(found >= 4, "ranked worst in {found} of 5 runs");
    assert!(flagged >= 4, "flagged in {flagged} of 5 runs");
}

#[test]
fn an_omega_of_zero_is_plain_fine_tuning() {
    let staff = staff(1);
    let (private, labels) = own_texts(0, 1);
    let start = staff.teachers[0].clone();
    let tokens = start.tokenize(&private, None).unwrap();
    let settings = TrainSettings { epochs: 1, ..settings() };
    let (mut plain, mut nasty) = (start.clone(), start.clone());
    fine_tune(&mut plain, &tokens, &labels, &settings, TrainRun::new(3, &Silent)).unwrap();
    let spec = NastySpec { omega: 0.0, ..NastySpec::default() };
    let report =
        nasty_teacher(&mut nasty, &start, &tokens, &labels, spec, &settings, TrainRun::new(3, &Silent)).unwrap();
    assert_eq!(plain.logits(&tokens, &Silent).unwrap(), nasty.logits(&tokens, &Silent).unwrap());
    let parts: Vec<&str> = report.curve[0].parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(parts, ["cross_entropy", "twin_kl"]);
}

#[test]
fn a_nasty_teacher_needs_a_twin_of_its_own_labels_and_sensible_settings() {
    let staff = staff(1);
    let (private, labels) = own_texts(0, 1);
    let mut teacher = staff.teachers[0].clone();
    let tokens = teacher.tokenize(&private, None).unwrap();
    let mut refuse = |twin: &Classifier, labels: &[usize], spec: NastySpec| {
        nasty_teacher(&mut teacher, twin, &tokens, labels, spec, &settings(), TrainRun::new(1, &Silent))
            .unwrap_err()
            .to_string()
    };
    let spec = NastySpec::default();
    assert!(refuse(&staff.teachers[1], &labels, spec).contains("other labels"));
    assert!(refuse(&staff.teachers[0], &labels[1..], spec).contains("do not fit"));
    assert!(refuse(&staff.teachers[0], &labels, NastySpec { omega: -1.0, ..spec }).contains("omega"));
    assert!(refuse(&staff.teachers[0], &labels, NastySpec { temperature: 0.0, ..spec }).contains("temperature"));
    assert_eq!((spec.omega, spec.temperature), (0.04, 4.0));
}

/// Outputs from probabilities.
fn said(classes: usize, rows: &[&[f32]]) -> TeacherOutputs {
    let logits = rows.iter().flat_map(|row| row.iter().map(|p| p.ln())).collect();
    TeacherOutputs { classes, logits, passes: None, features: None, truncated: 0 }
}

fn report_of(outputs: &[TeacherOutputs], labels: &[&[&str]]) -> AuditReport {
    let spaces: Vec<LabelSpace> = labels.iter().map(|names| LabelSpace::new(names.iter().copied()).unwrap()).collect();
    let names = ["one", "two", "three"];
    let parts: Vec<(&str, &LabelSpace)> = names.into_iter().zip(&spaces).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    audit(&TransferSet::new(outputs, &join).unwrap(), &AuditThresholds::default(), &Device::flex()).unwrap()
}

#[test]
fn figures_of_two_texts_are_those_of_a_calculation_by_hand() {
    let one = said(3, &[&[0.9, 0.06, 0.04], &[0.4, 0.35, 0.25]]);
    let two = said(2, &[&[0.55, 0.45], &[0.95, 0.05]]);
    let report = report_of(&[one, two], &[&["a", "b", "c"], &["d", "e"]]);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    let first = &report.teachers[0];
    close(first.label_share, 0.6);
    close(first.selection_share, 0.5);
    close(first.second_peak, (0.06 + 0.35) / 2.0);
    // The surest 0.6 of two texts are both of them, rounded up.
    close(first.second_peak_surest, (0.06 + 0.35) / 2.0);
    close(first.rank_disagreement, 0.0);
    assert!(first.agreement.is_none(), "no shared label");
    assert_eq!(first.removal, [("two".to_owned(), 0.5)]);
    assert!(first.gate_weight.unwrap() > 0.9);
    let second = &report.teachers[1];
    assert_eq!(second.second_peak_soft, None, "two labels");
    close(second.second_peak_surest, 0.05);
    // Peaks 0.205 and 0.05: the first is above 0.15 and above twice the other's. At temperature 4 the rest is near even.
    assert_eq!(first.flags, [AuditFlag::SecondPeak]);
    assert!(second.flags.is_empty() && report.is_suspicious());
    assert_eq!(report.ranking()[0].name, "one");
}

#[test]
fn a_second_peak_at_a_raised_temperature_is_judged_and_takes_over_where_it_is_chosen() {
    let flags = |one: &[f32]| {
        // "two" is never the surer one, and what its first class leaves is almost even: 0.011 at temperature 4.
        let two: &[f32] = &[0.6, 0.145, 0.13, 0.125];
        let report =
            report_of(&[said(4, &[one; 3]), said(4, &[two; 3])], &[&["a", "b", "c", "d"], &["e", "f", "g", "h"]]);
        assert!((report.teachers[0].selection_share - 1.0).abs() < 1e-12);
        assert!((report.teachers[1].second_peak_soft.unwrap() - 0.0108).abs() < 1e-4);
        assert!(report.teachers[1].flags.is_empty());
        (report.teachers[0].second_peak_soft.unwrap(), report.teachers[0].flags.clone())
    };
    // Being chosen for all texts says nothing by itself: they may be its own.
    let (peak, none) = flags(&[0.97, 0.01, 0.01, 0.01]);
    assert!(peak < 1e-6 && none.is_empty(), "{peak}: {none:?}");
    // Fourth roots: 0.376 of 0.908.
    let (peak, found) = flags(&[0.97, 0.02, 0.005, 0.005]);
    assert!((peak - 0.1214).abs() < 1e-3, "{peak}");
    assert_eq!(found, [AuditFlag::TakesOver]);
    // 0.409 of 0.765.
    let (peak, found) = flags(&[0.97, 0.028, 0.001, 0.001]);
    assert!((peak - 0.3025).abs() < 1e-3, "{peak}");
    assert_eq!(found, [AuditFlag::SoftPeak, AuditFlag::TakesOver]);
}

#[test]
fn teachers_that_share_labels_are_compared_on_them() {
    let rows: [&[f32]; 4] = [&[0.9, 0.1], &[0.8, 0.2], &[0.2, 0.8], &[0.1, 0.9]];
    let same = said(2, &rows);
    let swapped = said(2, &[rows[3], rows[2], rows[1], rows[0]]);
    let labels: &[&str] = &["a", "b"];
    let report = report_of(&[same.clone(), same.clone(), swapped], &[labels, labels, labels]);
    let agreement = |index: usize| report.teachers[index].agreement.as_ref().unwrap();
    assert_eq!((agreement(0).texts, agreement(0).labels), (8, 2));
    assert!((agreement(0).agreement - 0.5).abs() < 1e-9, "agrees with one of two");
    assert_eq!(agreement(2).agreement, 0.0);
    assert_eq!(report.teachers[2].flags, [AuditFlag::Disagrees]);
    assert!(report.teachers[0].flags.is_empty());
    assert_eq!(report.ranking()[0].name, "three");

    // Classes are compared by name, whatever their order; texts that a teacher places elsewhere are left out.
    let turned = said(3, &[&[0.1, 0.01, 0.89], &[0.2, 0.01, 0.79], &[0.09, 0.9, 0.01], &[0.9, 0.05, 0.05]]);
    let report = report_of(&[same, turned], &[labels, &["b", "other", "a"]]);
    let shared = report.teachers[0].agreement.as_ref().unwrap();
    assert_eq!((shared.texts, shared.teachers.as_slice()), (3, ["two".to_owned()].as_slice()));
    assert!((shared.agreement - 1.0).abs() < 1e-9);
}

#[test]
fn one_teacher_alone_and_broken_outputs() {
    let report = report_of(&[said(2, &[&[0.9, 0.1]])], &[&["a", "b"]]);
    assert_eq!((report.teachers[0].selection_share, report.teachers[0].removal.len()), (1.0, 0));
    assert!(report.describe().contains("one") && report.describe().contains("none"));
    let space = LabelSpace::new(["a", "b"]).unwrap();
    let join = LabelJoin::build(&[("one", &space)], &Aliases::default()).unwrap();
    for logits in [vec![f32::NAN, 0.0], vec![]] {
        let outputs = [TeacherOutputs { classes: 2, logits, passes: None, features: None, truncated: 0 }];
        let transfer = TransferSet::new(&outputs, &join).unwrap();
        assert!(audit(&transfer, &AuditThresholds::default(), &Device::flex()).is_err());
    }
}
