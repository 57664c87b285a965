//! What a teacher answers.

use crate::support::{teacher, texts};
use faculty_core::Silent;
use faculty_nn::{DropoutPlan, DropoutRates, FeatureSite, PassSites, Pooling, Precision};
use faculty_teacher::{Ask, ClassifierTeacher, Passes, Teacher};

#[test]
fn logits_are_those_of_the_classifier_in_the_order_of_the_texts() {
    let (_dir, teacher) = teacher(1, 0.1);
    let outputs = teacher.outputs(&texts(), &Ask::default(), &Silent).unwrap();
    let classifier = teacher.classifier();
    let expected = classifier.logits(&classifier.tokenize(&texts(), None).unwrap(), &Silent).unwrap();
    for (a, b) in outputs.logits.iter().zip(&expected) {
        assert!((a - b).abs() < 2e-6);
    }
    assert!(outputs.passes.is_none());
}

#[test]
fn passes_vary_with_dropout_and_their_mean_is_a_distribution() {
    let (_dir, teacher) = teacher(1, 0.1);
    let outputs = teacher.outputs(&texts(), &Ask::default().with_passes(16, 1), &Silent).unwrap();
    let passes = outputs.passes.as_ref().unwrap();
    for row in passes.mean_probabilities.chunks(outputs.classes) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert!(passes.variance.iter().all(|&variance| variance > 0.0));
    assert!(passes.mean_entropy.iter().all(|&entropy| (0.0..=1.1).contains(&entropy)));
    outputs.check_passes_differ("tiny").unwrap();
}

#[test]
fn at_rate_zero_the_passes_are_the_deterministic_pass_and_an_experiment_is_told() {
    let (_dir, teacher) = teacher(1, 0.0);
    let passes = Passes { count: 8, hidden_rate: Some(0.0), seed: 1, sites: PassSites::All };
    let outputs = teacher.outputs(&texts(), &Ask { passes: Some(passes), ..Ask::default() }, &Silent).unwrap();
    let passes = outputs.passes.as_ref().unwrap();
    assert!(passes.variance.iter().all(|&variance| variance == 0.0));
    for (row, logits) in passes.mean_probabilities.chunks(3).zip(outputs.logits.chunks(3)) {
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        for (mean, logit) in row.iter().zip(logits) {
            assert!((mean - (logit - largest).exp() / sum).abs() < 1e-6);
        }
    }
    let error = outputs.check_passes_differ("tiny").unwrap_err();
    assert!(error.to_string().contains("identical"), "{error}");
}

#[test]
fn a_hidden_rate_is_overridden_and_the_attention_rate_kept() {
    let passes = Passes { count: 1, hidden_rate: Some(0.3), seed: 0, sites: PassSites::All };
    let checkpoint = DropoutRates { hidden: 0.1, attention: 0.05, classifier: 0.1 };
    assert_eq!(passes.rates(checkpoint), DropoutRates { hidden: 0.3, attention: 0.05, classifier: 0.3 });
    let own = DropoutRates { classifier: 0.2, ..checkpoint };
    assert_eq!(passes.rates(own).classifier, 0.2);
}

