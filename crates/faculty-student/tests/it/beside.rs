//! Objectives that see features, train a module beside the student and keep a queue.

use crate::training::{OneHot, model, weights};
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use faculty_core::{NamedTensor, NamedTensors, Result, Silent, Stream};
use faculty_nn::fused::{AdamWConfig, ModuleAdamW};
use faculty_nn::{Pooling, StateTensor, host_values, module_state, restore_module};
use faculty_student::{
    EpochEnd, EpochLog, Objective, ObjectiveState, StepContext, StepLoss, TrainRun, TrainSettings, train,
};
use std::collections::BTreeMap;

const HIDDEN: usize = 32;
/// Features of so many steps are kept.
const QUEUE: usize = 4;

#[derive(Module, Debug)]
struct Map {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// One-hot targets for the logits, and for a linear map of the features that is trained beside the student; features are
/// drawn to the mean of a queue.
pub(crate) struct Beside {
    map: Map,
    optimizer: ModuleAdamW,
    queue: Vec<f32>,
    pooling: Pooling,
    seen: Vec<usize>,
    pub(crate) factors: Vec<f64>,
}

impl Beside {
    pub(crate) fn new(pooling: Pooling) -> Self {
        let device = Device::flex().autodiff();
        let stream = Stream::new(3, "map");
        let values: Vec<f32> = (0..3 * HIDDEN as u64).map(|at| 0.1 * stream.normal_at(at) as f32).collect();
        let map = Map {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(values, [HIDDEN, 3]), &device)),
            bias: Param::from_tensor(Tensor::zeros([3], &device)),
        };
        let optimizer = ModuleAdamW::new(AdamWConfig::default());
        Self { map, optimizer, queue: Vec::new(), pooling, seen: Vec::new(), factors: Vec::new() }
    }

    /// Everything it has learnt, bit for bit.
    pub(crate) fn bits(&self) -> Vec<u32> {
        let weights = module_state(&self.map).into_iter().flat_map(|tensor| tensor.into_values().unwrap());
        weights.chain(self.queue.iter().copied()).map(f32::to_bits).collect()
    }
}

impl Objective for Beside {
    fn features(&self) -> Option<Pooling> {
        Some(self.pooling)
    }

    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let features = step.student().features.clone().expect("they were asked for");
        assert_eq!(features.dims(), [step.rows.len(), HIDDEN]);
        let mapped = features.clone().matmul(self.map.weight.val()) + self.map.bias.val().unsqueeze::<2>();
        let mut total = OneHot::total(step.student().logits.clone(), step.rows) + OneHot::total(mapped, step.rows);
        if !self.queue.is_empty() {
            let device = features.device();
            let queued = TensorData::new(self.queue.clone(), [self.queue.len() / HIDDEN, HIDDEN]);
            let mean = Tensor::<2>::from_data(queued, &device).mean_dim(0);
            total = total + (features.clone() - mean).square().mean().mul_scalar(0.1);
        }
        self.queue.extend(host_values(features.inner().mean_dim(0))?);
        let surplus = self.queue.len().saturating_sub(QUEUE * HIDDEN);
        self.queue.drain(..surplus);
        Ok(StepLoss { total, parts: Vec::new() })
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        let gradients = GradientsParams::from_module(gradients, &self.map);
        assert_eq!(gradients.len(), 2);
        self.factors.push(rate_factor);
        self.map = self.optimizer.step(1e-2 * rate_factor, self.map.clone(), gradients);
        Ok(())
    }

    fn wants_predictions(&self, epoch: usize, _: usize) -> bool {
        epoch == 1
    }

    fn end_epoch(&mut self, end: &EpochEnd<'_>) -> Result<Option<EpochLog>> {
        self.seen.push(end.predictions.map_or(0, <[f32]>::len));
        // A number that JSON is not trusted with.
        let values = vec![("sum".to_owned(), end.predictions.map_or(0.1, |all| f64::from(all[0]) / 3.0))];
        Ok(Some(EpochLog { epoch: end.epoch, values, classes: vec![end.epoch, 1] }))
    }

    fn save_state(&self) -> Result<ObjectiveState> {
        let state = self.optimizer.state(&self.map);
        let mut tensors: Vec<StateTensor> = module_state(&self.map).into_iter().map(|t| t.under("map")).collect();
        tensors.extend(state.tensors.into_iter().map(|tensor| tensor.under("optimizer")));
        tensors.push(StateTensor::from_host("queue", vec![self.queue.len()], self.queue.clone()));
        Ok(ObjectiveState { values: serde_json::json!({"steps": state.steps, "seen": self.seen}), tensors })
    }

    fn load_state(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let steps: BTreeMap<String, usize> = serde_json::from_value(values["steps"].clone()).unwrap();
        self.map = restore_module(self.map.clone(), tensors, "map")?;
        self.optimizer = ModuleAdamW::restore(AdamWConfig::default(), &self.map, &steps, tensors, "optimizer")?;
        self.queue = tensors.read("queue")?;
        self.seen = serde_json::from_value(values["seen"].clone()).unwrap();
        Ok(())
    }
}

