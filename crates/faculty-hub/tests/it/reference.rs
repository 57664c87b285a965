//! Model references and the Hugging Face cache.

use crate::build::{directory, put, refused, small};
use faculty_core::Silent;
use faculty_hub::{Environment, ModelRef, cache_root, public_name, resolve, resolve_with};
use std::path::{Path, PathBuf};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn hub(text: &str) -> ModelRef {
    match ModelRef::parse(text).unwrap() {
        local @ ModelRef::Local(_) => panic!("{local} is local"),
        hub @ ModelRef::Hub(_) => hub,
    }
}

/// An offline environment whose home is `home`.
fn offline(home: &Path) -> Environment {
    Environment { home: Some(home.to_path_buf()), hf_hub_offline: true, ..Environment::default() }
}

/// Writes a snapshot with its reference into a cache directory.
fn cached(cache: &Path, folder: &str, revision: &str) -> PathBuf {
    let repository = cache.join(folder);
    let snapshot = repository.join("snapshots").join(COMMIT);
    put(&repository, &[(&format!("refs/{revision}"), COMMIT.as_bytes())]);
    put(&snapshot, &[("config.json", b"{}"), ("model.safetensors", &small())]);
    snapshot
}

#[test]
fn references_are_parsed() {
    let reference = hub("sentence-transformers/all-MiniLM-L6-v2");
    let ModelRef::Hub(id) = &reference else { unreachable!() };
    assert_eq!((id.repository().as_str(), id.revision()), ("sentence-transformers/all-MiniLM-L6-v2", "main"));
    assert_eq!(reference.to_string(), "sentence-transformers/all-MiniLM-L6-v2");
    let pinned = hub("a/b@refs/pr/1");
    let ModelRef::Hub(id) = &pinned else { unreachable!() };
    assert_eq!(id.revision(), "refs/pr/1");
    assert_eq!(pinned.to_string(), "a/b@refs/pr/1");
}

#[test]
fn an_existing_directory_wins_and_resolves_to_itself() {
    let dir = directory(&[("owner/name@main/config.json", b"{}")]);
    let path = dir.path().join("owner/name@main");
    let reference = ModelRef::parse(path.to_str().unwrap()).unwrap();
    assert_eq!(reference, ModelRef::Local(path.clone()));
    assert_eq!(resolve(&reference).unwrap(), path);
}

#[test]
fn what_looks_like_a_path_is_not_asked_from_the_hub() {
    let dir = directory(&[("model/config.json", b"{}")]);
    let below = dir.path().join("absent").display().to_string();
    for text in
        [below.as_str(), "./absent", "../absent/x", "~/absent", "a/b/c", "a\\b", "absent/", "/absent", "src/absent"]
    {
        refused(ModelRef::parse(text), &["no such directory"]);
    }
    refused(ModelRef::parse("bert-base-uncased"), &["no such directory", "google-bert/bert-base-uncased"]);
    refused(ModelRef::parse(""), &["empty"]);
    let file = dir.path().join("model/config.json");
    refused(ModelRef::parse(file.to_str().unwrap()), &["is a file"]);
}

#[test]
fn ids_and_revisions_that_could_leave_the_cache_are_refused() {
    for text in
        ["o/n@../../x", "o/n@a..b", "o/n@/etc", "o/n@", "o/n@a//b", "o/n@.hidden", "o/n@x y", "o/n@a\\b", "o/n@a/"]
    {
        refused(ModelRef::parse(text), &["is no revision"]);
    }
    for text in ["o--x/n", "o/..", "-o/n", "o/n n", "o/é", "o/n..m"] {
        refused(ModelRef::parse(text), &["neither a directory nor a Hugging Face id"]);
    }
}

#[test]
fn the_cache_is_found_where_the_environment_says() {
    let base = directory(&[]);
    let at = |place: &str| base.path().join(place);
    let home = offline(&at("home"));
    let cases = [
        (home.clone(), at("home/.cache/huggingface/hub")),
        (Environment { xdg_cache_home: Some(at("xdg")), ..home.clone() }, at("xdg/huggingface/hub")),
        (Environment { hf_home: Some(at("hf")), xdg_cache_home: Some(at("xdg2")), ..home.clone() }, at("hf/hub")),
        (Environment { hf_hub_cache: Some(at("cache")), hf_home: Some(at("hf2")), ..home.clone() }, at("cache")),
    ];
    for (environment, place) in cases {
        let reference = hub("owner/name");
        refused(
            resolve_with(&reference, &environment, &Silent),
            &["`owner/name`", "HF_HUB_OFFLINE", &place.join("models--owner--name").display().to_string()],
        );
        let snapshot = cached(&place, "models--owner--name", "main");
        assert_eq!(resolve_with(&reference, &environment, &Silent).unwrap(), snapshot);
    }
}

