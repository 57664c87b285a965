//! A teacher: a frozen classifier that is asked, never trained.

use crate::{Ask, PassArrays, Passes, TeacherOutputs};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use faculty_core::{Event, LabelSpace, Observer, Result, Stream};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, Taps, host_values};
use faculty_text::plan_in_length_order;
use std::path::Path;

/// Something that answers texts with logits over its own labels.
pub trait Teacher {
    /// The teacher's name in the label join and in tables.
    fn name(&self) -> &str;

    /// Its labels, in logit order.
    fn labels(&self) -> &LabelSpace;

    /// Changes whenever an answer could change: part of the cache key.
    fn fingerprint(&self) -> String;

    /// Answers the texts, in their order. Reports one unit a text to `observer` (the stage is the caller's).
    ///
    /// # Errors
    /// Fails if a text cannot be answered or the user interrupted.
    fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs>;
}

/// A teacher that is a classifier on this machine. It stays on the plain device: no autodiff graph is ever built.
#[derive(Debug, Clone)]
pub struct ClassifierTeacher {
    name: String,
    classifier: Classifier,
}

/// Padded tokens that run as one batch, all passes counted.
const TOKENS_A_BATCH: usize = 2048;

impl ClassifierTeacher {
    /// Opens a teacher from a model directory.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn open(name: impl Into<String>, dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Ok(Self::new(name, Classifier::open(dir, device)?))
    }

    /// A teacher from an open classifier.
    pub fn new(name: impl Into<String>, classifier: Classifier) -> Self {
        Self { name: name.into(), classifier }
    }

    /// The classifier.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    fn deterministic(&self, tokens: &Tokens, rows: &[usize], kept: Option<&Tensor<1, Int>>) -> Result<Vec<f32>> {
        let input = tokens.batch(rows, &self.classifier.config, &self.classifier.device)?;
        let logits = self.classifier.network.forward(&input, &DropoutPlan::Off, &Taps::None).logits;
        host_values(match kept {
            Some(kept) => logits.select(1, kept.clone()),
            None => logits,
        })
    }

    /// The passes of one batch, summed. Deviations are taken from the first pass, so that identical passes have a variance
    /// of exactly 0 and no rounding noise.
    fn sampled(
        &self,
        tokens: &Tokens,
        rows: &[usize],
        kept: Option<&Tensor<1, Int>>,
        passes: &Passes,
    ) -> Result<PassSums> {
        let input = tokens.batch(rows, &self.classifier.config, &self.classifier.device)?;
        let identities = tokens.identities_of(rows);
        let rates = passes.rates(self.classifier.config.dropout);
        rates.check()?;
        let stream = Stream::new(passes.seed, "monte-carlo dropout");
        let per_pass = rows.len() * input.spans().width();
        let together = (TOKENS_A_BATCH / per_pass.max(1)).clamp(1, passes.count as usize) as u32;
        let mut running: Option<Running> = None;
        let mut first = 0;
        while first < passes.count {
            let last = (first + together).min(passes.count);
            let mut logits = self.classifier.network.sample(&input, rates, stream, first..last, &identities);
            if let Some(kept) = kept {
                logits = logits.select(2, kept.clone());
            }
            let log_probabilities = activation::log_softmax(logits, 2);
            let probabilities = log_probabilities.clone().exp();
            // p log p is 0 at p = 0: log-softmax is finite there, and the product underflows to 0.
            let entropy = (probabilities.clone() * log_probabilities).sum_dim(2).neg();
            let reference =
                running.as_ref().map_or_else(|| probabilities.clone().narrow(0, 0, 1), |sums| sums.reference.clone());
            let deviation = probabilities - reference.clone();
            let now = Running {
                reference,
                deviation: deviation.clone().sum_dim(0),
                square: deviation.square().sum_dim(0),
                entropy: entropy.sum_dim(0),
            };
            running = Some(match running {
                None => now,
                Some(sums) => Running {
                    reference: sums.reference,
                    deviation: sums.deviation + now.deviation,
                    square: sums.square + now.square,
                    entropy: sums.entropy + now.entropy,
                },
            });
            first = last;
        }
        let sums = running.ok_or_else(|| faculty_core::Error::internal("no Monte-Carlo pass was asked for"))?;
        Ok(PassSums {
            reference: host_values(sums.reference)?,
            deviation: host_values(sums.deviation)?,
            square: host_values(sums.square)?,
            entropy: host_values(sums.entropy)?,
        })
    }
}

