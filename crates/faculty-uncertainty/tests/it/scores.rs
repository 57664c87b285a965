//! What the scores mean.

use burn::tensor::{Device, Tensor};
use faculty_nn::{PassSummary, TeacherView, host_values};
use faculty_testkit::{assert_close, assert_finite};
use faculty_uncertainty::{
    Confidence, ConfidenceSpec, Energy, Margin, MaxSoftmax, McEntropy, SinglePassEntropy, Uniform, entropy,
};

fn view<const N: usize>(logits: &[[f32; N]]) -> TeacherView {
    let values: Vec<Vec<f32>> = logits.iter().map(|row| row.to_vec()).collect();
    TeacherView::from_logits(faculty_testkit::matrix(&values, &Device::flex()))
}

fn passes<const N: usize>(mean_probabilities: &[[f32; N]]) -> TeacherView {
    let mut view = view(&vec![[0.0; N]; mean_probabilities.len()]);
    let rows: Vec<Vec<f32>> = mean_probabilities.iter().map(|row| row.to_vec()).collect();
    let unused = Tensor::zeros([rows.len()], &Device::flex());
    view.passes = Some(PassSummary {
        mean_probabilities: faculty_testkit::matrix(&rows, &Device::flex()),
        mean_entropy: unused.clone(),
        variance: unused,
    });
    view
}

fn scores(score: &dyn Confidence, views: &[TeacherView]) -> Vec<f32> {
    host_values(score.score(views).unwrap()).unwrap()
}

fn all_scores() -> [Box<dyn Confidence>; 6] {
    [
        Box::new(SinglePassEntropy { normalise: true }),
        Box::new(SinglePassEntropy { normalise: false }),
        Box::new(MaxSoftmax {}),
        Box::new(Margin {}),
        Box::new(Energy {}),
        Box::new(Uniform {}),
    ]
}

#[test]
fn entropy_scores_are_one_for_one_hot_and_zero_for_uniform() {
    let views = [passes(&[[1.0, 0.0, 0.0, 0.0], [0.25; 4]])];
    assert_eq!(scores(&McEntropy { normalise: true }, &views), [1.0, 0.0]);
    let raw = scores(&McEntropy { normalise: false }, &views);
    assert_close(&raw, &[0.0, -(4f64.ln())], 1e-6, 1e-6, "raw entropy");
    let single = [view(&[[1e4, -1e4, -1e4], [5.0, 5.0, 5.0]])];
    let normalised = scores(&SinglePassEntropy { normalise: true }, &single);
    assert_close(&normalised, &[1.0, 0.0], 1e-6, 0.0, "single pass");
    assert!(normalised.iter().all(|score| (0.0..=1.0).contains(score)));
}

#[test]
fn the_normalised_entropy_of_the_sheets_example_depends_on_the_number_of_classes() {
    for (classes, expected) in [(2, 0.53), (3, 0.64), (7, 0.74), (14, 0.78), (23, 0.80)] {
        let mut row = vec![0.1 / (classes - 1) as f32; classes];
        row[0] = 0.9;
        let h = host_values(entropy(faculty_testkit::matrix(&[row], &Device::flex()))).unwrap()[0];
        let score = 1.0 - h / (classes as f32).ln();
        assert!((score - expected).abs() < 5e-3, "{classes} classes: {score}");
    }
}

#[test]
fn zero_probabilities_cost_nothing() {
    let h = entropy(Tensor::from_floats([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]], &Device::flex()));
    assert_close(&host_values(h).unwrap(), &[2f64.ln(), 0.0], 1e-6, 0.0, "entropy");
}

#[test]
fn every_score_is_finite_at_logits_of_ten_thousand() {
    let views = [view(&[[1e4, -1e4], [-1e4, -1e4]]), view(&[[1e4, 1e4], [0.0, -1e4]])];
    for score in all_scores() {
        assert_finite(&scores(&*score, &views), score.name());
    }
}

#[test]
fn a_surer_teacher_scores_higher() {
    let views = [view(&[[3.0, 0.0, -1.0]]), view(&[[0.3, 0.0, -0.1]])];
    for score in all_scores() {
        let values = scores(&*score, &views);
        if score.name() == "uniform" {
            assert_eq!(values, [0.0, 0.0]);
        } else {
            assert!(values[0] > values[1], "{}: {values:?}", score.name());
        }
    }
}

#[test]
fn the_order_of_a_teachers_labels_does_not_matter() {
    let views = [view(&[[0.1, 2.0, -1.0]]), view(&[[-1.0, 0.1, 2.0]])];
    for score in all_scores() {
        let values = scores(&*score, &views);
        assert_close(&values[..1], &[f64::from(values[1])], 1e-6, 1e-6, score.name());
    }
}

#[test]
fn a_teacher_with_one_class_has_defined_scores_and_a_warning() {
    let views = [view(&[[3.0], [-1e4]])];
    let single = ["faraway"].map(|name| (name, 1));
    for (score, expected) in [
        (Box::new(SinglePassEntropy { normalise: true }) as Box<dyn Confidence>, 0.0),
        (Box::new(SinglePassEntropy { normalise: false }), 0.0),
        (Box::new(MaxSoftmax {}), 1.0),
        (Box::new(Margin {}), 1.0),
    ] {
        assert_eq!(scores(&*score, &views), [expected; 2], "{}", score.name());
        let warnings = score.warnings(&single);
        assert!(warnings.len() == 1 && warnings[0].contains("`faraway`"), "{}: {warnings:?}", score.name());
        assert!(score.warnings(&[("wide", 2)]).is_empty());
    }
    assert_eq!(scores(&McEntropy { normalise: true }, &[passes(&[[1.0]])]), [0.0]);
    assert_eq!(scores(&Energy {}, &views), [3.0, -1e4]);
    assert!(Energy {}.warnings(&single).is_empty());
}

#[test]
fn monte_carlo_scores_without_passes_are_an_error_that_says_what_to_do() {
    let score = McEntropy { normalise: true };
    assert!(score.needs_passes() && !MaxSoftmax {}.needs_passes());
    let error = score.score(&[view(&[[1.0, 2.0]])]).unwrap_err().to_string();
    assert!(error.contains("passes") && error.contains("single-pass-entropy"), "{error}");
}

#[test]
fn no_teacher_and_unequal_batches_are_errors() {
    for spec in [ConfidenceSpec::Energy(Energy {}), ConfidenceSpec::Uniform(Uniform {})] {
        let score = spec.build();
        assert!(score.score(&[]).is_err());
        let error = score.score(&[view(&[[1.0, 2.0]]), view(&[[1.0, 2.0]; 2])]).unwrap_err().to_string();
        assert!(error.contains("teacher 1 sees 2 texts"), "{error}");
    }
}

#[test]
fn scores_of_teachers_on_an_autodiff_device_are_constants() {
    let leaf = Tensor::<2>::from_floats([[1.0, 2.0]], &Device::flex().autodiff()).require_grad();
    let views = [TeacherView::from_logits(leaf)];
    for score in all_scores() {
        assert!(!score.score(&views).unwrap().is_autodiff(), "{}", score.name());
    }
}
