//! `faculty mlm-head`.

use super::columns::ColumnOptions;
use super::global::Session;
use super::{inputs, output};
use clap::Args;
use faculty_core::{Error, Result, Stream};
use faculty_experiment::{DataPlaces, read_texts};
use faculty_hub::{ModelDir, public_name};
use faculty_model::{MaskedFigures, MaskedModel};
use faculty_student::{
    CheckpointPolicy, Checkpoints, MINILM_L3, MaskedAsset, MaskedRecord, MaskedReport, MaskedTraining, TrainRun,
    resolve_model, train_masked_lm,
};
use faculty_text::OnBroken;
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty mlm-head
  faculty mlm-head --text brown --text wordnet --text wikitext2_vt --data-dir data
  faculty mlm-head --model models/distilbert --text corpus.txt --mask-rate 0.3 --out models/distilbert-mlm

Without options the model is made once, from minilm-l3 and the embedded sentences of the Brown corpus,
and kept in the cache under the name minilm-l3-mlm; with the three texts of the second example it is kept
as minilm-l3-mlm-wide. The same command again only says what is there. An interrupted training goes on
where it stopped. `transformers` opens the result by AutoModelForMaskedLM.";

/// The text that is embedded in the program.
const BROWN: &str = "brown";

/// Train an encoder to find hidden tokens: the generator of methods that rewrite text.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct MlmHead {
    /// Encoder to start from: minilm-l3, a model directory, or owner/name[@revision]
    #[arg(long, value_name = "MODEL", default_value = MINILM_L3)]
    model: String,
    /// Text to train on, without labels: a file, or a data set by name (brown and wordnet are embedded); may be repeated
    #[arg(long, value_name = "FILE|NAME", default_value = BROWN)]
    text: Vec<String>,
    /// Directory to write, in place of the cache; needed with any other option
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Share of the tokens that are hidden
    #[arg(long, value_name = "SHARE", default_value_t = MaskedTraining::default().mask_rate)]
    mask_rate: f64,
    /// Passes over the text
    #[arg(long, value_name = "N", default_value_t = MaskedTraining::default().train.epochs)]
    epochs: usize,
    /// Texts a step
    #[arg(long, value_name = "N", default_value_t = MaskedTraining::default().train.batch_size)]
    batch_size: usize,
    /// Peak learning rate of the encoder
    #[arg(long, value_name = "RATE", default_value_t = MaskedTraining::default().train.learning_rate)]
    learning_rate: f64,
    /// Peak learning rate of the head
    #[arg(long, value_name = "RATE", default_value_t = MaskedTraining::default().head_rate)]
    head_rate: f64,
    /// Cut texts to so many tokens
    #[arg(long, value_name = "TOKENS", default_value_t = MaskedTraining::default().train.max_length.unwrap_or(64))]
    max_length: usize,
    /// Texts at most, a random draw of all
    #[arg(long, value_name = "N")]
    texts: Option<usize>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder of data folders, for data sets by name [env: FACULTY_DATA]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write the training down every so many seconds, so that a killed one goes on from there; 0 = never
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    checkpoint_seconds: f64,
    #[command(flatten)]
    columns: ColumnOptions,
    /// Train again, whatever is there
    #[arg(long)]
    overwrite: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MlmHead {
    /// Trains, measures, writes; or finds that it is done.
    pub fn run(&self, session: &Session) -> Result<()> {
        let console = &session.console;
        let settings = self.settings();
        settings.check()?;
        let texts = self.read(session)?;
        let base = resolve_model(&self.model, console)?;
        let base_sha256 = ModelDir::open(&base)?.model_hash()?;
        let name = public_name(&self.model);
        let record =
            MaskedRecord::new((&name, base_sha256), (&self.text.join(", "), &texts), settings.clone(), self.seed);
        let dir = match &self.out {
            Some(dir) => dir.clone(),
            None => match self.asset() {
                Some(asset) => asset.dir()?,
                None => {
                    let kept = MaskedAsset::ALL.map(|asset| asset.name).join(", ");
                    return Err(Error::input(format!("the cache keeps {kept} as they are made by default"))
                        .key("--out")
                        .expected("a directory for a model that is trained otherwise"));
                }
            },
        };
        if let Some(report) = record.finished(&dir).filter(|_| !self.overwrite) {
            return self.print(&dir, &report, true);
        }
        let is_ours = self.out.is_none() || dir.join("faculty-mlm-head.json").is_file();
        if dir.exists() && !self.overwrite && !is_ours {
            return Err(Error::input("exists").file(&dir).help("--overwrite replaces it"));
        }
        let mut model = MaskedModel::start_from(&base, Stream::new(self.seed, "masked head"), &session.device()?)?;
        let checkpoints = Checkpoints::new(beside(&dir), record.key()?, self.policy());
        let run = TrainRun::new(self.seed, console).with_checkpoints(&checkpoints);
        let report = train_masked_lm(&mut model, &texts, &settings, run)?;
        let dir = record.publish(&model, report.clone(), &dir)?;
        checkpoints.remove()?;
        self.print(&dir, &report, false)
    }

    fn settings(&self) -> MaskedTraining {
        let default = MaskedTraining::default();
        let mut train = default.train.clone();
        (train.epochs, train.batch_size) = (self.epochs, self.batch_size);
        (train.learning_rate, train.max_length) = (self.learning_rate, Some(self.max_length));
        MaskedTraining { mask_rate: self.mask_rate, head_rate: self.head_rate, train, ..default }
    }

    /// What the cache keeps, if this is how it is made.
    fn asset(&self) -> Option<MaskedAsset> {
        let plain = self.model == MINILM_L3 && self.texts.is_none() && self.seed == 1;
        MaskedAsset::of_texts(&self.text).filter(|_| plain && self.settings() == MaskedTraining::default())
    }

    fn read(&self, session: &Session) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for text in &self.text {
            let path = Path::new(text);
            texts.extend(match path.is_file() {
                true => inputs::read(path, &self.columns.unlabelled(OnBroken::Skip), &session.console)?.texts,
                false => read_texts(text, &DataPlaces::new(self.data_dir.clone(), Path::new(".")))?.texts,
            });
        }
        Ok(match self.texts.filter(|&most| most < texts.len()) {
            Some(most) => {
                let order = Stream::new(self.seed, "texts of a masked language model").permutation(texts.len());
                order.into_iter().take(most).map(|row| texts[row].clone()).collect()
            }
            None => texts,
        })
    }

    fn policy(&self) -> CheckpointPolicy {
        CheckpointPolicy { steps: None, seconds: (self.checkpoint_seconds > 0.0).then_some(self.checkpoint_seconds) }
    }

    fn print(&self, dir: &Path, report: &MaskedReport, was_there: bool) -> Result<()> {
        if self.json {
            return output::print_json(&json!({
                "model": dir, "trained": !was_there, "texts": report.texts, "held_out": report.held_out,
                "before": report.before, "after": report.after, "steps": report.train.steps,
                "seconds": report.train.seconds,
            }));
        }
        let figures = |found: &MaskedFigures| {
            format!("{:.3} nats a hidden token, {:.1} % found", found.loss, 100.0 * found.accuracy)
        };
        output::print(&format!(
            "{} {}\nbefore   {}\nafter    {}\n{} updates in {:.0} s; {} held-out texts, {} hidden tokens",
            if was_there { "found   " } else { "wrote   " },
            dir.display(),
            figures(&report.before),
            figures(&report.after),
            report.train.steps,
            report.train.seconds,
            report.held_out,
            report.after.tokens,
        ))
    }
}

/// Where the training of `dir` is written down: beside it, so that it appears whole.
fn beside(dir: &Path) -> PathBuf {
    let name = dir.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
    dir.with_file_name(format!(".{name}-training"))
}
