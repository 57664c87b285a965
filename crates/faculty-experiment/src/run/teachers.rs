//! Teachers: fine-tuned once and kept under a content key, or loaded.

mod nasty;

use super::Work;
use crate::data::TeacherTexts;
use crate::raw::TeacherRecord;
use crate::schema::TeacherSection;
use burn::tensor::Device;
use faculty_core::{Error, Event, LabelSpace, Result, StagedDir, Stream, hash_bytes, hash_text};
use faculty_hub::{ModelDir, public_name};
use faculty_methods::{NastySpec, fine_tune};
use faculty_model::Classifier;
use faculty_student::{Checkpoints, ModelCard, StudentStart, TrainReport, TrainRun, build_student, resolve_model};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A teacher on disk.
pub(super) struct ReadyTeacher {
    pub(super) name: String,
    pub(super) labels: LabelSpace,
    pub(super) dir: PathBuf,
    /// What it is, without a path of this machine.
    pub(super) source: String,
    /// Its line in the setup record, without what the scan finds out.
    pub(super) record: TeacherRecord,
    /// Of a nasty one: how it was made so, and the directory of the ordinary teacher that it was made of.
    pub(super) nasty: Option<(NastySpec, PathBuf)>,
}

/// `faculty-training.json` in a fine-tuned teacher's directory.
#[derive(Debug, Serialize, Deserialize)]
struct Training {
    key: String,
    steps: usize,
    seconds: f64,
    truncated: usize,
}

const TRAINING: &str = "faculty-training.json";

pub(super) fn train_or_load(work: &mut Work<'_>) -> Result<Vec<ReadyTeacher>> {
    let data = &work.prepared.data;
    data.teachers
        .iter()
        .map(|teacher| match &teacher.model {
            Some(model) => load(teacher, model, work),
            None => train(teacher, work),
        })
        .collect()
}

fn load(teacher: &TeacherTexts, model: &str, work: &Work<'_>) -> Result<ReadyTeacher> {
    let dir = resolve_model(model, work.observer)?;
    let classifier = Classifier::open(&dir, work.device)?;
    Ok(ready(teacher, &classifier, dir, public_name(model), (0, 0.0)))
}

fn train(teacher: &TeacherTexts, work: &Work<'_>) -> Result<ReadyTeacher> {
    let section = teacher.own.section(&work.prepared.experiment.teacher);
    let (start, init_hash) = start_of(teacher, &section, work)?;
    let key = content_key(teacher, &section, &init_hash, work)?;
    let plain = Kept { dir: work.dir.teacher_path(&teacher.name, &key), key, start };
    let (classifier, training) = match plain.find(work.device) {
        Some(found) => {
            plain.note_reuse(teacher, work);
            found
        }
        None => plain.train(teacher, &section, work)?,
    };
    let cost = (training.steps, training.seconds);
    match teacher.own.nasty {
        None => {
            let source = format!("fine-tuned from {}", plain.start);
            Ok(ready(teacher, &classifier, plain.dir, source, cost))
        }
        Some(spec) => nasty::make(spec, teacher, &section, &plain, cost, work),
    }
}

/// A teacher behind its training.
struct Made {
    classifier: Classifier,
    report: TrainReport,
    truncated: usize,
    /// How it was trained, for its card.
    method: String,
}

/// A place for a trained teacher.
struct Kept {
    dir: PathBuf,
    key: String,
    /// What its encoder starts from, in words.
    start: String,
}

impl Kept {
    /// A teacher that was written under this very key; anything else counts as absent.
    fn find(&self, device: &Device) -> Option<(Classifier, Training)> {
        let training: Training = serde_json::from_slice(&std::fs::read(self.dir.join(TRAINING)).ok()?).ok()?;
        let classifier = Classifier::open(&self.dir, device).ok().filter(|_| training.key == self.key)?;
        Some((classifier, training))
    }

    fn note_reuse(&self, teacher: &TeacherTexts, work: &Work<'_>) {
        let text = format!("teacher {}: reused from {}", teacher.name, self.dir.display());
        work.observer.on(Event::Note { text: &text });
    }

    /// Fine-tunes the teacher and keeps it here.
    fn train(
        &self,
        teacher: &TeacherTexts,
        section: &TeacherSection,
        work: &Work<'_>,
    ) -> Result<(Classifier, Training)> {
        let stream = stream_of(teacher, section);
        let mut classifier = match &teacher.own.fresh {
            Some(fresh) => {
                let tokenizer = work.dir.tokenizer_path(&teacher.name, &self.key);
                fresh.build(&teacher.texts.texts, &tokenizer, teacher.labels.clone(), stream, work.device)?
            }
            None => build_student(&section.spec(), &teacher.labels, &[], stream, work.device, work.observer)?.0,
        };
        let tokens = classifier.tokenize(&teacher.texts.texts, section.train.max_length)?;
        if tokens.truncated > 0 {
            let text = format!("teacher {}: {} training texts were truncated", teacher.name, tokens.truncated);
            work.observer.on(Event::Warning { text: &text });
        }
        let report = self.watched(teacher, "fine-tune", tokens.len(), section, work, |checkpoints| {
            let run = TrainRun::new(stream.fork(1).key(), work.observer).with_checkpoints(checkpoints);
            fine_tune(&mut classifier, &tokens, &teacher.texts.labels, &section.train, run)
        })?;
        let made = Made { classifier, report, truncated: tokens.truncated, method: "fine-tuned on labels".to_owned() };
        self.keep(teacher, section, &made, work)
    }

