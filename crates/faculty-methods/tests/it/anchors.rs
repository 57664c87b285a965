//! Anchors of texts: the nets, their training, and where they move texts.

use crate::taught::{Taught, assert_close, taught, teach};
use crate::toy;
use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Silent, Stream};
use faculty_methods::{
    AnchorNet, AnchorSpec, AnchorTraining, Anchors, MixSchedule, Psi, Towards, TransferSet, Uncertain, Whose,
};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{host_values, module_state};
use faculty_teacher::TeacherOutputs;
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir};
use serde_json::json;

/// Texts of no task.
pub fn foreign(count: usize, seed: u64) -> Vec<String> {
    let stream = Stream::new(seed, "foreign");
    let text = |index: u64| {
        let draw = stream.fork(index);
        let words = 4 + draw.below_at(90, 5);
        (0..words).map(|at| TINY_WORDS[draw.below_at(at, 84) as usize]).collect::<Vec<_>>().join(" ")
    };
    (0..count as u64).map(text).collect()
}

pub fn spec() -> AnchorSpec {
    let training =
        AnchorTraining { epochs: 12, batch_size: 16, hidden: 32, learning_rate: 5e-3, ..AnchorTraining::default() };
    AnchorSpec { training, ..AnchorSpec::default() }
}

struct Scene {
    world: &'static Taught,
    outputs: Vec<TeacherOutputs>,
    tokens: Tokens,
    count: usize,
}

fn scene() -> Scene {
    let world = taught();
    let texts = foreign(80, 4);
    let outputs = world.outputs(&texts);
    let tokens = world.student().tokenize(&texts, None).unwrap();
    Scene { world, outputs, tokens, count: texts.len() }
}

impl Scene {
    fn anchors(&self, spec: AnchorSpec) -> Anchors {
        let transfer = TransferSet::new(&self.outputs, &self.world.join).unwrap();
        Anchors::new(&self.world.student(), &self.world.asked(), &transfer, spec, 3).unwrap()
    }

    fn trained(&self, spec: AnchorSpec) -> Anchors {
        let mut anchors = self.anchors(spec);
        anchors.train(&self.tokens, &Silent).unwrap();
        anchors
    }

    /// Confidence of teacher `teacher` in text `row`.
    fn confidence(&self, teacher: usize, row: usize) -> f64 {
        let outputs = &self.outputs[teacher];
        let logits = &outputs.logits[row * outputs.classes..(row + 1) * outputs.classes];
        faculty_core::metrics::softmax(logits).into_iter().fold(0.0, f64::max)
    }
}

fn values(net: &AnchorNet) -> Vec<Vec<f32>> {
    module_state(net).into_iter().map(|tensor| tensor.into_values().unwrap()).collect()
}

#[test]
fn the_share_of_the_text_rises_to_1_as_in_the_released_code() {
    let linear = MixSchedule::default();
    for (n, expected) in [(0, 0.2), (60, 0.6), (120, 1.0), (150, 1.0), (200, 1.0)] {
        assert!((linear.share(n, 200) - expected).abs() < 1e-12, "f({n}) = {}", linear.share(n, 200));
    }
    for schedule in [linear, MixSchedule { tenths: true, ..linear }, MixSchedule { a: 0.37, b: 0.9, tenths: false }] {
        let shares: Vec<f64> = (0..=313).map(|n| schedule.share(n, 313)).collect();
        assert_eq!(shares[0], schedule.b);
        assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]) && shares.iter().all(|share| *share <= 1.0));
        assert_eq!(shares[313], 1.0);
    }
    // 65 / 120 is 0.54: five tenths.
    let tenths = MixSchedule { tenths: true, ..linear };
    assert!((tenths.share(65, 200) - 0.6).abs() < 1e-12 && (tenths.share(72, 200) - 0.68).abs() < 1e-12);
    assert_eq!(MixSchedule { b: 1.0, ..linear }.share(0, 200), 1.0, "nothing is mixed in at all");
}

