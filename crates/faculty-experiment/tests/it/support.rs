//! What the tests share.

use faculty_experiment::schema::ExperimentFile;
use faculty_experiment::{Overrides, parse_experiment};
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
