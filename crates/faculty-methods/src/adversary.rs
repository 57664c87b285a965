//! Backward-pass distillation: texts moved in embedding space to where teachers and student differ most.

mod map;

pub use map::EmbeddingMap;

use crate::live::{constant, constant_student, keep, kept_logits, logits_of, require_shared_vocabulary, special_ids};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, LabelJoin, Result};
use faculty_losses::{JoinTensors, check_temperature, log_softmax};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, Embeddings, EncoderConfig, SequenceClassifier, TokenInput, host_values};
use serde::{Deserialize, Serialize};

/// How far texts are moved. After Jafari et al., arXiv 2301.12006; the values are Faculty's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdversarySpec {
    /// Steps of gradient ascent: 2 (1 to 3).
    pub steps: usize,
    /// How far a step moves the token of a text that it moves most, over the mean norm of the student's word embeddings: 0.2
    /// (0.1 to 0.5).
    pub step_length: f64,
    /// Temperature of teachers and student: 1.
    pub temperature: f64,
}

impl Default for AdversarySpec {
    fn default() -> Self {
        Self { steps: 2, step_length: 0.2, temperature: 1.0 }
    }
}

impl AdversarySpec {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(1..=16).contains(&self.steps) {
            return Err(Error::input(format!("is {}", self.steps)).key("steps").expected("1 to 16, commonly 1 to 3"));
        }
        if !(self.step_length > 0.0 && self.step_length <= 2.0) {
            let error = Error::input(format!("is {}", self.step_length)).key("step_length");
            return Err(error.expected("a positive number up to 2, commonly 0.1 to 0.5"));
        }
        check_temperature(self.temperature)
    }
}

/// Moves the word embeddings of texts uphill on Σ_i w_i KL(p_i ‖ p_S on teacher i's labels), both of which read the moved
/// text.
///
/// Teachers must share the student's vocabulary. Where their word tables differ, a move Δ of the student's embeddings reaches
/// teacher i as Δ Q_iᵀ ([`EmbeddingMap`]) on top of the teacher's own embeddings: an unmoved text is exactly what the teacher
/// knows, and the gradient goes through Q_i. Special tokens and padding never move. No network changes and none gets a
/// gradient: weights enter as constants, dropout is off.
#[derive(Debug, Clone)]
pub struct EmbeddingAdversary {
    spec: AdversarySpec,
    teachers: Vec<Side>,
    join: JoinTensors,
    /// The student's.
    config: EncoderConfig,
    device: Device,
    /// Ids that never move, ascending.
    special: Vec<u32>,
    /// How far a step moves a token at most.
    reach: f64,
}

/// A teacher, as the adversary asks it.
#[derive(Debug, Clone)]
struct Side {
    network: SequenceClassifier,
    /// The same embeddings on the plain device.
    embeddings: Embeddings,
    config: EncoderConfig,
    map: EmbeddingMap,
    /// Its logits that take part; `None` = all.
    kept: Option<Tensor<1, Int>>,
}

/// Moved texts.
#[derive(Debug, Clone)]
pub struct MovedTexts {
    /// Word embeddings of the student, `[batch, tokens, embedding]`, without a gradient: an input of
    /// [`Embeddings::embed_soft`](faculty_nn::Embeddings::embed_soft).
    pub words: Tensor<3>,
    /// What every teacher says of the moved texts over its kept labels, `[batch, C_i]`, without a gradient: targets.
    pub teacher_logits: Vec<Tensor<2>>,
    /// The divergence of every text before the first step, `[batch]`.
    pub before: Vec<f32>,
    /// The divergence of every text behind the last step, `[batch]`.
    pub after: Vec<f32>,
}

/// The tokens of a batch as student and teachers read them.
struct Batch {
    student: TokenInput,
    teachers: Vec<TokenInput>,
    /// Word embeddings before any move: the student's and the teachers'.
    words: Tensor<3>,
    teacher_words: Vec<Tensor<3>>,
}

/// Logits of a batch.
struct Answers {
    /// Over the union, `[batch, classes]`.
    student: Tensor<2>,
    /// Over the kept labels, `[batch, C_i]`.
    teachers: Vec<Tensor<2>>,
}

