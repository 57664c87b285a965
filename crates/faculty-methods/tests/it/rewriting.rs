//! A masked language model that rewrites texts, and learns to rewrite them to where student and teachers differ.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use faculty_core::{Aliases, LabelJoin, NamedTensor, NamedTensors, Stream};
use faculty_methods::{
    DivergenceForm, GeneratorStep, LocalRealism, NgramDiscriminator, OtherTokenizers, Rewriting, TextRewriter,
};
use faculty_model::{Classifier, MaskPlan, MaskedModel, MaskedTexts, Tokens};
use faculty_nn::masked_lm::{GumbelDraw, gumbel_noise, tokens_at};
use faculty_nn::{DropoutPlan, Taps, TokenInput, host_values};
use faculty_testkit::{
    TINY_WORDS, TinySpec, golden_dir, golden_json, golden_tensors, kl_of_logits, tiny_classifier_dir,
};
use serde::Deserialize;
use std::path::Path;

/// A student over four labels, two teachers of two each (one of them wider), a generator, and texts.
pub struct World {
    pub dir: tempfile::TempDir,
    pub student: Classifier,
    pub teachers: Vec<Classifier>,
    pub generator: MaskedModel,
    pub join: LabelJoin,
    pub tokens: Tokens,
}

pub const TEXTS: usize = 6;

pub fn sentences(count: usize, seed: u64) -> Vec<String> {
    let stream = Stream::new(seed, "sentences");
    let text = |index: usize| {
        let draw = stream.fork(index as u64);
        let words = 4 + draw.below_at(90, 5);
        let word = |at: u64| TINY_WORDS[draw.below_at(at, TINY_WORDS.len() as u64) as usize];
        (0..words).map(word).collect::<Vec<_>>().join(" ")
    };
    (0..count).map(text).collect()
}

/// A masked language model below `dir/generator`.
pub fn tiny_generator(dir: &Path) -> MaskedModel {
    let base = tiny_classifier_dir(dir.join("base"), &TinySpec { gain: 3.0, ..TinySpec::new(["a", "b"]).seed(7) });
    let mut model = MaskedModel::start_from(base, Stream::new(7, "head"), &Device::flex()).unwrap();
    // Fresh words are short vectors, and as an output layer they could tell no token from another.
    let words = model.network.encoder.embeddings.words.val().mul_scalar(6.0);
    model.network.encoder.embeddings.words = Param::from_tensor(words);
    let target = dir.join("generator");
    std::fs::create_dir_all(&target).unwrap();
    model.write_into(&target).unwrap();
    MaskedModel::open(target, &Device::flex()).unwrap()
}

pub fn world() -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let open = |name: &str, spec: TinySpec| {
        Classifier::open(tiny_classifier_dir(dir.path().join(name), &TinySpec { gain: 6.0, ..spec }), &device).unwrap()
    };
    let student = open("student", TinySpec::new(["a", "b", "c", "d"]).seed(1));
    let wide = TinySpec { hidden: 48, ..TinySpec::new(["c", "d"]).seed(3) };
    let teachers = vec![open("one", TinySpec::new(["a", "b"]).seed(2)), open("two", wide)];
    let parts = [("one", &teachers[0].labels), ("two", &teachers[1].labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let generator = tiny_generator(dir.path());
    let tokens = student.tokenize(&sentences(TEXTS, 4), None).unwrap();
    World { student, teachers, generator, join, tokens, dir }
}

/// Without dropout and balance: what is computed is a formula.
fn plain() -> Rewriting {
    Rewriting {
        mask_rate: 0.4,
        student_dropout: false,
        generator_dropout: false,
        balance_weight: 0.0,
        ..Rewriting::default()
    }
}

fn rows() -> Vec<usize> {
    (0..TEXTS).collect()
}

impl World {
    fn rewriter(&self, spec: Rewriting) -> TextRewriter {
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        TextRewriter::new(spec, &self.generator, &self.student, &teachers, &self.join, 1).unwrap()
    }

    fn weights(&self) -> Tensor<2> {
        let rows = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [1.0, 0.0], [0.3, 0.7], [0.0, 0.0]];
        Tensor::from_floats(rows, &Device::flex())
    }

    fn learn(&self, rewriter: &mut TextRewriter, step: usize) -> GeneratorStep {
        let network = &self.student.network;
        let found = rewriter.learn(network, &self.tokens, &rows(), &self.weights(), &DropoutPlan::Off, step);
        found.unwrap().unwrap()
    }
}

fn weights_of(rewriter: &TextRewriter, world: &World) -> Vec<NamedTensor> {
    rewriter.generator().valid().export(&world.generator.config).unwrap()
}

