//! How students start.

use burn::tensor::Device;
use faculty_core::{LabelSpace, NamedTensors, Silent, Stream};
use faculty_model::Classifier;
use faculty_student::{StudentSpec, StudentStart, build_student};
use faculty_testkit::{TinySpec, tiny_classifier_dir};

fn union() -> LabelSpace {
    LabelSpace::new(["a", "b", "c", "d"]).unwrap()
}

fn teacher(dir: &std::path::Path) -> Classifier {
    let spec = TinySpec { layers: 4, ..TinySpec::new(["a", "b"]) };
    Classifier::open(tiny_classifier_dir(dir, &spec), &Device::flex()).unwrap()
}

fn build(
    spec: &StudentSpec,
    teachers: &[&Classifier],
    seed: u64,
) -> faculty_core::Result<(Classifier, faculty_student::StudentOrigin)> {
    build_student(spec, &union(), teachers, Stream::new(seed, "student"), &Device::flex(), &Silent)
}

#[test]
fn a_student_from_a_teacher_says_so_and_has_its_layers() {
    let dir = tempfile::tempdir().unwrap();
    let teacher = teacher(dir.path());
    let spec = StudentSpec { init: StudentStart::Teacher(0), layers: Some(2) };
    let (student, origin) = build(&spec, &[&teacher], 1).unwrap();
    assert!(origin.from_teacher);
    assert_eq!(origin.description, "layers [1, 3] of teacher 0");
    assert_eq!(student.labels, union());
    let weights = |c: &Classifier| c.network.export(&c.config).unwrap();
    let (student, teacher) = (weights(&student), weights(&teacher));
    let name = |layer| format!("bert.encoder.layer.{layer}.output.dense.weight");
    assert_eq!(student.read(&name(1)).unwrap(), teacher.read(&name(3)).unwrap());
    assert_eq!(student.shape("classifier.weight").unwrap(), [4, 32]);
}

#[test]
fn a_pretrained_student_is_a_function_of_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let teacher = teacher(dir.path());
    let spec = StudentSpec::new(StudentStart::Pretrained(dir.path().display().to_string()));
    let weights = |seed| {
        let (student, origin) = build(&spec, &[&teacher], seed).unwrap();
        assert!(!origin.from_teacher);
        student.network.export(&student.config).unwrap()
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1).read("classifier.weight").unwrap(), weights(2).read("classifier.weight").unwrap());
    assert_eq!(
        weights(1).read("bert.pooler.dense.weight").unwrap(),
        weights(2).read("bert.pooler.dense.weight").unwrap()
    );
}

#[test]
fn a_fresh_student_has_the_size_it_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let teacher = teacher(dir.path());
    let spec = StudentSpec::new("fresh:3x96".parse().unwrap());
    let (student, origin) = build(&spec, &[&teacher], 1).unwrap();
    assert_eq!((student.config.layers, student.config.hidden_size, student.config.heads), (3, 96, 3));
    assert_eq!(student.config.intermediate_size, 384);
    assert!(origin.description.contains("tokenizer of teacher 0"));
    assert_eq!(student.tokenizer.hash(), teacher.tokenizer.hash());
    // the narrowest: one head of the whole width
    let (narrow, _) = build(&StudentSpec::new("fresh:1x16".parse().unwrap()), &[&teacher], 1).unwrap();
    assert_eq!((narrow.config.hidden_size, narrow.config.heads, narrow.config.intermediate_size), (16, 1, 64));
}

#[test]
fn what_does_not_exist_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let teacher = teacher(dir.path());
    let refuse = |spec: StudentSpec, teachers: &[&Classifier], part: &str| {
        let error = build(&spec, teachers, 1).expect_err("must be refused").to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    };
    refuse(StudentSpec::new(StudentStart::Teacher(1)), &[&teacher], "teacher 1 of 1");
    refuse(StudentSpec { init: StudentStart::Teacher(0), layers: Some(5) }, &[&teacher], "5 layers of a model with 4");
    refuse(StudentSpec::new("fresh:2x64".parse().unwrap()), &[], "there is none");
    refuse(StudentSpec::new(StudentStart::Pretrained("./no/such/dir".into())), &[], "no such directory");
    for wrong in ["teacher:x", "fresh:2", "fresh:0x64", "fresh:2x33", "fresh:2x8", ""] {
        assert!(wrong.parse::<StudentStart>().is_err(), "{wrong}");
    }
}

#[test]
fn kept_layers_are_spread_evenly_and_end_with_the_last() {
    let kept = |layers| StudentSpec { init: StudentStart::Teacher(0), layers: Some(layers) }.kept_layers(12).unwrap();
    assert_eq!(kept(3), [3, 7, 11]);
    assert_eq!(kept(4), [2, 5, 8, 11]);
    assert_eq!(kept(12), (0..12).collect::<Vec<_>>());
    assert_eq!(kept(1), [11]);
}
