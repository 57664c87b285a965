//! What is measured: rows, their sizes and texts, and the figures that issue 3 wants to see.

use super::inputs::Inputs;
use crate::Result;
use std::process::Command;

/// Rows of a run that names none.
pub const DEFAULT_ROWS: &str =
    "infer-f32,infer-bf16,train-f32,train-bf16,real-infer-f32,real-train-f32,scan-f32,muki-f32,cold";

/// What a round does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Forward passes.
    Infer,
    /// Training steps.
    Train,
    /// Monte-Carlo dropout.
    Scan,
    /// A whole MUKI run.
    Muki,
    /// A process from its start to its first prediction.
    Cold,
    /// A causal language model reads prompts.
    Read,
    /// A causal language model writes, token by token.
    Write,
}

impl Mode {
    /// As both sides name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Train => "train",
            Self::Scan => "scan",
            Self::Muki => "muki",
            Self::Cold => "cold",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

struct Row {
    name: &'static str,
    mode: Mode,
    sizes: &'static [&'static str],
    texts: &'static [&'static str],
    order: &'static str,
}

const ALL_SIZES: &[&str] = &["tiny", "mini", "minilm-l6", "base"];
/// Short, medium and long texts; the last also in full, up to what the model holds.
const REAL: &[&str] = &["clinc150", "ag_news", "abstracts5", "abstracts5-uncut"];

/// Longest text in tokens, and for names that end in the suffix.
const MAX_LENGTH: usize = 128;
/// Tokens of a prompt: as many as few-shot prompts of short texts have.
const PROMPT_LENGTH: usize = 64;
const UNCUT: &str = "-uncut";
const UNCUT_LENGTH: usize = 512;

const ROWS: &[Row] = &[
    Row { name: "infer", mode: Mode::Infer, sizes: ALL_SIZES, texts: &["padded"], order: "sorted" },
    Row { name: "train", mode: Mode::Train, sizes: ALL_SIZES, texts: &["padded"], order: "sorted" },
    Row { name: "real-infer", mode: Mode::Infer, sizes: &["minilm-l6"], texts: REAL, order: "random" },
    Row { name: "real-train", mode: Mode::Train, sizes: &["minilm-l6"], texts: REAL, order: "random" },
    Row { name: "scan", mode: Mode::Scan, sizes: &["minilm-l6"], texts: &["ag_news"], order: "given" },
    Row { name: "muki", mode: Mode::Muki, sizes: &["minilm-l3"], texts: &["muki-train"], order: "given" },
    Row { name: "read", mode: Mode::Read, sizes: &["smollm2"], texts: &["clinc150"], order: "given" },
    Row { name: "write", mode: Mode::Write, sizes: &["smollm2"], texts: &["clinc150"], order: "given" },
    Row { name: "cold", mode: Mode::Cold, sizes: &["minilm-l6"], texts: &["clinc150"], order: "given" },
];

/// Reach and aim of issue 3, ratios to PyTorch in the same run: row, size (empty = any), reach, aim.
const FIGURES: &[(&str, &str, f64, f64)] = &[
    ("infer-f32", "tiny", 1.5, 2.5),
    ("infer-f32", "mini", 1.2, 1.6),
    ("infer-f32", "minilm-l6", 1.0, 1.15),
    ("infer-f32", "base", 0.9, 1.0),
    ("infer-bf16", "tiny", 1.5, 2.9),
    ("infer-bf16", "mini", 1.3, 2.1),
    ("infer-bf16", "minilm-l6", 1.2, 1.8),
    ("infer-bf16", "base", 1.0, 1.2),
    ("train-f32", "tiny", 1.2, 2.0),
    ("train-f32", "mini", 1.0, 1.5),
    ("train-f32", "minilm-l6", 1.0, 1.2),
    ("train-f32", "base", 0.9, 1.0),
    ("train-bf16", "", 1.0, 1.5),
    ("real-infer-f32", "", 2.0, 4.0),
    ("real-train-f32", "", 2.0, 4.0),
    ("real-infer-bf16", "", 2.0, 4.0),
    ("real-train-bf16", "", 2.0, 4.0),
    ("muki-f32", "", 3.0, 6.0),
    ("muki-bf16", "", 3.0, 6.0),
    ("cold", "", 10.0, 20.0),
];

/// Reach and aim of the peak memory of the MUKI run; here lower is better.
pub const MUKI_MEMORY: (f64, f64) = (0.6, 0.4);

/// Reach and aim of a row.
pub fn figures(row: &str, size: &str) -> Option<(f64, f64)> {
    let found = FIGURES.iter().find(|(name, of, ..)| *name == row && (of.is_empty() || *of == size));
    found.map(|(_, _, reach, aim)| (*reach, *aim))
}

/// One comparison.
#[derive(Clone)]
pub struct Job {
    /// The row with its precision.
    pub row: String,
    /// What a round does.
    pub mode: Mode,
    /// f32 or bf16, on both sides.
    pub precision: &'static str,
    /// A size, or a model directory.
    pub size: String,
    /// A text set, or a file.
    pub texts: String,
    /// Order in which texts are cut into batches.
    pub order: String,
    /// Texts a batch.
    pub batch: usize,
    /// Batches a round; 0 = all.
    pub batches: usize,
    /// Texts that are read; 0 = all.
    pub texts_count: usize,
    /// Rounds of either side.
    pub rounds: usize,
    /// Longest text in tokens.
    pub max_length: usize,
}