#[test]
fn a_module_beside_the_student_learns_from_its_features() {
    for pooling in [Pooling::FirstToken, Pooling::Mean] {
        let (_dir, mut classifier, tokens) = model();
        let mut objective = Beside::new(pooling);
        let before = objective.bits();
        let settings = TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 30, ..TrainSettings::default() };
        let report = train(&mut classifier, &tokens, &mut objective, &settings, TrainRun::new(1, &Silent)).unwrap();
        assert_ne!(before, objective.bits());
        assert!(report.curve.last().unwrap().loss < 0.5 * report.curve[0].loss, "{pooling:?}: {:?}", report.curve);
        assert_eq!(report.epochs.len(), 30);
        assert_eq!(objective.seen[..3], [0, 12 * 3, 0], "predictions where they were asked for");
        let factors: Vec<f64> = (0..90).map(|step| settings.rate_factor(step, 90)).collect();
        assert_eq!(objective.factors, factors);
    }
}

#[test]
fn asking_for_first_tokens_or_predictions_changes_no_bit_of_the_student() {
    struct Asks;
    impl Objective for Asks {
        fn features(&self) -> Option<Pooling> {
            Some(Pooling::FirstToken)
        }
        fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
            OneHot.loss(step)
        }
        fn wants_predictions(&self, _: usize, _: usize) -> bool {
            true
        }
    }
    let settings = TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 4, ..TrainSettings::default() };
    let run = |objective: &mut dyn Objective| -> Vec<NamedTensor> {
        let (_dir, mut classifier, tokens) = model();
        train(&mut classifier, &tokens, objective, &settings, TrainRun::new(1, &Silent)).unwrap();
        weights(&classifier)
    };
    assert!(run(&mut OneHot) == run(&mut Asks));
}

#[test]
fn predictions_after_a_pass_are_those_of_the_network_as_it_is() {
    struct Keeps(Vec<f32>);
    impl Objective for Keeps {
        fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
            OneHot.loss(step)
        }
        fn wants_predictions(&self, epoch: usize, epochs: usize) -> bool {
            epoch + 1 == epochs
        }
        fn end_epoch(&mut self, end: &EpochEnd<'_>) -> Result<Option<EpochLog>> {
            self.0 = end.predictions.unwrap_or_default().to_vec();
            Ok(None)
        }
    }
    let (_dir, mut classifier, tokens) = model();
    let mut objective = Keeps(Vec::new());
    let settings = TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 3, ..TrainSettings::default() };
    train(&mut classifier, &tokens, &mut objective, &settings, TrainRun::new(1, &Silent)).unwrap();
    assert_eq!(objective.0, classifier.logits(&tokens, &Silent).unwrap());
}
