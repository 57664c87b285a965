//! The training of a cell: its student, from its start to its card.

use super::texts::TextSet;
use super::{Outcome, Runner, Trained};
use crate::access::access_words;
use crate::plan;
use crate::precision::Precisions;
use crate::raw::{CellRecord, TeacherPasses};
use crate::run::curve::CurveTexts;
use crate::run::merging::merge_ready;
use crate::run::rows;
use crate::run::scan::Answers;
use crate::schema::RowSection;
use faculty_core::{Error, ErrorKind, Event, Result, Stream};
use faculty_methods::{
    AmalgamateRun, BACKWARD_PASSES, FORWARD_PASSES, GateTable, MergeSpec, MethodSpec, TransferSet, amalgamate,
    fine_tune, oracle_gate,
};
use faculty_model::Classifier;
use faculty_student::{
    Checkpoints, Glance, ModelCard, Probe, StudentOrigin, StudentSpec, StudentStart, TeacherEntry, TrainReport,
    TrainRun, build_student,
};
use faculty_uncertainty::TextSpace;
use std::cell::Cell;

impl Runner<'_> {
    pub(super) fn train(
        &mut self,
        cell: &plan::Cell,
        row: &RowSection,
        answers: &Answers,
        seed: u64,
    ) -> Result<Outcome> {
        let prepared = self.work.prepared;
        let section = &prepared.experiment.student;
        let data = &prepared.data;
        let start = row.start.as_ref().unwrap_or(&section.init);
        let (mut student, origin) = match self.start_student(start, seed) {
            // Teachers that have no mean are a result of the row.
            Err(error) if row.start.is_some() && error.kind() == ErrorKind::Input => return Ok(Err(error.to_string())),
            started => started?,
        };
        self.texts.check_access(cell)?;
        self.read_texts(&student)?;
        let labelled = row.method.reads_labels();
        let recipe = row.method.recipe();
        let looks_around = !labelled && recipe.as_ref().is_some_and(|recipe| recipe.needs_space());
        let seen = looks_around.then(|| self.seen(TextSet::Transfer(cell.text), Some(seed))).transpose()?;
        let tokens = self.tokens()?;
        let curve = CurveTexts::new(&self.curve_rows, &tokens.test, &data.test);
        let look = |glance: &Glance<'_>| curve.look(glance);
        let probe = Probe::new(prepared.experiment.table.curve.points, &look);
        let chosen = self.texts.rows(cell, data, labelled);
        let tokens = rows::tokens(&tokens.transfer[cell.text], chosen.as_deref());
        let training = row.training(&section.train);
        let texts = match recipe.as_ref().and_then(|recipe| recipe.renew) {
            Some(renewal) => {
                renewal.texts(tokens.len(), self.join.teachers().iter().map(|teacher| teacher.len()).sum())
            }
            None => tokens.len(),
        };
        let total = (training.epochs * texts) as u64;
        self.work.observer.on(Event::Start { stage: &cell.title(), total, unit: "texts" });
        let checkpoints = self.checkpoints(cell);
        let run = TrainRun::new(seed, self.work.observer).with_checkpoints(&checkpoints).with_probe(probe);
        let labels = labelled.then(|| self.texts.labels_for(cell, chosen.as_deref())).transpose()?;
        let gate = Cell::default();
        let told = |table: &GateTable| gate.set(Some(table.clone()));
        let asks_in_training = recipe.as_ref().is_some_and(|recipe| recipe.needs_teachers());
        let trained = match (&row.method, &labels) {
            (MethodSpec::Supervised {}, Some(labels)) => fine_tune(&mut student, &tokens, labels, &training, run),
            (_, labels) => {
                let outputs = rows::outputs(&answers.transfer[cell.text], chosen.as_deref());
                let heard = recipe.as_ref().and_then(|recipe| self.scan.heard(recipe, cell.text));
                let heard = heard.map(|merged| merged.transfer(cell.text, chosen.as_deref()));
                let around = seen.as_ref().map(|seen| (seen.rows(chosen.as_deref()), seen.width));
                let space = around.as_ref().map(|(values, width)| TextSpace { values, width: *width });
                let (texts, intended) = self.texts.given(cell, chosen.as_deref());
                let set = TransferSet::new(&outputs, self.join)?.with_space(space).with_merged(heard.as_deref())?;
                let set = set.with_texts(&*texts)?.with_intended(intended.as_deref())?;
                let given = labels.as_ref().map(|labels| oracle_gate(self.join, labels)).transpose()?;
                let mut opened = self.open_teachers(if asks_in_training { self.teachers.len() } else { 0 })?;
                opened.iter_mut().for_each(|teacher| teacher.set_precision(Precisions::of(&prepared.experiment).scan));
                let opened: Vec<&Classifier> = opened.iter().collect();
                let owners = self.scan.owners.statistics();
                let run = AmalgamateRun::new(run).with_curriculum(&row.curriculum).with_owners(owners);
                let run = AmalgamateRun { gate: given.as_ref(), told: Some(&told), ..run.with_teachers(&opened) };
                amalgamate(&row.method, &mut student, &tokens, set, &training, run)
            }
        };
        match trained {
            Ok(mut report) => {
                report.seconds += seen.map_or(0.0, |seen| seen.seconds_of(tokens.len()));
                let summary = format!("{} updates in {:.1} s", report.steps, report.seconds);
                self.work.observer.on(Event::End { summary: &summary });
                Ok(Ok(Trained { student, report, start: origin.description, gate: gate.take() }))
            }
            // A loss that stops being finite is a result of the row, and stays in the table; so is that its teachers cannot
            // read what the student reads. (Settings were checked before.)
            Err(error)
                if error.kind() == ErrorKind::Check || (asks_in_training && error.kind() == ErrorKind::Input) =>
            {
                self.work.observer.on(Event::End { summary: "failed" });
                self.work.observer.on(Event::Warning { text: &format!("{}: {error}", cell.title()) });
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Where the training of a cell is written down. Its hash determines everything but the teachers' outputs, so that
    /// these are in the key.
    pub(super) fn checkpoints(&self, cell: &plan::Cell) -> Checkpoints {
        let teachers: Vec<&str> = self.teachers.iter().map(|teacher| teacher.record.sha256.as_str()).collect();
        let key = format!("{} {}", cell.hash, teachers.join(" "));
        Checkpoints::new(self.work.dir.checkpoint_path(cell), key, self.work.checkpoints)
    }

    /// The student of a seed before its training, from `[student]` or from the start of its row.
    pub(super) fn start_student(&mut self, start: &StudentStart, seed: u64) -> Result<(Classifier, StudentOrigin)> {
        let section = &self.work.prepared.experiment.student;
        let (student, origin) = match start {
            StudentStart::Merged => {
                let merged = merge_ready(self.work, self.teachers, self.join, &MergeSpec::Average {}, &[])?;
                (merged.into_classifier()?, StudentOrigin::merged())
            }
            _ => self.build_student(start, seed)?,
        };
        // What rows that start elsewhere start from is said of these rows.
        if *start == section.init {
            self.origin = Some(origin.clone());
        }
        Ok((student, origin))
    }

    fn build_student(&self, start: &StudentStart, seed: u64) -> Result<(Classifier, StudentOrigin)> {
        let section = &self.work.prepared.experiment.student;
        // Teachers are opened only where the student takes something from them.
        let wanted = match start {
            StudentStart::Pretrained(_) | StudentStart::Merged => 0,
            StudentStart::Fresh { .. } => 1,
            StudentStart::Teacher(_) => self.teachers.len(),
        };
        let opened = self.open_teachers(wanted)?;
        let opened: Vec<&Classifier> = opened.iter().collect();
        // Layers are chosen of what [student] starts from.
        let layers = section.layers.filter(|_| *start == section.init);
        let spec = StudentSpec { init: start.clone(), layers };
        let stream = Stream::new(seed, "student");
        build_student(&spec, self.join.union(), &opened, stream, self.work.device, self.work.observer)
    }

    /// The first so many teachers.
    fn open_teachers(&self, count: usize) -> Result<Vec<Classifier>> {
        self.teachers.iter().take(count).map(|teacher| Classifier::open(&teacher.dir, self.work.device)).collect()
    }

    pub(super) fn card(
        &self,
        cell: &plan::Cell,
        row: &RowSection,
        (seed, start): (u64, &str),
        student: &Classifier,
        record: &CellRecord,
    ) -> Result<ModelCard> {
        let prepared = self.work.prepared;
        let percent = |value: f64| format!("{:.1} %", 100.0 * value);
        let split = match prepared.experiment.data.evaluate_on {
            crate::schema::EvaluateOn::Test => "test",
            crate::schema::EvaluateOn::Dev => "development",
        };
        let mut results = Vec::new();
        if let Some(metrics) = &record.metrics {
            let data = &prepared.data.name;
            results.push((format!("accuracy, {} {split} texts of {data}", metrics.texts), percent(metrics.accuracy)));
            results.push(("macro-F1".to_owned(), percent(metrics.macro_f1)));
            results.push(("expected calibration error".to_owned(), format!("{:.4}", metrics.ece)));
        }
        Ok(ModelCard {
            title: format!("{}: {}", prepared.plan.title, row.name),
            method: row.method.describe(),
            start: start.to_owned(),
            parameters: student.parameters(),
            labels: student.labels.names().to_vec(),
            teachers: self
                .teachers
                .iter()
                .map(|teacher| TeacherEntry {
                    name: teacher.name.clone(),
                    source: teacher.source.clone(),
                    hash: teacher.record.sha256.clone(),
                    labels: teacher.labels.len(),
                })
                .collect(),
            data_access: match row.method.recipe().is_some_and(|recipe| self.scan.heard(&recipe, cell.text).is_some()) {
                true => format!("{}; the mean of the teachers' weights", access_words(cell.access)),
                false => access_words(cell.access).to_owned(),
            },
            texts: record.texts_seen / row.training(&prepared.experiment.student.train).epochs.max(1),
            seeds: vec![seed],
            configuration: toml::to_string(&crate::rundir::Resolved {
                experiment: prepared.experiment.clone(),
                run: prepared.run.clone(),
            })
            .map_err(|error| Error::internal("the configuration cannot be written").source(error))?,
            results,
        })
    }
}

/// What was asked of teachers in a training, if anything was.
pub(super) fn teacher_passes(report: &TrainReport) -> Option<TeacherPasses> {
    let count = |wanted: &str| report.counts.iter().find(|(name, _)| name == wanted).map(|(_, count)| *count);
    Some(TeacherPasses { forward: count(FORWARD_PASSES)?, backward: count(BACKWARD_PASSES)? })
}
