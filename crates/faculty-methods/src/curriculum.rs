//! Which texts of a batch a step learns from, and how much: claim rule, KD3 filter, RDD weight, UNIX ranking and mix, in
//! this order. All of it works on what the teachers said once and on the student's own logits: no teacher is asked again.

mod batch;
mod kd3;
mod ledger;
mod rdd;
mod unix;

pub(crate) use batch::{Active, Selection, Sight};
pub use kd3::{Kd3, Quotas, combined};
pub(crate) use ledger::Ledger;
pub use rdd::{Rdd, Stage, pass_agreement};
pub use unix::{Uncertainty, Unix, rank};

use crate::MethodSpec;
use faculty_core::metrics::entropy;
use faculty_core::{Error, Result};
use faculty_student::StudentNoise;
use faculty_uncertainty::{GateRecipe, GateSpec, MarginSpec};
use serde::{Deserialize, Serialize};

/// What is on of the curriculum; by default nothing.
///
/// Parts of it change which texts are trained on, so rows are compared at equal updates **and** equal teacher passes. Every
/// pass over the text logs the share that each part dropped and the classes of what is left; a filter that empties a class
/// ends the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Curriculum {
    /// Drops texts that no teacher claims: those whose gate weights are all 0 (the rule of Shao et al., "Selective
    /// Knowledge Sharing for Privacy-Preserving Federated Distillation", arXiv 2304.01731).
    pub claimed_only: bool,
    /// Weighs every text by the margin between its two best gate scores, as MUKI does (lancopku/MUKI), under any gate
    /// that scores.
    pub margin_weight: MarginSpec,
    /// The filter of KD3 by the combined confidence of teachers and student.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kd3: Option<Kd3>,
    /// The two stages of RDD: easy texts first, then those that the teacher knows and the student does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdd: Option<Rdd>,
    /// UNIX: the texts that the student is least sure of, optionally mixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unix: Option<Unix>,
    /// Noise on what the student reads.
    #[serde(skip_serializing_if = "StudentNoise::is_off")]
    pub student_noise: StudentNoise,
}

impl Curriculum {
    /// True if nothing is on.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// True if nothing is on that looks at batches.
    pub(crate) fn takes_batches_as_they_are(&self) -> bool {
        !self.claimed_only && self.kd3.is_none() && self.rdd.is_none() && self.unix.is_none()
    }

    /// What is on, in words, for notes below tables; empty if nothing is.
    pub fn describe(&self) -> String {
        let noise = &self.student_noise;
        let parts = [
            self.claimed_only.then(|| "claimed texts only".to_owned()),
            self.kd3.as_ref().map(Kd3::describe),
            self.rdd.as_ref().map(Rdd::describe),
            self.unix.as_ref().map(Unix::describe),
            (self.margin_weight != MarginSpec::None).then(|| "margin weight".to_owned()),
            (!noise.is_off()).then(|| format!("student noise (drop {}, mask {})", noise.drop, noise.mask)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// # Errors
    /// Fails if a value makes no sense, or a part needs what `method` does not have; the error names the key.
    pub fn check(&self, method: &MethodSpec) -> Result<()> {
        self.kd3.as_ref().map_or(Ok(()), Kd3::check)?;
        self.rdd.as_ref().map_or(Ok(()), Rdd::check)?;
        self.unix.as_ref().map_or(Ok(()), Unix::check)?;
        self.student_noise.check()?;
        if self.is_off() {
            return Ok(());
        }
        let refuse = |key: &str, what: &str| {
            Err(Error::input(format!("method `{}` has {what}", method.kind())).key(format!("curriculum.{key}")))
        };
        if !method.trains() || matches!(method, MethodSpec::Supervised {}) {
            return Err(Error::input(format!("method `{}` learns from no teacher", method.kind())).key("curriculum"));
        }
        if method.recipe().is_some_and(|recipe| recipe.backward.is_some() || recipe.rewriting.is_some())
            && !(self.takes_batches_as_they_are() && self.student_noise.is_off())
        {
            return Err(Error::input(format!("method `{}` moves the words of whole, clean batches", method.kind()))
                .key("curriculum")
                .expected("no filter and no student noise beside moved texts"));
        }
        if method.recipe().is_some_and(|recipe| recipe.renew.is_some()) && !self.takes_batches_as_they_are() {
            let error = Error::input("a filter counts on the texts that a training begins with").key("curriculum");
            return Err(error.expected("no filter beside `renew`"));
        }
        let gate = method.gate();
        let mixes = self.unix.as_ref().is_some_and(|unix| unix.mix);
        for (on, key) in [(self.claimed_only, "claimed_only"), (self.rdd.is_some(), "rdd"), (mixes, "unix.mix")] {
            if on && gate.is_none() {
                return refuse(key, "no gate");
            }
        }
        if self.rdd.is_some() && method.passes(0).is_none() {
            return refuse("rdd", "no Monte-Carlo passes, whose agreement is the weight of the first stage");
        }
        match (self.margin_weight, &gate) {
            (MarginSpec::None, _) => Ok(()),
            (_, None | Some(GateRecipe { gate: GateSpec::Uniform {}, .. })) => {
                refuse("margin_weight", "no gate scores")
            }
            (_, Some(gate)) if gate.margin => refuse("margin_weight", "a margin weight of its own"),
            _ => Ok(()),
        }
    }
}

/// The largest probability of a row and its class, the lowest class among equals.
fn best(row: &[f32]) -> (usize, f32) {
    let class = faculty_core::metrics::argmax(row);
    (class, row.get(class).copied().unwrap_or(0.0))
}

/// H(p) / log C of a distribution, 0 to 1; 0 where there is one class.
pub(crate) fn normalised_entropy<T: Into<f64> + Copy>(probabilities: &[T]) -> f64 {
    match probabilities.len() {
        0 | 1 => 0.0,
        classes => (entropy(probabilities) / (classes as f64).ln()).clamp(0.0, 1.0),
    }
}
