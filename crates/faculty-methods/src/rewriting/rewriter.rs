//! Rewriting texts, and learning to.

use super::generator::Generator;
use super::judge::{Judge, number, words_of};
use super::readers::{TeacherReader, all_rows};
use super::{NgramDiscriminator, Rewriting};
use crate::live::LiveTeacher;
use burn::tensor::{Device, Tensor};
use faculty_core::{Error, LabelJoin, NamedTensors, Result, Stream};
use faculty_losses::JoinTensors;
use faculty_model::{Classifier, MaskPlan, MaskedModel, MaskedTexts, Tokens};
use faculty_nn::TrainedModule;
use faculty_nn::fused::AdamWConfig;
use faculty_nn::masked_lm::{MaskedLm, TokenFigures, gumbel_noise};
use faculty_nn::{DropoutPlan, EncoderConfig, SequenceClassifier, StateTensor, TokenInput, host_values};
use faculty_student::ObjectiveState;
use faculty_text::TextTokenizer;
use std::sync::Arc;

/// A masked language model that rewrites texts for one student and its teachers, and learns to rewrite them to where these
/// differ.
///
/// A text is rewritten by hiding some of its tokens and drawing others in their place. To learn, the draw is a straight-through
/// Gumbel softmax: every model reads v E with its own word table E, v being one-hot forward and the softmax backward. What is as
/// wide as the vocabulary is computed at the rewritten positions alone, outside the graph: a model's gradient with respect to v
/// is its gradient with respect to the words that it read, times its table.
pub struct TextRewriter {
    spec: Rewriting,
    plan: MaskPlan,
    generator: Generator,
    discriminator: Option<TrainedModule<NgramDiscriminator>>,
    teachers: Vec<TeacherReader>,
    join: JoinTensors,
    /// The generator's, and the student's.
    tokenizer: Arc<TextTokenizer>,
    /// The student's.
    config: EncoderConfig,
    device: Device,
    stream: Stream,
}

/// What one step of the generator did.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorStep {
    /// What it wrote, a token for every hidden position.
    pub tokens: Vec<u32>,
    /// The divergence of what it wrote, before the step: mean over the texts, in nats, of the form that is made large.
    pub divergence: f64,
    /// The generator's own loss on the hidden tokens, in nats.
    pub own_loss: f64,
    /// What it wrote, and plain filling, as the model finds them that it started from.
    pub figures: TokenFigures,
    /// The discriminator's loss before its step, and the generator's loss under it, if runs are judged.
    pub local: Option<(f64, f64)>,
    /// The norm of its gradient before it is clipped.
    pub gradient_norm: f64,
}

/// Names of streams.
const MASKS: u64 = 1;
const NOISE: u64 = 2;
const DROPOUT: u64 = 3;
/// Added for what the generator does to learn, so that it is another draw than what the student reads.
const LEARNING: u64 = 16;
/// Where the discriminator is in checkpoints.
const LOCAL: &str = "discriminator";

impl TextRewriter {
    /// `teachers` are those of `join`, in its order; draws follow from `seed`.
    ///
    /// # Errors
    /// Fails if a setting is out of range, the student has another vocabulary than the generator, a teacher has and that is
    /// refused, or the join is of other teachers.
    pub fn new(
        spec: Rewriting,
        generator: &MaskedModel,
        student: &Classifier,
        teachers: &[&Classifier],
        join: &LabelJoin,
        seed: u64,
    ) -> Result<Self> {
        spec.check()?;
        if let Some(difference) = generator.tokenizer.vocabulary_difference(&student.tokenizer) {
            let text = format!("the student has another vocabulary than the generator: {difference}");
            return Err(Error::input(text)
                .key("rewriting.generator")
                .help("a masked language model with the student's tokenizer: `faculty mlm-head --model` trains one"));
        }
        let live = LiveTeacher::all(Some(teachers), join)?;
        let teachers = live
            .into_iter()
            .map(|teacher| TeacherReader::new(teacher, generator, spec.other_tokenizers))
            .collect::<Result<Vec<_>>>()?;
        let plan = MaskPlan::new(&generator.tokenizer, spec.mask_rate)?;
        let network = Generator::new(generator, &plan, &spec);
        let stream = Stream::new(seed, "rewriting");
        let discriminator = match &spec.local {
            Some(local) => {
                let words = generator.network.words();
                let (width, deviation) = (words.dims()[1], deviation(&words)?);
                let module = NgramDiscriminator::fresh(local, width, deviation, stream.fork(0), &generator.device);
                let adam = AdamWConfig { beta1: local.beta1, weight_decay: 0.0, ..AdamWConfig::default() };
                Some(TrainedModule::new(module, local.learning_rate, adam))
            }
            None => None,
        };
        Ok(Self {
            plan,
            generator: network,
            discriminator,
            teachers,
            join: JoinTensors::new(join, &student.device),
            tokenizer: Arc::clone(&generator.tokenizer),
            config: student.config.clone(),
            device: student.device.clone(),
            stream,
            spec,
        })
    }