/// Sums over passes on the device, `[1, rows, classes]` (entropy `[1, rows, 1]`).
struct Running {
    /// The first pass.
    reference: Tensor<3>,
    deviation: Tensor<3>,
    square: Tensor<3>,
    entropy: Tensor<3>,
}

/// The same on the host, row-major.
struct PassSums {
    reference: Vec<f32>,
    deviation: Vec<f32>,
    square: Vec<f32>,
    entropy: Vec<f32>,
}

impl Teacher for ClassifierTeacher {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &LabelSpace {
        &self.classifier.labels
    }

    fn fingerprint(&self) -> String {
        self.classifier.hash.clone()
    }

    fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs> {
        let tokens = self.classifier.tokenize(texts, ask.max_length)?;
        let kept = ask.kept.as_ref().filter(|kept| kept.len() < self.classifier.labels.len());
        let kept_tensor = kept.map(|kept| {
            let indices: Vec<i32> = kept.iter().map(|&index| index as i32).collect();
            let count = indices.len();
            Tensor::<1, Int>::from_data(TensorData::new(indices, [count]), &self.classifier.device)
        });
        let classes = kept.map_or(self.classifier.labels.len(), Vec::len);
        let mut out = TeacherOutputs {
            classes,
            logits: vec![0.0; texts.len() * classes],
            passes: ask.passes.as_ref().map(|_| PassArrays {
                mean_probabilities: vec![0.0; texts.len() * classes],
                mean_entropy: vec![0.0; texts.len()],
                variance: vec![0.0; texts.len()],
            }),
            truncated: tokens.truncated,
        };
        // Few rows a batch when passes run together: the passes fill the batch.
        let rows_a_batch = if ask.passes.is_some() { 32 } else { 128 };
        for rows in plan_in_length_order(&tokens.lengths(), rows_a_batch, TOKENS_A_BATCH) {
            observer.check()?;
            let logits = self.deterministic(&tokens, &rows, kept_tensor.as_ref())?;
            for (row, values) in rows.iter().zip(logits.chunks_exact(classes)) {
                out.logits[row * classes..(row + 1) * classes].copy_from_slice(values);
            }
            if let (Some(passes), Some(arrays)) = (&ask.passes, &mut out.passes) {
                let sums = self.sampled(&tokens, &rows, kept_tensor.as_ref(), passes)?;
                arrays.store(&rows, classes, passes.count, &sums);
            }
            observer.on(Event::Advance { units: rows.len() as u64, note: "" });
        }
        Ok(out)
    }
}

impl PassArrays {
    fn store(&mut self, rows: &[usize], classes: usize, count: u32, sums: &PassSums) {
        let scale = 1.0 / f64::from(count);
        for (position, &row) in rows.iter().enumerate() {
            let mut variance = 0.0;
            for class in 0..classes {
                let index = position * classes + class;
                let shift = f64::from(sums.deviation[index]) * scale;
                self.mean_probabilities[row * classes + class] = (f64::from(sums.reference[index]) + shift) as f32;
                variance += (f64::from(sums.square[index]) * scale - shift * shift).max(0.0);
            }
            self.mean_entropy[row] = (f64::from(sums.entropy[position]) * scale) as f32;
            self.variance[row] = (variance / classes as f64) as f32;
        }
    }
}
