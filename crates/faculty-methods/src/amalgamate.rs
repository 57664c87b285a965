//! Training a student from teacher outputs, without labels.

use crate::{GateTable, MethodSpec, TransferSet, gate_table};
use burn::tensor::{Device, Tensor};
use faculty_core::{Error, Observer, Result};
use faculty_losses::{Amalgamate, GatedKl, JoinTensors, Uhc, VanillaKd};
use faculty_model::{Classifier, Tokens};
use faculty_nn::StudentView;
use faculty_student::{Objective, StepLoss, TrainReport, TrainSettings, train};

struct Amalgamation<'a> {
    loss: Box<dyn Amalgamate>,
    transfer: TransferSet<'a>,
    gate: GateTable,
    join: JoinTensors,
    device: Device,
}

impl Objective for Amalgamation<'_> {
    fn loss(&self, logits: Tensor<2>, rows: &[usize]) -> Result<StepLoss> {
        let student = StudentView { logits, taps: Vec::new() };
        let teachers = self.transfer.views(rows, &self.device);
        let gate = self.gate.batch(rows, &self.device);
        let terms = self.loss.loss(&student, &teachers, &gate, &self.join)?;
        let parts = terms.iter().map(|term| (term.name.clone(), term.value.clone())).collect();
        Ok(StepLoss { total: terms.total(), parts })
    }
}

/// Trains `student` (over the union of `transfer.join`) by a label-free method. `tokens` are the transfer texts as the
/// student's tokenizer reads them, in the order of the teacher outputs.
///
/// # Errors
/// Fails if the method needs labels or no training, the student's labels are not the union, the texts do not match, the
/// Monte-Carlo passes are missing or identical, or as [`train`].
pub fn amalgamate(
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    settings: &TrainSettings,
    seed: u64,
    observer: &dyn Observer,
) -> Result<TrainReport> {
    method.check(transfer.outputs.len())?;
    if student.labels != *transfer.join.union() {
        return Err(Error::internal("the student's labels are not the union of the label join"));
    }
    if tokens.len() != transfer.len() {
        return Err(Error::internal(format!("{} texts for {} rows of teacher outputs", tokens.len(), transfer.len())));
    }
    let device = student.device.clone();
    let teachers = transfer.outputs.len();
    // Methods without a gate do not look at its weights.
    let no_gate = || GateTable {
        teachers,
        weights: vec![1.0 / teachers as f32; transfer.len() * teachers],
        scores: Vec::new(),
        sample_weights: None,
    };
    let gate = method.gate().map_or_else(|| Ok(no_gate()), |spec| gate_table(&spec, &transfer, &device))?;
    let loss: Box<dyn Amalgamate> = match method {
        MethodSpec::VanillaKd { temperature } => Box::new(VanillaKd { temperature: *temperature }),
        MethodSpec::Uhc { temperature } => Box::new(Uhc { temperature: *temperature }),
        MethodSpec::Uniform { temperature } | MethodSpec::MaxConfidence { temperature, .. } => {
            Box::new(GatedKl { temperature: *temperature })
        }
        MethodSpec::Muki(muki) => Box::new(GatedKl { temperature: muki.temperature }),
        MethodSpec::Teacher { .. } | MethodSpec::Concat {} | MethodSpec::Supervised {} | MethodSpec::Merge(_) => {
            return Err(Error::internal(format!("method `{}` is not trained without labels", method.kind())));
        }
    };
    let join = JoinTensors::new(transfer.join, &device);
    let objective = Amalgamation { loss, transfer, gate, join, device };
    train(student, tokens, &objective, settings, seed, observer)
}