#[test]
fn excluded_labels_leave_a_distribution_over_the_kept_ones() {
    let (_dir, teacher) = teacher(2, 0.1);
    let all = teacher.outputs(&texts(), &Ask::default(), &Silent).unwrap();
    let ask = Ask { kept: Some(vec![0, 2]), ..Ask::default() }.with_passes(4, 1);
    let kept = teacher.outputs(&texts(), &ask, &Silent).unwrap();
    assert_eq!(kept.classes, 2);
    for (kept, all) in kept.logits.chunks(2).zip(all.logits.chunks(3)) {
        assert!((kept[0] - all[0]).abs() < 2e-6 && (kept[1] - all[2]).abs() < 2e-6);
    }
    for row in kept.passes.unwrap().mean_probabilities.chunks(2) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

fn ask_at(sites: PassSites) -> Ask {
    let passes = Passes { count: 16, hidden_rate: Some(0.1), seed: 1, sites };
    Ask { passes: Some(passes), ..Ask::default() }
}

#[test]
fn every_choice_of_sites_has_passes_that_differ_and_the_same_logits() {
    let (_dir, teacher) = teacher(1, 0.1);
    let plain = teacher.outputs(&texts(), &Ask::default(), &Silent).unwrap();
    let mut seen = Vec::new();
    for sites in [PassSites::All, PassSites::LastLayers(1), PassSites::LastLayers(0)] {
        let outputs = teacher.outputs(&texts(), &ask_at(sites), &Silent).unwrap();
        let close = outputs.logits.iter().zip(&plain.logits).all(|(a, b)| (a - b).abs() < 2e-6);
        assert!(close, "{sites}");
        let passes = outputs.passes.unwrap();
        assert!(passes.variance.iter().all(|&variance| variance > 0.0), "{sites}");
        assert!(!seen.contains(&passes.mean_probabilities), "{sites}");
        seen.push(passes.mean_probabilities);
    }
}

#[test]
fn more_layers_than_a_teacher_has_are_refused() {
    let (_dir, teacher) = teacher(1, 0.1);
    let layers = teacher.classifier().network.encoder.layers.len() as u32;
    let error = teacher.outputs(&texts(), &ask_at(PassSites::LastLayers(layers + 1)), &Silent).unwrap_err().to_string();
    assert!(error.contains("tiny") && error.contains("pass_sites"), "{error}");
}

#[test]
fn a_text_meets_the_same_passes_in_any_company() {
    let (_dir, teacher) = teacher(1, 0.1);
    for sites in [PassSites::All, PassSites::LastLayers(1), PassSites::LastLayers(0)] {
        let ask = ask_at(sites);
        let together = teacher.outputs(&texts(), &ask, &Silent).unwrap();
        for (row, text) in texts().into_iter().enumerate() {
            let alone = teacher.outputs(&[text], &ask, &Silent).unwrap();
            let span = row * 3..row * 3 + 3;
            let means = &together.passes.as_ref().unwrap().mean_probabilities[span.clone()];
            let passes = alone.passes.unwrap();
            assert!(passes.mean_probabilities.iter().zip(means).all(|(a, b)| (a - b).abs() < 2e-6), "{sites}");
            assert!(alone.logits.iter().zip(&together.logits[span]).all(|(a, b)| (a - b).abs() < 2e-6), "{sites}");
        }
    }
}

#[test]
fn another_arithmetic_is_another_teacher() {
    let (_dir, teacher) = teacher(1, 0.1);
    let mut classifier = teacher.classifier().clone();
    assert_eq!(teacher.fingerprint(), classifier.hash);
    classifier.network.set_precision(Precision::Bf16);
    let rounded = ClassifierTeacher::new("tiny", classifier.clone());
    assert_ne!(rounded.fingerprint(), teacher.fingerprint());
    classifier.hash.clear();
    assert_eq!(ClassifierTeacher::new("tiny", classifier).fingerprint(), "");
}

#[test]
fn features_come_with_the_logits_and_change_nothing_else() {
    let (_dir, teacher) = teacher(1, 0.1);
    let width = teacher.feature_width().unwrap();
    for sites in [None, Some(PassSites::All), Some(PassSites::LastLayers(1)), Some(PassSites::LastLayers(0))] {
        let ask = sites.map_or_else(Ask::default, ask_at);
        let plain = teacher.outputs(&texts(), &ask, &Silent).unwrap();
        assert!(plain.features.is_none());
        for site in [
            FeatureSite::default(),
            FeatureSite { layer: None, pooling: Pooling::Mean },
            FeatureSite { layer: Some(1), pooling: Pooling::Mean },
            FeatureSite { layer: Some(0), pooling: Pooling::FirstToken },
        ] {
            let outputs = teacher.outputs(&texts(), &ask.clone().with_features(site), &Silent).unwrap();
            let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-6);
            assert!(close(&outputs.logits, &plain.logits), "{site:?}");
            if let (Some(passes), Some(expected)) = (&outputs.passes, &plain.passes) {
                assert!(close(&passes.mean_probabilities, &expected.mean_probabilities), "{site:?}");
            }
            let features = outputs.features.as_ref().unwrap();
            assert_eq!((features.width, features.values.len()), (width, 6 * width));
            let view = outputs.view(&[4, 1], &burn::tensor::Device::flex());
            let picked = faculty_nn::host_values(view.features.unwrap()).unwrap();
            assert_eq!(picked[..width], features.values[4 * width..5 * width]);
            assert_eq!(picked[width..], features.values[width..2 * width]);
        }
    }
}

#[test]
fn a_text_has_the_same_features_in_any_company() {
    let (_dir, teacher) = teacher(1, 0.1);
    let width = teacher.feature_width().unwrap();
    for pooling in [Pooling::FirstToken, Pooling::Mean] {
        let ask = Ask::default().with_features(FeatureSite { layer: None, pooling });
        let together = teacher.outputs(&texts(), &ask, &Silent).unwrap().features.unwrap().values;
        for (row, text) in texts().into_iter().enumerate() {
            let alone = teacher.outputs(&[text], &ask, &Silent).unwrap().features.unwrap().values;
            let close = alone.iter().zip(&together[row * width..]).all(|(a, b)| (a - b).abs() < 3e-6);
            assert!(close, "{pooling:?}, text {row}");
        }
    }
}

#[test]
fn the_default_features_are_those_that_the_head_reads() {
    let (_dir, teacher) = teacher(1, 0.1);
    let ask = Ask::default().with_features(FeatureSite::default());
    let outputs = teacher.outputs(&texts(), &ask, &Silent).unwrap();
    let features = outputs.view(&[0, 1, 2, 3, 4, 5], &burn::tensor::Device::flex()).features.unwrap();
    let logits = teacher.classifier().network.head.from_first(features, &DropoutPlan::Off);
    for (a, b) in faculty_nn::host_values(logits).unwrap().iter().zip(&outputs.logits) {
        assert!((a - b).abs() < 2e-6);
    }
}

#[test]
fn some_columns_are_distributions_over_their_classes() {
    let (_dir, teacher) = teacher(1, 0.1);
    let ask = Ask::default().with_passes(4, 1).with_features(FeatureSite::default());
    let all = teacher.outputs(&texts(), &ask, &Silent).unwrap();
    let some = all.columns(&[2, 0]);
    assert_eq!((some.classes, some.len()), (2, all.len()));
    let (passes, of_all) = (some.passes.as_ref().unwrap(), all.passes.as_ref().unwrap());
    for text in 0..all.len() {
        let (own, whole) = (&some.logits[text * 2..][..2], &all.logits[text * 3..][..3]);
        assert_eq!(own, [whole[2], whole[0]]);
        let (own, whole) = (&passes.mean_probabilities[text * 2..][..2], &of_all.mean_probabilities[text * 3..][..3]);
        assert!((own[0] - whole[2] / (whole[2] + whole[0])).abs() < 1e-6 && (own[0] + own[1] - 1.0).abs() < 1e-6);
    }
    assert_eq!((&passes.variance, &some.features), (&of_all.variance, &all.features));
    assert_eq!(teacher.outputs(&texts(), &ask, &Silent).unwrap().columns(&[0, 1, 2]).logits, all.logits);
}
