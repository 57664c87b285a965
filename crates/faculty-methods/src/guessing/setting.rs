//! What a step of stage 1 asks: how all models number the guesses that are left, and whose each is.

use super::guesser::EmbeddingGuesser;
use super::guesses::Draft;
use super::moments::of_guesses;
use super::rebuild::masked;
use super::side::{Place, Side};
use burn::tensor::Tensor;
use faculty_core::Result;

/// What is asked of a step: how all models number the guesses, and whose each is.
pub(super) struct Setting {
    pub(super) lengths: Vec<usize>,
    pub(super) student: Place,
    pub(super) teachers: Vec<TeacherPart>,
    pub(super) mean: Tensor<3>,
    pub(super) deviation: Tensor<3>,
    pub(super) masked: Option<Tensor<3>>,
}

/// The guesses that a teacher reads.
pub(super) struct TeacherPart {
    /// Among the active ones.
    pub(super) rows: Vec<usize>,
    pub(super) place: Place,
    /// Of `rows`, those made for it, and their classes.
    pub(super) own: Vec<usize>,
    pub(super) classes: Vec<usize>,
    /// Of `rows`, those made for others.
    pub(super) foreign: Vec<usize>,
}
impl EmbeddingGuesser {
    pub(super) fn setting(&self, drafts: &[Draft], rows: &[usize], width: usize, rebuilds: bool) -> Result<Setting> {
        let drafts: Vec<&Draft> = rows.iter().map(|&row| &drafts[row]).collect();
        let lengths: Vec<usize> = drafts.iter().map(|draft| draft.length).collect();
        let student = self.student_place(&lengths, width)?;
        let part = |(index, side): (usize, &Side)| -> Result<Option<TeacherPart>> {
            let is_own = |at: &usize| drafts[*at].teacher == index;
            let rows: Vec<usize> = (0..drafts.len()).filter(|at| self.spec.others > 0.0 || is_own(at)).collect();
            if rows.is_empty() {
                return Ok(None);
            }
            let (own, foreign): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&at| is_own(&rows[at]));
            let lengths: Vec<usize> = rows.iter().map(|&at| lengths[at]).collect();
            let place = side.place(&self.frame, &lengths, width)?;
            let classes = own.iter().map(|&at| drafts[rows[at]].class).collect();
            Ok(Some(TeacherPart { rows, place, own, classes, foreign }))
        };
        let teachers = self.sides.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?;
        // A teacher without a guess has an empty part, so that parts are found by number.
        let teachers = teachers.into_iter().map(|part| {
            part.unwrap_or_else(|| TeacherPart {
                rows: Vec::new(),
                place: student.clone(),
                own: Vec::new(),
                classes: Vec::new(),
                foreign: Vec::new(),
            })
        });
        let moments: Vec<_> = drafts.iter().map(|draft| &self.sides[draft.teacher].moments).collect();
        let (mean, deviation) = of_guesses(&moments, &student.free);
        let masked = rebuilds.then(|| {
            let streams: Vec<_> = drafts.iter().map(|draft| self.stream.fork(6).fork(draft.number)).collect();
            masked(&self.frame, (&lengths, width), &streams, self.spec.masked, &self.student.model.device)
        });
        Ok(Setting { teachers: teachers.collect(), lengths, student, mean, deviation, masked })
    }
}

impl Setting {
    /// Texts that teachers read in a step, once for each teacher.
    pub(super) fn asked(&self) -> u64 {
        debug_assert!(self.lengths.len() >= self.teachers.iter().map(|part| part.rows.len()).max().unwrap_or(0));
        self.teachers.iter().map(|part| part.rows.len() as u64).sum()
    }
}
