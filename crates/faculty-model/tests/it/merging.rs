//! Static merging of whole classifiers: what comes out, and what is refused.

use crate::merging_rules::{dare, rules, weight};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Aliases, Error, LabelJoin, Silent, Stream};
use faculty_model::merge::{Base, DeltaRule, MergeRecipe, MergeReport, MergedClassifier, Scale, collect_grams, merge};
use faculty_model::{Classifier, Parts};
use faculty_nn::{Family, host_values};
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::PathBuf;

const TEXTS: [&str; 6] = [
    "pay the bill",
    "book a flight to the airport",
    "what is my balance",
    "play a song",
    "a hotel room for a day please",
    "turn on the light in the kitchen and cook me a long meal",
];

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
        // The same seed, the same encoder and dense layer; `moved` parts them.
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        tiny_classifier_dir(place(&name), &TinySpec { labels, ..spec.clone() });
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
        if family != Family::Bert {
            // No pooler in the base: dense layers may differ, and the heads stay apart.
            let dense = &mut world.models[1].network.head.dense;
            dense.weight = Param::from_tensor(dense.weight.val().mul_scalar(0.5));
        }
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
        let expected: Vec<f32> = one
            .chunks_exact(2)
            .zip(two.chunks_exact(2))
            .flat_map(|(a, b)| [a[0], f32::midpoint(a[1], b[0]), b[1]])
            .collect();
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
    assert!(error.contains("is `balances`, not `balance`"), "{error}");
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
