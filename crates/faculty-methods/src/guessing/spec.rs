//! How pseudo-embeddings are guessed and learnt from, as configuration.

use faculty_core::{Error, Result};
use faculty_uncertainty::GateRecipe;
use serde::{Deserialize, Serialize};

/// Guessing of pseudo-embeddings and learning from them, in the style of AS-DFD (Ma et al., "Adversarial Self-Supervised
/// Data-Free Distillation for Text Classification", EMNLP 2020, arXiv 2010.04883). That paper gives the idea; equations and
/// numbers are Faculty's own and written out in `docs/as-dfd.md`.
///
/// No text is read: of the texts that a training is given only their number counts, because it says how many updates there
/// are. With `steps = 0` the embeddings stay as they were drawn, which is the control every result has to beat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuessingSpec {
    /// What is optimised: rows of word embeddings.
    pub form: GuessForm,
    /// Where guesses start: at the moments of the word table.
    pub start: GuessStart,
    /// Adam steps at most: 50 (20 to 100).
    pub steps: usize,
    /// Adam's rate on rows: 0.02 (0.01 to 0.05).
    pub rate: f64,
    /// A guess is finished once its teacher gives the drawn class this probability: 0.95.
    pub stop: f64,
    /// Fewest and most tokens of a guess, special ones included: 16 to 64.
    pub lengths: [usize; 2],
    /// Guesses made together differ in length by less than this: 8, so that little is computed for padding.
    pub bucket: usize,
    /// Label smoothing of the cross-entropy to the drawn class, which caps it on over-confident teachers: 0.05.
    pub smoothing: f64,
    /// β, how much guesses look for what the student cannot rebuild: 0.1. 0 is plain guessing.
    pub beta: f64,
    /// The first pass (from 0) in which β acts: 1, since an untrained student says nothing about difficulty.
    pub beta_from: usize,
    /// The share of the tokens that the student has to rebuild: 0.15, at least one.
    pub masked: f64,
    /// λ_v, the pull of every row towards the nearest word: 0.01.
    pub nearest: f64,
    /// The nearest words are looked for anew in every so many steps: 5.
    pub nearest_every: usize,
    /// λ_n, the pull of a guess's mean and deviation towards those of the word table: 0.1.
    pub moments: f64,
    /// λ_o, the pull of the other teachers' energies above that of random embeddings: 0.1. 0 asks no other teacher.
    pub others: f64,
    /// λ_ss, the factor of the student's rebuilding: 1. 0 trains none.
    pub self_supervision: f64,
    /// Adam's peak rate on the head that rebuilds: 1e-3.
    pub head_rate: f64,
    /// Whose answers the student learns: those of the teacher a guess was made for.
    pub target: GuessTarget,
    /// How many batches of past guesses are kept: 20 (10 to 50).
    pub buffer: usize,
    /// The share of a student batch that is new: 0.5; the rest comes from the past.
    pub fresh: f64,
    /// New guesses are made in every so many updates: 1. Between them a batch is from the past alone.
    pub every: usize,
}

/// What is optimised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum GuessForm {
    /// Rows in the space of the student's word table; a teacher with another table reads them through
    /// [`EmbeddingMap`](crate::EmbeddingMap).
    Rows {},
    /// Mixtures softmax(a) E over a limited vocabulary, each model with its own table E: any width, and always in the hull of
    /// real words.
    Mixture {
        /// Words of the limited vocabulary: 3000 (2000 to 5000), those with the largest gradients.
        #[serde(default = "words")]
        words: usize,
        /// Adam's rate on a: 0.3.
        #[serde(default = "mixture_rate")]
        rate: f64,
        /// Deviation of a before the first step: 3, so that a few words stand out.
        #[serde(default = "spread")]
        spread: f64,
    },
    /// Hidden states behind layer `layer` of the teachers, judged by what is above it. Teachers and student must be equally
    /// wide, and teachers equally deep; there is no word table to stay near and nothing to mask.
    Hidden {
        /// The teachers' layer, from 1; the student reads at the same share of its depth.
        layer: usize,
    },
}

/// Where guesses start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuessStart {
    /// N(mu_E, sd_E²) of the word table by dimension; of hidden states, those of random rows at that layer.
    #[default]
    Moments,
    /// N(0, 1): an ablation.
    Standard,
}

/// Whose answers the student learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuessTarget {
    /// Those of the teacher that a guess was made for.
    #[default]
    Own,
    /// All teachers', weighted by the method's gate over what they say of the guess.
    Gate,
}

const fn words() -> usize {
    3000
}

const fn mixture_rate() -> f64 {
    0.3
}

const fn spread() -> f64 {
    3.0
}

