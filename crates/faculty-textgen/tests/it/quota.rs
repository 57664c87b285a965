//! Quotas: what is kept of drafts.

use faculty_core::{ErrorKind, Observer, Result, Silent};
use faculty_textgen::{ClassSource, DraftLog, Judge, Quota};
use std::cell::RefCell;
use std::ops::Range;

/// Draft n of class c is "c word-n": every third one is of the other class, every fifth one repeats, every seventh is empty.
struct Drafts {
    asked: RefCell<Vec<(usize, Range<u64>)>>,
}

impl Drafts {
    fn new() -> Self {
        Self { asked: RefCell::new(Vec::new()) }
    }
}

impl ClassSource for Drafts {
    fn describe(&self) -> String {
        "drafts".to_owned()
    }

    fn classes(&self) -> usize {
        2
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
        self.asked.borrow_mut().push((class, numbers.clone()));
        let text = |number: u64| match number {
            _ if number % 7 == 6 => " . ".to_owned(),
            _ if number % 5 == 4 => format!("{class}: the same!"),
            _ if number % 3 == 2 => format!("{} word {number}, of {class}", 1 - class),
            _ => format!("{class} word {number}"),
        };
        Ok(numbers.map(text).collect())
    }
}

/// Sure of the class that a text begins with.
struct First;

impl Judge for First {
    fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
        Ok(texts.iter().flat_map(|text| if text.starts_with('0') { [0.95, 0.05] } else { [0.08, 0.92] }).collect())
    }
}

const QUOTA: Quota = Quota {
    per_class: 10,
    floor: 0.9,
    most_drafts: 20,
    batch: 8,
    drop_repeats: true,
    near: 1.0,
    patience: 0,
    examples: 0,
};

