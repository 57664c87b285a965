//! Layer-wise feature amalgamation.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_losses::features::{
    AlignFeatures, AlignTraining, Dfa, DfaMaps, DfaSettings, FeatureWidths, aligned_layers,
};
use faculty_nn::{Linear, host_values};
use faculty_testkit::{FeatureScene, assert_close, matrix};

fn scene() -> FeatureScene {
    FeatureScene::random(11, 40, 3, FeatureWidths { student: 4, teachers: vec![6, 6] })
}

fn linear(weight: &[Vec<f64>], bias: &[f64]) -> Linear {
    let device = Device::flex();
    let rows: Vec<Vec<f32>> = weight.iter().map(|row| row.iter().map(|&value| value as f32).collect()).collect();
    let bias: Vec<f32> = bias.iter().map(|&value| value as f32).collect();
    Linear {
        weight: Param::from_tensor(matrix(&rows, &device)),
        bias: Param::from_tensor(Tensor::from_floats(bias.as_slice(), &device)),
    }
}

/// (eigenvalue, eigenvector) pairs of a symmetric matrix, the largest first, by Jacobi rotations.
fn eigen(mut a: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = a.len();
    let mut v: Vec<Vec<f64>> =
        (0..n).map(|row| (0..n).map(|column| f64::from(u8::from(row == column))).collect()).collect();
    for _ in 0..50 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-15 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let (c, s) = (1.0 / (t * t + 1.0).sqrt(), t / (t * t + 1.0).sqrt());
                for row in a.iter_mut().chain(v.iter_mut()) {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (upper, lower) = (a[p].clone(), a[q].clone());
                a[p] = upper.iter().zip(&lower).map(|(x, y)| c * x - s * y).collect();
                a[q] = upper.iter().zip(&lower).map(|(x, y)| s * x + c * y).collect();
            }
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..n).map(|at| (a[at][at], v.iter().map(|row| row[at]).collect())).collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    pairs
}

/// The maps of a principal component analysis of both teachers' features to the student's width, and its error.
fn principal_components(scene: &FeatureScene) -> (DfaMaps, f64) {
    let texts = scene.texts();
    let row = |text: usize| -> Vec<f64> {
        scene.teachers.iter().flat_map(|features| &features[text]).map(|&value| f64::from(value)).collect()
    };
    let rows: Vec<Vec<f64>> = (0..texts).map(row).collect();
    let width = rows[0].len();
    let mean: Vec<f64> = (0..width).map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / texts as f64).collect();
    let covariance = |p: usize, q: usize| -> f64 {
        rows.iter().map(|row| (row[p] - mean[p]) * (row[q] - mean[q])).sum::<f64>() / texts as f64
    };
    let pairs = eigen((0..width).map(|p| (0..width).map(|q| covariance(p, q)).collect()).collect());
    let (kept, left) = pairs.split_at(scene.widths.student);
    // Squares are averaged over the width of each teacher, and both teachers are equally wide.
    let error = left.iter().map(|(value, _)| value).sum::<f64>() / scene.widths.teachers[0] as f64;

    let components: Vec<Vec<f64>> = kept.iter().map(|(_, vector)| vector.clone()).collect();
    let transposed: Vec<Vec<f64>> = (0..width).map(|at| components.iter().map(|vector| vector[at]).collect()).collect();
    let shift: Vec<f64> =
        components.iter().map(|vector| -vector.iter().zip(&mean).map(|(a, b)| a * b).sum::<f64>()).collect();
    let student: Vec<Vec<f64>> = vec![vec![0.1; scene.widths.student]; scene.widths.student];
    let maps = DfaMaps {
        encode: linear(&transposed, &shift),
        decode: linear(&components, &mean),
        student: linear(&student, &vec![0.0; scene.widths.student]),
    };
    (maps, error)
}

fn settings(learning_rate: f64) -> DfaSettings {
    let training = AlignTraining { learning_rate, weight_decay: 0.0, as_released: false };
    DfaSettings { training, ..DfaSettings::default() }
}

#[test]
fn principal_components_reach_their_reconstruction_error() {
    let scene = scene();
    let (maps, error) = principal_components(&scene);
    let mut dfa = Dfa::from_maps(settings(1e-3), &scene.widths, maps).unwrap();
    let found = scene.verdict(&mut dfa).term("feature_reconstruction");
    assert!(error > 0.1);
    assert_close(&[found], &[error], 1e-5, 1e-5, "reconstruction by principal components");
}

