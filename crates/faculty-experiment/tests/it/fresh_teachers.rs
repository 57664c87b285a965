//! Teachers of other families that start from nothing, each with a tokenizer learnt from its own texts.

use crate::support::{data_error, declare, rows, shared_out};
use burn::tensor::Device;
use faculty_core::{Event, Observer, Silent};
use faculty_experiment::{ExperimentOptions, prepare_experiment, run_experiment};
use faculty_model::Classifier;
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const FRESH: &str = r#"
[[data.teacher]]
name = "old"
[[data.teacher]]
name = "roberta"
fresh = { family = "roberta", layers = 1, hidden = 32, vocabulary = 300 }
texts_per_class = 12
epochs = 3
learning_rate = 2e-3
[[data.teacher]]
name = "distilbert"
fresh = { family = "distilbert", layers = 1, hidden = 64, vocabulary = 320 }
"#;

fn experiment(root: &Path) -> ExperimentOptions {
    declare(
        root,
        "six",
        &["a", "b", "c", "d", "e", "f"],
        "",
        &[("train", rows("train", 6, 20)), ("test", rows("test", 6, 3))],
    );
    let encoder = tiny_classifier_dir(root.join("encoder"), &TinySpec::new(["x", "y"])).display().to_string();
    let text = format!(
        "schema = 1\n[table]\ntitle = \"Three families\"\n[data]\nsource = \"six\"\nteacher_count = 3\n\
         teacher_texts_per_class = 6\ntransfer_texts_per_class = 4\n{FRESH}\n\
         [teacher]\ninit = {encoder:?}\n[teacher.train]\nepochs = 1\nfreeze_embeddings = true\n\
         [student]\ninit = {encoder:?}\n[student.train]\nepochs = 1\n\
         [[row]]\nname = \"concat\"\nmethod = {{ kind = \"concat\" }}\n\
         [[row]]\nname = \"MUKI\"\nmethod = {{ kind = \"muki\", passes = 2 }}\n"
    );
    let file = root.join("families.toml");
    std::fs::write(&file, text).unwrap();
    let (data_dir, out) = (Some(root.to_path_buf()), Some(root.join("run")));
    ExperimentOptions { file, data_dir, out, ..ExperimentOptions::default() }
}

fn teacher(root: &Path, name: &str) -> PathBuf {
    let teachers = root.join("run/teachers").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut of_name = teachers.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(name));
    of_name.next().unwrap()
}

#[derive(Default)]
struct Stages(Mutex<Vec<String>>);

impl Observer for Stages {
    fn on(&self, event: Event<'_>) {
        if let Event::Start { stage, .. } = event {
            self.0.lock().unwrap().push(stage.to_owned());
        }
    }
}

#[test]
fn three_families_with_three_tokenizers_teach_one_student() {
    let root = tempfile::tempdir().unwrap();
    let options = experiment(root.path());
    let plan = prepare_experiment(&options, &Silent).unwrap().plan;
    let updates: Vec<usize> = plan.teachers.iter().map(|teacher| teacher.updates).collect();
    assert_eq!(updates, [1, 3, 1], "24 texts in one batch, three times, where the teacher says so");
    let summary = run_experiment(&options, &Silent).unwrap();
    assert_eq!((summary.computed, summary.failed), (2, 0), "{}", summary.table);
    assert!(
        summary.table.contains("teacher roberta is trained in a way of its own: fresh roberta"),
        "{}",
        summary.table
    );

    let open = |name: &str| Classifier::open(teacher(root.path(), name), &Device::flex()).unwrap();
    let (old, roberta, distilbert) = (open("old"), open("roberta"), open("distilbert"));
    let families = [&old, &roberta, &distilbert].map(|teacher| teacher.config.family.model_type());
    assert_eq!(families, ["bert", "roberta", "distilbert"]);
    assert!(old.vocabulary_difference(&roberta).is_some() && roberta.vocabulary_difference(&distilbert).is_some());
    let card = std::fs::read_to_string(teacher(root.path(), "roberta").join("README.md")).unwrap();
    assert!(card.contains("fresh roberta, 1 layer of width 32") && !card.contains("pretrained fresh"), "{card}");

    // A teacher is its content: where nothing changed, it is not trained again.
    let stages = Stages::default();
    std::fs::remove_dir_all(root.path().join("run/cells")).unwrap();
    assert_eq!(run_experiment(&options, &stages).unwrap().computed, 2);
    let stages = stages.0.into_inner().unwrap();
    assert!(!stages.iter().any(|stage| stage.contains("fine-tune")), "{stages:?}");
}

#[test]
fn the_same_experiment_gives_the_same_teachers() {
    let hashes = || {
        let root = tempfile::tempdir().unwrap();
        run_experiment(&experiment(root.path()), &Silent).unwrap();
        ["old", "roberta", "distilbert"].map(|name| {
            let path = teacher(root.path(), name);
            Classifier::open(path, &Device::flex()).unwrap().hash
        })
    };
    assert_eq!(hashes(), hashes());
}

#[test]
fn what_a_teacher_has_of_its_own_must_fit_together() {
    let with = |lines: &str| {
        data_error(&format!("source = \"clinc150\"\n[[data.teacher]]\nname = \"x\"\ndomains = [\"banking\"]\n{lines}"))
    };
    let fresh = "fresh = { family = \"roberta\", layers = 1, hidden = 32 }\n";
    assert!(with(&format!("{fresh}init = \"minilm-l3\"")).contains("a fresh encoder and another one"));
    assert!(with(&format!("{fresh}layers = 2")).contains("leave init and layers out"));
    assert!(with("fresh = { family = \"roberta\", layers = 1, hidden = 33 }").contains("hidden"));
    assert!(with("fresh = { family = \"gpt\", layers = 1, hidden = 32 }").contains("gpt"));
    assert!(with("epochs = 0").contains("data.teacher[0].epochs"));
    assert!(with("learning_rate = -1.0").contains("data.teacher[0].learning_rate"));
    let model = data_error(&format!("source = \"clinc150\"\n[[data.teacher]]\nname = \"x\"\nmodel = \"m\"\n{fresh}"));
    assert!(model.contains("a model that exists is not trained"), "{model}");

    let root = tempfile::tempdir().unwrap();
    declare(root.path(), "two", &["a", "b"], "", &[("train", rows("t", 2, 9)), ("test", rows("m", 2, 2))]);
    let lines = format!(
        "source = \"two\"\nteacher_count = 1\nteacher_texts_per_class = 4\n[[data.teacher]]\nname = \"x\"\n{fresh}"
    );
    let data = shared_out(root.path(), &lines).unwrap();
    let own = &data.teachers[0].own;
    assert!(own.describe().starts_with("fresh roberta, 1 layer of width 32"), "{}", own.describe());
}
