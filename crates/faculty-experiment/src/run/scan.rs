//! One look of every teacher at every text, kept on disk and shared by all rows.

use super::merging::{MergedAnswers, merged_answers};
use super::owners::Owners;
use super::teachers::ReadyTeacher;
use super::texts::{StudentTexts, TASK};
use super::{Prepared, Work};
use crate::manifest::write_json;
use crate::precision::Precisions;
use crate::raw::{NastyRecord, SetupRecord};
use crate::schema::{ExperimentFile, SelectionOn};
use faculty_core::metrics::argmax;
use faculty_core::{Event, LabelJoin, Result, hash_bytes, hash_text};
use faculty_methods::{MethodSpec, Recipe};
use faculty_model::{Classifier, PrecisionCheck};
use faculty_nn::Precision;
use faculty_teacher::{Ask, ClassifierTeacher, TeacherCache, TeacherOutputs};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

/// Outputs of all teachers for one ask.
pub(super) struct Answers {
    ask: Ask,
    /// By list of [`StudentTexts`], one entry a teacher.
    pub(super) transfer: Vec<Vec<TeacherOutputs>>,
    /// Over the measuring texts; without passes if selection is measured on the transfer texts.
    pub(super) test: Vec<TeacherOutputs>,
    /// Over the out-of-scope texts; empty without such texts.
    pub(super) out_of_scope: Vec<TeacherOutputs>,
}

/// Everything the teachers said.
pub(super) struct Scan {
    pub(super) answers: Vec<Answers>,
    pub(super) owners: Owners,
    /// What the mean of the teachers' weights says, or why there is none; nothing if no row hears it.
    pub(super) merged: Option<std::result::Result<MergedAnswers, String>>,
    own_slice_accuracy: Vec<Option<f64>>,
    /// Of nasty teachers, that of the ordinary ones.
    twin_accuracy: Vec<Option<f64>>,
    precision: Vec<Option<PrecisionCheck>>,
    seconds: f64,
}

