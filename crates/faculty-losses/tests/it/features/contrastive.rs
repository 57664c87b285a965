//! Contrast by pseudo-class, and the common space it shapes.

use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_losses::features::{
    AlignFeatures, AlignTraining, Codes, CommonSpace, Contrastive, ContrastiveSettings, FeatureWidths, Trust,
    inter_contrast, intra_contrast, unit_rows,
};
use faculty_nn::{Linear, host_values};
use faculty_testkit::{FeatureScene, assert_close, assert_finite, matrix};

fn codes(rows: &[Vec<f32>], classes: &[u32]) -> Codes {
    let device = Device::flex();
    let usable = Tensor::ones([classes.len()], &device);
    Codes { vectors: unit_rows(matrix(rows, &device)), classes: classes.to_vec(), usable }
}

fn scalar(value: Tensor<1>) -> f32 {
    host_values(value.inner()).unwrap()[0]
}

fn widths() -> FeatureWidths {
    FeatureWidths { student: 12, teachers: vec![10, 8] }
}

fn scene() -> FeatureScene {
    FeatureScene::random(21, 12, 3, widths())
}

fn contrastive(settings: ContrastiveSettings) -> Contrastive {
    Contrastive::new(settings, &widths(), Stream::new(3, "maps"), &Device::flex()).unwrap()
}

/// Nothing but the named terms.
fn only(intra: f64, inter: f64, align: f64, reconstruction: f64) -> ContrastiveSettings {
    ContrastiveSettings {
        intra_weight: intra,
        inter_weight: inter,
        align_weight: align,
        reconstruction_weight: reconstruction,
        ..ContrastiveSettings::default()
    }
}

#[test]
fn two_orthogonal_classes_of_two_cost_what_was_worked_out_by_hand() {
    let rows = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]].map(|row| row.to_vec());
    let found = intra_contrast(&codes(&rows, &[0, 0, 1, 1]), None, 1.0);
    // - log(e / (e + 2)): one positive at similarity 1, two negatives at 0, itself left out.
    assert_close(&[scalar(found.value)], &[0.551_445], 1e-6, 0.0, "intra");
    assert_eq!(scalar(found.anchors), 4.0);
    let both = codes(&rows, &[0, 0, 1, 1]);
    let found = inter_contrast(&both, &both, None, 1.0);
    let e = 1f64.exp();
    assert_close(&[scalar(found.value)], &[-(e / (2.0 * e + 2.0)).ln()], 1e-6, 0.0, "inter keeps the text itself");
}

#[test]
fn what_has_no_positive_costs_nothing() {
    let rows = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]].map(|row| row.to_vec());
    let alone = intra_contrast(&codes(&rows, &[0, 1, 2]), None, 0.1);
    assert_eq!((scalar(alone.value), scalar(alone.anchors)), (0.0, 0.0));
    let one_class = intra_contrast(&codes(&rows, &[4, 4, 4]), None, 0.1);
    assert!(scalar(one_class.value).is_finite() && scalar(one_class.anchors) == 3.0);
    // A class of one is left out of the mean, and yet a negative of the others.
    let with_one = intra_contrast(&codes(&rows, &[0, 1, 0]), None, 1.0);
    let e = 1f64.exp();
    assert_close(&[scalar(with_one.value)], &[-(e.recip() / (e.recip() + 1.0)).ln()], 1e-6, 0.0, "two of three");
    assert_eq!(scalar(with_one.anchors), 2.0);
}

