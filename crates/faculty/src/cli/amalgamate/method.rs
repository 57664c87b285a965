//! The method and its settings as flags and TOML keys.

use super::method_choice::MethodChoice;
use clap::Args;
use faculty_core::{Error, Result, nearest};
use faculty_losses::features::{CflSettings, DfaSettings};
use faculty_methods::{
    AsDfdMethod, AugKdMethod, BackwardMethod, ClaimMethod, ContrastiveMethod, FacultyDataFreeSpec, FacultySpec,
    MethodSpec, MukiSpec, PassSettings, SelfWeightingMethod, StratanetMethod, TailJudgeMethod, Vote, VotingMethod,
    ZeroShotMethod,
};
use faculty_nn::PassSites;
use faculty_uncertainty::{ConfidenceSpec, Energy, GateSpec};
use serde::{Deserialize, Serialize};

/// The methods that train a student without labels.
const METHODS: [&str; 21] = [
    "faculty",
    "faculty-data-free",
    "muki",
    "muki-hard",
    "vanilla-kd",
    "uhc",
    "uniform",
    "max-confidence",
    "mean-logits",
    "claim-and-normalise",
    "voting",
    "self-weighting",
    "dfa",
    "cfl",
    "contrastive",
    "backward-kd",
    "stratanet",
    "tail-judge",
    "zero-shot",
    "aug-kd",
    "as-dfd",
];

/// How the teachers are merged.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct MethodOptions {
    /// muki (soft vote), muki-hard, faculty, vanilla-kd, uhc, uniform, max-confidence, mean-logits, claim-and-normalise,
    /// voting, self-weighting, dfa, cfl, contrastive, backward-kd, stratanet, tail-judge; for texts of another domain zero-shot,
    /// aug-kd; for texts that are written faculty-data-free; as-dfd reads no text, and counts updates by what it is given. A
    /// configuration file may have a table in place of the name, with every setting of the method [default: muki]
    #[arg(long, value_name = "NAME", help_heading = "Method")]
    pub method: Option<MethodChoice>,
    /// Temperature of teachers and student [default: 1; mean-logits, aug-kd, as-dfd: 4, stratanet: 2]
    #[arg(long, value_name = "T", allow_negative_numbers = true, help_heading = "Method")]
    pub temperature: Option<f64>,
    /// muki, faculty: Monte-Carlo dropout passes of every teacher [default: 16]
    #[arg(long, value_name = "K", help_heading = "Method")]
    pub passes: Option<u32>,
    /// muki, faculty: hidden dropout rate of the passes [default: 0.1]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, help_heading = "Method")]
    pub dropout: Option<f64>,
    /// muki, faculty: where the passes drop: all (as the authors' code), last-N (the last N layers and the head) or head. Layers
    /// below are computed once for all passes, so fewer sites cost less; it is another estimator, and named in every
    /// result [default: all]
    #[arg(long, value_name = "SITES", help_heading = "Method")]
    pub pass_sites: Option<PassSites>,
    /// muki, faculty: temperature of the gate over the teachers [default: 0.2 for muki, 0.5 for faculty]
    #[arg(long, value_name = "T", allow_negative_numbers = true, help_heading = "Method")]
    pub gate_temperature: Option<f64>,
    /// muki: weigh every text alike, not by the margin between its two best teachers
    #[arg(long, help_heading = "Method")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_margin: bool,
    /// muki: divide the margins by their mean
    #[arg(long, help_heading = "Method", conflicts_with = "no_margin")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub normalise_margin: bool,
    /// muki, faculty: one deterministic pass in place of Monte-Carlo dropout (muki then scores by its entropy, faculty by
    /// its energy)
    #[arg(long, help_heading = "Method")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_pass: bool,
    /// faculty, and --student merged: the checkpoint that all teachers were fine-tuned from (minilm-l3, a directory, or
    /// owner/name[@revision]). The gate then hears the mean of the teachers' weights beside their own scores, and picks better
    #[arg(long, value_name = "MODEL", help_heading = "Method")]
    pub base: Option<String>,
    /// max-confidence: standardise each teacher's confidences over the texts first
    #[arg(long, help_heading = "Method")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub z_normalise: bool,
    /// Seed of the teachers' Monte-Carlo passes; --seed does not change them, so that they are cached [default: 1]
    #[arg(long, value_name = "N", help_heading = "Method")]
    pub scan_seed: Option<u64>,
}