#[test]
fn the_divergence_rises_on_a_frozen_student() {
    let world = world();
    let before = world.student.network.export(&world.student.config).unwrap();
    let teachers = |rewriter: &TextRewriter| -> Vec<Vec<f32>> {
        rewriter.networks().map(|network| host_values(network.valid().head.output.weight.val()).unwrap()).collect()
    };
    for divergence in [DivergenceForm::Kl, DivergenceForm::SoftCrossEntropy] {
        let spec = Rewriting { divergence, mlm_weight: 0.0, learning_rate: 5e-3, ..plain() };
        let mut rewriter = world.rewriter(spec);
        let asked = teachers(&rewriter);
        // The same hidden tokens and noise in every step, so that nothing but the generator changes.
        let steps: Vec<f64> = (0..20).map(|_| world.learn(&mut rewriter, 3).divergence).collect();
        let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
        assert!(mean(&steps[15..]) > mean(&steps[..5]) && steps[19] > steps[0], "{divergence:?}: {steps:?}");
        assert_eq!(teachers(&rewriter), asked);
    }
    assert!(world.student.network.export(&world.student.config).unwrap() == before);
}

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

#[test]
fn nothing_but_hidden_tokens_is_rewritten_and_writing_teaches_the_generator_nothing() {
    let world = world();
    let rewriter = world.rewriter(Rewriting::default());
    let before = weights_of(&rewriter, &world);
    let plan = MaskPlan::new(&world.generator.tokenizer, 0.3).unwrap();
    let (mut changed, mut kept) = (0, 0);
    for step in 0..30 {
        let written = rewriter.rewrite(&world.tokens, &rows(), step).unwrap();
        for (clean, written) in world.tokens.rows.iter().zip(&written.rows) {
            assert_eq!(clean.ids.len(), written.ids.len());
            for (before, after) in clean.ids.iter().zip(&written.ids) {
                let special = plan.protected().contains(before);
                assert!(!special || before == after, "special tokens stay");
                assert!(special || !plan.protected().contains(after), "and none is written");
                if !special {
                    changed += usize::from(before != after);
                    kept += usize::from(before == after);
                }
            }
        }
        assert_eq!(written.rows, rewriter.rewrite(&world.tokens, &rows(), step).unwrap().rows, "a step repeats itself");
        // A text is rewritten alike in any batch (dropout and draws follow from its row).
        let alone = rewriter.rewrite(&world.tokens, &[2], step).unwrap();
        assert_eq!(alone.rows[0], written.rows[2]);
    }
    let share = changed as f64 / (changed + kept) as f64;
    assert!((0.2..0.36).contains(&share), "{share}");
    // The student's loss on what was written has no way to the generator.
    let written = rewriter.rewrite(&world.tokens, &rows(), 0).unwrap();
    let network = world.student.network.clone().train();
    let input = written.batch(&rows(), &world.student.config, &Device::flex()).unwrap();
    let gradients = network.logits(&input, &DropoutPlan::Off).sum().backward();
    assert!(network.head.output.weight.val().grad(&gradients).is_some());
    assert!(rewriter.generator().head.dense.weight.val().grad(&gradients).is_none());
    assert!(rewriter.generator().head.dense.weight.val().is_require_grad());
    assert!(weights_of(&rewriter, &world) == before);
    let special = world.rewriter(Rewriting { write_special: true, ..Rewriting::default() });
    let wrote = (0..60).any(|step| {
        let written = special.rewrite(&world.tokens, &rows(), step).unwrap();
        let inner = |row: &faculty_text::TokenRow| row.ids[1..row.ids.len() - 1].to_vec();
        written.rows.iter().flat_map(inner).any(|id| plan.protected().contains(&id))
    });
    assert!(wrote, "as released");
}

#[test]
fn one_teacher_is_the_loss_of_one_teacher() {
    let world = world();
    let whole = TinySpec { gain: 6.0, ..TinySpec::new(["a", "b", "c", "d"]).seed(9) };
    let teacher =
        Classifier::open(tiny_classifier_dir(world.dir.path().join("whole"), &whole), &Device::flex()).unwrap();
    let join = LabelJoin::build(&[("whole", &teacher.labels)], &Aliases::default()).unwrap();
    let rewriter = TextRewriter::new(plain(), &world.generator, &world.student, &[&teacher], &join, 1).unwrap();
    let ones = Tensor::ones([TEXTS, 1], &Device::flex());
    let found = rewriter.divergence(&world.student.network, &world.tokens, &ones).unwrap();
    let logits = |model: &Classifier| model.logits(&world.tokens, &faculty_core::Silent).unwrap();
    let (of_teacher, of_student) = (logits(&teacher), logits(&world.student));
    let rows = of_teacher.chunks(4).zip(of_student.chunks(4)).map(|(t, s)| kl_of_logits(t, s, 1.0));
    let expected = rows.sum::<f64>() / TEXTS as f64;
    assert!((found - expected).abs() < 1e-5 * expected, "{found} is not {expected}");
    let asked = host_values(rewriter.ask(&world.tokens).unwrap().remove(0)).unwrap();
    assert_eq!(asked, of_teacher);
}