    /// How texts are rewritten.
    pub fn spec(&self) -> &Rewriting {
        &self.spec
    }

    /// The generator as it is now, on an autodiff device.
    pub fn generator(&self) -> &MaskedLm {
        self.generator.network()
    }

    /// The judge of runs as it is now, on an autodiff device, if there is one.
    pub fn discriminator(&self) -> Option<&NgramDiscriminator> {
        self.discriminator.as_ref().map(TrainedModule::module)
    }

    /// The teachers' networks as they are asked for gradients: on an autodiff device, without wanting one for themselves.
    pub fn networks(&self) -> impl Iterator<Item = &SequenceClassifier> {
        self.teachers.iter().map(|reader| &reader.teacher.network)
    }

    /// The texts `rows` of `tokens` as the student reads them in update `step`: some tokens hidden, and others drawn in their
    /// place. No gradient reaches the generator.
    ///
    /// # Errors
    /// Fails if the tokens do not fit the generator.
    pub fn rewrite(&self, tokens: &Tokens, rows: &[usize], step: usize) -> Result<Tokens> {
        let texts = self.plan.apply(tokens, rows, self.stream.fork(MASKS).fork(step as u64));
        if texts.positions.is_empty() {
            return Ok(texts.clean);
        }
        let logits = self.generator.logits(&texts, &self.dropout(DROPOUT, step, rows))?;
        let streams = position_streams(&texts, rows, self.stream.fork(NOISE).fork(step as u64));
        let draws: Vec<f64> = streams.iter().map(|stream| stream.uniform_at(0)).collect();
        texts.filled(&logits.sample(&draws)?)
    }

    /// What every teacher says of texts over its kept labels, `[texts, C_i]`, without a gradient: targets.
    ///
    /// # Errors
    /// Fails if a text does not fit a teacher.
    pub fn ask(&self, texts: &Tokens) -> Result<Vec<Tensor<2>>> {
        self.teachers.iter().map(|reader| reader.ask(texts, &self.tokenizer)).collect()
    }

    /// One step of the generator on the texts `rows` of `tokens` in update `step`. `student` is the student as it is now, on any
    /// device, a constant; `weights` are the gate's, `[rows, teachers]`; `dropout` is what the student drops, if the settings
    /// leave it on. `None` if no token was hidden.
    ///
    /// # Errors
    /// Fails if the tokens do not fit the models, the weights do not fit the rows, or a device cannot deliver.
    pub fn learn(
        &mut self,
        student: &SequenceClassifier,
        tokens: &Tokens,
        rows: &[usize],
        weights: &Tensor<2>,
        dropout: &DropoutPlan,
        step: usize,
    ) -> Result<Option<GeneratorStep>> {
        let texts = self.plan.apply(tokens, rows, self.stream.fork(LEARNING + MASKS).fork(step as u64));
        let streams = position_streams(&texts, rows, self.stream.fork(LEARNING + NOISE).fork(step as u64));
        let noise = gumbel_noise(&streams, self.generator.vocabulary());
        let own = self.dropout(LEARNING + DROPOUT, step, rows);
        self.learn_from(student, &texts, &noise, weights, [dropout, &own])
    }

    /// [`TextRewriter::learn`] with given hidden tokens, Gumbel noise `[positions, vocabulary]`, and dropout of student and
    /// generator.
    ///
    /// # Errors
    /// As [`TextRewriter::learn`], or if the noise is of another size.
    pub fn learn_from(
        &mut self,
        student: &SequenceClassifier,
        texts: &MaskedTexts,
        noise: &[f32],
        weights: &Tensor<2>,
        [dropout, own_dropout]: [&DropoutPlan; 2],
    ) -> Result<Option<GeneratorStep>> {
        let expected = [texts.len(), self.teachers.len()];
        if weights.dims() != expected {
            return Err(Error::internal(format!("gate weights of shape {:?}", weights.dims()))
                .expected(format!("{expected:?}")));
        }
        if texts.positions.is_empty() {
            return Ok(None);
        }
        let read = self.generator.read(texts, own_dropout)?;
        let own = read.logits.cross_entropy(&texts.targets)?;
        let draw = self.generator.writable(read.logits.clone()).gumbel(noise, self.spec.gumbel_temperature)?;
        let written = texts.filled(&draw.tokens)?;
        let figures = self.generator.figures(texts, &draw.tokens)?;
        let told = self.teach_discriminator(texts, &written)?;
        let dropout = if self.spec.student_dropout { dropout } else { &DropoutPlan::Off };
        let judged = self.judge().read(student, &written, texts, weights, dropout)?;
        let mut gradient = draw.pull_back(judged.gradient)?;
        if self.spec.mlm_weight > 0.0 {
            let weight = self.spec.mlm_weight as f32;
            gradient.iter_mut().zip(&own.gradient).for_each(|(sum, own)| *sum += weight * own);
        }
        let gradient_norm = self.generator.step(read, gradient)?;
        Ok(Some(GeneratorStep {
            tokens: draw.tokens,
            divergence: judged.divergence,
            own_loss: own.mean,
            figures,
            local: told.zip(judged.local),
            gradient_norm,
        }))
    }

