//! Rows that learn from texts written for the teachers, in place of the task's own.

use crate::small_world::{Heard, cell, experiment};
use crate::support::{declare, parse};
use faculty_core::{Event, Observer, Silent};
use faculty_experiment::schema::Role;
use faculty_experiment::{
    CellStatus, DataAccess, ExperimentOptions, RawRecord, TextRecord, missing_data, prepare_experiment, read_raw,
    run_experiment,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const TEAMS: &str = "[data]\nsource = \"words\"\nsplit = \"contiguous\"\nteacher_count = 2\nteacher_texts_per_class = 20\n\
                     transfer_texts_per_class = 16\n[scan]\nselection_on = \"transfer\"\n";

const TEXTS: &str = r#"
[[text]]
name = "random"
source = { kind = "random-tokens", words = [3, 6] }
per_class = 40

[[text]]
name = "believed"
source = { kind = "n-gram", corpus = "general", order = 2 }
steering = { kind = "believed", drafts = 8 }
per_class = 6

[[text]]
name = "keywords"
source = { kind = "n-gram", corpus = "general", order = 2 }
steering = { kind = "keywords", floor = 0.6, refine = { rounds = 3, proposals = 6 } }
per_class = 40
"#;

const ROWS: &str = r#"
[[row]]
name = "random"
text = "random"
method = { kind = "vanilla-kd" }

[[row]]
name = "believed"
text = "believed"
method = { kind = "faculty", passes = { count = 4 } }

[[row]]
name = "keywords"
text = "keywords"
method = { kind = "vanilla-kd" }

[[row]]
name = "intended classes"
text = "keywords"
method = { kind = "supervised" }

[[row]]
name = "intended teachers"
text = "keywords"
method = { kind = "oracle" }

[[row]]
name = "task"
method = { kind = "vanilla-kd" }

[[row]]
name = "ceiling"
method = { kind = "supervised" }
"#;

/// Texts of no class of the task, with its words among them.
fn general(root: &Path) {
    let words = ["the", "bank", "old", "river", "train", "went", "table", "cook", "a", "music", "song", "for", "with"];
    let stream = faculty_core::Stream::new(3, "general");
    let text = |number: u64| {
        let draws = stream.fork(number);
        let word = |at: u64| words[draws.below_at(at, words.len() as u64) as usize];
        ((0..5 + number % 4).map(word).collect::<Vec<_>>().join(" ") + &format!(" of {number}"), None)
    };
    declare(&root.join("sets"), "general", &[], "", &[("unlabelled", (0..60).map(text).collect())]);
}

fn options(root: &Path) -> ExperimentOptions {
    with_rows(root, ROWS)
}

/// Two teachers, and texts that are written for them.
pub(crate) fn with_rows(root: &Path, rows: &str) -> ExperimentOptions {
    let options = experiment(root, "texts", 8, &format!("{TEAMS}{TEXTS}{rows}"));
    general(root);
    options
}

fn written(options: &ExperimentOptions) -> Vec<TextRecord> {
    let found =
        read_raw(&options.run_path().join("raw.jsonl")).unwrap().into_iter().filter_map(|record| match record {
            RawRecord::Text(text) => Some(*text),
            _ => None,
        });
    found.collect()
}

#[test]
fn students_learn_from_written_texts_alone_and_the_table_says_so() {
    let root = tempfile::tempdir().unwrap();
    let options = options(root.path());
    assert!(missing_data(&options).unwrap().is_empty());
    let prepared = prepare_experiment(&options, &Silent).unwrap();
    let planned = |name: &str| prepared.plan.cells.iter().find(|cell| cell.name == name).unwrap();
    for (name, access, role) in [
        ("random", DataAccess::None, Role::Baseline),
        ("believed", DataAccess::OutOfDomain, Role::Baseline),
        ("intended classes", DataAccess::OutOfDomain, Role::Baseline),
        ("intended teachers", DataAccess::OutOfDomain, Role::Baseline),
        ("task", DataAccess::Unlabelled, Role::Baseline),
        ("ceiling", DataAccess::Labelled, Role::Ceiling),
    ] {
        assert_eq!(planned(name).access, access, "{name}");
        let row = prepared.experiment.rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row.role(), role, "{name}");
    }
    assert!(prepared.plan.describe().contains("random: 320\n"), "{}", prepared.plan.describe());

    let heard = Heard::default();
    let summary = run_experiment(&options, &heard).unwrap();
    assert_eq!(summary.failed, 0, "{}", summary.table);
    let accuracy = |row: &str| cell(&options, row).metrics.unwrap().accuracy;
    // Eight classes. (Random tokens do well: the tiny vocabulary has few words but the telling ones.)
    for row in ["random", "keywords", "intended classes", "intended teachers", "ceiling"] {
        assert!(accuracy(row) > 0.2, "{row}: {}", summary.table);
    }
    assert!(accuracy("intended teachers") > accuracy("keywords"), "a gate that knows: {}", summary.table);
    let intended = cell(&options, "intended teachers").selection.unwrap();
    assert_eq!(intended.accuracy, 1.0, "the teacher that a text was written for");
    assert!(cell(&options, "random").selection.is_none());

    // A student reads the measuring texts once, after its training. (Its teachers do for the figures about teachers.)
    {
        let stages = heard.stages.lock().unwrap();
        for row in ["random", "believed", "keywords"] {
            let measured = stages.iter().filter(|stage| stage.starts_with(row) && stage.ends_with(": measure")).count();
            assert_eq!(measured, 1, "{row}: {stages:?}");
        }
    }
    let records = written(&options);
    let (random, keywords) = (records[0].self_bleu.unwrap(), records[2].self_bleu.unwrap());
    assert!(0.0 < random && random < keywords && keywords < 1.0, "{random} {keywords}");
    let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["random", "believed", "keywords"]);
    assert_eq!((records[0].texts, records[0].classes.len(), records[0].access), (320, 0, DataAccess::None));
    let keywords = &records[2];
    assert_eq!((keywords.classes.len(), keywords.access), (8, DataAccess::OutOfDomain));
    assert!(keywords.hit_rate().unwrap() > 0.7, "{keywords:?}");
    assert!(keywords.classes.iter().all(|class| !class.samples.is_empty()));
    for words in ["written for the teachers", "no text", "out-of-domain text", "`keywords`, whose intended classes"] {
        assert!(summary.table.contains(words), "{words}: {}", summary.table);
    }
    let judged = cell(&options, "ceiling").details.judged;
    let names: Vec<&str> = judged.iter().map(|judged| judged.text.as_str()).collect();
    assert_eq!(names, ["believed", "keywords"], "random tokens were written for no class");
    assert_eq!(judged[1].texts, records[2].texts);
    assert!(judged[1].correct > 1.5 / 8.0 && judged[1].correct < 1.0, "eight classes: {judged:?}");
    assert!(cell(&options, "intended classes").details.judged.is_empty(), "its students know no true label");
    let shown = format!("{:.1} |\n", 100.0 * judged[1].correct);
    assert!(summary.table.contains("correct % |") && summary.table.contains(&shown), "{shown}: {}", summary.table);
    let page = std::fs::read_to_string(&summary.page_path).unwrap();
    assert!(page.contains("Samples: keywords") && page.contains("Correct: the share of the texts"));
    let manifest = std::fs::read_to_string(options.run_path().join("manifest.json")).unwrap();
    assert!(manifest.contains("general"), "every file that was opened: {manifest}");
}

