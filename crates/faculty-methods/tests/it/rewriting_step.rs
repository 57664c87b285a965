//! One step of the generator, beside the graph over one-hot vectors and PyTorch's.

use crate::rewriting_world::{World, plain, rows, weights_of, world};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use faculty_core::{Aliases, LabelJoin, NamedTensor, NamedTensors, Stream};
use faculty_methods::{DivergenceForm, Rewriting, TextRewriter};
use faculty_model::{Classifier, MaskPlan, MaskedModel, MaskedTexts, Tokens};
use faculty_nn::masked_lm::{GumbelDraw, gumbel_noise, tokens_at};
use faculty_nn::{DropoutPlan, Taps, TokenInput, host_values};
use faculty_testkit::{golden_dir, golden_json, golden_tensors};
use serde::Deserialize;

#[test]
fn one_step_is_that_of_the_whole_graph() {
    let world = world();
    for (divergence, confidence, balance, train_words) in [
        (DivergenceForm::Kl, 0.0, 0.0, false),
        (DivergenceForm::Kl, 0.5, 2.0, true),
        (DivergenceForm::SoftCrossEntropy, 0.0, 1.0, true),
    ] {
        let spec = Rewriting {
            divergence,
            mlm_weight: 0.3,
            confidence_weight: confidence,
            balance_weight: balance,
            train_words,
            gumbel_temperature: 0.7,
            clip_norm: 1e9,
            ..plain()
        };
        let mut rewriter = world.rewriter(spec.clone());
        let plan = MaskPlan::new(&world.generator.tokenizer, 0.4).unwrap();
        let texts = plan.apply(&world.tokens, &rows(), Stream::new(5, "masks"));
        let streams: Vec<Stream> =
            (0..texts.positions.len() as u64).map(|at| Stream::new(6, "noise").fork(at)).collect();
        let noise = gumbel_noise(&streams, world.generator.config.vocab_size);
        let expected = whole_graph(&world, &spec, &texts, &noise, plan.protected());
        let off = [&DropoutPlan::Off, &DropoutPlan::Off];
        let network = &world.student.network;
        let found = rewriter.learn_from(network, &texts, &noise, &world.weights(), off).unwrap().unwrap();
        assert_eq!(found.tokens, expected.tokens);
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-4 * (1.0 + expected.abs());
        assert!(close(found.divergence, expected.divergence), "{} {}", found.divergence, expected.divergence);
        assert!(close(found.own_loss, expected.own_loss), "{} {}", found.own_loss, expected.own_loss);
        let norm = expected.gradients.iter().map(|(_, g)| g.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>());
        let norm = norm.sum::<f64>().sqrt();
        assert!((found.gradient_norm - norm).abs() < 1e-3 * norm, "{} is not {norm}", found.gradient_norm);
        // Adam's first step follows the signs.
        let before = world.generator.network.export(&world.generator.config).unwrap();
        let after = weights_of(&rewriter, &world);
        for (name, gradient) in expected.gradients.iter().filter(|(name, _)| !name.is_empty()) {
            let one = |all: &[NamedTensor]| all.iter().find(|t| t.name.contains(name)).unwrap().values.clone();
            let moved: Vec<f32> = one(&after).iter().zip(one(&before)).map(|(a, b)| a - b).collect();
            let largest = gradient.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
            for (moved, gradient) in moved.iter().zip(gradient).filter(|(_, g)| g.abs() > 1e-2 * largest) {
                assert!(moved * gradient < 0.0, "{name}: {moved} along {gradient}");
            }
        }
        let words = |all: &[NamedTensor]| all.iter().find(|t| t.name.contains("word_emb")).unwrap().values.clone();
        assert_eq!(words(&after) != words(&before), train_words);
    }
}