pub(super) fn scan(
    work: &mut Work<'_>,
    teachers: &[ReadyTeacher],
    texts: &StudentTexts,
    join: &LabelJoin,
) -> Result<Scan> {
    let prepared = work.prepared;
    let cache = TeacherCache::new(work.dir.scan_path());
    let mut scan = Scan {
        answers: prepared
            .plan
            .asks
            .iter()
            .map(|ask| Answers {
                ask: ask.clone(),
                transfer: vec![Vec::new(); texts.lists().len()],
                test: Vec::new(),
                out_of_scope: Vec::new(),
            })
            .collect(),
        owners: Owners::default(),
        merged: None,
        own_slice_accuracy: Vec::new(),
        twin_accuracy: Vec::new(),
        precision: Vec::new(),
        seconds: 0.0,
    };
    // Teacher by teacher, so that only one of them is in memory.
    for (index, ready) in teachers.iter().enumerate() {
        let mut classifier = Classifier::open(&ready.dir, work.device)?;
        classifier.set_precision(Precisions::of(&prepared.experiment).scan);
        scan.precision.push(check_precision(work, &ready.name, &classifier)?);
        let teacher = ClassifierTeacher::new(&ready.name, classifier);
        for answers in &mut scan.answers {
            let test_ask = match prepared.experiment.scan.selection_on {
                SelectionOn::Test => answers.ask.clone(),
                SelectionOn::Transfer => Ask { passes: None, features: None, ..answers.ask.clone() },
            };
            let mut look = |what: &str, texts: &[String], ask: &Ask| -> Result<TeacherOutputs> {
                let stage = match &ask.passes {
                    Some(passes) => format!("scan {what} texts: {}, {}", ready.name, passes.describe()),
                    None => format!("scan {what} texts: {}", ready.name),
                };
                work.observer.on(Event::Start { stage: &stage, total: texts.len() as u64, unit: "texts" });
                let start = Instant::now();
                let outputs = cache.outputs(&teacher, texts, ask, work.observer);
                let time = start.elapsed().as_secs_f64();
                let mut key = ready.record.sha256.clone().into_bytes();
                key.extend(serde_json::to_vec(ask).unwrap_or_default());
                scan.seconds += recorded_seconds(&work.dir.scan_path(), key, texts, time, outputs.is_ok())?;
                let outputs = outputs?;
                work.observer.on(Event::End { summary: "" });
                if outputs.truncated > 0 {
                    let text = format!("teacher {}: {} {what} texts were truncated", ready.name, outputs.truncated);
                    work.observer.on(Event::Warning { text: &text });
                }
                let sampled = ask
                    .passes
                    .as_ref()
                    .is_some_and(|passes| passes.count > 1 && passes.hidden_rate.is_none_or(|rate| rate > 0.0));
                if sampled {
                    outputs.check_passes_differ(&ready.name)?;
                }
                Ok(outputs)
            };
            let lists = texts.lists().iter().zip(&mut answers.transfer);
            for (list, outputs) in lists.filter(|(list, _)| !list.texts.is_empty()) {
                outputs.push(look(&list.title(), &list.texts, &answers.ask)?);
            }
            answers.test.push(look("test", &prepared.data.test.texts, &test_ask)?);
            if let Some(texts) = &prepared.data.out_of_scope {
                answers.out_of_scope.push(look("out-of-scope", texts, &answers.ask)?);
            }
        }
        if let (true, Some(answers)) = (prepared.plan.needs_owners, scan.answers.first())
            && let Some(transfer) = answers.transfer[TASK].last()
        {
            let owner = &prepared.data.teachers[index];
            scan.owners.add(owner, &teacher, &cache, &answers.ask, transfer, work.observer)?;
        }
        let test = scan.answers.first().and_then(|answers| answers.test.last());
        scan.own_slice_accuracy
            .push(test.and_then(|test| own_slice(test, &prepared.data.test.labels, join.teacher(index).to_union())));
        scan.twin_accuracy.push(twin_accuracy(work, ready, &cache, join.teacher(index).to_union())?);
    }
    if prepared.plan.needs_merged {
        scan.merged = Some(merged_answers(work, teachers, texts, join)?.map(|(answers, seconds)| {
            scan.seconds += seconds;
            answers
        }));
        if let (Some(Ok(merged)), Some(answers)) = (&mut scan.merged, scan.answers.first()) {
            merged.judge(&answers.transfer, join)?;
        }
        if let Some(Err(reason)) = &scan.merged {
            let text = format!("gates go without the mean of the teachers' weights: {reason}");
            work.observer.on(Event::Warning { text: &text });
        }
    }
    Ok(scan)
}

impl Scan {
    /// What the teachers said to a row: with the passes it wants, or whatever holds plain logits.
    pub(super) fn for_method(&self, experiment: &ExperimentFile, method: &MethodSpec) -> Option<&Answers> {
        match method.passes(experiment.scan.seed) {
            Some(passes) => self.answers.iter().find(|answers| answers.ask.passes.as_ref() == Some(&passes)),
            None => self.answers.first(),
        }
    }

    /// What the mean of the teachers' weights says, for a recipe whose gate hears it, and whose student reads a list of texts on
    /// which it is worth hearing.
    pub(super) fn heard(&self, recipe: &Recipe, list: usize) -> Option<&MergedAnswers> {
        let merged = self.merged.as_ref().and_then(|merged| merged.as_ref().ok());
        merged.filter(|merged| recipe.needs_merged() && merged.objection(list).is_none())
    }

    /// Whether a method's gate heard the mean of the teachers' weights, in words; nothing of one that does not listen.
    pub(super) fn merged_words(&self, method: &MethodSpec, list: usize) -> Option<String> {
        method.recipe().filter(Recipe::needs_merged)?;
        let objection = match self.merged.as_ref()? {
            Ok(merged) => merged.objection(list),
            Err(reason) => Some(reason.as_str()),
        };
        Some(objection.map_or_else(|| "heard".to_owned(), |reason| format!("left out: {reason}")))
    }

    pub(super) fn setup(&self, prepared: &Prepared, teachers: &[ReadyTeacher]) -> SetupRecord {
        let found = self.own_slice_accuracy.iter().zip(&self.twin_accuracy).zip(&self.precision);
        let with_findings = teachers.iter().zip(found).map(|(teacher, ((accuracy, twin), precision))| {
            let mut record = teacher.record.clone();
            record.own_slice_accuracy = *accuracy;
            record.nasty = teacher.nasty.as_ref().map(|(settings, _)| NastyRecord {
                settings: *settings,
                accuracy: *accuracy,
                twin_accuracy: *twin,
            });
            record.precision.clone_from(precision);
            record
        });
        SetupRecord {
            teachers: with_findings.collect(),
            scan_seconds: self.seconds,
            transfer_texts: prepared.data.transfer.len() + prepared.data.noise.len(),
            test_texts: prepared.data.test.len(),
            selection_on: prepared.experiment.scan.selection_on.name().to_owned(),
            precision: Precisions::of(&prepared.experiment),
        }
    }
}