#[test]
fn a_closed_mask_moves_nothing_and_an_open_one_leaves_nothing() {
    let device = Device::flex();
    for psi in [Psi::Mlp, Psi::Convolution] {
        let net = AnchorNet::fresh(3, 8, 16, psi, 0.75, Stream::new(1, "net"), &device);
        let stream = Stream::new(2, "words");
        let words: Vec<f32> = (0..2 * 4 * 8).map(|at| stream.normal_at(at) as f32).collect();
        let words = Tensor::<3>::from_data(TensorData::new(words, [2, 4, 8]), &device);
        let classes = || Tensor::<1, Int>::from_data(TensorData::new(vec![0, 2], [2]), &device);
        let ones = Tensor::<3>::ones([2, 4, 1], &device);
        let with_bias = |bias: f64| AnchorNet {
            mask_second: faculty_nn::Linear {
                bias: Param::from_tensor(Tensor::full([8], bias, &device)),
                ..net.mask_second.clone()
            },
            ..net.clone()
        };
        let (closed, mask) = with_bias(-300.0).displacement(words.clone(), classes(), &ones, &ones);
        assert!(host_values(mask).unwrap().iter().all(|value| *value == 0.0));
        assert_eq!(host_values(words.clone() + closed).unwrap(), host_values(words.clone()).unwrap());
        let open = with_bias(300.0);
        let (moved, _) = open.displacement(words.clone(), classes(), &ones, &ones);
        let psi = host_values(open.psi(words.clone(), &ones)).unwrap();
        assert_close(&host_values(words.clone() + moved).unwrap(), &psi, 1e-5);
        // A fresh mask has the share that shall move.
        let start = host_values(net.mask(classes()).mean()).unwrap()[0];
        assert!((start - 0.75).abs() < 0.1, "{start}");
    }
}

#[test]
fn the_convolution_sees_neighbours_and_no_padding() {
    let device = Device::flex();
    let net = AnchorNet::fresh(2, 4, 8, Psi::Convolution, 0.75, Stream::new(1, "net"), &device);
    let words = |last: f32| {
        let mut values = vec![0.3f32; 5 * 4];
        values[12..].fill(last);
        Tensor::<3>::from_data(TensorData::new(values, [1, 5, 4]), &device)
    };
    let inside = |length: usize| {
        let mask: Vec<f32> = (0..5).map(|at| f32::from(u8::from(at < length))).collect();
        Tensor::<3>::from_data(TensorData::new(mask, [1, 5, 1]), &device)
    };
    let psi = |last: f32, length: usize| host_values(net.psi(words(last), &inside(length))).unwrap();
    let (one, other) = (psi(0.1, 5), psi(0.9, 5));
    assert_eq!(one[..8], other[..8], "two words away");
    assert_ne!(one[8..12], other[8..12], "a neighbour");
    assert_eq!(psi(0.1, 3)[..12], psi(0.9, 3)[..12], "padding is no neighbour");
}

#[test]
fn training_makes_texts_known_and_moves_the_share_that_was_asked_for() {
    let scene = scene();
    let before: Vec<_> = scene.world.teachers.iter().map(|it| it.network.export(&it.config).unwrap()).collect();
    for (uncertainty, psi) in
        [(Uncertain::Energy, Psi::Mlp), (Uncertain::Energy, Psi::Convolution), (Uncertain::Confidence, Psi::Mlp)]
    {
        let training = AnchorTraining { uncertainty, psi, epochs: 30, batch_size: 8, ..spec().training };
        let anchors = scene.trained(AnchorSpec { training, ..spec() });
        assert_eq!(anchors.reports().count(), 2);
        for report in anchors.reports() {
            assert!(report.after.energy < report.before.energy - 0.05, "{uncertainty:?} {psi:?}: {report:?}");
            assert!((report.after.moving - 0.75).abs() < 0.02, "{report:?}");
            assert!(report.after.loss < report.before.loss && report.best_pass > 0);
            assert_eq!((report.texts + report.held_out + report.unsure, report.teacher.len()), (scene.count, 3));
            assert!(report.describe().contains("anchors of"));
        }
    }
    let after: Vec<_> = scene.world.teachers.iter().map(|it| it.network.export(&it.config).unwrap()).collect();
    assert!(before == after, "teachers get no update");
}

#[test]
fn known_is_the_energy_of_the_tenth_that_a_teacher_is_surest_of() {
    let scene = scene();
    let found = scene.anchors(spec()).known_energies();
    for (teacher, found) in found.into_iter().enumerate() {
        let outputs = &scene.outputs[teacher];
        let mut rows: Vec<usize> = (0..scene.count).collect();
        rows.sort_by(|a, b| scene.confidence(teacher, *b).total_cmp(&scene.confidence(teacher, *a)));
        let energy = |row: &usize| -> f64 {
            let logits = &outputs.logits[row * outputs.classes..(row + 1) * outputs.classes];
            -logits.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln()
        };
        let expected = rows[..8].iter().map(energy).sum::<f64>() / 8.0;
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    }
}

