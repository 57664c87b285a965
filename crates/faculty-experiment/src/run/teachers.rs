//! Teachers: fine-tuned once and kept under a content key, or loaded.

use super::Work;
use crate::data::TeacherTexts;
use crate::manifest::public_name;
use crate::raw::TeacherRecord;
use crate::schema::TeacherSection;
use burn::tensor::Device;
use faculty_core::{Error, Event, LabelSpace, Result, StagedDir, Stream, hash_bytes, hash_text};
use faculty_hub::ModelDir;
use faculty_methods::fine_tune;
use faculty_model::Classifier;
use faculty_student::{Checkpoints, ModelCard, StudentStart, TrainRun, build_student, resolve_model};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A teacher on disk.
pub(super) struct ReadyTeacher {
    pub(super) name: String,
    pub(super) labels: LabelSpace,
    pub(super) dir: PathBuf,
    /// What it is, without a path of this machine.
    pub(super) source: String,
    /// Its line in the setup record, without what the scan finds out.
    pub(super) record: TeacherRecord,
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
    let source = public_name(model);
    Ok(ready(teacher, &classifier, dir, source, 0, 0.0))
}

fn train(teacher: &TeacherTexts, work: &Work<'_>) -> Result<ReadyTeacher> {
    let section = teacher.own.section(&work.prepared.experiment.teacher);
    let (start, init_hash) = start_of(teacher, &section, work)?;
    let source = format!("fine-tuned from {start}");
    let key = content_key(teacher, &section, &init_hash, work)?;
    let dir = work.dir.teacher_path(&teacher.name, &key);
    if let Some((classifier, training)) = cached(&dir, &key, work.device) {
        work.observer.on(Event::Note { text: &format!("teacher {}: reused from {}", teacher.name, dir.display()) });
        return Ok(ready(teacher, &classifier, dir, source, training.steps, training.seconds));
    }
    let stream = Stream::new(section.seed, "teacher").fork(name_number(&teacher.name));
    let mut classifier = match &teacher.own.fresh {
        Some(fresh) => {
            let tokenizer = work.dir.tokenizer_path(&teacher.name, &key);
            fresh.build(&teacher.texts.texts, &tokenizer, teacher.labels.clone(), stream, work.device)?
        }
        None => build_student(&section.spec(), &teacher.labels, &[], stream, work.device, work.observer)?.0,
    };
    let tokens = classifier.tokenize(&teacher.texts.texts, section.train.max_length)?;
    if tokens.truncated > 0 {
        let text = format!("teacher {}: {} training texts were truncated", teacher.name, tokens.truncated);
        work.observer.on(Event::Warning { text: &text });
    }
    let total = (section.train.epochs * tokens.len()) as u64;
    work.observer.on(Event::Start { stage: &format!("teacher {}: fine-tune", teacher.name), total, unit: "texts" });
    let seed = stream.fork(1).key();
    let checkpoints = Checkpoints::new(work.dir.teacher_checkpoint_path(&teacher.name, &key), &key, work.checkpoints);
    let run = TrainRun::new(seed, work.observer).with_checkpoints(&checkpoints);
    let report = fine_tune(&mut classifier, &tokens, &teacher.texts.labels, &section.train, run)?;
    let loss = report.curve.last().map_or_else(String::new, |point| format!(", loss {:.4}", point.loss));
    work.observer.on(Event::End { summary: &format!("{} updates in {:.1} s{loss}", report.steps, report.seconds) });

    let staged = StagedDir::create(&dir, true)?;
    classifier.write_into(staged.path())?;
    let card = ModelCard {
        title: format!("Teacher {}", teacher.name),
        method: "fine-tuned on labels".to_owned(),
        start: if teacher.own.fresh.is_some() { start } else { format!("pretrained {start}") },
        parameters: classifier.parameters(),
        labels: teacher.labels.names().to_vec(),
        teachers: Vec::new(),
        data_access: format!("labels ({})", work.prepared.data.name),
        texts: teacher.texts.len(),
        seeds: vec![section.seed],
        configuration: toml::to_string(&section)
            .map_err(|error| Error::internal("a section cannot be written").source(error))?,
        results: Vec::new(),
    };
    let card_path = staged.path().join("README.md");
    std::fs::write(&card_path, card.to_markdown()?).map_err(|error| Error::io("write", &card_path, error))?;
    let training = Training { key, steps: report.steps, seconds: report.seconds, truncated: tokens.truncated };
    crate::manifest::write_json(&staged.path().join(TRAINING), &training)?;
    staged.commit()?;
    checkpoints.remove()?;
    // Opened again, so that a teacher has the same hash (the key of its outputs) whether it was trained now or before.
    let classifier = Classifier::open(&dir, work.device)?;
    Ok(ready(teacher, &classifier, dir, source, training.steps, training.seconds))
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
    steps: usize,
    seconds: f64,
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
        },
    }
}

/// A teacher that was written under this very key; anything else counts as absent.
fn cached(dir: &Path, key: &str, device: &Device) -> Option<(Classifier, Training)> {
    let training: Training = serde_json::from_slice(&std::fs::read(dir.join(TRAINING)).ok()?).ok()?;
    let classifier = Classifier::open(dir, device).ok().filter(|_| training.key == key)?;
    Some((classifier, training))
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
