//! The teachers' weights merged: for rows that are the merged classifier, and for gates that hear the mean of the weights.

use super::scan::recorded_seconds;
use super::teachers::ReadyTeacher;
use super::texts::StudentTexts;
use super::{Prepared, Work};
use crate::schema::{RowSection, SelectionOn};
use faculty_core::{Error, ErrorKind, Event, LabelJoin, Result};
use faculty_hub::ModelDir;
use faculty_methods::{MergeSpec, MethodSpec, TransferSet, check_recorded_base, merge_teachers, recorded_base};
use faculty_model::merge::{Base, MergedClassifier};
use faculty_model::{Classifier, Parts};
use faculty_nn::EncoderConfig;
use faculty_student::{StudentStart, resolve_model};
use faculty_teacher::TeacherOutputs;
use std::borrow::Cow;
use std::time::Instant;

/// What the mean of the teachers' weights says of the texts: logits over the union, row-major.
pub(super) struct MergedAnswers {
    classes: usize,
    /// By list of [`StudentTexts`].
    transfer: Vec<Vec<f32>>,
    pub(super) test: Vec<f32>,
    out_of_scope: Vec<f32>,
    /// By list: why it is not worth hearing there, if it is not.
    objections: Vec<Option<String>>,
}

impl MergedAnswers {
    /// Compares with what the teachers say of each list, so that nothing is decided by texts that a row may not read.
    pub(super) fn judge(&mut self, outputs: &[Vec<TeacherOutputs>], join: &LabelJoin) -> Result<()> {
        let objection = |(outputs, merged): (&Vec<TeacherOutputs>, &Vec<f32>)| match merged.is_empty() {
            true => Ok(None),
            false => {
                let checked = TransferSet::new(outputs, join)?.check_merged(merged);
                Ok(checked.err().map(|error| error.message().to_owned()))
            }
        };
        self.objections = outputs.iter().zip(&self.transfer).map(objection).collect::<Result<_>>()?;
        Ok(())
    }

    /// Why it is not worth hearing on a list of texts, if it is not.
    pub(super) fn objection(&self, list: usize) -> Option<&str> {
        self.objections.get(list)?.as_deref()
    }

    /// Of the given texts of a list; `None` = all.
    pub(super) fn transfer(&self, list: usize, rows: Option<&[usize]>) -> Cow<'_, [f32]> {
        super::rows::vectors(&self.transfer[list], self.classes, rows)
    }

    /// `inside`, cut to so many texts, and the texts out of scope behind it.
    pub(super) fn with_beyond(&self, inside: &[f32], texts: usize) -> Vec<f32> {
        [&inside[..texts * self.classes], &self.out_of_scope].concat()
    }
}

/// The mean of the teachers' weights asked about all texts, in a stage of its own, and the seconds that it took. Teachers that
/// cannot be merged are no error: the inner one says why.
pub(super) fn merged_answers(
    work: &Work<'_>,
    teachers: &[ReadyTeacher],
    texts: &StudentTexts,
    join: &LabelJoin,
) -> Result<std::result::Result<(MergedAnswers, f64), String>> {
    let start = Instant::now();
    let checked = || {
        check_start_is_known(work, teachers)?;
        merge_ready(work, teachers, join, &MergeSpec::Average {}, &[])
    };
    let merged = match checked() {
        Err(error) if error.kind() == ErrorKind::Input => return Ok(Err(error.message().to_owned())),
        merged => merged?,
    };
    let Prepared { data, experiment, .. } = work.prepared;
    let answers_itself = |row: &RowSection| matches!(row.method, MethodSpec::GatedEnsemble(_));
    let reads_test = experiment.scan.selection_on == SelectionOn::Test || experiment.rows.iter().any(answers_itself);
    let none = Vec::new();
    let test = if reads_test { &data.test.texts } else { &none };
    let beyond = data.out_of_scope.as_ref().unwrap_or(&none);
    let lists: Vec<&Vec<String>> = texts.lists().iter().map(|list| &list.texts).collect();
    let all = || lists.iter().copied().chain([test, beyond]);
    let total = all().map(|texts| texts.len() as u64).sum();
    work.observer.on(Event::Start { stage: "scan all texts: the mean of the teachers", total, unit: "texts" });
    let ask = |texts: &Vec<String>| -> Result<Vec<f32>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        merged.logits(&merged.tokenize(texts, experiment.scan.max_length)?, work.observer)
    };
    let answers = MergedAnswers {
        classes: join.classes(),
        transfer: lists.iter().map(|texts| ask(texts)).collect::<Result<_>>()?,
        test: ask(test)?,
        out_of_scope: ask(beyond)?,
        objections: Vec::new(),
    };
    work.observer.on(Event::End { summary: "" });
    let mut key = b"merged".to_vec();
    key.extend(teachers.iter().flat_map(|teacher| teacher.record.sha256.bytes()));
    let seconds = recorded_seconds(&work.dir.scan_path(), key, all().flatten(), start.elapsed().as_secs_f64(), true)?;
    Ok(Ok((answers, seconds)))
}

