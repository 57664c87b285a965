//! Monte-Carlo dropout is real: on a plain device, after `valid()`, `freeze()` and `no_grad()`, and only as planned.

use crate::support::{GOLDEN, golden_text, input, open, rows_of};
use burn::module::Module;
use burn::tensor::Tensor;
use faculty_core::Stream;
use faculty_model::Classifier;
use faculty_nn::{
    DropoutPlan, DropoutRates, PassPlan, PassSites, RowKeys, SequenceClassifier, Taps, TokenInput, host_values,
};
use faculty_text::PadSide;
use std::ops::Range;

fn plan(rates: DropoutRates, stream: Stream, passes: Range<u32>) -> PassPlan {
    PassPlan { rates, sites: PassSites::All, stream, passes, tokens_together: 4096 }
}

fn setup(name: &str) -> (Classifier, TokenInput, Vec<u64>) {
    let (classifier, text) = (open(name), golden_text(name));
    let input = input(&classifier, &rows_of(&text.input_ids), PadSide::Right, 0);
    (classifier, input, (100..100 + text.input_ids.len() as u64).collect())
}

/// How far the passes `[passes, texts, classes]` of a logit lie apart, over all logits: (smallest, largest).
fn spread(passes: Tensor<3>) -> (f32, f32) {
    let plain = passes.inner();
    let range = host_values(plain.clone().max_dim(0) - plain.min_dim(0)).unwrap();
    (range.iter().copied().fold(f32::MAX, f32::min), range.iter().copied().fold(0.0, f32::max))
}

#[test]
fn passes_differ_at_positive_rates_and_are_equal_at_rate_zero() {
    for name in &GOLDEN[..5] {
        let (classifier, input, identities) = setup(name);
        let variants: [(&str, SequenceClassifier); 5] = [
            ("plain", classifier.network.clone()),
            ("train", classifier.network.clone().train()),
            ("valid", classifier.network.clone().train().valid()),
            ("freeze", classifier.network.clone().train().freeze()),
            ("no_grad", classifier.network.clone().train().no_grad()),
        ];
        for (mode, network) in variants {
            let sample = |rate| {
                let plan = plan(DropoutRates::uniform(rate), Stream::new(1, "mc"), 0..8);
                network.sample(&input, &plan, &identities).passes
            };
            let (smallest, _) = spread(sample(0.1));
            assert!(smallest > 0.0, "{name}, {mode}: some logit never varies");
            let (_, largest) = spread(sample(0.0));
            assert_eq!(largest, 0.0, "{name}, {mode}: passes differ without dropout");
        }
    }
}

#[test]
fn every_dropout_site_alone_makes_passes_differ() {
    let off = DropoutRates { hidden: 0.0, attention: 0.0, classifier: 0.0 };
    for name in &GOLDEN[..5] {
        let (classifier, input, identities) = setup(name);
        for (site, rates) in [
            ("hidden", DropoutRates { hidden: 0.3, ..off }),
            ("attention", DropoutRates { attention: 0.3, ..off }),
            ("classifier", DropoutRates { classifier: 0.3, ..off }),
        ] {
            let plan = plan(rates, Stream::new(1, "mc"), 0..8);
            let (_, largest) = spread(classifier.network.sample(&input, &plan, &identities).passes);
            assert!(largest > 0.0, "{name}: {site}");
        }
    }
}

#[test]
fn a_pass_depends_on_stream_number_and_text_alone() {
    for name in &GOLDEN[..5] {
        let (classifier, input, identities) = setup(name);
        let rates = DropoutRates::uniform(0.1);
        let sample =
            |stream, passes| classifier.network.sample(&input, &plan(rates, stream, passes), &identities).passes;
        let stream = Stream::new(1, "mc");
        let all = host_values(sample(stream, 0..6)).unwrap();
        assert_eq!(all, host_values(sample(stream, 0..6)).unwrap(), "{name}: the same stream, the same passes");
        let chunk = all.len() / 6;
        let tail = host_values(sample(stream, 4..6)).unwrap();
        let close = tail.iter().zip(&all[4 * chunk..]).all(|(a, b)| (a - b).abs() < 2e-6);
        assert!(close, "{name}: passes 4 and 5 computed alone");
        assert_ne!(all, host_values(sample(Stream::new(2, "mc"), 0..6)).unwrap(), "{name}: another stream");

        // One text of the batch alone meets the same masks.
        let text = golden_text(name);
        let alone = crate::support::input(&classifier, &rows_of(&text.input_ids[2..3]), PadSide::Right, 0);
        let alone = classifier.network.sample(&alone, &plan(rates, stream, 0..1), &identities[2..3]).passes;
        let alone = host_values(alone).unwrap();
        let classes = classifier.labels.len();
        let close = alone.iter().zip(&all[2 * classes..3 * classes]).all(|(a, b)| (a - b).abs() < 2e-6);
        assert!(close, "{name}: a text alone");
    }
}

#[test]
fn the_mean_over_many_passes_of_a_dropped_input_is_the_input() {
    // Unbiased scaling, seen where dropout is the last linear step: the classifier site alone.
    let (classifier, input, identities) = setup("bert");
    let rates = DropoutRates { hidden: 0.0, attention: 0.0, classifier: 0.25 };
    let plan = plan(rates, Stream::new(7, "mc"), 0..2000);
    let passes = classifier.network.sample(&input, &plan, &identities).passes;
    let mean = host_values(passes.mean_dim(0)).unwrap();
    let plain = host_values(classifier.network.forward(&input, &DropoutPlan::Off, &Taps::None).logits).unwrap();
    let scale = plain.iter().map(|value| value.abs()).fold(0.0, f32::max);
    for (a, b) in mean.iter().zip(&plain) {
        assert!((a - b).abs() < 0.08 * scale, "{a} against {b}");
    }
}

