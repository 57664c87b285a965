//! Static merging: identities of the rules, whole classifiers, and what is refused.

use crate::support::{golden_text, open};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Aliases, Error, LabelJoin, NamedTensor, Silent, Stream};
use faculty_model::merge::{
    Base, Dare, DeltaRule, Gram, MergeRecipe, MergeReport, MergedClassifier, Regression, Scale, collect_grams, merge,
    merge_deltas,
};
use faculty_model::{Classifier, Parts};
use faculty_nn::{DropoutPlan, Family, Taps, host_values};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::PathBuf;

const TEXTS: [&str; 6] = [
    "pay the bill", "book a flight to the airport", "what is my balance", "play a song", "a hotel room for a day please",
    "turn on the light in the kitchen and cook me a long meal",
];

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

fn rules() -> [DeltaRule; 5] {
    [
        DeltaRule::Average {},
        DeltaRule::TaskArithmetic { scale: Scale::default() },
        DeltaRule::TaskArithmetic { scale: Scale::OneOverN },
        DeltaRule::Ties { scale: Scale::default(), trim: 0.8 },
        DeltaRule::Ties { scale: Scale::Fixed(1.0), trim: 0.0 },
    ]
}

fn dare(rate: f64) -> Option<Dare> {
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
    let values = |tensors: &[NamedTensor]| tensors.iter().flat_map(|tensor| tensor.values.clone()).collect::<Vec<f32>>();
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

fn weight(count: usize, seed: u64) -> Vec<f32> {
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
    let mut rows = vec![0.0_f32; 30];
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
        for layer in 0..layers {
            let ours = grams[projections + 4 * layer].mean(1.0);
            let size = classifier.config.hidden_size;
            let values = host_values(states[layer].1.clone()).unwrap();
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

/// A base and models that were moved away from it by noise, on disk.
struct World {
    _dir: tempfile::TempDir,
    base: Base,
    models: Vec<Classifier>,
    join: LabelJoin,
}

fn world(family: Family, label_sets: &[&[&str]], moved: f64) -> World {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let place = |name: &str| -> PathBuf { dir.path().join(name) };
    let spec = TinySpec::new(["x", "y"]).family(family);
    tiny_classifier_dir(place("base"), &spec);
    let base = Base::open(place("base"), &Parts::default(), &device).unwrap();
    let mut models = Vec::new();
    for (index, labels) in label_sets.iter().enumerate() {
        let name = format!("model{index}");
        // The same seed, the same encoder; the head has its own shape, and a DistilBERT's dense layer differs as well.
        tiny_classifier_dir(place(&name), &TinySpec { labels: labels.iter().map(ToString::to_string).collect(), ..spec.clone() });
        let mut model = Classifier::open(place(&name), &device).unwrap();
        shift(&mut model, index as u64, moved);
        models.push(model);
    }
    let names: Vec<String> = (0..models.len()).map(|index| format!("model{index}")).collect();
    let parts: Vec<_> = names.iter().zip(&models).map(|(name, model)| (name.as_str(), &model.labels)).collect();
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    World { _dir: dir, base, models, join }
}

/// Adds noise to every matrix of the layers and to the head, as fine-tuning would.
fn shift(model: &mut Classifier, seed: u64, spread: f64) {
    let stream = Stream::new(seed, "shift");
    let device = model.device.clone();
    let mut place = 0;
    let mut move_matrix = |matrix: &mut Param<Tensor<2>>| {
        let shape = matrix.val().dims();
        place += 1;
        let noise = (0..(shape[0] * shape[1]) as u64).map(|at| (spread * stream.fork(place).normal_at(at)) as f32);
        let noise = Tensor::from_data(TensorData::new(noise.collect::<Vec<f32>>(), shape), &device);
        *matrix = Param::from_tensor(matrix.val() + noise);
    };
    for layer in &mut model.network.encoder.layers {
        move_matrix(&mut layer.qkv.weight);
        move_matrix(&mut layer.attention_output.weight);
        move_matrix(&mut layer.feed_forward_in.weight);
        move_matrix(&mut layer.feed_forward_out.weight);
    }
    move_matrix(&mut model.network.head.dense.weight);
    move_matrix(&mut model.network.head.output.weight);
}

impl World {
    fn named(&self) -> Vec<(&str, &Classifier)> {
        ["model0", "model1", "model2"].into_iter().zip(&self.models).collect()
    }

    fn merge(&self, recipe: &MergeRecipe) -> (MergedClassifier, MergeReport) {
        merge(&self.base, &self.named(), &self.join, recipe, &Silent).unwrap()
    }

    fn recipes(&self) -> Vec<MergeRecipe> {
        let mut recipes: Vec<MergeRecipe> =
            rules().into_iter().map(|rule| MergeRecipe::Deltas { rule, dare: None }).collect();
        recipes.push(MergeRecipe::Deltas { rule: rules()[1], dare: dare(0.5) });
        let tokens = self.models[0].tokenize(&TEXTS, None).unwrap();
        recipes.push(MergeRecipe::RegMean { off_diagonal: 0.9, tokens });
        recipes
    }
}

fn logits(model: &Classifier) -> Vec<f32> {
    model.logits(&model.tokenize(&TEXTS, None).unwrap(), &Silent).unwrap()
}

fn merged_logits(model: &MergedClassifier) -> Vec<f32> {
    model.logits(&model.tokenize(&TEXTS, None).unwrap(), &Silent).unwrap()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn models_that_differ_in_their_heads_alone_answer_side_by_side() {
    let device = Device::flex();
    for family in [Family::Bert, Family::Distilbert, Family::Roberta, Family::Electra] {
        let mut world = world(family, &[&["a", "b"], &["c", "d", "e"]], 0.0);
        // Two different output layers on one encoder.
        let head = &mut world.models[1].network.head.output;
        let [hidden, classes] = head.weight.val().dims();
        let values: Vec<f32> = weight(hidden * classes, 9).iter().map(|value| 0.3 * value).collect();
        head.weight = Param::from_tensor(Tensor::from_data(TensorData::new(values, [hidden, classes]), &device));
        let expected: Vec<f32> = logits(&world.models[0])
            .chunks_exact(2)
            .zip(logits(&world.models[1]).chunks_exact(3))
            .flat_map(|(a, b)| [a, b].concat())
            .collect();
        for recipe in world.recipes() {
            let (merged, report) = world.merge(&recipe);
            assert_eq!(merged.labels().names(), ["a", "b", "c", "d", "e"]);
            assert!(worst(&merged_logits(&merged), &expected) < 1e-4, "{family:?} {recipe:?}");
            assert!(report.distances.iter().all(|&distance| distance == 0.0));
        }
    }
}

#[test]
fn one_model_merges_into_itself() {
    for family in [Family::Bert, Family::Distilbert] {
        let world = world(family, &[&["a", "b", "c"]], 0.05);
        for recipe in [
            MergeRecipe::Deltas { rule: DeltaRule::Average {}, dare: None },
            MergeRecipe::Deltas { rule: DeltaRule::TaskArithmetic { scale: Scale::OneOverN }, dare: None },
            MergeRecipe::RegMean { off_diagonal: 0.9, tokens: world.models[0].tokenize(&TEXTS, None).unwrap() },
        ] {
            let (merged, report) = world.merge(&recipe);
            assert!(report.distances[0] > 0.0);
            assert!(worst(&merged_logits(&merged), &logits(&world.models[0])) < 1e-4, "{family:?} {recipe:?}");
        }
    }
}

#[test]
fn a_regression_leaves_the_normal_equations_no_rest() {
    let world = world(Family::Bert, &[&["a", "b"], &["c", "d"]], 0.1);
    let tokens = world.models[0].tokenize(&TEXTS, None).unwrap();
    let recipe = MergeRecipe::RegMean { off_diagonal: 0.7, tokens: tokens.clone() };
    let (merged, report) = world.merge(&recipe);
    assert!(report.condition > 1.0 && report.ridged == 0, "{report:?}");
    let merged = merged.into_classifier().unwrap();
    let qkv = |model: &Classifier| host_values(model.network.encoder.layers[0].qkv.weight.val()).unwrap();
    let [inputs, outputs] = merged.network.encoder.layers[0].qkv.weight.val().dims();
    let weight = qkv(&merged);
    let (mut rest, mut scale) = (vec![0.0; inputs * outputs], 0.0_f64);
    for model in &world.models {
        let gram = collect_grams(model, &tokens, true, &Silent).unwrap()[0].mean(0.7);
        let own = qkv(model);
        for i in 0..inputs {
            for k in 0..inputs {
                for j in 0..outputs {
                    let apart = f64::from(weight[k * outputs + j]) - f64::from(own[k * outputs + j]);
                    rest[i * outputs + j] += gram[i * inputs + k] * apart;
                    scale = scale.max((gram[i * inputs + k] * apart).abs());
                }
            }
        }
    }
    let largest = rest.iter().map(|rest| rest.abs()).fold(0.0, f64::max);
    assert!(largest < 1e-4 * scale, "{largest} of {scale}");
    // Other tensors are averaged.
    let bias = |model: &Classifier| host_values(model.network.encoder.layers[1].output_norm.gamma.val()).unwrap();
    assert_eq!(bias(&merged), bias(&world.models[0]));
}

#[test]
fn a_class_that_two_models_know_has_the_mean_of_their_logits() {
    for family in [Family::Bert, Family::Distilbert] {
        let world = world(family, &[&["a", "shared"], &["shared", "b"]], 0.0);
        let (merged, _) = world.merge(&MergeRecipe::Deltas { rule: DeltaRule::Average {}, dare: None });
        assert_eq!(merged.labels().names(), ["a", "shared", "b"]);
        let (one, two) = (logits(&world.models[0]), logits(&world.models[1]));
        let expected: Vec<f32> =
            one.chunks_exact(2).zip(two.chunks_exact(2)).flat_map(|(a, b)| [a[0], f32::midpoint(a[1], b[0]), b[1]]).collect();
        assert!(worst(&merged_logits(&merged), &expected) < 1e-5, "{family:?}");
    }
}

#[test]
fn merged_heads_are_one_classifier_where_the_base_has_the_pooler_and_refuse_a_directory_elsewhere() {
    let bert = world(Family::Bert, &[&["a", "b"], &["c", "d"]], 0.05);
    let recipe = MergeRecipe::Deltas { rule: DeltaRule::Ties { scale: Scale::default(), trim: 0.8 }, dare: None };
    let (merged, _) = bert.merge(&recipe);
    let expected = merged_logits(&merged);
    let parameters = merged.parameters();
    let classifier = merged.into_classifier().unwrap();
    assert_eq!(parameters, classifier.parameters());
    let dir = tempfile::tempdir().unwrap();
    classifier.write_into(dir.path()).unwrap();
    let again = Classifier::open(dir.path(), &Device::flex()).unwrap();
    assert_eq!(logits(&again), expected);
    assert_eq!(again.labels.names(), ["a", "b", "c", "d"]);

    let distil = world(Family::Distilbert, &[&["a", "b"], &["c", "d"]], 0.05);
    let (merged, _) = distil.merge(&recipe);
    assert_eq!(merged_logits(&merged).len(), 4 * TEXTS.len());
    assert!(merged.parameters() > distil.models[0].parameters());
    let error = merged.into_classifier().unwrap_err().to_string();
    assert!(error.contains("dense layers of their own") && error.contains("distilbert"), "{error}");
}

fn refusal(base: &Base, model: &Classifier) -> Error {
    let join = LabelJoin::build(&[("odd", &model.labels)], &Aliases::default()).unwrap();
    let recipe = MergeRecipe::Deltas { rule: DeltaRule::Average {}, dare: None };
    merge(base, &[("odd", model)], &join, &recipe, &Silent).map(|_| ()).expect_err("must be refused")
}

#[test]
fn what_is_not_of_the_base_is_refused_by_its_first_difference() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let spec = TinySpec::new(["a", "b"]);
    let base = Base::open(tiny_classifier_dir(dir.path().join("base"), &spec), &Parts::default(), &device).unwrap();
    let mut number = 0;
    let mut open = |spec: &TinySpec| {
        number += 1;
        Classifier::open(tiny_classifier_dir(dir.path().join(number.to_string()), spec), &device).unwrap()
    };
    let with_heads = Classifier { config: faculty_nn::EncoderConfig { heads: 2, ..open(&spec).config }, ..open(&spec) };
    for (model, words) in [
        (open(&spec.clone().family(Family::Distilbert)), vec!["distilbert.embeddings", "bert.embeddings"]),
        (open(&TinySpec { hidden: 16, ..spec.clone() }), vec!["word_embeddings.weight", "16]", "32]"]),
        (open(&TinySpec { intermediate: 48, ..spec.clone() }), vec!["layer.0.intermediate.dense.weight", "48"]),
        (open(&TinySpec { max_tokens: 32, ..spec.clone() }), vec!["position_embeddings", "[32, 32]", "[64, 32]"]),
        (open(&TinySpec { layers: 1, ..spec.clone() }), vec!["layer.1", "bert.pooler"]),
        (open(&TinySpec { layers: 3, ..spec.clone() }), vec!["layer.2"]),
        (with_heads, vec!["number of heads is 2", "4"]),
    ] {
        let error = refusal(&base, &model);
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{text}");
        for word in words.into_iter().chain(["`odd` cannot be merged", "one architecture and one base"]) {
            assert!(text.contains(word), "`{word}` is missing in: {text}");
        }
        assert_eq!(error.message().lines().count(), 1, "one sentence: {text}");
    }
}

#[test]
fn another_vocabulary_is_refused_and_a_file_saved_again_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let spec = TinySpec::new(["a", "b"]);
    let base = Base::open(tiny_classifier_dir(dir.path().join("base"), &spec), &Parts::default(), &device).unwrap();
    let change = |name: &str, from: &str, to: &str| {
        let model = tiny_classifier_dir(dir.path().join(name), &spec);
        let path = model.join("tokenizer.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
        Classifier::open(model, &device).unwrap()
    };
    let error = refusal(&base, &change("words", "\"balance\"", "\"balances\"")).to_string();
    assert!(error.contains("`balances` in its vocabulary, `balance` in the base's"), "{error}");
    let saved = change("saved", "\"padding\": null", "\"padding\":  null");
    let join = LabelJoin::build(&[("saved", &saved.labels)], &Aliases::default()).unwrap();
    let recipe = MergeRecipe::Deltas { rule: DeltaRule::Average {}, dare: None };
    assert!(merge(&base, &[("saved", &saved)], &join, &recipe, &Silent).is_ok());
}

#[test]
fn a_regression_without_text_and_a_merge_of_nothing_are_refused() {
    let world = world(Family::Bert, &[&["a", "b"]], 0.05);
    let tokens = world.models[0].tokenize::<&str>(&[], None).unwrap();
    let recipe = MergeRecipe::RegMean { off_diagonal: 0.9, tokens };
    let error = merge(&world.base, &world.named(), &world.join, &recipe, &Silent).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no text"), "{error}");
    assert!(merge(&world.base, &[], &world.join, &recipe, &Silent).is_err());
}

#[test]
fn a_model_far_from_its_base_is_pointed_out() {
    let near = world(Family::Bert, &[&["a", "b"]], 0.001);
    let far = world(Family::Bert, &[&["a", "b"]], 1.0);
    let recipe = MergeRecipe::Deltas { rule: DeltaRule::Average {}, dare: None };
    assert!(near.merge(&recipe).1.warnings(["model0"]).is_empty());
    let warnings = far.merge(&recipe).1.warnings(["model0"]);
    assert!(warnings.len() == 1 && warnings[0].contains("`model0`"), "{warnings:?}");
}
