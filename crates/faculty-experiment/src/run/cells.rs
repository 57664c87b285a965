//! One row at one seed: train if it trains, measure, write the cell.

mod ensembles;
mod gate;
mod judging;
mod merged;
mod texts;
mod training;

use self::texts::{Seen, StudentTokens};
use self::training::teacher_passes;
use super::Work;
use super::out_of_scope::{Answer, of_answers};
use super::scan::Scan;
use super::teachers::ReadyTeacher;
use super::texts::StudentTexts;
use crate::data::TestSet;
use crate::logs::training_lines;
use crate::machine::peak_memory;
use crate::manifest::ModelRecord;
use crate::plan::Cell;
use crate::raw::{CellDetails, CellRecord, CellStatus, Seconds, SetAccuracy, exact};
use faculty_core::metrics::Predictions;
use faculty_core::{Error, ErrorKind, Event, LabelJoin, Result};
use faculty_hub::ModelDir;
use faculty_methods::{GateTable, MethodSpec};
use faculty_model::Classifier;
use faculty_student::{StudentOrigin, StudentStart, TrainReport, resolve_model};
use std::rc::Rc;
use std::time::Instant;

/// Runs cells one by one; what they share is kept between them.
pub(super) struct Runner<'a> {
    work: &'a Work<'a>,
    teachers: &'a [ReadyTeacher],
    texts: &'a StudentTexts,
    join: &'a LabelJoin,
    scan: &'a Scan,
    tokens: Option<StudentTokens>,
    seen: Vec<Rc<Seen>>,
    origin: Option<StudentOrigin>,
    /// The measuring texts that curves are measured on; none where no curve is drawn.
    curve_rows: Vec<usize>,
}

/// A trained student.
struct Trained {
    student: Classifier,
    report: TrainReport,
    /// What it started from, in words.
    start: String,
    /// Whom it was told to trust at first, text by text; nothing of one that learnt from labels.
    gate: Option<GateTable>,
}

/// A trained student, or why there is none.
type Outcome = std::result::Result<Trained, String>;

impl<'a> Runner<'a> {
    pub(super) fn new(
        work: &'a Work<'a>,
        teachers: &'a [ReadyTeacher],
        texts: &'a StudentTexts,
        join: &'a LabelJoin,
        scan: &'a Scan,
    ) -> Self {
        let curve_rows = work.prepared.experiment.table.curve.rows(work.prepared.data.test.len());
        Self { work, teachers, texts, join, scan, tokens: None, seen: Vec::new(), origin: None, curve_rows }
    }

    /// What students start from where their row does not say, in words.
    pub(super) fn start_description(&self) -> String {
        let init = || self.work.prepared.experiment.student.init.to_string();
        self.origin.as_ref().map_or_else(init, |origin| origin.description.clone())
    }

    pub(super) fn starts_from_teacher(&self) -> bool {
        self.work.prepared.experiment.student.init.is_from_teachers()
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
        if let Some((status, reason)) = self.texts.absence(cell) {
            self.work.observer.on(Event::Warning { text: &format!("{}: {reason}", cell.title()) });
            record.status = status;
            record.reason = Some(reason);
            let record = exact(&record)?;
            staged.commit(&record)?;
            return Ok(record);
        }
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
                Ok(Trained { student, report, start, gate }) => {
                    record.steps = report.steps;
                    record.texts_seen = report.texts;
                    record.seconds.train = report.seconds;
                    // Weights that broke in the last update are a result of the row, as a loss that broke before it is.
                    match self.measure_student(cell, &student, &mut record) {
                        Err(error) if error.kind() == ErrorKind::Check => {
                            record.status = CellStatus::Failed;
                            record.reason = Some(error.to_string());
                        }
                        measured => {
                            measured?;
                            self.judge_written(cell, row, &student, &mut record)?;
                        }
                    }
                    record.details.keep_losses(&report.curve);
                    record.details.keep_curve(&report.probes, self.curve_rows.len());
                    record.details.teacher_passes = teacher_passes(&report);
                    self.score_block_gate(cell, row, gate, &mut record)?;
                    let settings = &self.work.prepared.experiment.student.train;
                    let rate_at = |update| settings.rate_at(update, report.steps);
                    let logged = training_lines(&report.curve, rate_at, &record);
                    let logged: String = logged.iter().map(|line| line.to_json() + "\n").collect();
                    staged.write("metrics.jsonl", &logged)?;
                    if !report.epochs.is_empty() {
                        staged.write("epochs.jsonl", &lines(&report.epochs)?)?;
                    }
                    if cell.keeps_student {
                        let card = self.card(cell, row, (seed, &start), &student, &record)?.to_markdown()?;
                        staged.write_student(|dir| {
                            student.write_into(dir)?;
                            let path = dir.join("README.md");
                            std::fs::write(&path, &card).map_err(|error| Error::io("write", &path, error))
                        })?;
                    }
                }
            },
        }
        self.score_gate(cell, row, answers, &mut record)?;
        record.details.merged = self.scan.merged_words(&row.method, cell.text);
        record.peak_memory_bytes = peak_memory();
        let record = exact(&record)?;
        staged.commit(&record)?;
        self.checkpoints(cell).remove()?;
        Ok(record)
    }

    fn measure_student(&self, cell: &Cell, student: &Classifier, record: &mut CellRecord) -> Result<()> {
        let data = &self.work.prepared.data;
        let StudentTokens { transfer, test, out_of_scope, .. } = self.tokens()?;
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
        record.truncated = transfer[cell.text].truncated + test.truncated;
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