/// What the task's own texts are changes nothing where none is read: not merely said, but seen.
#[test]
fn students_of_written_texts_are_the_same_whatever_texts_the_task_has() {
    const BLOCKS: &str = "[[row]]\nname = \"blocks\"\ntext = \"believed\"\nmethod = { kind = \"stratanet\", blocks = { confidence = { fit = { folds = 2 } } } }\n";
    let answers = |transfer: usize| {
        let root = tempfile::tempdir().unwrap();
        let teams = TEAMS.replace("transfer_texts_per_class = 16", &format!("transfer_texts_per_class = {transfer}"));
        let options = experiment(root.path(), "texts", 8, &format!("{teams}{TEXTS}{ROWS}{BLOCKS}"));
        general(root.path());
        let summary = run_experiment(&options, &Silent).unwrap();
        assert_eq!(summary.failed, 0, "{}", summary.table);
        let rows = ["random", "believed", "keywords", "intended classes", "intended teachers", "blocks", "task"];
        rows.map(|row| {
            let cell = cell(&options, row);
            (cell.metrics.unwrap(), cell.details.right)
        })
    };
    let (many, few) = (answers(16), answers(12));
    assert_eq!(many[..6], few[..6]);
    assert_ne!(many[6], few[6], "the row that does read them");
}

