//! The block-wise losses and the maps that they train.

use super::agreement::teacher_agreement;
use super::integrator::{Integrator, IntegratorMaps};
use super::rank::participation_ratio;
use super::states::{BlockStates, mean_square, pooled};
use crate::features::trained::{Trained, check_weight};
use crate::features::{AlignFeatures, AlignState, AlignTraining, Cfl, CflSettings};
use crate::features::{FeatureBatch, FeatureWidths, PseudoClasses};
use crate::{LossTerms, batch_mean};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use faculty_core::{Error, NamedTensors, Result, Stream};
use faculty_nn::{Gate, Linear, StateTensor};
use serde::{Deserialize, Serialize};

/// Settings of [`BlockIntegration`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockSettings {
    /// What unifies the teachers: the Selective Transformer.
    pub integrator: Integrator,
    /// λ_blk, the factor of the match of the student: 1, as in the code of DFA and CFL.
    pub match_weight: f64,
    /// λ_rec, the factor of the reconstruction: 1, as in the code of DFA and CFL.
    pub reconstruction_weight: f64,
    /// Factor of OOD-KA's agreement between the teachers' views: 0, off; 0.1 is a start on written texts.
    pub agreement_weight: f64,
    /// Attention heads of the Selective Transformer: 1 (Faculty's choice). They divide the student's width.
    pub heads: usize,
    /// The match trains the student alone: on. Off, the integrator learns to be easy to match and collapses (a probe).
    pub stop_gradient: bool,
    /// Rate of the maps' Adam: 1e-3.
    pub learning_rate: f64,
}

impl Default for BlockSettings {
    /// Factors of zju-vipa/KamalEngine and lancopku/MUKI; the rest is Faculty's choice.
    fn default() -> Self {
        Self {
            integrator: Integrator::default(),
            match_weight: 1.0,
            reconstruction_weight: 1.0,
            agreement_weight: 0.0,
            heads: 1,
            stop_gradient: true,
            learning_rate: 1e-3,
        }
    }
}

impl BlockSettings {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_weight("match_weight", self.match_weight)?;
        check_weight("reconstruction_weight", self.reconstruction_weight)?;
        check_weight("agreement_weight", self.agreement_weight)?;
        if self.heads == 0 {
            return Err(Error::input("is 0").key("heads").expected("a divisor of the student's width"));
        }
        let views = matches!(self.integrator, Integrator::SelectiveTransformer | Integrator::WeightedMean);
        if self.agreement_weight > 0.0 && !views {
            let found = format!("the integrator `{}` makes no views that could agree", self.integrator.name());
            return Err(Error::input(found).key("agreement_weight").expected("0"));
        }
        self.training().check().map_err(|error| error.help("learning_rate of the block-wise maps"))
    }

    /// Adam without weight decay.
    fn training(&self) -> AlignTraining {
        AlignTraining { learning_rate: self.learning_rate, weight_decay: 0.0, as_released: false }
    }
}

/// What is trained beside the student for one block.
#[derive(Module, Debug)]
pub struct BlockMaps {
    /// From the teachers' states to R.
    pub integrator: IntegratorMaps,
    /// Dec_i, `[student width, width of the teacher]` each.
    pub decoders: Vec<Linear>,
    /// F, `[student width, student width]`.
    pub student: Linear,
}

/// The maps of all blocks.
#[derive(Module, Debug)]
struct AllBlocks {
    blocks: Vec<BlockMaps>,
}

/// For every block b a unified representation R of the teachers' states and three losses:
///
/// - `block_match`: λ_blk MSE(F(h_S), sg(R)), which trains the student and F;
/// - `block_reconstruction`: λ_rec sum_i w_i MSE(Dec_i(R), h_i), the only signal of the integrator, which keeps R from
///   collapsing;
/// - `block_agreement`: OOD-KA's term between the teachers' views, if it is on.
///
/// Squares are averaged over the width, over the tokens of a text (not its padding) and over texts. With
/// [`Integrator::CommonFeature`] there is a [`Cfl`] a block in place of the first two.
#[derive(Debug)]
pub struct BlockIntegration {
    settings: BlockSettings,
    widths: FeatureWidths,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Maps(Box<Trained<AllBlocks>>),
    Common(Vec<Cfl>),
}