/// Fails at the first teacher that may not come from `[teacher] init`: one with a start of its own, or one that was loaded and
/// brings no record of it (a record of another start is what [`merge_ready`] refuses). The mean of encoders of several starts
/// is no encoder, though the shapes fit, and a gate that hears it by itself must not guess; a row that merges is asked for by
/// name.
fn check_start_is_known(work: &Work<'_>, teachers: &[ReadyTeacher]) -> Result<()> {
    for (ready, teacher) in teachers.iter().zip(&work.prepared.data.teachers) {
        let known = match teacher.model {
            Some(_) => recorded_base(&ready.dir)?.is_some(),
            None => teacher.own.init.is_none() && teacher.own.fresh.is_none(),
        };
        if !known {
            let name = &ready.name;
            let text = format!("nothing says that teacher {name} was fine-tuned from the others' start");
            return Err(Error::input(text));
        }
    }
    Ok(())
}

/// Merges the teachers by `spec`; `texts` are read by rules that read texts.
///
/// # Errors
/// Fails if the teachers do not fit each other or the base: the first difference is named.
pub(super) fn merge_ready(
    work: &Work<'_>,
    teachers: &[ReadyTeacher],
    join: &LabelJoin,
    spec: &MergeSpec,
    texts: &[String],
) -> Result<MergedClassifier> {
    let base = base(work)?;
    let mut opened = Vec::with_capacity(teachers.len());
    for ReadyTeacher { name, dir, .. } in teachers {
        check_recorded_base(name, dir, &base)?;
        opened.push((name.as_str(), Classifier::open(dir, work.device)?));
    }
    let opened: Vec<(&str, &Classifier)> = opened.iter().map(|(name, teacher)| (*name, teacher)).collect();
    let max_length = work.prepared.experiment.scan.max_length;
    let (merged, report) = merge_teachers(spec, &base, &opened, join, texts, max_length, work.observer)?;
    for text in report.warnings(opened.iter().map(|(name, _)| *name)) {
        work.observer.on(Event::Warning { text: &text });
    }
    Ok(merged)
}

/// What the teachers were fine-tuned from: `[teacher] init`, cut as they are.
fn base(work: &Work<'_>) -> Result<Base> {
    let section = &work.prepared.experiment.teacher;
    let StudentStart::Pretrained(init) = &section.init else {
        return Err(Error::internal("a teacher's start was not checked"));
    };
    let dir = resolve_model(init, work.observer)?;
    let model = ModelDir::open(&dir)?;
    let config = EncoderConfig::from_hf(&model.config).map_err(|error| error.file(model.config_path()))?;
    let layers = section.spec().kept_layers(config.layers)?;
    Base::open(&dir, &Parts { layers: Some(layers) }, work.device)
}
