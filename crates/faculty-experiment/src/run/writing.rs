//! Texts that are written for the teachers, once, and kept under a content key.

use super::Work;
use super::scan::recorded_seconds;
use super::starts::masked_lm_of;
use super::teachers::ReadyTeacher;
use crate::manifest::write_json;
use crate::precision::Precisions;
use crate::raw::{TextClassRecord, TextRecord};
use crate::schema::TextSection;
use faculty_core::{Error, Event, Result, StagedDir, hash_bytes, hash_text, readable};
use faculty_hub::ModelDir;
use faculty_model::{CausalModel, Classifier, MaskedModel};
use faculty_student::resolve_masked_lm;
use faculty_textgen::{Client, Commission, Commissioned, Supplies, self_bleu, share_of_repeats, word_lengths};
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A `[[text]]` that was written.
pub(super) struct Written {
    pub(super) record: TextRecord,
    pub(super) texts: Vec<Commissioned>,
    /// False of one that no planned row learns from, or that nobody can write here.
    pub(super) is_asked_for: bool,
    /// Why nobody can, if so.
    pub(super) absence: Option<String>,
}

const TEXTS: &str = "texts.jsonl";
const RECORD: &str = "text.json";

/// Writes the texts that planned rows learn from, or reads those that an earlier run wrote; one entry a `[[text]]`, empty for one
/// that no row asks for or whose language model is not on this machine. What is dear to write is kept draft by draft beside its
/// place while it is on its way, so that an interrupted run goes on.
///
/// # Errors
/// Fails if a source has nothing to write from or says always the same, no text is worth keeping, a class stays short where that
/// is to stop the run, a language model is damaged, a file cannot be written, or the user interrupted.
pub(super) fn write_texts(work: &Work<'_>, teachers: &[ReadyTeacher]) -> Result<Vec<Written>> {
    let plan = &work.prepared.plan;
    let data = &work.prepared.experiment.data;
    let section = |section: &TextSection| {
        let commission = section.commission(data)?;
        let absence = work.prepared.generators.absence(section).map(str::to_owned);
        if absence.is_some() || !plan.texts.iter().any(|(name, _)| name == &section.name) {
            let record = record_of(section, &commission);
            return Ok(Written { record, texts: Vec::new(), is_asked_for: false, absence });
        }
        let key = content_key(section, &commission, teachers, work)?;
        let dir = work.dir.text_path(&section.name, &key);
        if let Some(found) = find(&dir) {
            let text = format!("texts `{}`: reused from {}", section.name, dir.display());
            work.observer.on(Event::Note { text: &text });
            return Ok(found);
        }
        let drafts = drafts_of(&dir)?;
        let start = Instant::now();
        let written = write(section, &commission, teachers, &drafts, work);
        // The parts of an interrupted writing are added up.
        let time = start.elapsed().as_secs_f64();
        let seconds = recorded_seconds(&drafts, key.into_bytes(), [], time, written.is_ok())?;
        let mut written = written?;
        written.record.seconds = seconds;
        describe(&mut written);
        keep(&dir, &written)?;
        std::fs::remove_dir_all(&drafts).map_err(|error| Error::io("remove", &drafts, error))?;
        Ok(written)
    };
    work.prepared.experiment.texts.iter().map(section).collect()
}

/// Where drafts of the texts at `dir` are kept until they are there.
fn drafts_of(dir: &Path) -> Result<PathBuf> {
    let drafts = dir.with_added_extension("drafts");
    std::fs::create_dir_all(&drafts).map_err(|error| Error::io("create", &drafts, error))?;
    Ok(drafts)
}

fn record_of(section: &TextSection, commission: &Commission) -> TextRecord {
    TextRecord {
        name: section.name.clone(),
        description: commission.describe(),
        access: section.access(),
        texts: 0,
        seconds: 0.0,
        self_bleu: None,
        repeats: 0.0,
        words: None,
        classes: Vec::new(),
        samples: Vec::new(),
    }
}

