//! Sets of checkpoints that are torn, flipped, half-written or gone.

use crate::checkpoints::{Case, Watch, every, names};
use faculty_core::Silent;
use faculty_student::Checkpoints;
use std::path::{Path, PathBuf};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in names(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// A folder of checkpoints with those after steps 3 and 6, as a process leaves it that was killed between committing the
/// second and removing the first.
fn two_sets(case: &Case) -> (tempfile::TempDir, Checkpoints, [PathBuf; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = every(dir.path(), 3);
    let sets = [3, 6].map(|step| checkpoints.dir().join(format!("step-{step:09}")));
    assert!(case.run(Some(&checkpoints), Some(5), &Silent).is_err());
    let aside = dir.path().join("aside");
    copy(&sets[0], &aside);
    assert!(case.run(Some(&checkpoints), Some(8), &Silent).is_err());
    copy(&aside, &sets[0]);
    (dir, checkpoints, sets)
}

const FILES: [&str; 5] =
    ["commit.json", "network.safetensors", "objective.safetensors", "optimizer.safetensors", "state.json"];

/// The folder as it was.
fn put_back(whole: &Path, checkpoints: &Checkpoints, sets: &[PathBuf; 2]) {
    checkpoints.remove().unwrap();
    for (which, set) in ["3", "6"].iter().zip(sets) {
        copy(&whole.join(which), set);
    }
}

#[test]
fn a_torn_or_flipped_file_is_never_trusted() {
    let case = Case::default();
    let expected = case.run(None, None, &Silent).unwrap();
    let (dir, checkpoints, sets) = two_sets(&case);
    assert_eq!(names(&sets[1]), FILES);
    let whole = dir.path().join("whole");
    for (which, set) in ["3", "6"].iter().zip(&sets) {
        copy(set, &whole.join(which));
    }
    for file in FILES {
        let bytes = std::fs::read(sets[1].join(file)).unwrap();
        let mut damaged: Vec<Vec<u8>> =
            [0, 1, bytes.len() / 2, bytes.len() - 1].iter().map(|&length| bytes[..length].to_vec()).collect();
        for position in [0, 9, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0x10;
            damaged.push(flipped);
        }
        damaged.push([&bytes[..], b"\n{}"].concat());
        for content in damaged {
            put_back(&whole, &checkpoints, &sets);
            std::fs::write(sets[1].join(file), &content).unwrap();
            let watch = Watch::default();
            let end = case.run(Some(&checkpoints), None, &watch).unwrap();
            assert!(end == expected, "{file} with {} bytes", content.len());
            assert_eq!(watch.skipped.into_inner(), 12, "the texts of the first pass, {file}");
            let warnings = watch.warnings.into_inner().unwrap();
            assert!(warnings.len() == 1 && warnings[0].contains("passed over"), "{file}: {warnings:?}");
        }
        put_back(&whole, &checkpoints, &sets);
        for set in &sets {
            std::fs::remove_file(set.join(file)).unwrap();
        }
        let watch = Watch::default();
        assert!(case.run(Some(&checkpoints), None, &watch).unwrap() == expected);
        assert_eq!(watch.skipped.into_inner(), 0);
        let warnings = watch.warnings.into_inner().unwrap();
        assert!(warnings.len() == 3 && warnings[2].contains("starts from its beginning"), "{file}: {warnings:?}");
    }
}

#[test]
fn what_is_half_written_is_ignored_and_swept() {
    let (case, dir) = (Case::default(), tempfile::tempdir().unwrap());
    let checkpoints = every(dir.path(), 3);
    assert!(case.run(Some(&checkpoints), Some(5), &Silent).is_err());
    let set = checkpoints.dir().join("step-000000003");
    let unfinished = checkpoints.dir().join(".faculty-x1.tmp");
    copy(&set, &unfinished);
    std::fs::remove_file(unfinished.join("commit.json")).unwrap();
    let watch = Watch::default();
    assert!(case.run(Some(&checkpoints), Some(7), &watch).is_err());
    assert_eq!(watch.warnings.into_inner().unwrap(), Vec::<String>::new());
    assert_eq!(names(checkpoints.dir()), ["step-000000006"]);
}
