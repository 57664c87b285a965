//! Block-wise losses: the Selective Transformer against a plain reference, and what gradients may reach.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{NamedTensor, Stream};
use faculty_losses::features::{
    BlockIntegration, BlockSettings, BlockStates, FeatureWidths, Integrator, SelectiveTransformer, participation_ratio,
    teacher_agreement,
};
use faculty_nn::{LayerNorm, Linear, host_values};
use faculty_testkit::assert_close;

const INTEGRATORS: [Integrator; 4] =
    [Integrator::SelectiveTransformer, Integrator::WeightedMean, Integrator::ConcatLinear, Integrator::CommonFeature];

/// States of a batch on the host: texts of `lengths` tokens.
#[derive(Clone)]
struct Scene {
    widths: FeatureWidths,
    tokens: usize,
    lengths: Vec<usize>,
    student: Vec<f32>,
    teachers: Vec<Vec<f32>>,
    weights: Vec<f32>,
}

fn scene() -> Scene {
    random(vec![5, 3, 4], 5, 1)
}

fn random(lengths: Vec<usize>, tokens: usize, seed: u64) -> Scene {
    let widths = FeatureWidths { student: 8, teachers: vec![6, 8] };
    let stream = Stream::new(seed, "states");
    let cells = lengths.len() * tokens;
    let draw = |part: u64, width: usize| -> Vec<f32> {
        (0..(cells * width) as u64).map(|at| stream.fork(part).normal_at(at) as f32).collect()
    };
    let weights = (0..lengths.len() as u64).flat_map(|text| {
        let first = stream.fork(9).uniform_at(text) as f32;
        [first, 1.0 - first]
    });
    Scene {
        student: draw(0, 8),
        teachers: vec![draw(1, 6), draw(2, 8)],
        weights: weights.collect(),
        widths,
        tokens,
        lengths,
    }
}

/// A scene as tensors on the autodiff device.
struct Held {
    student: Tensor<3>,
    teachers: Vec<Tensor<3>>,
    weights: Tensor<2>,
    keep: Tensor<2>,
}

impl Held {
    fn states(&self) -> BlockStates<'_> {
        BlockStates {
            student: &self.student,
            teachers: &self.teachers,
            weights: &self.weights,
            keep: &self.keep,
            sample_weights: None,
        }
    }
}

impl Scene {
    fn held(&self) -> Held {
        let device = Device::flex().autodiff();
        let (batch, tokens) = (self.lengths.len(), self.tokens);
        let states = |values: &[f32], width: usize| {
            Tensor::<3>::from_data(TensorData::new(values.to_vec(), [batch, tokens, width]), &device).require_grad()
        };
        let keep = self.lengths.iter().flat_map(|&length| (0..tokens).map(move |at| f32::from(u8::from(at < length))));
        let teachers = self.teachers.iter().zip(&self.widths.teachers);
        Held {
            student: states(&self.student, self.widths.student),
            teachers: teachers.map(|(values, &width)| states(values, width)).collect(),
            weights: Tensor::<2>::from_data(TensorData::new(self.weights.clone(), [batch, 2]), &device).require_grad(),
            keep: Tensor::from_data(TensorData::new(keep.collect::<Vec<f32>>(), [batch, tokens]), &device),
        }
    }

    /// R of an integration's first block.
    fn unified(&self, integration: &BlockIntegration) -> Vec<f32> {
        host_values(integration.unified(0, &self.held().states()).unwrap().unwrap().inner()).unwrap()
    }

    /// The same with other teachers' states behind the texts' ends.
    fn other_padding(mut self) -> Self {
        let (tokens, lengths) = (self.tokens, self.lengths.clone());
        for (values, &width) in self.teachers.iter_mut().zip(&self.widths.teachers) {
            for (cell, value) in values.iter_mut().enumerate() {
                let (text, token) = (cell / width / tokens, cell / width % tokens);
                if token >= lengths[text] {
                    *value = 7.0 + cell as f32;
                }
            }
        }
        self
    }
}

fn build(integrator: Integrator, settings: BlockSettings, widths: &FeatureWidths) -> BlockIntegration {
    let settings = BlockSettings { integrator, ..settings };
    BlockIntegration::new(settings, widths, 2, Stream::new(5, "maps"), &Device::flex()).unwrap().unwrap()
}

fn selective(settings: BlockSettings, widths: &FeatureWidths) -> BlockIntegration {
    build(Integrator::SelectiveTransformer, settings, widths)
}

