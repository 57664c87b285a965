//! Writing and opening again.

use crate::support::{GOLDEN, golden_text, open};
use burn::tensor::Device;
use faculty_core::Silent;
use faculty_model::Classifier;

#[test]
fn a_written_classifier_opens_with_equal_logits_and_labels() {
    for name in GOLDEN {
        let (classifier, text) = (open(name), golden_text(name));
        let dir = tempfile::tempdir().unwrap();
        classifier.write_into(dir.path()).unwrap();
        let again = Classifier::open(dir.path(), &Device::flex()).unwrap();
        assert_eq!(again.labels, classifier.labels);
        assert_eq!(again.config, classifier.config);
        let logits = |c: &Classifier| c.logits(&c.tokenize(&text.texts, None).unwrap(), &Silent).unwrap();
        assert_eq!(logits(&again), logits(&classifier), "{name}");
    }
}
