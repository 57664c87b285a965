//! The shipped experiments: each parses and plans in every tier; the quickstart's smallest tier runs.

use crate::support::experiments;
use faculty_core::{ErrorKind, Event, Observer, Silent};
use faculty_experiment::logs::{MetricLine, read_metrics};
use faculty_experiment::schema::CurveSection;
use faculty_experiment::{
    ExperimentOptions, Overrides, Prepared, RawRecord, check_run, experiment_files, load_experiment, missing_data,
    prepare_experiment, read_raw, run_experiment,
};
use faculty_nn::{DeviceName, PrecisionChoice};
use faculty_student::{MINILM_L3, resolve_model};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

fn shipped() -> Vec<(String, PathBuf)> {
    experiment_files(&experiments()).unwrap()
}

/// The tiers of an experiment file and of what it extends.
fn tiers(file: &Path) -> BTreeSet<String> {
    let text: toml::Table = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let own = text.get("tier").and_then(toml::Value::as_table).into_iter().flat_map(|tiers| tiers.keys().cloned());
    let base = text.get("extends").map(|base| tiers(&file.parent().unwrap().join(base.as_str().unwrap())));
    own.chain(base.into_iter().flatten()).collect()
}

#[test]
fn every_shipped_experiment_parses_and_plans_in_every_tier() {
    let files = shipped();
    assert!(files.iter().any(|(name, _)| name == "quickstart"));
    for (_, file) in files {
        load_experiment(&file, &Overrides::default()).unwrap();
        let tiers = tiers(&file);
        assert!(tiers.contains("smoke") && tiers.contains("paper"), "{}: {tiers:?}", file.display());
        for tier in std::iter::once(None).chain(tiers.into_iter().map(Some)) {
            let overrides = Overrides { tier: tier.clone(), ..Overrides::default() };
            let options = ExperimentOptions { file: file.clone(), overrides, ..ExperimentOptions::default() };
            let missing = missing_data(&options).unwrap();
            if !missing.is_empty() {
                eprintln!("skipped: {} {tier:?} reads {missing:?}, which this machine lacks", file.display());
                continue;
            }
            let plan = prepare_experiment(&options, &Silent).unwrap().plan;
            assert!(!plan.cells.is_empty(), "{} {tier:?}", file.display());
            assert!(plan.describe().contains(&plan.cells[0].name));
        }
    }
}

#[test]
fn every_shipped_experiment_is_listed_with_its_command() {
    let page = std::fs::read_to_string(experiments().join("../docs/experiments.md")).unwrap();
    for (name, file) in shipped() {
        assert!(page.contains(&format!("| `{name}` |")), "docs/experiments.md does not list {name}");
        let text = std::fs::read_to_string(&file).unwrap();
        let says_how = text.contains(&format!("cargo xtask experiment {name}")) || name.starts_with("recipe-ablation");
        assert!(says_how, "{name} does not say how it is run");
    }
    let listed = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name));
    for name in listed {
        assert!(
            experiments().join(format!("{name}.toml")).is_file(),
            "docs/experiments.md lists {name}, which is not there"
        );
    }
}

#[test]
fn the_quickstart_plan_is_the_story_it_tells() {
    let options = ExperimentOptions { file: experiments().join("quickstart.toml"), ..ExperimentOptions::default() };
    let prepared = prepare_experiment(&options, &Silent).unwrap();
    assert_eq!(prepared.plan.classes, 90);
    assert_eq!(prepared.plan.teachers.iter().map(|teacher| teacher.labels).collect::<Vec<_>>(), [30, 30, 30]);
    assert_eq!(prepared.plan.asks.len(), 1);
    assert_eq!(prepared.plan.cells.iter().filter(|cell| cell.keeps_student).count(), 1);
    let updates: Vec<usize> =
        prepared.plan.cells.iter().map(|cell| cell.updates).filter(|&updates| updates > 0).collect();
    assert!(updates.iter().all(|&each| each == updates[0]), "{updates:?}");
}

#[test]
fn only_one_row_is_planned_on_request() {
    let mut options = ExperimentOptions { file: experiments().join("quickstart.toml"), ..ExperimentOptions::default() };
    options.only = Some("UHC".to_owned());
    options.seeds = Some(vec![3, 4]);
    let plan = prepare_experiment(&options, &Silent).unwrap().plan;
    assert_eq!(plan.cells.iter().map(|cell| cell.seed).collect::<Vec<_>>(), [Some(3), Some(4)]);
    assert!(plan.asks[0].passes.is_none());
    options.only = Some("UHCC".to_owned());
    assert!(prepare_experiment(&options, &Silent).unwrap_err().to_string().contains("did you mean `UHC`?"));
}

