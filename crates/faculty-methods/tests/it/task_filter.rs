//! Students over some of the labels: what is left out, and what the rest is weighed by.

use crate::observed::Notes;
use crate::stage::{Stage, settings, weights};
use crate::taught::{Taught, taught};
use crate::toy;
use burn::tensor::Device;
use faculty_core::metrics::argmax_rows;
use faculty_core::{Aliases, LabelJoin, LabelSpace, Silent, Stream};
use faculty_methods::{
    AmalgamateRun, FacultySpec, GateTable, Intended, MethodSpec, MukiSpec, TransferSet, amalgamate, gated_scores,
};
use faculty_model::Classifier;
use faculty_student::{StudentSpec, StudentStart, TrainRun, TrainSettings, build_student};
use faculty_teacher::{PassArrays, TeacherOutputs};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::sync::Mutex;

/// The outputs under the labels of `some`, a part of `all`.
fn cut(outputs: &[TeacherOutputs], all: &LabelJoin, some: &LabelJoin) -> Vec<TeacherOutputs> {
    let parts = some.teachers().iter().zip(all.teachers());
    let of_teacher = |(outputs, (part, all)): (&TeacherOutputs, (&faculty_core::TeacherLabels, &_))| {
        let all: &faculty_core::TeacherLabels = all;
        let place = |own: &usize| all.kept().iter().position(|kept| kept == own).unwrap();
        outputs.columns(&part.kept().iter().map(place).collect::<Vec<_>>())
    };
    outputs.iter().zip(parts).map(of_teacher).collect()
}

#[test]
fn a_filter_that_lets_all_labels_through_is_none() {
    let stage = Stage::new();
    let all = stage.join.only(stage.join.union().names()).unwrap();
    let outputs = cut(&stage.outputs, &stage.join, &all);
    for method in [
        MethodSpec::VanillaKd { temperature: 2.0 },
        MethodSpec::Uhc { temperature: 2.0 },
        MethodSpec::Muki(MukiSpec::default()),
        MethodSpec::Faculty(FacultySpec::default()),
    ] {
        let ((mut plain, tokens), (mut filtered, _)) = (stage.student(), stage.student());
        let run = TrainRun::new(3, &Silent);
        amalgamate(&method, &mut plain, &tokens, stage.transfer(), &settings(), run).unwrap();
        let whole = stage.transfer();
        // Sure of a half at least, whoever is right: no text is left out of all labels.
        let some = TransferSet::new(&outputs, &all).unwrap().among(&whole).unwrap();
        amalgamate(&method, &mut filtered, &tokens, some, &settings(), run).unwrap();
        assert_eq!(weights(&plain), weights(&filtered), "{}", method.kind());
    }
}

/// p_1 = (0.9, 0.1) over {a, b} and p_2 = (0.5, 0.3, 0.2) over {c, d, e}, of one text; the case of the sheet on MUKI.
fn golden() -> (Vec<TeacherOutputs>, LabelJoin) {
    let outputs = |p: &[f32]| TeacherOutputs {
        classes: p.len(),
        logits: p.iter().map(|p| p.ln()).collect(),
        passes: Some(PassArrays { mean_probabilities: p.to_vec(), mean_entropy: vec![0.3], variance: vec![0.01] }),
        features: None,
        truncated: 0,
    };
    let spaces = [LabelSpace::new(["a", "b"]).unwrap(), LabelSpace::new(["c", "d", "e"]).unwrap()];
    let join = LabelJoin::build(&[("one", &spaces[0]), ("two", &spaces[1])], &Aliases::default()).unwrap();
    (vec![outputs(&[0.9, 0.1]), outputs(&[0.5, 0.3, 0.2])], join)
}

