//! Texts moved in embedding space to where teachers and student differ.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Aliases, LabelJoin, Stream};
use faculty_methods::{AdversarySpec, EmbeddingAdversary, EmbeddingMap};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, SequenceClassifier, host_values};
use faculty_testkit::{TinySpec, kl_of_logits, tiny_classifier_dir};

const TEXTS: [&str; 4] =
    ["pay the bill", "book a flight to the airport", "what is my balance please", "turn on the light in the kitchen"];

/// A student over four labels and two teachers of two each, one of them wider.
struct World {
    _dir: tempfile::TempDir,
    student: Classifier,
    teachers: Vec<Classifier>,
    join: LabelJoin,
    tokens: Tokens,
}

fn world() -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let open = |name: &str, spec: &TinySpec| {
        Classifier::open(tiny_classifier_dir(dir.path().join(name), spec), &device).unwrap()
    };
    let student = open("student", &TinySpec::new(["a", "b", "c", "d"]).seed(1));
    let teachers = vec![
        open("one", &TinySpec::new(["a", "b"]).seed(2)),
        open("two", &TinySpec { hidden: 48, ..TinySpec::new(["c", "d"]).seed(3) }),
    ];
    let parts = [("one", &teachers[0].labels), ("two", &teachers[1].labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let tokens = student.tokenize(&TEXTS, None).unwrap();
    World { _dir: dir, student, teachers, join, tokens }
}

const ROWS: [usize; 4] = [0, 1, 2, 3];

impl World {
    fn adversary(&self, spec: AdversarySpec) -> EmbeddingAdversary {
        let teachers = [("one", &self.teachers[0]), ("two", &self.teachers[1])];
        EmbeddingAdversary::new(&self.student, &teachers, &self.join, spec).unwrap()
    }

    fn weights(&self) -> Tensor<2> {
        Tensor::from_floats([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [1.0, 0.0]], &Device::flex())
    }

    /// Word embeddings of the texts before any move.
    fn words(&self) -> Tensor<3> {
        let input = self.tokens.batch(&ROWS, &self.student.config, &self.student.device).unwrap();
        self.student.network.encoder.embeddings.look_up(&input)
    }
}

fn spec(steps: usize, step_length: f64) -> AdversarySpec {
    AdversarySpec { steps, step_length, ..AdversarySpec::default() }
}

#[test]
fn the_divergence_rises_with_every_step() {
    let world = world();
    let mut last: Option<Vec<f32>> = None;
    for steps in 1..=3 {
        let moved = world
            .adversary(spec(steps, 0.1))
            .run(&world.student.network, &world.tokens, &ROWS, &world.weights())
            .unwrap();
        assert!(moved.before.iter().all(|value| *value > 0.0));
        for (text, (before, after)) in moved.before.iter().zip(&moved.after).enumerate() {
            assert!(after > before, "{steps} steps, text {text}: {before} -> {after}");
        }
        if let Some(last) = last {
            let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
            assert!(mean(&moved.after) > mean(&last), "{steps} steps");
        }
        last = Some(moved.after);
    }
}

/// What is of one text, for every text.
fn by_text(values: &[f32]) -> impl Iterator<Item = &[f32]> {
    values.chunks_exact(values.len() / ROWS.len())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn a_step_has_the_direction_of_the_gradient() {
    let world = world();
    let adversary = world.adversary(spec(1, 0.02));
    let network = &world.student.network;
    let moved = adversary.run(network, &world.tokens, &ROWS, &world.weights()).unwrap();
    let (start, shape) = (world.words(), world.words().dims());
    let step = host_values(moved.words - start.clone()).unwrap();
    // Central differences along a direction, by text.
    let slopes = |direction: &[f32]| -> Vec<f64> {
        let at = |sign: f32| {
            let change: Vec<f32> = direction.iter().map(|value| sign * value).collect();
            let words = start.clone() + Tensor::from_data(TensorData::new(change, shape), &Device::flex());
            adversary.divergence_at(network, &world.tokens, &ROWS, &world.weights(), words).unwrap()
        };
        at(1.0).iter().zip(at(-1.0)).map(|(up, down)| (f64::from(*up) - f64::from(down)) / 2.0).collect()
    };
    let along = slopes(&step);
    assert!(along.iter().all(|slope| *slope > 0.0), "{along:?}");
    for trial in 0..6 {
        // Any direction in which the same tokens may move, as long as the step.
        let mut other = normals(1, step.len(), 100 + trial);
        other.iter_mut().zip(&step).filter(|(_, step)| **step == 0.0).for_each(|(value, _)| *value = 0.0);
        let lengths: Vec<f64> =
            by_text(&other).zip(by_text(&step)).map(|(o, s)| (dot(s, s) / dot(o, o)).sqrt()).collect();
        let size = other.len() / ROWS.len();
        other.iter_mut().enumerate().for_each(|(at, value)| *value *= lengths[at / size] as f32);
        for (text, (slope, (own, steps))) in slopes(&other).iter().zip(by_text(&other).zip(by_text(&step))).enumerate()
        {
            // The step is c g, so that the slope along a direction d is g·d = (slope along the step) (step·d) / (step·step).
            let expected = along[text] * dot(steps, own) / dot(steps, steps);
            assert!((slope - expected).abs() < 0.03 * along[text], "trial {trial}, text {text}: {slope}, {expected}");
            assert!(*slope < along[text], "nothing is steeper");
        }
    }
}

#[test]
fn the_divergence_of_unmoved_texts_is_that_of_the_models_themselves() {
    let world = world();
    let moved = world
        .adversary(AdversarySpec::default())
        .run(&world.student.network, &world.tokens, &ROWS, &world.weights())
        .unwrap();
    let logits = |model: &Classifier| {
        let tokens = model.tokenize(&TEXTS, None).unwrap();
        model.logits(&tokens, &faculty_core::Silent).unwrap()
    };
    let student = logits(&world.student);
    let weights = host_values(world.weights()).unwrap();
    let teachers: Vec<Vec<f32>> = world.teachers.iter().map(logits).collect();
    for text in ROWS {
        let slice = |teacher: usize| &student[4 * text + 2 * teacher..4 * text + 2 * teacher + 2];
        let expected: f64 = (0..2)
            .map(|teacher| {
                let own = &teachers[teacher][2 * text..2 * text + 2];
                f64::from(weights[2 * text + teacher]) * kl_of_logits(own, slice(teacher), 1.0)
            })
            .sum();
        let found = f64::from(moved.before[text]);
        assert!((found - expected).abs() < 1e-4 * expected.max(1.0), "text {text}: {found}, expected {expected}");
    }
}

#[test]
fn no_token_moves_further_than_its_reach_and_special_ones_never_move() {
    let world = world();
    for (steps, length) in [(1, 0.1), (2, 0.2), (3, 0.5)] {
        let adversary = world.adversary(spec(steps, length));
        let table = host_values(world.student.network.encoder.embeddings.words.val()).unwrap();
        let norms = table.chunks_exact(32).map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt());
        let mean = norms.clone().sum::<f64>() / norms.count() as f64;
        assert!((adversary.reach() - length * mean).abs() < 1e-6 * mean);

        let moved = adversary.run(&world.student.network, &world.tokens, &ROWS, &world.weights()).unwrap();
        let [_, width, size] = moved.words.dims();
        let change = host_values(moved.words.clone() - world.words()).unwrap();
        let special = world.student.tokenizer.special_ids().all.clone();
        for (row, tokens) in world.tokens.rows.iter().enumerate() {
            let mut furthest = 0.0_f64;
            for place in 0..width {
                let from = (row * width + place) * size;
                let far = change[from..from + size].iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                match tokens.ids.get(place) {
                    Some(id) if !special.contains(id) => furthest = furthest.max(far),
                    _ => assert_eq!(far, 0.0, "text {row}, position {place}"),
                }
            }
            let most = steps as f64 * adversary.reach();
            assert!(furthest > 0.0 && furthest <= most * (1.0 + 1e-4), "{furthest} of {most}");
            if steps == 1 {
                assert!((furthest - most).abs() < 1e-4 * most, "one step is spent whole: {furthest} of {most}");
            }
        }
    }
}

#[test]
fn no_gradient_reaches_a_weight_and_none_changes() {
    let world = world();
    let adversary = world.adversary(AdversarySpec::default());
    let snapshot = |network: &SequenceClassifier| -> Vec<Vec<f32>> {
        let layer = &network.encoder.layers[0];
        [
            &network.encoder.embeddings.words,
            &layer.qkv.weight,
            &layer.feed_forward_out.weight,
            &network.head.output.weight,
        ]
        .map(|weight| host_values(weight.val().inner()).unwrap())
        .into()
    };
    let before: Vec<_> = adversary.networks().map(snapshot).collect();
    let student_before = snapshot(&world.student.network);
    adversary.run(&world.student.network, &world.tokens, &ROWS, &world.weights()).unwrap();
    assert_eq!(adversary.networks().map(snapshot).collect::<Vec<_>>(), before);
    assert_eq!(snapshot(&world.student.network), student_before);

    // The same path by hand: the input has a gradient, no weight has one.
    let network = adversary.networks().next().unwrap();
    let input = world.tokens.batch(&ROWS, &world.teachers[0].config, &Device::flex()).unwrap();
    let words = Tensor::from_inner(world.teachers[0].network.encoder.embeddings.look_up(&input)).require_grad();
    let embeddings = &network.encoder.embeddings;
    let hidden = embeddings.enter(embeddings.embed_soft(words.clone(), &input), input.spans(), &DropoutPlan::Off);
    let first = network.encoder.forward_first(0, hidden, input.spans(), &DropoutPlan::Off);
    let logits = network.head.from_first(first, &DropoutPlan::Off);
    let gradients = (logits.clone() * logits).sum().backward();
    let reached = host_values(words.grad(&gradients).unwrap()).unwrap();
    assert!(reached.iter().any(|value| *value != 0.0));
    for layer in &network.encoder.layers {
        for linear in [&layer.qkv, &layer.attention_output, &layer.feed_forward_in, &layer.feed_forward_out] {
            assert!(linear.weight.val().grad(&gradients).is_none() && linear.bias.val().grad(&gradients).is_none());
        }
    }
    assert!(network.head.output.weight.val().grad(&gradients).is_none());
    assert!(network.encoder.embeddings.words.val().grad(&gradients).is_none());
    assert!(network.num_params() > 0);
}

#[test]
fn targets_are_what_the_teachers_say_of_the_moved_texts() {
    let world = world();
    let moved = world
        .adversary(AdversarySpec::default())
        .run(&world.student.network, &world.tokens, &ROWS, &world.weights())
        .unwrap();
    assert_eq!(moved.teacher_logits.iter().map(|logits| logits.dims()).collect::<Vec<_>>(), [[4, 2], [4, 2]]);
    // The student's logits at the moved words give the reported divergence together with them.
    let input = world.tokens.batch(&ROWS, &world.student.config, &world.student.device).unwrap();
    let (encoder, head) = (&world.student.network.encoder, &world.student.network.head);
    let embedded = encoder.embeddings.embed_soft(moved.words.clone(), &input);
    let hidden = encoder.embeddings.enter(embedded, input.spans(), &DropoutPlan::Off);
    let first = encoder.forward_first(0, hidden, input.spans(), &DropoutPlan::Off);
    let student = host_values(head.from_first(first, &DropoutPlan::Off)).unwrap();
    let teachers: Vec<Vec<f32>> =
        moved.teacher_logits.iter().map(|logits| host_values(logits.clone()).unwrap()).collect();
    let weights = host_values(world.weights()).unwrap();
    for text in ROWS {
        let part = |teacher: usize| {
            let slice = &student[4 * text + 2 * teacher..4 * text + 2 * teacher + 2];
            f64::from(weights[2 * text + teacher])
                * kl_of_logits(&teachers[teacher][2 * text..2 * text + 2], slice, 1.0)
        };
        let expected = part(0) + part(1);
        assert!((f64::from(moved.after[text]) - expected).abs() < 1e-4 * expected.max(1.0));
    }
}

#[test]
fn a_teacher_that_nobody_trusts_moves_nothing() {
    let world = world();
    let weights = Tensor::<2>::zeros([4, 2], &Device::flex());
    let moved =
        world.adversary(AdversarySpec::default()).run(&world.student.network, &world.tokens, &ROWS, &weights).unwrap();
    assert_eq!(host_values(moved.words).unwrap(), host_values(world.words()).unwrap());
    assert!(moved.after.iter().all(|value| *value == 0.0));
}

fn normals(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    (0..(rows * columns) as u64).map(|at| Stream::new(seed, "tables").normal_at(at) as f32).collect()
}

fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

/// An orthogonal matrix, by Gram and Schmidt.
fn rotation(size: usize) -> Vec<f32> {
    let mut rows: Vec<Vec<f64>> =
        normals(size, size, 5).chunks_exact(size).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
    for current in 0..size {
        let (done, rest) = rows.split_at_mut(current);
        let row = &mut rest[0];
        for other in done {
            let along: f64 = row.iter().zip(other.iter()).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(other).for_each(|(value, other)| *value -= along * *other);
        }
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter_mut().for_each(|v| *v /= norm);
    }
    rows.into_iter().flatten().map(|v| v as f32).collect()
}

#[test]
fn the_map_recovers_a_planted_rotation_and_any_other_linear_map() {
    // More rows than are summed at once.
    let student = matrix(normals(5000, 12, 1), 5000, 12);
    for (planted, width) in [(rotation(12), 12), (normals(12, 20, 2), 20), (normals(12, 7, 3), 7)] {
        let planted = matrix(planted, 12, width);
        let teacher = student.clone().matmul(planted.clone());
        let map = EmbeddingMap::of_tables(student.clone(), teacher).unwrap();
        let apart = host_values(map.matrix().unwrap().clone() - planted).unwrap();
        let worst = apart.iter().map(|v| v.abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "width {width}: {worst}");
        assert!(map.residual() < 1e-5, "{}", map.residual());
    }
    let unrelated = EmbeddingMap::of_tables(student.clone(), matrix(normals(5000, 12, 9), 5000, 12)).unwrap();
    assert!(unrelated.residual() > 0.9, "nothing to recover: {}", unrelated.residual());
    assert!(EmbeddingMap::of_tables(student, matrix(normals(4, 12, 9), 4, 12)).is_err());
}

#[test]
fn equal_tables_need_no_map_and_other_widths_get_one() {
    let world = world();
    let teachers = [("one", &world.student), ("two", &world.teachers[1])];
    let parts = [("one", &world.student.labels), ("two", &world.teachers[1].labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let adversary = EmbeddingAdversary::new(&world.student, &teachers, &join, AdversarySpec::default()).unwrap();
    let shapes: Vec<Option<[usize; 2]>> =
        adversary.maps().map(|map| map.matrix().map(|matrix| matrix.dims())).collect();
    assert_eq!(shapes, [None, Some([32, 48])]);
}

#[test]
fn other_vocabularies_weights_and_settings_are_refused() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let model = tiny_classifier_dir(dir.path().join("odd"), &TinySpec::new(["a", "b"]));
    let path = model.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"balance\"", "\"balances\"");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(model, &Device::flex()).unwrap();
    let join = LabelJoin::build(&[("odd", &odd.labels)], &Aliases::default()).unwrap();
    let error = EmbeddingAdversary::new(&world.student, &[("odd", &odd)], &join, AdversarySpec::default()).unwrap_err();
    assert!(error.to_string().contains("another vocabulary than the student"), "{error}");

    let adversary = world.adversary(AdversarySpec::default());
    let weights = Tensor::<2>::ones([3, 2], &Device::flex());
    assert!(adversary.run(&world.student.network, &world.tokens, &ROWS, &weights).is_err());
    for (spec, key) in [(spec(0, 0.1), "steps"), (spec(1, 0.0), "step_length"), (spec(1, f64::NAN), "step_length")] {
        assert!(spec.check().unwrap_err().to_string().contains(key));
    }
    let cold = AdversarySpec { temperature: 0.0, ..AdversarySpec::default() };
    assert!(cold.check().unwrap_err().to_string().contains("temperature"));
}
