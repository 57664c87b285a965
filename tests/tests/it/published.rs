//! Published tables are those of their raw lines, whatever program wrote these.

use faculty::experiment::check_run;
use std::path::{Path, PathBuf};

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.retain(|path| path.is_dir());
    dirs.sort();
    dirs
}

#[test]
fn every_published_table_is_that_of_its_raw_lines() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    // Of `bench` the raw lines are timings, and `cargo xtask bench peers` makes the table.
    let experiments = below(&results).into_iter().filter(|dir| !dir.ends_with("bench"));
    let runs: Vec<PathBuf> = experiments.flat_map(|dir| below(&dir)).collect();
    assert!(!runs.is_empty());
    let faults: Vec<String> = runs.iter().filter_map(|run| Some(check_run(run).err()?.to_string())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