#[test]
fn the_net_of_a_teacher_depends_on_that_teacher_alone() {
    let scene = scene();
    let both = scene.trained(spec());
    let alone = teach(&[(0, 2)]);
    let outputs = &scene.outputs[..1];
    let transfer = TransferSet::new(outputs, &alone.join).unwrap();
    let mut one = Anchors::new(&scene.world.student(), &[&scene.world.teachers[0]], &transfer, spec(), 3).unwrap();
    one.train(&scene.tokens, &Silent).unwrap();
    let net = |anchors: &Anchors, at: usize| values(anchors.nets().nth(at).unwrap().unwrap());
    assert!(net(&both, 0) == net(&one, 0));

    // The second one, beside another first.
    let other = teach(&[(0, 1), (2, 4)]);
    let outputs = [other.outputs(&foreign(80, 4)).remove(0), scene.outputs[1].clone()];
    let transfer = TransferSet::new(&outputs, &other.join).unwrap();
    let asked = [&other.teachers[0], &scene.world.teachers[1]];
    let mut beside = Anchors::new(&scene.world.student(), &asked, &transfer, spec(), 3).unwrap();
    beside.train(&scene.tokens, &Silent).unwrap();
    assert!(net(&both, 1) == net(&beside, 1));
    assert!(net(&both, 0) != net(&beside, 0));
}

/// Distances of every token from where it was.
fn moved(anchors: &Anchors, scene: &Scene, rows: &[usize], weights: &[f32]) -> Vec<Vec<f32>> {
    let student = scene.world.student();
    let moved = anchors.displacement(&student.network, &scene.tokens, rows, weights, 0).unwrap();
    let width = moved.dims()[1];
    let far = host_values(moved.powi_scalar(2).sum_dim(2)).unwrap();
    far.chunks(width).map(<[f32]>::to_vec).collect()
}

#[test]
fn words_move_and_special_tokens_padding_and_unsure_texts_do_not() {
    let scene = scene();
    let rows: Vec<usize> = (0..24).collect();
    let weights = [1.0, 0.0].repeat(24);
    let unsure = rows.iter().filter(|row| scene.confidence(0, **row) < 0.7).count();
    assert!(unsure > 0 && unsure < 24, "{unsure}");
    for psi in [Psi::Mlp, Psi::Convolution] {
        let training = AnchorTraining { psi, ..spec().training };
        let anchors = scene.trained(AnchorSpec { sure: 0.7, training, ..spec() });
        let found = moved(&anchors, &scene, &rows, &weights);
        for (&row, far) in rows.iter().zip(&found) {
            let length = scene.tokens.rows[row].ids.len();
            for (at, far) in far.iter().enumerate() {
                let moves = at > 0 && at + 1 < length && scene.confidence(0, row) >= 0.7;
                assert_eq!(*far > 0.0, moves, "{psi:?}, text {row}, token {at}: {far}");
            }
        }
    }
}

#[test]
fn a_text_goes_to_the_anchor_of_the_trusted_teacher_or_to_all_by_weight() {
    let scene = scene();
    let rows = [1, 5, 9];
    let at = |whose, weights: [f32; 6]| {
        let anchors = scene.trained(AnchorSpec { whose, sure: 0.0, ..spec() });
        let student = scene.world.student();
        host_values(anchors.displacement(&student.network, &scene.tokens, &rows, &weights, 0).unwrap()).unwrap()
    };
    let (first, second) =
        (at(Whose::Trusted, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]), at(Whose::Trusted, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]));
    let trusted = at(Whose::Trusted, [0.6, 0.4, 0.3, 0.7, 0.0, 0.0]);
    let size = first.len() / 3;
    assert_eq!(trusted[..size], first[..size]);
    assert_eq!(trusted[size..2 * size], second[size..2 * size]);
    assert!(trusted[2 * size..].iter().all(|value| *value == 0.0), "a text that nobody claims");
    let weighted = at(Whose::Weighted, [0.6, 0.4, 0.3, 0.7, 0.5, 0.5]);
    let expected: Vec<f32> = first.iter().zip(&second).take(size).map(|(a, b)| 0.6 * a + 0.4 * b).collect();
    assert_close(&weighted[..size], &expected, 1e-6);
}

