//! Rows that merge the teachers' weights.

use faculty_core::Silent;
use faculty_experiment::{
    CellRecord, CellStatus, DataAccess, ExperimentOptions, RawRecord, prepare_experiment, read_raw, run_experiment,
};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::{Path, PathBuf};

const ROWS: &str = r#"
[[row]]
name = "average"
method = { kind = "merge", rule = "average" }

[[row]]
name = "TIES"
method = { kind = "merge", rule = "ties", scale = "1/n" }

[[row]]
name = "DARE"
method = { kind = "merge", rule = "dare", then = { rule = "ties", trim = 0.5 } }

[[row]]
name = "RegMean"
method = { kind = "merge", rule = "regmean", texts = 6 }

[[row]]
name = "concat"
method = { kind = "concat" }
"#;

/// An experiment over two teachers that exist already, and the options to run it.
fn experiment(dir: &Path, second: &TinySpec) -> ExperimentOptions {
    let encoder = tiny_classifier_dir(dir.join("encoder"), &TinySpec::new(["a", "b"]));
    let first = tiny_classifier_dir(dir.join("first"), &TinySpec::new(["balance", "transfer"]));
    let second = tiny_classifier_dir(dir.join("second"), second);
    let text = |path: PathBuf| path.display().to_string();
    let file = dir.join("merging.toml");
    let head = format!(
        r#"schema = 1
[table]
title = "Merging"
seeds = [1]
[data]
source = "clinc150"
transfer_texts_per_class = 4
test_texts_per_class = 5
[[data.teacher]]
name = "bank"
model = {:?}
[[data.teacher]]
name = "trips"
model = {:?}
[teacher]
init = {encoder:?}
[student]
init = {encoder:?}
"#,
        text(first),
        text(second),
        encoder = text(encoder),
    );
    std::fs::write(&file, head + ROWS).unwrap();
    ExperimentOptions { file, out: Some(dir.join("run")), ..ExperimentOptions::default() }
}

#[test]
fn merged_rows_are_planned_without_training_and_measured_over_the_union() {
    let dir = tempfile::tempdir().unwrap();
    let options = experiment(dir.path(), &TinySpec::new(["book_flight", "book_hotel", "timezone"]));
    let plan = prepare_experiment(&options, &Silent).unwrap().plan;
    assert!(plan.cells.iter().all(|cell| cell.seed.is_none() && cell.updates == 0));
    let access: Vec<DataAccess> = plan.cells.iter().map(|cell| cell.access).collect();
    let none = DataAccess::None;
    assert_eq!(access, [none, none, none, DataAccess::Unlabelled, none]);

    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!((summary.computed, summary.failed), (5, 0), "{}", summary.table);
    assert!(summary.table.contains("largest logit of all decides"), "{}", summary.table);
    let records = read_raw(&summary.raw_path).unwrap();
    for name in ["average", "TIES", "DARE", "RegMean"] {
        let cell = records.iter().find_map(|record| match record {
            RawRecord::Cell(cell) if cell.row == name => Some(cell),
            _ => None,
        });
        let cell = cell.unwrap();
        let metrics = cell.metrics.as_ref().unwrap();
        assert_eq!((metrics.texts, cell.slices.len(), cell.steps), (25, 2, 0), "{name}");
        assert!(cell.parameters > 0, "{name}");
    }
    // Encoders that never moved: merged heads are the concatenation of the teachers.
    let accuracy = |name: &str| {
        records.iter().find_map(|record| match record {
            RawRecord::Cell(cell) if cell.row == name => cell.metrics.as_ref().map(|metrics| metrics.accuracy),
            _ => None,
        })
    };
    assert_eq!(accuracy("average"), accuracy("concat"));
    assert_eq!(run_experiment(&options, &Silent).unwrap().computed, 0, "nothing is left to do");
}

const STARTS: &str = r#"
[[row]]
name = "average"
method = { kind = "merge", rule = "average" }
[[row]]
name = "from their mean"
method = { kind = "vanilla-kd" }
start = "merged"
[[row]]
name = "from the encoder"
method = { kind = "vanilla-kd" }
"#;

/// The cell of a row.
fn outcome(raw: &Path, row: &str) -> CellRecord {
    let cell = read_raw(raw).unwrap().into_iter().find_map(|record| match record {
        RawRecord::Cell(cell) if cell.row == row => Some(cell),
        _ => None,
    });
    *cell.unwrap()
}

fn accuracy_of(raw: &Path, row: &str) -> Option<f64> {
    outcome(raw, row).metrics.map(|metrics| metrics.accuracy)
}

