//! Files of data sets in the Hugging Face cache, without network.

use crate::build::{directory, refused};
use faculty_core::Silent;
use faculty_hub::{DatasetId, Environment, check_file_in_repository, resolve_dataset_file};

const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

#[test]
fn a_file_in_the_cache_is_found_and_an_absent_one_is_named() {
    let cache = directory(&[]);
    let snapshot = cache.path().join(format!("datasets--owner--name/snapshots/{COMMIT}/data"));
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(snapshot.join("train.parquet"), b"PAR1").unwrap();
    let environment =
        Environment { hf_hub_cache: Some(cache.path().to_path_buf()), hf_hub_offline: true, ..Environment::default() };
    let id = DatasetId::parse("owner/name", COMMIT).unwrap();
    let get = |file: &str| resolve_dataset_file(&id, file, &environment, &Silent);
    assert_eq!(get("data/train.parquet").unwrap(), snapshot.join("train.parquet"));
    refused(get("data/test.parquet"), &["data/test.parquet", &format!("owner/name@{COMMIT}"), "HF_HUB_OFFLINE"]);
    refused(get("../../secret"), &["no file of a repository"]);
}

#[test]
fn a_data_set_is_pinned_to_a_commit() {
    assert_eq!(DatasetId::parse("owner/name", COMMIT).unwrap().to_string(), format!("owner/name@{COMMIT}"));
    refused(DatasetId::parse("owner/name", "main"), &["`main` is no commit", "may move"]);
    refused(DatasetId::parse("name", COMMIT), &["owner/name"]);
    refused(DatasetId::parse("../x", COMMIT), &["`../x`"]);
}

#[test]
fn a_path_stays_inside_the_repository() {
    for good in ["train.parquet", "data/train-00000-of-00001.parquet", "a/b=c/x.jsonl.zst"] {
        check_file_in_repository(good).unwrap();
    }
    for wrong in ["", "/etc/passwd", "..", "a/../b", "a//b", ".hidden", "a\\b", "a b", "a/"] {
        refused(check_file_in_repository(wrong), &["no file of a repository"]);
    }
}
