//! The label join on a device: slices of the union, and distributions padded into it.

use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, LabelJoin, Result};
use faculty_nn::{Gate, StudentView, TeacherView};
use std::ops::Range;

/// Index tensors of a [`LabelJoin`], made once for a device.
///
/// Slicing and padding are gathers, so that they are exact on every device (a product with a 0/1 matrix is not where
/// matrix units round their inputs).
#[derive(Debug, Clone)]
pub struct JoinTensors {
    classes: usize,
    disjoint: bool,
    parts: Vec<Part>,
    /// 1 / number of teachers that know the class, `[1, classes]`.
    owner_share: Tensor<2>,
}

#[derive(Debug, Clone)]
struct Part {
    classes: usize,
    /// The slice as a range of the union, where it is one.
    range: Option<Range<usize>>,
    /// The union class of every kept label, `[classes]`.
    to_union: Tensor<1, Int>,
    /// For every union class the position among the kept labels, or `classes` (a column of zeros) where the teacher
    /// does not know it, `[union classes]`.
    from_union: Tensor<1, Int>,
}

impl JoinTensors {
    /// Puts the join's indices on `device` (without its autodiff association: indices carry no gradient).
    pub fn new(join: &LabelJoin, device: &Device) -> Self {
        let device = device.clone().inner();
        let classes = join.classes();
        let mut owners = vec![0.0f32; classes];
        let parts = join
            .teachers()
            .iter()
            .map(|teacher| {
                let indices = teacher.to_union();
                let mut from_union = vec![indices.len() as i32; classes];
                for (position, &class) in indices.iter().enumerate() {
                    from_union[class] = position as i32;
                    owners[class] += 1.0;
                }
                let first = indices.first().copied().unwrap_or(0);
                let range = first..first + indices.len();
                Part {
                    classes: indices.len(),
                    range: indices.iter().copied().eq(range.clone()).then_some(range),
                    to_union: int(indices.iter().map(|&class| class as i32).collect(), &device),
                    from_union: int(from_union, &device),
                }
            })
            .collect();
        let share: Vec<f32> = owners.into_iter().map(|count| 1.0 / count.max(1.0)).collect();
        let owner_share = Tensor::from_data(TensorData::new(share, [1, classes]), &device);
        Self { classes, disjoint: join.is_disjoint(), parts, owner_share }
    }

    /// Number of classes in the union.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of teachers.
    pub fn teachers(&self) -> usize {
        self.parts.len()
    }

    /// Number of classes of teacher `teacher`.
    ///
    /// # Panics
    /// Panics if there is no such teacher.
    pub fn teacher_classes(&self, teacher: usize) -> usize {
        self.parts[teacher].classes
    }

    /// True if no class is known to two teachers. (Every class of the union is known to one.)
    pub fn is_disjoint(&self) -> bool {
        self.disjoint
    }

    /// The columns of `values: [batch, union classes]` that teacher `teacher` knows, in its own order, `[batch, C_i]`.
    ///
    /// # Panics
    /// Panics if there is no such teacher, or the width is not the union's.
    pub fn slice(&self, values: Tensor<2>, teacher: usize) -> Tensor<2> {
        let part = &self.parts[teacher];
        match &part.range {
            Some(range) if range.len() == self.classes => values,
            Some(range) => values.narrow(1, range.start, range.len()),
            None => values.select(1, part.to_union.clone()),
        }
    }

    /// Values over teacher `teacher`'s classes, `[batch, C_i]`, written into the union, zeros elsewhere,
    /// `[batch, union classes]`.
    ///
    /// # Panics
    /// Panics if there is no such teacher, or the width is not the teacher's.
    pub fn pad(&self, values: Tensor<2>, teacher: usize) -> Tensor<2> {
        let part = &self.parts[teacher];
        let [batch, _] = values.dims();
        let zeros = Tensor::zeros([batch, 1], &values.device());
        Tensor::cat(vec![values, zeros], 1).select(1, part.from_union.clone())
    }

    /// 1 / number of teachers that know each class, `[1, union classes]`.
    pub fn owner_share(&self) -> Tensor<2> {
        self.owner_share.clone()
    }

    /// Checks that the views fit the join and each other; returns the batch size.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check(&self, student: &StudentView, teachers: &[TeacherView]) -> Result<usize> {
        let batch = self.check_teachers(teachers)?;
        expect("student logits", student.logits.dims(), [batch, self.classes])?;
        Ok(batch)
    }

    /// Checks that the student fits the join; returns the batch size.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check_student(&self, student: &StudentView) -> Result<usize> {
        let batch = student.logits.dims()[0];
        expect("student logits", student.logits.dims(), [batch, self.classes])?;
        Ok(batch)
    }

    /// Checks that the teachers' views fit the join and each other; returns the batch size.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check_teachers(&self, teachers: &[TeacherView]) -> Result<usize> {
        if teachers.len() != self.parts.len() || teachers.is_empty() {
            return Err(Error::internal(format!("{} teachers' views", teachers.len()))
                .expected(format!("{}, as in the label join", self.parts.len())));
        }
        let batch = teachers[0].logits.dims()[0];
        for (index, (view, part)) in teachers.iter().zip(&self.parts).enumerate() {
            expect(&format!("logits of teacher {index}"), view.logits.dims(), [batch, part.classes])?;
        }
        Ok(batch)
    }

    /// Checks that a gate fits the join and a batch of `batch` texts.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check_gate(&self, gate: &Gate, batch: usize) -> Result<()> {
        expect("gate weights", gate.weights.dims(), [batch, self.parts.len()])?;
        gate.sample_weights.as_ref().map_or(Ok(()), |weights| expect("sample weights", weights.dims(), [batch]))
    }
}

fn int(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

/// Refuses a tensor of another shape.
pub(crate) fn expect<const D: usize>(what: &str, found: [usize; D], expected: [usize; D]) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::internal(format!("{what} have shape {found:?}")).expected(format!("{expected:?}")))
    }
}