#[test]
fn masking_replaces_a_share_of_the_words_anew_in_every_pass() {
    let scene = scene();
    let anchors = scene.anchors(AnchorSpec { towards: Towards::Masked { share: 0.3 }, ..spec() });
    let student = scene.world.student();
    let rows: Vec<usize> = (0..60).collect();
    let weights = vec![0.5; 120];
    let at = |pass| anchors.displacement(&student.network, &scene.tokens, &rows, &weights, pass).unwrap();
    let (first, later) = (at(0), at(1));
    assert_ne!(host_values(first.clone()).unwrap(), host_values(later).unwrap());
    let input = scene.tokens.batch(&rows, &student.config, &Device::flex()).unwrap();
    let read = host_values(student.network.encoder.embeddings.look_up(&input) + first.clone()).unwrap();
    let table = host_values(student.network.encoder.embeddings.words.val()).unwrap();
    let mask = student.tokenizer.special_ids().mask.unwrap() as usize * 32;
    let width = first.dims()[1];
    let far = host_values(first.powi_scalar(2).sum_dim(2)).unwrap();
    let (mut masked, mut words) = (0, 0);
    for (row, tokens) in scene.tokens.rows[..60].iter().enumerate() {
        for at in 0..width {
            let place = row * width + at;
            let is_word = at > 0 && at + 1 < tokens.ids.len();
            words += usize::from(is_word);
            if far[place] > 0.0 {
                assert!(is_word);
                masked += 1;
                assert_close(&read[place * 32..(place + 1) * 32], &table[mask..mask + 32], 1e-6);
            }
        }
    }
    let share = masked as f64 / words as f64;
    assert!((share - 0.3).abs() < 0.06, "{share}");
}

#[test]
fn a_mix_of_nothing_is_read_as_the_text_is() {
    // One way for real and for moved inputs: no other scaling, no other positions.
    let scene = scene();
    let anchors = scene.trained(spec());
    let rows: Vec<usize> = (0..10).collect();
    for (teacher, found) in anchors.mixed_logits(&scene.tokens, &rows, 1.0, 0).unwrap().into_iter().enumerate() {
        assert_close(&host_values(found).unwrap(), &scene.outputs[teacher].logits[..20], 1e-5);
    }
    let mixed = anchors.mixed_logits(&scene.tokens, &rows, 0.2, 0).unwrap();
    assert_ne!(host_values(mixed[0].clone()).unwrap(), scene.outputs[0].logits[..20]);
}

#[test]
fn a_teacher_that_is_sure_of_nothing_has_no_anchors() {
    let scene = scene();
    let anchors = scene.trained(AnchorSpec { sure: 1.5, ..spec() });
    assert!(anchors.nets().all(|net| net.is_none()) && anchors.reports().next().is_none());
    let found = moved(&anchors, &scene, &[0, 1], &[1.0, 0.0, 0.0, 1.0]);
    assert!(found.into_iter().flatten().all(|far| far == 0.0));
}

#[test]
fn another_tokenizer_and_settings_without_sense_are_refused() {
    let scene = scene();
    let dir = tempfile::tempdir().unwrap();
    let odd = tiny_classifier_dir(dir.path(), &TinySpec::new([toy::class_name(2), toy::class_name(3)]));
    let path = odd.join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"balance\"", "\"balances\"");
    std::fs::write(&path, text).unwrap();
    let odd = Classifier::open(odd, &Device::flex()).unwrap();
    let transfer = TransferSet::new(&scene.outputs, &scene.world.join).unwrap();
    let asked = [&scene.world.teachers[0], &odd];
    let new = |spec| Anchors::new(&scene.world.student(), &asked, &transfer, spec, 3);
    let error = new(spec()).unwrap_err().to_string();
    assert!(error.contains("`two` has another vocabulary") && error.contains("texts written"), "{error}");
    assert!(new(AnchorSpec { towards: Towards::Nothing {}, ..spec() }).is_ok(), "nothing is moved");
    for (wrong, key) in [
        (json!({"invariant": 1.0}), "anchors.invariant"),
        (json!({"sure": -1.0}), "anchors.sure"),
        (json!({"pseudo_label": 1.2}), "anchors.pseudo_label"),
        (json!({"schedule": {"a": 0.0}}), "anchors.schedule.a"),
        (json!({"schedule": {"b": 1.5}}), "anchors.schedule.b"),
        (json!({"towards": {"kind": "masked", "share": 0.0}}), "anchors.towards.share"),
        (json!({"training": {"epochs": 0}}), "anchors.training.epochs"),
        (json!({"training": {"learning_rate": 0.0}}), "anchors.training.learning_rate"),
        (json!({"training": {"cross_entropy": -0.1}}), "anchors.training.cross_entropy"),
        (json!({"training": {"held_out": 1.0}}), "anchors.training.held_out"),
    ] {
        let spec: AnchorSpec = serde_json::from_value(wrong).unwrap();
        let error = spec.check().unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(serde_json::from_value::<AnchorSpec>(json!({"inv": 0.25})).is_err());
}