#[test]
fn masked_texts_neither_count_nor_are_compared_with() {
    let rows = [[1.0, 0.2], [0.8, 0.4], [-0.3, 1.0], [0.1, 0.9], [-1.0, -0.7]].map(|row| row.to_vec());
    let mut masked = codes(&rows, &[0, 0, 1, 1, 0]);
    masked.usable = Tensor::from_floats([1.0, 1.0, 1.0, 1.0, 0.0], &Device::flex());
    let rest = codes(&rows[..4], &[0, 0, 1, 1]);
    for temperature in [0.1, 1.0] {
        let (all, some) = (intra_contrast(&masked, None, temperature), intra_contrast(&rest, None, temperature));
        assert_close(&[scalar(all.value)], &[f64::from(scalar(some.value))], 1e-6, 1e-6, "intra");
        let all = inter_contrast(&masked, &masked, None, temperature);
        let some = inter_contrast(&rest, &rest, None, temperature);
        assert_close(&[scalar(all.value)], &[f64::from(scalar(some.value))], 1e-6, 1e-6, "inter");
    }
}

#[test]
fn similarities_far_apart_stay_finite() {
    let rows = [[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]].map(|row| row.to_vec());
    // Similarities of ±1000 after division.
    let mut wide = codes(&rows, &[0, 0, 1]);
    let leaf = wide.vectors.clone().autodiff().require_grad();
    wide.vectors = leaf.clone();
    let found = intra_contrast(&wide, None, 1e-3);
    let gradient = leaf.grad(&found.value.backward()).unwrap();
    assert_finite(&host_values(gradient).unwrap(), "gradient");
    let value = scalar(found.value);
    assert!((value - 1000.0).abs() < 1.0, "{value}");
}

#[test]
fn a_student_that_agrees_with_the_teachers_costs_less_than_one_that_mixes_texts_up() {
    let scene = scene();
    let teachers = codes(&scene.teachers[0], &scene.pseudo.classes);
    let mut order: Vec<usize> = (1..scene.texts()).collect();
    order.push(0);
    let mixed: Vec<Vec<f32>> = order.iter().map(|&text| scene.teachers[0][text].clone()).collect();
    let aligned = scalar(inter_contrast(&teachers, &teachers, None, 0.1).value);
    let mixed = scalar(inter_contrast(&codes(&mixed, &scene.pseudo.classes), &teachers, None, 0.1).value);
    assert!(aligned + 0.5 < mixed, "{aligned} against {mixed}");
}

/// Mean cosine between the student's vectors of texts of different classes.
fn between_classes(contrastive: &Contrastive, scene: &FeatureScene) -> f32 {
    let own = contrastive.space().of_student(matrix(&scene.student, &Device::flex()));
    let own = unit_rows(own.inner());
    let cosines = host_values(own.clone().matmul(own.transpose())).unwrap();
    let (texts, classes) = (scene.texts(), &scene.pseudo.classes);
    let pairs = (0..texts).flat_map(|n| (0..texts).map(move |j| (n, j)));
    let apart: Vec<f32> =
        pairs.filter(|&(n, j)| classes[n] != classes[j]).map(|(n, j)| cosines[n * texts + j]).collect();
    apart.iter().sum::<f32>() / apart.len() as f32
}

/// One step of maps and student.
fn step(contrastive: &mut Contrastive, scene: &mut FeatureScene, rate: f32) -> faculty_testkit::FeatureVerdict {
    let mut verdict = scene.verdict(contrastive);
    contrastive.step(&mut verdict.gradients, 1.0).unwrap();
    for (value, gradient) in scene.student.iter_mut().flatten().zip(&verdict.gradient) {
        *value -= rate * gradient;
    }
    verdict
}

#[test]
fn with_true_clusters_contrast_falls_and_classes_part() {
    let mut scene = scene();
    let mut contrastive = contrastive(only(1.0, 0.0, 0.0, 0.0));
    let before = (scene.verdict(&mut contrastive).term("intra"), between_classes(&contrastive, &scene));
    for _ in 0..100 {
        step(&mut contrastive, &mut scene, 0.05);
    }
    let after = (scene.verdict(&mut contrastive).term("intra"), between_classes(&contrastive, &scene));
    assert!(after.0 < 0.7 * before.0, "contrast from {} to {}", before.0, after.0);
    assert!(after.1 < before.1 - 0.1, "cosine between classes from {} to {}", before.1, after.1);
}

