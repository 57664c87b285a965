//! Rows that read labels for analysis, answer with all teachers, or ask teachers while the student is trained.

use crate::small_world::{Heard, cell, experiment};
use crate::support::{SMALL, error_of, parse};
use faculty_core::Silent;
use faculty_experiment::schema::Role;
use faculty_experiment::{CellStatus, DataAccess, TeacherPasses, prepare_experiment, run_experiment};
use faculty_testkit::{TinySpec, tiny_classifier_dir};

const TEAMS: &str = "[data]\nsource = \"words\"\nsplit = \"contiguous\"\nteacher_count = 2\nteacher_texts_per_class = 20\n\
                     transfer_texts_per_class = 16\n";

fn row(name: &str, method: &str) -> String {
    format!("[[row]]\nname = \"{name}\"\nmethod = {{ {method} }}\n")
}

#[test]
fn what_gating_and_distillation_cost_stands_in_one_table() {
    let root = tempfile::tempdir().unwrap();
    let rows = [
        row("concat", "kind = \"concat\""),
        row("gated ensemble", "kind = \"gated-ensemble\", passes = { count = 4 }"),
        row("energy ensemble", "kind = \"gated-ensemble\", gate = { score = { kind = \"energy\" } }"),
        row("MUKI soft", "kind = \"muki\", passes = 4, margin = false"),
        row("oracle gate", "kind = \"oracle\""),
        row("ceiling", "kind = \"supervised\""),
    ];
    let options = experiment(root.path(), "bounds", 8, &format!("{TEAMS}{}", rows.concat()));
    let plan = prepare_experiment(&options, &Silent).unwrap().plan;
    let found: Vec<_> = plan.cells.iter().map(|cell| (cell.name.as_str(), cell.access, cell.updates > 0)).collect();
    let (unlabelled, labelled) = (DataAccess::Unlabelled, DataAccess::Labelled);
    assert_eq!(
        found,
        [
            ("concat", DataAccess::None, false),
            ("gated ensemble", unlabelled, false),
            ("energy ensemble", unlabelled, false),
            ("MUKI soft", unlabelled, true),
            ("oracle gate", labelled, true),
            ("ceiling", labelled, true),
        ]
    );
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!((summary.failed, summary.computed), (0, 6), "{}", summary.table);
    let line = |name: &str| summary.table.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap();
    assert!(line("oracle gate").contains("| selection "), "{}", line("oracle gate"));
    assert!(line("ceiling").contains("| training ") && line("MUKI soft").contains("| none "));
    assert!(line("gated ensemble").contains("(fixed)") && line("gated ensemble").contains("| none "));
    assert!(summary.table.contains("oracle gate: labels choose the teachers of every transfer text"));

    let (oracle, muki) = (cell(&options, "oracle gate"), cell(&options, "MUKI soft"));
    let selection = |cell: &faculty_experiment::CellRecord| cell.selection.as_ref().unwrap().accuracy;
    assert_eq!(selection(&oracle), 1.0);
    assert!(selection(&muki) < 1.0 && oracle.target_accuracy >= muki.target_accuracy);
    // What is kept is kept of the ceiling, although the oracle stands above it.
    let accuracy = |name: &str| cell(&options, name).metrics.unwrap().accuracy;
    let kept = 100.0 * accuracy("oracle gate") / accuracy("ceiling");
    assert!(line("oracle gate").contains(&format!(" {kept:.1} |")), "{} {kept}", line("oracle gate"));
    assert!(line("ceiling").contains("100.0"));
    // All teachers under MUKI's gate are MUKI's target on the measuring texts.
    let ensemble = cell(&options, "gated ensemble");
    assert!((ensemble.metrics.as_ref().unwrap().accuracy - muki.target_accuracy.unwrap()).abs() < 1e-9);
    assert_eq!(ensemble.selection, muki.selection);
    assert_eq!(ensemble.parameters, cell(&options, "concat").parameters);
    assert!(cell(&options, "energy ensemble").metrics.is_some());
}

