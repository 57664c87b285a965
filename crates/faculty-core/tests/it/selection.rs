use faculty_core::Stream;
use faculty_core::metrics::{selection_matrix, teacher_selection};

/// Three teachers over six classes; class 5 is known to teachers 0 and 2.
const KNOWS: [&[usize]; 3] = [&[0, 1, 2, 5], &[3], &[4, 5]];

fn labels() -> Vec<usize> {
    (0..200).map(|text| Stream::new(1, "labels").below_at(text, 6) as usize).collect()
}

fn share_of_largest_owner(labels: &[usize]) -> f64 {
    labels.iter().filter(|label| KNOWS[0].contains(label)).count() as f64 / labels.len() as f64
}

#[test]
fn the_oracle_gate_selects_perfectly() {
    let labels = labels();
    let weights: Vec<f32> = labels
        .iter()
        .flat_map(|label| {
            // Where two teachers know the class, the oracle may take the second.
            let owner = KNOWS.iter().rposition(|classes| classes.contains(label)).unwrap();
            (0..3).map(move |teacher| if teacher == owner { 1.0 } else { 0.0 })
        })
        .collect();
    let selection = teacher_selection(&weights, &labels, &KNOWS).unwrap();
    assert_eq!((selection.accuracy, selection.abstained, selection.uniform), (1.0, 0, false));
    assert_eq!(selection.owner_weight, 1.0);
    assert!(selection.owners.iter().all(|owner| owner.accuracy == Some(1.0)));
}

#[test]
fn the_uniform_gate_is_reported_as_chance() {
    let labels = labels();
    for weight in [1.0 / 3.0, 0.0] {
        let selection = teacher_selection(&vec![weight; 600], &labels, &KNOWS).unwrap();
        assert!(selection.uniform);
        assert_eq!(
            (selection.accuracy, selection.chance),
            (share_of_largest_owner(&labels), share_of_largest_owner(&labels))
        );
        assert_eq!(selection.abstained, 200);
        assert!(
            selection.owners.iter().all(|owner| owner.accuracy.is_none() && (owner.chosen - 1.0 / 3.0).abs() < 1e-9)
        );
    }
}

#[test]
fn a_gate_that_always_takes_the_largest_owner_reaches_chance_and_is_seen_through() {
    let labels = labels();
    let weights: Vec<f32> = labels.iter().flat_map(|_| [0.8, 0.1, 0.1]).collect();
    let selection = teacher_selection(&weights, &labels, &KNOWS).unwrap();
    assert_eq!(selection.accuracy, selection.chance);
    assert!(!selection.uniform);
    let accuracies: Vec<_> = selection.owners.iter().map(|owner| owner.accuracy.unwrap()).collect();
    assert_eq!(accuracies[..2], [1.0, 0.0]);
    assert!(accuracies[2] > 0.0 && accuracies[2] < 1.0, "right on the shared class only");
    assert_eq!(selection.owners.iter().map(|owner| owner.chosen).collect::<Vec<_>>(), [1.0, 0.0, 0.0]);
    assert!((selection.owners[0].weight.unwrap() - 0.8).abs() < 1e-6);
}

#[test]
fn a_tie_counts_as_the_share_of_the_tied_teachers_that_are_right() {
    let weights = [0.5, 0.5, 0.0, 0.0, 0.0, 1.0];
    let selection = teacher_selection(&weights, &[3, 4], &KNOWS).unwrap();
    assert_eq!((selection.accuracy, selection.abstained, selection.uniform), (0.75, 0, false));
    let selection = teacher_selection(&[0.2, 0.2, 0.2, 0.0, 1.0, 0.0], &[5, 3], &KNOWS).unwrap();
    assert!((selection.accuracy - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
    assert_eq!((selection.abstained, selection.uniform), (1, false));
}

#[test]
fn one_teacher_alone_is_always_right() {
    let selection = teacher_selection(&[1.0, 1.0], &[0, 1], &[[0, 1]]).unwrap();
    assert_eq!((selection.accuracy, selection.chance, selection.uniform), (1.0, 1.0, false));
}

#[test]
fn an_owner_without_texts_has_no_accuracy() {
    let selection = teacher_selection(&[1.0, 0.0, 0.0], &[0], &KNOWS).unwrap();
    assert_eq!((selection.owners[1].texts, selection.owners[1].accuracy, selection.owners[1].weight), (0, None, None));
}

#[test]
fn faulty_gates_are_refused() {
    for (weights, labels) in [
        (vec![1.0; 3], vec![9]),
        (vec![1.0; 2], vec![0]),
        (vec![f32::NAN, 0.0, 0.0], vec![0]),
        (vec![-0.1, 0.6, 0.5], vec![0]),
        (vec![], vec![]),
    ] {
        assert!(teacher_selection(&weights, &labels, &KNOWS).is_err(), "{weights:?}");
    }
}

#[test]
fn the_matrix_says_whom_the_gate_takes_for_whom() {
    let labels = labels();
    let stream = Stream::new(2, "weights");
    let weights: Vec<f32> = (0..600).map(|at| stream.uniform_at(at) as f32).collect();
    let (selection, matrix) =
        (teacher_selection(&weights, &labels, &KNOWS).unwrap(), selection_matrix(&weights, &labels, &KNOWS).unwrap());
    for (teacher, (row, owner)) in matrix.owners.iter().zip(&selection.owners).enumerate() {
        assert_eq!(row.texts, owner.texts);
        assert!((row.chosen.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!((row.weight[teacher] - owner.weight.unwrap()).abs() < 1e-9, "the owner's own weight");
    }
    // Teacher 1 alone knows class 3, so its own cell is its selection accuracy.
    assert!((matrix.owners[1].chosen[1] - selection.owners[1].accuracy.unwrap()).abs() < 1e-9);
}

#[test]
fn ties_are_chosen_in_equal_parts_and_an_owner_without_texts_has_no_row() {
    let matrix = selection_matrix(&[0.5, 0.5, 0.0, 0.2, 0.2, 0.2], &[0, 0], &KNOWS).unwrap();
    let third = 1.0 / 3.0;
    for (found, expected) in matrix.owners[0].chosen.iter().zip([0.25 + third / 2.0, 0.25 + third / 2.0, third / 2.0]) {
        assert!((found - expected).abs() < 1e-12, "{found}");
    }
    assert_eq!((matrix.owners[1].texts, matrix.owners[1].chosen.len(), matrix.owners[1].weight.len()), (0, 0, 0));
    assert!(selection_matrix(&[0.5], &[0], &KNOWS).is_err());
    assert!(selection_matrix(&[f32::NAN; 3], &[0], &KNOWS).is_err());
}
