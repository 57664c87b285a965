//! `golden/losses.json`: losses, scores and gates with gradients, from PyTorch in float64.

use crate::{golden_json, matrix};
use burn::tensor::{Device, Tensor};
use faculty_core::LabelJoin;
use faculty_nn::TeacherView;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
pub struct LossGolden {
    /// Gate temperature of every case.
    pub tau_w: f64,
    /// Random cases.
    pub cases: Vec<GoldenCase>,
    /// The case worked out by hand.
    pub worked: WorkedCase,
    /// Logits of ±1e4; losses are values only.
    pub extreme: ExtremeCase,
}

impl LossGolden {
    /// Reads the file.
    ///
    /// # Panics
    /// Panics if it is missing or of another form.
    pub fn load() -> Self {
        golden_json("losses.json")
    }
}

/// One random case.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenCase {
    /// What it is about.
    pub name: String,
    /// Classes of the union.
    pub classes: usize,
    /// Per teacher: the union class of each of its classes.
    pub to_union: Vec<Vec<usize>>,
    /// `[batch][classes]`.
    pub student: Vec<Vec<f64>>,
    /// `[batch]`.
    pub labels: Vec<i64>,
    /// Gate weights, `[batch][teachers]`.
    pub gate: Vec<Vec<f64>>,
    /// `[batch]`.
    pub sample_weight: Vec<f64>,
    /// Amalgamated target at temperature 1, `[batch][classes]`.
    pub q: Vec<Vec<f64>>,
    /// Per teacher: logits, `[batch][C_i]`.
    pub teachers: Vec<Vec<Vec<f64>>>,
    /// By name, for example `gated_kl tau=2 weighted`.
    pub losses: BTreeMap<String, GoldenLoss>,
    /// Per teacher: scores of the deterministic pass.
    pub scores: Vec<GoldenScores>,
    /// Monte-Carlo scores and the gates from them.
    pub mc: GoldenPasses,
    /// Single-pass entropy scores and the gates from them.
    pub single_pass: GoldenGates,
}

/// A loss and its gradient with respect to the student's logits.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenLoss {
    /// The loss.
    pub value: f64,
    /// `[batch][classes]`.
    pub gradient: Vec<Vec<f64>>,
}

/// Scores of one teacher, `[batch]` each.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenScores {
    /// 1 - H / log C.
    pub entropy: Vec<f64>,
    /// Largest probability.
    pub max_softmax: Vec<f64>,
    /// Difference of the two largest probabilities.
    pub margin: Vec<f64>,
    /// -logsumexp: lower = more confident.
    pub energy: Vec<f64>,
}

/// Monte-Carlo passes, their scores and the gates from them.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenPasses {
    /// Per teacher: logits, `[passes][batch][C_i]`.
    pub passes: Vec<Vec<Vec<Vec<f64>>>>,
    /// Per teacher: `[batch][C_i]`.
    pub mean_probabilities: Vec<Vec<Vec<f64>>>,
    /// Scores and gates.
    #[serde(flatten)]
    pub gates: GoldenGates,
}

/// Scores and the gates from them.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenGates {
    /// `[batch][teachers]`.
    pub scores: Vec<Vec<f64>>,
    /// `[batch][teachers]`.
    pub soft_weights: Vec<Vec<f64>>,
    /// The best teacher of each text; absent where scores tie.
    pub hard_choice: Option<Vec<usize>>,
    /// `[batch]`.
    pub margin_weight: Vec<f64>,
}

/// The case worked out by hand: p_1 = (0.9, 0.1), p_2 = (0.5, 0.3, 0.2), a student that is uniform over five classes.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkedCase {
    /// Per teacher: logits, `[1][C_i]`.
    pub teachers: Vec<Vec<Vec<f64>>>,
    /// `[1][5]`.
    pub student: Vec<Vec<f64>>,
    /// The quantities to six decimals.
    pub by_hand: WorkedValues,
}

/// The quantities of the worked case.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct WorkedValues {
    pub scores: Vec<f64>,
    pub soft_weights: Vec<f64>,
    pub margin_weight: f64,
    pub q_soft: Vec<f64>,
    pub q_uniform: Vec<f64>,
    pub concat_softmax: Vec<f64>,
    pub kl_soft: f64,
    pub kl_hard: f64,
    pub kl_soft_split: f64,
    pub margin_kl_soft: f64,
    pub margin_kl_hard: f64,
    pub vkd: f64,
    pub uhc: f64,
}

/// Logits of ±1e4.
#[derive(Debug, Clone, Deserialize)]
pub struct ExtremeCase {
    /// Per teacher: the union class of each of its classes.
    pub to_union: Vec<Vec<usize>>,
    /// Per teacher: logits, `[batch][C_i]`.
    pub teachers: Vec<Vec<Vec<f64>>>,
    /// `[batch][classes]`.
    pub student: Vec<Vec<f64>>,
    /// `[batch][teachers]`.
    pub gate: Vec<Vec<f64>>,
    /// `[batch]`.
    pub labels: Vec<i64>,
    /// Amalgamated target, `[batch][classes]`.
    pub q: Vec<Vec<f64>>,
    /// Values by name.
    pub losses: BTreeMap<String, f64>,
    /// Per teacher: scores.
    pub scores: Vec<GoldenScores>,
    /// Single-pass entropy scores and gates.
    pub single_pass: GoldenGates,
}

/// The label join with these maps into the union, whose classes are called `class 0`, `class 1`, ...
///
/// # Panics
/// Panics if the maps are empty.
pub fn golden_join(to_union: &[Vec<usize>]) -> LabelJoin {
    let classes = 1 + to_union.iter().flatten().max().expect("a class");
    let union: Vec<String> = (0..classes).map(|class| format!("class {class}")).collect();
    let teachers: Vec<serde_json::Value> = to_union
        .iter()
        .enumerate()
        .map(|(index, classes)| {
            let kept: Vec<usize> = (0..classes.len()).collect();
            serde_json::json!({"name": format!("teacher {index}"), "kept": kept, "to_union": classes})
        })
        .collect();
    // Built as it is stored: `LabelJoin::build` would list the union in order of first appearance.
    serde_json::from_value(serde_json::json!({"union": union, "teachers": teachers})).unwrap()
}

/// Rows of a golden file as a tensor `[rows, width]`.
///
/// # Panics
/// Panics if there are no rows or their widths differ.
pub fn golden_matrix(rows: &[Vec<f64>], device: &Device) -> Tensor<2> {
    let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|&value| value as f32).collect()).collect();
    matrix(&rows, device)
}

/// Values of a golden file as a tensor.
pub fn golden_vector(values: &[f64], device: &Device) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_floats(values.as_slice(), device)
}

/// Teachers' views of their deterministic logits.
///
/// # Panics
/// Panics if a teacher has no rows.
pub fn golden_teachers(logits: &[Vec<Vec<f64>>], device: &Device) -> Vec<TeacherView> {
    let view = |rows: &Vec<Vec<f64>>| TeacherView::from_logits(golden_matrix(rows, device));
    logits.iter().map(view).collect()
}
