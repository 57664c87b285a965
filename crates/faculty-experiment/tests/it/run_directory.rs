use crate::support::{SMALL, parse};
use faculty_experiment::{
    Cell, CellDetails, CellRecord, CellStatus, DataAccess, RawRecord, Resolved, RunDir, RunSettings, Seconds,
    append_raw, exact, read_raw,
};
use std::path::Path;

fn resolved(text: &str) -> Resolved {
    let run =
        RunSettings { device: "cpu".to_owned(), tier: None, data_sha256: "0".repeat(64), models_sha256: String::new() };
    Resolved { experiment: parse(text).unwrap(), run }
}

fn open(root: &Path, text: &str) -> faculty_core::Result<RunDir> {
    RunDir::open(root, &resolved(text), false)
}

fn cell(hash: &str) -> Cell {
    Cell {
        row: 1,
        name: "MUKI".to_owned(),
        text: 0,
        drawn: None,
        seed: Some(1),
        access: DataAccess::Unlabelled,
        updates: 3,
        keeps_student: false,
        hash: hash.to_owned(),
        is_absent: false,
    }
}

fn record(hash: &str, status: CellStatus) -> CellRecord {
    CellRecord {
        row: "MUKI".to_owned(),
        seed: Some(1),
        status,
        reason: (status == CellStatus::Failed).then(|| "the loss became NaN".to_owned()),
        metrics: None,
        slices: Vec::new(),
        test_sets: Vec::new(),
        selection: None,
        target_accuracy: None,
        parameters: 1,
        steps: 3,
        texts_seen: 9,
        truncated: 0,
        seconds: Seconds::default(),
        peak_memory_bytes: None,
        config_hash: hash.to_owned(),
        details: CellDetails::default(),
    }
}

#[test]
fn a_committed_cell_is_finished_under_its_hash_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), SMALL).unwrap();
    assert!(dir.finished(&cell("a")).is_none());
    dir.stage(&cell("a")).unwrap().commit(&record("a", CellStatus::Ok)).unwrap();
    assert_eq!(dir.finished(&cell("a")), Some(record("a", CellStatus::Ok)));
    assert!(dir.finished(&cell("b")).is_none());
    let wants_student = Cell { keeps_student: true, ..cell("a") };
    assert!(dir.finished(&wants_student).is_none(), "the student is not there");
    let result = dir.cell_path(&cell("a")).join("result.json");
    std::fs::write(&result, std::fs::read_to_string(&result).unwrap().replace("\"steps\": 3", "\"steps\": 4")).unwrap();
    assert!(dir.finished(&cell("a")).is_none(), "an edited result does not count");
}

#[test]
fn a_run_directory_is_held_by_one_process_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), SMALL).unwrap();
    dir.stage(&cell("a")).unwrap().commit(&record("a", CellStatus::Ok)).unwrap();
    for overwrite in [false, true] {
        let error = RunDir::open(root.path(), &resolved(SMALL), overwrite).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
    }
    assert!(dir.finished(&cell("a")).is_some(), "a refused --overwrite removes nothing");
    drop(dir);
    let again = open(root.path(), SMALL).unwrap();
    assert!(again.finished(&cell("a")).is_some());
}

#[test]
fn a_failed_cell_is_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), SMALL).unwrap();
    dir.stage(&cell("a")).unwrap().commit(&record("a", CellStatus::Failed)).unwrap();
    assert!(dir.finished(&cell("a")).is_none());
    dir.stage(&cell("a")).unwrap().commit(&record("a", CellStatus::Ok)).unwrap();
    assert!(dir.finished(&cell("a")).is_some());
}

#[test]
fn a_dropped_cell_leaves_nothing_and_a_killed_one_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), SMALL).unwrap();
    let staged = dir.stage(&cell("a")).unwrap();
    staged.write("metrics.jsonl", "{}\n").unwrap();
    drop(staged);
    let row = dir.cell_path(&cell("a")).parent().unwrap().to_path_buf();
    assert_eq!(row.read_dir().unwrap().count(), 0);

    let killed = [row.join(".faculty-x1.tmp"), row.join("seed-1"), root.path().join("teachers/.faculty-x2.tmp")];
    for path in &killed {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("metrics.jsonl"), "{}\n").unwrap();
    }
    drop(dir);
    open(root.path(), SMALL).unwrap();
    assert!(killed.iter().all(|path| !path.exists()));
}

