//! What a precision changes.

use burn::tensor::Device;
use faculty_core::{Error, Event, Observer, Silent};
use faculty_model::{Classifier, PrecisionCheck};
use faculty_nn::Precision;
use faculty_testkit::{TinySpec, tiny_classifier_dir};

fn tiny() -> (tempfile::TempDir, Classifier) {
    let dir = tempfile::tempdir().unwrap();
    tiny_classifier_dir(dir.path(), &TinySpec::new(["x", "y", "z"]));
    let classifier = Classifier::open(dir.path(), &Device::flex()).unwrap();
    (dir, classifier)
}

fn texts() -> Vec<String> {
    let words = ["pay the bill", "book a flight", "hotel", "what is my balance", "play a song", "i want food"];
    (0..150).map(|row| format!("{} {}", words[row % 6], words[row / 6 % 6])).collect()
}

#[test]
fn f32_differs_from_itself_by_nothing_and_bf16_by_a_little() {
    let (_dir, mut classifier) = tiny();
    assert_eq!(classifier.precision(), Precision::F32);
    let tokens = classifier.tokenize(&texts(), None).unwrap();
    let check = PrecisionCheck::of(&classifier, &tokens, &Silent).unwrap();
    let none = PrecisionCheck { precision: Precision::F32, texts: 128, largest: 0.0, rms: 0.0, changed: 0 };
    assert_eq!(check, none);

    let reference = classifier.logits(&tokens.select(&(0..128).collect::<Vec<_>>()), &Silent).unwrap();
    classifier.set_precision(Precision::Bf16);
    let check = PrecisionCheck::of(&classifier, &tokens, &Silent).unwrap();
    assert_eq!((check.precision, check.texts), (Precision::Bf16, 128));
    let scale = reference.iter().fold(0f32, |largest, logit| largest.max(logit.abs()));
    assert!(check.largest > 0.0 && check.largest < 0.1 * f64::from(scale), "{check}, logits up to {scale}");
    assert!(check.rms > 0.0 && check.rms < check.largest, "{check}");
    assert_eq!(classifier.precision(), Precision::Bf16, "the check leaves the classifier as it is");
    // The figures are those of the logits themselves.
    let ours = classifier.logits(&tokens.select(&(0..128).collect::<Vec<_>>()), &Silent).unwrap();
    let largest = ours.iter().zip(&reference).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max);
    assert_eq!(largest, check.largest);
}

#[test]
fn a_check_is_one_line() {
    let check = PrecisionCheck { precision: Precision::Bf16, texts: 128, largest: 0.0312, rms: 0.00078, changed: 1 };
    let line = "bf16: logits differ by at most 0.031 (rms 0.00078), 1 of 128 decisions changed (first 128 texts)";
    assert_eq!(check.to_string(), line);
    let none = PrecisionCheck { largest: 0.0, rms: 0.0, ..check };
    assert!(none.to_string().contains("at most 0 (rms 0)"), "{none}");
}

#[test]
fn no_text_is_compared_without_a_complaint_and_the_user_may_interrupt() {
    struct Stop;
    impl Observer for Stop {
        fn on(&self, event: Event<'_>) {
            panic!("{event:?} is no concern of the user");
        }

        fn interrupted(&self) -> bool {
            true
        }
    }
    let (_dir, classifier) = tiny();
    let none = classifier.tokenize::<&str>(&[], None).unwrap();
    let check = PrecisionCheck::of(&classifier, &none, &Silent).unwrap();
    assert_eq!((check.texts, check.rms), (0, 0.0));
    let tokens = classifier.tokenize(&texts(), None).unwrap();
    let stopped = PrecisionCheck::of(&classifier, &tokens, &Stop).unwrap_err();
    assert_eq!(stopped.kind(), Error::interrupted().kind());
}
