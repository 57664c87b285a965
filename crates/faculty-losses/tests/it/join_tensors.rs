//! The label join on a device.

use burn::tensor::{Device, Tensor};
use faculty_losses::{JoinTensors, concat_logits};
use faculty_nn::{Gate, StudentView, TeacherView, host_values};
use faculty_testkit::golden_join;

fn row<const N: usize>(values: [f32; N]) -> Tensor<2> {
    Tensor::from_floats([values], &Device::flex())
}

fn view(logits: Tensor<2>) -> TeacherView {
    TeacherView::from_logits(logits)
}

#[test]
fn slices_follow_the_teachers_own_order() {
    let join = JoinTensors::new(&golden_join(&[vec![3, 0], vec![1, 2]]), &Device::flex());
    assert_eq!((join.classes(), join.teachers(), join.teacher_classes(1)), (4, 2, 2));
    assert!(join.is_disjoint());
    let student = row([10.0, 11.0, 12.0, 13.0]);
    assert_eq!(host_values(join.slice(student.clone(), 0)).unwrap(), [13.0, 10.0]);
    assert_eq!(host_values(join.slice(student, 1)).unwrap(), [11.0, 12.0]);
}

#[test]
fn padding_puts_values_at_their_classes_and_exact_zeros_elsewhere() {
    let join = JoinTensors::new(&golden_join(&[vec![3, 0], vec![1, 2]]), &Device::flex());
    assert_eq!(host_values(join.pad(row([0.25, 0.75]), 0)).unwrap(), [0.75, 0.0, 0.0, 0.25]);
    assert_eq!(host_values(join.pad(row([0.25, 0.75]), 1)).unwrap(), [0.0, 0.25, 0.75, 0.0]);
}

#[test]
fn slicing_a_padded_row_returns_it() {
    let join = JoinTensors::new(&golden_join(&[vec![4, 2, 0], vec![1, 2, 3]]), &Device::flex());
    assert!(!join.is_disjoint());
    for teacher in 0..2 {
        let there_and_back = join.slice(join.pad(row([1.0, 2.0, 3.0]), teacher), teacher);
        assert_eq!(host_values(there_and_back).unwrap(), [1.0, 2.0, 3.0]);
    }
}

#[test]
fn a_slice_of_an_autodiff_student_carries_the_gradient_back_to_its_columns() {
    let join = JoinTensors::new(&golden_join(&[vec![3, 0], vec![1, 2]]), &Device::flex());
    for (teacher, expected) in [(0, [2.0, 0.0, 0.0, 1.0]), (1, [0.0, 1.0, 2.0, 0.0])] {
        let leaf = Tensor::<2>::zeros([1, 4], &Device::flex().autodiff()).require_grad();
        let weighted = join.slice(leaf.clone(), teacher) * row([1.0, 2.0]);
        let gradients = weighted.sum().backward();
        assert_eq!(host_values(leaf.grad(&gradients).unwrap()).unwrap(), expected);
    }
}

#[test]
fn concatenation_gives_a_shared_class_the_mean_of_its_owners_logits() {
    let join = JoinTensors::new(&golden_join(&[vec![0, 2], vec![2, 1]]), &Device::flex());
    let concat = concat_logits(&[view(row([1.0, 2.0])), view(row([4.0, -3.0]))], &join).unwrap();
    assert_eq!(host_values(concat).unwrap(), [1.0, -3.0, 3.0]);
}

#[test]
fn shapes_that_do_not_fit_are_errors_that_name_them() {
    let device = Device::flex();
    let join = JoinTensors::new(&golden_join(&[vec![0, 1], vec![2, 3, 4]]), &device);
    let teachers = [view(Tensor::zeros([2, 2], &device)), view(Tensor::zeros([2, 4], &device))];
    let error = join.check_teachers(&teachers).unwrap_err().to_string();
    assert!(error.contains("logits of teacher 1") && error.contains("[2, 3]"), "{error}");

    let teachers = [view(Tensor::zeros([2, 2], &device)), view(Tensor::zeros([2, 3], &device))];
    let student = StudentView::new(Tensor::zeros([3, 5], &device));
    let error = join.check(&student, &teachers).unwrap_err().to_string();
    assert!(error.contains("student logits") && error.contains("[2, 5]"), "{error}");

    let sample_weights = Some(Tensor::zeros([1], &device));
    let gate = Gate { weights: Tensor::zeros([2, 2], &device), sample_weights };
    let error = join.check_gate(&gate, 2).unwrap_err().to_string();
    assert!(error.contains("sample weights"), "{error}");
}
