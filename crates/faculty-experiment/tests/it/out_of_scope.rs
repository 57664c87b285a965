//! Texts that belong to no class: measured for rows, gates and scores, from a run of tiny teachers.

use crate::support::{Row, declare, rows};
use burn::tensor::Device;
use faculty_core::Silent;
use faculty_core::metrics::Separation;
use faculty_experiment::{CellRecord, ExperimentOptions, RawRecord, ScoreStudy, check_run, read_raw, run_experiment};
use faculty_model::Classifier;
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::Path;

const ROWS: &str = r#"
[[row]]
name = "teacher 1"
method = { kind = "teacher", index = 0 }
[[row]]
name = "concat"
method = { kind = "concat" }
[[row]]
name = "average"
method = { kind = "merge", rule = "average" }
[[row]]
name = "vanilla KD"
method = { kind = "vanilla-kd" }
[[row]]
name = "uniform"
method = { kind = "uniform" }
[[row]]
name = "MUKI"
method = { kind = "muki", passes = 3 }
[[row]]
name = "claim"
role = "variant"
method = { kind = "claim-and-normalise", score = { kind = "energy" } }
[[row]]
name = "Mahalanobis"
role = "variant"
method = { kind = "recipe", gate = { score = { kind = "mahalanobis" }, gate = { kind = "calibrated", nobody = true } } }
"#;

const LABELS: [&str; 4] = ["a", "b", "c", "d"];

/// An experiment of two teachers fine-tuned from a tiny encoder, with 15 texts that belong to no class.
fn experiment(root: &Path, selection_on: &str) -> ExperimentOptions {
    declare(root, "own", &LABELS, "", &[("train", rows("train", 4, 20)), ("test", rows("test", 4, 5))]);
    let beyond: Vec<Row> = (0..15).map(|row| (format!("nothing of the kind, {row} times"), None)).collect();
    declare(root, "beyond", &[], "", &[("oos", beyond)]);
    let encoder = tiny_classifier_dir(root.join("encoder"), &TinySpec::new(["x", "y"]));
    let text = format!(
        r#"schema = 1
[table]
title = "Out of scope"
[data]
source = "own"
teacher_count = 2
teacher_texts_per_class = 10
transfer_texts_per_class = 8
out_of_scope = "beyond"
[teacher]
init = {encoder:?}
[teacher.train]
epochs = 1
learning_rate = 1e-3
[scan]
selection_on = "{selection_on}"
[student]
init = {encoder:?}
[student.train]
epochs = 1
learning_rate = 1e-3
{ROWS}"#,
        encoder = encoder.display().to_string()
    );
    let file = root.join(format!("{selection_on}.toml"));
    std::fs::write(&file, text).unwrap();
    let (data_dir, out) = (Some(root.to_path_buf()), Some(root.join(selection_on)));
    ExperimentOptions { file, data_dir, out, ..ExperimentOptions::default() }
}

fn run(options: &ExperimentOptions) -> (Vec<CellRecord>, ScoreStudy, String, std::path::PathBuf) {
    let summary = run_experiment(options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    let (mut cells, mut study) = (Vec::new(), None);
    for record in read_raw(&summary.raw_path).unwrap() {
        match record {
            RawRecord::Cell(cell) => cells.push(*cell),
            RawRecord::OutOfScope(found) => study = Some(found),
            _ => {}
        }
    }
    check_run(&summary.run_dir).unwrap();
    (cells, study.unwrap(), summary.table, summary.student_dir.unwrap())
}

fn cell<'a>(cells: &'a [CellRecord], name: &str) -> &'a CellRecord {
    cells.iter().find(|cell| cell.row == name).unwrap()
}

/// Every pair, one by one.
fn by_pairs(inside: &[f64], outside: &[f64]) -> f64 {
    let pairs = inside.iter().flat_map(|own| outside.iter().map(move |other| (own, other)));
    let won = pairs.map(|(own, other)| if own > other { 1.0 } else { f64::from(u8::from(own == other)) / 2.0 });
    won.sum::<f64>() / (inside.len() * outside.len()) as f64
}