#[test]
fn another_tokenizer_is_refused_or_read_as_text() {
    let world = world();
    let dir =
        tiny_classifier_dir(world.dir.path().join("odd"), &TinySpec { gain: 6.0, ..TinySpec::new(["c", "d"]).seed(3) });
    let path = dir.join("tokenizer.json");
    // `gas` and `am` trade places.
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("\"gas\":", "\"@\":").replace("\"am\":", "\"gas\":").replace("\"@\":", "\"am\":");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(dir, &Device::flex()).unwrap();
    let teachers = [&world.teachers[0], &odd];
    let new = |spec: Rewriting| TextRewriter::new(spec, &world.generator, &world.student, &teachers, &world.join, 1);
    let Err(error) = new(plain()) else { panic!("another tokenizer was taken") };
    let error = error.to_string();
    assert!(error.contains("`two` has another vocabulary than the generator: token"), "{error}");
    assert!(error.contains("other_tokenizers") && error.contains("\"text\""), "{error}");

    let spec = Rewriting { other_tokenizers: OtherTokenizers::Text, mlm_weight: 0.0, learning_rate: 5e-3, ..plain() };
    let mut rewriter = new(spec).unwrap();
    // It reads the words of the text by its own numbers.
    let found = host_values(rewriter.ask(&world.tokens).unwrap().remove(1)).unwrap();
    let own = odd.tokenize(&sentences(TEXTS, 4), None).unwrap();
    assert_ne!(own.rows, world.tokens.rows);
    assert_eq!(found, odd.logits(&own, &faculty_core::Silent).unwrap());
    // The generator still learns, from the student and the other teacher.
    let before = weights_of(&rewriter, &world);
    let steps: Vec<f64> = (0..20).map(|_| world.learn(&mut rewriter, 3).divergence).collect();
    assert!(steps[19] > steps[0], "{steps:?}");
    assert!(weights_of(&rewriter, &world) != before);
    // A student of another tokenizer never.
    let renamed = Classifier { labels: world.student.labels.clone(), ..odd.clone() };
    let teachers: Vec<&Classifier> = world.teachers.iter().collect();
    let Err(error) = TextRewriter::new(plain(), &world.generator, &renamed, &teachers, &world.join, 1) else {
        panic!("a student of another tokenizer was taken")
    };
    assert!(error.to_string().contains("the student has another vocabulary than the generator"), "{error}");
}

#[test]
fn texts_without_a_hidden_token_teach_nothing() {
    let world = world();
    let mut rewriter = world.rewriter(plain());
    let bare = world.student.tokenize(&["[UNK]"; TEXTS], None).unwrap();
    let found = rewriter.learn(&world.student.network, &bare, &rows(), &world.weights(), &DropoutPlan::Off, 0).unwrap();
    assert_eq!(found, None);
    assert_eq!(rewriter.rewrite(&bare, &rows(), 0).unwrap().rows, bare.rows);
    let one = Tensor::ones([TEXTS, 1], &Device::flex());
    let error = rewriter.learn(&world.student.network, &world.tokens, &rows(), &one, &DropoutPlan::Off, 0).unwrap_err();
    assert!(error.to_string().contains("gate weights of shape"), "{error}");
}

fn masked(world: &World) -> MaskedTexts {
    let plan = MaskPlan::new(&world.generator.tokenizer, 0.3).unwrap();
    plan.apply(&world.tokens, &rows(), Stream::new(5, "masks"))
}

fn words_of(world: &World, tokens: &Tokens) -> Tensor<3> {
    let input = tokens.batch(&rows(), &world.generator.config, &Device::flex()).unwrap();
    world.generator.network.encoder.embeddings.look_up(&input)
}

