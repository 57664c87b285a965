//! One row at one seed: train if it trains, measure, write the cell.

mod ensembles;
mod merged;
mod texts;

use self::texts::StudentTokens;
use super::curve::CurveTexts;
use super::out_of_scope::{Answer, of_answers, of_gate, together};
use super::scan::{Answers, Scan};
use super::teachers::ReadyTeacher;
use super::{Work, rows};
use crate::access::{GuardedTexts, access_words};
use crate::data::TestSet;
use crate::logs::training_lines;
use crate::machine::peak_memory;
use crate::manifest::ModelRecord;
use crate::plan::Cell;
use crate::precision::Precisions;
use crate::raw::{CellDetails, CellRecord, CellStatus, Seconds, SetAccuracy, TeacherPasses, exact};
use crate::schema::{RowSection, SelectionOn};
use faculty_core::metrics::{Predictions, teacher_selection};
use faculty_core::{Error, ErrorKind, Event, LabelJoin, Result, Stream};
use faculty_hub::ModelDir;
use faculty_methods::{
    AmalgamateRun, BACKWARD_PASSES, DataAccess, FORWARD_PASSES, MethodSpec, Recipe, TransferSet, amalgamate, fine_tune,
    gate_table, gated_scores, oracle_gate,
};
use faculty_model::Classifier;
use faculty_student::{
    Checkpoints, Glance, ModelCard, Probe, StudentOrigin, StudentStart, TeacherEntry, TrainReport, TrainRun,
    build_student, resolve_model,
};
use faculty_uncertainty::TextSpace;
use std::borrow::Cow;
use std::time::Instant;

/// Runs cells one by one; what they share is kept between them.
pub(super) struct Runner<'a> {
    work: &'a Work<'a>,
    teachers: &'a [ReadyTeacher],
    join: &'a LabelJoin,
    scan: &'a Scan,
    tokens: Option<StudentTokens>,
    origin: Option<StudentOrigin>,
    /// The measuring texts that curves are measured on; none where no curve is drawn.
    curve_rows: Vec<usize>,
}

/// A trained student, or why there is none.
type Outcome = std::result::Result<(Classifier, TrainReport), String>;

impl<'a> Runner<'a> {
    pub(super) fn new(work: &'a Work<'a>, teachers: &'a [ReadyTeacher], join: &'a LabelJoin, scan: &'a Scan) -> Self {
        let curve_rows = work.prepared.experiment.table.curve.rows(work.prepared.data.test.len());
        Self { work, teachers, join, scan, tokens: None, origin: None, curve_rows }
    }

    /// What students started from, in words.
    pub(super) fn start_description(&self) -> String {
        let init = || self.work.prepared.experiment.student.init.to_string();
        self.origin.as_ref().map_or_else(init, |origin| origin.description.clone())
    }

    pub(super) fn starts_from_teacher(&self) -> bool {
        matches!(self.work.prepared.experiment.student.init, StudentStart::Teacher(_))
    }

    /// The checkpoint students started from, for the manifest.
    pub(super) fn start_model(&self) -> Option<ModelRecord> {
        let StudentStart::Pretrained(reference) = &self.work.prepared.experiment.student.init else { return None };
        let dir = resolve_model(reference, self.work.observer).ok()?;
        let sha256 = ModelDir::open(dir).ok()?.model_hash().ok()?;
        Some(ModelRecord { role: "student init".to_owned(), reference: reference.clone(), sha256 })
    }

    /// Runs a cell and commits its directory.
    pub(super) fn run(&mut self, cell: &Cell) -> Result<CellRecord> {
        let row = &self.work.prepared.experiment.rows[cell.row];
        let answers = self
            .scan
            .for_method(&self.work.prepared.experiment, &row.method)
            .ok_or_else(|| Error::internal(format!("row `{}` was not scanned for", row.name)))?;
        let mut staged = self.work.dir.stage(cell)?;
        let mut record = empty_record(cell);
        match cell.seed {
            None => match &row.method {
                MethodSpec::Merge(spec) => self.measure_merged(cell, spec, &mut record)?,
                _ => self.measure_ensemble(row, answers, &mut record)?,
            },
            Some(seed) => match self.train(cell, row, answers, seed)? {
                Err(reason) => {
                    record.status = CellStatus::Failed;
                    record.reason = Some(reason);
                }
                Ok((student, report)) => {
                    record.steps = report.steps;
                    record.texts_seen = report.texts;
                    record.seconds.train = report.seconds;
                    self.measure_student(cell, &student, &mut record)?;
                    record.details.keep_losses(&report.curve);
                    record.details.keep_curve(&report.probes, self.curve_rows.len());
                    record.details.teacher_passes = teacher_passes(&report);
                    let settings = &self.work.prepared.experiment.student.train;
                    let rate_at = |update| settings.rate_at(update, report.steps);
                    let logged = training_lines(&report.curve, rate_at, &record);
                    let logged: String = logged.iter().map(|line| line.to_json() + "\n").collect();
                    staged.write("metrics.jsonl", &logged)?;
                    if !report.epochs.is_empty() {
                        staged.write("epochs.jsonl", &lines(&report.epochs)?)?;
                    }
                    if cell.keeps_student {
                        let card = self.card(row, seed, &student, &record)?.to_markdown()?;
                        staged.write_student(|dir| {
                            student.write_into(dir)?;
                            let path = dir.join("README.md");
                            std::fs::write(&path, &card).map_err(|error| Error::io("write", &path, error))
                        })?;
                    }
                }
            },
        }
        self.score_gate(row, answers, &mut record)?;
        record.details.merged = self.scan.merged_words(&row.method);
        record.peak_memory_bytes = peak_memory();
        let record = exact(&record)?;
        staged.commit(&record)?;
        self.checkpoints(cell).remove()?;
        Ok(record)
    }