#[test]
fn a_precision_determines_every_cell_and_is_recorded_as_what_runs() {
    let prepare = |set: &[&str], device: DeviceName| {
        let overrides = Overrides { set: set.iter().map(|&set| set.to_owned()).collect(), ..Overrides::default() };
        let file = experiments().join("quickstart.toml");
        let watch = Watch::new(None);
        let prepared =
            prepare_experiment(&ExperimentOptions { file, overrides, device, ..ExperimentOptions::default() }, &watch);
        (prepared.unwrap(), watch.warnings.into_inner().unwrap())
    };
    let hashes = |prepared: &Prepared| prepared.plan.cells.iter().map(|cell| cell.hash.clone()).collect::<Vec<_>>();
    let (default, warnings) = prepare(&[], DeviceName::Cpu);
    assert_eq!((default.experiment.scan.precision, warnings.len()), (PrecisionChoice::F32, 0));
    for key in ["scan.precision", "teacher.train.precision", "student.train.precision"] {
        let (bf16, _) = prepare(&[&format!("{key}=bf16")], DeviceName::Cpu);
        assert!(hashes(&default).iter().zip(hashes(&bf16)).all(|(a, b)| *a != b), "{key}");

        let (auto, _) = prepare(&[&format!("{key}=auto")], DeviceName::Cpu);
        let same_as = if faculty_nn::fused::bf16_is_fast() { &bf16 } else { &default };
        assert_eq!(hashes(&auto), hashes(same_as), "{key}: what `auto` means here is what is recorded");

        let (gpu, warnings) = prepare(&[&format!("{key}=bf16")], DeviceName::Wgpu(None));
        assert!(warnings.len() == 1 && warnings[0].contains(key) && warnings[0].contains("no effect"), "{warnings:?}");
        assert_eq!(hashes(&gpu), hashes(&prepare(&[], DeviceName::Wgpu(None)).0), "a GPU runs in f32 all the same");
    }
}

#[test]
fn a_curve_determines_no_cell_and_is_drawn_in_the_paper_tier() {
    let prepare = |set: &[&str]| {
        let overrides = Overrides { set: set.iter().map(|&set| set.to_owned()).collect(), ..Overrides::default() };
        let file = experiments().join("quickstart.toml");
        prepare_experiment(&ExperimentOptions { file, overrides, ..ExperimentOptions::default() }, &Silent)
            .unwrap()
            .plan
    };
    let (plain, drawn) = (prepare(&[]), prepare(&["table.curve.points=8", "table.curve.texts=1000000"]));
    assert_eq!(plain.cells, drawn.cells, "what a cell ends with does not depend on it");
    assert!(!plain.describe().contains("curves:"));
    let words = format!("curves: accuracy on {} measuring texts at 8 points of every training", plain.test_texts);
    assert!(drawn.describe().contains(&words), "{}", drawn.describe());

    for (name, file) in shipped().iter().filter(|(name, _)| name.contains("two-teachers")) {
        let of = |tier: &str| {
            let overrides = Overrides { tier: Some(tier.to_owned()), ..Overrides::default() };
            load_experiment(file, &overrides).unwrap().table.curve
        };
        assert_eq!((of("paper").points, of("smoke").points), (8, 0), "{}", name);
    }
}

/// Keeps stages and warnings, and asks to stop when a stage of this name begins.
struct Watch {
    stages: Mutex<Vec<String>>,
    warnings: Mutex<Vec<String>>,
    stop_at: Option<&'static str>,
}

impl Watch {
    fn new(stop_at: Option<&'static str>) -> Self {
        Self { stages: Mutex::default(), warnings: Mutex::default(), stop_at }
    }
}

impl Observer for Watch {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Start { stage, .. } => self.stages.lock().unwrap().push(stage.to_owned()),
            Event::Warning { text } => self.warnings.lock().unwrap().push(text.to_owned()),
            _ => {}
        }
    }

    fn interrupted(&self) -> bool {
        let stages = self.stages.lock().unwrap();
        self.stop_at.is_some_and(|stop| stages.last().is_some_and(|last| last.starts_with(stop)))
    }
}

