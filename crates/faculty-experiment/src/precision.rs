//! In which arithmetic an experiment computes. f32 is the default; anything else is settled before the work begins,
//! determines every cell, and is named in the table.

use crate::schema::ExperimentFile;
use faculty_core::{Event, Observer};
use faculty_nn::{DeviceName, Precision, PrecisionChoice};
use serde::{Deserialize, Serialize};

/// What ran: `auto` is no value here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precisions {
    /// Of the frozen teachers, when they look at texts (`scan.precision`).
    pub scan: Precision,
    /// Of their fine-tuning (`teacher.train.precision`).
    pub teacher_training: Precision,
    /// Of the students' training (`student.train.precision`). They are measured in f32.
    pub student_training: Precision,
}

impl Precisions {
    /// The precisions of an experiment on this machine.
    pub(crate) fn of(experiment: &ExperimentFile) -> Self {
        Self {
            scan: experiment.scan.precision.resolve(),
            teacher_training: experiment.teacher.train.precision.resolve(),
            student_training: experiment.student.train.precision.resolve(),
        }
    }

    /// What the table says of them: nothing for f32.
    pub(crate) fn notes(self) -> Vec<String> {
        [
            (self.scan, "every answer of a teacher, in the rows without training too, is computed"),
            (self.teacher_training, "teachers are fine-tuned"),
            (self.student_training, "students are trained (and measured in f32)"),
        ]
        .into_iter()
        .filter(|(precision, _)| *precision != Precision::F32)
        .map(|(precision, what)| format!("precision {precision}: {what} with {precision} matrix products"))
        .collect()
    }
}

/// Puts what takes effect on `device` of this machine in place of what the file asks for, so that configuration, cells
/// and manifest say what ran. Warns where an explicit bf16 is of no use.
pub(crate) fn settle(experiment: &mut ExperimentFile, device: DeviceName, observer: &dyn Observer) {
    let keys: [(&str, &mut PrecisionChoice); 3] = [
        ("scan.precision", &mut experiment.scan.precision),
        ("teacher.train.precision", &mut experiment.teacher.train.precision),
        ("student.train.precision", &mut experiment.student.train.precision),
    ];
    for (key, choice) in keys {
        let (precision, warning) = choice.on(device);
        if let Some(warning) = warning {
            observer.on(Event::Warning { text: &format!("{key} = \"{choice}\": {warning}") });
        }
        *choice = precision.into();
    }
}