    /// A training of so many texts as a stage with checkpoints.
    fn watched(
        &self,
        teacher: &TeacherTexts,
        what: &str,
        texts: usize,
        section: &TeacherSection,
        work: &Work<'_>,
        train: impl FnOnce(&Checkpoints) -> Result<TrainReport>,
    ) -> Result<TrainReport> {
        let total = (section.train.epochs * texts) as u64;
        work.observer.on(Event::Start { stage: &format!("teacher {}: {what}", teacher.name), total, unit: "texts" });
        let report = train(&self.checkpoints(teacher, work))?;
        let loss = report.curve.last().map_or_else(String::new, |point| format!(", loss {:.4}", point.loss));
        let summary = format!("{} updates in {:.1} s{loss}", report.steps, report.seconds);
        work.observer.on(Event::End { summary: &summary });
        Ok(report)
    }

    fn checkpoints(&self, teacher: &TeacherTexts, work: &Work<'_>) -> Checkpoints {
        Checkpoints::new(work.dir.teacher_checkpoint_path(&teacher.name, &self.key), &self.key, work.checkpoints)
    }

    /// Writes the teacher, whole or not at all.
    fn keep(
        &self,
        teacher: &TeacherTexts,
        section: &TeacherSection,
        made: &Made,
        work: &Work<'_>,
    ) -> Result<(Classifier, Training)> {
        let staged = StagedDir::create(&self.dir, true)?;
        made.classifier.write_into(staged.path())?;
        let card = ModelCard {
            title: format!("Teacher {}", teacher.name),
            method: made.method.clone(),
            start: match teacher.own.fresh {
                Some(_) => self.start.clone(),
                None => format!("pretrained {}", self.start),
            },
            parameters: made.classifier.parameters(),
            labels: teacher.labels.names().to_vec(),
            teachers: Vec::new(),
            data_access: format!("labels ({})", work.prepared.data.name),
            texts: teacher.texts.len(),
            seeds: vec![section.seed],
            configuration: toml::to_string(section)
                .map_err(|error| Error::internal("a section cannot be written").source(error))?,
            results: Vec::new(),
        };
        let card_path = staged.path().join("README.md");
        std::fs::write(&card_path, card.to_markdown()?).map_err(|error| Error::io("write", &card_path, error))?;
        let TrainReport { steps, seconds, .. } = made.report;
        let training = Training { key: self.key.clone(), steps, seconds, truncated: made.truncated };
        crate::manifest::write_json(&staged.path().join(TRAINING), &training)?;
        staged.commit()?;
        self.checkpoints(teacher, work).remove()?;
        // Opened again, so that a teacher has the same hash (the key of its outputs) whether it was trained now or before.
        Ok((Classifier::open(&self.dir, work.device)?, training))
    }
}

/// The stream of a teacher's head, order and dropout.
fn stream_of(teacher: &TeacherTexts, section: &TeacherSection) -> Stream {
    Stream::new(section.seed, "teacher").fork(name_number(&teacher.name))
}

/// What a teacher starts from, in words and as a hash.
fn start_of(teacher: &TeacherTexts, section: &TeacherSection, work: &Work<'_>) -> Result<(String, String)> {
    if let Some(fresh) = &teacher.own.fresh {
        let described = fresh.describe();
        let json = serde_json::to_vec(fresh);
        let json = json.map_err(|error| Error::internal("an encoder cannot be written").source(error))?;
        return Ok((described, hash_bytes(&json)));
    }
    let StudentStart::Pretrained(init) = &section.init else {
        return Err(Error::internal("a teacher's start was not checked"));
    };
    let dir = resolve_model(init, work.observer)?;
    Ok((public_name(init), ModelDir::open(&dir)?.model_hash()?))
}

fn ready(
    teacher: &TeacherTexts,
    classifier: &Classifier,
    dir: PathBuf,
    source: String,
    (steps, seconds): (usize, f64),
) -> ReadyTeacher {
    ReadyTeacher {
        name: teacher.name.clone(),
        labels: classifier.labels.clone(),
        dir,
        source,
        record: TeacherRecord {
            name: teacher.name.clone(),
            labels: classifier.labels.len(),
            texts: teacher.texts.len(),
            own_slice_accuracy: None,
            parameters: classifier.parameters(),
            steps,
            seconds,
            sha256: classifier.hash.clone(),
            precision: None,
            nasty: None,
        },
        nasty: None,
    }
}

/// Everything that determines a fine-tuned teacher.
fn content_key(teacher: &TeacherTexts, section: &TeacherSection, init_hash: &str, work: &Work<'_>) -> Result<String> {
    #[derive(Serialize)]
    struct Determines<'a> {
        init_hash: &'a str,
        name: &'a str,
        section: &'a TeacherSection,
        labels: &'a LabelSpace,
        texts: String,
        classes: &'a [usize],
        device: &'a str,
    }
    let digests: Vec<u8> = teacher.texts.texts.iter().flat_map(|text| hash_text(text)).collect();
    let determines = Determines {
        init_hash,
        name: &teacher.name,
        section,
        labels: &teacher.labels,
        texts: hash_bytes(&digests),
        classes: &teacher.texts.labels,
        device: &work.prepared.run.device,
    };
    let json =
        serde_json::to_vec(&determines).map_err(|error| Error::internal("a key cannot be written").source(error))?;
    Ok(hash_bytes(&json))
}

/// A number from a name, so that a teacher's streams do not depend on its place in the list.
fn name_number(name: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash_text(name)[..8]);
    u64::from_le_bytes(bytes)
}