#[test]
fn runs_have_one_logit_each_and_padding_does_not_count() {
    let world = world();
    let (spec, texts) = (LocalRealism::default(), masked(&world));
    let judge = NgramDiscriminator::fresh(&spec, 32, 0.1, Stream::new(1, "judge"), &Device::flex());
    let words = words_of(&world, &texts.clean);
    let [_, tokens, _] = words.dims();
    let shapes: Vec<[usize; 2]> = judge.logits(words.clone()).into_iter().map(|found| found.unwrap().dims()).collect();
    assert_eq!(shapes, [2, 3, 5].map(|window| [TEXTS, tokens + 1 - window]));
    // More padding, and other vectors in it, change nothing.
    let loss = |words: Tensor<3>, texts: &MaskedTexts| host_values(judge.loss(words, texts, true)).unwrap()[0];
    let expected = loss(words.clone(), &texts);
    let noise: Vec<f32> = (0..TEXTS * 3 * 32).map(|at| Stream::new(2, "padding").normal_at(at as u64) as f32).collect();
    let noise = Tensor::from_data(TensorData::new(noise, [TEXTS, 3, 32]), &Device::flex());
    let wider = texts.width + 3;
    let moved = texts.positions.iter().map(|at| at / texts.width * wider + at % texts.width).collect();
    let wide = MaskedTexts { width: wider, positions: moved, ..texts.clone() };
    let found = loss(Tensor::cat(vec![words, noise], 1), &wide);
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    // A text shorter than a run has none of it; nothing hidden is nothing to judge.
    let short = judge.logits(Tensor::zeros([1, 3, 32], &Device::flex()));
    assert_eq!(short.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    let none = MaskedTexts { positions: Vec::new(), targets: Vec::new(), ..texts.clone() };
    assert_eq!(loss(words_of(&world, &texts.clean), &none), 0.0);
}

#[test]
fn equal_runs_leave_the_judge_at_log_two_and_others_are_told_apart() {
    let world = world();
    let spec = Rewriting { local: Some(LocalRealism { learning_rate: 1e-2, ..LocalRealism::default() }), ..plain() };
    let texts = masked(&world);
    let judge = NgramDiscriminator::fresh(&LocalRealism::default(), 32, 0.1, Stream::new(1, "judge"), &Device::flex());
    let told = |judge: &NgramDiscriminator, real: Tensor<3>, fake: Tensor<3>| {
        let loss = judge.loss(real, &texts, true) + judge.loss(fake, &texts, false);
        host_values(loss).unwrap()[0] / 2.0
    };
    let words = words_of(&world, &texts.clean);
    // Whatever it says of one set: -(log σ(l) + log(1 - σ(l))) / 2 is never below log 2.
    assert!(told(&judge, words.clone(), words) >= std::f32::consts::LN_2 - 1e-6);
    let mut rewriter = world.rewriter(spec);
    let found: Vec<f64> = (0..60).map(|step| world.learn(&mut rewriter, step).local.unwrap().0).collect();
    let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
    assert!(mean(&found[50..]) < 0.8 * f64::ln(2.0), "{found:?}");
    // It starts by knowing nothing.
    assert!((mean(&found[..3]) - f64::ln(2.0)).abs() < 0.15, "{found:?}");
}

#[test]
fn the_judge_of_runs_holds_the_text_near_its_source() {
    let world = world();
    let run = |local: Option<LocalRealism>| {
        let spec = Rewriting { mlm_weight: 0.0, learning_rate: 2e-3, local, ..plain() };
        let mut rewriter = world.rewriter(spec);
        let steps: Vec<f64> = (0..40).map(|step| world.learn(&mut rewriter, step).own_loss).collect();
        steps[30..].iter().sum::<f64>() / 10.0
    };
    let without = run(None);
    let with = run(Some(LocalRealism { weight: 5.0, learning_rate: 1e-2, ..LocalRealism::default() }));
    assert!(with < without, "{with} against {without} nats");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_key() {
    let start = Rewriting::default;
    for (wrong, key) in [
        (Rewriting { generator: " ".to_owned(), ..start() }, "rewriting.generator"),
        (Rewriting { mask_rate: 1.0, ..start() }, "rewriting.mask_rate"),
        (Rewriting { gumbel_temperature: 0.0, ..start() }, "rewriting.gumbel_temperature"),
        (Rewriting { learning_rate: f64::NAN, ..start() }, "rewriting.learning_rate"),
        (Rewriting { mlm_weight: -1.0, ..start() }, "rewriting.mlm_weight"),
        (Rewriting { generator_steps: 101, ..start() }, "rewriting.generator_steps"),
        (Rewriting { student_steps: 0, generator_steps: 0, ..start() }, "rewriting.student_steps"),
        (Rewriting { stop_ratio: 0.0, ..start() }, "rewriting.stop_ratio"),
        (Rewriting { temperature: 0.0, ..start() }, "temperature"),
        (
            Rewriting { local: Some(LocalRealism { windows: vec![], ..LocalRealism::default() }), ..start() },
            "rewriting.local.windows",
        ),
        (
            Rewriting { local: Some(LocalRealism { beta1: 1.0, ..LocalRealism::default() }), ..start() },
            "rewriting.local.beta1",
        ),
    ] {
        let error = wrong.check().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    start().check().unwrap();
    Rewriting::mate_kd().check().unwrap();
    let due: Vec<usize> = (0..220).filter(|&step| start().is_due(step)).collect();
    assert_eq!(due, [(0..10), (100..110), (200..210)].into_iter().flatten().collect::<Vec<_>>());
}