fn text_rows(scene: &Scene, unified: &[f32]) -> Vec<f64> {
    let width = scene.widths.student;
    let cells = unified.chunks_exact(width).enumerate();
    let text = cells.filter(|(cell, _)| cell % scene.tokens < scene.lengths[cell / scene.tokens]);
    text.flat_map(|(_, row)| row.iter().map(|&value| f64::from(value))).collect()
}

/// The layer in plain f64, one text at a time; `biased` adds log w.
fn reference(scene: &Scene, layer: &SelectiveTransformer, biased: bool) -> Vec<f64> {
    let d = scene.widths.student;
    let mut out = Vec::new();
    for (text, &length) in scene.lengths.iter().enumerate() {
        let weights: Vec<f64> = (0..2).map(|i| f64::from(scene.weights[text * 2 + i])).collect();
        let views: Vec<Vec<Vec<f64>>> = (0..2)
            .map(|i| {
                let width = scene.widths.teachers[i];
                (0..length)
                    .map(|token| {
                        let start = (text * scene.tokens + token) * width;
                        let state: Vec<f64> =
                            scene.teachers[i][start..start + width].iter().map(|&v| f64::from(v)).collect();
                        normed(&apply(&layer.views.maps[i], &state), &layer.views.norms[i])
                    })
                    .collect()
            })
            .collect();
        for token in 0..length {
            let query: Vec<f64> =
                (0..d).map(|at| weights[0] * views[0][token][at] + weights[1] * views[1][token][at]).collect();
            let asked = apply(&layer.query, &query);
            let (mut context, head_width) = (vec![0.0; d], d / layer.heads);
            for head in 0..layer.heads {
                let part = head * head_width..(head + 1) * head_width;
                let mut logits = Vec::new();
                let mut values = Vec::new();
                for (i, view) in views.iter().enumerate() {
                    for state in view {
                        let key = apply(&layer.key, state);
                        let bias = if biased { weights[i].max(1e-6).ln() } else { 0.0 };
                        let product: f64 = part.clone().map(|at| asked[at] * key[at]).sum();
                        logits.push(product / (head_width as f64).sqrt() + bias);
                        values.push(apply(&layer.value, state));
                    }
                }
                let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
                for (logit, value) in logits.iter().zip(&values) {
                    part.clone().for_each(|at| context[at] += logit.exp() / total * value[at]);
                }
            }
            let attended = apply(&layer.attention_output, &context);
            let hidden: Vec<f64> = query.iter().zip(attended).map(|(q, a)| q + a).collect();
            let hidden = normed(&hidden, &layer.attention_norm);
            let inner: Vec<f64> = apply(&layer.feed_forward_in, &hidden).into_iter().map(gelu).collect();
            let outer = apply(&layer.feed_forward_out, &inner);
            let sum: Vec<f64> = hidden.iter().zip(outer).map(|(h, o)| h + o).collect();
            out.extend(normed(&sum, &layer.output_norm));
        }
    }
    out
}

fn apply(linear: &Linear, x: &[f64]) -> Vec<f64> {
    let weight = host_values(linear.weight.val().inner()).unwrap();
    let bias = host_values(linear.bias.val().inner()).unwrap();
    let columns = bias.len();
    let product =
        |column: usize| x.iter().enumerate().map(|(row, x)| x * f64::from(weight[row * columns + column])).sum::<f64>();
    (0..columns).map(|column| product(column) + f64::from(bias[column])).collect()
}

fn normed(x: &[f64], norm: &LayerNorm) -> Vec<f64> {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    x.iter().map(|x| (x - mean) / (variance + norm.epsilon).sqrt()).collect()
}

/// x Φ(x), with Φ by Simpson's rule over the density.
fn gelu(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (steps, mut sum) = (2000, 0.0);
    let width = x / f64::from(steps);
    for step in 0..steps {
        let left = f64::from(step) * width;
        sum += width / 6.0 * (density(left) + 4.0 * density(left + width / 2.0) + density(left + width));
    }
    x * (0.5 + sum)
}

