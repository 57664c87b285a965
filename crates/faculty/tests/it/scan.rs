//! What `faculty amalgamate` asks its teachers before a training, and keeps.

use crate::amalgamate::{TRAINED, place_with_teachers};
use crate::workplace::Workplace;

#[test]
fn what_teachers_said_is_asked_once() {
    let place = place_with_teachers();
    let command = TRAINED.replace("--epochs 20", "--epochs 1");
    let rows = |place: &Workplace| {
        let mut rows: Vec<_> = place
            .path("cache/teacher-outputs")
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        rows.sort();
        rows
    };
    place.faculty(&format!("{command} --method muki --out one")).good();
    let first = rows(&place);
    assert_eq!(first.len(), 2);
    place.faculty(&format!("{command} --method muki-hard --seed 2 --out two")).good();
    assert_eq!(rows(&place), first, "another vote and another seed need nothing new from the teachers");
    let weights = |out: &str| std::fs::read(place.path(out).join("model.safetensors")).unwrap();
    assert_ne!(weights("one"), weights("two"));
    // The same run from the cache gives the same student as the one that filled it.
    place.faculty(&format!("{command} --method muki --out three")).good();
    assert_eq!(weights("one"), weights("three"));
}

#[test]
fn a_scan_from_the_cache_shows_no_rate() {
    let place = place_with_teachers();
    let command = TRAINED.replace("--epochs 20", "--epochs 1");
    let first = place.faculty(&format!("{command} --out one")).good().stderr;
    let line = |text: &str| text.lines().rfind(|line| line.starts_with("teacher bank (K = 4)")).unwrap().to_owned();
    assert!(line(&first).contains("texts/s"), "{first}");
    let second = place.faculty(&format!("{command} --out two")).good().stderr;
    assert_eq!(line(&second), "teacher bank (K = 4): 60 texts from the cache");
    // Other sites are another question, and are named wherever the result is.
    let sites = place.faculty(&format!("{command} --pass-sites head --out three")).good().stderr;
    assert!(sites.contains("teacher bank (K = 4, dropout in the head alone): 60 texts in"), "{sites}");
    let manifest = place.json("three/faculty.json");
    assert_eq!(manifest["configuration"]["method"]["pass_sites"], "head");
    assert!(manifest["method"].as_str().unwrap().contains("dropout in the head alone"), "{manifest}");
    let card = std::fs::read_to_string(place.path("three/README.md")).unwrap();
    assert!(card.contains("dropout in the head alone") && card.contains("pass_sites = \"head\""), "{card}");
}

#[cfg(unix)]
#[test]
fn a_killed_scan_goes_on_where_it_stopped() {
    let place = place_with_teachers();
    let texts: String = (0..300).map(|index| format!("pay bill {index} and book a flight\n")).collect();
    place.write("many.txt", texts);
    let command = "amalgamate --teacher teachers/bank --teacher teachers/travel --text many.txt --student encoder \
                   --epochs 1 --batch-size 8 --passes 400";
    let killed = format!("{command} --out student");
    let mut child = place.command().args(killed.split_whitespace()).spawn().unwrap();
    let cache = place.path("cache/teacher-outputs");
    let rows = |cache: &std::path::Path| -> u64 {
        let entries = cache.read_dir().into_iter().flatten();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    // Longer than a header: at least one block is there.
    while rows(&cache) < 1000 {
        assert!(child.try_wait().unwrap().is_none(), "the scan ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = rows(&cache);
    assert!(!place.path("student").exists());
    let run = place.faculty(&killed).good();
    assert!(run.stderr.contains("from the cache"), "{}", run.stderr);
    assert!(rows(&cache) > kept);
    let mut other = place.command();
    other.env("FACULTY_CACHE", place.path("other-cache"));
    let whole = format!("{command} --out whole");
    crate::workplace::run(other.args(whole.split_whitespace())).good();
    let weights = |out: &str| std::fs::read(place.path(out).join("model.safetensors")).unwrap();
    assert_eq!(weights("student"), weights("whole"));
}