#[test]
fn two_deterministic_passes_are_bit_equal_also_in_training_mode() {
    let (classifier, input, _) = setup("roberta");
    let logits = |network: &SequenceClassifier| {
        host_values(network.forward(&input, &DropoutPlan::Off, &Taps::None).logits.inner()).unwrap()
    };
    let training = classifier.network.clone().train();
    assert_eq!(logits(&training), logits(&training));
    let close = logits(&training).iter().zip(logits(&classifier.network)).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close);
}

#[test]
fn row_keys_of_passes_lie_end_to_end() {
    let stream = Stream::new(9, "keys");
    let keys = RowKeys::for_passes(stream, 0..3, &[5, 6]);
    assert_eq!(keys.as_slice()[2..4], *RowKeys::for_pass(stream, 1, &[5, 6]).as_slice());
}

/// All dropout sites that a network of `layers` layers can be asked for.
fn all_sites(layers: u32) -> impl Iterator<Item = PassSites> {
    std::iter::once(PassSites::All).chain((0..=layers).map(PassSites::LastLayers))
}

#[test]
fn what_is_shared_changes_no_pass_and_no_deterministic_logit() {
    let off = DropoutRates { hidden: 0.0, attention: 0.0, classifier: 0.0 };
    let mixed = DropoutRates { hidden: 0.1, attention: 0.2, classifier: 0.3 };
    for name in &GOLDEN[..5] {
        let (classifier, input, identities) = setup(name);
        let (network, stream) = (&classifier.network, Stream::new(3, "mc"));
        let layers = network.encoder.layers.len() as u32;
        let deterministic = host_values(network.forward(&input, &DropoutPlan::Off, &Taps::None).logits).unwrap();
        for sites in all_sites(layers) {
            for (case, rates) in [
                ("mixed", mixed),
                ("no hidden", DropoutRates { hidden: 0.0, ..mixed }),
                ("no attention", DropoutRates { attention: 0.0, ..mixed }),
                ("classifier alone", DropoutRates { classifier: 0.3, ..off }),
                ("none", off),
            ] {
                // One pass at a time, some together with a remainder, all together.
                for tokens_together in [1, 3 * input.spans().tokens(), 1 << 20] {
                    let plan = PassPlan { rates, sites, stream, passes: 2..7, tokens_together };
                    let sampled = network.sample(&input, &plan, &identities);
                    let what = format!("{name}, {sites}, {case}, {tokens_together}");
                    let close = |ours: &[f32], naive: &[f32]| {
                        assert_eq!(ours.len(), naive.len(), "{what}");
                        ours.iter().zip(naive).all(|(a, b)| (a - b).abs() < 2e-6)
                    };
                    assert!(close(&host_values(sampled.deterministic).unwrap(), &deterministic), "{what}");
                    let mut naive = Vec::new();
                    for pass in 2..7 {
                        let keys = RowKeys::for_pass(stream, pass, &identities);
                        let whole = sites.plan(rates, keys, layers);
                        naive.extend(host_values(network.forward(&input, &whole, &Taps::None).logits).unwrap());
                    }
                    assert!(close(&host_values(sampled.passes.clone()).unwrap(), &naive), "{what}");
                    let (_, largest) = spread(sampled.passes);
                    assert_eq!(largest > 0.0, case != "none", "{what}: spread {largest}");
                }
            }
        }
    }
}

#[test]
fn fewer_sites_are_another_estimator() {
    let (classifier, input, identities) = setup("bert");
    let layers = classifier.network.encoder.layers.len() as u32;
    let rates = DropoutRates::uniform(0.1);
    let of = |sites| {
        let plan = PassPlan { sites, ..plan(rates, Stream::new(1, "mc"), 0..64) };
        spread(classifier.network.sample(&input, &plan, &identities).passes).1
    };
    let spreads: Vec<f32> = [PassSites::All, PassSites::LastLayers(1), PassSites::LastLayers(0)].map(of).to_vec();
    assert!(spreads[0] > spreads[1] && spreads[1] > spreads[2] && spreads[2] > 0.0, "{spreads:?}");
    // All layers are not all sites: the embeddings' mask is missing.
    let passes = |sites| {
        let plan = PassPlan { sites, ..plan(rates, Stream::new(1, "mc"), 0..2) };
        host_values(classifier.network.sample(&input, &plan, &identities).passes).unwrap()
    };
    assert_ne!(passes(PassSites::All), passes(PassSites::LastLayers(layers)));
}

#[test]
fn no_pass_is_an_empty_tensor() {
    let (classifier, input, identities) = setup("bert");
    let plan = plan(DropoutRates::uniform(0.1), Stream::new(1, "mc"), 0..0);
    let sampled = classifier.network.sample(&input, &plan, &identities);
    assert_eq!(sampled.passes.dims(), [0, identities.len(), classifier.labels.len()]);
}

#[test]
fn dropout_sites_as_text() {
    for (text, sites) in
        [("all", PassSites::All), ("head", PassSites::LastLayers(0)), ("last-2", PassSites::LastLayers(2))]
    {
        assert_eq!(text.parse::<PassSites>().unwrap(), sites);
        assert_eq!(sites.to_string(), text);
    }
    assert!("last-0".parse::<PassSites>().is_err() && "last-x".parse::<PassSites>().is_err());
    assert!(PassSites::LastLayers(3).check(3).is_ok() && PassSites::All.check(0).is_ok());
    let error = PassSites::LastLayers(4).check(3).unwrap_err().to_string();
    assert!(error.contains("last-4") && error.contains("3 layers"), "{error}");
}
