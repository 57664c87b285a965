//! The encoder that the crate `pocket-encoder` carries, made into an ordinary Hugging Face directory once.
//!
//! paraphrase-MiniLM-L3-v2 (BERT, 3 layers, hidden size 384) with its matrices in 4 bits:
//! value = (nibble - 8) * scale, one f16 scale for each 32 values in row-major order.

use crate::environment::Environment;
use crate::json;
use crate::weights::{SINGLE, WeightFiles};
use crate::write::{TensorSpec, write_safetensors_streaming};
use faculty_core::{Error, NamedTensors, Result, StagedDir, hash_file, wait_for_lock, write_atomically};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The directory that [`import_pocket_encoder`] writes, below the cache root.
pub const POCKET_ENCODER_NAME: &str = "paraphrase-minilm-l3-v2";

const CRATE: &str = "pocket-encoder-0.1.2";
const MANIFEST: &str = "faculty-import.json";
/// Raised when what is written changes, so that an older import is made anew.
const IMPORT_VERSION: u64 = 1;
/// Values that share one scale.
const GROUP: usize = 32;

/// SHA-256 of the assets of pocket-encoder 0.1.2.
const ASSETS: [(&str, &str); 4] = [
    (SINGLE, "dabb40d5d98a22372c8921acf048cb54bb8bf6d781b1233b2a360d5125789c7e"),
    ("config.json", "fc00f0ca1c3380f17937a4050908dd2cf743c36bebe437cf448b8aa4e7ddfe4d"),
    ("tokenizer.json", "a9576e4dadfe7f78f071a1c00ba6902cc83ec6ed7e9b590ee974950bd4d54393"),
    ("shapes.json", "80cc775c83fde0fa3c97290f3aa1417a679552278d5b96b06d5c52ae0a736437"),
];

/// The assets directory of the crate `pocket-encoder` 0.1.2 on this machine: `FACULTY_POCKET_ENCODER`, or Cargo's
/// registry.
///
/// # Errors
/// Fails if it is in neither place; the message says how it gets there.
pub fn find_pocket_encoder() -> Result<PathBuf> {
    find_pocket_encoder_in(&Environment::from_process())
}

/// [`find_pocket_encoder`] in a given environment.
///
/// # Errors
/// As [`find_pocket_encoder`].
pub fn find_pocket_encoder_in(environment: &Environment) -> Result<PathBuf> {
    let has_assets = |dir: &PathBuf| dir.join(SINGLE).is_file() && dir.join("shapes.json").is_file();
    if let Some(given) = &environment.faculty_pocket_encoder {
        return [given.join("assets"), given.clone()].into_iter().find(has_assets).ok_or_else(|| {
            Error::input("holds no pocket-encoder assets")
                .file(given)
                .key("FACULTY_POCKET_ENCODER")
                .expected(format!("the directory of the crate {CRATE}, or its assets"))
        });
    }
    let cargo_home =
        environment.cargo_home.clone().or_else(|| environment.home.as_ref().map(|home| home.join(".cargo")));
    let sources = cargo_home.map(|home| home.join("registry/src"));
    let mut registries: Vec<PathBuf> = sources
        .iter()
        .filter_map(|sources| sources.read_dir().ok())
        .flat_map(|entries| entries.filter_map(std::result::Result::ok).map(|entry| entry.path()))
        .collect();
    registries.sort();
    registries.into_iter().map(|registry| registry.join(CRATE).join("assets")).find(has_assets).ok_or_else(|| {
        let place = sources.map_or_else(|| "Cargo's registry".to_owned(), |sources| sources.display().to_string());
        Error::input(format!("the pretrained encoder (crate {CRATE}) is not on this machine; looked in {place}")).help(
            "`cargo xtask experiment quickstart` finds it through Cargo; or set FACULTY_POCKET_ENCODER to the \
             directory of the crate; or pass another model",
        )
    })
}

/// Makes the assets of pocket-encoder 0.1.2 into `cache_root/paraphrase-minilm-l3-v2/`: `config.json`, f32
/// `model.safetensors`, `tokenizer.json`, `tokenizer_config.json`, the licence and where it all comes from.
///
/// Done once: an import whose weights still have the recorded hash is used again.
///
/// # Errors
/// Fails if an asset is missing or is not the published one (SHA-256), or if the directory cannot be written.
pub fn import_pocket_encoder(assets_dir: &Path, cache_root: &Path) -> Result<PathBuf> {
    let target = cache_root.join(POCKET_ENCODER_NAME);
    if is_intact(&target) {
        return Ok(target);
    }
    for (name, expected) in ASSETS {
        let path = assets_dir.join(name);
        let found = hash_file(&path)?;
        if found != expected {
            return Err(Error::input(format!("has SHA-256 {found}"))
                .file(path)
                .expected(format!("{expected}, as in {CRATE}"))
                .help("delete the crate from Cargo's registry and build again"));
        }
    }
    // One at a time: an import that another process finished meanwhile may already be read by somebody, and is not replaced.
    std::fs::create_dir_all(cache_root).map_err(|error| Error::io("create", cache_root, error))?;
    let path = cache_root.join(format!("{POCKET_ENCODER_NAME}.lock"));
    let lock = std::fs::File::create(&path).map_err(|error| Error::io("create", &path, error))?;
    wait_for_lock(&lock, &path)?;
    if is_intact(&target) {
        return Ok(target);
    }
    let staged = StagedDir::create(&target, true)?;
    write_directory(assets_dir, staged.path())?;
    let target = staged.commit()?;
    tracing::debug!(directory = %target.display(), "imported the pocket encoder");
    Ok(target)
}