impl BlockIntegration {
    /// Fresh maps for so many blocks, drawn from `stream`; nothing for [`Integrator::None`].
    ///
    /// # Errors
    /// Fails if a setting is out of range, a width is 0, or heads do not divide the student's width.
    pub fn new(
        settings: BlockSettings,
        widths: &FeatureWidths,
        blocks: usize,
        stream: Stream,
        device: &Device,
    ) -> Result<Option<Self>> {
        settings.check()?;
        widths.check()?;
        if !widths.student.is_multiple_of(settings.heads) {
            return Err(Error::input(format!("is {} for a student of width {}", settings.heads, widths.student))
                .key("heads")
                .expected("a divisor of the width"));
        }
        let stream_of = |block: usize| stream.fork(block as u64);
        let kind = match settings.integrator {
            Integrator::None => return Ok(None),
            Integrator::CommonFeature => {
                let common = CflSettings {
                    mmd_weight: settings.match_weight,
                    reconstruction_weight: settings.reconstruction_weight,
                    training: settings.training(),
                    ..CflSettings::default()
                };
                let space = |block| Cfl::new(common, widths, stream_of(block), &device.clone().autodiff());
                Kind::Common((0..blocks).map(space).collect::<Result<_>>()?)
            }
            integrator => {
                let maps = |block: usize| {
                    let (width, stream) = (widths.student, stream_of(block));
                    let decoders = widths.teachers.iter().enumerate();
                    BlockMaps {
                        integrator: IntegratorMaps::fresh(integrator, widths, settings.heads, stream.fork(0), device),
                        decoders: decoders
                            .map(|(index, &to)| Linear::fresh(stream.fork(2 + index as u64), width, to, device))
                            .collect(),
                        student: Linear::fresh(stream.fork(1), width, width, device),
                    }
                };
                let all = AllBlocks { blocks: (0..blocks).map(maps).collect() };
                Kind::Maps(Box::new(Trained::new(all, &settings.training())?))
            }
        };
        Ok(Some(Self { settings, widths: widths.clone(), kind }))
    }

    /// The maps of a block as they are now; `None` where the integrator makes no R.
    pub fn maps(&self, block: usize) -> Option<&BlockMaps> {
        match &self.kind {
            Kind::Maps(maps) => maps.module().blocks.get(block),
            Kind::Common(_) => None,
        }
    }

    /// R of a block, `[batch, tokens, student width]`; `None` where the integrator makes none.
    ///
    /// # Errors
    /// Fails if the states do not fit the widths.
    pub fn unified(&self, block: usize, states: &BlockStates<'_>) -> Result<Option<Tensor<3>>> {
        states.check(&self.widths)?;
        let found = self.maps(block).and_then(|maps| {
            maps.integrator.forward(&states.constants(), states.weights, states.keep).map(|(unified, _)| unified)
        });
        Ok(found)
    }

    /// The losses of a block, from 0.
    ///
    /// # Errors
    /// Fails if there is no such block or the states do not fit the widths.
    pub fn loss(&mut self, block: usize, states: &BlockStates<'_>) -> Result<LossTerms> {
        states.check(&self.widths)?;
        let missing = || Error::internal(format!("no maps of block {block}"));
        match &mut self.kind {
            Kind::Maps(all) => {
                let maps = all.module().blocks.get(block).ok_or_else(missing)?;
                self.settings.terms(maps, states).ok_or_else(missing)
            }
            Kind::Common(spaces) => spaces.get_mut(block).ok_or_else(missing)?.loss_of_states(states),
        }
    }

    /// One step of the maps' Adam, from the gradients of a total that all blocks' losses were part of: takes out of `gradients`
    /// what belongs to the maps. `schedule` is the factor of the rate, 1 for a constant rate.
    ///
    /// # Errors
    /// Fails if `schedule` is negative or not finite.
    pub fn step(&mut self, gradients: &mut Gradients, schedule: f64) -> Result<()> {
        match &mut self.kind {
            Kind::Maps(maps) => maps.step(gradients, schedule),
            Kind::Common(spaces) => spaces.iter_mut().try_for_each(|space| space.step(gradients, schedule)),
        }
    }

    /// Number of values that are trained, for cost columns.
    pub fn trained_values(&self) -> usize {
        match &self.kind {
            Kind::Maps(maps) => maps.values(),
            Kind::Common(spaces) => spaces.iter().map(AlignFeatures::trained_values).sum(),
        }
    }

