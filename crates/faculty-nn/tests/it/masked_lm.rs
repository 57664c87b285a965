//! The head of masked language models, and what is as wide as a vocabulary.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use faculty_core::Stream;
use faculty_nn::masked_lm::{GumbelDraw, MaskedLm, TokenLogits, gumbel_noise, tokens_at};
use faculty_nn::{DropoutPlan, EncoderConfig, Family, Spans, TokenInput, host_values};

const VOCABULARY: usize = 23;

fn normals(count: usize, name: &str) -> Vec<f32> {
    let stream = Stream::new(3, name);
    (0..count as u64).map(|at| stream.normal_at(at) as f32).collect()
}

fn matrix(rows: usize, columns: usize, name: &str) -> Tensor<2> {
    Tensor::from_data(TensorData::new(normals(rows * columns, name), [rows, columns]), &Device::flex())
}

fn tracked(tensor: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(tensor).require_grad()
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < tolerance, "{index}: {found} is not {expected}");
    }
}

#[test]
fn the_cross_entropy_and_its_gradient_are_those_of_autodiff() {
    let targets = [4_u32, 0, 22, 7];
    let logits = tracked(matrix(4, VOCABULARY, "logits").mul_scalar(3.0));
    let found = TokenLogits::read(logits.clone()).unwrap().cross_entropy(&targets).unwrap();
    let indices = Tensor::<2, Int>::from_data(TensorData::new(vec![4, 0, 22, 7], [4, 1]), &Device::flex());
    let loss = activation::log_softmax(logits.clone(), 1).gather(1, Tensor::from_inner(indices)).mean().neg();
    let gradients = loss.backward();
    assert!((found.mean - f64::from(host_values(loss.inner()).unwrap()[0])).abs() < 1e-6);
    close(&found.gradient, &host_values(logits.grad(&gradients).unwrap()).unwrap(), 1e-7);
    let values = host_values(logits.inner()).unwrap();
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let correct = values.chunks(VOCABULARY).zip(targets).filter(|(row, target)| best(row) == *target as usize).count();
    assert_eq!(found.correct, correct);
}

#[test]
fn a_pulled_back_gradient_is_that_of_the_whole_head() {
    let device = Device::flex();
    let config = EncoderConfig::of_size(Family::Bert, (1, 32), VOCABULARY, 0, 8);
    for trains_words in [false, true] {
        let mut network = MaskedLm::fresh(&config, Stream::new(5, "network"), &device).train();
        let words = network.encoder.embeddings.words.clone().set_require_grad(trains_words);
        network.encoder.embeddings.words = words;
        let ids = [2, 7, 9, 3, 2, 11, 3, 0];
        let spans = Spans::right_padded(&[4, 3], 4).unwrap();
        let input = TokenInput::new(&config, &ids, &[0; 8], spans, &device).unwrap();
        let (positions, gradient) = ([1, 2, 5], matrix(3, VOCABULARY, "gradient"));
        let features = network.features_at(&input, &positions, &DropoutPlan::Off);
        let logits = network.head.logits(features.clone(), network.words());
        let direct = (logits * Tensor::from_inner(gradient.clone())).sum().backward();
        let features = network.features_at(&input, &positions, &DropoutPlan::Off);
        let pulled = network.head.pull_back(features, network.words(), gradient).backward();
        let compare = |which: &str, a: Option<Vec<f32>>, b: Option<Vec<f32>>| match (a, b) {
            (Some(a), Some(b)) => close(&a, &b, 1e-5),
            (a, b) => assert!(a.is_none() && b.is_none(), "{which}"),
        };
        let values = |gradient: Option<Tensor<2>>| gradient.map(|gradient| host_values(gradient).unwrap());
        let (words, dense) = (network.words(), network.head.dense.weight.val());
        assert_eq!(words.grad(&direct).is_some(), trains_words);
        compare("words", values(words.grad(&direct)), values(words.grad(&pulled)));
        compare("dense", values(dense.grad(&direct)), values(dense.grad(&pulled)));
        let bias = network.head.bias.val();
        close(
            &host_values(bias.grad(&direct).unwrap()).unwrap(),
            &host_values(bias.grad(&pulled).unwrap()).unwrap(),
            1e-6,
        );
        let qkv = network.encoder.layers[0].qkv.weight.val();
        compare("layer", values(qkv.grad(&direct)), values(qkv.grad(&pulled)));
    }
}

