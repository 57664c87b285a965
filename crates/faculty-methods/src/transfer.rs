//! The transfer set: what the teachers said about the text that the student learns from.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, LabelJoin, Result, is_pair};
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
    /// Whom each text was written for: a teacher and a class among its kept labels; for methods that ask.
    pub(crate) intended: Option<&'a [Intended]>,
    /// The texts themselves, for methods that let teachers of another vocabulary read them.
    pub(crate) texts: Option<&'a [String]>,
    /// The same texts under all labels, where this set is about some of them.
    pub(crate) whole: Option<&'a TransferSet<'a>>,
}

/// Whom a text was written for: a teacher, by its number in the join, and a class among its kept labels; nobody for text of
/// other origin.
pub type Intended = Option<(usize, usize)>;

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
        Ok(Self { outputs, join, space: None, merged: None, intended: None, texts: None, whole: None })
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

    /// The same set with whom its texts were written for, or without.
    ///
    /// # Errors
    /// Fails if it is not one a text, or a teacher or class does not exist.
    pub fn with_intended(self, intended: impl Into<Option<&'a [Intended]>>) -> Result<Self> {
        let intended = intended.into();
        if let Some(found) = intended {
            let exists = |&(teacher, class): &(usize, usize)| {
                self.join.teachers().get(teacher).is_some_and(|part| class < part.len())
            };
            if found.len() != self.len() || !found.iter().flatten().all(exists) {
                let what = format!("what {} texts were written for, of {}", found.len(), self.len());
                return Err(Error::internal(what).expected("one teacher and class of the join a text, or none"));
            }
        }
        Ok(Self { intended, ..self })
    }

    /// The same set with its texts, or without.
    ///
    /// # Errors
    /// Fails if there are more or fewer of them.
    pub fn with_texts(self, texts: impl Into<Option<&'a [String]>>) -> Result<Self> {
        let texts = texts.into();
        match texts.map(<[String]>::len).filter(|found| *found != self.len()) {
            Some(found) => Err(Error::internal(format!("{found} texts for {} rows of outputs", self.len()))),
            None => Ok(Self { texts, ..self }),
        }
    }

    /// True if there are pairs of texts among those that are at hand.
    pub fn has_pairs(&self) -> bool {
        self.texts.is_some_and(|texts| texts.iter().any(|text| is_pair(text)))
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.outputs.first().map_or(0, TeacherOutputs::len)
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything of some of the texts.
    pub(crate) fn pick(&self, rows: &[usize]) -> Picked<'a> {
        Picked {
            join: self.join,
            outputs: self.outputs.iter().map(|outputs| outputs.select(rows)).collect(),
            space: self.space.map(|space| (select_rows(space.values, space.width, rows), space.width)),
            merged: self.merged.map(|logits| select_rows(logits, self.join.classes(), rows)),
            intended: self.intended.map(|all| rows.iter().map(|&row| all[row]).collect()),
            texts: self.texts.map(|all| rows.iter().map(|&row| all[row].clone()).collect()),
            whole: self.whole.map(|whole| Box::new(whole.pick(rows))),
        }
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

/// Some rows of a matrix of this width, in their order.
pub(crate) fn select_rows(values: &[f32], width: usize, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
}

/// Some texts of a transfer set, with everything that is known of them.
pub(crate) struct Picked<'a> {
    join: &'a LabelJoin,
    outputs: Vec<TeacherOutputs>,
    space: Option<(Vec<f32>, usize)>,
    merged: Option<Vec<f32>>,
    intended: Option<Vec<Intended>>,
    texts: Option<Vec<String>>,
    whole: Option<Box<Picked<'a>>>,
}

impl Picked<'_> {
    /// These texts alone, without what they are under all labels.
    fn own(&self) -> TransferSet<'_> {
        TransferSet {
            outputs: &self.outputs,
            join: self.join,
            space: self.space.as_ref().map(|(values, width)| TextSpace { values, width: *width }),
            merged: self.merged.as_deref(),
            intended: self.intended.as_deref(),
            texts: self.texts.as_deref(),
            whole: None,
        }
    }

    /// Under all labels, where the set is about some.
    pub(crate) fn whole(&self) -> Option<TransferSet<'_>> {
        self.whole.as_ref().map(|whole| whole.own())
    }

    /// The set of these texts; `whole` is [`whole`](Self::whole).
    pub(crate) fn set<'a>(&'a self, whole: Option<&'a TransferSet<'a>>) -> TransferSet<'a> {
        TransferSet { whole, ..self.own() }
    }
}