/// What the step should be, by one graph over one-hot vectors of the whole vocabulary.
struct Expected {
    tokens: Vec<u32>,
    divergence: f64,
    own_loss: f64,
    /// Of every parameter; under the part of its name that is compared by element, or none.
    gradients: Vec<(&'static str, Vec<f32>)>,
}

fn whole_graph(world: &World, spec: &Rewriting, texts: &MaskedTexts, noise: &[f32], special: &[u32]) -> Expected {
    let device = Device::flex();
    let config = &world.generator.config;
    let mut network = world.generator.network.clone();
    if !spec.train_words {
        network.encoder.embeddings.words = network.encoder.embeddings.words.clone().set_require_grad(false);
    }
    let network = network.train();
    let all: Vec<usize> = (0..texts.len()).collect();
    let input = texts.masked.batch(&all, config, &device).unwrap();
    let hidden = network.encoder.forward(&input, &DropoutPlan::Off, &Taps::None).last;
    let features = network.head.features(tokens_at(hidden, &texts.positions));
    let logits = network.head.logits(features, network.words());
    let [positions, vocabulary] = logits.dims();
    let tensor = |values: Vec<f32>, shape: [usize; 2]| {
        Tensor::<2>::from_inner(Tensor::from_data(TensorData::new(values, shape), &device))
    };
    let barred: Vec<f32> =
        (0..vocabulary as u32).map(|token| if special.contains(&token) { -1e9 } else { 0.0 }).collect();
    let noisy = logits.clone() + tensor(noise.to_vec(), [positions, vocabulary]) + tensor(barred, [1, vocabulary]);
    let y = activation::softmax(noisy.div_scalar(spec.gumbel_temperature), 1);
    let v = GumbelDraw::straight_through(y);
    let tokens: Vec<u32> = host_values(v.clone().inner())
        .unwrap()
        .chunks(vocabulary)
        .map(|row| row.iter().position(|value| *value == 1.0).unwrap() as u32)
        .collect();
    // One-hot vectors of every token, the drawn ones in their places.
    let width = texts.width;
    let mut rows: Vec<Tensor<2>> = Vec::new();
    let ids = input_ids(&texts.clean, config, &all);
    for place in 0..texts.len() * width {
        rows.push(match texts.positions.binary_search(&place) {
            Ok(at) => v.clone().narrow(0, at, 1),
            Err(_) => {
                let mut one = vec![0.0; vocabulary];
                one[ids[place] as usize] = 1.0;
                tensor(one, [1, vocabulary])
            }
        });
    }
    let one_hot = Tensor::cat(rows, 0).reshape([texts.len(), width, vocabulary]);
    let read = |model: &Classifier| {
        let network = model.network.valid().train().no_grad();
        let input = texts.clean.batch(&all, &model.config, &device).unwrap();
        let embeddings = &network.encoder.embeddings;
        let words = embeddings.embed_soft(embeddings.mix(one_hot.clone()), &input);
        let output = network.encoder.forward_embedded(words, input.spans(), &DropoutPlan::Off, &Taps::None);
        network.head.forward(output.last, input.spans(), &DropoutPlan::Off)
    };
    let weights = Tensor::from_inner(world.weights());
    let student = read(&world.student);
    let (mut divergence, mut confidence, mut balance) = (scalar(0.0), scalar(0.0), scalar(0.0));
    let count = texts.len() as f64;
    for (index, teacher) in world.teachers.iter().enumerate() {
        let teacher = activation::log_softmax(read(teacher), 1);
        let slice = activation::log_softmax(student.clone().narrow(1, 2 * index, 2), 1);
        let own = weights.clone().narrow(1, index, 1);
        let p = teacher.clone().exp();
        let apart = match spec.divergence {
            DivergenceForm::Kl => teacher.clone() - slice,
            DivergenceForm::SoftCrossEntropy => slice.neg(),
        };
        divergence = divergence + (p.clone() * apart * own.clone()).sum().div_scalar(count);
        confidence = confidence - (p.clone() * teacher * own.clone()).sum().div_scalar(count);
        let mean = (p * own.clone()).sum_dim(0) / own.sum_dim(0);
        balance = balance + (mean.clone() * mean.log()).sum();
    }
    let targets: Vec<i32> = texts.targets.iter().map(|&id| id as i32).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [positions, 1]), &device);
    let own = activation::log_softmax(logits, 1).gather(1, Tensor::from_inner(targets)).mean().neg();
    let value = |tensor: &Tensor<1>| f64::from(host_values(tensor.clone().inner()).unwrap()[0]);
    let (apart, own_loss) = (value(&divergence), value(&own));
    let loss = divergence.neg()
        + confidence.mul_scalar(spec.confidence_weight)
        + balance.mul_scalar(spec.balance_weight)
        + own.mul_scalar(spec.mlm_weight);
    let mut gradients = loss.backward();
    let found = burn::optim::GradientsParams::from_module(&mut gradients, &network);
    let mut all = Vec::new();
    let mut collect = Collect { gradients: &found, all: &mut all };
    network.visit(&mut collect);
    Expected { tokens, divergence: apart, own_loss, gradients: all }
}

