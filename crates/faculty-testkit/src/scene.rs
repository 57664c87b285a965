//! A batch on the host: teachers with named classes, a student over their union, a gate. Permuting a scene and
//! comparing by class name is how order is shown not to matter.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Aliases, LabelJoin, LabelSpace, Stream};
use faculty_losses::{Amalgamate, JoinTensors, LossTerms};
use faculty_nn::{Gate, StudentView, TeacherView, host_values};
use std::collections::BTreeMap;

/// One teacher of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneTeacher {
    /// Its name in the join.
    pub name: String,
    /// Its class names, in logit order.
    pub labels: Vec<String>,
    /// `[batch][classes]`.
    pub logits: Vec<Vec<f32>>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What it shows.
    pub name: String,
    /// The teachers.
    pub teachers: Vec<SceneTeacher>,
    /// The student's logits by class name, `[batch]` each.
    pub student: BTreeMap<String, Vec<f32>>,
    /// `[batch][teachers]`.
    pub gate: Vec<Vec<f32>>,
    /// `[batch]`.
    pub sample_weights: Option<Vec<f32>>,
}

/// A scene's tensors.
#[derive(Debug, Clone)]
pub struct Views {
    /// The label join.
    pub join: LabelJoin,
    /// The same on the device.
    pub tensors: JoinTensors,
    /// The student.
    pub student: StudentView,
    /// The teachers.
    pub teachers: Vec<TeacherView>,
    /// The gate.
    pub gate: Gate,
}

/// What a loss says about a scene.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) value: f32,
    /// By class name, `[batch]` each.
    pub(crate) gradient: BTreeMap<String, Vec<f32>>,
}

impl Scene {
    /// A random scene with the given class names a teacher. Logits are normal with deviation 2.
    pub fn random(name: &str, seed: u64, batch: usize, labels: &[&[&str]]) -> Self {
        let stream = Stream::new(seed, name);
        let normal = |stream: Stream, n: usize| -> Vec<f32> {
            (0..n).map(|at| 2.0 * stream.normal_at(at as u64) as f32).collect()
        };
        let rows = |stream: Stream, width: usize| -> Vec<Vec<f32>> {
            (0..batch).map(|row| normal(stream.fork(row as u64), width)).collect()
        };
        let teachers: Vec<SceneTeacher> = labels
            .iter()
            .enumerate()
            .map(|(index, labels)| SceneTeacher {
                name: format!("teacher {index}"),
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
                logits: rows(stream.fork(index as u64), labels.len()),
            })
            .collect();
        let mut student = BTreeMap::new();
        for label in labels.iter().flat_map(|labels| labels.iter()) {
            let next = stream.fork(100 + student.len() as u64);
            student.entry((*label).to_owned()).or_insert_with(|| normal(next, batch));
        }
        let gate = rows(stream.fork(1000), teachers.len())
            .iter()
            .map(|row| crate::softmax(row, 2.0).into_iter().map(|weight| weight as f32).collect())
            .collect();
        let weights = stream.fork(1001);
        let sample_weights = Some((0..batch).map(|row| weights.uniform_at(row as u64) as f32 + 0.05).collect());
        Self { name: name.to_owned(), teachers, student, gate, sample_weights }
    }

    /// Number of texts.
    pub fn batch(&self) -> usize {
        self.gate.len()
    }

