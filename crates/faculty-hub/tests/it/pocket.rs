//! The import of the encoder that the crate `pocket-encoder` carries.

use crate::build::{directory, put, refused};
use faculty_core::{NamedTensors, hash_bytes, hash_file};
use faculty_hub::{
    Environment, ModelDir, POCKET_ENCODER_NAME, dequantise_q4, find_pocket_encoder, find_pocket_encoder_in,
    import_pocket_encoder,
};
use std::path::{Path, PathBuf};

fn assets() -> Option<PathBuf> {
    find_pocket_encoder().inspect_err(|reason| eprintln!("skipped: {reason}")).ok()
}

#[test]
fn groups_of_four_bits_are_dequantised_low_nibble_first() {
    let mut packed = vec![0x88u8; 32];
    packed[0] = 0x2f;
    packed[15] = 0x71;
    packed[16] = 0x9f;
    let values = dequantise_q4(&packed, &[0.5, 2.0]).unwrap();
    assert_eq!(values.len(), 64);
    assert_eq!(values[..3], [3.5, -3.0, 0.0]);
    assert_eq!(values[30..34], [-3.5, -0.5, 14.0, 2.0]);
    refused(dequantise_q4(&packed, &[0.5]), &["32 bytes for 1 scales"]);
    assert_eq!(dequantise_q4(&[], &[]).unwrap(), [0.0f32; 0]);
}

#[test]
fn the_import_is_an_ordinary_model_directory() {
    let Some(assets) = assets() else { return };
    let cache = directory(&[]);
    let dir = import_pocket_encoder(&assets, cache.path()).unwrap();
    assert_eq!(dir, cache.path().join(POCKET_ENCODER_NAME));
    let model = ModelDir::open(&dir).unwrap();
    assert_eq!(model.config["model_type"], "bert");
    let tokenizer = model.tokenizer_config.as_ref().unwrap();
    assert_eq!((&tokenizer["model_max_length"], &tokenizer["do_lower_case"]), (&512.into(), &true.into()));
    let weights = model.weights().unwrap();
    assert_eq!(weights.names().len(), 55);
    assert_eq!(weights.shape("embeddings.word_embeddings.weight"), Some(vec![30522, 384]));
    assert_eq!(weights.parameters(), 17_389_824);
    for file in ["tokenizer.json", "LICENSE", "provenance.json", "faculty-import.json"] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    compare_with_python(&weights);
}

/// Compares with tensors that NumPy dequantised from the same crate.
fn compare_with_python(weights: &faculty_hub::WeightFiles) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/minilm-l3.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is absent", path.display());
        return;
    };
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tensors = golden["dequantised_f32_little_endian"].as_object().unwrap();
    assert!(!tensors.is_empty());
    for (name, expected) in tensors {
        let shape: Vec<u64> = weights.shape(name).unwrap().into_iter().map(|length| length as u64).collect();
        assert_eq!(serde_json::json!(shape), expected["shape"], "{name}");
        let bytes: Vec<u8> = weights.read(name).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(hash_bytes(&bytes), expected["sha256"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn an_intact_import_is_used_again_and_a_damaged_one_is_made_anew() {
    let Some(assets) = assets() else { return };
    let cache = directory(&[]);
    let dir = import_pocket_encoder(&assets, cache.path()).unwrap();
    let weights = dir.join("model.safetensors");
    let (hash, written) = (hash_file(&weights).unwrap(), weights.metadata().unwrap().modified().unwrap());

    // The assets are not even looked at.
    assert_eq!(import_pocket_encoder(Path::new("absent"), cache.path()).unwrap(), dir);
    assert_eq!(weights.metadata().unwrap().modified().unwrap(), written);

    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 4]).unwrap();
    import_pocket_encoder(&assets, cache.path()).unwrap();
    assert_eq!(hash_file(&weights).unwrap(), hash);

    std::fs::remove_file(dir.join("tokenizer.json")).unwrap();
    import_pocket_encoder(&assets, cache.path()).unwrap();
    assert!(dir.join("tokenizer.json").is_file());
    assert_eq!(cache.path().read_dir().unwrap().count(), 2, "nothing is left in the cache but the import and its lock");
}

#[test]
fn who_imports_at_the_same_time_waits_and_replaces_nothing() {
    let Some(assets) = assets() else { return };
    let cache = directory(&[]);
    let import = || {
        let dir = import_pocket_encoder(&assets, cache.path()).unwrap();
        // As any reader would, while the others are still at it.
        (
            hash_file(&dir.join("tokenizer.json")).unwrap(),
            dir.join("model.safetensors").metadata().unwrap().modified().unwrap(),
        )
    };
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(import)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|one| *one == found[0]), "all of them read the one import: {found:?}");
}

#[test]
fn assets_that_are_not_the_published_ones_are_refused_and_nothing_is_written() {
    let dir = directory(&[("assets/model.safetensors", b"not it"), ("assets/shapes.json", b"{}")]);
    let cache = directory(&[]);
    let error = import_pocket_encoder(&dir.path().join("assets"), cache.path());
    refused(error, &["model.safetensors", "SHA-256", "dabb40d5d98a"]);
    assert_eq!(cache.path().read_dir().unwrap().count(), 0);
}

#[test]
fn the_crate_is_found_in_the_registry_or_where_the_environment_says() {
    let base = directory(&[]);
    let files: [(&str, &[u8]); 2] = [("model.safetensors", b""), ("shapes.json", b"")];
    let crate_dir = base.path().join("cargo/registry/src/index.example-0/pocket-encoder-0.1.2");
    let assets = crate_dir.join("assets");
    let environment = Environment { cargo_home: Some(base.path().join("cargo")), ..Environment::default() };
    refused(find_pocket_encoder_in(&environment), &["pocket-encoder-0.1.2", "cargo xtask experiment quickstart"]);
    put(&assets, &files);
    assert_eq!(find_pocket_encoder_in(&environment).unwrap(), assets);
    let home = directory(&[]);
    let at_home = put(&home.path().join(".cargo/registry/src/i/pocket-encoder-0.1.2/assets"), &files);
    let environment = Environment { home: Some(home.path().to_path_buf()), ..Environment::default() };
    assert_eq!(find_pocket_encoder_in(&environment).unwrap(), at_home);
    for given in [&crate_dir, &assets] {
        let environment = Environment { faculty_pocket_encoder: Some(given.clone()), ..environment.clone() };
        assert_eq!(find_pocket_encoder_in(&environment).unwrap(), assets);
    }
    let wrong = Environment { faculty_pocket_encoder: Some(base.path().to_path_buf()), ..environment };
    refused(find_pocket_encoder_in(&wrong), &["FACULTY_POCKET_ENCODER", "holds no pocket-encoder assets"]);
}
