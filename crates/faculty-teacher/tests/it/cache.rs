//! Rows are found by content: text, teacher and settings.

use crate::support::{teacher, texts};
use faculty_core::{LabelSpace, Observer, Result, Silent, Stream};
use faculty_nn::{FeatureSite, PassSites, Pooling};
use faculty_teacher::{Ask, ClassifierTeacher, Passes, Teacher, TeacherCache, TeacherOutputs};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the texts that reach the teacher.
struct Counting {
    inner: ClassifierTeacher,
    asked: AtomicUsize,
}

impl Counting {
    fn new(seed: u64) -> (tempfile::TempDir, Self) {
        let (dir, inner) = teacher(seed, 0.1);
        (dir, Self { inner, asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Teacher for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn labels(&self) -> &LabelSpace {
        self.inner.labels()
    }

    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }

    fn feature_width(&self) -> Option<usize> {
        self.inner.feature_width()
    }

    fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs> {
        self.asked.fetch_add(texts.len(), Ordering::Relaxed);
        self.inner.outputs(texts, ask, observer)
    }
}

#[test]
fn a_second_scan_asks_nothing_and_returns_the_same_bytes() {
    let ((_dir, teacher), cache) = (Counting::new(1), tempfile::tempdir().unwrap());
    let cache = TeacherCache::new(cache.path());
    let ask = Ask::default().with_passes(4, 1);
    let first = cache.outputs(&teacher, &texts(), &ask, &Silent).unwrap();
    assert_eq!(teacher.asked(), 6);
    let second = cache.outputs(&teacher, &texts(), &ask, &Silent).unwrap();
    assert_eq!(teacher.asked(), 0);
    assert_eq!(first, second);
}

#[test]
fn a_shuffled_and_extended_text_set_asks_for_the_new_texts_only() {
    let ((_dir, teacher), cache) = (Counting::new(1), tempfile::tempdir().unwrap());
    let cache = TeacherCache::new(cache.path());
    let ask = Ask::default().with_passes(4, 1);
    let first = cache.outputs(&teacher, &texts(), &ask, &Silent).unwrap();
    teacher.asked();
    let mut more = texts();
    Stream::new(1, "order").shuffle(&mut more);
    more.insert(2, "a new text".to_owned());
    more.push("a new text".to_owned());
    let second = cache.outputs(&teacher, &more, &ask, &Silent).unwrap();
    assert_eq!(teacher.asked(), 1, "equal new texts are asked once");
    for (row, text) in more.iter().enumerate() {
        if let Some(old) = texts().iter().position(|known| known == text) {
            assert_eq!(second.logits[row * 3..row * 3 + 3], first.logits[old * 3..old * 3 + 3]);
        }
    }
    assert_eq!(second.logits[6..9], second.logits[second.logits.len() - 3..]);
}

#[test]
fn another_setting_or_teacher_or_text_misses() {
    let ((_dir, teacher), cache) = (Counting::new(1), tempfile::tempdir().unwrap());
    let cache = TeacherCache::new(cache.path());
    let base = Ask::default().with_passes(4, 1);
    cache.outputs(&teacher, &texts(), &base, &Silent).unwrap();
    teacher.asked();
    for ask in [
        Ask::default(),
        Ask::default().with_passes(5, 1),
        Ask::default().with_passes(4, 2),
        Ask {
            passes: base.passes.clone().map(|passes| Passes { sites: PassSites::LastLayers(0), ..passes }),
            ..base.clone()
        },
        Ask { max_length: Some(5), ..base.clone() },
        Ask { kept: Some(vec![0, 1]), ..base.clone() },
    ] {
        cache.outputs(&teacher, &texts(), &ask, &Silent).unwrap();
        assert_eq!(teacher.asked(), 6, "{ask:?}");
    }
    let mut changed = texts();
    changed[0].push('s');
    cache.outputs(&teacher, &changed, &base, &Silent).unwrap();
    assert_eq!(teacher.asked(), 1);
    let (_other_dir, other) = Counting::new(2);
    cache.outputs(&other, &texts(), &base, &Silent).unwrap();
    assert_eq!(other.asked(), 6);
}

#[test]
fn an_ask_without_features_keeps_its_key_and_its_rows() {
    let known = [
        (Ask::default(), r#"{"kept":null,"max_length":null,"passes":null}"#),
        (
            Ask { max_length: Some(64), ..Ask::default() }.with_passes(4, 1),
            r#"{"kept":null,"max_length":64,"passes":{"count":4,"hidden_rate":0.1,"seed":1}}"#,
        ),
    ];
    for (ask, json) in known {
        assert_eq!(serde_json::to_string(&ask).unwrap(), json);
        assert_eq!(serde_json::from_str::<Ask>(json).unwrap(), ask);
    }
    let with = Ask::default().with_features(FeatureSite::default());
    let json = r#"{"kept":null,"max_length":null,"passes":null,"features":{"pooling":"first-token"}}"#;
    assert_eq!(serde_json::to_string(&with).unwrap(), json);
}

#[test]
fn features_are_stored_with_the_row_and_every_site_has_its_own() {
    let ((_dir, teacher), cache) = (Counting::new(1), tempfile::tempdir().unwrap());
    let cache = TeacherCache::new(cache.path());
    let mut seen = Vec::new();
    for pooling in [Pooling::FirstToken, Pooling::Mean] {
        for layer in [None, Some(1)] {
            for base in [Ask::default(), Ask::default().with_passes(2, 1)] {
                let ask = base.with_features(FeatureSite { layer, pooling });
                let first = cache.outputs(&teacher, &texts(), &ask, &Silent).unwrap();
                assert_eq!(teacher.asked(), 6, "{ask:?}");
                let second = cache.outputs(&teacher, &texts(), &ask, &Silent).unwrap();
                assert_eq!(teacher.asked(), 0, "{ask:?}");
                assert_eq!(first, second);
                seen.push(first.features.unwrap().values);
            }
        }
    }
    let distinct = |a: &[f32], b: &[f32]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-3);
    assert!(distinct(&seen[0], &seen[2]) && distinct(&seen[0], &seen[4]) && distinct(&seen[4], &seen[6]));
}

#[test]
fn features_of_a_teacher_without_hidden_states_are_refused() {
    // It does not say how wide its features are.
    struct Plain(Counting);
    impl Teacher for Plain {
        fn name(&self) -> &str {
            "plain"
        }
        fn labels(&self) -> &LabelSpace {
            self.0.labels()
        }
        fn fingerprint(&self) -> String {
            self.0.fingerprint()
        }
        fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs> {
            self.0.outputs(texts, ask, observer)
        }
    }
    let ((_dir, teacher), dir) = (Counting::new(1), tempfile::tempdir().unwrap());
    let ask = Ask::default().with_features(FeatureSite::default());
    let error = TeacherCache::new(dir.path()).outputs(&Plain(teacher), &texts(), &ask, &Silent).unwrap_err();
    assert!(error.to_string().contains("`plain` has no hidden states"), "{error}");
}

#[test]
fn a_teacher_that_forgets_the_features_it_promised_is_found_out() {
    struct Forgetful(Counting);
    impl Teacher for Forgetful {
        fn name(&self) -> &str {
            "forgetful"
        }
        fn labels(&self) -> &LabelSpace {
            self.0.labels()
        }
        fn fingerprint(&self) -> String {
            "forgetful/1".to_owned()
        }
        fn feature_width(&self) -> Option<usize> {
            Some(32)
        }
        fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs> {
            self.0.outputs(texts, &Ask { features: None, ..ask.clone() }, observer)
        }
    }
    let ((_dir, teacher), dir) = (Counting::new(1), tempfile::tempdir().unwrap());
    let ask = Ask::default().with_features(FeatureSite::default());
    let error = TeacherCache::new(dir.path()).outputs(&Forgetful(teacher), &texts(), &ask, &Silent).unwrap_err();
    assert!(error.to_string().contains("other things than it was asked"), "{error}");
}