impl Default for GuessingSpec {
    fn default() -> Self {
        Self {
            form: GuessForm::Rows {},
            start: GuessStart::Moments,
            steps: 50,
            rate: 0.02,
            stop: 0.95,
            lengths: [16, 64],
            bucket: 8,
            smoothing: 0.05,
            beta: 0.1,
            beta_from: 1,
            masked: 0.15,
            nearest: 0.01,
            nearest_every: 5,
            moments: 0.1,
            others: 0.1,
            self_supervision: 1.0,
            head_rate: 1e-3,
            target: GuessTarget::Own,
            buffer: 20,
            fresh: 0.5,
            every: 1,
        }
    }
}

impl GuessingSpec {
    /// # Errors
    /// Fails if a value is out of range or two of them contradict each other; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("guessing.{key}")).expected(expected))
        };
        for (key, value) in [
            ("beta", self.beta),
            ("nearest", self.nearest),
            ("moments", self.moments),
            ("others", self.others),
            ("self_supervision", self.self_supervision),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return wrong(key, value.to_string(), "0 or a positive number");
            }
        }
        for (key, value) in [("rate", self.rate), ("head_rate", self.head_rate)] {
            if !(value.is_finite() && value > 0.0) {
                return wrong(key, value.to_string(), "a positive number");
            }
        }
        for (key, value) in [("stop", self.stop), ("masked", self.masked), ("fresh", self.fresh)] {
            if !(value > 0.0 && value <= 1.0) {
                return wrong(key, value.to_string(), "above 0, at most 1");
            }
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return wrong("smoothing", self.smoothing.to_string(), "0 to below 1");
        }
        if self.steps > 10_000 {
            return wrong("steps", self.steps.to_string(), "0 to 10000, commonly 20 to 100");
        }
        let counts = [
            ("bucket", self.bucket),
            ("nearest_every", self.nearest_every),
            ("buffer", self.buffer),
            ("every", self.every),
        ];
        for (key, count) in counts {
            if count == 0 {
                return wrong(key, "0".to_owned(), "at least 1");
            }
        }
        let [fewest, most] = self.lengths;
        if fewest == 0 || fewest > most {
            return wrong("lengths", format!("{fewest} to {most}"), "the smaller number first, and at least 1");
        }
        self.check_form()
    }

    fn check_form(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("guessing.form.{key}")).expected(expected))
        };
        match self.form {
            GuessForm::Rows {} => Ok(()),
            GuessForm::Mixture { words: 0 | 1, .. } => wrong("words", "below 2".to_owned(), "2000 to 5000"),
            GuessForm::Mixture { rate, .. } if !(rate.is_finite() && rate > 0.0) => {
                wrong("rate", rate.to_string(), "a positive number")
            }
            GuessForm::Mixture { spread, .. } if !(spread.is_finite() && spread >= 0.0) => {
                wrong("spread", spread.to_string(), "0 or a positive number")
            }
            GuessForm::Mixture { .. } => Ok(()),
            GuessForm::Hidden { layer: 0 } => wrong("layer", "0".to_owned(), "at least 1; `rows` is layer 0"),
            GuessForm::Hidden { .. } => {
                for (key, value) in
                    [("beta", self.beta), ("self_supervision", self.self_supervision), ("nearest", self.nearest)]
                {
                    if value != 0.0 {
                        return Err(Error::input(format!("is {value} for hidden states"))
                            .key(format!("guessing.{key}"))
                            .expected("0: words are masked, rebuilt and looked for in the word table alone"));
                    }
                }
                Ok(())
            }
        }
    }

    /// Whether a gate can weigh what teachers say of guesses: each is asked once, and there is no text around.
    ///
    /// # Errors
    /// Fails if it reads more than logits; the error names the key.
    pub(crate) fn check_gate(&self, gate: Option<GateRecipe>) -> Result<()> {
        let Some(gate) = gate else {
            return match self.target {
                GuessTarget::Own => Ok(()),
                GuessTarget::Gate => Err(Error::input("is \"gate\", and the method has none")
                    .key("guessing.target")
                    .expected("a gate, or \"own\"")),
            };
        };
        let reads = match gate {
            _ if gate.needs_passes() => "Monte-Carlo passes",
            _ if gate.needs_features() => "what owners ship",
            _ if gate.needs_merged() => "the mean of the teachers' weights",
            _ if gate.neighbours.is_some() => "neighbouring texts",
            _ => return Ok(()),
        };
        Err(Error::input(format!("reads {reads}, and guessed embeddings are asked about once"))
            .key("gate")
            .expected("a gate over one pass, for example energy, z-normalised"))
    }

    pub(crate) fn describe(&self) -> String {
        let form = match self.form {
            GuessForm::Rows {} => "word embeddings".to_owned(),
            GuessForm::Mixture { words, .. } => format!("mixtures of {words} words"),
            GuessForm::Hidden { layer } => format!("hidden states of layer {layer}"),
        };
        match (self.steps, self.beta) {
            (0, _) => format!("Gaussian {form}, nothing guessed"),
            (steps, 0.0) => format!("{form} guessed in {steps} steps"),
            (steps, beta) => format!("{form} guessed in {steps} steps against the student, beta {beta}"),
        }
    }
}