#[test]
fn texts_are_written_once_and_the_same_again() {
    let root = tempfile::tempdir().unwrap();
    let options = options(root.path());
    let first = ExperimentOptions { only: Some("keywords".to_owned()), ..options.clone() };
    run_experiment(&first, &Silent).unwrap();
    assert_eq!(written(&options).len(), 1, "one row asks for one list");
    let heard = Heard::default();
    run_experiment(&options, &heard).unwrap();
    let stages = heard.stages.lock().unwrap();
    assert!(!stages.iter().any(|stage| stage.contains("ask about words")), "{stages:?}");
    let again = ExperimentOptions { out: Some(root.path().join("again")), ..options.clone() };
    run_experiment(&again, &Silent).unwrap();
    for row in ["random", "believed", "keywords", "intended classes"] {
        assert_eq!(cell(&options, row).metrics, cell(&again, row).metrics, "{row}");
    }
}

#[test]
fn a_row_whose_teachers_believe_no_text_fails_with_the_reason_and_the_others_go_on() {
    let root = tempfile::tempdir().unwrap();
    let text = "[[text]]\nname = \"high\"\nsource = { kind = \"n-gram\", corpus = \"general\" }\n\
                steering = { kind = \"keywords\", floor = 0.9999999, most_drafts = 1 }\nper_class = 3\n";
    let rows = "[[row]]\nname = \"a\"\ntext = \"high\"\nmethod = { kind = \"vanilla-kd\" }\n\
                [[row]]\nname = \"b\"\nmethod = { kind = \"vanilla-kd\" }\n";
    let options = experiment(root.path(), "high", 8, &format!("{TEAMS}{text}{rows}"));
    general(root.path());
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!((summary.computed, summary.failed), (2, 1), "{}", summary.table);
    assert!(summary.table.contains("no text was kept of `high`: its teachers believe none"), "{}", summary.table);
    let judged: usize = written(&options)[0].classes.iter().map(|class| class.report.judged).sum();
    assert!(judged > 0, "and the figures say how many were looked at");
}

/// A table with a row whose texts the language model at `model` writes.
fn by_model(root: &Path, model: &Path) -> ExperimentOptions {
    let text = format!(
        "[[text]]\nname = \"model\"\nper_class = 4\nsource = {{ kind = \"language-model\", model = {:?}, floor = 0.0, near = 1.0, \
         prompting = {{ template = \"{{label}}\", opening = \"\" }}, guidance = {{ top = 64 }}, \
         writing = {{ max_tokens = 8, stop = [\"e\", \"a\", \"s\"], sampling = {{ temperature = 3.0 }} }} }}\n",
        model.display().to_string()
    );
    let rows = "[[row]]\nname = \"written\"\ntext = \"model\"\nmethod = { kind = \"vanilla-kd\" }\n\
                [[row]]\nname = \"intended\"\ntext = \"model\"\nmethod = { kind = \"supervised\" }\n\
                [[row]]\nname = \"task\"\nmethod = { kind = \"vanilla-kd\" }\n";
    experiment(root, "model", 8, &format!("{TEAMS}{text}{rows}"))
}