    /// The divergence of given texts, as the generator's steps count it.
    ///
    /// # Errors
    /// As [`TextRewriter::learn`].
    pub fn divergence(&self, student: &SequenceClassifier, written: &Tokens, weights: &Tensor<2>) -> Result<f64> {
        self.judge().value(student, written, weights)
    }

    /// Texts as the student reads them.
    pub(super) fn student_input(&self, written: &Tokens) -> Result<TokenInput> {
        written.batch(&all_rows(written), &self.config, &self.device)
    }

    /// How many teachers are asked, and through how many of them a gradient passes.
    pub(super) fn asked(&self) -> (usize, usize) {
        (self.teachers.len(), self.teachers.iter().filter(|reader| reader.passes_gradient()).count())
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            spec: &self.spec,
            teachers: &self.teachers,
            join: &self.join,
            tokenizer: &self.tokenizer,
            config: &self.config,
            device: &self.device,
            local: self.discriminator.as_ref().map(|trained| (trained.module(), self.generator.first_words())),
            vocabulary: self.generator.vocabulary(),
        }
    }

    /// One step of the discriminator: what was there is real, what was written is not. Returns its loss before the step.
    fn teach_discriminator(&mut self, texts: &MaskedTexts, written: &Tokens) -> Result<Option<f64>> {
        let table = self.generator.first_words();
        let words = |tokens: &Tokens| -> Result<Tensor<3>> {
            let input = tokens.batch(&all_rows(tokens), &self.config, &self.device)?;
            let ids: Vec<i32> = input.ids().iter().map(|&id| id as i32).collect();
            Ok(Tensor::from_inner(words_of(&table, &ids, [texts.len(), texts.width])))
        };
        let (real, fake) = (words(&texts.clean)?, words(written)?);
        let Some(trained) = &mut self.discriminator else { return Ok(None) };
        let loss = trained.module().loss(real, texts, true) + trained.module().loss(fake, texts, false);
        let loss = loss.div_scalar(2.0);
        let value = number(&loss)?;
        // Without a run to judge there is no graph.
        if value > 0.0 {
            trained.step(&mut loss.backward(), 1.0)?;
        }
        Ok(Some(value))
    }

    fn dropout(&self, name: u64, step: usize, rows: &[usize]) -> DropoutPlan {
        match self.spec.generator_dropout {
            true => self.generator.dropout(self.stream.fork(name).fork(step as u64), rows),
            false => DropoutPlan::Off,
        }
    }

    pub(crate) fn save(&self) -> Result<(serde_json::Value, Vec<StateTensor>)> {
        let ObjectiveState { values, mut tensors } = self.generator.save()?;
        let mut local = serde_json::Value::Null;
        if let Some(trained) = &self.discriminator {
            let state = trained.save(LOCAL)?;
            local = state.values;
            tensors.extend(state.tensors);
        }
        Ok((serde_json::json!({"generator": values, "discriminator": local}), tensors))
    }

    pub(crate) fn load(&mut self, mut values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let mut part = |name: &str| values.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
        self.generator.load(part("generator"), tensors)?;
        match &mut self.discriminator {
            Some(trained) => trained.load(LOCAL, part("discriminator"), tensors),
            None => Ok(()),
        }
    }
}

/// One stream a hidden position, which follows from its text's row and its place in it.
fn position_streams(texts: &MaskedTexts, rows: &[usize], stream: Stream) -> Vec<Stream> {
    let of = |position: &usize| stream.fork(rows[position / texts.width] as u64).fork((position % texts.width) as u64);
    texts.positions.iter().map(of).collect()
}

/// The deviation of the elements of a table from 0.
fn deviation(table: &Tensor<2>) -> Result<f64> {
    let values = host_values(table.clone())?;
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    Ok((squares / values.len().max(1) as f64).sqrt())
}
