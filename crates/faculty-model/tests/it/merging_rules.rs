//! Rules of static merging on plain tensors: identities, settings, Gram matrices.

use crate::support::{golden_text, open};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{NamedTensor, Silent, Stream};
use faculty_model::merge::{Dare, DeltaRule, Gram, Regression, Scale, collect_grams, merge_deltas};
use faculty_nn::{DropoutPlan, Taps, host_values};

fn random(seed: u64, spread: f64) -> Vec<NamedTensor> {
    let stream = Stream::new(seed, "merging");
    let tensor = |place: u64, length: u64| NamedTensor {
        name: format!("tensor {place}"),
        shape: vec![length as usize],
        values: (0..length).map(|at| (spread * stream.fork(place).normal_at(at)) as f32).collect(),
    };
    vec![tensor(0, 70), tensor(1, 9), tensor(2, 33)]
}

/// The base with something added.
fn tuned(base: &[NamedTensor], seed: u64) -> Vec<NamedTensor> {
    let mut out = base.to_vec();
    for (tensor, delta) in out.iter_mut().zip(random(seed, 0.05)) {
        tensor.values.iter_mut().zip(delta.values).for_each(|(value, delta)| *value += delta);
    }
    out
}

pub fn rules() -> [DeltaRule; 5] {
    [
        DeltaRule::Average {},
        DeltaRule::TaskArithmetic { scale: Scale::default() },
        DeltaRule::TaskArithmetic { scale: Scale::OneOverN },
        DeltaRule::Ties { scale: Scale::default(), trim: 0.8 },
        DeltaRule::Ties { scale: Scale::Fixed(1.0), trim: 0.0 },
    ]
}

pub fn dare(rate: f64) -> Option<Dare> {
    Some(Dare { rate, stream: Stream::new(3, "dare") })
}

#[test]
fn models_that_never_left_the_base_merge_into_it() {
    let base = random(1, 1.0);
    let models = vec![base.clone(); 3];
    for rule in rules() {
        for dare in [None, dare(0.0), dare(0.5)] {
            assert_eq!(merge_deltas(&base, &models, rule, dare).unwrap(), base, "{rule:?} {dare:?}");
        }
    }
}

#[test]
fn equal_models_average_to_themselves_and_one_model_is_its_own_average() {
    let base = random(1, 1.0);
    let model = tuned(&base, 2);
    for count in [1, 3, 7] {
        let models = vec![model.clone(); count];
        assert_eq!(merge_deltas(&base, &models, DeltaRule::Average {}, None).unwrap(), model);
        let arithmetic = DeltaRule::TaskArithmetic { scale: Scale::OneOverN };
        assert_eq!(merge_deltas(&base, &models, arithmetic, None).unwrap(), model);
        let ties = DeltaRule::Ties { scale: Scale::Fixed(1.0), trim: 0.0 };
        assert_eq!(merge_deltas(&base, &models, ties, None).unwrap(), model);
    }
}

#[test]
fn dare_that_drops_nothing_is_its_base_rule_to_the_bit() {
    let base = random(1, 1.0);
    let models = [tuned(&base, 2), tuned(&base, 3)];
    for rule in rules() {
        let plain = merge_deltas(&base, &models, rule, None).unwrap();
        assert_eq!(merge_deltas(&base, &models, rule, dare(0.0)).unwrap(), plain, "{rule:?}");
        assert_ne!(merge_deltas(&base, &models, rule, dare(0.5)).unwrap(), plain, "{rule:?}");
    }
}

#[test]
fn dare_keeps_the_expected_difference_and_other_models_masks() {
    let factors = Dare { rate: 0.7, stream: Stream::new(1, "dare") }.factors(0, 0);
    let mean = (0..20_000).map(&factors).sum::<f64>() / 20_000.0;
    assert!((mean - 1.0).abs() < 0.03, "{mean}");
    // A third model changes nothing of what the first two contribute.
    let base = random(1, 1.0);
    let (a, b) = (tuned(&base, 2), tuned(&base, 3));
    let sum = DeltaRule::TaskArithmetic { scale: Scale::Fixed(1.0) };
    let two = merge_deltas(&base, &[a.clone(), b.clone()], sum, dare(0.5)).unwrap();
    let three = merge_deltas(&base, &[a, b, base.clone()], sum, dare(0.5)).unwrap();
    assert_eq!(two, three);
}