#[test]
fn the_selective_transformer_is_what_a_plain_reference_computes() {
    for heads in [1, 2] {
        let scene = scene();
        let integration = selective(BlockSettings { heads, ..BlockSettings::default() }, &scene.widths);
        let layer = integration.maps(0).unwrap().integrator.selective.clone().unwrap();
        let found: Vec<f32> = text_rows(&scene, &scene.unified(&integration)).into_iter().map(|v| v as f32).collect();
        assert_close(&found, &reference(&scene, &layer, true), 2e-5, 2e-5, "R");
        let mut even = scene.clone();
        even.weights.fill(0.5);
        let found: Vec<f32> = text_rows(&even, &even.unified(&integration)).into_iter().map(|v| v as f32).collect();
        assert_close(&found, &reference(&even, &layer, false), 2e-5, 2e-5, "equal weights are no bias");
    }
}

#[test]
fn a_teacher_without_weight_is_out_of_sight() {
    let mut scene = scene();
    for row in scene.weights.chunks_exact_mut(2) {
        row.copy_from_slice(&[1.0, 0.0]);
    }
    let mut other = scene.clone();
    other.teachers[1].iter_mut().for_each(|value| *value = 3.0 - *value);
    for integrator in [Integrator::SelectiveTransformer, Integrator::WeightedMean] {
        let integration = build(integrator, BlockSettings::default(), &scene.widths);
        let found: Vec<f32> = text_rows(&other, &other.unified(&integration)).into_iter().map(|v| v as f32).collect();
        let expected = text_rows(&scene, &scene.unified(&integration));
        assert_close(&found, &expected, 1e-4, 1e-4, integrator.name());
        let changed = text_rows(&scene, &scene.clone().with_even_weights().unified(&integration));
        assert!(changed.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 1e-2), "with weight it is seen");
    }
}

impl Scene {
    fn with_even_weights(mut self) -> Self {
        self.weights.fill(0.5);
        self
    }
}

#[test]
fn the_order_of_teachers_does_not_matter() {
    let scene = scene();
    let integration = selective(BlockSettings::default(), &scene.widths);
    let layer = integration.maps(0).unwrap().integrator.selective.clone().unwrap();
    let held = scene.held();
    let views = layer.views.forward(&held.teachers);
    let forward = layer.integrate(&views, &held.weights, &held.keep);
    let turned = [views[1].clone(), views[0].clone()];
    let backward = layer.integrate(&turned, &held.weights.clone().flip([1]), &held.keep);
    let expected: Vec<f64> = host_values(forward.inner()).unwrap().into_iter().map(f64::from).collect();
    assert_close(&host_values(backward.inner()).unwrap(), &expected, 1e-5, 1e-5, "R");
}

#[test]
fn padding_has_no_influence_however_long_it_is() {
    for integrator in INTEGRATORS {
        let scene = scene();
        let value = |scene: &Scene| {
            let mut integration = build(integrator, BlockSettings::default(), &scene.widths);
            let terms = integration.loss(1, &scene.held().states()).unwrap();
            host_values(terms.total().inner()).unwrap()[0]
        };
        let expected = value(&scene);
        assert_close(&[value(&scene.clone().other_padding())], &[f64::from(expected)], 1e-6, 1e-6, integrator.name());
        // The same texts in a batch that is two tokens wider.
        let mut wide = scene.clone();
        let widen = |values: &[f32], width: usize| -> Vec<f32> {
            let rows = values.chunks_exact(5 * width);
            rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(9.0, 2 * width))).collect()
        };
        wide.tokens = 7;
        wide.student = widen(&wide.student, 8);
        wide.teachers = vec![widen(&wide.teachers[0], 6), widen(&wide.teachers[1], 8)];
        assert_close(&[value(&wide)], &[f64::from(expected)], 2e-6, 2e-6, integrator.name());
    }
}

#[test]
fn gradients_reach_the_student_and_never_a_teacher_or_a_weight() {
    for integrator in INTEGRATORS {
        let scene = scene();
        let mut integration = build(integrator, BlockSettings::default(), &scene.widths);
        let held = scene.held();
        let gradients = integration.loss(0, &held.states()).unwrap().total().backward();
        let of_student = host_values(held.student.grad(&gradients).unwrap()).unwrap();
        assert!(of_student.iter().any(|value| value.abs() > 1e-6), "{}", integrator.name());
        assert!(held.teachers.iter().all(|teacher| teacher.grad(&gradients).is_none()), "{}", integrator.name());
        assert!(held.weights.grad(&gradients).is_none(), "{}", integrator.name());
    }
}

/// The values of all maps, by name.
fn values(integration: &BlockIntegration) -> Vec<NamedTensor> {
    let tensors = integration.save().unwrap().tensors.into_iter();
    let named = tensors.map(|tensor| {
        let (name, shape) = (tensor.name().to_owned(), tensor.shape().to_vec());
        NamedTensor { name, shape, values: tensor.into_values().unwrap() }
    });
    named.collect()
}