impl MethodOptions {
    /// The method, every default filled in; `merged_start` says that the student reads `base`, too.
    ///
    /// # Errors
    /// Fails if there is no such method (the nearest is suggested), or a setting has no meaning for it.
    pub fn spec(&self, merged_start: bool) -> Result<MethodSpec> {
        let name = match &self.method {
            Some(MethodChoice::Whole(spec)) => return self.beside(spec, merged_start),
            Some(MethodChoice::Name(name)) => name,
            None => "muki",
        };
        let temperature = self.temperature.unwrap_or(1.0);
        let spec = match name {
            "muki" => MethodSpec::Muki(self.muki(Vote::Soft)?),
            "muki-hard" => MethodSpec::Muki(self.muki(Vote::Hard)?),
            "vanilla-kd" => MethodSpec::VanillaKd { temperature },
            "uhc" => MethodSpec::Uhc { temperature },
            "uniform" => MethodSpec::Uniform { temperature },
            "max-confidence" => MethodSpec::MaxConfidence { temperature, z_normalise: self.z_normalise },
            "mean-logits" => MethodSpec::MeanLogits { temperature: self.temperature.unwrap_or(4.0) },
            "claim-and-normalise" => {
                MethodSpec::ClaimAndNormalise(ClaimMethod { temperature, ..ClaimMethod::default() })
            }
            "voting" => MethodSpec::Voting(VotingMethod::default()),
            "self-weighting" => MethodSpec::SelfWeighting(SelfWeightingMethod::default()),
            "dfa" => MethodSpec::Dfa(DfaSettings::default()),
            "cfl" => MethodSpec::Cfl(CflSettings::default()),
            "contrastive" => MethodSpec::Contrastive(ContrastiveMethod::default()),
            "backward-kd" => MethodSpec::BackwardKd(BackwardMethod { temperature, ..BackwardMethod::default() }),
            "stratanet" => {
                let default = StratanetMethod::default();
                let temperature = self.temperature.unwrap_or(default.temperature);
                MethodSpec::Stratanet(StratanetMethod { temperature, ..default })
            }
            "tail-judge" => MethodSpec::TailJudge(TailJudgeMethod { temperature, ..TailJudgeMethod::default() }),
            "zero-shot" => MethodSpec::ZeroShot(Box::new(ZeroShotMethod { temperature, ..ZeroShotMethod::default() })),
            "aug-kd" => {
                let default = AugKdMethod::default();
                let temperature = self.temperature.unwrap_or(default.temperature);
                MethodSpec::AugKd(AugKdMethod { temperature, ..default })
            }
            "as-dfd" => {
                let default = AsDfdMethod::default();
                let temperature = self.temperature.unwrap_or(default.temperature);
                MethodSpec::AsDfd(AsDfdMethod { temperature, ..default })
            }
            "faculty-data-free" => {
                MethodSpec::FacultyDataFree(FacultyDataFreeSpec { temperature, ..FacultyDataFreeSpec::default() })
            }
            "faculty" => MethodSpec::Faculty(self.faculty()?),
            _ => {
                let error = Error::input(format!("there is no method `{name}`")).key("method");
                let error = error.expected(format!("one of {}", METHODS.join(", ")));
                return Err(match nearest(name, METHODS) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        };
        let of_gates = [
            ("passes", self.passes.is_some()),
            ("dropout", self.dropout.is_some()),
            ("pass_sites", self.pass_sites.is_some()),
            ("gate_temperature", self.gate_temperature.is_some()),
            ("single_pass", self.single_pass),
        ];
        let of_margins = [("no_margin", self.no_margin), ("normalise_margin", self.normalise_margin)];
        let takes_temperature = !matches!(
            spec,
            MethodSpec::Voting(_)
                | MethodSpec::SelfWeighting(_)
                | MethodSpec::Dfa(_)
                | MethodSpec::Cfl(_)
                | MethodSpec::Contrastive(_)
        );
        if self.temperature.is_some() && !takes_temperature {
            return Err(Error::input(format!("has no meaning for method `{name}`"))
                .key("temperature")
                .help("leave it out"));
        }
        let is_muki = matches!(spec, MethodSpec::Muki(_));
        let is_max = matches!(spec, MethodSpec::MaxConfidence { .. });
        let has_gate = is_muki || matches!(spec, MethodSpec::Faculty(_));
        let foreign = of_gates.into_iter().filter(|_| !has_gate);
        let foreign = foreign.chain(of_margins.into_iter().filter(|_| !is_muki));
        let reads_base = merged_start || spec.recipe().is_some_and(|recipe| recipe.needs_merged());
        let foreign =
            foreign.chain([("z_normalise", self.z_normalise && !is_max), ("base", self.base.is_some() && !reads_base)]);
        for (key, given) in foreign {
            if given {
                return Err(Error::input(format!("has no meaning for method `{name}`")).key(key).help("leave it out"));
            }
        }
        Ok(spec)
    }

    /// A method that a file gives whole, beside which nothing of it is said.
    fn beside(&self, spec: &MethodSpec, merged_start: bool) -> Result<MethodSpec> {
        if !spec.trains() || spec.reads_labels() {
            return Err(Error::input(format!("`{}` trains no student without labels", spec.kind()))
                .key("method.kind")
                .expected(format!("one of {}", METHODS.join(", "))));
        }
        let of_method = [
            ("temperature", self.temperature.is_some()),
            ("passes", self.passes.is_some()),
            ("dropout", self.dropout.is_some()),
            ("pass_sites", self.pass_sites.is_some()),
            ("gate_temperature", self.gate_temperature.is_some()),
            ("single_pass", self.single_pass),
            ("no_margin", self.no_margin),
            ("normalise_margin", self.normalise_margin),
            ("z_normalise", self.z_normalise),
        ];
        if let Some((key, _)) = of_method.into_iter().find(|(_, given)| *given) {
            let error = Error::input("stands beside a table `method`, which has every setting of the method").key(key);
            return Err(error.help("put it into the table"));
        }
        if self.base.is_some() && !merged_start && !spec.recipe().is_some_and(|recipe| recipe.needs_merged()) {
            let error = Error::input(format!("has no meaning for method `{}`", spec.kind())).key("base");
            return Err(error.help("leave it out"));
        }
        Ok(spec.clone())
    }

    fn faculty(&self) -> Result<FacultySpec> {
        self.check_passes()?;
        let default = FacultySpec::default();
        Ok(FacultySpec {
            score: if self.single_pass { ConfidenceSpec::Energy(Energy {}) } else { default.score },
            merged_share: if self.base.is_some() { default.merged_share } else { 0.0 },
            gate: self.gate_temperature.map_or(default.gate, |temperature| GateSpec::Soft { temperature }),
            passes: PassSettings {
                count: self.passes.unwrap_or(default.passes.count),
                dropout: self.dropout.map_or(default.passes.dropout, |rate| rate as f32),
                sites: self.pass_sites.unwrap_or_default(),
            },
            temperature: self.temperature.unwrap_or(default.temperature),
            ..default
        })
    }

    fn check_passes(&self) -> Result<()> {
        if self.single_pass && (self.passes.is_some() || self.dropout.is_some() || self.pass_sites.is_some()) {
            return Err(Error::input("asks for one pass, while passes, dropout or pass_sites are given too")
                .key("single_pass")
                .help("leave one of them out"));
        }
        Ok(())
    }

    fn muki(&self, vote: Vote) -> Result<MukiSpec> {
        self.check_passes()?;
        let default = MukiSpec::default();
        Ok(MukiSpec {
            vote,
            temperature: self.temperature.unwrap_or(default.temperature),
            gate_temperature: self.gate_temperature.unwrap_or(default.gate_temperature),
            passes: self.passes.unwrap_or(default.passes),
            dropout: self.dropout.map_or(default.dropout, |rate| rate as f32),
            pass_sites: self.pass_sites.unwrap_or_default(),
            margin: !self.no_margin,
            normalise_margin: self.normalise_margin,
            single_pass: self.single_pass,
        })
    }
}
