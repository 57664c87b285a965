//! Interrupted, damaged and shared cache files.

use crate::support::teacher;
use faculty_core::{ErrorKind, Event, LabelSpace, Observer, Result, Silent, hash_text};
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherCache, TeacherOutputs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Asks to stop after so many texts.
struct StopAfter {
    left: AtomicUsize,
}

impl Observer for StopAfter {
    fn on(&self, event: Event<'_>) {
        if let Event::Advance { units, .. } = event {
            let left = self.left.load(Ordering::Relaxed);
            self.left.store(left.saturating_sub(units as usize), Ordering::Relaxed);
        }
    }

    fn interrupted(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// A teacher whose answers are a function of the text alone; counts the texts it is asked.
struct Oracle {
    labels: LabelSpace,
    asked: AtomicUsize,
}

impl Oracle {
    fn new() -> Self {
        Self { labels: LabelSpace::new(["a", "b", "c"]).unwrap(), asked: AtomicUsize::new(0) }
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn logits(text: &str) -> [f32; 3] {
        let hash = hash_text(text);
        [0, 1, 2].map(|class| f32::from(hash[class]) / 7.0)
    }
}

impl Teacher for Oracle {
    fn name(&self) -> &str {
        "oracle"
    }

    fn labels(&self) -> &LabelSpace {
        &self.labels
    }

    fn fingerprint(&self) -> String {
        "oracle/1".to_owned()
    }

    fn outputs(&self, texts: &[String], _: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs> {
        observer.check()?;
        self.asked.fetch_add(texts.len(), Ordering::Relaxed);
        observer.on(Event::Advance { units: texts.len() as u64, note: "" });
        let logits = texts.iter().flat_map(|text| Self::logits(text)).collect();
        Ok(TeacherOutputs { classes: 3, logits, passes: None, features: None, truncated: 0 })
    }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("text {} of many {}", index, "and more ".repeat(index % 7))).collect()
}

fn file_of(dir: &tempfile::TempDir) -> PathBuf {
    let files: Vec<PathBuf> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn right(texts: &[String]) -> Vec<f32> {
    texts.iter().flat_map(|text| Oracle::logits(text)).collect()
}

#[test]
fn an_interrupted_scan_goes_on_where_it_stopped_and_gives_the_same_bits() {
    let (_dir, teacher) = teacher(1, 0.1);
    let texts = texts(60);
    let ask = Ask::default().with_passes(4, 1);
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = |dir: &tempfile::TempDir| TeacherCache::new(dir.path()).with_block_work(2000);
    let uninterrupted = cache(&whole).outputs(&teacher, &texts, &ask, &Silent).unwrap();

    let mut rounds = 0;
    let outputs = loop {
        let stop = StopAfter { left: AtomicUsize::new(13) };
        match cache(&parts).outputs(&teacher, &texts, &ask, &stop) {
            Ok(outputs) => break outputs,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
        }
        rounds += 1;
        assert!(rounds < 60, "no progress");
    };
    assert!(rounds >= 3, "{rounds}");
    assert_eq!(outputs, uninterrupted);
    assert_eq!(std::fs::read(file_of(&parts)).unwrap(), std::fs::read(file_of(&whole)).unwrap());
}

#[test]
fn only_the_rest_is_asked_after_an_interruption() {
    let (oracle, dir, texts) = (Oracle::new(), tempfile::tempdir().unwrap(), texts(50));
    let cache = TeacherCache::new(dir.path()).with_block_work(300);
    let stop = StopAfter { left: AtomicUsize::new(20) };
    assert!(cache.outputs(&oracle, &texts, &Ask::default(), &stop).is_err());
    let before = oracle.asked();
    assert!((20..50).contains(&before), "{before}");
    assert_eq!(cache.outputs(&oracle, &texts, &Ask::default(), &Silent).unwrap().logits, right(&texts));
    assert_eq!(oracle.asked(), 50 - before);
}

#[test]
fn known_rows_are_reported_as_skipped() {
    struct Skipped(AtomicUsize, AtomicUsize);
    impl Observer for Skipped {
        fn on(&self, event: Event<'_>) {
            match event {
                Event::Skip { units, .. } => self.0.fetch_add(units as usize, Ordering::Relaxed),
                Event::Advance { units, .. } => self.1.fetch_add(units as usize, Ordering::Relaxed),
                _ => 0,
            };
        }
    }
    let (oracle, dir) = (Oracle::new(), tempfile::tempdir().unwrap());
    let cache = TeacherCache::new(dir.path());
    for (count, skipped, advanced) in [(20, 0, 20), (30, 20, 10), (30, 30, 0)] {
        let seen = Skipped(AtomicUsize::new(0), AtomicUsize::new(0));
        cache.outputs(&oracle, &texts(count), &Ask::default(), &seen).unwrap();
        assert_eq!((seen.0.into_inner(), seen.1.into_inner()), (skipped, advanced));
    }
}

#[test]
fn damage_at_any_byte_never_gives_a_wrong_row() {
    let (oracle, dir, texts) = (Oracle::new(), tempfile::tempdir().unwrap(), texts(6));
    let cache = TeacherCache::new(dir.path());
    cache.outputs(&oracle, &texts, &Ask::default(), &Silent).unwrap();
    oracle.asked();
    let file = file_of(&dir);
    let good = std::fs::read(&file).unwrap();
    let (header, record) = (8 + 64, 32 + 4 * 3 + 16);
    assert_eq!(good.len(), header + 6 * record);
    let check = |bytes: &[u8], lost: usize, what: &str| {
        std::fs::write(&file, bytes).unwrap();
        for lost in [lost, 0] {
            let outputs = cache.outputs(&oracle, &texts, &Ask::default(), &Silent).unwrap();
            assert_eq!(outputs.logits, right(&texts), "{what}");
            assert_eq!(oracle.asked(), lost, "{what}");
        }
    };
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1 << (position % 8);
        check(&bad, if position < header { 6 } else { 1 }, &format!("bit flipped in byte {position}"));
        let kept = position.saturating_sub(header) / record;
        check(&good[..position], 6 - kept, &format!("cut at byte {position}"));
    }
    let swapped = [&good[..header], &good[header + record..], &good[header..header + record]].concat();
    check(&swapped, 0, "records in another order");
    let missing = [&good[..header], &good[header + 1..]].concat();
    check(&missing, 6, "a byte is gone");
    check(&[good.as_slice(), b"torn"].concat(), 0, "a torn tail");
}

#[test]
fn a_record_of_another_setting_is_no_row() {
    let (oracle, dir, texts) = (Oracle::new(), tempfile::tempdir().unwrap(), texts(4));
    let other = Ask { max_length: Some(9), ..Ask::default() };
    TeacherCache::new(dir.path()).outputs(&oracle, &texts, &other, &Silent).unwrap();
    let foreign = std::fs::read(file_of(&dir)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cache = TeacherCache::new(dir.path());
    cache.outputs(&oracle, &texts, &Ask::default(), &Silent).unwrap();
    let own = std::fs::read(file_of(&dir)).unwrap();
    std::fs::write(file_of(&dir), [&own[..72], &foreign[72..]].concat()).unwrap();
    oracle.asked();
    cache.outputs(&oracle, &texts, &Ask::default(), &Silent).unwrap();
    assert_eq!(oracle.asked(), 4);
}

#[test]
fn two_at_a_time_end_with_right_rows_and_ask_once() {
    let (dir, texts) = (tempfile::tempdir().unwrap(), texts(200));
    let oracles: Vec<Oracle> = (0..4).map(|_| Oracle::new()).collect();
    std::thread::scope(|scope| {
        for oracle in &oracles {
            let cache = TeacherCache::new(dir.path()).with_block_work(500);
            let texts = &texts;
            scope.spawn(move || {
                let outputs = cache.outputs(oracle, texts, &Ask::default(), &Silent).unwrap();
                assert_eq!(outputs.logits, right(texts));
            });
        }
    });
    assert_eq!(oracles.iter().map(Oracle::asked).sum::<usize>(), 200);
    assert_eq!(std::fs::read(file_of(&dir)).unwrap().len(), 72 + 200 * 60);
}

#[test]
fn who_waits_for_another_process_can_be_interrupted() {
    let (oracle, dir, texts) = (Oracle::new(), tempfile::tempdir().unwrap(), texts(5));
    let cache = TeacherCache::new(dir.path());
    cache.outputs(&oracle, &texts[..2], &Ask::default(), &Silent).unwrap();
    let held = std::fs::File::open(file_of(&dir)).unwrap();
    held.lock().unwrap();
    // What is known needs no lock.
    assert_eq!(cache.outputs(&oracle, &texts[..2], &Ask::default(), &Silent).unwrap().logits, right(&texts[..2]));
    let stop = StopAfter { left: AtomicUsize::new(0) };
    let error = cache.outputs(&oracle, &texts, &Ask::default(), &stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    drop(held);
    cache.outputs(&oracle, &texts, &Ask::default(), &Silent).unwrap();
}

#[test]
fn a_network_that_was_never_saved_is_not_cached() {
    let (_dir, saved) = teacher(1, 0.1);
    let mut classifier = saved.classifier().clone();
    classifier.hash.clear();
    let (dir, fresh) = (tempfile::tempdir().unwrap(), ClassifierTeacher::new("fresh", classifier));
    TeacherCache::new(dir.path()).outputs(&fresh, &texts(3), &Ask::default(), &Silent).unwrap();
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