impl EmbeddingAdversary {
    /// Prepares for `teachers`, in the order of `join`, and for students with the vocabulary and the word table of
    /// `student`. The maps are fitted here, once.
    ///
    /// # Errors
    /// Fails if a setting is out of range, a teacher has another vocabulary than the student, or the join is of other
    /// teachers.
    pub fn new(
        student: &Classifier,
        teachers: &[(&str, &Classifier)],
        join: &LabelJoin,
        spec: AdversarySpec,
    ) -> Result<Self> {
        spec.check()?;
        if join.teachers().len() != teachers.len() {
            return Err(Error::internal(format!(
                "a join of {} for {} teachers",
                join.teachers().len(),
                teachers.len()
            )));
        }
        let mut sides = Vec::with_capacity(teachers.len());
        let help = "embeddings can be moved together only where token ids mean the same";
        require_shared_vocabulary(student, teachers, help)?;
        for ((_, teacher), part) in teachers.iter().zip(join.teachers()) {
            sides.push(Side {
                network: constant(&teacher.network),
                embeddings: teacher.network.encoder.embeddings.clone(),
                config: teacher.config.clone(),
                map: EmbeddingMap::fit(student, teacher)?,
                kept: kept_logits(teacher, part.kept()),
            });
        }
        let special = special_ids(student);
        let join = JoinTensors::new(join, &student.device);
        let reach = spec.step_length * map::mean_norm(student)?;
        let (config, device) = (student.config.clone(), student.device.clone());
        Ok(Self { spec, teachers: sides, join, config, device, special, reach })
    }

    /// How far one step moves a token at most, in the units of the student's word embeddings.
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// The map of every teacher.
    pub fn maps(&self) -> impl Iterator<Item = &EmbeddingMap> {
        self.teachers.iter().map(|side| &side.map)
    }

    /// The teachers' networks as they are asked: on an autodiff device, without wanting a gradient.
    pub fn networks(&self) -> impl Iterator<Item = &SequenceClassifier> {
        self.teachers.iter().map(|side| &side.network)
    }

    /// Of every teacher, the share of its word table that a linear map from the student's does not explain.
    pub fn unexplained(&self) -> impl Iterator<Item = f64> {
        self.teachers.iter().map(|side| side.map.residual())
    }

    /// Forward and backward passes of teachers over single texts that [`EmbeddingAdversary::run`] takes for one text.
    pub fn passes_a_text(&self) -> (usize, usize) {
        (self.teachers.len() * (self.spec.steps + 1), self.teachers.len() * self.spec.steps)
    }

    /// Moves the texts `rows` of `tokens`. `student` is the student as it is now, on any device, and as it was at
    /// [`EmbeddingAdversary::new`] but for its weights; `weights` are the gate's, `[rows, teachers]`. Both are constants.
    ///
    /// # Errors
    /// Fails if the tokens do not fit the models, the weights do not fit the rows, or a device cannot deliver.
    pub fn run(
        &self,
        student: &SequenceClassifier,
        tokens: &Tokens,
        rows: &[usize],
        weights: &Tensor<2>,
    ) -> Result<MovedTexts> {
        let weights = self.check_weights(weights, rows)?;
        let network = constant_student(student);
        let batch = self.batch(student, tokens, rows)?;
        let may_move = self.may_move(&batch.student);
        let (mut words, mut before) = (batch.words.clone(), Vec::new());
        for step in 0..self.spec.steps {
            let moving = Tensor::from_inner(words.clone()).require_grad();
            let divergence = self.divergence(&self.answers(&network, &batch, moving.clone()), &weights);
            if step == 0 {
                before = host_values(divergence.clone().inner())?;
            }
            let mut gradients = divergence.sum().backward();
            let gradient = moving
                .grad_remove(&mut gradients)
                .ok_or_else(|| Error::internal("the divergence has no gradient with respect to the words"))?;
            words = words + self.step(gradient * may_move.clone());
        }
        let answers = self.answers(&network, &batch, Tensor::from_inner(words.clone()));
        let after = host_values(self.divergence(&answers, &weights).inner())?;
        let teacher_logits = answers.teachers.into_iter().map(Tensor::inner).collect();
        Ok(MovedTexts { words, teacher_logits, before, after })
    }

    /// The divergence of every text, `[rows]`, where the student's word embeddings are `words`,
    /// `[rows, tokens, embedding]`; the other arguments are those of [`EmbeddingAdversary::run`].
    ///
    /// # Errors
    /// As [`EmbeddingAdversary::run`].
    pub fn divergence_at(
        &self,
        student: &SequenceClassifier,
        tokens: &Tokens,
        rows: &[usize],
        weights: &Tensor<2>,
        words: Tensor<3>,
    ) -> Result<Vec<f32>> {
        let weights = self.check_weights(weights, rows)?;
        let batch = self.batch(student, tokens, rows)?;
        let answers = self.answers(&constant_student(student), &batch, Tensor::from_inner(words.inner()));
        host_values(self.divergence(&answers, &weights).inner())
    }