#[test]
fn ties_without_trimming_and_with_equal_signs_is_the_mean_difference() {
    let base = random(1, 1.0);
    let mut models = [base.clone(), base.clone()];
    for (model, factor) in models.iter_mut().zip([0.5_f32, 1.5]) {
        for (tensor, sign) in model.iter_mut().zip(random(4, 1.0)) {
            tensor.values.iter_mut().zip(sign.values).for_each(|(value, sign)| *value += factor * sign);
        }
    }
    let ties = DeltaRule::Ties { scale: Scale::Fixed(1.0), trim: 0.0 };
    let merged = merge_deltas(&base, &models, ties, None).unwrap();
    let average = merge_deltas(&base, &models, DeltaRule::Average {}, None).unwrap();
    for (merged, average) in merged.iter().zip(&average) {
        assert!(merged.values.iter().zip(&average.values).all(|(a, b)| (a - b).abs() <= 2e-7 * b.abs().max(1.0)));
    }
}

#[test]
fn ties_keeps_the_largest_differences_alone() {
    let base = random(1, 1.0);
    let model = tuned(&base, 2);
    let total: usize = base.iter().map(|tensor| tensor.values.len()).sum();
    let ties = DeltaRule::Ties { scale: Scale::Fixed(1.0), trim: 0.75 };
    let merged = merge_deltas(&base, std::slice::from_ref(&model), ties, None).unwrap();
    let values =
        |tensors: &[NamedTensor]| tensors.iter().flat_map(|tensor| tensor.values.clone()).collect::<Vec<f32>>();
    let (base, model, merged) = (values(&base), values(&model), values(&merged));
    let changed: Vec<f32> = (0..total).filter(|&i| merged[i] != base[i]).map(|i| (model[i] - base[i]).abs()).collect();
    let kept = (0..total).filter(|&i| merged[i] == base[i]).map(|i| (model[i] - base[i]).abs());
    assert_eq!(changed.len(), total - (total * 3 / 4) + 1, "the smallest magnitude that stays is the 84th");
    assert!(kept.fold(0.0, f32::max) <= changed.iter().copied().fold(f32::MAX, f32::min));
}

#[test]
fn settings_out_of_range_and_foreign_tensors_are_refused() {
    let base = random(1, 1.0);
    let models = [tuned(&base, 2)];
    for (rule, dare, key) in [
        (DeltaRule::TaskArithmetic { scale: Scale::Fixed(0.0) }, None, "scale"),
        (DeltaRule::TaskArithmetic { scale: Scale::Fixed(f64::NAN) }, None, "scale"),
        (DeltaRule::Ties { scale: Scale::default(), trim: 1.0 }, None, "trim"),
        (DeltaRule::Average {}, dare(1.0), "drop"),
    ] {
        let error = merge_deltas(&base, &models, rule, dare).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(merge_deltas(&base, &[], DeltaRule::Average {}, None).is_err());
    assert!(merge_deltas(&base, &[base[..2].to_vec()], DeltaRule::Average {}, None).is_err());
    assert_eq!("1/n".parse::<Scale>().unwrap(), Scale::OneOverN);
    assert!("-1".parse::<Scale>().is_err() && "much".parse::<Scale>().is_err());
}

/// Rows of normal numbers as a Gram matrix, and the rows.
fn gram(rows: usize, size: usize, seed: u64) -> Gram {
    let stream = Stream::new(seed, "rows");
    let values: Vec<f32> = (0..(rows * size) as u64).map(|at| stream.normal_at(at) as f32).collect();
    let mut gram = Gram::new(size);
    gram.add(Tensor::from_data(TensorData::new(values, [rows, size]), &Device::flex())).unwrap();
    gram
}

pub fn weight(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64).map(|at| Stream::new(seed, "weight").normal_at(at) as f32).collect()
}

