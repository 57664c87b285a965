//! A language model at work for a teacher.

use crate::draft_log::check_key;
use crate::{
    ClassReport, ClassSource, DraftLog, Guidance, Guide, Judge, Kept, LmSpec, LmWriter, PrefixSpec, PrefixStart,
    PrefixTrainer, PrefixedLm, PromptedLm, SoftPrefixes,
};
use faculty_core::{Error, Event, Observer, Result, short_hash};
use faculty_hub::{WeightFiles, write_safetensors};
use faculty_model::CausalModel;
use std::path::{Path, PathBuf};

/// How the names of files of trained prefixes end.
const PREFIXES: &str = ".prefixes.safetensors";

/// For whom a language model writes, and how much.
#[derive(Clone, Copy)]
pub struct LmJob<'a> {
    /// The model.
    pub model: &'a CausalModel,
    /// The teacher's labels.
    pub labels: &'a [String],
    /// Numbers of the labels to write for.
    pub classes: &'a [usize],
    /// The teacher.
    pub judge: &'a dyn Judge,
    /// Everything that determines what the teacher says: its hash, and how it reads.
    pub judge_key: &'a str,
    /// Texts of every class.
    pub per_class: usize,
    /// The seed of every draw.
    pub seed: u64,
}

/// What a language model wrote for a teacher.
#[derive(Debug)]
pub struct LmTexts {
    /// The texts.
    pub kept: Vec<Kept>,
    /// What became of the drafts, by class in the order of [`LmJob::classes`].
    pub reports: Vec<ClassReport>,
    /// Texts that the teacher was asked about while they were written; none of drafts that an earlier run wrote.
    pub passes: u64,
}

impl LmSpec {
    /// Writes for the classes of a teacher, who judges. With a file for `drafts` they are kept there under their
    /// [key](Self::draft_key), and those of an earlier run are not written again.
    ///
    /// # Errors
    /// Fails if the settings do not fit model or labels, the file holds drafts of another key, the source says always the same,
    /// the device fails, or the user interrupted.
    pub fn write(&self, job: &LmJob<'_>, drafts: Option<&Path>, observer: &dyn Observer) -> Result<LmTexts> {
        self.check()?;
        let guide = Guide::new(job.judge, job.labels.len(), self.guidance.unwrap_or(Guidance::off()))?;
        let guided = (guide.guidance().gamma > 0.0).then_some(&guide);
        let mut passes = 0;
        let (kept, reports) = match self.prefix {
            Some(prefix) => {
                let (source, heard) = self.prefixed(&prefix, job, drafts, observer)?;
                passes = heard;
                self.fill(source, job, drafts, observer)?
            }
            None => {
                let writer = LmWriter::new(job.model.clone(), self.writing(), job.seed)?;
                let source = PromptedLm::new(writer, &self.prompting, job.labels, guided, job.seed)?;
                self.fill(source, job, drafts, observer)?
            }
        };
        Ok(LmTexts { kept, reports, passes: passes + guide.passes() })
    }

    /// The texts that the teacher believes among those of a source, whose drafts are kept if there is a place for them.
    fn fill(
        &self,
        source: impl ClassSource,
        job: &LmJob<'_>,
        drafts: Option<&Path>,
        observer: &dyn Observer,
    ) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
        let quota = self.quota(job.per_class);
        let Some(path) = drafts else { return quota.fill_some(job.classes, &source, job.judge, observer) };
        let log = DraftLog::open(source, path, &self.draft_key(job))?;
        if !log.is_empty() {
            let text = format!("{} drafts of an earlier run are used again", log.len());
            observer.on(Event::Note { text: &text });
        }
        quota.fill_some(job.classes, &log, job.judge, observer)
    }

    /// The model behind its prefixes, trained now or, beside the drafts, by an earlier run; and how many texts the teacher was asked
    /// about.
    fn prefixed(
        &self,
        prefix: &PrefixSpec,
        job: &LmJob<'_>,
        drafts: Option<&Path>,
        observer: &dyn Observer,
    ) -> Result<(PrefixedLm, u64)> {
        if let Some(path) = drafts {
            check_key(path, &self.draft_key(job))?;
        }
        let start = self.untrained(prefix, job)?;
        let kept = drafts.map(|drafts| self.prefixes_path(job, drafts));
        let (prefixes, passes) = match kept.as_deref().filter(|path| path.is_file()) {
            Some(path) => {
                observer.on(Event::Note { text: "trained prefixes of an earlier run are used again" });
                (start.restored(&WeightFiles::open_file(path)?)?, 0)
            }
            None => {
                let stop = self.writing().stop;
                let trainer = PrefixTrainer {
                    model: job.model,
                    teacher: job.judge,
                    classes: job.classes,
                    student: None,
                    stop,
                    seed: job.seed,
                };
                let (prefixes, _) = trainer.train(prefix, start, observer)?;
                if let Some(path) = &kept {
                    write_safetensors(path, &[prefixes.export()?], &[])?;
                }
                (prefixes, (prefix.steps * prefix.batch) as u64)
            }
        };
        Ok((PrefixedLm::new(job.model.clone(), prefixes, self.writing(), job.seed)?, passes))
    }

    /// What the vectors are before they are trained.
    fn untrained(&self, prefix: &PrefixSpec, job: &LmJob<'_>) -> Result<SoftPrefixes> {
        self.prompting.check_names(job.labels)?;
        match prefix.start {
            PrefixStart::Name => {
                let names: Vec<String> = job.labels.iter().map(|label| self.prompting.name(label)).collect();
                SoftPrefixes::saying(job.model, &names, prefix.vectors())
            }
            PrefixStart::Prompt => {
                let template = job.model.tokenizer.chat_template();
                let chat = self.prompting.chat_of(template).map_err(|error| error.file(&job.model.origin))?;
                let prompt = |label: &String| self.prompting.prompt(label, &[], chat);
                let prompts = job.labels.iter().map(prompt).collect::<Result<Vec<String>>>()?;
                SoftPrefixes::prompting(job.model, &prompts)
            }
        }
    }

    /// Removes the trained prefixes that lie beside drafts, of whatever job.
    ///
    /// # Errors
    /// Fails if one cannot be removed.
    pub fn remove_prefixes(drafts: &Path) -> Result<()> {
        let folder = match drafts.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let stem = drafts.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |error| Error::io("remove", folder, error);
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let key = name.strip_prefix(&format!("{stem}.")).and_then(|rest| rest.strip_suffix(PREFIXES));
            if key.is_some_and(|key| !key.contains('.')) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The file of the trained prefixes of a job, beside its drafts: its name says what they were trained from.
    pub fn prefixes_path(&self, job: &LmJob<'_>, drafts: &Path) -> PathBuf {
        let key = self.draft_key(job);
        drafts.with_extension(format!("{}{PREFIXES}", short_hash(&key)))
    }
}