#[test]
fn the_draw_is_one_hot_forward_and_the_mixture_backward() {
    let noise = gumbel_noise(&[Stream::new(1, "noise"), Stream::new(2, "noise"), Stream::new(3, "noise")], VOCABULARY);
    for temperature in [1.0, 0.5] {
        let logits = tracked(matrix(3, VOCABULARY, "logits"));
        let upstream = matrix(3, VOCABULARY, "upstream");
        // With the logarithm of the softmax, as papers write it: the draw takes the logits themselves.
        let noise_tensor = Tensor::<2>::from_data(TensorData::new(noise.clone(), [3, VOCABULARY]), &Device::flex());
        let noisy = activation::log_softmax(logits.clone(), 1) + Tensor::from_inner(noise_tensor);
        let mixtures = activation::softmax(noisy.div_scalar(temperature), 1);
        let v = GumbelDraw::straight_through(mixtures.clone());
        let forward = host_values(v.clone().inner()).unwrap();
        let draw = TokenLogits::read(logits.clone()).unwrap().gumbel(&noise, temperature).unwrap();
        for (row, token) in forward.chunks(VOCABULARY).zip(&draw.tokens) {
            for (index, value) in row.iter().enumerate() {
                assert_eq!(*value, if index as u32 == *token { 1.0 } else { 0.0 }, "exactly one-hot");
            }
        }
        close(&draw.mixtures, &host_values(mixtures.inner()).unwrap(), 1e-6);
        let gradients = (v * Tensor::from_inner(upstream.clone())).sum().backward();
        let expected = host_values(logits.grad(&gradients).unwrap()).unwrap();
        close(&draw.pull_back(upstream).unwrap(), &expected, 1e-6);
    }
}

#[test]
fn a_loss_of_hidden_tokens_reaches_their_states_alone() {
    let hidden = Tensor::<3>::from_inner(matrix(8, 8, "hidden").reshape([2, 4, 8])).require_grad();
    let (positions, words) = ([1, 2, 5], matrix(VOCABULARY, 8, "words"));
    let states = tokens_at(hidden.clone(), &positions);
    let logits = TokenLogits::read(states.clone().matmul(Tensor::from_inner(words.clone().transpose())));
    let noise = gumbel_noise(&[Stream::new(1, "noise"), Stream::new(2, "noise"), Stream::new(3, "noise")], VOCABULARY);
    let gradient = logits.unwrap().gumbel(&noise, 1.0).unwrap().pull_back(matrix(3, VOCABULARY, "upstream")).unwrap();
    assert!(gradient.iter().any(|value| *value != 0.0));
    let gradient = Tensor::<2>::from_data(TensorData::new(gradient, [3, VOCABULARY]), &Device::flex());
    let back = (states * Tensor::from_inner(gradient.matmul(words))).sum().backward();
    let reached = host_values(hidden.grad(&back).unwrap()).unwrap();
    for (position, row) in reached.chunks(8).enumerate() {
        assert_eq!(row.iter().any(|value| *value != 0.0), positions.contains(&position), "position {position}");
    }
}

#[test]
fn noise_is_gumbels_and_finite() {
    let noise = gumbel_noise(&[Stream::new(9, "noise")], 200_000);
    assert!(noise.iter().all(|value| value.is_finite()));
    let mean = noise.iter().map(|value| f64::from(*value)).sum::<f64>() / noise.len() as f64;
    let variance = noise.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / noise.len() as f64;
    assert!((mean - 0.577_215_66).abs() < 0.01, "{mean}");
    assert!((variance - std::f64::consts::PI.powi(2) / 6.0).abs() < 0.03, "{variance}");
}

#[test]
fn draws_follow_the_distribution_and_avoid_what_is_forbidden() {
    let logits = Tensor::<2>::from_floats([[0.0, 1.0, 2.0, 9.0, 0.5, 9.0]], &Device::flex());
    let logits = TokenLogits::read(logits).unwrap().without(&[3], 5);
    let weights = [1.0_f64, 1f64.exp(), 2f64.exp(), 0.0, 0.5f64.exp(), 0.0];
    let sum: f64 = weights.iter().sum();
    const DRAWS: usize = 20_000;
    let (mut sampled, mut gumbel) = ([0.0; 6], [0.0; 6]);
    for draw in 0..DRAWS {
        sampled[logits.sample(&[(draw as f64 + 0.5) / DRAWS as f64]).unwrap()[0] as usize] += 1.0 / DRAWS as f64;
        let noise = gumbel_noise(&[Stream::new(4, "noise").fork(draw as u64)], 6);
        gumbel[logits.gumbel(&noise, 1.0).unwrap().tokens[0] as usize] += 1.0 / DRAWS as f64;
    }
    for (token, weight) in weights.iter().enumerate() {
        assert!((sampled[token] - weight / sum).abs() < 1e-3, "{token}: {}", sampled[token]);
        assert!((gumbel[token] - weight / sum).abs() < 0.015, "{token}: {}", gumbel[token]);
    }
    assert_eq!(logits.sample(&[0.0]).unwrap(), [0]);
    assert_eq!(logits.sample(&[1.0 - f64::EPSILON]).unwrap(), [4]);
    assert_eq!(logits.likeliest(), [2]);
    let found = logits.figures(&[2]).unwrap();
    assert!((found.loss + (weights[2] / sum).ln()).abs() < 1e-6);
    let entropy: f64 = weights.iter().filter(|w| **w > 0.0).map(|w| -(w / sum) * (w / sum).ln()).sum();
    assert!((found.entropy - entropy).abs() < 1e-6);
    assert!(logits.sample(&[0.1, 0.2]).is_err() && logits.figures(&[6]).is_err() && logits.cross_entropy(&[]).is_err());
}

#[test]
fn tokens_are_picked_by_row_and_place() {
    let hidden = Tensor::<3>::from_floats([[[0.0], [1.0]], [[2.0], [3.0]]], &Device::flex());
    assert_eq!(host_values(tokens_at(hidden, &[3, 0])).unwrap(), [3.0, 0.0]);
}
