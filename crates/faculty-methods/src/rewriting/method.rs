//! Zero-shot distillation as a named method: one gated loss, and a choice of adversaries.

use super::{LocalRealism, Rewriting};
use crate::{BackwardPass, PassSettings, Recipe};
use faculty_core::{Error, Result};
use faculty_losses::{GatedKl, LossSpec};
use faculty_uncertainty::{ConfidenceSpec, GateRecipe, GateSpec, SinglePassEntropy};
use serde::{Deserialize, Serialize};

/// Who makes harder texts of those of another domain, cheapest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AdversaryChoice {
    /// Nobody: distillation on the texts as they are.
    None {},
    /// Word embeddings move uphill; no generator.
    EmbeddingGradient(BackwardPass),
    /// A masked language model rewrites tokens.
    Mlm(Rewriting),
    /// The same under a judge of short runs of tokens.
    #[serde(rename = "mlm+local")]
    MlmLocal(Rewriting),
}

/// Zero-shot distillation (Rashid et al., EMNLP 2021, arXiv 2012.15495) of one teacher or several: the student learns from texts
/// of another domain, and from what an adversary makes of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ZeroShotMethod {
    /// Who is trusted on a text that is nobody's: entropy of a single pass, soft at 0.2 (Faculty's; the paper has one teacher,
    /// whose weight is 1 under any soft gate).
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// Temperature of teachers and student in the student's loss: 1.
    pub temperature: f64,
    /// Who makes harder texts: the masked language model.
    pub adversary: AdversaryChoice,
}

impl Default for AdversaryChoice {
    fn default() -> Self {
        Self::Mlm(Rewriting::default())
    }
}

impl Default for ZeroShotMethod {
    fn default() -> Self {
        let score = ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default());
        Self {
            gate: GateRecipe { score, gate: GateSpec::Soft { temperature: 0.2 }, ..GateRecipe::default() },
            passes: PassSettings::default(),
            temperature: 1.0,
            adversary: AdversaryChoice::default(),
        }
    }
}

impl ZeroShotMethod {
    pub(crate) fn recipe(&self) -> Recipe {
        let recipe = Recipe {
            passes: self.passes,
            ..Recipe::gated(self.gate, LossSpec::GatedKl(GatedKl { temperature: self.temperature }))
        };
        match &self.adversary {
            AdversaryChoice::None {} => recipe,
            AdversaryChoice::EmbeddingGradient(backward) => Recipe { backward: Some(*backward), ..recipe },
            AdversaryChoice::Mlm(rewriting) => Recipe { rewriting: Some(rewriting.clone()), ..recipe },
            AdversaryChoice::MlmLocal(rewriting) => {
                let local = Some(rewriting.local.clone().unwrap_or_else(LocalRealism::default));
                Recipe { rewriting: Some(Rewriting { local, ..rewriting.clone() }), ..recipe }
            }
        }
    }

    /// # Errors
    /// Fails if a part stands where it would not be read.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.adversary {
            AdversaryChoice::Mlm(Rewriting { local: Some(_), .. }) => {
                Err(Error::input("stands beside kind \"mlm\"").key("adversary.local").expected("kind = \"mlm+local\""))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match (&self.adversary, self.recipe().rewriting) {
            (AdversaryChoice::None {}, _) => "zero-shot KD without an adversary".to_owned(),
            (AdversaryChoice::EmbeddingGradient(backward), _) => format!("zero-shot KD ({})", backward.describe()),
            (_, rewriting) => {
                format!("zero-shot KD ({})", rewriting.map(|rewriting| rewriting.describe()).unwrap_or_default())
            }
        }
    }
}