#[test]
fn gradients_reach_every_map_and_the_student_and_no_memory() {
    let scene = scene();
    let settings = ContrastiveSettings { temperature: 0.5, ..ContrastiveSettings::default() };
    let mut contrastive = contrastive(settings);
    let (first, second): (Vec<usize>, Vec<usize>) = (0..12).partition(|text| text % 2 == 0);
    scene.rows(&first).verdict(&mut contrastive);
    assert_eq!(contrastive.memory().len(), 6);
    let remembered = contrastive.memory().clone();
    let verdict = scene.rows(&second).verdict(&mut contrastive);
    assert!(verdict.gradient.iter().any(|entry| entry.abs() > 1e-6));
    let space = contrastive.space();
    let mut maps: Vec<(String, &Linear)> = vec![("A_S".to_owned(), &space.student)];
    maps.push(("X, first".to_owned(), &space.extractor.first));
    maps.push(("X, second".to_owned(), &space.extractor.second));
    for (index, (map, decoder)) in space.teachers.iter().zip(&space.decoders).enumerate() {
        maps.push((format!("A_{index}"), map));
        maps.push((format!("dec_{index}, first"), &decoder.first));
        maps.push((format!("dec_{index}, second"), &decoder.second));
    }
    assert_eq!(maps.len(), 9);
    for (name, map) in maps {
        let gradient = map.weight.val().grad(&verdict.gradients).unwrap_or_else(|| panic!("no gradient of {name}"));
        let largest = host_values(gradient.abs().max()).unwrap()[0];
        assert!(largest > 1e-7, "the gradient of {name} is {largest}");
    }
    for codes in [remembered.students().unwrap(), remembered.teachers().unwrap()] {
        assert!(!codes.vectors.is_tracked() && codes.vectors.grad(&verdict.gradients).is_none());
    }
}

#[test]
fn memory_is_contrasted_with_and_a_text_never_with_its_own_past() {
    let scene = scene();
    let mut contrastive = contrastive(only(1.0, 0.0, 0.0, 0.0));
    let alone = scene.rows(&[0, 1, 2]).verdict(&mut contrastive);
    assert_eq!(alone.term("intra_anchors"), 0.0, "three classes, three texts");
    let more = scene.rows(&[3, 4, 5]).verdict(&mut contrastive);
    assert_eq!(more.term("intra_anchors"), 1.0, "each has one of its class in memory");
    assert_eq!(contrastive.memory().ids().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    // The same texts again under other pseudo-classes: what is remembered of them is gone, not a false negative.
    let mut relabelled = scene.rows(&[0, 1, 2, 3, 4, 5]);
    relabelled.pseudo.classes = vec![0, 0, 0, 1, 1, 1];
    let again = relabelled.verdict(&mut contrastive);
    let mut fresh =
        Contrastive::new(only(1.0, 0.0, 0.0, 0.0), &widths(), Stream::new(3, "maps"), &Device::flex()).unwrap();
    let expected = relabelled.verdict(&mut fresh);
    assert_close(&[again.value], &[f64::from(expected.value)], 1e-6, 1e-6, "no trace of the old classes");
    assert_eq!(contrastive.memory().students().unwrap().classes, [0, 0, 0, 1, 1, 1]);
}

#[test]
fn contrast_starts_at_its_step_and_leaves_unsure_texts_out() {
    let mut scene = scene();
    let settings = ContrastiveSettings { start_step: 5, ..ContrastiveSettings::default() };
    let mut contrastive = contrastive(settings);
    scene.step = 4;
    let before = scene.verdict(&mut contrastive);
    assert!(before.terms.get("intra").is_none() && before.terms.get("inter").is_none());
    assert!(contrastive.memory().is_empty());
    scene.step = 5;
    scene.pseudo.confidence = vec![0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.69, 0.69, 0.69, 0.69, 0.69, 0.71];
    let after = scene.verdict(&mut contrastive);
    assert_eq!(after.term("inter_anchors"), 7.0 / 12.0);
    assert_eq!(contrastive.memory().ids().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 11]);
    assert_eq!(after.term("feature_align"), before.term("feature_align"), "alignment is for all texts");
}