#[test]
fn the_quickstart_runs_stops_continues_and_then_has_nothing_to_do() {
    if let Err(reason) = resolve_model(MINILM_L3, &Silent) {
        eprintln!("skipped: {reason}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("run");
    let curve = vec![format!("table.curve={{ points = {}, texts = {} }}", CURVE.points, CURVE.texts)];
    let overrides = Overrides { tier: Some("smoke".to_owned()), set: curve, ..Overrides::default() };
    let file = experiments().join("quickstart.toml");
    let mut options = ExperimentOptions { file, overrides, out: Some(out.clone()), ..ExperimentOptions::default() };

    let stopped = run_experiment(&options, &Watch::new(Some("MUKI"))).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    let muki = out.join("cells/muki-soft-margin");
    assert!(!muki.exists() || muki.read_dir().unwrap().next().is_none(), "nothing half-written is left");

    let watch = Watch::new(None);
    let summary = run_experiment(&options, &watch).unwrap();
    let stages = watch.stages.lock().unwrap().clone();
    assert!(!stages.iter().any(|stage| stage.contains("fine-tune")), "teachers are reused: {stages:?}");
    assert_eq!((summary.computed + summary.reused, summary.failed), (10, 0));
    assert!(summary.reused >= 7, "finished cells are reused: {}", summary.reused);
    for row in
        ["teacher finance", "concat ensemble", "vanilla KD", "UHC", "MUKI soft+margin", "Faculty", "supervised ceiling"]
    {
        assert!(summary.table.contains(row), "{}", summary.table);
    }
    assert!(summary.verdict.is_some());
    let student = summary.student_dir.clone().unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json", "README.md"] {
        assert!(student.join(file).is_file(), "{file}");
    }
    for file in
        ["config.resolved.toml", "manifest.json", "raw.jsonl", "table.md", "table.csv", "table.tex", "table.html"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert!(!out.join("tensorboard").exists(), "event files are written on request alone");
    check_figures(&out);
    check_run(&out).unwrap();

    let watch = Watch::new(None);
    options.tensorboard = true;
    let again = run_experiment(&options, &watch).unwrap();
    assert!(watch.stages.lock().unwrap().is_empty(), "a finished run is a no-op");
    assert_eq!((again.computed, again.reused), (0, 10));
    assert_eq!(again.table, summary.table);
    let events = out.join("tensorboard/muki-soft-margin/seed-1/events.out.tfevents.faculty");
    let events = std::fs::read(events).unwrap();
    for name in [b"train/loss".as_slice(), b"eval/accuracy_sample"] {
        assert!(events.windows(name.len()).any(|word| word == name));
    }
    options.tensorboard = false;

    let mut changed = options.clone();
    changed.overrides.set.push("student.train.epochs=2".to_owned());
    let refusal = run_experiment(&changed, &Silent).unwrap_err().to_string();
    assert!(refusal.contains("student.train.epochs: 1 -> 2"), "{refusal}");

    std::fs::write(out.join("table.md"), summary.table.replace('|', "!")).unwrap();
    assert!(check_run(&out).is_err());
}

/// The curves of the smoke run.
const CURVE: CurveSection = CurveSection { points: 3, texts: 20 };

/// Every trained cell carries what figures are drawn from, and its log has the names that dashboards know.
fn check_figures(out: &Path) {
    let records = read_raw(&out.join("raw.jsonl")).unwrap();
    assert_eq!(records.iter().filter(|record| matches!(record, RawRecord::Run(_))).count(), 1, "one machine, one line");
    let cells = records.iter().filter_map(|record| match record {
        RawRecord::Cell(cell) => Some(cell),
        _ => None,
    });
    for cell in cells {
        let (metrics, details) = (cell.metrics.unwrap(), &cell.details);
        let right = details.right.as_ref().unwrap();
        assert_eq!(right.texts(), metrics.texts);
        assert!((right.count() as f64 / right.texts() as f64 - metrics.accuracy).abs() < 1e-9);
        assert_eq!(details.reliability.iter().map(|bin| bin.texts).sum::<usize>(), metrics.texts);
        assert_eq!(details.loss.is_empty(), cell.seed.is_none());
        assert_eq!(details.selection.is_some(), cell.selection.is_some());
        let curve_rows = CURVE.rows(metrics.texts);
        let share = curve_rows.iter().filter(|&&row| right.as_slice()[row]).count() as f64 / curve_rows.len() as f64;
        let steps: Vec<usize> = details.accuracy.iter().map(|point| point.step).collect();
        let thirds = [cell.steps.div_ceil(3), (2 * cell.steps).div_ceil(3), cell.steps];
        assert_eq!(steps, if cell.seed.is_some() { thirds.to_vec() } else { vec![0] }, "{}", cell.row);
        assert!(details.accuracy.iter().all(|point| point.texts == CURVE.texts));
        let last = details.accuracy.last().unwrap().accuracy;
        assert!((last - share).abs() < 1e-9, "{}: {last} on the way, {share} in the end", cell.row);
        if cell.row == "MUKI soft+margin" {
            let scores = details.scores.as_ref().unwrap();
            let counted: u64 =
                scores.teachers.iter().flat_map(|teacher| teacher.own.iter().chain(&teacher.foreign)).sum();
            assert_eq!(counted as usize, 3 * cell.selection.as_ref().unwrap().texts);
        }
    }
    let lines = read_metrics(&out.join("cells/muki-soft-margin/seed-1/metrics.jsonl")).unwrap();
    let names = |line: &MetricLine| line.values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let logged = lines.iter().map(names).find(|names| names[0] == "train/loss").unwrap();
    assert_eq!(logged[1], "train/lr");
    assert_eq!(names(lines.last().unwrap())[0], "eval/accuracy");
    assert!(lines.windows(2).all(|pair| pair[0].step <= pair[1].step), "dashboards want steps in order");
    let sampled = lines.iter().filter(|line| names(line).contains(&"eval/accuracy_sample".to_owned())).count();
    assert_eq!(sampled, CURVE.points);
    let page = std::fs::read_to_string(out.join("table.html")).unwrap();
    assert!(page.contains("on a fixed sample of 20 measuring texts"), "the curve is drawn");
}
