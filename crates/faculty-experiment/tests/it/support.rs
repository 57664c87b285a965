//! What the tests share.

use faculty_core::LabelSpace;
use faculty_experiment::schema::ExperimentFile;
use faculty_experiment::{DataPlaces, ExperimentData, Overrides, parse_experiment, read_data};
use std::path::{Path, PathBuf};

/// A small, valid experiment on the embedded data.
pub const SMALL: &str = r#"schema = 1

[table]
title = "Small"
seeds = [1]

[data]
source = "clinc150"
teacher_texts_per_class = 2
transfer_texts_per_class = 3
test_texts_per_class = 4

[[data.teacher]]
name = "bank"
domains = ["banking"]

[[data.teacher]]
name = "trips"
labels = ["book_flight", "book_hotel"]

[teacher]
init = "minilm-l3"

[student]
init = "minilm-l3"
[student.train]
epochs = 2

[[row]]
name = "concat"
method = { kind = "concat" }

[[row]]
name = "MUKI"
method = { kind = "muki", passes = 4 }

[[row]]
name = "ceiling"
method = { kind = "supervised" }

[tier.more.table]
seeds = [1, 2]
"#;

pub fn parse(text: &str) -> faculty_core::Result<ExperimentFile> {
    parse_experiment(Path::new("small.toml"), text, &Overrides::default())
}

/// The error of `text`, as a person reads it.
pub fn error_of(text: &str) -> String {
    parse(text).expect_err("the text is wrong").to_string()
}

/// The folder of the shipped experiments.
pub fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

/// Compares with a file; `FACULTY_BLESS=1` writes it.
pub fn check_snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(name);
    if std::env::var_os("FACULTY_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).expect("the snapshot exists; FACULTY_BLESS=1 writes it");
    assert_eq!(text, expected, "{} differs", path.display());
}

/// A row of a declared set: a text and its label, if its split has labels.
pub type Row = (String, Option<usize>);

/// Writes a data set below `root` and declares it in `sets.toml` there. `more` are further lines of the declaration.
pub fn declare(root: &Path, name: &str, labels: &[&str], more: &str, splits: &[(&str, Vec<Row>)]) {
    let dir = root.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let labels = if labels.is_empty() { String::new() } else { format!("labels = {labels:?}\n") };
    let mut text =
        format!("[{name}]\ntitle = \"{name}\"\n{labels}licence = \"none\"\nsource = \"made by a test\"\n{more}\n");
    for (split, rows) in splits {
        let lines = rows.iter().map(|(text, label)| {
            let row = match label {
                Some(label) => serde_json::json!({"t": text, "y": label}),
                None => serde_json::json!({"t": text}),
            };
            format!("{row}\n")
        });
        let bytes = compressed(&lines.collect::<String>());
        std::fs::write(dir.join(format!("{split}.jsonl.zst")), &bytes).unwrap();
        let (rows, sha256) = (rows.len(), faculty_core::hash_bytes(&bytes));
        text.push_str(&format!("[{name}.split.{split}]\nrows = {rows}\nsha256 = \"{sha256}\"\n"));
    }
    let own = root.join("sets.toml");
    let before = std::fs::read_to_string(&own).unwrap_or_default();
    std::fs::write(own, before + &text).unwrap();
}

/// Text as a Zstandard frame.
pub fn compressed(text: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

/// `each` rows of every label, of several words that no other row has: `what` tells splits and sets apart.
pub fn rows(what: &str, labels: usize, each: usize) -> Vec<Row> {
    let row =
        |index: usize| (format!("{what} row {index} speaks about matter {}", index % labels), Some(index % labels));
    (0..labels * each).map(row).collect()
}

/// An experiment with these lines of `[data]`.
pub fn experiment_on(data: &str) -> faculty_core::Result<ExperimentFile> {
    let (head, rest) = SMALL.split_once("[data]").unwrap();
    let (_, tail) = rest.split_once("[teacher]").unwrap();
    parse(&format!("{head}[data]\n{data}\n[teacher]{tail}"))
}

/// The error of an experiment with these lines of `[data]`.
pub fn data_error(data: &str) -> String {
    experiment_on(data).expect_err("the section is wrong").to_string()
}

/// Reads and shares out the data of an experiment with these lines of `[data]`, of sets below `root`.
pub fn shared_out(root: &Path, data: &str) -> faculty_core::Result<ExperimentData> {
    let places = DataPlaces { data_dir: Some(root.to_path_buf()), relative_to: root.to_path_buf() };
    let section = experiment_on(data)?.data;
    let no_models = |_: &str| -> faculty_core::Result<LabelSpace> { unreachable!("the experiment names no model") };
    ExperimentData::share_out(&section, read_data(&section, &places)?, &no_models)
}