#[test]
fn a_language_model_that_is_not_there_leaves_its_rows_for_later() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("tiny.gguf");
    let options = by_model(root.path(), &model);
    let plan = prepare_experiment(&options, &Silent).unwrap().plan.describe();
    assert!(plan.contains("model: nobody writes it here: ") && plan.contains("written, seed 1: not run"), "{plan}");
    let file = std::fs::read_to_string(&options.file).unwrap();
    std::fs::write(&options.file, file.replace("opening =", "names = { plai = \"x\" }, opening =")).unwrap();
    let error = prepare_experiment(&options, &Silent).unwrap_err().to_string();
    assert!(error.contains("text[0].source.prompting.names") && error.contains("plai"), "{error}");
    std::fs::write(&options.file, file).unwrap();
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!((summary.computed, summary.failed), (3, 0), "{}", summary.table);
    for row in ["written", "intended"] {
        let record = cell(&options, row);
        assert_eq!((record.status, record.metrics.is_none()), (CellStatus::NotRun, true));
        let reason = record.reason.unwrap();
        assert!(reason.contains("nobody writes the texts `model` here") && reason.contains("tiny.gguf"), "{reason}");
    }
    assert!(summary.table.contains("not run: nobody writes the texts"), "{}", summary.table);
    assert!(summary.student_dir.is_none());
    assert!(written(&options).is_empty());
    let again = run_experiment(&options, &Silent).unwrap();
    assert_eq!((again.computed, again.reused), (0, 3), "nothing has changed");

    std::fs::copy(faculty_testkit::golden_dir().join("causal/llama.gguf"), &model).unwrap();
    let prepared = prepare_experiment(&options, &Silent).unwrap();
    assert!(prepared.plan.describe().contains("model: 32\n"), "{}", prepared.plan.describe());
    assert!(prepared.plan.cells.iter().filter(|cell| cell.text == 1).all(|cell| cell.access == DataAccess::None));
    let found = run_experiment(&options, &Silent).unwrap();
    assert_eq!((found.computed, found.reused, found.failed), (2, 1, 0), "{}", found.table);
    let record = &written(&options)[0];
    assert_eq!((record.access, record.classes.len()), (DataAccess::None, 8));
    assert!(record.texts > 20 && record.description.contains("tiny.gguf told class names"), "{record:?}");
    let manifest = std::fs::read_to_string(options.run_path().join("manifest.json")).unwrap();
    assert!(manifest.contains("writer of texts"), "{manifest}");
    let left = options.run_path().join("texts").read_dir().unwrap().count();
    assert_eq!(left, 1, "no drafts are left lying about");

    // Gone again: what is known stays. Another model in its place: its texts are others.
    let before = cell(&options, "written");
    std::fs::remove_file(&model).unwrap();
    assert_eq!(run_experiment(&options, &Silent).unwrap().computed, 0);
    assert_eq!(cell(&options, "written"), before);
    let mut other = std::fs::read(faculty_testkit::golden_dir().join("causal/llama.gguf")).unwrap();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&model, other).unwrap();
    assert_eq!(run_experiment(&options, &Silent).unwrap().computed, 2);
}

/// Stops after so many looks at whether to stop, and only while texts are written.
struct Impatient {
    writes: AtomicBool,
    looks: AtomicU64,
    stops_at: u64,
}

impl Observer for Impatient {
    fn on(&self, event: Event<'_>) {
        if let Event::Start { stage, .. } = event {
            self.writes.store(stage.starts_with("write texts"), Ordering::Relaxed);
        }
    }

    fn interrupted(&self) -> bool {
        self.writes.load(Ordering::Relaxed) && self.looks.fetch_add(1, Ordering::Relaxed) + 1 >= self.stops_at
    }
}

#[test]
fn interrupted_writing_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().unwrap();
    let options = by_model(root.path(), &faculty_testkit::golden_dir().join("causal/llama.gguf"));
    let run = |out: &str, stops_at: u64| {
        let observer = Impatient { writes: false.into(), looks: 0.into(), stops_at };
        let options = ExperimentOptions { out: Some(root.path().join(out)), ..options.clone() };
        let summary = run_experiment(&options, &observer);
        (summary.map(|_| cell(&options, "written").metrics), observer.looks.into_inner())
    };
    let (whole, looks) = run("whole", u64::MAX);
    let (stopped, first) = run("parts", looks / 2);
    assert_eq!(stopped.unwrap_err().exit_code(), 130);
    let (parts, then) = run("parts", u64::MAX);
    assert_eq!(parts.unwrap(), whole.unwrap());
    assert!(first + then < looks * 5 / 4, "{first} and {then} of {looks}");
}