#[test]
fn labels_for_selection_are_declared_and_an_oracle_is_no_rival() {
    let with = |method: &str, role: &str| {
        SMALL.replace("method = { kind = \"muki\", passes = 4 }", &format!("method = {{ {method} }}\n{role}"))
    };
    let read = parse(&with("kind = \"oracle\"", "")).unwrap();
    assert_eq!((read.rows[1].role(), read.access(&read.rows[1]).unwrap()), (Role::Ceiling, DataAccess::Labelled));
    let error = error_of(&with("kind = \"oracle\"", "role = \"baseline\""));
    assert!(error.contains("uses labels") && error.contains("role = \"ceiling\""), "{error}");
}

#[test]
fn an_ensemble_needs_scans_of_the_texts_that_it_answers() {
    let root = tempfile::tempdir().unwrap();
    let plan = |name: &str, gate: &str| {
        let lines = format!(
            "{TEAMS}[scan]\nselection_on = \"transfer\"\n{}",
            row("ensemble", &format!("kind = \"gated-ensemble\"{gate}"))
        );
        prepare_experiment(&experiment(root.path(), name, 8, &lines), &Silent)
    };
    for (name, gate) in [("passes", ""), ("features", ", gate = { score = { kind = \"mahalanobis\" } }")] {
        let error = plan(name, gate).unwrap_err().to_string();
        assert!(error.contains("row[0].method.gate") && error.contains("selection_on = \"test\""), "{error}");
    }
    plan("logits", ", gate = { score = { kind = \"energy\" } }").unwrap();
}

#[test]
fn a_row_that_asks_teachers_in_training_says_how_often() {
    let root = tempfile::tempdir().unwrap();
    let rows = [
        row("backward", "kind = \"backward-kd\", passes = { count = 2 }, backward = { every = 8 }"),
        row("vanilla", "kind = \"vanilla-kd\""),
    ];
    let options = experiment(root.path(), "backward", 8, &format!("{TEAMS}{}", rows.concat()));
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    // 128 texts in 8 batches of 16, 6 times: 48 updates, of which 6 ask two teachers three times forward, twice backward.
    let found = cell(&options, "backward");
    assert_eq!(found.steps, 48);
    assert_eq!(found.details.teacher_passes, Some(TeacherPasses { forward: 6 * 16 * 2 * 3, backward: 6 * 16 * 2 * 2 }));
    assert_eq!(cell(&options, "vanilla").details.teacher_passes, None);
    let words = "backward: 576 forward and 384 backward passes of teachers over single texts in each training";
    assert!(summary.table.contains(words), "{}", summary.table);
    assert!(std::fs::read_to_string(&summary.page_path).unwrap().contains(words));
}

#[test]
fn teachers_that_read_otherwise_fail_the_row_with_the_reason_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let odd = tiny_classifier_dir(root.path().join("odd"), &TinySpec { gain: 3.0, ..TinySpec::new(["a", "b"]) });
    let path = odd.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"ment\"", "\"mont\"").replace("##ment", "##mont");
    std::fs::write(&path, text).unwrap();
    let lines = format!(
        "{TEAMS}[[data.teacher]]\nname = \"one\"\n[[data.teacher]]\nname = \"two\"\ninit = {:?}\n{}{}",
        odd.display().to_string(),
        row("backward", "kind = \"backward-kd\", passes = { count = 2 }"),
        row("vanilla", "kind = \"vanilla-kd\""),
    );
    let options = experiment(root.path(), "odd", 8, &lines);
    let heard = Heard::default();
    let summary = run_experiment(&options, &heard).unwrap();
    assert_eq!((summary.failed, summary.computed), (1, 2), "{}", summary.table);
    let failed = cell(&options, "backward");
    assert_eq!(failed.status, CellStatus::Failed);
    let reason = failed.reason.unwrap();
    assert!(reason.contains("`two` has another vocabulary than the student"), "{reason}");
    assert!(heard.warnings.into_inner().unwrap().iter().any(|text| text.contains("another vocabulary")));
    assert_eq!(cell(&options, "vanilla").status, CellStatus::Ok);
}
