//! Rows that read fewer of the task's texts than the others, in passes of their own.

use crate::small_world::{cell, experiment};
use crate::support::parse;
use faculty_core::Silent;
use faculty_experiment::{prepare_experiment, run_experiment};

const LINES: &str = r#"
[data]
source = "words"
split = "contiguous"
teacher_count = 2
teacher_texts_per_class = 20
transfer_texts_per_class = 16

[scan]
selection_on = "transfer"

[[row]]
name = "all"
method = { kind = "faculty", passes = { count = 4 } }

[[row]]
name = "few"
few_shot_k = 1
epochs = 8
method = { kind = "faculty", passes = { count = 4 } }

[[row]]
name = "ceiling"
method = { kind = "supervised" }

[[row]]
name = "few labels"
few_shot_k = 2
method = { kind = "supervised" }
"#;

#[test]
fn few_texts_are_read_in_more_passes() {
    let root = tempfile::tempdir().unwrap();
    let options = experiment(root.path(), "row-draws", 8, LINES);
    let prepared = prepare_experiment(&options, &Silent).unwrap();
    // Eight classes, batches of 16, six passes: 128 texts, 8, 128, and 16 in each.
    let planned: Vec<usize> = prepared.plan.cells.iter().map(|cell| cell.updates).collect();
    assert_eq!(planned, [48, 8, 48, 6]);
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    for (row, steps, texts) in [("all", 48, 768), ("few", 8, 64), ("ceiling", 48, 768), ("few labels", 6, 96)] {
        let cell = cell(&options, row);
        assert_eq!((cell.steps, cell.texts_seen), (steps, texts), "{row}");
    }
    for words in ["few: reads 8 texts, drawn for every seed anew, in 8 updates", "few labels: reads 16 texts"] {
        assert!(summary.table.contains(words), "{words}: {}", summary.table);
    }
    // What is kept is kept of the first row that reads labels.
    assert!(summary.table.contains("| ceiling ") && summary.table.contains("100.0"), "{}", summary.table);
}

#[test]
fn draws_that_make_no_sense_are_refused_by_their_key() {
    let head = "schema = 1\n[table]\ntitle = \"x\"\nseeds = [1]\n[teacher]\ninit = \"minilm-l3\"\n[student]\n\
                init = \"minilm-l3\"\n[data]\nsource = \"clinc150\"\ncontiguous_teachers = 2\n";
    let row = "[[row]]\nname = \"a\"\n";
    let text = "[[text]]\nname = \"noise\"\nsource = { kind = \"random-tokens\" }\nper_class = 2\n";
    for (lines, words) in [
        (format!("{row}few_shot_k = 0\nmethod = {{ kind = \"uhc\" }}\n"), "few_shot_k"),
        (format!("{row}epochs = 0\nmethod = {{ kind = \"uhc\" }}\n"), "epochs"),
        (format!("{row}epochs = 2\nmethod = {{ kind = \"concat\" }}\n"), "trains no student"),
        (
            format!("{text}{row}text = \"noise\"\nfew_shot_k = 1\nmethod = {{ kind = \"uhc\" }}\n"),
            "the row reads others",
        ),
        (format!("[data.noise]\nempty = 0.1\n{row}few_shot_k = 1\nmethod = {{ kind = \"uhc\" }}\n"), "two studies"),
    ] {
        let error = parse(&format!("{head}{lines}")).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}