#[test]
fn a_regression_with_equal_gram_matrices_is_the_average() {
    let weights = [weight(12, 1), weight(12, 2), weight(12, 3)];
    let all: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
    for off_diagonal in [0.0, 0.9, 1.0] {
        let mut regression = Regression::new(&all, 4, 3).unwrap();
        for weight in &all {
            regression.add(&gram(20, 4, 5), weight, off_diagonal).unwrap();
        }
        let solution = regression.solve().unwrap();
        let mean = |at: usize| all.iter().map(|weight| f64::from(weight[at])).sum::<f64>() / 3.0;
        let worst = (0..12).map(|at| (f64::from(solution.weight[at]) - mean(at)).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-6, "{off_diagonal}: {worst}");
    }
}

#[test]
fn a_regression_over_diagonals_weighs_every_input_by_its_power() {
    let weights = [weight(8, 1), weight(8, 2)];
    let grams = [gram(30, 4, 1), gram(10, 4, 2)];
    let mut regression = Regression::new(&[&weights[0], &weights[1]], 4, 2).unwrap();
    for (gram, weight) in grams.iter().zip(&weights) {
        regression.add(gram, weight, 0.0).unwrap();
    }
    let solution = regression.solve().unwrap();
    let power = |model: usize, input: usize| grams[model].mean(1.0)[input * 4 + input];
    for input in 0..4 {
        for output in 0..2 {
            let part = |model: usize| power(model, input) * f64::from(weights[model][input * 2 + output]);
            let expected = (part(0) + part(1)) / (power(0, input) + power(1, input));
            assert!((f64::from(solution.weight[input * 2 + output]) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn inputs_that_were_never_active_keep_the_average() {
    let weights = [weight(6, 1), weight(6, 2)];
    let mut rows = [0.0_f32; 30];
    rows.iter_mut().enumerate().filter(|(at, _)| at % 3 != 1).for_each(|(at, value)| *value = (at as f32).sin());
    let mut regression = Regression::new(&[&weights[0], &weights[1]], 3, 2).unwrap();
    for (weight, shift) in weights.iter().zip([1.0, 2.0]) {
        let values: Vec<f32> = rows.iter().map(|value| value * shift).collect();
        let mut gram = Gram::new(3);
        gram.add(Tensor::from_data(TensorData::new(values, [10, 3]), &Device::flex())).unwrap();
        regression.add(&gram, weight, 1.0).unwrap();
    }
    let solution = regression.solve().unwrap();
    assert!(solution.ridged);
    for output in 0..2 {
        let mean = f64::midpoint(f64::from(weights[0][2 + output]), f64::from(weights[1][2 + output]));
        assert!((f64::from(solution.weight[2 + output]) - mean).abs() < 1e-6);
    }
}

#[test]
fn gram_matrices_are_those_of_the_hidden_states_without_padding() {
    for name in ["bert", "electra"] {
        let classifier = open(name);
        let texts = golden_text(name).texts;
        let tokens = classifier.tokenize(&texts, None).unwrap();
        let with_dense = name == "bert";
        let grams = collect_grams(&classifier, &tokens, with_dense, &Silent).unwrap();
        let layers = classifier.network.encoder.layers.len();
        let projections = usize::from(name == "electra");
        assert_eq!(grams.len(), 4 * layers + projections + usize::from(with_dense));
        let total: usize = tokens.lengths().iter().sum();
        assert!(grams[..4 * layers].iter().all(|gram| gram.rows() == total), "padding counts nothing");
        let batch: Vec<usize> = (0..texts.len()).collect();
        let input = tokens.batch(&batch, &classifier.config, &classifier.device).unwrap();
        let states = classifier.network.encoder.forward(&input, &DropoutPlan::Off, &Taps::All).taps;
        for (layer, (_, state)) in states.iter().take(layers).enumerate() {
            let ours = grams[projections + 4 * layer].mean(1.0);
            let size = classifier.config.hidden_size;
            let values = host_values(state.clone()).unwrap();
            let width = input.spans().width();
            let mut expected = vec![0.0; size * size];
            for row in 0..texts.len() {
                for token in input.spans().range(row) {
                    let state = &values[(row * width + token) * size..][..size];
                    for (i, a) in state.iter().enumerate() {
                        for (j, b) in state.iter().enumerate() {
                            expected[i * size + j] += f64::from(*a) * f64::from(*b) / total as f64;
                        }
                    }
                }
            }
            let worst = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-4, "{name}, layer {layer}: {worst}");
        }
        if with_dense {
            assert_eq!(grams.last().unwrap().rows(), texts.len(), "the pooler reads first tokens");
        }
    }
}