#[test]
fn a_class_that_stays_short_stops_the_run_that_asks_for_it() {
    let root = tempfile::tempdir().unwrap();
    let text = "[[text]]\nname = \"high\"\nsource = { kind = \"n-gram\", corpus = \"general\" }\nwhen_short = \"stop\"\n\
                steering = { kind = \"keywords\", floor = 0.9999999, most_drafts = 1 }\nper_class = 3\n";
    let rows = "[[row]]\nname = \"a\"\ntext = \"high\"\nmethod = { kind = \"vanilla-kd\" }\n";
    let options = experiment(root.path(), "high", 8, &format!("{TEAMS}{text}{rows}"));
    general(root.path());
    let error = run_experiment(&options, &Silent).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let error = error.to_string();
    assert!(error.contains("4 of 4 classes stayed short") && error.contains("in the texts `high`"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let head = "schema = 1\n[table]\ntitle = \"x\"\nseeds = [1]\n[teacher]\ninit = \"minilm-l3\"\n[student]\n\
                init = \"minilm-l3\"\n[data]\nsource = \"clinc150\"\ncontiguous_teachers = 2\n";
    let random = "[[text]]\nname = \"noise\"\nsource = { kind = \"random-tokens\" }\n";
    for (lines, words) in [
        (
            format!("{random}[[row]]\nname = \"a\"\ntext = \"nois\"\nmethod = {{ kind = \"uhc\" }}\n"),
            "did you mean `noise`?",
        ),
        ("[[row]]\nname = \"a\"\ntext = \"b\"\nmethod = { kind = \"uhc\" }\n".to_owned(), "a [[text]] table"),
        (
            format!("{random}[[row]]\nname = \"a\"\ntext = \"noise\"\nmethod = {{ kind = \"supervised\" }}\n"),
            "written for no class",
        ),
        (
            format!("{random}[[row]]\nname = \"a\"\ntext = \"noise\"\nmethod = {{ kind = \"concat\" }}\n"),
            "trains no student",
        ),
        (
            format!(
                "{random}steering = {{ kind = \"keywords\", refine = {{}} }}\n[[row]]\nname = \"a\"\nmethod = {{ kind = \"uhc\" }}\n"
            ),
            "n-gram",
        ),
        (
            "[[text]]\nname = \"lm\"\nsource = { kind = \"language-model\", model = \"x\" }\nsteering = { kind = \"believed\" }\n\
             [[row]]\nname = \"a\"\nmethod = { kind = \"uhc\" }\n"
                .to_owned(),
            "steering",
        ),
        (
            format!("{random}[[row]]\nname = \"a\"\ntext = \"noise\"\nmethod = {{ kind = \"stratanet\", renew = {{}} }}\n"),
            "written for no class",
        ),
        ("[[row]]\nname = \"a\"\nmethod = { kind = \"stratanet\", renew = {} }\n".to_owned(), "written for nobody"),
        (format!("{random}per_class = 0\n[[row]]\nname = \"a\"\nmethod = {{ kind = \"uhc\" }}\n"), "per_class"),
        (format!("{random}{random}[[row]]\nname = \"a\"\nmethod = {{ kind = \"uhc\" }}\n"), "share a folder"),
    ] {
        let error = parse(&format!("{head}{lines}")).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn the_tasks_own_set_is_no_corpus() {
    let root = tempfile::tempdir().unwrap();
    let text = "[[text]]\nname = \"own\"\nsource = { kind = \"corpus\", corpus = \"words\" }\n";
    let row = "[[row]]\nname = \"a\"\ntext = \"own\"\nmethod = { kind = \"vanilla-kd\" }\n";
    let options = experiment(root.path(), "own", 4, &format!("{TEAMS}{text}{row}"));
    let error = prepare_experiment(&options, &Silent).unwrap_err().to_string();
    assert!(error.contains("another domain") && error.contains("text[0].source.corpus"), "{error}");
}