/// What a teacher's precision changes on the first transfer texts; nothing is compared for f32.
fn check_precision(work: &Work<'_>, name: &str, classifier: &Classifier) -> Result<Option<PrecisionCheck>> {
    if classifier.precision() == Precision::F32 {
        return Ok(None);
    }
    let (texts, length) = (&work.prepared.data.transfer.texts, work.prepared.experiment.scan.max_length);
    let tokens = classifier.tokenize(&texts[..texts.len().min(PrecisionCheck::TEXTS)], length)?;
    let check = PrecisionCheck::of(classifier, &tokens, work.observer)?;
    work.observer.on(Event::Note { text: &format!("teacher {name}, {check}") });
    Ok(Some(check))
}

/// What the ordinary teacher that a nasty one was made of reaches on the measuring texts of its labels.
fn twin_accuracy(
    work: &Work<'_>,
    ready: &ReadyTeacher,
    cache: &TeacherCache,
    to_union: &[usize],
) -> Result<Option<f64>> {
    let Some((_, dir)) = &ready.nasty else { return Ok(None) };
    let mut classifier = Classifier::open(dir, work.device)?;
    classifier.set_precision(Precisions::of(&work.prepared.experiment).scan);
    let test = &work.prepared.data.test;
    let own = || test.texts.iter().zip(&test.labels).filter(|(_, label)| to_union.contains(label));
    let texts: Vec<String> = own().map(|(text, _)| text.clone()).collect();
    let labels: Vec<usize> = own().map(|(_, label)| *label).collect();
    let stage = format!("scan test texts: ordinary twin of {}", ready.name);
    work.observer.on(Event::Start { stage: &stage, total: texts.len() as u64, unit: "texts" });
    let ask = Ask { max_length: work.prepared.experiment.scan.max_length, ..Ask::default() };
    let outputs = cache.outputs(&ClassifierTeacher::new(&ready.name, classifier), &texts, &ask, work.observer)?;
    work.observer.on(Event::End { summary: "" });
    Ok(own_slice(&outputs, &labels, to_union))
}

/// Accuracy of a teacher on the texts of its labels, among its labels.
fn own_slice(outputs: &TeacherOutputs, labels: &[usize], to_union: &[usize]) -> Option<f64> {
    let (mut texts, mut right) = (0_usize, 0_usize);
    for (row, label) in outputs.logits.chunks_exact(outputs.classes.max(1)).zip(labels) {
        if to_union.contains(label) {
            texts += 1;
            right += usize::from(to_union.get(argmax(row)) == Some(label));
        }
    }
    (texts > 0).then(|| right as f64 / texts as f64)
}

#[derive(Default, Serialize, Deserialize)]
struct ScanTime {
    seconds: f64,
    /// False while an interrupted scan is not finished.
    #[serde(default = "yes")]
    whole: bool,
}

const fn yes() -> bool {
    true
}

/// The seconds of a scan when it took place: a later run, which finds its rows in the cache, reports the same cost. The parts
/// of an interrupted scan (not of a killed one) are added up. `key` is what determines the scan beside its texts.
pub(super) fn recorded_seconds<'a>(
    dir: &Path,
    mut key: Vec<u8>,
    texts: impl IntoIterator<Item = &'a String>,
    measured: f64,
    whole: bool,
) -> Result<f64> {
    key.extend(texts.into_iter().flat_map(|text| hash_text(text)));
    let path = dir.join(format!("time-{}.json", faculty_core::short_hash(&hash_bytes(&key))));
    let known: Option<ScanTime> = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let known = known.unwrap_or_default();
    if known.whole {
        return Ok(known.seconds);
    }
    let seconds = known.seconds + measured;
    write_json(&path, &ScanTime { seconds, whole })?;
    Ok(seconds)
}
