//! Gates that hear the mean of the teachers' weights, and teachers that have none.

use crate::small_world::{Heard, cell, experiment, teacher_dirs};
use faculty_core::Silent;
use faculty_experiment::{ExperimentOptions, prepare_experiment, run_experiment};
use faculty_hub::ModelDir;
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::Path;

const TEAMS: &str = "[data]\nsource = \"words\"\nsplit = \"contiguous\"\nteacher_count = 2\nteacher_texts_per_class = 20\n\
                     transfer_texts_per_class = 16\n";

fn rows() -> String {
    let row = |name: &str, method: &str| format!("[[row]]\nname = \"{name}\"\nmethod = {{ {method} }}\n");
    let energy = "score = { kind = \"energy\" }";
    [
        row("Faculty", "kind = \"faculty\", passes = { count = 4 }"),
        row("deaf", "kind = \"faculty\", passes = { count = 4 }, merged_share = 0.0"),
        row(
            "ensemble",
            &format!(
                "kind = \"gated-ensemble\", gate = {{ {energy}, z_normalise = true, merged_share = 0.7, neighbours = {{}} }}"
            ),
        ),
    ]
    .concat()
}

fn options(root: &std::path::Path, teams: &str, selection_on: &str) -> ExperimentOptions {
    let lines = format!("[scan]\nselection_on = \"{selection_on}\"\n{teams}{}", rows());
    experiment(root, "merged", 8, &lines)
}

#[test]
fn the_mean_of_the_teachers_is_asked_once_and_said_in_the_table() {
    for selection_on in ["test", "transfer"] {
        let root = tempfile::tempdir().unwrap();
        let options = options(root.path(), TEAMS, selection_on);
        assert!(
            prepare_experiment(&options, &Silent).unwrap().plan.describe().contains("mean of the teachers' weights")
        );
        let heard = Heard::default();
        let summary = run_experiment(&options, &heard).unwrap();
        assert_eq!(summary.failed, 0, "{}", summary.table);
        let stages = heard.stages.lock().unwrap();
        assert_eq!(stages.iter().filter(|stage| stage.contains("the mean of the teachers")).count(), 1, "{stages:?}");
        assert!(summary.table.contains("Faculty; ensemble: gates hear the mean of the teachers' weights too"));
        let (hears, deaf) = (cell(&options, "Faculty"), cell(&options, "deaf"));
        assert_eq!((hears.details.merged.as_deref(), deaf.details.merged), (Some("heard"), None));
        assert!(hears.selection != deaf.selection, "the gate is another");
        assert!(cell(&options, "ensemble").metrics.is_some());
    }
}

#[test]
fn teachers_that_cannot_be_merged_are_weighed_by_their_own_scores() {
    let root = tempfile::tempdir().unwrap();
    let wide = TinySpec { hidden: 48, gain: 3.0, ..TinySpec::new(["a", "b"]) };
    let wide = tiny_classifier_dir(root.path().join("wide"), &wide).display().to_string();
    let teams = format!("{TEAMS}[[data.teacher]]\nname = \"one\"\n[[data.teacher]]\nname = \"two\"\ninit = {wide:?}\n");
    let options = options(root.path(), &teams, "test");
    let heard = Heard::default();
    let summary = run_experiment(&options, &heard).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    let warnings = heard.warnings.lock().unwrap();
    assert!(warnings.iter().any(|text| text.contains("go without the mean of the teachers' weights")), "{warnings:?}");
    assert!(summary.table.contains("Faculty; ensemble: gates without the mean of the teachers' weights: "));
    let (without, deaf) = (cell(&options, "Faculty"), cell(&options, "deaf"));
    assert!(without.details.merged.unwrap().starts_with("left out: "));
    assert_eq!((without.selection, without.metrics), (deaf.selection, deaf.metrics), "the same gate, the same student");
}

#[test]
fn a_start_that_nothing_vouches_for_is_not_averaged_though_the_shapes_fit() {
    let root = tempfile::tempdir().unwrap();
    let other = TinySpec { gain: 3.0, ..TinySpec::new(["a", "b"]).seed(7) };
    let other = tiny_classifier_dir(root.path().join("other"), &other).display().to_string();
    let teams =
        format!("{TEAMS}[[data.teacher]]\nname = \"one\"\n[[data.teacher]]\nname = \"two\"\ninit = {other:?}\n");
    let options = options(root.path(), &teams, "test");
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    let words = "Faculty; ensemble: gates without the mean of the teachers' weights: nothing says that teacher two was";
    assert!(summary.table.contains(words), "{}", summary.table);
    assert_eq!(cell(&options, "Faculty").selection, cell(&options, "deaf").selection);
}

#[test]
fn teachers_that_were_loaded_are_averaged_where_their_records_name_the_start() {
    let root = tempfile::tempdir().unwrap();
    let trained = options(root.path(), TEAMS, "transfer");
    run_experiment(&trained, &Silent).unwrap();
    let dirs = teacher_dirs(&trained);
    let start = ModelDir::open(root.path().join("encoder")).unwrap().model_hash().unwrap();
    let record = |start: &str| format!("{{\"model_sha256\":{start:?}}}");
    for (name, second, words) in [
        ("same", Some(record(&start)), None),
        ("foreign", Some(record("0000aaaa")), Some("it was fine-tuned from the checkpoint 0000aaaa")),
        ("silent", None, Some("nothing says that teacher two was fine-tuned from the others' start")),
    ] {
        std::fs::write(dirs[0].join("faculty.json"), record(&start)).unwrap();
        let beside = dirs[1].join("faculty.json");
        match second {
            Some(second) => std::fs::write(&beside, second).unwrap(),
            None => std::fs::remove_file(&beside).unwrap(),
        }
        let teacher = |name: &str, dir: &Path| format!("[[data.teacher]]\nname = {name:?}\nmodel = {dir:?}\n");
        let teams = format!(
            "[data]\nsource = \"words\"\ntransfer_texts_per_class = 16\n{}{}",
            teacher("one", &dirs[0]),
            teacher("two", &dirs[1])
        );
        let lines = format!("[scan]\nselection_on = \"transfer\"\n{teams}{}", rows());
        let loaded = experiment(root.path(), name, 8, &lines);
        let summary = run_experiment(&loaded, &Silent).unwrap();
        assert_eq!(summary.failed, 0, "{}", summary.table);
        let merged = cell(&loaded, "Faculty").details.merged.unwrap();
        match words {
            None => assert_eq!(merged, "heard"),
            Some(words) => assert!(merged.starts_with("left out: ") && merged.contains(words), "{merged}"),
        }
    }
}
