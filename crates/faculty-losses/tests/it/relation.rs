//! Relation matrices and the loss between them.

use crate::views::{student as student_view, teacher as view};
use burn::tensor::{Device, Tensor};
use faculty_losses::{Amalgamate, JoinTensors, Relation, relation_matrices};
use faculty_nn::{Gate, TeacherView, host_values};
use faculty_testkit::{Scene, assert_close, golden_join, kl_of_logits, matrix, softmax};

fn logits() -> Vec<Vec<f32>> {
    vec![vec![2.0, 0.5, -1.0], vec![-0.5, 1.5, 0.0], vec![0.0, 0.0, 3.0], vec![2.0, 0.5, -1.0]]
}

fn all(texts: usize) -> Tensor<1> {
    Tensor::ones([texts], &Device::flex())
}

/// JS of two rows in f64.
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    let to_midpoint =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * (2.0 * a / (a + b)).ln()).sum() };
    0.5 * (to_midpoint(p, q) + to_midpoint(q, p))
}

#[test]
fn matrices_are_divergence_over_its_mean_and_overlap() {
    let rows = logits();
    let found = relation_matrices(matrix(&rows, &Device::flex()), 2.0, &all(4));
    let p: Vec<Vec<f64>> = rows.iter().map(|row| softmax(row, 2.0)).collect();
    let pairs = || (0..4).flat_map(|n| (0..4).map(move |j| (n, j)));
    let divergences: Vec<f64> = pairs().map(|(n, j)| divergence(&p[n], &p[j])).collect();
    let positive: Vec<f64> = divergences.iter().copied().filter(|value| *value > 1e-6).collect();
    assert_eq!(positive.len(), 10, "texts 0 and 3 are equal, and every text is equal to itself");
    let mean = positive.iter().sum::<f64>() / positive.len() as f64;
    let distances: Vec<f64> = divergences.iter().map(|value| value / mean).collect();
    assert_close(&host_values(found.distance).unwrap(), &distances, 1e-6, 1e-6, "distance");
    let overlaps: Vec<f64> = pairs().map(|(n, j)| p[n].iter().zip(&p[j]).map(|(a, b)| (a * b).sqrt()).sum()).collect();
    assert_close(&host_values(found.angle).unwrap(), &overlaps, 1e-6, 1e-6, "angle");
}

#[test]
fn matrices_are_symmetric_with_a_diagonal_of_0_and_1() {
    let scene = Scene::random("relations", 3, 6, &[&["a", "b", "c", "d"]]);
    let found = relation_matrices(matrix(&scene.teachers[0].logits, &Device::flex()), 1.0, &all(6));
    for (name, values, diagonal) in [("distance", found.distance, 0.0), ("angle", found.angle, 1.0)] {
        let transposed: Vec<f64> =
            host_values(values.clone().transpose()).unwrap().into_iter().map(f64::from).collect();
        let values = host_values(values).unwrap();
        assert_close(&values, &transposed, 1e-7, 0.0, &format!("{name} against its transpose"));
        for text in 0..6 {
            assert!((values[text * 7] - diagonal).abs() < 1e-6, "{name} of a text to itself: {}", values[text * 7]);
        }
    }
}

fn total(student: Tensor<2>, teachers: &[TeacherView], weights: Vec<Vec<f32>>, join: &JoinTensors) -> f32 {
    let gate = Gate { weights: matrix(&weights, &Device::flex()), sample_weights: None };
    let student = student_view(student);
    host_values(Relation::default().loss(&student, teachers, &gate, join).unwrap().total()).unwrap()[0]
}

#[test]
fn a_student_that_says_what_its_teachers_say_has_no_loss() {
    let device = Device::flex();
    let rows = matrix(&logits(), &device);
    let one = JoinTensors::new(&golden_join(&[vec![0, 1, 2]]), &device);
    let loss = total(rows.clone(), &[view(rows.clone())], vec![vec![1.0]; 4], &one);
    assert!(loss.abs() < 1e-6, "one teacher: {loss}");
    // Two teachers of the same labels that agree, whatever the gate.
    let two = JoinTensors::new(&golden_join(&[vec![0, 1, 2], vec![0, 1, 2]]), &device);
    let weights = vec![vec![0.7, 0.3], vec![0.2, 0.8], vec![0.5, 0.5], vec![0.9, 0.1]];
    let loss = total(rows.clone(), &[view(rows.clone()), view(rows.clone())], weights, &two);
    assert!(loss.abs() < 1e-5, "two teachers: {loss}");
    // Shifting the logits of a text changes no distribution; another distribution costs.
    let shifted = rows.clone() + Tensor::from_floats([[3.0], [-1.0], [0.5], [10.0]], &device);
    let loss = total(shifted, &[view(rows.clone())], vec![vec![1.0]; 4], &one);
    assert!(loss.abs() < 1e-5, "shifted: {loss}");
    let loss = total(rows.clone().mul_scalar(-1.0), &[view(rows)], vec![vec![1.0]; 4], &one);
    assert!(loss > 0.01, "another student: {loss}");
}

