//! Quotas: what is kept of drafts.

use faculty_core::{ErrorKind, Observer, Result, Silent};
use faculty_textgen::{ClassSource, Judge, Quota};
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

const QUOTA: Quota = Quota { per_class: 10, floor: 0.9, most_drafts: 20, batch: 8, drop_repeats: true };

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
    assert!(error.to_string().contains("400 were empty, 0 repeated others"), "{error}");
    for (wrong, key) in [
        (Quota { per_class: 0, ..QUOTA }, "per_class"),
        (Quota { floor: 1.0, ..QUOTA }, "floor"),
        (Quota { floor: f32::NAN, ..QUOTA }, "floor"),
        (Quota { batch: 0, ..QUOTA }, "batch"),
        (Quota { most_drafts: 0, ..QUOTA }, "most_drafts"),
    ] {
        let error = wrong.fill(&Drafts::new(), &First, &Silent).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}