#[test]
fn every_row_gate_and_score_says_how_it_tells_them() {
    let root = tempfile::tempdir().unwrap();
    let options = experiment(root.path(), "test");
    let (cells, study, table, student) = run(&options);
    assert_eq!(cells.len(), 8);
    for cell in &cells {
        let found = cell.details.out_of_scope.as_ref().unwrap_or_else(|| panic!("{} was not measured", cell.row));
        let confident = found.by_confidence().unwrap();
        assert_eq!((confident.inside, confident.outside), (20, 15), "{}", cell.row);
        let scores: Vec<&str> = found.answers.iter().map(|answer| answer.score.as_str()).collect();
        let with_energy = ["max-softmax", "entropy", "energy"];
        assert_eq!(scores, if cell.row == "teacher 1" { &with_energy[..2] } else { &with_energy }, "{}", cell.row);
        let gated = ["MUKI", "claim", "Mahalanobis"].contains(&cell.row.as_str());
        assert_eq!(found.gate.is_some(), gated, "{}", cell.row);
    }

    // The student that was kept, asked again, and every pair of its answers compared.
    let student = Classifier::open(&student, &Device::flex()).unwrap();
    let largest = |texts: &[String]| -> Vec<f64> {
        let logits = student.logits(&student.tokenize(texts, None).unwrap(), &Silent).unwrap();
        let row = |row: &[f32]| {
            let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
            row.iter().map(|&logit| f64::from(logit).exp() / sum).fold(0.0, f64::max)
        };
        logits.chunks_exact(4).map(row).collect()
    };
    let test: Vec<String> = rows("test", 4, 5).into_iter().map(|(text, _)| text).collect();
    let beyond: Vec<String> = (0..15).map(|row| format!("nothing of the kind, {row} times")).collect();
    let (inside, outside) = (largest(&test), largest(&beyond));
    let found = cell(&cells, "MUKI").details.out_of_scope.as_ref().unwrap();
    assert!((found.by_confidence().unwrap().auroc - by_pairs(&inside, &outside)).abs() < 1e-6);
    assert!((found.confidence_outside - outside.iter().sum::<f64>() / 15.0).abs() < 1e-6);

    let gate = |name: &str| cell(&cells, name).details.out_of_scope.as_ref().unwrap().gate.clone().unwrap();
    let muki = gate("MUKI");
    assert_eq!((muki.inside.quality.texts, muki.outside.quality.texts), (20, 15));
    assert!(muki.sample_weight.is_some(), "MUKI weighs texts by their margin");
    assert_eq!((muki.inside.dropped, muki.outside.dropped), (0.0, 0.0));
    let (claim, nobody) = (gate("claim"), gate("Mahalanobis"));
    assert!(claim.inside.dropped + claim.outside.dropped > 0.0, "a gate of claims drops what nobody claims");
    assert!((0.0..1.0).contains(&nobody.outside.sample_weight), "a text may be nobody's: {nobody:?}");

    let scores: Vec<&str> = study.scores.iter().map(|score| score.score.as_str()).collect();
    let expected = ["max-softmax", "margin", "energy", "single-pass-entropy", "mc-entropy", "mahalanobis"];
    assert_eq!(scores[..6], expected);
    assert_eq!(scores[6..], ["relative-mahalanobis", "kulsif-ratio"]);
    assert_eq!((study.inside, study.outside, study.inside_are.as_str()), (20, 15, "test"));
    let count = |found: &Option<Separation>| found.map(|found| (found.inside, found.outside));
    for score in &study.scores {
        assert_eq!((score.largest.inside, score.largest.outside), (20, 15));
        assert_eq!(score.own.iter().map(count).collect::<Vec<_>>(), [Some((10, 15)), Some((10, 15))]);
        assert_eq!(score.foreign.iter().map(count).collect::<Vec<_>>(), [Some((10, 10)), Some((10, 10))]);
    }

    for words in ["oos AUROC %", "15 texts belong to no class", "What gates give them", "kulsif-ratio"] {
        assert!(table.contains(words), "{words:?} is missing in\n{table}");
    }
    let page = std::fs::read_to_string(root.path().join("test/table.html")).unwrap();
    crate::report::check_markup(&page);
    assert!(page.contains("id=\"out-of-scope\"") && page.contains("other teachers&#39; texts"));
    let csv = std::fs::read_to_string(root.path().join("test/table.csv")).unwrap();
    let mut lines = csv.lines();
    let columns = lines.next().unwrap().split(',').count();
    assert!(csv.contains(",oos_auroc,") && lines.all(|line| line.split(',').count() == columns), "{csv}");

    let again = run_experiment(&options, &Silent).unwrap();
    assert_eq!((again.computed, again.table), (0, table), "a finished run measures nothing again");
}

#[test]
fn gates_may_be_compared_on_transfer_texts() {
    let root = tempfile::tempdir().unwrap();
    let (cells, study, ..) = run(&experiment(root.path(), "transfer"));
    assert_eq!((study.inside, study.outside, study.inside_are.as_str()), (32, 15, "transfer"));
    let muki = cell(&cells, "MUKI").details.out_of_scope.as_ref().unwrap();
    assert_eq!(muki.by_confidence().unwrap().inside, 20, "answers are always compared on the measuring texts");
    assert_eq!(muki.gate.as_ref().unwrap().inside.quality.texts, 32);
}