#[test]
fn trained_maps_come_near_the_principal_components_and_never_below() {
    let scene = scene();
    let (_, best) = principal_components(&scene);
    let mut dfa = Dfa::new(settings(1e-2), &scene.widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
    let mut errors = Vec::new();
    for step in 0..1500 {
        let mut verdict = scene.verdict(&mut dfa);
        if step % 50 == 0 {
            errors.push(f64::from(verdict.term("feature_reconstruction")));
        }
        dfa.step(&mut verdict.gradients, 1.0).unwrap();
    }
    let last = errors[errors.len() - 1];
    assert!(errors.iter().all(|&error| error > best - 1e-5), "{errors:?} and the best {best}");
    assert!(last < 1.1 * best && errors[0] > 2.0 * best, "from {} to {last}, the best {best}", errors[0]);
}

#[test]
fn the_student_follows_the_code_and_the_code_does_not_follow_the_student() {
    let scene = scene();
    let only_match = DfaSettings { reconstruction_weight: 0.0, ..settings(1e-3) };
    let mut dfa = Dfa::new(only_match, &scene.widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
    let verdict = scene.verdict(&mut dfa);
    let gradient = |linear: &Linear| linear.weight.val().grad(&verdict.gradients);
    assert!(gradient(&dfa.maps().student).is_some());
    assert!(gradient(&dfa.maps().encode).is_none() && gradient(&dfa.maps().decode).is_none());
    // By hand: the mean over texts and widths of the squared difference.
    let device = Device::flex();
    let teachers = Tensor::cat(scene.teacher_features(&device), 1);
    let (student, encode) = (&dfa.maps().student, &dfa.maps().encode);
    let own =
        matrix(&scene.student, &device).matmul(student.weight.val().inner()) + student.bias.val().inner().unsqueeze();
    let code = teachers.matmul(encode.weight.val().inner()) + encode.bias.val().inner().unsqueeze();
    let by_hand = f64::from(host_values((own - code).square().mean()).unwrap()[0]);
    assert_close(&[verdict.value], &[by_hand], 1e-5, 1e-5, "match");
}

#[test]
fn as_released_the_matrices_stay_and_the_biases_learn() {
    let scene = scene();
    let training = AlignTraining { as_released: true, ..AlignTraining::default() };
    let released = DfaSettings { training, ..DfaSettings::default() };
    let mut dfa = Dfa::new(released, &scene.widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
    assert_eq!(dfa.trained_values(), 4 + 12 + 4, "biases");
    let full = Dfa::new(settings(1e-3), &scene.widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
    assert_eq!(full.trained_values(), 4 + 12 + 4 + 12 * 4 + 4 * 12 + 4 * 4);
    let read = |dfa: &Dfa| {
        let maps = dfa.maps();
        [&maps.encode, &maps.decode, &maps.student]
            .map(|linear| (host_values(linear.weight.val()).unwrap(), host_values(linear.bias.val()).unwrap()))
    };
    let before = read(&dfa);
    for _ in 0..3 {
        let mut verdict = scene.verdict(&mut dfa);
        dfa.step(&mut verdict.gradients, 1.0).unwrap();
    }
    for (before, after) in before.iter().zip(&read(&dfa)) {
        assert_eq!(before.0, after.0, "matrices");
    }
    let [encode, decode, student] = read(&dfa);
    assert_ne!((&before[0].1, &before[1].1, &before[2].1), (&encode.1, &decode.1, &student.1), "biases");
    assert_ne!(before[1].1, decode.1);
}

#[test]
fn the_order_of_teachers_does_not_matter() {
    let widths = FeatureWidths { student: 3, teachers: vec![2, 5] };
    let scene = FeatureScene::random(12, 6, 2, widths.clone());
    let maps = DfaMaps::fresh(&widths, Stream::new(1, "maps"), &Device::flex()).unwrap();
    let mut swapped_scene = scene.clone();
    swapped_scene.teachers.reverse();
    swapped_scene.widths.teachers.reverse();
    swapped_scene.gate.iter_mut().for_each(|row| row.reverse());
    // Rows of the encoder and columns of the decoder move with the features they are for.
    let swap =
        |rows: Tensor<2>, dim: usize| Tensor::cat(vec![rows.clone().narrow(dim, 2, 5), rows.narrow(dim, 0, 2)], dim);
    let mut swapped = maps.clone();
    swapped.encode.weight = Param::from_tensor(swap(maps.encode.weight.val(), 0));
    swapped.decode.weight = Param::from_tensor(swap(maps.decode.weight.val(), 1));
    let bias = swap(maps.decode.bias.val().unsqueeze_dim::<2>(0), 1).squeeze_dim::<1>(0);
    swapped.decode.bias = Param::from_tensor(bias);
    let one = scene.verdict(&mut Dfa::from_maps(settings(1e-3), &scene.widths, maps).unwrap());
    let other = swapped_scene.verdict(&mut Dfa::from_maps(settings(1e-3), &swapped_scene.widths, swapped).unwrap());
    assert_close(&[other.value], &[f64::from(one.value)], 1e-6, 1e-6, "value");
    let expected: Vec<f64> = one.gradient.into_iter().map(f64::from).collect();
    assert_close(&other.gradient, &expected, 1e-6, 1e-6, "gradient");
}

#[test]
fn maps_of_other_widths_are_refused() {
    let widths = scene().widths;
    let other = FeatureWidths { student: 5, teachers: vec![6, 6] };
    let maps = DfaMaps::fresh(&other, Stream::new(1, "maps"), &Device::flex()).unwrap();
    let error = Dfa::from_maps(DfaSettings::default(), &widths, maps).unwrap_err().to_string();
    assert!(error.contains("encoder") && error.contains("[12, 4]"), "{error}");
}

#[test]
fn layers_are_aligned_from_the_top_with_a_stride() {
    assert_eq!(aligned_layers(3, 3), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(aligned_layers(3, 6), [(1, 2), (2, 4), (3, 6)]);
    assert_eq!(aligned_layers(3, 12), [(1, 4), (2, 8), (3, 12)]);
    assert_eq!(aligned_layers(5, 12), [(1, 4), (2, 6), (3, 8), (4, 10), (5, 12)]);
    assert_eq!(aligned_layers(3, 2), [(1, 2), (2, 2), (3, 2)]);
}