fn write(
    section: &TextSection,
    commission: &Commission,
    teachers: &[ReadyTeacher],
    drafts: &Path,
    work: &Work<'_>,
) -> Result<Written> {
    let none = Vec::new();
    let corpus = section.source.corpus().and_then(|name| work.prepared.corpora.get(name)).unwrap_or(&none);
    let open_model = |name: &str| match work.prepared.generators.of(section) {
        Some(Ok(found)) => CausalModel::open(&found.path, work.device),
        _ => Err(Error::internal(format!("nobody looked for the language model {name}"))),
    };
    let precision = Precisions::of(&work.prepared.experiment).scan;
    let open = |ready: &ReadyTeacher| -> Result<Classifier> {
        let mut teacher = Classifier::open(&ready.dir, work.device)?;
        teacher.set_precision(precision);
        Ok(teacher)
    };
    let openers: Vec<_> = teachers.iter().map(|ready| move || open(ready)).collect();
    let classes: Vec<Vec<usize>> = teachers.iter().map(|ready| (0..ready.labels.len()).collect()).collect();
    let clients = teachers.iter().zip(&openers).zip(&classes).map(|((ready, open), classes)| Client {
        name: &ready.name,
        labels: ready.labels.names(),
        classes,
        open,
    });
    let clients: Vec<Client<'_>> = clients.collect();
    let max_length = work.prepared.experiment.scan.max_length;
    let open_masked = |name: &str| MaskedModel::open(resolve_masked_lm(name, work.observer)?, work.device);
    let supplies =
        Supplies { corpus, open_model: &open_model, open_masked: &open_masked, max_length, drafts: Some(drafts) };
    let (texts, reports) = commission
        .write(&clients, &supplies, work.observer)
        .map_err(|error| error.help(format!("in the texts `{}`", section.name)))?;
    let samples = |class: Option<(usize, usize)>| -> Vec<String> {
        let own = texts.iter().filter(|text| text.class == class);
        own.take(TextRecord::SAMPLES).map(|text| readable(&text.text).into_owned()).collect()
    };
    let mut record = record_of(section, commission);
    for (number, (ready, reports)) in teachers.iter().zip(reports).enumerate() {
        for (class, (report, label)) in reports.into_iter().zip(ready.labels.names()).enumerate() {
            record.classes.push(TextClassRecord {
                teacher: ready.name.clone(),
                label: label.clone(),
                report,
                samples: samples(Some((number, class))),
            });
        }
    }
    record.samples = samples(None);
    Ok(Written { record, texts, is_asked_for: true, absence: None })
}

/// What the texts are worth.
fn describe(written: &mut Written) {
    let texts: Vec<&str> = written.texts.iter().map(|text| text.text.as_str()).collect();
    written.record.texts = texts.len();
    written.record.self_bleu = self_bleu(&texts, 4, TextRecord::SELF_BLEU_TEXTS, 1);
    written.record.repeats = share_of_repeats(&texts);
    written.record.words = word_lengths(&texts);
}

/// Texts that were written under this very key; anything else counts as absent.
fn find(dir: &Path) -> Option<Written> {
    let record: TextRecord = serde_json::from_slice(&std::fs::read(dir.join(RECORD)).ok()?).ok()?;
    let lines = std::fs::read_to_string(dir.join(TEXTS)).ok()?;
    let texts: Vec<Commissioned> =
        lines.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>().ok()?;
    (texts.len() == record.texts).then_some(Written { record, texts, is_asked_for: true, absence: None })
}

/// Writes the texts, whole or not at all.
fn keep(dir: &Path, written: &Written) -> Result<()> {
    let staged = StagedDir::create(dir, true)?;
    let mut lines = Vec::new();
    for text in &written.texts {
        let json = serde_json::to_vec(text);
        lines.extend(json.map_err(|error| Error::internal("a text cannot be written").source(error))?);
        lines.push(b'\n');
    }
    let path = staged.path().join(TEXTS);
    let write = || std::fs::File::create(&path)?.write_all(&lines);
    write().map_err(|error| Error::io("write", &path, error))?;
    write_json(&staged.path().join(RECORD), &written.record)?;
    staged.commit().map(drop)
}

/// Everything that determines what is written.
fn content_key(
    section: &TextSection,
    commission: &Commission,
    teachers: &[ReadyTeacher],
    work: &Work<'_>,
) -> Result<String> {
    #[derive(Serialize)]
    struct Determines<'a> {
        commission: &'a Commission,
        teachers: Vec<&'a str>,
        corpus: String,
        max_length: Option<usize>,
        precision: Precisions,
        device: &'a str,
        /// The language model that writes, by content.
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<&'a str>,
        /// The masked language model that rewrites second texts of pairs, by content.
        #[serde(skip_serializing_if = "Option::is_none")]
        masked_lm: Option<String>,
    }
    let corpus = commission.source.corpus().and_then(|name| work.prepared.corpora.get(name));
    let digests: Vec<u8> = corpus.into_iter().flatten().flat_map(|text| hash_text(text)).collect();
    let masked_lm = masked_lm_of(section)
        .map(|name| ModelDir::open(resolve_masked_lm(name, work.observer)?)?.model_hash())
        .transpose()?;
    let determines = Determines {
        commission,
        teachers: teachers.iter().map(|teacher| teacher.record.sha256.as_str()).collect(),
        corpus: hash_bytes(&digests),
        max_length: work.prepared.experiment.scan.max_length,
        precision: Precisions::of(&work.prepared.experiment),
        device: &work.prepared.run.device,
        model: work.prepared.generators.hash(section),
        masked_lm,
    };
    let json =
        serde_json::to_vec(&determines).map_err(|error| Error::internal("a key cannot be written").source(error))?;
    Ok(hash_bytes(&json))
}