#[test]
fn a_changed_configuration_is_refused_with_its_differences() {
    let root = tempfile::tempdir().unwrap();
    open(root.path(), SMALL).unwrap();
    open(root.path(), SMALL).unwrap();
    let error = open(root.path(), &SMALL.replace("epochs = 2", "epochs = 3")).unwrap_err().to_string();
    assert!(error.contains("student.train.epochs: 2 -> 3") && error.contains("--overwrite"), "{error}");
    let error = open(root.path(), &SMALL.replace("passes = 4", "passes = 5")).unwrap_err().to_string();
    assert!(error.contains("row[1].method.passes: 4 -> 5"), "{error}");
    let mut elsewhere = resolved(SMALL);
    elsewhere.run.device = "wgpu".to_owned();
    let error = RunDir::open(root.path(), &elsewhere, false).unwrap_err().to_string();
    assert!(error.contains("run.device"), "{error}");
}

#[test]
fn more_seeds_another_title_and_notes_continue_a_run() {
    let root = tempfile::tempdir().unwrap();
    open(root.path(), SMALL).unwrap();
    let more = SMALL.replacen("seeds = [1]", "seeds = [1, 2]", 1).replace("\"Small\"", "\"Larger\"");
    open(root.path(), &(more + "\n[reference]\nMUKI = \"unknown\"\n")).unwrap();
}

#[test]
fn overwrite_starts_anew_but_never_in_a_foreign_directory() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), SMALL).unwrap();
    dir.stage(&cell("a")).unwrap().commit(&record("a", CellStatus::Ok)).unwrap();
    drop(dir);
    let dir = RunDir::open(root.path(), &resolved(&SMALL.replace("epochs = 2", "epochs = 3")), true).unwrap();
    assert!(dir.finished(&cell("a")).is_none());

    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.tex"), "years of work").unwrap();
    assert!(RunDir::open(foreign.path(), &resolved(SMALL), true).is_err());
    assert!(foreign.path().join("thesis.tex").is_file());
}

#[test]
fn a_raw_line_that_was_never_finished_is_cut_off() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("raw.jsonl");
    let line = |status| RawRecord::Cell(Box::new(record("a", status)));
    append_raw(&path, &line(CellStatus::Failed)).unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"record\":\"cell\",\"row\":\"MU");
    std::fs::write(&path, text).unwrap();
    assert_eq!(read_raw(&path).unwrap(), [line(CellStatus::Failed)]);
    append_raw(&path, &line(CellStatus::Ok)).unwrap();
    assert_eq!(read_raw(&path).unwrap(), [line(CellStatus::Failed), line(CellStatus::Ok)]);
    std::fs::write(&path, "{\"record\":\"cell\"}\n").unwrap();
    assert!(read_raw(&path).unwrap_err().to_string().contains("raw.jsonl:1"));
}

#[test]
fn an_exact_record_comes_back_from_its_line_bit_for_bit() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("raw.jsonl");
    for step in 1..=500_u32 {
        let seconds = Seconds { train: f64::from(step).sqrt() * 17.3, evaluate: 1.0 / f64::from(step) };
        let record = exact(&CellRecord { seconds, ..record("a", CellStatus::Ok) }).unwrap();
        assert!((record.seconds.train - seconds.train).abs() < 1e-9);
        let _ = std::fs::remove_file(&path);
        append_raw(&path, &RawRecord::Cell(Box::new(record.clone()))).unwrap();
        assert_eq!(read_raw(&path).unwrap(), [RawRecord::Cell(Box::new(record))]);
    }
}

#[test]
fn checkpoints_of_what_is_committed_are_swept_and_others_stay() {
    let root = tempfile::tempdir().unwrap();
    let dir = open(root.path(), SMALL).unwrap();
    let other = Cell { seed: Some(2), ..cell("b") };
    let (done, going) = (dir.checkpoint_path(&cell("a")), dir.checkpoint_path(&other));
    assert!(done.starts_with(root.path().join("checkpoints")) && done != going);
    let (trained, training) = (dir.teacher_checkpoint_path("bank", "k1"), dir.teacher_checkpoint_path("bank", "k2"));
    for path in [&done, &going, &trained, &training] {
        std::fs::create_dir_all(path.join("step-000000003")).unwrap();
    }
    dir.stage(&cell("a")).unwrap().commit(&record("a", CellStatus::Ok)).unwrap();
    std::fs::create_dir_all(dir.teacher_path("bank", "k1")).unwrap();
    drop(dir);
    open(root.path(), SMALL).unwrap();
    assert_eq!([&done, &going, &trained, &training].map(|path| path.exists()), [false, true, false, true]);
}
