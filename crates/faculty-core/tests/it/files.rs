use faculty_core::{StagedDir, hash_bytes, hash_file, hash_text, short_hash, sync_folder, write_atomically};
use std::fs;
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        dir.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_whole_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/sub/a.json");
    write_atomically(&path, b"one").unwrap();
    write_atomically(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(path.parent().unwrap()), ["a.json"]);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    let error = write_atomically(&dir.path().join("file/a.json"), b"one").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("file"), "{error}");
    fs::create_dir_all(dir.path().join("taken/inside")).unwrap();
    assert!(write_atomically(&dir.path().join("taken"), b"one").is_err());
    assert_eq!(names(dir.path()), ["file", "taken"], "the temporary file is gone");
}

#[test]
fn a_staged_directory_appears_on_commit_only() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let staged = StagedDir::create(&target, false).unwrap();
    fs::write(staged.path().join("a"), "1").unwrap();
    assert!(!target.exists());
    assert_eq!(staged.commit().unwrap(), target);
    assert_eq!(fs::read(target.join("a")).unwrap(), b"1");
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn a_staged_directory_without_commit_vanishes() {
    let dir = tempfile::tempdir().unwrap();
    let staged = StagedDir::create(&dir.path().join("out"), false).unwrap();
    fs::write(staged.path().join("a"), "1").unwrap();
    drop(staged);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn an_existing_directory_needs_overwrite_and_is_then_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    fs::create_dir(&target).unwrap();
    StagedDir::refuse_existing(&target, false).expect("an empty directory is free");
    fs::write(target.join("old"), "0").unwrap();
    let error = StagedDir::create(&target, false).unwrap_err().to_string();
    assert!(error.contains("the output directory exists") && error.contains("--overwrite"), "{error}");
    let staged = StagedDir::create(&target, true).unwrap();
    fs::write(staged.path().join("new"), "1").unwrap();
    assert_eq!(names(&target), ["old"], "untouched until the commit");
    staged.commit().unwrap();
    assert_eq!(names(&target), ["new"]);
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn what_appears_during_the_work_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    let staged = StagedDir::create(&target, false).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("theirs"), "0").unwrap();
    assert!(staged.commit().is_err());
    assert_eq!((names(&target), names(dir.path())), (vec!["theirs".to_owned()], vec!["out".to_owned()]));
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused_even_with_overwrite() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out");
    fs::write(&target, "x").unwrap();
    assert!(StagedDir::create(&target, true).unwrap_err().to_string().contains("is a file"));
}

#[cfg(unix)]
#[test]
fn what_is_published_can_be_read_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    write_atomically(&dir.path().join("a"), b"x").unwrap();
    let staged = StagedDir::create(&dir.path().join("out"), false).unwrap().commit().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir.path().join("a")), mode(&staged)), (0o644, 0o755));
}

#[test]
fn hashes_are_sha256() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hash_bytes(b"abc"), abc);
    assert_eq!(hash_text("abc")[..3], [0xba, 0x78, 0x16]);
    assert_eq!((short_hash(abc), short_hash("ab")), ("ba7816bf8f01", "ab"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    // Larger than one read.
    let bytes = vec![7u8; 200_001];
    fs::write(&path, &bytes).unwrap();
    assert_eq!(hash_file(&path).unwrap(), hash_bytes(&bytes));
    assert!(hash_file(&dir.path().join("b")).unwrap_err().to_string().contains("b: cannot open"));
}

#[test]
fn a_staged_directory_with_folders_in_it_is_synchronised_and_published_whole() {
    let dir = tempfile::tempdir().unwrap();
    let staged = StagedDir::create(&dir.path().join("out"), false).unwrap();
    fs::create_dir_all(staged.path().join("a/b")).unwrap();
    fs::write(staged.path().join("a/b/c"), "1").unwrap();
    let out = staged.commit().unwrap();
    assert_eq!(fs::read(out.join("a/b/c")).unwrap(), b"1");
    sync_folder(&out).unwrap();
    assert!(sync_folder(&dir.path().join("none")).is_err() || cfg!(not(unix)));
}