    /// Maps and moments, for a checkpoint.
    ///
    /// # Errors
    /// Fails if the state cannot be written down.
    pub fn save(&self) -> Result<AlignState> {
        match &self.kind {
            Kind::Maps(maps) => maps.save(),
            Kind::Common(spaces) => {
                let (mut values, mut tensors) = (Vec::new(), Vec::new());
                for (block, space) in spaces.iter().enumerate() {
                    let state = space.save()?;
                    values.push(state.values);
                    tensors.extend(state.tensors.into_iter().map(|tensor: StateTensor| tensor.under(&key(block))));
                }
                Ok(AlignState { values: values.into(), tensors })
            }
        }
    }

    /// Goes back to a state that [`save`](Self::save) gave.
    ///
    /// # Errors
    /// Fails if the state does not fit.
    pub fn load(&mut self, mut values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        match &mut self.kind {
            Kind::Maps(maps) => maps.load(values, tensors),
            Kind::Common(spaces) => spaces.iter_mut().enumerate().try_for_each(|(block, space)| {
                let own = values.get_mut(block).map(serde_json::Value::take).unwrap_or_default();
                space.load(own, &Below { prefix: key(block), tensors })
            }),
        }
    }
}

impl BlockSettings {
    /// Nothing if the integrator makes no R.
    fn terms(&self, maps: &BlockMaps, states: &BlockStates<'_>) -> Option<LossTerms> {
        let (teachers, shares) = (states.constants(), states.shares());
        let (unified, views) = maps.integrator.forward(&teachers, states.weights, states.keep)?;
        let weights = states.weights.clone().inner();
        let errors = maps.decoders.iter().zip(&teachers).enumerate().map(|(index, (decoder, own))| {
            let error = mean_square(decoder.forward(unified.clone()) - own.clone(), &shares);
            error * weights.clone().narrow(1, index, 1).squeeze_dim::<1>(1)
        });
        let reconstruction = errors.reduce(|sum, error| sum + error)?;
        let target = if self.stop_gradient { unified.clone().inner() } else { unified.clone() };
        let apart = mean_square(maps.student.forward(states.student.clone()) - target, &shares);
        let mut terms = LossTerms::new("block_match", self.match_weight, batch_mean(apart, states.sample_weights));
        let reconstruction = batch_mean(reconstruction, states.sample_weights);
        terms.push("block_reconstruction", self.reconstruction_weight, reconstruction);
        if self.agreement_weight > 0.0 {
            let views: Vec<Tensor<2>> = views.into_iter().map(|view| pooled(view, &shares)).collect();
            if let Some(apart) = teacher_agreement(&views) {
                terms.push("block_agreement", self.agreement_weight, batch_mean(apart, states.sample_weights));
            }
        }
        terms.log("unified_rank", participation_ratio(pooled(unified.inner(), &shares)));
        Some(terms)
    }
}

impl Cfl {
    /// Its loss over the means of all models' states over the text.
    fn loss_of_states(&mut self, states: &BlockStates<'_>) -> Result<LossTerms> {
        let shares = states.shares();
        let student = pooled(states.student.clone(), &shares);
        let teachers: Vec<Tensor<2>> = states.constants().into_iter().map(|own| pooled(own, &shares)).collect();
        let texts = student.dims()[0];
        let gate = Gate { weights: states.weights.clone(), sample_weights: None };
        // Common features read neither classes nor identities.
        let pseudo = PseudoClasses { classes: vec![0; texts], confidence: vec![0.0; texts] };
        let ids: Vec<u64> = (0..texts as u64).collect();
        let batch =
            FeatureBatch { student: &student, teachers: &teachers, gate: &gate, pseudo: &pseudo, ids: &ids, step: 0 };
        self.loss(&batch)
    }
}

fn key(block: usize) -> String {
    format!("block{block}")
}

/// The tensors of one block.
struct Below<'a> {
    prefix: String,
    tensors: &'a dyn NamedTensors,
}

impl NamedTensors for Below<'_> {
    fn names(&self) -> Vec<String> {
        let prefix = format!("{}.", self.prefix);
        self.tensors.names().iter().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.shape(&format!("{}.{name}", self.prefix))
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        self.tensors.read(&format!("{}.{name}", self.prefix))
    }

    fn origin(&self) -> String {
        self.tensors.origin()
    }
}