    /// The texts `rows` alone.
    #[must_use]
    pub fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        let mut part = self.clone();
        for teacher in &mut part.teachers {
            teacher.logits = teacher.logits[rows.clone()].to_vec();
        }
        for logits in part.student.values_mut() {
            *logits = logits[rows.clone()].to_vec();
        }
        part.gate = part.gate[rows.clone()].to_vec();
        part.sample_weights = part.sample_weights.map(|weights| weights[rows].to_vec());
        part
    }

    /// The same scene with the teachers in reverse order.
    #[must_use]
    pub fn reverse_teachers(&self) -> Self {
        let mut other = self.clone();
        other.teachers.reverse();
        other.gate.iter_mut().for_each(|row| row.reverse());
        other
    }

    /// The same scene with every teacher's classes in another order.
    #[must_use]
    pub fn shuffle_labels(&self, seed: u64) -> Self {
        let mut other = self.clone();
        for (index, teacher) in other.teachers.iter_mut().enumerate() {
            let mut order = Stream::new(seed, "labels").fork(index as u64).permutation(teacher.labels.len());
            if order.is_sorted() {
                order.reverse();
            }
            teacher.labels = order.iter().map(|&class| teacher.labels[class].clone()).collect();
            for row in &mut teacher.logits {
                *row = order.iter().map(|&class| row[class]).collect();
            }
        }
        other
    }

    /// The label join of the scene.
    ///
    /// # Panics
    /// Panics if the class names do not make a join.
    pub fn join(&self) -> LabelJoin {
        let spaces: Vec<(&str, LabelSpace)> =
            self.teachers.iter().map(|t| (t.name.as_str(), LabelSpace::new(t.labels.clone()).unwrap())).collect();
        let teachers: Vec<(&str, &LabelSpace)> = spaces.iter().map(|(name, space)| (*name, space)).collect();
        LabelJoin::build(&teachers, &Aliases::default()).unwrap()
    }

    /// The scene on devices of their own for the student and for all else. The student's logits require a gradient
    /// where their device is an autodiff device.
    pub fn views(&self, student_device: &Device, device: &Device) -> Views {
        let join = self.join();
        let tensors = JoinTensors::new(&join, device);
        let batch = self.batch();
        let mut logits = Vec::with_capacity(batch * join.classes());
        for row in 0..batch {
            logits.extend(join.union().names().iter().map(|name| self.student[name][row]));
        }
        let mut logits = Tensor::<2>::from_data(TensorData::new(logits, [batch, join.classes()]), student_device);
        if student_device.is_autodiff() {
            logits = logits.require_grad();
        }
        let view = |teacher: &SceneTeacher| TeacherView::from_logits(matrix(&teacher.logits, device));
        let weights = self.sample_weights.as_ref().map(|weights| Tensor::<1>::from_floats(weights.as_slice(), device));
        Views {
            join,
            tensors,
            student: StudentView::new(logits),
            teachers: self.teachers.iter().map(view).collect(),
            gate: Gate { weights: matrix(&self.gate, device), sample_weights: weights },
        }
    }

    /// The loss without a gradient: student on the plain device.
    pub(crate) fn value(&self, loss: &dyn Amalgamate) -> f32 {
        let device = Device::flex();
        scalar(self.views(&device, &device).loss(loss).total())
    }

    /// The loss and its gradient: student on the autodiff device, all else on the plain one.
    pub(crate) fn verdict(&self, loss: &dyn Amalgamate) -> Verdict {
        let device = Device::flex();
        let views = self.views(&device.clone().autodiff(), &device);
        let total = views.loss(loss).total();
        let gradients = total.backward();
        let gradient = views.student.logits.grad(&gradients).expect("the student's logits have a gradient");
        let gradient = host_values(gradient).unwrap();
        let names = views.join.union().names();
        let column = |class: usize| (0..self.batch()).map(|row| gradient[row * names.len() + class]).collect();
        let gradient = names.iter().enumerate().map(|(class, name)| (name.clone(), column(class))).collect();
        Verdict { value: scalar(total), gradient }
    }
}

impl Views {
    pub(crate) fn loss(&self, loss: &dyn Amalgamate) -> LossTerms {
        loss.loss(&self.student, &self.teachers, &self.gate, &self.tensors).unwrap()
    }
}

impl Verdict {
    /// All gradient entries, ordered by class name.
    pub(crate) fn flat(&self) -> Vec<f32> {
        self.gradient.values().flatten().copied().collect()
    }
}

/// Rows as a tensor `[rows, width]`.
///
/// # Panics
/// Panics if there are no rows or their widths differ.
pub fn matrix(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
    let width = rows.first().expect("at least one row").len();
    assert!(rows.iter().all(|row| row.len() == width), "rows of one width");
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), width]), device)
}

pub(crate) fn scalar(value: Tensor<1>) -> f32 {
    host_values(value.inner()).unwrap()[0]
}
