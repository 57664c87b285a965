//! Directories that transformers wrote (tiny random models in the test kit).

use faculty_core::NamedTensors;
use faculty_hub::ModelDir;
use std::path::{Path, PathBuf};

fn models() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/models");
    if path.is_dir() {
        Some(path)
    } else {
        eprintln!("skipped: {} is absent", path.display());
        None
    }
}

#[test]
fn every_directory_that_transformers_wrote_opens_and_reads() {
    let Some(models) = models() else { return };
    let mut opened = 0;
    for entry in models.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let model = ModelDir::open(&path).unwrap();
        assert!(model.config.contains_key("model_type"), "{}", path.display());
        assert!(model.labels().unwrap().len() > 1);
        let weights = model.weights().unwrap();
        for name in weights.names() {
            let values = weights.read(&name).unwrap();
            assert_eq!(values.len(), weights.shape(&name).unwrap().iter().product::<usize>());
        }
        assert_eq!(model.model_hash().unwrap().len(), 64);
        opened += 1;
    }
    assert!(opened > 0);
}

#[test]
fn shards_that_transformers_wrote_hold_what_the_single_file_holds() {
    let Some(models) = models() else { return };
    let open = |name: &str| ModelDir::open(models.join(name)).and_then(|model| model.weights());
    let (Ok(single), Ok(sharded)) = (open("bert"), open("bert-sharded")) else {
        eprintln!("skipped: no bert and bert-sharded");
        return;
    };
    assert!(sharded.files().len() > 1);
    let (mut names, mut sharded_names) = (single.names(), sharded.names());
    names.sort();
    sharded_names.sort();
    assert_eq!(names, sharded_names);
    for name in names {
        assert_eq!(single.read(&name).unwrap(), sharded.read(&name).unwrap(), "{name}");
    }
}