    /// What the student says of moved texts, `[rows, classes]`: with a gradient to the weights of `student`, and none to
    /// `words`.
    ///
    /// # Errors
    /// Fails if the tokens do not fit the student.
    pub(crate) fn student_logits(
        &self,
        student: &SequenceClassifier,
        tokens: &Tokens,
        rows: &[usize],
        words: Tensor<3>,
        dropout: &DropoutPlan,
    ) -> Result<Tensor<2>> {
        let input = tokens.batch(rows, &self.config, &self.device)?;
        Ok(logits_of(student, Tensor::from_inner(words), &input, dropout))
    }

    fn check_weights(&self, weights: &Tensor<2>, rows: &[usize]) -> Result<Tensor<2>> {
        let expected = [rows.len(), self.teachers.len()];
        if weights.dims() != expected {
            return Err(Error::internal(format!("gate weights of shape {:?}", weights.dims()))
                .expected(format!("{expected:?}")));
        }
        Ok(weights.clone().inner())
    }

    /// One step uphill: the token of a text with the largest gradient moves by [`EmbeddingAdversary::reach`], the others in
    /// proportion to theirs.
    fn step(&self, gradient: Tensor<3>) -> Tensor<3> {
        // Divided by its largest element first, because squares of small gradients leave the range of f32.
        let largest = gradient.clone().abs().max_dim(2).max_dim(1).clamp_min(f32::MIN_POSITIVE);
        let scaled = gradient / largest;
        let longest = (scaled.clone() * scaled.clone()).sum_dim(2).sqrt().max_dim(1).clamp_min(f32::MIN_POSITIVE);
        (scaled / longest).mul_scalar(self.reach)
    }

    fn batch(&self, student: &SequenceClassifier, tokens: &Tokens, rows: &[usize]) -> Result<Batch> {
        let input = tokens.batch(rows, &self.config, &self.device)?;
        let mut teachers = Vec::with_capacity(self.teachers.len());
        let mut teacher_words = Vec::with_capacity(self.teachers.len());
        for side in &self.teachers {
            // Positions and segments are numbered by each model's own rules.
            let input = tokens.batch(rows, &side.config, &self.device)?;
            teacher_words.push(side.embeddings.look_up(&input));
            teachers.push(input);
        }
        let words = student.encoder.embeddings.valid().look_up(&input);
        Ok(Batch { student: input, teachers, words, teacher_words })
    }

    /// 1 for tokens that may move, 0 for special ones and padding, `[batch, tokens, 1]`.
    fn may_move(&self, input: &TokenInput) -> Tensor<3> {
        let spans = input.spans();
        let moves = |(id, keep): (&u32, f32)| if self.special.binary_search(id).is_ok() { 0.0 } else { keep };
        let mask: Vec<f32> = input.ids().iter().zip(spans.keep_mask()).map(moves).collect();
        Tensor::from_data(TensorData::new(mask, [spans.rows(), spans.width(), 1]), &self.device)
    }

    /// What all models say of a batch where the student's word embeddings are `words`, with a gradient through all of it.
    fn answers(&self, student: &SequenceClassifier, batch: &Batch, words: Tensor<3>) -> Answers {
        let moved = words.clone() - batch.words.clone();
        let sides = self.teachers.iter().zip(&batch.teachers).zip(&batch.teacher_words);
        let teachers = sides.map(|((side, input), own)| {
            let logits =
                logits_of(&side.network, side.map.apply(moved.clone()) + own.clone(), input, &DropoutPlan::Off);
            keep(logits, side.kept.as_ref())
        });
        Answers { teachers: teachers.collect(), student: logits_of(student, words, &batch.student, &DropoutPlan::Off) }
    }

    /// Σ_i w_i KL(p_i ‖ p_S on teacher i's labels) of every text, `[batch]`.
    fn divergence(&self, answers: &Answers, weights: &Tensor<2>) -> Tensor<1> {
        let temperature = self.spec.temperature;
        let rows = answers.teachers.iter().enumerate().map(|(index, logits)| {
            let teacher = log_softmax(logits.clone(), temperature).log_probabilities;
            let slice = log_softmax(self.join.slice(answers.student.clone(), index), temperature).log_probabilities;
            (teacher.clone().exp() * (teacher - slice)).sum_dim(1)
        });
        (Tensor::cat(rows.collect(), 1) * weights.clone()).sum_dim(1).squeeze_dim(1)
    }
}
