//! The transfer set: what the teachers said about the text that the student learns from.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, LabelJoin, Result};
use faculty_nn::TeacherView;
use faculty_teacher::TeacherOutputs;
use faculty_uncertainty::TextSpace;

/// Teacher outputs over one text set, with the label join that gives them meaning.
#[derive(Debug, Clone, Copy)]
pub struct TransferSet<'a> {
    /// One entry a teacher, in the order of the join, over its kept labels.
    pub outputs: &'a [TeacherOutputs],
    /// The join.
    pub join: &'a LabelJoin,
    /// Vectors of the texts, for gates that look at neighbours; [`amalgamate`](crate::amalgamate) asks the student's
    /// encoder where there are none.
    pub(crate) space: Option<TextSpace<'a>>,
    /// Logits over the union, `[texts, classes]` row-major, of the mean of the teachers' weights
    /// ([`MergeSpec::Average`](crate::MergeSpec)), for gates that hear it; such a gate goes without where there are none.
    pub(crate) merged: Option<&'a [f32]>,
}

impl<'a> TransferSet<'a> {
    /// # Errors
    /// Fails if the outputs do not belong to the join, or differ in length.
    pub fn new(outputs: &'a [TeacherOutputs], join: &'a LabelJoin) -> Result<Self> {
        if outputs.len() != join.teachers().len() {
            return Err(Error::internal(format!(
                "{} teacher outputs for a join of {}",
                outputs.len(),
                join.teachers().len()
            )));
        }
        for (output, part) in outputs.iter().zip(join.teachers()) {
            if output.classes != part.len() || output.len() != outputs[0].len() {
                return Err(Error::internal(format!(
                    "teacher `{}`: {} texts x {} classes, expected {} x {}",
                    part.name(),
                    output.len(),
                    output.classes,
                    outputs[0].len(),
                    part.len()
                )));
            }
        }
        Ok(Self { outputs, join, space: None, merged: None })
    }

    /// The same set with vectors of its texts, or without.
    #[must_use]
    pub fn with_space(self, space: impl Into<Option<TextSpace<'a>>>) -> Self {
        Self { space: space.into(), ..self }
    }

    /// The same set with what the mean of the teachers' weights says of its texts, or without.
    ///
    /// # Errors
    /// Fails if the logits are not one a text and class of the union.
    pub fn with_merged(self, logits: impl Into<Option<&'a [f32]>>) -> Result<Self> {
        let (merged, expected) = (logits.into(), self.len() * self.join.classes());
        match merged.map(<[f32]>::len).filter(|found| *found != expected) {
            Some(found) => Err(Error::internal(format!("{found} merged logits instead of {expected}"))),
            None => Ok(Self { merged, ..self }),
        }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.outputs.first().map_or(0, TeacherOutputs::len)
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The teachers' views of the given texts.
    pub fn views(&self, rows: &[usize], device: &Device) -> Vec<TeacherView> {
        self.outputs.iter().map(|outputs| outputs.view(rows, device)).collect()
    }

    /// The teachers' views of all texts.
    pub fn whole_views(&self, device: &Device) -> Vec<TeacherView> {
        self.outputs.iter().map(|outputs| outputs.whole_view(device)).collect()
    }

    /// The views of the mean of the teachers' weights, each teacher's labels for themselves.
    pub(crate) fn merged_views(&self, device: &Device) -> Option<Vec<TeacherView>> {
        let (logits, classes) = (self.merged?, self.join.classes());
        let view = |to_union: &[usize]| {
            let cut: Vec<f32> =
                logits.chunks_exact(classes).flat_map(|row| to_union.iter().map(|&class| row[class])).collect();
            TeacherView::from_logits(Tensor::from_data(TensorData::new(cut, [self.len(), to_union.len()]), device))
        };
        Some(self.join.teachers().iter().map(|teacher| view(teacher.to_union())).collect())
    }
}