    fn measure_student(&self, cell: &Cell, student: &Classifier, record: &mut CellRecord) -> Result<()> {
        let data = &self.work.prepared.data;
        let StudentTokens { transfer, test, out_of_scope } = self.tokens()?;
        let stage = format!("{}: measure", cell.title());
        self.work.observer.on(Event::Start { stage: &stage, total: test.len() as u64, unit: "texts" });
        let start = Instant::now();
        let logits = student.logits(test, self.work.observer)?;
        let predictions = Predictions::from_logits(&logits, self.join.classes(), &data.test.labels)?;
        record.seconds.evaluate = start.elapsed().as_secs_f64();
        self.store(&predictions, record);
        self.work.observer.on(Event::End { summary: &format!("accuracy {:.1} %", 100.0 * predictions.accuracy()) });
        if let Some(texts) = out_of_scope {
            let beyond = student.logits(texts, self.work.observer)?;
            self.store_out_of_scope(Answer::Logits(&logits), Answer::Logits(&beyond), record)?;
        }
        record.parameters = student.parameters();
        record.truncated = transfer.truncated + test.truncated;
        Ok(())
    }

    fn store(&self, predictions: &Predictions, record: &mut CellRecord) {
        let slices: Vec<&[usize]> = self.join.teachers().iter().map(|teacher| teacher.to_union()).collect();
        record.metrics = Some(predictions.classification());
        record.slices = predictions.slices(&slices);
        record.test_sets = by_set(predictions, &self.work.prepared.data.test_sets);
        record.details.keep_predictions(predictions);
        if record.seed.is_none() {
            record.details.keep_level(predictions, &self.curve_rows);
        }
    }

    fn store_out_of_scope(&self, inside: Answer<'_>, outside: Answer<'_>, record: &mut CellRecord) -> Result<()> {
        record.details.out_of_scope = Some(of_answers(inside, outside, self.join.classes())?);
        Ok(())
    }

    /// Analysis with labels, which no student ever sees: whom does the gate pick, and how good is its target?
    fn score_gate(&mut self, row: &RowSection, answers: &Answers, record: &mut CellRecord) -> Result<()> {
        let Some(recipe) = row.method.recipe().filter(|recipe| recipe.gate().is_some()) else { return Ok(()) };
        let prepared = self.work.prepared;
        let data = &prepared.data;
        let (outputs, labels) = match prepared.experiment.scan.selection_on {
            SelectionOn::Test => (Cow::Borrowed(answers.test.as_slice()), Cow::Borrowed(data.test.labels.as_slice())),
            SelectionOn::Transfer => {
                let chosen = data.training_rows(record.seed, row.access() == DataAccess::Labelled);
                let labels = rows::labels(&data.transfer.labels, chosen.as_deref());
                (rows::outputs(&answers.transfer, chosen.as_deref()), labels)
            }
        };
        let reads_labels = matches!(row.method, MethodSpec::Oracle { .. });
        let space = if recipe.needs_space() && !reads_labels { Some(self.space(record.seed)?) } else { None };
        let mut set = TransferSet::new(&outputs, self.join)?;
        set.space = space.as_ref().map(|space| TextSpace { values: &space.values, width: space.width });
        let merged = self.merged_of_measured(&recipe, record.seed);
        set.merged = merged.as_deref();
        let gate = match reads_labels {
            true => oracle_gate(self.join, &labels)?,
            false => gate_table(&recipe, &set, self.scan.owners.statistics(), self.work.device)?,
        };
        let knows: Vec<&[usize]> = self.join.teachers().iter().map(|teacher| teacher.to_union()).collect();
        // Rows without a label (noise) stand behind the others.
        let weights = &gate.weights[..labels.len() * gate.teachers];
        record.selection = Some(teacher_selection(weights, &labels, &knows)?);
        record.details.keep_gate(&gate, &labels, &knows)?;
        if prepared.experiment.scan.selection_on == SelectionOn::Test {
            let target = gated_scores(&gate, &set, 1.0, self.work.device)?;
            record.target_accuracy = target_accuracy(&target, self.join.classes(), &labels)?;
        }
        if let Some(found) = &mut record.details.out_of_scope {
            let labelled: Vec<usize> = (0..labels.len()).collect();
            let inside: Vec<_> = outputs.iter().map(|outputs| outputs.select(&labelled)).collect();
            let owners = self.scan.owners.statistics();
            let seen = space.map(|space| space.together(labels.len()));
            let outputs = together(&inside, &answers.out_of_scope)?;
            let mut set = TransferSet::new(&outputs, self.join)?;
            set.space = seen.as_ref().map(|(values, width)| TextSpace { values, width: *width });
            let heard = self.scan.heard(&recipe).zip(merged.as_deref());
            let heard = heard.map(|(all, inside)| all.with_beyond(inside, labels.len()));
            set.merged = heard.as_deref();
            found.gate = of_gate(&recipe, &set, labels.len(), owners, self.work.device)?;
        }
        Ok(())
    }