#[test]
fn every_class_gets_its_texts_in_order_and_no_more_drafts_than_it_needs() {
    let source = Drafts::new();
    let (kept, reports) = QUOTA.fill(&source, &First, &Silent).unwrap();
    assert_eq!(kept.len(), 20);
    for (class, report) in reports.iter().enumerate() {
        let own: Vec<_> = kept.iter().filter(|text| text.class == class).collect();
        assert_eq!(own.len(), 10);
        assert!(own.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(own.iter().all(|text| text.text.starts_with(&class.to_string()) && text.probability >= 0.9));
        assert_eq!(own.iter().filter(|text| text.text.contains("same")).count(), 1, "one of the same");
        let asked: u64 =
            source.asked.borrow().iter().filter(|(of, _)| *of == class).map(|(_, all)| all.end - all.start).sum();
        assert_eq!(report.judged + report.empty + report.repeats, asked as usize);
        assert_eq!((report.kept, asked), (10, 24));
        assert!(
            report.hits >= 10 && report.hits < report.judged && report.repeats > 0 && report.empty > 0,
            "{report:?}"
        );
    }
    // Other batches, the same texts.
    let (again, _) = Quota { batch: 5, ..QUOTA }.fill(&Drafts::new(), &First, &Silent).unwrap();
    assert_eq!(again, kept);
}

#[test]
fn a_class_that_the_teacher_never_believes_stays_short_and_says_so() {
    let (kept, reports) = Quota { floor: 0.93, ..QUOTA }.fill(&Drafts::new(), &First, &Silent).unwrap();
    assert_eq!((reports[0].kept, reports[1].kept), (10, 0));
    assert!(kept.iter().all(|text| text.class == 0));
    assert_eq!(reports[1].judged + reports[1].empty + reports[1].repeats, 200, "all its drafts");
    assert!(reports[1].hits > 0);
    // Without a floor every draft is good that is not said already.
    let (kept, reports) = Quota { floor: 0.0, ..QUOTA }.fill(&Drafts::new(), &First, &Silent).unwrap();
    assert_eq!(kept.len(), 20);
    assert!(reports[1].judged < 20);
    let (all, _) = Quota { floor: 0.0, drop_repeats: false, ..QUOTA }.fill(&Drafts::new(), &First, &Silent).unwrap();
    assert!(all.iter().filter(|text| text.text.contains("same")).count() > 2);
}

#[test]
fn degenerate_drafts_stop_with_the_figures() {
    struct Mute;
    impl ClassSource for Mute {
        fn describe(&self) -> String {
            "mute".to_owned()
        }
        fn classes(&self) -> usize {
            2
        }
        fn write_for(&self, _: usize, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
            Ok(numbers.map(|_| "…".to_owned()).collect())
        }
    }
    let error = QUOTA.fill(&Mute, &First, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Check);
    assert!(error.to_string().contains("of 200 drafts 200 were empty, 0 repeated others"), "{error}");
    for (wrong, key) in [
        (Quota { per_class: 0, ..QUOTA }, "per_class"),
        (Quota { floor: 1.0, ..QUOTA }, "floor"),
        (Quota { floor: f32::NAN, ..QUOTA }, "floor"),
        (Quota { batch: 0, ..QUOTA }, "batch"),
        (Quota { near: 0.0, ..QUOTA }, "near"),
        (Quota { most_drafts: 0, ..QUOTA }, "most_drafts"),
    ] {
        let error = wrong.fill(&Drafts::new(), &First, &Silent).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn texts_that_are_nearly_the_same_stop_with_the_figures() {
    /// Says the same in ever other words at one place of eight.
    struct Drone;
    impl ClassSource for Drone {
        fn describe(&self) -> String {
            "a drone".to_owned()
        }
        fn classes(&self) -> usize {
            2
        }
        fn write_for(&self, class: usize, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
            Ok(numbers.map(|number| format!("{class} please pay the old bill of the {number} today")).collect())
        }
    }
    let near = Quota { near: 0.5, ..QUOTA };
    let error = near.fill(&Drone, &First, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Check);
    assert!(error.to_string().contains("199 were too similar to one of 1 texts"), "{error}");
    // A class that has all its texts is none of these.
    let (kept, reports) = Quota { per_class: 1, ..near }.fill(&Drone, &First, &Silent).unwrap();
    assert_eq!((kept.len(), reports[0].kept), (2, 1));
}

#[test]
fn a_source_that_says_always_the_same_stops_with_the_figures() {
    struct Parrot;
    impl ClassSource for Parrot {
        fn describe(&self) -> String {
            "a parrot".to_owned()
        }
        fn classes(&self) -> usize {
            2
        }
        fn write_for(&self, _: usize, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
            Ok(numbers.map(|number| if number == 0 { "0, Polly" } else { "0 Polly!" }.to_owned()).collect())
        }
    }
    let error = QUOTA.fill(&Parrot, &First, &Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Check);
    assert!(error.to_string().contains("of 200 drafts 0 were empty, 199 repeated others"), "{error}");
}

#[test]
fn texts_that_are_nearly_the_same_and_those_that_go_round_in_circles_are_dropped() {
    struct Nearly;
    impl ClassSource for Nearly {
        fn describe(&self) -> String {
            "nearly".to_owned()
        }
        fn classes(&self) -> usize {
            2
        }
        fn write_for(&self, class: usize, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
            let text = |number: u64| match number % 4 {
                0 => format!("{class} says that the bill of month {number} is paid in the bank by now"),
                1 => format!("{class}{}", " on and on and".repeat(5)),
                _ => format!("{class} thing{number} word{number} other{number}"),
            };
            Ok(numbers.map(text).collect())
        }
    }
    let (kept, reports) = Quota { near: 0.6, ..QUOTA }.fill(&Nearly, &First, &Silent).unwrap();
    assert_eq!(kept.iter().filter(|text| text.text.contains("bill")).count(), 2, "one of a class");
    assert!(kept.iter().all(|text| !text.text.contains("on and on")));
    for report in &reports {
        assert!(report.near > 2 && report.circular == 1 && report.repeats > 2, "{report:?}");
        let rest = report.judged - report.kept - report.near - report.unsure;
        assert!(rest < 8, "of the last round some were not needed: {rest}");
    }
    let (kept, _) = QUOTA.fill(&Nearly, &First, &Silent).unwrap();
    assert!(kept.iter().filter(|text| text.text.contains("bill")).count() > 6);
}

#[test]
fn a_class_that_keeps_nothing_is_given_up_and_some_classes_may_be_left_out() {
    let quota = Quota { floor: 0.93, patience: 3, ..QUOTA };
    let source = Drafts::new();
    let (_, reports) = quota.fill(&source, &First, &Silent).unwrap();
    assert!(reports[1].given_up && !reports[0].given_up);
    assert_eq!(reports[1].drafts(), 24, "three rounds of eight");
    assert!((reports[1].best - 0.92).abs() < 1e-6 && reports[1].unsure == reports[1].judged);
    let (kept, reports) = QUOTA.fill_some(&[1], &Drafts::new(), &First, &Silent).unwrap();
    assert!(reports.len() == 1 && kept.len() == 10 && kept.iter().all(|text| text.class == 1));
}

/// Writes what it was shown, and "class number" where it was shown nothing.
struct Pupil {
    learns: bool,
    shown: RefCell<Vec<Vec<String>>>,
}

impl ClassSource for &Pupil {
    fn describe(&self) -> String {
        "a pupil".to_owned()
    }

    fn classes(&self) -> usize {
        2
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        self.write_with(class, numbers, &[], observer)
    }

    fn learns(&self) -> bool {
        self.learns
    }

    fn write_with(&self, class: usize, numbers: Range<u64>, shown: &[String], _: &dyn Observer) -> Result<Vec<String>> {
        self.shown.borrow_mut().push(shown.to_vec());
        Ok(numbers.map(|number| format!("{} draft{number}", if number % 2 == 0 { class } else { 1 - class })).collect())
    }
}

#[test]
fn a_source_that_learns_is_shown_what_the_teacher_believed() {
    let quota = Quota { per_class: 6, batch: 4, most_drafts: 2, examples: 3, ..QUOTA };
    let pupil = Pupil { learns: true, shown: RefCell::default() };
    quota.fill(&&pupil, &First, &Silent).unwrap();
    let shown = pupil.shown.take();
    assert!(shown[0].is_empty());
    assert_eq!(shown[1], ["0 draft0", "0 draft2"]);
    assert_eq!(shown[2], ["0 draft0", "0 draft2", "0 draft4"]);
    assert!(shown[3].is_empty(), "another class, other examples");
    let deaf = Pupil { learns: false, shown: RefCell::default() };
    quota.fill(&&deaf, &First, &Silent).unwrap();
    assert!(deaf.shown.take().iter().all(Vec::is_empty));
}

#[test]
fn drafts_on_disk_know_what_was_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drafts");
    let pupil = Pupil { learns: true, shown: RefCell::default() };
    let log = DraftLog::open(&pupil, &path, "key").unwrap();
    let shown = ["an example".to_owned()];
    log.write_with(0, 0..4, &shown, &Silent).unwrap();
    log.write_with(0, 0..4, &shown, &Silent).unwrap();
    assert_eq!(pupil.shown.take().len(), 1);
    log.write_with(0, 0..4, &[], &Silent).unwrap();
    drop(log);
    let log = DraftLog::open(&pupil, &path, "key").unwrap();
    log.write_for(0, 0..4, &Silent).unwrap();
    assert_eq!(pupil.shown.take().len(), 1, "what was written last is known");
    log.write_with(0, 0..4, &shown, &Silent).unwrap();
    assert_eq!(pupil.shown.take(), [shown.to_vec()]);
}