/// The jobs of the named rows, over the given sizes and texts or over each row's own.
pub fn jobs(rows: &[String], sizes: &[String], texts: &[String]) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for name in rows {
        let (kind, precision) = match name.rsplit_once('-') {
            Some((kind, "f32")) => (kind, "f32"),
            Some((kind, "bf16")) => (kind, "bf16"),
            _ => (name.as_str(), ""),
        };
        // A start is measured in f32 alone.
        let fits = |row: &&Row| row.name == kind && (row.mode == Mode::Cold) == precision.is_empty();
        let row = ROWS.iter().find(fits).ok_or_else(|| format!("there is no row `{name}`: see --help"))?;
        let precision = if precision.is_empty() { "f32" } else { precision };
        let or_own = |given: &[String], own: &[&str]| -> Vec<String> {
            if given.is_empty() { own.iter().map(ToString::to_string).collect() } else { given.to_vec() }
        };
        // A MUKI run reads its own labelled texts.
        let texts = or_own(if row.mode == Mode::Muki { &[] } else { texts }, row.texts);
        for size in or_own(sizes, row.sizes) {
            for texts in &texts {
                let job = Job::new(row, name, precision, &size, texts);
                // One text alone waits for the weights; many together share them.
                let together = matches!(row.mode, Mode::Read | Mode::Write).then(|| Job { batch: 16, ..job.clone() });
                jobs.extend([Some(job), together].into_iter().flatten());
            }
        }
    }
    Ok(jobs)
}

impl Job {
    /// So many texts and rounds that the slower side takes a second or two a round, and the whole default run under 25
    /// minutes on two cores.
    fn new(row: &Row, name: &str, precision: &'static str, size: &str, texts: &str) -> Self {
        let real: usize = match texts {
            "clinc150" => 8,
            "ag_news" => 2,
            _ => 1,
        };
        let infer = real
            * match size {
                "tiny" => 32,
                "mini" => 8,
                "base" => 1,
                _ => 2,
            };
        let (batches, texts_count, rounds) = match row.mode {
            Mode::Infer => (infer, 0, if size == "base" { 3 } else { 5 }),
            Mode::Train => (infer.div_ceil(2), 0, if size == "base" { 3 } else { 5 }),
            Mode::Scan => (0, 128, 3),
            Mode::Muki => (0, 256, 2),
            Mode::Cold => (0, 1, 7),
            Mode::Read => (2, 0, 5),
            Mode::Write => (1, 0, 5),
        };
        Self {
            row: name.to_owned(),
            mode: row.mode,
            precision,
            size: size.to_owned(),
            texts: texts.to_owned(),
            order: row.order.to_owned(),
            batch: match row.mode {
                Mode::Train if size == "base" => 16,
                Mode::Read | Mode::Write => 1,
                _ => 32,
            },
            batches,
            texts_count,
            rounds,
            max_length: match row.mode {
                Mode::Read | Mode::Write => PROMPT_LENGTH,
                _ if texts.ends_with(UNCUT) => UNCUT_LENGTH,
                _ => MAX_LENGTH,
            },
        }
    }

    /// Makes it as small as it can be.
    pub fn shrink(&mut self) {
        self.batch = self.batch.min(8);
        self.batches = self.batches.min(2);
        self.texts_count = self.texts_count.min(24);
        self.rounds = 2;
    }

    /// The texts, however long they may be.
    pub fn text_set(&self) -> &str {
        self.texts.trim_end_matches(UNCUT)
    }

    /// In a line.
    pub fn describe(&self) -> String {
        let Self { row, size, texts, order, batch, .. } = self;
        match self.mode {
            Mode::Cold => format!("{row}: {size}"),
            Mode::Scan | Mode::Muki => {
                format!("{row}: {size}, {} texts of {texts}, batches of {batch}", self.texts_count)
            }
            _ => format!("{row}: {size}, {texts} ({order}), {} batches of {batch}", self.batches),
        }
    }

    /// What both sides are told.
    pub fn add_arguments(&self, command: &mut Command, inputs: &Inputs) -> Result {
        command.arg(self.mode.name()).arg(inputs.model(&self.size)?).arg(inputs.texts(self.text_set()));
        command.arg("--max-length").arg(self.max_length.to_string());
        command.args(["--precision", self.precision, "--order", &self.order]);
        for (flag, value) in [("--batch", self.batch), ("--batches", self.batches), ("--texts-count", self.texts_count)]
        {
            command.arg(flag).arg(value.to_string());
        }
        if self.mode == Mode::Muki {
            for teacher in inputs.teachers()? {
                command.arg("--teacher").arg(teacher);
            }
            // A rate at which a fresh head learns something in one epoch, so that the accuracies can be compared.
            command.arg("--test").arg(inputs.texts("muki-test")).args(["--lr", "2e-4"]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_ROWS, figures, jobs};

    #[test]
    fn rows_are_found_with_their_figures() {
        let names: Vec<String> = DEFAULT_ROWS.split(',').map(str::to_owned).collect();
        let all = jobs(&names, &[], &[]).unwrap_or_default();
        assert_eq!(all.len(), 4 * 4 + 2 * 4 + 3);
        let without: Vec<_> = all.iter().filter(|job| figures(&job.row, &job.size).is_none()).map(|j| &j.row).collect();
        assert_eq!(without, ["scan-f32"]);
        let wrong = ["infer", "cold-f32", "infer-f16"].map(|name| jobs(&[name.to_owned()], &[], &[]).is_err());
        assert_eq!(wrong, [true; 3]);
        let own = jobs(&["infer-bf16".to_owned()], &["mini".to_owned()], &["ag_news".to_owned()]).unwrap_or_default();
        assert_eq!(own.iter().map(|job| (job.size.as_str(), job.precision)).collect::<Vec<_>>(), [("mini", "bf16")]);
    }
}
