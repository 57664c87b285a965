//! Gates that hear the mean of the teachers' weights, and teachers that have none.

use crate::small_world::{Heard, cell, experiment};
use faculty_core::Silent;
use faculty_experiment::{ExperimentOptions, prepare_experiment, run_experiment};
use faculty_testkit::{TinySpec, tiny_classifier_dir};

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
