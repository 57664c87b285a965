//! A batch of pooled features on the host.

use crate::matrix;
use burn::tensor::{Device, Gradients, Tensor};
use faculty_core::Stream;
use faculty_losses::LossTerms;
use faculty_losses::features::{AlignFeatures, FeatureBatch, FeatureWidths, PseudoClasses};
use faculty_nn::{Gate, host_values};

/// Pooled features of a batch with what an aligner sees beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureScene {
    /// The widths.
    pub widths: FeatureWidths,
    /// `[batch][student width]`.
    pub student: Vec<Vec<f32>>,
    /// Per teacher: `[batch][width]`.
    pub teachers: Vec<Vec<Vec<f32>>>,
    /// `[batch][teachers]`.
    pub gate: Vec<Vec<f32>>,
    /// Pseudo-classes.
    pub pseudo: PseudoClasses,
    /// What texts are known by.
    pub ids: Vec<u64>,
    /// Updates done.
    pub step: usize,
}

/// What an aligner says of a scene.
pub struct FeatureVerdict {
    /// The terms.
    pub terms: LossTerms,
    /// Their total.
    pub value: f32,
    /// The gradient of the student's features, `[batch * width]`.
    pub gradient: Vec<f32>,
    /// All gradients but that one's.
    pub gradients: Gradients,
}

impl FeatureScene {
    /// Normal features around a centre a class, texts in turn of classes 0, 1, ..., a gate that is sure of one teacher
    /// a text, confident pseudo-classes.
    pub fn random(seed: u64, texts: usize, classes: u32, widths: FeatureWidths) -> Self {
        let stream = Stream::new(seed, "features");
        let class = |text: usize| text as u32 % classes;
        let features = |stream: Stream, width: usize| -> Vec<Vec<f32>> {
            let row = |text: usize| {
                let (centre, own) = (stream.fork(u64::from(class(text))), stream.fork(1000 + text as u64));
                (0..width as u64).map(|at| (1.5 * centre.normal_at(at) + own.normal_at(at)) as f32).collect()
            };
            (0..texts).map(row).collect()
        };
        let count = widths.teachers.len();
        let gate = |text: usize| -> Vec<f32> {
            let own = stream.fork(7).fork(text as u64);
            let logits: Vec<f32> = (0..count as u64).map(|at| 2.0 * own.normal_at(at) as f32).collect();
            crate::softmax(&logits, 1.0).into_iter().map(|weight| weight as f32).collect()
        };
        let teachers = widths.teachers.iter().enumerate();
        Self {
            student: features(stream.fork(0), widths.student),
            teachers: teachers.map(|(index, &width)| features(stream.fork(10 + index as u64), width)).collect(),
            gate: (0..texts).map(gate).collect(),
            pseudo: PseudoClasses { classes: (0..texts).map(class).collect(), confidence: vec![0.9; texts] },
            ids: (0..texts as u64).collect(),
            step: 0,
            widths,
        }
    }

    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.ids.len()
    }

    /// The texts `rows`, in that order.
    #[must_use]
    pub fn rows(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(all: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| all[row].clone()).collect()
        }
        Self {
            widths: self.widths.clone(),
            student: pick(&self.student, rows),
            teachers: self.teachers.iter().map(|features| pick(features, rows)).collect(),
            gate: pick(&self.gate, rows),
            pseudo: PseudoClasses {
                classes: pick(&self.pseudo.classes, rows),
                confidence: pick(&self.pseudo.confidence, rows),
            },
            ids: pick(&self.ids, rows),
            step: self.step,
        }
    }

    /// The teachers' features on `device`.
    pub fn teacher_features(&self, device: &Device) -> Vec<Tensor<2>> {
        self.teachers.iter().map(|features| matrix(features, device)).collect()
    }

    /// The gate on `device`.
    pub fn gate(&self, device: &Device) -> Gate {
        Gate { weights: matrix(&self.gate, device), sample_weights: None }
    }

    /// The loss and its gradients.
    ///
    /// # Panics
    /// Panics if the aligner fails.
    pub fn verdict(&self, aligner: &mut dyn AlignFeatures) -> FeatureVerdict {
        let device = Device::flex();
        let student = matrix(&self.student, &device.clone().autodiff()).require_grad();
        let (teachers, gate) = (self.teacher_features(&device), self.gate(&device));
        let batch = FeatureBatch {
            student: &student,
            teachers: &teachers,
            gate: &gate,
            pseudo: &self.pseudo,
            ids: &self.ids,
            step: self.step,
        };
        let terms = aligner.loss(&batch).unwrap();
        let total = terms.total();
        let mut gradients = total.backward();
        let gradient = student.grad_remove(&mut gradients).expect("the student's features have a gradient");
        FeatureVerdict {
            terms,
            value: host_values(total.inner()).unwrap()[0],
            gradient: host_values(gradient).unwrap(),
            gradients,
        }
    }
}

impl FeatureVerdict {
    /// The unweighted value of the term called `name`.
    ///
    /// # Panics
    /// Panics if there is no such term.
    #[track_caller]
    pub fn term(&self, name: &str) -> f32 {
        let term = self.terms.get(name).unwrap_or_else(|| panic!("no term is called {name}"));
        host_values(term.value.clone().inner()).unwrap()[0]
    }
}