#[test]
fn the_target_is_that_of_all_labels_cut_and_renormalised() {
    let (outputs, join) = golden();
    let whole = TransferSet::new(&outputs, &join).unwrap();
    let join = join.only(&["d", "a", "c"]).unwrap();
    assert_eq!(join.union().names(), ["a", "c", "d"], "in the order of the union");
    let own = cut(&outputs, whole.join, &join);
    let some = TransferSet::new(&own, &join).unwrap().among(&whole).unwrap();
    let dir = tempfile::tempdir().unwrap();
    tiny_classifier_dir(dir.path(), &TinySpec::new(["a", "c", "d"]));
    let mut student = Classifier::open(dir.path(), &Device::flex()).unwrap();
    let tokens = student.tokenize(&["the bank"], None).unwrap();
    let seen = Mutex::new(None);
    let told = |gate: &GateTable| *seen.lock().unwrap() = Some(gate.clone());
    let run = AmalgamateRun { told: Some(&told), ..AmalgamateRun::new(TrainRun::new(1, &Silent)) };
    let settings = TrainSettings { epochs: 1, ..settings() };
    let method = MethodSpec::Muki(MukiSpec::default());
    amalgamate(&method, &mut student, &tokens, some, &settings, run).unwrap();
    let gate = seen.into_inner().unwrap().unwrap();
    // Published: 0.821007, 0.091223 for the first teacher, 0.043885, 0.026331, 0.017554 for the second.
    let sum = 0.821_007 + 0.043_885 + 0.026_331;
    let expected = [0.821_007 / sum, 0.043_885 / sum, 0.026_331 / sum];
    let found = gated_scores(&gate, &some, 1.0, &Device::flex()).unwrap();
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 2e-6, "{found} for {expected}");
    }
    assert!((gate.weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
}

/// A student over some labels of the toy task, with what was said.
fn student_of(
    world: &Taught,
    labels: &[&str],
    method: &MethodSpec,
    intended: Option<&[Intended]>,
) -> faculty_core::Result<(Classifier, Vec<String>)> {
    let texts = toy::texts(0..4, 30, 2).0;
    let outputs = world.outputs(&texts);
    let whole = TransferSet::new(&outputs, &world.join)?.with_intended(intended)?;
    let join = world.join.only(labels)?;
    let own = cut(&outputs, &world.join, &join);
    let some = TransferSet::new(&own, &join)?.with_intended(intended)?.among(&whole)?;
    let spec = StudentSpec::new(StudentStart::Teacher(0));
    let stream = Stream::new(1, "student");
    let (mut student, _) = build_student(&spec, join.union(), &world.asked(), stream, &Device::flex(), &Silent)?;
    let tokens = student.tokenize(&texts, None)?;
    let notes = Notes::default();
    let asked = world.asked();
    let run = AmalgamateRun::new(TrainRun::new(1, &notes)).with_teachers(&asked);
    let settings = TrainSettings { learning_rate: 2e-3, batch_size: 16, epochs: 12, ..TrainSettings::default() };
    amalgamate(method, &mut student, &tokens, some, &settings, run)?;
    Ok((student, notes.into_inner()))
}

/// The gate before the first update, of a student over these labels.
fn told(world: &Taught, labels: &[&str], method: &MethodSpec, intended: Option<&[Intended]>) -> GateTable {
    let texts = toy::texts(0..4, 30, 2).0;
    let outputs = world.outputs(&texts);
    let whole = TransferSet::new(&outputs, &world.join).unwrap().with_texts(texts.as_slice()).unwrap();
    let whole = whole.with_intended(intended).unwrap();
    let join = world.join.only(labels).unwrap();
    let own = cut(&outputs, &world.join, &join);
    let some =
        TransferSet::new(&own, &join).unwrap().with_texts(texts.as_slice()).unwrap().with_intended(intended).unwrap();
    let some = some.among(&whole).unwrap();
    let spec = StudentSpec::new(StudentStart::Teacher(0));
    let stream = Stream::new(1, "student");
    let (mut student, _) =
        build_student(&spec, join.union(), &world.asked(), stream, &Device::flex(), &Silent).unwrap();
    let tokens = student.tokenize(&texts, None).unwrap();
    let seen = Mutex::new(None);
    let told = |gate: &GateTable| *seen.lock().unwrap() = Some(gate.clone());
    let asked = world.asked();
    let run = AmalgamateRun::new(TrainRun::new(1, &Silent)).with_teachers(&asked);
    let run = AmalgamateRun { told: Some(&told), ..run };
    amalgamate(method, &mut student, &tokens, some, &TrainSettings { epochs: 1, ..settings() }, run).unwrap();
    seen.into_inner().unwrap().unwrap()
}

#[test]
fn gates_hear_of_texts_that_are_left_out_too() {
    let world = taught();
    let texts = toy::texts(0..4, 30, 2).0;
    // Two texts in three were written for the second teacher, who is cut to one of its labels.
    let intended: Vec<Intended> = (0..120).map(|text| Some(if text % 3 == 0 { (0, 0) } else { (1, 0) })).collect();
    let outputs = world.outputs(&texts);
    let wanted: Vec<&str> = (0..3).map(toy::class_name).collect();
    let masses: Vec<[f32; 2]> = (0..120)
        .map(|text| {
            let row = &outputs[1].logits[text * 2..(text + 1) * 2];
            [1.0, faculty_core::metrics::softmax(row)[0] as f32]
        })
        .collect();
    let rows: Vec<usize> = (0..120).filter(|&text| text % 3 == 0 || masses[text][1] >= 0.5).collect();
    assert!((60..110).contains(&rows.len()), "{}", rows.len());
    let all: Vec<&str> = (0..4).map(toy::class_name).collect();
    for json in [
        r#"{"kind": "max-confidence", "z_normalise": true}"#,
        r#"{"kind": "faculty", "score": {"kind": "energy"}, "merged_share": 0.0}"#,
        r#"{"kind": "stratanet", "blocks": {"count": 2, "integration": {"integrator": "none"}}}"#,
        r#"{"kind": "stratanet", "blocks": {"count": 2, "positions": "pooled", "confidence": {"score": "entropy"}}}"#,
    ] {
        let method: MethodSpec = serde_json::from_str(json).unwrap();
        let whole = told(world, &all, &method, Some(&intended));
        let some = told(world, &wanted, &method, Some(&intended));
        assert_eq!((whole.texts(), some.texts()), (120, rows.len()), "{json}");
        assert_eq!(some.scores, whole.select(&rows).scores, "{json}");
        for (at, &row) in rows.iter().enumerate() {
            let cut = [0, 1].map(|teacher| whole.weights[row * 2 + teacher] * masses[row][teacher]);
            let sum: f32 = cut.iter().sum();
            for (found, cut) in some.weights[at * 2..].iter().zip(cut) {
                let expected = cut / sum;
                assert!((found - expected).abs() < 1e-5, "{json}, text {row}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn texts_of_other_labels_are_left_out_and_never_answered() {
    let world = taught();
    let wanted: Vec<&str> = (0..3).map(toy::class_name).collect();
    let muki = MukiSpec { single_pass: true, ..MukiSpec::default() };
    for method in [MethodSpec::Muki(muki), MethodSpec::Uniform { temperature: 1.0 }] {
        let (student, notes) = student_of(world, &wanted, &method, None).unwrap();
        let left: usize = notes
            .iter()
            .find_map(|note| {
                note.strip_suffix(" of 120 texts are about other labels than the 3 asked for and are left out")
            })
            .unwrap_or_else(|| panic!("{notes:?}"))
            .parse()
            .unwrap();
        assert!((20..=40).contains(&left), "{left} of 120, of which 30 are about music");
        assert_eq!(student.labels.names(), wanted);
        // The teachers take money for food; who learns all labels does no better on these three.
        let names: Vec<&str> = (0..4).map(toy::class_name).collect();
        let (whole, _) = student_of(world, &names, &method, None).unwrap();
        let (some, all) = (right_of_three(&student), right_of_three(&whole));
        assert!(some >= all && some > 0.6, "{}: {some}, of all labels {all}", method.kind());
    }
}

/// The share of right answers to texts of the first three classes, of which one is answered.
fn right_of_three(student: &Classifier) -> f64 {
    let (texts, labels) = toy::texts(0..3, 25, 3);
    let tokens = student.tokenize(&texts, None).unwrap();
    let logits = student.logits(&tokens, &Silent).unwrap();
    let of_three: Vec<f32> = logits.chunks_exact(student.labels.len()).flat_map(|row| &row[..3]).copied().collect();
    let found = argmax_rows(&of_three, 3);
    found.iter().zip(&labels).filter(|(found, label)| found == label).count() as f64 / labels.len() as f64
}

#[test]
fn written_texts_are_left_out_by_the_word_of_their_teacher() {
    let world = taught();
    // By the gate the texts about music are the second teacher's, who gives food next to nothing of them. Written for food, they
    // are judged by the same teacher; those for the first one's labels by the first, whose labels are all learnt.
    let intended: Vec<Intended> = (0..120).map(|text| Some((0, text % 2))).collect();
    let wanted: Vec<&str> = (0..3).map(toy::class_name).collect();
    let method = MethodSpec::VanillaKd { temperature: 1.0 };
    let (_, notes) = student_of(world, &wanted, &method, Some(&intended)).unwrap();
    assert!(notes.iter().any(|note| note.starts_with("0 of 120 texts are about other labels")), "{notes:?}");
}

#[test]
fn what_cannot_be_cut_is_refused() {
    let world = taught();
    let said = |labels: &[&str], method: &MethodSpec| student_of(world, labels, method, None).unwrap_err().to_string();
    let vanilla = MethodSpec::VanillaKd { temperature: 1.0 };
    assert!(said(&["money", "musik"], &vanilla).contains("did you mean `music`?"));
    assert!(said(&["money", "money", "food"], &vanilla).contains("named twice"));
    assert!(said(&["money"], &vanilla).contains("teacher `two` has none of the labels"));
    let guessing: MethodSpec = serde_json::from_str(r#"{"kind": "as-dfd"}"#).unwrap();
    assert!(said(&["money", "food"], &guessing).contains("guesses texts for whole teachers"));

    let stage = Stage::new();
    let short: Vec<TeacherOutputs> = stage.outputs.iter().map(|outputs| outputs.select(&[0, 1])).collect();
    let whole = stage.transfer();
    assert!(TransferSet::new(&short, &stage.join).unwrap().among(&whole).is_err(), "other texts");
}