    /// What the mean of the teachers says of the texts that a gate is scored on, if the gate hears it.
    fn merged_of_measured(&self, recipe: &Recipe, seed: Option<u64>) -> Option<Cow<'a, [f32]>> {
        let prepared = self.work.prepared;
        let merged = self.scan.heard(recipe)?;
        Some(match prepared.experiment.scan.selection_on {
            SelectionOn::Test => Cow::Borrowed(merged.test.as_slice()),
            SelectionOn::Transfer => merged.transfer(prepared.data.training_rows(seed, false).as_deref()),
        })
    }

    fn train(&mut self, cell: &Cell, row: &RowSection, answers: &Answers, seed: u64) -> Result<Outcome> {
        let prepared = self.work.prepared;
        let section = &prepared.experiment.student;
        let data = &prepared.data;
        let guarded = GuardedTexts::new(&row.name, cell.access, &data.transfer.texts, &data.transfer.labels);
        let mut student = self.start_student(seed)?;
        guarded.texts()?;
        self.read_texts(&student)?;
        let tokens = self.tokens()?;
        let curve = CurveTexts::new(&self.curve_rows, &tokens.test, &data.test);
        let look = |glance: &Glance<'_>| curve.look(glance);
        let probe = Probe::new(prepared.experiment.table.curve.points, &look);
        let tokens = &tokens.transfer;
        let labelled = row.access() == DataAccess::Labelled;
        let chosen = data.training_rows(Some(seed), labelled);
        let tokens = rows::tokens(tokens, chosen.as_deref());
        let total = (section.train.epochs * tokens.len()) as u64;
        self.work.observer.on(Event::Start { stage: &cell.title(), total, unit: "texts" });
        let checkpoints = self.checkpoints(cell);
        let run = TrainRun::new(seed, self.work.observer).with_checkpoints(&checkpoints).with_probe(probe);
        let labels = labelled.then(|| guarded.labels()).transpose()?.map(|all| rows::labels(all, chosen.as_deref()));
        let asks_in_training = row.method.recipe().is_some_and(|recipe| recipe.backward.is_some());
        let trained = match (&row.method, &labels) {
            (MethodSpec::Supervised {}, Some(labels)) => fine_tune(&mut student, &tokens, labels, &section.train, run),
            (_, labels) => {
                let outputs = rows::outputs(&answers.transfer, chosen.as_deref());
                let heard = row.method.recipe().and_then(|recipe| self.scan.heard(&recipe));
                let heard = heard.map(|merged| merged.transfer(chosen.as_deref()));
                let mut set = TransferSet::new(&outputs, self.join)?;
                set.merged = heard.as_deref();
                let gate = labels.as_ref().map(|labels| oracle_gate(self.join, labels)).transpose()?;
                let mut opened = self.open_teachers(if asks_in_training { self.teachers.len() } else { 0 })?;
                opened.iter_mut().for_each(|teacher| teacher.set_precision(Precisions::of(&prepared.experiment).scan));
                let opened: Vec<&Classifier> = opened.iter().collect();
                let owners = self.scan.owners.statistics();
                let run = AmalgamateRun::new(run).with_curriculum(&row.curriculum).with_owners(owners);
                let run = AmalgamateRun { gate: gate.as_ref(), ..run.with_teachers(&opened) };
                amalgamate(&row.method, &mut student, &tokens, set, &section.train, run)
            }
        };
        match trained {
            Ok(report) => {
                let summary = format!("{} updates in {:.1} s", report.steps, report.seconds);
                self.work.observer.on(Event::End { summary: &summary });
                Ok(Ok((student, report)))
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
    fn checkpoints(&self, cell: &Cell) -> Checkpoints {
        let teachers: Vec<&str> = self.teachers.iter().map(|teacher| teacher.record.sha256.as_str()).collect();
        let key = format!("{} {}", cell.hash, teachers.join(" "));
        Checkpoints::new(self.work.dir.checkpoint_path(cell), key, self.work.checkpoints)
    }

    fn start_student(&mut self, seed: u64) -> Result<Classifier> {
        let section = &self.work.prepared.experiment.student;
        // Teachers are opened only where the student takes something from them.
        let wanted = match section.init {
            StudentStart::Pretrained(_) => 0,
            StudentStart::Fresh { .. } => 1,
            StudentStart::Teacher(_) => self.teachers.len(),
        };
        let opened = self.open_teachers(wanted)?;
        let opened: Vec<&Classifier> = opened.iter().collect();
        let stream = Stream::new(seed, "student");
        let (student, origin) =
            build_student(&section.spec(), self.join.union(), &opened, stream, self.work.device, self.work.observer)?;
        self.origin = Some(origin);
        Ok(student)
    }

    /// The first so many teachers.
    fn open_teachers(&self, count: usize) -> Result<Vec<Classifier>> {
        self.teachers.iter().take(count).map(|teacher| Classifier::open(&teacher.dir, self.work.device)).collect()
    }

    fn card(&self, row: &RowSection, seed: u64, student: &Classifier, record: &CellRecord) -> Result<ModelCard> {
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
            start: self.start_description(),
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
            data_access: access_words(row.access()).to_owned(),
            texts: prepared.data.training_texts(row.access() == DataAccess::Labelled),
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

/// Accuracy of a gate's targets, over the texts that have one: what nobody claims has none. Nothing if no text has.
fn target_accuracy(target: &[f32], classes: usize, labels: &[usize]) -> Result<Option<f64>> {
    let rows = target.chunks_exact(classes).zip(labels).filter(|(row, _)| row.iter().any(|&p| p > 0.0));
    let (mut kept, mut of_kept) = (Vec::with_capacity(target.len()), Vec::with_capacity(labels.len()));
    for (row, &label) in rows {
        kept.extend_from_slice(row);
        of_kept.push(label);
    }
    if of_kept.is_empty() {
        return Ok(None);
    }
    Ok(Some(Predictions::from_probabilities(&kept, classes, &of_kept)?.accuracy()))
}

/// Records as JSON lines.
fn lines<T: serde::Serialize>(records: &[T]) -> Result<String> {
    let mut text = String::new();
    for record in records {
        text += &serde_json::to_string(record)
            .map_err(|error| Error::internal("a record cannot be written").source(error))?;
        text.push('\n');
    }
    Ok(text)
}

/// Accuracy on the measuring texts of each of several data sets.
fn by_set(predictions: &Predictions, sets: &[TestSet]) -> Vec<SetAccuracy> {
    let correct = predictions.correct();
    let measured = sets.iter().filter(|set| !set.rows.is_empty()).map(|set| {
        let right = correct[set.rows.clone()].iter().filter(|&&correct| correct).count();
        let texts = set.rows.len();
        SetAccuracy { set: set.name.clone(), texts, accuracy: right as f64 / texts as f64 }
    });
    measured.collect()
}

/// What was asked of teachers in a training, if anything was.
fn teacher_passes(report: &TrainReport) -> Option<TeacherPasses> {
    let count = |wanted: &str| report.counts.iter().find(|(name, _)| name == wanted).map(|(_, count)| *count);
    Some(TeacherPasses { forward: count(FORWARD_PASSES)?, backward: count(BACKWARD_PASSES)? })
}

fn empty_record(cell: &Cell) -> CellRecord {
    CellRecord {
        row: cell.name.clone(),
        seed: cell.seed,
        status: CellStatus::Ok,
        reason: None,
        metrics: None,
        slices: Vec::new(),
        test_sets: Vec::new(),
        selection: None,
        target_accuracy: None,
        parameters: 0,
        steps: 0,
        texts_seen: 0,
        truncated: 0,
        seconds: Seconds::default(),
        peak_memory_bytes: None,
        config_hash: cell.hash.clone(),
        details: CellDetails::default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::target_accuracy;

    #[test]
    fn a_text_that_nobody_claims_has_no_target() {
        let target = [0.9, 0.1, 0.0, 0.0, 0.3, 0.7, 0.6, 0.4];
        assert_eq!(target_accuracy(&target, 2, &[0, 1, 1, 1]).unwrap(), Some(2.0 / 3.0));
        assert_eq!(target_accuracy(&[0.0; 4], 2, &[0, 1]).unwrap(), None);
    }
}