#[test]
fn reconstruction_keeps_the_space_from_collapsing() {
    let spread = |reconstruction: f64| {
        let training = AlignTraining { learning_rate: 5e-3, ..AlignTraining::default() };
        let mut contrastive = contrastive(ContrastiveSettings { training, ..only(0.0, 0.0, 1.0, reconstruction) });
        let mut scene = scene();
        let mut last = 0.0;
        for _ in 0..400 {
            last = step(&mut contrastive, &mut scene, 0.05).term("code_spread");
        }
        last
    };
    let (without, with) = (spread(0.0), spread(1.0));
    assert!(with > 0.2, "the floor: {with}");
    assert!(without < 0.5 * with, "without reconstruction {without}, with it {with}");
}

#[test]
fn the_order_of_teachers_does_not_matter() {
    let scene = scene();
    let mut swapped_scene = scene.clone();
    swapped_scene.teachers.reverse();
    swapped_scene.widths.teachers.reverse();
    swapped_scene.gate.iter_mut().for_each(|row| row.reverse());
    for trust in [Trust::Best, Trust::Gate] {
        let settings = ContrastiveSettings { trust, mmd_weight: 0.5, ..ContrastiveSettings::default() };
        let space = CommonSpace::fresh(&scene.widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
        let mut swapped = space.clone();
        swapped.teachers.reverse();
        swapped.decoders.reverse();
        let one = scene.verdict(&mut Contrastive::from_space(settings, &scene.widths, space).unwrap());
        let other =
            swapped_scene.verdict(&mut Contrastive::from_space(settings, &swapped_scene.widths, swapped).unwrap());
        assert_close(&[other.value], &[f64::from(one.value)], 2e-6, 2e-6, "value");
        let expected: Vec<f64> = one.gradient.into_iter().map(f64::from).collect();
        assert_close(&other.gradient, &expected, 2e-6, 2e-6, "gradient");
    }
}

#[test]
fn the_trusted_teacher_stands_for_a_text() {
    let mut scene = scene();
    scene
        .gate
        .iter_mut()
        .enumerate()
        .for_each(|(text, row)| *row = if text < 6 { vec![0.9, 0.1] } else { vec![0.2, 0.8] });
    let space = CommonSpace::fresh(&scene.widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
    let device = Device::flex();
    let own = unit_rows(space.of_student(matrix(&scene.student, &device)));
    let theirs: Vec<Tensor<2>> =
        space.of_teachers(&scene.teacher_features(&device)).into_iter().map(unit_rows).collect();
    let trusted = Tensor::cat(vec![theirs[0].clone().narrow(0, 0, 6), theirs[1].clone().narrow(0, 6, 6)], 0);
    let expected = f64::from(scalar((own - trusted).square().sum())) / 12.0;
    let mut contrastive = Contrastive::from_space(ContrastiveSettings::default(), &scene.widths, space).unwrap();
    assert_close(&[scene.verdict(&mut contrastive).term("feature_align")], &[expected], 1e-6, 1e-6, "alignment");
}

#[test]
fn as_released_only_the_biases_are_trained() {
    let training = AlignTraining { as_released: true, ..AlignTraining::default() };
    let released = contrastive(ContrastiveSettings { training, ..ContrastiveSettings::default() });
    // c = 3: A_S and A_i to c, X c to c to c, decoders c to their teacher's width twice.
    assert_eq!(released.trained_values(), 3 * 3 + 2 * 3 + 2 * 10 + 2 * 8);
    let all = contrastive(ContrastiveSettings::default());
    let matrices = 12 * 3 + 10 * 3 + 8 * 3 + 2 * 9 + (3 * 10 + 100) + (3 * 8 + 64);
    assert_eq!(all.trained_values(), released.trained_values() + matrices);
}