#[test]
fn a_row_may_start_from_the_mean_of_the_teachers() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = experiment(dir.path(), &TinySpec::new(["book_flight", "book_hotel", "timezone"]));
    let text = std::fs::read_to_string(&options.file).unwrap().replace(ROWS, STARTS);
    std::fs::write(&options.file, &text).unwrap();
    // Students that hardly move are what they started from.
    options.overrides.set = vec!["student.train.learning_rate=1e-12".to_owned()];
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    assert!(summary.table.contains("from their mean: the student starts from the mean of the teachers' weights"));
    let accuracy = |row: &str| accuracy_of(&summary.raw_path, row).unwrap();
    assert_eq!(accuracy("from their mean"), accuracy("average"));
    assert_ne!(accuracy("from the encoder"), accuracy("average"));

    let unlike = tempfile::tempdir().unwrap();
    let second = TinySpec { intermediate: 48, ..TinySpec::new(["book_flight", "book_hotel", "timezone"]) };
    let options = experiment(unlike.path(), &second);
    std::fs::write(&options.file, std::fs::read_to_string(&options.file).unwrap().replace(ROWS, STARTS)).unwrap();
    let summary = run_experiment(&options, &Silent).unwrap();
    let failed = outcome(&summary.raw_path, "from their mean");
    assert!(failed.metrics.is_none() && failed.reason.unwrap().contains("trips"), "{}", summary.table);
    assert!(outcome(&summary.raw_path, "from the encoder").metrics.is_some());

    // A row may have a rate of its own, and the table says so.
    let slow = text.replace("start = \"merged\"", "start = \"merged\"\nlearning_rate = 1e-12");
    let file = unlike.path().join("slow.toml");
    std::fs::write(&file, slow).unwrap();
    let out = Some(unlike.path().join("slow"));
    let summary = run_experiment(&ExperimentOptions { file, out, ..ExperimentOptions::default() }, &Silent).unwrap();
    assert!(summary.table.contains("from their mean: peak learning rate 1e-12, of the others"), "{}", summary.table);
    let accuracy = |row: &str| accuracy_of(&summary.raw_path, row).unwrap();
    assert_eq!(accuracy("from their mean"), accuracy("average"));

    // Both determine the cell of their row, and no other one.
    let hashes = |file: &Path| -> Vec<String> {
        let options = ExperimentOptions { file: file.to_owned(), ..ExperimentOptions::default() };
        let cells = prepare_experiment(&options, &Silent).unwrap().plan.cells;
        cells.into_iter().map(|cell| cell.hash).collect()
    };
    let [base, slow, elsewhere] = ["base", "slow", "elsewhere"].map(|name| unlike.path().join(format!("{name}.toml")));
    std::fs::write(&base, &text).unwrap();
    std::fs::write(&elsewhere, text.replace("start = \"merged\"", "start = \"fresh:1x64\"")).unwrap();
    let changed = |file: &Path| -> Vec<bool> {
        hashes(&base).iter().zip(hashes(file)).map(|(before, now)| *before != now).collect()
    };
    assert_eq!(changed(&slow), [false, true, false], "a rate");
    assert_eq!(changed(&elsewhere), [false, true, false], "a start");

    // A student of another size than the others.
    let out = Some(unlike.path().join("elsewhere"));
    let small = ExperimentOptions { file: elsewhere, out, ..ExperimentOptions::default() };
    let summary = run_experiment(&small, &Silent).unwrap();
    let parameters = |row: &str| outcome(&summary.raw_path, row).parameters;
    assert!(parameters("from their mean") > parameters("from the encoder"), "{}", summary.table);
    assert!(summary.table.contains("from their mean: the student is another one than the others: fresh:1x64"));

    let wrong = text.replace("start = \"merged\"", "start = \"minilm-l3\"");
    let file = unlike.path().join("wrong.toml");
    std::fs::write(&file, wrong).unwrap();
    let options = ExperimentOptions { file, ..ExperimentOptions::default() };
    let error = prepare_experiment(&options, &Silent).unwrap_err().to_string();
    assert!(error.contains("start") && error.contains("merged"), "{error}");
}

#[test]
fn teachers_that_cannot_be_merged_stay_in_the_table_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let labels = ["book_flight", "book_hotel", "timezone"];
    let options = experiment(dir.path(), &TinySpec { intermediate: 48, ..TinySpec::new(labels) });
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "a merge that cannot be is a result: {}", summary.table);
    assert!(summary.table.contains("| refused"), "{}", summary.table);
    let refused = read_raw(&summary.raw_path).unwrap().into_iter().filter_map(|record| match record {
        RawRecord::Cell(cell) if cell.status == CellStatus::Refused => cell.reason,
        _ => None,
    });
    let reasons: Vec<String> = refused.collect();
    assert_eq!(reasons.len(), 4);
    for reason in reasons {
        assert!(
            reason.contains("`trips` cannot be merged") && reason.contains("intermediate.dense.weight"),
            "{reason}"
        );
    }
    assert_eq!(run_experiment(&options, &Silent).unwrap().computed, 0, "and it is not tried again");
}