#[test]
fn branches_tags_and_commits_are_revisions() {
    let home = directory(&[]);
    let environment = offline(home.path());
    let snapshot = cached(&home.path().join(".cache/huggingface/hub"), "models--o--n", "refs/pr/1");
    let find = |text: &str| resolve_with(&hub(text), &environment, &Silent);
    assert_eq!(find("o/n@refs/pr/1").unwrap(), snapshot);
    assert_eq!(find(&format!("o/n@{COMMIT}")).unwrap(), snapshot);
    refused(find("o/n"), &["`o/n`", "nor in the Hugging Face cache"]);
    refused(find("o/n@other"), &["`o/n@other`"]);
}

#[test]
fn a_damaged_reference_does_not_lead_out_of_the_cache() {
    let home = directory(&[("secret/config.json", b"{}"), ("secret/model.safetensors", b"")]);
    let cache = home.path().join(".cache/huggingface/hub");
    cached(&cache, "models--o--n", "main");
    put(&cache, &[("models--o--n/refs/main", b"../../../../../../secret")]);
    refused(resolve_with(&hub("o/n"), &offline(home.path()), &Silent), &["refs/main", "40 hexadecimal digits"]);
}

#[test]
fn an_incomplete_copy_is_named() {
    let home = directory(&[]);
    let environment = offline(home.path());
    let snapshot = cached(&home.path().join(".cache/huggingface/hub"), "models--o--n", "main");
    let find = || resolve_with(&hub("o/n"), &environment, &Silent);
    std::fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    refused(find(), &["lacks model.safetensors", "HF_HUB_OFFLINE"]);
    put(&snapshot, &[("model.safetensors.index.json", br#"{"weight_map": {"w": "s.safetensors"}}"#)]);
    refused(find(), &["lacks a part of its weights", "shard is missing"]);
    std::fs::remove_file(snapshot.join("config.json")).unwrap();
    refused(find(), &["lacks config.json"]);
}

#[test]
fn a_cached_model_with_only_a_pickle_is_resolved_so_that_opening_it_explains() {
    let home = directory(&[]);
    let snapshot = cached(&home.path().join(".cache/huggingface/hub"), "models--o--n", "main");
    std::fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    put(&snapshot, &[("pytorch_model.bin", b"PK\x03\x04")]);
    let found = resolve_with(&hub("o/n"), &offline(home.path()), &Silent).unwrap();
    refused(faculty_hub::WeightFiles::open(found), &["pickle is refused"]);
}

#[cfg(not(feature = "hub"))]
#[test]
fn without_the_feature_the_error_says_how_to_get_the_model() {
    let home = directory(&[]);
    let environment = Environment { hf_hub_offline: false, ..offline(home.path()) };
    refused(
        resolve_with(&hub("o/n"), &environment, &Silent),
        &["`o/n`", "models--o--n", "pass a local directory", "--features hub"],
    );
}

#[test]
fn without_a_home_directory_the_error_names_the_variable() {
    let nowhere = Environment { hf_hub_offline: true, ..Environment::default() };
    refused(resolve_with(&hub("o/n"), &nowhere, &Silent), &["HF_HOME"]);
    refused(nowhere.cache_root(), &["FACULTY_CACHE"]);
}

#[test]
fn the_cache_of_faculty_is_where_the_environment_says() {
    let base = Environment { home: Some("/home/user".into()), ..Environment::default() };
    let chosen = Environment { faculty_cache: Some("/fast/cache".into()), ..base.clone() };
    let xdg = Environment { xdg_cache_home: Some("/xdg".into()), ..base.clone() };
    assert_eq!(chosen.cache_root().unwrap(), Path::new("/fast/cache"));
    assert_eq!(xdg.cache_root().unwrap(), Path::new("/xdg/faculty"));
    if cfg!(target_os = "linux") {
        assert_eq!(base.cache_root().unwrap(), Path::new("/home/user/.cache/faculty"));
    }
    assert_eq!(cache_root().ok(), Environment::from_process().cache_root().ok());
}

#[test]
fn a_token_is_never_shown() {
    let environment = Environment { hf_token: Some("hf_secret".into()), ..Environment::default() };
    let shown = format!("{environment:?}");
    assert!(shown.contains("(hidden)") && !shown.contains("hf_secret"), "{shown}");
}

#[test]
fn what_is_said_of_a_model_does_not_tell_where_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let (model, file) = (dir.path().join("bank"), dir.path().join("tiny.gguf"));
    std::fs::create_dir(&model).unwrap();
    std::fs::write(&file, "x").unwrap();
    assert_eq!(public_name(model.to_str().unwrap()), "bank");
    assert_eq!(public_name(file.to_str().unwrap()), "tiny.gguf");
    for other in ["owner/name@v1", "smollm2-135m"] {
        assert_eq!(public_name(other), other);
    }
}