/// The loss of both blocks, before each of some steps.
fn train(integration: &mut BlockIntegration, scene: &Scene, steps: usize) -> Vec<f32> {
    let mut losses = Vec::new();
    for _ in 0..steps {
        let held = scene.held();
        let total =
            integration.loss(0, &held.states()).unwrap().total() + integration.loss(1, &held.states()).unwrap().total();
        losses.push(host_values(total.clone().inner()).unwrap()[0]);
        integration.step(&mut total.backward(), 1.0).unwrap();
    }
    losses
}

#[test]
fn the_match_moves_the_students_map_and_not_the_integrator() {
    for integrator in [Integrator::SelectiveTransformer, Integrator::WeightedMean, Integrator::ConcatLinear] {
        let scene = scene();
        let settings = BlockSettings { reconstruction_weight: 0.0, ..BlockSettings::default() };
        let mut integration = build(integrator, settings, &scene.widths);
        let before = values(&integration);
        train(&mut integration, &scene, 3);
        let after = values(&integration);
        for was in &before {
            let is = after.iter().find(|tensor| tensor.name == was.name).unwrap();
            let is_students = was.name.contains(".student.");
            assert_eq!(was == is, !is_students, "{}: {}", integrator.name(), was.name);
        }
    }
}

#[test]
fn every_integrator_learns_and_goes_on_from_what_was_saved() {
    for integrator in INTEGRATORS {
        let scene = scene();
        let mut integration =
            build(integrator, BlockSettings { learning_rate: 5e-3, ..BlockSettings::default() }, &scene.widths);
        assert!(integration.trained_values() > 0);
        let losses = train(&mut integration, &scene, 40);
        assert!(losses[39] < 0.8 * losses[0], "{}: {} to {}", integrator.name(), losses[0], losses[39]);
        let state = integration.save().unwrap().values;
        let tensors = values(&integration);
        let mut fresh =
            build(integrator, BlockSettings { learning_rate: 5e-3, ..BlockSettings::default() }, &scene.widths);
        fresh.load(state, &tensors).unwrap();
        assert_eq!(train(&mut integration, &scene, 3), train(&mut fresh, &scene, 3), "{}", integrator.name());
        assert_eq!(values(&integration), values(&fresh), "{}", integrator.name());
    }
}

#[test]
fn without_reconstruction_and_stop_gradient_the_unified_states_collapse() {
    // 24 texts, a student that knows little: what is easy to match is one point.
    let mut scene = random(vec![1; 24], 1, 3);
    scene.student.iter_mut().for_each(|value| *value *= 0.1);
    let rank = |settings: BlockSettings| {
        let mut integration = selective(BlockSettings { learning_rate: 1e-2, ..settings }, &scene.widths);
        train(&mut integration, &scene, 150);
        let unified = scene.unified(&integration);
        let rows = Tensor::<2>::from_data(TensorData::new(unified.clone(), [24, 8]), &Device::flex());
        let mean = |at: usize| unified.iter().skip(at).step_by(8).sum::<f32>() / 24.0;
        let spread: f32 = unified.iter().enumerate().map(|(at, v)| (v - mean(at % 8)).powi(2)).sum::<f32>() / 24.0;
        (host_values(participation_ratio(rows)).unwrap()[0], spread)
    };
    let (kept, wide) = rank(BlockSettings::default());
    let free = BlockSettings { reconstruction_weight: 0.0, stop_gradient: false, ..BlockSettings::default() };
    let (lost, narrow) = rank(free);
    assert!(lost < 0.8 * kept, "rank {lost} of {kept}");
    assert!(narrow < 0.5 * wide, "spread {narrow} of {wide}");
}