#[test]
fn pairs_that_no_teacher_knows_are_masked() {
    let device = Device::flex();
    let join = JoinTensors::new(&golden_join(&[vec![0, 1], vec![2, 3]]), &device);
    let teachers = [
        view(matrix(&[vec![2.0, -1.0], vec![-1.0, 2.0], vec![0.1, 0.0], vec![0.0, 0.3]], &device)),
        view(matrix(&[vec![0.0, 0.2], vec![0.1, 0.0], vec![3.0, -1.0], vec![-2.0, 2.0]], &device)),
    ];
    let gate = |weights: [[f32; 2]; 4]| Gate { weights: Tensor::from_floats(weights, &device), sample_weights: None };
    let student = student_view(Tensor::zeros([4, 4], &device));
    let share = |gate: &Gate| {
        let terms = Relation::default().loss(&student, &teachers, gate, &join).unwrap();
        host_values(terms.get("relation_pairs").unwrap().value.clone()).unwrap()[0]
    };
    // A hard gate: texts 0 and 1 are the first teacher's, 2 and 3 the second's, so half of the pairs are left.
    assert_eq!(share(&gate([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])), 0.5);
    // 0.97 * 0.03 + 0.03 * 0.97 = 0.058 is just enough, 0.98 * 0.02 * 2 = 0.039 is not.
    assert_eq!(share(&gate([[0.97, 0.03], [0.97, 0.03], [0.03, 0.97], [0.03, 0.97]])), 1.0);
    assert_eq!(share(&gate([[0.98, 0.02], [0.98, 0.02], [0.02, 0.98], [0.02, 0.98]])), 0.5);
    assert_eq!(share(&gate([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])), 1.0 / 16.0);
}

#[test]
fn equal_texts_and_a_single_text_have_no_distances_and_finite_gradients() {
    let device = Device::flex();
    let join = JoinTensors::new(&golden_join(&[vec![0, 1, 2]]), &device);
    for texts in [1, 5] {
        let leaf = Tensor::<2>::from_floats([[1.0, 0.5, -0.5]], &device.clone().autodiff()).repeat_dim(0, texts);
        let leaf = Tensor::from_inner(leaf.inner()).require_grad();
        let student = student_view(leaf.clone());
        let teacher = Tensor::<2>::from_floats([[0.2, 0.1, 0.0]], &device).repeat_dim(0, texts);
        let gate = Gate { weights: Tensor::ones([texts, 1], &device), sample_weights: None };
        let total = Relation::default().loss(&student, &[view(teacher)], &gate, &join).unwrap().total();
        let gradient = leaf.grad(&total.backward()).unwrap();
        assert!(host_values(total.inner()).unwrap()[0].abs() < 1e-6);
        assert!(host_values(gradient).unwrap().iter().all(|entry| entry.abs() < 1e-5));
    }
}

#[test]
fn a_student_learns_the_relations_of_teachers_with_other_labels() {
    // The student's classes are the teachers' two and two; what it is taught is which texts are alike.
    let device = Device::flex();
    let join = JoinTensors::new(&golden_join(&[vec![0, 1], vec![2, 3]]), &device);
    let sure = |class: usize| if class == 0 { vec![3.0, -3.0] } else { vec![-3.0, 3.0] };
    let rows: Vec<Vec<f32>> = (0..8).map(|text| sure(text % 2)).collect();
    let teachers = [view(matrix(&rows, &device)), view(matrix(&rows, &device))];
    let weights: Vec<Vec<f32>> = (0..8).map(|text| if text < 4 { vec![1.0, 0.0] } else { vec![0.0, 1.0] }).collect();
    let gate = Gate { weights: matrix(&weights, &device), sample_weights: None };
    let start = Scene::random("student", 9, 8, &[&["a", "b", "c", "d"]]);
    let mut logits = matrix(&start.teachers[0].logits, &device).mul_scalar(0.3);
    let mut losses = Vec::new();
    for _ in 0..200 {
        let leaf = Tensor::from_inner(logits).require_grad();
        let student = student_view(leaf.clone());
        let total = Relation::default().loss(&student, &teachers, &gate, &join).unwrap().total();
        let gradient = leaf.grad(&total.backward()).unwrap();
        losses.push(host_values(total.inner()).unwrap()[0]);
        logits = leaf.inner() - gradient.mul_scalar(2.0);
    }
    assert!(losses[199] < 0.3 * losses[0], "{} to {}", losses[0], losses[199]);
    let rows: Vec<Vec<f32>> = host_values(logits).unwrap().chunks(4).map(<[f32]>::to_vec).collect();
    let alike = kl_of_logits(&rows[0], &rows[2], 1.0);
    let apart = kl_of_logits(&rows[0], &rows[1], 1.0);
    assert!(alike < apart, "texts of one class are {alike} apart, of two {apart}");
}
