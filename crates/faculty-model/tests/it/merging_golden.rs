//! Rules of static merging against torch float64 (`scripts/python/make_merge_golden.py`).

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{NamedTensor, Stream};
use faculty_model::merge::{Dare, DeltaRule, Gram, Regression, Scale, merge_deltas};
use faculty_testkit::{assert_close, golden_json};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    merges: Vec<MergeCase>,
    masks: Vec<MaskCase>,
    regressions: Vec<RegressionCase>,
}

#[derive(Deserialize)]
struct MergeCase {
    name: String,
    rule: String,
    scale: f64,
    trim: f64,
    rate: f64,
    seed: u64,
    base: Vec<Vec<f32>>,
    models: Vec<Vec<Vec<f32>>>,
    merged: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct MaskCase {
    seed: u64,
    model: usize,
    tensor: usize,
    rate: f64,
    kept: Vec<u8>,
}

#[derive(Deserialize)]
struct RegressionCase {
    name: String,
    off_diagonal: f64,
    inputs: usize,
    outputs: usize,
    x: Vec<Vec<f32>>,
    weights: Vec<Vec<f32>>,
    merged: Vec<f64>,
}

fn golden() -> Golden {
    golden_json("merge.json")
}

fn tensors(values: &[Vec<f32>]) -> Vec<NamedTensor> {
    let named = |(place, values): (usize, &Vec<f32>)| NamedTensor {
        name: format!("tensor {place}"),
        shape: vec![values.len()],
        values: values.clone(),
    };
    values.iter().enumerate().map(named).collect()
}

#[test]
fn every_rule_agrees_with_torch() {
    for case in golden().merges {
        let scale = Scale::Fixed(case.scale);
        let rule = match case.rule.as_str() {
            "average" => DeltaRule::Average {},
            "task-arithmetic" => DeltaRule::TaskArithmetic { scale },
            _ => DeltaRule::Ties { scale, trim: case.trim },
        };
        let dare = Dare { rate: case.rate, stream: Stream::new(case.seed, "dare") };
        let models: Vec<_> = case.models.iter().map(|model| tensors(model)).collect();
        let merged = merge_deltas(&tensors(&case.base), &models, rule, Some(dare)).unwrap();
        for (tensor, expected) in merged.iter().zip(&case.merged) {
            assert_close(&tensor.values, expected, 1e-6, 1e-6, &format!("{}: {}", case.name, tensor.name));
        }
    }
}

#[test]
fn masks_are_those_of_the_stream_written_out_in_python() {
    for case in golden().masks {
        let factors = Dare { rate: case.rate, stream: Stream::new(case.seed, "dare") }.factors(case.model, case.tensor);
        let kept: Vec<u8> = (0..case.kept.len()).map(|element| u8::from(factors(element) > 0.0)).collect();
        assert_eq!(kept, case.kept, "seed {}, model {}, tensor {}", case.seed, case.model, case.tensor);
        let rescaled = (0..case.kept.len()).map(&factors).filter(|factor| *factor > 0.0);
        assert!(rescaled.into_iter().all(|factor| (factor - 1.0 / (1.0 - case.rate)).abs() < 1e-12));
    }
}

#[test]
fn regressions_agree_with_torch() {
    for case in golden().regressions {
        let weights: Vec<&[f32]> = case.weights.iter().map(Vec::as_slice).collect();
        let mut regression = Regression::new(&weights, case.inputs, case.outputs).unwrap();
        for (x, weight) in case.x.iter().zip(&weights) {
            let rows = x.len() / case.inputs;
            let mut gram = Gram::new(case.inputs);
            // In two parts, as batches come.
            for part in [0..rows / 2, rows / 2..rows] {
                let values = x[part.start * case.inputs..part.end * case.inputs].to_vec();
                let data = TensorData::new(values, [part.len(), case.inputs]);
                gram.add(Tensor::from_data(data, &Device::flex())).unwrap();
            }
            assert_eq!(gram.rows(), rows);
            regression.add(&gram, weight, case.off_diagonal).unwrap();
        }
        let solution = regression.solve().unwrap();
        assert!(!solution.ridged && solution.condition >= 1.0, "{}", case.name);
        assert_close(&solution.weight, &case.merged, 2e-5, 2e-5, &case.name);
    }
}