#[test]
fn what_teachers_agree_on_costs_nothing() {
    let device = Device::flex();
    let tensor = |rows: [[f32; 2]; 2]| Tensor::<2>::from_floats(rows, &device);
    let (one, other) = (tensor([[1.0, 0.0], [1.0, 1.0]]), tensor([[0.0, 3.0], [-2.0, -2.0]]));
    let apart = |views: &[Tensor<2>]| host_values(teacher_agreement(views).unwrap()).unwrap();
    assert_close(&apart(&[one.clone(), other.clone()]), &[1.0, 0.0], 1e-6, 1e-6, "orthogonal, opposite");
    let three = [one.clone(), other.clone(), one.clone()];
    assert_close(&apart(&three), &[2.0 / 3.0, 0.0], 1e-6, 1e-6, "mean over pairs");
    assert_eq!(apart(std::slice::from_ref(&one)), [0.0, 0.0], "nobody to agree with");
    assert!(teacher_agreement(&[]).is_none());
    let zero = Tensor::<2>::zeros([2, 2], &device.autodiff()).require_grad();
    let gradients = teacher_agreement(&[zero.clone(), Tensor::from_inner(one)]).unwrap().sum().backward();
    let gradient = host_values(zero.grad(&gradients).unwrap()).unwrap();
    assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
}

#[test]
fn agreement_is_a_term_of_integrators_that_have_views() {
    let scene = scene();
    let settings = BlockSettings { agreement_weight: 0.1, ..BlockSettings::default() };
    let mut integration = selective(settings, &scene.widths);
    let terms = integration.loss(0, &scene.held().states()).unwrap();
    assert_eq!(terms.get("block_agreement").unwrap().weight, 0.1);
    assert!(
        selective(BlockSettings::default(), &scene.widths)
            .loss(0, &scene.held().states())
            .unwrap()
            .get("block_agreement")
            .is_none()
    );
    let concat = BlockSettings { integrator: Integrator::ConcatLinear, ..settings };
    assert!(concat.check().unwrap_err().to_string().contains("agreement_weight"));
}

#[test]
fn the_rank_of_a_set_is_its_number_of_even_directions() {
    let device = Device::flex();
    let rank = |rows: Vec<[f32; 3]>| {
        let count = rows.len();
        let data = TensorData::new(rows.into_iter().flatten().collect::<Vec<f32>>(), [count, 3]);
        host_values(participation_ratio(Tensor::from_data(data, &device))).unwrap()[0]
    };
    let line = rank(vec![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [-1.0, -2.0, -3.0]]);
    let cross = rank(vec![[1.0, 0.0, 5.0], [-1.0, 0.0, 5.0], [0.0, 1.0, 5.0], [0.0, -1.0, 5.0]]);
    assert_close(&[line, cross, rank(vec![[1.0; 3]; 4])], &[1.0, 2.0, 0.0], 1e-5, 1e-5, "rank");
}

#[test]
fn what_does_not_fit_is_refused() {
    let scene = scene();
    let new = |settings| BlockIntegration::new(settings, &scene.widths, 2, Stream::new(5, "maps"), &Device::flex());
    let refused = |settings: BlockSettings, key: &str| {
        let error = new(settings).err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    };
    let default = BlockSettings::default();
    refused(BlockSettings { heads: 3, ..default }, "heads");
    refused(BlockSettings { heads: 0, ..default }, "heads");
    refused(BlockSettings { match_weight: -1.0, ..default }, "match_weight");
    refused(BlockSettings { reconstruction_weight: f64::NAN, ..default }, "reconstruction_weight");
    refused(BlockSettings { learning_rate: 0.0, ..default }, "learning_rate");
    assert!(new(BlockSettings { integrator: Integrator::None, ..default }).unwrap().is_none());
    let mut integration = selective(default, &scene.widths);
    let held = scene.held();
    assert!(integration.loss(2, &held.states()).is_err(), "no such block");
    let missing = BlockStates { teachers: &held.teachers[1..], ..held.states() };
    assert!(integration.loss(0, &missing).is_err(), "a missing teacher");
    let keep = held.keep.clone().narrow(1, 0, 4);
    assert!(integration.loss(0, &BlockStates { keep: &keep, ..held.states() }).is_err(), "another length");
}

#[test]
fn a_text_of_weight_0_adds_nothing() {
    let scene = scene();
    let mut other = scene.clone();
    other.student[..40].iter_mut().for_each(|value| *value += 2.0);
    other.teachers[0][..30].iter_mut().for_each(|value| *value -= 2.0);
    let value = |scene: &Scene| {
        let mut integration = selective(BlockSettings::default(), &scene.widths);
        let weights = Tensor::<1>::from_floats([0.0, 1.0, 2.0], &Device::flex());
        let held = scene.held();
        let states = BlockStates { sample_weights: Some(&weights), ..held.states() };
        host_values(integration.loss(0, &states).unwrap().total().inner()).unwrap()[0]
    };
    assert_eq!(value(&scene), value(&other));
}
