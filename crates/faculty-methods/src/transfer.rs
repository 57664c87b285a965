//! The transfer set: what the teachers said about the text that the student learns from.

use burn::tensor::Device;
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
    pub space: Option<TextSpace<'a>>,
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
        Ok(Self { outputs, join, space: None })
    }

    /// The same set with vectors of its texts.
    #[must_use]
    pub fn with_space(self, space: TextSpace<'a>) -> Self {
        Self { space: Some(space), ..self }
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
}