/// True if the directory is a finished import whose weights have the recorded hash.
fn is_intact(dir: &Path) -> bool {
    let recorded = || -> Option<String> {
        let manifest = json::read_object(&dir.join(MANIFEST)).ok()?;
        let same = manifest.get("import_version")?.as_u64()? == IMPORT_VERSION
            && manifest.get("source")?.as_str()? == CRATE
            && ["config.json", "tokenizer.json", "tokenizer_config.json"].iter().all(|name| dir.join(name).is_file());
        let hash = manifest.get("sha256")?.get(SINGLE)?.as_str()?;
        same.then(|| hash.to_owned())
    };
    recorded().is_some_and(|hash| hash_file(&dir.join(SINGLE)).is_ok_and(|found| found == hash))
}

fn write_directory(assets: &Path, dir: &Path) -> Result<()> {
    write_weights(assets, &dir.join(SINGLE))?;
    for (from, to) in [
        ("config.json", "config.json"),
        ("tokenizer.json", "tokenizer.json"),
        ("MODEL-LICENSE", "LICENSE"),
        ("provenance.json", "provenance.json"),
    ] {
        let source = assets.join(from);
        let bytes = std::fs::read(&source).map_err(|e| Error::io("read", &source, e))?;
        write_atomically(&dir.join(to), &bytes)?;
    }
    let tokenizer_config = json!({
        "tokenizer_class": "BertTokenizerFast",
        "model_max_length": 512,
        "do_lower_case": true,
        "tokenize_chinese_chars": true,
        "strip_accents": null,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    });
    write_json(&dir.join("tokenizer_config.json"), &tokenizer_config)?;
    let mut hashes = BTreeMap::new();
    for name in [SINGLE, "config.json", "tokenizer.json", "tokenizer_config.json", "LICENSE", "provenance.json"] {
        hashes.insert(name, hash_file(&dir.join(name))?);
    }
    let manifest = json!({
        "import_version": IMPORT_VERSION,
        "source": CRATE,
        "source_sha256": ASSETS.into_iter().collect::<BTreeMap<_, _>>(),
        "model": "sentence-transformers/paraphrase-MiniLM-L3-v2",
        "license": "Apache-2.0",
        "modified": "the crate holds the published matrices rounded to 4 bits; they are written here as f32",
        "sha256": hashes,
    });
    write_json(&dir.join(MANIFEST), &manifest)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::internal(format!("JSON: {e}")))?;
    text.push('\n');
    write_atomically(path, text.as_bytes())
}

fn write_weights(assets: &Path, target: &Path) -> Result<()> {
    let shapes: BTreeMap<String, Vec<usize>> = json::read(&assets.join("shapes.json"))?;
    let packed = WeightFiles::open_file(assets.join(SINGLE))?;
    let specs: Vec<TensorSpec> = shapes.into_iter().map(|(name, shape)| TensorSpec { name, shape }).collect();
    write_safetensors_streaming(target, &specs, &[("source", CRATE)], |index| {
        let Some(spec) = specs.get(index) else { return Ok(Cow::Borrowed(&[][..])) };
        if spec.shape.len() < 2 {
            return packed.read(&spec.name).map(Cow::Owned);
        }
        let nibbles = packed.read_u8(&format!("{}.q4", spec.name))?;
        let scales = packed.read(&format!("{}.scales", spec.name))?;
        dequantise_q4(&nibbles, &scales).map(Cow::Owned).map_err(|error| error.key(&spec.name))
    })
}

/// The values of symmetric 4-bit groups: value = (nibble - 8) * scale. Each byte holds two values, the low nibble first;
/// each scale serves 32 values.
///
/// ```
/// let mut bytes = [0x88; 16]; // nibble 8 is zero
/// bytes[0] = 0x1f; // 15 - 8 = 7, then 1 - 8 = -7
/// let values = faculty_hub::dequantise_q4(&bytes, &[0.5])?;
/// assert_eq!(values[..3], [3.5, -3.5, 0.0]);
/// # Ok::<(), faculty_core::Error>(())
/// ```
///
/// # Errors
/// Fails if the number of bytes does not match the number of scales.
pub fn dequantise_q4(packed: &[u8], scales: &[f32]) -> Result<Vec<f32>> {
    if scales.len().checked_mul(GROUP / 2) != Some(packed.len()) {
        return Err(Error::input(format!("has {} bytes for {} scales", packed.len(), scales.len()))
            .expected(format!("{} bytes for each scale", GROUP / 2)));
    }
    let mut values = Vec::with_capacity(packed.len() * 2);
    for (bytes, scale) in packed.chunks_exact(GROUP / 2).zip(scales) {
        let value = |nibble: u8| (f32::from(nibble) - 8.0) * scale;
        values.extend(bytes.iter().flat_map(|&byte| [value(byte & 15), value(byte >> 4)]));
    }
    Ok(values)
}