/// All gradients.
struct Collect<'a> {
    gradients: &'a burn::optim::GradientsParams,
    all: &'a mut Vec<(&'static str, Vec<f32>)>,
}

impl burn::module::ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let dims = gradient.dims();
        let values = host_values(gradient).unwrap();
        // The bias of the output layer is the one vector as long as the vocabulary.
        let name = if D == 1 && dims[0] > 100 { "cls.predictions.bias" } else { "" };
        self.all.push((name, values));
    }
}

fn input_ids(tokens: &Tokens, config: &faculty_nn::EncoderConfig, all: &[usize]) -> Vec<u32> {
    let input: TokenInput = tokens.batch(all, config, &Device::flex()).unwrap();
    input.ids().to_vec()
}

fn scalar(value: f32) -> Tensor<1> {
    Tensor::from_inner(Tensor::from_floats([value], &Device::flex()))
}

#[derive(Deserialize)]
struct GoldenStep {
    clean: Vec<Vec<u32>>,
    tokens: Vec<u32>,
    soft_cross_entropy: f64,
    gradient_norm: f64,
}

#[test]
fn a_step_of_mate_kd_is_that_of_pytorch() {
    let dir = golden_dir().join("masked-lm");
    let golden: GoldenStep = golden_json("masked-lm/mate-kd.json");
    let tensors = golden_tensors("masked-lm/mate-kd.safetensors");
    let open = |name: &str| Classifier::open(dir.join(name), &Device::flex()).unwrap();
    let (teacher, student) = (open("teacher"), open("student"));
    let generator = MaskedModel::open(dir.join("bert"), &Device::flex()).unwrap();
    let join = LabelJoin::build(&[("teacher", &teacher.labels)], &Aliases::default()).unwrap();
    let mut rewriter = TextRewriter::new(Rewriting::mate_kd(), &generator, &student, &[&teacher], &join, 1).unwrap();

    let row = |ids: &Vec<u32>| faculty_text::TokenRow::of_ids(ids.clone());
    let clean = Tokens {
        rows: golden.clean.iter().map(row).collect(),
        identities: vec![0; golden.clean.len()],
        truncated: 0,
        pad_id: 0,
    };
    let (mut masked, mut positions, mut targets) = (clean.clone(), Vec::new(), Vec::new());
    let width = clean.lengths().into_iter().max().unwrap();
    for (row, text) in masked.rows.iter_mut().enumerate() {
        for token in (1..text.ids.len() - 1).filter(|token| (row + token) % 3 == 0) {
            positions.push(row * width + token);
            targets.push(text.ids[token]);
            text.ids[token] = generator.tokenizer.special_ids().mask.unwrap();
        }
    }
    let texts = MaskedTexts { clean, masked, positions, targets, width };
    let noise = tensors.read("noise").unwrap();
    let weights = Tensor::ones([golden.clean.len(), 1], &Device::flex());
    let off = [&DropoutPlan::Off, &DropoutPlan::Off];
    let found = rewriter.learn_from(&student.network, &texts, &noise, &weights, off).unwrap().unwrap();
    assert_eq!(found.tokens, golden.tokens);
    let relative = |found: f64, expected: f64| (found - expected).abs() / expected;
    assert!(relative(found.divergence, golden.soft_cross_entropy) < 1e-5, "{}", found.divergence);
    assert!(relative(found.gradient_norm, golden.gradient_norm) < 1e-3, "{}", found.gradient_norm);
    let after = rewriter.generator().valid().export(&generator.config).unwrap();
    let before = generator.network.export(&generator.config).unwrap();
    for name in tensors.names().iter().filter_map(|name| name.strip_prefix("after.")) {
        let one = |all: &[NamedTensor]| all.iter().find(|tensor| tensor.name == name).unwrap().values.clone();
        let (ours, start) = (one(&after), one(&before));
        let expected = tensors.read(&format!("after.{name}")).unwrap();
        let gradient = tensors.read(&format!("gradient.{name}")).unwrap();
        let largest = gradient.iter().fold(0.0, |most: f32, g| most.max(g.abs()));
        let mut compared = 0;
        for (index, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
            // Adam's first step has the size of the rate whatever the gradient, and the sign of noise where there is none.
            if gradient[index].abs() > 1e-4 * largest {
                compared += 1;
                assert!((ours - expected).abs() < 6e-8, "{name} {index}: {ours} is not {expected}");
                assert!((ours - start[index]).abs() > 3e-7, "{name} {index} has moved");
            }
        }
        assert!(compared > 20, "{name}: {compared}");
    }
}
